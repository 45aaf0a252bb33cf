//! What waits to be written to one peer: wire bytes, in order, with the count of messages in them.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes};
use tamtam_zmtp::{Connection, Framing, Message, parse_header, transcode_v2_to_v1};

use super::short::ShortMessage;

/// Bodies from this size on are queued by reference, smaller ones are copied behind their header.
pub(crate) const REFERENCE_MIN: usize = 8 * 1024;
/// A buffer is closed when it reaches this size; also the amount at which the sender writes by itself.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;
/// A batch of round numbers, each with its header.
const BUFFER_MAX: usize = BATCH_BYTES + BATCH_BYTES / REFERENCE_MIN * tamtam_zmtp::FRAME_HEADER_MAX;
/// The most slices that one gathered write takes.
const SLICES_MAX: usize = 64;

/// Encoded bytes that several outboxes share; readable once sealed.
#[derive(Debug, Default)]
pub(crate) struct SharedChunk {
    sealed: OnceLock<Bytes>,
}

/// The chunk that a publisher is still appending to.
#[derive(Debug)]
pub(crate) struct OpenChunk {
    pub(crate) cell: Arc<SharedChunk>,
    pub(crate) bytes: Vec<u8>,
}

impl OpenChunk {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { cell: Arc::new(SharedChunk::default()), bytes }
    }

    /// Makes the chunk readable. Nothing is appended any more.
    pub(crate) fn seal(self) {
        // The cell is set here only, and `self` is consumed.
        let _ = self.cell.sealed.set(Bytes::from(self.bytes));
    }
}

#[derive(Debug)]
enum Data {
    Owned(Vec<u8>),
    Reference(Bytes),
    Range { chunk: Arc<SharedChunk>, start: usize, end: usize },
}

#[derive(Debug)]
struct Segment {
    data: Data,
    /// Messages that end in this segment.
    messages: u32,
    /// Whether its end is the end of a message.
    complete: bool,
}

impl Segment {
    fn len(&self) -> usize {
        match &self.data {
            Data::Owned(bytes) => bytes.len(),
            Data::Reference(bytes) => bytes.len(),
            Data::Range { start, end, .. } => end - start,
        }
    }

    /// Takes bytes off the front.
    fn trim(&mut self, count: usize) {
        match &mut self.data {
            Data::Owned(bytes) => {
                bytes.drain(..count.min(bytes.len()));
            }
            Data::Reference(bytes) => bytes.advance(count.min(bytes.len())),
            Data::Range { start, end, .. } => *start = (*start + count).min(*end),
        }
    }

    /// The bytes; empty for a range of a chunk that is not sealed, which therefore must be sealed before writing.
    fn as_slice(&self) -> &[u8] {
        match &self.data {
            Data::Owned(bytes) => bytes,
            Data::Reference(bytes) => bytes,
            Data::Range { chunk, start, end } => {
                chunk.sealed.get().and_then(|bytes| bytes.get(*start..*end)).unwrap_or_default()
            }
        }
    }
}

/// Buffers that were written and can be filled again.
#[derive(Debug, Default)]
pub(crate) struct BufferPool {
    buffers: Vec<Vec<u8>>,
}

impl BufferPool {
    const KEPT: usize = 4;

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < Self::KEPT && (1..=2 * BATCH_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    /// Gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.buffers = Vec::new();
    }
}

/// Segments taken out of an outbox to be written with the socket's lock released.
#[derive(Debug)]
pub(crate) struct Batch {
    segments: VecDeque<Segment>,
    offset: usize,
    /// As in the outbox.
    delivered: u32,
    walked: usize,
    messages: u64,
    bytes: usize,
}

/// Sealed messages, of which somebody writes the bytes with the socket's lock released: where each ends.
#[derive(Debug)]
pub(crate) struct SealedOut(VecDeque<usize>);

impl SealedOut {
    /// How many are lost if so many bytes are written and no more.
    pub(crate) fn lost(&self, written: usize) -> u64 {
        self.0.iter().filter(|&&end| end > written).count() as u64
    }
}

