//! Services: a request, a reply.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use tamtam_zmq::{Frame, Message, Socket, SocketType};

use crate::error::{CallError, Error};
use crate::id;
use crate::message::TopicMessage;
use crate::name::Name;
use crate::node::{Command, Node, Who};
use crate::qos::Reach;
use crate::record::{NodeRecord, ServiceRecord};
use crate::schema::{Comparison, Schema, SchemaId};
use crate::source::SourceId;

/// The longest slice of a wait after which a caller looks whether a reply has come to another one.
const SLICE: Duration = Duration::from_millis(50);

/// What stands in the frame before a request's or reply's body; all of it may be missing.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CallHeader {
    /// A reply has the request's.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// Replies: 0 done, else one of [`CallStatus`].
    #[prost(enumeration = "CallStatus", tag = "2")]
    pub status: i32,
    /// Replies that are no success: why.
    #[prost(string, tag = "3")]
    pub text: String,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CallStatus {
    /// The body is the reply.
    Done = 0,
    /// There is no such service here.
    NoSuchService = 1,
    /// The request could not be understood.
    Malformed = 2,
    /// The service says no.
    Failed = 3,
}

/// A service that is offered for as long as this lives.
pub struct Service {
    name: Name,
    id: SourceId,
    reach: Reach,
    node: Node,
    socket: Arc<Socket>,
    endpoints: Vec<String>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The types of a service.
struct Types {
    request: Option<Schema>,
    reply: Option<Schema>,
}

impl Service {
    pub(crate) fn begin<Q: TopicMessage, A: TopicMessage>(
        node: &Node,
        name: &str,
        reach: Reach,
        mut handle: impl FnMut(Q) -> Result<A, String> + Send + 'static,
    ) -> Result<Self, Error> {
        let types = Types { request: Q::schema()?, reply: A::schema()? };
        Self::begin_raw(node, name, reach, types, move |body| {
            let request =
                Q::from_body(&body.into()).map_err(|error| (CallStatus::Malformed, error.to_string()))?;
            // One request that it cannot stand must not end the service for everybody.
            let reply = catch_unwind(AssertUnwindSafe(|| handle(request)));
            let reply = reply.unwrap_or_else(|_| Err("the service has panicked at this request".to_owned()));
            reply.map(|reply| reply.to_body()).map_err(|why| (CallStatus::Failed, why))
        })
    }

    fn begin_raw(
        node: &Node,
        name: &str,
        reach: Reach,
        types: Types,
        mut handle: impl FnMut(Bytes) -> Result<Bytes, (CallStatus, String)> + Send + 'static,
    ) -> Result<Self, Error> {
        let name = node.core.naming.resolve(name)?;
        let id = id::random()?;
        let socket = Socket::new(&node.core.context, SocketType::Router);
        socket
            .configure(|options| _ = options.set_linger(Some(Duration::from_secs(1))))
            .map_err(|error| Error::socket("service", error))?;
        let mut endpoints = vec![node.bind_local(&socket, reach, &id::hex(&id))?];
        if reach == Reach::Network {
            endpoints.push(node.bind_network(&socket)?);
        }
        let told = |schema: &Option<Schema>| match schema {
            Some(schema) => (schema.name().to_owned(), schema.id().as_bytes().to_vec()),
            None => Default::default(),
        };
        for schema in [&types.request, &types.reply].into_iter().flatten() {
            node.core.keep_schema(reach, schema)?;
        }
        let ((request_type, request_schema), (reply_type, reply_schema)) =
            (told(&types.request), told(&types.reply));
        let record = ServiceRecord {
            name: name.to_string(),
            request_type,
            request_schema,
            reply_type,
            reply_schema,
            endpoints: endpoints.clone(),
            source: id.to_vec(),
        };
        let socket = Arc::new(socket);
        let (serving, own) = (Arc::clone(&socket), name.clone());
        let thread = std::thread::Builder::new().name("tamtam-service".to_owned()).spawn(move || {
            while let Ok(request) = serving.recv() {
                let Some(reply) = answer(&own, request, &mut handle) else { continue };
                // A caller that is gone needs no reply.
                if serving.send(reply).is_err() {
                    break;
                }
            }
        })?;
        let service = Self { name, id, reach, node: node.clone(), socket, endpoints, thread: Some(thread) };
        node.core.change(reach, |own| own.services.push(record))?;
        Ok(service)
    }

