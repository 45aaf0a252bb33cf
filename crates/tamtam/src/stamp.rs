//! The time at which messages are published, asked for as often as there are messages.

use rustix::time::{ClockId, clock_gettime};
use tamtam_zmq::within::ticks;

use crate::header::now_ns;

/// For so long a reading of the system's clock serves: what it is set to is followed after that at the latest, in nanoseconds.
const SERVES_NS: u64 = 1_000_000;
/// How long ticks are counted before it is known how long one takes, and from when on they are counted anew, in nanoseconds.
const COUNTED_MIN_NS: u64 = 1_000_000;
const COUNTED_MAX_NS: u64 = 1_000_000_000;
/// A reading during which more ticks went by was interrupted.
const READING_MAX: u64 = 8_192;
/// Ticks take a tenth of a nanosecond to ten nanoseconds, or are no measure of time; in 2⁻³² ns.
const TICK: std::ops::RangeInclusive<u64> = 1 << 32 >> 4..=10 << 32;

/// Tells the time as [`now_ns`] does, by the processor's counter where that can be trusted: at a third of the price, for whoever asks
/// a million times a second.
///
/// It is at most a millisecond behind when the system's clock is set, and in between at one with it within a microsecond: the length of a
/// tick is measured over a millisecond at least, to a ten-thousandth.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    /// The last reading: ticks, and the time in nanoseconds.
    at: (u64, u64),
    /// How many ticks it serves; 0 as long as it is not known how long they take.
    serves: u64,
    /// The length of a tick in 2⁻³² ns.
    tick: u64,
    /// Since when ticks are counted: ticks, and nanoseconds of the clock that nobody sets.
    since: Option<(u64, u64)>,
}

impl Stamps {
    /// Returns the present time in nanoseconds since 1970; 0 if the clock stands before.
    #[inline]
    pub(crate) fn now(&mut self) -> u64 {
        let Some(ticks) = ticks() else { return now_ns() };
        let passed = ticks.wrapping_sub(self.at.0);
        if passed < self.serves {
            return self.at.1 + ((passed * self.tick) >> 32);
        }
        self.read()
    }

    #[cold]
    fn read(&mut self) -> u64 {
        let begun = ticks().unwrap_or_default();
        let now = now_ns();
        let steady = steady_ns();
        let ended = ticks().unwrap_or_default();
        self.serves = 0;
        let took = ended.wrapping_sub(begun);
        // The clock may stand before 1970, and in a moment be behind it.
        if took > READING_MAX || now == 0 {
            return now;
        }
        // Both clocks were read in between.
        let ticks = begun.wrapping_add(took / 2);
        let Some((first, from)) = self.since else {
            self.since = Some((ticks, steady));
            return now;
        };
        let (counted, passed) = (ticks.wrapping_sub(first), steady.saturating_sub(from));
        if passed < COUNTED_MIN_NS {
            return now;
        }
        if passed > COUNTED_MAX_NS {
            self.since = Some((ticks, steady));
        }
        let tick = (u128::from(passed) << 32).checked_div(u128::from(counted)).unwrap_or_default();
        let Some(tick) = u64::try_from(tick).ok().filter(|tick| TICK.contains(tick)) else {
            self.since = None;
            return now;
        };
        self.tick = tick;
        self.serves = (SERVES_NS << 32) / tick;
        self.at = (ticks, now);
        now
    }
}

/// The time of the clock that is never set.
fn steady_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (Ok(seconds), Ok(ns)) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec)) else { return 0 };
    seconds.saturating_mul(1_000_000_000).saturating_add(ns)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn stamps_are_the_systems_time() {
        let mut stamps = Stamps::default();
        let began = Instant::now();
        let (mut asked, mut off) = (0_u64, 0);
        while began.elapsed() < Duration::from_millis(100) {
            let before = now_ns();
            let stamp = stamps.now();
            let after = now_ns();
            // A second of slack: somebody may set the clock, but nobody does so all the time.
            assert!(stamp.abs_diff(before) < 1_000_000_000, "{before} {stamp} {after}");
            if stamp.saturating_add(2_000) < before || stamp > after.saturating_add(2_000) {
                off += 1;
            }
            asked += 1;
        }
        // The system's clock is slewed now and then.
        assert!(off * 10 <= asked, "{off} of {asked} stamps are off by more than two microseconds");
    }

    #[test]
    fn a_reading_serves_for_a_millisecond() {
        let mut stamps = Stamps::default();
        let began = Instant::now();
        while stamps.serves == 0 && began.elapsed() < Duration::from_secs(10) && ticks().is_some() {
            assert!(stamps.now() > 0);
        }
        if ticks().is_none() {
            assert_eq!((stamps.serves, stamps.now() > 0), (0, true), "asked of the system each time");
            return;
        }
        let served = stamps.serves as f64 * stamps.tick as f64 / f64::from(2_u32).powi(32);
        assert!((served - SERVES_NS as f64).abs() < 100.0, "{served} ns");
        // The system's clock was set meanwhile: forgotten as soon as the reading is old.
        stamps.at.1 += 3_600_000_000_000;
        let end = Instant::now() + Duration::from_millis(2);
        while Instant::now() < end {}
        assert!(stamps.now().abs_diff(now_ns()) < 1_800_000_000_000);
    }
}
