//! Subscribers.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use tamtam_zmq::{Frame, Message, PeerState, Socket, SocketType};

use crate::connections::Connections;
use crate::error::{Error, RecvError};
use crate::event::{Event, Events, LossReason};
use crate::handshake;
use crate::header::{FLAG_END, Head, SOURCE_LEN, TopicHeader, now_ns};
use crate::id;
use crate::losses::{Losses, Missing};
use crate::message::TopicMessage;
use crate::name::Name;
use crate::node::{Command, Node, Who};
use crate::publisher::Dialect;
use crate::qos::{Overflow, Qos, Reach};
use crate::record::{QosRecord, SubscriberRecord};
use crate::sample::{Info, Sample};
use crate::schema::Schema;
use crate::source::{Finding, Source, Sources, Verdict};

/// How long a call that waits sleeps before it looks whether its publishers are still there.
const SLICE: Duration = Duration::from_millis(250);
/// How long nothing must have come after a publisher is gone for nothing to be on its way any more: when the connection to it
/// has ended, and as long as it has not.
const SETTLED: Duration = Duration::from_millis(200);
const SETTLED_CONNECTED: Duration = Duration::from_secs(2);

/// What a subscriber has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriberStatistics {
    /// Messages delivered.
    pub received: u64,
    /// Octets of their bodies.
    pub bytes: u64,
    /// Messages that are known to be missing.
    pub lost: u64,
    /// Messages that came twice, and were delivered once.
    pub duplicates: u64,
    /// Messages that were none, or could not be decoded.
    pub malformed: u64,
    /// Messages older than the lifespan.
    pub expired: u64,
    /// Messages beyond the highest rate that is wanted.
    pub thinned: u64,
    /// Events that were dropped because nobody read them.
    pub events_dropped: u64,
}

