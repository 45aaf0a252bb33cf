//! The node's thread: finds others, lets subscribers in, answers questions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::{Duration, Instant};

use prost::Message as _;
use tamtam_zmq::{Frame, Interest, Message, Poller, Socket, SocketType};

use crate::beacon::{Beacon, Heard, Lan, Neighbours, NodeKey, Schedule, Task, domain_hash};
use crate::bell::Bell;
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

/// How often publishers' heartbeats and peers are looked at, while there is something to look at.
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
/// Schemas that are waited for.
const ASKED_MAX: usize = 1024;
/// Questions that are answered before anything else is looked at.
const QUESTIONS_AT_ONCE: usize = 64;
/// Answers that wait for one asker; they are as large as a schema may be.
const ANSWERS_MAX: u32 = 16;

/// Datagrams that are read before other things get their turn.
const DATAGRAMS: usize = 64;
/// How often a node that has nothing to offer asks who is there: once more in case the first is lost.
const LOOKS: u64 = 2;

/// The first frames of questions and answers.
const TABLE: &str = "table";
const SCHEMA: &str = "schema";
const REPORT: &str = "report";

/// Rings when a publisher's socket has a subscription. Knows nothing of the node: it may ring on any thread, last of all.
struct Ringer {
    has_rung: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        if !self.has_rung.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }
}

/// A publisher, and whether it has rung.
struct Tended {
    publisher: Arc<PublisherCore>,
    has_rung: Arc<AtomicBool>,
}

/// A node that was named as a peer.
struct Remote {
    endpoint: String,
    socket: Socket,
    asked: Option<Instant>,
    heard: Option<Instant>,
    record: Option<NodeRecord>,
}

/// The local network, for nodes that look at it.
struct LanSide {
    /// By their keys in the poller.
    nets: Vec<(usize, Lan)>,
    /// Where this node answers.
    port: u16,
    domain: [u8; 8],
    schedule: Schedule,
    beacons: u64,
    neighbours: Neighbours,
    /// Connections to neighbours.
    lines: BTreeMap<usize, (NodeKey, Socket)>,
    /// When there is something to do.
    due: Option<Instant>,
}

/// What the thread works with.
pub(crate) struct Discovery {
    core: Arc<NodeCore>,
    info: Socket,
    watch: Watch,
    poller: Poller,
    next_key: usize,
    publishers: HashMap<SourceId, Tended>,
    /// Schemas that were asked for, with the names of their types.
    asked: HashMap<SchemaId, String>,
    /// Publishers that were in the middle of a message when they were to let somebody in.
    put_off: Vec<SourceId>,
    subscribers: HashMap<SourceId, Arc<SubscriberCore>>,
    clients: HashMap<SourceId, Arc<ClientCore>>,
    local: BTreeMap<Vec<u8>, NodeRecord>,
    remotes: BTreeMap<usize, Remote>,
    lan: Option<LanSide>,
    couriers: Vec<(String, Socket)>,
    ticked: Instant,
    /// The registry could not be read when it had changed.
    is_unread: bool,
}

