//! The ring itself: where the next record goes, and whether one is there. Nothing here waits.
//!
//! A record is a word and the message behind it. The word says "a message of so many octets, the n-th", or "the n-th stands at the
//! start", so it is index and length in one: with a short message, one cache line is all that has to travel to the consumer. A word with
//! another number than the next one is none: leftovers of the last lap. They can be octets of a message, which anybody may have composed, so
//! the producer takes care that where the next record will begin does not by chance (or by somebody's wish) stand its number.
//! To look there means to fetch a cache line, so it does that beforehand where it can, as if the next message were as long as this
//! one: not between a message and its word, but behind the word, when the other side has something to do.
//!
//! The order of the accesses:
//!
//! - The producer stores a record's word with Release after the message, and after it has looked at the place of the *next* word. The consumer
//!   loads the word with Acquire, so it sees the message whole, and never takes leftovers for a word.
//! - The consumer stores how far it is with Release once it is done with a record. The producer loads that with Acquire before it
//!   writes there.
//!
//! Each side keeps its own position to itself and believes nothing else: what it reads from the shared memory is read once, and judged.

use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::{HEAD, LINE, Layout, WORD, record_len};
use crate::Error;
use crate::memory::Region;

/// The length that means: no room up to the end, the record stands at the start.
const TO_THE_START: u32 = u32::MAX;

/// The number of the first record. No record has the number zero, which fresh memory is full of.
const FIRST: u32 = 1;

/// A record's word.
const fn word(length: u32, number: u32) -> u64 {
    (number as u64) << 32 | length as u64
}

const fn number_of(word: u64) -> u32 {
    (word >> 32) as u32
}

const fn length_of(word: u64) -> u32 {
    word as u32
}

const fn next(number: u32) -> u32 {
    match number.wrapping_add(1) {
        0 => FIRST,
        next => next,
    }
}

/// A place among the records.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// Octets since the beginning.
    total: u64,
    /// Octets since the start of this lap.
    offset: usize,
}

impl Position {
    fn advance(&mut self, octets: usize, capacity: usize) {
        self.total = self.total.wrapping_add(octets as u64);
        self.offset += octets;
        if self.offset == capacity {
            self.offset = 0;
        }
    }
}

/// Where the producer is.
#[derive(Debug)]
pub(super) struct Writer {
    region: Region,
    layout: Layout,
    tail: Position,
    /// Of the next record.
    number: u32,
    /// How far the consumer was when we last looked.
    head_seen: u64,
    ahead: Ahead,
}

/// Where the record behind the next one will begin, if that one is as long as the last one: we have looked at the place already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ahead {
    /// Octets of the next record.
    record: usize,
    offset: usize,
}

impl Ahead {
    const NOWHERE: Self = Self { record: 0, offset: usize::MAX };
}

/// Room for one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Where the message goes.
    pub(super) at: usize,
    /// How many octets it may have.
    pub(super) len: usize,
    /// Octets that are left over at the end of this lap; zero if the record stands at the tail.
    skipped: usize,
}

impl Writer {
    pub(super) fn new(region: Region, layout: Layout) -> Self {
        Self { region, layout, tail: Position::default(), number: FIRST, head_seen: 0, ahead: Ahead::NOWHERE }
    }

    pub(super) const fn region(&self) -> &Region {
        &self.region
    }

    pub(super) const fn layout(&self) -> Layout {
        self.layout
    }

    /// Finds room for a message of up to `len` octets, which is at most the greatest length; `None` if there is none yet.
    #[inline]
    pub(super) fn room(&mut self, len: usize) -> Result<Option<Room>, Error> {
        debug_assert!(len <= self.layout.message_max());
        let record = record_len(len);
        if record != self.ahead.record {
            // What will be written there may reach beyond the place that we have looked at.
            self.ahead = Ahead::NOWHERE;
        }
        let skipped = self.skipped(record);
        if !self.has_free(skipped + record)? {
            return Ok(None);
        }
        let offset = if skipped == 0 { self.tail.offset } else { 0 };
        Ok(Some(Room { at: Layout::record(offset) + WORD, len, skipped }))
    }

