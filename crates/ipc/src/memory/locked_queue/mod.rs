//! A queue in shared memory under a lock: messages from any number of senders to any number of receivers, each to one of them. It survives
//! the death of whoever holds the lock.
//!
//! ```
//! use std::thread;
//! use tamtam_ipc::{Deadline, Plan, memory::locked_queue};
//!
//! let (sender, receiver) = locked_queue::pair(&Plan::default())?;
//! let second = sender.try_clone()?;
//! thread::scope(|scope| {
//!     scope.spawn(move || sender.send(b"from one", Deadline::NEVER));
//!     scope.spawn(move || second.send(b"from another", Deadline::NEVER));
//! });
//! let mut message = Vec::new();
//! receiver.receive(&mut message, Deadline::NEVER)?;
//! receiver.receive(&mut message, Deadline::NEVER)?;
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```
//!
//! # The lock
//!
//! It is a `pthread_mutex_t` that is process-shared and *robust*: the kernel knows the locks that a thread holds, and if the thread dies, marks them and
//! wakes somebody who waits. The next owner is told (`EOWNERDEAD`), sets right what the lock protects, and says so
//! (`pthread_mutex_consistent`). Here nothing can be half done: a message is copied to its place, or out of it, before one store of one number
//! makes that so. What a dead process was about to send is not there; what it was about to receive, somebody else receives.
//!
//! # Why the condition is no `pthread_cond_t`
//!
//! Condition variables have no robustness. They keep books about their waiters in shared memory, under a lock of their own that is
//! not robust; POSIX does not say what happens when a waiter or a signaller is killed, and with the GNU C library before 2.41 the others may
//! wait for it for ever. The condition here is a number and a futex: it is read under the lock, the lock is released, and the sleeper sleeps only as long
//! as the number has not changed; whoever makes the condition true changes it under the lock. A dead sleeper leaves nothing behind
//! that anybody waits for. A wake-up that went to one who died before it could do something is made up for within [`SLICE`]: no sleep is
//! longer, which also is how the death of the last process on the other side is noticed.
//!
//! # Trust
//!
//! The C library's lock holds pointers and owners in the shared memory, and follows them. So all processes here have to trust each other as
//! threads do, and use the same C library; a process that may be hostile gets a [`ring`](super::ring) of its own. Numbers and lengths
//! are checked all the same.

mod link;
mod mutex;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use rustix::io::Errno;

pub use link::Adapter;

use self::mutex::{Guard, Mutex};
use super::{Region, Segment, futex};
use crate::lifeline::{Lifeline, SLICE};
use crate::{Deadline, Error, Plan, Wait, wait};

/// The longest message that any queue takes, for the same reason as with a ring: 16 MiB.
const MESSAGE_MAX: usize = 16 << 20;

/// "tamlockq" and the size of the C library's lock, which tells some C libraries apart.
const MAGIC: u64 = u64::from_le_bytes(*b"tamlockq") ^ (size_of::<libc::pthread_mutex_t>() as u64) << 56;

const MAGIC_AT: usize = 0;
const SLOTS_AT: usize = 8;
const MESSAGE_MAX_AT: usize = 16;
const MUTEX_AT: usize = 128;
/// How many messages were taken, and how many were put in, since the beginning.
const TAKEN_AT: usize = 256;
const PUT_AT: usize = 264;
/// How often an owner died.
const INHERITED_AT: usize = 272;
const NOT_EMPTY_AT: usize = 384;
const NOT_FULL_AT: usize = 512;
/// The first slot: the length of its message, and the message.
const FIRST_SLOT: usize = 640;

/// What one side of a queue is opened from: the memory, and a socket that tells when the other side is gone. Nothing with a name is made.
#[derive(Debug)]
pub struct Half {
    segment: Segment,
    lifeline: Lifeline,
}

impl Half {
    /// Puts together what [`into_descriptors`](Self::into_descriptors) took apart, perhaps in another process.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the first descriptor is not a sealed segment, [`Error::System`].
    pub fn from_descriptors([memory, lifeline]: [OwnedFd; 2]) -> Result<Self, Error> {
        Ok(Self { segment: Segment::attach(memory)?, lifeline: lifeline.into() })
    }

    /// Takes it apart into its descriptors: the memory and the lifeline.
    #[must_use]
    pub fn into_descriptors(self) -> [OwnedFd; 2] {
        [self.segment.into(), self.lifeline.into()]
    }

    /// Makes one more of the same side, for another process.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        Self::from_descriptors([duplicate(&self.segment)?, duplicate(&self.lifeline)?])
    }
}

fn duplicate(descriptor: &impl AsFd) -> Result<OwnedFd, Error> {
    descriptor.as_fd().try_clone_to_owned().map_err(Error::system("fcntl(F_DUPFD_CLOEXEC)"))
}

/// Makes a queue that holds `plan.depth` messages; returns a half for senders and one for receivers.
///
/// # Errors
///
/// [`Error::TooLong`] if the plan's messages are, [`Error::System`]: too many or too long for the memory.
pub fn halves(plan: &Plan) -> Result<(Half, Half), Error> {
    if plan.message_max > MESSAGE_MAX {
        return Err(Error::TooLong { len: plan.message_max, max: MESSAGE_MAX });
    }
    let slots = plan.depth.max(1);
    let len = slots.checked_mul(slot_len(plan.message_max)).and_then(|octets| octets.checked_add(FIRST_SLOT));
    let segment = Segment::anonymous(len.ok_or_else(|| Error::system("fallocate")(Errno::NOMEM))?)?;
    let region = segment.map()?;
    Mutex::make(&region, MUTEX_AT)?;
    region.word64(SLOTS_AT).store(slots as u64, Ordering::Relaxed);
    region.word64(MESSAGE_MAX_AT).store(plan.message_max as u64, Ordering::Relaxed);
    region.word64(MAGIC_AT).store(MAGIC, Ordering::Release);
    let again = Segment::attach(duplicate(&segment)?)?;
    let (senders, receivers) = Lifeline::pair()?;
    Ok((Half { segment, lifeline: senders }, Half { segment: again, lifeline: receivers }))
}

const fn slot_len(message_max: usize) -> usize {
    8 + message_max.next_multiple_of(8)
}

/// Makes a queue and opens a sender and a receiver in this process.
///
/// # Errors
///
/// Those of [`halves`].
pub fn pair(plan: &Plan) -> Result<(Sender, Receiver), Error> {
    let (senders, receivers) = halves(plan)?;
    Ok((Sender::open(senders, plan.wait)?, Receiver::open(receivers, plan.wait)?))
}

/// One that sends.
#[derive(Debug)]
pub struct Sender(Party);

impl Sender {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not a queue, or of another C library; [`Error::System`].
    pub fn open(half: Half, wait: Wait) -> Result<Self, Error> {
        Party::open(half, wait).map(Self)
    }

    /// Makes one more for another thread of this process.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self)
    }

    /// Sends a message; waits for room.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::TimedOut`]; [`Error::Closed`] if no receiver is left, [`Error::Corrupt`], [`Error::System`].
    pub fn send(&self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        let queue = &self.0.queue;
        if message.len() > queue.message_max {
            return Err(Error::TooLong { len: message.len(), max: queue.message_max });
        }
        self.0.wait(Condition::NotFull, deadline, |over| {
            if over {
                return Err(Error::Closed);
            }
            let Some(guard) = queue.lock_if(Condition::NotFull, deadline)? else { return Ok(None) };
            queue.write(message);
            queue.count_as_put(&guard);
            queue.release(guard, Condition::NotEmpty).map(Some)
        })
    }
}

