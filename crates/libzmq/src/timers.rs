//! `zmq_timers_…`: intervals that an application runs in its own loop.

use std::ffi::{c_int, c_long, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::errno::{EFAULT, EINVAL};
use crate::guard::guarded;
use crate::registry::Registry;

static TIMERS: Registry<Mutex<Timers>> = Registry::new(0x7A74_6D72);

/// `zmq_timer_fn`.
type TimerFn = unsafe extern "C" fn(id: c_int, argument: *mut c_void);

#[derive(Clone, Copy)]
struct Timer {
    id: c_int,
    interval: Duration,
    due: Instant,
    run: TimerFn,
    argument: *mut c_void,
}

// SAFETY: function and argument are the caller's, called on the thread that calls `zmq_timers_execute`.
unsafe impl Send for Timer {}

#[derive(Default)]
struct Timers {
    last_id: c_int,
    all: Vec<Timer>,
}

impl Timers {
    fn find(&mut self, id: c_int) -> Result<&mut Timer, c_int> {
        self.all.iter_mut().find(|timer| timer.id == id).ok_or(EINVAL)
    }
}

/// Returns a caller's timers, locked; never while a function of his runs.
///
/// # Safety
///
/// `handle` is null or a handle of ours.
unsafe fn timers(handle: *mut c_void) -> Result<MutexGuard<'static, Timers>, c_int> {
    // SAFETY: the caller's promise.
    let timers = unsafe { TIMERS.get(handle) }.ok_or(EFAULT)?;
    Ok(timers.lock().unwrap_or_else(PoisonError::into_inner))
}

fn due(interval: usize) -> (Duration, Instant) {
    let interval = Duration::from_millis(u64::try_from(interval).unwrap_or(u64::MAX));
    let now = Instant::now();
    // Some hundred years from now is never.
    (interval, now.checked_add(interval).unwrap_or_else(|| now + Duration::from_secs(u32::MAX.into())))
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_new() -> *mut c_void {
    guarded(|| Ok(TIMERS.insert(Mutex::default())))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_destroy(handle: *mut *mut c_void) -> c_int {
    guarded(|| {
        if handle.is_null() {
            return Err(EFAULT);
        }
        // SAFETY: not null; the caller's place, holding null or a handle of ours.
        unsafe {
            TIMERS.retire(*handle).ok_or(EFAULT)?;
            *handle = std::ptr::null_mut();
        }
        Ok(0)
    })
}

/// Adds a timer of `interval` milliseconds; returns its number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_add(
    handle: *mut c_void,
    interval: usize,
    run: Option<TimerFn>,
    argument: *mut c_void,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let mut timers = unsafe { timers(handle) }?;
        let run = run.ok_or(EFAULT)?;
        let (interval, due) = due(interval);
        timers.last_id = timers.last_id.checked_add(1).unwrap_or(1);
        let id = timers.last_id;
        timers.all.push(Timer { id, interval, due, run, argument });
        Ok(id)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_cancel(handle: *mut c_void, id: c_int) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let mut timers = unsafe { timers(handle) }?;
        timers.find(id)?;
        timers.all.retain(|timer| timer.id != id);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_set_interval(handle: *mut c_void, id: c_int, interval: usize) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let mut timers = unsafe { timers(handle) }?;
        let timer = timers.find(id)?;
        (timer.interval, timer.due) = due(interval);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_reset(handle: *mut c_void, id: c_int) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let mut timers = unsafe { timers(handle) }?;
        let timer = timers.find(id)?;
        timer.due = Instant::now() + timer.interval;
        Ok(0)
    })
}

/// Returns the milliseconds until the next timer is due, rounded up; -1 when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_timeout(handle: *mut c_void) -> c_long {
    guarded(|| {
        // SAFETY: the caller's handle.
        let timers = unsafe { timers(handle) }?;
        let Some(next) = timers.all.iter().map(|timer| timer.due).min() else { return Ok(-1) };
        let left = next.saturating_duration_since(Instant::now());
        Ok(c_long::try_from(left.as_micros().div_ceil(1000)).unwrap_or(c_long::MAX))
    })
}

/// Runs the functions of all timers that are due.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_execute(handle: *mut c_void) -> c_int {
    guarded(|| {
        let now = Instant::now();
        // SAFETY: the caller's handle.
        let mut due: Vec<Timer> =
            unsafe { timers(handle) }?.all.iter().filter(|timer| timer.due <= now).copied().collect();
        due.sort_by_key(|timer| timer.due);
        for timer in due {
            // One that ran before may have cancelled this one, or let all of them go.
            // SAFETY: the caller's handle.
            let Ok(mut timers) = (unsafe { timers(handle) }) else { break };
            let Ok(current) = timers.find(timer.id) else { continue };
            current.due = now + current.interval;
            drop(timers);
            // SAFETY: the caller's function with the caller's argument; no lock is held.
            unsafe { (timer.run)(timer.id, timer.argument) };
        }
        Ok(0)
    })
}
