//! Sleeping until a word of shared memory changes: futex(2), shared between processes.
//!
//! ```
//! use std::thread;
//! use std::sync::atomic::Ordering;
//! use tamtam_ipc::{Deadline, memory::{Segment, futex}};
//!
//! let region = Segment::anonymous(4096)?.map()?;
//! let theirs = region.clone(); // another process would map the same segment
//! let other = thread::spawn(move || {
//!     theirs.word32(0).store(1, Ordering::Release);
//!     futex::wake(theirs.word32(0), 1)
//! });
//! while region.word32(0).load(Ordering::Acquire) == 0 {
//!     futex::wait(region.word32(0), 0, Deadline::NEVER)?;
//! }
//! other.join().expect("no panic")?;
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```
//!
//! The kernel does not notice that the process which should wake us is gone. Whoever waits has to look for that by other means.

use std::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::thread::futex::{Flags, wait as futex_wait, wake as futex_wake};

use crate::{Deadline, Error};

/// Sleeps if the word still has this value, until somebody wakes it. May return early: look again.
///
/// # Errors
///
/// [`Error::TimedOut`], [`Error::System`].
pub fn wait(word: &AtomicU32, value: u32, deadline: Deadline) -> Result<(), Error> {
    // Without PRIVATE the kernel finds the word by file and offset, as other processes see it, and not by address.
    match futex_wait(word, Flags::empty(), value, deadline.timespec().as_ref()) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(Errno::TIMEDOUT) => Err(Error::TimedOut),
        Err(error) => Err(Error::system("futex(FUTEX_WAIT)")(error)),
    }
}

/// Wakes at most so many that sleep on the word; returns how many there were.
///
/// # Errors
///
/// [`Error::System`].
pub fn wake(word: &AtomicU32, count: u32) -> Result<usize, Error> {
    futex_wake(word, Flags::empty(), count.min(i32::MAX.unsigned_abs()))
        .map_err(Error::system("futex(FUTEX_WAKE)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::memory::Segment;

    #[test]
    fn does_not_sleep_on_another_value_nor_beyond_the_deadline() {
        let segment = Segment::anonymous(64).expect("made");
        let region = segment.map_read_only().expect("mapped");
        wait(region.readable32(0), 1, Deadline::NEVER).expect("another value");
        for deadline in [Deadline::NOW, Deadline::after(Duration::from_millis(1))] {
            assert!(matches!(wait(region.readable32(0), 0, deadline), Err(Error::TimedOut)));
        }
        assert_eq!(wake(segment.map().expect("mapped").word32(0), u32::MAX).expect("woken"), 0);
    }
}
