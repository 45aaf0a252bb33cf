//! What can be set on a socket.

use std::time::Duration;

use bytes::Bytes;
use tamtam_zmtp::Version;

use crate::endpoint::{Endpoint, TcpAddress};
use crate::filter::{IpRange, IpcFilter};
use crate::secret::Secret;
use crate::security::Security;

/// Whether a thread that waits for a message burns CPU for a moment before it sleeps.
///
/// Waking a sleeping thread costs several microseconds (20 to 30 on a virtual machine); a thread that is still awake
/// takes a message at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Spin {
    /// Never: a waiting thread sleeps at once.
    Off,
    /// As long as it paid off lately, at most for about the cost of one wake-up, on a machine with more than one core: in
    /// a conversation (a socket that sends and receives in turn), between the parts of a large message and between those of a
    /// quick stream of them, with a kernel that takes no more of one, and shortly for an inproc peer.
    #[default]
    Adaptive,
    /// For the full budget before each sleep.
    Always,
}

/// Which thread does a socket's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Driver {
    /// The thread that waits does it; the background thread covers while the application is away.
    #[default]
    Adaptive,
    /// Always the background thread. Costs a thread hop per message; useful to test and to compare.
    Background,
}

/// Why [`crate::Socket::configure`] refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// A value outside the option's range.
    #[error("option {option}: {why}")]
    Invalid {
        /// The option's name.
        option: &'static str,
        /// What is wrong, and the range.
        why: String,
    },
    /// The socket is closed or its context was shut down.
    #[error("the socket is closed")]
    Closed,
}

