//! What a socket is bound and connected to.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tamtam_zmtp::{Config, Connection, Framing, Heartbeat, PeerId, SocketType, Version, WsRole};

use super::appetite::Appetite;
use super::background::{Command, Timer};
use super::core::Locked;
use super::gate::Gate;
use super::outbox::Outbox;
use super::pattern::{Pattern, is_exclusive, takes_turns};
use super::peer::{Burst, Conn, Home, Link, Net, Peer, Phase, Sealed};
use super::socks::{Login, Socks, SocksError};
use crate::endpoint::{Endpoint, Host, TcpAddress, UdpAddress};
use crate::error::{BindError, ConnectError, EndpointNotFound};
use crate::filter::IpcFilter;
use crate::monitor::EventKind;
use crate::options::Options;
use crate::resolver;
use crate::sys::epoll::Interest;
use crate::sys::socket::{self, IpcListener, Progress, TcpOptions};
use crate::sys::stream;

/// How many connections are accepted before the background thread looks at the rest of the world.
const ACCEPT_TURN: usize = 64;
/// How long accepting pauses when the process has run out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One call of `bind` or `connect`.
pub(crate) enum Attachment {
    Listener(Listener),
    Dialer(Dialer),
    /// An inproc name that is bound.
    Name {
        endpoint: Arc<str>,
    },
    /// An inproc connection.
    Pipe {
        endpoint: Arc<str>,
        peer: PeerId,
    },
    /// A UDP endpoint, bound or connected.
    Datagrams {
        endpoint: Arc<str>,
        /// As the application wrote it.
        given: Arc<str>,
        bound: bool,
        peer: PeerId,
        /// A target that may have to be looked up.
        name: Option<UdpAddress>,
    },
}

/// The descriptor of a listener.
pub(crate) enum ListenerFd {
    Tcp(OwnedFd),
    Ipc(IpcListener),
}

impl AsFd for ListenerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(fd) => fd.as_fd(),
            Self::Ipc(listener) => listener.as_fd(),
        }
    }
}

/// What the connections of a listener or dialer are told.
#[derive(Clone)]
pub(crate) struct Setup {
    config: Arc<Config>,
    /// Who says whether a peer is let in, if anybody does.
    gate: Option<Arc<Gate>>,
}

/// A bound endpoint of a network transport.
pub(crate) struct Listener {
    pub(crate) endpoint: Arc<str>,
    fd: ListenerFd,
    setup: Setup,
    /// Connections that shake hands at the moment, and how many may.
    shaking_hands: u32,
    max_handshakes: u32,
    tcp: TcpOptions,
    options: Arc<Options>,
    /// Its connections begin with the upgrade to a WebSocket.
    ws: bool,
    paused: bool,
    /// When the shortage of descriptors was last told: not more often than once a second.
    complained: Option<Instant>,
}

/// A connected endpoint of a network transport.
pub(crate) struct Dialer {
    pub(crate) endpoint: Arc<str>,
    target: Endpoint,
    /// The SOCKS proxy to go through.
    proxy: Option<TcpAddress>,
    pub(crate) peer: PeerId,
    setup: Setup,
    tcp: TcpOptions,
    pub(crate) options: Arc<Options>,
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// The other end has refused us since the last success.
    pub(crate) rebuffed: bool,
    /// The application has taken it back; it stays for what is still to be sent over it.
    pub(crate) taken_back: bool,
    /// No more attempts, by the `reconnect_stop` options.
    pub(crate) stopped: bool,
}

impl Listener {
    /// Judges by the filters whoever has just connected.
    fn lets_in(&self, fd: BorrowedFd<'_>, is_tcp: bool) -> Result<(), String> {
        if is_tcp {
            let filters = &self.options.tcp_accept_filters;
            if filters.is_empty() {
                return Ok(());
            }
            return match socket::remote_tcp(fd) {
                Ok(remote) if filters.iter().any(|range| range.contains(remote.ip())) => Ok(()),
                Ok(remote) => Err(format!("connections from {} are filtered out", remote.ip())),
                Err(error) => Err(format!("where it comes from cannot be told: {error}")),
            };
        }
        let filters = &self.options.ipc_accept_filters;
        if filters.is_empty() {
            return Ok(());
        }
        let Some((process, user, group)) = stream::peer_credentials(fd) else {
            return Err("whose process it is cannot be told".to_owned());
        };
        let lets_in = |filter: &IpcFilter| match *filter {
            IpcFilter::User(wanted) => wanted == user,
            IpcFilter::Group(wanted) => wanted == group || stream::peer_has_group(fd, wanted),
            IpcFilter::Process(wanted) => wanted == process,
        };
        if filters.iter().any(lets_in) {
            return Ok(());
        }
        Err(format!("process {process} of user {user} is filtered out"))
    }
}