/// The queue of one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    segments: VecDeque<Segment>,
    /// How much of the first segment is written.
    offset: usize,
    /// Messages of the first segment that are written to their end, and where the frame begins that follows them or is on its
    /// way: counted when a write ends within the segment.
    delivered: u32,
    walked: usize,
    /// A batch is out: its messages, so many, and its bytes are counted here, but stand in no segment.
    out: Option<(u64, usize)>,
    /// Written segments of a message that is not written to its end: to send it again on the next connection.
    begun: Vec<Segment>,
    /// Messages not yet written to their end, those that were taken out to be sealed included.
    messages: u64,
    /// Messages that were taken out to be sealed and are not written to their end: where each ends in what was sealed.
    sealed: VecDeque<usize>,
    /// How many more there are of which somebody writes the bytes.
    sealed_out: u64,
    bytes: usize,
    /// Which chunk (its address, as a name only) the last message from a chunk stood in, and where it ended.
    chunk_end: (usize, usize),
}

impl Outbox {
    /// Messages not yet written to their end.
    #[inline]
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes not yet written.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Tells whether control bytes may be written now without cutting a message in two.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.offset == 0 && self.begun.is_empty()
    }

    /// Tells whether nothing waits, is on its way or is being written.
    pub(crate) fn is_idle(&self) -> bool {
        self.messages == 0 && self.bytes == 0 && self.out.is_none() && self.is_at_boundary()
    }

    /// A message of so many bytes is being written from elsewhere: it counts as one of the queue that is out. It is over with
    /// [`end_in_place`](Self::end_in_place), or with [`put_back`](Self::put_back) of a [`Batch`] of it.
    pub(crate) fn begin_in_place(&mut self, bytes: usize) {
        self.out = Some((1, bytes));
        self.messages += 1;
        self.bytes += bytes;
    }

    /// The message that was being written from elsewhere is written.
    pub(crate) fn end_in_place(&mut self, bytes: usize) {
        self.out = None;
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Encodes a message at the end of the queue.
    #[inline]
    pub(crate) fn append(&mut self, framing: Framing, message: Message, pool: &mut BufferPool) {
        if !message.is_multipart() && message.byte_len() < REFERENCE_MIN {
            let body = message.as_slice();
            self.append_slices(framing, &[body], body.len(), pool);
        } else {
            self.append_frames(framing, message, pool);
        }
    }

    /// Encodes a message, whose frames of so many bytes together are copied, at the end of the queue.
    #[inline]
    pub(crate) fn append_slices(
        &mut self,
        framing: Framing,
        frames: &[&[u8]],
        bytes: usize,
        pool: &mut BufferPool,
    ) {
        let buffer = self.tail(bytes + frames.len() * tamtam_zmtp::FRAME_HEADER_MAX, pool);
        let before = buffer.len();
        for (index, frame) in frames.iter().enumerate() {
            framing.put_header(buffer, frame.len(), index + 1 < frames.len());
            buffer.extend_from_slice(frame);
        }
        let added = buffer.len() - before;
        self.finish_message(added);
    }

    /// As [`append_slices`](Self::append_slices), of a message that writes itself, as ZMTP 2.0 and later has it.
    #[inline]
    pub(crate) fn append_short(&mut self, message: &impl ShortMessage, pool: &mut BufferPool) {
        let buffer = self.tail(message.wire_len(), pool);
        let before = buffer.len();
        message.put(buffer);
        let added = buffer.len() - before;
        self.finish_message(added);
    }

    /// Encodes a message before all others, or behind them if the first one is on its way.
    pub(crate) fn prepend(&mut self, framing: Framing, message: Message, pool: &mut BufferPool) {
        if !self.is_at_boundary() {
            self.append(framing, message, pool);
            return;
        }
        let mut first = Self::default();
        first.append(framing, message, pool);
        first.segments.append(&mut self.segments);
        self.segments = first.segments;
        self.messages += first.messages;
        self.bytes += first.bytes;
    }

    fn append_frames(&mut self, framing: Framing, message: Message, pool: &mut BufferPool) {
        let count = message.frame_count();
        for (index, frame) in message.into_frames().enumerate() {
            let more = index + 1 < count;
            let copied = if frame.len() < REFERENCE_MIN { frame.len() } else { 0 };
            let buffer = self.tail(copied + tamtam_zmtp::FRAME_HEADER_MAX, pool);
            let before = buffer.len();
            framing.put_header(buffer, frame.len(), more);
            if frame.len() < REFERENCE_MIN {
                buffer.extend_from_slice(&frame);
                let added = buffer.len() - before;
                self.grow(added);
            } else {
                let added = buffer.len() - before;
                self.grow(added);
                let segment =
                    Segment { data: Data::Reference(frame.into_bytes()), messages: 0, complete: false };
                self.bytes += segment.len();
                self.segments.push_back(segment);
            }
        }
        self.finish_message(0);
    }

    /// Appends a message that stands encoded in a shared chunk; a range that continues the last one only moves its end.
    ///
    /// `bytes` are the chunk's so far. A peer that is `stalled` and did not want the message before this one gets a copy:
    /// the few that it wants must not keep whole chunks in memory for as long as it sleeps.
    #[inline]
    pub(crate) fn append_range(
        &mut self,
        chunk: &Arc<SharedChunk>,
        bytes: &[u8],
        (start, end): (usize, usize),
        stalled: bool,
        pool: &mut BufferPool,
    ) {
        let follows = std::mem::replace(&mut self.chunk_end, (Arc::as_ptr(chunk) as usize, end))
            == (Arc::as_ptr(chunk) as usize, start);
        if stalled && !follows {
            let message = bytes.get(start..end).unwrap_or_default();
            self.tail(message.len(), pool).extend_from_slice(message);
            self.finish_message(message.len());
            return;
        }
        self.messages += 1;
        self.bytes += end - start;
        if let Some(Segment { data: Data::Range { chunk: last, end: last_end, .. }, messages, .. }) =
            self.segments.back_mut()
            && *last_end == start
            && Arc::ptr_eq(last, chunk)
        {
            *last_end = end;
            *messages += 1;
            return;
        }
        self.segments.push_back(Segment {
            data: Data::Range { chunk: Arc::clone(chunk), start, end },
            messages: 1,
            complete: true,
        });
    }

    /// Appends bytes as they are (STREAM), counted as one message.
    pub(crate) fn append_raw(&mut self, bytes: Bytes) {
        self.messages += 1;
        self.bytes += bytes.len();
        self.segments.push_back(Segment { data: Data::Reference(bytes), messages: 1, complete: true });
    }

    /// Drops all messages that are not begun; returns how many.
    pub(crate) fn clear_waiting(&mut self) -> u64 {
        let is_out = self.out.is_some();
        if is_out || !self.is_at_boundary() {
            // The first segment is on its way; it may hold several messages. What is behind it can go.
            let keep = if is_out {
                0
            } else {
                self.segments.iter().position(|segment| segment.complete).map_or(0, |index| index + 1)
            };
            let mut dropped = 0;
            for segment in self.segments.drain(keep..) {
                dropped += u64::from(segment.messages);
                self.bytes -= segment.len();
            }
            self.messages -= dropped;
            return dropped;
        }
        let sealed = std::mem::take(&mut self.sealed);
        let sealed_out = self.sealed_out;
        let messages = sealed.len() as u64 + sealed_out;
        let dropped = self.messages - messages;
        *self = Self { sealed, sealed_out, messages, ..Self::default() };
        dropped
    }

    /// Messages and bytes but for those of a batch that is out.
    pub(crate) fn not_out(&self) -> (u64, usize) {
        let (messages, bytes) = self.out.unwrap_or_default();
        (self.messages - messages, self.bytes.saturating_sub(bytes))
    }

    /// Drops everything; returns how many messages. What becomes of a batch that is out is for the one to say who writes it.
    pub(crate) fn clear(&mut self) -> u64 {
        let (dropped, _) = self.not_out();
        *self = Self::default();
        dropped
    }

    #[inline]
    fn tail(&mut self, room: usize, pool: &mut BufferPool) -> &mut Vec<u8> {
        let fits = match self.segments.back() {
            Some(Segment { data: Data::Owned(bytes), .. }) => {
                // The one that is being written in place must not grow beyond what a write can take at once.
                bytes.len() + room <= BUFFER_MAX
            }
            _ => false,
        };
        if !fits {
            let mut buffer = pool.take();
            if room >= REFERENCE_MIN && buffer.capacity() < BATCH_BYTES {
                // It would be copied each time it grows.
                buffer.reserve(BUFFER_MAX);
            }
            self.segments.push_back(Segment { data: Data::Owned(buffer), messages: 0, complete: false });
        }
        match self.segments.back_mut() {
            Some(Segment { data: Data::Owned(bytes), .. }) => bytes,
            _ => unreachable!("an owned segment was pushed above"),
        }
    }

    /// Lends the last buffer, for more messages to be put behind those that stand in it; `None` if there is none. Until
    /// [`take_tail_back`](Self::take_tail_back) nothing else may be done with the queue.
    pub(crate) fn lend_tail(&mut self) -> Option<Vec<u8>> {
        match self.segments.back_mut() {
            Some(Segment { data: Data::Owned(bytes), complete: true, .. }) => Some(std::mem::take(bytes)),
            _ => None,
        }
    }

    /// Takes it back with so many messages more; it was `began` octets long.
    pub(crate) fn take_tail_back(&mut self, buffer: Vec<u8>, began: usize, joined: u32) {
        let added = buffer.len().saturating_sub(began);
        let Some(last) = self.segments.back_mut() else { return };
        last.data = Data::Owned(buffer);
        last.messages += joined;
        self.messages += u64::from(joined);
        self.bytes += added;
    }

    /// Accounts for a part of a message behind which more of it follows.
    fn grow(&mut self, added: usize) {
        self.bytes += added;
        if let Some(last) = self.segments.back_mut() {
            last.complete = false;
        }
    }

    #[inline]
    fn finish_message(&mut self, added: usize) {
        self.bytes += added;
        self.messages += 1;
        if let Some(last) = self.segments.back_mut() {
            last.messages += 1;
            last.complete = true;
        }
    }

    /// Takes messages off the front and appends them to `out` in the form in which the connection writes them, until `out`
    /// has `enough` bytes or nothing is left. They stay counted until [`sealed_written`](Self::sealed_written).
    ///
    /// For connections that seal: they begin at a message's start, and nothing is written past this.
    pub(crate) fn seal_into(
        &mut self,
        connection: &mut Connection,
        out: &mut Vec<u8>,
        enough: usize,
        pool: &mut BufferPool,
    ) {
        let mut within = false;
        while (within || out.len() < enough)
            && let Some(front) = self.segments.front()
        {
            let bytes = front.as_slice().get(self.offset..).unwrap_or_default();
            let Ok(Some(header)) = parse_header(Framing::V2, bytes) else { break };
            let Ok(body_len) = usize::try_from(header.body_len) else { break };
            let rest = bytes.get(header.header_len..).unwrap_or_default();
            let body = if rest.is_empty() && body_len > 0 {
                // A body that is queued by reference is a segment of its own.
                self.segments.get(1).map(Segment::as_slice).filter(|body| body.len() == body_len)
            } else {
                rest.get(..body_len)
            };
            let Some(body) = body else { break };
            connection.seal_frame(header.more, body, out);
            within = header.more;
            if !header.more {
                self.sealed.push_back(out.len());
            }
            self.take_off(header.header_len + body_len, pool);
        }
    }

    /// Takes whole frames off the front that were sealed.
    fn take_off(&mut self, mut count: usize, pool: &mut BufferPool) {
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(front) = self.segments.front() {
            let left = front.len() - self.offset;
            if count < left {
                self.offset += count;
                return;
            }
            count -= left;
            self.offset = 0;
            if let Some(segment) = self.segments.pop_front() {
                recycle(segment, pool);
            }
            if count == 0 {
                return;
            }
        }
    }

    /// So many bytes of what was sealed are written; returns how many messages thereby are.
    pub(crate) fn sealed_written(&mut self, bytes: usize) -> u64 {
        let mut count = 0;
        while self.sealed.front().is_some_and(|&end| end <= bytes) {
            self.sealed.pop_front();
            count += 1;
        }
        self.messages -= count;
        count
    }

    /// Somebody writes what is sealed, with the lock released.
    pub(crate) fn take_sealed(&mut self) -> SealedOut {
        self.sealed_out = self.sealed.len() as u64;
        SealedOut(std::mem::take(&mut self.sealed))
    }

    /// That is over, and the connection is still there.
    pub(crate) fn put_sealed_back(&mut self, sealed: SealedOut) {
        self.sealed_out = 0;
        self.sealed = sealed.0;
    }

    /// What was sealed will not be written any further; returns how many messages are lost. What becomes of those that are just
    /// being written is for the one to say who does.
    pub(crate) fn give_up_sealed(&mut self) -> u64 {
        self.messages -= std::mem::take(&mut self.sealed_out);
        self.sealed_written(usize::MAX)
    }

    /// Calls `write` with the front of the queue as slices; takes away what it wrote.
    pub(crate) fn write_with<E>(
        &mut self,
        framing: Framing,
        pool: &mut BufferPool,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let written = gather(&self.segments, self.offset, write)?;
        self.written(written, framing, pool);
        Ok(written)
    }

    /// Takes everything out, to be written with the lock released.
    pub(crate) fn take_batch(&mut self) -> Batch {
        let (messages, bytes) = (self.messages, self.bytes);
        self.out = Some((messages, bytes));
        Batch {
            segments: std::mem::take(&mut self.segments),
            offset: std::mem::take(&mut self.offset),
            delivered: self.delivered,
            walked: self.walked,
            messages,
            bytes,
        }
    }

    /// Puts a batch back in front of what was appended meanwhile, `written` bytes of it being gone.
    pub(crate) fn put_back(&mut self, batch: Batch, written: usize, framing: Framing, pool: &mut BufferPool) {
        self.out = None;
        let mut segments = batch.segments;
        segments.append(&mut self.segments);
        self.segments = segments;
        self.offset = batch.offset;
        self.written(written, framing, pool);
    }

    fn written(&mut self, mut count: usize, framing: Framing, pool: &mut BufferPool) {
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(front) = self.segments.front() {
            let left = front.len() - self.offset;
            if count < left {
                self.offset += count;
                self.walk(framing);
                return;
            }
            count -= left;
            self.offset = 0;
            let Some(segment) = self.segments.pop_front() else { return };
            self.walked = 0;
            self.messages -= u64::from(segment.messages - std::mem::take(&mut self.delivered));
            if segment.complete {
                for begun in self.begun.drain(..) {
                    recycle(begun, pool);
                }
                recycle(segment, pool);
            } else {
                self.begun.push(segment);
            }
        }
    }

    /// A write has ended within the first segment: its messages that are written to their end do not wait any more.
    fn walk(&mut self, framing: Framing) {
        let Some(front) = self.segments.front() else { return };
        // A body that is queued by reference, or raw bytes: no frames begin there.
        if matches!(front.data, Data::Reference(_)) {
            return;
        }
        let bytes = front.as_slice();
        let before = self.delivered;
        while self.delivered < front.messages
            && let Some(Ok(Some(header))) = bytes.get(self.walked..).map(|bytes| parse_header(framing, bytes))
        {
            let body = usize::try_from(header.body_len).unwrap_or(usize::MAX);
            let end = self.walked.saturating_add(header.header_len).saturating_add(body);
            // Beyond the offset it is on its way; beyond the segment its body is queued by reference.
            if end > self.offset {
                break;
            }
            self.walked = end;
            self.delivered += u32::from(!header.more);
        }
        self.messages -= u64::from(self.delivered - before);
    }

    /// Goes back to the start of the message that was being written: the connection broke, and a peer that got a part of
    /// a message throws it away.
    pub(crate) fn rewind(&mut self, framing: Framing) {
        let begun: usize = self.begun.iter().map(Segment::len).sum();
        let written = begun + self.offset;
        for segment in self.begun.drain(..).rev() {
            self.segments.push_front(segment);
        }
        (self.offset, self.walked, self.delivered) = (0, 0, 0);
        // What is queued begins at a message's start. Walk over the frames to the last start that is not beyond what was
        // written; headers never reach over the end of a segment.
        let (mut position, mut start, mut delivered) = (0usize, 0usize, 0u64);
        while position < written {
            let Ok(Some(header)) = parse_header(framing, self.slice_at(position)) else { break };
            let next = usize::try_from(header.body_len)
                .ok()
                .and_then(|len| len.checked_add(header.header_len))
                .and_then(|len| len.checked_add(position));
            let Some(next) = next else { break };
            position = next;
            if !header.more && position <= written {
                start = position;
                delivered += 1;
            }
        }
        // Everything before that start has been delivered.
        let mut trim = start;
        while let Some(front) = self.segments.front_mut() {
            if front.len() > trim {
                front.trim(trim);
                front.messages -= u32::try_from(delivered).unwrap_or(0).min(front.messages);
                break;
            }
            trim -= front.len();
            delivered = delivered.saturating_sub(u64::from(front.messages));
            self.segments.pop_front();
        }
        self.messages = self.segments.iter().map(|segment| u64::from(segment.messages)).sum();
        self.bytes = self.segments.iter().map(Segment::len).sum();
    }

    /// The bytes of one segment from a position in the queue on.
    fn slice_at(&self, position: usize) -> &[u8] {
        let mut before = 0;
        for segment in &self.segments {
            let end = before + segment.len();
            if position < end {
                return segment.as_slice().get(position - before..).unwrap_or_default();
            }
            before = end;
        }
        &[]
    }

    /// Turns what waits into the framing of ZMTP 1.0, for a peer that turned out to be that old.
    pub(crate) fn transcode_to_v1(&mut self) -> Result<(), u64> {
        let mut all = Vec::with_capacity(self.bytes);
        for segment in &self.segments {
            all.extend_from_slice(segment.as_slice());
        }
        let messages = self.messages;
        let Some(bytes) = transcode_v2_to_v1(&all) else { return Err(self.clear()) };
        *self = Self::default();
        if !bytes.is_empty() {
            self.bytes = bytes.len();
            self.messages = messages;
            let messages = u32::try_from(messages).unwrap_or(u32::MAX);
            self.segments.push_back(Segment { data: Data::Owned(bytes), messages, complete: true });
        }
        Ok(())
    }
}

