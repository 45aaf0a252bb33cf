//! A ring in shared memory: messages of any length from one producer to one consumer, in order, without a lock and without the kernel.
//!
//! ```
//! use std::thread;
//! use tamtam_ipc::{Deadline, Plan, memory::ring};
//!
//! let (mut producer, mut consumer) = ring::pair(&Plan::default())?;
//! let other = thread::spawn(move || producer.send(b"hello", Deadline::NEVER));
//! let mut message = Vec::new();
//! consumer.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"hello");
//! other.join().expect("no panic")?;
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```
//!
//! For two processes, [`halves`] makes what each of them needs: two descriptors, which go over a Unix socket. A message can be written and
//! read where it stands, without a copy: [`Producer::reserve`], [`Consumer::peek`].
//!
//! # How it works
//!
//! - The ring (`cursor.rs`): records that begin with a word, which says whether the record is there yet. With short messages one cache
//!   line travels from one core to the other per message, as with the best loop by hand.
//! - Waiting (`bell.rs`): looking again and again if the [`Plan`] wants that; then a futex; after some milliseconds a socket, whose
//!   other end the kernel closes if the other process is killed. Nobody makes a system call to wake somebody who does not sleep.
//! - What that costs (`cargo run --release -p tamtam-ipc --example ring_round_trip`, two virtual processors): 0.56 µs for a round trip of 32 octets where
//!   each side has a core of its own, 1.4 times the best loop by hand. Where both share a core the line has no way to go: 0.17 µs, and the
//!   instructions show, for the loop takes 0.07.
//! - Back-pressure: a full ring makes the producer wait. As many messages of the greatest length as the plan's `depth` says always fit;
//!   of shorter ones more, since octets are what is used up.
//! - The other side is not trusted: see [`memory`](super). What it writes can end the conversation ([`Error::Corrupt`]), or be a wrong message,
//!   and nothing else.
//! - Each side exists once. What the consumer of a dead process did not take is lost; another cannot go on for it.

mod bell;
mod cursor;
mod layout;
mod link;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use link::Adapter;

use self::bell::Bell;
use self::cursor::{Found, Reader, Room, Writer};
use self::layout::{Layout, Status};
use super::{Region, Segment};
use crate::lifeline::Lifeline;
use crate::wait::{self, Wait};
use crate::{Deadline, Error, Plan};

/// What one side of a ring is opened from: the memory, and a socket that tells when the other side is gone. Nothing with a name is made.
#[derive(Debug)]
pub struct Half {
    segment: Segment,
    socket: Lifeline,
}

impl Half {
    /// Puts together what [`into_descriptors`](Self::into_descriptors) took apart, perhaps in another process.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the first descriptor is not a sealed segment, [`Error::System`].
    pub fn from_descriptors([memory, socket]: [OwnedFd; 2]) -> Result<Self, Error> {
        Ok(Self { segment: Segment::attach(memory)?, socket: socket.into() })
    }

    /// Takes it apart into its descriptors: the memory and the socket.
    #[must_use]
    pub fn into_descriptors(self) -> [OwnedFd; 2] {
        [self.segment.into(), self.socket.into()]
    }

    fn open(self) -> Result<(Region, Layout, Lifeline), Error> {
        let region = self.segment.map()?;
        let layout = Layout::read(&region)?;
        Ok((region, layout, self.socket))
    }
}

/// Makes a ring; returns the producer's half and the consumer's.
///
/// # Errors
///
/// [`Error::TooLong`] if the plan's messages are, [`Error::System`]: too many or too long for the memory.
pub fn halves(plan: &Plan) -> Result<(Half, Half), Error> {
    let layout = Layout::of(plan)?;
    let segment = Segment::anonymous(layout.len())?;
    let region = segment.map()?;
    Bell::prepare(&region);
    layout.write(&region);
    let again = segment.as_fd().try_clone_to_owned().map_err(Error::system("fcntl(F_DUPFD_CLOEXEC)"))?;
    let (for_producer, for_consumer) = Lifeline::pair()?;
    Ok((
        Half { segment, socket: for_producer },
        Half { segment: Segment::attach(again)?, socket: for_consumer },
    ))
}

/// Makes a ring and opens both sides in this process. They may go to different threads.
///
/// # Errors
///
/// Those of [`halves`].
pub fn pair(plan: &Plan) -> Result<(Producer, Consumer), Error> {
    let (producer, consumer) = halves(plan)?;
    Ok((Producer::open(producer, plan.wait)?, Consumer::open(consumer, plan.wait)?))
}

/// The side that sends.
#[derive(Debug)]
pub struct Producer {
    writer: Writer,
    bell: Bell,
    wait: Wait,
}

impl Producer {
    /// Opens the producer's half.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not a ring, [`Error::Ticket`] if somebody has opened this side before, [`Error::System`].
    pub fn open(half: Half, wait: Wait) -> Result<Self, Error> {
        let (region, layout, socket) = half.open()?;
        let bell = Bell::claim(&region, Status::PRODUCER, Status::CONSUMER, socket)?;
        Ok(Self { writer: Writer::new(region, layout), bell, wait })
    }

    /// The longest message, in octets.
    #[must_use]
    pub const fn message_max(&self) -> usize {
        self.writer.layout().message_max()
    }

    /// Sends a message; waits for room.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::TimedOut`], [`Error::Closed`], [`Error::Corrupt`], [`Error::System`]. With another one than the last nothing was
    /// sent.
    #[inline]
    pub fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        let room = self.room(message.len(), deadline)?;
        self.writer.region().write(room.at, message);
        self.writer.commit(room, message.len());
        self.bell.ring()
    }

    /// Waits for room in which a message of up to `len` octets can be written where it stands.
    ///
    /// ```
    /// use std::io::Write;
    /// use tamtam_ipc::{Deadline, Plan, memory::ring};
    ///
    /// let (mut producer, mut consumer) = ring::pair(&Plan::default())?;
    /// let mut message = producer.reserve(100, Deadline::NOW)?;
    /// write!(message, "{} degrees", 21)?;
    /// message.commit()?;
    ///
    /// let message = consumer.peek(Deadline::NOW)?;
    /// assert_eq!(message.to_vec(), b"21 degrees");
    /// message.release()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn reserve(&mut self, len: usize, deadline: Deadline) -> Result<Reservation<'_>, Error> {
        let room = self.room(len, deadline)?;
        Ok(Reservation { producer: self, room, written: 0 })
    }

    #[inline]
    fn room(&mut self, len: usize, deadline: Deadline) -> Result<Room, Error> {
        let max = self.message_max();
        if len > max {
            return Err(Error::TooLong { len, max });
        }
        let writer = &mut self.writer;
        self.bell.wait(self.wait, deadline, |over| if over { Err(Error::Closed) } else { writer.room(len) })
    }
}