impl Attachment {
    pub(crate) fn endpoint(&self) -> &Arc<str> {
        match self {
            Self::Listener(listener) => &listener.endpoint,
            Self::Dialer(dialer) => &dialer.endpoint,
            Self::Name { endpoint } | Self::Pipe { endpoint, .. } | Self::Datagrams { endpoint, .. } => {
                endpoint
            }
        }
    }

    /// Tells whether the application means this one.
    fn is_called(&self, text: &str) -> bool {
        if matches!(self, Self::Dialer(dialer) if dialer.taken_back) {
            return false;
        }
        &**self.endpoint() == text || matches!(self, Self::Datagrams { given, .. } if &**given == text)
    }
}

/// A byte stream that a peer is to get, standing or being made.
struct Stream {
    fd: OwnedFd,
    setup: Setup,
    /// Our side of the WebSocket, if it is to be one.
    ws: Option<WsRole>,
    remote: String,
    /// Addresses to try when this one fails.
    alternatives: Vec<SocketAddr>,
    socks: Option<Box<Socks>>,
    phase: Phase,
}

impl Dialer {
    /// Begins the conversation with the proxy, if there is one to go through.
    fn socks(&self) -> Option<Result<Socks, SocksError>> {
        let Endpoint::Tcp(target) = &self.target else { return None };
        self.proxy.as_ref()?;
        let username = self.options.socks_username.as_deref().filter(|name| !name.is_empty());
        let login =
            username.map(|username| Login { username, password: self.options.socks_password.expose() });
        Some(Socks::new(&target.host, target.port, login))
    }
}

fn setup(kind: SocketType, options: &Options) -> Setup {
    let mut config = Config::new(kind);
    config.identity = options.routing_id.clone();
    config.metadata.clone_from(&options.metadata);
    config.max_message_size = options.max_message_size;
    config.version_max = options.version_max;
    let interval = options.heartbeat_interval.unwrap_or(Duration::ZERO);
    if !interval.is_zero() || !options.heartbeat_ttl.is_zero() {
        config.heartbeat = Some(Heartbeat {
            interval,
            ttl: options.heartbeat_ttl,
            timeout: options.heartbeat_timeout.unwrap_or(interval),
        });
    }
    config.mechanism.clone_from(&options.security.mechanism);
    let gate = Gate::new(options);
    config.authenticate = gate.is_some();
    Setup { config: Arc::new(config), gate }
}

fn tcp_options(options: &Options) -> TcpOptions {
    TcpOptions {
        ipv6: options.ipv6,
        keepalive: options.tcp_keepalive,
        keepalive_idle: options.tcp_keepalive_idle,
        keepalive_interval: options.tcp_keepalive_interval,
        keepalive_count: options.tcp_keepalive_count,
        send_buffer: options.send_buffer,
        receive_buffer: options.receive_buffer,
        tos: options.tos,
        priority: options.priority,
        bind_to_device: options.bind_to_device.clone(),
        busy_poll: options.busy_poll,
        max_retransmit: options.tcp_max_retransmit,
        backlog: i32::try_from(options.backlog).unwrap_or(i32::MAX),
    }
}

/// The framing in which a queue is filled before the peer's version is known.
fn first_framing(options: &Options) -> Framing {
    if options.version_max == Version::V1_0 { Framing::V1 } else { Framing::V2 }
}

