//! What the other end of a message's way looks like.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;

use tamtam_zmtp::PeerInfo;

/// What is known of a peer while (and after) it is connected: made once per connection, shared by reference.
#[derive(Clone, Debug)]
pub struct PeerProfile {
    info: Option<PeerInfo>,
    address: Option<String>,
    fd: Option<RawFd>,
    /// The properties as a C caller asks for them: names and values with their ends.
    texts: Vec<(CString, CString)>,
}

impl PeerProfile {
    pub(crate) fn new(info: Option<PeerInfo>, address: Option<String>, fd: Option<RawFd>) -> Self {
        let properties = info.iter().flat_map(|info| &info.metadata);
        let mut texts: Vec<_> =
            properties.map(|(name, value)| (up_to_zero(name.as_bytes()), up_to_zero(value))).collect();
        if let Some(address) = &address {
            texts.push((c"Peer-Address".to_owned(), up_to_zero(address.as_bytes())));
        }
        Self { info, address, fd, texts }
    }

    /// Returns what the peer said of itself in the handshake; `None` for STREAM, which has none.
    #[must_use]
    pub fn info(&self) -> Option<&PeerInfo> {
        self.info.as_ref()
    }

    /// Returns the address of the other end without its port, `192.168.0.7` or `::1`; `None` where there is none (ipc,
    /// inproc).
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Returns the number of the connection's descriptor, to look at (peer address, kernel queues), never to read, write or
    /// close; `None` for inproc. Once the connection is gone the number may mean something else.
    #[must_use]
    pub fn fd(&self) -> Option<RawFd> {
        self.fd
    }

    /// Returns the value of a property as text: what the peer announced (`Socket-Type`, `Identity`, `X-…`), and
    /// `Peer-Address`. Case matters here, and a value ends at its first zero octet.
    #[must_use]
    pub fn property(&self, name: &CStr) -> Option<&CStr> {
        self.texts.iter().find(|(known, _)| known.as_c_str() == name).map(|(_, value)| value.as_c_str())
    }
}

fn up_to_zero(text: &[u8]) -> CString {
    let end = text.iter().position(|&octet| octet == 0).unwrap_or(text.len());
    CString::new(text.get(..end).unwrap_or_default()).unwrap_or_default()
}
