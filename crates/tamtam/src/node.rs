//! Nodes: participants in the graph of topics.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tamtam_zmq::{Context, IpcFilter, Socket, SocketType};

use crate::bell::Bell;
use crate::discovery::Discovery;
use crate::dynamic::{DynamicPublisher, DynamicSubscriberBuilder};
use crate::error::Error;
use crate::graph::Graph;
use crate::lan::{GROUP, Lan, LanStatistics};
use crate::message::TopicMessage;
use crate::name::{Name, NameError, Naming, check_word};
use crate::near;
use crate::peers::PeerCounts;
use crate::publisher::{PublisherBuilder, PublisherCore, RawPublisher};
use crate::qos::{Qos, Reach};
use crate::record::{NodeRecord, RECORD_VERSION};
use crate::registry::{Entry, NodeId, Registry};
use crate::schema::{Schema, SchemaId};
use crate::service::{Client, Service};
use crate::source::SourceId;
use crate::store;
use crate::subscriber::{SubscriberBuilder, SubscriberCore};

/// The domain that nodes are in if nothing else is said.
pub const DEFAULT_DOMAIN: &str = "default";

/// Things for the node's thread to do.
pub(crate) enum Command {
    Publisher(Arc<PublisherCore>),
    Subscriber(Arc<SubscriberCore>),
    /// A client looks for its service.
    Client(Arc<crate::service::ClientCore>),
    Gone(Who),
    /// A subscriber needs a publisher no more.
    Leave {
        subscriber: SourceId,
        source: SourceId,
    },
    /// A subscriber has missed something.
    Losses(SourceId),
    /// The node's table has changed, and its network is to hear of it.
    Changed,
    /// What nodes of this process keep within it has changed.
    Near,
    /// A schema is wanted that may be on another host.
    Fetch(SchemaId, String),
    Stop,
}

/// Who is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Publisher(SourceId),
    Subscriber(SourceId),
    Client(SourceId),
}

/// What a node's handles and its thread share.
pub(crate) struct NodeCore {
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) id: NodeId,
    /// The process that it belongs to.
    process: u32,
    pub(crate) naming: Naming,
    pub(crate) context: Context,
    pub(crate) registry: Registry,
    pub(crate) peers: Vec<String>,
    /// What is seen of the local network, if it is looked at.
    lan: Option<Mutex<LanStatistics>>,
    /// What is seen of nodes at addresses.
    peer_counts: Mutex<PeerCounts>,
    own: Mutex<Own>,
    inbox: Mutex<Vec<Command>>,
    pub(crate) bell: Arc<Bell>,
    graph: Mutex<Arc<Graph>>,
    changed: Condvar,
}

struct Own {
    record: NodeRecord,
    entry: Option<Entry>,
    /// The registry has another record: it could not be told.
    is_untold: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NodeCore {
    /// Tells whether this is a fork's child: threads, locks and entries are its parent's.
    pub(crate) fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    pub(crate) fn submit(&self, command: Command) {
        lock(&self.inbox).push(command);
        self.bell.ring();
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        self.bell.silence();
        std::mem::take(&mut *lock(&self.inbox))
    }

    /// Changes what the node tells of itself to those within reach, and tells it. What cannot be told is not changed.
    pub(crate) fn change(&self, reach: Reach, change: impl FnOnce(&mut NodeRecord)) -> Result<(), Error> {
        if reach == Reach::Process {
            near::change(self, change);
            return Ok(());
        }
        let mut own = lock(&self.own);
        let mut record = own.record.clone();
        change(&mut record);
        if record == own.record && !own.is_untold {
            return Ok(());
        }
        record.generation += 1;
        if let Some(entry) = &own.entry {
            entry.publish(&record.to_bytes())?;
        }
        own.record = record;
        own.is_untold = false;
        drop(own);
        self.tell_lan();
        Ok(())
    }

    /// As [`change`](Self::change) for what goes, which goes also if that cannot be told now. The registry hears of it as soon as
    /// that is possible.
    pub(crate) fn withdraw(&self, reach: Reach, change: impl Fn(&mut NodeRecord)) {
        if let Err(error) = self.change(reach, &change) {
            tracing::warn!(%error, "what a node does not offer any more is still in the registry");
            let mut own = lock(&self.own);
            change(&mut own.record);
            // The network is to hear of it at once.
            own.record.generation += 1;
            own.is_untold = true;
            drop(own);
            self.tell_lan();
            self.bell.ring();
        }
    }

    /// Whether the registry has not heard of everything yet.
    pub(crate) fn is_untold(&self) -> bool {
        lock(&self.own).is_untold
    }

    /// Tells the registry what it has not heard of, if that is possible now.
    pub(crate) fn tell(&self) {
        if self.is_untold()
            && let Err(error) = self.change(Reach::Host, |_| ())
        {
            tracing::debug!(%error, "the registry cannot be told yet");
        }
    }

    /// Which state of the record the last change has led to.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.own).record.generation
    }