    /// Makes the first `len` octets of the room a message.
    #[inline]
    pub(super) fn commit(&mut self, room: Room, len: usize) {
        debug_assert!(len <= room.len);
        let capacity = self.layout.capacity();
        let first = self.tail;
        if room.skipped > 0 {
            self.tail.advance(room.skipped, capacity);
        }
        let record = self.tail;
        self.tail.advance(record_len(len), capacity);
        let after = next(self.number);
        if self.tail.offset != self.ahead.offset {
            self.clear(self.tail.offset, after);
        }
        // A length fits into 32 bits: the layout saw to that.
        self.word_at(record.offset).store(word(len as u32, self.number), Ordering::Release);
        if room.skipped > 0 {
            self.word_at(first.offset).store(word(TO_THE_START, self.number), Ordering::Release);
        }
        self.number = after;
        self.look_ahead(record_len(len));
    }

    /// Prepares for one more record of this length.
    #[inline]
    fn look_ahead(&mut self, record: usize) {
        self.ahead = Ahead::NOWHERE;
        let skipped = self.skipped(record);
        // That the consumer is nowhere is told by the next call that needs room.
        if self.has_free(skipped + record + LINE).is_ok_and(|free| free) {
            let mut position = self.tail;
            if skipped > 0 {
                position.advance(skipped, self.layout.capacity());
            }
            position.advance(record, self.layout.capacity());
            self.clear(position.offset, next(self.number));
            self.ahead = Ahead { record, offset: position.offset };
        }
    }

    /// Sees to it that the word at this place, where nothing is yet, is not taken for the record of this number.
    #[inline]
    fn clear(&self, offset: usize, number: u32) {
        let word = self.word_at(offset);
        if number_of(word.load(Ordering::Relaxed)) == number {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// How many octets are left over at the end of this lap if the next record has this length.
    #[inline]
    fn skipped(&self, record: usize) -> usize {
        let to_end = self.layout.capacity() - self.tail.offset;
        if record <= to_end { 0 } else { to_end }
    }

    /// Tells whether so many octets are free; asks where the consumer is only if need be.
    #[inline]
    fn has_free(&mut self, octets: usize) -> Result<bool, Error> {
        if self.free()? >= octets {
            return Ok(true);
        }
        self.head_seen = self.region.word64(HEAD).load(Ordering::Acquire);
        Ok(self.free()? >= octets)
    }

    /// How many octets are free, as far as we know.
    #[inline]
    fn free(&self) -> Result<usize, Error> {
        let used = self.tail.total.wrapping_sub(self.head_seen);
        let free = (self.layout.capacity() as u64).checked_sub(used);
        free.and_then(|free| usize::try_from(free).ok())
            .ok_or_else(|| Error::Corrupt("the consumer is where no record was".into()))
    }

    #[inline]
    fn word_at(&self, offset: usize) -> &AtomicU64 {
        self.region.word64(Layout::record(offset))
    }
}

/// Where the consumer is.
#[derive(Debug)]
pub(super) struct Reader {
    region: Region,
    layout: Layout,
    head: Position,
    number: u32,
}

/// A message that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Where it stands.
    pub(super) at: usize,
    /// How many octets it has: at most the greatest length, and all inside the ring.
    pub(super) len: usize,
}

impl Reader {
    pub(super) fn new(region: Region, layout: Layout) -> Self {
        Self { region, layout, head: Position::default(), number: FIRST }
    }

    pub(super) const fn region(&self) -> &Region {
        &self.region
    }

    pub(super) const fn layout(&self) -> Layout {
        self.layout
    }

    /// Tells whether something stands where the next message will.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        number_of(self.load()) == self.number
    }

