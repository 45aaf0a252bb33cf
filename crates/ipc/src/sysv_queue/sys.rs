//! The calls of sysvipc(7).

use std::cell::RefCell;
use std::ffi::{c_int, c_long};
use std::{mem, ptr};

use rustix::io::Errno;

use crate::errno::checked;

/// What msgctl(2) tells about a queue.
pub(super) use libc::msqid_ds as Status;

/// Octets before a message's own: its kind.
const HEAD: usize = size_of::<c_long>();

thread_local! {
    /// Kind and message have to stand side by side in memory, aligned as the kind is.
    static ENVELOPE: RefCell<Vec<c_long>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn get(key: c_int, flags: c_int) -> Result<c_int, Errno> {
    // SAFETY: the call takes numbers only.
    checked(unsafe { libc::msgget(key, flags) })
}

/// Sends a message of this kind, which is positive.
pub(super) fn send(id: c_int, kind: c_long, message: &[u8], flags: c_int) -> Result<(), Errno> {
    ENVELOPE.with_borrow_mut(|envelope| {
        reserve(envelope, message.len());
        envelope[0] = kind;
        let start = envelope.as_mut_ptr().cast::<u8>();
        // SAFETY: the envelope has room for its head and the message, which is elsewhere.
        unsafe { ptr::copy_nonoverlapping(message.as_ptr(), start.add(HEAD), message.len()) };
        // SAFETY: behind the head stand as many octets as we say; the kernel only reads them.
        checked(unsafe { libc::msgsnd(id, start.cast(), message.len(), flags) }).map(drop)
    })
}

/// Receives a message of at most `message_max` octets, and returns its kind. `wanted` as in msgrcv(2).
pub(super) fn receive(
    id: c_int,
    wanted: c_long,
    into: &mut Vec<u8>,
    message_max: usize,
    flags: c_int,
) -> Result<c_long, Errno> {
    ENVELOPE.with_borrow_mut(|envelope| {
        reserve(envelope, message_max);
        let start = envelope.as_mut_ptr().cast::<u8>();
        // SAFETY: behind the head there is room for as many octets as we say.
        let len = checked(unsafe { libc::msgrcv(id, start.cast(), message_max, wanted, flags) })?;
        // SAFETY: the envelope is initialized from its beginning, and `reserve` made it longer than head and
        // `message_max` together.
        let octets = unsafe {
            std::slice::from_raw_parts(start.add(HEAD).cast_const(), len.unsigned_abs().min(message_max))
        };
        into.clear();
        into.extend_from_slice(octets);
        Ok(envelope[0])
    })
}

pub(super) fn status(id: c_int) -> Result<Status, Errno> {
    // SAFETY: a C structure of integers and pointers that nobody follows, for which zero is a value.
    let mut status: Status = unsafe { mem::zeroed() };
    // SAFETY: with IPC_STAT the call writes one structure, which is there.
    checked(unsafe { libc::msgctl(id, libc::IPC_STAT, &raw mut status) })?;
    Ok(status)
}

pub(super) fn set(id: c_int, status: &mut Status) -> Result<(), Errno> {
    // SAFETY: with IPC_SET the call reads one structure, which is there.
    checked(unsafe { libc::msgctl(id, libc::IPC_SET, ptr::from_mut(status)) }).map(drop)
}

pub(super) fn remove(id: c_int) -> Result<(), Errno> {
    // SAFETY: with IPC_RMID the pointer is not looked at.
    checked(unsafe { libc::msgctl(id, libc::IPC_RMID, ptr::null_mut()) }).map(drop)
}

/// Makes room for a head and so many octets.
fn reserve(envelope: &mut Vec<c_long>, octets: usize) {
    let words = 1 + octets.div_ceil(HEAD);
    if envelope.len() < words {
        envelope.resize(words, 0);
    }
}
