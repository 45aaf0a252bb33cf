//! Until when a call may wait.

use std::time::{Duration, Instant};

use rustix::time::Timespec;

/// Until when a call may wait: not at all, until a moment, or as long as it takes.
///
/// A moment, not a span: a call that waits in several steps, or is interrupted by a signal, does not start afresh.
///
/// ```
/// use std::time::Duration;
/// use tamtam_ipc::Deadline;
///
/// assert!(Deadline::NOW.has_passed());
/// assert!(!Deadline::after(Duration::from_secs(60)).has_passed());
/// assert_eq!(Deadline::NEVER.remaining(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Until);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Now,
    At(Instant),
    Never,
}

impl Deadline {
    /// Does what can be done now, and does not wait.
    pub const NOW: Self = Self(Until::Now);
    /// Waits as long as it takes.
    pub const NEVER: Self = Self(Until::Never);

    /// Waits for this span from now on; as long as it takes if the clock does not reach so far.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        if span.is_zero() {
            return Self::NOW;
        }
        Instant::now().checked_add(span).map_or(Self::NEVER, Self::at)
    }

    /// Waits until this moment.
    #[must_use]
    pub const fn at(moment: Instant) -> Self {
        Self(Until::At(moment))
    }

    /// Returns the earlier one.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Until::Now, _) | (_, Until::Now) => Self::NOW,
            (Until::Never, _) => other,
            (_, Until::Never) => self,
            (Until::At(a), Until::At(b)) => Self::at(a.min(b)),
        }
    }

    /// Returns the time that is left: zero if there is none, `None` if there is no limit.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        match self.0 {
            Until::Now => Some(Duration::ZERO),
            Until::At(moment) => Some(moment.saturating_duration_since(Instant::now())),
            Until::Never => None,
        }
    }

    /// Tells whether no time is left. Always so for [`Deadline::NOW`].
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }

    /// Tells whether this is [`Deadline::NOW`].
    #[must_use]
    pub const fn is_now(self) -> bool {
        matches!(self.0, Until::Now)
    }

    /// Tells whether this is [`Deadline::NEVER`].
    #[must_use]
    pub const fn is_never(self) -> bool {
        matches!(self.0, Until::Never)
    }

    /// The remaining time in the form system calls take: `None` waits for ever.
    pub(crate) fn timespec(self) -> Option<Timespec> {
        let left = self.remaining()?;
        // A span that no kernel clock holds is as good as for ever.
        Timespec::try_from(left).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_become_moments() {
        let soon = Deadline::after(Duration::from_secs(60));
        let left = soon.remaining().expect("a limit");
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
        assert_eq!(Deadline::after(Duration::ZERO), Deadline::NOW);
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert!(Deadline::at(Instant::now()).has_passed());
    }

    #[test]
    fn the_earlier_one_rules() {
        let (soon, later) =
            (Deadline::after(Duration::from_secs(1)), Deadline::after(Duration::from_secs(60)));
        assert_eq!(soon.min(later), soon);
        assert_eq!(later.min(soon), soon);
        assert_eq!(soon.min(Deadline::NEVER), soon);
        assert_eq!(Deadline::NEVER.min(soon), soon);
        assert_eq!(soon.min(Deadline::NOW), Deadline::NOW);
    }

    #[test]
    fn system_calls_get_what_is_left() {
        assert_eq!(Deadline::NEVER.timespec(), None);
        assert_eq!(Deadline::NOW.timespec(), Some(Timespec { tv_sec: 0, tv_nsec: 0 }));
    }
}
