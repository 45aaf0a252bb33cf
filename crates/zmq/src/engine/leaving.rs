//! The end of a peer that shall still get what was sent to it: of a socket that is closed, or of an endpoint.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamtam_zmtp::PeerId;

use super::background::Timer;
use super::core::{Life, Locked};
use super::pattern::Pattern;
use super::peer::{Home, Link, Phase};
use crate::monitor::EventKind;
use crate::sys::epoll::Interest;

/// How long a closed socket waits for the peer to close its end, so that the kernel discards nothing that is on its way.
const DRAIN_TIME: Duration = Duration::from_millis(500);

impl Locked<'_> {
    /// Tells whether something was sent to a peer that may not have arrived, and that is worth waiting for.
    pub(crate) fn has_to_linger(&self, id: PeerId) -> bool {
        self.options.linger != Some(Duration::ZERO)
            && self.peer(id).is_some_and(|peer| {
                matches!(&peer.link, Link::Net(_))
                    && (peer.queued_out() > 0 || peer.is_ready() && peer.traffic.messages_out > 0)
            })
    }

    /// The application has closed the peer's endpoint. What is queued for the peer lingers, as when the socket is closed:
    /// until it is written or its time is over.
    pub(crate) fn take_leave(&mut self, id: PeerId, reason: &str) {
        let linger = self.options.linger;
        self.keep_what_was_read(id);
        let Some(peer) = self.peer(id) else { return };
        let endpoint = Arc::clone(&peer.endpoint);
        if peer.is_ready() {
            let attached = peer.attached;
            self.tell(&endpoint, Some(id), EventKind::Disconnected { reason: reason.to_owned() });
            if attached {
                self.say_farewell(id);
            }
        }
        self.detach(id);
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return };
        peer.leaving = true;
        state.send_turn.remove(id);
        if let Pattern::Route(identities) = &mut state.pattern {
            // Others may have it. What came from this one before still comes under it.
            if let Some(identity) = identities.remove(id) {
                peer.former_id = Some(identity);
            }
        }
        if peer.inbox.is_empty() {
            state.recv_turn.remove(id);
        } else if state.recv_turn.contains(id) {
            state.recv_turn.activate(id);
        }
        let born = peer.net_mut().map(|net| net.born);
        if let (Some(born), Some(at)) = (born, linger.and_then(|linger| Instant::now().checked_add(linger))) {
            self.set_timer(at, Timer::Leave { peer: id, born });
        }
        self.flush(id);
        self.linger_step(id);
        self.wake();
    }

    /// One step of closing, for one peer: what is written is drained, what cannot be written any more goes.
    pub(crate) fn linger_step(&mut self, id: PeerId) {
        let Some(peer) = self.peer(id).filter(|peer| peer.leaving || self.life != Life::Open) else { return };
        let has_waiting = match &peer.link {
            Link::Net(net) => {
                !net.outbox.is_empty()
                    || net.conn.as_ref().is_some_and(|conn| {
                        conn.writing || !conn.control.is_empty() || !conn.sealed.is_empty()
                    }) && net.outbox.messages() > 0
            }
            _ => false,
        };
        if has_waiting {
            return;
        }
        match peer.state() {
            crate::PeerState::Ready if matches!(peer.link, Link::Net(_)) && peer.traffic.messages_out > 0 => {
                self.drain(id)
            }
            crate::PeerState::Gone if peer.conn().is_some() => {}
            // What it brought is still to be taken.
            _ if self.life == Life::Open => self.finish_peer(id),
            _ => self.remove_peer(id),
        }
    }

    /// The time of a peer that was to leave is over.
    pub(super) fn give_up(&mut self, id: PeerId) {
        if self.life == Life::Open {
            self.finish_peer(id);
        } else {
            self.remove_peer(id);
        }
    }

    /// Shuts our end and waits (not for long) for the peer's: closing a descriptor with unread bytes would make the
    /// kernel throw away what the peer has not read yet.
    pub(crate) fn drain(&mut self, id: PeerId) {
        let core = Arc::clone(self.core);
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let Some(conn) = peer.conn_mut() else { return };
        if conn.phase == Phase::Draining {
            return;
        }
        if conn.hangup {
            self.finish_peer(id);
            return;
        }
        conn.phase = Phase::Draining;
        conn.blocked = false;
        conn.input.clear();
        let epoch = conn.epoch;
        let _ = rustix::net::shutdown(&*conn.fd, rustix::net::Shutdown::Write);
        if conn.home == Home::Socket {
            if let Some(set) = &state.set {
                let _ = set.epoll.remove(conn.fd.as_fd());
            }
            state.net_peers.retain(|&peer| peer != id);
        }
        if conn.home != Home::Background {
            conn.interest = Interest::READ;
            conn.home = Home::Background;
            if core.context.background.watch_connection(core.id, id, conn.fd.as_fd(), Interest::READ).is_err()
            {
                conn.home = Home::Nowhere;
                self.finish_peer(id);
                return;
            }
        }
        self.set_timer(Instant::now() + DRAIN_TIME, Timer::Drain { peer: id, epoch });
        // The peer may have closed its end already.
        self.read(id);
    }
}
