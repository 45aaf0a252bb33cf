//! The open loop: when each message is due, and waiting for that moment.

use std::num::NonZero;

use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, Timespec};

use crate::clock;
use crate::usage::Usage;

/// When messages are due.
///
/// The schedule does not know what has become of earlier messages. Whoever is behind sends at once, and the delay counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: u64,
    interval: u64,
}

/// How long before the moment a sender stops to sleep, and looks at the clock instead: longer than it takes to be woken.
const WAKE_UP: u64 = 60_000;

impl Schedule {
    /// Messages at this interval from `start` on, both in nanoseconds.
    pub(crate) fn new(start: u64, interval: u64) -> Self {
        Self { start, interval: interval.max(1) }
    }

    /// The moment at which this message is due.
    pub(crate) const fn due(&self, number: u64) -> u64 {
        self.start.saturating_add(self.interval.saturating_mul(number))
    }

    /// Waits until the message is due. Returns what that took of this thread.
    pub(crate) fn wait(&self, number: u64) -> Usage {
        let due = self.due(number);
        let mut taken = Usage::default();
        if clock::now() >= due {
            return taken;
        }
        let before = clock::thread_cpu();
        while due.saturating_sub(clock::now()) > WAKE_UP {
            sleep_until(due - WAKE_UP);
            taken.waits += 1;
        }
        while clock::now() < due {
            std::hint::spin_loop();
        }
        taken.cpu = clock::thread_cpu().saturating_sub(before);
        taken
    }
}

/// Has the kernel wake this thread when it shall, and not up to 50 µs later in favour of the battery.
pub(crate) fn be_punctual() {
    // If it cannot be had, sleeps are longer, and what is lost thereby counts as latency.
    let _ = set_current_timer_slack(NonZero::new(1));
}

/// Sleeps until that moment, or a signal.
fn sleep_until(moment: u64) {
    let left = clock::until(moment);
    // The clock that is waited on is that of `clock::now`. Too early is looked after by the caller.
    if let Ok(span) = Timespec::try_from(left) {
        let _ = rustix::thread::clock_nanosleep_relative(ClockId::Monotonic, &span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_each_other_whatever_happens() {
        let schedule = Schedule::new(1_000, 250);
        assert_eq!([0, 1, 2, 1_000].map(|number| schedule.due(number)), [1_000, 1_250, 1_500, 251_000]);
        assert_eq!(Schedule::new(u64::MAX - 1, 5).due(3), u64::MAX);
    }

    #[test]
    fn what_is_due_is_not_waited_for_and_nothing_comes_early() {
        be_punctual();
        let late = Schedule::new(0, 1);
        assert_eq!(late.wait(5), Usage::default());
        let schedule = Schedule::new(clock::now(), 500_000);
        for number in 0..4 {
            schedule.wait(number);
            assert!(clock::now() >= schedule.due(number));
        }
    }
}
