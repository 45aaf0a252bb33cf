//! Memory for large messages that is used again.
//!
//! An allocator gives large pieces of memory back to the kernel when they are freed, as glibc's does, and pages that are fetched anew fault one by
//! one: for a message of 1 MiB that takes longer than to copy it. So a socket holds on to the last few large buffers that it
//! has read into, and takes one of them again once nothing refers to it any more.

use std::time::Duration;

use bytes::BytesMut;
use tamtam_zmtp::{Frame, Message, SLICE_MIN};

use super::outbox::REFERENCE_MIN;

/// Buffers that were not used for so long go back to the allocator.
pub(crate) const REST: Duration = Duration::from_millis(500);

/// A handle keeps memory alive, so it says how much.
#[derive(Debug)]
struct Kept {
    /// Empty, at the end of the allocation.
    handle: BytesMut,
    capacity: usize,
}

/// The last large buffers of a socket, most of them lent out.
#[derive(Debug, Default)]
pub(crate) struct LargeBuffers {
    kept: Vec<Kept>,
    /// Whether one was taken since [`rest`](Self::rest) was last called.
    used: bool,
    /// Whether somebody will call it.
    is_watched: bool,
}

impl LargeBuffers {
    /// As many as one end of a conversation has in its hands: one that is read into, one that the application looks at, one
    /// that is on its way back.
    const KEPT: usize = 3;
    /// Larger buffers are left to the allocator.
    const LARGEST: usize = 4 * 1024 * 1024;

    /// Returns an empty buffer with room for `room` bytes: one that was used before, if nothing of it is in use.
    pub(crate) fn take(&mut self, room: usize) -> BytesMut {
        if room > Self::LARGEST {
            return BytesMut::with_capacity(room);
        }
        self.used = true;
        for kept in &mut self.kept {
            // What a short message keeps alive is in proportion to it.
            if (room..=room.saturating_mul(2)).contains(&kept.capacity) && kept.handle.try_reclaim(room) {
                return kept.lend();
            }
        }
        let mut fresh = Kept { capacity: 0, handle: BytesMut::with_capacity(room) };
        let buffer = fresh.lend();
        if self.kept.len() >= Self::KEPT {
            self.kept.remove(0);
        }
        self.kept.push(fresh);
        buffer
    }

    /// Returns whether the caller is to see to it that [`rest`](Self::rest) is called after [`REST`]; says so once.
    #[inline]
    pub(crate) fn begins(&mut self) -> bool {
        self.used && !std::mem::replace(&mut self.is_watched, true)
    }

    /// Gives everything up if nothing was taken since the last time. Returns whether to call again after [`REST`].
    pub(crate) fn rest(&mut self) -> bool {
        self.is_watched = std::mem::take(&mut self.used);
        if !self.is_watched {
            self.clear();
        }
        self.is_watched
    }

    /// Gives everything up.
    pub(crate) fn clear(&mut self) {
        self.kept = Vec::new();
    }
}

impl Kept {
    /// Parts with the memory, and stays at its end.
    fn lend(&mut self) -> BytesMut {
        self.capacity = self.handle.capacity();
        let end = self.handle.split_off(self.capacity);
        std::mem::replace(&mut self.handle, end)
    }
}

/// Cuts the bodies of short messages out of larger pieces of memory.
///
/// What one thread allocates and another frees, as messages between threads are, makes the two wait for each other in the
/// allocator each time. Here that happens once for many messages.
#[derive(Debug, Default)]
pub(crate) struct Carver {
    rest: BytesMut,
}

impl Carver {
    const PIECE: usize = 32 * 1024;

    /// Copies frames into a message of their own.
    pub(crate) fn message(&mut self, frames: &[&[u8]]) -> Message {
        match frames {
            [only] => Message::from(self.frame(only)),
            _ => Message::from_frames(frames.iter().map(|frame| self.frame(frame))).unwrap_or_default(),
        }
    }

