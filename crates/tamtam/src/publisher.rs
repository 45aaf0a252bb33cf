//! Publishers.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam_zmq::{Frame, Message, PeerId, PeerStatistics, Published, SendError, Socket, SocketType};

use crate::bell::Bell;
use crate::error::{BarrierTimeout, Error, NotDrained, PublishError};
use crate::event::{Events, PublisherEvent};
use crate::handshake::Greeter;
use crate::header::{
    FLAG_END, FLAG_HEARTBEAT, FLAG_LATCHED, HEAD_MAX, Head, SOURCE_LEN, TopicHeader, now_ns,
};
use crate::id;
use crate::message::TopicMessage;
use crate::name::Name;
use crate::node::{Command, Node, Who};
use crate::qos::{Overflow, Qos, Reach};
use crate::record::{PublisherRecord, QosRecord, Report, ReportKind};
use crate::schema::Schema;
use crate::short::{Layout, Short};
use crate::stamp::Stamps;

/// How long a publisher is silent before it repeats the number of its last message, and how long it waits where there was no
/// room for that.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a publisher that is dropped waits for END to be delivered.
const FAREWELL: Duration = Duration::from_secs(1);

/// Messages and octets that may wait at the publisher where the subscriber drops the oldest.
const BURST: u32 = 1000;
const BURST_BYTES: u64 = 16 << 20;
/// The longest subscription, in octets.
const SUBSCRIPTION_MAX: u64 = 64 * 1024;
/// Subscriptions that are looked at in one go.
const ADMITTED_AT_ONCE: usize = 256;
/// How long `send` waits for room before it lets in who has come meanwhile.
const SLICE: Duration = Duration::from_millis(20);
/// Bodies up to here are copied straight to where they are written from, in octets.
const SHORT_MAX: usize = 4096;
/// What the protocol adds to a message's three frames at most, in octets.
const FRAMING: usize = 3 * 9;
/// The longest text of a stranger's that is kept, in octets.
const TEXT_MAX: usize = 1024;

/// What became of a message that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Its number, from 1.
    pub seq: u64,
    /// How many subscribers there were.
    pub subscribers: usize,
    /// How many of them did not get it because their queue was full ([`Overflow::DropNewest`] and
    /// [`Overflow::DropOldest`]; never with the others).
    pub dropped: u64,
}

/// How messages look on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Key, header, body.
    Typed,
    /// The body alone, as programs without Tamtam send it, and what they send at the end.
    Plain {
        /// The marker.
        end: Bytes,
    },
}

/// Makes a publisher; see [`Node::publisher`].
#[must_use = "a builder does nothing before `create`"]
pub struct PublisherBuilder<'a, T> {
    node: &'a Node,
    topic: String,
    qos: Qos,
    bind: Vec<String>,
    at: Option<String>,
    dialect: Dialect,
    sync: Option<String>,
    of: PhantomData<fn(T)>,
}

