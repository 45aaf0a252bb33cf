//! System V message queues: whole messages, each of a kind by which the receiver can choose; the oldest of their
//! sort, and everywhere.
//!
//! [`SysvQueue`] is one queue:
//!
//! ```
//! use tamtam_ipc::sysv_queue::{Kind, Select, SysvQueue};
//! use tamtam_ipc::Error;
//!
//! const URGENT: Kind = Kind::new(1).unwrap();
//! const ORDINARY: Kind = Kind::new(2).unwrap();
//!
//! # fn main() -> Result<(), Error> {
//! let queue = match SysvQueue::private(0o600) {
//!     Err(Error::Unavailable(reason)) => return Ok(println!("{reason}")), // a kernel without them, or no room for more
//!     other => other?,
//! };
//! queue.send(ORDINARY, b"tidy up")?;
//! queue.send(URGENT, b"fire")?;
//! let mut message = Vec::new();
//! assert_eq!(queue.receive(Select::LeastUpTo(ORDINARY), &mut message)?, URGENT);
//! assert_eq!(message, b"fire");
//! queue.remove()?; // nobody else would
//! # Ok(()) }
//! ```
//!
//! Three things are missing from these calls, and no wrapper can add them to a single queue: a queue is no
//! descriptor, so no event loop can wait for it; its waits have no deadlines (who needs one interrupts them with a
//! signal, asks again and again, or has another thread that sends a message); and it has neither an owner nor a count
//! of users, so it stays until somebody removes it. [`Adapter`] shows how two queues and a socket pair together get
//! the last two.

mod link;
pub mod plate;
mod sys;

use std::ffi::{c_int, c_long};

use rustix::io::Errno;

pub use self::link::Adapter;
pub(crate) use self::link::remove;
use crate::{Error, Unavailable, limits};

/// The name in facts and errors.
const NAME: &str = "sysv-queue";

/// A queue. Copies of this value are the same queue, and dropping it does nothing: the queue stays until
/// [`remove`](Self::remove).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysvQueue {
    id: c_int,
    /// Octets of the longest message the system allows.
    message_max: usize,
}

/// The kind of a message (its `mtype`), by which receivers choose: a positive number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(c_long);

impl Kind {
    /// `None` if the number is not positive.
    #[must_use]
    pub const fn new(number: c_long) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> c_long {
        self.0
    }
}

/// Which message to receive. Of those that fit the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// Any.
    Any,
    /// Only of this kind.
    Only(Kind),
    /// Of the least kind there is up to this one: kinds as priorities, the lowest first.
    LeastUpTo(Kind),
}

impl Select {
    fn wanted(self) -> c_long {
        match self {
            Self::Any => 0,
            Self::Only(kind) => kind.0,
            Self::LeastUpTo(kind) => -kind.0,
        }
    }
}

/// What msgctl(2) tells about a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Messages that wait.
    pub messages: usize,
    /// Octets that may wait in all (`msg_qbytes`).
    pub octets_max: usize,
    /// The user who made it.
    pub creator: u32,
    /// Permissions, as of a file.
    pub mode: u32,
    /// The process that sent last; 0 if none has.
    pub last_sender: i32,
    /// The process that received last; 0 if none has.
    pub last_receiver: i32,
}

impl SysvQueue {
    /// Makes a queue without a key (`IPC_PRIVATE`): who shall use it has to be told its [`id`](Self::id). `mode` are
    /// the permissions as for a file; the umask does not count.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the system has no such queues, or not one more; [`Error::System`].
    pub fn private(mode: u32) -> Result<Self, Error> {
        Self::get(libc::IPC_PRIVATE, libc::IPC_CREAT, mode)
    }

    /// Makes a queue under a new key. A key is a number that programs agree on; nothing but luck keeps two from
    /// choosing the same.
    ///
    /// # Errors
    ///
    /// As for [`private`](Self::private); [`Error::System`] with `EEXIST` if there is one already.
    pub fn create(key: i32, mode: u32) -> Result<Self, Error> {
        Self::get(key, libc::IPC_CREAT | libc::IPC_EXCL, mode)
    }

    /// Finds the queue of this key.
    ///
    /// # Errors
    ///
    /// As for [`private`](Self::private); [`Error::System`] with `ENOENT` if there is none.
    pub fn open(key: i32) -> Result<Self, Error> {
        Self::get(key, 0, 0)
    }

    fn get(key: i32, flags: c_int, mode: u32) -> Result<Self, Error> {
        // The lowest nine bits are the permissions.
        let mode = (mode & 0o777) as c_int;
        match sys::get(key, flags | mode) {
            Ok(id) => Ok(Self::of_id(id)),
            Err(error) => Err(refused(error)),
        }
    }

    /// The queue with this number, which somebody has told us. Whether there is one shows in its use.
    #[must_use]
    pub fn of_id(id: i32) -> Self {
        Self { id, message_max: message_max() }
    }

    /// Its number, by which other processes can find it.
    #[must_use]
    pub const fn id(self) -> i32 {
        self.id
    }

