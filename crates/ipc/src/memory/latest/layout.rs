//! Where everything stands, and the sequence locks themselves. Nothing here waits.
//!
//! ```text
//!     0  header: what it is, longest value                    written once, by who made it
//!   128  the number of the latest value, and what sleepers watch
//!   256  slots: sequence, length, value                       value n is in slot n modulo SLOTS
//! ```
//!
//! A slot's sequence is twice the number of its value, or one less while that value is being written. A reader copies a slot and looks at the sequence
//! before and after: if it was the right one both times, the copy is whole. The writer never looks whether somebody reads.

use std::sync::atomic::{Ordering, fence};

use rustix::io::Errno;

use crate::Error;
use crate::memory::Region;

/// "tamlate" and a version.
const MAGIC: u64 = u64::from_le_bytes(*b"tamlate\x01");
const MAGIC_AT: usize = 0;
const VALUE_MAX_AT: usize = 8;
/// The number of the latest value; zero if there is none.
const LATEST_AT: usize = 128;
/// Changes with each value, and when the writer goes: the word that readers sleep on.
pub(super) const NEWS_AT: usize = 136;
/// Not zero: the writer has left in good order.
pub(super) const CLOSED_AT: usize = 140;
const FIRST_SLOT: usize = 256;

/// How many values there are at a time. With one, as in the textbook's sequence lock, a reader fails whenever the writer is busy, and a
/// writer that dies amid a value takes the last one with it. With four, a reader has the time of three values for its copy.
const SLOTS: u64 = 4;

/// How often a reader tries to copy a value while new ones come. Each try fails only if at least three values are written meanwhile.
const TRIES: u32 = 1000;

/// The longest value: 16 MiB.
pub(super) const VALUE_MAX: usize = 16 << 20;

/// The memory.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    region: Region,
    value_max: usize,
}

/// Octets of the memory for values of this length.
pub(super) fn len(value_max: usize) -> Result<usize, Error> {
    if value_max > VALUE_MAX {
        return Err(Error::TooLong { len: value_max, max: VALUE_MAX });
    }
    let slots =
        slot_len(value_max).checked_mul(SLOTS as usize).and_then(|octets| octets.checked_add(FIRST_SLOT));
    slots.ok_or_else(|| Error::system("fallocate")(Errno::NOMEM))
}

/// Whole cache lines, so that who writes one value does not disturb who reads another.
const fn slot_len(value_max: usize) -> usize {
    (16 + value_max).next_multiple_of(128)
}

impl Slots {
    /// Writes the header into memory that is all zero.
    pub(super) fn make(region: &Region, value_max: usize) {
        region.word64(VALUE_MAX_AT).store(value_max as u64, Ordering::Relaxed);
        region.word64(MAGIC_AT).store(MAGIC, Ordering::Release);
    }

    /// Reads the header that somebody else wrote, once, and checks it.
    pub(super) fn open(region: Region) -> Result<Self, Error> {
        let corrupt = |what: &'static str| Err(Error::Corrupt(what.into()));
        if region.len() < FIRST_SLOT || region.load64(MAGIC_AT, Ordering::Acquire) != MAGIC {
            return corrupt("no latest value");
        }
        let value_max = usize::try_from(region.load64(VALUE_MAX_AT, Ordering::Relaxed)).unwrap_or(usize::MAX);
        if len(value_max).ok() != Some(region.len()) {
            return corrupt("values longer or shorter than their segment");
        }
        Ok(Self { region, value_max })
    }

    pub(super) const fn region(&self) -> &Region {
        &self.region
    }

    pub(super) const fn value_max(&self) -> usize {
        self.value_max
    }

    /// The number of the latest value; zero if there is none.
    pub(super) fn latest(&self) -> u64 {
        self.region.load64(LATEST_AT, Ordering::Acquire)
    }

    /// The first half of writing a value, which is at most as long as the longest: readers of its slot fail from now on.
    pub(super) fn begin(&self, number: u64, value: &[u8]) {
        let at = self.slot(number);
        self.region.word64(at).store(number.wrapping_mul(2).wrapping_sub(1), Ordering::Relaxed);
        // Whoever sees anything of the value sees that its slot is being written.
        fence(Ordering::Release);
        self.region.word64(at + 8).store(value.len() as u64, Ordering::Relaxed);
        self.region.store_octets(at + 16, value);
    }

    /// The second half: the value is there.
    pub(super) fn commit(&self, number: u64) {
        self.region.word64(self.slot(number)).store(number.wrapping_mul(2), Ordering::Release);
        self.region.word64(LATEST_AT).store(number, Ordering::Release);
        self.region.word32(NEWS_AT).fetch_add(1, Ordering::Release);
    }