/// Room in a ring for one message. Dropped without [`commit`](Self::commit), nothing was sent.
///
/// It can be written to as any [`io::Write`], or through [`pointer`](Self::pointer).
#[derive(Debug)]
#[must_use = "nothing is sent before `commit`"]
pub struct Reservation<'a> {
    producer: &'a mut Producer,
    room: Room,
    written: usize,
}

impl Reservation<'_> {
    /// How many octets the message may have.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.room.len
    }

    /// Tells whether the message can only be an empty one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.room.len == 0
    }

    /// Where the message goes: [`len`](Self::len) octets, at a multiple of eight. Valid until this value is gone. Behind it is memory that the other
    /// process may change at any moment, so there must not be a reference to it.
    #[must_use]
    pub fn pointer(&mut self) -> *mut u8 {
        self.producer.writer.region().pointer(self.room.at, self.room.len).as_ptr()
    }

    /// Counts octets as written that were written through [`pointer`](Self::pointer); no more than there is room for.
    pub fn advance(&mut self, octets: usize) {
        self.written = self.written.saturating_add(octets).min(self.room.len);
    }

    /// Sends what was written.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the consumer could not be woken; the message is sent all the same.
    pub fn commit(self) -> Result<(), Error> {
        self.producer.writer.commit(self.room, self.written);
        self.producer.bell.ring()
    }
}