impl<T> fmt::Debug for PublisherBuilder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublisherBuilder").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<'a, T> PublisherBuilder<'a, T> {
    pub(crate) fn new(node: &'a Node, topic: &str) -> Self {
        Self {
            node,
            topic: topic.to_owned(),
            qos: Qos::default(),
            bind: Vec::new(),
            at: None,
            dialect: Dialect::Typed,
            sync: None,
            of: PhantomData,
        }
    }

    /// Sets the quality of service. Default [`Qos::default`]: nothing is lost.
    pub fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// Binds to a further endpoint, for programs that do not look names up (`tcp://*:5561`).
    pub fn bind(mut self, endpoint: &str) -> Self {
        self.bind.push(endpoint.to_owned());
        self
    }

    /// Has subscribers on this host connect to this endpoint (`tcp://127.0.0.1:*`), instead of to a Unix socket that the node
    /// makes.
    pub fn at(mut self, endpoint: &str) -> Self {
        self.at = Some(endpoint.to_owned());
        self
    }

    /// Sends bodies alone, without topic and header, and `end` as the last message: what plain ZeroMQ programs expect. Gaps
    /// cannot be seen then, and nodes do not find it by name: [`bind`](Self::bind) says where it is.
    pub fn plain(mut self, end: impl Into<Bytes>) -> Self {
        self.dialect = Dialect::Plain { end: end.into() };
        self
    }

    /// In the plain dialect: answers at this endpoint (`tcp://*:5562`) those that ask whether they may begin, as the textbook's
    /// subscribers do (REQ). One is answered once as many subscriptions have come as requests, and
    /// [`wait_for`](RawPublisher::wait_for) waits for the requests, too. Default not at all.
    pub fn sync(mut self, endpoint: &str) -> Self {
        self.sync = Some(endpoint.to_owned());
        self
    }

    pub(crate) fn build(self, schema: Option<Schema>) -> Result<Arc<PublisherCore>, Error> {
        let Self { node, topic, qos, bind, at, dialect, sync, .. } = self;
        if sync.is_some() && dialect == Dialect::Typed {
            return Err(Error::socket("sync", "only the plain dialect has this handshake"));
        }
        let name = node.core.naming.resolve(&topic)?;
        let source = id::random()?;
        let socket = Socket::new(&node.core.context, SocketType::XPub);
        let is_typed = dialect == Dialect::Typed;
        socket
            .configure(|options| {
                // Where the subscriber's end drops, a burst has to get there.
                let (depth, octets) = match qos.overflow {
                    Overflow::DropOldest => {
                        (qos.depth.max(BURST), qos.depth_bytes.map(|octets| octets.max(BURST_BYTES)))
                    }
                    _ => (qos.depth.max(1), qos.depth_bytes),
                };
                options.set_send_hwm(depth).set_send_hwm_bytes(octets);
                options.set_linger(Some(FAREWELL));
                options.set_max_message_size(Some(SUBSCRIPTION_MAX));
                options.set_xpub_manual(true).set_xpub_verboser(true);
                options.set_xpub_nodrop(qos.overflow.is_lossless());
                options.add_metadata("X-Tamtam-Node", node.core.name.clone().into_bytes());
            })
            .map_err(|error| Error::socket("publisher", error))?;
        let mut endpoints = Vec::new();
        if is_typed {
            endpoints.push(match &at {
                Some(endpoint) => bind_at(&socket, endpoint)?,
                None => node.bind_local(&socket, qos.reach, &id::hex(&source))?,
            });
            if qos.reach == Reach::Network {
                endpoints.push(node.bind_network(&socket)?);
            }
        }
        for endpoint in &bind {
            endpoints.push(bind_at(&socket, endpoint)?);
        }
        let greeter = sync.map(|endpoint| Greeter::begin(node, &endpoint)).transpose()?;
        let schema_id = schema.as_ref().map(Schema::id);
        let record = PublisherRecord {
            topic: name.to_string(),
            type_name: schema.as_ref().map_or_else(String::new, |schema| schema.name().to_owned()),
            schema: schema_id.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
            source: source.to_vec(),
            endpoints: endpoints.clone(),
            qos: Some(QosRecord::of(&qos)),
            ended: false,
        };
        if let Some(schema) = &schema {
            node.core.keep_schema(qos.reach, schema)?;
        }
        let core = Arc::new(PublisherCore {
            key: Frame::from(name.as_str()),
            name,
            source,
            header: TopicHeader {
                source: source.to_vec(),
                schema: schema_id.map_or(0, crate::schema::SchemaId::short),
                ..TopicHeader::default()
            },
            schema,
            qos,
            dialect,
            socket,
            endpoints,
            greeter,
            is_awaited: AtomicBool::new(false),
            is_quiet: AtomicBool::new(true),
            bell: Arc::clone(&node.core.bell),
            published: AtomicU64::new(0),
            state: Mutex::new(State {
                layout: None,
                stamps: Stamps::default(),
                latched: VecDeque::new(),
                scratch: Vec::new(),
                informed: HashMap::new(),
                ended: false,
                beat: (0, Instant::now()),
            }),
            events: Events::new(),
        });
        let reach = core.qos.reach;
        // Whoever finds it in the registry is let in by the node's thread.
        node.core.submit(Command::Publisher(Arc::clone(&core)));
        if is_typed && let Err(error) = node.core.change(reach, |own| own.publishers.push(record)) {
            node.core.submit(Command::Gone(Who::Publisher(source)));
            core.socket.shut();
            return Err(error);
        }
        Ok(core)
    }
}

