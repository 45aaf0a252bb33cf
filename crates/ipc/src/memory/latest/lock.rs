//! A lock on an open file that tells whether its owner lives: fcntl(2), "open file description locks".
//!
//! It belongs to the open file and not to a process, so it goes along with the descriptor to another process; the kernel releases it when
//! the last descriptor is closed, even by `kill -9`. Others that have opened the same file by themselves can ask whether somebody holds it.
#![expect(unsafe_code, reason = "rustix has no open file description locks; the block proves its call")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

use libc::{c_int, c_short, flock};

use crate::Error;

/// Takes the lock.
///
/// # Errors
///
/// [`Error::Ticket`] if another open file has it, [`Error::System`].
pub(super) fn take(file: &impl AsFd) -> Result<(), Error> {
    match call(file, libc::F_OFD_SETLK) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Err(Error::Ticket("there is a writer already".into()))
        }
        Err(error) => Err(Error::system("fcntl(F_OFD_SETLK)")(error)),
    }
}

/// Tells whether another open file than this one has the lock.
///
/// # Errors
///
/// [`Error::System`].
pub(super) fn is_taken(file: &impl AsFd) -> Result<bool, Error> {
    let lock = call(file, libc::F_OFD_GETLK).map_err(Error::system("fcntl(F_OFD_GETLK)"))?;
    Ok(c_int::from(lock.l_type) != libc::F_UNLCK)
}

/// Sets, or asks about, a lock for writing on the whole file.
fn call(file: &impl AsFd, command: c_int) -> io::Result<flock> {
    // Zero everywhere: from the beginning, without an end, and no process, as these locks need it.
    // SAFETY: a structure of integers, for which zero is a value.
    let mut lock: flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as c_short;
    lock.l_whence = libc::SEEK_SET as c_short;
    // SAFETY: the descriptor is open as long as it is borrowed, and both commands take a pointer to this structure, which is ours.
    match unsafe { libc::fcntl(file.as_fd().as_raw_fd(), command, &mut lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(lock),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Deadline;
    use crate::memory::Segment;

    #[test]
    fn the_lock_goes_with_the_last_descriptor_of_its_owner() {
        let owner = Segment::anonymous(1).expect("made");
        let other = owner.reopen_read_only().expect("opened");
        assert!(!is_taken(&other).expect("asked"));
        take(&owner).expect("free");
        take(&owner).expect("ours already");
        assert!(is_taken(&other).expect("asked"));
        assert!(!is_taken(&owner).expect("asked"), "nobody else has it");
        let second = owner.as_fd().try_clone_to_owned().expect("duplicated");
        drop(owner);
        assert!(is_taken(&other).expect("asked"));
        drop(second);
        // Whoever starts a program at this moment has its descriptor, too, until the program runs.
        let deadline = Deadline::after(Duration::from_secs(20));
        while is_taken(&other).expect("asked") {
            assert!(!deadline.has_passed(), "its owner is gone");
            std::thread::yield_now();
        }
    }
}
