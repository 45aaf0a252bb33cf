//! The one call that no library has.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::errno::checked;

/// How many octets the other end of a Unix socket has still to receive, those that the kernel adds included
/// (`SIOCOUTQ`, see unix(7)).
pub(super) fn unread(socket: BorrowedFd<'_>) -> Result<c_int, Errno> {
    let mut octets: c_int = 0;
    // SAFETY: the request, which has the same number as TIOCOUTQ, writes one number, which is there.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) })?;
    Ok(octets)
}