fn bind_at(socket: &Socket, endpoint: &str) -> Result<String, Error> {
    socket.bind(endpoint).map_err(|error| Error::socket(format!("bind {endpoint}"), error))
}

impl<T: TopicMessage> PublisherBuilder<'_, T> {
    /// Makes the publisher: from here on nodes find it.
    ///
    /// # Errors
    ///
    /// [`Error`], for example of a name that will not do or an endpoint in use.
    pub fn create(self) -> Result<Publisher<T>, Error> {
        let node = self.node.clone();
        let core = self.build(T::schema()?)?;
        Ok(Publisher { raw: RawPublisher { core, node }, of: PhantomData })
    }
}

/// What is behind a publisher: used by its threads and by the node's.
pub(crate) struct PublisherCore {
    pub(crate) name: Name,
    key: Frame,
    pub(crate) source: [u8; SOURCE_LEN],
    header: TopicHeader,
    schema: Option<Schema>,
    qos: Qos,
    dialect: Dialect,
    pub(crate) socket: Socket,
    endpoints: Vec<String>,
    /// Answers those that ask whether they may begin.
    greeter: Option<Greeter>,
    /// Subscriptions wait for whoever holds the state.
    is_awaited: AtomicBool,
    /// All that there is to tell about its messages was told.
    is_quiet: AtomicBool,
    /// Rings for the node's thread.
    bell: Arc<Bell>,
    /// How many messages there were: changed by who holds the state, read by everybody.
    published: AtomicU64,
    state: Mutex<State>,
    events: Events<PublisherEvent>,
}

struct State {
    /// How short messages look, once there was one.
    layout: Option<Layout>,
    stamps: Stamps,
    latched: VecDeque<(TopicHeader, Bytes)>,
    /// Where short bodies are made.
    scratch: Vec<u8>,
    /// Subscribers that understand headers, with the names of their nodes: who is told the present number.
    informed: HashMap<PeerId, String>,
    ended: bool,
    /// How many messages there were when the heart was looked at, and since when there were so many.
    beat: (u64, Instant),
}

impl PublisherCore {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn message(&self, header: &TopicHeader, body: Bytes) -> Message {
        match &self.dialect {
            Dialect::Plain { .. } => Message::new(body),
            Dialect::Typed => {
                let mut message = Message::new(self.key.clone());
                message.push_back(header.to_frame());
                message.push_back(Frame::from_bytes(body));
                message
            }
        }
    }

    /// Publishes a body with this header, but for number and source.
    fn publish(&self, body: Bytes, mut header: TopicHeader) -> Result<Sent, PublishError> {
        // These say what no caller can.
        header.flags &= !(FLAG_END | FLAG_HEARTBEAT);
        header.source.clone_from(&self.header.source);
        let mut state = self.lock();
        self.admit_awaited(&mut state);
        if state.ended {
            return Err(PublishError::Ended);
        }
        header.seq = self.count() + 1;
        let seq = header.seq;
        let kept = (self.qos.latch > 0).then(|| (header.clone(), body.clone()));
        let message = self.message(&header, body);
        let before = if self.qos.overflow.is_lossless() { 0 } else { self.dropped() };
        // The clock is looked at only by who has to wait.
        let result = match (self.qos.overflow, self.socket.try_send(message)) {
            (Overflow::Block(patience), Err(SendError::Full(message))) => {
                self.send_slowly(&mut state, message, patience)
            }
            (_, done) => done,
        };
        let result = result.map(|()| self.count_in(&mut state, seq, before, kept));
        // Only now: who comes from here on is told this number.
        self.admit_awaited(&mut state);
        result.map_err(|error| self.refused(&error))
    }

