//! FIFOs: pipes with a name in a file system, where processes that are not related meet.
//!
//! ```
//! use tamtam_ipc::{Deadline, Object, Plan, fifo, object};
//!
//! let path = object::folder().join(object::unique());
//! let _removed_at_the_end: Object = fifo::make(&path)?;
//! let plan = Plan::default();
//! let mut reader = fifo::Reader::open(&path, &plan)?;
//! let mut writer = fifo::open_writer(&path, &plan, Deadline::NEVER)?; // waits until somebody reads
//! writer.send(b"ping", Deadline::NEVER)?;
//! let mut message = Vec::new();
//! reader.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"ping");
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, fcntl_setfl, inotify, mkfifoat, open};
use rustix::io::Errno;

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::object::{self, Kind};
use crate::pipe::{self, Duplex, Writer};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Object, Plan, Ticket, Unavailable, wait};

/// Makes a FIFO that only this user may open, and that goes when the returned value is dropped. The path has to be absolute, and its last
/// part a [name of ours](object::unique).
///
/// # Errors
///
/// [`Error::Ticket`] if the path is another one, [`Error::System`]: `EEXIST`, `EACCES`, `ENOENT`.
pub fn make(path: &Path) -> Result<Object, Error> {
    let name = path.to_str().ok_or_else(|| Error::Ticket("a path that is not UTF-8".into()))?;
    // First: `Object` refuses names that are not ours. But nothing of this name is ours before it is made.
    let object = Object::new(Kind::File, name)?;
    if let Err(error) = mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR) {
        object.release();
        return Err(Error::system("mkfifo")(error));
    }
    Ok(object)
}

/// The reading end of a FIFO.
#[derive(Debug)]
pub struct Reader {
    reader: pipe::Reader,
    /// Before the first writer came a FIFO looks like one whose writers are gone, but only to read(2).
    had_writer: bool,
}

impl Reader {
    /// Opens a FIFO to read from it, and does not wait until somebody writes.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: `ENOENT`, `EACCES`.
    pub fn open(path: &Path, plan: &Plan) -> Result<Self, Error> {
        Ok(Self { reader: pipe::Reader::new(open_to_read(path)?, plan), had_writer: false })
    }

    /// As [`End::receive`]. Waits for the first writer, too; when the last one is gone, that is the end.
    ///
    /// # Errors
    ///
    /// Those of [`End::receive`].
    pub fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        if !self.had_writer {
            wait::readable(self.reader.as_fd(), deadline)?;
            self.had_writer = true;
        }
        self.reader.receive(into, deadline)
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

fn open_to_read(path: &Path) -> Result<OwnedFd, Error> {
    // Without `NONBLOCK` the call waits for a writer, and no deadline ends that.
    let fifo = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .map_err(Error::system("open"))?;
    let flags = fcntl_getfl(&fifo).map_err(Error::system("fcntl"))?;
    fcntl_setfl(&fifo, flags - OFlags::NONBLOCK).map_err(Error::system("fcntl"))?;
    Ok(fifo)
}

/// Opens a FIFO to write to it, and waits until somebody reads.
///
/// # Errors
///
/// [`Error::TimedOut`] if nobody does, [`Error::System`]: `ENOENT`, `EACCES`, and `EMFILE` also for inotify instances.
pub fn open_writer(path: &Path, plan: &Plan, deadline: Deadline) -> Result<Writer, Error> {
    if let Some(fifo) = try_open_to_write(path)? {
        return Writer::new(fifo, plan);
    }
    if deadline.is_now() {
        return Err(Error::TimedOut);
    }
    // The kernel tells when somebody opens the file; between the first look and the watch somebody may have.
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let watch = inotify::init(flags).map_err(Error::system("inotify_init1"))?;
    inotify::add_watch(&watch, path, inotify::WatchFlags::OPEN)
        .map_err(Error::system("inotify_add_watch"))?;
    loop {
        if let Some(fifo) = try_open_to_write(path)? {
            return Writer::new(fifo, plan);
        }
        wait::readable(watch.as_fd(), deadline)?;
        let mut space = [MaybeUninit::uninit(); 1024];
        let mut events = inotify::Reader::new(&watch, &mut space);
        while events.next().is_ok() {}
    }
}

/// `None` if nobody reads.
fn try_open_to_write(path: &Path) -> Result<Option<OwnedFd>, Error> {
    loop {
        match open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fifo) => return Ok(Some(fifo)),
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::system("open")(error)),
        }
    }
}

