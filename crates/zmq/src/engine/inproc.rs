//! Pipes between sockets of one context.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tamtam_zmtp::{PeerId, PeerInfo, SocketType, Version};

use super::attachment::Attachment;
use super::core::{Core, Locked};
use super::marks::Marks;
use super::pattern::Pattern;
use super::peer::{Inproc, Latest, Link, Other};
use super::pipe::{Reader, Writer, pipe};
use crate::error::{BindError, ConnectError};
use crate::monitor::EventKind;
use crate::options::Options;

/// One end of a pipe on its way to the socket that will own it.
pub(crate) struct PipeEnd {
    pub(crate) tx: Writer,
    pub(crate) rx: Reader,
    /// The socket at the other end.
    pub(crate) from: Arc<Core>,
    /// Where that one looks for the socket that takes this end.
    pub(crate) taker: Arc<OnceLock<Other>>,
    pub(crate) info: Box<PeerInfo>,
    /// The slots of conflating pipes: what the taker writes, what it reads.
    pub(crate) latest_out: Latest,
    pub(crate) latest_in: Latest,
    /// The connecting socket's marks, for the bounds: sending, receiving.
    pub(crate) marks: (Marks, Marks),
    /// It does not mind what type the taker is of.
    pub(crate) any_types: bool,
}

impl PipeEnd {
    /// Tells whether messages of the connecting socket may wait in here, and not just its subscriptions.
    pub(crate) fn has_messages(&mut self) -> bool {
        self.from.kind.can_send() && !self.rx.is_empty()
    }

    /// Returns how many messages wait in here; an XSUB's, among its subscriptions, are not told apart.
    pub(crate) fn messages(&self) -> u64 {
        if self.from.kind.subscribes() || !self.from.kind.can_send() { 0 } else { self.rx.len() }
    }

    pub(crate) fn into_link(self) -> Link {
        let other = Arc::new(OnceLock::from(Other { core: self.from, info: self.info, marks: self.marks }));
        Link::Inproc(Inproc {
            tx: self.tx,
            rx: self.rx,
            other,
            latest_out: self.latest_out,
            latest_in: self.latest_in,
            unheard: 0,
        })
    }
}

/// What connecting to a name came to.
pub(crate) enum Lookup {
    Bound(Arc<Core>),
    /// The end is kept until somebody binds the name; instead of some other ends, if there were too many.
    Pending {
        given_up: Vec<PipeEnd>,
    },
}

fn info(kind: SocketType, options: &Options) -> Box<PeerInfo> {
    let identity = options.routing_id.clone();
    let mut metadata = vec![("Socket-Type".to_owned(), Bytes::from_static(kind.name().as_bytes()))];
    if kind.sends_identity() {
        metadata.push(("Identity".to_owned(), identity.clone()));
    }
    metadata.extend(options.metadata.iter().cloned());
    Box::new(PeerInfo {
        version: Version::V3_1,
        socket_type: Some(kind),
        identity,
        metadata,
        mechanism: "NULL",
        user_id: None,
        auth_metadata: Vec::new(),
    })
}