/// One that receives.
#[derive(Debug)]
pub struct Receiver(Party);

impl Receiver {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not a queue, or of another C library; [`Error::System`].
    pub fn open(half: Half, wait: Wait) -> Result<Self, Error> {
        Party::open(half, wait).map(Self)
    }

    /// Makes one more for another thread of this process.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self)
    }

    /// Receives a message, which replaces what is in `into`.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::Closed`] if the queue is empty and no sender is left; [`Error::Corrupt`], [`Error::System`].
    pub fn receive(&self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        let queue = &self.0.queue;
        self.0.wait(Condition::NotEmpty, deadline, |over| {
            match queue.lock_if(Condition::NotEmpty, deadline)? {
                Some(guard) => {
                    queue.read(into)?;
                    queue.count_as_taken(&guard);
                    queue.release(guard, Condition::NotFull).map(Some)
                }
                None if over => Err(Error::Closed),
                None => Ok(None),
            }
        })
    }

    /// How often a process died with the lock in its hands.
    #[must_use]
    pub fn inherited(&self) -> u64 {
        self.0.queue.region.word64(INHERITED_AT).load(Ordering::Relaxed)
    }
}

/// What senders and receivers have in common.
#[derive(Debug)]
struct Party {
    // In this order they are dropped: those that the queue wakes then find the lifeline cut.
    lifeline: Lifeline,
    queue: Queue,
    wait: Wait,
}

