//! What a process uses during the window.

use crate::clock;
use crate::control::Measured;
use crate::usage::{Scope, Usage};

/// Counts, and looks at the clock now and then: rarely while messages are fast, at each while they are slow.
#[derive(Debug)]
pub(super) struct Meter {
    scope: Scope,
    from: u64,
    until: u64,
    /// Messages between two looks at the clock.
    stride: u32,
    left: u32,
    looked: u64,
    /// What is not to count.
    excluded: Usage,
    begin: Option<Mark>,
    end: Option<Mark>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: u64,
    count: u64,
    usage: Usage,
}

/// Looks at the clock are to be so many nanoseconds apart.
const APART: u64 = 10_000;
const STRIDE_MAX: u32 = 256;

impl Meter {
    pub(super) const fn new(scope: Scope, from: u64, until: u64) -> Self {
        Self {
            scope,
            from,
            until,
            stride: 1,
            left: 1,
            looked: 0,
            excluded: Usage { cpu: 0, waits: 0 },
            begin: None,
            end: None,
        }
    }

    /// After each message, of which there were `count` so far. Returns whether the window is over.
    #[inline]
    pub(super) fn tick(&mut self, count: u64) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        self.look(count, clock::now())
    }

    /// The same if it is known what time it is.
    #[inline]
    pub(super) fn tick_at(&mut self, count: u64, now: u64) -> bool {
        if now >= self.from && self.begin.is_none() || now >= self.until {
            return self.look(count, now);
        }
        false
    }

    fn look(&mut self, count: u64, now: u64) -> bool {
        let apart = now.saturating_sub(self.looked);
        if apart < APART {
            self.stride = (self.stride * 2).min(STRIDE_MAX);
        } else if apart > 4 * APART {
            self.stride = (self.stride / 2).max(1);
        }
        self.left = self.stride;
        self.looked = now;
        if self.begin.is_none() && now >= self.from {
            self.begin = Some(self.mark(count));
        }
        if now < self.until {
            return false;
        }
        if self.end.is_none() {
            self.end = Some(self.mark(count));
        }
        true
    }

    /// Takes this off what is used.
    pub(super) const fn exclude(&mut self, usage: Usage) {
        self.excluded.cpu += usage.cpu;
        self.excluded.waits += usage.waits;
    }

    /// What was used in the window, or until now if that is earlier; `None` if nothing happened in it.
    pub(super) fn finish(self, count: u64) -> Option<Measured> {
        let begin = self.begin?;
        let end = self.end.unwrap_or_else(|| self.mark(count));
        let usage = end.usage.since(begin.usage);
        let measured = Measured {
            count: end.count - begin.count,
            span: end.at - begin.at,
            cpu: usage.cpu,
            waits: usage.waits,
        };
        (measured.count > 0 && measured.span > 0).then_some(measured)
    }

    fn mark(&self, count: u64) -> Mark {
        let usage = Usage::now(self.scope).since(self.excluded);
        Mark { at: clock::now(), count, usage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_window_counts() {
        let now = clock::now();
        let mut meter = Meter::new(Scope::Thread, now + 2_000_000, now + 6_000_000);
        let mut count = 0;
        while !meter.tick(count) {
            count += 1;
        }
        let all = count;
        let measured = meter.finish(count).expect("something happened");
        assert!(measured.count < all, "{measured:?} of {all}");
        assert!(measured.span > 0);
    }

    #[test]
    fn what_ends_early_is_measured_until_then() {
        let now = clock::now();
        let mut meter = Meter::new(Scope::Process, now, now + 60_000_000_000);
        assert!(!meter.tick(1));
        assert!(!meter.tick(2));
        assert_eq!(meter.finish(5).expect("something happened").count, 4);
    }

    #[test]
    fn without_messages_there_is_nothing() {
        assert_eq!(Meter::new(Scope::Thread, 0, 1).finish(0), None);
        let mut late = Meter::new(Scope::Thread, 0, 1);
        assert!(late.tick(7));
        assert_eq!(late.finish(7), None, "the window was over before the first message");
    }

    #[test]
    fn what_is_excluded_does_not_count() {
        let now = clock::now();
        let mut meter = Meter::new(Scope::Thread, now, now + 60_000_000_000);
        meter.tick(0);
        meter.exclude(Usage { cpu: u64::MAX / 2, waits: u64::MAX / 2 });
        let measured = meter.finish(1).expect("something happened");
        assert_eq!((measured.cpu, measured.waits), (0, 0));
    }
}
