//! POSIX message queues: whole messages with priorities, kept by the kernel, between processes that need not run at
//! the same time.
//!
//! [`PosixQueue`] is one queue. The most urgent message comes first, among equals the oldest:
//!
//! ```
//! use tamtam_ipc::posix_queue::{PosixQueue, Shape};
//! use tamtam_ipc::{Deadline, Error};
//!
//! # fn main() -> Result<(), Error> {
//! let queue = match PosixQueue::unnamed(Shape { messages: 4, message_max: 64 }) {
//!     Err(Error::Unavailable(reason)) => return Ok(println!("{reason}")), // a kernel without them, or no room for more
//!     other => other?,
//! };
//! queue.send(b"tidy up", 0, Deadline::NEVER)?;
//! queue.send(b"fire", 9, Deadline::NEVER)?;
//! let mut message = Vec::new();
//! assert_eq!(queue.receive(&mut message, Deadline::NEVER)?, 9);
//! assert_eq!(message, b"fire");
//! # Ok(()) }
//! ```
//!
//! A queue does not know who uses it: when the last reader dies, senders fill it and then wait; when the last sender
//! dies, readers wait. [`Adapter`] adds a socket pair to each link for that.

mod link;
mod sys;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_gettime};

pub use self::link::Adapter;
use crate::signals::RealTime;
use crate::wait::{readable, writable};
use crate::{Deadline, Error, Unavailable, object};

/// The name in facts and errors.
const NAME: &str = "posix-queue";

/// One queue, open for sending and receiving as far as its permissions allow.
///
/// It can be used by several threads at once, and its descriptor can go to another process. Dropping it closes it; a
/// queue with a name stays until [`unlink`](Self::unlink), together with the messages in it.
#[derive(Debug)]
pub struct PosixQueue {
    descriptor: OwnedFd,
    shape: Shape,
}

/// What a queue has room for. It cannot be changed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many messages may wait (`mq_maxmsg`): from 1 to the limit in `/proc/sys/fs/mqueue/msg_max`, by default 10.
    pub messages: usize,
    /// Octets of the longest message (`mq_msgsize`): from 1 to the limit in `/proc/sys/fs/mqueue/msgsize_max`, by
    /// default 8192.
    pub message_max: usize,
}

/// What to open a queue for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To send only; takes write permission.
    Send,
    /// To receive only; takes read permission.
    Receive,
    /// Both.
    Both,
}

/// The greatest priority that every POSIX system takes; Linux takes up to 32767.
pub const PRIORITY_MAX: u32 = 31;

impl PosixQueue {
    /// Makes a queue under a new name, which is a slash and up to 254 octets without a slash. `mode` are the
    /// permissions as for a file, less the process's umask.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the system has no such queues, or a limit leaves no room for this one;
    /// [`Error::System`], among them that the name is taken.
    pub fn create(name: &str, shape: Shape, mode: u32) -> Result<Self, Error> {
        let attributes = sys::attributes_of_size(shape.messages, shape.message_max);
        let descriptor =
            sys::create(&c_name(name)?, mode, &attributes).map_err(|error| refused(error, shape))?;
        Ok(Self { descriptor, shape })
    }

    /// Opens the queue of this name.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create); [`Error::System`] if there is none, or it is not ours to open.
    pub fn open(name: &str, access: Access) -> Result<Self, Error> {
        let flags = match access {
            Access::Send => libc::O_WRONLY,
            Access::Receive => libc::O_RDONLY,
            Access::Both => libc::O_RDWR,
        };
        match sys::open(&c_name(name)?, flags) {
            Ok(descriptor) => descriptor.try_into(),
            Err(Errno::NOSYS) => Err(missing().into()),
            Err(error) => Err(Error::system("mq_open")(error)),
        }
    }

