//! Whether a thread that waits for a message stays awake for a moment first.
//!
//! Waking a parked thread costs 20 to 30 µs on a virtual machine, a few on bare metal. In a lively conversation the
//! answer is there sooner than that. The policy learns from how long the waits of a socket lately took: as long as they
//! are short, it spins; a slow peer makes the average long, and it stops. A stream or a one-way reader never spins: there
//! is no answer to wait for.

use std::sync::OnceLock;
use std::time::Duration;

use crate::options::Spin;

/// The longest spin: about the cost of two wake-ups, one at each end.
pub(crate) const BUDGET: Duration = Duration::from_micros(50);
/// About what it costs both sides together when one sleeps and the other wakes it.
const INPROC_BUDGET: Duration = Duration::from_micros(8);
/// Waits that take longer than this on average do not pay a spin.
const WORTH: Duration = Duration::from_micros(100);

/// The memory of one socket's waiting.
#[derive(Debug)]
pub(crate) struct SpinPolicy {
    /// A running average of how long waits took.
    average: Duration,
    /// A message was sent since the last one was received.
    conversation: bool,
}

impl Default for SpinPolicy {
    fn default() -> Self {
        // Begin by trying: two sleeping ends never find out that neither would have to.
        Self { average: WORTH / 2, conversation: false }
    }
}

/// Tells whether a second core could do the peer's work while this one spins.
fn has_cores() -> bool {
    static CORES: OnceLock<bool> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1))
}

impl SpinPolicy {
    /// Notes that the application sent something.
    #[inline]
    pub(crate) fn sent(&mut self) {
        self.conversation = true;
    }

    /// Returns how long to stay awake before the next sleep.
    pub(crate) fn budget(&self, option: Spin) -> Duration {
        match option {
            Spin::Off => Duration::ZERO,
            Spin::Always => BUDGET,
            Spin::Adaptive if self.conversation && self.average < WORTH && has_cores() => BUDGET,
            Spin::Adaptive => Duration::ZERO,
        }
    }

    /// Returns how long to stay awake for an inproc peer, conversation or not: looking at a flag costs no system call, and
    /// sleeping costs both sides one. Never longer than that costs.
    pub(crate) fn inproc_budget(&self, option: Spin) -> Duration {
        if option != Spin::Off && self.average < WORTH && has_cores() { INPROC_BUDGET } else { Duration::ZERO }
    }

    /// Notes how long the application had to wait for a message.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.conversation = false;
        // One very long wait must not hide that the next hundred are short, nor the other way round.
        let sample = time.min(WORTH * 8);
        self.average = (self.average * 7 + sample) / 8;
    }

    /// Notes that a message was there without waiting.
    #[inline]
    pub(crate) fn found(&mut self) {
        self.conversation = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(policy: &mut SpinPolicy, times: usize, wait: Duration) {
        for _ in 0..times {
            policy.sent();
            policy.waited(wait);
        }
        policy.sent();
    }

    #[test]
    fn a_lively_conversation_spins_and_a_slow_peer_ends_it() {
        let mut policy = SpinPolicy::default();
        talk(&mut policy, 20, Duration::from_micros(8));
        assert_eq!(policy.budget(Spin::Adaptive) > Duration::ZERO, has_cores());
        talk(&mut policy, 20, Duration::from_millis(1));
        assert_eq!(policy.budget(Spin::Adaptive), Duration::ZERO);
        talk(&mut policy, 40, Duration::from_micros(60));
        assert_eq!(policy.budget(Spin::Adaptive) > Duration::ZERO, has_cores(), "two parked ends must find back");
    }

    #[test]
    fn a_reader_that_never_sends_never_spins() {
        let mut policy = SpinPolicy::default();
        for _ in 0..10 {
            policy.waited(Duration::from_micros(1));
            assert_eq!(policy.budget(Spin::Adaptive), Duration::ZERO);
        }
    }

    #[test]
    fn the_option_rules() {
        let policy = SpinPolicy::default();
        assert_eq!(policy.budget(Spin::Off), Duration::ZERO);
        assert_eq!(policy.budget(Spin::Always), BUDGET);
    }
}
