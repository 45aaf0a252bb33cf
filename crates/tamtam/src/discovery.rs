//! The node's thread: finds others, lets subscribers in, answers questions.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::task::Wake;
use std::time::{Duration, Instant};

use prost::Message as _;
use tamtam_zmq::{Frame, Interest, Message, Poller, Socket, SocketType};

use crate::error::Error;
use crate::graph::Graph;
use crate::matching::{Met, meet, reports};
use crate::node::{Command, NodeCore, Who};
use crate::publisher::PublisherCore;
use crate::record::{NodeRecord, Report};
use crate::registry::Watch;
use crate::schema::{Schema, SchemaId};
use crate::service::ClientCore;
use crate::source::SourceId;
use crate::subscriber::SubscriberCore;

const BELL: usize = 0;
const WATCH: usize = 1;
const INFO: usize = 2;
const FIRST_FREE: usize = 3;

/// How often publishers' heartbeats, remote nodes and publishers that went away are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How long a publisher that is at work is left alone.
const MOMENT: Duration = Duration::from_millis(1);
/// How often a node on another host is asked what it has.
const ASK: Duration = Duration::from_secs(1);
/// After such a silence it counts as gone.
const SILENT: Duration = Duration::from_secs(5);
/// The longest frame that strangers may send to a node, in octets.
const MESSAGE_MAX: u64 = 8 << 20;
/// Connections kept open for reports; beyond, the oldest go.
const COURIERS_MAX: usize = 64;

/// The first frames of questions and answers.
const TABLE: &str = "table";
const SCHEMA: &str = "schema";
const REPORT: &str = "report";

/// Rings when a publisher's socket has a subscription.
struct Bell {
    core: Weak<NodeCore>,
    source: SourceId,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Some(core) = self.core.upgrade() {
            core.submit(Command::Admit(self.source));
        }
    }
}

/// A node that was named as a peer.
struct Remote {
    endpoint: String,
    socket: Socket,
    asked: Option<Instant>,
    heard: Option<Instant>,
    record: Option<NodeRecord>,
}

/// What the thread works with.
pub(crate) struct Discovery {
    core: Arc<NodeCore>,
    info: Socket,
    watch: Watch,
    poller: Poller,
    next_key: usize,
    publishers: HashMap<SourceId, Arc<PublisherCore>>,
    /// Publishers that were in the middle of a message when they were to let somebody in.
    put_off: Vec<SourceId>,
    subscribers: HashMap<SourceId, Arc<SubscriberCore>>,
    clients: HashMap<SourceId, Arc<ClientCore>>,
    local: BTreeMap<Vec<u8>, NodeRecord>,
    remotes: BTreeMap<usize, Remote>,
    couriers: Vec<(String, Socket)>,
    ticked: Instant,
}

impl Discovery {
    pub(crate) fn new(core: Arc<NodeCore>, info: Socket) -> Result<Self, Error> {
        let _set = info.configure(|options| _ = options.set_max_message_size(Some(MESSAGE_MAX)));
        let watch = core.registry.watch()?;
        let mut poller = Poller::new()?;
        poller.add_fd(&core.bell, BELL, Interest::READABLE)?;
        poller.add_fd(&watch, WATCH, Interest::READABLE)?;
        poller.add(&info, INFO, Interest::READABLE)?;
        let mut discovery = Self {
            info,
            watch,
            poller,
            next_key: FIRST_FREE,
            publishers: HashMap::new(),
            put_off: Vec::new(),
            subscribers: HashMap::new(),
            clients: HashMap::new(),
            local: BTreeMap::new(),
            remotes: BTreeMap::new(),
            couriers: Vec::new(),
            // Long ago: peers are asked at once.
            ticked: Instant::now().checked_sub(TICK).unwrap_or_else(Instant::now),
            core,
        };
        for endpoint in discovery.core.peers.clone() {
            discovery.add_remote(endpoint)?;
        }
        // What is there already is known before `open` returns.
        discovery.look();
        Ok(discovery)
    }

    fn add_remote(&mut self, endpoint: String) -> Result<(), Error> {
        let socket = courier(&self.core, &endpoint)?;
        let key = self.key();
        self.poller.add(&socket, key, Interest::READABLE)?;
        self.remotes.insert(key, Remote { endpoint, socket, asked: None, heard: None, record: None });
        Ok(())
    }

