//! From the peers' queues to the application: fair queueing, then the pattern's part.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tamtam_zmtp::{Assigned, Connection, Event, Frame, Message, PeerId, PeerInfo, SocketType, Verdict};

use super::background::{Command, Timer};
use super::core::{Locked, State};
use super::pattern::Pattern;
use super::peer::{Item, Link, Phase};
use crate::error::RecvError;
use crate::options::Options;
use crate::profile::PeerProfile;
use crate::statistics::Traffic;

/// Notices of subscriptions that an XPUB keeps for its application; beyond, they are dropped and counted.
const NOTICES_MAX: usize = 65_536;
/// How many messages are taken between two looks at which inproc peers have something new.
pub(super) const LOOK_EVERY: u32 = 64;
/// How many messages are taken until networked peers are looked at of which nothing was there; the first time after one
/// full turn of those that had something.
const LOOK_AROUND_EVERY: u32 = 32;

/// What has a say when the next message of a connection is taken.
struct Lone<'a> {
    peer: PeerId,
    protocol: &'a mut Connection,
    input: &'a mut BytesMut,
    pattern: &'a mut Pattern,
    options: &'a Options,
    traffic: &'a mut Traffic,
    retired: &'a mut Traffic,
    progress: Progress<'a>,
}

/// What changes when one was taken.
struct Progress<'a> {
    takes: &'a mut u32,
    run: &'a mut u32,
    gone_sender: &'a mut Option<Arc<PeerProfile>>,
}

impl Progress<'_> {
    #[inline]
    fn count(self) {
        *self.takes = self.takes.wrapping_add(1);
        *self.run = self.run.wrapping_add(1);
        *self.gone_sender = None;
    }
}

impl State {
    /// Does what [`take`](Locked::take) does most often, in a stream of short messages of which one connection has more, with
    /// one look at each thing that has a say. `false`, and no change, in all other cases.
    #[inline]
    pub(crate) fn take_short(&mut self, kind: SocketType, slot: &mut Message) -> bool {
        if self.net_peers.is_empty() {
            return self.take_of_run(kind, slot);
        }
        let Some(Lone { peer: id, protocol, input, pattern, options, traffic, retired, progress }) =
            self.only_stream()
        else {
            return false;
        };
        match pattern {
            Pattern::Plain => {
                if !protocol.receive_short(input, slot) {
                    return false;
                }
            }
            Pattern::Subscribe(topics) if kind == SocketType::Sub && !options.invert_matching => loop {
                if !protocol.receive_short(input, slot) {
                    return false;
                }
                if topics.matches(slot.as_slice()) {
                    break;
                }
                retired.dropped.filtered += 1;
            },
            Pattern::Request(turn) if turn.awaits_plain(id) => {
                if !protocol.receive_enveloped(input, slot) {
                    return false;
                }
                turn.reset();
            }
            Pattern::Reply(turn) if turn.may_receive().is_ok() => {
                if !protocol.receive_enveloped(input, slot) {
                    return false;
                }
                turn.accepted_plain(id);
            }
            _ => return false,
        }
        slot.set_peer(id);
        traffic.messages_in += 1;
        traffic.bytes_in += slot.byte_len() as u64;
        progress.count();
        true
    }

    /// The same of an inproc peer's.
    #[inline]
    fn take_of_run(&mut self, kind: SocketType, slot: &mut Message) -> bool {
        let Some(id) = self.recv_turn.only() else { return false };
        let takes = self.takes.wrapping_add(1);
        // Now and then the long way looks at the others; it counts by itself.
        if self.inproc_peers.len() > 1 && takes.is_multiple_of(LOOK_EVERY) {
            return false;
        }
        let Some(Some(peer)) = self.peers.get_mut(id.index()) else { return false };
        let Link::Inproc(inproc) = &mut peer.link else { return false };
        if self.ahead.is_some() || self.options.conflate || !peer.inbox.is_empty() || peer.leaving {
            return false;
        }
        match &self.pattern {
            Pattern::Plain => {
                if !inproc.rx.read_untold(slot) {
                    return false;
                }
            }
            Pattern::Subscribe(topics) if kind == SocketType::Sub && !self.options.invert_matching => loop {
                if !inproc.rx.read_untold(slot) {
                    return false;
                }
                if topics.matches(slot.as_slice()) {
                    break;
                }
                self.retired.dropped.filtered += 1;
            },
            _ => return false,
        }
        slot.set_peer(id);
        peer.traffic.messages_in += 1;
        peer.traffic.bytes_in += slot.byte_len() as u64;
        self.takes = takes;
        self.gone_sender = None;
        true
    }

