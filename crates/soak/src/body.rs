//! The messages of a soak: each says who has sent it and its number, and all of its content follows from that.
//!
//! The last frame begins with the tag, a number of 64 bits: the highest one says that it is on its way back, then 15 for the source,
//! and 40 for the message's number, which begins with 1. Filler follows; some messages have a frame of filler in front.

use std::sync::LazyLock;

use tamtam_soak::random::Random;

/// How many sockets of one member can be told apart.
pub(crate) const SOCKETS: u64 = 32;
const NUMBER_BITS: u32 = 40;
const BACK: u64 = 1 << 63;
pub(crate) const TAG_LEN: usize = 8;
/// The longest filler.
pub(crate) const LARGEST: u64 = 64 << 10;
const POOL: usize = 1 << 17;

/// What fillers are cut out of.
static FILLER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut random = Random::new(7);
    (0..POOL / 8).flat_map(|_| random.number().to_le_bytes()).collect()
});

/// Who has sent a message, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(pub(crate) u64);

impl Tag {
    pub(crate) const fn new(source: u64, number: u64) -> Self {
        Self(source << NUMBER_BITS | number)
    }

    /// The source: which member, and which of its sockets.
    pub(crate) const fn source(self) -> u64 {
        (self.0 & !BACK) >> NUMBER_BITS
    }

    pub(crate) const fn number(self) -> u64 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }

    pub(crate) const fn is_back(self) -> bool {
        self.0 & BACK != 0
    }

    pub(crate) const fn back(self) -> Self {
        Self(self.0 | BACK)
    }

    pub(crate) const fn forth(self) -> Self {
        Self(self.0 & !BACK)
    }
}

const fn mix(tag: Tag) -> u64 {
    Random::new(tag.forth().0.rotate_left(17)).number()
}

fn filler(hash: u64, len: usize) -> &'static [u8] {
    let at = usize::try_from(hash >> 32).unwrap_or(0) % (POOL - LARGEST as usize);
    FILLER.get(at..at + len).unwrap_or_default()
}

/// What a message consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The frame in front, if there is one.
    pub(crate) front: Option<&'static [u8]>,
    /// What follows the tag.
    pub(crate) rest: &'static [u8],
}

impl Shape {
    /// Mostly short ones, some up to 64 KiB, or to what is the largest; one of sixteen with a frame in front.
    pub(crate) fn of(tag: Tag, largest: u64, may_have_front: bool) -> Self {
        let hash = mix(tag);
        let dice = hash & 0xff;
        let most = match dice {
            0 => LARGEST,
            1..=4 => 16 << 10,
            5..=20 => 2 << 10,
            _ => 128,
        };
        let len = |hash: u64, most: u64| usize::try_from(hash % (most.min(largest) + 1)).unwrap_or(0);
        let front = may_have_front && (hash >> 8).is_multiple_of(16);
        Self {
            front: front.then(|| filler(hash.rotate_left(24), len(hash >> 12, most.min(4 << 10)))),
            rest: filler(hash, len(hash >> 12, most)),
        }
    }

    /// The octets of its frames.
    pub(crate) const fn len(&self) -> usize {
        let front = match self.front {
            Some(front) => front.len(),
            None => 0,
        };
        front + TAG_LEN + self.rest.len()
    }

    /// The last frame.
    pub(crate) fn last(&self, tag: Tag, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(&tag.0.to_le_bytes());
        buffer.extend_from_slice(self.rest);
    }
}

/// Reads a message, but for what stands in front of it; what is wrong with it otherwise.
pub(crate) fn read<'a>(
    mut frames: impl Iterator<Item = &'a [u8]>,
    largest: u64,
    may_have_front: bool,
) -> Result<Tag, String> {
    let first = frames.next().unwrap_or_default();
    let second = frames.next();
    let (front, last) = match second {
        Some(last) => (Some(first), last),
        None => (None, first),
    };
    let Some((tag, rest)) = last.split_first_chunk() else {
        return Err(format!("a message of {} octets", last.len()));
    };
    let tag = Tag(u64::from_le_bytes(*tag));
    let shape = Shape::of(tag, largest, may_have_front);
    if front != shape.front || rest != shape.rest || frames.next().is_some() {
        return Err(format!(
            "message {} of {} came with another content: {} octets",
            tag.number(),
            tag.source(),
            last.len()
        ));
    }
    Ok(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_and_what_is_changed_is_found() {
        let mut buffer = Vec::new();
        let mut fronts = 0;
        for number in 1..2000 {
            let tag = Tag::new(77, number).back();
            assert_eq!((tag.source(), tag.number(), tag.is_back()), (77, number, true));
            let shape = Shape::of(tag, LARGEST, true);
            shape.last(tag, &mut buffer);
            fronts += usize::from(shape.front.is_some());
            let found = |last: &[u8]| read(shape.front.into_iter().chain([last]), LARGEST, true);
            assert_eq!(found(&buffer), Ok(tag));
            let at = buffer.len() - 1;
            assert!(found(&buffer[..at]).is_err());
            buffer[at] ^= 1;
            assert!(found(&buffer).is_err());
        }
        assert!((50..250).contains(&fronts), "{fronts}");
        assert!(read([&b"short"[..]].into_iter(), LARGEST, true).is_err());
    }
}
