//! The address part of `ws://` endpoints: a TCP address and a path.

use std::fmt;

use super::tcp;
use super::{Direction, Fault, Host, Port, TcpAddress};

/// The most bytes of a path: what a request's first line has room for at every server.
const PATH_MAX: usize = 2000;

/// The address of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WsAddress {
    /// The address, interface or host.
    pub host: Host,
    /// The port.
    pub port: Port,
    /// The path, beginning with `/`. Whoever connects names it in the request; whoever is bound takes any, as libzmq does.
    pub path: String,
}

impl WsAddress {
    /// Returns where the TCP connection goes.
    pub(crate) fn tcp(&self) -> TcpAddress {
        TcpAddress { source: None, host: self.host.clone(), port: self.port }
    }

    /// Returns what the request calls the host: with the port unless that is HTTP's. A scope means nothing elsewhere.
    pub(crate) fn host_field(&self) -> String {
        let host = match &self.host {
            Host::V6 { address, .. } => format!("[{address}]"),
            host => host.to_string(),
        };
        if self.port == Port::new(80) { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for WsAddress {
    /// Writes the whole endpoint, `ws://` included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}:{}{}", self.host, self.port, self.path)
    }
}

pub(super) fn parse(text: &str, direction: Direction) -> Result<WsAddress, Fault> {
    let (address, path) = match text.find('/') {
        Some(slash) => text.split_at(slash),
        None => (text, "/"),
    };
    if address.contains(';') {
        return Err(Fault::malformed("a source address is for tcp only; write ws://host:port/path"));
    }
    if path.len() > PATH_MAX {
        return Err(Fault::TooLong { limit: PATH_MAX });
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Fault::malformed(
            "the path has characters that a request cannot carry; write them as % and two hexadecimal digits",
        ));
    }
    let TcpAddress { host, port, .. } = tcp::parse(address, direction)?;
    Ok(WsAddress { host, port, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::{Endpoint, EndpointError};

    fn shown(text: &str) -> String {
        Endpoint::parse_connect(text).unwrap().to_string()
    }

    fn address(text: &str) -> super::WsAddress {
        match Endpoint::parse_connect(text).unwrap() {
            Endpoint::Ws(address) => address,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths_are_kept_and_there_is_always_one() {
        for (text, expected) in [
            ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/"),
            ("ws://127.0.0.1:8080/", "ws://127.0.0.1:8080/"),
            ("ws://robot.example:80/a/b:c?d=[e]", "ws://robot.example:80/a/b:c?d=[e]"),
            ("ws://[::1]:5555/x", "ws://[::1]:5555/x"),
            ("ws://::1:5555/x", "ws://[::1]:5555/x"),
        ] {
            assert_eq!(shown(text), expected);
            assert_eq!(shown(expected), expected);
        }
        assert_eq!(Endpoint::parse_bind("ws://*:*/roundtrip").unwrap().to_string(), "ws://*:*/roundtrip");
        assert_eq!(Endpoint::parse_bind("ws://eth0:0").unwrap().transport(), "ws");
    }

    #[test]
    fn the_host_field_has_the_port_unless_it_is_http() {
        assert_eq!(address("ws://robot:80/x").host_field(), "robot");
        assert_eq!(address("ws://robot:8080/x").host_field(), "robot:8080");
        assert_eq!(address("ws://[fe80::1%eth0]:80/").host_field(), "[fe80::1]");
        assert_eq!(address("ws://1.2.3.4:5/").host_field(), "1.2.3.4:5");
    }

    #[test]
    fn mistakes_are_told_apart() {
        for text in [
            "ws://",
            "ws:///path",
            "ws://host",
            "ws://host/path:80",
            "ws://host:80/a b",
            "ws://a:1;b:2/",
            "ws://host:80/ü",
            "ws://h:80/a#b",
            "ws://h:80/a\r\nb",
        ] {
            let error = Endpoint::parse_connect(text).unwrap_err();
            assert!(matches!(error, EndpointError::Malformed { .. }), "{error:?}");
        }
        for text in ["ws://*:80/", "ws://host:*/", "ws://host:0/"] {
            assert!(matches!(Endpoint::parse_connect(text), Err(EndpointError::BindOnly { .. })), "{text}");
        }
        let long = format!("ws://host:80/{}", "x".repeat(2000));
        assert!(matches!(
            Endpoint::parse_connect(&long),
            Err(EndpointError::NameTooLong { limit: 2000, .. })
        ));
        assert!(matches!(
            Endpoint::parse_connect("wss://host:80/"),
            Err(EndpointError::UnknownTransport { .. })
        ));
    }
}
