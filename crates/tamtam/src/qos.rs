//! What a publisher or subscriber wants: how much is queued, and what happens when that is not enough.

use std::time::Duration;

/// Octets that wait for one subscriber if nothing else is said.
const DEPTH_BYTES: u64 = 64 << 20;

/// What happens when a subscriber's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// `send` waits so long, and then fails.
    Block(Duration),
    /// `send` fails at once; nobody gets the message.
    Error,
    /// The subscriber loses its oldest messages, those that wait at its end. For a burst to get there, up to 1000 messages and
    /// 16 MiB may wait at the publisher, also if less is asked for. A process that is stopped altogether drops nothing: what the
    /// publisher cannot queue for it then is dropped there, the newest first.
    DropOldest,
    /// The subscriber does not get the message.
    DropNewest,
}

impl Overflow {
    /// Returns whether every message that was sent reaches everybody.
    #[must_use]
    pub const fn is_lossless(self) -> bool {
        matches!(self, Self::Block(_) | Self::Error)
    }

    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Block(_) => 1,
            Self::Error => 2,
            Self::DropOldest => 3,
            Self::DropNewest => 4,
        }
    }

    pub(crate) const fn word(number: u32) -> &'static str {
        match number {
            1 => "block",
            2 => "error",
            3 => "drop-oldest",
            4 => "drop-newest",
            _ => "unknown",
        }
    }
}

/// Who can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Nodes of this process, of the same domain and directory. Nobody else hears of it: it is in no registry and has no file.
    /// Messages go through a Unix socket without a name in the file system, which lets in this process alone.
    Process,
    /// Nodes of the same user on this host.
    #[default]
    Host,
    /// Nodes on other hosts, too, which know this one as a peer ([`NodeBuilder::peer`](crate::NodeBuilder::peer)) or hear it on
    /// their network ([`NodeBuilder::lan`](crate::NodeBuilder::lan)).
    Network,
}

/// Quality of service.
///
/// It never prevents a match: the weaker side wins, and both are told ([`Event::Degraded`](crate::Event::Degraded)).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Qos {
    /// Messages that wait for one subscriber, at each end; at least 1. Default 1000.
    pub depth: u32,
    /// Octets that wait for one subscriber, at each end, beside [`depth`](Self::depth): a message is taken as long as less than
    /// that waits, so that one larger than the bound still gets through. `None`: messages alone count. Default 64 MiB, since a
    /// thousand messages are no bound on memory where one may be an image.
    pub depth_bytes: Option<u64>,
    /// What happens beyond. Default [`Overflow::Block`] for one second. What a subscriber asks for counts only as far as
    /// dropping the oldest goes; the rest is the publisher's decision.
    pub overflow: Overflow,
    /// Publishers: how many of the last messages a subscriber gets that comes later. Default 0.
    pub latch: u32,
    /// Subscribers: the longest silence before [`Event::Stale`](crate::Event::Stale) is reported. Default none.
    pub deadline: Option<Duration>,
    /// Subscribers: messages published longer ago are passed over, and counted. Needs clocks that agree. Default none.
    pub lifespan: Option<Duration>,
    /// Subscribers: the most messages a second; those between are passed over, and counted. Default none.
    pub max_rate: Option<f64>,
    /// Publishers and services: who can be reached. Default [`Reach::Host`].
    pub reach: Reach,
}

impl Default for Qos {
    /// Nothing is lost, in a thousand messages and 64 MiB: `send` waits up to a second for the slowest subscriber, then fails.
    fn default() -> Self {
        Self {
            depth: 1000,
            depth_bytes: Some(DEPTH_BYTES),
            overflow: Overflow::Block(Duration::from_secs(1)),
            latch: 0,
            deadline: None,
            lifespan: None,
            max_rate: None,
            reach: Reach::Host,
        }
    }
}

impl Qos {
    /// The newest message counts: a queue of one, and the old one goes.
    #[must_use]
    pub fn sensor() -> Self {
        Self { depth: 1, overflow: Overflow::DropOldest, ..Self::default() }
    }

    /// For messages that must not hold the program up: ten thousand may wait, beyond that the newest go.
    #[must_use]
    pub fn log() -> Self {
        Self { depth: 10_000, overflow: Overflow::DropNewest, ..Self::default() }
    }

    /// Keeps the last `depth` messages for a slow subscriber, as far as 64 MiB go.
    #[must_use]
    pub fn keep_last(depth: u32) -> Self {
        Self { depth: depth.max(1), overflow: Overflow::DropOldest, ..Self::default() }
    }

    /// Sets [`depth`](Self::depth).
    #[must_use]
    pub fn depth(mut self, depth: u32) -> Self {
        self.depth = depth.max(1);
        self
    }

    /// Sets [`depth_bytes`](Self::depth_bytes), at least 1.
    #[must_use]
    pub fn depth_bytes(mut self, octets: u64) -> Self {
        self.depth_bytes = Some(octets.max(1));
        self
    }

    /// Sets [`overflow`](Self::overflow).
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets [`latch`](Self::latch).
    #[must_use]
    pub const fn latch(mut self, count: u32) -> Self {
        self.latch = count;
        self
    }

    /// Sets [`deadline`](Self::deadline).
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets [`lifespan`](Self::lifespan).
    #[must_use]
    pub const fn lifespan(mut self, lifespan: Duration) -> Self {
        self.lifespan = Some(lifespan);
        self
    }

    /// Sets [`max_rate`](Self::max_rate), in messages a second.
    #[must_use]
    pub const fn max_rate(mut self, rate: f64) -> Self {
        self.max_rate = Some(rate);
        self
    }

    /// Sets [`reach`](Self::reach).
    #[must_use]
    pub const fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }
}