    /// As [`take_short`](Self::take_short), of a message of exactly `N` short frames that one has subscribed to, which `look` looks at
    /// where it lies, under the lock, and takes if it says so.
    #[inline]
    pub(crate) fn take_in_place<const N: usize>(
        &mut self,
        kind: SocketType,
        look: impl FnOnce([&[u8]; N]) -> bool,
    ) -> bool {
        let Some(Lone { protocol, input, pattern, options, traffic, progress, .. }) = self.only_stream()
        else {
            return false;
        };
        let Pattern::Subscribe(topics) = pattern else { return false };
        if kind != SocketType::Sub || options.invert_matching {
            return false;
        }
        let mut bytes = 0;
        let has_taken = protocol.receive_in_place(input, |frames: [&[u8]; N]| {
            bytes = frames.iter().map(|frame| frame.len() as u64).sum();
            frames.first().is_some_and(|topic| topics.matches(topic)) && look(frames)
        });
        if has_taken {
            traffic.messages_in += 1;
            traffic.bytes_in += bytes;
            progress.count();
        }
        has_taken
    }

    /// The connection whose turn it is, if nothing else can have a message, or is to be looked at now.
    #[inline]
    fn only_stream(&mut self) -> Option<Lone<'_>> {
        let id = self.recv_turn.only()?;
        // Now and then the long way looks at the others; it counts by itself.
        let (takes, run) = (self.takes.wrapping_add(1), self.run.wrapping_add(1));
        let is_alone = self.net_peers.len() <= 1 && self.inproc_peers.is_empty();
        if !is_alone
            && (run == 2 || run.is_multiple_of(LOOK_AROUND_EVERY) || takes.is_multiple_of(LOOK_EVERY))
        {
            return None;
        }
        if self.ahead.is_some() || self.options.conflate {
            return None;
        }
        let peer = self.peers.get_mut(id.index())?.as_mut()?;
        if !peer.inbox.is_empty() || peer.leaving {
            return None;
        }
        let Link::Net(net) = &mut peer.link else { return None };
        let conn = net.conn.as_mut()?;
        Some(Lone {
            peer: id,
            protocol: conn.protocol.as_mut()?,
            input: &mut conn.input,
            pattern: &mut self.pattern,
            options: &self.options,
            traffic: &mut peer.traffic,
            retired: &mut self.retired,
            progress: Progress {
                takes: &mut self.takes,
                run: &mut self.run,
                gone_sender: &mut self.gone_sender,
            },
        })
    }
}

