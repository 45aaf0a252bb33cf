//! `zmq_poll` and `zmq_ppoll`.

use std::ffi::{c_int, c_long, c_short, c_void};
use std::time::Duration;

use tamtam_zmq::{Interest, PollItem};

use crate::errno::{EFAULT, of_io};
use crate::guard::guarded;
use crate::socket::{Handle, socket};
use std::sync::atomic::Ordering;

pub(crate) const POLLIN: c_short = 1;
const POLLOUT: c_short = 2;
const POLLERR: c_short = 4;
const POLLPRI: c_short = 8;

/// `zmq_pollitem_t`.
#[repr(C)]
pub struct Item {
    socket: *mut c_void,
    fd: c_int,
    events: c_short,
    revents: c_short,
}

/// The flags of poll(2) for ours.
pub(crate) fn to_system(events: c_short) -> c_short {
    let pairs = [(POLLIN, libc::POLLIN), (POLLOUT, libc::POLLOUT), (POLLPRI, libc::POLLPRI)];
    pairs.iter().filter(|(ours, _)| events & ours != 0).fold(0, |all, (_, theirs)| all | theirs)
}

/// Our flags for those of poll(2).
pub(crate) fn from_system(found: c_short) -> c_short {
    let pairs = [(POLLIN, libc::POLLIN), (POLLOUT, libc::POLLOUT), (POLLPRI, libc::POLLPRI)];
    let known = pairs.iter().fold(0, |all, (_, theirs)| all | theirs);
    let ours = pairs.iter().filter(|(_, theirs)| found & theirs != 0).fold(0, |all, (ours, _)| all | ours);
    if found & !known == 0 { ours } else { ours | POLLERR }
}

pub(crate) fn interest(events: c_short) -> Interest {
    Interest { readable: events & POLLIN != 0, writable: events & POLLOUT != 0 }
}

/// What is known without asking the engine: parts that wait in the handle, a message that was begun.
pub(crate) fn at_hand(handle: &Handle, events: c_short) -> c_short {
    let mut found = 0;
    if events & POLLIN != 0 && handle.is_receiving.load(Ordering::Relaxed) {
        found |= POLLIN;
    }
    if events & POLLOUT != 0 && handle.is_sending.load(Ordering::Relaxed) {
        found |= POLLOUT;
    }
    found
}

pub(crate) fn of_ready(ready: tamtam_zmq::Readiness) -> c_short {
    let mut found = 0;
    if ready.readable {
        found |= POLLIN;
    }
    if ready.writable {
        found |= POLLOUT;
    }
    found
}

/// A negative number of milliseconds is for ever.
pub(crate) fn timeout(milliseconds: c_long) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

/// Waits for the caller's items.
///
/// # Safety
///
/// `items` is null or points to `count` of them, with handles that are null or ours.
unsafe fn wait(
    items: *mut Item,
    count: c_int,
    milliseconds: c_long,
    mask: Option<&libc::sigset_t>,
) -> Result<c_int, c_int> {
    let count = usize::try_from(count).map_err(|_| crate::errno::EINVAL)?;
    if count == 0 {
        let slept = tamtam_zmq::poll_masked(&mut [], timeout(milliseconds), mask);
        return slept.map(|_| 0).map_err(|error| of_io(&error));
    }
    if items.is_null() {
        return Err(EFAULT);
    }
    // SAFETY: the caller gives `count` items.
    let items = unsafe { std::slice::from_raw_parts_mut(items, count) };
    let mut waits = Vec::with_capacity(count);
    let mut found = false;
    for item in &mut *items {
        item.revents = 0;
        if item.socket.is_null() {
            waits.push(PollItem::fd(item.fd, to_system(item.events)));
            continue;
        }
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(item.socket) }?;
        handle.check_context()?;
        item.revents = at_hand(handle, item.events);
        found |= item.revents != 0;
        waits.push(PollItem::socket(&handle.socket, interest(item.events)));
    }
    let timeout = if found { Some(Duration::ZERO) } else { timeout(milliseconds) };
    tamtam_zmq::poll_masked(&mut waits, timeout, mask).map_err(|error| of_io(&error))?;
    let mut ready = 0;
    for (item, waited) in items.iter_mut().zip(&waits) {
        if item.socket.is_null() {
            item.revents = from_system(waited.flags()) & (item.events | POLLERR);
        } else {
            // SAFETY: the caller's handle.
            unsafe { socket(item.socket) }?.check_context()?;
            item.revents |= of_ready(waited.ready());
        }
        ready += c_int::from(item.revents != 0);
    }
    Ok(ready)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poll(items: *mut Item, count: c_int, milliseconds: c_long) -> c_int {
    // SAFETY: the caller's items.
    guarded(|| unsafe { wait(items, count, milliseconds, None) })
}

/// As `zmq_poll`, with another signal mask while it sleeps.
#[cfg(feature = "draft")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ppoll(
    items: *mut Item,
    count: c_int,
    milliseconds: c_long,
    mask: *const libc::sigset_t,
) -> c_int {
    // SAFETY: the caller's items, and his mask, if there is one.
    guarded(|| unsafe { wait(items, count, milliseconds, mask.as_ref()) })
}
