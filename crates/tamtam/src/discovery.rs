//! The node's thread: finds others, lets subscribers in, answers questions.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::{Duration, Instant};

use prost::Message as _;
use tamtam_zmq::{Frame, Interest, Message, Poller, Socket};

use crate::bell::Bell;
use crate::courier::{MESSAGE_MAX, PEERS, REPORT, SCHEMA, TABLE, ask, courier};
use crate::error::Error;
use crate::graph::{Graph, NodeInfo};
use crate::lan::Lan;
use crate::losses::Missing;
use crate::matching::{Met, meet, reports};
use crate::near;
use crate::neighbourhood::LanSide;
use crate::node::{Command, NodeCore, Who};
use crate::peers::Peers;
use crate::publisher::PublisherCore;
use crate::record::{NodeRecord, Report, ReportKind};
use crate::registry::Watch;
use crate::schema::{Schema, SchemaId};
use crate::service::{ClientCore, Wanted};
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
/// Connections kept open for reports; beyond, the oldest go.
const COURIERS_MAX: usize = 64;
/// Schemas that are waited for.
const ASKED_MAX: usize = 1024;
/// Questions that are answered before anything else is looked at.
const QUESTIONS_AT_ONCE: usize = 64;
/// Answers that wait for one asker; they are as large as a schema may be.
const ANSWERS_MAX: u32 = 16;

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

/// What the thread works with.
pub(crate) struct Discovery {
    pub(crate) core: Arc<NodeCore>,
    info: Socket,
    watch: Watch,
    pub(crate) poller: Poller,
    next_key: usize,
    publishers: HashMap<SourceId, Tended>,
    /// Schemas that were asked for, with the names of their types.
    asked: HashMap<SchemaId, String>,
    /// Publishers that were in the middle of a message when they were to let somebody in.
    put_off: Vec<SourceId>,
    subscribers: HashMap<SourceId, Arc<SubscriberCore>>,
    clients: HashMap<SourceId, Arc<ClientCore>>,
    pub(crate) local: BTreeMap<Vec<u8>, NodeRecord>,
    /// Nodes at addresses, and the connections to them, by their keys in the poller.
    pub(crate) peers: Peers,
    pub(crate) lines: BTreeMap<usize, Socket>,
    /// Where this node answers others, if it does.
    pub(crate) port: Option<u16>,
    pub(crate) lan: Option<LanSide>,
    couriers: Vec<(String, Socket)>,
    /// Subscribers that have missed something, and when that is told.
    losing: HashMap<SourceId, Instant>,
    ticked: Instant,
    /// The registry could not be read when it had changed.
    is_unread: bool,
}