    fn tell_lan(&self) {
        if self.lan.is_some() {
            self.submit(Command::Changed);
        }
    }

    /// Counts something that was seen of the local network.
    pub(crate) fn count_lan(&self, count: impl FnOnce(&mut LanStatistics)) {
        if let Some(lan) = &self.lan {
            count(&mut lock(lan));
        }
    }

    pub(crate) fn set_peer_counts(&self, counts: PeerCounts) {
        *lock(&self.peer_counts) = counts;
    }

    pub(crate) fn record(&self) -> NodeRecord {
        lock(&self.own).record.clone()
    }

    /// Keeps a schema for those within reach.
    pub(crate) fn keep_schema(&self, reach: Reach, schema: &Schema) -> Result<(), Error> {
        if reach == Reach::Process {
            near::keep_schema(self, schema);
            return Ok(());
        }
        store::keep(&self.registry, schema)
    }

    /// Returns a schema by its id, if somebody here has kept it.
    pub(crate) fn find_schema(&self, type_name: &str, id: &SchemaId) -> Result<Option<Schema>, Error> {
        match near::schema(self.registry.path(), id).filter(|schema| schema.name() == type_name) {
            Some(schema) => Ok(Some(schema)),
            None => store::find(&self.registry, type_name, id),
        }
    }

    pub(crate) fn set_graph(&self, graph: Graph) {
        *lock(&self.graph) = Arc::new(graph);
        self.changed.notify_all();
    }

    pub(crate) fn graph(&self) -> Arc<Graph> {
        Arc::clone(&lock(&self.graph))
    }

    fn wait_graph(
        &self,
        timeout: Duration,
        found: impl Fn(&Graph) -> bool,
    ) -> Result<Arc<Graph>, Arc<Graph>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let seen = self.graph();
            // Unlocked: it is the caller's.
            if found(&seen) {
                return Ok(seen);
            }
            let mut graph = lock(&self.graph);
            while Arc::ptr_eq(&graph, &seen) {
                let left =
                    deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return Err(seen);
                }
                graph = self.changed.wait_timeout(graph, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

/// Holds the node's thread; the last handle ends it.
struct Keeper {
    core: Arc<NodeCore>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.core.is_forked() {
            std::mem::forget(self.thread.take());
            return;
        }
        // Leave the registry first, so that nobody finds what is going.
        lock(&self.core.own).entry = None;
        near::leave(&self.core);
        self.core.submit(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ended = thread.join();
        }
    }
}

/// A participant: makes publishers, subscribers, services and clients, and finds those of others by name.
///
/// A clone is another handle of the same node. What it has made keeps it alive.
#[derive(Clone)]
pub struct Node {
    pub(crate) core: Arc<NodeCore>,
    _keeper: Arc<Keeper>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.core.name)
            .field("domain", &self.core.domain)
            .finish_non_exhaustive()
    }
}

/// Makes a node; see [`Node::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before `open`"]
pub struct NodeBuilder {
    name: String,
    domain: String,
    namespace: String,
    remapped: Vec<(String, String)>,
    directory: Option<PathBuf>,
    peers: Vec<String>,
    listen: Option<String>,
    lans: Vec<(SocketAddrV4, Ipv4Addr)>,
    hidden: bool,
}

impl NodeBuilder {
    /// Sets the domain: nodes see only those of the same one. Default `TAMTAM_DOMAIN` in the environment, else
    /// [`DEFAULT_DOMAIN`].
    pub fn domain(mut self, domain: &str) -> Self {
        domain.clone_into(&mut self.domain);
        self
    }