    fn frame(&mut self, body: &[u8]) -> Frame {
        // The bounds of what is cut out of a read buffer and of what is queued by reference.
        if !(SLICE_MIN..REFERENCE_MIN).contains(&body.len()) {
            return Frame::copy_from(body);
        }
        if self.rest.capacity() < body.len() {
            self.rest = BytesMut::with_capacity(Self::PIECE);
        }
        self.rest.extend_from_slice(body);
        Frame::from_bytes(self.rest.split().freeze())
    }

    /// Gives up what is not cut yet.
    pub(crate) fn clear(&mut self) {
        self.rest = BytesMut::new();
    }
}

/// What a connection has shown of the sizes of its messages, and so how much room its next read gets.
///
/// Small messages are read many at a time. Each large one is read into a buffer of its own, which then is the message's, so
/// that it is not copied and keeps nothing else in memory.
#[derive(Debug, Default)]
pub(crate) struct Appetite {
    /// The most bytes that were ever unparsed at once: as much may be reserved for a frame without having it yet.
    largest: usize,
    /// The size of the last large frame; the next one is expected to be as large. 0: no large ones are expected.
    frame: usize,
    /// Reads in a row that brought something else.
    misses: u8,
    /// The last read was to bring a frame of that size.
    expecting: bool,
}

/// How much is read at a time.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// Frames from this size on, with their headers, are read into buffers of their own.
pub(crate) const LARGE: usize = 32 * 1024;
/// So much is read beyond the end of a large frame: the header of the next one, which tells how large that is. It is copied.
const BEYOND: usize = 2 * 1024;
/// How many times what has arrived of a large frame may be reserved for the rest of it. Growing in smaller steps would copy
/// large messages again and again.
const GROWTH: usize = 16;
/// After so many misses no large frame is expected.
const MISSES_MAX: u8 = 4;

impl Appetite {
    /// Tells whether the next read may use any buffer of [`READ_BYTES`].
    #[inline]
    pub(crate) fn is_small(&self, input: &BytesMut, wanted: usize) -> bool {
        self.frame == 0 && input.len() + wanted < LARGE
    }

    /// Tells whether the last frames were large.
    pub(crate) fn expects_large(&self) -> bool {
        self.frame > 0
    }

    /// Makes room in `input` for the next read, and returns how much is to be read at most. `wanted` is what a frame whose
    /// beginning is there still lacks, 0 if that is not known.
    ///
    /// A length that a stranger claims reserves nothing by itself, but in proportion to what has arrived; and memory that is
    /// not written to costs nothing yet.
    pub(crate) fn make_room(
        &mut self,
        input: &mut BytesMut,
        wanted: usize,
        buffers: &mut LargeBuffers,
    ) -> usize {
        let have = input.len();
        self.expecting = false;
        if wanted > 0 && have + wanted >= LARGE {
            (self.frame, self.misses) = (have + wanted, 0);
        } else if self.frame > 0 && wanted == 0 {
            self.expecting = true;
        } else if have + wanted < LARGE {
            let room = READ_BYTES.saturating_sub(have).max(1);
            if input.capacity() - have < (READ_BYTES / 4).min(room).max(wanted) {
                input.reserve(room.max(wanted));
            }
            return usize::MAX;
        }
        // Reading on, or looking for the next one.
        let proved = have.saturating_mul(GROWTH).max(self.largest).max(READ_BYTES);
        let lacking = if wanted > 0 { wanted } else { self.frame.saturating_sub(have).max(LARGE) };
        let room = lacking.saturating_add(BEYOND).min(proved);
        if input.capacity() - have < lacking.min(room) {
            let mut buffer = buffers.take(have + room);
            buffer.extend_from_slice(input);
            *input = buffer;
        }
        room
    }