    /// Makes a queue without a name: only who gets its descriptor can use it, and nothing stays when they are all gone.
    ///
    /// Queues are made by name, so it has one for a moment, which tells by whom it was made ([`object::unique`]).
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create).
    pub fn unnamed(shape: Shape) -> Result<Self, Error> {
        let name = format!("/{}", object::unique());
        let queue = Self::create(&name, shape, 0o600)?;
        Self::unlink(&name)?;
        Ok(queue)
    }

    /// Removes a name. Who has the queue open can go on using it.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if there is no such name, or it is not ours to remove.
    pub fn unlink(name: &str) -> Result<(), Error> {
        sys::unlink(&c_name(name)?).map_err(Error::system("mq_unlink"))
    }

    /// What the queue has room for.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// How many messages wait at the moment.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn waiting(&self) -> Result<usize, Error> {
        let attributes = sys::attributes(self.as_fd()).map_err(Error::system("mq_getattr"))?;
        Ok(attributes.mq_curmsgs.try_into().unwrap_or(0))
    }

    /// Sends one message, and waits for room. Greater priorities are received first.
    ///
    /// The kernel measures the wait with the real-time clock: if that is set back meanwhile, the wait gets longer.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::TooLong`], [`Error::System`] (`EINVAL` for a priority above 32767).
    pub fn send(&self, message: &[u8], priority: u32, deadline: Deadline) -> Result<(), Error> {
        if message.len() > self.shape.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.shape.message_max });
        }
        self.timed(
            "mq_timedsend",
            deadline,
            |until| sys::send(self.as_fd(), message, priority, until),
            |deadline| writable(self.as_fd(), deadline),
        )
    }

    /// Receives the oldest of the most urgent messages into `into`, and returns its priority. Waits as
    /// [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::System`].
    pub fn receive(&self, into: &mut Vec<u8>, deadline: Deadline) -> Result<u32, Error> {
        self.timed(
            "mq_timedreceive",
            deadline,
            |until| sys::receive(self.as_fd(), into, self.shape.message_max, until),
            |deadline| readable(self.as_fd(), deadline),
        )
    }

    /// Asks for one signal when a message arrives in the empty queue and no thread waits for it. The signal carries
    /// `payload`, and comes to the [`Inbox`](crate::signals::Inbox) of that signal.
    ///
    /// One process at a time may ask, for one message at a time: ask again first, then empty the queue, so that no
    /// message comes between. To wait for several queues, their descriptors are the better way on Linux.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: `EBUSY` if another process has asked.
    pub fn notify(&self, signal: RealTime, payload: i32) -> Result<(), Error> {
        sys::notify(self.as_fd(), Some((signal.number(), payload))).map_err(Error::system("mq_notify"))
    }

    /// Takes back what [`notify`](Self::notify) asked for. Nothing happens if that was not us, or the signal was sent.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn forget(&self) -> Result<(), Error> {
        sys::notify(self.as_fd(), None).map_err(Error::system("mq_notify"))
    }

    /// Makes a call that waits until a moment of the real-time clock wait until one of the monotonic clock.
    fn timed<T>(
        &self,
        name: &'static str,
        deadline: Deadline,
        mut call: impl FnMut(Option<Timespec>) -> Result<T, Errno>,
        ready: impl Fn(Deadline) -> Result<(), Error>,
    ) -> Result<T, Error> {
        loop {
            match call(real_time(deadline)) {
                // The clock may have been set forward.
                Err(Errno::TIMEDOUT) if !deadline.has_passed() => {}
                Err(Errno::TIMEDOUT) => return Err(Error::TimedOut),
                Err(Errno::INTR) => {}
                // Somebody who shares our descriptor has made it non-blocking.
                Err(Errno::AGAIN) => ready(deadline)?,
                other => return other.map_err(Error::system(name)),
            }
        }
    }
}

impl AsFd for PosixQueue {
    /// Readable while a message waits, writable while there is room. A Linux feature: elsewhere a queue is no descriptor.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl TryFrom<OwnedFd> for PosixQueue {
    type Error = Error;

    /// Takes a descriptor that came from another process.
    fn try_from(descriptor: OwnedFd) -> Result<Self, Error> {
        let attributes = sys::attributes(descriptor.as_fd()).map_err(Error::system("mq_getattr"))?;
        let shape = Shape {
            messages: attributes.mq_maxmsg.try_into().unwrap_or(0),
            message_max: attributes.mq_msgsize.try_into().unwrap_or(0),
        };
        Ok(Self { descriptor, shape })
    }
}

impl From<PosixQueue> for OwnedFd {
    fn from(queue: PosixQueue) -> Self {
        queue.descriptor
    }
}

fn c_name(name: &str) -> Result<CString, Error> {
    CString::new(name).map_err(Error::system("mq_open"))
}

fn missing() -> Unavailable {
    Unavailable::new(NAME, "the kernel has no POSIX message queues, or a sandbox hides them")
}

/// Says which limit it was.
fn refused(error: Errno, shape: Shape) -> Error {
    let reason = match error {
        Errno::NOSYS => return missing().into(),
        Errno::INVAL => format!(
            "{} messages of {} octets are outside the limits in {MESSAGES_MAX} and {MESSAGE_MAX}, or the name does not begin with a slash",
            shape.messages, shape.message_max
        ),
        Errno::MFILE => {
            "this user's queues hold as many octets as RLIMIT_MSGQUEUE allows, or no more files may be opened (RLIMIT_NOFILE)".to_owned()
        }
        Errno::NOSPC => format!("there are as many queues as {QUEUES_MAX} allows"),
        error => return Error::system("mq_open")(error),
    };
    Unavailable::new(NAME, reason).into()
}

/// Where the limits stand.
const MESSAGES_MAX: &str = "/proc/sys/fs/mqueue/msg_max";
const MESSAGE_MAX: &str = "/proc/sys/fs/mqueue/msgsize_max";
const QUEUES_MAX: &str = "/proc/sys/fs/mqueue/queues_max";

/// When the real-time clock will show the deadline; `None` if never, the past if nothing may wait.
fn real_time(deadline: Deadline) -> Option<Timespec> {
    let left = deadline.remaining()?;
    if left.is_zero() {
        return Some(Timespec::default());
    }
    let left = Timespec::try_from(left).ok()?;
    clock_gettime(ClockId::Realtime).checked_add(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let shape = Shape { messages: 1, message_max: 1 };
        let words = [
            (Errno::NOSYS, "sandbox"),
            (Errno::INVAL, "msg_max"),
            (Errno::MFILE, "RLIMIT_MSGQUEUE"),
            (Errno::NOSPC, "queues_max"),
        ];
        for (error, word) in words {
            let refused = refused(error, shape);
            assert!(
                matches!(&refused, Error::Unavailable(reason) if reason.reason().contains(word)),
                "{refused:?}"
            );
        }
        assert!(matches!(refused(Errno::EXIST, shape), Error::System { call: "mq_open", .. }));
    }

    #[test]
    fn deadlines_become_moments_of_the_real_time_clock() {
        assert_eq!(real_time(Deadline::NEVER), None);
        assert_eq!(real_time(Deadline::NOW), Some(Timespec::default()));
        let now = clock_gettime(ClockId::Realtime);
        let later = real_time(Deadline::after(std::time::Duration::from_secs(60))).expect("a moment");
        assert!((50..=61).contains(&(later.tv_sec - now.tv_sec)), "{now:?} {later:?}");
    }
}
