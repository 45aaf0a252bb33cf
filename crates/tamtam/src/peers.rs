//! What is known of nodes that are reached at an address: those that were named, those that asked us, and those that they know.
//!
//! Only what a node has heard itself is told on, and only while it hears it. So nothing goes in circles, and what is gone is gone
//! everywhere once nobody hears it any more.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::beacon::NodeKey;
use crate::neighbours::Budget;
use crate::record::NodeRecord;

/// How often a node is asked.
const ASK: Duration = Duration::from_secs(1);
/// After such a silence it counts as gone.
const SILENT: Duration = Duration::from_secs(5);
/// How long an address is left alone at which nobody answered, or somebody who is known.
const AVOID: Duration = Duration::from_secs(15);
/// Such addresses that are remembered.
const AVOIDED_MAX: usize = 256;
/// Nodes that are remembered besides those that were named.
const MET_MAX: usize = 64;
/// Nodes that one answer tells of, or is listened to about.
pub(crate) const TOLD_MAX: usize = 64;

/// What was seen of nodes on other hosts that are reached at an address; see [`Node::peer_counts`](crate::Node::peer_counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCounts {
    /// Peers that were named ([`NodeBuilder::peer`](crate::NodeBuilder::peer)).
    pub named: usize,
    /// How many of them answer.
    pub answered: usize,
    /// Others that answer: they have asked this node, or peers have told of them.
    pub met: usize,
    /// Others that have not answered yet.
    pub awaited: usize,
}

/// A node at an address.
#[derive(Debug)]
struct Contact {
    endpoint: String,
    is_named: bool,
    /// When it was first heard of.
    since: Instant,
    asked: Option<Instant>,
    heard: Option<Instant>,
    /// Who it says it is.
    node: Option<NodeKey>,
    /// Which state of its record it has told of last, if it tells.
    generation: Option<u64>,
    record: Option<NodeRecord>,
}

impl Contact {
    fn new(endpoint: String, is_named: bool, since: Instant) -> Self {
        let (asked, heard, node, generation, record) = (None, None, None, None, None);
        Self { endpoint, is_named, since, asked, heard, node, generation, record }
    }

    fn is_heard(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < SILENT)
    }

    fn needs_table(&self) -> bool {
        let known = self.record.as_ref().map(|record| record.generation);
        self.generation.is_none() || self.generation != known
    }
}

/// Whom to ask, and for what besides the nodes that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) key: usize,
    pub(crate) table: bool,
}

/// All nodes that are reached at an address, by the keys of their connections.
#[derive(Debug)]
pub(crate) struct Peers {
    own: NodeKey,
    known: BTreeMap<usize, Contact>,
    avoided: BTreeMap<String, Instant>,
    budget: Budget,
}