impl Discovery {
    /// `lans`: networks, and the port at which `info` is reached there.
    pub(crate) fn new(core: Arc<NodeCore>, info: Socket, lans: Vec<(Lan, u16)>) -> Result<Self, Error> {
        let _set = info.configure(|options| {
            options.set_max_message_size(Some(MESSAGE_MAX)).set_send_hwm(ANSWERS_MAX);
        });
        let watch = core.registry.watch()?;
        let mut poller = Poller::new()?;
        poller.add_fd(&*core.bell, BELL, Interest::READABLE)?;
        poller.add_fd(&watch, WATCH, Interest::READABLE)?;
        poller.add(&info, INFO, Interest::READABLE)?;
        let mut discovery = Self {
            info,
            watch,
            poller,
            next_key: FIRST_FREE,
            publishers: HashMap::new(),
            asked: HashMap::new(),
            put_off: Vec::new(),
            subscribers: HashMap::new(),
            clients: HashMap::new(),
            local: BTreeMap::new(),
            remotes: BTreeMap::new(),
            lan: None,
            couriers: Vec::new(),
            // Long ago: peers are asked at once.
            ticked: Instant::now().checked_sub(TICK).unwrap_or_else(Instant::now),
            is_unread: false,
            core,
        };
        for endpoint in discovery.core.peers.clone() {
            discovery.add_remote(endpoint)?;
        }
        for (net, port) in lans {
            discovery.add_net(net, port)?;
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

    fn add_net(&mut self, net: Lan, port: u16) -> Result<(), Error> {
        let key = self.key();
        self.poller.add_fd(&net, key, Interest::READABLE)?;
        let now = Instant::now();
        let lan = self.lan.get_or_insert_with(|| LanSide {
            nets: Vec::new(),
            port,
            domain: domain_hash(&self.core.domain),
            schedule: Schedule::new(now),
            beacons: 0,
            neighbours: Neighbours::default(),
            lines: BTreeMap::new(),
            due: Some(now),
        });
        lan.nets.push((key, net));
        Ok(())
    }

    fn key(&mut self) -> usize {
        self.next_key += 1;
        self.next_key - 1
    }

    pub(crate) fn run(mut self) {
        self.work();
        self.take_leave();
    }

    fn work(&mut self) {
        loop {
            // Here, so that what any of the rest has brought up is seen to before the next sleep.
            self.tend();
            let is_busy = self.is_unread
                || !self.remotes.is_empty()
                || self.publishers.values().any(|tended| !tended.publisher.is_quiet());
            let timeout = if self.put_off.is_empty() {
                is_busy.then(|| TICK.saturating_sub(self.ticked.elapsed()))
            } else {
                Some(MOMENT)
            };
            let lan = self.lan.as_ref().and_then(|lan| lan.due);
            let lan = lan.map(|due| due.saturating_duration_since(Instant::now()));
            let timeout = timeout.into_iter().chain(lan).min();
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
                    // As if it had rung: somebody may have come before there was a bell.
                    let has_rung = Arc::new(AtomicBool::new(true));
                    let ringer =
                        Ringer { has_rung: Arc::clone(&has_rung), bell: Arc::clone(&self.core.bell) };
                    publisher.socket.wake_on_subscriptions(Arc::new(ringer).into());
                    self.publishers.insert(publisher.source, Tended { publisher, has_rung });
                }
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
                Command::Changed => {
                    if let Some(lan) = &mut self.lan {
                        let now = Instant::now();
                        lan.schedule.changed(now);
                        lan.due = Some(now);
                    }
                }
                Command::Stop => return true,
            }
        }
        if found {
            self.introduce();
        }
        let rung = self.publishers.iter().filter(|(_, tended)| tended.has_rung.swap(false, Ordering::AcqRel));
        let rung: Vec<SourceId> = rung.map(|(source, _)| *source).collect();
        rung.into_iter().for_each(|source| self.admit(source));
        false
    }

    /// Lets subscribers in, now or in a moment.
    fn admit(&mut self, source: SourceId) {
        if self.publishers.get(&source).is_some_and(|tended| !tended.publisher.admit())
            && !self.put_off.contains(&source)
        {
            self.put_off.push(source);
        }
    }

    /// Reads the registry, and acts on what is new.
    fn look(&mut self) {
        self.is_unread = false;
        match self.core.registry.list() {
            Ok(found) => {
                let records = found.iter().filter_map(|found| NodeRecord::from_bytes(&found.record));
                self.local = records.map(|record| (record.id.clone(), record)).collect();
                self.introduce();
            }
            Err(error) => {
                // What has changed is not told again.
                self.is_unread = true;
                tracing::warn!(%error, "the registry cannot be read");
            }
        }
    }

    /// All nodes that are known, and whether they are on this host. One that is known in several ways counts once.
    fn records(&self) -> impl Iterator<Item = (&NodeRecord, bool)> {
        let remote = self.remotes.values().filter_map(|remote| remote.record.as_ref());
        let is_peer = |record: &NodeRecord| {
            self.remotes.values().filter_map(|remote| remote.record.as_ref()).any(|peer| peer.id == record.id)
        };
        let neighbours = self.lan.iter().flat_map(|lan| lan.neighbours.records());
        let remote = remote.chain(neighbours.filter(move |record| !is_peer(record)));
        let remote = remote.filter(|record| !self.local.contains_key(&record.id));
        self.local.values().map(|record| (record, true)).chain(remote.map(|record| (record, false)))
    }

