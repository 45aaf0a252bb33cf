//! UDP: one descriptor per endpoint, datagrams as messages. RADIO sends them, DISH receives them, DGRAM does both.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use tamtam_zmtp::{Frame, Message, PeerId, SocketType};

use super::attachment::Attachment;
use super::background::{Command, Timer};
use super::core::Locked;
use super::pattern::Pattern;
use super::peer::{Link, Peer};
use crate::endpoint::{Host, UdpAddress};
use crate::error::{BindError, ConnectError, SendError};
use crate::monitor::EventKind;
use crate::options::Options;
use crate::resolver;
use crate::sys::epoll::Interest;
use crate::sys::udp::{self, DATAGRAM_MAX, Multicast, UdpOptions};

/// How many datagrams are read at a time before the rest of the world is looked at.
const READ_TURN: usize = 64;

/// A UDP socket.
#[derive(Debug)]
pub(crate) struct Datagrams {
    /// None as long as the name of the target is being looked up.
    fd: Option<OwnedFd>,
    /// RADIO: where everything goes.
    target: Option<SocketAddr>,
    /// What is watched for; nothing at a RADIO, to which nobody answers.
    interest: Interest,
}

impl Datagrams {
    pub(crate) fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    pub(crate) fn target(&self) -> Option<SocketAddr> {
        self.target
    }
}

fn udp_options(options: &Options) -> UdpOptions {
    UdpOptions {
        ipv6: options.ipv6,
        multicast_hops: options.multicast_hops,
        multicast_loop: options.multicast_loop,
        bind_to_device: options.bind_to_device.clone(),
        send_buffer: options.send_buffer,
        receive_buffer: options.receive_buffer,
        tos: options.tos,
        priority: options.priority,
    }
}

/// Returns the group and the interface of a multicast address; `None` for an address of one host.
fn multicast(address: SocketAddr, interface: Option<&Host>) -> io::Result<Option<Multicast>> {
    let invalid = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    match address {
        SocketAddr::V4(address) if address.ip().is_multicast() => {
            let interface = match interface {
                None => std::net::Ipv4Addr::UNSPECIFIED,
                Some(host) => match resolver::resolve_local(host, false)?.ip() {
                    std::net::IpAddr::V4(interface) => interface,
                    std::net::IpAddr::V6(_) => {
                        return invalid("an IPv4 group needs an interface with an IPv4 address");
                    }
                },
            };
            Ok(Some(Multicast::V4 { group: *address.ip(), interface }))
        }
        SocketAddr::V6(address) if address.ip().is_multicast() => {
            let interface = match interface {
                None | Some(Host::Any) => address.scope_id(),
                Some(Host::Name(name)) => crate::sys::interface::index(name)?,
                Some(_) => {
                    return invalid(
                        "an IPv6 group needs its interface by name, as in udp://eth0;[ff02::1]:5555",
                    );
                }
            };
            Ok(Some(Multicast::V6 { group: *address.ip(), interface }))
        }
        _ if interface.is_some() => invalid("an interface is given, and the address is not one of multicast"),
        _ => Ok(None),
    }
}