impl Party {
    fn open(half: Half, wait: Wait) -> Result<Self, Error> {
        Ok(Self { queue: Queue::open(half.segment.map()?)?, lifeline: half.lifeline, wait })
    }

    fn try_clone(&self) -> Result<Self, Error> {
        let lifeline = duplicate(&self.lifeline)?.into();
        Ok(Self { lifeline, queue: Queue::open(self.queue.region.clone())?, wait: self.wait })
    }

    /// Waits until `look` finds something. It is told whether the other side is gone, and was so before it looks.
    fn wait<T>(
        &self,
        condition: Condition,
        deadline: Deadline,
        mut look: impl FnMut(bool) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let is_over = Cell::new(false);
        let found = wait::until(
            self.wait,
            deadline,
            || look(is_over.get()),
            |deadline| {
                let slept = self.queue.sleep_until(condition, deadline.min(Deadline::after(SLICE)));
                is_over.set(self.lifeline.is_cut());
                match slept {
                    Err(Error::TimedOut) if !deadline.has_passed() => Ok(()),
                    other => other,
                }
            },
        );
        match found {
            // Who does not wait at all shall learn of a death, too.
            Err(Error::TimedOut) if self.lifeline.is_cut() => look(true)?.ok_or(Error::Closed),
            other => other,
        }
    }
}

/// The memory.
#[derive(Debug)]
struct Queue {
    region: Region,
    mutex: Mutex,
    slots: u64,
    message_max: usize,
}

impl Queue {
    fn open(region: Region) -> Result<Self, Error> {
        if region.len() < FIRST_SLOT || region.word64(MAGIC_AT).load(Ordering::Acquire) != MAGIC {
            return Err(Error::Corrupt("no queue of this kind".into()));
        }
        let slots = region.word64(SLOTS_AT).load(Ordering::Relaxed);
        let message_max = region.word64(MESSAGE_MAX_AT).load(Ordering::Relaxed);
        let message_max = usize::try_from(message_max).ok().filter(|max| *max <= MESSAGE_MAX);
        let len = message_max.and_then(|max| usize::try_from(slots).ok()?.checked_mul(slot_len(max)));
        match message_max {
            Some(message_max) if slots > 0 && len == Some(region.len() - FIRST_SLOT) => {
                Ok(Self { mutex: Mutex::at(&region, MUTEX_AT), region, slots, message_max })
            }
            _ => Err(Error::Corrupt("a queue larger or smaller than its segment".into())),
        }
    }

