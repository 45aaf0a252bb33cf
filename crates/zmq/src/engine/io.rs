//! Bytes between the connections and the kernel, and the housekeeping of what is watched.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tamtam_zmtp::{Frame, Framing, Message, PeerId, ProtocolError};

use super::appetite::READ_BYTES;
use super::background::{Command, Timer};
use super::core::{Life, Locked, NOTIFY, Ticking, Who};
use super::large_buffers::REST;
use super::outbox::{BATCH_BYTES, Batch, BufferPool, Outbox};
use super::peer::{Home, Link, Phase};
use super::press::Press;
use crate::monitor::HandshakeCause;
use crate::options::{Driver, Spin};
use crate::statistics::PeerState;
use crate::sys::epoll::{Events, Interest};
use crate::sys::stream;

/// Writes from this size on are made with the socket's lock released.
const UNLOCKED_BYTES: usize = 16 * 1024;
/// The most that one thread writes to one peer before it looks at the rest of the world.
const WRITE_TURN: usize = 1024 * 1024;
/// So many messages found before the background thread came, and the application does the input and output itself.
const FINDS_TO_DRIVE: u8 = 4;
/// Raw bytes per message on a STREAM socket.
const RAW_BYTES: usize = 8192;

/// How far one write of sealed bytes got.
enum Flushed {
    /// There is nothing to write.
    All,
    /// Something is written.
    Some,
    /// The connection takes nothing now, or is gone.
    Stopped,
}

