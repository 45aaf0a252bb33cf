//! Whether and when a lost connection is tried again.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tamtam_zmtp::PeerId;

use super::attachment::Attachment;
use super::background::Timer;
use super::core::{Life, Locked};
use super::peer::Peer;
use crate::monitor::{EventKind, HandshakeCause};
use crate::options::Options;

impl Locked<'_> {
    /// Tells whether a lost connection is tried again: it was not taken back, and closing still has something to send.
    pub(crate) fn keeps_dialing(&self, id: PeerId) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        let Some(Attachment::Dialer(dialer)) = self.attachments.get(&peer.attachment) else { return false };
        dialer.peer == id
            && !dialer.stopped
            && !(self.has_disconnected && dialer.options.reconnect_stop_after_disconnect)
            && dialer.options.reconnect_interval.is_some()
            && (self.life == Life::Open && !peer.leaving || peer.queued_out() > 0)
    }

    /// An attempt to connect came to nothing, perhaps because nobody listens there; the last address counts.
    pub(crate) fn refused(&mut self, id: PeerId, error: &io::Error) {
        let is_last = self.peer(id).and_then(Peer::conn).is_none_or(|conn| conn.alternatives.is_empty());
        if is_last && error.kind() == io::ErrorKind::ConnectionRefused {
            self.stop_dialing_if(id, |options| options.reconnect_stop_refused);
        }
    }

    pub(crate) fn stop_dialing_if(&mut self, id: PeerId, wanted: impl Fn(&Options) -> bool) {
        let Some(attachment) = self.peer(id).map(|peer| peer.attachment) else { return };
        if let Some(Attachment::Dialer(dialer)) = self.attachments.get_mut(&attachment)
            && dialer.peer == id
        {
            dialer.stopped |= wanted(&dialer.options);
        }
    }

    /// Tells whether a connection is given up for good by the `reconnect_stop` options.
    pub(crate) fn has_stopped_dialing(&self, id: PeerId) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        matches!(self.attachments.get(&peer.attachment), Some(Attachment::Dialer(dialer)) if dialer.stopped)
    }

    /// The other end answered, and would not have us or not as it should: asking again at once would only be refused again.
    pub(crate) fn rebuffed(&mut self, id: PeerId, cause: HandshakeCause) {
        if !matches!(cause, HandshakeCause::Protocol(_) | HandshakeCause::Authentication(_)) {
            return;
        }
        let Some(attachment) = self.peer(id).map(|peer| peer.attachment) else { return };
        if let Some(Attachment::Dialer(dialer)) = self.attachments.get_mut(&attachment)
            && dialer.peer == id
        {
            dialer.rebuffed = true;
        }
    }

    pub(crate) fn schedule_redial(&mut self, id: PeerId, reason: &str) {
        let Some(peer) = self.peer(id) else { return };
        let attachment = peer.attachment;
        let endpoint = Arc::clone(&peer.endpoint);
        let Some(Attachment::Dialer(dialer)) = self.attachments.get_mut(&attachment) else { return };
        let Some(base) = dialer.options.reconnect_interval else { return };
        let mut delay = base;
        if let Some(max) = dialer.options.reconnect_interval_max {
            delay = base.saturating_mul(1 << dialer.failures.min(16)).min(max.max(base));
        }
        if dialer.rebuffed {
            delay = delay.max(dialer.options.refused_interval);
        }
        dialer.failures = dialer.failures.saturating_add(1);
        // Between half and one and a half: clients of one server do not come back in step.
        let after = delay / 2 + delay.mul_f64(jitter());
        self.tell(&endpoint, Some(id), EventKind::ConnectRetried { after, reason: reason.to_owned() });
        self.set_timer(Instant::now() + after, Timer::Redial { attachment });
    }

    pub(crate) fn reset_backoff(&mut self, id: PeerId) {
        let Some(attachment) = self.peer(id).map(|peer| peer.attachment) else { return };
        if let Some(Attachment::Dialer(dialer)) = self.attachments.get_mut(&attachment)
            && dialer.peer == id
        {
            (dialer.failures, dialer.rebuffed) = (0, false);
        }
    }
}

/// A number from 0 up to 1, different in each process and each time: the standard library's hasher is seeded randomly.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = u32::try_from(RandomState::new().hash_one(Instant::now()) >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}