impl Peers {
    pub(crate) fn new(own: NodeKey) -> Self {
        Self { own, known: BTreeMap::new(), avoided: BTreeMap::new(), budget: Budget::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The program has named one.
    pub(crate) fn name(&mut self, now: Instant, key: usize, endpoint: &str) {
        self.known.insert(key, Contact::new(endpoint.to_owned(), true, now));
    }

    /// Somebody tells of a node at an address: whether to connect to it, and then to call [`meet`](Self::meet).
    pub(crate) fn is_wanted(&mut self, now: Instant, node: &NodeKey, endpoint: &str) -> bool {
        self.avoided.retain(|_, until| *until > now);
        let is_it = |contact: &Contact| contact.node == Some(*node) || contact.endpoint == endpoint;
        *node != self.own
            && !self.known.values().any(is_it)
            && !self.avoided.contains_key(endpoint)
            && self.known.values().filter(|contact| !contact.is_named).count() < MET_MAX
            && self.budget.take(now)
    }

    /// A connection to one that is wanted was made.
    pub(crate) fn meet(&mut self, now: Instant, key: usize, endpoint: &str) {
        self.known.insert(key, Contact::new(endpoint.to_owned(), false, now));
    }

    pub(crate) fn endpoint(&self, key: usize) -> Option<&str> {
        self.known.get(&key).map(|contact| contact.endpoint.as_str())
    }

    pub(crate) fn is_named(&self, key: usize) -> bool {
        self.known.get(&key).is_some_and(|contact| contact.is_named)
    }

    /// One has said who it is. Returns those that are to be forgotten: of two ways to one node the one that was not named, or the
    /// newer one, goes.
    pub(crate) fn heard(&mut self, now: Instant, key: usize, node: NodeKey, generation: u64) -> Vec<usize> {
        let Some(contact) = self.known.get_mut(&key) else { return Vec::new() };
        contact.heard = Some(now);
        contact.generation = Some(generation);
        contact.node = Some(node);
        let is_named = contact.is_named;
        if node == self.own {
            return if is_named { Vec::new() } else { vec![key] };
        }
        let is_other = |(other, contact): &(&usize, &Contact)| **other != key && contact.node == Some(node);
        let others: Vec<(usize, bool)> =
            self.known.iter().filter(is_other).map(|(other, contact)| (*other, contact.is_named)).collect();
        if is_named {
            others.iter().filter(|(_, is_named)| !is_named).map(|(other, _)| *other).collect()
        } else if others.is_empty() {
            Vec::new()
        } else {
            vec![key]
        }
    }

    /// A table came; returns whether it says anything new.
    pub(crate) fn told(&mut self, now: Instant, key: usize, record: NodeRecord) -> bool {
        let Some(contact) = self.known.get_mut(&key) else { return false };
        // Another node may have got its place. Who does not say who it is, is taken at its table's word.
        if contact.node.is_some_and(|node| record.id != node) && contact.generation.is_some() {
            return false;
        }
        contact.heard = Some(now);
        contact.node = NodeKey::try_from(record.id.as_slice()).ok();
        let is_news = contact.record.as_ref() != Some(&record);
        contact.record = Some(record);
        is_news
    }

    /// One is not to be met at this address again so soon. Returns whether its table is missed.
    pub(crate) fn forget(&mut self, now: Instant, key: usize) -> bool {
        let Some(contact) = self.known.remove(&key) else { return false };
        if self.avoided.len() >= AVOIDED_MAX {
            self.avoided.clear();
        }
        self.avoided.insert(contact.endpoint, now + AVOID);
        contact.record.is_some()
    }

    /// Whom to ask now.
    pub(crate) fn questions(&mut self, now: Instant) -> Vec<Question> {
        let is_due =
            |asked: Option<Instant>| asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK);
        let due = self.known.iter_mut().filter(|(_, contact)| is_due(contact.asked));
        due.map(|(key, contact)| {
            contact.asked = Some(now);
            Question { key: *key, table: contact.needs_table() }
        })
        .collect()
    }

    /// Forgets who is silent: the keys of those that are not to be asked any more, and whether a table is missed.
    pub(crate) fn clear(&mut self, now: Instant) -> (Vec<usize>, bool) {
        let mut is_missed = false;
        let mut gone = Vec::new();
        for (key, contact) in &mut self.known {
            if contact.is_heard(now) || now.saturating_duration_since(contact.since) < SILENT {
                continue;
            }
            is_missed |= contact.record.take().is_some();
            if contact.is_named {
                // It may be another one, when it comes back.
                (contact.node, contact.generation) = (None, None);
            } else {
                gone.push((*key, contact.heard.is_some()));
            }
        }
        for (key, was_there) in &gone {
            if *was_there {
                // It may come back at once.
                self.known.remove(key);
            } else {
                self.forget(now, *key);
            }
        }
        (gone.into_iter().map(|(key, _)| key).collect(), is_missed)
    }

    /// Those that are heard and say who they are, to be told on: with the keys of their connections.
    pub(crate) fn heard_now(&self, now: Instant) -> impl Iterator<Item = (NodeKey, usize)> {
        let is_told = move |contact: &Contact| contact.is_heard(now) && contact.generation.is_some();
        let heard = self.known.iter().filter(move |(_, contact)| is_told(contact));
        heard.filter_map(|(key, contact)| Some((contact.node.filter(|node| *node != self.own)?, *key)))
    }

    /// The tables that are known, one of each node.
    pub(crate) fn records(&self) -> impl Iterator<Item = &NodeRecord> {
        let records = self.known.iter().filter_map(|(key, contact)| Some((key, contact.record.as_ref()?)));
        records.filter(|(key, record)| !self.has_before(**key, record)).map(|(_, record)| record)
    }

    fn has_before(&self, key: usize, record: &NodeRecord) -> bool {
        let before = self.known.range(..key).filter_map(|(_, contact)| contact.record.as_ref());
        before.into_iter().any(|other| other.id == record.id)
    }

    /// Whether the table of this node is known from here.
    pub(crate) fn knows(&self, node: &[u8]) -> bool {
        self.key_of(node).is_some()
    }

    /// The connection to a node.
    pub(crate) fn key_of(&self, node: &[u8]) -> Option<usize> {
        let is_it = |contact: &Contact| contact.record.as_ref().is_some_and(|record| record.id == node);
        self.known.iter().find(|(_, contact)| is_it(contact)).map(|(key, _)| *key)
    }

    pub(crate) fn counts(&self) -> PeerCounts {
        let mut counts = PeerCounts::default();
        for contact in self.known.values() {
            match (contact.is_named, contact.record.is_some()) {
                (true, is_known) => {
                    counts.named += 1;
                    counts.answered += usize::from(is_known);
                }
                (false, true) => counts.met += 1,
                (false, false) => counts.awaited += 1,
            }
        }
        counts
    }
}

/// Where a node is reached that another one tells of, if that one is at `teller`: what is on its own host is reached there, and
/// what cannot be one node's address is none.
pub(crate) fn seen_from_here(endpoint: &str, teller: IpAddr) -> Option<SocketAddr> {
    let mut at: SocketAddr = endpoint.strip_prefix("tcp://")?.parse().ok()?;
    if at.ip().is_unspecified() || at.ip().is_loopback() {
        at.set_ip(teller);
    }
    let is_broadcast = matches!(at.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    let is_one = !at.ip().is_multicast() && !at.ip().is_unspecified() && !is_broadcast && at.port() != 0;
    is_one.then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: NodeKey = [0; 8];
    const A: NodeKey = [1; 8];
    const B: NodeKey = [2; 8];

    fn peers() -> (Peers, Instant) {
        (Peers::new(OWN), Instant::now())
    }

    fn secs(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn record(node: NodeKey, generation: u64) -> NodeRecord {
        NodeRecord { version: 1, id: node.to_vec(), generation, ..NodeRecord::default() }
    }

    fn at(number: u16) -> String {
        format!("tcp://192.0.2.1:{number}")
    }

    /// One that is heard of, connected to, and answers.
    fn met(peers: &mut Peers, now: Instant, key: usize, node: NodeKey) {
        let endpoint = at(u16::try_from(key).unwrap());
        assert!(peers.is_wanted(now, &node, &endpoint));
        peers.meet(now, key, &endpoint);
        peers.questions(now);
        assert_eq!(peers.heard(now, key, node, 1), []);
        assert!(peers.told(now, key, record(node, 1)));
    }

    #[test]
    fn tables_are_asked_for_when_they_change_and_only_then() {
        let (mut peers, now) = peers();
        peers.name(now, 1, "tcp://lab:7400");
        let ask = |table| vec![Question { key: 1, table }];
        assert_eq!(peers.questions(now), ask(true));
        assert_eq!(peers.questions(now + secs(1) / 2), []);
        peers.heard(now, 1, A, 5);
        assert!(peers.told(now, 1, record(A, 5)));
        assert_eq!(peers.questions(now + secs(1)), ask(false));
        peers.heard(now + secs(1), 1, A, 6);
        assert_eq!(peers.questions(now + secs(2)), ask(true));
        assert!(peers.told(now, 1, record(A, 6)) && !peers.told(now, 1, record(A, 6)));
        assert!(!peers.told(now, 1, record(B, 1)), "that is another one's");
        assert_eq!(peers.counts(), PeerCounts { named: 1, answered: 1, met: 0, awaited: 0 });
        // One that does not know this question is asked for its table each time.
        peers.name(now, 2, "tcp://old:7400");
        peers.questions(now);
        peers.told(now, 2, record(B, 1));
        assert_eq!(
            peers.questions(now + secs(3)),
            [ask(false), vec![Question { key: 2, table: true }]].concat()
        );
        assert_eq!(peers.records().count(), 2);
    }

    #[test]
    fn only_who_is_new_is_met() {
        let (mut peers, now) = peers();
        peers.name(now, 1, &at(1));
        assert!(!peers.is_wanted(now, &OWN, &at(9)), "that is us");
        assert!(!peers.is_wanted(now, &A, &at(1)), "that address is asked already");
        met(&mut peers, now, 2, A);
        assert!(!peers.is_wanted(now, &A, &at(9)), "that node is known");
        // Two ways to one node.
        assert!(peers.is_wanted(now, &B, &at(3)));
        peers.meet(now, 3, &at(3));
        assert_eq!(peers.heard(now, 3, A, 1), [3]);
        assert!(!peers.forget(now, 3) && peers.records().count() == 1);
        assert!(!peers.is_wanted(now + secs(14), &B, &at(3)), "what is there is known");
        assert_eq!(peers.heard(now, 1, A, 1), [2], "the one that was named stays");
        assert!(peers.is_wanted(now + secs(16), &B, &at(3)));
        // We ourselves, by another name.
        peers.meet(now, 4, &at(4));
        assert_eq!(peers.heard(now, 4, OWN, 1), [4]);
    }

    /// A, B and C tell each other of D. It dies: whoever hears of it from one that has not noticed yet asks it itself, and tells
    /// nobody before it answers.
    #[test]
    fn what_is_gone_does_not_go_in_circles() {
        let (mut peers, start) = peers();
        met(&mut peers, start, 2, A);
        let told = |peers: &Peers, now| peers.heard_now(now).map(|(node, _)| node).collect::<Vec<_>>();
        assert_eq!(told(&peers, start + secs(4)), [A]);
        assert_eq!(peers.clear(start + secs(4)), (vec![], false));
        let now = start + secs(5);
        assert!(told(&peers, now).is_empty(), "also before it is cleared away");
        assert_eq!(peers.clear(now), (vec![2], true));
        // Somebody else has heard it for a moment longer.
        assert!(peers.is_wanted(now, &A, &at(2)));
        peers.meet(now, 3, &at(2));
        assert_eq!((told(&peers, now), peers.counts().awaited), (vec![], 1));
        assert_eq!(peers.clear(now + secs(4)), (vec![], false));
        assert_eq!(peers.clear(now + secs(5)), (vec![3], false));
        assert!(!peers.is_wanted(now + secs(6), &A, &at(2)), "not again and again");
        assert!(peers.is_wanted(now + secs(21), &A, &at(2)));
        assert_eq!(peers.counts(), PeerCounts::default());
    }

    #[test]
    fn one_that_was_named_is_asked_for_ever_and_may_come_back_as_another_one() {
        let (mut peers, start) = peers();
        peers.name(start, 1, &at(1));
        peers.heard(start, 1, A, 1);
        peers.told(start, 1, record(A, 1));
        assert_eq!(peers.clear(start + secs(5)), (vec![], true));
        assert_eq!(peers.clear(start + secs(6)), (vec![], false));
        assert_eq!(peers.records().count(), 0);
        assert_eq!(peers.questions(start + secs(6)), [Question { key: 1, table: true }]);
        peers.heard(start + secs(7), 1, B, 1);
        assert!(peers.told(start + secs(7), 1, record(B, 1)));
        assert_eq!(peers.key_of(&B), Some(1));
    }

    #[test]
    fn inventions_are_bounded() {
        let (mut peers, start) = peers();
        let mut connections = 0;
        for number in 0..10_000_u64 {
            let now = start + Duration::from_millis(number);
            let endpoint = format!("tcp://192.0.2.2:{number}");
            if peers.is_wanted(now, &number.to_le_bytes().map(|octet| octet ^ 0x80), &endpoint) {
                connections += 1;
                peers.meet(now, connections, &endpoint);
            }
            let (gone, _) = peers.clear(now);
            assert!(
                gone.len() <= MET_MAX && peers.known.len() <= MET_MAX && peers.avoided.len() <= AVOIDED_MAX
            );
        }
        assert!(connections <= 16 * 11, "{connections} connections in ten seconds");
    }

    #[test]
    fn addresses_are_those_of_one_node() {
        let teller: IpAddr = "192.0.2.7".parse().unwrap();
        let seen = |endpoint: &str| seen_from_here(endpoint, teller).map(|at| at.to_string());
        for (endpoint, there) in [
            ("tcp://10.0.0.9:7400", "10.0.0.9:7400"),
            ("tcp://0.0.0.0:7400", "192.0.2.7:7400"),
            ("tcp://127.0.0.1:7400", "192.0.2.7:7400"),
            ("tcp://[::]:7400", "192.0.2.7:7400"),
            ("tcp://[2001:db8::1]:1", "[2001:db8::1]:1"),
        ] {
            assert_eq!(seen(endpoint).as_deref(), Some(there));
        }
        for none in [
            "tcp://lab:7400",
            "ipc:///tmp/x",
            "tcp://10.0.0.9:0",
            "tcp://239.255.84.84:8484",
            "tcp://255.255.255.255:1",
            "tcp://*:1",
        ] {
            assert_eq!(seen(none), None, "{none}");
        }
    }
}
