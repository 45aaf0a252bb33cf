//! `zmq_poller_…`: a set of sockets and descriptors to wait for, kept between waits.

use std::ffi::{c_int, c_long, c_short, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tamtam_zmq::PollItem;

use crate::errno::{EAGAIN, EFAULT, EINVAL, ENOTSOCK, of_io};
use crate::guard::guarded;
use crate::poll::{at_hand, from_system, interest, of_ready, timeout, to_system};
use crate::registry::Registry;
use crate::socket::{Handle, socket};

static POLLERS: Registry<Mutex<Poller>> = Registry::new(0x7A70_6C72);

/// Bits that events may have: `ZMQ_POLLIN`, `ZMQ_POLLOUT`, `ZMQ_POLLERR`, `ZMQ_POLLPRI`.
const EVENTS_MASK: c_short = 15;
/// What an event says when it is for no socket.
const NO_FD: RawFd = -1;

/// `zmq_poller_event_t`.
#[repr(C)]
pub struct Event {
    socket: *mut c_void,
    fd: RawFd,
    user_data: *mut c_void,
    events: c_short,
}

#[derive(Clone, Copy)]
struct Entry {
    socket: *mut c_void,
    fd: RawFd,
    user_data: *mut c_void,
    events: c_short,
}

// SAFETY: the pointers are handles of ours and data of the caller's that we hand back without looking at it.
unsafe impl Send for Entry {}

#[derive(Default)]
struct Poller {
    entries: Vec<Entry>,
    /// Watches every socket, for those who want one descriptor to wait on.
    outer: Option<OwnedFd>,
}

impl Poller {
    fn find(&mut self, socket: *mut c_void, fd: RawFd) -> Option<&mut Entry> {
        let fits = |entry: &&mut Entry| {
            if socket.is_null() { entry.socket.is_null() && entry.fd == fd } else { entry.socket == socket }
        };
        self.entries.iter_mut().find(fits)
    }
}

/// Returns a caller's poller, locked. It is used by one thread at a time.
///
/// # Safety
///
/// `handle` is null or a handle of ours.
unsafe fn poller(handle: *mut c_void) -> Result<MutexGuard<'static, Poller>, c_int> {
    // SAFETY: the caller's promise.
    let poller = unsafe { POLLERS.get(handle) }.ok_or(EFAULT)?;
    Ok(poller.lock().unwrap_or_else(PoisonError::into_inner))
}

