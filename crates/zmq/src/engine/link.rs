//! The life of a peer: from its connection over the handshake into the pattern, and out again.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tamtam_zmtp::{Assigned, Connection, Event, Frame, Framing, Message, PeerId, PeerInfo, SocketType};

use super::background::{Command, Timer};
use super::core::{Life, Locked};
use super::gate::Asker;
use super::large_buffers::REST;
use super::pattern::{Pattern, is_exclusive, takes_turns};
use super::peer::{Home, Item, Left, Link, Peer, Phase};
use crate::monitor::{EventKind, HandshakeCause};
use crate::sys::epoll::Interest;
use crate::sys::{socket, stream};

impl Locked<'_> {
    /// The background thread reports readiness of a connection that it watches itself: being made, shaking hands, or
    /// draining.
    pub(crate) fn connection_event(&mut self, id: PeerId, writable: bool) {
        let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) else { return };
        match conn.phase {
            Phase::Connecting => {
                if let Err(error) = socket::finish_connect(conn.fd.as_fd()) {
                    self.refused(id, &error);
                    self.connect_failed(id, &error.to_string());
                    return;
                }
                self.stream_stands(id);
            }
            Phase::Proxying => {
                if writable && conn.blocked {
                    conn.blocked = false;
                }
                if self.read(id) {
                    self.proxying(id);
                }
                self.flush(id);
                self.update_interest(id);
            }
            Phase::Handshaking => {
                if writable && conn.blocked {
                    conn.blocked = false;
                }
                if self.read(id) {
                    self.handshake(id);
                }
                self.flush(id);
                self.update_interest(id);
            }
            Phase::Draining => {
                self.read(id);
            }
            Phase::Ready => {}
        }
    }

    /// The kernel has connected us: to the peer, or to the proxy that is to connect us on.
    fn stream_stands(&mut self, id: PeerId) {
        let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) else { return };
        let Some(socks) = conn.socks.as_mut() else {
            self.connected(id);
            return;
        };
        conn.control = socks.transmit();
        conn.phase = Phase::Proxying;
        let epoch = conn.epoch;
        // One bound for what the proxy and the handshake take together.
        self.start_handshake_timer(id, epoch);
        self.flush(id);
        self.update_interest(id);
    }

    fn start_handshake_timer(&mut self, peer: PeerId, epoch: u64) {
        if let Some(interval) = self.options.handshake_interval {
            self.set_timer(Instant::now() + interval, Timer::Handshake { peer, epoch });
        }
    }

    /// Goes on with the proxy, as far as the bytes reach.
    fn proxying(&mut self, id: PeerId) {
        let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) else { return };
        if conn.phase != Phase::Proxying {
            return;
        }
        let Some(socks) = conn.socks.as_mut() else { return };
        let outcome = socks.receive(&mut conn.input);
        conn.control.extend_from_slice(&socks.transmit());
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                self.connected(id);
                // What the peer has sent already came with the proxy's last word.
                self.handshake(id);
                self.raw_received(id);
            }
            Err(error) => self.connect_failed(id, &error.to_string()),
        }
    }

    /// The byte stream is there.
    pub(crate) fn connected(&mut self, id: PeerId) {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let endpoint = Arc::clone(&peer.endpoint);
        let Some(conn) = peer.conn_mut() else { return };
        let is_raw = conn.protocol.is_none();
        conn.phase = Phase::Handshaking;
        let epoch = conn.epoch;
        let proxied = conn.socks.take().is_some();
        if let Some(greeting) = conn.protocol.as_mut().and_then(Connection::transmit) {
            conn.control.extend_from_slice(&greeting);
        }
        self.tell(&endpoint, Some(id), EventKind::Connected);
        if is_raw {
            self.established(id, None);
            return;
        }
        if !proxied {
            self.start_handshake_timer(id, epoch);
        }
        self.flush(id);
        self.update_interest(id);
    }

    /// Goes on with the greeting and the handshake, as far as the bytes reach.
    pub(crate) fn handshake(&mut self, id: PeerId) {
        loop {
            let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) else { return };
            if conn.phase != Phase::Handshaking {
                return;
            }
            let Some(protocol) = conn.protocol.as_mut() else { return };
            let outcome = protocol.receive(&mut conn.input);
            if outcome.is_ok()
                && let Some(control) = protocol.transmit()
            {
                conn.control.extend_from_slice(&control);
            }
            match outcome {
                Ok(Some(Event::Ready(info))) => {
                    // Our part of the handshake goes out first, also to a peer that will be refused.
                    self.flush(id);
                    self.established(id, Some(info));
                    return;
                }
                Ok(Some(Event::Authenticate(credentials))) => self.ask(id, *credentials),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => {
                    self.protocol_error(id, &error);
                    return;
                }
            }
        }
    }

    /// Messages can flow: the connection moves from the background thread's set to the socket's.
    fn established(&mut self, id: PeerId, info: Option<Box<PeerInfo>>) {
        let now = Instant::now();
        let set = match self.ready_set() {
            Ok(set) => set,
            Err(error) => {
                self.handshake_failed(id, error.to_string(), HandshakeCause::Ours);
                return;
            }
        };
        let core = Arc::clone(self.core);
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let endpoint = Arc::clone(&peer.endpoint);
        peer.since = Some(now);
        peer.info.clone_from(&info);
        peer.profile = None;
        let Some(net) = peer.net_mut() else { return };
        let Some(conn) = net.conn.as_mut() else { return };
        if conn.home == Home::Background {
            core.context.background.unwatch(conn.fd.as_fd());
        }
        conn.home = Home::Nowhere;
        if let Err(error) = set.epoll.add(conn.fd.as_fd(), u64::from(id.0), Interest::READ) {
            self.handshake_failed(id, error.to_string(), HandshakeCause::Ours);
            return;
        }
        conn.home = Home::Socket;
        conn.interest = Interest::READ;
        conn.phase = Phase::Ready;
        let epoch = conn.epoch;
        let accepted = !net.dialed;
        let mut timer = None;
        if let Some(protocol) = &mut conn.protocol {
            conn.seals = protocol.seals();
            protocol.start_timers(now);
            timer = protocol.timeout();
            conn.heartbeat_at = timer;
            let framing = protocol.framing();
            if framing != net.framing {
                // What was queued before the peer turned out to be that old.
                if framing == Framing::V1 {
                    let in_the_way = std::mem::take(&mut net.batch_out);
                    let result =
                        if in_the_way { Err(net.outbox.clear()) } else { net.outbox.transcode_to_v1() };
                    if let Err(lost) = result {
                        peer.traffic.dropped.disconnected += lost;
                    }
                }
                if let Some(net) = peer.net_mut() {
                    net.framing = framing;
                }
            }
        }
        if accepted && let Some(attachment) = self.peer(id).map(|peer| peer.attachment) {
            self.handshake_over(attachment);
        }
        if !self.net_peers.contains(&id) {
            self.net_peers.push(id);
        }
        if let Some(at) = timer {
            self.set_timer(at, Timer::Heartbeat { peer: id, epoch });
        }
        if let Some(info) = info {
            self.tell(&endpoint, Some(id), EventKind::HandshakeSucceeded { peer: info });
        }
        self.reset_backoff(id);
        let leaving = self.peer(id).is_some_and(|peer| peer.leaving);
        if !leaving {
            self.attach(id);
        }
        // Bytes that came behind the handshake are there already; nobody would report them.
        self.read_ahead(id);
        self.flush(id);
        self.update_interest(id);
        self.wake();
        if self.life != Life::Open || leaving {
            self.linger_step(id);
        }
    }

    /// The peer becomes part of the pattern.
    pub(crate) fn attach(&mut self, id: PeerId) {
        let kind = self.core.kind;
        let options = Arc::clone(&self.options);
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let addressed = peer.addressed;
        let announced = peer.info.as_ref().map(|info| info.identity.clone()).unwrap_or_default();
        let endpoint = Arc::clone(&peer.endpoint);
        if is_exclusive(kind) && state.iter_peers().any(|peer| peer.id != id && peer.takes_the_place()) {
            //= 31/EXPAIR, the PAIR socket type
            //# SHALL consider a peer as available only when it has an outgoing queue that is not full.
            // and takes one peer only.
            self.refuse(id, "a PAIR or CHANNEL socket takes one peer at a time");
            return;
        }
        if let Pattern::Route(identities) = &mut state.pattern
            && !addressed
            && identities.identity(id).is_none_or(|known| !announced.is_empty() && *known != announced)
        {
            identities.remove(id);
            match identities.assign(id, &announced, options.router_handover) {
                Assigned::Accepted => {}
                Assigned::HandedOver { old } => {
                    self.tell(
                        &endpoint,
                        Some(old),
                        EventKind::Refused { reason: format!("peer {} took over its routing id", id.0) },
                    );
                    if let Some(old) = self.peer_mut(old) {
                        old.former_id = Some(announced.clone());
                    }
                    self.disconnect(old, "its routing id was taken over by a new connection");
                }
                Assigned::Duplicate => {
                    self.refuse(id, "its routing id is in use by another peer");
                    return;
                }
            }
        }
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        peer.attached = true;
        if let Pattern::Serve(ids) = &mut state.pattern {
            ids.assign(id);
        }
        // A PUSH or PUB has nothing to take; what arrives there is acted on when it is read.
        if kind.can_receive() {
            state.recv_turn.add(id);
        }
        if takes_turns(kind) {
            state.send_turn.add(id);
            if state.made_room(id, false)
                || state.peer(id).is_some_and(|peer| matches!(peer.link, Link::Inproc(_)))
            {
                state.send_turn.activate(id);
            }
        }
        self.greet(id);
        if matches!(self.pattern, Pattern::Subscribe(_) | Pattern::Join(_)) {
            self.send_all_subscriptions(id);
        }
        if options.probe_router && matches!(kind, SocketType::Req | SocketType::Dealer | SocketType::Router) {
            self.send_to(id, Message::new(Frame::new()));
        }
        if kind == SocketType::Stream && options.stream_notify {
            self.local_notice(id, Message::new(Frame::new()));
        }
        let has_something = self.peer(id).is_some_and(|peer| peer.queued_in() > 0);
        if has_something && self.recv_turn.contains(id) {
            self.recv_turn.activate(id);
        }
    }

    /// What the socket itself says to its application in the name of a peer: that it has come or gone.
    pub(crate) fn local_notice(&mut self, id: PeerId, message: Message) {
        if let Some(peer) = self.peer_mut(id) {
            peer.inbox.push_back(message);
        }
        if self.recv_turn.contains(id) {
            self.recv_turn.activate(id);
        }
    }

    fn refuse(&mut self, id: PeerId, reason: &str) {
        if let Some(peer) = self.peer(id) {
            let endpoint = Arc::clone(&peer.endpoint);
            self.tell(&endpoint, Some(id), EventKind::Refused { reason: reason.to_owned() });
        }
        // A dialer tries again: the place may be free later.
        self.disconnect(id, reason);
    }

    /// Queues a message for one peer regardless of the marks: state that must not be lost, or the first word.
    pub(crate) fn send_to(&mut self, id: PeerId, message: Message) {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        peer.traffic.messages_out += 1;
        peer.traffic.bytes_out += message.byte_len() as u64;
        match &mut peer.link {
            Link::Net(net) => {
                net.outbox.append(net.framing, message, &mut state.pool);
                self.flush(id);
            }
            Link::Inproc(inproc) => {
                inproc.tx.push_unbounded(Item::Event(Event::Message(message)));
                state.after.sockets.extend(inproc.announce());
            }
            Link::Datagrams(_) | Link::Gone => {}
        }
    }

    /// SUB, XSUB, DISH: all topics go to a peer that has just come. They are state, not messages: no mark applies, none is lost.
    fn send_all_subscriptions(&mut self, id: PeerId) {
        let (Pattern::Subscribe(topics) | Pattern::Join(topics)) = &self.pattern else { return };
        let topics: Vec<Bytes> = topics.iter().collect();
        for topic in topics {
            self.send_subscription(id, &topic, true);
        }
        self.flush(id);
    }

    /// Tells one peer of one subscription or cancellation.
    fn send_subscription(&mut self, id: PeerId, topic: &[u8], subscribe: bool) {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        match &mut peer.link {
            Link::Net(net) => {
                // Without a connection nothing needs to be said: the next one is told everything.
                let Some(conn) = net.conn.as_mut().filter(|conn| conn.phase == Phase::Ready) else { return };
                let Some(protocol) = &mut conn.protocol else { return };
                if subscribe {
                    protocol.put_subscribe(topic, &mut conn.control);
                } else {
                    protocol.put_cancel(topic, &mut conn.control);
                }
            }
            Link::Inproc(inproc) => {
                let topic = Frame::copy_from(topic);
                let event = if subscribe { Event::Subscribe(topic) } else { Event::Cancel(topic) };
                inproc.tx.push_unbounded(Item::Event(event));
                state.after.sockets.extend(inproc.announce());
            }
            Link::Datagrams(_) | Link::Gone => {}
        }
    }

    /// Adds a subscription and tells all publishers, also if it is not new: whether they want to hear it again is theirs to
    /// say (`xpub_verbose`).
    pub(crate) fn subscribe(&mut self, topic: &[u8]) {
        let Pattern::Subscribe(topics) = &mut self.pattern else { return };
        // Told also if it is not new: a verbose XPUB wants to know.
        let _ = topics.subscribe(topic);
        self.tell_publishers(topic, true);
    }

    /// Takes one reference of a subscription away; `false` if there was none.
    pub(crate) fn unsubscribe(&mut self, topic: &[u8]) -> bool {
        let Pattern::Subscribe(topics) = &mut self.pattern else { return false };
        match topics.unsubscribe(topic) {
            None => false,
            Some(last) => {
                if last {
                    self.tell_publishers(topic, false);
                }
                true
            }
        }
    }

    pub(crate) fn tell_publishers(&mut self, topic: &[u8], subscribe: bool) {
        let peers: Vec<PeerId> = self.iter_peers().filter(|peer| peer.attached).map(|peer| peer.id).collect();
        for id in peers {
            self.send_subscription(id, topic, subscribe);
            self.flush(id);
        }
    }

    /// The peer leaves the pattern.
    pub(super) fn detach(&mut self, id: PeerId) {
        let kind = self.core.kind;
        let state = &mut **self;
        if let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) {
            peer.attached = false;
        }
        let mut gone_topics = Vec::new();
        match &mut state.pattern {
            Pattern::Request(turn) => turn.peer_lost(id),
            Pattern::Reply(turn) => turn.peer_lost(id),
            Pattern::Publish(publishing) => {
                let subscriptions = &mut publishing.subscriptions;
                publishing.datagrams.retain(|&peer| peer != id);
                if kind != SocketType::XPub {
                    subscriptions.forget_peer(id);
                } else if publishing.policy.manual {
                    gone_topics = publishing.asked.peer_topics(id).collect();
                    publishing.asked.forget_peer(id);
                    subscriptions.forget_peer(id);
                } else if publishing.policy.every_topic_of_a_lost_peer() {
                    gone_topics = subscriptions.peer_topics(id).collect();
                    subscriptions.forget_peer(id);
                } else {
                    gone_topics = subscriptions.remove_peer(id);
                }
                if publishing.last == Some(id) {
                    publishing.last = None;
                }
                // Whoever acts on what it asked for must not act on another peer that gets its number.
                for notice in state.notices.iter_mut().filter(|notice| notice.peer() == Some(id)) {
                    notice.clear_peer();
                }
            }
            _ => {}
        }
        self.notice_cancelled(gone_topics);
    }

    /// Everything complete that was read is kept, whatever the marks say: it is bounded by what one read takes.
    pub(super) fn keep_what_was_read(&mut self, id: PeerId) {
        let mut kept = Vec::new();
        if let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut)
            && let Some(protocol) = conn.protocol.as_mut().filter(|_| conn.phase == Phase::Ready)
        {
            while let Ok(Some(event)) = protocol.receive(&mut conn.input) {
                kept.push(event);
            }
        }
        for event in kept {
            self.handle_event(id, event);
        }
    }

    /// A connection is over. What it brought is still delivered; what was queued for it stays with the one who connects,
    /// and is dropped and counted at the one who was connected to.
    pub(crate) fn disconnect(&mut self, id: PeerId, reason: &str) {
        self.keep_what_was_read(id);
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let endpoint = Arc::clone(&peer.endpoint);
        // That a peer leaves was told when it was told to.
        let was_ready = peer.is_ready() && !peer.leaving;
        let attached = peer.attached;
        let fd = peer.conn().map(|conn| Arc::clone(&conn.fd));
        if let Link::Inproc(_) = peer.link {
            self.remove_peer(id);
            return;
        }
        if let Link::Datagrams(_) = peer.link {
            self.finish_peer(id);
            return;
        }
        self.drop_connection(id);
        if was_ready {
            let fd = fd.as_ref().map(|fd| fd.as_fd());
            self.tell_about(&endpoint, Some(id), fd, EventKind::Disconnected { reason: reason.to_owned() });
        }
        if was_ready && attached {
            self.say_farewell(id);
        }
        let redials = self.peer(id).is_some_and(|peer| match &peer.link {
            Link::Net(net) => net.dialed,
            _ => false,
        });
        if redials && self.keeps_dialing(id) {
            self.detach_for_redial(id);
            if self.peer(id).is_some_and(|peer| peer.leaving && peer.queued_out() == 0) {
                self.finish_peer(id);
            } else {
                self.schedule_redial(id, reason);
            }
        } else {
            self.finish_peer(id);
        }
        self.wake();
    }

    /// The connection of a dialer is gone; its queue and its place in the turns stay (unless `immediate`).
    fn detach_for_redial(&mut self, id: PeerId) {
        let immediate = self.options.immediate;
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        peer.traffic.reconnects += 1;
        let Some(net) = peer.net_mut() else { return };
        if !net.batch_out {
            net.outbox.rewind(net.framing);
        }
        if immediate || self.core.kind == SocketType::Stream || self.core.kind.publishes() {
            if let Some(net) = self.peer_mut(id).and_then(Peer::net_mut) {
                let lost = net.outbox.clear();
                // A batch that is out is lost with the rest.
                net.batch_out = false;
                if let Some(peer) = self.peer_mut(id) {
                    peer.traffic.dropped.disconnected += lost;
                }
            }
            self.send_turn.deactivate(id);
        }
        let state = &mut **self;
        match &mut state.pattern {
            // What was subscribed over the old connection is subscribed anew over the next.
            Pattern::Publish(_) => self.detach(id),
            Pattern::Reply(turn) => turn.peer_lost(id),
            Pattern::Request(turn) => {
                // The request is sent again only if it was not sent to its end; otherwise another reply may come.
                turn.peer_lost(id);
            }
            _ => {}
        }
    }

    /// Takes the descriptor out of whatever watches it, and lets it go.
    fn drop_connection(&mut self, id: PeerId) {
        let core = Arc::clone(self.core);
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        if let Link::Datagrams(datagrams) = &peer.link {
            if let (Some(set), Some(fd)) = (&state.set, datagrams.fd()) {
                let _ = set.epoll.remove(fd.as_fd());
            }
            state.net_peers.retain(|&peer| peer != id);
            return;
        }
        if !peer.inbox.is_empty() || state.ahead.as_ref().is_some_and(|ahead| ahead.peer() == Some(id)) {
            // Where it came from is told with what still waits, and only the connection knows it.
            let _kept = state.profile(id);
        }
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let Some(net) = peer.net_mut() else { return };
        let Some(conn) = net.conn.take() else { return };
        // What was sealed for this connection no other one can use.
        let lost = net.outbox.give_up_sealed();
        let gives_a_place_back = conn.phase <= Phase::Handshaking && !net.dialed;
        if conn.asking {
            let asker = Asker { socket: core.id, peer: id, epoch: conn.epoch };
            state.after.commands.push(Command::Forget(asker));
        }
        net.batch_out |= conn.writing && !conn.seals;
        match conn.home {
            Home::Nowhere => {}
            Home::Background => core.context.background.unwatch(conn.fd.as_fd()),
            Home::Socket => {
                if let Some(set) = &state.set {
                    let _ = set.epoll.remove(conn.fd.as_fd());
                }
            }
        }
        state.net_peers.retain(|&peer| peer != id);
        // A thread that writes at the moment holds the descriptor too: it is closed when that one lets go.
        stream::shutdown(conn.fd.as_fd());
        if gives_a_place_back && let Some(attachment) = self.peer(id).map(|peer| peer.attachment) {
            self.handshake_over(attachment);
        }
        self.lost_in_sealing(id, lost);
    }

    /// Counts messages that were sealed for a connection and lost with it.
    fn lost_in_sealing(&mut self, id: PeerId, lost: u64) {
        if lost == 0 {
            return;
        }
        let closing = self.life != Life::Open;
        if closing {
            self.lost_at_close.0 += lost;
        }
        if let Some(peer) = self.peer_mut(id) {
            let dropped = &mut peer.traffic.dropped;
            if closing {
                dropped.lingered += lost;
            } else {
                dropped.disconnected += lost;
            }
        }
    }

    /// Counts what somebody was about to write, with the lock released, when the queue went from which it was taken.
    pub(super) fn lost_in_writing(&mut self, id: PeerId, born: u64, messages: u64, bytes: usize) {
        let is_closing = self.life != Life::Open;
        let state = &mut **self;
        // It is there still if it dials again.
        let dropped = match state.peers.get_mut(id.index()) {
            Some(Some(peer)) if matches!(&peer.link, Link::Net(net) if net.born == born) => {
                &mut peer.traffic.dropped
            }
            _ => &mut state.retired.dropped,
        };
        if is_closing {
            dropped.lingered += messages;
            state.lost_at_close.0 += messages;
            state.lost_at_close.1 += bytes as u64;
            self.finish_close();
        } else {
            dropped.disconnected += messages;
        }
    }

    /// No connection any more and none to come: the peer stays only until its last message is taken.
    pub(crate) fn finish_peer(&mut self, id: PeerId) {
        self.drop_connection(id);
        self.detach(id);
        let kind = self.core.kind;
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let lost = match &mut peer.link {
            Link::Net(net) => net.outbox.clear(),
            // What it has not taken nobody will; an XSUB's, among its subscriptions, is not told apart.
            Link::Inproc(inproc) if inproc.tx.is_abandoned() && kind.can_send() && !kind.subscribes() => {
                inproc.tx.len()
            }
            _ => 0,
        };
        peer.traffic.dropped.disconnected += lost;
        let link = std::mem::replace(&mut peer.link, Link::Gone);
        state.send_turn.remove(id);
        // Dropping an inproc link tells the other socket, which takes that one's lock.
        state.after.links.push(link);
        let has_messages = state.peer(id).is_some_and(|peer| !peer.inbox.is_empty());
        if has_messages && self.life == Life::Open {
            if self.recv_turn.contains(id) {
                self.recv_turn.activate(id);
            }
            return;
        }
        self.remove_peer(id);
    }

    /// The message that a poll looked ahead at outlives its sender, whose number may soon be another one's.
    fn orphan_ahead(&mut self, id: PeerId) {
        let state = &mut **self;
        if state.ahead.as_ref().is_some_and(|ahead| ahead.peer() == Some(id)) {
            state.gone_sender = state.profile(id);
            if let Some(ahead) = &mut state.ahead {
                ahead.clear_peer();
            }
        }
    }

    /// The peer is forgotten; its counters stay in the socket's totals.
    pub(crate) fn remove_peer(&mut self, id: PeerId) {
        self.drop_connection(id);
        self.detach(id);
        self.orphan_ahead(id);
        let state = &mut **self;
        let Some(mut peer) = state.peers.get_mut(id.0 as usize).and_then(Option::take) else { return };
        state.recv_turn.remove(id);
        state.send_turn.remove(id);
        state.inproc_peers.retain(|&peer| peer != id);
        state.left.retain(|&peer| peer != id);
        state.waiting -= u32::from(peer.left == Left::Waiting);
        match &mut state.pattern {
            Pattern::Route(identities) => {
                identities.remove(id);
            }
            Pattern::Serve(ids) => ids.remove(id),
            _ => {}
        }
        if let Link::Net(net) = &mut peer.link {
            let (messages, bytes) = net.outbox.not_out();
            if self.life != Life::Open {
                self.lost_at_close.0 += messages;
                self.lost_at_close.1 += bytes as u64;
                peer.traffic.dropped.lingered += messages;
            } else {
                peer.traffic.dropped.disconnected += messages;
            }
        }
        let state = &mut **self;
        state.retired.add(&peer.traffic);
        if let Link::Inproc(inproc) = &peer.link {
            // The other socket finds the end of the pipe when it looks.
            state.after.sockets.extend(inproc.other());
        }
        state.after.links.insert(0, std::mem::replace(&mut peer.link, Link::Gone));
        state.free.push(id.0);
        self.forget_attachment_of(&peer);
        self.wake();
        if self.life != Life::Open {
            self.finish_close();
        }
    }

    pub(crate) fn handshake_failed(&mut self, id: PeerId, reason: String, cause: HandshakeCause) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.traffic.handshake_failures += 1;
        let endpoint = Arc::clone(&peer.endpoint);
        self.tell(&endpoint, Some(id), EventKind::HandshakeFailed { reason: reason.clone(), cause });
        self.stop_dialing_if(id, |options| options.reconnect_stop_handshake_failed);
        self.rebuffed(id, cause);
        self.connect_failed(id, &reason);
    }

    /// An attempt to connect (or an accepted connection's handshake) came to nothing.
    pub(crate) fn connect_failed(&mut self, id: PeerId, reason: &str) {
        let alternatives = match self.peer_mut(id).and_then(Peer::conn_mut) {
            Some(conn) if conn.phase == Phase::Connecting => std::mem::take(&mut conn.alternatives),
            _ => Vec::new(),
        };
        self.drop_connection(id);
        let dialed = self.peer(id).is_some_and(|peer| matches!(&peer.link, Link::Net(net) if net.dialed));
        if !dialed {
            self.remove_peer(id);
        } else if !alternatives.is_empty() {
            self.dial_addresses(id, alternatives);
        } else if self.keeps_dialing(id) {
            self.schedule_redial(id, reason);
        } else {
            if self.has_stopped_dialing(id) {
                let endpoint = self.peer(id).map(|peer| Arc::clone(&peer.endpoint));
                endpoint.iter().for_each(|endpoint| self.tell(endpoint, Some(id), EventKind::Closed));
            }
            self.finish_peer(id);
        }
        self.wake();
    }

    pub(crate) fn set_timer(&mut self, at: Instant, timer: Timer) {
        let socket = self.core.id;
        self.submit(Command::Timer { at, socket, timer });
    }

    /// A timer of this socket has run out. Timers are not taken back: each looks whether it still means something.
    pub(crate) fn timer(&mut self, timer: Timer, now: Instant) {
        match timer {
            Timer::Handshake { peer, epoch } => {
                let phase = self
                    .peer(peer)
                    .and_then(Peer::conn)
                    .filter(|conn| conn.epoch == epoch)
                    .map(|conn| conn.phase);
                match phase {
                    Some(Phase::Handshaking) => self.handshake_failed(
                        peer,
                        "no complete handshake within the handshake interval".to_owned(),
                        HandshakeCause::TimedOut,
                    ),
                    Some(Phase::Proxying) => self.connect_failed(
                        peer,
                        "the SOCKS proxy did not connect within the handshake interval",
                    ),
                    _ => {}
                }
            }
            Timer::Connect { peer, epoch } => {
                let waiting = self.peer(peer).and_then(Peer::conn).is_some_and(|conn| {
                    conn.epoch == epoch && matches!(conn.phase, Phase::Connecting | Phase::Proxying)
                });
                if waiting {
                    self.connect_failed(peer, "no connection within the connect timeout");
                }
            }
            Timer::Heartbeat { peer, epoch } => self.heartbeat(peer, epoch, now),
            Timer::Redial { attachment } => self.dial(attachment),
            Timer::Accept { attachment } => self.resume_accepting(attachment),
            Timer::Drain { peer, epoch } => {
                if self.peer(peer).and_then(Peer::conn).is_some_and(|conn| conn.epoch == epoch) {
                    self.finish_peer(peer);
                }
            }
            Timer::Leave { peer, born } => {
                if self
                    .peer(peer)
                    .is_some_and(|peer| matches!(&peer.link, Link::Net(net) if net.born == born))
                {
                    self.give_up(peer);
                }
            }
            Timer::Rest => {
                if self.large.rest() {
                    self.set_timer(now + REST, Timer::Rest);
                }
            }
            Timer::Linger => {
                if let Life::Closing { deadline: Some(deadline) } = self.life
                    && now >= deadline
                {
                    for id in self.peer_ids() {
                        self.remove_peer(id);
                    }
                    self.finish_close();
                }
            }
        }
    }

    fn heartbeat(&mut self, id: PeerId, epoch: u64, now: Instant) {
        let ours =
            |peer: &Peer| peer.conn().is_some_and(|conn| conn.epoch == epoch && conn.phase == Phase::Ready);
        let is_due = self
            .peer(id)
            .and_then(Peer::conn)
            .is_some_and(|conn| conn.heartbeat_at.is_some_and(|at| at <= now));
        if !is_due || !self.peer(id).is_some_and(ours) {
            return;
        }
        // Bytes that nobody has read yet are a sign of life as well: look before giving up.
        if self.peer(id).and_then(Peer::conn).is_some_and(|conn| conn.interest != Interest::NONE) {
            self.read(id);
            self.read_ahead(id);
        } else if let Some(protocol) =
            self.peer_mut(id).and_then(Peer::conn_mut).and_then(|conn| conn.protocol.as_mut())
        {
            // We do not read because the application is slow: the peer cannot be blamed for silence.
            protocol.note_received(now);
        }
        if !self.peer(id).is_some_and(ours) {
            return;
        }
        let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) else { return };
        let Some(protocol) = &mut conn.protocol else { return };
        let result = protocol.handle_timeout(now);
        let next = protocol.timeout();
        conn.heartbeat_at = next;
        if let Some(control) = protocol.transmit() {
            conn.control.extend_from_slice(&control);
        }
        match result {
            Ok(()) => {
                self.flush(id);
                if let Some(at) = next {
                    self.set_timer(at, Timer::Heartbeat { peer: id, epoch });
                }
            }
            Err(error) => self.disconnect(id, &error.to_string()),
        }
    }

    /// STREAM: an empty frame closes the connection once everything before it is written.
    pub(crate) fn close_when_written(&mut self, id: PeerId) {
        if let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) {
            conn.finishing = true;
        }
        self.flush(id);
    }
}