    /// A message is on its way: whoever is let in later comes after it.
    fn count_in(&self, state: &mut State, seq: u64, before: u64, kept: Option<(TopicHeader, Bytes)>) -> Sent {
        let lossless = self.qos.overflow.is_lossless();
        let dropped = if lossless { 0 } else { self.dropped().saturating_sub(before) };
        self.has_published(seq);
        if let Some(kept) = kept {
            if state.latched.len() >= self.qos.latch as usize {
                state.latched.pop_front();
            }
            state.latched.push_back(kept);
        }
        Sent { seq, subscribers: self.socket.subscriber_count(), dropped }
    }

    /// As [`publish_short`](Self::publish_short), of a body that `put` appends to what it is given.
    fn publish_made(&self, put: impl FnOnce(&mut Vec<u8>)) -> Result<Sent, PublishError> {
        let mut scratch = std::mem::take(&mut self.lock().scratch);
        scratch.clear();
        // Not under the lock: it may be anybody's code.
        put(&mut scratch);
        let mut state = self.lock();
        let sent = self.publish_under(&mut state, &scratch);
        // A type may have made more than it said.
        scratch.shrink_to(SHORT_MAX);
        state.scratch = scratch;
        sent
    }

    /// As [`publish`](Self::publish), with the header that every message has, without an allocation.
    #[inline]
    fn publish_short(&self, body: &[u8]) -> Result<Sent, PublishError> {
        self.publish_under(&mut self.lock(), body)
    }

    #[inline]
    fn publish_under(&self, state: &mut State, body: &[u8]) -> Result<Sent, PublishError> {
        self.admit_awaited(state);
        if state.ended {
            return Err(PublishError::Ended);
        }
        let seq = self.count() + 1;
        let State { layout, stamps, .. } = state;
        let stamp_ns = stamps.now();
        if layout.as_ref().is_none_or(|layout| !layout.suits(seq)) {
            *layout = Layout::new(&self.key, self.source, self.header.schema, seq);
        }
        let done = match layout {
            Some(layout) if stamp_ns != 0 => {
                self.socket.publish_short(&Short { layout, seq, stamp_ns, body })
            }
            // A clock that was never set, or a number that nobody gets to.
            _ => self.publish_frames(seq, stamp_ns, body),
        };
        let done = match done {
            Ok(done) => done,
            Err(error) => return self.publish_slowly(state, seq, error),
        };
        self.has_published(seq);
        // Only now: who comes from here on is told this number.
        self.admit_awaited(state);
        Ok(Sent { seq, subscribers: done.subscribers, dropped: done.dropped })
    }

    #[cold]
    fn publish_frames(&self, seq: u64, stamp_ns: u64, body: &[u8]) -> Result<Published, SendError> {
        let head = Head { seq, stamp_ns, source: Some(self.source), schema: self.header.schema, flags: 0 };
        let mut place = [0; HEAD_MAX];
        let len = head.put(&mut place);
        let header = place.get(..len).unwrap_or_default();
        self.socket.publish_slices(&[&self.key, header, body])
    }

    /// What was not sent at once is waited for, if that is wanted.
    #[cold]
    fn publish_slowly(&self, state: &mut State, seq: u64, error: SendError) -> Result<Sent, PublishError> {
        let sent = match (error, self.qos.overflow) {
            (SendError::Full(message), Overflow::Block(patience)) => {
                self.send_slowly(state, message, patience)
            }
            (error, _) => Err(error),
        };
        if sent.is_ok() {
            self.has_published(seq);
        }
        self.admit_awaited(state);
        sent.map_err(|error| self.refused(&error))?;
        Ok(Sent { seq, subscribers: self.socket.subscriber_count(), dropped: 0 })
    }

    /// Under the lock of the state.
    #[inline]
    fn has_published(&self, seq: u64) {
        self.published.store(seq, Ordering::Relaxed);
        if self.is_quiet.load(Ordering::Acquire) {
            self.stir();
        }
    }

    /// Tells whether a body of this length takes the short way.
    fn is_short(&self, len: usize) -> bool {
        len <= SHORT_MAX && self.qos.latch == 0 && self.dialect == Dialect::Typed
    }

