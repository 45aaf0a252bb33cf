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
/// let (mut frames, mut message) = (Frames::new(100), Vec::new());
/// frames.push(&prefix(2, 100)?);
/// assert!(!frames.take(&mut message)?); // not all there yet
/// frames.push(b"hi");
/// assert!(frames.take(&mut message)?);
/// assert_eq!(message, b"hi");
/// # Ok::<(), tamtam_ipc::Error>(())
/// ```
#[derive(Debug)]
pub struct Frames {
    max: usize,
    /// Short messages, several at once. What came and was not taken yet stands in `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// A message that does not fit into the buffer is collected here, so that it is copied once less.
    long: Vec<u8>,
    /// How much of `long` came. What stands behind it is left of earlier messages.
    filled: usize,
    /// How long `long` will be; 0 if nothing is being collected.
    wanted: usize,
}

/// Octets of the buffer: what is read at once.
const CHUNK: usize = 32 << 10;

impl Frames {
    /// For messages of at most `max` octets.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { max, buffer: Vec::new(), start: 0, end: 0, long: Vec::new(), filled: 0, wanted: 0 }
    }

    /// Takes the next message if all of it is there; tells whether it was.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the next length is greater than allowed. The stream is of no use after that, and the error stays.
    pub fn take(&mut self, into: &mut Vec<u8>) -> Result<bool, Error> {
        if self.wanted > 0 {
            if self.filled < self.wanted {
                return Ok(false);
            }
            self.long.truncate(self.wanted);
            std::mem::swap(&mut self.long, into);
            (self.filled, self.wanted) = (0, 0);
            return Ok(true);
        }
        let there = &self.buffer[self.start..self.end];
        let Some((length, rest)) = there.split_first_chunk::<PREFIX>() else { return Ok(false) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.max {
            return Err(Error::Corrupt(
                format!("a length of {length} octets where {} are the most", self.max).into(),
            ));
        }
        if let Some(message) = rest.get(..length) {
            into.clear();
            into.extend_from_slice(message);
            self.start += PREFIX + length;
            return Ok(true);
        }
        if length > CHUNK - PREFIX {
            (self.filled, self.wanted) = (rest.len(), length);
            if self.long.len() < rest.len() {
                self.long.resize(rest.len(), 0);
            }
            self.long[..rest.len()].copy_from_slice(rest);
            self.start = self.end;
        }
        Ok(false)
    }

    /// Returns the room into which the next octets may be read, once [`take`](Self::take) has taken what there was. It grows with what
    /// really came, not with what a length claims; it is empty only if messages were left untaken.
    pub fn room(&mut self) -> &mut [u8] {
        if self.wanted > self.filled {
            let room = (self.wanted - self.filled).min(self.filled.max(CHUNK));
            let end = self.filled + room;
            if self.long.len() < end {
                self.long.resize(end, 0);
            }
            return &mut self.long[self.filled..end];
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.buffer.resize(CHUNK, 0);
        &mut self.buffer[self.end..]
    }

    /// Tells that so many octets were read into [`room`](Self::room).
    pub fn came(&mut self, count: usize) {
        if self.wanted > self.filled {
            self.filled = self.filled.saturating_add(count).min(self.wanted).min(self.long.len());
        } else {
            self.end = self.end.saturating_add(count).min(self.buffer.len());
        }
    }

    /// Copies octets that came into [`room`](Self::room), and returns how many had room.
    pub fn push(&mut self, octets: &[u8]) -> usize {
        let room = self.room();
        let count = room.len().min(octets.len());
        room[..count].copy_from_slice(&octets[..count]);
        self.came(count);
        count
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
        let (middle, long) = (vec![7; CHUNK - 4], (0..200_000).map(|i| i as u8).collect::<Vec<_>>());
        let messages: [&[u8]; 8] = [b"", b"a", &long, b"", &middle, &middle, &long[..CHUNK - 3], b"last"];
        let octets = stream(&messages);
        for size in [1, 2, 3, 5, 4096, CHUNK, octets.len()] {
            let mut frames = Frames::new(1 << 20);
            let (mut found, mut message) = (Vec::new(), Vec::new());
            for mut part in octets.chunks(size) {
                while !part.is_empty() {
                    part = &part[frames.push(part)..];
                    while frames.take(&mut message).expect("sound") {
                        found.push(message.clone());
                    }
                }
            }
            assert!(found == messages, "cut every {size}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_found_before_memory_is_reserved() {
        let mut frames = Frames::new(10);
        frames.push(&u32::MAX.to_le_bytes());
        for _ in 0..2 {
            assert!(matches!(frames.take(&mut Vec::new()), Err(Error::Corrupt(_))));
        }
        assert!(frames.buffer.len() <= CHUNK);
    }

    #[test]
    fn memory_grows_with_what_came() {
        let (mut frames, mut message) = (Frames::new(MESSAGE_MAX), Vec::new());
        frames.push(&u32::MAX.to_le_bytes());
        assert!(!frames.take(&mut message).expect("sound"));
        for _ in 0..4 {
            frames.push(&[1; 100]);
            assert!(!frames.take(&mut message).expect("sound"));
        }
        assert!(frames.long.len() <= 2 * CHUNK, "{}", frames.long.len());
        frames.came(usize::MAX);
        assert!(!frames.take(&mut message).expect("sound"));
    }

    #[test]
    fn too_long_is_said_before_anything_is_written() {
        assert!(matches!(prefix(11, 10), Err(Error::TooLong { len: 11, max: 10 })));
        assert_eq!(prefix(0, 0).expect("fits"), [0; 4]);
        assert_eq!(prefix(0x0102, 0x0102).expect("fits"), [2, 1, 0, 0]);
    }
}