impl Discovery {
    /// `port`: where `info` is reached from other hosts.
    pub(crate) fn new(
        core: Arc<NodeCore>,
        info: Socket,
        port: Option<u16>,
        lans: Vec<Lan>,
    ) -> Result<Self, Error> {
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
            peers: Peers::new(core.id.to_bytes()),
            lines: BTreeMap::new(),
            port,
            lan: None,
            couriers: Vec::new(),
            losing: HashMap::new(),
            // Long ago: peers are asked at once.
            ticked: Instant::now().checked_sub(TICK).unwrap_or_else(Instant::now),
            is_unread: false,
            core,
        };
        for endpoint in &discovery.core.peers.clone() {
            discovery.add_peer(endpoint)?;
        }
        for net in lans {
            discovery.add_net(net, port.unwrap_or_default())?;
        }
        // What is there already is known before `open` returns.
        discovery.look();
        Ok(discovery)
    }

    pub(crate) fn key(&mut self) -> usize {
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
            self.tell_losses();
            let is_busy = self.is_unread
                || self.core.is_untold()
                || !self.peers.is_empty()
                || self.publishers.values().any(|tended| !tended.publisher.is_quiet());
            let timeout = if self.put_off.is_empty() {
                is_busy.then(|| TICK.saturating_sub(self.ticked.elapsed()))
            } else {
                Some(MOMENT)
            };
            let lan = self.lan.as_ref().and_then(|lan| lan.due);
            let lan = lan.map(|due| due.saturating_duration_since(Instant::now()));
            let losses = self.losing.values().min().map(|due| due.saturating_duration_since(Instant::now()));
            let timeout = timeout.into_iter().chain(lan).chain(losses).min();
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
        let (mut found, mut is_news) = (false, false);
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
                Command::Gone(Who::Subscriber(id)) => {
                    self.losing.remove(&id);
                    if let Some(subscriber) = self.subscribers.remove(&id) {
                        let all = subscriber.losses().take_all();
                        self.report_losses(&subscriber, all);
                    }
                }
                Command::Gone(Who::Client(id)) => _ = self.clients.remove(&id),
                Command::Leave { subscriber, source } => {
                    if let Some(subscriber) = self.subscribers.get(&subscriber) {
                        leave(subscriber, &source);
                    }
                }
                Command::Losses(subscriber) => {
                    self.losing.insert(subscriber, Instant::now());
                }
                Command::Changed => {
                    if let Some(lan) = &mut self.lan {
                        let now = Instant::now();
                        lan.schedule.changed(now);
                        lan.due = Some(now);
                    }
                }
                Command::Near => is_news = true,
                Command::Fetch(schema, name) => {
                    let has_it = |node: &NodeRecord| NodeInfo::of(node, false).has_schema(&schema);
                    let holder = self.records().find(|(node, is_local)| !is_local && has_it(node));
                    if let Some(node) = holder.map(|(node, _)| node.id.clone()) {
                        self.want_schema(&node, schema, name);
                    }
                }
                Command::Stop => return true,
            }
        }
        if is_news {
            self.look();
        } else if found {
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

    /// Reads the registry and what is kept within the process, and acts on what is new.
    pub(crate) fn look(&mut self) {
        self.is_unread = false;
        match self.core.registry.list() {
            Ok(found) => {
                let directory = self.core.registry.path();
                let records = found.iter().filter_map(|found| NodeRecord::read_in(directory, &found.record));
                self.local = records.map(|record| (record.id.clone(), record)).collect();
                for near in near::records(self.core.registry.path()) {
                    match self.local.entry(near.id.clone()) {
                        Entry::Occupied(mut known) => {
                            known.get_mut().publishers.extend(near.publishers);
                            known.get_mut().services.extend(near.services);
                        }
                        Entry::Vacant(place) => _ = place.insert(near),
                    }
                }
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
        let neighbours = self.lan.iter().flat_map(|lan| lan.neighbours.records());
        let neighbours = neighbours.filter(|record| !self.peers.knows(&record.id));
        let remote = self.peers.records().chain(neighbours);
        let remote = remote.filter(|record| !self.local.contains_key(&record.id));
        self.local.values().map(|record| (record, true)).chain(remote.map(|record| (record, false)))
    }

    /// Brings together what belongs together, and tells who waits for the graph.
    pub(crate) fn introduce(&mut self) {
        let mut wanted: Vec<Wanted> = Vec::new();
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
                    source.is_gone(Instant::now());
                }
            }
        }
        for client in self.clients.values() {
            let servers =
                self.records().flat_map(|(node, _)| node.services.iter().map(move |own| (node, own)));
            let servers = servers.filter(|(_, service)| service.name == client.name.as_str());
            wanted.extend(client.meet(servers, fetch));
        }
        self.core.set_graph(Graph::of(self.records()));
        for (to, report) in to_tell {
            self.report(&to, &report);
        }
        for (node, schema, name) in wanted {
            self.want_schema(&node, schema, name);
        }
    }

    /// Asks a node for a schema, and remembers what it is to be.
    fn want_schema(&mut self, node: &[u8], schema: SchemaId, name: String) {
        if self.asked.len() >= ASKED_MAX {
            self.asked.clear();
        }
        self.asked.insert(schema, name);
        self.ask_for(node, &schema);
    }

    /// Keeps a schema that was asked for, if it is the one; returns whether it is. Others would overwrite what is there.
    pub(crate) fn keep_schema(&mut self, id: SchemaId, bytes: &[u8]) -> bool {
        let Some(name) = self.asked.get(&id) else { return false };
        let is_it = Schema::new(name, bytes).is_ok_and(|schema| schema.id() == id);
        is_it && {
            self.asked.remove(&id);
            self.core.registry.put_schema(&id.to_string(), bytes).is_ok()
        }
    }

    fn fetch(&self, name: &str, id: &SchemaId) -> Option<Schema> {
        self.core.find_schema(name, id).ok().flatten()
    }

    fn ask_for(&mut self, node: &[u8], schema: &SchemaId) {
        if let Some(line) = self.peers.key_of(node).and_then(|key| self.lines.get(&key)) {
            ask(line, SCHEMA, schema.as_bytes());
        } else if let Some(lan) = &mut self.lan {
            lan.neighbours.want(node, *schema);
            lan.due = Some(Instant::now());
        }
    }

    /// Answers what other nodes (or anybody) ask.
    fn answer(&mut self) {
        for _ in 0..QUESTIONS_AT_ONCE {
            let Ok((question, profile)) = self.info.recv_with_profile(false) else { return };
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
                verb if verb == PEERS.as_bytes() => {
                    let from = profile.as_ref().and_then(|profile| profile.address());
                    answer.push(Frame::from(self.answer_peers(&argument, from).encode_to_vec()));
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

    /// A node at an address answers, or the local network has something.
    fn hear(&mut self, key: usize) {
        if self.lines.contains_key(&key) { self.hear_peer(key) } else { self.hear_lan(key) }
    }

    /// Tells publishers what subscribers of this node have missed, as far as it is time for that.
    fn tell_losses(&mut self) {
        let now = Instant::now();
        let due: Vec<SourceId> =
            self.losing.iter().filter(|(_, due)| **due <= now).map(|(subscriber, _)| *subscriber).collect();
        for id in due {
            self.losing.remove(&id);
            let Some(subscriber) = self.subscribers.get(&id).cloned() else { continue };
            let (losses, next) = subscriber.losses().take(now);
            self.losing.extend(next.map(|next| (id, next)));
            self.report_losses(&subscriber, losses);
        }
    }

    fn report_losses(&mut self, subscriber: &SubscriberCore, losses: Vec<(SourceId, Missing)>) {
        for (source, missing) in losses {
            let to = subscriber.sources().known.get(&source).map(|source| source.info.clone());
            let Missing { from, to: until, count, reason } = missing;
            let report = Report::new(&source, &self.core.name, ReportKind::Lost, reason.to_string());
            self.report(&to.unwrap_or_default(), &Report { from, to: until, count, ..report });
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
        for tended in self.publishers.values() {
            tended.publisher.beat();
        }
        if self.is_unread {
            self.look();
        }
        self.core.tell();
        if !self.peers.is_empty() {
            self.ask_peers();
            self.clear_peers();
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
