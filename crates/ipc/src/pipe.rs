//! Anonymous pipes: octets one way, between a process and its children or whoever is given a descriptor.
//!
//! ```
//! use tamtam_ipc::{Deadline, Plan, pipe};
//!
//! let (mut writer, mut reader) = pipe::pair(&Plan::default())?;
//! writer.send(b"ping", Deadline::NEVER)?;
//! let mut message = Vec::new();
//! reader.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"ping");
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, ReadWriteFlags, preadv2, read, writev};
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::framed::{Inbound, Outbound, Sink, Source, read_outcome, write_outcome};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable, framing, wait};

/// Makes a pipe. It is given room for the messages of the plan as far as the system allows.
///
/// # Errors
///
/// [`Error::System`] if there is no free descriptor.
pub fn pair(plan: &Plan) -> Result<(Writer, Reader), Error> {
    let (reader, writer) = descriptors(plan)?;
    Ok((Writer::new(writer, plan)?, Reader::new(reader, plan)))
}

/// The reading end first, as pipe(2) has it.
fn descriptors(plan: &Plan) -> Result<(OwnedFd, OwnedFd), Error> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(Error::system("pipe2"))?;
    make_room(&writer, plan);
    Ok((reader, writer))
}

/// Enlarges a pipe for the messages of the plan. What the system does not allow is no error: the sender waits the sooner.
pub(crate) fn make_room(pipe: &OwnedFd, plan: &Plan) {
    let wanted = plan.message_max.saturating_add(framing::PREFIX).saturating_mul(plan.depth);
    if fcntl_getpipe_size(pipe).is_ok_and(|size| size < wanted) {
        let allowed = crate::limits::number_in(SIZE_MAX).and_then(|max| usize::try_from(max).ok());
        let _ = fcntl_setpipe_size(pipe, wanted.min(allowed.unwrap_or(wanted)));
    }
}

const SIZE_MAX: &str = "/proc/sys/fs/pipe-max-size";

/// The writing end of a pipe or FIFO.
///
/// A pipe has no way to refuse `SIGPIPE`, by which writing to one that nobody reads ends the process. Rust's standard library ignores that
/// signal in its programs; a library within another program has to be sure that somebody does.
#[derive(Debug)]
pub struct Writer {
    pipe: OwnedFd,
    outbound: Outbound,
}

impl Writer {
    /// Writes to the writing end of any pipe, and makes it non-blocking: whoever else has this open file meets that, too.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn new(pipe: OwnedFd, plan: &Plan) -> Result<Self, Error> {
        // A write of many pages would otherwise wait in its middle, whatever the deadline.
        let flags = fcntl_getfl(&pipe).map_err(Error::system("fcntl"))?;
        fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).map_err(Error::system("fcntl"))?;
        Ok(Self { pipe, outbound: Outbound::new(plan) })
    }

    /// As [`End::send`].
    ///
    /// # Errors
    ///
    /// Those of [`End::send`].
    pub fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.outbound.send(&Out(&self.pipe), message, deadline)
    }

    /// As [`End::flush`].
    ///
    /// # Errors
    ///
    /// Those of [`End::flush`].
    pub fn flush(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.outbound.flush(&Out(&self.pipe), deadline)
    }
}

/// The reading end of a pipe or FIFO.
#[derive(Debug)]
pub struct Reader {
    pipe: OwnedFd,
    inbound: Inbound,
}

impl Reader {
    /// Reads from the reading end of any pipe. Nobody else should: what another process reads between a look and the read makes this one wait.
    #[must_use]
    pub const fn new(pipe: OwnedFd, plan: &Plan) -> Self {
        Self { pipe, inbound: Inbound::new(plan) }
    }

    /// As [`End::receive`].
    ///
    /// # Errors
    ///
    /// Those of [`End::receive`].
    pub fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.inbound.receive(&In(&self.pipe), into, deadline)
    }
}

impl AsFd for Writer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Two pipes, one for each direction.
#[derive(Debug)]
pub struct Duplex {
    reader: Reader,
    writer: Writer,
}

impl Duplex {
    /// Reads from one pipe and writes to the other.
    #[must_use]
    pub const fn new(reader: Reader, writer: Writer) -> Self {
        Self { reader, writer }
    }

    /// Opens the end of a ticket that holds a reading and a writing end.
    pub(crate) fn of_ticket(mut ticket: Ticket) -> Result<Self, Error> {
        let (reader, writer) = (ticket.take_descriptor()?, ticket.take_descriptor()?);
        Ok(Self::new(Reader::new(reader, ticket.plan()), Writer::new(writer, ticket.plan())?))
    }
}

impl End for Duplex {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.writer.send(message, deadline)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        let both = Both(In(&self.reader.pipe), Out(&self.writer.pipe));
        self.reader.inbound.receive_and_flush(&both, &mut self.writer.outbound, into, deadline)
    }

    fn flush(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.writer.flush(deadline)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.reader.as_fd())
    }
}

struct Out<'a>(&'a OwnedFd);

