//! The address part of `udp://` endpoints.

use std::fmt;

use super::tcp::{self, Host, Port, Use};
use super::{Direction, Fault};

/// A UDP address: where to receive, or where to send to. A multicast group may say on which interface it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UdpAddress {
    /// The interface of a multicast group, `udp://interface;group:port`: `*`, a name, or an IPv4 address of it. By default
    /// the system's choice. Never present in an address of one host.
    pub interface: Option<Host>,
    /// The address, interface or host, or the multicast group.
    pub host: Host,
    /// The port.
    pub port: Port,
}

impl fmt::Display for UdpAddress {
    /// Writes the whole endpoint, `udp://` included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("udp://")?;
        if let Some(interface) = &self.interface {
            write!(f, "{interface};")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

pub(super) fn parse(text: &str, direction: Direction) -> Result<UdpAddress, Fault> {
    let purpose = match direction {
        Direction::Bind => Use::Local,
        Direction::Connect => Use::Remote,
    };
    let Some((interface, address)) = text.rsplit_once(';') else {
        let address = tcp::parse_host_port(text, purpose)?;
        return Ok(UdpAddress { interface: None, host: address.host, port: address.port });
    };
    let address = tcp::parse_host_port(address, purpose)?;
    let interface = match interface.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => tcp::parse_v6(inside)?,
        None => tcp::parse_bare_host(interface, Use::Local)?,
    };
    let is_group = match &address.host {
        Host::V4(group) => group.is_multicast(),
        Host::V6 { address: group, .. } => group.is_multicast(),
        // A name is looked up when the connection is made.
        Host::Name(_) => direction == Direction::Connect,
        Host::Any => false,
    };
    if !is_group {
        return Err(Fault::malformed(
            "`interface;group` is for multicast, and the address behind `;` is none of that",
        ));
    }
    match (&interface, &address.host) {
        (Host::V4(interface), _) if interface.is_multicast() => {
            return Err(Fault::malformed("the interface before `;` is a multicast address"));
        }
        (Host::V6 { .. }, _) | (Host::V4(_), Host::V6 { .. }) => {
            return Err(Fault::malformed(
                "write the interface of an IPv6 group by its name, eth0;[ff02::1]:5555",
            ));
        }
        _ => {}
    }
    Ok(UdpAddress { interface: Some(interface), host: address.host, port: address.port })
}

#[cfg(test)]
mod tests {
    use super::super::{Endpoint, EndpointError};
    use super::*;

    fn parsed(text: &str, direction: Direction) -> Result<UdpAddress, EndpointError> {
        let text = format!("udp://{text}");
        let parsed = match direction {
            Direction::Bind => Endpoint::parse_bind(&text),
            Direction::Connect => Endpoint::parse_connect(&text),
        };
        parsed.map(|endpoint| match endpoint {
            Endpoint::Udp(address) => address,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn what_is_good_for_which_direction() {
        use Direction::{Bind, Connect};
        // Text, bind, connect, as displayed.
        let table = [
            ("127.0.0.1:5555", true, true, "127.0.0.1:5555"),
            ("[::1]:123", true, true, "[::1]:123"),
            ("[abcd::1234:1]:5555", true, true, "[abcd::1234:1]:5555"),
            ("*:*", true, false, "*:*"),
            ("*:5555", true, false, "*:5555"),
            ("127.0.0.1:*", true, false, "127.0.0.1:*"),
            ("127.0.0.1:0", true, false, "127.0.0.1:*"),
            ("eth0:5555", true, true, "eth0:5555"),
            ("239.0.0.1:1234", true, true, "239.0.0.1:1234"),
            ("[ff00::1]:1234", true, true, "[ff00::1]:1234"),
            ("127.0.0.1;230.2.8.12:5555", true, true, "127.0.0.1;230.2.8.12:5555"),
            ("*;230.2.8.12:5555", true, true, "*;230.2.8.12:5555"),
            ("eth0;[ff02::1]:5555", true, true, "eth0;[ff02::1]:5555"),
            ("*;[ff10::1]:5555", true, true, "*;[ff10::1]:5555"),
            ("eth0;robots.example:5555", false, true, "eth0;robots.example:5555"),
            ("127.0.0.1;1.2.3.4:5555", false, false, ""),
            ("[::1];[fe00::1]:5555", false, false, ""),
            ("[::1];[ffab::4]:5555", false, false, ""),
            ("127.0.0.1;[ff02::1]:5555", false, false, ""),
            ("230.0.0.1;230.2.8.12:5555", false, false, ""),
            ("*;*:5555", false, false, ""),
            (";230.2.8.12:5555", false, false, ""),
            ("230.2.8.12", false, false, ""),
            ("", false, false, ""),
        ];
        for (text, bind, connect, displayed) in table {
            for (direction, good) in [(Bind, bind), (Connect, connect)] {
                match parsed(text, direction) {
                    Ok(address) => {
                        assert!(good, "{text} {direction:?}");
                        assert_eq!(address.to_string(), format!("udp://{displayed}"));
                    }
                    Err(error) => assert!(!good, "{text} {direction:?}: {error}"),
                }
            }
        }
    }
}
