//! What is known of nodes that were found by their beacons, and what is to be asked of them.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::beacon::{Beacon, NodeKey};
use crate::record::NodeRecord;
use crate::schedule::LEAST;
use crate::schema::SchemaId;

/// After such a silence a node counts as gone: three beacons were missed.
const SILENT: Duration = Duration::from_secs(15);
/// A connection that nothing goes over is closed, and a question not answered so long has failed.
const IDLE: Duration = Duration::from_secs(5);
/// Connections that others may have us make within a second: whoever tells of nodes must not aim us at others.
const CONNECTIONS: usize = 16;
/// Nodes that are remembered.
const NEIGHBOURS_MAX: usize = 1024;
/// Of these, nodes that have only been heard of yet: anybody may invent some.
const STRANGERS_MAX: usize = 256;
/// Schemas that are asked of one node at a time.
const SCHEMAS_MAX: usize = 64;

/// The times of the last connections: at most [`CONNECTIONS`] in any second.
#[derive(Debug, Default)]
pub(crate) struct Budget(VecDeque<Instant>);

impl Budget {
    pub(crate) fn take(&mut self, now: Instant) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::tests::beacon;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const THERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

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
}