/// The mechanism. A link is two FIFOs, whose names are removed as soon as both ends are open: before anybody can crash.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

/// A FIFO of which both ends are open and the name is gone: the reading end, the writing end.
fn descriptors(plan: &Plan) -> Result<(OwnedFd, OwnedFd), Error> {
    let path = object::folder().join(object::unique());
    let fifo = make(&path)?;
    let reader = open_to_read(&path)?;
    let writer = try_open_to_write(&path)?.ok_or(Error::Closed)?;
    fifo.remove()?;
    pipe::make_room(&writer, plan);
    Ok((reader, writer))
}

static FACTS: Facts = Facts {
    name: "fifo",
    title: "FIFO (named pipe)",
    family: Family::Pipes,
    manual: "mkfifo(3), fifo(7), pipe(7)",
    boundaries: Boundaries::Framed,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "the pipe fills, 64 KiB by default; then the writer waits",
    limits: "those of pipes",
    reach: Reach::Host,
    persistence: Persistence::FileSystem,
    permissions: "those of the file: read to read, write to write",
    clean_up: "the name stays until unlink, what is in it goes with the last descriptor; a link removes its names at once, clean::stale those of others",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "as with pipes; but a new writer or reader may open the name, and the stream goes on",
    pollable: true,
    copies: 3,
    system_calls: "2",
    languages: "all, and every shell",
    when: "shell scripts, programs that only know files",
    when_not: "two-way talk, or several writers that must not mix: a Unix socket",
    pitfalls: "open waits for the other end; with O_NONBLOCK a writer gets ENXIO instead; a reader of whom the writers come and go gets an \
               end of file each time; several writers mix beyond PIPE_BUF; SIGPIPE",
    program: include_str!("../programs/fifo.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        let (reader, _writer) = descriptors(&Plan::default()).map_err(|error| {
            Unavailable::new(FACTS.name, format!("{error} (in {})", object::folder().display()))
        })?;
        Ok(pipe::limits(&reader))
    }

    fn message_max(&self) -> usize {
        pipe::Adapter.message_max()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    #[test]
    fn either_may_come_first_and_nobody_waits_in_open() {
        let path = object::folder().join(object::unique());
        let plan = Plan::default();
        assert!(matches!(Reader::open(&path, &plan), Err(Error::System { call: "open", .. })));
        let fifo = make(&path).expect("made");
        assert!(matches!(make(&path), Err(Error::System { call: "mkfifo", .. })), "it exists");
        assert!(path.exists(), "and was not removed");
        assert_eq!(
            path.metadata().expect("it exists").permissions().mode() & 0o077,
            0,
            "nobody else may open it"
        );
        assert!(matches!(open_writer(&path, &plan, Deadline::NOW), Err(Error::TimedOut)));

        // The writer comes first, and is woken by the reader.
        thread::scope(|scope| {
            let writer =
                scope.spawn(|| open_writer(&path, &plan, Deadline::NEVER)?.send(b"x", Deadline::NEVER));
            let mut reader = Reader::open(&path, &plan).expect("opened");
            let mut message = Vec::new();
            reader.receive(&mut message, Deadline::NEVER).expect("received");
            assert_eq!(message, b"x");
            writer.join().expect("no panic").expect("sent");
            assert!(matches!(reader.receive(&mut message, Deadline::NEVER), Err(Error::Closed)));
        });

        // The reader comes first: not the end, though nobody writes yet.
        let mut reader = Reader::open(&path, &plan).expect("opened");
        let mut message = Vec::new();
        assert!(matches!(reader.receive(&mut message, Deadline::NOW), Err(Error::TimedOut)));
        let mut writer = open_writer(&path, &plan, Deadline::NOW).expect("somebody reads");
        writer.send(b"y", Deadline::NOW).expect("sent");
        reader.receive(&mut message, Deadline::NOW).expect("there");
        assert_eq!(message, b"y");

        drop(fifo);
        assert!(!path.exists());
    }

    #[test]
    fn others_paths_are_refused() {
        assert!(matches!(make(Path::new("/tmp/fifo")), Err(Error::Ticket(_))));
    }
}