/// Makes a subscriber; see [`Node::subscriber`].
#[must_use = "a builder does nothing before `create` or `on`"]
pub struct SubscriberBuilder<'a, T> {
    node: &'a Node,
    topic: String,
    qos: Qos,
    expected: usize,
    connect: Vec<String>,
    dialect: Dialect,
    sync: Option<String>,
    accept_breaking: bool,
    of: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for SubscriberBuilder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberBuilder").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<'a, T> SubscriberBuilder<'a, T> {
    pub(crate) fn new(node: &'a Node, topic: &str) -> Self {
        Self {
            node,
            topic: topic.to_owned(),
            qos: Qos::default(),
            expected: 1,
            connect: Vec::new(),
            dialect: Dialect::Typed,
            sync: None,
            accept_breaking: false,
            of: PhantomData,
        }
    }

    /// Sets the quality of service. Default [`Qos::default`].
    pub fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// Sets how many publishers must have ended before the topic has. Default 1.
    pub const fn expect_publishers(mut self, count: usize) -> Self {
        self.expected = count;
        self
    }

    /// Connects to a publisher whose endpoint is known, beside those that are found by name.
    pub fn connect(mut self, endpoint: &str) -> Self {
        self.connect.push(endpoint.to_owned());
        self
    }

    /// Takes what plain ZeroMQ programs send: a body alone, or a key and a body; `end` as a body is the end. Where they are
    /// says [`connect`](Self::connect).
    pub fn plain(mut self, end: impl Into<Bytes>) -> Self {
        self.dialect = Dialect::Plain { end: end.into() };
        self
    }

    /// In the plain dialect: asks at this endpoint (`tcp://localhost:5562`), once the subscriber is connected to all endpoints
    /// of [`connect`](Self::connect), as the textbook's subscribers do (REQ): its publisher waits for so many of them (REP).
    /// Messages can be received at once. Default not at all.
    pub fn sync(mut self, endpoint: &str) -> Self {
        self.sync = Some(endpoint.to_owned());
        self
    }

    /// Delivers messages also of publishers whose type breaks with this one.
    pub const fn accept_breaking(mut self) -> Self {
        self.accept_breaking = true;
        self
    }

    pub(crate) fn build(self, schema: Option<Schema>) -> Result<Arc<SubscriberCore>, Error> {
        let Self { node, topic, qos, expected, connect, dialect, sync, accept_breaking, .. } = self;
        if sync.is_some() && dialect == Dialect::Typed {
            return Err(Error::socket("sync", "only the plain dialect has this handshake"));
        }
        let name = node.core.naming.resolve(&topic)?;
        let id = id::random()?;
        let socket = Socket::new(&node.core.context, SocketType::Sub);
        socket
            .configure(|options| {
                options.set_receive_hwm(qos.depth.max(1)).set_receive_hwm_bytes(qos.depth_bytes);
                options.set_receive_drop_oldest(qos.overflow == Overflow::DropOldest);
                options.add_metadata("X-Tamtam-Node", node.core.name.clone().into_bytes());
            })
            .map_err(|error| Error::socket("subscriber", error))?;
        let is_typed = dialect == Dialect::Typed;
        let key: &[u8] = if is_typed { name.as_str().as_bytes() } else { b"" };
        socket.subscribe(key).map_err(|error| Error::socket("subscribe", error))?;
        let connections = (!connect.is_empty()).then(|| Mutex::new(Connections::of(&socket, &connect)));
        for endpoint in &connect {
            socket.connect(endpoint).map_err(|error| Error::socket(format!("connect {endpoint}"), error))?;
        }
        let record = SubscriberRecord {
            topic: name.to_string(),
            type_name: schema.as_ref().map_or_else(String::new, |schema| schema.name().to_owned()),
            schema: schema.as_ref().map_or_else(Vec::new, |schema| schema.id().as_bytes().to_vec()),
            qos: Some(QosRecord::of(&qos)),
            id: id.to_vec(),
        };
        if let Some(schema) = &schema {
            node.core.keep_schema(Reach::Host, schema)?;
        }
        let is_plain_sailing =
            is_typed && qos.deadline.is_none() && qos.lifespan.is_none() && qos.max_rate.is_none();
        let core = Arc::new(SubscriberCore {
            key_len: key.len(),
            name,
            id,
            schema,
            qos,
            expected,
            named: connect,
            dialect,
            accept_breaking,
            socket,
            sources: Mutex::new(Sources::default()),
            ended: AtomicBool::new(false),
            silence: Mutex::new(Silence { last: Instant::now(), told: false }),
            passed: Mutex::new(None),
            dropped_seen: AtomicU64::new(0),
            counts: Counts::default(),
            closed: AtomicBool::new(false),
            events: Events::new(),
            slot: Mutex::default(),
            is_plain_sailing,
            asking: OnceLock::new(),
            losses: Mutex::default(),
            connections,
        });
        if let Some(endpoint) = &sync {
            let asking = handshake::ask(node, &core, endpoint, core.named.len().max(1));
            let asking = asking.inspect_err(|_| core.close())?;
            // Set here only.
            let _set = core.asking.set(asking);
        }
        node.core.submit(Command::Subscriber(Arc::clone(&core)));
        if is_typed && let Err(error) = node.core.change(Reach::Host, |own| own.subscribers.push(record)) {
            node.core.submit(Command::Gone(Who::Subscriber(id)));
            core.socket.shut();
            return Err(error);
        }
        Ok(core)
    }
}

impl<T: TopicMessage> SubscriberBuilder<'_, T> {
    /// Makes the subscriber: publishers are found and connected to from here on, whenever they come.
    ///
    /// # Errors
    ///
    /// [`Error`], for example of a name that will not do.
    pub fn create(self) -> Result<Subscriber<T>, Error> {
        let node = self.node.clone();
        let core = self.build(T::schema()?)?;
        Ok(Subscriber { raw: RawSubscriber { core, node }, of: PhantomData })
    }

    /// Calls `handle` with each message, on a thread of its own, until the topic has ended or the subscription is dropped.
    /// What goes wrong is in [`RawSubscriber::event`], which a [`Subscription`] has.
    ///
    /// # Errors
    ///
    /// [`Error`], for example of a name that will not do.
    pub fn on(self, handle: impl FnMut(Sample<T>) + Send + 'static) -> Result<Subscription<T>, Error> {
        Subscription::begin(self.create()?, handle)
    }
}

