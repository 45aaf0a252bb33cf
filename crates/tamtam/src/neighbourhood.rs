//! The side of a node's thread that looks at the local network: beacons out and in, and the nodes that were found by them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use tamtam_zmq::{Interest, Socket};

use crate::beacon::{Beacon, NodeKey, domain_hash};
use crate::courier::{Answer, SCHEMA, TABLE, adopt, ask, courier_once};
use crate::discovery::Discovery;
use crate::error::Error;
use crate::lan::Lan;
use crate::neighbours::{Heard, Neighbours, Task};
use crate::schedule::Schedule;

/// Datagrams that are read before other things get their turn.
const DATAGRAMS: usize = 64;
/// How often a node that has nothing to offer asks who is there: once more in case the first is lost.
const LOOKS: u64 = 2;

/// The local network, for nodes that look at it.
pub(crate) struct LanSide {
    /// By their keys in the poller.
    nets: Vec<(usize, Lan)>,
    /// Where this node answers.
    port: u16,
    domain: [u8; 8],
    pub(crate) schedule: Schedule,
    beacons: u64,
    pub(crate) neighbours: Neighbours,
    /// Connections to neighbours.
    lines: BTreeMap<usize, (NodeKey, Socket)>,
    /// When there is something to do.
    pub(crate) due: Option<Instant>,
}

impl Discovery {
    pub(crate) fn add_net(&mut self, net: Lan, port: u16) -> Result<(), Error> {
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

    /// A datagram, or an answer of a node that was found by one.
    pub(crate) fn hear_lan(&mut self, key: usize) {
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
            match Answer::read(answer) {
                Some(Answer::Table(record)) => {
                    // Another node may have got its port.
                    let Some(mut record) = record.filter(|record| record.id == node) else { continue };
                    let host = format!("tcp://{}:", at.ip());
                    adopt(&mut record, &format!("tcp://{at}"), |endpoint| endpoint.starts_with(&host));
                    news |= lan.neighbours.told(now, &node, *record);
                }
                Some(Answer::Schema(id, bytes)) => {
                    lan.neighbours.told_schema(now, &node, &id);
                    news |= bytes.is_some_and(|bytes| self.keep_schema(id, &bytes));
                }
                Some(Answer::Peers(_)) | None => {}
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
    pub(crate) fn tend(&mut self) {
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
    pub(crate) fn take_leave(&mut self) {
        self.send_beacon(true);
    }
}
