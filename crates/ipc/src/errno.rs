//! What functions of the C library return, as results.

use std::io;

use rustix::io::Errno;

/// Sorts out what a function of the C library returned: -1 says that `errno` tells why it failed.
pub(crate) fn checked<T: Copy + PartialEq + From<i8>>(returned: T) -> Result<T, Errno> {
    if returned == T::from(-1) {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    } else {
        Ok(returned)
    }
}
