//! Bytes in and out of connected stream sockets, TCP and Unix alike. Nothing here blocks.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};

use bytes::BytesMut;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, sockopt};

/// The most slices one call may gather (`UIO_MAXIOV`); more would fail instead of being sent in part.
const SLICES_MAX: usize = 1024;

/// Receives up to `max` bytes into the spare capacity of `buffer`, which the caller has reserved; returns how many
/// were appended, 0 at the end of the stream.
///
/// # Errors
///
/// `WouldBlock` when nothing has arrived; `InvalidInput` when there is no room or `max` is 0, for which the end of
/// the stream could be mistaken; else what the connection met.
#[inline]
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut BytesMut, max: usize) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let room = spare.len().min(max);
    let Some(spare) = spare.get_mut(..room).filter(|spare| !spare.is_empty()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no room was reserved to receive into"));
    };
    let received = retry_on_intr(|| {
        let ((bytes, _), _) = rustix::net::recv(fd, &mut *spare, RecvFlags::DONTWAIT)?;
        Ok(bytes.len())
    })?;
    let len = buffer.len() + received;
    // SAFETY: the kernel has initialised the `received` bytes that follow the old length, within the capacity.
    unsafe { buffer.set_len(len) };
    Ok(received)
}

/// Sends the slices one after the other, in part if need be; returns how many bytes the kernel took.
///
/// A closed connection raises no SIGPIPE. Slices beyond the 1,024th are left for the next call.
///
/// # Errors
///
/// `WouldBlock` when there is no room at all; else what the connection met.
#[inline]
pub(crate) fn send_vectored(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let slices = slices.get(..SLICES_MAX).unwrap_or(slices);
    let sent = match slices {
        // The plain call is the cheaper one.
        [slice] => retry_on_intr(|| rustix::net::send(fd, slice, flags))?,
        _ => retry_on_intr(|| rustix::net::sendmsg(fd, slices, &mut SendAncillaryBuffer::default(), flags))?,
    };
    Ok(sent)
}

/// Ends the connection in both directions while its descriptor's number stays taken. Whether it was still connected
/// makes no difference.
pub(crate) fn shutdown(fd: BorrowedFd<'_>) {
    let _ = rustix::net::shutdown(fd, Shutdown::Both);
}

/// Takes the socket's pending error, as a connection attempt or a broken connection leaves it.
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> Option<io::Error> {
    match sockopt::socket_error(fd) {
        Ok(Ok(())) => None,
        Ok(Err(error)) | Err(error) => Some(error.into()),
    }
}

/// Returns process, user and group id of a Unix socket's peer at the time it connected or listened, `None` for any
/// other socket. The process id is 0 when the peer's process cannot be seen from this one's namespace.
pub(crate) fn peer_credentials(fd: BorrowedFd<'_>) -> Option<(i32, u32, u32)> {
    // Not through rustix: its process ids cannot be 0, and this one can.
    let nobody = libc::uid_t::MAX;
    let mut credentials = libc::ucred { pid: 0, uid: nobody, gid: nobody };
    let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).ok()?;
    // SAFETY: the descriptor is open; value and length are valid for writes, and the length is the value's.
    let status = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    };
    // TCP sockets succeed too, with no user.
    (status == 0 && credentials.uid != nobody).then_some((credentials.pid, credentials.uid, credentials.gid))
}

/// `SO_PEERGROUPS` of Linux 4.13.
const PEER_GROUPS: libc::c_int =
    if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) { 0x3D } else { 59 };