impl Locked<'_> {
    /// Takes the next message for the application into `slot`, and counts it.
    #[inline]
    pub(crate) fn take(&mut self, slot: &mut Message) -> Result<(), RecvError> {
        let kind = self.core.kind;
        if self.take_short(kind, slot) {
            return Ok(());
        }
        self.take_any(slot)
    }

    /// As [`take`](Self::take), where the short way was tried in vain.
    #[inline]
    pub(crate) fn take_any(&mut self, slot: &mut Message) -> Result<(), RecvError> {
        match self.ahead.take() {
            Some(message) => *slot = message,
            None => {
                // What it tells belonged to the message before.
                self.gone_sender = None;
                self.choose(slot)?;
            }
        }
        let mut bytes = slot.byte_len() as u64;
        let state = &mut **self;
        match &mut state.pattern {
            // The routing id in front is ours, not the peer's.
            Pattern::Route(_) => bytes -= slot.as_slice().len() as u64,
            Pattern::Publish(publishing) => publishing.last = slot.peer(),
            _ => {}
        }
        let traffic =
            match slot.peer().and_then(|id| state.peers.get_mut(id.index())).and_then(Option::as_mut) {
                Some(peer) => &mut peer.traffic,
                None => &mut state.retired,
            };
        traffic.messages_in += 1;
        traffic.bytes_in += bytes;
        Ok(())
    }

    /// Chooses the next message for the application.
    fn choose(&mut self, slot: &mut Message) -> Result<(), RecvError> {
        let kind = self.core.kind;
        match kind {
            SocketType::Pub | SocketType::Push | SocketType::Radio | SocketType::Scatter => {
                return Err(RecvError::Unsupported);
            }
            SocketType::Req | SocketType::Rep if self.pattern.is_out_of_turn() => {
                return Err(RecvError::OutOfTurn);
            }
            SocketType::Req | SocketType::Rep if self.take_enveloped(slot) => return Ok(()),
            SocketType::XPub => return self.take_notice(slot),
            _ => {}
        }
        loop {
            if !self.next_inbound(slot) {
                return Err(RecvError::WouldBlock);
            }
            let Some(peer) = slot.peer() else { return Ok(()) };
            let state = &mut **self;
            match &mut state.pattern {
                Pattern::Plain => return Ok(()),
                // An XSUB's application sees all that its peers send.
                Pattern::Subscribe(topics) => {
                    if kind == SocketType::XSub
                        || topics.matches(slot.as_slice()) != state.options.invert_matching
                    {
                        return Ok(());
                    }
                    state.retired.dropped.filtered += 1;
                }
                Pattern::Request(turn) => match turn.accept(peer, std::mem::take(slot)) {
                    Verdict::Deliver(message) => {
                        *slot = message;
                        slot.set_peer(peer);
                        return Ok(());
                    }
                    Verdict::Discard => state.retired.dropped.malformed += 1,
                },
                Pattern::Reply(turn) => match turn.accept(peer, std::mem::take(slot)) {
                    Verdict::Deliver(message) => {
                        *slot = message;
                        slot.set_peer(peer);
                        return Ok(());
                    }
                    Verdict::Discard => state.retired.dropped.malformed += 1,
                },
                Pattern::Route(identities) => {
                    let former = || state.peers.get(peer.index())?.as_ref()?.former_id.clone();
                    let address = identities.identity(peer).cloned().or_else(former).unwrap_or_default();
                    slot.push_front(Frame::from_bytes(address));
                    return Ok(());
                }
                Pattern::Publish(_) | Pattern::Datagrams => return Ok(()),
                //= 51/P2P, the PEER socket type
                //# MUST discard any part of a multipart message.
                Pattern::Single | Pattern::Serve(_) if slot.is_multipart() => {
                    state.retired.dropped.malformed += 1;
                }
                Pattern::Single => return Ok(()),
                Pattern::Serve(ids) => {
                    slot.set_routing_id(ids.id(peer));
                    return Ok(());
                }
                //= 48/RADIO-DISH, the DISH socket type
                //# MAY, depending on the transport, filter messages according to group membership, using a exact matching
                //# algorithm.
                Pattern::Join(groups) => {
                    if slot.frame_count() != 2 {
                        state.retired.dropped.malformed += 1;
                    } else if groups.contains(slot.as_slice()) {
                        return Ok(());
                    } else {
                        state.retired.dropped.filtered += 1;
                    }
                }
            }
        }
    }

    /// XPUB: notices first, then what XSUB peers sent.
    fn take_notice(&mut self, slot: &mut Message) -> Result<(), RecvError> {
        self.scan_inproc();
        loop {
            if let Some(notice) = self.notices.pop_front() {
                *slot = notice;
                return Ok(());
            }
            // Subscriptions come to light when what the peers sent is looked at.
            if self.next_inbound(slot) {
                return Ok(());
            }
            if self.notices.is_empty() {
                return Err(RecvError::WouldBlock);
            }
        }
    }

    /// Takes the next message of the peers in turn; returns whether there was one.
    fn next_inbound(&mut self, slot: &mut Message) -> bool {
        self.takes = self.takes.wrapping_add(1);
        if self.takes.is_multiple_of(LOOK_EVERY) {
            self.scan_inproc();
        }
        let mut scanned = false;
        loop {
            let Some(id) = self.recv_turn.current() else {
                if scanned || !self.scan_inproc() {
                    self.run = 0;
                    return false;
                }
                scanned = true;
                continue;
            };
            self.run = self.run.wrapping_add(1);
            let active = self.recv_turn.active_len();
            if self.net_peers.len() > active
                && (self.run as usize == active + 1 || self.run.is_multiple_of(LOOK_AROUND_EVERY))
            {
                self.look_around();
                // Who is found now has waited longest.
                (0..active).for_each(|_| self.recv_turn.advance());
                continue;
            }
            if !self.next_from(id, slot) {
                self.recv_turn.deactivate(id);
                continue;
            }
            if self.options.conflate {
                while self.next_from(id, slot) {
                    self.retired.dropped.conflated += 1;
                }
            }
            slot.set_peer(id);
            if self.recv_turn.is_active(id) {
                self.recv_turn.advance();
            }
            return true;
        }
    }

    /// Takes what inproc peers have published into account; returns whether anything is new.
    pub(crate) fn scan_inproc(&mut self) -> bool {
        if !self.core.attention.take_news() {
            return false;
        }
        let publishes = self.core.kind.publishes();
        let mut any = false;
        let mut work = Vec::new();
        let state = &mut **self;
        for &id in &state.inproc_peers {
            if let Some(Some(peer)) = state.peers.get_mut(id.0 as usize)
                && let Link::Inproc(inproc) = &mut peer.link
                && (!inproc.rx.is_empty() || inproc.rx.is_abandoned())
            {
                any = true;
                if publishes || inproc.rx.is_abandoned() {
                    work.push(id);
                }
                if state.recv_turn.contains(id) {
                    state.recv_turn.activate(id);
                }
            }
        }
        // Subscriptions count from now on, not from the next receive; peers that went away go.
        for id in work {
            self.read_ahead(id);
        }
        any
    }

    /// Takes the next message of one peer, acting on everything else that it sent; returns whether there was one. If not,
    /// `slot` stays as it is.
    #[inline]
    pub(crate) fn next_from(&mut self, id: PeerId, slot: &mut Message) -> bool {
        loop {
            let state = &mut **self;
            let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return false };
            if let Some(message) = peer.inbox.pop_front() {
                if peer.inbox.has_half(state.receive_marks) {
                    self.resume_reading(id);
                }
                *slot = message;
                return true;
            }
            if peer.leaving {
                // Only what had come before it was told to leave is still taken.
                if let Link::Gone = peer.link {
                    self.remove_peer(id);
                } else {
                    state.recv_turn.remove(id);
                    self.read_ahead(id);
                }
                return false;
            }
            if self.parse_from(id, slot) {
                return true;
            }
            // A connection that ended while we parsed has left its last messages in the inbox.
            if self.peer(id).is_none_or(|peer| peer.inbox.is_empty()) {
                return false;
            }
        }
    }

    /// Takes the next message out of the bytes (or items) that one peer sent; as [`next_from`](Self::next_from).
    #[inline]
    fn parse_from(&mut self, id: PeerId, slot: &mut Message) -> bool {
        loop {
            let state = &mut **self;
            let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return false };
            match &mut peer.link {
                Link::Net(net) => {
                    let Some(conn) = net.conn.as_mut().filter(|conn| conn.phase == Phase::Ready) else {
                        return false;
                    };
                    // The raw bytes of a STREAM are made messages when they are read.
                    let Some(protocol) = &mut conn.protocol else { return false };
                    if protocol.receive_short(&mut conn.input, slot) {
                        return true;
                    }
                    match protocol.receive(&mut conn.input) {
                        Ok(Some(Event::Message(message))) => {
                            *slot = message;
                            return true;
                        }
                        Ok(Some(event)) => self.handle_event(id, event),
                        Ok(None) => {
                            if !self.input_exhausted(id) {
                                return false;
                            }
                        }
                        Err(error) => {
                            self.protocol_error(id, &error);
                            return false;
                        }
                    }
                }
                Link::Inproc(inproc) => {
                    if inproc.rx.read(slot) {
                        if inproc.rx.publish() {
                            state.after.sockets.extend(inproc.other());
                        }
                        return true;
                    }
                    let item = inproc.rx.pop();
                    if inproc.rx.publish() {
                        state.after.sockets.extend(inproc.other());
                    }
                    match item {
                        Some(Item::Event(Event::Message(message))) => {
                            *slot = message;
                            return true;
                        }
                        Some(Item::Enveloped(mut message)) => {
                            message.push_front(Frame::new());
                            *slot = message;
                            return true;
                        }
                        Some(Item::Event(event)) => self.handle_event(id, event),
                        Some(Item::Run(run)) => inproc.rx.begin(&run),
                        Some(Item::Latest) => {
                            if let Some(message) = inproc.take_latest() {
                                *slot = message;
                                return true;
                            }
                        }
                        None => {
                            // Look again: the last items may have been published before the end was.
                            if inproc.rx.is_abandoned() && inproc.rx.is_empty() {
                                self.pipe_ended(id);
                            }
                            return false;
                        }
                    }
                }
                // Datagrams are made messages when they are read.
                Link::Datagrams(_) => return false,
                Link::Gone => {
                    // Its last messages are in the inbox; it goes with the last of them.
                    if peer.inbox.is_empty() {
                        self.remove_peer(id);
                    }
                    return false;
                }
            }
        }
    }

    /// All complete messages are taken: answers commands, gives an empty buffer back. Returns whether more was read.
    fn input_exhausted(&mut self, id: PeerId) -> bool {
        let socket = self.core.id;
        let state = &mut **self;
        let Some(conn) =
            state.peers.get_mut(id.0 as usize).and_then(Option::as_mut).and_then(|peer| peer.conn_mut())
        else {
            return false;
        };
        if conn.input.is_empty() && conn.input.capacity() > 0 {
            let buffer = std::mem::take(&mut conn.input);
            if state.scratch.capacity() < buffer.capacity()
                && buffer.capacity() <= super::appetite::READ_BYTES * 2
            {
                state.scratch = buffer;
            }
        }
        let control = conn.protocol.as_mut().and_then(Connection::transmit);
        let hangup = conn.hangup;
        if let Some(at) = conn.protocol.as_ref().and_then(Connection::timeout)
            && conn.heartbeat_at.is_none_or(|armed| at < armed)
        {
            // A PING has brought a time to live that ends before what we wait for.
            conn.heartbeat_at = Some(at);
            let timer = Timer::Heartbeat { peer: id, epoch: conn.epoch };
            state.after.commands.push(Command::Timer { at, socket, timer });
        }
        if let Some(control) = control {
            conn.control.extend_from_slice(&control);
            self.flush(id);
        }
        // After a hang-up the kernel may have more, up to the end of the stream.
        hangup && self.read(id)
    }

    /// Acts on anything that is not a message.
    pub(crate) fn handle_event(&mut self, id: PeerId, event: Event) {
        if self.peer(id).is_some_and(|peer| peer.leaving) {
            return;
        }
        match event {
            Event::Subscribe(topic) => self.subscription_changed(id, &topic, true),
            Event::Cancel(topic) => self.subscription_changed(id, &topic, false),
            // The handshake is over before messages are parsed.
            Event::Ready(_) | Event::Authenticate(_) => {}
            Event::Message(_) if !self.core.kind.can_receive() => self.retired.dropped.malformed += 1,
            Event::Message(message) => {
                if let Some(peer) = self.peer_mut(id) {
                    peer.inbox.push_back(message);
                }
            }
        }
    }

    //= 29/PUBSUB, the XPUB socket type
    //# SHALL deliver subscribe and cancel messages to the calling application.
    fn subscription_changed(&mut self, id: PeerId, topic: &[u8], wanted: bool) {
        let kind = self.core.kind;
        let state = &mut **self;
        let Pattern::Publish(publishing) = &mut state.pattern else { return };
        publishing.policy.verbose = state.options.xpub_verbose;
        publishing.policy.verboser = state.options.xpub_verboser;
        publishing.policy.manual = state.options.xpub_manual || state.options.xpub_manual_last_value;
        let policy = publishing.policy;
        // In manual mode the application decides; what was asked for is remembered for when the peer goes.
        let held = if policy.manual { &mut publishing.asked } else { &mut publishing.subscriptions };
        let change = if wanted { held.subscribe(id, topic) } else { held.unsubscribe(id, topic) };
        let pass = if wanted { policy.on_subscribe(change) } else { policy.on_unsubscribe(change) };
        if kind == SocketType::XPub && pass {
            self.notice(Some(id), u8::from(wanted), topic);
        }
        if wanted
            && kind != SocketType::Radio
            && let Some(welcome) = self.options.xpub_welcome_message.clone()
            && self.peer(id).is_none_or(|peer| peer.traffic.messages_out == 0)
        {
            self.send_to(id, Message::new(welcome));
        }
        // Somebody may be waiting for subscribers.
        self.wake();
    }

    fn notice(&mut self, id: Option<PeerId>, first: u8, topic: &[u8]) {
        if self.notices.len() >= NOTICES_MAX {
            self.retired.dropped.full += 1;
            return;
        }
        let mut body = Vec::with_capacity(topic.len() + 1);
        body.push(first);
        body.extend_from_slice(topic);
        let mut message = Message::new(Bytes::from(body));
        if let Some(id) = id {
            message.set_peer(id);
        }
        self.notices.push_back(message);
        let waker = self.notice_waker.clone();
        self.after.wakers.extend(waker);
    }

    /// Tells an XPUB's application that nobody holds these topics any more. The peer that held them is gone, and its
    /// number may soon be another one's: the notice names none.
    pub(crate) fn notice_cancelled(&mut self, topics: Vec<Bytes>) {
        if self.core.kind == SocketType::XPub {
            for topic in topics {
                self.notice(None, 0, &topic);
            }
        }
    }

    /// The bound side of a pipe says who it is.
    pub(crate) fn inproc_ready(&mut self, id: PeerId, info: Box<PeerInfo>) {
        let state = &mut **self;
        let handover = state.options.router_handover;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        if let Pattern::Route(identities) = &mut state.pattern
            && !peer.addressed
            && !info.identity.is_empty()
        {
            // Until now it had an automatic one.
            let automatic = identities.remove(id);
            if identities.assign(id, &info.identity, handover) != Assigned::Accepted
                && let Some(automatic) = automatic
            {
                let _restored = identities.force(id, &automatic);
            }
        }
        peer.info = Some(info);
        peer.profile = None;
    }

    /// Parses what arrived from one peer into its inbox, up to the receive mark.
    pub(crate) fn read_ahead(&mut self, id: PeerId) {
        let marks = self.receive_marks;
        let receives = self.core.kind.can_receive();
        let mut message = Message::default();
        loop {
            let Some(peer) = self.peer(id) else { return };
            let discards = !receives || peer.leaving;
            let has_room = peer.inbox.has_room(marks);
            if !discards && !has_room && !self.options.receive_drop_oldest {
                self.pause_reading(id);
                break;
            }
            if !self.parse_from(id, &mut message) {
                break;
            }
            if discards {
                let dropped = &mut self.retired.dropped;
                *(if receives { &mut dropped.disconnected } else { &mut dropped.malformed }) += 1;
                continue;
            }
            if let Some(peer) = self.peer_mut(id) {
                if !has_room {
                    peer.traffic.dropped.full += peer.inbox.make_room(marks, &message);
                }
                peer.inbox.push_back(std::mem::take(&mut message));
            }
        }
        if self.peer(id).is_some_and(|peer| !peer.inbox.is_empty()) && self.recv_turn.contains(id) {
            self.recv_turn.activate(id);
        }
    }

    /// Makes sure that a message that could be taken is known; for polls. Returns whether there is one.
    pub(crate) fn look_ahead(&mut self) -> bool {
        if self.ahead.is_none() {
            let mut message = Message::default();
            match self.choose(&mut message) {
                Ok(()) => {
                    // A peer may go with its last message.
                    if message.peer().is_some_and(|peer| self.peer(peer).is_none()) {
                        message.clear_peer();
                    }
                    (self.ahead, self.gone_sender) = (Some(message), None);
                }
                Err(_) => return false,
            }
        }
        true
    }
}