    /// Returns the service's full name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns where it is, for programs that do not look names up.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }
}

impl Node {
    /// Offers a service whose types are known at run time only (`None`: octets): `handle` gets each request's body, on a
    /// thread of its own, and returns the reply's or what is wrong.
    ///
    /// # Errors
    ///
    /// As [`Node::service`].
    pub fn service_raw(
        &self,
        name: &str,
        request: Option<Schema>,
        reply: Option<Schema>,
        mut handle: impl FnMut(Bytes) -> Result<Bytes, String> + Send + 'static,
    ) -> Result<Service, Error> {
        Service::begin_raw(self, name, Reach::Host, Types { request, reply }, move |body| {
            handle(body).map_err(|why| (CallStatus::Failed, why))
        })
    }
}

/// `[caller…, "", service, header, body]` → `[caller…, "", header, body]`.
fn answer(
    own: &Name,
    request: Message,
    handle: &mut impl FnMut(Bytes) -> Result<Bytes, (CallStatus, String)>,
) -> Option<Message> {
    let mut envelope: Vec<Frame> = Vec::new();
    let mut frames = request.into_frames();
    // Up to the empty frame stands who asks; without one nobody could be answered.
    loop {
        let frame = frames.next()?;
        let is_end = frame.is_empty();
        envelope.push(frame);
        if is_end {
            break;
        }
    }
    let rest: Vec<Frame> = frames.collect();
    let (header, outcome) = match <[Frame; 3]>::try_from(rest) {
        Ok([service, header, body]) => match CallHeader::decode(&*header) {
            Err(error) => (CallHeader::default(), Err((CallStatus::Malformed, error.to_string()))),
            Ok(header) if service == own.as_str() => (header, handle(body.into_bytes())),
            Ok(header) => {
                let why =
                    format!("{own} is here, and no {}", String::from_utf8_lossy(&service).escape_debug());
                (header, Err((CallStatus::NoSuchService, why)))
            }
        },
        Err(rest) => {
            let why = format!("{} frames behind the empty one instead of 3", rest.len());
            (CallHeader::default(), Err((CallStatus::Malformed, why)))
        }
    };
    let (status, text, body) = match outcome {
        Ok(body) => (CallStatus::Done, String::new(), body),
        Err((status, why)) => (status, why, Bytes::new()),
    };
    let header = CallHeader { seq: header.seq, status: status.into(), text };
    envelope.push(Frame::from(header.encode_to_vec()));
    envelope.push(Frame::from_bytes(body));
    Message::from_frames(envelope)
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.node.core.is_forked() {
            std::mem::forget(self.thread.take());
            return;
        }
        let id = self.id;
        self.node.core.withdraw(self.reach, |own| own.services.retain(|record| record.source != id));
        self.socket.shut();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ended = thread.join();
        }
    }
}

/// What is behind a client: used by its callers and by the node's thread.
pub(crate) struct ClientCore {
    pub(crate) name: Name,
    pub(crate) id: SourceId,
    socket: Socket,
    types: Types,
    servers: Mutex<Servers>,
    calls: Mutex<Calls>,
    came: Condvar,
}

/// Who offers the service, by its number.
#[derive(Default)]
struct Servers {
    /// Where those are that are connected to.
    present: HashMap<Vec<u8>, String>,
    /// What they and this client would misread of each other.
    refused: HashMap<Vec<u8>, String>,
}

/// A schema that has to be fetched from a node: its number, the schema's id, the type's name.
pub(crate) type Wanted = (Vec<u8>, SchemaId, String);

#[derive(Default)]
struct Calls {
    next: u64,
    /// Whose replies are awaited, and those that have come.
    waiting: HashMap<u64, Option<(CallHeader, Bytes)>>,
    /// Somebody reads for all.
    is_reading: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientCore {
    /// These are the servers now; returns the schemas that are needed to judge them.
    pub(crate) fn meet<'a>(
        &self,
        found: impl Iterator<Item = (&'a NodeRecord, &'a ServiceRecord)>,
        fetch: impl Fn(&str, &SchemaId) -> Option<Schema>,
    ) -> Vec<Wanted> {
        let mut servers = lock(&self.servers);
        let (mut now, mut wanted) = (Servers::default(), Vec::new());
        for (node, service) in found {
            let Some(endpoint) = service.endpoints.first() else { continue };
            if let Some(what) = servers.refused.get(&service.source) {
                now.refused.insert(service.source.clone(), what.clone());
                continue;
            }
            if !servers.present.contains_key(&service.source) {
                match self.judge(service, &fetch) {
                    Ok(None) => {}
                    Ok(Some(what)) => {
                        tracing::warn!(service = %self.name, node = %node.name, %what, "a server has other types");
                        now.refused.insert(service.source.clone(), what);
                        continue;
                    }
                    Err((schema, name)) => {
                        wanted.push((node.id.clone(), schema, name));
                        continue;
                    }
                }
                if let Err(error) = self.socket.connect(endpoint) {
                    tracing::warn!(%endpoint, %error, "cannot connect to a service");
                    continue;
                }
            }
            now.present.insert(service.source.clone(), endpoint.clone());
        }
        for (_, endpoint) in servers.present.iter().filter(|(source, _)| !now.present.contains_key(*source)) {
            let _known = self.socket.disconnect(endpoint);
        }
        *servers = now;
        wanted
    }

