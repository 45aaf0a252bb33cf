//! A lock in shared memory that survives its owner: pthread_mutex_t, process-shared and robust.
#![expect(
    unsafe_code,
    reason = "the C library's lock is reached through a pointer; each block proves its call"
)]

use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libc::{c_int, pthread_mutex_t, pthread_mutexattr_t, timespec};

use crate::memory::Region;
use crate::{Deadline, Error};

/// Octets that are kept for the lock, whatever the C library needs of them.
pub(super) const LEN: usize = 64;
const _: () = assert!(size_of::<pthread_mutex_t>() <= LEN && align_of::<pthread_mutex_t>() <= 8);

/// For how long even a call that must not wait waits for the lock: it is held for the copy of a message only, and by a stopped or starved
/// process for as long as it takes.
const PATIENCE: Duration = Duration::from_millis(20);

/// A lock at a place in shared memory.
#[derive(Clone, Debug)]
pub(super) struct Mutex {
    region: Region,
    at: usize,
}

/// The lock is held. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Guard<'a> {
    mutex: &'a Mutex,
    /// The last owner died with the lock in its hands, and nobody has set things right yet.
    is_inherited: bool,
    /// Only the thread that took the lock may give it back.
    _stays: PhantomData<*const ()>,
}

impl Mutex {
    /// Makes the lock, in memory that nobody else has yet.
    pub(super) fn make(region: &Region, at: usize) -> Result<(), Error> {
        let mutex = Self::at(region, at);
        let mut attributes = MaybeUninit::<pthread_mutexattr_t>::uninit();
        // SAFETY: the memory is ours, and initialised by the call.
        check("pthread_mutexattr_init", unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes were initialised above.
        let shared = unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) };
        // SAFETY: as above.
        let robust = unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) };
        // SAFETY: the place is inside the region, aligned, large enough, and nobody uses it yet; the attributes were initialised.
        let made = unsafe { libc::pthread_mutex_init(mutex.pointer(), attributes) };
        // SAFETY: the attributes were initialised, and are not used any more.
        unsafe { libc::pthread_mutexattr_destroy(attributes) };
        check("pthread_mutexattr_setpshared", shared)?;
        check("pthread_mutexattr_setrobust", robust)?;
        check("pthread_mutex_init", made)
    }

    /// The lock that was made at this place, perhaps by another process with the same C library.
    pub(super) fn at(region: &Region, at: usize) -> Self {
        Self { region: region.clone(), at }
    }

    /// Takes the lock.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::Corrupt`] if an owner died, and the one that came after it could not set things right; [`Error::System`].
    pub(super) fn lock(&self, deadline: Deadline) -> Result<Guard<'_>, Error> {
        // A moment long past: taken if it is free, and not waited for. pthread_mutex_trylock would do the same, but that of the GNU C library
        // keeps a lock that cannot be recovered for itself, and the next one to ask waits for ever.
        match self.take(timespec { tv_sec: 0, tv_nsec: 0 }) {
            libc::ETIMEDOUT => self.lock_later(deadline),
            outcome => self.guard(outcome),
        }
    }

    #[cold]
    fn lock_later(&self, deadline: Deadline) -> Result<Guard<'_>, Error> {
        let deadline = if deadline.is_now() { Deadline::after(PATIENCE) } else { deadline };
        loop {
            // In short steps: the call knows only the clock that people set, and that clock may be set while we wait.
            let step = deadline.remaining().map_or(PATIENCE, |left| left.min(PATIENCE));
            let until = (SystemTime::now() + step).duration_since(UNIX_EPOCH).unwrap_or_default();
            let until = timespec {
                tv_sec: until.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: until.subsec_nanos().into(),
            };
            match self.take(until) {
                libc::ETIMEDOUT if deadline.has_passed() => return Err(Error::TimedOut),
                libc::ETIMEDOUT => {}
                outcome => return self.guard(outcome),
            }
        }
    }

    fn take(&self, until: timespec) -> c_int {
        // SAFETY: the place is inside the region, which `self` keeps mapped, and a lock was made there (see `at`). The other processes are
        // trusted with it: see the text of the module.
        unsafe { libc::pthread_mutex_timedlock(self.pointer(), &until) }
    }

    fn guard(&self, outcome: c_int) -> Result<Guard<'_>, Error> {
        match outcome {
            0 | libc::EOWNERDEAD => {
                Ok(Guard { mutex: self, is_inherited: outcome == libc::EOWNERDEAD, _stays: PhantomData })
            }
            libc::ENOTRECOVERABLE => {
                Err(Error::Corrupt("a process died amid a change that could not be set right".into()))
            }
            other => Err(failure("pthread_mutex_timedlock", other)),
        }
    }

    fn pointer(&self) -> *mut pthread_mutex_t {
        self.region.pointer(self.at, LEN).as_ptr().cast()
    }
}

impl Guard<'_> {
    /// Tells whether the last owner died with the lock in its hands, and nobody has set things right yet.
    pub(super) const fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// States that what the lock protects is right again. Dropped without it, an inherited lock is of no use to anybody any more.
    pub(super) fn set_right(&mut self) -> Result<(), Error> {
        // SAFETY: this thread holds the lock, and inherited it.
        check("pthread_mutex_consistent", unsafe { libc::pthread_mutex_consistent(self.mutex.pointer()) })?;
        self.is_inherited = false;
        Ok(())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock: guards do not go to other threads.
        let outcome = unsafe { libc::pthread_mutex_unlock(self.mutex.pointer()) };
        debug_assert_eq!(outcome, 0, "only who does not hold the lock is refused");
    }
}

fn check(call: &'static str, outcome: c_int) -> Result<(), Error> {
    if outcome == 0 { Ok(()) } else { Err(failure(call, outcome)) }
}

/// These functions return the error's number instead of leaving it in `errno`.
fn failure(call: &'static str, outcome: c_int) -> Error {
    Error::system(call)(io::Error::from_raw_os_error(outcome))
}
