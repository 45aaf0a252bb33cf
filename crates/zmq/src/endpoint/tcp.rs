//! The address part of `tcp://` endpoints.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Direction, Fault};

/// The most bytes a DNS name can have in text, without the dot that may end it.
const NAME_MAX: usize = 253;

/// A TCP address: where to listen, or where to connect to and from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpAddress {
    /// The local address to connect from, `tcp://source:port;host:port`; by default the system's choice. Never
    /// present in an address to bind.
    pub source: Option<HostPort>,
    /// The address, interface or host.
    pub host: Host,
    /// The port.
    pub port: Port,
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The address, interface or host.
    pub host: Host,
    /// The port.
    pub port: Port,
}

/// The host part of a TCP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host {
    /// `*`: every local address.
    Any,
    /// A name: of a network interface where one binds or as a source, of a host for DNS where one connects to.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6 {
        /// The address without its scope.
        address: Ipv6Addr,
        /// What stood after `%`: the name of an interface or its index, which is never 0. Link-local addresses
        /// need it.
        scope: Option<String>,
    },
}

/// A TCP port. 0 is written `*` too and lets the system pick a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port(u16);

impl Port {
    /// Lets the system pick a free port.
    pub const EPHEMERAL: Self = Self(0);

    /// Returns the port with this number, 0 for one of the system's choice.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns the number, 0 when the system is to choose.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Tells whether the system is to choose.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for TcpAddress {
    /// Writes the whole endpoint, `tcp://` included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tcp://")?;
        if let Some(source) = &self.source {
            write!(f, "{source};")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6 { address, scope: None } => write!(f, "[{address}]"),
            Self::V6 { address, scope: Some(scope) } => write!(f, "[{address}%{scope}]"),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ephemeral() { f.write_str("*") } else { self.0.fmt(f) }
    }
}

/// What a host and port are for; decides about wildcards and the alphabet of names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// To bind, or to connect from: wildcards and interfaces.
    Local,
    /// To connect to: neither, but DNS names.
    Remote,
}

pub(super) fn parse(text: &str, direction: Direction) -> Result<TcpAddress, Fault> {
    let (source, address) = match (text.split_once(';'), direction) {
        (None, Direction::Bind) => (None, parse_host_port(text, Use::Local)?),
        (None, Direction::Connect) => (None, parse_host_port(text, Use::Remote)?),
        (Some((source, destination)), Direction::Connect) => {
            (Some(parse_host_port(source, Use::Local)?), parse_host_port(destination, Use::Remote)?)
        }
        (Some(_), Direction::Bind) => {
            return Err(Fault::malformed("`source;destination` is for connecting; bind to host:port"));
        }
    };
    Ok(TcpAddress { source, host: address.host, port: address.port })
}

pub(super) fn parse_host_port(text: &str, purpose: Use) -> Result<HostPort, Fault> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((inside, after)) = rest.split_once(']') else {
                return Err(Fault::malformed("the bracket is not closed; write [address]:port"));
            };
            let Some(port) = after.strip_prefix(':') else {
                return Err(Fault::malformed("the port is missing; write [address]:port"));
            };
            // Of no use around an IPv4 address, but ZeroMQ has always taken it.
            let host = inside.parse().map(Host::V4).or_else(|_| parse_v6(inside))?;
            (host, port)
        }
        None => {
            let Some((host, port)) = text.rsplit_once(':') else {
                return Err(Fault::malformed("the port is missing; write host:port"));
            };
            (parse_bare_host(host, purpose)?, port)
        }
    };
    Ok(HostPort { host, port: parse_port(port, purpose)? })
}

/// Parses a host outside brackets. IPv6 addresses stand there too in existing programs: the last colon is the
/// port's.
pub(super) fn parse_bare_host(text: &str, purpose: Use) -> Result<Host, Fault> {
    if text == "*" {
        return match purpose {
            Use::Local => Ok(Host::Any),
            Use::Remote => Err(Fault::bind_only(
                "`*` stands for every local address; write the host, for example 127.0.0.1",
            )),
        };
    }
    if let Ok(address) = text.parse() {
        return Ok(Host::V4(address));
    }
    if text.contains('%') {
        return parse_v6(text);
    }
    if text.contains(':') {
        // An interface's second address may be labelled `eth0:1`; it cannot be mistaken for an address.
        return parse_v6(text).or_else(|fault| match purpose {
            Use::Local if is_alias(text) => parse_name(text, purpose),
            _ => Err(fault),
        });
    }
    parse_name(text, purpose)
}

pub(super) fn parse_v6(text: &str) -> Result<Host, Fault> {
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (text, None),
    };
    let Ok(address) = address.parse() else {
        return Err(Fault::malformed(format!(
            "{text:?} is not an IP address; write IPv6 as [address]:port, other hosts without brackets"
        )));
    };
    if let Some(scope) = scope {
        let number = scope.bytes().all(|byte| byte.is_ascii_digit());
        let valid =
            if number { scope.parse().is_ok_and(|index: u32| index > 0) } else { is_interface(scope) };
        if !valid {
            return Err(Fault::malformed(format!(
                "{scope:?} is not a scope; write an interface's name or its index after `%`"
            )));
        }
    }
    Ok(Host::V6 { address, scope: scope.map(str::to_owned) })
}

