//! Looking at a socket's state from outside, and changing its options.

use std::sync::Arc;

use bytes::Bytes;
use tamtam_zmtp::PeerId;

use super::core::{Locked, State};
use super::marks::Marks;
use super::pattern::Pattern;
use super::peer::{Link, Peer};
use super::wait::{Ended, Patience};
use crate::error::NotSubscribed;
use crate::options::Options;
use crate::statistics::PeerStatistics;

impl State {
    pub(crate) fn subscriber_count(&self) -> usize {
        match &self.pattern {
            Pattern::Publish(publishing) => publishing.subscriptions.peer_count(),
            _ => 0,
        }
    }

    /// Messages that were dropped because a queue was full, of all peers so far.
    pub(crate) fn dropped_full(&self) -> u64 {
        self.retired.dropped.full + self.iter_peers().map(|peer| peer.traffic.dropped.full).sum::<u64>()
    }

    /// Distinct topics: those that peers hold, or that this socket subscribes to (or groups that it has joined).
    pub(crate) fn topics_count(&self) -> usize {
        match &self.pattern {
            Pattern::Publish(publishing) => publishing.subscriptions.topics_count(),
            Pattern::Subscribe(topics) | Pattern::Join(topics) => topics.len(),
            _ => 0,
        }
    }

    /// ROUTER, STREAM: finds a peer by its routing id.
    pub(crate) fn find_routed(&self, routing_id: &[u8]) -> Option<PeerId> {
        let Pattern::Route(identities) = &self.pattern else { return None };
        identities.find(routing_id)
    }

    pub(crate) fn ready_count(&self) -> usize {
        self.iter_peers().filter(|peer| peer.attached && peer.is_ready()).count()
    }

    pub(crate) fn describe_peer(&self, peer: &Peer) -> PeerStatistics {
        let subscriptions = match &self.pattern {
            Pattern::Publish(publishing) => publishing.subscriptions.peer_topics(peer.id).count(),
            _ => 0,
        };
        PeerStatistics {
            peer: peer.id,
            endpoint: peer.endpoint.to_string(),
            remote: match &peer.link {
                Link::Datagrams(datagrams) => {
                    datagrams.target().map(|target| format!("udp://{target}")).unwrap_or_default()
                }
                _ => peer.conn().map(|conn| conn.remote.clone()).unwrap_or_default(),
            },
            state: peer.state(),
            identity: peer.info.as_ref().map_or_else(Bytes::new, |info| info.identity.clone()),
            socket_type: peer.info.as_ref().and_then(|info| info.socket_type),
            since: peer.since,
            traffic: peer.traffic,
            queued_in: peer.queued_in(),
            queued_out: peer.queued_out(),
            queued_out_bytes: peer.queued_out_bytes(),
            subscriptions,
        }
    }
}

impl Locked<'_> {
    /// Applies options, those that are live to what exists.
    pub(crate) fn apply_options(&mut self, options: Options) {
        if let Pattern::Request(turn) = &mut self.pattern {
            turn.set_relaxed(options.req_relaxed);
            turn.set_correlate(options.req_correlate);
        }
        let (sending, receiving) = (Marks::sending(&options), Marks::receiving(&options));
        let marks_changed = (sending, receiving) != (self.send_marks, self.receive_marks);
        self.options = Arc::new(options);
        (self.send_marks, self.receive_marks) = (sending, receiving);
        if marks_changed {
            for id in self.peer_ids() {
                if let Some(Link::Inproc(inproc)) = self.peer_mut(id).map(|peer| &mut peer.link) {
                    let other = inproc.other.get();
                    inproc.tx.set_bound(other.map_or(sending, |other| Marks::joined(sending, other.marks.1)));
                }
                self.update_interest(id);
                // All that lie inactive are looked at anew, and those that are full fall out again.
                self.send_turn.activate(id);
            }
            self.wake();
        }
    }

    /// XPUB in manual mode.
    pub(crate) fn subscribe_last(&mut self, topic: &[u8], subscribe: bool) -> Result<(), NotSubscribed> {
        let Pattern::Publish(publishing) = &mut self.pattern else { return Err(NotSubscribed) };
        let peer = publishing.last.ok_or(NotSubscribed)?;
        if subscribe {
            publishing.subscriptions.subscribe(peer, topic);
        } else if !publishing.subscriptions.unsubscribe(peer, topic).new {
            return Err(NotSubscribed);
        }
        self.wake();
        Ok(())
    }

    /// Sleeps until something changes; for barriers, whose work the background thread does.
    pub(crate) fn wait_for_change(
        &mut self,
        patience: Patience,
        ready: impl Fn(&State) -> bool,
    ) -> Result<(), Ended> {
        // What an inproc peer has published is looked at by the caller.
        let core = Arc::clone(self.core);
        self.park(patience, |state| ready(state) || core.attention.has_news())
    }
}