fn check_events(events: c_short) -> Result<(), c_int> {
    if events & !EVENTS_MASK == 0 { Ok(()) } else { Err(EINVAL) }
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_new() -> *mut c_void {
    guarded(|| Ok(POLLERS.insert(Mutex::default())))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_destroy(handle: *mut *mut c_void) -> c_int {
    guarded(|| {
        if handle.is_null() {
            return Err(EFAULT);
        }
        // SAFETY: not null; the caller's place, holding null or a handle of ours.
        unsafe {
            POLLERS.retire(*handle).ok_or(EFAULT)?;
            *handle = std::ptr::null_mut();
        }
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_size(handle: *mut c_void) -> c_int {
    // SAFETY: the caller's handle.
    guarded(|| Ok(c_int::try_from(unsafe { poller(handle) }?.entries.len()).unwrap_or(c_int::MAX)))
}

/// Adds what is not there yet.
///
/// # Safety
///
/// The handles are null or ours.
unsafe fn add(
    handle: *mut c_void,
    target: *mut c_void,
    fd: RawFd,
    user_data: *mut c_void,
    events: c_short,
) -> Result<c_int, c_int> {
    // SAFETY: the caller's promise.
    let mut poller = unsafe { poller(handle) }?;
    check_events(events)?;
    if !target.is_null() {
        // SAFETY: as above.
        unsafe { socket(target) }?;
    }
    if poller.find(target, fd).is_some() {
        return Err(EINVAL);
    }
    poller.entries.push(Entry { socket: target, fd, user_data, events });
    poller.outer = None;
    Ok(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_add(
    handle: *mut c_void,
    target: *mut c_void,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handles.
        unsafe {
            drop(poller(handle)?);
            socket(target)?;
            add(handle, target, NO_FD, user_data, events)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_add_fd(
    handle: *mut c_void,
    fd: RawFd,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        drop(unsafe { poller(handle) }?);
        if fd < 0 {
            return Err(libc::EBADF);
        }
        // SAFETY: as above.
        unsafe { add(handle, std::ptr::null_mut(), fd, user_data, events) }
    })
}

/// Changes what is waited for.
///
/// # Safety
///
/// As [`add`].
unsafe fn modify(
    handle: *mut c_void,
    target: *mut c_void,
    fd: RawFd,
    events: c_short,
) -> Result<c_int, c_int> {
    // SAFETY: the caller's promise.
    let mut poller = unsafe { poller(handle) }?;
    check_events(events)?;
    poller.find(target, fd).ok_or(EINVAL)?.events = events;
    Ok(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_modify(
    handle: *mut c_void,
    target: *mut c_void,
    events: c_short,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handles.
        unsafe {
            drop(poller(handle)?);
            socket(target)?;
            modify(handle, target, NO_FD, events)
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_modify_fd(handle: *mut c_void, fd: RawFd, events: c_short) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        drop(unsafe { poller(handle) }?);
        if fd < 0 {
            return Err(libc::EBADF);
        }
        // SAFETY: as above.
        unsafe { modify(handle, std::ptr::null_mut(), fd, events) }
    })
}

/// Takes what is there away.
///
/// # Safety
///
/// As [`add`].
unsafe fn remove(handle: *mut c_void, target: *mut c_void, fd: RawFd) -> Result<c_int, c_int> {
    // SAFETY: the caller's promise.
    let mut poller = unsafe { poller(handle) }?;
    poller.find(target, fd).ok_or(EINVAL)?;
    poller.entries.retain(|entry| {
        if target.is_null() { !entry.socket.is_null() || entry.fd != fd } else { entry.socket != target }
    });
    poller.outer = None;
    Ok(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_remove(handle: *mut c_void, target: *mut c_void) -> c_int {
    guarded(|| {
        // A closed socket may be taken out as well.
        if target.is_null() {
            // SAFETY: the caller's handle.
            drop(unsafe { poller(handle) }?);
            return Err(ENOTSOCK);
        }
        // SAFETY: the caller's handles; the socket's is only compared.
        unsafe { remove(handle, target, NO_FD) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_remove_fd(handle: *mut c_void, fd: RawFd) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        drop(unsafe { poller(handle) }?);
        if fd < 0 {
            return Err(libc::EBADF);
        }
        // SAFETY: as above.
        unsafe { remove(handle, std::ptr::null_mut(), fd) }
    })
}

/// Waits until something is ready; returns how many events were written, `EAGAIN` when the time is over.
///
/// # Safety
///
/// The handle is null or ours; `events` has room for `room` of them.
unsafe fn wait(
    handle: *mut c_void,
    events: *mut Event,
    room: c_int,
    milliseconds: c_long,
) -> Result<c_int, c_int> {
    // SAFETY: the caller's promise.
    let entries = unsafe { poller(handle) }?.entries.clone();
    if events.is_null() {
        return Err(EFAULT);
    }
    let room = usize::try_from(room).map_err(|_| EINVAL)?;
    if milliseconds < 0 && entries.iter().all(|entry| entry.events == 0) {
        // Nobody would ever come.
        return Err(EFAULT);
    }
    let mut waits = Vec::with_capacity(entries.len());
    let mut at_once = false;
    let mut known = Vec::with_capacity(entries.len());
    for entry in &entries {
        if entry.socket.is_null() {
            waits.push(PollItem::fd(entry.fd, to_system(entry.events)));
            known.push(0);
            continue;
        }
        // SAFETY: a handle of ours, which may be closed by now.
        let target = unsafe { socket(entry.socket) }?;
        target.check_context()?;
        let ready = at_hand(target, entry.events);
        at_once |= ready != 0;
        known.push(ready);
        waits.push(PollItem::socket(&target.socket, interest(entry.events)));
    }
    let time = if at_once { Some(Duration::ZERO) } else { timeout(milliseconds) };
    tamtam_zmq::poll(&mut waits, time).map_err(|error| of_io(&error))?;
    let mut written = 0;
    for ((entry, waited), known) in entries.iter().zip(&waits).zip(known) {
        let found = if entry.socket.is_null() {
            from_system(waited.flags())
        } else {
            // SAFETY: as above.
            unsafe { socket(entry.socket) }?.check_context()?;
            known | of_ready(waited.ready())
        };
        if found == 0 || written == room {
            continue;
        }
        let event = Event { socket: entry.socket, fd: entry.fd, user_data: entry.user_data, events: found };
        // SAFETY: fewer than `room` were written.
        unsafe { events.add(written).write(event) };
        written += 1;
    }
    if written == 0 { Err(EAGAIN) } else { Ok(c_int::try_from(written).unwrap_or(c_int::MAX)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_wait(
    handle: *mut c_void,
    event: *mut Event,
    milliseconds: c_long,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle and place.
        let waited = unsafe { wait(handle, event, 1, milliseconds) };
        if waited.is_err() && !event.is_null() {
            let nothing =
                Event { socket: std::ptr::null_mut(), fd: NO_FD, user_data: std::ptr::null_mut(), events: 0 };
            // SAFETY: not null; the caller's place.
            unsafe { event.write(nothing) };
        }
        waited.map(|_| 0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_wait_all(
    handle: *mut c_void,
    events: *mut Event,
    room: c_int,
    milliseconds: c_long,
) -> c_int {
    // SAFETY: the caller's handle and places.
    guarded(|| unsafe { wait(handle, events, room, milliseconds) })
}

/// Writes the number of one descriptor that is readable when one of the sockets has something to look at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_fd(handle: *mut c_void, place: *mut RawFd) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let mut poller = unsafe { poller(handle) }?;
        if place.is_null() {
            return Err(EFAULT);
        }
        // As with libzmq, only where a socket has no descriptor of its own.
        // SAFETY: handles of ours, which may be closed by now.
        let is_needed = |entry: &Entry| unsafe { socket(entry.socket) }.is_ok_and(Handle::is_thread_safe);
        if !poller.entries.iter().any(is_needed) {
            return Err(EINVAL);
        }
        if poller.outer.is_none() {
            poller.outer = Some(outer(&poller.entries)?);
        }
        let number = poller.outer.as_ref().ok_or(EINVAL)?.as_raw_fd();
        // SAFETY: not null; the caller's place.
        unsafe { *place = number };
        Ok(0)
    })
}

/// Makes an epoll descriptor that watches the sockets' own.
fn outer(entries: &[Entry]) -> Result<OwnedFd, c_int> {
    // SAFETY: a system call without pointers.
    let raw = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if raw < 0 {
        return Err(of_io(&std::io::Error::last_os_error()));
    }
    // SAFETY: made just now, owned by nobody else.
    let outer = unsafe { OwnedFd::from_raw_fd(raw) };
    for entry in entries.iter().filter(|entry| !entry.socket.is_null()) {
        // SAFETY: a handle of ours, which may be closed by now.
        let target = unsafe { socket(entry.socket) }?;
        let fd = target.socket.try_as_fd().map_err(|error| of_io(&error))?.as_raw_fd();
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: 0 };
        // SAFETY: both descriptors are open, the event lives through the call.
        let result = unsafe { libc::epoll_ctl(outer.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        if result < 0 {
            return Err(of_io(&std::io::Error::last_os_error()));
        }
    }
    Ok(outer)
}