impl Locked<'_> {
    /// Writes what waits for one peer, as far as the kernel takes it.
    pub(crate) fn flush(&mut self, id: PeerId) {
        self.flush_with(id, false);
    }

    /// As [`flush`](Self::flush); `presses` if the thread may stay for a moment with a kernel that takes no more.
    pub(crate) fn flush_with(&mut self, id: PeerId, presses: bool) {
        self.comes_to(id);
        let mut press = self.press(presses);
        loop {
            // The outbox may hold ranges of the open chunk, which can be read once it is sealed. In each round: while the
            // lock was released, another one may have been begun.
            self.seal_chunk();
            let state = &mut **self;
            let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
            let net = match &mut peer.link {
                Link::Net(net) => net,
                Link::Inproc(inproc) => {
                    // Nothing to write, but it may sleep.
                    inproc.unheard = 0;
                    state.after.sockets.extend(inproc.announce());
                    return;
                }
                _ => return,
            };
            let batch_out = net.batch_out;
            let Some(conn) = &mut net.conn else { return };
            if batch_out || conn.writing || conn.blocked || conn.phase == Phase::Connecting {
                return;
            }
            if conn.seals {
                match self.flush_sealed(id, &mut press) {
                    Flushed::All => break,
                    Flushed::Some => continue,
                    Flushed::Stopped => return,
                }
            }
            if !conn.control.is_empty() && net.outbox.is_at_boundary() {
                match stream::send_vectored(conn.fd.as_fd(), &[io::IoSlice::new(&conn.control)]) {
                    Ok(written) => {
                        conn.control.drain(..written.min(conn.control.len()));
                        if conn.control.is_empty() {
                            conn.control = Vec::new();
                        }
                        continue;
                    }
                    Err(error) => return self.write_failed(id, &error),
                }
            }
            if net.outbox.is_empty() || conn.phase != Phase::Ready {
                break;
            }
            if net.outbox.bytes() < UNLOCKED_BYTES {
                let fd = Arc::clone(&conn.fd);
                let before = Instant::now();
                let result = net.outbox.write_with(net.framing, &mut state.pool, |slices| {
                    stream::send_vectored(fd.as_fd(), slices)
                });
                match result {
                    Ok(0) => return self.broken(id, "the kernel takes nothing"),
                    Ok(written) => state.policy.wrote(written, before.elapsed()),
                    Err(error) => return self.write_failed(id, &error),
                }
            } else if let Some(error) = self.write_unlocked(id, &mut press) {
                return self.write_failed(id, &error);
            }
            if self.made_room(id, false) {
                self.wake_for_room();
            }
        }
        self.after_flush(id);
    }

    /// One write of a connection that seals: what is sealed already, or else the commands and the next batch of messages.
    ///
    /// Sealed bytes are numbered, so they are written in the order in which they were sealed: commands that come up
    /// meanwhile have later numbers and follow. At most one batch (or one larger message) is sealed ahead of the kernel.
    fn flush_sealed(&mut self, id: PeerId, press: &mut Press) -> Flushed {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return Flushed::Stopped };
        let Link::Net(net) = &mut peer.link else { return Flushed::Stopped };
        let Some(conn) = &mut net.conn else { return Flushed::Stopped };
        if conn.sealed.is_empty() {
            let mut bytes = std::mem::take(&mut conn.sealed.bytes);
            bytes.clear();
            conn.sealed.written = 0;
            bytes.append(&mut conn.control);
            if let Some(protocol) = conn.protocol.as_mut().filter(|_| conn.phase == Phase::Ready) {
                if bytes.capacity() == 0 && !net.outbox.is_empty() {
                    bytes = state.pool.take();
                }
                net.outbox.seal_into(protocol, &mut bytes, BATCH_BYTES, &mut state.pool);
            }
            if bytes.is_empty() {
                // An idle connection keeps no buffer.
                state.pool.give(bytes);
                return Flushed::All;
            }
            conn.sealed.bytes = bytes;
        }
        if conn.sealed.rest().len() >= UNLOCKED_BYTES {
            return self.write_sealed_unlocked(id, press);
        }
        let before = Instant::now();
        match stream::send_vectored(conn.fd.as_fd(), &[io::IoSlice::new(conn.sealed.rest())]) {
            Ok(0) => {
                self.broken(id, "the kernel takes nothing");
                Flushed::Stopped
            }
            Ok(written) => {
                state.policy.wrote(written, before.elapsed());
                conn.sealed.written += written;
                self.sealed_progress(id)
            }
            Err(error) => {
                self.write_failed(id, &error);
                Flushed::Stopped
            }
        }
    }

    /// A long write of sealed bytes, with the lock released.
    fn write_sealed_unlocked(&mut self, id: PeerId, press: &mut Press) -> Flushed {
        let Some(net) = self.peer_mut(id).and_then(|peer| peer.net_mut()) else { return Flushed::Stopped };
        let born = net.born;
        let Some(conn) = &mut net.conn else { return Flushed::Stopped };
        conn.writing = true;
        let (fd, epoch) = (Arc::clone(&conn.fd), conn.epoch);
        let mut sealed = std::mem::take(&mut conn.sealed);
        let ends = net.outbox.take_sealed();
        self.writing += 1;
        let (error, took) = self.unlocked(|| {
            let before = Instant::now();
            let mut turn = 0;
            while !sealed.is_empty() && turn < WRITE_TURN {
                match press.write(fd.as_fd(), &[io::IoSlice::new(sealed.rest())]) {
                    Ok(0) => return (Some(io::ErrorKind::WriteZero.into()), before.elapsed()),
                    Ok(written) => {
                        sealed.written += written;
                        turn += written;
                    }
                    Err(error) => return (Some(error), before.elapsed()),
                }
            }
            (None, before.elapsed())
        });
        let state = &mut **self;
        state.writing -= 1;
        state.policy.wrote(sealed.written, took);
        let net = state.peer_mut(id).and_then(|peer| peer.net_mut()).filter(|net| net.born == born);
        let same =
            net.and_then(|net| Some((&mut net.outbox, net.conn.as_mut().filter(|c| c.epoch == epoch)?)));
        let Some((outbox, conn)) = same else {
            // The connection is gone meanwhile, and with it what was sealed for it and is not written.
            self.lost_in_writing(id, born, ends.lost(sealed.written), sealed.rest().len());
            return Flushed::Stopped;
        };
        conn.writing = false;
        conn.sealed = sealed;
        outbox.put_sealed_back(ends);
        let progress = self.sealed_progress(id);
        match error {
            None => progress,
            Some(error) => {
                self.write_failed(id, &error);
                Flushed::Stopped
            }
        }
    }

    /// Sealed bytes were written, and with them the messages that end there.
    fn sealed_progress(&mut self, id: PeerId) -> Flushed {
        let Some(net) = self.peer_mut(id).and_then(|peer| peer.net_mut()) else { return Flushed::Stopped };
        let written = net.conn.as_ref().map_or(0, |conn| conn.sealed.written);
        if net.outbox.sealed_written(written) > 0 && self.made_room(id, false) {
            self.wake_for_room();
        }
        Flushed::Some
    }

    pub(crate) fn press(&self, presses: bool) -> Press {
        if presses { Press::waiting(self.options.spin != Spin::Off) } else { Press::none() }
    }

    /// A long write: the queue is taken out and written with the lock released; others append behind it.
    fn write_unlocked(&mut self, id: PeerId, press: &mut Press) -> Option<io::Error> {
        let state = &mut **self;
        let peer = state.peers.get_mut(id.0 as usize)?.as_mut()?;
        let Link::Net(net) = &mut peer.link else { return None };
        let conn = net.conn.as_mut()?;
        conn.writing = true;
        let (fd, epoch, born) = (Arc::clone(&conn.fd), conn.epoch, net.born);
        let (batch, framing) = (net.outbox.take_batch(), net.framing);
        state.writing += 1;
        let ((written, error), took) = self.unlocked(|| {
            let before = Instant::now();
            let result = batch.write_all_with(WRITE_TURN, |slices| press.write(fd.as_fd(), slices));
            (result, before.elapsed())
        });
        self.policy.wrote(written, took);
        self.settle_batch(id, (epoch, born), error, (batch, written, framing))
    }

    /// As [`settle`](Self::settle), of a batch.
    pub(crate) fn settle_batch(
        &mut self,
        id: PeerId,
        connection: (u64, u64),
        error: Option<io::Error>,
        (batch, written, framing): (Batch, usize, Framing),
    ) -> Option<io::Error> {
        self.settle(id, connection, error, |queue| match queue {
            Some((outbox, framing, pool)) => {
                outbox.put_back(batch, written, framing, pool);
                (0, 0)
            }
            None => batch.lost(written, framing),
        })
    }

    /// A write with the lock released is over, on the connection `epoch` of the peer `born` then: `put` accounts for it in the queue,
    /// or, if that is gone, returns how many messages and bytes are lost. Returns the error, if that still concerns anybody.
    pub(crate) fn settle(
        &mut self,
        id: PeerId,
        (epoch, born): (u64, u64),
        error: Option<io::Error>,
        put: impl FnOnce(Option<(&mut Outbox, Framing, &mut BufferPool)>) -> (u64, usize),
    ) -> Option<io::Error> {
        let state = &mut **self;
        state.writing -= 1;
        // Its number may be another one's by now.
        let peer = state.peers.get_mut(id.index()).and_then(Option::as_mut);
        if let Some(net) = peer.and_then(|peer| peer.net_mut()).filter(|net| net.born == born) {
            if let Some(conn) = net.conn.as_mut().filter(|conn| conn.epoch == epoch) {
                conn.writing = false;
                put(Some((&mut net.outbox, net.framing, &mut state.pool)));
                // What is out counts as waiting: there may be room now for who found none.
                if error.is_none() && self.made_room(id, false) {
                    self.wake_for_room();
                }
                return error;
            }
            if std::mem::take(&mut net.batch_out) {
                // The connection was lost, the queue stays: from the start of the message that was cut.
                put(Some((&mut net.outbox, net.framing, &mut state.pool)));
                net.outbox.rewind(net.framing);
                return None;
            }
        }
        // The queue was counted as lost, but for what was out.
        let (messages, bytes) = put(None);
        self.lost_in_writing(id, born, messages, bytes);
        None
    }

    pub(crate) fn write_failed(&mut self, id: PeerId, error: &io::Error) {
        if self.made_room(id, true) {
            self.wake_for_room();
        }
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                if let Some(conn) = self.peer_mut(id).and_then(|peer| peer.conn_mut()) {
                    conn.blocked = true;
                }
                self.update_interest(id);
                // Somebody has to see when the kernel takes more.
                if self.ticking == Ticking::Slowly {
                    self.look_soon();
                }
            }
            // The peer may have said why, and sent messages before it went: read to the end of the stream.
            _ => self.broken(id, &error.to_string()),
        }
    }

    /// Everything is written: closes what waited for that.
    fn after_flush(&mut self, id: PeerId) {
        if self.life != Life::Open || self.peer(id).is_some_and(|peer| peer.leaving) {
            self.linger_step(id);
        } else if self.peer(id).and_then(super::peer::Peer::conn).is_some_and(|conn| conn.finishing) {
            self.drain(id);
        }
    }

    /// Sets what is watched for one connection to what is wanted now.
    pub(crate) fn update_interest(&mut self, id: PeerId) {
        let core = Arc::clone(self.core);
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let paused =
            !state.options.receive_drop_oldest && !peer.leaving && !peer.inbox.has_room(state.receive_marks);
        if let Link::Datagrams(_) = peer.link {
            self.update_datagrams_interest(id);
            return;
        }
        let Some(conn) = peer.conn_mut() else { return };
        let mut wanted = if conn.hangup || paused { Interest::NONE } else { Interest::READ };
        if conn.blocked || conn.phase == Phase::Connecting {
            wanted = wanted | Interest::WRITE;
        }
        if wanted == conn.interest {
            return;
        }
        conn.interest = wanted;
        let result = match conn.home {
            Home::Nowhere => Ok(()),
            Home::Socket => match &state.set {
                Some(set) => set.epoll.modify(conn.fd.as_fd(), u64::from(id.0), wanted),
                None => Ok(()),
            },
            Home::Background => {
                core.context.background.modify_connection(core.id, id, conn.fd.as_fd(), wanted)
            }
        };
        if let Err(error) = result {
            tracing::warn!(socket = self.core.id, peer = id.0, %error, "cannot change what is watched");
        }
    }

    pub(crate) fn pause_reading(&mut self, id: PeerId) {
        self.update_interest(id);
    }

    /// The application has taken enough: reads go on.
    #[inline]
    pub(crate) fn resume_reading(&mut self, id: PeerId) {
        if self.peer(id).is_some_and(|peer| matches!(peer.link, Link::Datagrams(_))) {
            self.update_datagrams_interest(id);
        } else if let Some(conn) = self.peer(id).and_then(super::peer::Peer::conn)
            && !conn.hangup
            && (conn.interest == Interest::NONE || conn.interest == Interest::WRITE)
        {
            self.update_interest(id);
        }
    }

    /// Reads what one connection has, without blocking; returns whether anything came (or the connection ended, which may
    /// leave messages in the inbox).
    pub(crate) fn read(&mut self, id: PeerId) -> bool {
        let socket = self.core.id;
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return false };
        let net = match &mut peer.link {
            Link::Net(net) => net,
            Link::Datagrams(_) => return self.read_datagrams(id),
            _ => return false,
        };
        let Some(conn) = &mut net.conn else { return false };
        if conn.phase == Phase::Connecting {
            return false;
        }
        let wanted = conn.protocol.as_ref().map_or(0, tamtam_zmtp::Connection::wanted);
        if conn.input.is_empty()
            && conn.input.capacity() < READ_BYTES
            && conn.appetite.is_small(&conn.input, wanted)
        {
            conn.input = std::mem::take(&mut state.scratch);
            conn.input.clear();
        }
        let most = conn.appetite.make_room(&mut conn.input, wanted, &mut state.large);
        match stream::receive(conn.fd.as_fd(), &mut conn.input, most) {
            Ok(0) => {
                self.end_of_stream(id, "the peer closed the connection");
                true
            }
            Ok(count) => {
                conn.appetite.received(count, conn.input.len());
                if state.large.begins() {
                    let timer = Command::Timer { at: Instant::now() + REST, socket, timer: Timer::Rest };
                    state.after.commands.push(timer);
                }
                let raw = conn.protocol.is_none();
                if let Some(protocol) = &mut conn.protocol {
                    protocol.note_received(Instant::now());
                }
                if conn.phase == Phase::Draining {
                    conn.input.clear();
                    return true;
                }
                if conn.phase == Phase::Proxying {
                    return true;
                }
                if raw {
                    self.raw_received(id);
                } else if self.recv_turn.contains(id) {
                    self.recv_turn.activate(id);
                }
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // An idle connection keeps no buffer.
                if conn.input.is_empty() && state.scratch.capacity() < READ_BYTES {
                    state.scratch = std::mem::take(&mut conn.input);
                }
                if conn.hangup {
                    self.end_of_stream(id, "the connection was reset");
                    return true;
                }
                false
            }
            Err(error) => {
                let reason = error.to_string();
                self.end_of_stream(id, &reason);
                true
            }
        }
    }

    /// STREAM: what was read becomes messages.
    pub(crate) fn raw_received(&mut self, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        let leaving = peer.leaving;
        let Some(conn) = peer.conn_mut() else { return };
        if conn.protocol.is_some() || conn.input.is_empty() {
            return;
        }
        if leaving {
            conn.input.clear();
            return;
        }
        let mut parts: Vec<Bytes> = Vec::new();
        while !conn.input.is_empty() {
            let len = conn.input.len().min(RAW_BYTES);
            parts.push(conn.input.split_to(len).freeze());
        }
        parts.into_iter().for_each(|part| peer.inbox.push_back(Message::new(Frame::from_bytes(part))));
        if self.recv_turn.contains(id) {
            self.recv_turn.activate(id);
        }
        self.update_interest(id);
    }

    /// A write failed for good. What the peer sent before is still in the kernel and is read first.
    pub(crate) fn broken(&mut self, id: PeerId, reason: &str) {
        if let Some(conn) = self.peer_mut(id).and_then(|peer| peer.conn_mut()) {
            if conn.phase != Phase::Ready || conn.hangup {
                self.end_of_stream(id, reason);
                return;
            }
            conn.blocked = true;
        }
        self.hang_up(id);
        if self.read(id) {
            self.read_ahead(id);
        }
    }

    /// The peer's end is closed. A level-triggered descriptor at its end would be reported for ever, so it is not watched
    /// any more; what is left in the kernel is read when there is room for it.
    fn hang_up(&mut self, id: PeerId) {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.0 as usize) else { return };
        let Some(conn) = peer.conn_mut() else { return };
        conn.hangup = true;
        if conn.home == Home::Socket {
            if let Some(set) = &state.set {
                let _ = set.epoll.remove(conn.fd.as_fd());
            }
            conn.home = Home::Nowhere;
            state.net_peers.retain(|&peer| peer != id);
        }
        // Taking messages goes on until the end of the stream is found.
        if self.recv_turn.contains(id) {
            self.recv_turn.activate(id);
        }
    }

    pub(crate) fn protocol_error(&mut self, id: PeerId, error: &ProtocolError) {
        let state = &mut **self;
        let handshaking = state.peer(id).is_some_and(|peer| peer.state() == PeerState::Handshaking);
        // What we have to say about it goes out first (ERROR), as far as the kernel takes it.
        if let Some(conn) = state.peer_mut(id).and_then(|peer| peer.conn_mut())
            && !conn.writing
            && conn.sealed.is_empty()
            && let Some(last_words) = conn.protocol.as_mut().and_then(tamtam_zmtp::Connection::transmit)
        {
            let last_words = [std::mem::take(&mut conn.control), last_words].concat();
            let _ = stream::send_vectored(conn.fd.as_fd(), &[io::IoSlice::new(&last_words)]);
        }
        let reason = error.to_string();
        if handshaking {
            self.handshake_failed(id, reason, HandshakeCause::from(error));
        } else {
            self.disconnect(id, &reason);
        }
    }

    /// The end of the byte stream: everything that was read is parsed, then the connection goes.
    pub(crate) fn end_of_stream(&mut self, id: PeerId, reason: &str) {
        match self.peer(id).map(super::peer::Peer::state) {
            Some(PeerState::Connecting)
                if self.peer(id).and_then(super::peer::Peer::conn).is_some_and(|c| c.socks.is_some()) =>
            {
                self.connect_failed(id, &format!("{reason} while the SOCKS proxy was to connect"));
            }
            Some(PeerState::Handshaking | PeerState::Connecting) => {
                self.handshake_failed(id, format!("{reason} during the handshake"), HandshakeCause::Closed);
            }
            _ => self.disconnect(id, reason),
        }
    }

    /// Looks at everything that is watched, without waiting. Returns whether anything happened.
    pub(crate) fn poll_io(&mut self) -> bool {
        let any = self.poll_descriptors();
        if any && self.is_awaited() {
            // Another thread waits for what was in the kernel a moment ago and is with us now.
            self.wake();
        }
        any
    }

    fn poll_descriptors(&mut self) -> bool {
        if self.options.driver == Driver::Background {
            return false;
        }
        self.drives = self.drives.wrapping_add(1);
        let Some(set) = &self.set else { return false };
        let notified = self.notified && !set.is_lent();
        if let [only] = self.net_peers[..]
            && !notified
        {
            let blocked = self.peer(only).and_then(super::peer::Peer::conn).is_some_and(|conn| conn.blocked);
            if !blocked {
                return self.read_and_act(only);
            }
        }
        if self.net_peers.is_empty() && !notified {
            return false;
        }
        let set = Arc::clone(set);
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(64));
        let result = set.epoll.wait(&mut events, Some(std::time::Duration::ZERO));
        let any = result.is_ok() && self.handle_events(&events);
        self.events = Some(events);
        any
    }

    /// Acts on what the socket's set reported.
    pub(crate) fn handle_events(&mut self, events: &Events) -> bool {
        let mut any = false;
        for event in events.iter() {
            any = true;
            if event.token == NOTIFY {
                self.acknowledge();
                continue;
            }
            let Ok(slot) = u32::try_from(event.token) else { continue };
            let id = PeerId(slot);
            if event.writable
                && let Some(conn) = self.peer_mut(id).and_then(|peer| peer.conn_mut())
                && conn.blocked
            {
                conn.blocked = false;
                self.flush(id);
                self.update_interest(id);
            }
            let (wants_read, paused) = match self.peer(id).and_then(super::peer::Peer::conn) {
                Some(conn) => (
                    true,
                    conn.interest != Interest::READ && conn.interest != (Interest::READ | Interest::WRITE),
                ),
                None => (self.peer(id).is_some_and(|peer| matches!(peer.link, Link::Datagrams(_))), false),
            };
            if !wants_read {
                continue;
            }
            if event.hangup && paused {
                self.hang_up(id);
            } else if event.readable || event.hangup {
                self.read_and_act(id);
            }
        }
        any
    }

    /// Reads; what no `recv` will look at (subscriptions at a PUB, commands at a PUSH) is acted on at once.
    fn read_and_act(&mut self, id: PeerId) -> bool {
        if self.peer(id).and_then(super::peer::Peer::conn).is_some_and(|conn| !conn.input.is_empty()) {
            // Somebody who waits for something else than messages comes by: what was read before must not pile up. At the
            // mark this stops watching the connection.
            self.read_ahead(id);
            let marks = self.receive_marks;
            let is_full = self.peer(id).is_some_and(|peer| !peer.inbox.has_room(marks));
            if is_full && !self.options.receive_drop_oldest {
                return true;
            }
        }
        let any = self.read(id);
        if any
            && (self.core.kind.publishes()
                || !self.recv_turn.contains(id)
                || self.peer(id).is_some_and(|peer| peer.leaving))
        {
            self.read_ahead(id);
        }
        any
    }

    /// One peer has had several turns in a row: looks whether others have something that nobody has read yet.
    pub(crate) fn look_around(&mut self) {
        let Some(set) = self.set.clone() else { return };
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(64));
        if set.epoll.wait(&mut events, Some(std::time::Duration::ZERO)).is_ok() {
            for event in events.iter().filter(|event| event.token != NOTIFY && event.readable) {
                let id = PeerId(u32::try_from(event.token).unwrap_or(u32::MAX));
                if self.recv_turn.contains(id) && !self.recv_turn.is_active(id) {
                    self.read(id);
                }
            }
        }
        self.events = Some(events);
    }

    /// The background thread's turn (or a poller's): reads ahead up to the marks, so that nothing waits in the kernel
    /// while the application is away, and commands are answered.
    pub(crate) fn service(&mut self) {
        let Some(set) = self.set.clone() else { return };
        let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(64));
        if set.epoll.wait(&mut events, Some(std::time::Duration::ZERO)).is_ok() {
            self.handle_events(&events);
            for event in events.iter() {
                if event.token != NOTIFY
                    && let Ok(slot) = u32::try_from(event.token)
                {
                    self.read_ahead(PeerId(slot));
                }
            }
        }
        self.events = Some(events);
    }

    /// Takes the role of doing the input and output from the background thread.
    pub(crate) fn drive(&mut self) {
        if self.who == Who::Background
            && let Some(set) = self.set.clone()
        {
            self.who = Who::Application;
            self.core.context.background.arm_socket(self.core.id, &set, false);
        }
        if self.ticking == Ticking::No && self.set.is_some() {
            self.look_soon();
        }
    }

    /// The application looked and found a message. If the background thread is to look after the socket, it has been woken for
    /// that message in vain: an application that is quicker several times takes the role.
    pub(crate) fn found_before_background(&mut self) {
        if self.who == Who::Background && self.options.driver == Driver::Adaptive {
            self.finds += 1;
            if self.finds >= FINDS_TO_DRIVE {
                self.finds = 0;
                self.drive();
            }
        }
    }

    /// Gives the role back: the application is away.
    pub(crate) fn cover(&mut self) {
        self.ticking = Ticking::No;
        self.finds = 0;
        if self.who == Who::Application
            && let Some(set) = self.set.clone()
        {
            self.who = Who::Background;
            self.core.context.background.arm_socket(self.core.id, &set, true);
        }
        // What the application read and did not parse yet is looked at too: a PING may be in it.
        for id in self.net_peers.clone() {
            self.read_ahead(id);
        }
        self.flush_left();
        self.service();
        self.pool.clear();
        if !self.ahead_empty() {
            self.wake();
        }
    }

    fn ahead_empty(&self) -> bool {
        self.ahead.is_none() && self.notices.is_empty() && self.recv_turn.current().is_none()
    }
}
