//! Passing descriptors to another process over a Unix stream socket: `SCM_RIGHTS` of unix(7).
//!
//! ```
//! use std::fs::File;
//! use std::os::{fd::AsFd, unix::net::UnixStream};
//! use tamtam_ipc::{Deadline, passing};
//!
//! let (a, b) = UnixStream::pair()?;
//! let file = File::open("/dev/null")?;
//! passing::send(&a, b"null", &[file.as_fd()], Deadline::NEVER)?;
//!
//! let (mut octets, mut descriptors) = ([0; 4], Vec::new());
//! passing::receive(&b, &mut octets, &mut descriptors, Deadline::NEVER)?;
//! assert_eq!((&octets, descriptors.len()), (b"null", 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::{Deadline, Error, wait};

/// Descriptors that go along with one [`send`], at most. The kernel's own limit is 253 (`SCM_MAX_FD`).
pub const DESCRIPTORS_MAX: usize = 16;

/// Room for them in an ancillary message.
const ROOM: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX));

/// Sends all of these octets, and duplicates of the descriptors with the first of them.
///
/// # Errors
///
/// [`Error::TooLong`] (descriptors, not octets), [`Error::Closed`], [`Error::System`] (`ETOOMANYREFS` if too many descriptors are on their way
/// already); [`Error::TimedOut`], after which part of the octets may be sent. There has to be at least one octet: `EINVAL`.
pub fn send(
    to: &UnixStream,
    mut octets: &[u8],
    mut descriptors: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> Result<(), Error> {
    if descriptors.len() > DESCRIPTORS_MAX {
        return Err(Error::TooLong { len: descriptors.len(), max: DESCRIPTORS_MAX });
    }
    if octets.is_empty() {
        return Err(Error::system("sendmsg")(Errno::INVAL));
    }
    while !octets.is_empty() {
        let mut space = [MaybeUninit::uninit(); ROOM];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match sendmsg(to, &[IoSlice::new(octets)], &mut control, flags) {
            Ok(count) => {
                octets = octets.get(count..).unwrap_or_default();
                descriptors = &[];
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait::writable(to.as_fd(), deadline)?,
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(Error::Closed),
            Err(error) => return Err(Error::system("sendmsg")(error)),
        }
    }
    Ok(())
}

/// Receives as many octets as `into` is long, and adds the descriptors that come with them. They are closed on `exec`.
///
/// # Errors
///
/// [`Error::TimedOut`], [`Error::Closed`], [`Error::System`]: `EMFILE` if this process may not open so many descriptors, or the other end sent
/// more at once than [`DESCRIPTORS_MAX`]. What came until then is in `into` and `descriptors`.
pub fn receive(
    from: &UnixStream,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    deadline: Deadline,
) -> Result<(), Error> {
    let mut received = 0;
    while let Some(rest) = into.get_mut(received..).filter(|rest| !rest.is_empty()) {
        let mut space = [MaybeUninit::uninit(); ROOM];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let message = match recvmsg(from, &mut [IoSliceMut::new(rest)], &mut control, flags) {
            Ok(message) => message,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => {
                wait::readable(from.as_fd(), deadline)?;
                continue;
            }
            Err(Errno::CONNRESET) => return Err(Error::Closed),
            Err(error) => return Err(Error::system("recvmsg")(error)),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                descriptors.extend(more);
            }
        }
        // The kernel opens as many descriptors as it can, drops the others, and has no error of its own for that.
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Error::system("recvmsg")(Errno::MFILE));
        }
        if message.bytes == 0 {
            return Err(Error::Closed);
        }
        received += message.bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn a_passed_descriptor_is_the_same_open_file() {
        let (a, b) = UnixStream::pair().expect("a pair");
        let (mut kept, passed) = UnixStream::pair().expect("a pair");
        send(&a, b"x", &[passed.as_fd()], Deadline::NOW).expect("sent");
        drop(passed);
        let (mut octet, mut descriptors) = ([0], Vec::new());
        receive(&b, &mut octet, &mut descriptors, Deadline::NOW).expect("received");
        kept.write_all(b"hello").expect("still open at the other end");
        drop(kept);
        let mut text = String::new();
        UnixStream::from(descriptors.pop().expect("one")).read_to_string(&mut text).expect("read");
        assert_eq!(text, "hello");
    }

    #[test]
    fn bad_arguments_are_errors() {
        let (a, b) = UnixStream::pair().expect("a pair");
        let many = [b.as_fd(); DESCRIPTORS_MAX + 1];
        assert!(matches!(send(&a, b"x", &many, Deadline::NOW), Err(Error::TooLong { len: 17, max: 16 })));
        assert!(matches!(send(&a, b"", &[], Deadline::NOW), Err(Error::System { .. })));
        assert!(matches!(receive(&a, &mut [0], &mut Vec::new(), Deadline::NOW), Err(Error::TimedOut)));
        drop(b);
        assert!(matches!(send(&a, b"x", &[], Deadline::NOW), Err(Error::Closed)));
        assert!(matches!(receive(&a, &mut [0], &mut Vec::new(), Deadline::NOW), Err(Error::Closed)));
    }
}
