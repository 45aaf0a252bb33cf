//! The address part of `ipc://` endpoints: Unix domain sockets.

use std::fmt;
use std::path::PathBuf;

use super::{Direction, Fault};

/// The most bytes of an address: `sun_path` has 108, one of which ends a path. A peer that counts the `@` of an
/// abstract name as such a byte must be able to reach what we bind, so the same limit holds there.
const ADDRESS_MAX: usize = 107;

/// The address of a Unix domain socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpcAddress {
    /// A path in the file system, 1 to 107 bytes; a relative one starts at the process's working directory.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, 1 to 106 bytes, written `@name`; leaves no file behind.
    Abstract(Vec<u8>),
    /// `*`, for binding only: a fresh path in a private temporary directory.
    Wildcard,
}

impl fmt::Display for IpcAddress {
    /// Writes the whole endpoint, `ipc://` included. Bytes that are not UTF-8, which no parsed endpoint has, are
    /// replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "ipc://{}", path.display()),
            Self::Abstract(name) => write!(f, "ipc://@{}", String::from_utf8_lossy(name)),
            Self::Wildcard => f.write_str("ipc://*"),
        }
    }
}

pub(super) fn parse(address: &str, direction: Direction) -> Result<IpcAddress, Fault> {
    if address.is_empty() {
        return Err(Fault::malformed(
            "the path is missing; write ipc:///path, or ipc://@name for an abstract one",
        ));
    }
    if address.contains('\0') {
        return Err(Fault::malformed("a path cannot contain a NUL byte"));
    }
    if address.len() > ADDRESS_MAX {
        return Err(Fault::TooLong { limit: ADDRESS_MAX });
    }
    if address == "*" {
        return match direction {
            Direction::Bind => Ok(IpcAddress::Wildcard),
            Direction::Connect => Err(Fault::bind_only(
                "`*` stands for a fresh path; connect to the one the bound socket reports",
            )),
        };
    }
    match address.strip_prefix('@') {
        Some("") => Err(Fault::malformed("the abstract name is missing; write ipc://@name")),
        Some(name) => Ok(IpcAddress::Abstract(name.as_bytes().to_vec())),
        None => Ok(IpcAddress::Path(PathBuf::from(address))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Endpoint, EndpointError};
    use super::*;

    #[test]
    fn paths_and_abstract_names_go_both_ways() {
        let cases = [
            ("ipc:///tmp/robot.sock", IpcAddress::Path("/tmp/robot.sock".into())),
            ("ipc://relative", IpcAddress::Path("relative".into())),
            ("ipc:///tmp/*", IpcAddress::Path("/tmp/*".into())),
            ("ipc:///tmp/@x:y;z", IpcAddress::Path("/tmp/@x:y;z".into())),
            ("ipc://@name", IpcAddress::Abstract(b"name".to_vec())),
            ("ipc://@@", IpcAddress::Abstract(b"@".to_vec())),
        ];
        for (text, address) in cases {
            assert_eq!(Endpoint::parse_bind(text), Ok(Endpoint::Ipc(address.clone())));
            assert_eq!(Endpoint::parse_connect(text), Ok(Endpoint::Ipc(address.clone())));
            assert_eq!(Endpoint::Ipc(address).to_string(), text);
        }
    }

    #[test]
    fn the_wildcard_is_for_binding_only() {
        assert_eq!(Endpoint::parse_bind("ipc://*"), Ok(Endpoint::Ipc(IpcAddress::Wildcard)));
        assert!(matches!(Endpoint::parse_connect("ipc://*"), Err(EndpointError::BindOnly { .. })));
    }

    #[test]
    fn empty_names_and_nul_bytes_are_malformed() {
        for text in ["ipc://", "ipc://@", "ipc:///tmp/a\0b", "ipc://@a\0"] {
            for parsed in [Endpoint::parse_bind(text), Endpoint::parse_connect(text)] {
                assert!(matches!(parsed, Err(EndpointError::Malformed { .. })), "{text:?}: {parsed:?}");
            }
        }
    }

    #[test]
    fn addresses_have_at_most_107_bytes() {
        for first in ["/", "@"] {
            let fits = format!("ipc://{first}{}", "x".repeat(106));
            assert_eq!(Endpoint::parse_bind(&fits).unwrap().to_string(), fits);
            let endpoint = format!("{fits}x");
            let expected = EndpointError::NameTooLong { endpoint: endpoint.clone(), limit: 107 };
            assert_eq!(Endpoint::parse_bind(&endpoint), Err(expected.clone()));
            assert_eq!(Endpoint::parse_connect(&endpoint), Err(expected));
        }
    }
}