    /// Waits for room, and lets in who comes meanwhile: they get this message.
    fn send_slowly(
        &self,
        state: &mut State,
        mut message: Message,
        patience: Duration,
    ) -> Result<(), SendError> {
        let began = Instant::now();
        loop {
            let left = patience.saturating_sub(began.elapsed());
            message = match self.socket.send_timeout(message, left.min(SLICE)) {
                Err(SendError::Full(back) | SendError::TimedOut(back)) if left > SLICE => back,
                done => return done,
            };
            self.admit_awaited(state);
        }
    }

    /// There is something to tell in a while: the node's thread is not to sleep through it.
    fn stir(&self) {
        self.is_quiet.store(false, Ordering::Release);
        self.bell.ring();
    }

    fn count(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    fn new_header(&self) -> TopicHeader {
        TopicHeader { stamp_ns: now_ns(), ..self.header.clone() }
    }

    fn dropped(&self) -> u64 {
        self.socket.statistics().traffic.dropped.full
    }

    fn refused(&self, error: &SendError) -> PublishError {
        match error {
            SendError::Full(_) | SendError::TimedOut(_) => PublishError::Full { slow: self.slow() },
            other => PublishError::Closed(other.to_string()),
        }
    }

    /// The names of the nodes of those whose queues are full.
    fn slow(&self) -> Vec<String> {
        let (mark, octets) = (u64::from(self.qos.depth.max(1)), self.qos.depth_bytes.unwrap_or(u64::MAX));
        let peers = self.socket.peers();
        let is_full = |peer: &&PeerStatistics| peer.queued_out >= mark || peer.queued_out_bytes >= octets;
        peers.iter().filter(is_full).filter_map(|peer| self.name_of(peer.peer)).collect()
    }

    /// What a subscriber is called; `None` if it is gone.
    fn name_of(&self, peer: PeerId) -> Option<String> {
        let info = self.socket.peer_info(peer)?;
        let name = info.property("X-Tamtam-Node").map(|name| String::from_utf8_lossy(name).into_owned());
        Some(name.unwrap_or_else(|| "a subscriber without a name".to_owned()))
    }

    fn node_of(&self, peer: PeerId) -> Option<String> {
        let info = self.socket.peer_info(peer)?;
        info.property("X-Tamtam-Node").map(|name| String::from_utf8_lossy(name).into_owned())
    }

    fn who(&self) -> Vec<String> {
        let peers = self.socket.peers();
        let subscribers = peers.iter().filter(|peer| peer.subscriptions > 0);
        subscribers.filter_map(|peer| self.name_of(peer.peer)).collect()
    }

    /// Subscriptions that have come: lets those in that mean this topic, after what they are to get first. `false`: there are
    /// more, or the publisher is at work; look again soon.
    pub(crate) fn admit(&self) -> bool {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                // Whoever is at work lets them in; the next look is for when it has just looked.
                self.is_awaited.store(true, Ordering::Release);
                return false;
            }
        };
        self.admit_some(&mut state)
    }

    #[inline]
    fn admit_awaited(&self, state: &mut State) {
        if self.is_awaited.load(Ordering::Acquire) && self.is_awaited.swap(false, Ordering::AcqRel) {
            self.admit_some(state);
        }
    }

    fn admit_some(&self, state: &mut State) -> bool {
        for _ in 0..ADMITTED_AT_ONCE {
            let Ok(notice) = self.socket.try_recv() else { return true };
            let (Some(peer), [first, topic @ ..]) = (notice.peer(), notice.as_slice()) else { continue };
            match first {
                1 if self.key.starts_with(topic) || self.dialect != Dialect::Typed => {
                    self.let_in(state, peer, topic);
                }
                0 => {
                    // It may be gone already.
                    let _gone = self.socket.unsubscribe_last(topic);
                }
                _ => {}
            }
        }
        false
    }

    fn let_in(&self, state: &mut State, peer: PeerId, topic: &[u8]) {
        let node = self.node_of(peer).filter(|_| self.dialect == Dialect::Typed);
        for message in self.latched_for_one(state) {
            if self.socket.send_to_subscriber(peer, message).is_err() {
                break;
            }
        }
        // The number may have been another's.
        state.informed.remove(&peer);
        if let Some(node) = node {
            state.informed.insert(peer, node);
            // Without room for it: the next beat tells.
            let told = self.inform(peer);
            if told == Some(false) {
                self.stir();
            }
        }
        if self.socket.subscribe_last(topic).is_ok() {
            self.greeter.iter().for_each(Greeter::attached);
            self.events.push(PublisherEvent::Attached { subscribers: self.socket.subscriber_count() });
        }
    }

    /// The latched messages, as many as one subscriber's queue holds: more would leave it with the oldest.
    fn latched_for_one(&self, state: &State) -> Vec<Message> {
        let (mut octets, most) = (0, self.qos.depth_bytes.unwrap_or(u64::MAX));
        let mut messages = Vec::new();
        for (header, body) in state.latched.iter().rev().take(self.qos.depth.max(1) as usize) {
            let header = TopicHeader { flags: header.flags | FLAG_LATCHED, ..header.clone() };
            let message = self.message(&header, body.clone());
            // What is before the last one must leave room for it. How large that one is does not matter.
            if !messages.is_empty() {
                octets += (message.byte_len() + FRAMING) as u64;
                if octets >= most {
                    break;
                }
            }
            messages.push(message);
        }
        messages.reverse();
        messages
    }

    /// Tells a subscriber how many messages there were; `None` if it is gone, `false` if its queue has no room for that now.
    fn inform(&self, peer: PeerId) -> Option<bool> {
        let header = TopicHeader { seq: self.count(), flags: FLAG_HEARTBEAT, ..self.new_header() };
        match self.socket.send_to_subscriber(peer, self.message(&header, Bytes::new())) {
            Ok(()) => Some(true),
            Err(SendError::Full(_)) => Some(false),
            Err(_) => None,
        }
    }

    /// After a while of silence, repeats the number of the last message to everybody, and again to those whose queue was full.
    pub(crate) fn beat(&self) {
        let Ok(mut state) = self.state.try_lock() else { return };
        if state.ended || self.dialect != Dialect::Typed {
            self.is_quiet.store(true, Ordering::Release);
            return;
        }
        let (count, since) = state.beat;
        if count != self.count() {
            state.beat = (self.count(), Instant::now());
            return;
        }
        if since.elapsed() < HEARTBEAT {
            return;
        }
        state.beat.1 = Instant::now();
        let mut all_know = true;
        let informed = std::mem::take(&mut state.informed);
        // Who left may have been followed by another one under its number.
        let still = |(peer, node): &(PeerId, String)| {
            let told = if self.node_of(*peer).as_ref() == Some(node) { self.inform(*peer) } else { None };
            all_know &= told != Some(false);
            told.is_some()
        };
        let informed = informed.into_iter().filter(still).collect();
        state.informed = informed;
        // Under the lock: the next message finds it so.
        self.is_quiet.store(all_know, Ordering::Release);
    }

    /// Whether all that there is to tell about its messages was told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Acquire)
    }

    /// A subscriber has something to say.
    pub(crate) fn hear(&self, report: Report) {
        let Report { mut node, mut text, from, to, count, .. } = report;
        // Anybody may write it.
        shorten(&mut node);
        shorten(&mut text);
        self.events.push(match ReportKind::try_from(report.kind) {
            Ok(ReportKind::Lost) => {
                let most = to.saturating_sub(from).saturating_add(1);
                let count = if count == 0 { most } else { count.min(most) };
                PublisherEvent::Lost { node, from, to, count, reason: text }
            }
            Ok(ReportKind::SchemaDiffers) => PublisherEvent::SchemaDiffers { node, what: text },
            Ok(ReportKind::Degraded) => PublisherEvent::Degraded { node, what: text },
            Ok(ReportKind::None) | Err(_) => return,
        });
    }

    fn end_message(&self, seq: u64) -> Message {
        match &self.dialect {
            Dialect::Plain { end } => Message::new(end.clone()),
            Dialect::Typed => {
                let header = TopicHeader { seq, flags: FLAG_END, ..self.new_header() };
                self.message(&header, Bytes::new())
            }
        }
    }

    /// Sends END, and waits until all is delivered; returns how many messages there were.
    fn end(&self, patience: Duration) -> Result<u64, NotDrained> {
        let deadline = Instant::now().checked_add(patience);
        let mut state = self.lock();
        let count = self.count();
        if std::mem::replace(&mut state.ended, true) {
            return Ok(count);
        }
        drop(state);
        // END must not be lost where messages may be.
        let _known = self.socket.configure(|options| _ = options.set_xpub_nodrop(true));
        let mut missed = 0;
        match self.socket.send_timeout(self.end_message(count + 1), patience) {
            Ok(()) => {}
            Err(SendError::Full(end) | SendError::TimedOut(end)) => {
                // One that stands still must not keep it from the others.
                let before = self.dropped();
                let _known = self.socket.configure(|options| _ = options.set_xpub_nodrop(false));
                let _sent = self.socket.try_send(end);
                missed = self.dropped().saturating_sub(before).max(1);
            }
            Err(_) => missed = 1,
        }
        let left = deadline.map_or(patience, |deadline| deadline.saturating_duration_since(Instant::now()));
        let lingering = self.socket.shut_within(left.max(if missed > 0 { SLICE } else { Duration::ZERO }));
        if let Some(greeter) = &self.greeter {
            let left =
                deadline.map_or(patience, |deadline| deadline.saturating_duration_since(Instant::now()));
            greeter.end(left);
        }
        let undelivered = missed + lingering.err().map_or(0, |given_up| given_up.messages);
        if undelivered == 0 { Ok(count) } else { Err(NotDrained { undelivered }) }
    }
}