/// What is behind a subscriber: used by its threads and by the node's.
pub(crate) struct SubscriberCore {
    pub(crate) name: Name,
    key_len: usize,
    pub(crate) id: [u8; SOURCE_LEN],
    pub(crate) schema: Option<Schema>,
    pub(crate) qos: Qos,
    expected: usize,
    /// Where the program has connected it to.
    named: Vec<String>,
    pub(crate) dialect: Dialect,
    pub(crate) accept_breaking: bool,
    pub(crate) socket: Socket,
    pub(crate) sources: Mutex<Sources>,
    /// A plain publisher has said so.
    ended: AtomicBool,
    silence: Mutex<Silence>,
    /// When the last message was passed on, for the highest rate.
    passed: Mutex<Option<Instant>>,
    dropped_seen: AtomicU64,
    counts: Counts,
    closed: AtomicBool,
    pub(crate) events: Events<Event>,
    /// What messages are received into, so that its memory is used again.
    slot: Mutex<Message>,
    /// Nothing but its header decides what becomes of a message.
    is_plain_sailing: bool,
    /// What asks the publisher whether it may begin.
    asking: OnceLock<Arc<Socket>>,
    /// What its publishers are to be told.
    losses: Mutex<Losses>,
    /// What becomes of connections that the program has asked for; none if it has not.
    connections: Option<Mutex<Connections>>,
}

struct Silence {
    last: Instant,
    told: bool,
}

