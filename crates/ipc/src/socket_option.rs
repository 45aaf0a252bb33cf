//! Options of sockets that the safe wrappers do not have, or have with types that not every answer of the kernel fits.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// Types for which every pattern of bits is a value, and which have no padding.
///
/// # Safety
///
/// Exactly that.
unsafe trait Plain: Copy {}

// SAFETY: three integers of 32 bits each.
unsafe impl Plain for libc::ucred {}
// SAFETY: integers.
unsafe impl Plain for [u32; MEMINFO] {}

/// How many numbers `SO_MEMINFO` gives: `SK_MEMINFO_VARS` of linux/sock_diag.h.
const MEMINFO: usize = 9;

fn get<T: Plain>(socket: impl AsFd, option: libc::c_int, mut value: T) -> Result<T, Errno> {
    let wanted = libc::socklen_t::try_from(size_of::<T>()).map_err(|_| Errno::INVAL)?;
    let mut length = wanted;
    // SAFETY: the pointers are to `value` and `length`, which live until the call is over, and `length` says how large `value` is: the
    // kernel writes no further. Whatever it writes is a `T`.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL));
    }
    if length == wanted { Ok(value) } else { Err(Errno::INVAL) }
}

/// Who made the other end of a Unix socket. The process is 0 if it is not of our namespace.
pub(crate) fn peer(socket: impl AsFd) -> Result<libc::ucred, Errno> {
    get(socket, libc::SO_PEERCRED, libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX })
}

/// How many packets the kernel dropped because the socket's receive buffer was full.
pub(crate) fn dropped(socket: impl AsFd) -> Result<u32, Errno> {
    get(socket, libc::SO_MEMINFO, [0; MEMINFO]).map(|info| info[libc::SK_MEMINFO_DROPS as usize])
}