fn shorten(text: &mut String) {
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or_default());
    }
}

/// Publishes messages of one type under a name.
///
/// Made by [`Node::publisher`]; may be used from any thread. [`finish`](Self::finish) says END to all subscribers; a publisher
/// that is dropped says it, too, and waits a second at most for it to be delivered.
pub struct Publisher<T> {
    raw: RawPublisher,
    of: PhantomData<fn(T)>,
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<T: TopicMessage> Publisher<T> {
    /// Publishes a message, by the rule of [`Qos::overflow`].
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] when a subscriber's queue had no room (with [`Overflow::Block`] for as long as it allows): then
    /// nobody has the message.
    pub fn send(&self, message: &T) -> Result<Sent, PublishError> {
        let core = &self.raw.core;
        match (message.as_body(), message.body_len()) {
            (Some(body), _) if core.is_short(body.len()) => core.publish_short(body),
            (None, Some(len)) if core.is_short(len) => core.publish_made(|out| message.put_body(out)),
            _ => core.publish(message.to_body(), core.new_header()),
        }
    }
}

impl<T> Publisher<T> {
    /// Sends END, waits until it and all messages before it are delivered; see [`Finishing::drain`].
    pub fn finish(self) -> Finishing {
        self.raw.finish()
    }
}

impl<T> std::ops::Deref for Publisher<T> {
    type Target = RawPublisher;