    /// Sends one message, and waits for room as long as it takes. A signal does not end the wait.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the queue was removed, also during the wait; [`Error::TooLong`]; [`Error::System`].
    pub fn send(self, kind: Kind, message: &[u8]) -> Result<(), Error> {
        self.send_with(kind, message, 0)
    }

    /// Sends one message if there is room.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there is none; those of [`send`](Self::send).
    pub fn try_send(self, kind: Kind, message: &[u8]) -> Result<(), Error> {
        self.send_with(kind, message, libc::IPC_NOWAIT)
    }

    fn send_with(self, kind: Kind, message: &[u8], flags: c_int) -> Result<(), Error> {
        if message.len() > self.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.message_max });
        }
        loop {
            return match sys::send(self.id, kind.0, message, flags) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Err(Error::TimedOut),
                other => other.map_err(gone_or("msgsnd")),
            };
        }
    }

    /// Receives one message into `into`, and returns its kind. Waits as [`send`](Self::send) does.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the queue was removed, with all that was in it; [`Error::System`], among them `E2BIG` for
    /// a message that was sent when the system's limit was greater: it stays in the queue.
    pub fn receive(self, select: Select, into: &mut Vec<u8>) -> Result<Kind, Error> {
        self.receive_with(select, into, 0)
    }

    /// Receives a message that is there already.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if there is none; those of [`receive`](Self::receive).
    pub fn try_receive(self, select: Select, into: &mut Vec<u8>) -> Result<Kind, Error> {
        self.receive_with(select, into, libc::IPC_NOWAIT)
    }

    fn receive_with(self, select: Select, into: &mut Vec<u8>, flags: c_int) -> Result<Kind, Error> {
        loop {
            return match sys::receive(self.id, select.wanted(), into, self.message_max, flags) {
                Err(Errno::INTR) => continue,
                Err(Errno::NOMSG) => Err(Error::TimedOut),
                other => other.map(Kind).map_err(gone_or("msgrcv")),
            };
        }
    }

    /// What there is to know about it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if there is no such queue; [`Error::System`].
    pub fn status(self) -> Result<Status, Error> {
        let status = sys::status(self.id).map_err(gone_or("msgctl"))?;
        Ok(Status {
            messages: usize::try_from(status.msg_qnum).unwrap_or(usize::MAX),
            octets_max: usize::try_from(status.msg_qbytes).unwrap_or(usize::MAX),
            creator: status.msg_perm.cuid,
            mode: u32::from(status.msg_perm.mode) & 0o777,
            last_sender: status.msg_lspid,
            last_receiver: status.msg_lrpid,
        })
    }

    /// Changes how many octets may wait in all. More than `/proc/sys/kernel/msgmnb` takes the capability
    /// `CAP_SYS_RESOURCE`.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if there is no such queue; [`Error::System`].
    pub fn set_octets_max(self, octets: usize) -> Result<(), Error> {
        let mut status = sys::status(self.id).map_err(gone_or("msgctl"))?;
        status.msg_qbytes = octets.try_into().unwrap_or(libc::msglen_t::MAX);
        sys::set(self.id, &mut status).map_err(gone_or("msgctl"))
    }

    /// Removes the queue and all that is in it. Whoever waits for it gets [`Error::Closed`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if there is no such queue (any more); [`Error::System`] if it is not ours.
    pub fn remove(self) -> Result<(), Error> {
        sys::remove(self.id).map_err(gone_or("msgctl"))
    }
}

/// Says why a queue cannot be made, or found.
fn refused(error: Errno) -> Error {
    match error {
        Errno::NOSYS => {
            Unavailable::new(NAME, "the kernel has no System V queues, or a sandbox hides them").into()
        }
        Errno::NOSPC => {
            Unavailable::new(NAME, format!("there are as many queues as {QUEUES_MAX} allows")).into()
        }
        error => Error::system("msgget")(error),
    }
}

/// Sorts out whether there is no such queue (any more), or something else failed.
fn gone_or(call: &'static str) -> impl Fn(Errno) -> Error {
    move |error| match error {
        // The kernel's arguments are right here: what is invalid is the number of the queue.
        Errno::IDRM | Errno::INVAL => Error::Closed,
        error => Error::system(call)(error),
    }
}

/// Where the limits stand.
const MESSAGE_MAX: &str = "/proc/sys/kernel/msgmax";
const OCTETS_MAX: &str = "/proc/sys/kernel/msgmnb";
const QUEUES_MAX: &str = "/proc/sys/kernel/msgmni";

/// Octets of the longest message, here and now.
fn message_max() -> usize {
    /// That of a fresh kernel, if `/proc` does not tell.
    const DEFAULT: usize = 8192;
    limits::number_in(MESSAGE_MAX).and_then(|octets| octets.try_into().ok()).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        for (error, word) in [(Errno::NOSYS, "sandbox"), (Errno::NOSPC, "msgmni")] {
            let refused = refused(error);
            assert!(
                matches!(&refused, Error::Unavailable(reason) if reason.reason().contains(word)),
                "{refused:?}"
            );
        }
        assert!(matches!(refused(Errno::ACCESS), Error::System { call: "msgget", .. }));
    }
}
