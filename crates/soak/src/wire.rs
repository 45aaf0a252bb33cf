//! Follows a stream of ZMTP 3 bytes from message to message, as somebody who passes it on.

use crate::body::{TAG_LEN, Tag};

const GREETING: usize = 64;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// A message of the stream: its tag, and where in the stream it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) tag: Tag,
    pub(crate) end: u64,
}

/// Where in the stream the next octet is.
#[derive(Debug)]
pub(crate) struct Walk {
    position: u64,
    /// The rest of the greeting.
    greeting: usize,
    /// A frame's flags and length, as far as they have come.
    header: [u8; 9],
    header_len: usize,
    /// The frame's body: what is left of it, and how it begins.
    left: Option<u64>,
    begins: [u8; TAG_LEN],
    begins_len: usize,
    pub(crate) passed: Vec<Passed>,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            position: 0,
            greeting: GREETING,
            header: [0; 9],
            header_len: 0,
            left: None,
            begins: [0; TAG_LEN],
            begins_len: 0,
            passed: Vec::new(),
        }
    }
}

impl Walk {
    /// Follows these octets.
    pub(crate) fn follow(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let step = if self.greeting > 0 {
                let step = self.greeting.min(octets.len());
                self.greeting -= step;
                step
            } else if let Some(left) = self.left {
                let step = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
                let (begin, _) = octets.split_at(step.min(TAG_LEN - self.begins_len));
                let end = self.begins_len + begin.len();
                self.begins[self.begins_len..end].copy_from_slice(begin);
                self.begins_len = end;
                self.left = Some(left - step as u64);
                step
            } else {
                self.header[self.header_len] = octets[0];
                self.header_len += 1;
                1
            };
            octets = octets.get(step..).unwrap_or_default();
            self.position += step as u64;
            self.turn();
        }
    }

    /// At a frame's beginning or end the next thing begins.
    fn turn(&mut self) {
        let is_long = self.header[0] & LONG != 0;
        if self.left.is_none() && self.header_len == if is_long { 9 } else { 2 } {
            let mut len = [0; 8];
            len.copy_from_slice(&self.header[1..]);
            self.left = Some(if is_long { u64::from_be_bytes(len) } else { u64::from(self.header[1]) });
        }
        if self.left == Some(0) {
            if self.header[0] & (MORE | COMMAND) == 0 {
                let begins = if self.begins_len == TAG_LEN { self.begins } else { [0; TAG_LEN] };
                self.passed.push(Passed { tag: Tag(u64::from_le_bytes(begins)), end: self.position });
            }
            (self.left, self.header_len, self.begins_len) = (None, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_stream_is_cut_into_pieces() {
        let mut stream = vec![0xff; GREETING];
        stream.extend([COMMAND, 3, 1, 2, 3]);
        stream.extend([0, 10]);
        stream.extend(7_u64.to_le_bytes());
        stream.extend([1, 2]);
        let first = stream.len() as u64;
        stream.extend([MORE, 2, 9, 9, MORE, 0]);
        stream.extend([LONG, 0, 0, 0, 0, 0, 0, 1, 0]);
        stream.extend(8_u64.to_le_bytes());
        stream.extend([5; 248]);
        let second = stream.len() as u64;
        stream.extend([0, 20, 1, 1, 1]);
        let expected = [Passed { tag: Tag(7), end: first }, Passed { tag: Tag(8), end: second }];
        for piece in [1, 2, 3, 7, 64, 1000] {
            let mut walk = Walk::default();
            stream.chunks(piece).for_each(|octets| walk.follow(octets));
            assert_eq!(walk.passed, expected, "pieces of {piece}");
        }
    }
}