fn recycle(segment: Segment, pool: &mut BufferPool) {
    if let Data::Owned(bytes) = segment.data {
        pool.give(bytes);
    }
}

fn gather<E>(
    segments: &VecDeque<Segment>,
    offset: usize,
    write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
) -> Result<usize, E> {
    let mut slices: [IoSlice<'_>; SLICES_MAX] = std::array::from_fn(|_| IoSlice::new(&[]));
    let mut count = 0;
    let mut skip = offset;
    for (slice, segment) in slices.iter_mut().zip(segments) {
        *slice = IoSlice::new(segment.as_slice().get(skip..).unwrap_or_default());
        skip = 0;
        count += 1;
    }
    write(slices.get(..count).unwrap_or_default())
}

impl Batch {
    /// One message.
    pub(crate) fn of(framing: Framing, message: Message) -> Self {
        let mut outbox = Outbox::default();
        outbox.append(framing, message, &mut BufferPool::default());
        outbox.take_batch()
    }

    /// How many messages, and bytes, are lost if so many bytes are written and no more.
    pub(crate) fn lost(self, written: usize, framing: Framing) -> (u64, usize) {
        let Self { segments, offset, delivered, walked, messages, bytes } = self;
        let mut rest = Outbox { segments, offset, delivered, walked, messages, bytes, ..Outbox::default() };
        rest.written(written, framing, &mut BufferPool::default());
        (rest.messages, rest.bytes)
    }

    /// Writes until `write` fails or everything is written; returns how much was, and the failure.
    pub(crate) fn write_all_with<E>(
        &self,
        limit: usize,
        mut write: impl FnMut(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> (usize, Option<E>) {
        let mut total = 0;
        let (mut index, mut offset) = (0, self.offset);
        while let Some(segment) = self.segments.get(index) {
            if total >= limit {
                break;
            }
            let mut slices: [IoSlice<'_>; SLICES_MAX] = std::array::from_fn(|_| IoSlice::new(&[]));
            let mut count = 0;
            let mut skip = offset;
            for (slice, segment) in slices.iter_mut().zip(self.segments.range(index..)) {
                *slice = IoSlice::new(segment.as_slice().get(skip..).unwrap_or_default());
                skip = 0;
                count += 1;
            }
            let mut written = match write(slices.get(..count).unwrap_or_default()) {
                Ok(written) => written,
                Err(error) => return (total, Some(error)),
            };
            total += written;
            if written == 0 && segment.len() > 0 {
                break;
            }
            while let Some(segment) = self.segments.get(index) {
                let left = segment.len() - offset;
                if written < left {
                    offset += written;
                    break;
                }
                written -= left;
                offset = 0;
                index += 1;
            }
        }
        (total, None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tamtam_zmtp::Frame;

    use super::*;

    /// Takes `count` bytes (or all) out of the outbox, as the kernel would.
    fn take(outbox: &mut Outbox, pool: &mut BufferPool, count: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < count && !outbox.is_empty() {
            let left = count - taken.len();
            let written = outbox
                .write_with(Framing::V2, pool, |slices| {
                    let mut written = 0;
                    for slice in slices {
                        let part = slice.len().min(left - written);
                        taken.extend_from_slice(&slice[..part]);
                        written += part;
                    }
                    Ok::<_, ()>(written)
                })
                .unwrap();
            assert!(written > 0);
        }
        taken
    }

    fn encoded(message: &Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        let count = message.frame_count();
        for (index, frame) in message.frames().enumerate() {
            Framing::V2.put_header(&mut bytes, frame.len(), index + 1 < count);
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    fn message(sizes: &[usize]) -> Message {
        Message::from_frames(sizes.iter().map(|&size| Frame::from(vec![size as u8; size]))).unwrap()
    }

    fn sizes() -> impl Strategy<Value = Vec<usize>> {
        let size = prop_oneof![4 => 0usize..300, 1 => (REFERENCE_MIN - 2)..(REFERENCE_MIN + 100), 1 => 60_000usize..70_000];
        prop::collection::vec(size, 1..4)
    }

    proptest! {
        /// Whatever was written when a connection broke: the next one gets whole messages, from the first that was not
        /// written to its end.
        #[test]
        fn rewinding_repeats_exactly_the_message_that_was_cut(
            all in prop::collection::vec(sizes(), 1..30),
            cut in 0.0f64..1.0,
            batched in any::<bool>(),
        ) {
            let (mut outbox, mut pool) = (Outbox::default(), BufferPool::default());
            let messages: Vec<Vec<u8>> = all.iter().map(|sizes| encoded(&message(sizes))).collect();
            for sizes in &all {
                outbox.append(Framing::V2, message(sizes), &mut pool);
            }
            let total: usize = messages.iter().map(Vec::len).sum();
            prop_assert_eq!(outbox.bytes(), total);
            prop_assert_eq!(outbox.messages(), all.len() as u64);
            let cut = (total as f64 * cut) as usize;
            if batched {
                let batch = outbox.take_batch();
                outbox.put_back(batch, cut, Framing::V2, &mut pool);
            } else {
                let taken = take(&mut outbox, &mut pool, cut);
                prop_assert_eq!(taken.len(), cut);
            }
            prop_assert_eq!(outbox.bytes(), total - cut);
            // The first message whose end is beyond the cut.
            let mut end = 0;
            let first = messages.iter().position(|bytes| { end += bytes.len(); end > cut }).unwrap_or(messages.len());
            prop_assert_eq!(outbox.messages(), (messages.len() - first) as u64);
            outbox.rewind(Framing::V2);
            let expected: Vec<u8> = messages[first..].concat();
            prop_assert_eq!(outbox.bytes(), expected.len());
            prop_assert_eq!(outbox.messages(), (messages.len() - first) as u64);
            prop_assert!(outbox.is_at_boundary());
            prop_assert!(take(&mut outbox, &mut pool, usize::MAX) == expected);
            prop_assert_eq!((outbox.messages(), outbox.bytes()), (0, 0));
        }
    }

    #[test]
    fn ranges_of_a_shared_chunk_grow_and_are_written_once_sealed() {
        let mut pool = BufferPool::default();
        let mut chunk = OpenChunk::new(Vec::new());
        let [mut all, mut some, mut rare, mut stalled] = [(); 4].map(|()| Outbox::default());
        for i in 0..10u8 {
            let start = chunk.bytes.len();
            Framing::V2.put_header(&mut chunk.bytes, 1, false);
            chunk.bytes.push(i);
            let range = (start, chunk.bytes.len());
            all.append_range(&chunk.cell, &chunk.bytes, range, false, &mut pool);
            stalled.append_range(&chunk.cell, &chunk.bytes, range, true, &mut pool);
            if i % 5 == 0 {
                some.append_range(&chunk.cell, &chunk.bytes, range, false, &mut pool);
                rare.append_range(&chunk.cell, &chunk.bytes, range, true, &mut pool);
            }
        }
        assert_eq!((all.segments.len(), some.segments.len()), (1, 2));
        // One that sleeps and wants little has copies of its own; one that wants all shares, but for the first.
        assert!(rare.segments.iter().all(|segment| matches!(segment.data, Data::Owned(_))));
        assert_eq!(stalled.segments.len(), 2);
        assert_eq!((all.messages(), some.messages()), (10, 2));
        let everything = chunk.bytes.clone();
        chunk.seal();
        assert_eq!(take(&mut all, &mut pool, usize::MAX), everything);
        assert_eq!(take(&mut stalled, &mut pool, usize::MAX), everything);
        assert_eq!(take(&mut some, &mut pool, usize::MAX), [0, 1, 0, 0, 1, 5]);
        assert_eq!(take(&mut rare, &mut pool, usize::MAX), [0, 1, 0, 0, 1, 5]);
        assert_eq!((all.messages(), some.messages()), (0, 0));
    }

    #[test]
    fn a_batch_is_written_behind_the_lock_and_what_came_meanwhile_follows() {
        let (mut outbox, mut pool) = (Outbox::default(), BufferPool::default());
        outbox.append(Framing::V2, message(&[20_000]), &mut pool);
        outbox.append(Framing::V2, message(&[5]), &mut pool);
        let before = outbox.bytes();
        let batch = outbox.take_batch();
        outbox.append(Framing::V2, message(&[7]), &mut pool);
        let mut calls = 0;
        let (written, error) = batch.write_all_with(usize::MAX, |slices| {
            calls += 1;
            if calls == 3 {
                Err("full")
            } else {
                Ok(slices.iter().map(|slice| slice.len()).sum::<usize>().min(15_000))
            }
        });
        assert_eq!((written, error), (before, None), "two writes take everything");
        outbox.put_back(batch, 20_003, Framing::V2, &mut pool);
        assert_eq!(outbox.messages(), 3, "the first one lacks its last bytes");
        assert_eq!(take(&mut outbox, &mut pool, usize::MAX).len(), before - 20_003 + 9);
    }

    /// Also within one buffer of many small messages, and while more are appended to it.
    #[test]
    fn what_is_written_to_its_end_does_not_count_as_waiting() {
        let (mut outbox, mut pool) = (Outbox::default(), BufferPool::default());
        for _ in 0..500 {
            outbox.append(Framing::V2, message(&[3]), &mut pool);
        }
        for (step, waiting) in [(4, 500), (1, 499), (5 * 99, 400), (9, 399), (1, 398)] {
            take(&mut outbox, &mut pool, step);
            assert_eq!(outbox.messages(), waiting);
        }
        outbox.append(Framing::V2, message(&[1, 1]), &mut pool);
        take(&mut outbox, &mut pool, 398 * 5 + 3);
        assert_eq!(outbox.messages(), 1, "one frame of it is left");
        outbox.append(Framing::V2, message(&[1]), &mut pool);
        take(&mut outbox, &mut pool, 3);
        assert_eq!(outbox.messages(), 1);
        take(&mut outbox, &mut pool, 3);
        assert_eq!((outbox.messages(), outbox.bytes()), (0, 0));
    }

    #[test]
    fn a_queue_that_goes_while_a_batch_is_out_leaves_the_batch_to_its_writer() {
        for (written, lost) in [(0, (3, 30_022)), (4, (3, 30_018)), (20_006, (2, 10_016)), (30_022, (0, 0))] {
            let (mut outbox, mut pool) = (Outbox::default(), BufferPool::default());
            outbox.append(Framing::V2, message(&[20_000 - 3]), &mut pool);
            outbox.append(Framing::V2, message(&[10_000]), &mut pool);
            outbox.append(Framing::V2, message(&[5]), &mut pool);
            assert_eq!(outbox.bytes(), 30_022);
            let batch = outbox.take_batch();
            outbox.append(Framing::V2, message(&[7]), &mut pool);
            assert_eq!((outbox.messages(), outbox.not_out()), (4, (1, 9)));
            assert_eq!((outbox.clear(), outbox.messages()), (1, 0));
            assert_eq!(batch.lost(written, Framing::V2), lost, "{written}");
        }
    }

    #[test]
    fn a_message_that_is_written_already_is_not_lost_with_the_batch() {
        let (mut outbox, mut pool) = (Outbox::default(), BufferPool::default());
        for size in [5, 6, 7] {
            outbox.append(Framing::V2, message(&[size]), &mut pool);
        }
        // The first message and a part of the second one.
        assert_eq!(take(&mut outbox, &mut pool, 9).len(), 9);
        assert_eq!(outbox.messages(), 2);
        let batch = outbox.take_batch();
        assert_eq!(outbox.clear(), 0);
        assert_eq!(batch.lost(6, Framing::V2), (1, 9));
    }

    #[test]
    fn clearing_leaves_a_batch_that_is_out_alone() {
        let (mut outbox, mut pool) = (Outbox::default(), BufferPool::default());
        outbox.append(Framing::V2, message(&[20_000]), &mut pool);
        let batch = outbox.take_batch();
        assert_eq!(outbox.clear_waiting(), 0);
        outbox.append(Framing::V2, message(&[30_000]), &mut pool);
        assert_eq!(outbox.clear_waiting(), 1);
        outbox.append(Framing::V2, message(&[7]), &mut pool);
        assert_eq!(outbox.messages(), 2);
        outbox.put_back(batch, 20_009, Framing::V2, &mut pool);
        assert_eq!((outbox.messages(), outbox.bytes()), (1, 9));
    }

    #[test]
    fn clearing_keeps_what_is_on_its_way() {
        let (mut outbox, mut pool) = (Outbox::default(), BufferPool::default());
        for _ in 0..3 {
            outbox.append(Framing::V2, message(&[10_000]), &mut pool);
        }
        take(&mut outbox, &mut pool, 100);
        assert_eq!(outbox.clear_waiting(), 2);
        assert_eq!(outbox.messages(), 1);
        assert_eq!(take(&mut outbox, &mut pool, usize::MAX).len(), 10_009 - 100);
    }
}
