//! What there is instead of events where the kernel gives none: to look now and then.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::fs::fstat;

/// How long what comes or goes in an orderly way stays unseen: a look at the directory's times.
pub(super) const PAUSE: Duration = Duration::from_millis(40);

/// How long a death stays unseen: it changes no file, and takes a look at every lock.
const DEATHS: Duration = Duration::from_millis(500);

/// When a directory was looked at, and how it stood.
#[derive(Debug)]
pub(super) struct Looking {
    /// The directory's time of change, in seconds and nanoseconds.
    seen: Option<(i64, u64)>,
    /// It had just changed. Its times are coarser than what happens to it, so the next look counts as another change.
    is_fresh: bool,
    /// When all was looked at last.
    looked: Instant,
}

impl Looking {
    pub(super) fn new(directory: BorrowedFd<'_>) -> Self {
        Self { seen: changed_at(directory), is_fresh: true, looked: Instant::now() }
    }

    /// Returns whether it is time to look at everything.
    pub(super) fn look(&mut self, directory: BorrowedFd<'_>) -> bool {
        let now = changed_at(directory);
        let has_changed = now.is_none() || now != self.seen;
        let is_due = has_changed || self.is_fresh || self.is_long_ago();
        self.is_fresh = has_changed;
        self.seen = now;
        if is_due {
            self.looked = Instant::now();
        }
        is_due
    }

    /// Returns whether the last look at everything is so long ago that somebody may have died unseen.
    pub(super) fn is_long_ago(&self) -> bool {
        self.looked.elapsed() >= DEATHS
    }
}

/// `None` if the kernel does not tell.
fn changed_at(directory: BorrowedFd<'_>) -> Option<(i64, u64)> {
    let stat = fstat(directory).ok()?;
    Some((stat.st_ctime, stat.st_ctime_nsec))
}