impl io::Write for Reservation<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let octets = &octets[..octets.len().min(self.room.len - self.written)];
        self.producer.writer.region().write(self.room.at + self.written, octets);
        self.written += octets.len();
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The side that receives.
#[derive(Debug)]
pub struct Consumer {
    reader: Reader,
    bell: Bell,
    wait: Wait,
}

impl Consumer {
    /// Opens the consumer's half.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not a ring, [`Error::Ticket`] if somebody has opened this side before, [`Error::System`].
    pub fn open(half: Half, wait: Wait) -> Result<Self, Error> {
        let (region, layout, socket) = half.open()?;
        let bell = Bell::claim(&region, Status::CONSUMER, Status::PRODUCER, socket)?;
        Ok(Self { reader: Reader::new(region, layout), bell, wait })
    }

    /// The longest message, in octets.
    #[must_use]
    pub const fn message_max(&self) -> usize {
        self.reader.layout().message_max()
    }

    /// Receives a message, which replaces what is in `into`.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::Closed`] once everything was received that the producer had sent; [`Error::Corrupt`], [`Error::System`].
    #[inline]
    pub fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        let message = self.peek(deadline)?;
        into.clear();
        message.append_to(into);
        message.release()
    }

    /// Waits for a message and leaves it where it stands, until it is released.
    ///
    /// # Errors
    ///
    /// Those of [`receive`](Self::receive).
    #[inline]
    pub fn peek(&mut self, deadline: Deadline) -> Result<Peeked<'_>, Error> {
        let reader = &mut self.reader;
        if self.wait.looks_at_once(deadline) {
            // What answers from the next core is here in a moment: the shortest loop there is notices first.
            for _ in 0..wait::LOOKS_WITHOUT_CLOCK {
                if reader.has_news() {
                    break;
                }
                std::hint::spin_loop();
            }
        }
        let found = self.bell.wait(self.wait, deadline, |over| match reader.peek()? {
            None if over => Err(Error::Closed),
            found => Ok(found),
        })?;
        Ok(Peeked { consumer: self, found })
    }

    /// What an event loop may watch for `POLLIN`, from now on. When it is ready, or has been asked for just now, call
    /// [`receive`](Self::receive) with [`Deadline::NOW`] until [`Error::TimedOut`].
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.bell.watch()
    }
}

/// A message that still stands in the ring. Dropped without [`release`](Self::release), it is there again at the next call.
///
/// The producer could change it meanwhile, if it were hostile; so there are copies of it and a pointer to it, but no slice.
#[derive(Debug)]
#[must_use = "the message stays in the ring until `release`"]
pub struct Peeked<'a> {
    consumer: &'a mut Consumer,
    found: Found,
}

impl Peeked<'_> {
    /// How many octets the message has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.found.len
    }

    /// Tells whether the message is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.len == 0
    }

    /// Copies the message to the end of `into`.
    #[inline]
    pub fn append_to(&self, into: &mut Vec<u8>) {
        self.consumer.reader.region().append_to(self.found.at, self.found.len, into);
    }

    /// Copies the message.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut message = Vec::new();
        self.append_to(&mut message);
        message
    }

    /// Where the message stands: [`len`](Self::len) octets, at a multiple of eight. Valid until this value is gone. Who trusts the producer not to
    /// touch what it has sent may make a slice of it.
    #[must_use]
    pub fn pointer(&self) -> *const u8 {
        self.consumer.reader.region().pointer(self.found.at, self.found.len).as_ptr()
    }

    /// Gives the place back to the producer.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the producer could not be woken; the message is taken all the same.
    #[inline]
    pub fn release(self) -> Result<(), Error> {
        self.consumer.reader.release(self.found);
        self.consumer.bell.ring()
    }
}
