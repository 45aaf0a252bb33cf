//! What a link shall be able to do.

use crate::{Error, Mechanism, Wait};

/// What a link shall be able to do.
///
/// ```
/// use std::time::Duration;
/// use tamtam_ipc::{Plan, Wait};
///
/// let plan = Plan { message_max: 1 << 20, wait: Wait::Spin(Duration::from_micros(20)), ..Plan::default() };
/// assert_eq!(plan.depth, 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Octets of the longest message. Default 4096, which every message mechanism of a Linux with default limits takes.
    pub message_max: usize,
    /// How many messages may wait in each direction. Default 8, below the default limit of POSIX queues. Mechanisms that count messages
    /// (rings, queues) keep to it; those that count octets have a buffer of their own size, see their facts.
    pub depth: usize,
    /// How both ends wait. Default: [`Wait::Block`].
    pub wait: Wait,
}

impl Default for Plan {
    fn default() -> Self {
        Self { message_max: 4096, depth: 8, wait: Wait::Block }
    }
}

impl Plan {
    /// Makes sure that a mechanism takes messages of that length: with what `link` has to begin.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`].
    pub fn check(&self, mechanism: &dyn Mechanism) -> Result<(), Error> {
        let (len, max) = (self.message_max, mechanism.message_max());
        if len > max { Err(Error::TooLong { len, max }) } else { Ok(()) }
    }
}
