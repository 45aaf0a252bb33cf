//! Waiting once for a few descriptors: `ppoll`.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// One descriptor to wait for, and what came of it: `POLLIN` and the other flags of poll(2).
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct PollFd(libc::pollfd);

impl PollFd {
    pub(crate) fn new(fd: RawFd, events: i16) -> Self {
        Self(libc::pollfd { fd, events, revents: 0 })
    }

    pub(crate) fn found(self) -> i16 {
        self.0.revents
    }
}

/// Waits until one of the descriptors is ready, the time is over (`None`: for ever) or a signal was handled; with `mask`
/// in place of the thread's signal mask meanwhile, if one is given.
///
/// # Errors
///
/// `Interrupted` when a signal was handled; otherwise what the system says (descriptors that are not open are reported in
/// their own flags).
pub(crate) fn poll(
    fds: &mut [PollFd],
    timeout: Option<Duration>,
    mask: Option<&libc::sigset_t>,
) -> io::Result<()> {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(i32::try_from(timeout.subsec_nanos()).unwrap_or(0)),
    });
    let count = libc::nfds_t::try_from(fds.len()).unwrap_or(libc::nfds_t::MAX);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mask = mask.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `PollFd` has the layout of `pollfd`, and there are `count` of them to write to; timeout and mask are null or
    // live through the call.
    let result = unsafe { libc::ppoll(fds.as_mut_ptr().cast(), count, timeout, mask) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_ready_is_told() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut fds = [PollFd::new(near.as_raw_fd(), libc::POLLIN), PollFd::new(-1, libc::POLLIN)];
        poll(&mut fds, Some(Duration::ZERO), None).unwrap();
        assert_eq!(fds.map(PollFd::found), [0, 0]);
        far.write_all(b"x").unwrap();
        poll(&mut fds, None, None).unwrap();
        assert_eq!(fds.map(PollFd::found), [libc::POLLIN, 0]);
    }
}
