//! Endpoints: where a socket binds or connects, written as `transport://address`.

mod ipc;
mod tcp;
mod udp;
mod ws;

pub use ipc::IpcAddress;
pub use tcp::{Host, HostPort, Port, TcpAddress};
pub use udp::UdpAddress;
pub use ws::WsAddress;

use std::fmt;

/// The most bytes an inproc name may have.
const INPROC_NAME_MAX: usize = 256;

/// A place to bind or to connect to, parsed from its ZeroMQ text.
///
/// | text | bind | connect |
/// |---|---|---|
/// | `tcp://127.0.0.1:5555`, `tcp://[::1]:5555`, `tcp://[fe80::1%eth0]:5555` | yes | yes |
/// | `tcp://*:5555` (every address), `tcp://eth0:5555` (an interface) | yes | no |
/// | `tcp://127.0.0.1:*` or port `0` (the system picks a free port) | yes | no |
/// | `tcp://robot.example:5555` (a name for DNS) | no | yes |
/// | `tcp://source:port;destination:port` (leave from this address) | no | yes |
/// | `ws://robot.example:8080/path` (a WebSocket; the path may be left out) | as tcp | as tcp |
/// | `ipc:///run/robot.sock`, `ipc://@name` (abstract, Linux only) | yes | yes |
/// | `ipc://*` (a fresh path in a private temporary directory) | yes | no |
/// | `inproc://name` (within one context) | yes | yes |
/// | `udp://127.0.0.1:5555`, `udp://239.1.1.1:5555`, `udp://eth0;239.1.1.1:5555` | DISH, DGRAM | RADIO |
/// | `udp://*:5555`, `udp://127.0.0.1:*` | DISH, DGRAM | no |
///
/// Whether a bare word is a host or an interface depends on the direction: binding looks for an interface of
/// that name, connecting asks DNS. Displaying an endpoint gives text that parses back to the same value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP address, `tcp://…`.
    Tcp(TcpAddress),
    /// A WebSocket, `ws://…`. RFC 45/ZWS.
    Ws(WsAddress),
    /// A Unix domain socket, `ipc://…`.
    Ipc(IpcAddress),
    /// A name within the context, 1 to 256 bytes, `inproc://…`.
    Inproc(String),
    /// A UDP address or multicast group, `udp://…`: for RADIO, DISH and DGRAM.
    Udp(UdpAddress),
}

impl Endpoint {
    /// Parses the endpoint a socket is to bind to.
    ///
    /// Nothing is looked up: an interface that does not exist is found out by the bind itself.
    ///
    /// # Errors
    ///
    /// [`EndpointError`], when the text is not an endpoint that can be bound.
    pub fn parse_bind(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text, Direction::Bind)
    }

    /// Parses the endpoint a socket is to connect to.
    ///
    /// Nothing is looked up: host names are resolved when the connection is made, and again for every reconnect.
    ///
    /// # Errors
    ///
    /// [`EndpointError`], when the text is not an endpoint that can be connected to; wildcards (`*`) and port 0
    /// are for binding only.
    pub fn parse_connect(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text, Direction::Connect)
    }

    /// Returns the transport's name as it stands before `://`.
    #[must_use]
    pub const fn transport(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Ws(_) => "ws",
            Self::Ipc(_) => "ipc",
            Self::Inproc(_) => "inproc",
            Self::Udp(_) => "udp",
        }
    }

    fn parse(text: &str, direction: Direction) -> Result<Self, EndpointError> {
        let Some((transport, address)) = text.split_once("://") else {
            let why = "it has no `://`; write transport://address, for example tcp://127.0.0.1:5555";
            return Err(Fault::malformed(why).at(text));
        };
        let parsed = match transport {
            "tcp" => tcp::parse(address, direction).map(Self::Tcp),
            "ws" => ws::parse(address, direction).map(Self::Ws),
            "ipc" => ipc::parse(address, direction).map(Self::Ipc),
            "inproc" => parse_inproc(address).map(Self::Inproc),
            "udp" => udp::parse(address, direction).map(Self::Udp),
            "" => Err(Fault::malformed(
                "nothing stands before `://`; the transports are tcp, ws, ipc, inproc and udp",
            )),
            other => {
                let (endpoint, transport) = (text.to_owned(), other.to_owned());
                return Err(EndpointError::UnknownTransport { endpoint, transport });
            }
        };
        parsed.map_err(|fault| fault.at(text))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Ws(address) => address.fmt(f),
            Self::Ipc(address) => address.fmt(f),
            Self::Inproc(name) => write!(f, "inproc://{name}"),
            Self::Udp(address) => address.fmt(f),
        }
    }
}

fn parse_inproc(name: &str) -> Result<String, Fault> {
    match name.len() {
        0 => Err(Fault::malformed("the name is missing; write inproc://name")),
        1..=INPROC_NAME_MAX => Ok(name.to_owned()),
        _ => Err(Fault::TooLong { limit: INPROC_NAME_MAX }),
    }
}