#[derive(Default)]
struct Counts {
    malformed: AtomicU64,
    expired: AtomicU64,
    thinned: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl SubscriberCore {
    pub(crate) fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn losses(&self) -> MutexGuard<'_, Losses> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of connections that the program has asked for, if it has.
    fn connections(&self) -> Option<MutexGuard<'_, Connections>> {
        Some(self.connections.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells whether the program itself has named this endpoint.
    pub(crate) fn connects_to(&self, endpoint: &str) -> bool {
        self.named.iter().any(|named| named == endpoint)
    }

    /// Receives, and makes something of the body and what is known of it; `None` when all publishers have ended.
    pub(crate) fn receive<R>(
        &self,
        node: &Node,
        timeout: Option<Duration>,
        info: &mut Info,
        take: impl FnOnce(&Frame) -> R,
    ) -> Result<Option<R>, RecvError> {
        // Another thread may be at it.
        let (mut kept, mut own) = (self.slot.try_lock().ok(), Message::default());
        let slot = kept.as_deref_mut().unwrap_or(&mut own);
        // The clock is looked at only by who has to wait.
        let mut until = None;
        loop {
            let received = match self.socket.try_recv_into(slot) {
                Err(tamtam_zmq::RecvError::WouldBlock) => {
                    if let Some(abandoned) = self.look_around(node) {
                        return Err(abandoned);
                    }
                    if self.is_over() {
                        return Ok(None);
                    }
                    let deadline = *until
                        .get_or_insert_with(|| timeout.and_then(|time| Instant::now().checked_add(time)));
                    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                    if left.is_some_and(|left| left.is_zero()) {
                        return Err(RecvError::TimedOut);
                    }
                    match self.socket.recv_timeout(left.map_or(SLICE, |left| left.min(SLICE))) {
                        Err(tamtam_zmq::RecvError::TimedOut) => continue,
                        other => other.map(|message| *slot = message),
                    }
                }
                other => other,
            };
            received.map_err(|error| RecvError::Closed(error.to_string()))?;
            if self.accept(node, slot, info) {
                let taken = take(slot.last());
                // A large body is not kept alive by us.
                if slot.last().shared().is_some() {
                    *slot = Message::default();
                }
                return Ok(Some(taken));
            }
        }
    }

    /// Does what [`receive`](Self::receive) does most often: takes the very next message of a publisher out of the socket where it
    /// lies, if it is short and there, and gives its body to `put`. `false`, and no message is taken, in all other cases.
    ///
    /// `put` runs under locks: it copies, and nothing else.
    #[inline]
    fn receive_short(&self, info: &mut Info, put: impl FnOnce(&[u8])) -> bool {
        if !self.is_plain_sailing {
            return false;
        }
        let mut sources = self.sources();
        self.socket.try_recv_in_place(|[key, header, body]| {
            if key.len() != self.key_len {
                return false;
            }
            let Some(head) = Head::read_common(header).filter(|head| sources.take_next(head)) else {
                return false;
            };
            sources.delivered(body.len());
            put(body);
            info.set(&head, None, body.len());
            true
        })
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed) || self.sources().are_over(self.expected)
    }

    /// Nothing has come for a moment: tells what that means.
    fn look_around(&self, node: &Node) -> Option<RecvError> {
        if self.closed.load(Ordering::Relaxed) {
            return Some(RecvError::Closed("the subscription is closed".to_owned()));
        }
        self.check_silence();
        if let Some(mut connections) = self.connections() {
            connections.look(|event| self.events.push(event));
        }
        let mut findings = Vec::new();
        let mut sources = self.sources();
        if sources.any_missing() {
            // Unlocked: the other lock is the socket's.
            drop(sources);
            let peers = self.socket.peers();
            let is_connected = |endpoint: &str| {
                peers.iter().any(|peer| peer.state == PeerState::Ready && peer.endpoint == endpoint)
            };
            let settled = |source: &Source| {
                if is_connected(&source.endpoint) { SETTLED_CONNECTED } else { SETTLED }
            };
            sources = self.sources();
            sources.mourn(Instant::now(), settled, &mut findings);
        }
        // As long as others live they are listened to; that one has not ended is said before all have.
        let owed = if sources.any_alive() { None } else { sources.owed.take() };
        drop(sources);
        self.tell(node, findings);
        owed.map(|(publisher, received, published)| RecvError::Abandoned {
            publisher: publisher.to_string(),
            received,
            published,
        })
    }

    fn check_silence(&self) {
        let Some(deadline) = self.qos.deadline else { return };
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        let since = silence.last.elapsed();
        if since > deadline && !std::mem::replace(&mut silence.told, true) {
            self.events.push(Event::Stale { silence: since });
        }
    }

    fn malformed(&self, what: impl Into<String>) -> bool {
        count(&self.counts.malformed);
        self.events.push(Event::Malformed { what: what.into() });
        false
    }

    /// Looks at a message; `info` becomes what is known of it if it is one for the application, as its last frame.
    fn accept(&self, node: &Node, message: &Message, info: &mut Info) -> bool {
        if let Dialect::Plain { end } = &self.dialect {
            if message.frame_count() > 2 {
                return self.malformed("more than a key and a body");
            }
            let body = message.last();
            if **body == **end {
                self.ended.store(true, Ordering::Relaxed);
                self.has_ended(message);
                return false;
            }
            return self.deliver(&Head::default(), None, body.len(), info);
        }
        // ZeroMQ matches prefixes: /imu also gets /imu2 where several topics are published on one socket. That a message begins with our key the
        // socket has seen to.
        if message.first().len() != self.key_len {
            return false;
        }
        let frames = message.frame_count();
        let (Some(header), 3) = (message.get(1), frames) else {
            return self.malformed(format!("{frames} frames instead of 3"));
        };
        let (head, header) = match Head::read_usual(header) {
            Some(head) => (head, None),
            None => match TopicHeader::decode(&**header) {
                Ok(header) => (Head::from(&header), Some(Box::new(header))),
                Err(error) => return self.malformed(format!("the header is none: {error}")),
            },
        };
        let mut findings = Vec::new();
        let mut sources = self.sources();
        let verdict = sources.take(&head, |source, count| self.why(source.lossless, count), &mut findings);
        drop(sources);
        if !findings.is_empty() {
            self.tell(node, findings);
        }
        if head.has(FLAG_END) {
            self.has_ended(message);
        }
        if verdict == Verdict::Ignore {
            return false;
        }
        self.deliver(&head, header, message.last().len(), info)
    }

    /// END has come over the connection that brought this.
    fn has_ended(&self, message: &Message) {
        if let (Some(peer), Some(mut connections)) = (message.peer(), self.connections()) {
            connections.ended(peer);
        }
    }

    /// Why so many messages of this publisher are missing.
    fn why(&self, lossless: bool, count: u64) -> LossReason {
        let traffic = self.socket.statistics().traffic;
        let dropped = traffic.dropped.full;
        // Where both ends have dropped, the publisher's share is told.
        if dropped - self.dropped_seen.swap(dropped, Ordering::Relaxed).min(dropped) >= count {
            LossReason::SubscriberFull
        } else if !lossless {
            LossReason::PublisherFull
        } else if traffic.reconnects > 0 {
            LossReason::Connection
        } else {
            LossReason::Unknown
        }
    }

    fn deliver(&self, head: &Head, header: Option<Box<TopicHeader>>, size: usize, info: &mut Info) -> bool {
        if self.qos.deadline.is_some() {
            *self.silence.lock().unwrap_or_else(PoisonError::into_inner) =
                Silence { last: Instant::now(), told: false };
        }
        if let Some(lifespan) = self.qos.lifespan
            && head.stamp_ns != 0
            && u128::from(now_ns().saturating_sub(head.stamp_ns)) > lifespan.as_nanos()
        {
            count(&self.counts.expired);
            return false;
        }
        if let Some(rate) = self.qos.max_rate.filter(|rate| *rate > 0.0) {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if passed.is_some_and(|passed| now.duration_since(passed).as_secs_f64() < 1.0 / rate) {
                count(&self.counts.thinned);
                return false;
            }
            *passed = Some(now);
        }
        self.sources().delivered(size);
        info.set(head, header, size);
        true
    }

    /// Tells the application what was found out, and the publisher what concerns it.
    fn tell(&self, node: &Node, findings: Vec<Finding>) {
        for Finding { event, source } in findings {
            match &event {
                Event::Lost { from, to, reason, .. } => {
                    // Who is in no registry has nobody to tell.
                    let is_reached =
                        self.sources().known.get(&source).is_some_and(|source| !source.info.is_empty());
                    let missing = Missing::all(*from, *to, *reason);
                    if is_reached && self.losses().add(source, missing) {
                        node.core.submit(Command::Losses(self.id));
                    }
                }
                Event::Ended { .. } | Event::Gone { .. } => {
                    node.core.submit(Command::Leave { subscriber: self.id, source });
                }
                _ => {}
            }
            self.events.push(event);
        }
    }

    /// Calls that wait end.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.socket.shut();
        if let Some(asking) = self.asking.get() {
            asking.shut();
        }
    }

