//! Which of the socket patterns a socket follows, with its state.

use tamtam_zmtp::{
    Identities, NoticePolicy, PeerId, ReplyTurn, RequestTurn, RoutingIds, SocketType, Subscriptions, Topics,
};

/// The pattern's state machine.
#[expect(clippy::large_enum_variant, reason = "a socket has one, which is looked at for every message")]
pub(crate) enum Pattern {
    /// PAIR, PUSH, PULL, DEALER: the turns of sending and receiving are all.
    Plain,
    /// CLIENT, GATHER, SCATTER, CHANNEL: the same, of messages with one frame.
    Single,
    /// REQ.
    Request(RequestTurn),
    /// REP.
    Reply(ReplyTurn),
    /// ROUTER and STREAM.
    Route(Identities),
    /// SERVER and PEER.
    Serve(RoutingIds),
    /// PUB and XPUB, and RADIO.
    Publish(Publishing),
    /// SUB and XSUB.
    Subscribe(Topics),
    /// DISH: the topics are groups.
    Join(Topics),
    /// DGRAM.
    Datagrams,
}

/// What a publisher knows of its subscribers.
pub(crate) struct Publishing {
    pub(crate) subscriptions: Subscriptions,
    /// RADIO: groups, which match as a whole.
    pub(crate) by_group: bool,
    /// RADIO: where every datagram goes, whatever its group.
    pub(crate) datagrams: Vec<PeerId>,
    /// Manual mode: what peers asked for, whatever the application made of it.
    pub(crate) asked: Subscriptions,
    pub(crate) policy: NoticePolicy,
    /// The peer whose notice was received last: `XPUB_MANUAL` acts on it.
    pub(crate) last: Option<PeerId>,
}

impl Publishing {
    /// Returns the peers that want a message with this first frame.
    #[inline]
    pub(crate) fn matching(&mut self, first: &[u8]) -> &[PeerId] {
        //= 48/RADIO-DISH, the RADIO socket type
        //# SHALL perform a group membership check using exact matching algorithm.
        if self.by_group { self.subscriptions.holders(first) } else { self.subscriptions.matches(first) }
    }
}

impl Pattern {
    /// REQ, REP: tells whether it is not the turn to receive.
    #[inline]
    pub(crate) fn is_out_of_turn(&self) -> bool {
        match self {
            Self::Request(turn) => turn.may_receive().is_err(),
            Self::Reply(turn) => turn.may_receive().is_err(),
            _ => false,
        }
    }

    pub(crate) fn new(kind: SocketType, seed: u32) -> Self {
        match kind {
            SocketType::Req => Self::Request(RequestTurn::new()),
            SocketType::Rep => Self::Reply(ReplyTurn::new()),
            SocketType::Router | SocketType::Stream => Self::Route(Identities::new(first_id(seed))),
            SocketType::Server | SocketType::Peer => Self::Serve(RoutingIds::new(first_id(seed))),
            SocketType::Pub | SocketType::XPub | SocketType::Radio => Self::Publish(Publishing {
                subscriptions: Subscriptions::new(),
                by_group: kind == SocketType::Radio,
                datagrams: Vec::new(),
                asked: Subscriptions::new(),
                policy: NoticePolicy::default(),
                last: None,
            }),
            SocketType::Sub | SocketType::XSub => Self::Subscribe(Topics::new()),
            SocketType::Dish => Self::Join(Topics::new()),
            SocketType::Dgram => Self::Datagrams,
            SocketType::Client | SocketType::Gather | SocketType::Scatter | SocketType::Channel => {
                Self::Single
            }
            _ => Self::Plain,
        }
    }
}

/// Where automatic ids begin: a start that differs from socket to socket keeps old addresses from meaning a new peer.
fn first_id(seed: u32) -> u32 {
    seed.wrapping_mul(0x9E37_79B9) ^ std::process::id().rotate_left(16)
}

/// Tells whether a type chooses one peer per message, in turn.
pub(crate) fn takes_turns(kind: SocketType) -> bool {
    matches!(
        kind,
        SocketType::Pair
            | SocketType::Push
            | SocketType::Dealer
            | SocketType::Req
            | SocketType::Client
            | SocketType::Scatter
            | SocketType::Channel
    )
}

/// Tells whether a type has one peer at most.
pub(crate) fn is_exclusive(kind: SocketType) -> bool {
    matches!(kind, SocketType::Pair | SocketType::Channel)
}