    /// Copies the latest value, whole, and returns its number; `None` if there is none.
    pub(super) fn read(&self, into: &mut Vec<u8>) -> Result<Option<u64>, Error> {
        for _ in 0..TRIES {
            let number = self.latest();
            if number == 0 {
                return Ok(None);
            }
            if self.try_read(number, into) {
                return Ok(Some(number));
            }
            std::hint::spin_loop();
        }
        Err(Error::Corrupt("no value stays whole for as long as it takes to copy it".into()))
    }

    /// Copies the value of this number; tells whether it is whole.
    fn try_read(&self, number: u64, into: &mut Vec<u8>) -> bool {
        let (at, whole) = (self.slot(number), number.wrapping_mul(2));
        if self.region.load64(at, Ordering::Acquire) != whole {
            return false;
        }
        let len = usize::try_from(self.region.load64(at + 8, Ordering::Relaxed)).unwrap_or(usize::MAX);
        if len > self.value_max {
            return false;
        }
        into.resize(len, 0);
        self.region.load_octets(at + 16, into);
        // What was copied was copied before the sequence is looked at again.
        fence(Ordering::Acquire);
        self.region.load64(at, Ordering::Relaxed) == whole
    }

    /// Tells whether the value behind the latest one was begun and not finished.
    pub(super) fn is_amid(&self) -> bool {
        let next = self.latest().wrapping_add(1);
        self.region.load64(self.slot(next), Ordering::Acquire) == next.wrapping_mul(2).wrapping_sub(1)
    }

    fn slot(&self, number: u64) -> usize {
        // Less than the number of slots, all of which are inside the memory.
        FIRST_SLOT + (number % SLOTS) as usize * slot_len(self.value_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(value_max: usize) -> Slots {
        let region = Region::in_process(len(value_max).expect("not too long"));
        Slots::make(&region, value_max);
        Slots::open(region).expect("valid")
    }

    #[test]
    fn the_latest_value_is_read_and_no_half_of_the_next() {
        let slots = slots(20);
        let mut value = Vec::new();
        assert_eq!(slots.read(&mut value).expect("sound"), None);
        for number in 1..20 {
            slots.begin(number, &[number as u8; 20][..number as usize]);
            assert!(slots.is_amid());
            assert_eq!(slots.read(&mut value).expect("sound").unwrap_or(0), number - 1);
            slots.commit(number);
            assert!(!slots.is_amid());
            assert_eq!(slots.read(&mut value).expect("sound"), Some(number));
            assert_eq!(value, vec![number as u8; number as usize]);
        }
    }

    #[test]
    fn a_torn_copy_is_noticed() {
        let slots = slots(16);
        slots.begin(1, &[1; 16]);
        slots.commit(1);
        assert!(slots.try_read(1, &mut Vec::new()));
        for number in 2..5 {
            slots.begin(number, &[2; 16]);
            slots.commit(number);
            assert!(slots.try_read(1, &mut Vec::new()), "three values leave it alone");
        }
        slots.begin(5, &[5; 16]);
        assert!(!slots.try_read(1, &mut Vec::new()), "the fourth is being written over it");
        slots.commit(5);
        assert!(!slots.try_read(1, &mut Vec::new()));
        assert!(slots.try_read(5, &mut Vec::new()));
    }

    #[test]
    fn lies_end_in_an_error() {
        let lies: [(usize, u64); 5] = [
            (LATEST_AT, 2),
            (LATEST_AT, u64::MAX),
            (FIRST_SLOT + 128, 0),
            (FIRST_SLOT + 128, 3),
            (FIRST_SLOT + 136, 17),
        ];
        for (at, value) in lies {
            let slots = slots(16);
            slots.begin(1, &[1; 16]);
            slots.commit(1);
            slots.region.word64(at).store(value, Ordering::Relaxed);
            assert!(matches!(slots.read(&mut Vec::new()), Err(Error::Corrupt(_))), "{value} at {at}");
        }
        for (at, value) in [(MAGIC_AT, 0), (VALUE_MAX_AT, 200), (VALUE_MAX_AT, u64::MAX)] {
            let region = slots(16).region;
            region.word64(at).store(value, Ordering::Relaxed);
            assert!(matches!(Slots::open(region), Err(Error::Corrupt(_))), "{value} at {at}");
        }
        assert!(matches!(Slots::open(Region::in_process(8)), Err(Error::Corrupt(_))));
    }

    #[test]
    fn numbers_wrap_around() {
        let slots = slots(8);
        let mut value = Vec::new();
        for number in [u64::MAX - 1, u64::MAX] {
            slots.begin(number, &number.to_le_bytes());
            slots.commit(number);
            assert_eq!(slots.read(&mut value).expect("sound"), Some(number));
            assert_eq!(value, number.to_le_bytes());
        }
    }
}