    fn deref(&self) -> &RawPublisher {
        &self.raw
    }
}

/// Publishes bodies that are encoded already; what is behind every [`Publisher`].
pub struct RawPublisher {
    core: Arc<PublisherCore>,
    node: Node,
}

impl fmt::Debug for RawPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("topic", &self.core.name).finish_non_exhaustive()
    }
}

impl RawPublisher {
    pub(crate) fn new(core: Arc<PublisherCore>, node: Node) -> Self {
        Self { core, node }
    }

    /// Publishes a body; see [`Publisher::send`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send(&self, body: impl Into<Bytes>) -> Result<Sent, PublishError> {
        let body = body.into();
        if self.core.is_short(body.len()) {
            return self.core.publish_short(&body);
        }
        self.core.publish(body, self.core.new_header())
    }

    /// As [`send`](Self::send), a copy of `body`: what costs least in a stream of short messages.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send_slice(&self, body: &[u8]) -> Result<Sent, PublishError> {
        if self.core.is_short(body.len()) {
            return self.core.publish_short(body);
        }
        self.core.publish(Bytes::copy_from_slice(body), self.core.new_header())
    }

    /// Publishes a body whose header is changed by `change`: for recorders' players and bridges, which keep what a message
    /// brought along. Number and source stay the publisher's, and a message is neither END nor a heartbeat.
    ///
    /// # Errors
    ///
    /// As [`Publisher::send`].
    pub fn send_with(
        &self,
        body: impl Into<Bytes>,
        change: impl FnOnce(&mut TopicHeader),
    ) -> Result<Sent, PublishError> {
        let mut header = self.core.new_header();
        change(&mut header);
        self.core.publish(body.into(), header)
    }

    /// Waits until `count` subscribers are attached: a message sent afterwards reaches all of them. What is waited for is the
    /// subscription itself, on the connection that will carry the messages; with [`sync`](PublisherBuilder::sync) also that so
    /// many have asked.
    ///
    /// # Errors
    ///
    /// [`BarrierTimeout`], which says who is there.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Result<(), BarrierTimeout> {
        let began = Instant::now();
        let failed =
            |have| BarrierTimeout { have, want: count, who: self.core.who(), waited: began.elapsed() };
        self.core.socket.wait_for_subscribers(count, timeout).map_err(|error| failed(error.attached))?;
        match &self.core.greeter {
            Some(greeter) => greeter.wait(count, timeout.saturating_sub(began.elapsed())).map_err(failed),
            None => Ok(()),
        }
    }

    /// Returns how many subscribers are attached.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.core.socket.subscriber_count()
    }

    /// Returns the names of the nodes of the subscribers.
    #[must_use]
    pub fn subscriber_names(&self) -> Vec<String> {
        self.core.who()
    }

    /// Returns the number of the last message, which is how many were published.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.core.count()
    }

    /// Returns how many messages some subscriber did not get because its queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.core.dropped()
    }

    /// Returns the topic's full name.
    #[must_use]
    pub fn topic(&self) -> &Name {
        &self.core.name
    }

    /// Returns the schema of the messages; `None` for octets.
    #[must_use]
    pub fn schema(&self) -> Option<&Schema> {
        self.core.schema.as_ref()
    }

    /// Returns where those ask that want to know whether they may begin, if the publisher has such a [`sync`](PublisherBuilder::sync).
    #[must_use]
    pub fn sync_endpoint(&self) -> Option<&str> {
        self.core.greeter.as_ref().map(Greeter::endpoint)
    }

    /// Returns where subscribers connect to.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.core.endpoints
    }

    /// Waits for the next event, at most `timeout`.
    #[must_use]
    pub fn event(&self, timeout: Duration) -> Option<PublisherEvent> {
        self.core.events.take(timeout)
    }

    /// Returns how many events were dropped because nobody read them.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        self.core.events.dropped()
    }

    /// Ends the stream; see [`Publisher::finish`].
    pub fn finish(self) -> Finishing {
        Finishing { publisher: self }
    }

    fn end(&self, patience: Duration) -> Result<u64, NotDrained> {
        let source = self.core.source;
        // Who looks from here on finds a publisher that has ended, and not one that goes away.
        self.node.core.withdraw(self.core.qos.reach, |own| {
            own.publishers.iter_mut().filter(|own| own.source == source).for_each(|own| own.ended = true);
        });
        self.core.end(patience)
    }
}

impl Drop for RawPublisher {
    fn drop(&mut self) {
        if self.node.core.is_forked() {
            return;
        }
        let _said = self.end(FAREWELL);
        self.node.core.submit(Command::Gone(Who::Publisher(self.core.source)));
        let source = self.core.source;
        let reach = self.core.qos.reach;
        self.node.core.withdraw(reach, |own| own.publishers.retain(|record| record.source != source));
    }
}

/// A publisher that is ending.
#[derive(Debug)]
#[must_use = "call `drain` to learn whether everything was delivered"]
pub struct Finishing {
    publisher: RawPublisher,
}

impl Finishing {
    /// Sends END (which waits for room whatever the quality of service is) and waits, at most `timeout`, until every
    /// subscriber has taken everything in; returns how many messages there were.
    ///
    /// # Errors
    ///
    /// [`NotDrained`] with how much had to be given up.
    pub fn drain(self, timeout: Duration) -> Result<u64, NotDrained> {
        self.publisher.end(timeout)
    }
}
