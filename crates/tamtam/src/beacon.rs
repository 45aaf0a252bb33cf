//! Finding nodes on the local network: a small datagram tells that a node is there and whether it has changed; what it has is
//! fetched over TCP by those who do not know it yet.
//!
//! All but [`Lan`] is without clock and socket: what is to be done follows from what was heard and when.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _};
use sha2::{Digest as _, Sha256};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::Error;
use crate::record::NodeRecord;
use crate::schema::SchemaId;

/// Where beacons go if nothing else is said. Administratively scoped (RFC 2365): no router passes it on to the Internet.
pub(crate) const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 84, 84), 8484);

/// The size of every beacon, in octets.
pub(crate) const BEACON_LEN: usize = 64;
const MAGIC: &[u8; 4] = b"TTM1";
const VERSION: u8 = 1;
const LEAVING: u8 = 1;
const LOOKING: u8 = 2;

/// The least time between two beacons of a node, and between two questions to one.
const LEAST: Duration = Duration::from_millis(100);
/// The first pause; each further one is twice as long, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// After such a silence a node counts as gone: three beacons were missed.
const SILENT: Duration = Duration::from_secs(15);
/// A connection that nothing goes over is closed, and a question not answered so long has failed.
const IDLE: Duration = Duration::from_secs(5);
/// Connections that beacons may have us make within a second: whoever sends beacons must not aim us at others.
const CONNECTIONS: usize = 16;
/// Nodes that are remembered.
const NEIGHBOURS_MAX: usize = 1024;
/// Of these, nodes that have only been heard of yet: anybody may invent some.
const STRANGERS_MAX: usize = 256;
/// Schemas that are asked of one node at a time.
const SCHEMAS_MAX: usize = 64;

/// The number of a node.
pub(crate) type NodeKey = [u8; 8];

/// The first octets of the hash of a domain's name.
pub(crate) fn domain_hash(domain: &str) -> [u8; 8] {
    let hash = Sha256::digest(domain.as_bytes());
    let mut first = [0; 8];
    first.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    first
}

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    pub(crate) node: NodeKey,
    pub(crate) domain: [u8; 8],
    /// Differs from the last one when the node's table does.
    pub(crate) generation: u64,
    /// Where the table is to be had, at the datagram's source.
    pub(crate) port: u16,
    /// It goes.
    pub(crate) leaving: bool,
    /// It has nothing to offer, and wants to know who is there.
    pub(crate) looking: bool,
}

impl Beacon {
    pub(crate) fn encode(&self) -> [u8; BEACON_LEN] {
        let mut datagram = [0; BEACON_LEN];
        let mut rest = datagram.as_mut_slice();
        rest.put_slice(MAGIC);
        rest.put_u8(VERSION);
        rest.put_u8(if self.leaving { LEAVING } else { 0 } | if self.looking { LOOKING } else { 0 });
        rest.put_u16(self.port);
        rest.put_slice(&self.node);
        rest.put_slice(&self.domain);
        rest.put_u64(self.generation);
        datagram
    }

    /// Reads a datagram; `None` if it is no beacon. Flags and octets without a meaning yet are passed over.
    pub(crate) fn decode(datagram: &[u8]) -> Option<Self> {
        if datagram.len() != BEACON_LEN {
            return None;
        }
        let mut rest = datagram.strip_prefix(MAGIC)?;
        let (version, flags, port) = (rest.get_u8(), rest.get_u8(), rest.get_u16());
        if version != VERSION || port == 0 {
            return None;
        }
        let (mut node, mut domain) = ([0; 8], [0; 8]);
        rest.copy_to_slice(&mut node);
        rest.copy_to_slice(&mut domain);
        let generation = rest.get_u64();
        let (leaving, looking) = (flags & LEAVING != 0, flags & LOOKING != 0);
        Some(Self { node, domain, generation, port, leaving, looking })
    }
}

/// When a node sends its next beacon.
#[derive(Debug)]
pub(crate) struct Schedule {
    last: Option<Instant>,
    due: Instant,
    pause: Duration,
}

impl Schedule {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { last: None, due: now, pause: PAUSE }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// The node's table has changed: soon, and often at first.
    pub(crate) fn changed(&mut self, now: Instant) {
        self.pause = PAUSE;
        self.greet(now);
    }