impl Locked<'_> {
    pub(crate) fn bind_inproc(&mut self, text: &str) -> Result<(), BindError> {
        let core = Arc::clone(self.core);
        let endpoint: Arc<str> = text.into();
        let Some(waiting) = core.context.claim_name(&endpoint, &core) else {
            return Err(BindError::InUse { endpoint: text.to_owned() });
        };
        let id = self.next_attachment;
        self.next_attachment = (id + 1) & 0x0FFF_FFFF;
        self.attachments.insert(id, Attachment::Name { endpoint: Arc::clone(&endpoint) });
        self.tell(&endpoint, None, EventKind::Listening);
        for end in waiting {
            self.adopt_pipe(&endpoint, id, end);
        }
        Ok(())
    }

    /// The bound side takes its end of a pipe.
    pub(crate) fn adopt_pipe(&mut self, endpoint: &Arc<str>, attachment: u32, end: PipeEnd) {
        let kind = self.core.kind;
        let theirs = end.from.kind;
        let fits = kind.accepts(theirs) || self.options.inproc_any_types && end.any_types;
        if !self.is_open() || !fits {
            let reason = format!("a {kind} socket cannot talk to a {theirs} socket");
            self.tell(endpoint, None, EventKind::Refused { reason });
            self.after.sockets.push(Arc::clone(&end.from));
            // Dropping our end tells the other one; its link must not be dropped under our lock.
            self.after.links.push(end.into_link());
            return;
        }
        let ours = info(kind, &self.options);
        let marks = (self.send_marks, self.receive_marks);
        let _ = end.taker.set(Other { core: Arc::clone(self.core), info: ours, marks });
        // Now both marks are known.
        let (their_send, their_receive) = end.marks;
        end.tx.set_bound(Marks::joined(self.send_marks, their_receive));
        end.rx.set_bound(Marks::joined(their_send, self.receive_marks));
        let from = Arc::clone(&end.from);
        let their_info = end.info.clone();
        let id = self.add_peer(Arc::clone(endpoint), attachment, end.into_link());
        if let Some(peer) = self.peer_mut(id) {
            peer.since = Some(Instant::now());
            peer.info = Some(their_info);
        }
        self.attach(id);
        self.core.announce();
        self.after.sockets.push(from);
        self.wake();
    }

    pub(crate) fn connect_inproc(
        &mut self,
        text: &str,
        routing_id: Option<&[u8]>,
    ) -> Result<PeerId, ConnectError> {
        let core = Arc::clone(self.core);
        let kind = core.kind;
        let endpoint: Arc<str> = text.into();
        // Until the name is bound, only our own marks are known.
        let (send, receive) = (self.send_marks, self.receive_marks);
        let (tx, their_rx) = pipe(send);
        let (their_tx, rx) = pipe(Marks::joined(send, receive));
        let taker = Arc::new(OnceLock::new());
        let (latest_out, latest_in) = (Latest::default(), Latest::default());
        let end = PipeEnd {
            tx: their_tx,
            rx: their_rx,
            from: Arc::clone(&core),
            taker: Arc::clone(&taker),
            latest_out: Arc::clone(&latest_in),
            latest_in: Arc::clone(&latest_out),
            info: info(kind, &self.options),
            marks: (send, receive),
            any_types: self.options.inproc_any_types,
        };
        let (mut lookup, end) = core.context.look_up_name(&endpoint, end);
        if let Lookup::Pending { given_up } = &mut lookup {
            self.after.links.extend(given_up.drain(..).map(PipeEnd::into_link));
        }
        if let Lookup::Bound(other) = &lookup
            && !kind.accepts(other.kind)
            && !self.options.inproc_any_types
        {
            self.after.links.extend(end.map(PipeEnd::into_link));
            return Err(ConnectError::Incompatible {
                endpoint: text.to_owned(),
                ours: kind,
                theirs: other.kind,
            });
        }
        let id = self.next_attachment;
        self.next_attachment = (id + 1) & 0x0FFF_FFFF;
        let peer = self.add_peer(
            Arc::clone(&endpoint),
            id,
            Link::Inproc(Inproc { tx, rx, other: taker, latest_out, latest_in, unheard: 0 }),
        );
        self.attachments.insert(id, Attachment::Pipe { endpoint: Arc::clone(&endpoint), peer });
        if let Some(routing_id) = routing_id
            && let Pattern::Route(identities) = &mut self.pattern
        {
            if !identities.force(peer, routing_id) {
                self.remove_peer(peer);
                return Err(ConnectError::RoutingIdInUse { endpoint: text.to_owned() });
            }
            if let Some(peer) = self.peer_mut(peer) {
                peer.addressed = true;
            }
        }
        self.has_unmet_peers = true;
        self.attach_pipe(peer);
        self.last_endpoint = Some(text.to_owned());
        if let (Lookup::Bound(other), Some(end)) = (lookup, end) {
            // The other socket's lock must not be taken under ours.
            self.unlocked(|| {
                let mut other = other.lock();
                let attachment = other
                    .attachments
                    .iter()
                    .find(|(_, known)| matches!(known, Attachment::Name { endpoint: known } if *known == endpoint))
                    .map_or(u32::MAX, |(&id, _)| id);
                other.adopt_pipe(&endpoint, attachment, end);
            });
        }
        Ok(peer)
    }

    /// A peer has bound the name: takes note of who it is.
    pub(crate) fn meet_inproc_peers(&mut self) {
        if !std::mem::take(&mut self.has_unmet_peers) {
            return;
        }
        let mut met = Vec::new();
        let state = &mut **self;
        for &id in &state.inproc_peers {
            let Some(Some(peer)) = state.peers.get(id.index()) else { continue };
            let Link::Inproc(inproc) = &peer.link else { continue };
            if peer.info.is_none() {
                match inproc.other.get() {
                    Some(other) => {
                        // Our mark may have been changed since we connected.
                        inproc.tx.set_bound(Marks::joined(state.send_marks, other.marks.1));
                        met.push((id, other.info.clone()));
                    }
                    None => state.has_unmet_peers = true,
                }
            }
        }
        for (id, info) in met {
            self.inproc_ready(id, info);
        }
    }

    /// The connecting side: usable at once; what the other side is comes with the binding.
    fn attach_pipe(&mut self, id: PeerId) {
        if let Some(peer) = self.peer_mut(id) {
            peer.since = Some(Instant::now());
        }
        self.attach(id);
        self.wake();
    }
}
