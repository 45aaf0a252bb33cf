//! Messages on a stream of octets: the length, four octets little-endian, before each.
//!
//! Pure: [`Frames`] takes octets as they come and gives back messages; [`prefix`] is what a sender puts before each.

use crate::Error;

/// Octets of the length before each message.
pub const PREFIX: usize = 4;

/// The longest message that the prefix can express.
pub const MESSAGE_MAX: usize = u32::MAX as usize;

/// Returns what stands before a message of this length.
///
/// # Errors
///
/// [`Error::TooLong`] if the length is greater than `max`, or than [`MESSAGE_MAX`].
pub fn prefix(len: usize, max: usize) -> Result<[u8; PREFIX], Error> {
    let max = max.min(MESSAGE_MAX);
    match u32::try_from(len) {
        Ok(length) if len <= max => Ok(length.to_le_bytes()),
        _ => Err(Error::TooLong { len, max }),
    }
}

/// Finds the messages in a stream of octets.
///
/// ```
/// use tamtam_ipc::framing::{Frames, prefix};
///
/// let mut frames = Frames::new(100);
/// frames.push(&prefix(2, 100)?);
/// assert_eq!(frames.next()?, None); // not all there yet
/// frames.push(b"hi");
/// assert_eq!(frames.next()?, Some(&b"hi"[..]));
/// # Ok::<(), tamtam_ipc::Error>(())
/// ```
#[derive(Debug)]
pub struct Frames {
    max: usize,
    /// What came, from `start` on not yet given out. Read into directly, so it is as long as the room that was ever wanted.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// How much is read at once: some short messages, or the length and the beginning of a long one.
const CHUNK: usize = 16 << 10;

impl Frames {
    /// For messages of at most `max` octets.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { max, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Takes octets that came.
    pub fn push(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let room = self.room();
            let count = room.len().min(octets.len());
            let (now, rest) = octets.split_at(count);
            if let Some(part) = room.get_mut(..count) {
                part.copy_from_slice(now);
            }
            self.came(count);
            octets = rest;
        }
    }

    /// Returns the room into which the next octets may be read; never empty. It grows with what really came, not with what a length claims.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < CHUNK / 4 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() - self.end < CHUNK / 4 {
            let wanted = (self.buffer.len() * 2).max(CHUNK);
            self.buffer.resize(wanted, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Tells that so many octets were read into [`room`](Self::room).
    pub fn came(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }

    /// Tells whether part of a message is there: the stream must not end now.
    #[must_use]
    pub const fn is_amid(&self) -> bool {
        self.start < self.end
    }

    /// Returns the next message if all of it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the next length is greater than allowed. The stream is of no use after that, and the error stays.
    #[allow(clippy::should_implement_trait, reason = "it lends from itself, which iterators cannot")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        let there = &self.buffer[self.start..self.end];
        let Some((length, rest)) = there.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.max {
            return Err(Error::Corrupt(
                format!("a length of {length} octets where {} are the most", self.max).into(),
            ));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let from = self.start + PREFIX;
        self.start = from + length;
        Ok(Some(&self.buffer[from..from + length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(messages: &[&[u8]]) -> Vec<u8> {
        messages.iter().flat_map(|m| [&prefix(m.len(), 1 << 20).expect("fits")[..], m].concat()).collect()
    }

    #[test]
    fn any_cut_gives_the_same_messages() {
        let long = vec![7; 50_000];
        let messages: [&[u8]; 5] = [b"", b"a", &long, b"", b"last"];
        let octets = stream(&messages);
        for size in [1, 2, 3, 5, 4096, octets.len()] {
            let mut frames = Frames::new(1 << 20);
            let mut found = Vec::new();
            for part in octets.chunks(size) {
                frames.push(part);
                while let Some(message) = frames.next().expect("sound") {
                    found.push(message.to_vec());
                }
            }
            assert_eq!(found, messages, "cut every {size}");
            assert!(!frames.is_amid());
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_found_before_memory_is_reserved() {
        let mut frames = Frames::new(10);
        frames.push(&u32::MAX.to_le_bytes());
        for _ in 0..2 {
            assert!(matches!(frames.next(), Err(Error::Corrupt(_))));
        }
        assert!(frames.buffer.len() <= CHUNK);
        frames.came(usize::MAX);
        assert!(frames.next().is_err());
    }

    #[test]
    fn too_long_is_said_before_anything_is_written() {
        assert!(matches!(prefix(11, 10), Err(Error::TooLong { len: 11, max: 10 })));
        assert_eq!(prefix(0, 0).expect("fits"), [0; 4]);
        assert_eq!(prefix(0x0102, 0x0102).expect("fits"), [2, 1, 0, 0]);
    }

    #[test]
    fn half_a_message_is_noticed() {
        let mut frames = Frames::new(10);
        frames.push(&stream(&[b"abc"])[..5]);
        assert_eq!(frames.next().expect("sound"), None);
        assert!(frames.is_amid());
    }
}