    /// Somebody is new, and need not wait for the next beacon.
    pub(crate) fn greet(&mut self, now: Instant) {
        let soonest =
            self.last.and_then(|last| last.checked_add(LEAST)).map_or(now, |soonest| soonest.max(now));
        self.due = self.due.min(soonest);
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

/// The times of the last connections: at most [`CONNECTIONS`] in any second.
#[derive(Debug, Default)]
struct Budget(VecDeque<Instant>);

impl Budget {
    fn take(&mut self, now: Instant) -> bool {
        if self.next(now) > now {
            return false;
        }
        if self.0.len() >= CONNECTIONS {
            self.0.pop_front();
        }
        self.0.push_back(now);
        true
    }

    /// When the next one is allowed.
    fn next(&self, now: Instant) -> Instant {
        let oldest = if self.0.len() < CONNECTIONS { None } else { self.0.front() };
        oldest.map_or(now, |oldest| now.max(*oldest + Duration::from_secs(1)))
    }
}

/// A connection to a node.
#[derive(Debug)]
struct Line {
    key: usize,
    /// When something last went over it.
    used: Instant,
    asked: Option<Instant>,
    /// The generation that was known when the table was asked for, until it comes.
    awaited: Option<u64>,
}

/// A node that was heard.
#[derive(Debug)]
struct Neighbour {
    at: SocketAddrV4,
    heard: Instant,
    /// When it was first heard, or connected to: whoever waits longest is next.
    turn: Instant,
    /// What its last beacon said.
    generation: u64,
    /// What the last one said before the table was asked for that is here.
    settled: Option<u64>,
    record: Option<NodeRecord>,
    /// Schemas it is to be asked for, and whether it was.
    schemas: Vec<(SchemaId, bool)>,
    line: Option<Line>,
}

impl Neighbour {
    fn needs_table(&self) -> bool {
        self.settled != Some(self.generation)
            && self.record.as_ref().is_none_or(|record| record.generation != self.generation)
    }

    fn has_questions(&self) -> bool {
        self.needs_table() || self.schemas.iter().any(|(_, is_asked)| !is_asked)
    }

    fn is_waiting(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.awaited.is_some())
            || self.schemas.iter().any(|(_, is_asked)| *is_asked)
    }
}

/// What came of a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Known,
    New,
    /// There is no room, or the node is known at another address.
    Refused,
}

/// What is to be done about neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Make a connection, and tell [`Neighbours::connected`].
    Connect {
        node: NodeKey,
        at: SocketAddrV4,
    },
    /// Ask over a connection.
    Ask {
        key: usize,
        table: bool,
        schemas: Vec<SchemaId>,
    },
    Close {
        key: usize,
    },
    /// One whose table was known is gone.
    Gone,
}

/// The nodes of the domain that were heard.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    known: BTreeMap<NodeKey, Neighbour>,
    budget: Budget,
}

impl Neighbours {
    pub(crate) fn knows(&self, node: &NodeKey) -> bool {
        self.known.contains_key(node)
    }

    /// Whether one more would find room.
    pub(crate) fn has_room(&self) -> bool {
        let strangers = self.known.values().filter(|neighbour| neighbour.record.is_none()).count();
        self.known.len() < NEIGHBOURS_MAX && strangers < STRANGERS_MAX
    }

    /// A beacon came from `from`.
    pub(crate) fn hear(&mut self, now: Instant, from: Ipv4Addr, beacon: &Beacon) -> Heard {
        let at = SocketAddrV4::new(from, beacon.port);
        if let Some(neighbour) = self.known.get_mut(&beacon.node) {
            // Only one of them can be true. The first one has to fall silent before another counts.
            if neighbour.at != at {
                return Heard::Refused;
            }
            neighbour.heard = now;
            neighbour.generation = beacon.generation;
            return Heard::Known;
        }
        if !self.has_room() {
            return Heard::Refused;
        }
        let neighbour = Neighbour {
            at,
            heard: now,
            turn: now,
            generation: beacon.generation,
            settled: None,
            record: None,
            schemas: Vec::new(),
            line: None,
        };
        self.known.insert(beacon.node, neighbour);
        Heard::New
    }