fn parse_name(text: &str, purpose: Use) -> Result<Host, Fault> {
    if text.is_empty() {
        return Err(Fault::malformed(
            "the host is missing; write host:port, or *:port to bind to every address",
        ));
    }
    if text.strip_suffix('.').unwrap_or(text).len() > NAME_MAX {
        return Err(Fault::TooLong { limit: NAME_MAX });
    }
    let valid = match purpose {
        Use::Local => is_interface(text),
        Use::Remote => is_dns_name(text),
    };
    if !valid {
        return Err(Fault::malformed(format!("{text:?} is neither an address nor the name of a host")));
    }
    Ok(Host::Name(text.to_owned()))
}

/// Tells whether DNS could know the name. Underscores are not for hosts by the book, but in use.
fn is_dns_name(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    labels.into_iter().all(|label| {
        label.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

/// Tells whether the text is an interface's name with an address label after the only colon.
fn is_alias(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.split_once(':').is_some_and(|(_, label)| !label.is_empty() && !label.contains(':'))
}

/// Tells whether an interface could bear the name, less the characters that delimit endpoints.
fn is_interface(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'[' | b']' | b'%' | b';' | b'*'))
}

fn parse_port(text: &str, purpose: Use) -> Result<Port, Fault> {
    let remote_needs_number = || Fault::bind_only("a free port is for binding; write the port, 1 to 65535");
    if text == "*" {
        return match purpose {
            Use::Local => Ok(Port::EPHEMERAL),
            Use::Remote => Err(remote_needs_number()),
        };
    }
    // Digits only: the standard parser would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(0) if digits && purpose == Use::Remote => Err(remote_needs_number()),
        Ok(number) if digits => Ok(Port(number)),
        _ => Err(Fault::malformed(format!("{text:?} is not a port; write a number from 1 to 65535"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Endpoint, EndpointError};
    use super::*;

    fn v6(address: &str, scope: Option<&str>) -> Host {
        Host::V6 { address: address.parse().unwrap(), scope: scope.map(str::to_owned) }
    }

    fn name(text: &str) -> Host {
        Host::Name(text.to_owned())
    }

    fn tcp(host: Host, port: u16) -> Endpoint {
        Endpoint::Tcp(TcpAddress { source: None, host, port: Port(port) })
    }

    #[test]
    fn addresses_go_both_ways() {
        let cases = [
            ("1.2.128.129:123", Host::V4([1, 2, 128, 129].into()), 123),
            ("0.0.0.0:1", Host::V4([0, 0, 0, 0].into()), 1),
            ("255.255.255.255:65535", Host::V4([255; 4].into()), 65535),
            ("[192.168.1.1]:5555", Host::V4([192, 168, 1, 1].into()), 5555),
            ("[1234::1]:80", v6("1234::1", None), 80),
            ("[::]:5555", v6("::", None), 5555),
            ("[::ffff:1.2.3.4]:00080", v6("::ffff:1.2.3.4", None), 80),
            ("abcd:1234::1:0:234:123", v6("abcd:1234::1:0:234", None), 123),
            ("[3000:4:5::1:234%eth0]:8080", v6("3000:4:5::1:234", Some("eth0")), 8080),
            ("3000:4:5::1:234%eth0:8080", v6("3000:4:5::1:234", Some("eth0")), 8080),
            ("3000:4:5::1:234%2:1111", v6("3000:4:5::1:234", Some("2")), 1111),
            ("[fe80::1%br-lan.7]:1", v6("fe80::1", Some("br-lan.7")), 1),
        ];
        for (text, host, port) in cases {
            let text = format!("tcp://{text}");
            assert_eq!(Endpoint::parse_bind(&text), Ok(tcp(host.clone(), port)));
            assert_eq!(Endpoint::parse_connect(&text), Ok(tcp(host, port)));
        }
    }

    #[test]
    fn binding_takes_wildcards_and_interfaces() {
        let cases = [
            ("*:*", Host::Any, 0),
            ("*:0", Host::Any, 0),
            ("*:5555", Host::Any, 5555),
            ("127.0.0.1:*", Host::V4(Ipv4Addr::LOCALHOST), 0),
            ("[1234::1]:*", v6("1234::1", None), 0),
            ("eth0:5555", name("eth0"), 5555),
            ("eth0.100:*", name("eth0.100"), 0),
            ("eth0:1:5555", name("eth0:1"), 5555),
            ("br-lan@if3:5555", name("br-lan@if3"), 5555),
        ];
        for (text, host, port) in cases {
            let text = format!("tcp://{text}");
            assert_eq!(Endpoint::parse_bind(&text), Ok(tcp(host, port)));
        }
    }

    #[test]
    fn connecting_takes_names_and_source_addresses() {
        for host in
            ["localhost", "a", "robot-7.example.com", "robot.example.com.", "my_host", "_srv.x", "127.1"]
        {
            let text = format!("tcp://{host}:5555");
            assert_eq!(Endpoint::parse_connect(&text), Ok(tcp(name(host), 5555)));
            assert_eq!(Endpoint::parse_connect(&text).unwrap().to_string(), text);
        }
        let sources = [
            ("127.0.0.1:0", Host::V4(Ipv4Addr::LOCALHOST), 0),
            ("*:*", Host::Any, 0),
            ("eth1:7000", name("eth1"), 7000),
            ("[::1]:*", v6("::1", None), 0),
        ];
        for (text, host, port) in sources {
            let source = Some(HostPort { host, port: Port(port) });
            let expected = TcpAddress { source, host: name("localhost"), port: Port(1) };
            let text = format!("tcp://{text};localhost:1");
            assert_eq!(Endpoint::parse_connect(&text), Ok(Endpoint::Tcp(expected)));
        }
    }

    #[test]
    fn wildcards_cannot_be_connected_to() {
        for text in
            ["tcp://*:1234", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://[::1]:00", "tcp://a:1;b:*"]
        {
            let parsed = Endpoint::parse_connect(text);
            assert!(matches!(parsed, Err(EndpointError::BindOnly { .. })), "{text}: {parsed:?}");
        }
    }

    #[test]
    fn ports_are_never_truncated() {
        let ports =
            ["", "65536", "65537", "131072", "99999999999999999999", "-1", "+80", "567bad", "0x50", "bad"];
        for port in ports.into_iter().chain([" 80", "80 ", "8 0", "**", "٣"]) {
            let text = format!("tcp://127.0.0.1:{port}");
            for parsed in [Endpoint::parse_bind(&text), Endpoint::parse_connect(&text)] {
                assert!(matches!(parsed, Err(EndpointError::Malformed { .. })), "{text}: {parsed:?}");
            }
        }
    }

    #[test]
    fn malformed_hosts_are_refused() {
        let texts = [
            "",
            ":",
            ":5555",
            "1.2.3.4",
            "localhost",
            "[",
            "[]",
            "[]:1",
            "[::1",
            "[::1]",
            "[::1]1",
            "[::1]x:1",
            "::1]:80",
            "[1.2.128.129:1",
            "1.2.128.129]:1",
            "[1.2.128].129:1",
            "[192.168.1.1:]5555",
            "[192.168.1.1:5555]",
            "[192.168.1.1:*]",
            "[abcd:1234::1:]0:234",
            "[localhost]:1",
            "[*]:1",
            "::1",
            "fe80:::1:5",
            "[fe80::1%]:1",
            "[fe80::1%0]:1",
            "[fe80::1%4294967296]:1",
            "[fe80::1%a/b]:1",
            "1.2.3.4%eth0:1",
            "[1.2.3.4%eth0]:1",
            "in val id:1234",
            "a/b:1",
            "host\0:1",
            "hôte:1",
            "**:1",
            ";",
            "a;",
            ";a:1",
            "a:1;b:1;c:1",
            "a:b;c:1",
            "a:1;:1",
        ];
        for text in texts {
            let text = format!("tcp://{text}");
            for parsed in [Endpoint::parse_bind(&text), Endpoint::parse_connect(&text)] {
                assert!(matches!(parsed, Err(EndpointError::Malformed { .. })), "{text}: {parsed:?}");
            }
        }
        for text in ["tcp://a..b:1", "tcp://.a:1", "tcp://-a:1", "tcp://eth0:1:5555", "tcp://.:1"] {
            let parsed = Endpoint::parse_connect(text);
            assert!(matches!(parsed, Err(EndpointError::Malformed { .. })), "{text}: {parsed:?}");
        }
        assert!(matches!(Endpoint::parse_bind("tcp://a:1;b:1"), Err(EndpointError::Malformed { .. })));
    }

    #[test]
    fn host_names_have_at_most_253_bytes() {
        let label = format!("{}.", "x".repeat(62));
        let name = label.repeat(4) + "x";
        assert_eq!(name.len(), 253);
        assert!(Endpoint::parse_connect(&format!("tcp://{name}:1")).is_ok());
        let parsed = Endpoint::parse_connect(&format!("tcp://{name}x:1"));
        assert!(matches!(parsed, Err(EndpointError::NameTooLong { limit: 253, .. })), "{parsed:?}");
    }

    #[test]
    fn display_normalises() {
        let cases = [
            ("tcp://*:0", "tcp://*:*"),
            ("tcp://[192.168.1.1]:05555", "tcp://192.168.1.1:5555"),
            ("tcp://ABCD:0:0::1:123", "tcp://[abcd::1]:123"),
            ("tcp://fe80::1%eth0:5", "tcp://[fe80::1%eth0]:5"),
        ];
        for (text, shown) in cases {
            assert_eq!(Endpoint::parse_bind(text).unwrap().to_string(), shown);
        }
        let text = "tcp://127.0.0.1:*;[::1]:5555";
        assert_eq!(Endpoint::parse_connect(text).unwrap().to_string(), text);
    }
}