    fn statistics(&self) -> SubscriberStatistics {
        let Sources { received, bytes, lost, duplicates, .. } = *self.sources();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SubscriberStatistics {
            received,
            bytes,
            lost,
            duplicates,
            malformed: read(&self.counts.malformed),
            expired: read(&self.counts.expired),
            thinned: read(&self.counts.thinned),
            events_dropped: self.events.dropped(),
        }
    }
}

/// Receives messages of one type under a name.
///
/// Made by [`Node::subscriber`]; may be used from any thread. The calls that receive return `None` when every publisher has
/// ended (and at least as many as [`expect_publishers`](SubscriberBuilder::expect_publishers) says).
pub struct Subscriber<T> {
    raw: RawSubscriber,
    of: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<T> Deref for Subscriber<T> {
    type Target = RawSubscriber;

    fn deref(&self) -> &RawSubscriber {
        &self.raw
    }
}

impl<T: TopicMessage> Subscriber<T> {
    fn receive(&self, timeout: Option<Duration>) -> Result<Option<Sample<T>>, RecvError> {
        let (mut info, mut body) = (Info::default(), Frame::new());
        if self.raw.core.receive_short(&mut info, |octets| body.set(octets)) {
            return Ok(Some(Sample { value: T::from_body(&body)?, info }));
        }
        let Some(value) = self.raw.receive(timeout, &mut info, T::from_body)? else { return Ok(None) };
        self.check_encoding(&info)?;
        Ok(Some(Sample { value: value?, info }))
    }

    fn check_encoding(&self, info: &Info) -> Result<(), RecvError> {
        if self.raw.core.schema.is_some() { Ok(info.check_encoding()?) } else { Ok(()) }
    }

    /// As [`recv`](Self::recv), into a sample that is used again and keeps its allocations; `false` when all publishers have ended. The cheapest
    /// way to receive a stream of short messages.
    ///
    /// ```
    /// # use tamtam::{Frame, RecvError, Sample, Subscriber};
    /// # fn print(subscriber: &Subscriber<Frame>) -> Result<(), RecvError> {
    /// let mut sample = Sample::default();
    /// while subscriber.recv_into(&mut sample)? {
    ///     println!("{}: {} octets", sample.info.seq, sample.info.size);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); nothing is said then of what the sample holds.
    pub fn recv_into(&self, sample: &mut Sample<T>) -> Result<bool, RecvError> {
        self.receive_into(None, sample)
    }