    /// Sets what stands before names that do not begin with a slash. Default nothing.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.trim_end_matches('/').to_owned();
        self
    }

    /// Has the node use `to` where its code says `from`.
    pub fn remap(mut self, from: &str, to: &str) -> Self {
        self.remapped.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Sets the directory below which the domains' registries are. Default `TAMTAM_RUNTIME_DIR` in the environment, else
    /// `$XDG_RUNTIME_DIR/tamtam`, else one below the temporary directory with the user's id in its name.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Adds a node on another host, by an endpoint that it [listens](Self::listen) on: `tcp://host:port`. Through it those that
    /// it knows are found, at most 64 of the same domain that listen, and through these others; and they find this one, if it
    /// listens.
    pub fn peer(mut self, endpoint: &str) -> Self {
        self.peers.push(endpoint.to_owned());
        self
    }

    /// Lets nodes on other hosts ask this one what it has, at a TCP endpoint: `tcp://*:7400`. Those that ask and listen
    /// themselves are asked in turn. Default not at all.
    pub fn listen(mut self, endpoint: &str) -> Self {
        self.listen = Some(endpoint.to_owned());
        self
    }

    /// Finds nodes on the local network, and lets them find this one: by UDP multicast to 239.255.84.84:8484 (administratively
    /// scoped, and sent so that no router passes it on), on the interface that the system chooses for it. Default not at all.
    ///
    /// It costs one datagram of 64 octets every five seconds (18 octets a second with the headers), however much the node has
    /// to offer, and up to ten a second while that changes. What it has is asked for over TCP: at the endpoint that it
    /// [listens](Self::listen) on, else at any port. Publishers are reached if they are [`Reach::Network`].
    ///
    /// Nothing is encrypted, and anybody on the network can pretend to be a node: for networks that are trusted.
    pub fn lan(self) -> Self {
        self.lan_at(GROUP, Ipv4Addr::UNSPECIFIED)
    }

    /// As [`lan`](Self::lan), with a multicast group and port, and on the interface that has this address. May be called several
    /// times, for several interfaces.
    pub fn lan_at(mut self, group: SocketAddrV4, interface: Ipv4Addr) -> Self {
        if !self.lans.contains(&(group, interface)) {
            self.lans.push((group, interface));
        }
        self
    }

    /// Keeps the node out of the registry as long as it has nothing to offer: for tools that only look.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Opens the node.
    ///
    /// # Errors
    ///
    /// [`Error`], for example when the registry's directory is another user's, or when the local network is to be used and
    /// there is none that knows multicast.
    pub fn open(self) -> Result<Node, Error> {
        check_word(&self.name)?;
        check_word(&self.domain)?;
        let mut naming = Naming { namespace: String::new(), node: self.name.clone(), ..Naming::default() };
        if !self.namespace.is_empty() {
            naming.namespace = naming.resolve(&self.namespace)?.to_string();
        }
        for (from, to) in &self.remapped {
            naming.remap(from, to)?;
        }
        let registry = match &self.directory {
            Some(directory) => Registry::open_at(directory, &self.domain)?,
            None => Registry::open(&self.domain)?,
        };
        let lans = self.lans.iter().map(|(group, interface)| Lan::join(*group, *interface));
        let lans: Vec<Lan> = lans.collect::<Result<_, Error>>()?;
        let id = NodeId::random()?;
        let context = Context::try_new()?;
        let record = NodeRecord {
            version: RECORD_VERSION,
            id: id.to_bytes().to_vec(),
            name: self.name.clone(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            program: program(),
            generation: 0,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            ..NodeRecord::default()
        };
        let core = Arc::new(NodeCore {
            name: self.name,
            domain: self.domain,
            id,
            process: std::process::id(),
            naming,
            context,
            registry,
            lan: (!lans.is_empty()).then(Mutex::default),
            peer_counts: Mutex::new(PeerCounts { named: self.peers.len(), ..PeerCounts::default() }),
            peers: self.peers,
            own: Mutex::new(Own { record, entry: None, is_untold: false }),
            inbox: Mutex::new(Vec::new()),
            bell: Arc::new(Bell::new()?),
            graph: Mutex::new(Arc::new(Graph::default())),
            changed: Condvar::new(),
        });
        // Locked before anything of this node stands in the directory, so that nobody clears it away.
        lock(&core.own).entry = Some(core.registry.enter(id)?);
        let info = Socket::new(&core.context, SocketType::Router);
        info.configure(|options| _ = options.set_linger(Some(Duration::ZERO)))
            .map_err(|error| Error::socket("node", error))?;
        let mut endpoints = vec![bind_local(&core, &info, "info")?];
        if let Some(endpoint) = &self.listen {
            let bound =
                info.bind(endpoint).map_err(|error| Error::socket(format!("listen on {endpoint}"), error))?;
            endpoints.push(bound);
        }
        if !lans.is_empty() && port(&endpoints).is_none() {
            let anywhere = "tcp://*:*";
            let bound =
                info.bind(anywhere).map_err(|error| Error::socket(format!("listen on {anywhere}"), error))?;
            endpoints.push(bound);
        }
        near::enter(&core, NodeRecord { info: endpoints.clone(), ..core.record() });
        let discovery = Discovery::new(Arc::clone(&core), info, port(&endpoints), lans)?;
        if self.hidden {
            lock(&core.own).record.info = endpoints;
        } else {
            core.change(Reach::Host, |own| own.info = endpoints)?;
        }
        let thread =
            std::thread::Builder::new().name("tamtam-node".to_owned()).spawn(move || discovery.run())?;
        let keeper = Arc::new(Keeper { core: Arc::clone(&core), thread: Some(thread) });
        Ok(Node { core, _keeper: keeper })
    }
}

/// The port of the first TCP endpoint.
fn port(endpoints: &[String]) -> Option<u16> {
    let tcp = endpoints.iter().filter_map(|endpoint| endpoint.strip_prefix("tcp://"));
    tcp.filter_map(|address| address.rsplit_once(':')?.1.parse().ok()).next()
}

/// The name of this program, for people.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Binds to a Unix socket beside the node's entry.
fn bind_local(core: &NodeCore, socket: &Socket, purpose: &str) -> Result<String, Error> {
    let path = core.registry.socket_path(&format!("{}.{purpose}", core.id))?;
    let endpoint = format!("ipc://{}", path.display());
    socket.bind(&endpoint).map_err(|error| Error::socket(format!("bind {endpoint}"), error))
}

impl Node {
    /// Begins a node with this name; it need not be the only one.
    pub fn builder(name: &str) -> NodeBuilder {
        NodeBuilder {
            name: name.to_owned(),
            domain: std::env::var("TAMTAM_DOMAIN").unwrap_or_else(|_| DEFAULT_DOMAIN.to_owned()),
            namespace: String::new(),
            remapped: Vec::new(),
            directory: None,
            peers: Vec::new(),
            listen: None,
            lans: Vec::new(),
            hidden: false,
        }
    }

    /// Opens a node with this name and defaults for everything else.
    ///
    /// # Errors
    ///
    /// As [`NodeBuilder::open`].
    pub fn open(name: &str) -> Result<Self, Error> {
        Self::builder(name).open()
    }

    /// Returns the node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// Returns the domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.core.domain
    }

    /// Returns where nodes on other hosts can ask this one, besides where those on this host do.
    #[must_use]
    pub fn info_endpoints(&self) -> Vec<String> {
        self.core.record().info
    }

    /// Returns the full name that this node's code means by `name`: with its namespace, and remapped.
    ///
    /// # Errors
    ///
    /// [`NameError`] for one that will not do.
    pub fn resolve(&self, name: &str) -> Result<Name, NameError> {
        self.core.naming.resolve(name)
    }

    /// Publishes messages of type `T`.
    pub fn publisher<T: TopicMessage>(&self, topic: &str) -> PublisherBuilder<'_, T> {
        PublisherBuilder::new(self, topic)
    }

    /// Subscribes to messages of type `T`.
    pub fn subscriber<T: TopicMessage>(&self, topic: &str) -> SubscriberBuilder<'_, T> {
        SubscriberBuilder::new(self, topic)
    }

    /// Subscribes to messages of whatever type a publisher has, decoded by the publisher's own schema.
    pub fn subscriber_dynamic(&self, topic: &str) -> DynamicSubscriberBuilder<'_> {
        DynamicSubscriberBuilder::new(self, topic)
    }

    /// Publishes messages of a type that is known at run time only.
    ///
    /// # Errors
    ///
    /// As [`PublisherBuilder::create`].
    pub fn publisher_dynamic(
        &self,
        topic: &str,
        schema: Schema,
        qos: Qos,
    ) -> Result<DynamicPublisher, Error> {
        let core = PublisherBuilder::<()>::new(self, topic).qos(qos).build(Some(schema.clone()))?;
        Ok(DynamicPublisher::new(RawPublisher::new(core, self.clone()), schema))
    }

    /// Offers a service: `handle` gets each request, on a thread of its own, and returns the reply or what is wrong. If it
    /// panics, the caller is told so and the next request is handled.
    ///
    /// # Errors
    ///
    /// As [`PublisherBuilder::create`].
    pub fn service<Q: TopicMessage, A: TopicMessage>(
        &self,
        name: &str,
        handle: impl FnMut(Q) -> Result<A, String> + Send + 'static,
    ) -> Result<Service, Error> {
        Service::begin(self, name, Reach::Host, handle)
    }

    /// As [`service`](Self::service), and says who can reach it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn service_with_reach<Q: TopicMessage, A: TopicMessage>(
        &self,
        name: &str,
        reach: Reach,
        handle: impl FnMut(Q) -> Result<A, String> + Send + 'static,
    ) -> Result<Service, Error> {
        Service::begin(self, name, reach, handle)
    }

    /// Prepares to call a service. It need not be there yet.
    ///
    /// # Errors
    ///
    /// As [`PublisherBuilder::create`].
    pub fn client<Q: TopicMessage, A: TopicMessage>(&self, name: &str) -> Result<Client<Q, A>, Error> {
        Client::begin(self, name)
    }

    /// Returns what is known of all nodes at the moment.
    #[must_use]
    pub fn graph(&self) -> Arc<Graph> {
        self.core.graph()
    }

    /// Returns what was seen of the local network; `None` if the node does not look at it ([`NodeBuilder::lan`]).
    #[must_use]
    pub fn lan_statistics(&self) -> Option<LanStatistics> {
        self.core.lan.as_ref().map(|lan| *lock(lan))
    }

    /// Returns what is seen of nodes that are reached at an address: the [peers](NodeBuilder::peer), those that these know, and
    /// those that have asked this one.
    #[must_use]
    pub fn peer_counts(&self) -> PeerCounts {
        *lock(&self.core.peer_counts)
    }

    /// Waits until the graph is as `found` wants it, at most `timeout`.
    ///
    /// # Errors
    ///
    /// The graph as it is then.
    pub fn wait_for_graph(
        &self,
        timeout: Duration,
        found: impl Fn(&Graph) -> bool,
    ) -> Result<Arc<Graph>, Arc<Graph>> {
        self.core.wait_graph(timeout, found)
    }

    /// Fetches a schema by its id from whoever is on this host.
    ///
    /// # Errors
    ///
    /// [`Error`] when the registry cannot be read, or what stands there is none.
    pub fn schema(&self, type_name: &str, id: &SchemaId) -> Result<Option<Schema>, Error> {
        self.core.find_schema(type_name, id)
    }

    /// As [`schema`](Self::schema), and asks a node on another host that has it, if one is known, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fetch_schema(
        &self,
        type_name: &str,
        id: &SchemaId,
        timeout: Duration,
    ) -> Result<Option<Schema>, Error> {
        let known = self.schema(type_name, id)?;
        let is_elsewhere = || self.graph().nodes.iter().any(|node| !node.is_local && node.has_schema(id));
        if known.is_some() || !is_elsewhere() {
            return Ok(known);
        }
        self.core.submit(Command::Fetch(*id, type_name.to_owned()));
        // With the schema there is another graph.
        let has_come = |_: &Graph| !matches!(self.schema(type_name, id), Ok(None));
        let _in_time = self.wait_for_graph(timeout, has_come);
        self.schema(type_name, id)
    }

    /// Binds for nodes of this host, or of this process.
    pub(crate) fn bind_local(&self, socket: &Socket, reach: Reach, purpose: &str) -> Result<String, Error> {
        if reach != Reach::Process {
            return bind_local(&self.core, socket, purpose);
        }
        let failed = |error: &dyn fmt::Display| Error::socket("bind within the process", error);
        let own = std::process::id().try_into().map_err(|error| failed(&error))?;
        let let_in = |whom| socket.configure(|options| _ = options.set_ipc_accept_filters(whom));
        let_in(vec![IpcFilter::Process(own)]).map_err(|error| failed(&error))?;
        let bound = socket.bind(&format!("ipc://@tamtam-{}-{purpose}", self.core.id));
        // Where it is bound besides is its program's to say.
        let_in(Vec::new()).map_err(|error| failed(&error))?;
        bound.map_err(|error| failed(&error))
    }

    /// Binds for other hosts, at any port.
    #[expect(clippy::unused_self, reason = "where to bind will be the node's to say")]
    pub(crate) fn bind_network(&self, socket: &Socket) -> Result<String, Error> {
        socket.bind("tcp://*:*").map_err(|error| Error::socket("bind tcp://*:*", error))
    }
}