macro_rules! options {
    ($( $(#[$doc:meta])* $name:ident, $set:ident : $type:ty = $default:expr; )*) => {
        /// Everything that can be set on a socket, with Tamtam's defaults.
        ///
        /// "Later" means that the value counts for calls of `bind` and `connect` that follow; "live" that it counts
        /// at once, also for existing connections.
        #[derive(Clone, Debug)]
        pub struct Options { $( pub(crate) $name: $type, )* }

        impl Default for Options {
            fn default() -> Self { Self { $( $name: $default, )* } }
        }

        impl Options {
            /// Tamtam's defaults.
            #[must_use]
            pub fn new() -> Self { Self::default() }
            $(
                $(#[$doc])*
                pub fn $set(&mut self, value: $type) -> &mut Self { self.$name = value; self }
                #[doc = concat!("Returns what [`set_", stringify!($name), "`](Self::set_", stringify!($name), ") set.")]
                #[must_use]
                pub fn $name(&self) -> &$type { &self.$name }
            )*
        }
    };
}

options! {
    /// Sets how many messages may wait to be sent to one peer; 0 means no bound. Default 1000, live.
    ///
    /// What happens at the mark is the socket type's: PUSH, DEALER, REQ, PAIR choose another peer or wait; PUB, XPUB and
    /// ROUTER drop and count (see [`set_xpub_nodrop`](Self::set_xpub_nodrop), [`set_router_mandatory`](Self::set_router_mandatory)).
    send_hwm, set_send_hwm: u32 = 1000;
    /// Sets how many received messages may wait for the application, per peer; 0 means no bound. Default 1000, live
    /// (for inproc peers: later).
    receive_hwm, set_receive_hwm: u32 = 1000;
    /// Sets how many octets may wait to be sent to one peer, beside [`send_hwm`](Self::set_send_hwm); `None` (the default) means
    /// no bound. Live.
    ///
    /// A message is taken as long as less than that waits (with its framing; over inproc without), whatever its own length: no
    /// more waits than the mark and one message, and one that is larger than the mark alone finds its way once less than that
    /// waits. What is encrypted already, 64 KiB and a message at most, does not count any more. 0 counts as 1.
    send_hwm_bytes, set_send_hwm_bytes: Option<u64> = None;
    /// Sets how many octets of received messages may wait for the application, per peer, beside
    /// [`receive_hwm`](Self::set_receive_hwm); `None` (the default) means no bound. Live (for inproc peers: later).
    ///
    /// The peer is read as long as less than that waits. Over inproc the queue of both sides holds the sum of both marks, or as
    /// much as the only one says. 0 counts as 1.
    receive_hwm_bytes, set_receive_hwm_bytes: Option<u64> = None;
    /// Sets how long messages that were not sent yet are kept after `close`, and after `disconnect` and
    /// `unbind`; `None` is for ever. Default 5 s, live.
    linger, set_linger: Option<Duration> = Some(Duration::from_secs(5));
    /// Sets whether messages are queued only for connections that are complete. Default false, later.
    immediate, set_immediate: bool = false;
    /// Sets whether only the newest single-part message is kept (PUSH, PULL, PUB, SUB, DEALER). Default false, later.
    conflate, set_conflate: bool = false;
    /// Sets how long `send` may wait; `None` is for ever (the default). Live.
    send_timeout, set_send_timeout: Option<Duration> = None;
    /// Sets how long `recv` may wait; `None` is for ever (the default). Live.
    receive_timeout, set_receive_timeout: Option<Duration> = None;
    /// Sets the delay before the first attempt to reconnect; `None` is never again. Default 100 ms, later.
    ///
    /// A peer that has refused us is left alone for longer: see [`set_refused_interval`](Self::set_refused_interval).
    /// Every delay is drawn between half and one and a half of its nominal value, so that many clients of one server
    /// do not come back in step.
    reconnect_interval, set_reconnect_interval: Option<Duration> = Some(Duration::from_millis(100));
    /// Sets the delay before the next attempt after a handshake in which the other end refused us (wrong socket type, wrong
    /// key, not let in): it would only refuse again. Default 1 s, later.
    refused_interval, set_refused_interval: Duration = Duration::from_secs(1);
    /// Sets the ceiling up to which the delay doubles after each failure; `None` keeps it constant. Default 5 s, later.
    reconnect_interval_max, set_reconnect_interval_max: Option<Duration> = Some(Duration::from_secs(5));
    /// Sets whether a connection is given up when nobody listens there (`ConnectionRefused`). Default false, later.
    reconnect_stop_refused, set_reconnect_stop_refused: bool = false;
    /// Sets whether a connection is given up when its handshake fails. Default false, later.
    reconnect_stop_handshake_failed, set_reconnect_stop_handshake_failed: bool = false;
    /// Sets whether a lost connection is given up once the application has taken back any other of the socket by
    /// `disconnect`. Default false, later.
    reconnect_stop_after_disconnect, set_reconnect_stop_after_disconnect: bool = false;
    /// Sets how long one attempt to connect may take; `None` leaves it to the operating system (the default). Later.
    connect_timeout, set_connect_timeout: Option<Duration> = None;
    /// Sets how long greeting and handshake may take; `None` is for ever. Default 30 s, later.
    handshake_interval, set_handshake_interval: Option<Duration> = Some(Duration::from_secs(30));
    /// Sets how often a PING is sent to a silent peer; `None` (the default) sends none. Later. RFC 37, heartbeating.
    heartbeat_interval, set_heartbeat_interval: Option<Duration> = None;
    /// Sets the time after which the peer should give us up when it hears nothing. Default zero (never), at most
    /// 6553.5 s, later.
    heartbeat_ttl, set_heartbeat_ttl: Duration = Duration::ZERO;
    /// Sets how long after a PING silence ends the connection; `None` (the default) means the heartbeat interval. Later.
    heartbeat_timeout, set_heartbeat_timeout: Option<Duration> = None;
    /// Sets the routing id (identity) that is announced to peers: at most 255 bytes, not beginning with 0. Default
    /// empty, later.
    routing_id, set_routing_id: Bytes = Bytes::new();
    /// Sets whether a ROUTER refuses a message that it cannot route instead of dropping (and counting) it. Default false, live.
    router_mandatory, set_router_mandatory: bool = false;
    /// Sets whether a new peer takes over a routing id that is in use. Default true (libzmq: false, where the newcomer is
    /// accepted and never heard), live.
    router_handover, set_router_handover: bool = true;
    /// Sets whether a ROUTER tells of every new connection over the network by a message of two frames: its routing id and
    /// an empty one. Default false, live.
    router_notify_connect, set_router_notify_connect: bool = false;
    /// Sets whether a ROUTER tells of the end of every connection over the network in the same way. Default false, live.
    router_notify_disconnect, set_router_notify_disconnect: bool = false;
    /// Sets a message that every new peer gets first, also after a reconnection (ROUTER, DEALER, CLIENT, SERVER, PEER).
    /// Default none, live.
    hello_message, set_hello_message: Option<Bytes> = None;
    /// Sets a message that the application receives in the name of a peer that had connected here and is gone (ROUTER,
    /// SERVER, PEER). Default none, live.
    disconnect_message, set_disconnect_message: Option<Bytes> = None;
    /// Sets a message that the application receives in the name of a peer that was connected to and whose connection is lost
    /// (DEALER, CLIENT, PEER). Default none, live.
    hiccup_message, set_hiccup_message: Option<Bytes> = None;
    /// Sets whether an empty message is sent to every new peer (REQ, DEALER, ROUTER). Default false, later.
    probe_router, set_probe_router: bool = false;
    /// Sets whether a REQ may send again without having got a reply. Default false, live.
    req_relaxed, set_req_relaxed: bool = false;
    /// Sets whether a REQ numbers its requests and takes only the reply with that number. Default false, live.
    req_correlate, set_req_correlate: bool = false;
    /// Sets whether an XPUB passes on subscriptions that it has already. Default false, live.
    xpub_verbose, set_xpub_verbose: bool = false;
    /// Sets whether an XPUB passes on every subscription and every cancellation. Default false, live.
    xpub_verboser, set_xpub_verboser: bool = false;
    /// Sets whether the application of an XPUB decides about subscriptions. Default false, live.
    xpub_manual, set_xpub_manual: bool = false;
    /// Sets whether the application of an XPUB decides about subscriptions, and the first message sent after one was received
    /// goes only to the peer that made it: the last value of what it subscribed to. Default false, live.
    xpub_manual_last_value, set_xpub_manual_last_value: bool = false;
    /// Sets whether an XSUB passes on every cancellation, also of what others of its subscriptions still want. Default false, live.
    xsub_verbose_unsubscribe, set_xsub_verbose_unsubscribe: bool = false;
    /// Sets whether a PUB, XPUB or RADIO waits (or refuses) instead of dropping when a subscriber's queue is full. Datagrams
    /// are dropped all the same. Default false, live.
    xpub_nodrop, set_xpub_nodrop: bool = false;
    /// Sets whether the oldest messages received from a peer make room for a new one when the receive queue is at a mark,
    /// instead of the peer's being read no further: for readers who want what is new and may be slow. What is dropped counts
    /// as [`full`](crate::Dropped::full). Messages of several frames whose last one is empty say something about others: they make
    /// none of those go, and of two in a row the later one stays. Default false, live.
    receive_drop_oldest, set_receive_drop_oldest: bool = false;
    /// Sets whether calls that do not wait count every message of the last millisecond as queued, also if it is written
    /// already, where that decides about being refused (XPUB with `xpub_nodrop`, ROUTER with `router_mandatory`): a burst
    /// beyond the mark is then refused even if the system would take it, as programs for libzmq expect. Default false, live.
    strict_marks, set_strict_marks: bool = false;
    /// Sets whether sockets of one context may be connected whatever their types are, as libzmq lets them: a PAIR with a PULL,
    /// for example. To be set at both ends. Default false, later.
    inproc_any_types, set_inproc_any_types: bool = false;
    /// Sets a message for every new subscriber of an XPUB or PUB. Default none, later.
    xpub_welcome_message, set_xpub_welcome_message: Option<Bytes> = None;
    /// Sets whether PUB, XPUB and SUB deliver what does *not* match. To be set at both ends. Default false, live.
    invert_matching, set_invert_matching: bool = false;
    /// Sets whether a STREAM socket reports connections and their end by an empty frame. Default true, later.
    stream_notify, set_stream_notify: bool = true;
    /// Sets the largest frame that is accepted, in bytes; a larger one ends the connection. Default none, later.
    max_message_size, set_max_message_size: Option<u64> = None;
    /// Sets how many connections may wait to be accepted. Default 512 (libzmq: 100), later.
    backlog, set_backlog: u32 = 512;
    /// Sets whether names and `*` may mean IPv6 addresses. Default false, later.
    ipv6, set_ipv6: bool = false;
    /// Sets TCP keep-alive; `None` (the default) leaves it to the operating system. Later.
    tcp_keepalive, set_tcp_keepalive: Option<bool> = None;
    /// Sets the silence before the first keep-alive probe. Default: the operating system's. Later.
    tcp_keepalive_idle, set_tcp_keepalive_idle: Option<Duration> = None;
    /// Sets the time between keep-alive probes. Default: the operating system's. Later.
    tcp_keepalive_interval, set_tcp_keepalive_interval: Option<Duration> = None;
    /// Sets how many probes may stay unanswered. Default: the operating system's. Later.
    tcp_keepalive_count, set_tcp_keepalive_count: Option<u32> = None;
    /// Sets how long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`). Default: the operating system's. Later.
    tcp_max_retransmit, set_tcp_max_retransmit: Option<Duration> = None;
    /// Sets the kernel's send buffer in bytes. Default: the operating system's. Later.
    send_buffer, set_send_buffer: Option<usize> = None;
    /// Sets the kernel's receive buffer in bytes. Default: the operating system's. Later.
    receive_buffer, set_receive_buffer: Option<usize> = None;
    /// Sets the type of service (DSCP) of IP packets. Default 0, later.
    tos, set_tos: u8 = 0;
    /// Sets the queueing priority of packets (`SO_PRIORITY`). Default: the operating system's. Later.
    priority, set_priority: Option<u32> = None;
    /// Sets the network interface to use (`SO_BINDTODEVICE`; may need a privilege). Default none, later.
    bind_to_device, set_bind_to_device: Option<String> = None;
    /// Sets how long a read polls the network device before it gives up (`SO_BUSY_POLL`; more than the system's setting needs
    /// a privilege and is ignored without). Default: the operating system's. Later.
    busy_poll, set_busy_poll: Option<Duration> = None;
    /// Sets how far multicast datagrams go: 1 stays in the local network, each router takes 1 off; 1 to 255. Default 1, later.
    multicast_hops, set_multicast_hops: u32 = 1;
    /// Sets whether this host gets the multicast datagrams that it sends itself. Default true, later.
    multicast_loop, set_multicast_loop: bool = true;
    /// Sets from which addresses `tcp://` and `ws://` connections are accepted; others are closed at once. Default empty:
    /// from everywhere. Later.
    tcp_accept_filters, set_tcp_accept_filters: Vec<IpRange> = Vec::new();
    /// Sets whose `ipc://` connections are accepted: those that one of the filters lets in; others are closed at once.
    /// Default empty: everybody's. Later.
    ipc_accept_filters, set_ipc_accept_filters: Vec<IpcFilter> = Vec::new();
    /// Sets the SOCKS 5 proxy, as `host:port`, through which `tcp://` endpoints are connected; the proxy looks their host
    /// names up. `source:port;host:port` chooses where to leave from. Default none, later. RFC 1928.
    socks_proxy, set_socks_proxy: Option<String> = None;
    /// Sets the user name for the SOCKS proxy, 1 to 255 bytes; without one (or with an empty one) nobody logs in. Default
    /// none, later. RFC 1929.
    socks_username, set_socks_username: Option<String> = None;
    /// Sets the password for the SOCKS proxy, at most 255 bytes. It goes over the network unencrypted. Default empty, later.
    socks_password, set_socks_password: Secret = Secret::default();
    /// Sets additional properties that are announced to peers; names begin with `X-`. Default none, later.
    metadata, set_metadata: Vec<(String, Bytes)> = Vec::new();
    /// Sets the security of network connections. Default [`Security::null`], later.
    security, set_security: Security = Security::null();
    /// Sets the domain that a ZAP handler is told (27/ZAP), at most 255 bytes; a handler may have different rules for each.
    /// With the NULL mechanism a domain is what makes the handler be asked at all. Default empty, later.
    zap_domain, set_zap_domain: String = String::new();
    /// Sets whether nobody is let in where a ZAP handler should be asked and there is none. Default false: then NULL and
    /// CURVE let everybody in. Later.
    zap_enforce_domain, set_zap_enforce_domain: bool = false;
    /// Sets how many accepted connections may shake hands at the same time, per bound endpoint; what comes beyond is closed
    /// at once, and told to the monitor. 0 means no bound. Default 1024 (libzmq: none), later.
    max_handshakes, set_max_handshakes: u32 = 1024;
    /// Sets the spin policy. Default adaptive, live.
    spin, set_spin: Spin = Spin::Adaptive;
    /// Sets who drives input and output. Default adaptive, live.
    driver, set_driver: Driver = Driver::Adaptive;
    /// Sets whether a call that waits returns (with an error that says so) when a signal arrives. Default false: it goes
    /// on waiting, as the standard library's calls do. Live.
    interruptible, set_interruptible: bool = false;
    /// Sets the newest protocol version to speak. Default 3.1, later.
    version_max, set_version_max: Version = Version::V3_1;
}

impl Options {
    /// Adds one property that is announced to peers; its name begins with `X-`.
    pub fn add_metadata(&mut self, name: impl Into<String>, value: impl Into<Bytes>) -> &mut Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Returns where the SOCKS proxy is, if there is one.
    pub(crate) fn socks_address(&self) -> Result<Option<TcpAddress>, OptionError> {
        let Some(proxy) = &self.socks_proxy else { return Ok(None) };
        match Endpoint::parse_connect(&format!("tcp://{proxy}")) {
            Ok(Endpoint::Tcp(address)) => Ok(Some(address)),
            _ => {
                let why = format!("{proxy:?} is not the host:port of a proxy");
                Err(OptionError::Invalid { option: "socks_proxy", why })
            }
        }
    }

    pub(crate) fn check(&self) -> Result<(), OptionError> {
        let invalid = |option, why: String| Err(OptionError::Invalid { option, why });
        if self.routing_id.len() > 255 {
            return invalid("routing_id", format!("{} bytes, at most 255", self.routing_id.len()));
        }
        if self.routing_id.first() == Some(&0) {
            return invalid("routing_id", "begins with octet 0, which is for automatic ids".into());
        }
        if self.heartbeat_ttl > Duration::from_millis(6_553_500) {
            return invalid("heartbeat_ttl", format!("{:?}, at most 6553.5 s", self.heartbeat_ttl));
        }
        if self.zap_domain.len() > 255 {
            return invalid("zap_domain", format!("{} bytes, at most 255", self.zap_domain.len()));
        }
        let mechanism = self.security.mechanism();
        if mechanism != "NULL" && self.version_max < Version::V3_0 {
            let why = format!("{}, but {mechanism} needs at least 3.0", self.version_max);
            return invalid("version_max", why);
        }
        for (name, value) in &self.metadata {
            if !name.starts_with("X-") || name.len() > 255 {
                return invalid(
                    "metadata",
                    format!("name {name:?} must begin with X- and have at most 255 bytes"),
                );
            }
            if value.len() > 16 * 1024 {
                return invalid(
                    "metadata",
                    format!("value of {name} has {} bytes, at most 16384", value.len()),
                );
            }
        }
        if !(1..=255).contains(&self.multicast_hops) {
            return invalid("multicast_hops", format!("{}, must be 1 to 255", self.multicast_hops));
        }
        self.socks_address()?;
        if self.socks_username.as_ref().is_some_and(|name| name.len() > 255) {
            return invalid("socks_username", "it has at most 255 bytes".into());
        }
        if self.socks_password.expose().len() > 255 {
            return invalid("socks_password", "it has at most 255 bytes".into());
        }
        if self.bind_to_device.as_ref().is_some_and(|device| device.len() > 15) {
            return invalid("bind_to_device", "an interface name has at most 15 bytes".into());
        }
        Ok(())
    }
}
