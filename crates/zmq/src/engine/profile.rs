//! Profiles of peers: made when first asked for, kept until the connection changes.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use tamtam_zmtp::{PeerId, PeerInfo};

use super::core::State;
use super::peer::Link;
use crate::profile::PeerProfile;

impl State {
    /// Returns the profile of a peer; `None` when it is gone for good.
    pub(crate) fn profile(&mut self, id: PeerId) -> Option<Arc<PeerProfile>> {
        let mut profile = None;
        self.update_profile(id, &mut profile);
        profile
    }

    /// Makes `known` the profile of a peer, `None` when it is gone for good.
    #[inline]
    pub(crate) fn update_profile(&mut self, id: PeerId, known: &mut Option<Arc<PeerProfile>>) {
        let peer = self.peers.get_mut(id.index()).and_then(Option::as_mut);
        let profile =
            peer.map(|peer| &*peer.profile.get_or_insert_with(|| make(&peer.link, peer.info.as_deref())));
        match (profile, &*known) {
            (Some(profile), Some(known)) if Arc::ptr_eq(profile, known) => {}
            (profile, _) => *known = profile.cloned(),
        }
    }
}

#[cold]
fn make(link: &Link, info: Option<&PeerInfo>) -> Arc<PeerProfile> {
    let (address, fd) = match link.conn() {
        Some(conn) => (ip_text(&conn.remote), Some(conn.fd.as_raw_fd())),
        None => (None, None),
    };
    Arc::new(PeerProfile::new(info.cloned(), address, fd))
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
