//! What stands in a message: its number, as far as there is room.

/// The content of messages of one size.
#[derive(Debug)]
pub(crate) struct Payload {
    octets: Vec<u8>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Its number, from 0 on.
    Number(u64),
    /// No more will come.
    End,
    /// Nothing: it has no content.
    Nothing,
    /// What no message of this size says.
    Nonsense,
}

/// Octets that the number takes.
const ROOM: usize = size_of::<u64>();

impl Payload {
    pub(crate) fn new(size: usize) -> Self {
        // Not zeros, which a mechanism or the machine might treat better than others.
        Self { octets: (0..size).map(|index| (index % 251) as u8).collect() }
    }

    /// The message of this number. It wraps where it does not fit; the largest one is the end's.
    pub(crate) fn number(&mut self, number: u64) -> &[u8] {
        let end = end(self.octets.len());
        self.put(if end == 0 { 0 } else { number % end })
    }

    /// The message that says that it is over; `None` if messages of this size say nothing.
    pub(crate) fn end(&mut self) -> Option<&[u8]> {
        let end = end(self.octets.len());
        if end == 0 { None } else { Some(self.put(end)) }
    }

    fn put(&mut self, number: u64) -> &[u8] {
        for (octet, digit) in self.octets.iter_mut().zip(number.to_le_bytes()) {
            *octet = digit;
        }
        &self.octets
    }
}

/// Reads a message that shall have this size.
pub(crate) fn read(message: &[u8], size: usize) -> Said {
    if message.len() != size {
        return Said::Nonsense;
    }
    let end = end(size);
    let mut digits = [0; ROOM];
    for (digit, octet) in digits.iter_mut().zip(message) {
        *digit = *octet;
    }
    match u64::from_le_bytes(digits) {
        _ if end == 0 => Said::Nothing,
        number if number == end => Said::End,
        number => Said::Number(number),
    }
}

/// The number that says that it is over: the largest that fits.
const fn end(size: usize) -> u64 {
    if size >= ROOM { u64::MAX } else { (1 << (8 * size)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_end_arrive() {
        for size in [1, 3, 7, 8, 64] {
            let mut payload = Payload::new(size);
            for number in [0, 1, 200] {
                assert_eq!(read(payload.number(number), size), Said::Number(number), "{size}");
            }
            assert_eq!(payload.number(5).len(), size);
            assert_eq!(read(payload.end().expect("room"), size), Said::End);
        }
        let mut short = Payload::new(1);
        assert_eq!(read(short.number(255), 1), Said::Number(0), "255 is the end's");
        assert_eq!(read(short.number(256), 1), Said::Number(1));
    }

    #[test]
    fn without_content_nothing_is_said() {
        let mut payload = Payload::new(0);
        assert_eq!(read(payload.number(7), 0), Said::Nothing);
        assert_eq!(payload.end(), None);
        assert_eq!(read(b"x", 0), Said::Nonsense);
        assert_eq!(read(b"", 8), Said::Nonsense);
    }
}
