//! What was left in the queues to be written together with what follows.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tamtam_zmtp::{Framing, PeerId};

use super::background::Command;
use super::core::Locked;
use super::outbox::Batch;
use super::peer::{Left, Link};
use super::write_policy::CORK_TIME;
use crate::sys::stream;

/// From so many peers on, the background thread writes with the lock released.
const ASIDE_MIN: usize = 4;
/// For so many peers at a time: their queues are taken out, and what was written accounted for, under one lock.
const ASIDE_MAX: usize = 32;

/// One peer's queue, taken out.
struct Write {
    id: PeerId,
    fd: Arc<OwnedFd>,
    epoch: u64,
    born: u64,
    batch: Batch,
    framing: Framing,
    written: usize,
    error: Option<io::Error>,
}

impl Left {
    /// The queue of the peer `id` is left for later: puts it on the list, if it is not there, and counts it. Returns whether
    /// it did not wait before.
    #[inline]
    pub(crate) fn begin(&mut self, id: PeerId, list: &mut Vec<PeerId>, waiting: &mut u32) -> bool {
        match std::mem::replace(self, Self::Waiting) {
            Self::Waiting => return false,
            Self::Nothing => list.push(id),
            Self::Listed => {}
        }
        *waiting += 1;
        true
    }
}

impl Locked<'_> {
    /// Leaves what is queued for a peer to the background thread, or to whoever writes before.
    #[inline]
    pub(crate) fn leave_for_later(&mut self, id: PeerId) {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return };
        if peer.left.begin(id, &mut state.left, &mut state.waiting) {
            self.schedule_cork();
        }
    }

    #[inline]
    pub(crate) fn schedule_cork(&mut self) {
        if !self.cork_scheduled {
            self.cork_scheduled = true;
            let (socket, flushes) = (self.core.id, self.flushes);
            self.submit(Command::Cork { socket, flushes, after: CORK_TIME });
        }
    }

    /// Notes that somebody writes what is queued for a peer: it waits for nobody any more.
    #[inline]
    pub(crate) fn comes_to(&mut self, id: PeerId) {
        let state = &mut **self;
        if let Some(Some(peer)) = state.peers.get_mut(id.index())
            && peer.left == Left::Waiting
        {
            peer.left = Left::Listed;
            state.waiting -= 1;
        }
    }

    /// Takes the list of those for whom something was left.
    fn take_left(&mut self) -> Vec<PeerId> {
        let left = std::mem::take(&mut self.left);
        for &id in &left {
            if let Some(peer) = self.peer_mut(id) {
                peer.left = Left::Nothing;
            }
        }
        self.waiting = 0;
        left
    }

    /// Writes everything that was left for later.
    pub(crate) fn flush_left(&mut self) {
        if !self.left.is_empty() {
            for id in self.take_left() {
                self.flush(id);
            }
        }
    }

    /// As [`flush_left`](Self::flush_left), by a thread that does not send itself: where much is to be written, those that do go
    /// on meanwhile, and more comes together for the peers whose turn comes later.
    pub(crate) fn flush_left_aside(&mut self) {
        if self.left.len() < ASIDE_MIN {
            self.flush_left();
            return;
        }
        for ids in self.take_left().chunks(ASIDE_MAX) {
            let mut writes = Vec::with_capacity(ids.len());
            for &id in ids {
                match self.take_out(id) {
                    Some(write) => writes.push(write),
                    None => self.flush(id),
                }
            }
            self.unlocked(|| {
                for write in &mut writes {
                    let Write { fd, batch, .. } = write;
                    (write.written, write.error) =
                        batch.write_all_with(usize::MAX, |slices| stream::send_vectored(fd.as_fd(), slices));
                }
            });
            for Write { id, epoch, born, batch, framing, written, error, .. } in writes {
                let error = self.settle_batch(id, (epoch, born), error, (batch, written, framing));
                if let Some(error) = error {
                    self.write_failed(id, &error);
                    continue;
                }
                // What came meanwhile, unless it was left for later; commands, and who waits for the end.
                if self.peer(id).is_some_and(|peer| peer.left == Left::Nothing) {
                    self.flush(id);
                }
            }
        }
    }

    /// Takes a peer's queue out to be written with the lock released, if that is all that there is to do.
    fn take_out(&mut self, id: PeerId) -> Option<Write> {
        self.seal_chunk();
        let peer = self.peer_mut(id)?;
        let Link::Net(net) = &mut peer.link else { return None };
        if !net.is_free() || net.outbox.is_empty() {
            return None;
        }
        let conn = net.conn.as_mut()?;
        conn.writing = true;
        let (fd, epoch, born) = (Arc::clone(&conn.fd), conn.epoch, net.born);
        let (batch, framing) = (net.outbox.take_batch(), net.framing);
        self.writing += 1;
        Some(Write { id, fd, epoch, born, batch, framing, written: 0, error: None })
    }
}