    /// As [`recv_into`](Self::recv_into), waiting at most `timeout`.
    ///
    /// # Errors
    ///
    /// As there, and [`RecvError::TimedOut`].
    pub fn recv_into_timeout(&self, sample: &mut Sample<T>, timeout: Duration) -> Result<bool, RecvError> {
        self.receive_into(Some(timeout), sample)
    }

    fn receive_into(&self, timeout: Option<Duration>, sample: &mut Sample<T>) -> Result<bool, RecvError> {
        let Sample { value, info } = sample;
        let mut unread = None;
        let is_short = self.raw.core.receive_short(info, |body| {
            if !value.copy_body(body) {
                unread.insert(Frame::new()).set(body);
            }
        });
        if is_short {
            // Not under the locks: it may be anybody's code.
            unread.map_or(Ok(()), |body| value.read_body(&body))?;
            return Ok(true);
        }
        match self.raw.receive(timeout, info, |body| value.read_body(body))? {
            None => Ok(false),
            Some(read) => {
                self.check_encoding(info)?;
                read?;
                Ok(true)
            }
        }
    }

    /// Receives a message, however long that takes; `None` when all publishers have ended.
    ///
    /// # Errors
    ///
    /// [`RecvError::Abandoned`] when the last publisher is gone without having ended, [`RecvError::Decode`] for a message that
    /// is none.
    pub fn recv(&self) -> Result<Option<Sample<T>>, RecvError> {
        self.receive(None)
    }

    /// As [`recv`](Self::recv), waiting at most `timeout`.
    ///
    /// # Errors
    ///
    /// As there, and [`RecvError::TimedOut`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Sample<T>>, RecvError> {
        self.receive(Some(timeout))
    }

    /// As [`recv`](Self::recv), without waiting.
    ///
    /// # Errors
    ///
    /// As there, and [`RecvError::TimedOut`] when no message is there.
    pub fn try_recv(&self) -> Result<Option<Sample<T>>, RecvError> {
        self.recv_timeout(Duration::ZERO)
    }

    /// Takes all messages that are there and returns the last one, if there is one.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn latest(&self) -> Result<Option<Sample<T>>, RecvError> {
        let (mut last, mut info) = (None, Info::default());
        loop {
            // Only the last one is decoded.
            match self.raw.receive(Some(Duration::ZERO), &mut info, Frame::clone) {
                Ok(Some(body)) => last = Some((body, std::mem::take(&mut info))),
                Ok(None) | Err(RecvError::TimedOut) => break,
                // What has arrived is not withheld because of what follows it.
                Err(_) if last.is_some() => break,
                Err(error) => return Err(error),
            }
        }
        let Some((body, info)) = last else { return Ok(None) };
        self.check_encoding(&info)?;
        Ok(Some(Sample { value: T::from_body(&body)?, info }))
    }

    /// Returns the messages in turn, up to the end of the topic.
    pub fn iter(&self) -> impl Iterator<Item = Result<Sample<T>, RecvError>> + '_ {
        std::iter::from_fn(|| self.recv().transpose())
    }

    /// Turns the subscriber into a stream for any executor, with a thread behind it.
    ///
    /// # Errors
    ///
    /// What the operating system says when there is no thread to be had.
    pub fn into_stream(self) -> Result<crate::stream::SampleStream<T>, Error> {
        crate::stream::SampleStream::begin(self)
    }
}

/// Receives bodies as they are; what is behind every [`Subscriber`].
pub struct RawSubscriber {
    pub(crate) core: Arc<SubscriberCore>,
    pub(crate) node: Node,
}

impl fmt::Debug for RawSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("topic", &self.core.name).finish_non_exhaustive()
    }
}

impl RawSubscriber {
    pub(crate) fn receive<R>(
        &self,
        timeout: Option<Duration>,
        info: &mut Info,
        take: impl FnOnce(&Frame) -> R,
    ) -> Result<Option<R>, RecvError> {
        self.core.receive(&self.node, timeout, info, take)
    }