impl Locked<'_> {
    /// DISH, DGRAM: begins to receive.
    pub(crate) fn bind_datagrams(&mut self, text: &str, address: &UdpAddress) -> Result<String, BindError> {
        let kind = self.core.kind;
        if !matches!(kind, SocketType::Dish | SocketType::Dgram) {
            return Err(BindError::WrongTransport { endpoint: text.to_owned(), socket_type: kind });
        }
        let failed = |source| BindError::Io { endpoint: text.to_owned(), source };
        let options = Arc::clone(&self.options);
        let mut local = resolver::resolve_local(&address.host, options.ipv6).map_err(failed)?;
        local.set_port(address.port.number());
        let multicast = multicast(local, address.interface.as_ref()).map_err(failed)?;
        let fd = udp::bind_udp(local, multicast.as_ref(), &udp_options(&options)).map_err(failed)?;
        let port = udp::local_udp(fd.as_fd()).map_err(failed)?.port();
        local.set_port(port);
        let resolved = match &address.interface {
            Some(interface) => format!("udp://{interface};{local}"),
            None => format!("udp://{local}"),
        };
        let set = self.ready_set().map_err(failed)?;
        let endpoint: Arc<str> = resolved.as_str().into();
        let datagrams = Datagrams { fd: None, target: None, interest: Interest::READ };
        let id = self.add_datagrams(&endpoint, text, true, datagrams, None);
        if let Err(error) = set.epoll.add(fd.as_fd(), u64::from(id.0), Interest::READ) {
            self.remove_peer(id);
            return Err(failed(error));
        }
        if let Some(Link::Datagrams(datagrams)) = self.peer_mut(id).map(|peer| &mut peer.link) {
            datagrams.fd = Some(fd);
        }
        self.net_peers.push(id);
        self.recv_turn.add(id);
        self.tell(&endpoint, None, EventKind::Listening);
        self.last_endpoint = Some(resolved.clone());
        self.wake();
        Ok(resolved)
    }

    /// RADIO: everything that is sent goes there from now on.
    pub(crate) fn connect_datagrams(&mut self, text: &str, address: &UdpAddress) -> Result<(), ConnectError> {
        let kind = self.core.kind;
        if kind != SocketType::Radio {
            return Err(ConnectError::WrongTransport { endpoint: text.to_owned(), socket_type: kind });
        }
        let failed = |source| ConnectError::Io { endpoint: text.to_owned(), source };
        let options = Arc::clone(&self.options);
        let known = resolver::resolve_literal(&address.host, address.port, options.ipv6).map_err(failed)?;
        let endpoint: Arc<str> = text.into();
        let mut datagrams = Datagrams { fd: None, target: None, interest: Interest::NONE };
        if let Some(target) = known {
            datagrams = aimed(target, address, &options).map_err(failed)?;
        } else {
            let core = Arc::clone(self.core);
            core.context.background.start(&core).map_err(failed)?;
        }
        let id = self.add_datagrams(&endpoint, text, false, datagrams, Some(address.clone()));
        if let Pattern::Publish(publishing) = &mut self.pattern {
            publishing.datagrams.push(id);
        }
        self.last_endpoint = Some(text.to_owned());
        if known.is_some() {
            self.tell(&endpoint, Some(id), EventKind::Connected);
        } else if let Some(attachment) = self.peer(id).map(|peer| peer.attachment) {
            let socket = self.core.id;
            self.submit(Command::Dial { socket, attachment });
        }
        self.wake();
        Ok(())
    }

    fn add_datagrams(
        &mut self,
        endpoint: &Arc<str>,
        given: &str,
        bound: bool,
        datagrams: Datagrams,
        name: Option<UdpAddress>,
    ) -> PeerId {
        let peer = self.add_peer(Arc::clone(endpoint), 0, Link::Datagrams(Box::new(datagrams)));
        let (endpoint, given) = (Arc::clone(endpoint), given.into());
        let attachment = self.add_attachment(Attachment::Datagrams { endpoint, given, bound, peer, name });
        if let Some(peer) = self.peer_mut(peer) {
            peer.attachment = attachment;
            peer.attached = true;
            peer.since = Some(Instant::now());
        }
        peer
    }

    /// Looks up the name of a target. Runs on the background thread.
    pub(crate) fn dial_datagrams(&mut self, attachment: u32) {
        let Some(Attachment::Datagrams { endpoint, peer, name: Some(address), .. }) =
            self.attachments.get(&attachment)
        else {
            return;
        };
        let (endpoint, peer, port) = (Arc::clone(endpoint), *peer, address.port.number());
        let Host::Name(name) = address.host.clone() else { return };
        let ipv6 = self.options.ipv6;
        self.tell(&endpoint, Some(peer), EventKind::ConnectDelayed);
        let weak = Arc::downgrade(self.core);
        let started = self.core.context.resolver.resolve(
            name,
            port,
            ipv6,
            Box::new(move |result| {
                if let Some(core) = weak.upgrade() {
                    let command = Command::Resolved { socket: core.id, attachment, result };
                    core.context.background.submit(vec![command]);
                }
            }),
        );
        if started.is_err() {
            self.look_up_later(attachment, "too many names are being looked up");
        }
    }

    /// The name of a target was looked up.
    pub(crate) fn datagrams_resolved(&mut self, attachment: u32, result: io::Result<Vec<SocketAddr>>) {
        let Some(Attachment::Datagrams { endpoint, peer, name: Some(address), .. }) =
            self.attachments.get(&attachment)
        else {
            return;
        };
        let (endpoint, peer) = (Arc::clone(endpoint), *peer);
        let aimed = result.and_then(|addresses| match addresses.first() {
            Some(target) => aimed(*target, address, &self.options),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        });
        match aimed {
            Ok(aimed) => {
                if let Some(peer) = self.peer_mut(peer) {
                    peer.link = Link::Datagrams(Box::new(aimed));
                }
                self.tell(&endpoint, Some(peer), EventKind::Connected);
                self.wake();
            }
            Err(error) => self.look_up_later(attachment, &error.to_string()),
        }
    }

    fn look_up_later(&mut self, attachment: u32, reason: &str) {
        let Some(Attachment::Datagrams { endpoint, peer, .. }) = self.attachments.get(&attachment) else {
            return;
        };
        let (endpoint, peer) = (Arc::clone(endpoint), *peer);
        let Some(after) = self.options.reconnect_interval_max.or(self.options.reconnect_interval) else {
            return;
        };
        self.tell(&endpoint, Some(peer), EventKind::ConnectRetried { after, reason: reason.to_owned() });
        self.set_timer(Instant::now() + after, Timer::Redial { attachment });
    }

    /// RADIO: one datagram to each UDP endpoint. What the kernel does not take is dropped and counted.
    pub(crate) fn broadcast_datagram(&mut self, message: &Message) {
        let state = &mut **self;
        let Pattern::Publish(publishing) = &state.pattern else { return };
        let group = message.as_slice();
        let (Ok(group_len), Some(body)) = (u8::try_from(group.len()), message.get(1)) else { return };
        let len = 1 + group.len() + body.len();
        let mut buffer = state.pool.take();
        if len <= DATAGRAM_MAX {
            buffer.push(group_len);
            buffer.extend_from_slice(group);
            buffer.extend_from_slice(body);
        }
        for id in &publishing.datagrams {
            let Some(Some(peer)) = state.peers.get_mut(id.index()) else { continue };
            let Link::Datagrams(datagrams) = &peer.link else { continue };
            let (Some(fd), Some(target)) = (&datagrams.fd, datagrams.target) else {
                // Its name is being looked up.
                peer.traffic.dropped.unroutable += 1;
                continue;
            };
            if len > DATAGRAM_MAX {
                peer.traffic.dropped.malformed += 1;
                continue;
            }
            let sent = udp::send_to(fd.as_fd(), &buffer, target);
            count_sent(peer, message.byte_len() as u64, sent);
        }
        state.pool.give(buffer);
    }

    /// DGRAM: the first frame is the address, the second the datagram.
    pub(crate) fn send_datagram(&mut self, message: Message) -> Result<(), SendError> {
        let (2, Some(body)) = (message.frame_count(), message.get(1)) else {
            return Err(SendError::Malformed(message));
        };
        if body.len() > DATAGRAM_MAX {
            return Err(SendError::Malformed(message));
        }
        let mut is_bound = false;
        let target = address(message.as_slice());
        let state = &mut **self;
        for peer in state.peers.iter_mut().flatten() {
            let Link::Datagrams(datagrams) = &peer.link else { continue };
            is_bound = true;
            let Some((fd, target)) = datagrams.fd.as_ref().zip(target) else { continue };
            if !udp::reaches(fd.as_fd(), target) {
                continue;
            }
            let sent = udp::send_to(fd.as_fd(), body, target);
            count_sent(peer, message.byte_len() as u64, sent);
            return Ok(());
        }
        if is_bound { Err(SendError::Unroutable(message)) } else { Err(SendError::Full(message)) }
    }

    /// Reads what datagrams have arrived, up to the receive mark; returns whether there were any.
    pub(crate) fn read_datagrams(&mut self, id: PeerId) -> bool {
        let kind = self.core.kind;
        let state = &mut **self;
        let marks = state.receive_marks;
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return false };
        let Link::Datagrams(datagrams) = &peer.link else { return false };
        let Some(fd) = &datagrams.fd else { return false };
        // One more than there may be, to tell those that are too long.
        let mut buffer = [0; DATAGRAM_MAX + 1];
        let mut any = false;
        for _ in 0..READ_TURN {
            if !peer.inbox.has_room(marks) {
                break;
            }
            let (datagram, source) = match udp::receive_from(fd.as_fd(), &mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::debug!(peer = id.0, %error, "cannot receive a datagram");
                    break;
                }
            };
            any = true;
            let message = match &state.pattern {
                _ if datagram.len() > DATAGRAM_MAX => None,
                Pattern::Join(groups) => match taken_apart(datagram) {
                    Some((group, _)) if !groups.contains(group) => {
                        peer.traffic.dropped.filtered += 1;
                        continue;
                    }
                    Some((group, body)) => Message::from_frames([group, body]),
                    None => None,
                },
                _ if kind == SocketType::Dgram => {
                    let source = source.map(|source| source.to_string()).unwrap_or_default();
                    Message::from_frames([Frame::from(source), Frame::from(datagram)])
                }
                _ => None,
            };
            match message {
                Some(message) => peer.inbox.push_back(message),
                None => peer.traffic.dropped.malformed += 1,
            }
        }
        let has_messages = !peer.inbox.is_empty();
        if has_messages && self.recv_turn.contains(id) {
            self.recv_turn.activate(id);
        }
        self.update_datagrams_interest(id);
        any
    }

    /// At the receive mark datagrams are left to the kernel, which drops them when its buffer is full.
    pub(crate) fn update_datagrams_interest(&mut self, id: PeerId) {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return };
        let paused = !peer.inbox.has_room(state.receive_marks);
        let Link::Datagrams(datagrams) = &mut peer.link else { return };
        let wanted = if paused { Interest::NONE } else { Interest::READ };
        if datagrams.target.is_some() || datagrams.interest == wanted {
            return;
        }
        let (Some(fd), Some(set)) = (&datagrams.fd, &state.set) else { return };
        match set.epoll.modify(fd.as_fd(), u64::from(id.0), wanted) {
            Ok(()) => datagrams.interest = wanted,
            Err(error) => tracing::warn!(peer = id.0, %error, "cannot change what is watched"),
        }
    }
}