/// The most supplementary groups that Linux knows (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// Tells whether a Unix socket's peer had this supplementary group at the time it connected.
///
/// The kernel is asked, not the system's lists of users: those may be on another machine, and asking takes its time.
pub(crate) fn peer_has_group(fd: BorrowedFd<'_>, group: u32) -> bool {
    let mut groups = vec![0 as libc::gid_t; 64];
    loop {
        let bytes = groups.len() * size_of::<libc::gid_t>();
        let Ok(mut len) = libc::socklen_t::try_from(bytes) else { return false };
        // SAFETY: the descriptor is open; value and length are valid for writes, and the length is the value's.
        let status = unsafe {
            libc::getsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                PEER_GROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        if status == 0 {
            let count = usize::try_from(len).unwrap_or(0) / size_of::<libc::gid_t>();
            return groups.iter().take(count).any(|&known| known == group);
        }
        let too_small = io::Error::last_os_error().raw_os_error() == Some(libc::ERANGE);
        if !too_small || groups.len() >= GROUPS_MAX {
            return false;
        }
        groups.resize(groups.len() * 4, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn tcp_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    /// Both kinds of pair, blocking: none of the calls may mind.
    fn pairs() -> [(OwnedFd, OwnedFd); 2] {
        let (unix, tcp) = (UnixStream::pair().unwrap(), tcp_pair());
        [(unix.0.into(), unix.1.into()), (tcp.0.into(), tcp.1.into())]
    }

    /// Receives at least one byte, waiting for it.
    fn receive_some(fd: &OwnedFd, buffer: &mut BytesMut, max: usize) -> usize {
        let mut fds = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).unwrap();
        receive(fd.as_fd(), buffer, max).unwrap()
    }

    #[test]
    fn receives_into_spare_capacity_up_to_the_maximum() {
        for (near, far) in pairs() {
            let mut buffer = BytesMut::with_capacity(64);
            buffer.extend_from_slice(b"old ");
            let error = receive(near.as_fd(), &mut buffer, 64).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);

            assert_eq!(
                send_vectored(far.as_fd(), &[IoSlice::new(b"abc"), IoSlice::new(b"defg")]).unwrap(),
                7
            );
            assert_eq!(receive_some(&near, &mut buffer, 2), 2);
            assert_eq!(&buffer[..], b"old ab");
            while buffer.len() < 11 {
                receive_some(&near, &mut buffer, usize::MAX);
            }
            assert_eq!(&buffer[..], b"old abcdefg");

            drop(far);
            assert_eq!(receive_some(&near, &mut buffer, 1), 0, "the end");
        }
    }

    #[test]
    fn receiving_into_no_room_is_not_the_end_of_the_stream() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"x").unwrap();
        for (mut buffer, max) in [(BytesMut::new(), 1), (BytesMut::with_capacity(8), 0)] {
            let error = receive(near.as_fd(), &mut buffer, max).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn sends_until_the_kernel_is_full() {
        for (near, far) in pairs() {
            let block = vec![7; 1 << 16];
            let mut sent = 0;
            let error = loop {
                match send_vectored(near.as_fd(), &[IoSlice::new(&block), IoSlice::new(&block)]) {
                    Ok(count) => sent += count,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let mut received = 0;
            let mut buffer = BytesMut::with_capacity(1 << 16);
            while received < sent {
                buffer.clear();
                received += receive_some(&far, &mut buffer, usize::MAX);
            }
            assert_eq!(received, sent);
        }
    }

    #[test]
    fn sends_none_one_and_more_slices_than_the_kernel_gathers() {
        let (near, mut far) = UnixStream::pair().unwrap();
        assert_eq!(send_vectored(near.as_fd(), &[]).unwrap(), 0);
        assert_eq!(send_vectored(near.as_fd(), &[IoSlice::new(b"one")]).unwrap(), 3);
        assert_eq!(send_vectored(near.as_fd(), &vec![IoSlice::new(b"x"); 3000]).unwrap(), SLICES_MAX);
        drop(near);
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 3 + SLICES_MAX);
    }

    #[test]
    fn a_closed_peer_is_an_error_and_not_a_signal() {
        let (near, far) = UnixStream::pair().unwrap();
        far.shutdown(std::net::Shutdown::Both).unwrap();
        for slices in [&[IoSlice::new(b"x")][..], &[IoSlice::new(b"x"), IoSlice::new(b"y")]] {
            let error = send_vectored(near.as_fd(), slices).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn shutdown_ends_both_sides_and_may_be_repeated() {
        for (near, far) in pairs() {
            shutdown(near.as_fd());
            shutdown(near.as_fd());
            let mut buffer = BytesMut::with_capacity(8);
            assert_eq!(receive_some(&near, &mut buffer, 8), 0);
            assert_eq!(receive_some(&far, &mut buffer, 8), 0);
        }
    }

    #[test]
    fn pending_errors_are_taken_once() {
        let (near, far) = tcp_pair();
        assert!(take_error(near.as_fd()).is_none());
        // Closing at once without linger resets the connection.
        socket2::SockRef::from(&far).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(far);
        let mut fds = [rustix::event::PollFd::new(&near, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).unwrap();
        assert_eq!(take_error(near.as_fd()).unwrap().kind(), io::ErrorKind::ConnectionReset);
        assert!(take_error(near.as_fd()).is_none());
    }

    #[test]
    fn unix_peers_have_credentials() {
        let (near, _far) = UnixStream::pair().unwrap();
        let expected = (
            std::process::id().cast_signed(),
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        assert_eq!(peer_credentials(near.as_fd()), Some(expected));
        assert_eq!(peer_credentials(tcp_pair().0.as_fd()), None);
    }

    #[test]
    fn unix_peers_have_groups() {
        let (near, _far) = UnixStream::pair().unwrap();
        let groups: Vec<u32> =
            rustix::process::getgroups().unwrap().into_iter().map(|group| group.as_raw()).collect();
        let mut strange = 1;
        while groups.contains(&strange) {
            strange += 1;
        }
        assert!(groups.iter().all(|&group| peer_has_group(near.as_fd(), group)), "{groups:?}");
        assert!(!peer_has_group(near.as_fd(), strange));
        assert!(!peer_has_group(tcp_pair().0.as_fd(), strange));
    }
}