    /// Returns what a server and this client would misread of each other, or which schema has to be fetched to tell.
    fn judge(
        &self,
        service: &ServiceRecord,
        fetch: impl Fn(&str, &SchemaId) -> Option<Schema>,
    ) -> Result<Option<String>, (SchemaId, String)> {
        let theirs = |own: &Option<Schema>, name: &str, id: &[u8]| {
            let (Some(own), Ok(id)) = (own, <[u8; 32]>::try_from(id)) else { return Ok(None) };
            let id = SchemaId::from_bytes(id);
            if own.id() == id {
                return Ok(None);
            }
            let theirs = fetch(name, &id).ok_or_else(|| (id, name.to_owned()))?;
            Ok(Some((own.clone(), theirs)))
        };
        let mut differences = Vec::new();
        let request = theirs(&self.types.request, &service.request_type, &service.request_schema)?;
        let reply = theirs(&self.types.reply, &service.reply_type, &service.reply_schema)?;
        // Each is read by the other side.
        let request = request.map(|(own, theirs)| ("request", Schema::compare(&own, &theirs)));
        let reply = reply.map(|(own, theirs)| ("reply", Schema::compare(&theirs, &own)));
        for (which, comparison) in request.into_iter().chain(reply) {
            if let Comparison::Breaking { what } = comparison {
                differences.push(format!("{which}: {}", what.join("; ")));
            }
        }
        Ok((!differences.is_empty()).then(|| differences.join("; ")))
    }

    fn has_servers(&self) -> bool {
        !lock(&self.servers).present.is_empty()
    }

    /// Why nobody can be asked, if somebody is there.
    fn refusal(&self) -> Option<CallError> {
        let servers = lock(&self.servers);
        let what = servers.refused.values().next().filter(|_| servers.present.is_empty())?;
        Some(CallError::SchemaDiffers { service: self.name.to_string(), what: what.clone() })
    }

    /// Sends a request and waits for its reply.
    fn call(&self, body: Bytes, timeout: Duration) -> Result<Bytes, CallError> {
        let deadline = Instant::now().checked_add(timeout);
        let left = || deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
        let seq = {
            let mut calls = lock(&self.calls);
            calls.next += 1;
            let seq = calls.next;
            calls.waiting.insert(seq, None);
            seq
        };
        let outcome = self.send(seq, body, &left).and_then(|()| self.await_reply(seq, &left));
        lock(&self.calls).waiting.remove(&seq);
        let (header, body) = outcome?;
        match CallStatus::try_from(header.status) {
            Ok(CallStatus::Done) => Ok(body),
            Ok(CallStatus::NoSuchService) => Err(CallError::NoServer(header.text)),
            Ok(CallStatus::Malformed | CallStatus::Failed) | Err(_) => Err(CallError::Remote(header.text)),
        }
    }

    fn no_answer(&self) -> CallError {
        let name = self.name.to_string();
        if self.has_servers() { CallError::TimedOut(name) } else { CallError::NoServer(name) }
    }

    fn send(&self, seq: u64, body: Bytes, left: &impl Fn() -> Duration) -> Result<(), CallError> {
        let header = CallHeader { seq, ..CallHeader::default() };
        let frames = [
            Frame::new(),
            Frame::from(self.name.as_str()),
            Frame::from(header.encode_to_vec()),
            Frame::from_bytes(body),
        ];
        let Some(mut message) = Message::from_frames(frames) else { return Ok(()) };
        loop {
            let remaining = left();
            message = match self.socket.send_timeout(message, remaining.min(SLICE)) {
                Ok(()) => return Ok(()),
                Err(tamtam_zmq::SendError::Full(back) | tamtam_zmq::SendError::TimedOut(back)) => back,
                Err(error) => return Err(CallError::Closed(error.to_string())),
            };
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            if remaining <= SLICE {
                return Err(self.no_answer());
            }
        }
    }

