//! Connections that the program itself has asked for. Who is at their other end may be in no registry: what becomes of them is told
//! by the connection alone.

use std::collections::HashSet;

use tamtam_zmq::{EventKind, Monitor, PeerId, Socket};

use crate::event::Event;

/// What is kept of what happens until it is looked at; the oldest goes beyond.
const EVENTS: usize = 256;

/// An endpoint that was connected to.
#[derive(Debug)]
struct Place {
    endpoint: String,
    is_up: bool,
}

/// All of one subscriber.
#[derive(Debug)]
pub(crate) struct Connections {
    monitor: Monitor,
    places: Vec<Place>,
    /// Peers that have said END, whose going is no news.
    ended: HashSet<PeerId>,
}

impl Connections {
    /// Watches a socket, before it connects to these endpoints.
    pub(crate) fn of(socket: &Socket, endpoints: &[String]) -> Self {
        let places = endpoints.iter().map(|endpoint| Place { endpoint: endpoint.clone(), is_up: false });
        Self { monitor: socket.monitor(EVENTS), places: places.collect(), ended: HashSet::new() }
    }

    /// A peer has said END.
    pub(crate) fn ended(&mut self, peer: PeerId) {
        self.ended.insert(peer);
    }

    /// Tells what has become of the connections since. Everything that they brought was taken before.
    pub(crate) fn look(&mut self, mut tell: impl FnMut(Event)) {
        while let Some(event) = self.monitor.try_recv() {
            let Some(place) = self.places.iter_mut().find(|place| *place.endpoint == *event.endpoint) else {
                continue;
            };
            let endpoint = place.endpoint.clone();
            match event.kind {
                EventKind::HandshakeSucceeded { .. } if !place.is_up => {
                    place.is_up = true;
                    tell(Event::Connected { endpoint });
                }
                EventKind::Disconnected { reason } if place.is_up => {
                    place.is_up = false;
                    if !event.peer.is_some_and(|peer| self.ended.remove(&peer)) {
                        tell(Event::Disconnected { endpoint, reason });
                    }
                }
                _ => {}
            }
        }
    }
}
