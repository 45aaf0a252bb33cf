//! From a message to the queues of the peers that shall have it.

use std::time::Instant;

use tamtam_zmtp::{Event, Framing, GROUP_LEN_MAX, Message, PeerId, SocketType};

use super::core::{Locked, State};
use super::marks::Marks;
use super::outbox::{BATCH_BYTES, OpenChunk, REFERENCE_MIN};
use super::pattern::{Pattern, takes_turns};
use super::peer::{Burst, Item, Left, Link, Peer, Phase};
use super::pipe::RUN_MESSAGE_MAX;
use super::press::PATIENT;
use super::short::ShortMessage;
use super::write_policy::Decision;
use crate::error::SendError;
use crate::options::Driver;

/// A subscriber in another thread, of a stream to several, sleeps through so many messages at most: who is woken for each of them
/// takes it, and sleeps again.
const UNHEARD_MAX: u32 = 256;

/// How a queue took a message.
pub(super) enum Offered {
    Taken,
    Full(Message),
    /// There is no queue any more.
    Gone(Message),
}

/// Where a message went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed {
    /// Peers that hold subscriptions, if it was published.
    pub(crate) subscribers: usize,
    /// Peers that wanted it and were full.
    pub(crate) dropped: u64,
}

impl Locked<'_> {
    /// Queues a message by the rules of the socket's pattern, and writes it if the write policy says so.
    #[inline]
    pub(crate) fn route(&mut self, message: Message) -> Result<(), SendError> {
        match self.core.kind {
            SocketType::Push | SocketType::Dealer | SocketType::Pair => {
                self.route_in_turn(message).map(|_| ())
            }
            SocketType::Pub | SocketType::XPub => self.publish(message),
            SocketType::Req => self.route_request(message),
            SocketType::Rep => self.route_reply(message),
            SocketType::Router => self.route_by_id(message),
            SocketType::Stream => self.route_raw(message),
            SocketType::XSub => self.route_upstream(message),
            SocketType::Client | SocketType::Scatter | SocketType::Channel => {
                //= 52/CHANNEL, the CHANNEL socket type
                //# MUST NOT send multipart messages.
                if message.is_multipart() {
                    return Err(SendError::Malformed(message));
                }
                self.route_in_turn(message).map(|_| ())
            }
            SocketType::Server | SocketType::Peer => self.route_by_number(message),
            SocketType::Radio => self.broadcast(message),
            SocketType::Dgram => self.send_datagram(message),
            _ => Err(SendError::Unsupported(message)),
        }
    }

    /// Does what [`route`](Self::route) does most often: writes a short message into the queue of the peer whose turn it is, or
    /// of those that have subscribed to it. `None`, and no change, in all other cases.
    #[inline]
    pub(crate) fn route_short<M: ShortMessage>(&mut self, message: &M) -> Option<Routed> {
        if message.byte_len() >= M::SHORT || self.options.conflate {
            return None;
        }
        match self.core.kind {
            SocketType::Push | SocketType::Dealer | SocketType::Pair => {
                let id = self.send_turn.current()?;
                self.append_short(id, message)?;
                self.send_turn.advance();
                let kind = self.core.kind;
                if self.waiting > 0 {
                    self.begin_express(kind, id, message);
                } else if self.net_peers.is_empty() {
                    self.begin_express_run(kind, id);
                }
                Some(Routed { subscribers: 0, dropped: 0 })
            }
            SocketType::Pub | SocketType::XPub if message.byte_len() < REFERENCE_MIN => {
                self.publish_short(message)
            }
            SocketType::Req => self.ask_short(message).map(|()| Routed { subscribers: 0, dropped: 0 }),
            SocketType::Rep => self.answer_short(message).map(|()| Routed { subscribers: 0, dropped: 0 }),
            _ => None,
        }
    }

    /// Writes a message into one peer's queue; `None`, and no change, if it is full or no queue of bytes.
    #[inline]
    pub(super) fn append_short(&mut self, id: PeerId, message: &impl ShortMessage) -> Option<()> {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return None };
        let net = match &mut peer.link {
            Link::Net(net) => net,
            Link::Inproc(inproc) => {
                if inproc.tx.is_abandoned() || !inproc.tx.has_room() {
                    return None;
                }
                let short = message.only().filter(|body| body.len() <= RUN_MESSAGE_MAX);
                // The first one after something was received may be an answer: by itself it is there sooner.
                let is_stream = inproc.tx.is_stream() && state.spin.goes_on();
                let written = short.filter(|_| is_stream).and_then(|body| inproc.tx.write(body));
                let is_news = written.unwrap_or_else(|| {
                    let whole = message.to_message(&mut |frames| state.carver.message(frames));
                    if short.is_some() {
                        inproc.tx.push_short(whole);
                    } else {
                        inproc.tx.push_unbounded(Item::Event(Event::Message(whole)));
                    }
                    true
                });
                peer.traffic.messages_out += 1;
                peer.traffic.bytes_out += message.byte_len() as u64;
                if is_news {
                    state.after.sockets.extend(inproc.announce());
                }
                return Some(());
            }
            Link::Datagrams(_) | Link::Gone => return None,
        };
        let (marks, strict) = (state.send_marks, state.options.strict_marks);
        if !net.is_below(marks) {
            return None;
        }
        if strict {
            if state.options.xpub_nodrop && !net.has_room(marks, strict) {
                return None;
            }
            net.burst.queued();
        }
        let before = net.outbox.bytes();
        if net.framing == Framing::V2 {
            net.outbox.append_short(message, &mut state.pool);
        } else {
            let whole = message.to_message(&mut |frames| state.carver.message(frames));
            net.outbox.append(net.framing, whole, &mut state.pool);
        }
        let queued = net.outbox.bytes();
        peer.traffic.messages_out += 1;
        peer.traffic.bytes_out += message.byte_len() as u64;
        let left = peer.left;
        self.queued(id, before, queued, left);
        Some(())
    }

    /// As [`publish`](Self::publish), of a short message that writes itself.
    #[inline]
    fn publish_short(&mut self, message: &impl ShortMessage) -> Option<Routed> {
        if self.core.attention.has_news() {
            return None;
        }
        let state = &mut **self;
        if state.options.xpub_manual_last_value || state.options.invert_matching {
            return None;
        }
        let nodrop = state.options.xpub_nodrop;
        let Pattern::Publish(publishing) = &mut state.pattern else { return None };
        let subscribers = publishing.subscriptions.peer_count();
        let dropped = match publishing.matching(message.topic()) {
            [] => 0,
            &[only] => {
                self.append_short(only, message)?;
                let kind = self.core.kind;
                self.begin_express(kind, only, message);
                0
            }
            _ => {
                if nodrop && !state.all_matching_have_room(message.topic()) {
                    return None;
                }
                self.publish_shared(message)
            }
        };
        Some(Routed { subscribers, dropped })
    }

    /// Gives the message to the next peer that has room.
    #[inline]
    pub(super) fn route_in_turn(&mut self, mut message: Message) -> Result<PeerId, SendError> {
        loop {
            let Some(peer) = self.send_turn.current() else {
                if self.reactivate_inproc() {
                    continue;
                }
                return Err(SendError::Full(message));
            };
            match self.offer(peer, message) {
                Offered::Taken => {
                    self.send_turn.advance();
                    return Ok(peer);
                }
                Offered::Full(back) | Offered::Gone(back) => {
                    message = back;
                    self.send_turn.deactivate(peer);
                }
            }
        }
    }

    /// Puts a message into the queue of the one peer that it is for, whatever the pattern would do with it.
    pub(crate) fn route_to(&mut self, id: PeerId, message: Message) -> Result<(), SendError> {
        if !self.peer(id).is_some_and(Peer::can_be_routed) {
            return Err(SendError::Unroutable(message));
        }
        match self.offer_or_ask(id, message) {
            Offered::Taken => Ok(()),
            Offered::Full(back) => Err(SendError::Full(back)),
            Offered::Gone(back) => Err(SendError::Unroutable(back)),
        }
    }

    /// Looks whether inproc peers that were full have room again; asks them to tell if not.
    fn reactivate_inproc(&mut self) -> bool {
        let state = &mut **self;
        let mut any = false;
        for &id in &state.inproc_peers {
            let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { continue };
            if let Link::Inproc(inproc) = &mut peer.link
                && state.send_turn.contains(id)
                && !inproc.tx.is_abandoned()
                && inproc.tx.wants_room()
            {
                state.send_turn.activate(id);
                any = true;
            }
        }
        any
    }

    /// Puts a message into one peer's queue.
    #[inline]
    pub(super) fn offer(&mut self, id: PeerId, message: Message) -> Offered {
        let state = &mut **self;
        let marks = state.send_marks;
        let conflate = state.options.conflate;
        let strict = state.options.strict_marks;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return Offered::Gone(message) };
        let bytes = message.byte_len() as u64;
        match &mut peer.link {
            Link::Net(net) => {
                if conflate {
                    let old = net.outbox.clear_waiting();
                    peer.traffic.dropped.conflated += old;
                } else if !net.is_below(marks) {
                    return Offered::Full(message);
                }
                if strict {
                    net.burst.queued();
                }
                let before = net.outbox.bytes();
                net.outbox.append(net.framing, message, &mut state.pool);
                let queued = net.outbox.bytes();
                peer.traffic.messages_out += 1;
                peer.traffic.bytes_out += bytes;
                let left = peer.left;
                self.queued(id, before, queued, left);
                Offered::Taken
            }
            Link::Inproc(inproc) => {
                if inproc.tx.is_abandoned() {
                    return Offered::Gone(message);
                }
                if conflate {
                    peer.traffic.dropped.conflated += u64::from(inproc.push_latest(message));
                    peer.traffic.messages_out += 1;
                    peer.traffic.bytes_out += bytes;
                    state.after.sockets.extend(inproc.announce());
                    return Offered::Taken;
                }
                match inproc.tx.push(Item::Event(Event::Message(message))) {
                    Ok(()) => {
                        peer.traffic.messages_out += 1;
                        peer.traffic.bytes_out += bytes;
                        state.after.sockets.extend(inproc.announce());
                        Offered::Taken
                    }
                    Err(Item::Event(Event::Message(back))) => Offered::Full(back),
                    Err(_) => Offered::Taken,
                }
            }
            Link::Datagrams(_) | Link::Gone => Offered::Gone(message),
        }
    }

    /// Puts a message into one peer's queue; has an inproc peer tell when there is room if it is full.
    fn offer_or_ask(&mut self, id: PeerId, message: Message) -> Offered {
        match self.offer(id, message) {
            Offered::Full(back) => {
                if let Some(Link::Inproc(inproc)) = self.peer_mut(id).map(|peer| &mut peer.link)
                    && inproc.tx.wants_room()
                {
                    // It has made room meanwhile.
                    return self.offer(id, back);
                }
                Offered::Full(back)
            }
            other => other,
        }
    }

    /// Decides what happens with the bytes just queued for one peer.
    #[inline]
    fn queued(&mut self, id: PeerId, before: usize, queued: usize, left: Left) {
        let others_wait = self.waiting > u32::from(left == Left::Waiting);
        match self.policy.decide(before, queued, others_wait, Instant::now) {
            Decision::Write => {
                self.flushes += 1;
                let presses = self.may_press();
                self.flush_with(id, presses);
            }
            Decision::Leave if left == Left::Waiting => {}
            Decision::Leave | Decision::Cork => self.leave_for_later(id),
        }
    }

    /// Tells whether the sending thread may stay with a kernel that takes no more: if it may wait at all, and has nobody else to
    /// send to.
    pub(crate) fn may_press(&self) -> bool {
        self.hasty == 0
            && takes_turns(self.core.kind)
            && self.net_peers.len() == 1
            && self.inproc_peers.is_empty()
            && self.options.driver == Driver::Adaptive
            && self.options.send_timeout.is_none_or(|timeout| timeout >= PATIENT)
    }

    /// PUB, XPUB: encodes once, and appends the bytes to the queue of every matching subscriber.
    ///
    //= 29/PUBSUB, the PUB socket type
    //# SHALL silently drop the message if the queue for a subscriber is full.
    fn publish(&mut self, message: Message) -> Result<(), SendError> {
        if self.core.attention.has_news() {
            self.scan_inproc();
        }
        let now = &mut **self;
        if now.options.xpub_nodrop && !now.all_matching_have_room(message.as_slice()) {
            return Err(SendError::Full(message));
        }
        if now.options.xpub_manual_last_value
            && let Pattern::Publish(publishing) = &mut now.pattern
            && let Some(last) = publishing.last.take()
        {
            // Only for the one who has just subscribed: the last value of what it subscribed to.
            if publishing.matching(message.as_slice()).binary_search(&last).is_ok() {
                self.publish_to(last, message);
            }
            return Ok(());
        }
        if now.options.invert_matching && self.core.kind != SocketType::Radio {
            return self.publish_inverted(message);
        }
        let state = &mut **self;
        let Pattern::Publish(publishing) = &mut state.pattern else {
            return Err(SendError::Unsupported(message));
        };
        let matching = publishing.matching(message.as_slice());
        let (Some(&first), count) = (matching.first(), matching.len()) else { return Ok(()) };
        if count == 1 || message.byte_len() >= REFERENCE_MIN || state.options.conflate {
            // One subscriber: its own buffer will do. Large bodies are queued by reference anyway.
            if count == 1 {
                self.publish_to(first, message);
                return Ok(());
            }
            let matching = matching.to_vec();
            for id in matching {
                self.publish_to(id, message.clone());
            }
            return Ok(());
        }
        self.publish_shared(&message);
        Ok(())
    }

    fn publish_to(&mut self, id: PeerId, message: Message) {
        match self.offer(id, message) {
            Offered::Taken => {}
            Offered::Full(_) | Offered::Gone(_) => {
                if let Some(peer) = self.peer_mut(id) {
                    peer.traffic.dropped.full += 1;
                }
            }
        }
    }

    /// Several subscribers: the encoded bytes stand once in a chunk, each outbox holds a range of it. Those that cannot take a
    /// range get a message of their own. Returns how many were full.
    fn publish_shared(&mut self, message: &impl ShortMessage) -> u64 {
        let core = self.core;
        let state = &mut **self;
        let Pattern::Publish(publishing) = &mut state.pattern else { return 0 };
        let chunk = match &mut state.open_chunk {
            Some(chunk) => chunk,
            place @ None => place.insert(OpenChunk::new(Vec::new())),
        };
        let start = chunk.bytes.len();
        // Where the encoded message ends, once it is needed.
        let mut end = None;
        let (bytes, mut dropped) = (message.byte_len() as u64, 0);
        // What inproc subscribers get is made once, and shared.
        let mut made = None;
        let marks = state.send_marks;
        let strict = state.options.strict_marks;
        let mut first_before = None;
        let mut full_batch = false;
        let others_wait = state.waiting > 0;
        let mut newly_left = false;
        for &id in publishing.matching(message.topic()) {
            let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { continue };
            match &mut peer.link {
                Link::Net(net) => {
                    if !net.is_below(marks) {
                        peer.traffic.dropped.full += 1;
                        dropped += 1;
                        continue;
                    }
                    if strict {
                        net.burst.queued();
                    }
                    let before = net.outbox.bytes();
                    if net.framing == Framing::V2 {
                        let stalled = net.conn.as_ref().is_none_or(|conn| conn.blocked);
                        let end = *end.get_or_insert_with(|| {
                            message.put(&mut chunk.bytes);
                            chunk.bytes.len()
                        });
                        net.outbox.append_range(
                            &chunk.cell,
                            &chunk.bytes,
                            (start, end),
                            stalled,
                            &mut state.pool,
                        );
                    } else {
                        let whole = message.to_message(&mut |frames| state.carver.message(frames));
                        net.outbox.append(net.framing, whole, &mut state.pool);
                    }
                    first_before.get_or_insert(before);
                    full_batch |= net.outbox.bytes() >= BATCH_BYTES;
                    newly_left |= peer.left.begin(id, &mut state.left, &mut state.waiting);
                }
                Link::Inproc(inproc) => {
                    let is_taken = !inproc.tx.is_abandoned() && inproc.tx.has_room();
                    if !is_taken {
                        peer.traffic.dropped.full += 1;
                        dropped += 1;
                        continue;
                    }
                    let message = made
                        .get_or_insert_with(|| message.to_message(&mut |frames| state.carver.message(frames)))
                        .clone();
                    inproc.tx.push_unbounded(Item::Event(Event::Message(message)));
                    if inproc.is_asleep() {
                        inproc.unheard += 1;
                        first_before.get_or_insert_with(|| usize::from(peer.left == Left::Waiting));
                        let may_sleep = inproc.unheard < UNHEARD_MAX && inproc.tx.has_much_room();
                        // Where nobody could wake it later, it is woken now.
                        if !may_sleep || core.context.background.start(core).is_err() {
                            inproc.unheard = 0;
                            state.after.sockets.extend(inproc.other());
                        } else {
                            newly_left |= peer.left.begin(id, &mut state.left, &mut state.waiting);
                        }
                    }
                }
                Link::Datagrams(_) | Link::Gone => continue,
            }
            peer.traffic.messages_out += 1;
            peer.traffic.bytes_out += bytes;
        }
        let Some(before) = first_before else {
            // Inproc subscribers only, who are awake.
            return dropped;
        };
        let queued = if full_batch {
            BATCH_BYTES
        } else {
            end.map_or_else(|| usize::try_from(bytes).unwrap_or(usize::MAX), |end| end - start)
        };
        match self.policy.decide(before, queued, others_wait, Instant::now) {
            Decision::Write => {
                self.flushes += 1;
                self.flush_left();
                self.wake_sleepers();
            }
            Decision::Cork => self.schedule_cork(),
            Decision::Leave if newly_left => self.schedule_cork(),
            Decision::Leave => {}
        }
        // A chunk that nobody writes (slow subscribers) must not grow without bound.
        if self.open_chunk.as_ref().is_some_and(|chunk| chunk.bytes.len() >= 2 * BATCH_BYTES) {
            self.seal_chunk();
        }
        dropped
    }

    /// Wakes the inproc subscribers that are to be woken, which takes time as writing does.
    fn wake_sleepers(&mut self) {
        if !self.after.sockets.is_empty() {
            let before = Instant::now();
            self.unlocked(|| ());
            let took = before.elapsed();
            self.policy.wrote(1, took);
        }
    }

    pub(crate) fn seal_chunk(&mut self) {
        if let Some(chunk) = self.open_chunk.take() {
            chunk.seal();
        }
    }

    /// PUB with inverted matching: whoever does *not* match gets it.
    fn publish_inverted(&mut self, message: Message) -> Result<(), SendError> {
        let state = &mut **self;
        let Pattern::Publish(publishing) = &mut state.pattern else {
            return Err(SendError::Unsupported(message));
        };
        let matching = publishing.subscriptions.matches(message.as_slice()).to_vec();
        let others: Vec<PeerId> = state
            .iter_peers()
            .filter(|peer| peer.attached && matching.binary_search(&peer.id).is_err())
            .map(|peer| peer.id)
            .collect();
        for id in others {
            self.publish_to(id, message.clone());
        }
        Ok(())
    }

    /// ROUTER: the first frame says where the rest goes.
    ///
    //= 28/REQREP, the ROUTER socket type
    //# SHALL discard messages that cannot be routed, unless told to return an error.
    fn route_by_id(&mut self, message: Message) -> Result<(), SendError> {
        let mandatory = self.options.router_mandatory;
        let Pattern::Route(identities) = &mut self.pattern else {
            return Err(SendError::Unsupported(message));
        };
        let target = identities.find(message.as_slice()).filter(|_| message.is_multipart());
        let Some(peer) = target.filter(|&peer| self.peer(peer).is_some_and(Peer::can_be_routed)) else {
            if mandatory {
                return Err(SendError::Unroutable(message));
            }
            self.retired.dropped.unroutable += 1;
            return Ok(());
        };
        if mandatory && self.options.strict_marks {
            let marks = self.send_marks;
            if let Some(net) = self.peer_mut(peer).and_then(Peer::net_mut)
                && !net.has_room(marks, true)
            {
                return Err(SendError::Full(message));
            }
        }
        let (address, rest) = message.split_first();
        let Some(rest) = rest else { return Ok(()) };
        let offered = if mandatory { self.offer_or_ask(peer, rest) } else { self.offer(peer, rest) };
        match offered {
            Offered::Taken => Ok(()),
            Offered::Full(mut back) if mandatory => {
                back.push_front(address);
                Err(SendError::Full(back))
            }
            Offered::Full(_) => {
                if let Some(peer) = self.peer_mut(peer) {
                    peer.traffic.dropped.full += 1;
                }
                Ok(())
            }
            Offered::Gone(mut back) => {
                back.push_front(address);
                if mandatory {
                    return Err(SendError::Unroutable(back));
                }
                self.retired.dropped.unroutable += 1;
                Ok(())
            }
        }
    }

    /// SERVER, PEER: the message says by a number where it goes.
    fn route_by_number(&mut self, mut message: Message) -> Result<(), SendError> {
        if message.is_multipart() {
            return Err(SendError::Malformed(message));
        }
        let Pattern::Serve(ids) = &mut self.pattern else { return Err(SendError::Unsupported(message)) };
        let number = message.routing_id();
        //= 41/CLISRV, the SERVER socket type
        //# SHALL return an error if the queue does not exist.
        let Some(peer) = ids.find(number).filter(|&peer| self.peer(peer).is_some_and(Peer::can_be_routed))
        else {
            return Err(SendError::Unroutable(message));
        };
        // It means nothing to the other side, to which it could get through a pipe.
        message.set_routing_id(0);
        let give_back = |mut message: Message| {
            message.set_routing_id(number);
            message
        };
        match self.offer_or_ask(peer, message) {
            Offered::Taken => Ok(()),
            Offered::Full(back) => Err(SendError::Full(give_back(back))),
            Offered::Gone(back) => Err(SendError::Unroutable(give_back(back))),
        }
    }

    /// RADIO: the first frame is the group, the second the message for its members.
    fn broadcast(&mut self, message: Message) -> Result<(), SendError> {
        if message.frame_count() != 2 || !is_group(message.as_slice()) {
            return Err(SendError::Malformed(message));
        }
        let Pattern::Publish(publishing) = &self.pattern else { return Err(SendError::Unsupported(message)) };
        if publishing.datagrams.is_empty() {
            return self.publish(message);
        }
        let datagram = message.clone();
        self.publish(message)?;
        self.broadcast_datagram(&datagram);
        Ok(())
    }

    /// STREAM: raw bytes to the connection with that id; no bytes close it.
    fn route_raw(&mut self, message: Message) -> Result<(), SendError> {
        let Pattern::Route(identities) = &mut self.pattern else {
            return Err(SendError::Unsupported(message));
        };
        let Some(id) = identities.find(message.as_slice()).filter(|_| message.frame_count() == 2) else {
            return Err(SendError::Unroutable(message));
        };
        let marks = self.send_marks;
        // To a peer whose address was chosen before there is a connection, bytes may be sent at once.
        let addressed = self.peer(id).is_some_and(|peer| peer.addressed);
        let Some(net) =
            self.peer_mut(id).and_then(Peer::net_mut).filter(|net| net.conn.is_some() || addressed)
        else {
            return Err(SendError::Unroutable(message));
        };
        if !net.is_below(marks) {
            return Err(SendError::Full(message));
        }
        let Some(body) = message.into_frames().next_back() else { return Ok(()) };
        if body.is_empty() {
            self.close_when_written(id);
            return Ok(());
        }
        let body = body.into_bytes();
        let bytes = body.len() as u64;
        let before = net.outbox.bytes();
        net.outbox.append_raw(body);
        let queued = net.outbox.bytes();
        if let Some(peer) = self.peer_mut(id) {
            peer.traffic.messages_out += 1;
            peer.traffic.bytes_out += bytes;
        }
        self.queued(id, before, queued, Left::Nothing);
        Ok(())
    }

    /// XSUB: subscriptions are state; anything else goes up to every publisher.
    fn route_upstream(&mut self, message: Message) -> Result<(), SendError> {
        if !message.is_multipart() {
            match message.as_slice().split_first() {
                Some((1, topic)) => {
                    let topic = topic.to_vec();
                    self.subscribe(&topic);
                    return Ok(());
                }
                Some((0, topic)) => {
                    let topic = topic.to_vec();
                    if self.options.xsub_verbose_unsubscribe {
                        self.unsubscribe_again(&topic);
                    } else {
                        self.unsubscribe(&topic);
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
        let peers: Vec<PeerId> = self.iter_peers().filter(|peer| peer.attached).map(|peer| peer.id).collect();
        for id in peers {
            self.publish_to(id, message.clone());
        }
        Ok(())
    }
}

/// Tells whether this can be a group.
//= 48/RADIO-DISH, group
//# Group character MUST be one byte with allowed values 1-255.
pub(crate) fn is_group(group: &[u8]) -> bool {
    group.len() <= GROUP_LEN_MAX && !group.contains(&0)
}

impl Link {
    /// Tells whether its queue has room; has an inproc peer tell when it has if not.
    fn has_room(&mut self, marks: Marks, strict: bool) -> bool {
        match self {
            Self::Net(net) => net.has_room(marks, strict),
            Self::Inproc(inproc) => inproc.tx.has_room() || inproc.tx.wants_room(),
            Self::Datagrams(_) => true,
            Self::Gone => false,
        }
    }
}

impl State {
    pub(crate) fn all_matching_have_room(&mut self, topic: &[u8]) -> bool {
        let (marks, strict) = (self.send_marks, self.options.strict_marks);
        let Pattern::Publish(publishing) = &mut self.pattern else { return true };
        publishing.matching(topic).iter().all(|id| {
            let Some(Some(peer)) = self.peers.get_mut(id.0 as usize) else { return true };
            match &mut peer.link {
                Link::Net(net) => net.has_room(marks, strict),
                Link::Inproc(inproc) => {
                    inproc.tx.is_abandoned() || inproc.tx.has_room() || inproc.tx.wants_room()
                }
                Link::Datagrams(_) | Link::Gone => true,
            }
        })
    }

    /// Whoever waits or polls has let time pass: with `strict_marks`, bursts are over.
    pub(crate) fn end_bursts(&mut self) {
        self.change_bursts(|burst, waiting| burst.end(waiting));
    }

    /// Has bursts begin with what is queued from now on.
    pub(crate) fn forget_bursts(&mut self) {
        self.change_bursts(|burst, _| *burst = Burst::default());
    }

    fn change_bursts(&mut self, change: impl Fn(&mut Burst, u64)) {
        if !self.options.xpub_nodrop && !self.options.router_mandatory {
            // Nothing is decided by them.
            return;
        }
        for net in self.peers.iter_mut().flatten().filter_map(|peer| peer.net_mut()) {
            change(&mut net.burst, net.outbox.messages());
        }
    }

    /// Tells whether `send` would find room now.
    pub(crate) fn is_writable(&mut self, kind: SocketType) -> bool {
        if self.options.strict_marks {
            self.end_bursts();
        }
        match kind {
            SocketType::Push
            | SocketType::Dealer
            | SocketType::Pair
            | SocketType::Client
            | SocketType::Scatter
            | SocketType::Channel => self.turn_has_room(),
            SocketType::Req => match &self.pattern {
                Pattern::Request(turn) => {
                    turn.may_send().is_ok()
                        && (self.ahead.is_none() || turn.relaxed())
                        && self.turn_has_room()
                }
                _ => false,
            },
            SocketType::Rep => {
                self.ahead.is_none()
                    && matches!(&self.pattern, Pattern::Reply(turn) if turn.may_send().is_ok())
            }
            SocketType::Pub | SocketType::XPub | SocketType::Radio if self.options.xpub_nodrop => {
                let marks = self.send_marks;
                self.peers.iter_mut().flatten().filter(|peer| !peer.leaving).all(|peer| {
                    match &mut peer.link {
                        Link::Net(net) => net.is_below(marks),
                        Link::Inproc(inproc) => {
                            inproc.tx.is_abandoned() || inproc.tx.has_room() || inproc.tx.wants_room()
                        }
                        Link::Datagrams(_) | Link::Gone => true,
                    }
                })
            }
            SocketType::Router if self.options.router_mandatory => {
                let marks = self.send_marks;
                self.peers.iter_mut().flatten().any(|peer| peer.attached && peer.link.has_room(marks, false))
            }
            SocketType::Dgram => self.iter_peers().any(|peer| matches!(peer.link, Link::Datagrams(_))),
            _ => kind.can_send(),
        }
    }

    /// Tells whether a message would be taken for this peer now.
    pub(crate) fn peer_has_room(&mut self, id: PeerId) -> bool {
        let (marks, strict) = (self.send_marks, self.options.strict_marks);
        self.peer_mut(id).is_some_and(|peer| peer.attached && peer.link.has_room(marks, strict))
    }

    fn turn_has_room(&mut self) -> bool {
        let marks = self.send_marks;
        let conflate = self.options.conflate;
        while let Some(id) = self.send_turn.current() {
            let has_room =
                match self.peers.get_mut(id.0 as usize).and_then(Option::as_mut).map(|peer| &mut peer.link) {
                    Some(Link::Net(net)) => conflate || net.is_below(marks),
                    Some(Link::Inproc(inproc)) => conflate || inproc.tx.has_room() || inproc.tx.wants_room(),
                    _ => false,
                };
            if has_room {
                return true;
            }
            self.send_turn.deactivate(id);
        }
        // Inproc peers become active again only when they are looked at.
        let inproc_peers = std::mem::take(&mut self.inproc_peers);
        let mut any = false;
        for &id in &inproc_peers {
            if let Some(Some(peer)) = self.peers.get_mut(id.0 as usize)
                && let Link::Inproc(inproc) = &mut peer.link
                && self.send_turn.contains(id)
                && inproc.tx.wants_room()
            {
                self.send_turn.activate(id);
                any = true;
            }
        }
        self.inproc_peers = inproc_peers;
        any
    }

    /// After something was written to a peer: it can take messages again. With `stalled` the kernel takes no more for now:
    /// then any room counts, for nobody knows when there will be more.
    pub(crate) fn made_room(&mut self, id: PeerId, stalled: bool) -> bool {
        let marks = self.send_marks;
        let has_room = self.peer(id).is_some_and(|peer| match &peer.link {
            Link::Net(net) => {
                let usable = net.dialed && !self.options.immediate
                    || net.conn.as_ref().is_some_and(|conn| conn.phase == Phase::Ready);
                let (messages, bytes) = (net.outbox.messages(), net.outbox.bytes() as u64);
                usable
                    && if stalled {
                        marks.have_room(messages, bytes)
                    } else {
                        marks.have_half(messages, bytes)
                    }
            }
            _ => false,
        });
        has_room && (!self.send_turn.contains(id) || self.send_turn.activate(id))
    }
}