    /// A node says that it goes.
    pub(crate) fn leave(&mut self, from: Ipv4Addr, beacon: &Beacon) -> Vec<Task> {
        let at = SocketAddrV4::new(from, beacon.port);
        let is_it = self.known.get(&beacon.node).is_some_and(|neighbour| neighbour.at == at);
        if is_it { self.forget(&beacon.node) } else { Vec::new() }
    }

    /// Forgets a node, for one reason or another.
    pub(crate) fn forget(&mut self, node: &NodeKey) -> Vec<Task> {
        let Some(neighbour) = self.known.remove(node) else { return Vec::new() };
        let close = neighbour.line.map(|line| Task::Close { key: line.key });
        close.into_iter().chain(neighbour.record.map(|_| Task::Gone)).collect()
    }

    /// A connection to a node was made.
    pub(crate) fn connected(&mut self, now: Instant, node: &NodeKey, key: usize) {
        if let Some(neighbour) = self.known.get_mut(node) {
            neighbour.line = Some(Line { key, used: now, asked: None, awaited: None });
        }
    }

    /// Where a node is.
    pub(crate) fn at(&self, node: &NodeKey) -> Option<SocketAddrV4> {
        self.known.get(node).map(|neighbour| neighbour.at)
    }

    /// A node's table came; returns whether it says anything new.
    pub(crate) fn told(&mut self, now: Instant, node: &NodeKey, record: NodeRecord) -> bool {
        let Some(neighbour) = self.known.get_mut(node) else { return false };
        if let Some(line) = &mut neighbour.line {
            line.used = now;
            neighbour.settled = line.awaited.take().or(neighbour.settled);
        }
        let is_news = neighbour.record.as_ref() != Some(&record);
        neighbour.record = Some(record);
        is_news
    }

    /// An answer about a schema came.
    pub(crate) fn told_schema(&mut self, now: Instant, node: &NodeKey, schema: &SchemaId) {
        let Some(neighbour) = self.known.get_mut(node) else { return };
        neighbour.schemas.retain(|(wanted, _)| wanted != schema);
        if let Some(line) = &mut neighbour.line {
            line.used = now;
        }
    }

