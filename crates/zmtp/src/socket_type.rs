//! The socket types and which of them may talk to each other (37/ZMTP, the Socket-Type property).

use std::fmt;
use std::str::FromStr;

/// A ZeroMQ socket type.
///
/// The discriminants are the numbers of `zmq.h`, which are also those of the ZMTP 2.0 greeting.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketType {
    /// Exclusive pair (31/EXPAIR).
    Pair = 0,
    /// Publisher (29/PUBSUB).
    Pub = 1,
    /// Subscriber (29/PUBSUB).
    Sub = 2,
    /// Requester, in lockstep (28/REQREP).
    Req = 3,
    /// Replier, in lockstep (28/REQREP).
    Rep = 4,
    /// Asynchronous requester (28/REQREP).
    Dealer = 5,
    /// Asynchronous replier that addresses its peers (28/REQREP).
    Router = 6,
    /// Receiving end of a pipeline (30/PIPELINE).
    Pull = 7,
    /// Sending end of a pipeline (30/PIPELINE).
    Push = 8,
    /// Publisher that sees subscriptions (29/PUBSUB).
    XPub = 9,
    /// Subscriber that sends subscriptions as messages (29/PUBSUB).
    XSub = 10,
    /// Plain byte streams, without ZMTP.
    Stream = 11,
    /// Replier that addresses its clients by numbers (41/CLISRV).
    Server = 12,
    /// Asynchronous requester of SERVER (41/CLISRV).
    Client = 13,
    /// Sender to groups (48/RADIO-DISH).
    Radio = 14,
    /// Member of groups (48/RADIO-DISH).
    Dish = 15,
    /// Receiving end of a single-part pipeline (49/SCATTERGATHER).
    Gather = 16,
    /// Sending end of a single-part pipeline (49/SCATTERGATHER).
    Scatter = 17,
    /// UDP datagrams with the address they come from or go to, without ZMTP.
    Dgram = 18,
    /// One of equals that address each other by numbers (51/P2P).
    Peer = 19,
    /// Exclusive pair, single-part (52/CHANNEL).
    Channel = 20,
}

use SocketType::{
    Channel, Client, Dealer, Dgram, Dish, Gather, Pair, Peer, Pub, Pull, Push, Radio, Rep, Req, Router,
    Scatter, Server, Stream, Sub, XPub, XSub,
};

/// Says that a text names no [`SocketType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a socket type (expected PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB, STREAM, SERVER, \
     CLIENT, RADIO, DISH, GATHER, SCATTER, DGRAM, PEER or CHANNEL)"
)]
pub struct ParseSocketTypeError;

impl SocketType {
    /// Every socket type, by number.
    pub const ALL: [Self; 21] = [
        Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, XPub, XSub, Stream, Server, Client, Radio,
        Dish, Gather, Scatter, Dgram, Peer, Channel,
    ];

