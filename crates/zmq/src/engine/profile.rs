//! Profiles of peers: made when first asked for, kept until the connection changes.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tamtam_zmtp::PeerId;

use super::core::State;
use crate::profile::PeerProfile;

impl State {
    /// Returns the profile of a peer; `None` when it is gone for good.
    pub(crate) fn profile(&mut self, id: PeerId) -> Option<Arc<PeerProfile>> {
        let peer = self.peers.get_mut(id.index())?.as_mut()?;
        if peer.profile.is_none() {
            let (address, fd) = match peer.conn() {
                Some(conn) => (ip_text(&conn.remote), Some(conn.fd.as_raw_fd())),
                None => (None, None),
            };
            let info = peer.info.as_deref().cloned();
            peer.profile = Some(Arc::new(PeerProfile::new(info, address, fd)));
        }
        peer.profile.clone()
    }
}

/// `tcp://127.0.0.1:5555` → `127.0.0.1`.
fn ip_text(remote: &str) -> Option<String> {
    let (_, address) = remote.split_once("://")?;
    let address: SocketAddr = address.split('/').next()?.parse().ok()?;
    Some(address.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_network_addresses_are_told() {
        assert_eq!(ip_text("tcp://127.0.0.1:5555").as_deref(), Some("127.0.0.1"));
        assert_eq!(ip_text("tcp://[::1]:5555").as_deref(), Some("::1"));
        assert_eq!(ip_text("pid 17"), None);
        assert_eq!(ip_text("ipc:///tmp/x"), None);
    }
}