/// Makes the socket of a RADIO that sends to this target.
fn aimed(target: SocketAddr, address: &UdpAddress, options: &Options) -> io::Result<Datagrams> {
    let multicast = multicast(target, address.interface.as_ref())?;
    let fd = udp::open_udp(target, multicast.as_ref(), &udp_options(options))?;
    Ok(Datagrams { fd: Some(fd), target: Some(target), interest: Interest::NONE })
}

fn count_sent(peer: &mut Peer, bytes: u64, sent: io::Result<()>) {
    match sent {
        Ok(()) => {
            peer.traffic.messages_out += 1;
            peer.traffic.bytes_out += bytes;
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => peer.traffic.dropped.full += 1,
        Err(error) => {
            tracing::debug!(peer = peer.id.0, %error, "cannot send a datagram");
            peer.traffic.dropped.unroutable += 1;
        }
    }
}

/// Splits a datagram of RADIO into group and body.
fn taken_apart(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = datagram.split_first()?;
    rest.split_at_checked(usize::from(len))
}

/// Reads the address of a datagram: `192.0.2.1:5555`, `[2001:db8::1]:5555`. A zero octet may end it, as in C.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    let address: SocketAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    (address.port() != 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn datagrams_are_a_group_with_its_length_and_a_body() {
        assert_eq!(taken_apart(b""), None);
        assert_eq!(taken_apart(b"\x00"), Some((&b""[..], &b""[..])));
        assert_eq!(taken_apart(b"\x02TVbody"), Some((&b"TV"[..], &b"body"[..])));
        assert_eq!(taken_apart(b"\x03TV"), None);
        assert_eq!(taken_apart(b"\xffTV"), None);
    }

    #[test]
    fn addresses_are_numbers() {
        let found = |text: &[u8]| address(text).map(|address| address.to_string());
        assert_eq!(found(b"127.0.0.1:5556").as_deref(), Some("127.0.0.1:5556"));
        assert_eq!(found(b"127.0.0.1:5556\0").as_deref(), Some("127.0.0.1:5556"));
        assert_eq!(found(b"[::1]:1").as_deref(), Some("[::1]:1"));
        for bad in
            [&b""[..], b"127.0.0.1", b"127.0.0.1:0", b"localhost:1", b"::1:5", b"1.2.3.4:99999", b"\xff:1"]
        {
            assert_eq!(address(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_taken_apart_or_refused(datagram in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Some((group, body)) = taken_apart(&datagram) {
                let len = u8::try_from(group.len()).unwrap();
                prop_assert_eq!([&[len][..], group, body].concat(), datagram);
            }
        }
    }
}
