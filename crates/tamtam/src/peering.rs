//! The side of a node's thread that asks nodes at addresses: which they know, and what they have.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use prost::Message as _;
use tamtam_zmq::{Interest, Socket};

use crate::beacon::NodeKey;
use crate::courier::{Answer, PEERS, TABLE, adopt, ask, courier};
use crate::discovery::Discovery;
use crate::error::Error;
use crate::peers::{TOLD_MAX, seen_from_here};
use crate::record::{PeerRecord, PeersRecord};

/// The address at the other end of a connection.
fn remote(socket: &Socket) -> Option<SocketAddr> {
    socket.peers().first()?.remote.strip_prefix("tcp://")?.parse().ok()
}

impl Discovery {
    /// A peer that the program has named.
    pub(crate) fn add_peer(&mut self, endpoint: &str) -> Result<(), Error> {
        let key = self.open_line(endpoint)?;
        self.peers.name(Instant::now(), key, endpoint);
        Ok(())
    }

    fn open_line(&mut self, endpoint: &str) -> Result<usize, Error> {
        let socket = courier(&self.core, endpoint)?;
        let key = self.key();
        self.poller.add(&socket, key, Interest::READABLE)?;
        self.lines.insert(key, socket);
        Ok(key)
    }

    /// Somebody tells of a node: asks it itself, if it is new here.
    fn meet_peer(&mut self, node: &[u8], endpoint: &str) {
        let now = Instant::now();
        let Ok(node) = NodeKey::try_from(node) else { return };
        let is_here = self.local.contains_key(node.as_slice())
            || self.lan.as_ref().is_some_and(|lan| lan.neighbours.knows(&node));
        if is_here || !self.peers.is_wanted(now, &node, endpoint) {
            return;
        }
        match self.open_line(endpoint) {
            Ok(key) => {
                self.peers.meet(now, key, endpoint);
                self.ask_peers();
            }
            Err(error) => tracing::warn!(endpoint, %error, "cannot connect to a node that a peer knows"),
        }
    }

    fn forget_peer(&mut self, key: usize) {
        self.poller.remove(key);
        self.lines.remove(&key);
    }

    /// Asks those that are to be asked now.
    pub(crate) fn ask_peers(&mut self) {
        let own = self.introduction().encode_to_vec();
        for question in self.peers.questions(Instant::now()) {
            let Some(line) = self.lines.get(&question.key) else { continue };
            // Whom it knows comes first: with its table all is known that it has to tell.
            ask(line, PEERS, &own);
            if question.table {
                ask(line, TABLE, b"");
            }
        }
        self.count_peers();
    }

    /// Forgets who is silent.
    pub(crate) fn clear_peers(&mut self) {
        let (gone, is_missed) = self.peers.clear(Instant::now());
        gone.into_iter().for_each(|key| self.forget_peer(key));
        self.count_peers();
        if is_missed {
            self.introduce();
        }
    }

    fn count_peers(&self) {
        self.core.set_peer_counts(self.peers.counts());
    }

    /// What the node says of itself to those whom it asks.
    fn introduction(&self) -> PeersRecord {
        let generation = self.core.generation();
        PeersRecord {
            id: self.core.id.to_bytes().to_vec(),
            domain: self.core.domain.clone(),
            generation,
            // Who has nothing to offer need not be asked.
            port: self.port.filter(|_| generation > 0).map_or(0, u32::from),
            peers: Vec::new(),
        }
    }

    /// Somebody asks which nodes are known here, and says who it is; `from`: the address of the question.
    pub(crate) fn answer_peers(&mut self, question: &[u8], from: Option<&str>) -> PeersRecord {
        let mut answer = self.introduction();
        let Ok(asker) = PeersRecord::decode(question) else { return answer };
        if asker.domain != self.core.domain {
            return answer;
        }
        let from = from.and_then(|from| from.parse::<IpAddr>().ok());
        if let (Some(from), Ok(port @ 1..)) = (from, u16::try_from(asker.port)) {
            self.meet_peer(&asker.id, &format!("tcp://{}", SocketAddr::new(from, port)));
        }
        for (node, key) in self.peers.heard_now(Instant::now()) {
            let at = self.lines.get(&key).and_then(remote);
            answer
                .peers
                .extend(at.map(|at| PeerRecord { id: node.to_vec(), endpoint: format!("tcp://{at}") }));
        }
        // Those of this host that listen, too: whoever asks sees them in no other way.
        for record in self.local.values().filter(|record| *record.id != self.core.id.to_bytes()) {
            let endpoint = record.info.iter().find(|endpoint| endpoint.starts_with("tcp://"));
            answer.peers.extend(
                endpoint.map(|endpoint| PeerRecord { id: record.id.clone(), endpoint: endpoint.clone() }),
            );
        }
        answer.peers.retain(|known| known.id != asker.id);
        answer.peers.truncate(TOLD_MAX);
        answer
    }

    /// A node at an address answers.
    pub(crate) fn hear_peer(&mut self, key: usize) {
        let mut is_news = false;
        while let Some(Ok(answer)) = self.lines.get(&key).map(Socket::try_recv) {
            let now = Instant::now();
            match Answer::read(answer) {
                Some(Answer::Table(record)) => {
                    let Some(mut record) = record else { continue };
                    let Some(endpoint) = self.peers.endpoint(key) else { return };
                    // One that was named may say where else it is; of others what is at their own address counts.
                    let host = endpoint.rsplit_once(':').map(|(host, _)| format!("{host}:"));
                    let is_named = self.peers.is_named(key);
                    adopt(&mut record, endpoint, |offered| {
                        is_named || host.as_ref().is_some_and(|host| offered.starts_with(host))
                    });
                    is_news |= self.peers.told(now, key, *record);
                }
                Some(Answer::Schema(id, bytes)) => {
                    is_news |= bytes.is_some_and(|bytes| self.keep_schema(id, &bytes));
                }
                Some(Answer::Peers(told)) => self.hear_of_peers(now, key, told),
                None => {}
            }
        }
        if is_news {
            self.count_peers();
            self.introduce();
        }
    }

    fn hear_of_peers(&mut self, now: Instant, key: usize, told: PeersRecord) {
        let Ok(node) = NodeKey::try_from(told.id.as_slice()) else { return };
        if told.domain != self.core.domain {
            return;
        }
        let teller = self.lines.get(&key).and_then(remote);
        let mut is_missed = false;
        let mut doubled = self.peers.heard(now, key, node, told.generation);
        if !self.peers.is_named(key) && self.local.contains_key(&told.id) {
            doubled = vec![key];
        }
        for key in doubled {
            is_missed |= self.peers.forget(now, key);
            self.forget_peer(key);
        }
        if let Some(teller) = teller {
            for known in told.peers.iter().take(TOLD_MAX) {
                if let Some(at) = seen_from_here(&known.endpoint, teller.ip()) {
                    self.meet_peer(&known.id, &format!("tcp://{at}"));
                }
            }
        }
        if is_missed {
            self.introduce();
        }
    }
}
