//! What the measurements of growth need beyond an [`Engine`].

use std::time::{Duration, Instant};

use crate::engine::{Engine, Tamtam};
use crate::failure::{Failure, Outcome};

/// A library whose subscriptions can be counted.
pub(super) trait Library: Engine {
    /// Has a subscriber lose no subscription, however many it makes before the publisher has taken them.
    fn keep_all_subscriptions(socket: &Self::Socket) -> Outcome;
    /// Subscribes to what begins with `topic`.
    fn subscribe_to(socket: &Self::Socket, topic: &str) -> Outcome;
    /// Waits until a publisher holds so many different subscriptions, of all its subscribers together.
    fn wait_for_subscriptions(socket: &Self::Socket, count: usize, timeout: Duration) -> Outcome;
}

impl Library for Tamtam {
    fn keep_all_subscriptions(_: &Self::Socket) -> Outcome {
        // It loses none.
        Ok(())
    }

    fn subscribe_to(socket: &Self::Socket, topic: &str) -> Outcome {
        Ok(socket.subscribe(topic)?)
    }

    fn wait_for_subscriptions(socket: &Self::Socket, count: usize, timeout: Duration) -> Outcome {
        let deadline = Instant::now() + timeout;
        loop {
            // No two subscribers here have the same, and to count each peer's would take longer than to make them.
            let held = socket.topics_count();
            if held >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Failure::new(format!("subscriptions: {held} of {count} after {timeout:?}")));
            }
            // Nobody tells of the last one.
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

#[cfg(feature = "libzmq")]
impl Library for crate::engine::Libzmq {
    fn keep_all_subscriptions(socket: &Self::Socket) -> Outcome {
        // A subscription is a message in its pipe, and at the mark of 1,000 it is dropped and nobody is told.
        Ok(socket.set_sndhwm(0)?)
    }

    fn subscribe_to(socket: &Self::Socket, topic: &str) -> Outcome {
        Ok(socket.set_subscribe(topic.as_bytes())?)
    }

    fn wait_for_subscriptions(socket: &Self::Socket, count: usize, timeout: Duration) -> Outcome {
        // Its publisher is a verbose XPUB, which hands out each of them.
        Self::wait_for_subscribers(socket, count, timeout)
    }
}