    /// Brings together what belongs together, and tells who waits for the graph.
    fn introduce(&mut self) {
        let mut wanted: Vec<(Vec<u8>, SchemaId, String)> = Vec::new();
        let mut to_tell: Vec<(Vec<String>, Report)> = Vec::new();
        let fetch = |name: &str, id: &SchemaId| self.fetch(name, id);
        for subscriber in self.subscribers.values() {
            let mut present: HashSet<SourceId> = HashSet::new();
            for (node, _) in self.records() {
                let topic = subscriber.name.as_str();
                for publisher in node.publishers.iter().filter(|publisher| publisher.topic == topic) {
                    present.extend(SourceId::try_from(publisher.source.as_slice()));
                    match meet(subscriber, node, publisher, fetch) {
                        Met::Done(told) => {
                            let told = reports(&self.core.name, publisher, told);
                            to_tell.extend(told.into_iter().map(|report| (node.info.clone(), report)));
                        }
                        Met::Needs(schema) => {
                            wanted.push((node.id.clone(), schema, publisher.type_name.clone()));
                        }
                    }
                }
            }
            let mut sources = subscriber.sources();
            sources.forget_all_but(&present);
            for (id, source) in &mut sources.known {
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
        for (node, schema, name) in wanted {
            if self.asked.len() >= ASKED_MAX {
                self.asked.clear();
            }
            self.asked.insert(schema, name);
            self.ask_for(&node, &schema);
        }
    }

    /// Keeps a schema that was asked for, if it is the one; returns whether it is. Others would overwrite what is there.
    fn keep_schema(&mut self, id: SchemaId, bytes: &[u8]) -> bool {
        let Some(name) = self.asked.get(&id) else { return false };
        let is_it = Schema::new(name, bytes).is_ok_and(|schema| schema.id() == id);
        is_it && {
            self.asked.remove(&id);
            self.core.registry.put_schema(&id.to_string(), bytes).is_ok()
        }
    }

    fn fetch(&self, name: &str, id: &SchemaId) -> Option<Schema> {
        let bytes = self.core.registry.schema(&id.to_string()).ok()??;
        // The store is shared: what stands there under a name need not be it.
        Schema::new(name, &bytes).ok().filter(|schema| schema.id() == *id)
    }

    fn ask_for(&mut self, node: &[u8], schema: &SchemaId) {
        let is_it = |remote: &&Remote| remote.record.as_ref().is_some_and(|record| record.id == node);
        if let Some(remote) = self.remotes.values().find(is_it) {
            ask(&remote.socket, SCHEMA, schema.as_bytes());
        } else if let Some(lan) = &mut self.lan {
            lan.neighbours.want(node, *schema);
            lan.due = Some(Instant::now());
        }
    }

    /// Answers what other nodes (or anybody) ask.
    fn answer(&self) {
        for _ in 0..QUESTIONS_AT_ONCE {
            let Ok(question) = self.info.try_recv() else { return };
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
        if let Some(tended) = source.ok().and_then(|source| self.publishers.get(&source)) {
            tended.publisher.hear(report);
        }
    }

    /// A node that was named as a peer answers, or the local network has something.
    fn hear(&mut self, key: usize) {
        let mut news = false;
        let mut schemas = Vec::new();
        let Some(remote) = self.remotes.get_mut(&key) else {
            self.hear_lan(key);
            return;
        };
        while let Ok(answer) = remote.socket.try_recv() {
            let frames: Vec<Frame> = answer.into_frames().filter(|frame| !frame.is_empty()).collect();
            match &frames[..] {
                [verb, record] if *verb == TABLE => {
                    remote.heard = Some(Instant::now());
                    let Some(mut record) = NodeRecord::from_bytes(record) else { continue };
                    adopt(&mut record, &remote.endpoint, |_| true);
                    news |= remote.record.as_ref() != Some(&record);
                    remote.record = Some(record);
                }
                [verb, id, bytes] if *verb == SCHEMA => {
                    let id = <[u8; 32]>::try_from(&**id).map(SchemaId::from_bytes);
                    schemas.extend(id.ok().map(|id| (id, bytes.to_vec())));
                }
                _ => {}
            }
        }
        for (id, bytes) in schemas {
            news |= self.keep_schema(id, &bytes);
        }
        if news {
            self.introduce();
        }
    }

    /// A datagram, or an answer of a node that was found by one.
    fn hear_lan(&mut self, key: usize) {
        let Some(lan) = &mut self.lan else { return };
        lan.due = Some(Instant::now());
        let Some(place) = lan.nets.iter().position(|(net, _)| *net == key) else {
            self.hear_neighbour(key);
            return;
        };
        let mut news = false;
        for _ in 0..DATAGRAMS {
            let datagram = self.lan.as_ref().and_then(|lan| lan.nets.get(place)?.1.receive());
            match datagram {
                None => break,
                Some(None) => self.core.count_lan(|lan| lan.malformed += 1),
                Some(Some((from, beacon))) => news |= self.hear_beacon(from, &beacon),
            }
        }
        if news {
            self.introduce();
        }
    }

    /// Returns whether a node is gone.
    fn hear_beacon(&mut self, from: Ipv4Addr, beacon: &Beacon) -> bool {
        let Some(lan) = &mut self.lan else { return false };
        if beacon.node == self.core.id.to_bytes() {
            return false;
        }
        if beacon.domain != lan.domain {
            self.core.count_lan(|lan| lan.foreign += 1);
            return false;
        }
        self.core.count_lan(|lan| lan.heard += 1);
        let now = Instant::now();
        if beacon.leaving {
            let tasks = lan.neighbours.leave(from, beacon);
            return self.perform(tasks);
        }
        if beacon.looking {
            lan.schedule.greet(now);
            return false;
        }
        if self.local.contains_key(beacon.node.as_slice()) {
            return false;
        }
        if !lan.neighbours.knows(&beacon.node) && lan.neighbours.has_room() {
            // The beacon of a node on this host may be faster than the registry's news.
            self.look();
            if self.local.contains_key(beacon.node.as_slice()) {
                return false;
            }
        }
        let Some(lan) = &mut self.lan else { return false };
        match lan.neighbours.hear(now, from, beacon) {
            Heard::Known => {}
            Heard::New => lan.schedule.greet(now),
            Heard::Refused => self.core.count_lan(|lan| lan.refused += 1),
        }
        false
    }

    /// A node that was found by its beacon answers.
    fn hear_neighbour(&mut self, key: usize) {
        let mut news = false;
        while let Some(lan) = &mut self.lan {
            let Some((node, socket)) = lan.lines.get(&key) else { break };
            let Ok(answer) = socket.try_recv() else { break };
            let (node, now) = (*node, Instant::now());
            let Some(at) = lan.neighbours.at(&node) else { break };
            let frames: Vec<Frame> = answer.into_frames().filter(|frame| !frame.is_empty()).collect();
            match &frames[..] {
                [verb, record] if *verb == TABLE => {
                    // Another node may have got its port.
                    let record = NodeRecord::from_bytes(record).filter(|record| record.id == node);
                    let Some(mut record) = record else { continue };
                    let host = format!("tcp://{}:", at.ip());
                    adopt(&mut record, &format!("tcp://{at}"), |endpoint| endpoint.starts_with(&host));
                    news |= lan.neighbours.told(now, &node, record);
                }
                [verb, id, rest @ ..] if *verb == SCHEMA => {
                    let Ok(id) = <[u8; 32]>::try_from(&**id).map(SchemaId::from_bytes) else { continue };
                    lan.neighbours.told_schema(now, &node, &id);
                    // Nothing behind the id: it does not know that one.
                    if let [bytes] = rest {
                        news |= self.keep_schema(id, bytes);
                    }
                }
                _ => {}
            }
        }
        if news {
            self.count_neighbours();
            self.introduce();
        }
    }

    fn count_neighbours(&self) {
        if let Some(lan) = &self.lan {
            let nodes = lan.neighbours.records().count();
            self.core.count_lan(|lan| lan.nodes = nodes);
        }
    }

    /// Does what is to be done about neighbours; returns whether one is gone.
    fn perform(&mut self, tasks: Vec<Task>) -> bool {
        let mut is_gone = false;
        for task in tasks {
            match task {
                Task::Connect { node, at } => self.connect(&node, at),
                Task::Ask { key, table, schemas } => {
                    let line = self.lan.as_ref().and_then(|lan| lan.lines.get(&key));
                    let Some((_, socket)) = line else { continue };
                    // What does not go out is not answered, which is seen.
                    if table {
                        ask(socket, TABLE, b"");
                    }
                    for schema in schemas {
                        ask(socket, SCHEMA, schema.as_bytes());
                    }
                }
                Task::Close { key } => {
                    self.poller.remove(key);
                    if let Some(lan) = &mut self.lan {
                        lan.lines.remove(&key);
                    }
                }
                Task::Gone => is_gone = true,
            }
        }
        if is_gone {
            self.count_neighbours();
        }
        is_gone
    }

    fn connect(&mut self, node: &NodeKey, at: SocketAddrV4) {
        self.core.count_lan(|lan| lan.connections += 1);
        let key = self.key();
        let connected = courier_once(&self.core, &format!("tcp://{at}")).and_then(|socket| {
            self.poller.add(&socket, key, Interest::READABLE)?;
            Ok(socket)
        });
        let Some(lan) = &mut self.lan else { return };
        match connected {
            Ok(socket) => {
                lan.neighbours.connected(Instant::now(), node, key);
                lan.lines.insert(key, (*node, socket));
            }
            Err(error) => tracing::warn!(%at, %error, "cannot connect to a node of the local network"),
        }
    }

    /// Does what is due on the local network.
    fn tend(&mut self) {
        while let Some(lan) = &mut self.lan {
            let now = Instant::now();
            if lan.due.is_none_or(|due| due > now) {
                return;
            }
            if lan.schedule.due() <= now {
                lan.schedule.sent(now);
                self.send_beacon(false);
            }
            let Some(lan) = &mut self.lan else { return };
            let (tasks, due) = lan.neighbours.tend(now);
            let next = lan.schedule.due();
            // Connections that are made now have questions to ask.
            let is_connecting = tasks.iter().any(|task| matches!(task, Task::Connect { .. }));
            lan.due = if is_connecting { Some(now) } else { Some(due.map_or(next, |due| due.min(next))) };
            if self.perform(tasks) {
                self.introduce();
            }
        }
    }

    fn send_beacon(&mut self, leaving: bool) {
        let Some(lan) = &mut self.lan else { return };
        let generation = self.core.generation();
        let looking = generation == 0;
        if looking && (leaving || lan.beacons >= LOOKS) {
            return;
        }
        lan.beacons += 1;
        let (node, domain, port) = (self.core.id.to_bytes(), lan.domain, lan.port);
        let datagram = Beacon { node, domain, generation, port, leaving, looking }.encode();
        for (_, net) in &mut lan.nets {
            let is_sent = net.send(&datagram);
            self.core.count_lan(|lan| if is_sent { lan.sent += 1 } else { lan.not_sent += 1 });
        }
    }

    /// The node goes, and those on its network need not wait until they miss it.
    fn take_leave(&mut self) {
        self.send_beacon(true);
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
        for tended in self.publishers.values() {
            tended.publisher.beat();
        }
        if self.is_unread {
            self.look();
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
fn leave(subscriber: &SubscriberCore, id: &SourceId) {
    let mut sources = subscriber.sources();
    let Some(source) = sources.known.get_mut(id) else { return };
    if source.endpoint.is_empty() || std::mem::replace(&mut source.left, true) {
        return;
    }
    let endpoint = source.endpoint.clone();
    // A successor may have come to the same place.
    let is_shared = subscriber.connects_to(&endpoint)
        || sources.known.values().any(|other| other.endpoint == endpoint && !other.left && !other.refused);
    drop(sources);
    if !is_shared {
        let _known = subscriber.socket.disconnect(&endpoint);
    }
}

/// Makes a socket that asks a node.
fn courier(core: &NodeCore, endpoint: &str) -> Result<Socket, Error> {
    courier_with(core, endpoint, |_| ())
}

/// As [`courier`], without further attempts if the connection fails or breaks: nobody may be there.
fn courier_once(core: &NodeCore, endpoint: &str) -> Result<Socket, Error> {
    courier_with(core, endpoint, |options| _ = options.set_reconnect_interval(None))
}

fn courier_with(
    core: &NodeCore,
    endpoint: &str,
    set: impl FnOnce(&mut tamtam_zmq::Options),
) -> Result<Socket, Error> {
    let socket = Socket::new(&core.context, SocketType::Dealer);
    socket
        .configure(|options| {
            options.set_linger(Some(Duration::ZERO)).set_max_message_size(Some(MESSAGE_MAX));
            options.set_send_hwm(100);
            set(options);
        })
        .map_err(|error| Error::socket("node", error))?;
    socket.connect(endpoint).map_err(|error| Error::socket(format!("connect {endpoint}"), error))?;
    Ok(socket)
}

fn ask(socket: &Socket, verb: &str, argument: &[u8]) -> bool {
    let frames = [Frame::new(), Frame::from(verb), Frame::copy_from(argument)];
    Message::from_frames(frames).is_some_and(|question| socket.try_send(question).is_ok())
}

/// Makes a record that came over the network one that can be used here: with endpoints that are reached from here, and of these
/// only those that are wanted.
fn adopt(record: &mut NodeRecord, via: &str, is_wanted: impl Fn(&str) -> bool) {
    for publisher in &mut record.publishers {
        reachable(&mut publisher.endpoints, via);
        publisher.endpoints.retain(|endpoint| is_wanted(endpoint));
    }
    for service in &mut record.services {
        reachable(&mut service.endpoints, via);
        service.endpoints.retain(|endpoint| is_wanted(endpoint));
    }
    record.info = vec![via.to_owned()];
    record.publishers.retain(|publisher| !publisher.endpoints.is_empty());
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