    /// Returns the next message; `None` if there is none yet.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<Option<Found>, Error> {
        let mut word = self.load();
        if number_of(word) == self.number && length_of(word) == TO_THE_START && self.head.offset > 0 {
            // Told to the producer together with the record.
            self.head.advance(self.layout.capacity() - self.head.offset, self.layout.capacity());
            word = self.load();
        }
        if number_of(word) != self.number {
            return Ok(None);
        }
        // "To the start", where it cannot be, is a length beyond every limit.
        let len = length_of(word) as usize;
        if len > self.layout.message_max() {
            return Err(Error::Corrupt("a message longer than the ring takes".into()));
        }
        if record_len(len) > self.layout.capacity() - self.head.offset {
            return Err(Error::Corrupt("a record beyond the end of the ring".into()));
        }
        Ok(Some(Found { at: Layout::record(self.head.offset) + WORD, len }))
    }

    /// Gives the place of a message back to the producer.
    #[inline]
    pub(super) fn release(&mut self, found: Found) {
        self.head.advance(record_len(found.len), self.layout.capacity());
        self.number = next(self.number);
        self.region.word64(HEAD).store(self.head.total, Ordering::Release);
    }

    #[inline]
    fn load(&self) -> u64 {
        self.region.word64(Layout::record(self.head.offset)).load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use crate::Plan;

    fn ring(message_max: usize, depth: usize) -> (Writer, Reader) {
        let layout = Layout::of(&Plan { message_max, depth, ..Plan::default() }).expect("a ring");
        let region = Region::in_process(layout.len());
        (Writer::new(region.clone(), layout), Reader::new(region, layout))
    }

    fn push(writer: &mut Writer, message: &[u8]) -> bool {
        let Some(room) = writer.room(message.len()).expect("sound") else { return false };
        writer.region.write(room.at, message);
        writer.commit(room, message.len());
        true
    }

    fn pop(reader: &mut Reader) -> Option<Vec<u8>> {
        let found = reader.peek().expect("sound")?;
        let mut message = Vec::new();
        reader.region.append_to(found.at, found.len, &mut message);
        reader.release(found);
        Some(message)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        PushShortened(Vec<u8>, usize),
        Reserve(usize),
        Pop,
        Peek,
    }

    fn step(message_max: usize) -> impl Strategy<Value = Step> {
        let message = vec(any::<u8>(), 0..=message_max);
        prop_oneof![
            4 => message.clone().prop_map(Step::Push),
            1 => (message, 0..=message_max).prop_map(|(message, len)| {
                let len = len.min(message.len());
                Step::PushShortened(message, len)
            }),
            1 => (0..=message_max).prop_map(Step::Reserve),
            4 => Just(Step::Pop),
            1 => Just(Step::Peek),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_queue(
            (message_max, depth, steps) in (0..200_usize, 1..5_usize)
                .prop_flat_map(|(max, depth)| (Just(max), Just(depth), vec(step(max), 0..300)))
        ) {
            let (mut writer, mut reader) = ring(message_max, depth);
            let mut queue = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push(message) => {
                        let took = push(&mut writer, &message);
                        prop_assert!(took || queue.len() >= depth, "{} of {depth} were too many", queue.len());
                        if took {
                            queue.push_back(message);
                        }
                    }
                    Step::PushShortened(mut message, len) => {
                        if let Some(room) = writer.room(message.len()).expect("sound") {
                            writer.region.write(room.at, &message);
                            writer.commit(room, len);
                            message.truncate(len);
                            queue.push_back(message);
                        }
                    }
                    Step::Reserve(len) => {
                        if let Some(room) = writer.room(len).expect("sound") {
                            writer.region.write(room.at, &vec![0xa5; len]);
                        }
                    }
                    Step::Pop => prop_assert_eq!(pop(&mut reader), queue.pop_front()),
                    Step::Peek => {
                        let found = reader.peek().expect("sound");
                        prop_assert_eq!(found.map(|found| found.len), queue.front().map(Vec::len));
                    }
                }
            }
        }

        #[test]
        fn rubbish_gives_an_error_or_rubbish_but_stays_inside(
            words in vec((0..40_usize, any::<u64>()), 1..40),
            fills in vec(0..=40_usize, 0..10),
        ) {
            let (mut writer, mut reader) = ring(40, 3);
            let region = reader.region.clone();
            for len in fills {
                push(&mut writer, &vec![0xff; len]);
            }
            for (at, value) in words {
                // What is almost right is more likely to be taken for something.
                for value in [value, value % 256, word(value as u32 % 64, reader.number), word(TO_THE_START, reader.number)] {
                    region.word64(HEAD + 8 * at).store(value, Ordering::Relaxed);
                    for _ in 0..4 {
                        let Ok(Some(found)) = reader.peek() else { break };
                        let mut message = Vec::new();
                        region.append_to(found.at, found.len, &mut message);
                        prop_assert!(message.len() <= 40);
                        reader.release(found);
                    }
                    if let Ok(Some(room)) = writer.room(40) {
                        region.write(room.at, &[7; 40]);
                        writer.commit(room, 40);
                    }
                }
            }
        }
    }

    #[test]
    fn the_planned_depth_fits_wherever_the_ring_stands() {
        for message_max in [0, 1, 56, 57, 300] {
            let (mut writer, mut reader) = ring(message_max, 3);
            for before in 0..200 {
                for _ in 0..3 {
                    assert!(push(&mut writer, &vec![1; message_max]), "{message_max} octets, after {before}");
                }
                while pop(&mut reader).is_some() {}
                assert!(push(&mut writer, &vec![2; before % (message_max + 1)]));
                pop(&mut reader).expect("there");
            }
        }
    }

    #[test]
    fn a_full_ring_has_room_again_for_what_was_taken() {
        let (mut writer, mut reader) = ring(16, 4);
        let mut pushed = 0_u8;
        while push(&mut writer, &[pushed; 16]) {
            pushed += 1;
        }
        assert_eq!(pushed, 4);
        for taken in 0..100_u8 {
            assert_eq!(pop(&mut reader).expect("there"), [taken; 16]);
            assert!(push(&mut writer, &[taken + 4; 16]));
            assert!(!push(&mut writer, &[0; 16]));
        }
    }

    #[test]
    fn lies_are_found() {
        let words = [
            ("a length beyond the limit", word(41, FIRST)),
            ("a length far beyond the limit", word(TO_THE_START - 1, FIRST)),
            ("back to the start, at the start", word(TO_THE_START, FIRST)),
        ];
        for (what, word) in words {
            let (writer, mut reader) = ring(40, 2);
            writer.word_at(writer.tail.offset).store(word, Ordering::Relaxed);
            assert!(matches!(reader.peek(), Err(Error::Corrupt(_))), "{what}");
        }
        for (what, head) in
            [("ahead", 64 << 10), ("behind", 0_u64.wrapping_sub(4096)), ("far behind", 1 << 63)]
        {
            let (mut writer, _) = ring(40, 2);
            writer.region.word64(HEAD).store(head, Ordering::Relaxed);
            while push_to(&mut writer) {}
            assert!(matches!(writer.room(40), Err(Error::Corrupt(_))), "{what}");
        }

        fn push_to(writer: &mut Writer) -> bool {
            writer.room(40).is_ok_and(|room| room.inspect(|room| writer.commit(*room, 40)).is_some())
        }
    }

    #[test]
    fn a_record_that_would_reach_beyond_the_end_is_found() {
        let (mut writer, mut reader) = ring(100, 1);
        for _ in 0..2 {
            push(&mut writer, &[]);
            pop(&mut reader).expect("there");
        }
        // Sixty-four octets are left.
        writer.word_at(writer.tail.offset).store(word(100, FIRST + 2), Ordering::Relaxed);
        assert!(matches!(reader.peek(), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_message_cannot_pass_for_the_next_record() {
        // Whatever stands where a record will begin was composed to look like one.
        let forged: Vec<u8> =
            std::iter::repeat_n(word(8, FIRST + 3).to_le_bytes(), 32).flatten().take(240).collect();
        let (mut writer, mut reader) = ring(240, 1);
        for message in [&forged[..], &[1], &[2]] {
            assert!(push(&mut writer, message));
            assert_eq!(pop(&mut reader).as_deref(), Some(message));
        }
        assert_eq!(pop(&mut reader), None);
        // The same a lap later, where the third record ended amid the first one's octets.
        let (mut writer, mut reader) = ring(240, 1);
        for number in FIRST..200 {
            let forged: Vec<u8> = word(8, number + 2 + number % 5).to_le_bytes().repeat(30);
            let message = if number % 2 == 0 { &forged[..] } else { &forged[..9] };
            assert!(push(&mut writer, message));
            assert_eq!(pop(&mut reader).as_deref(), Some(message));
            assert_eq!(pop(&mut reader), None, "behind {number}");
        }
    }

    #[test]
    fn numbers_and_totals_wrap_around() {
        let (mut writer, mut reader) = ring(8, 2);
        for number in [&mut writer.number, &mut reader.number] {
            *number = u32::MAX - 20;
        }
        let near_the_end = 0_u64.wrapping_sub(640);
        for total in [&mut writer.tail.total, &mut writer.head_seen, &mut reader.head.total] {
            *total = near_the_end;
        }
        writer.region.word64(HEAD).store(near_the_end, Ordering::Relaxed);
        for i in 0..50 {
            assert!(push(&mut writer, &[i; 8]));
            assert!(push(&mut writer, &[i]));
            assert_eq!(pop(&mut reader).expect("there"), [i; 8]);
            assert_eq!(pop(&mut reader).expect("there"), [i]);
        }
    }
}
