//! Who is at the other end of a Unix socket: the kernel says so, nobody can pretend.

use std::os::fd::AsFd;

use crate::{Error, socket_option};

/// Who is at the other end of a Unix stream or seqpacket socket.
///
/// These are the credentials of the moment when the connection or the pair was made, and of the process that made it. The process may
/// have handed its end to another one since, and its number may be used again: decide by user and group, not by process.
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use tamtam_ipc::Credentials;
///
/// let (a, _b) = UnixStream::pair()?;
/// let peer = Credentials::of_peer(&a)?;
/// assert_eq!(peer.process, Some(std::process::id()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process; `None` if it has no number here, in another container.
    pub process: Option<u32>,
    /// Its effective user.
    pub user: u32,
    /// Its effective group.
    pub group: u32,
}

impl Credentials {
    /// Asks for the other end's: `SO_PEERCRED` of unix(7).
    ///
    /// # Errors
    ///
    /// [`Error::System`] if it is no connected Unix socket.
    pub fn of_peer(socket: &impl AsFd) -> Result<Self, Error> {
        let peer = socket_option::peer(socket).map_err(Error::system("getsockopt"))?;
        Ok(Self {
            process: u32::try_from(peer.pid).ok().filter(|process| *process > 0),
            user: peer.uid,
            group: peer.gid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    #[test]
    fn we_are_our_own_peer() {
        let (a, _b) = UnixStream::pair().expect("a pair");
        let peer = Credentials::of_peer(&a).expect("known");
        assert_eq!(peer.process, Some(std::process::id()));
        assert_eq!(peer.user, rustix::process::geteuid().as_raw());
        assert_eq!(peer.group, rustix::process::getegid().as_raw());
    }

    #[test]
    fn what_has_no_peer_is_an_error() {
        let file = File::open("/proc/self/stat").expect("opened");
        assert!(matches!(Credentials::of_peer(&file), Err(Error::System { call: "getsockopt", .. })));
    }
}
