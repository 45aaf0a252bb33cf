//! The line between the conductor and a worker: what is said over it, and how.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tamtam_ipc::{Deadline, Error, Ticket, passing};

use crate::report::{Notice, Pattern, Waiting};
use crate::samples::Counts;

/// Which ends a worker plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    /// The one that sends, or asks.
    Sender,
    /// One that receives, or answers.
    Receiver,
    /// All of them, in threads.
    Both,
}

/// What a worker shall do. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The contestant's name.
    pub(crate) contestant: String,
    pub(crate) waiting: Waiting,
    /// How long to look again before sleeping, if it is to spin.
    pub(crate) spin: u64,
    pub(crate) pattern: Pattern,
    pub(crate) size: usize,
    pub(crate) readers: u32,
    pub(crate) part: Part,
    /// Messages that may wait, where that can be chosen.
    pub(crate) depth: usize,
    /// Where to bind, or to connect: of ZeroMQ's sockets.
    pub(crate) endpoint: String,
    /// The libzmq to load; the system's if there is none.
    pub(crate) libzmq: Option<PathBuf>,
    /// How long to run before measuring.
    pub(crate) warm: u64,
    /// How long to measure.
    pub(crate) window: u64,
    /// Between two messages at a fixed rate.
    pub(crate) interval: u64,
    /// Messages of a burst.
    pub(crate) burst: u64,
    /// How long a slow reader is busy with each.
    pub(crate) work: u64,
    /// How long a sender whose reader was killed waits to be told.
    pub(crate) limit: u64,
}

/// What the conductor says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The first. A receiver's ticket follows, if the contestant has such.
    Task(Box<Task>),
    /// Load libzmq, and tell what it is.
    Library(Option<PathBuf>),
    /// Begin at this moment.
    Go(u64),
    /// So many messages were sent, and no more will be.
    Finish(u64),
    /// The reader was killed at this moment.
    Killed(u64),
    /// End.
    Over,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum News {
    /// Others can connect here now.
    Bound(String),
    /// The ticket of another end follows.
    Ticket,
    /// It waits for the moment to begin.
    Ready,
    /// Messages come.
    Flowing,
    /// It is done. One outcome for each end that it played, the sender's first.
    Done(Vec<Outcome>),
    /// What libzmq there is: the version, and whether it is our own.
    Library(String, bool),
    /// It cannot go on.
    Failed(String),
}

/// What came of an end's part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Messages that it sent, or received.
    pub(crate) count: u64,
    /// What happened in the window, if anything did.
    pub(crate) measured: Option<Measured>,
    /// Latency samples.
    pub(crate) samples: Counts,
    /// How many messages the mechanism itself told to be lost, or were given up.
    pub(crate) lost: u64,
    /// The most octets the process had resident.
    pub(crate) memory: u64,
    /// How long the whole burst took to send.
    pub(crate) burst: Option<u64>,
    /// The longest call of send.
    pub(crate) blocked: Option<u64>,
    /// What the sender was told, when, and how many messages it was told were sent after the reader's death.
    pub(crate) notice: Option<(Notice, u64, u64)>,
}

/// What an end did between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Messages, or round trips.
    pub(crate) count: u64,
    /// Nanoseconds.
    pub(crate) span: u64,
    /// CPU time in nanoseconds.
    pub(crate) cpu: u64,
    /// Voluntary context switches.
    pub(crate) waits: u64,
}

/// One end of the line.
#[derive(Debug)]
pub(crate) struct Control(UnixStream);

/// Octets of one saying at most.
const LENGTH_MAX: u32 = 16 << 20;

/// Once a saying has begun, the rest of it is there within this time.
const PATIENCE: Duration = Duration::from_secs(10);

impl Control {
    pub(crate) const fn new(socket: UnixStream) -> Self {
        Self(socket)
    }

    pub(crate) const fn socket(&self) -> &UnixStream {
        &self.0
    }

    pub(crate) fn say(&self, saying: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_vec(saying).map_err(|error| Error::Corrupt(error.to_string().into()))?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= LENGTH_MAX);
        let length =
            length.ok_or(Error::TooLong { len: text.len(), max: LENGTH_MAX as usize })?.to_le_bytes();
        passing::send(&self.0, &[&length[..], &text].concat(), &[], Deadline::after(PATIENCE))
    }

    /// What is said next, if it begins before the deadline; [`Error::Closed`] if the other end is gone.
    pub(crate) fn hear<T: DeserializeOwned>(&self, deadline: Deadline) -> Result<T, Error> {
        self.is_heard(deadline)?;
        let (mut length, mut nothing) = ([0; 4], Vec::new());
        let patience = Deadline::after(PATIENCE);
        passing::receive(&self.0, &mut length, &mut nothing, patience)?;
        let length = u32::from_le_bytes(length);
        if length > LENGTH_MAX {
            return Err(Error::Corrupt("a saying too long".into()));
        }
        let mut text = vec![0; length as usize];
        passing::receive(&self.0, &mut text, &mut nothing, patience)?;
        serde_json::from_slice(&text).map_err(|error| Error::Corrupt(error.to_string().into()))
    }

    /// What is said already, if anything is.
    pub(crate) fn look<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        match self.hear(Deadline::NOW) {
            Err(Error::TimedOut) => Ok(None),
            heard => heard.map(Some),
        }
    }

    /// The ticket that comes next.
    pub(crate) fn ticket(&self) -> Result<Ticket, Error> {
        Ticket::receive(&self.0, Deadline::after(PATIENCE))
    }

    fn is_heard(&self, deadline: Deadline) -> Result<(), Error> {
        loop {
            let left = deadline.remaining().and_then(|left| left.try_into().ok());
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], left.as_ref()) {
                Ok(0) => return Err(Error::TimedOut),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Error::System { call: "poll", source: error.into() }),
            }
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_is_said_is_heard() {
        let (a, b) = UnixStream::pair().expect("a pair");
        let (a, b) = (Control::new(a), Control::new(b));
        assert_eq!(b.look::<Order>().expect("alive"), None);
        a.say(&Order::Go(5)).expect("said");
        a.say(&Order::Finish(u64::MAX)).expect("said");
        assert_eq!(b.hear::<Order>(Deadline::NEVER).expect("heard"), Order::Go(5));
        assert_eq!(b.look::<Order>().expect("heard"), Some(Order::Finish(u64::MAX)));
        assert!(matches!(b.hear::<Order>(Deadline::NOW), Err(Error::TimedOut)));
        drop(a);
        assert!(matches!(b.hear::<Order>(Deadline::NEVER), Err(Error::Closed)));
    }

    #[test]
    fn nonsense_is_an_error() {
        for octets in [&b"\xff\xff\xff\xff"[..], b"\x02\0\0\0{}"] {
            let (mut a, b) = UnixStream::pair().expect("a pair");
            a.write_all(octets).expect("written");
            let heard = Control::new(b).hear::<Order>(Deadline::NEVER);
            assert!(matches!(heard, Err(Error::Corrupt(_))), "{heard:?}");
        }
    }
}