impl Locked<'_> {
    fn new_net(&mut self, framing: Framing, dialed: bool) -> Net {
        let born = self.next_epoch();
        let (conn, burst) = (None, Burst::default());
        Net { outbox: Outbox::default(), framing, conn, dialed, batch_out: false, burst, born }
    }

    pub(crate) fn add_attachment(&mut self, attachment: Attachment) -> u32 {
        let id = self.next_attachment;
        // 28 bits stand in the background thread's tokens.
        self.next_attachment = (id + 1) & 0x0FFF_FFFF;
        self.attachments.insert(id, attachment);
        id
    }

    /// Binds, or takes over what is bound; returns the endpoint with wildcards resolved.
    pub(crate) fn bind(&mut self, text: &str, adopted: Option<OwnedFd>) -> Result<String, BindError> {
        let bound = self.try_bind(text, adopted);
        if let Err(BindError::Io { source, .. }) = &bound {
            let kind = EventKind::BindFailed { error: source.to_string(), code: source.raw_os_error() };
            self.tell(&text.into(), None, kind);
        }
        bound
    }

    fn try_bind(&mut self, text: &str, adopted: Option<OwnedFd>) -> Result<String, BindError> {
        if !self.is_open() {
            return Err(BindError::Closed { endpoint: text.to_owned() });
        }
        let endpoint = Endpoint::parse_bind(text)?;
        let failed = |source| BindError::Io { endpoint: text.to_owned(), source };
        let tcp = tcp_options(&self.options);
        if self.core.kind == SocketType::Dgram && !matches!(endpoint, Endpoint::Udp(_)) {
            return Err(BindError::WrongTransport { endpoint: text.to_owned(), socket_type: self.core.kind });
        }
        let ws = matches!(endpoint, Endpoint::Ws(_));
        if ws && self.core.kind == SocketType::Stream {
            return Err(failed(raw_websocket()));
        }
        let (fd, resolved) = match &endpoint {
            Endpoint::Udp(_) | Endpoint::Inproc(_) if adopted.is_some() => {
                let why = "only listening descriptors of tcp, ws and ipc are taken over";
                return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)));
            }
            Endpoint::Udp(address) => return self.bind_datagrams(text, address),
            Endpoint::Inproc(_) => {
                self.bind_inproc(text)?;
                self.last_endpoint = Some(text.to_owned());
                return Ok(text.to_owned());
            }
            Endpoint::Tcp(address) => {
                let fd = self.listen_tcp(address, adopted, &tcp).map_err(failed)?;
                let resolved = socket::endpoint_text(&socket::local_tcp(fd.as_fd()).map_err(failed)?);
                (ListenerFd::Tcp(fd), resolved)
            }
            Endpoint::Ws(address) => {
                let fd = self.listen_tcp(&address.tcp(), adopted, &tcp).map_err(failed)?;
                let local = socket::local_tcp(fd.as_fd()).map_err(failed)?;
                (ListenerFd::Tcp(fd), format!("ws://{local}{}", address.path))
            }
            Endpoint::Ipc(address) => {
                let listener = match adopted {
                    Some(fd) => socket::adopt_ipc(fd, tcp.backlog),
                    None => socket::listen_ipc(address, tcp.backlog),
                }
                .map_err(failed)?;
                let resolved = listener.address().to_string();
                (ListenerFd::Ipc(listener), resolved)
            }
        };
        let setup = setup(self.core.kind, &self.options);
        let endpoint: Arc<str> = resolved.as_str().into();
        let listener = Listener {
            endpoint: Arc::clone(&endpoint),
            fd,
            setup,
            shaking_hands: 0,
            max_handshakes: self.options.max_handshakes,
            tcp,
            options: Arc::clone(&self.options),
            ws,
            paused: false,
            complained: None,
        };
        let id = self.add_attachment(Attachment::Listener(listener));
        let core = Arc::clone(self.core);
        if let Some(Attachment::Listener(listener)) = self.attachments.get(&id)
            && let Err(error) = core.context.background.watch_listener(&core, id, listener.fd.as_fd())
        {
            self.attachments.remove(&id);
            return Err(failed(error));
        }
        let fd = listener_fd(self.attachments.get(&id));
        self.tell_about(&endpoint, None, fd, EventKind::Listening);
        self.last_endpoint = Some(resolved.clone());
        Ok(resolved)
    }

    fn listen_tcp(
        &self,
        address: &TcpAddress,
        adopted: Option<OwnedFd>,
        tcp: &TcpOptions,
    ) -> io::Result<OwnedFd> {
        if let Some(fd) = adopted {
            return socket::adopt_tcp(fd, tcp.backlog);
        }
        let mut local = resolver::resolve_local(&address.host, self.options.ipv6)?;
        local.set_port(address.port.number());
        socket::listen_tcp(local, tcp)
    }

    /// Begins to connect; `routing_id` is how a ROUTER or STREAM will address the peer.
    pub(crate) fn connect(&mut self, text: &str, routing_id: Option<&[u8]>) -> Result<(), ConnectError> {
        if !self.is_open() {
            return Err(ConnectError::Closed { endpoint: text.to_owned() });
        }
        let target = Endpoint::parse_connect(text)?;
        if let Endpoint::Udp(address) = &target {
            return self.connect_datagrams(text, address);
        }
        if self.core.kind == SocketType::Dgram {
            return Err(ConnectError::WrongTransport {
                endpoint: text.to_owned(),
                socket_type: self.core.kind,
            });
        }
        if is_exclusive(self.core.kind) && self.iter_peers().any(Peer::takes_the_place) {
            return Err(ConnectError::Occupied { endpoint: text.to_owned() });
        }
        if let Endpoint::Inproc(_) = &target {
            return self.connect_inproc(text, routing_id).map(|_| ());
        }
        let kind = self.core.kind;
        if kind == SocketType::Stream && matches!(target, Endpoint::Ws(_)) {
            let source = raw_websocket();
            return Err(ConnectError::Io { endpoint: text.to_owned(), source });
        }
        // A second connection to the same place would only double what these types get.
        let once = matches!(kind, SocketType::Dealer | SocketType::Sub | SocketType::Pub | SocketType::Req);
        if once
            && self
                .attachments
                .values()
                .any(|known| matches!(known, Attachment::Dialer(_)) && known.is_called(text))
        {
            return Ok(());
        }
        let endpoint: Arc<str> = text.into();
        let options = Arc::clone(&self.options);
        // What does not parse was refused when the option was set.
        let proxy = options.socks_address().ok().flatten().filter(|_| matches!(target, Endpoint::Tcp(_)));
        let framing = match target {
            Endpoint::Ws(_) => Framing::V2,
            _ => first_framing(&options),
        };
        let net = self.new_net(framing, true);
        let peer = self.add_peer(Arc::clone(&endpoint), 0, Link::Net(net));
        if let Some(id) = routing_id
            && let Pattern::Route(identities) = &mut self.pattern
            && !identities.force(peer, id)
        {
            self.remove_peer(peer);
            return Err(ConnectError::RoutingIdInUse { endpoint: text.to_owned() });
        }
        let id = self.add_attachment(Attachment::Dialer(Dialer {
            endpoint,
            target,
            proxy,
            peer,
            setup: setup(kind, &options),
            tcp: tcp_options(&options),
            options: Arc::clone(&options),
            failures: 0,
            rebuffed: false,
            taken_back: false,
            stopped: false,
        }));
        if let Some(peer) = self.peer_mut(peer) {
            peer.attachment = id;
        }
        // Without `immediate`, messages may be queued before there is a connection.
        if !options.immediate {
            if takes_turns(kind) {
                self.send_turn.add(peer);
                self.send_turn.activate(peer);
                self.wake();
            }
            if routing_id.is_some()
                && let Some(peer) = self.peer_mut(peer)
            {
                peer.attached = kind != SocketType::Stream;
                peer.addressed = true;
            }
            let state = &mut **self;
            if let Pattern::Serve(ids) = &mut state.pattern {
                ids.assign(peer);
                if let Some(peer) = state.peer_mut(peer) {
                    peer.attached = true;
                }
            }
        }
        self.last_endpoint = Some(text.to_owned());
        let core = Arc::clone(self.core);
        if let Err(source) = core.context.background.start(&core) {
            self.remove_peer(peer);
            return Err(ConnectError::Io { endpoint: text.to_owned(), source });
        }
        self.submit(Command::Dial { socket: core.id, attachment: id });
        Ok(())
    }

    /// Stops listening there, and ends the connections accepted there.
    pub(crate) fn unbind(&mut self, text: &str) -> Result<(), EndpointNotFound> {
        self.detach_endpoint(text, false, |attachment| {
            matches!(
                attachment,
                Attachment::Listener(_) | Attachment::Name { .. } | Attachment::Datagrams { bound: true, .. }
            )
        })
    }

    /// Ends a connection made by `connect`.
    ///
    /// With `discard`, what was received over it and not taken yet goes too.
    pub(crate) fn disconnect_endpoint(&mut self, text: &str, discard: bool) -> Result<(), EndpointNotFound> {
        self.detach_endpoint(text, discard, |attachment| {
            matches!(
                attachment,
                Attachment::Dialer(_) | Attachment::Pipe { .. } | Attachment::Datagrams { bound: false, .. }
            )
        })?;
        // See `reconnect_stop_after_disconnect`.
        self.has_disconnected = true;
        Ok(())
    }

    fn detach_endpoint(
        &mut self,
        text: &str,
        discard: bool,
        wanted: impl Fn(&Attachment) -> bool,
    ) -> Result<(), EndpointNotFound> {
        let found: Vec<u32> = self
            .attachments
            .iter()
            .filter(|(_, attachment)| attachment.is_called(text) && wanted(attachment))
            .map(|(&id, _)| id)
            .collect();
        if found.is_empty() {
            return Err(EndpointNotFound { endpoint: text.to_owned() });
        }
        for id in found {
            self.close_attachment(id, discard);
        }
        Ok(())
    }

    /// Takes an attachment away, with the peers that belong to it. What is queued for them lingers.
    pub(crate) fn close_attachment(&mut self, id: u32, discard: bool) {
        self.flush_left();
        let Some(attachment) = self.attachments.remove(&id) else { return };
        let endpoint = Arc::clone(attachment.endpoint());
        if let Attachment::Listener(listener) = &attachment {
            self.core.context.background.unwatch(listener.fd.as_fd());
        }
        if let Attachment::Name { endpoint } = &attachment {
            self.core.context.release_name(endpoint, self.core.id);
        }
        let peers: Vec<PeerId> = match &attachment {
            Attachment::Dialer(dialer) => vec![dialer.peer],
            Attachment::Pipe { peer, .. } | Attachment::Datagrams { peer, .. } => vec![*peer],
            Attachment::Listener(_) => self
                .iter_peers()
                .filter(|peer| peer.attachment == id && matches!(&peer.link, Link::Net(net) if !net.dialed))
                .map(|peer| peer.id)
                .collect(),
            // As with libzmq, pipes made through an inproc name outlive its unbinding.
            Attachment::Name { .. } => Vec::new(),
        };
        let mut attachment = Some(attachment);
        for peer in peers {
            let reason = "the endpoint was closed by the application";
            if self.has_to_linger(peer) {
                if let Some(Attachment::Dialer(dialer)) = &mut attachment {
                    // It knows where to connect to (again) for what is still to be sent.
                    dialer.taken_back = true;
                    self.attachments.extend(attachment.take().map(|dialer| (id, dialer)));
                }
                self.take_leave(peer, reason);
            } else {
                // No attachment any more, so this does not redial.
                self.disconnect(peer, reason);
            }
            if discard && let Some(known) = self.peer_mut(peer) {
                let lost = std::mem::take(&mut known.inbox).len() as u64;
                known.traffic.dropped.disconnected += lost;
                if !known.leaving || matches!(known.link, Link::Gone) {
                    self.remove_peer(peer);
                }
            }
        }
        let fd = listener_fd(attachment.as_ref());
        self.tell_about(&endpoint, None, fd, EventKind::Closed);
    }

    /// The peer is gone for good: so is the connection that it stood for.
    pub(crate) fn forget_attachment_of(&mut self, peer: &Peer) {
        let stands_for = match self.attachments.get(&peer.attachment) {
            Some(Attachment::Dialer(dialer)) => dialer.peer == peer.id,
            Some(Attachment::Pipe { peer: id, .. } | Attachment::Datagrams { peer: id, .. }) => {
                *id == peer.id
            }
            _ => false,
        };
        if stands_for {
            self.attachments.remove(&peer.attachment);
        }
    }

    /// Stops listening everywhere: part of closing.
    pub(crate) fn close_listeners(&mut self) {
        let listeners: Vec<u32> = self
            .attachments
            .iter()
            .filter(|(_, attachment)| matches!(attachment, Attachment::Listener(_) | Attachment::Name { .. }))
            .map(|(&id, _)| id)
            .collect();
        for id in listeners {
            let Some(attachment) = self.attachments.remove(&id) else { continue };
            match &attachment {
                Attachment::Listener(listener) => self.core.context.background.unwatch(listener.fd.as_fd()),
                Attachment::Name { endpoint } => self.core.context.release_name(endpoint, self.core.id),
                _ => {}
            }
            let fd = listener_fd(Some(&attachment));
            self.tell_about(attachment.endpoint(), None, fd, EventKind::Closed);
        }
    }

    /// Accepts what waits at a listener. Runs on the background thread.
    pub(crate) fn accept(&mut self, id: u32) {
        for _ in 0..ACCEPT_TURN {
            let Some(Attachment::Listener(listener)) = self.attachments.get_mut(&id) else { return };
            if listener.paused {
                return;
            }
            let is_tcp = matches!(listener.fd, ListenerFd::Tcp(_));
            match socket::accept(listener.fd.as_fd()) {
                Ok(fd) => {
                    let endpoint = Arc::clone(&listener.endpoint);
                    if let Err(reason) = listener.lets_in(fd.as_fd(), is_tcp) {
                        self.tell(&endpoint, None, EventKind::Refused { reason });
                        continue;
                    }
                    if let Err(error) = socket::configure_accepted(fd.as_fd(), is_tcp, &listener.tcp) {
                        self.tell(&endpoint, None, EventKind::AcceptFailed { error: error.to_string() });
                        continue;
                    }
                    let remote = if is_tcp {
                        socket::remote_tcp(fd.as_fd())
                            .map(|address| socket::endpoint_text(&address))
                            .unwrap_or_default()
                    } else {
                        stream::peer_credentials(fd.as_fd())
                            .map(|(pid, ..)| format!("pid {pid}"))
                            .unwrap_or_default()
                    };
                    if listener.max_handshakes > 0 && listener.shaking_hands >= listener.max_handshakes {
                        // Whoever comes again later may find room: those who only hold places lose them in time.
                        let reason =
                            format!("{remote}: {} others are shaking hands already", listener.shaking_hands);
                        self.tell(&endpoint, None, EventKind::Refused { reason });
                        continue;
                    }
                    listener.shaking_hands += 1;
                    let setup = listener.setup.clone();
                    let ws = listener.ws.then_some(WsRole::Server);
                    let stream = Stream {
                        fd,
                        setup,
                        ws,
                        remote,
                        alternatives: Vec::new(),
                        socks: None,
                        phase: Phase::Handshaking,
                    };
                    self.accepted(id, endpoint, stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // Out of descriptors or memory: the listener stays readable, so it is not watched for a while.
                    let now = Instant::now();
                    listener.paused = true;
                    let tell =
                        listener.complained.is_none_or(|at| now.duration_since(at) > Duration::from_secs(1));
                    if tell {
                        listener.complained = Some(now);
                    }
                    let endpoint = Arc::clone(&listener.endpoint);
                    self.core.context.background.arm_listener(
                        self.core.id,
                        id,
                        listener_fd(self.attachments.get(&id)),
                        false,
                    );
                    if tell {
                        self.tell(&endpoint, None, EventKind::AcceptFailed { error: error.to_string() });
                    }
                    self.set_timer(now + ACCEPT_PAUSE, Timer::Accept { attachment: id });
                    return;
                }
            }
        }
    }

    pub(crate) fn resume_accepting(&mut self, id: u32) {
        if let Some(Attachment::Listener(listener)) = self.attachments.get_mut(&id) {
            listener.paused = false;
            self.core.context.background.arm_listener(
                self.core.id,
                id,
                listener_fd(self.attachments.get(&id)),
                true,
            );
        }
    }

    fn accepted(&mut self, attachment: u32, endpoint: Arc<str>, stream: Stream) {
        let framing = if stream.ws.is_some() { Framing::V2 } else { first_framing(&self.options) };
        let net = self.new_net(framing, false);
        let id = self.add_peer(Arc::clone(&endpoint), attachment, Link::Net(net));
        self.tell_about(&endpoint, Some(id), Some(stream.fd.as_fd()), EventKind::Accepted);
        self.adopt(id, stream);
    }

    /// A connection that was accepted there shakes hands no longer.
    pub(crate) fn handshake_over(&mut self, attachment: u32) {
        if let Some(Attachment::Listener(listener)) = self.attachments.get_mut(&attachment) {
            listener.shaking_hands = listener.shaking_hands.saturating_sub(1);
        }
    }

    /// Gives a peer its connection and has it watched.
    fn adopt(&mut self, id: PeerId, stream: Stream) {
        let Stream { fd, setup, ws, remote, alternatives, socks, phase } = stream;
        let core = Arc::clone(self.core);
        let epoch = self.next_epoch();
        let interest = if phase == Phase::Connecting { Interest::WRITE } else { Interest::READ };
        let fd = Arc::new(fd);
        let protocol = (core.kind != SocketType::Stream).then(|| match &ws {
            None => Connection::new(setup.config),
            Some(role) => Connection::websocket(setup.config, role),
        });
        let conn = Conn {
            fd: Arc::clone(&fd),
            phase: Phase::Connecting,
            protocol,
            input: BytesMut::new(),
            control: Vec::new(),
            gate: setup.gate,
            asking: false,
            seals: false,
            sealed: Sealed::default(),
            home: Home::Background,
            interest,
            writing: false,
            blocked: false,
            hangup: false,
            finishing: false,
            heartbeat_at: None,
            appetite: Appetite::default(),
            remote,
            epoch,
            socks,
            alternatives,
        };
        let Some(net) = self.peer_mut(id).and_then(Peer::net_mut) else { return };
        net.conn = Some(conn);
        if let Err(error) = core.context.background.watch_connection(core.id, id, fd.as_fd(), interest) {
            if let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) {
                conn.home = Home::Nowhere;
            }
            self.connect_failed(id, &error.to_string());
            return;
        }
        if phase != Phase::Connecting {
            self.connected(id);
        }
    }

    /// Makes one attempt to connect. Runs on the background thread.
    pub(crate) fn dial(&mut self, attachment: u32) {
        let Some(Attachment::Dialer(dialer)) = self.attachments.get(&attachment) else {
            self.dial_datagrams(attachment);
            return;
        };
        let (peer, endpoint) = (dialer.peer, Arc::clone(&dialer.endpoint));
        if self.peer(peer).is_none_or(|peer| peer.conn().is_some() || matches!(peer.link, Link::Gone)) {
            return;
        }
        self.tell(&endpoint, Some(peer), EventKind::ConnectDelayed);
        let Some(Attachment::Dialer(dialer)) = self.attachments.get(&attachment) else { return };
        match &dialer.target {
            Endpoint::Ipc(address) => {
                let address = address.clone();
                let setup = dialer.setup.clone();
                match socket::connect_ipc(&address) {
                    Ok((fd, progress)) => {
                        let phase = match progress {
                            Progress::Done => Phase::Handshaking,
                            Progress::InProgress => Phase::Connecting,
                        };
                        let remote = address.to_string();
                        let stream = Stream {
                            fd,
                            setup,
                            ws: None,
                            remote,
                            alternatives: Vec::new(),
                            socks: None,
                            phase,
                        };
                        self.adopt(peer, stream);
                    }
                    Err(error) => {
                        self.refused(peer, &error);
                        self.connect_failed(peer, &error.to_string());
                    }
                }
            }
            Endpoint::Tcp(address) => {
                let address = dialer.proxy.as_ref().unwrap_or(address).clone();
                self.dial_tcp(attachment, peer, &address);
            }
            Endpoint::Ws(address) => {
                let address = address.tcp();
                self.dial_tcp(attachment, peer, &address);
            }
            Endpoint::Inproc(_) | Endpoint::Udp(_) => {}
        }
    }

    fn dial_tcp(&mut self, attachment: u32, peer: PeerId, address: &TcpAddress) {
        let ipv6 = self.options.ipv6;
        match resolver::resolve_literal(&address.host, address.port, ipv6) {
            Ok(Some(address)) => self.dial_addresses(peer, vec![address]),
            Ok(None) => {
                let Host::Name(name) = &address.host else { return };
                let weak = Arc::downgrade(self.core);
                // Names are looked up elsewhere: a slow name server holds up nobody but this connection.
                let started = self.core.context.resolver.resolve(
                    name.clone(),
                    address.port.number(),
                    ipv6,
                    Box::new(move |result| {
                        if let Some(core) = weak.upgrade() {
                            let command = Command::Resolved { socket: core.id, attachment, result };
                            core.context.background.submit(vec![command]);
                        }
                    }),
                );
                if started.is_err() {
                    self.connect_failed(peer, "too many names are being looked up");
                }
            }
            Err(error) => self.connect_failed(peer, &error.to_string()),
        }
    }

    /// The name of a dialer has been looked up.
    pub(crate) fn resolved(&mut self, attachment: u32, result: io::Result<Vec<SocketAddr>>) {
        let Some(Attachment::Dialer(dialer)) = self.attachments.get(&attachment) else {
            self.datagrams_resolved(attachment, result);
            return;
        };
        let peer = dialer.peer;
        if self.peer(peer).is_none_or(|peer| peer.conn().is_some()) {
            return;
        }
        match result {
            Ok(addresses) if !addresses.is_empty() => self.dial_addresses(peer, addresses),
            Ok(_) => self.connect_failed(peer, "the name has no address"),
            Err(error) => self.connect_failed(peer, &format!("cannot look up the name: {error}")),
        }
    }

    /// Tries addresses in turn.
    pub(crate) fn dial_addresses(&mut self, peer: PeerId, mut addresses: Vec<SocketAddr>) {
        loop {
            if addresses.is_empty() {
                return;
            }
            let address = addresses.remove(0);
            let Some(attachment) = self.peer(peer).map(|peer| peer.attachment) else { return };
            let Some(Attachment::Dialer(dialer)) = self.attachments.get(&attachment) else { return };
            let near = match (&dialer.proxy, &dialer.target) {
                (Some(near), _) | (None, Endpoint::Tcp(near)) => Some(near),
                _ => None,
            };
            let source = near
                .and_then(|near| near.source.as_ref())
                .map(|source| resolver::resolve_source(source, address));
            let socks = match dialer.socks().transpose() {
                Ok(socks) => socks.map(Box::new),
                Err(error) => {
                    self.connect_failed(peer, &error.to_string());
                    return;
                }
            };
            let ws = match &dialer.target {
                Endpoint::Ws(address) => {
                    Some(WsRole::Client { host: address.host_field(), path: address.path.clone() })
                }
                _ => None,
            };
            let timeout = dialer.options.connect_timeout;
            let setup = dialer.setup.clone();
            let attempt =
                source.transpose().and_then(|source| socket::connect_tcp(address, source, &dialer.tcp));
            match attempt {
                Ok((fd, _)) => {
                    // Even a connection that stands at once is confirmed through its first readiness.
                    let stream = Stream {
                        fd,
                        setup,
                        ws,
                        remote: socket::endpoint_text(&address),
                        alternatives: addresses,
                        socks,
                        phase: Phase::Connecting,
                    };
                    self.adopt(peer, stream);
                    if let (Some(timeout), Some(conn)) = (timeout, self.peer(peer).and_then(Peer::conn)) {
                        let epoch = conn.epoch;
                        self.set_timer(Instant::now() + timeout, Timer::Connect { peer, epoch });
                    }
                    return;
                }
                Err(error) if addresses.is_empty() => {
                    self.refused(peer, &error);
                    self.connect_failed(peer, &error.to_string());
                    return;
                }
                Err(_) => {}
            }
        }
    }
}

fn raw_websocket() -> io::Error {
    let why = "a STREAM socket has raw bytes and no WebSocket; use a tcp endpoint";
    io::Error::new(io::ErrorKind::Unsupported, why)
}

fn listener_fd(attachment: Option<&Attachment>) -> Option<BorrowedFd<'_>> {
    match attachment {
        Some(Attachment::Listener(listener)) => Some(listener.fd.as_fd()),
        _ => None,
    }
}

// The tokens of the background thread have room for this many peers and sockets.
const _: () = assert!(size_of::<PeerId>() == 4);
