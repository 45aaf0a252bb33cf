//! What the measurements of growth need beyond an [`Engine`].

use std::time::{Duration, Instant};

use crate::engine::{Engine, Tamtam};
use crate::failure::{Failure, Outcome};

/// A library whose subscriptions can be counted.
pub(super) trait Library: Engine {
    /// Subscribes to what begins with `topic`.
    fn subscribe_to(socket: &Self::Socket, topic: &str) -> Outcome;
    /// Waits until a publisher holds so many subscriptions, of all its subscribers together.
    fn wait_for_subscriptions(socket: &Self::Socket, count: usize, timeout: Duration) -> Outcome;
}

impl Library for Tamtam {
    fn subscribe_to(socket: &Self::Socket, topic: &str) -> Outcome {
        Ok(socket.subscribe(topic)?)
    }

    fn wait_for_subscriptions(socket: &Self::Socket, count: usize, timeout: Duration) -> Outcome {
        let deadline = Instant::now() + timeout;
        loop {
            let held: usize = socket.peers().iter().map(|peer| peer.subscriptions).sum();
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
    fn subscribe_to(socket: &Self::Socket, topic: &str) -> Outcome {
        Ok(socket.set_subscribe(topic.as_bytes())?)
    }

    fn wait_for_subscriptions(socket: &Self::Socket, count: usize, timeout: Duration) -> Outcome {
        // Its publisher is a verbose XPUB, which hands out each of them.
        Self::wait_for_subscribers(socket, count, timeout)
    }
}
