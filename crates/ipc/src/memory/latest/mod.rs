//! The latest value of one writer for any number of readers, in shared memory. Readers never make the writer wait, and copy without a lock.
//!
//! For what is measured or computed again and again, where only the newest counts: a pose, a temperature, a state. It is no queue: what nobody
//! looked at in time is gone, and a reader is told how many values it missed.
//!
//! ```
//! use tamtam_ipc::{Deadline, memory::latest};
//!
//! let (mut writer, mut reader) = latest::pair(100)?;
//! for degrees in 19..22 {
//!     writer.publish(format!("{degrees} degrees").as_bytes())?;
//! }
//! let mut value = Vec::new();
//! let update = reader.next(&mut value, Deadline::NEVER)?;
//! assert_eq!((value.as_slice(), update.missed), (b"21 degrees".as_slice(), 2));
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```
//!
//! # How it works
//!
//! A sequence lock: the writer makes a number odd, writes, and makes it even; a reader copies between two looks at the number, and does it
//! again if the number was odd or has changed. There are several places instead of one, used in turn, so that the last whole value is there while the next one is
//! written, and also when the writer dies amid it.
//!
//! - Readers map the memory for reading only, from a descriptor that cannot do anything else, and the memory is sealed against being mapped for
//!   writing once the writer has done so. So a reader cannot disturb anybody, and there is one writer.
//! - As nobody else can write there, readers cannot say that they sleep: [`Writer::publish`] always asks the kernel to wake who does, which is one
//!   system call. [`Writer::publish_quietly`] does not, for readers that only look.
//! - The writer holds a lock on the open file, which the kernel releases with its process. Readers that wait look at it every
//!   [`SLICE`], and otherwise when asked to.
//! - Readers have no trust in the writer: what it writes can be a wrong value, or [`Error::Corrupt`].

mod layout;
mod link;
mod lock;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

pub use link::Adapter;

use self::layout::{CLOSED_AT, NEWS_AT, Slots, VALUE_MAX};
use super::{Segment, futex};
use crate::lifeline::SLICE;
use crate::{Deadline, Error, Object, Wait, wait};

/// What a writer or a reader is opened from: a descriptor.
#[derive(Debug)]
pub struct Half(Segment);

impl Half {
    /// Takes the descriptor of [`into_descriptor`](Self::into_descriptor), perhaps in another process.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not a sealed segment, [`Error::System`].
    pub fn from_descriptor(descriptor: OwnedFd) -> Result<Self, Error> {
        Segment::attach(descriptor).map(Self)
    }

    /// Takes out the descriptor. That of the writer holds the lock that says that there is a writer.
    #[must_use]
    pub fn into_descriptor(self) -> OwnedFd {
        self.0.into()
    }
}

/// Makes the memory for values of up to `value_max` octets; returns the writer's half and one for a reader. Takes `/proc`.
///
/// # Errors
///
/// [`Error::TooLong`], [`Error::System`].
pub fn halves(value_max: usize) -> Result<(Half, Half), Error> {
    let segment = Segment::anonymous(layout::len(value_max)?)?;
    Slots::make(&segment.map()?, value_max);
    let reader = segment.reopen_read_only()?;
    lock::take(&segment)?;
    Ok((Half(segment), Half(reader)))
}

/// Makes the memory and opens the writer and a reader in this process.
///
/// # Errors
///
/// Those of [`halves`].
pub fn pair(value_max: usize) -> Result<(Writer, Reader), Error> {
    let (writer, reader) = halves(value_max)?;
    Ok((Writer::open(writer)?, Reader::open(reader, Wait::Block)?))
}

/// The one that writes.
#[derive(Debug)]
pub struct Writer {
    slots: Slots,
    /// Of the last value.
    number: u64,
    /// Its open file has the lock.
    segment: Segment,
    /// Removes the name, if there is one.
    _name: Option<Object>,
}

impl Writer {
    /// Opens the writer's half.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if there is a writer already, [`Error::Corrupt`] if it is no such memory, [`Error::System`].
    pub fn open(Half(segment): Half) -> Result<Self, Error> {
        lock::take(&segment)?;
        let region = match segment.map() {
            // What the seal says.
            Err(Error::System { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Error::Ticket("there was a writer already".into()));
            }
            other => other?,
        };
        segment.seal_writing()?;
        Ok(Self { slots: Slots::open(region)?, number: 0, segment, _name: None })
    }

    /// Makes memory with a name, which [`Reader::open_named`] opens, and which is removed with the writer. For this user's processes only; the name
    /// is `/` and [`object::unique`](crate::object::unique). What has a name cannot be sealed: see [`Segment`].
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`]; [`Error::Ticket`] if the name is not one of ours; [`Error::System`]: the name exists, there is no `/dev/shm`, or no room in it.
    pub fn create(name: &str, value_max: usize) -> Result<Self, Error> {
        let (segment, object) = Segment::create(name, layout::len(value_max)?)?;
        lock::take(&segment)?;
        let region = segment.map()?;
        Slots::make(&region, value_max);
        Ok(Self { slots: Slots::open(region)?, number: 0, segment, _name: Some(object) })
    }

    /// Goes on where a writer died without removing the name. Numbers go on as well; a value that it was amid is lost.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if there is a writer, or the name is not one of ours; [`Error::Corrupt`], [`Error::System`].
    pub fn resume(name: &str) -> Result<Self, Error> {
        let segment = Segment::open(name, true)?;
        lock::take(&segment)?;
        let slots = Slots::open(segment.map()?)?;
        let object = Object::new(crate::object::Kind::SharedMemory, name)?;
        slots.region().word32(CLOSED_AT).store(0, Ordering::Release);
        Ok(Self { number: slots.latest(), slots, segment, _name: Some(object) })
    }

    /// Makes a half for one more reader. Takes `/proc`.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn reader(&self) -> Result<Half, Error> {
        self.segment.reopen_read_only().map(Half)
    }

    /// The longest value, in octets.
    #[must_use]
    pub const fn value_max(&self) -> usize {
        self.slots.value_max()
    }

    /// Makes this the latest value, and wakes readers that wait for one. Never waits. One system call.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::System`].
    pub fn publish(&mut self, value: &[u8]) -> Result<(), Error> {
        self.publish_quietly(value)?;
        futex::wake(self.slots.region().word32(NEWS_AT), u32::MAX).map(drop)
    }

    /// Makes this the latest value. Readers that wait find it within [`SLICE`]. No system call.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`].
    pub fn publish_quietly(&mut self, value: &[u8]) -> Result<(), Error> {
        if value.len() > self.value_max() {
            return Err(Error::TooLong { len: value.len(), max: self.value_max() });
        }
        self.number = self.number.wrapping_add(1);
        self.slots.begin(self.number, value);
        self.slots.commit(self.number);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let region = self.slots.region();
        region.word32(CLOSED_AT).store(1, Ordering::Release);
        region.word32(NEWS_AT).fetch_add(1, Ordering::Release);
        // Who is not woken finds out within a slice.
        let _ = futex::wake(region.word32(NEWS_AT), u32::MAX);
    }
}

