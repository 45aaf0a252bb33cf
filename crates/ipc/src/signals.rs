//! Signals that carry a number: sigqueue(3) at one end, signalfd(2) at the other.
//!
//! [`Target`] sends, [`Inbox`] receives:
//!
//! ```
//! use tamtam_ipc::signals::{Inbox, Target};
//! use tamtam_ipc::Deadline;
//!
//! # fn main() -> Result<(), tamtam_ipc::Error> {
//! let inbox = Inbox::any()?; // of a real-time signal that nothing else uses
//! let target = Target::of(std::process::id())?;
//! target.queue(inbox.signal(), 7)?;
//! target.queue(inbox.signal(), 8)?;
//! assert_eq!(inbox.receive(Deadline::NEVER)?.payload, 7);
//! assert_eq!(inbox.receive(Deadline::NEVER)?.payload, 8);
//! # Ok(()) }
//! ```
//!
//! # What to know before using signals for messages
//!
//! - **Ordinary signals coalesce.** A signal that is pending already is not queued a second time: ten `SIGUSR1` may
//!   arrive as one. [`coalescing`] shows it. Real-time signals are queued, each with its payload, and of one number
//!   they arrive in the order in which they were sent; of several numbers the lowest comes first.
//! - **The default action of a real-time signal ends the process.** An [`Inbox`] therefore blocks its signal in
//!   *every* thread. How it does that without the help of the program stands there.
//! - **The queue is the user's, not the process's.** `RLIMIT_SIGPENDING` counts the signals that wait in all
//!   processes of a user; beyond it nobody can queue one more ([`Pending`]).
//! - **A process number is used again.** A signal for one that has died may hit another one. A [`Target`] holds a
//!   descriptor of the process (pidfd), not its number.

mod demonstration;
mod inbox;
mod link;
pub(crate) mod mask;
mod sys;
mod target;

use std::fs;

pub use self::demonstration::{Coalescing, coalescing};
pub use self::inbox::{Inbox, Note};
pub use self::link::Adapter;
pub use self::target::Target;
use crate::Error;

/// The name in facts and errors.
const NAME: &str = "signals";

/// The number of a real-time signal that programs may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealTime(i32);

impl RealTime {
    /// `None` if the number is outside [`least`](Self::least) to [`greatest`](Self::greatest).
    #[must_use]
    pub fn new(number: i32) -> Option<Self> {
        (Self::least().0..=Self::greatest().0).contains(&number).then_some(Self(number))
    }

    /// `SIGRTMIN`: those below are for the C library itself. The most urgent one.
    #[must_use]
    pub fn least() -> Self {
        Self(libc::SIGRTMIN())
    }

    /// `SIGRTMAX`.
    #[must_use]
    pub fn greatest() -> Self {
        Self(libc::SIGRTMAX())
    }

    /// All of them, the most urgent first.
    #[must_use]
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (Self::least().0..=Self::greatest().0).map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// How many signals are queued for all processes of this process's user, and how many may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// How many wait now.
    pub queued: u64,
    /// How many may wait: `RLIMIT_SIGPENDING` of this process.
    pub limit: u64,
}

impl Pending {
    /// Reads both from `/proc/self/status`.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if there is no `/proc`.
    pub fn now() -> Result<Self, Error> {
        let status = fs::read_to_string(STATUS).map_err(Error::system("open"))?;
        let numbers = field(&status, "SigQ:").and_then(|numbers| numbers.split_once('/'));
        let read = |text: &str| text.trim().parse().ok();
        numbers
            .and_then(|(queued, limit)| Some(Self { queued: read(queued)?, limit: read(limit)? }))
            .ok_or_else(|| Error::system("read")(std::io::Error::from(std::io::ErrorKind::InvalidData)))
    }
}

/// Where the numbers stand.
const STATUS: &str = "/proc/self/status";

/// The value of a line of `/proc/PID/status`.
fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked() {
        assert_eq!(RealTime::new(libc::SIGUSR1), None);
        assert_eq!(RealTime::new(RealTime::greatest().number() + 1), None);
        assert_eq!(RealTime::new(RealTime::least().number()), Some(RealTime::least()));
        assert_eq!(RealTime::all().next_back(), Some(RealTime::greatest()));
        assert!(RealTime::all().count() >= 8, "POSIX wants eight");
    }

    #[test]
    fn the_limit_is_the_kernels() {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Sigpending).current;
        assert_eq!(Pending::now().expect("/proc").limit, limit.unwrap_or(u64::MAX));
    }
}