    /// Notes that so much was read, and that there are `unparsed` bytes now.
    #[inline]
    pub(crate) fn received(&mut self, count: usize, unparsed: usize) {
        self.largest = self.largest.max(unparsed);
        if self.expecting && count < self.frame / 2 {
            self.misses += 1;
            if self.misses >= MISSES_MAX {
                (self.frame, self.misses) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &mut LargeBuffers, room: usize) -> bytes::Bytes {
        let mut buffer = buffers.take(room);
        assert!(buffer.is_empty() && buffer.capacity() >= room);
        buffer.resize(room, 7);
        buffer.freeze()
    }

    #[test]
    fn memory_is_used_again_once_nothing_refers_to_it() {
        let mut buffers = LargeBuffers::default();
        let first = filled(&mut buffers, 100_000);
        let place = first.as_ptr();
        let part = first.slice(99_000..);
        drop(first);
        let second = filled(&mut buffers, 100_000);
        assert_ne!(second.as_ptr(), place, "a part of it is in use");
        drop(part);
        assert_eq!(filled(&mut buffers, 90_000).as_ptr(), place);
        let small = filled(&mut buffers, 40_000);
        assert_ne!(small.as_ptr(), place, "a small message is not to keep much memory");
        drop((second, small));
        assert!(buffers.begins() && !buffers.begins());
        assert!(buffers.rest(), "used since");
        assert!(!buffers.rest());
        assert!(buffers.kept.is_empty());
        assert!(!buffers.begins(), "nobody has used it since");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut buffers = LargeBuffers::default();
        let all: Vec<_> = (1..20).map(|i| filled(&mut buffers, i * 200_000)).collect();
        drop(all);
        let _huge = filled(&mut buffers, LargeBuffers::LARGEST + 1);
        assert!(buffers.kept.len() <= LargeBuffers::KEPT);
        assert!(buffers.kept.iter().all(|kept| kept.capacity <= LargeBuffers::LARGEST * 2));
    }

    /// Reads a stream of frames of these sizes as a connection does, from a kernel that has `ready` bytes each time; returns how
    /// many reads it took and how many bytes were moved from one buffer to another.
    fn read_all(frames: &[usize], ready: usize) -> (usize, usize) {
        let (mut appetite, mut buffers, mut input) =
            (Appetite::default(), LargeBuffers::default(), BytesMut::new());
        let (mut reads, mut moved) = (0, 0);
        let mut left: usize = frames.iter().sum();
        let mut frames = frames.iter().copied().peekable();
        while let Some(&frame) = frames.peek() {
            if input.len() >= frame {
                drop(input.split_to(frame).freeze());
                frames.next();
                continue;
            }
            let wanted = if input.len() < 9 { 0 } else { frame - input.len() };
            let before = (input.as_ptr(), input.len());
            let most = appetite.make_room(&mut input, wanted, &mut buffers);
            if input.as_ptr() != before.0 {
                moved += before.1;
            }
            let count = (input.capacity() - input.len()).min(most).min(ready).min(left);
            assert!(count > 0);
            input.extend_from_slice(&vec![0; count]);
            left -= count;
            reads += 1;
            appetite.received(count, input.len());
        }
        assert_eq!(left, 0);
        (reads, moved)
    }

    #[test]
    fn large_frames_are_hardly_moved_and_take_a_read_each() {
        for size in [65_545, 300_000, 1_048_585] {
            let (reads, moved) = read_all(&vec![size; 100], usize::MAX);
            assert!(reads <= 110, "{reads} reads for 100 frames of {size}");
            assert!(moved <= 100 * BEYOND + 3 * READ_BYTES, "{moved} bytes moved of 100 frames of {size}");
        }
    }

    #[test]
    fn small_frames_are_read_many_at_a_time_also_after_large_ones() {
        assert!(read_all(&vec![66; 100_000], usize::MAX).0 <= 110);
        let mixed: Vec<usize> =
            std::iter::repeat_n(200_000, 10).chain(std::iter::repeat_n(66, 100_000)).collect();
        assert!(read_all(&mixed, usize::MAX).0 <= 130);
    }

    #[test]
    fn a_claimed_length_reserves_in_proportion_to_what_has_arrived() {
        let (mut appetite, mut buffers, mut input) =
            (Appetite::default(), LargeBuffers::default(), BytesMut::from(&[0; 9][..]));
        assert!(appetite.make_room(&mut input, usize::MAX / 2, &mut buffers) <= READ_BYTES);
        assert!(input.capacity() <= 2 * READ_BYTES);
        input.extend_from_slice(&[0; 10_000]);
        appetite.make_room(&mut input, usize::MAX / 2, &mut buffers);
        assert!(input.capacity() <= 10_009 * (GROWTH + 1) + READ_BYTES);
    }
}
