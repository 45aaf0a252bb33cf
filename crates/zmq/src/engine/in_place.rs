//! Large messages that are written from where they stand, without being copied into a queue.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use tamtam_zmtp::{FRAME_HEADER_MAX, Message, SocketType};

use super::appetite::LARGE;
use super::core::{Core, Locked};
use super::outbox::Batch;
use super::peer::Link;

/// A message of more frames takes the usual way.
const FRAMES_MAX: usize = 4;

/// Frames and their headers, as the kernel takes them.
struct Encoded<'a> {
    headers: Vec<u8>,
    /// Where each header ends.
    ends: [usize; FRAMES_MAX],
    frames: &'a [&'a [u8]],
}

impl Encoded<'_> {
    fn len(&self) -> usize {
        self.headers.len() + self.frames.iter().map(|frame| frame.len()).sum::<usize>()
    }

    /// Writes until everything is written or `write` fails; returns how much was, and the failure.
    fn write_all(
        &self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> (usize, Option<io::Error>) {
        let mut slices = [IoSlice::new(&[]); 2 * FRAMES_MAX];
        let mut start = 0;
        for (pair, (frame, &end)) in slices.chunks_exact_mut(2).zip(self.frames.iter().zip(&self.ends)) {
            if let [header, body] = pair {
                *header = IoSlice::new(self.headers.get(start..end).unwrap_or_default());
                *body = IoSlice::new(frame);
            }
            start = end;
        }
        let mut rest = slices.get_mut(..2 * self.frames.len()).unwrap_or_default();
        let mut total = 0;
        while !rest.is_empty() {
            match write(rest) {
                Ok(0) => break,
                Ok(written) => {
                    total += written;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(error) => return (total, Some(error)),
            }
        }
        (total, None)
    }
}

impl Core {
    /// Sends a large message from where it stands, to the peer whose turn it is, if nothing waits before it. What the kernel does
    /// not take is copied and waits as any other message. Returns whether the message was sent; nothing has changed if not.
    pub(crate) fn send_in_place(self: &Arc<Self>, frames: &[&[u8]], is_hasty: bool) -> bool {
        let is_large = frames.iter().any(|frame| frame.len() >= LARGE);
        if !is_large || frames.len() > FRAMES_MAX || self.is_forked() {
            return false;
        }
        if !matches!(self.kind, SocketType::Push | SocketType::Dealer | SocketType::Pair) {
            return false;
        }
        let mut locked = self.lock();
        let is_sent = locked.is_open() && locked.write_in_place(frames, is_hasty);
        if is_sent {
            locked.spin.sent();
        }
        is_sent
    }
}

impl Locked<'_> {
    fn write_in_place(&mut self, frames: &[&[u8]], is_hasty: bool) -> bool {
        let mut press = self.press(!is_hasty && self.may_press());
        let state = &mut **self;
        let (marks, strict, conflate) =
            (state.send_marks, state.options.strict_marks, state.options.conflate);
        let Some(id) = state.send_turn.current() else { return false };
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return false };
        let Link::Net(net) = &mut peer.link else { return false };
        if conflate || !net.is_free() || !net.outbox.is_idle() || !net.is_below(marks) {
            return false;
        }
        let Some(conn) = net.conn.as_mut().filter(|conn| !conn.hangup) else { return false };
        let mut headers = std::mem::take(&mut state.headers);
        headers.reserve(FRAMES_MAX * FRAME_HEADER_MAX);
        let mut encoded = Encoded { headers, ends: [0; FRAMES_MAX], frames };
        for (index, (frame, end)) in frames.iter().zip(&mut encoded.ends).enumerate() {
            net.framing.put_header(&mut encoded.headers, frame.len(), index + 1 < frames.len());
            *end = encoded.headers.len();
        }
        let len = encoded.len();
        conn.writing = true;
        let (fd, epoch, born) = (Arc::clone(&conn.fd), conn.epoch, net.born);
        net.outbox.begin_in_place(len);
        if strict {
            net.burst.queued();
        }
        peer.traffic.messages_out += 1;
        peer.traffic.bytes_out += frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
        state.flushes += 1;
        state.writing += 1;
        state.send_turn.advance();
        let ((written, error), took) = self.unlocked(|| {
            let before = Instant::now();
            (encoded.write_all(|slices| press.write(fd.as_fd(), slices)), before.elapsed())
        });
        self.policy.wrote(written, took);
        self.headers = encoded.headers;
        self.headers.clear();
        // Whether it is the same connection or not: what the kernel did not take waits for the next writer.
        let rest = (written < len).then(|| Message::from_frames(frames.iter().copied()).unwrap_or_default());
        let error = self.settle(id, (epoch, born), error, |queue| {
            match (queue, rest) {
                (Some((outbox, ..)), None) => outbox.end_in_place(len),
                (Some((outbox, framing, pool)), Some(message)) => {
                    outbox.put_back(Batch::of(framing, message), written, framing, pool);
                }
                (None, None) => {}
                (None, Some(_)) => return (1, len - written),
            }
            (0, 0)
        });
        match error {
            Some(error) => self.write_failed(id, &error),
            // What others have sent meanwhile.
            None => self.flush(id),
        }
        true
    }
}
