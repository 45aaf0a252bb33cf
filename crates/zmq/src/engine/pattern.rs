//! Which of the socket patterns a socket follows, with its state.

use tamtam_zmtp::{
    Identities, NoticePolicy, PeerId, ReplyTurn, RequestTurn, SocketType, Subscriptions, Topics,
};

/// The pattern's state machine.
pub(crate) enum Pattern {
    /// PAIR, PUSH, PULL, DEALER: the turns of sending and receiving are all.
    Plain,
    /// REQ.
    Request(RequestTurn),
    /// REP.
    Reply(ReplyTurn),
    /// ROUTER and STREAM.
    Route(Identities),
    /// PUB and XPUB.
    Publish(Publishing),
    /// SUB and XSUB.
    Subscribe(Topics),
}

/// What a publisher knows of its subscribers.
pub(crate) struct Publishing {
    pub(crate) subscriptions: Subscriptions,
    /// Manual mode: what peers asked for, whatever the application made of it.
    pub(crate) asked: Subscriptions,
    pub(crate) policy: NoticePolicy,
    /// The peer whose notice was received last: `XPUB_MANUAL` acts on it.
    pub(crate) last: Option<PeerId>,
}

impl Pattern {
    pub(crate) fn new(kind: SocketType, seed: u32) -> Self {
        match kind {
            SocketType::Req => Self::Request(RequestTurn::new()),
            SocketType::Rep => Self::Reply(ReplyTurn::new()),
            SocketType::Router | SocketType::Stream => {
                // A start that differs from socket to socket keeps old addresses from meaning a new peer.
                Self::Route(Identities::new(
                    seed.wrapping_mul(0x9E37_79B9) ^ std::process::id().rotate_left(16),
                ))
            }
            SocketType::Pub | SocketType::XPub => Self::Publish(Publishing {
                subscriptions: Subscriptions::new(),
                asked: Subscriptions::new(),
                policy: NoticePolicy::default(),
                last: None,
            }),
            SocketType::Sub | SocketType::XSub => Self::Subscribe(Topics::new()),
            _ => Self::Plain,
        }
    }
}

/// Tells whether a type chooses one peer per message, in turn.
pub(crate) fn takes_turns(kind: SocketType) -> bool {
    matches!(kind, SocketType::Pair | SocketType::Push | SocketType::Dealer | SocketType::Req)
}