    /// Returns the name that goes into the Socket-Type property, such as `"DEALER"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Pair => "PAIR",
            Pub => "PUB",
            Sub => "SUB",
            Req => "REQ",
            Rep => "REP",
            Dealer => "DEALER",
            Router => "ROUTER",
            Pull => "PULL",
            Push => "PUSH",
            XPub => "XPUB",
            XSub => "XSUB",
            Stream => "STREAM",
            Server => "SERVER",
            Client => "CLIENT",
            Radio => "RADIO",
            Dish => "DISH",
            Gather => "GATHER",
            Scatter => "SCATTER",
            Dgram => "DGRAM",
            Peer => "PEER",
            Channel => "CHANNEL",
        }
    }

    /// Finds the type of this name. Case matters: the RFC's names are upper case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name().as_bytes() == name)
    }

    /// Returns the type's number in `zmq.h`.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Finds the type of this `zmq.h` number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| i32::from(known.number()) == number)
    }

    /// Returns whether a socket of this type may talk to one of type `peer`. STREAM and DGRAM, which are no
    /// ZMTP, talk to none.
    #[must_use]
    pub const fn accepts(self, peer: Self) -> bool {
        //= 37/ZMTP, the Socket-Type Property
        //# The peer SHOULD enforce that the other peer is using a valid socket type.
        match self {
            Pair => matches!(peer, Pair),
            Pub | XPub => matches!(peer, Sub | XSub),
            Sub | XSub => matches!(peer, Pub | XPub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
            Pull => matches!(peer, Push),
            Push => matches!(peer, Pull),
            Server => matches!(peer, Client),
            Client => matches!(peer, Server),
            Radio => matches!(peer, Dish),
            Dish => matches!(peer, Radio),
            Gather => matches!(peer, Scatter),
            Scatter => matches!(peer, Gather),
            Peer => matches!(peer, Peer),
            Channel => matches!(peer, Channel),
            Stream | Dgram => false,
        }
    }

    /// Returns whether applications may send on this type (XSUB sends its subscriptions).
    #[must_use]
    pub const fn can_send(self) -> bool {
        !matches!(self, Sub | Pull | Dish | Gather)
    }

    /// Returns whether applications may receive on this type (XPUB receives its peers' subscriptions).
    #[must_use]
    pub const fn can_receive(self) -> bool {
        !matches!(self, Pub | Push | Radio | Scatter)
    }

    /// Returns whether messages of this type have one frame: longer ones are refused when sending, and dropped when a
    /// peer sends them.
    #[must_use]
    pub const fn is_single_part(self) -> bool {
        matches!(self, Server | Client | Gather | Scatter | Peer | Channel)
    }

    /// Returns whether applications address the peers of this type by numbers
    /// ([`Message::routing_id`](crate::Message::routing_id)).
    #[must_use]
    pub const fn numbers_peers(self) -> bool {
        matches!(self, Server | Peer)
    }

    /// Returns whether this type subscribes to topics at its peers. DISH, which joins groups, does not.
    #[must_use]
    pub const fn subscribes(self) -> bool {
        matches!(self, Sub | XSub)
    }

    /// Returns whether this type serves its peers' subscriptions to topics, or to groups (RADIO).
    #[must_use]
    pub const fn publishes(self) -> bool {
        matches!(self, Pub | XPub | Radio)
    }

    /// Returns whether this type announces its identity: those that a ROUTER may address.
    #[must_use]
    pub const fn sends_identity(self) -> bool {
        matches!(self, Req | Dealer | Router)
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SocketType {
    type Err = ParseSocketTypeError;

    fn from_str(name: &str) -> Result<Self, ParseSocketTypeError> {
        Self::from_name(name.as_bytes()).ok_or(ParseSocketTypeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back_to_the_type() {
        for (number, socket_type) in (0..).zip(SocketType::ALL) {
            assert_eq!(i32::from(socket_type.number()), number);
            assert_eq!(SocketType::from_number(number), Some(socket_type));
            assert_eq!(socket_type.name().parse(), Ok(socket_type));
            assert_eq!(socket_type.to_string(), socket_type.name());
            assert_eq!(socket_type.name().to_lowercase().parse::<SocketType>(), Err(ParseSocketTypeError));
        }
        assert_eq!(SocketType::from_number(-1), None);
        assert_eq!(SocketType::from_number(21), None);
        assert_eq!(SocketType::from_name(b"THREAD"), None);
        assert_eq!(SocketType::from_name(b""), None);
    }

    #[test]
    fn acceptance_is_the_table_of_the_rfc() {
        // Rows and columns in the order of `ALL`.
        let table = [
            "x....................", // PAIR
            "..x.......x..........", // PUB
            ".x.......x...........", // SUB
            "....x.x..............", // REQ
            "...x.x...............", // REP
            "....xxx..............", // DEALER
            "...x.xx..............", // ROUTER
            "........x............", // PULL
            ".......x.............", // PUSH
            "..x.......x..........", // XPUB
            ".x.......x...........", // XSUB
            ".....................", // STREAM
            ".............x.......", // SERVER
            "............x........", // CLIENT
            "...............x.....", // RADIO
            "..............x......", // DISH
            ".................x...", // GATHER
            "................x....", // SCATTER
            ".....................", // DGRAM
            "...................x.", // PEER
            "....................x", // CHANNEL
        ];
        for (ours, row) in SocketType::ALL.into_iter().zip(table) {
            for (theirs, cell) in SocketType::ALL.into_iter().zip(row.chars()) {
                assert_eq!(ours.accepts(theirs), cell == 'x', "{ours} with {theirs}");
                assert_eq!(ours.accepts(theirs), theirs.accepts(ours), "{ours} with {theirs}");
            }
        }
    }

    #[test]
    fn directions() {
        let of = |test: fn(SocketType) -> bool| {
            SocketType::ALL.into_iter().filter(|ours| test(*ours)).map(SocketType::name).collect::<Vec<_>>()
        };
        assert_eq!(of(|ours| !ours.can_send()), ["SUB", "PULL", "DISH", "GATHER"]);
        assert_eq!(of(|ours| !ours.can_receive()), ["PUB", "PUSH", "RADIO", "SCATTER"]);
        assert_eq!(of(SocketType::subscribes), ["SUB", "XSUB"]);
        assert_eq!(of(SocketType::publishes), ["PUB", "XPUB", "RADIO"]);
        assert_eq!(of(SocketType::sends_identity), ["REQ", "DEALER", "ROUTER"]);
        assert_eq!(
            of(SocketType::is_single_part),
            ["SERVER", "CLIENT", "GATHER", "SCATTER", "PEER", "CHANNEL"]
        );
        assert_eq!(of(SocketType::numbers_peers), ["SERVER", "PEER"]);
    }
}