/// Why a text is not an endpoint for what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text breaks the syntax of its transport, or has none.
    #[error("endpoint {endpoint:?} is malformed: {why}")]
    Malformed {
        /// The text as it was given.
        endpoint: String,
        /// What is wrong with it, and what to write instead.
        why: String,
    },
    /// The part before `://` is not a transport of this build.
    #[error(
        "endpoint {endpoint:?} names the unknown transport {transport:?}; the known ones, in lower case, are tcp, \
         ws, ipc, inproc and udp"
    )]
    UnknownTransport {
        /// The text as it was given.
        endpoint: String,
        /// The part before `://`.
        transport: String,
    },
    /// The address is longer than its transport allows.
    #[error("the address in endpoint {endpoint:?} is longer than {limit} bytes; choose a shorter one")]
    NameTooLong {
        /// The text as it was given.
        endpoint: String,
        /// The most bytes there may be: 107 for ipc (the system's limit), 256 for inproc, 253 for a host name, 2000 for the
        /// path of a WebSocket.
        limit: usize,
    },
    /// The address can only be bound, and was to be connected to.
    #[error("endpoint {endpoint:?} can be bound but not connected to: {why}")]
    BindOnly {
        /// The text as it was given.
        endpoint: String,
        /// Which part forbids connecting, and what to write instead.
        why: String,
    },
}

impl EndpointError {
    /// Returns the text that was given.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Malformed { endpoint, .. }
            | Self::UnknownTransport { endpoint, .. }
            | Self::NameTooLong { endpoint, .. }
            | Self::BindOnly { endpoint, .. } => endpoint,
        }
    }
}

/// What an endpoint is parsed for; some texts are good for one direction only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Bind,
    Connect,
}

/// An [`EndpointError`] before the endpoint's text is put in.
#[derive(Debug)]
enum Fault {
    Malformed { why: String },
    TooLong { limit: usize },
    BindOnly { why: String },
}

impl Fault {
    fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed { why: why.into() }
    }

    fn bind_only(why: impl Into<String>) -> Self {
        Self::BindOnly { why: why.into() }
    }

    fn at(self, endpoint: &str) -> EndpointError {
        let endpoint = endpoint.to_owned();
        match self {
            Self::Malformed { why } => EndpointError::Malformed { endpoint, why },
            Self::TooLong { limit } => EndpointError::NameTooLong { endpoint, limit },
            Self::BindOnly { why } => EndpointError::BindOnly { endpoint, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_without_a_transport_are_malformed() {
        for text in ["", "tcp", "tcp:", "tcp:/", "localhost:5555", "://", "://x:1", ":// ", "\u{fffd}"] {
            for parsed in [Endpoint::parse_bind(text), Endpoint::parse_connect(text)] {
                let error = parsed.expect_err(text);
                assert!(matches!(error, EndpointError::Malformed { .. }), "{error:?}");
                assert_eq!(error.endpoint(), text);
            }
        }
    }

    #[test]
    fn an_unknown_transport_is_named_along_with_the_known_ones() {
        for (text, name) in
            [("invalid://localhost:1", "invalid"), ("TCP://a:1", "TCP"), (" tcp://a:1", " tcp")]
        {
            let error = Endpoint::parse_connect(text).unwrap_err();
            let expected =
                EndpointError::UnknownTransport { endpoint: text.to_owned(), transport: name.to_owned() };
            assert_eq!(error, expected);
            assert!(error.to_string().contains("tcp, ws, ipc, inproc and udp"), "{error}");
        }
    }

    #[test]
    fn inproc_names_have_1_to_256_bytes() {
        let longest = "n".repeat(INPROC_NAME_MAX);
        for name in ["a", "*", "@x", "a/b c", "ü", longest.as_str()] {
            let text = format!("inproc://{name}");
            assert_eq!(Endpoint::parse_bind(&text), Ok(Endpoint::Inproc(name.to_owned())));
            assert_eq!(Endpoint::parse_connect(&text).unwrap().to_string(), text);
        }
        assert!(matches!(Endpoint::parse_bind("inproc://"), Err(EndpointError::Malformed { .. })));
        let text = format!("inproc://{longest}n");
        let error = Endpoint::parse_connect(&text).unwrap_err();
        assert_eq!(error, EndpointError::NameTooLong { endpoint: text, limit: 256 });
    }

    #[test]
    fn control_characters_are_escaped_in_messages() {
        let error = Endpoint::parse_bind("tcp://a\nb:1").unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
    }

    /// Texts near the grammar, so that the deeper branches are reached, and anything at all.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "ws://[a-z0-9.:*-]{1,12}:[0-9*]{1,5}(/[!-~]{0,20})?",
            "(tcp|ipc|inproc|ws|udp)://[-a-z0-9*@:;%./\\[\\] _]{0,40}",
            "tcp://[0-9*.]{1,15}:[0-9*]{1,7}",
            "tcp://\\[[0-9a-f:.]{2,30}(%[a-z0-9]{0,5})?\\]:[0-9*]{1,6}",
            "udp://([a-z0-9.*]{1,9};)?(239|ff02::|[0-9]{1,3})[.0-9]{0,8}:[0-9*]{1,5}",
            "tcp://[a-z0-9.:*-]{1,12}:[0-9*]{1,5};[a-z0-9.-]{1,12}:[0-9]{1,5}",
        ]
    }

    proptest! {
        #[test]
        fn whatever_parses_is_displayed_so_that_it_parses_to_the_same(text in texts()) {
            if let Ok(endpoint) = Endpoint::parse_bind(&text) {
                prop_assert_eq!(Endpoint::parse_bind(&endpoint.to_string()), Ok(endpoint));
            }
            match Endpoint::parse_connect(&text) {
                Ok(endpoint) => prop_assert_eq!(Endpoint::parse_connect(&endpoint.to_string()), Ok(endpoint)),
                Err(error) => prop_assert_eq!(error.endpoint(), text),
            }
        }
    }
}
