//! Where everything stands in a ring's memory.
//!
//! ```text
//!     0  header: what it is, capacity, longest message        written once, by who made it
//!   128  the producer's status: bell, closed, claimed
//!   256  the consumer's status: bell, closed, claimed
//!   384  how far the consumer is, in octets since the beginning
//!   512  records, up to the capacity
//! ```
//!
//! What different processes write stands 128 octets apart: a cache line has 64, and processors fetch them in pairs.

use std::sync::atomic::Ordering;

use rustix::io::Errno;

use crate::memory::Region;
use crate::{Error, Plan};

/// "tamring" and a version.
const MAGIC: u64 = u64::from_le_bytes(*b"tamring\x01");
const MAGIC_AT: usize = 0;
const CAPACITY_AT: usize = 8;
const MESSAGE_MAX_AT: usize = 16;

/// How far the consumer is.
pub(super) const HEAD: usize = 384;
/// The first record.
const RECORDS: usize = 512;

/// Octets of the word at the beginning of each record.
pub(super) const WORD: usize = 8;

/// Records begin at multiples of this, a cache line: a short message is one line that travels to the other core, and who writes the next
/// record does not disturb who reads this one.
pub(super) const LINE: usize = 64;

/// The longest message that any ring takes: 16 MiB. All memory is allocated at the start; what is longer is better put into a segment of its
/// own, of which the ring only tells.
pub(super) const MESSAGE_MAX: usize = 16 << 20;

/// One side's words, which the other side reads and, to ring, writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status(usize);

impl Status {
    pub(super) const PRODUCER: Self = Self(128);
    pub(super) const CONSUMER: Self = Self(256);

    /// Whether and how the side sleeps.
    pub(super) const fn bell(self) -> usize {
        self.0
    }
    /// Not zero: the side has left in good order.
    pub(super) const fn closed(self) -> usize {
        self.0 + 4
    }
    /// Not zero: somebody has taken the side.
    pub(super) const fn claimed(self) -> usize {
        self.0 + 8
    }
}

/// The sizes of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Octets for records, a multiple of [`LINE`].
    capacity: usize,
    message_max: usize,
}

/// Octets that a message takes up: its word, and itself, rounded up.
pub(super) const fn record_len(len: usize) -> usize {
    (WORD + len).next_multiple_of(LINE)
}

impl Layout {
    /// A ring in which `depth` messages of the greatest length always fit, and of shorter ones more.
    pub(super) fn of(plan: &Plan) -> Result<Self, Error> {
        if plan.message_max > MESSAGE_MAX {
            return Err(Error::TooLong { len: plan.message_max, max: MESSAGE_MAX });
        }
        let record = record_len(plan.message_max);
        // At the end of a lap, less than a record is lost where one does not fit any more.
        let capacity =
            plan.depth.max(1).checked_mul(record).and_then(|octets| octets.checked_add(record - LINE));
        capacity
            .filter(|capacity| {
                isize::try_from(*capacity).is_ok_and(|capacity| capacity < isize::MAX - RECORDS as isize)
            })
            .map(|capacity| Self { capacity, message_max: plan.message_max })
            .ok_or_else(|| Error::system("fallocate")(Errno::NOMEM))
    }

    /// Octets of the memory.
    pub(super) const fn len(self) -> usize {
        RECORDS + self.capacity
    }

    pub(super) const fn capacity(self) -> usize {
        self.capacity
    }

    pub(super) const fn message_max(self) -> usize {
        self.message_max
    }

    /// The place of the record at this offset.
    pub(super) const fn record(offset: usize) -> usize {
        RECORDS + offset
    }

    /// Writes the header into memory that is all zero.
    pub(super) fn write(self, region: &Region) {
        region.word64(CAPACITY_AT).store(self.capacity as u64, Ordering::Relaxed);
        region.word64(MESSAGE_MAX_AT).store(self.message_max as u64, Ordering::Relaxed);
        region.word64(MAGIC_AT).store(MAGIC, Ordering::Release);
    }

    /// Reads the header that somebody else wrote, once, and checks that all of it can be.
    pub(super) fn read(region: &Region) -> Result<Self, Error> {
        let corrupt = |what: &'static str| Err(Error::Corrupt(what.into()));
        if region.len() < RECORDS || region.load64(MAGIC_AT, Ordering::Acquire) != MAGIC {
            return corrupt("no ring");
        }
        let number = |at| usize::try_from(region.load64(at, Ordering::Relaxed)).unwrap_or(usize::MAX);
        let layout = Self { capacity: number(CAPACITY_AT), message_max: number(MESSAGE_MAX_AT) };
        if layout.capacity != region.len() - RECORDS || !layout.capacity.is_multiple_of(LINE) {
            return corrupt("a ring larger or smaller than its segment");
        }
        if layout.message_max > MESSAGE_MAX || layout.capacity < 2 * record_len(layout.message_max) - LINE {
            return corrupt("a ring too small for its messages");
        }
        Ok(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(message_max: usize, depth: usize) -> Plan {
        Plan { message_max, depth, ..Plan::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        for plan in [plan(0, 0), plan(1, 1), plan(4096, 8)] {
            let layout = Layout::of(&plan).expect("a ring");
            let region = Region::in_process(layout.len());
            layout.write(&region);
            assert_eq!(Layout::read(&region).expect("valid"), layout);
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_errors() {
        assert!(matches!(Layout::of(&plan(usize::MAX, 1)), Err(Error::TooLong { max: MESSAGE_MAX, .. })));
        assert!(matches!(Layout::of(&plan(1, usize::MAX)), Err(Error::System { .. })));
        assert!(matches!(Layout::of(&plan(8, usize::MAX / 16)), Err(Error::System { .. })));
    }

    #[test]
    fn a_header_of_somebody_else_is_checked() {
        let layout = Layout::of(&plan(100, 4)).expect("a ring");
        let written = || {
            let region = Region::in_process(layout.len());
            layout.write(&region);
            region
        };
        for (at, value) in [
            (MAGIC_AT, 0),
            (CAPACITY_AT, 0),
            (CAPACITY_AT, layout.capacity as u64 + 64),
            (CAPACITY_AT, u64::MAX),
            (MESSAGE_MAX_AT, u64::MAX),
            (MESSAGE_MAX_AT, layout.capacity as u64 / 4 * 3),
        ] {
            let region = written();
            region.word64(at).store(value, Ordering::Relaxed);
            assert!(matches!(Layout::read(&region), Err(Error::Corrupt(_))), "{value} at {at}");
        }
        assert!(matches!(Layout::read(&Region::in_process(100)), Err(Error::Corrupt(_))));
    }
}
