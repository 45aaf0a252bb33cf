//! The calls of mq_overview(7). On Linux a queue's handle (`mqd_t`) is a descriptor, so it is kept, closed and passed
//! on as one.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::time::Timespec;

use crate::errno::checked;

/// What mq_open(3) makes a queue with, and mq_getattr(3) tells.
pub(super) use libc::mq_attr as Attributes;

pub(super) fn attributes_of_size(messages: usize, message_max: usize) -> Attributes {
    // SAFETY: a C structure of integers, for which zero is a value.
    let mut attributes: Attributes = unsafe { std::mem::zeroed() };
    // What does not fit is beyond every limit, and the kernel says so.
    attributes.mq_maxmsg = messages.try_into().unwrap_or(-1);
    attributes.mq_msgsize = message_max.try_into().unwrap_or(-1);
    attributes
}

pub(super) fn create(name: &CStr, mode: u32, attributes: &Attributes) -> Result<OwnedFd, Errno> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: with O_CREAT the call takes a mode and a pointer to attributes; both pointers are to live values.
    let queue = checked(unsafe { libc::mq_open(name.as_ptr(), flags, mode, ptr::from_ref(attributes)) })?;
    // SAFETY: a fresh descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(queue) })
}

pub(super) fn open(name: &CStr, access: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the pointer is to a live string that ends with a zero; without O_CREAT the call takes nothing more.
    let queue = checked(unsafe { libc::mq_open(name.as_ptr(), access | libc::O_CLOEXEC) })?;
    // SAFETY: a fresh descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(queue) })
}

pub(super) fn unlink(name: &CStr) -> Result<(), Errno> {
    // SAFETY: the pointer is to a live string that ends with a zero.
    checked(unsafe { libc::mq_unlink(name.as_ptr()) }).map(drop)
}

pub(super) fn attributes(queue: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    let mut attributes = attributes_of_size(0, 0);
    // SAFETY: the call writes one structure, which is there.
    checked(unsafe { libc::mq_getattr(queue.as_raw_fd(), &raw mut attributes) })?;
    Ok(attributes)
}

/// Sends one message. Waits for room until the real-time clock shows `until`; for ever with `None`.
pub(super) fn send(
    queue: BorrowedFd<'_>,
    message: &[u8],
    priority: u32,
    until: Option<Timespec>,
) -> Result<(), Errno> {
    let until = until.map(c_timespec);
    let until = until.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: pointer and length are those of a live slice, `until` is null or to a live value, and the call keeps
    // neither.
    checked(unsafe {
        libc::mq_timedsend(queue.as_raw_fd(), message.as_ptr().cast(), message.len(), priority, until)
    })
    .map(drop)
}

/// Receives one message of at most `message_max` octets, which has to be the queue's limit or more. Waits as [`send`]
/// does.
pub(super) fn receive(
    queue: BorrowedFd<'_>,
    into: &mut Vec<u8>,
    message_max: usize,
    until: Option<Timespec>,
) -> Result<u32, Errno> {
    into.clear();
    into.reserve(message_max);
    let until = until.map(c_timespec);
    let until = until.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mut priority = 0;
    // SAFETY: the vector has room for `message_max` octets, which is the length given; the other pointers are to live
    // values or null.
    let len = checked(unsafe {
        libc::mq_timedreceive(
            queue.as_raw_fd(),
            into.as_mut_ptr().cast(),
            message_max,
            &raw mut priority,
            until,
        )
    })?;
    // SAFETY: the kernel wrote `len` octets at the vector's start, at most `message_max`, and 0 is the least after
    // the check above.
    unsafe { into.set_len(len.unsigned_abs().min(message_max)) };
    Ok(priority)
}

/// Asks for a signal with this payload when a message arrives in the empty queue; with `None` takes the wish back.
pub(super) fn notify(queue: BorrowedFd<'_>, wish: Option<(i32, i32)>) -> Result<(), Errno> {
    let event = wish.map(|(signal, payload)| {
        // SAFETY: a C structure of integers and pointers, for which zero is a value.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = signal;
        event.sigev_value.sival_ptr = ptr::without_provenance_mut(payload as u32 as usize);
        event
    });
    let event = event.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the pointer is null or to a live value, which the call does not keep.
    checked(unsafe { libc::mq_notify(queue.as_raw_fd(), event) }).map(drop)
}

fn c_timespec(moment: Timespec) -> libc::timespec {
    // SAFETY: a C structure of integers, for which zero is a value; some targets pad it.
    let mut until: libc::timespec = unsafe { std::mem::zeroed() };
    // Where the C library's seconds have 32 bits, what lies beyond them is the latest moment there is.
    #[allow(clippy::useless_conversion, reason = "the type differs between targets")]
    let seconds = moment.tv_sec.try_into().unwrap_or(libc::time_t::MAX);
    until.tv_sec = seconds;
    until.tv_nsec = moment.tv_nsec as _;
    until
}