    fn await_reply(&self, seq: u64, left: &impl Fn() -> Duration) -> Result<(CallHeader, Bytes), CallError> {
        let mut calls = lock(&self.calls);
        loop {
            if let Some(reply) = calls.waiting.get_mut(&seq).and_then(Option::take) {
                return Ok(reply);
            }
            let remaining = left();
            if remaining.is_zero() {
                return Err(self.no_answer());
            }
            if calls.is_reading {
                calls = self
                    .came
                    .wait_timeout(calls, remaining.min(SLICE))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            // One of those that wait reads for all.
            calls.is_reading = true;
            drop(calls);
            let received = self.socket.recv_timeout(remaining);
            calls = lock(&self.calls);
            calls.is_reading = false;
            match received {
                Ok(reply) => {
                    if let Some((header, body)) = read_reply(reply)
                        && let Some(place) = calls.waiting.get_mut(&header.seq)
                    {
                        *place = Some((header, body));
                    }
                }
                Err(tamtam_zmq::RecvError::TimedOut) => {}
                Err(error) => {
                    self.came.notify_all();
                    return Err(CallError::Closed(error.to_string()));
                }
            }
            self.came.notify_all();
        }
    }
}

/// `["", header, body]`
fn read_reply(reply: Message) -> Option<(CallHeader, Bytes)> {
    let frames: Vec<Frame> = reply.into_frames().collect();
    let [empty, header, body] = <[Frame; 3]>::try_from(frames).ok()?;
    let header = CallHeader::decode(&*header).ok().filter(|_| empty.is_empty())?;
    Some((header, body.into_bytes()))
}

/// Calls a service. May be used from any thread, with several requests outstanding.
pub struct Client<Q, A> {
    core: Arc<ClientCore>,
    node: Node,
    of: PhantomData<fn(Q) -> A>,
}

impl<Q, A> fmt::Debug for Client<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("service", &self.core.name).finish_non_exhaustive()
    }
}

impl<Q: TopicMessage, A: TopicMessage> Client<Q, A> {
    pub(crate) fn begin(node: &Node, name: &str) -> Result<Self, Error> {
        let name = node.core.naming.resolve(name)?;
        let types = Types { request: Q::schema()?, reply: A::schema()? };
        let id = id::random()?;
        let socket = Socket::new(&node.core.context, SocketType::Dealer);
        socket
            .configure(|options| {
                // Requests go to servers that are there, not to ones that may come back.
                options.set_immediate(true).set_linger(Some(Duration::ZERO));
            })
            .map_err(|error| Error::socket("client", error))?;
        let core = Arc::new(ClientCore {
            name,
            id,
            socket,
            types,
            servers: Mutex::new(Servers::default()),
            calls: Mutex::new(Calls::default()),
            came: Condvar::new(),
        });
        node.core.submit(Command::Client(Arc::clone(&core)));
        Ok(Self { core, node: node.clone(), of: PhantomData })
    }

    /// Asks, and waits at most `timeout` for the reply; also for a server to come, if there is none.
    ///
    /// # Errors
    ///
    /// [`CallError::NoServer`] when nobody offers the service, [`CallError::TimedOut`] when somebody does and does not answer,
    /// [`CallError::SchemaDiffers`] when those who offer it have types that would be misread, and [`CallError::Remote`] with what
    /// the server says.
    pub fn call(&self, request: &Q, timeout: Duration) -> Result<A, CallError> {
        Ok(A::from_body(&self.core.call(request.to_body(), timeout)?.into())?)
    }

    /// As [`call`](Self::call), and asks the next server if one does not answer in time; up to `attempts` times, each within
    /// `timeout`. For requests that may be done twice.
    ///
    /// # Errors
    ///
    /// That of the last attempt.
    pub fn call_any(&self, request: &Q, timeout: Duration, attempts: usize) -> Result<A, CallError> {
        let body = request.to_body();
        let mut outcome = self.core.call(body.clone(), timeout);
        for _ in 1..attempts.max(1) {
            if !matches!(outcome, Err(CallError::TimedOut(_))) {
                break;
            }
            outcome = self.core.call(body.clone(), timeout);
        }
        Ok(A::from_body(&outcome?.into())?)
    }

    /// Waits, at most `timeout`, until a server is connected; returns whether one is.
    #[must_use]
    pub fn wait_for_server(&self, timeout: Duration) -> bool {
        self.core.socket.wait_for_peers(1, timeout).is_ok()
    }

    /// Returns the service's full name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.core.name
    }
}

impl<Q, A> Drop for Client<Q, A> {
    fn drop(&mut self) {
        self.node.core.submit(Command::Gone(Who::Client(self.core.id)));
        self.core.socket.shut();
    }
}