    /// A node is to be asked for a schema.
    pub(crate) fn want(&mut self, node: &[u8], schema: SchemaId) {
        let Ok(node) = NodeKey::try_from(node) else { return };
        let Some(neighbour) = self.known.get_mut(&node) else { return };
        let is_wanted = neighbour.schemas.iter().any(|(wanted, _)| *wanted == schema);
        if !is_wanted && neighbour.schemas.len() < SCHEMAS_MAX {
            neighbour.schemas.push((schema, false));
        }
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &NodeRecord> {
        self.known.values().filter_map(|neighbour| neighbour.record.as_ref())
    }

    /// What is to be done now, and when to look again.
    pub(crate) fn tend(&mut self, now: Instant) -> (Vec<Task>, Option<Instant>) {
        let mut tasks = self.clear(now);
        let mut due: Option<Instant> = None;
        let mut at = |time: Instant| due = Some(due.map_or(time, |due| due.min(time)));
        let mut unconnected: Vec<(bool, Instant, NodeKey, SocketAddrV4)> = Vec::new();
        for (node, neighbour) in &mut self.known {
            at(neighbour.heard + SILENT);
            let (needs_table, has_questions) = (neighbour.needs_table(), neighbour.has_questions());
            let Some(line) = &mut neighbour.line else {
                if has_questions {
                    unconnected.push((neighbour.record.is_none(), neighbour.turn, *node, neighbour.at));
                }
                continue;
            };
            let table = needs_table && line.awaited.is_none();
            let schemas = neighbour.schemas.iter_mut().filter(|(_, is_asked)| !is_asked);
            let soonest = line.asked.map_or(now, |asked| asked + LEAST);
            if soonest > now {
                if table || schemas.count() > 0 {
                    at(soonest);
                }
            } else {
                let schemas: Vec<SchemaId> = schemas
                    .map(|(schema, is_asked)| {
                        *is_asked = true;
                        *schema
                    })
                    .collect();
                if table || !schemas.is_empty() {
                    line.awaited = if table { Some(neighbour.generation) } else { line.awaited };
                    (line.used, line.asked) = (now, Some(now));
                    tasks.push(Task::Ask { key: line.key, table, schemas });
                }
            }
            at(line.used + IDLE);
        }
        // Those that are known first: they must not wait behind any number that somebody makes up.
        unconnected.sort_unstable();
        for (_, _, node, address) in unconnected {
            if !self.budget.take(now) {
                at(self.budget.next(now));
                break;
            }
            if let Some(neighbour) = self.known.get_mut(&node) {
                neighbour.turn = now;
            }
            tasks.push(Task::Connect { node, at: address });
        }
        (tasks, due)
    }

    /// Closes and forgets what has been silent for too long.
    fn clear(&mut self, now: Instant) -> Vec<Task> {
        let mut tasks = Vec::new();
        let mut gone: Vec<NodeKey> = Vec::new();
        for (node, neighbour) in &mut self.known {
            if now.saturating_duration_since(neighbour.heard) >= SILENT {
                gone.push(*node);
                continue;
            }
            let is_idle = |line: &Line| now.saturating_duration_since(line.used) >= IDLE;
            if !neighbour.line.as_ref().is_some_and(is_idle) {
                continue;
            }
            // One that never answered may be nobody's; if it is somebody's, the next beacon brings it back.
            if neighbour.is_waiting() && neighbour.record.is_none() {
                gone.push(*node);
                continue;
            }
            neighbour.schemas.iter_mut().for_each(|(_, is_asked)| *is_asked = false);
            tasks.extend(neighbour.line.take().map(|line| Task::Close { key: line.key }));
        }
        tasks.extend(gone.iter().flat_map(|node| self.forget(node)));
        tasks
    }
}

/// What a node has seen of its local network; see [`Node::lan_statistics`](crate::Node::lan_statistics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LanStatistics {
    /// Beacons sent.
    pub sent: u64,
    /// Beacons that could not be sent.
    pub not_sent: u64,
    /// Beacons of other nodes of the domain.
    pub heard: u64,
    /// Beacons of other domains.
    pub foreign: u64,
    /// Datagrams that are no beacons.
    pub malformed: u64,
    /// Beacons that found no room, or whose node is known at another address.
    pub refused: u64,
    /// Connections made because of beacons.
    pub connections: u64,
    /// Nodes whose table is known.
    pub nodes: usize,
}

/// A socket that hears and sends the beacons of one network.
#[derive(Debug)]
pub(crate) struct Lan {
    socket: UdpSocket,
    group: SocketAddrV4,
    interface: Ipv4Addr,
    is_failing: bool,
}

impl Lan {
    /// Joins a group on the interface that has this address; unspecified: on the one that the system chooses.
    pub(crate) fn join(group: SocketAddrV4, interface: Ipv4Addr) -> Result<Self, Error> {
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            let on = if interface.is_unspecified() {
                "the default interface".into()
            } else {
                interface.to_string()
            };
            Error::socket(format!("discovery by multicast {group} on {on}: {what}"), why)
        };
        if !group.ip().is_multicast() || group.port() == 0 {
            return Err(failed("address", &"not a multicast address with a port"));
        }
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
            .map_err(|error| failed("make a socket", &error))?;
        let bind = || {
            socket.set_nonblocking(true)?;
            // Every node of the host listens here.
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
            // Not what other programs of the host have joined, on other interfaces.
            #[cfg(target_os = "linux")]
            socket.set_multicast_all_v4(false)?;
            socket.set_multicast_loop_v4(true)?;
            socket.set_multicast_ttl_v4(1)?;
            // To the group's address, so that nothing else arrives.
            socket.bind(&SocketAddr::V4(group).into())
        };
        bind().map_err(|error: io::Error| failed("bind", &error))?;
        if !interface.is_unspecified() {
            socket.set_multicast_if_v4(&interface).map_err(|error| failed("choose the interface", &error))?;
        }
        socket.join_multicast_v4(group.ip(), &interface).map_err(|error| failed("join the group", &error))?;
        Ok(Self { socket: socket.into(), group, interface, is_failing: false })
    }

    /// Sends a beacon; returns whether it went.
    pub(crate) fn send(&mut self, datagram: &[u8; BEACON_LEN]) -> bool {
        match self.socket.send_to(datagram, SocketAddr::V4(self.group)) {
            Ok(_) => {
                self.is_failing = false;
                true
            }
            Err(error) => {
                // Once for each time of trouble; the schedule brings the next attempt.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(group = %self.group, interface = %self.interface, %error, "a beacon cannot be sent");
                }
                false
            }
        }
    }

    /// Takes the next datagram and where it is from: `Some(None)` is no beacon, `None` that there is no more.
    pub(crate) fn receive(&self) -> Option<Option<(Ipv4Addr, Beacon)>> {
        // One octet more than a beacon has: a longer datagram is seen to be longer.
        let mut datagram = [0; BEACON_LEN + 1];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, SocketAddr::V4(from))) => {
                let beacon = datagram.get(..length).and_then(Beacon::decode);
                Some(beacon.map(|beacon| (*from.ip(), beacon)))
            }
            Ok(_) => Some(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(None),
            Err(_) => None,
        }
    }
}