    /// Receives a body without decoding it; as [`Subscriber::recv`], or [`Subscriber::recv_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn recv_bytes(&self, timeout: Option<Duration>) -> Result<Option<Sample<Bytes>>, RecvError> {
        let mut info = Info::default();
        let body = self.receive(timeout, &mut info, |body| body.clone().into_bytes())?;
        Ok(body.map(|value| Sample { value, info }))
    }

    /// Returns the topic's full name.
    #[must_use]
    pub fn topic(&self) -> &Name {
        &self.core.name
    }

    /// Returns the schema of a publisher, as far as it is known: its own if it has one, else this subscriber's.
    #[must_use]
    pub fn schema_of(&self, source: Option<[u8; SOURCE_LEN]>) -> Option<Schema> {
        let theirs = source.and_then(|id| self.core.sources().known.get(&id)?.schema.clone());
        theirs.or_else(|| self.core.schema.clone())
    }

    /// Returns the name of a publisher's node, if that is known.
    #[must_use]
    pub fn publisher_name(&self, source: [u8; SOURCE_LEN]) -> Option<String> {
        let name = self.core.sources().known.get(&source).map(|source| source.node.clone());
        name.filter(|name| !name.is_empty())
    }

    /// Returns how many publishers are attached.
    #[must_use]
    pub fn publishers(&self) -> usize {
        let sources = self.core.sources();
        sources.known.values().filter(|source| !source.ended && source.gone.is_none()).count()
    }

    /// Returns what was counted.
    #[must_use]
    pub fn statistics(&self) -> SubscriberStatistics {
        self.core.statistics()
    }

    /// Waits for the next event, at most `timeout`. Gaps and ends come to light when messages are received.
    #[must_use]
    pub fn event(&self, timeout: Duration) -> Option<Event> {
        self.core.events.take(timeout)
    }

    /// Returns whether all publishers have ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.core.is_over()
    }

    /// Ends calls that wait: they return [`RecvError::Closed`].
    pub fn close(&self) {
        self.core.close();
    }
}

impl Drop for RawSubscriber {
    fn drop(&mut self) {
        if self.node.core.is_forked() {
            return;
        }
        self.core.close();
        let id = self.core.id;
        self.node.core.submit(Command::Gone(Who::Subscriber(id)));
        self.node.core.withdraw(Reach::Host, |own| own.subscribers.retain(|record| record.id != id));
    }
}

/// A subscription whose messages go to a function. Ends when it is dropped.
pub struct Subscription<T> {
    subscriber: Arc<Subscriber<T>>,
    thread: Option<std::thread::JoinHandle<Result<(), RecvError>>>,
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subscriber.fmt(f)
    }
}

impl<T> Deref for Subscription<T> {
    type Target = RawSubscriber;

    fn deref(&self) -> &RawSubscriber {
        &self.subscriber.raw
    }
}

impl<T: TopicMessage> Subscription<T> {
    fn begin(
        subscriber: Subscriber<T>,
        mut handle: impl FnMut(Sample<T>) + Send + 'static,
    ) -> Result<Self, Error> {
        let subscriber = Arc::new(subscriber);
        let behind = Arc::clone(&subscriber);
        let thread = std::thread::Builder::new().name("tamtam-callback".to_owned()).spawn(move || {
            loop {
                match behind.recv() {
                    Ok(Some(sample)) => handle(sample),
                    Ok(None) => return Ok(()),
                    // A message that is none is counted and told; a publisher may come again.
                    Err(RecvError::Decode(error)) => {
                        let _none = behind.core.malformed(error.to_string());
                    }
                    Err(RecvError::Abandoned { .. } | RecvError::TimedOut) => {}
                    Err(error @ RecvError::Closed(_)) => return Err(error),
                }
            }
        })?;
        Ok(Self { subscriber, thread: Some(thread) })
    }

    /// Waits until the topic has ended and every message was handled.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`] when the subscription was closed before, or the function has panicked.
    pub fn join(mut self) -> Result<(), RecvError> {
        match self.thread.take().map(std::thread::JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => {
                Err(RecvError::Closed("the function that handles messages has panicked".to_owned()))
            }
            None => Ok(()),
        }
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.subscriber.raw.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ended = thread.join();
        }
    }
}
