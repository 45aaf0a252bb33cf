//! What publishers and subscribers are told beside messages.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::id::hex;
use crate::schema::Comparison;

/// Events that wait to be read; the oldest go beyond.
const EVENTS_MAX: usize = 1024;

/// Which publisher something is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PublisherId {
    /// The name of its node; empty if that is not known.
    pub node: String,
    /// Its number, chosen by chance when it was made.
    pub source: [u8; 8],
}

impl fmt::Display for PublisherId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.node.is_empty() {
            write!(f, "{} ", self.node)?;
        }
        write!(f, "({})", hex(&self.source))
    }
}

/// Why messages are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// This subscriber was too slow, and keeps the newest only.
    SubscriberFull,
    /// The publisher does not wait for slow subscribers, and this one's queue there was full.
    PublisherFull,
    /// The connection was lost in between.
    Connection,
    /// Nobody knows.
    Unknown,
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SubscriberFull => "this subscriber was too slow",
            Self::PublisherFull => "the publisher's queue for this subscriber was full",
            Self::Connection => "the connection was lost",
            Self::Unknown => "reason unknown",
        })
    }
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// There is a publisher, and its messages will come.
    Matched(PublisherId),
    /// Messages are missing, from the first to the last number.
    Lost {
        /// Whose.
        publisher: PublisherId,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
        /// Why.
        reason: LossReason,
    },
    /// The publisher's messages look different; if the difference is breaking they are refused, unless asked for.
    SchemaDiffers {
        /// Whose.
        publisher: PublisherId,
        /// Its type.
        type_name: String,
        /// How they differ.
        comparison: Comparison,
        /// Whether its messages are not delivered.
        refused: bool,
    },
    /// The publisher promises less than this subscriber wants.
    Degraded {
        /// Whose.
        publisher: PublisherId,
        /// In words.
        what: String,
    },
    /// There was no message for longer than the deadline.
    Stale {
        /// How long.
        silence: Duration,
    },
    /// The publisher has ended after so many messages.
    Ended {
        /// Which.
        publisher: PublisherId,
        /// How many it has published.
        count: u64,
    },
    /// The publisher is gone without having ended.
    Gone {
        /// Which.
        publisher: PublisherId,
        /// The number of its last message that arrived, 0 if none did.
        received: u64,
        /// The highest number that it was known to have published.
        published: u64,
    },
    /// There is a connection to an endpoint that the program has [connected](crate::SubscriberBuilder::connect) to.
    Connected {
        /// Which, as it was named.
        endpoint: String,
    },
    /// Such a connection is lost, without END having come over it: a publisher that is in no registry may have died. It is tried
    /// again.
    Disconnected {
        /// Which, as it was named.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// A message that is none, or that cannot be decoded.
    Malformed {
        /// What is wrong with it.
        what: String,
    },
}

/// What a publisher is told by its subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublisherEvent {
    /// There is one more.
    Attached {
        /// How many there are now.
        subscribers: usize,
    },
    /// A subscriber has missed messages.
    Lost {
        /// The name of its node.
        node: String,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
        /// How many are missing between them, both included: all, unless there were too many gaps to tell each.
        count: u64,
        /// Why, in its words.
        reason: String,
    },
    /// A subscriber expects another type.
    SchemaDiffers {
        /// The name of its node.
        node: String,
        /// How they differ, in its words.
        what: String,
    },
    /// A subscriber wants more than this publisher promises.
    Degraded {
        /// The name of its node.
        node: String,
        /// In its words.
        what: String,
    },
}

/// Events in turn, bounded.
#[derive(Debug)]
pub(crate) struct Events<E> {
    state: Mutex<State<E>>,
    came: Condvar,
}

#[derive(Debug)]
struct State<E> {
    queue: VecDeque<E>,
    dropped: u64,
}

impl<E> Events<E> {
    pub(crate) const fn new() -> Self {
        Self { state: Mutex::new(State { queue: VecDeque::new(), dropped: 0 }), came: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, event: E) {
        let mut state = self.lock();
        if state.queue.len() >= EVENTS_MAX {
            state.queue.pop_front();
            state.dropped += 1;
        }
        state.queue.push_back(event);
        drop(state);
        self.came.notify_all();
    }

    pub(crate) fn take(&self, timeout: Duration) -> Option<E> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            if let Some(event) = state.queue.pop_front() {
                return Some(event);
            }
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            state = self.came.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }
}