impl AsFd for Lan {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const THERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    fn beacon(number: u64, generation: u64) -> Beacon {
        Beacon {
            node: number.to_be_bytes(),
            domain: domain_hash("lab"),
            generation,
            port: 7400,
            leaving: false,
            looking: false,
        }
    }

    fn record(number: u64, generation: u64) -> NodeRecord {
        NodeRecord { version: 1, id: number.to_be_bytes().to_vec(), generation, ..NodeRecord::default() }
    }

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// Hears a node, connects to it, and has its table.
    fn meet(neighbours: &mut Neighbours, now: Instant, number: u64, key: usize) {
        neighbours.hear(now, HERE, &beacon(number, 1));
        neighbours.tend(now);
        neighbours.connected(now, &number.to_be_bytes(), key);
        neighbours.tend(now);
        assert!(neighbours.told(now, &number.to_be_bytes(), record(number, 1)));
    }

    #[test]
    fn a_beacon_has_a_fixed_layout() {
        let sent = Beacon { leaving: true, looking: true, ..beacon(0x0102_0304_0506_0708, 9) };
        let datagram = sent.encode();
        assert_eq!(datagram[..8], *b"TTM1\x01\x03\x1c\xe8");
        assert_eq!(datagram[8..16], [1, 2, 3, 4, 5, 6, 7, 8]);
        // printf lab | sha256sum
        assert_eq!(datagram[16..24], *b"\xa5\x11\x46\xd3\x80\x77\xff\x99", "SHA-256 of lab");
        assert_eq!(datagram[24..32], [0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(datagram[32..], [0; 32]);
        assert_eq!(Beacon::decode(&datagram), Some(sent));
        // What later versions add is passed over.
        let mut later = datagram;
        (later[5], later[40]) = (0xff, 7);
        assert_eq!(Beacon::decode(&later), Some(sent));
    }

    #[test]
    fn what_is_no_beacon_is_not_taken_for_one() {
        let good = beacon(1, 1).encode();
        for (at, octet) in [(0, b'X'), (3, b'2'), (4, 2)] {
            let mut bad = good;
            bad[at] = octet;
            assert_eq!(Beacon::decode(&bad), None, "octet {at}");
        }
        let mut no_port = good;
        no_port[6..8].fill(0);
        assert_eq!(Beacon::decode(&no_port), None);
        assert_eq!(Beacon::decode(&good[..63]), None);
        assert_eq!(Beacon::decode(&[&good[..], &[0]].concat()), None);
        assert_eq!(Beacon::decode(&[]), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(octets: Vec<u8>, tail: [u8; 32], extra in 0_usize..40) {
            Beacon::decode(&octets);
            let near = [&b"TTM1\x01"[..], &tail, &vec![0; extra]].concat();
            if let Some(beacon) = Beacon::decode(&near) {
                prop_assert_eq!(Beacon::decode(&beacon.encode()), Some(beacon));
            }
        }
    }

    #[test]
    fn beacons_become_rarer_and_changes_are_told_at_once() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        let mut times = Vec::new();
        while times.len() < 7 {
            let due = schedule.due();
            times.push((due - start).as_secs());
            schedule.sent(due);
        }
        assert_eq!(times, [0, 1, 3, 7, 12, 17, 22]);
        // A change, and many more: ten a second.
        let changed = start + ms(24_000);
        schedule.changed(changed);
        assert_eq!(schedule.due(), changed);
        let (mut now, mut sent) = (changed, 0);
        while now < changed + ms(1000) {
            schedule.changed(now);
            if schedule.due() <= now {
                schedule.sent(now);
                sent += 1;
            }
            now += ms(1);
        }
        assert_eq!(sent, 10);
        // Then it becomes rarer again.
        let last = schedule.due();
        schedule.sent(last);
        assert_eq!(schedule.due() - last, ms(1000));
        // A newcomer is greeted, without the pauses beginning anew.
        schedule.sent(schedule.due());
        let now = schedule.due() - ms(500);
        schedule.greet(now);
        assert_eq!(schedule.due(), now);
        schedule.sent(now);
        assert_eq!(schedule.due() - now, ms(4000));
        schedule.greet(now + ms(1));
        assert_eq!(schedule.due(), now + LEAST, "nor more often than changes are told");
    }

    #[test]
    fn a_table_is_fetched_when_it_has_changed_and_only_then() {
        let start = Instant::now();
        let mut neighbours = Neighbours::default();
        let node = 1_u64.to_be_bytes();
        assert_eq!(neighbours.hear(start, HERE, &beacon(1, 1)), Heard::New);
        let at = SocketAddrV4::new(HERE, 7400);
        assert_eq!(neighbours.tend(start).0, [Task::Connect { node, at }]);
        neighbours.connected(start, &node, 5);
        let ask = || Task::Ask { key: 5, table: true, schemas: Vec::new() };
        assert_eq!(neighbours.tend(start), (vec![ask()], Some(start + IDLE)));
        // While the answer is awaited nothing is asked, whatever comes.
        neighbours.hear(start, HERE, &beacon(1, 2));
        assert_eq!(neighbours.tend(start + ms(500)).0, []);
        assert!(neighbours.told(start + ms(500), &node, record(1, 1)));
        assert_eq!(neighbours.tend(start + ms(500)).0, [ask()]);
        assert!(neighbours.told(start + ms(510), &node, record(1, 2)));
        // At most ten times a second.
        neighbours.hear(start, HERE, &beacon(1, 3));
        assert_eq!(neighbours.tend(start + ms(520)), (vec![], Some(start + ms(600))));
        assert_eq!(neighbours.tend(start + ms(600)).0, [ask()]);
        // It has changed again meanwhile: its beacon brings nothing new then.
        neighbours.told(start + ms(600), &node, record(1, 4));
        neighbours.hear(start + ms(700), HERE, &beacon(1, 4));
        assert_eq!(neighbours.tend(start + ms(800)).0, []);
        assert_eq!(neighbours.records().count(), 1);
        // Nothing to ask for: the connection goes, the node stays.
        assert_eq!(
            neighbours.tend(start + ms(5600)),
            (vec![Task::Close { key: 5 }], Some(start + ms(15_700)))
        );
        // A schema is wanted: back again.
        let schema = SchemaId::from_bytes([7; 32]);
        neighbours.want(&node, schema);
        neighbours.want(&node, schema);
        assert_eq!(neighbours.tend(start + ms(6000)).0, [Task::Connect { node, at }]);
        neighbours.connected(start + ms(6000), &node, 6);
        let ask = Task::Ask { key: 6, table: false, schemas: vec![schema] };
        assert_eq!(neighbours.tend(start + ms(6000)).0, [ask]);
        neighbours.told_schema(start + ms(6100), &node, &schema);
        assert_eq!(neighbours.tend(start + ms(6200)).0, []);
    }

    /// As after `kill -9`.
    #[test]
    fn who_falls_silent_is_forgotten_after_three_beacons() {
        let start = Instant::now();
        let mut neighbours = Neighbours::default();
        meet(&mut neighbours, start, 1, 5);
        meet(&mut neighbours, start, 2, 6);
        let mut now = start;
        while now < start + ms(14_000) {
            now += ms(5000);
            neighbours.hear(now, HERE, &beacon(2, 1));
            neighbours.tend(now - ms(1));
        }
        assert_eq!(neighbours.records().count(), 2, "not yet");
        assert_eq!(neighbours.tend(start + ms(15_000)).0, [Task::Gone]);
        assert!(!neighbours.knows(&1_u64.to_be_bytes()) && neighbours.knows(&2_u64.to_be_bytes()));
        // It is heard again, since only the network was down.
        assert_eq!(neighbours.hear(start + ms(16_000), HERE, &beacon(1, 1)), Heard::New);
    }

    #[test]
    fn who_leaves_is_gone_at_once() {
        let start = Instant::now();
        let mut neighbours = Neighbours::default();
        meet(&mut neighbours, start, 1, 5);
        let leaving = Beacon { leaving: true, ..beacon(1, 1) };
        assert_eq!(neighbours.leave(THERE, &leaving), [], "somebody else says so");
        assert_eq!(neighbours.leave(HERE, &leaving), [Task::Close { key: 5 }, Task::Gone]);
        assert_eq!(neighbours.leave(HERE, &leaving), []);
        assert_eq!(neighbours.tend(start), (vec![], None), "nothing to wake up for");
    }

    #[test]
    fn a_node_is_not_taken_over_from_another_address() {
        let start = Instant::now();
        let mut neighbours = Neighbours::default();
        meet(&mut neighbours, start, 1, 5);
        assert_eq!(neighbours.hear(start, THERE, &beacon(1, 9)), Heard::Refused);
        assert_eq!(neighbours.hear(start, HERE, &Beacon { port: 1, ..beacon(1, 9) }), Heard::Refused);
        assert_eq!(neighbours.tend(start + ms(500)).0, []);
    }

    /// A thousand nodes in a moment that are none: few connections, and those that are known do not suffer.
    #[test]
    fn beacons_cannot_make_a_node_connect_everywhere() {
        let start = Instant::now();
        let mut neighbours = Neighbours::default();
        meet(&mut neighbours, start, 7, 5);
        neighbours.tend(start + ms(5000));
        let flood = |neighbours: &mut Neighbours, now| {
            let heard = (1000..2000).map(|number| neighbours.hear(now, THERE, &beacon(number, 1)));
            heard.filter(|heard| *heard != Heard::Refused).count()
        };
        let flooded = start + ms(6000);
        assert_eq!(flood(&mut neighbours, flooded), STRANGERS_MAX);
        neighbours.hear(flooded, HERE, &beacon(7, 2));
        let (tasks, due) = neighbours.tend(flooded);
        assert_eq!(tasks.len(), CONNECTIONS);
        assert_eq!(tasks[0], Task::Connect { node: 7_u64.to_be_bytes(), at: SocketAddrV4::new(HERE, 7400) });
        assert_eq!(due, Some(flooded + ms(1000)));
        let mut key = 10;
        let mut connections = Vec::new();
        let mut now = flooded;
        while now < flooded + ms(20_000) {
            flood(&mut neighbours, now);
            neighbours.hear(now, HERE, &beacon(7, 2));
            for task in neighbours.tend(now).0 {
                if let Task::Connect { node, .. } = task {
                    connections.push(now);
                    neighbours.connected(now, &node, key);
                    key += 1;
                }
            }
            now += ms(100);
        }
        let most = connections
            .iter()
            .map(|from| connections.iter().filter(|time| (*from..*from + ms(1000)).contains(time)).count());
        assert_eq!(most.max(), Some(CONNECTIONS), "in any second");
        assert!(neighbours.known.len() <= STRANGERS_MAX + 1);
        // Those that never answered are forgotten.
        let end = now + SILENT;
        neighbours.hear(end, HERE, &beacon(7, 2));
        neighbours.tend(end);
        assert_eq!(neighbours.known.len(), 1);
    }

    #[test]
    fn joining_says_what_is_wrong() {
        let group = |text: &str| text.parse::<SocketAddrV4>().unwrap();
        let error = Lan::join(group("10.0.0.1:8484"), Ipv4Addr::UNSPECIFIED).unwrap_err().to_string();
        assert!(error.contains("10.0.0.1:8484") && error.contains("not a multicast address"), "{error}");
        let error =
            Lan::join(group("239.255.0.1:8484"), Ipv4Addr::new(192, 0, 2, 77)).unwrap_err().to_string();
        assert!(error.contains("on 192.0.2.77"), "{error}");
    }
}