    fn key(&mut self) -> usize {
        self.next_key += 1;
        self.next_key - 1
    }

    pub(crate) fn run(mut self) {
        loop {
            let is_busy =
                !self.publishers.is_empty() || !self.remotes.is_empty() || !self.subscribers.is_empty();
            let timeout = if self.put_off.is_empty() {
                is_busy.then(|| TICK.saturating_sub(self.ticked.elapsed()))
            } else {
                Some(MOMENT)
            };
            let keys: Vec<usize> = match self.poller.wait(timeout) {
                Ok(events) => events.iter().map(|event| event.key).collect(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Vec::new(),
                Err(error) => {
                    tracing::error!(%error, "a node cannot wait for events, and ends");
                    return;
                }
            };
            for key in keys {
                match key {
                    BELL => {
                        if self.obey() {
                            return;
                        }
                    }
                    WATCH => {
                        if self.watch.drain() {
                            self.look();
                        }
                    }
                    INFO => self.answer(),
                    key => self.hear(key),
                }
            }
            if self.ticked.elapsed() >= TICK {
                self.tick();
            }
            for source in std::mem::take(&mut self.put_off) {
                self.admit(source);
            }
        }
    }

    /// Does what was submitted; returns whether to stop.
    fn obey(&mut self) -> bool {
        let mut found = false;
        for command in self.core.take_commands() {
            match command {
                Command::Publisher(publisher) => {
                    let source = publisher.source;
                    let bell = Bell { core: Arc::downgrade(&self.core), source };
                    publisher.socket.wake_on_subscriptions(Arc::new(bell).into());
                    self.publishers.insert(source, publisher);
                    self.admit(source);
                }
                Command::Admit(source) => self.admit(source),
                Command::Subscriber(subscriber) => {
                    self.subscribers.insert(subscriber.id, subscriber);
                    found = true;
                }
                Command::Client(client) => {
                    self.clients.insert(client.id, client);
                    found = true;
                }
                Command::Gone(Who::Publisher(source)) => _ = self.publishers.remove(&source),
                Command::Gone(Who::Subscriber(id)) => _ = self.subscribers.remove(&id),
                Command::Gone(Who::Client(id)) => _ = self.clients.remove(&id),
                Command::Leave { subscriber, source } => {
                    if let Some(subscriber) = self.subscribers.get(&subscriber) {
                        leave(subscriber, &source);
                    }
                }
                Command::Report { to, report } => self.report(&to, &report),
                Command::Stop => return true,
            }
        }
        if found {
            self.introduce();
        }
        false
    }

    /// Lets subscribers in, now or in a moment.
    fn admit(&mut self, source: SourceId) {
        if self.publishers.get(&source).is_some_and(|publisher| !publisher.admit())
            && !self.put_off.contains(&source)
        {
            self.put_off.push(source);
        }
    }

    /// Reads the registry, and acts on what is new.
    fn look(&mut self) {
        match self.core.registry.list() {
            Ok(found) => {
                let records = found.iter().filter_map(|found| NodeRecord::from_bytes(&found.record));
                self.local = records.map(|record| (record.id.clone(), record)).collect();
                self.introduce();
            }
            Err(error) => tracing::warn!(%error, "the registry cannot be read"),
        }
    }

    /// All nodes that are known, and whether they are on this host. One that is on this host and a peer counts once.
    fn records(&self) -> impl Iterator<Item = (&NodeRecord, bool)> {
        let remote = self.remotes.values().filter_map(|remote| remote.record.as_ref());
        let remote = remote.filter(|record| !self.local.contains_key(&record.id));
        self.local.values().map(|record| (record, true)).chain(remote.map(|record| (record, false)))
    }

    /// Brings together what belongs together, and tells who waits for the graph.
    fn introduce(&mut self) {
        let mut wanted: Vec<(Vec<u8>, SchemaId)> = Vec::new();
        let mut to_tell: Vec<(Vec<String>, Report)> = Vec::new();
        let fetch = |name: &str, id: &SchemaId| self.fetch(name, id);
        for subscriber in self.subscribers.values() {
            let mut present: Vec<SourceId> = Vec::new();
            for (node, _) in self.records() {
                let topic = subscriber.name.as_str();
                for publisher in node.publishers.iter().filter(|publisher| publisher.topic == topic) {
                    present.extend(SourceId::try_from(publisher.source.as_slice()));
                    match meet(subscriber, node, publisher, fetch) {
                        Met::Done(told) => {
                            let told = reports(&self.core.name, publisher, told);
                            to_tell.extend(told.into_iter().map(|report| (node.info.clone(), report)));
                        }
                        Met::Needs(schema) => wanted.push((node.id.clone(), schema)),
                    }
                }
            }
            for (id, source) in &mut subscriber.sources().known {
                let is_missing = !source.endpoint.is_empty() && !present.contains(id);
                if is_missing && !source.ended && source.gone.is_none() {
                    source.gone = Some(Instant::now());
                }
            }
        }
        for client in self.clients.values() {
            let servers = self.records().flat_map(|(node, _)| &node.services);
            client.meet(servers.filter(|service| service.name == client.name.as_str()));
        }
        self.core.set_graph(Graph::of(self.records()));
        for (to, report) in to_tell {
            self.report(&to, &report);
        }
        for (node, schema) in wanted {
            self.ask_for(&node, &schema);
        }
    }

    fn fetch(&self, name: &str, id: &SchemaId) -> Option<Schema> {
        let bytes = self.core.registry.schema(&id.to_string()).ok()??;
        // The store is shared: what stands there under a name need not be it.
        Schema::new(name, &bytes).ok().filter(|schema| schema.id() == *id)
    }

    fn ask_for(&self, node: &[u8], schema: &SchemaId) {
        let is_it = |remote: &&Remote| remote.record.as_ref().is_some_and(|record| record.id == node);
        if let Some(remote) = self.remotes.values().find(is_it) {
            ask(&remote.socket, SCHEMA, schema.as_bytes());
        }
    }

    /// Answers what other nodes (or anybody) ask.
    fn answer(&self) {
        while let Ok(question) = self.info.try_recv() {
            let mut frames = question.into_frames();
            let (Some(asker), Some(verb)) = (frames.next(), frames.find(|frame| !frame.is_empty())) else {
                continue;
            };
            let argument = frames.next().unwrap_or_default();
            let mut answer = vec![asker, Frame::new(), verb.clone()];
            match &*verb {
                verb if verb == TABLE.as_bytes() => {
                    answer.push(Frame::from(self.core.record().to_bytes()));
                }
                verb if verb == SCHEMA.as_bytes() => {
                    let id = <[u8; 32]>::try_from(&*argument).map(SchemaId::from_bytes);
                    let bytes =
                        id.ok().and_then(|id| self.core.registry.schema(&id.to_string()).ok().flatten());
                    answer.push(argument);
                    answer.push(Frame::from(bytes.unwrap_or_default()));
                }
                verb if verb == REPORT.as_bytes() => {
                    self.pass_on(&argument);
                    continue;
                }
                _ => continue,
            }
            if let Some(answer) = Message::from_frames(answer) {
                // Whoever does not read his answers gets none.
                let _sent = self.info.try_send(answer);
            }
        }
    }

    fn pass_on(&self, report: &[u8]) {
        let Ok(report) = Report::decode(report) else { return };
        let source = SourceId::try_from(report.source.as_slice());
        if let Some(publisher) = source.ok().and_then(|source| self.publishers.get(&source)) {
            publisher.hear(report);
        }
    }

    /// A node that was named as a peer answers.
    fn hear(&mut self, key: usize) {
        let mut news = false;
        let Some(remote) = self.remotes.get_mut(&key) else { return };
        while let Ok(answer) = remote.socket.try_recv() {
            let frames: Vec<Frame> = answer.into_frames().filter(|frame| !frame.is_empty()).collect();
            match &frames[..] {
                [verb, record] if *verb == TABLE => {
                    remote.heard = Some(Instant::now());
                    let Some(mut record) = NodeRecord::from_bytes(record) else { continue };
                    for publisher in &mut record.publishers {
                        reachable(&mut publisher.endpoints, &remote.endpoint);
                    }
                    for service in &mut record.services {
                        reachable(&mut service.endpoints, &remote.endpoint);
                    }
                    record.info = vec![remote.endpoint.clone()];
                    record.publishers.retain(|publisher| !publisher.endpoints.is_empty());
                    news |= remote.record.as_ref() != Some(&record);
                    remote.record = Some(record);
                }
                [verb, id, bytes] if *verb == SCHEMA => {
                    let id = <[u8; 32]>::try_from(&**id).map(SchemaId::from_bytes);
                    if let Ok(id) = id
                        && self.core.registry.put_schema(&id.to_string(), bytes).is_ok()
                    {
                        news = true;
                    }
                }
                _ => {}
            }
        }
        if news {
            self.introduce();
        }
    }

    /// Tells a publisher something, at the first of its node's endpoints that takes it.
    fn report(&mut self, to: &[String], report: &Report) {
        for endpoint in to {
            if !self.couriers.iter().any(|(known, _)| known == endpoint) {
                if self.couriers.len() >= COURIERS_MAX {
                    self.couriers.remove(0);
                }
                match courier(&self.core, endpoint) {
                    Ok(socket) => self.couriers.push((endpoint.clone(), socket)),
                    Err(_) => continue,
                }
            }
            let courier = self.couriers.iter().find(|(known, _)| known == endpoint);
            if courier.is_some_and(|(_, socket)| ask(socket, REPORT, &report.encode_to_vec())) {
                return;
            }
        }
    }

    fn tick(&mut self) {
        self.ticked = Instant::now();
        for publisher in self.publishers.values() {
            publisher.beat();
        }
        for subscriber in self.subscribers.values() {
            let sources = subscriber.sources();
            let done: Vec<SourceId> = sources
                .known
                .iter()
                .filter(|(_, source)| source.mourned && !source.endpoint.is_empty())
                .map(|(id, _)| *id)
                .collect();
            drop(sources);
            done.iter().for_each(|source| leave(subscriber, source));
        }
        let mut lost = false;
        for remote in self.remotes.values_mut() {
            if remote.asked.is_none_or(|asked| asked.elapsed() >= ASK) {
                remote.asked = Some(self.ticked);
                ask(&remote.socket, TABLE, b"");
            }
            if remote.heard.is_some_and(|heard| heard.elapsed() > SILENT) && remote.record.take().is_some() {
                lost = true;
            }
        }
        if lost {
            self.introduce();
        }
    }
}

/// A subscriber needs a publisher no more: its connection goes, what is known of it stays.
fn leave(subscriber: &SubscriberCore, source: &SourceId) {
    let mut sources = subscriber.sources();
    let Some(source) = sources.known.get_mut(source) else { return };
    let endpoint = source.endpoint.clone();
    drop(sources);
    if !endpoint.is_empty() {
        let _known = subscriber.socket.disconnect(&endpoint);
    }
}

/// Makes a socket that asks a node.
fn courier(core: &NodeCore, endpoint: &str) -> Result<Socket, Error> {
    let socket = Socket::new(&core.context, SocketType::Dealer);
    socket
        .configure(|options| {
            options.set_linger(Some(Duration::ZERO)).set_max_message_size(Some(MESSAGE_MAX));
            options.set_send_hwm(100);
        })
        .map_err(|error| Error::socket("node", error))?;
    socket.connect(endpoint).map_err(|error| Error::socket(format!("connect {endpoint}"), error))?;
    Ok(socket)
}

fn ask(socket: &Socket, verb: &str, argument: &[u8]) -> bool {
    let frames = [Frame::new(), Frame::from(verb), Frame::copy_from(argument)];
    Message::from_frames(frames).is_some_and(|question| socket.try_send(question).is_ok())
}

/// Keeps the endpoints that can be reached from another host, with the host's address where they say "everywhere".
fn reachable(endpoints: &mut Vec<String>, via: &str) {
    let host = via.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':')).map(|(host, _)| host);
    let Some(host) = host else { return };
    endpoints.retain(|endpoint| endpoint.starts_with("tcp://"));
    for endpoint in endpoints {
        for everywhere in ["tcp://0.0.0.0:", "tcp://[::]:", "tcp://*:"] {
            if let Some(port) = endpoint.strip_prefix(everywhere) {
                *endpoint = format!("tcp://{host}:{port}");
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_made_reachable() {
        let mut endpoints: Vec<String> =
            ["ipc:///run/x", "tcp://0.0.0.0:5", "tcp://10.0.0.9:6", "tcp://[::]:7"]
                .map(String::from)
                .to_vec();
        reachable(&mut endpoints, "tcp://lab:7400");
        assert_eq!(endpoints, ["tcp://lab:5", "tcp://10.0.0.9:6", "tcp://lab:7"]);
    }
}
