//! ZeroMQ sockets in pure Rust: thread-safe, counted, wire-compatible with libzmq.
//!
//! A [`Context`] is made once; sockets are made in it, one type per pattern:
//!
//! | pattern | types | RFC |
//! | --- | --- | --- |
//! | publish-subscribe | [`Pub`], [`Sub`], [`XPub`], [`XSub`] | 29 |
//! | request-reply | [`Req`], [`Rep`], [`Dealer`], [`Router`] | 28 |
//! | pipeline | [`Push`], [`Pull`] | 30 |
//! | exclusive pair | [`Pair`] | 31 |
//! | client-server | [`Client`], [`Server`] | 41 |
//! | radio-dish | [`Radio`], [`Dish`] | 48 |
//! | scatter-gather | [`Scatter`], [`Gather`] | 49 |
//! | peer-to-peer | [`Peer`] | 51 |
//! | channel | [`Channel`] | 52 |
//! | raw byte streams | [`Stream`] | – |
//! | raw datagrams | [`Dgram`] | – |
//!
//! Sockets bind and connect to `tcp://`, `ws://`, `ipc://` and `inproc://` endpoints, RADIO, DISH and DGRAM also to `udp://`
//! ([`Endpoint`]); they may be used from several threads; the thread that waits does the input and output, and one background
//! thread per context covers while the
//! application is away. Every queue is bounded ([`Options::set_send_hwm`]); what is dropped is counted by reason
//! ([`Socket::statistics`]).
//!
//! # Examples
//!
//! A publisher that waits for its subscribers loses nothing at the start:
//!
//! ```
//! use std::time::Duration;
//! use tamtam_zmq::{Context, Pub, Sub};
//!
//! let context = Context::new();
//! let publisher = Pub::with(&context, |o| { o.set_xpub_nodrop(true); })?;
//! let endpoint = publisher.bind("tcp://127.0.0.1:*")?;
//!
//! let subscriber = Sub::new(&context);
//! subscriber.subscribe("weather.");
//! subscriber.connect(&endpoint)?;
//!
//! publisher.wait_for_subscribers(1, Duration::from_secs(5))?;
//! publisher.send("weather.rain")?;
//! assert_eq!(subscriber.recv()?.as_slice(), b"weather.rain");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod context;
mod endpoint;
mod engine;
mod error;
mod faces;
mod filter;
mod monitor;
mod options;
mod poll;
mod poller;
mod profile;
mod proxy;
mod resolver;
mod secret;
mod security;
mod socket;
mod statistics;
mod sys;

/// What `tamtam`'s topics need beyond the sockets' interface, so that a message costs them little more. Changes without notice.
#[doc(hidden)]
pub mod within {
    pub use tamtam_zmtp::{FRAME_HEADER_MAX, Framing};

    pub use crate::engine::short::ShortMessage;
    pub use crate::sys::ticks::ticks;
}

pub use bytes::Bytes;
pub use tamtam_zmtp::{
    CurveKeyPair, CurvePublicKey, CurveSecretKey, Frame, KeyError, Message, PeerId, PeerInfo, ProtocolCode,
    SocketType, Version, z85_decode, z85_encode,
};

pub use crate::context::Context;
pub use crate::endpoint::{
    Endpoint, EndpointError, Host, HostPort, IpcAddress, Port, TcpAddress, UdpAddress, WsAddress,
};
pub use crate::error::{
    BarrierError, BindError, ConnectError, EndpointNotFound, GroupError, NoSuchPeer, NotSubscribed,
    RecvError, SendError, ShutdownError, Undelivered,
};
pub use crate::faces::{
    Channel, Client, Dealer, Dgram, Dish, Gather, Pair, Peer, Pub, Pull, Push, Radio, Rep, Req, Router,
    Scatter, Server, Stream, Sub, XPub, XSub,
};
pub use crate::filter::{IpRange, IpcFilter, ParseIpRangeError};
pub use crate::monitor::{EventKind, HandshakeCause, Monitor, MonitorEvent};
pub use crate::options::{Driver, OptionError, Options, Spin};
pub use crate::poll::{PollItem, poll, poll_masked};
pub use crate::poller::{Interest, PollEvent, Poller};
pub use crate::profile::PeerProfile;
pub use crate::proxy::{Proxy, ProxyControl, ProxyError, ProxyStatistics, proxy};
pub use crate::secret::Secret;
pub use crate::security::{
    AllowList, CredentialsTooLong, KeyFileError, KeyFileFault, Security, read_key_file,
};
pub use crate::socket::{Readiness, Socket};
pub use crate::statistics::{Dropped, PeerState, PeerStatistics, Published, SocketStatistics, Traffic};