    /// Takes the lock, and sets right what a dead owner may have left.
    fn lock(&self, deadline: Deadline) -> Result<Guard<'_>, Error> {
        let mut guard = self.mutex.lock(deadline)?;
        if guard.is_inherited() {
            // What it was doing is either done or not begun, so there is nothing to set right; but it may have died before it woke somebody.
            self.count(&guard)?;
            guard.set_right()?;
            self.region.word64(INHERITED_AT).fetch_add(1, Ordering::Relaxed);
            for condition in [Condition::NotEmpty, Condition::NotFull] {
                self.notify(condition, u32::MAX)?;
            }
        }
        Ok(guard)
    }

    /// Takes the lock if the condition holds; does without it where the condition does not even seem to.
    fn lock_if(&self, condition: Condition, deadline: Deadline) -> Result<Option<Guard<'_>>, Error> {
        let seems = self.word(PUT_AT).wrapping_sub(self.word(TAKEN_AT));
        if !condition.holds(seems, self.slots) {
            return Ok(None);
        }
        let guard = self.lock(deadline)?;
        Ok(condition.holds(self.count(&guard)?, self.slots).then_some(guard))
    }

    /// Sleeps until the condition may hold.
    fn sleep_until(&self, condition: Condition, deadline: Deadline) -> Result<(), Error> {
        let guard = self.lock(deadline)?;
        if condition.holds(self.count(&guard)?, self.slots) {
            return Ok(());
        }
        // Both under the lock: who makes the condition true from now on finds a sleeper, and changes the number.
        let number = self.region.word32(condition.at()).load(Ordering::Relaxed);
        let sleepers = self.region.word32(condition.at() + 4);
        sleepers.fetch_add(1, Ordering::Relaxed);
        drop(guard);
        let slept = futex::wait(self.region.word32(condition.at()), number, deadline);
        // One that dies in between is counted for ever. That costs the others a system call per message, and nothing else.
        sleepers.fetch_sub(1, Ordering::Relaxed);
        slept
    }

    /// Gives the lock back, and wakes somebody who waits for the condition that has come true.
    fn release(&self, guard: Guard<'_>, condition: Condition) -> Result<(), Error> {
        let sleepers = self.region.word32(condition.at() + 4).load(Ordering::Relaxed);
        if sleepers > 0 {
            self.region.word32(condition.at()).fetch_add(1, Ordering::Relaxed);
        }
        drop(guard);
        if sleepers > 0 { futex::wake(self.region.word32(condition.at()), 1).map(drop) } else { Ok(()) }
    }

    fn notify(&self, condition: Condition, count: u32) -> Result<(), Error> {
        let number = self.region.word32(condition.at());
        number.fetch_add(1, Ordering::Relaxed);
        futex::wake(number, count).map(drop)
    }

    /// How many messages there are.
    fn count(&self, _guard: &Guard<'_>) -> Result<u64, Error> {
        let count = self.word(PUT_AT).wrapping_sub(self.word(TAKEN_AT));
        if count <= self.slots {
            Ok(count)
        } else {
            Err(Error::Corrupt("more messages than there is room for".into()))
        }
    }

    /// Copies a message to the next free slot. Not a message before it is counted.
    fn write(&self, message: &[u8]) {
        let at = self.slot(self.word(PUT_AT));
        self.region.word64(at).store(message.len() as u64, Ordering::Relaxed);
        self.region.write(at + 8, message);
    }

    /// Copies the oldest message out of its slot. It stays there until it is counted.
    fn read(&self, into: &mut Vec<u8>) -> Result<(), Error> {
        let at = self.slot(self.word(TAKEN_AT));
        let len = usize::try_from(self.word(at)).unwrap_or(usize::MAX);
        if len > self.message_max {
            return Err(Error::Corrupt("a message longer than the queue takes".into()));
        }
        into.clear();
        self.region.append_to(at + 8, len, into);
        Ok(())
    }

    fn count_as_put(&self, _guard: &Guard<'_>) {
        self.region.word64(PUT_AT).fetch_add(1, Ordering::Release);
    }

    fn count_as_taken(&self, _guard: &Guard<'_>) {
        self.region.word64(TAKEN_AT).fetch_add(1, Ordering::Release);
    }

    fn slot(&self, number: u64) -> usize {
        // Less than the number of slots, all of which are inside the memory.
        FIRST_SLOT + (number % self.slots) as usize * slot_len(self.message_max)
    }

    fn word(&self, at: usize) -> u64 {
        self.region.load64(at, Ordering::Acquire)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        for condition in [Condition::NotEmpty, Condition::NotFull] {
            // Who cannot be woken finds out within a slice.
            let _ = self.notify(condition, u32::MAX);
        }
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Condition {
    NotEmpty,
    NotFull,
}

impl Condition {
    /// Where it stands: the number that changes, and how many sleep.
    const fn at(self) -> usize {
        match self {
            Self::NotEmpty => NOT_EMPTY_AT,
            Self::NotFull => NOT_FULL_AT,
        }
    }

    const fn holds(self, count: u64, slots: u64) -> bool {
        match self {
            Self::NotEmpty => count != 0,
            Self::NotFull => count != slots,
        }
    }
}