/// One that reads.
#[derive(Debug)]
pub struct Reader {
    slots: Slots,
    segment: Segment,
    wait: Wait,
    /// The number of the last value that was returned.
    seen: u64,
    missed: u64,
}

/// What a reader is told about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Counts the writer's values, from one on.
    pub number: u64,
    /// How many values there were between the last one that was returned and this one.
    pub missed: u64,
}

impl Reader {
    /// Opens a reader's half. The value that is the latest now counts as new.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is no such memory, [`Error::System`].
    pub fn open(Half(segment): Half, wait: Wait) -> Result<Self, Error> {
        Self::of(segment, wait)
    }

    /// Opens the memory of this name.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if there is none, or it is another user's; [`Error::Corrupt`] if it is no such memory, or is only just being made.
    pub fn open_named(name: &str, wait: Wait) -> Result<Self, Error> {
        Self::of(Segment::open(name, false)?, wait)
    }

    fn of(segment: Segment, wait: Wait) -> Result<Self, Error> {
        let slots = Slots::open(segment.map_read_only()?)?;
        Ok(Self { seen: slots.latest().saturating_sub(1), slots, segment, wait, missed: 0 })
    }

    /// The longest value, in octets.
    #[must_use]
    pub const fn value_max(&self) -> usize {
        self.slots.value_max()
    }

    /// Copies the latest value, whether it is new or not, and returns its number; `None` if there is none yet. Whether the writer is alive
    /// does not matter.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`].
    pub fn latest(&self, into: &mut Vec<u8>) -> Result<Option<u64>, Error> {
        self.slots.read(into)
    }

    /// Waits for a value that was not returned by this call before.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::Closed`] if the writer is gone and its last value was returned; [`Error::Corrupt`], [`Error::System`].
    pub fn next(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<Update, Error> {
        let number = self.wait(into, deadline)?;
        let update = Update { number, missed: number.wrapping_sub(self.seen).wrapping_sub(1) };
        self.seen = number;
        self.missed = self.missed.saturating_add(update.missed);
        Ok(update)
    }

    fn wait(&self, into: &mut Vec<u8>, deadline: Deadline) -> Result<u64, Error> {
        let news = self.slots.region().readable32(NEWS_AT);
        let is_gone = Cell::new(false);
        let mut look = || {
            let is_over = is_gone.get() || self.has_left();
            match self.is_behind(self.slots.latest()).then(|| self.slots.read(into)).transpose()?.flatten() {
                Some(number) if self.is_behind(number) => Ok(Some(number)),
                _ if is_over => Err(Error::Closed),
                _ => Ok(None),
            }
        };
        let mut last_news = None;
        let found = wait::until(self.wait, deadline, &mut look, |deadline| {
            if deadline.has_passed() {
                return Err(Error::TimedOut);
            }
            // First what there is to sleep on, then another look, then the sleep.
            let Some(value) = last_news.take() else {
                last_news = Some(news.load(Ordering::Acquire));
                return Ok(());
            };
            let slept = futex::wait(news, value, deadline.min(Deadline::after(SLICE)));
            is_gone.set(!self.is_writer_alive()?);
            match slept {
                Err(Error::TimedOut) if !deadline.has_passed() => Ok(()),
                other => other,
            }
        });
        match found {
            // Who does not wait at all shall learn of a death, too.
            Err(Error::TimedOut) if !self.is_writer_alive()? => {
                is_gone.set(true);
                look()?.ok_or(Error::Closed)
            }
            other => other,
        }
    }

    /// Tells whether this is the number of a newer value than was returned last.
    const fn is_behind(&self, number: u64) -> bool {
        number.wrapping_sub(self.seen).cast_signed() > 0
    }

    /// Tells whether the writer said that it leaves. No system call.
    fn has_left(&self) -> bool {
        self.slots.region().load32(CLOSED_AT, Ordering::Acquire) != 0
    }

    /// Tells whether there is a writer. One system call.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn is_writer_alive(&self) -> Result<bool, Error> {
        lock::is_taken(&self.segment)
    }

    /// Tells whether the writer died while it wrote a value, which therefore is lost. The one before is there.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn was_interrupted(&self) -> Result<bool, Error> {
        Ok(!self.is_writer_alive()? && self.slots.is_amid())
    }

    /// How many values [`next`](Self::next) did not return because newer ones came.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}
