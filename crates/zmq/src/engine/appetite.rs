//! How much is read at a time, and into what.

use bytes::BytesMut;

use super::large_buffers::LargeBuffers;

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