impl Sink for Out<'_> {
    fn write(&self, parts: &[IoSlice<'_>], _patient: bool) -> Result<Option<usize>, Error> {
        write_outcome("writev", writev(self.0, parts))
    }

    fn sink(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

struct In<'a>(&'a OwnedFd);

impl Source for In<'_> {
    fn read(&self, into: &mut [u8], patient: bool) -> Result<Option<usize>, Error> {
        if patient {
            return read_outcome("read", read(self.0, into));
        }
        // Not to wait is asked for the call, not of the open file: then `patient` reads need no second call.
        match preadv2(self.0, &mut [IoSliceMut::new(into)], u64::MAX, ReadWriteFlags::NOWAIT) {
            // Kernels before 6.5 know that flag for files only.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                match wait::readable(self.source(), Deadline::NOW) {
                    Ok(()) => read_outcome("read", read(self.0, into)),
                    Err(Error::TimedOut) => Ok(None),
                    Err(error) => Err(error),
                }
            }
            outcome => read_outcome("preadv2", outcome),
        }
    }

    fn source(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

struct Both<'a>(In<'a>, Out<'a>);

impl Source for Both<'_> {
    fn read(&self, into: &mut [u8], patient: bool) -> Result<Option<usize>, Error> {
        self.0.read(into, patient)
    }

    fn source(&self) -> BorrowedFd<'_> {
        self.0.source()
    }
}

impl Sink for Both<'_> {
    fn write(&self, parts: &[IoSlice<'_>], patient: bool) -> Result<Option<usize>, Error> {
        self.1.write(parts, patient)
    }

    fn sink(&self) -> BorrowedFd<'_> {
        self.1.sink()
    }
}

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "pipe",
    title: "anonymous pipe",
    family: Family::Pipes,
    manual: "pipe(2), pipe(7)",
    boundaries: Boundaries::Framed,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "the pipe fills, 64 KiB by default; then the writer waits",
    limits: "octets: F_SETPIPE_SZ up to fs.pipe-max-size; per user: fs.pipe-user-pages-soft, above which a new pipe has one or two pages",
    reach: Reach::Descriptor,
    persistence: Persistence::Process,
    permissions: "who holds the descriptor",
    clean_up: "nothing: it goes with its last descriptor",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "the reader gets what was written, then the end of the file; the writer gets EPIPE and SIGPIPE",
    pollable: true,
    copies: 3,
    system_calls: "2",
    languages: "all, and every shell",
    when: "output of a child, filters, one direction, no set-up at all",
    when_not: "both ways (a Unix socket is one object instead of two); processes that are not related and have no socket to pass descriptors",
    pitfalls: "SIGPIPE; the end of the file comes only when every copy of the writing end is closed, those that children inherited \
               included; writes beyond PIPE_BUF (4096) mix with those of other writers; two pipes that are both full are a deadlock",
    program: include_str!("../programs/pipe.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        let (reader, _writer) =
            descriptors(&Plan::default()).map_err(|error| Unavailable::new(FACTS.name, error.to_string()))?;
        Ok(limits(&reader))
    }

    fn message_max(&self) -> usize {
        framing::MESSAGE_MAX
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let ((from_client, to_server), (from_server, to_client)) = (descriptors(plan)?, descriptors(plan)?);
        Ok(Link::of_descriptors(&Self, plan, [from_server, to_server], [from_client, to_client]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        Ok(Box::new(Duplex::of_ticket(ticket.for_mechanism(self)?)?))
    }
}

/// The limits of pipes and FIFOs, and the size of this one.
pub(crate) fn limits(pipe: &OwnedFd) -> Vec<Limit> {
    let size = fcntl_getpipe_size(pipe).ok().and_then(|size| u64::try_from(size).ok());
    let limits = [
        size.map(|size| Limit::new("octets in a new pipe", size, "fcntl(F_GETPIPE_SZ)")),
        Limit::of_file("octets in a pipe, at most", SIZE_MAX),
        Limit::of_file(
            "pages of all pipes of a user before new ones are small",
            "/proc/sys/fs/pipe-user-pages-soft",
        ),
    ];
    limits.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_the_plan() {
        let plan = Plan { message_max: 20_000, depth: 10, ..Plan::default() };
        let (mut writer, mut reader) = pair(&plan).expect("a pipe");
        let size = fcntl_getpipe_size(&writer).expect("a size");
        // A user with many pipes gets small ones, which cannot be enlarged.
        if size >= 10 * 20_004 {
            for _ in 0..10 {
                writer.send(&[1; 20_000], Deadline::NOW).expect("room");
            }
            let mut message = Vec::new();
            for _ in 0..10 {
                reader.receive(&mut message, Deadline::NOW).expect("there");
                assert_eq!(message, [1; 20_000]);
            }
        }
    }

    #[test]
    fn neither_end_waits_longer_than_it_may() {
        let plan = Plan { message_max: 1 << 20, depth: 1, ..Plan::default() };
        let (mut writer, mut reader) = pair(&plan).expect("a pipe");
        let mut message = Vec::new();
        assert!(matches!(reader.receive(&mut message, Deadline::NOW), Err(Error::TimedOut)));
        let long = vec![3; 1 << 20];
        writer.send(&long, Deadline::NOW).expect("begun");
        assert!(matches!(writer.send(&long, Deadline::NOW), Err(Error::TimedOut)));
        while reader.receive(&mut message, Deadline::NOW).is_err() {
            let _ = writer.flush(Deadline::NOW);
        }
        assert!(message == long);
    }
}
