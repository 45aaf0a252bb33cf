//! One direction of an inproc pipe: a ring of items, some of which are runs of short messages.
//!
//! A ring hands over each item by lines of cache that the two threads pull to and fro, which takes longer than anything else that is done
//! for a short message. So a thread that sends one after the other writes them into a run, behind each other, as long as the reader has
//! not taken it; the reader takes all that is there at once. A run is in the ring from its first message on: who is told of
//! that finds all that follow, and order is the ring's. Nothing waits for a run to be complete.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tamtam_zmtp::{Event, FRAME_INLINE_MAX, Message};

use super::marks::Marks;
use super::peer::Item;
use super::ring::{Consumer, Counter, Producer, ring};
use crate::sys::prefetch;

/// So far ahead a run's memory is fetched, in octets: the other thread had it last.
const AHEAD: usize = 256;
/// Octets after which a run takes no more.
const RUN_BYTES: usize = 16 * 1024;
/// The longest message of a run: one that needs no memory of its own where it is received.
pub(crate) const RUN_MESSAGE_MAX: usize = FRAME_INLINE_MAX;

/// Messages of one frame, each behind its length in one octet. Its lock is a leaf.
#[derive(Debug, Default)]
pub(crate) struct Run {
    octets: Vec<u8>,
    messages: u64,
    /// The reader has it: what comes now is not seen by it.
    is_taken: bool,
    /// The reader wants no more of it.
    is_closed: bool,
}

/// What both ends have to agree on. Its lock is taken when a run is made and when one is refused, before the run's.
#[derive(Default)]
struct Terms {
    /// The run that was made last.
    run: Option<Arc<Mutex<Run>>>,
    /// The reader wants none: it has to be told of each message.
    refuses: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a pipe that takes messages as long as fewer wait, and they weigh less, than the marks say.
pub(crate) fn pipe(marks: Marks) -> (Writer, Reader) {
    let (producer, consumer) = ring(marks);
    let terms = Arc::new(Mutex::new(Terms::default()));
    (
        Writer {
            ring: producer,
            terms: Arc::clone(&terms),
            run: None,
            is_last: false,
            was_short: false,
            has_joined: false,
        },
        Reader { ring: consumer, terms, octets: Vec::new(), at: 0, untold: 0 },
    )
}

/// The writing end.
pub(crate) struct Writer {
    ring: Producer<Item>,
    terms: Arc<Mutex<Terms>>,
    /// The last run: what is written next goes there if nothing was written behind it, or if the reader has it, and left its memory.
    run: Option<Arc<Mutex<Run>>>,
    is_last: bool,
    /// The last message was short: the next one may be the second of many.
    was_short: bool,
    /// It joined a run that the reader had not taken.
    has_joined: bool,
}

impl Writer {
    /// Appends an item, or gives it back when the pipe is full.
    #[inline]
    pub(crate) fn push(&mut self, item: Item) -> Result<(), Item> {
        (self.is_last, self.was_short) = (false, false);
        self.ring.push(item)
    }

    /// Appends an item whatever the marks say: for state (subscriptions) that must not be lost.
    #[inline]
    pub(crate) fn push_unbounded(&mut self, item: Item) {
        (self.is_last, self.was_short) = (false, false);
        self.ring.push_unbounded(item);
    }

    /// The same of a message that could have stood in a run.
    #[inline]
    pub(crate) fn push_short(&mut self, message: Message) {
        self.push_unbounded(Item::Event(Event::Message(message)));
        self.was_short = true;
    }

    /// Tells whether a run is worth its while.
    #[inline]
    pub(crate) fn is_stream(&self) -> bool {
        self.was_short
    }

    /// Appends a message of one frame of at most [`RUN_MESSAGE_MAX`] octets to a run, whatever the marks say. Returns whether the other side has to be
    /// told: not if it has been told of that run. `None`, and no change, if it wants no runs.
    #[inline]
    pub(crate) fn write(&mut self, body: &[u8]) -> Option<bool> {
        let octets = body.len() as u64;
        if let Some(run) = &self.run {
            let mut open = lock(run);
            if open.is_closed {
                return None;
            }
            let is_free = mem::take(&mut open.is_taken);
            if is_free || self.is_last && open.octets.len() < RUN_BYTES {
                open.append(body);
                drop(open);
                self.ring.add(1, octets);
                if is_free {
                    self.push_run(Arc::clone(run));
                }
                self.has_joined = !is_free;
                return Some(is_free);
            }
        }
        self.begin(body)
    }

    #[cold]
    fn begin(&mut self, body: &[u8]) -> Option<bool> {
        let terms = Arc::clone(&self.terms);
        let mut terms = lock(&terms);
        if terms.refuses {
            return None;
        }
        // Behind one that is full it is a long stream.
        let capacity = if self.is_last { RUN_BYTES + 1 + RUN_MESSAGE_MAX } else { 0 };
        let mut run = Run { octets: Vec::with_capacity(capacity), ..Run::default() };
        run.append(body);
        self.ring.add(1, body.len() as u64);
        let run = Arc::new(Mutex::new(run));
        (self.run, terms.run) = (Some(Arc::clone(&run)), Some(Arc::clone(&run)));
        self.push_run(run);
        self.has_joined = false;
        Some(true)
    }

    fn push_run(&mut self, run: Arc<Mutex<Run>>) {
        self.ring.push_unbounded(Item::Run(run));
        (self.is_last, self.was_short) = (true, true);
    }

    /// Returns the run that the last message has joined, and how many more have room for certain.
    pub(crate) fn lend(&self) -> Option<(Lent, u64)> {
        let run = Arc::clone(self.run.as_ref().filter(|_| self.is_last && self.has_joined)?);
        Some((Lent { run, counter: self.ring.counter() }, self.ring.room_for(RUN_MESSAGE_MAX as u64)))
    }

    /// Counts what was written to the run that was lent: before anything else is done here.
    pub(crate) fn settle(&mut self, messages: u64, octets: u64) {
        self.ring.add(messages, octets);
    }

    /// See [`Producer::has_room`].
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        self.ring.has_room()
    }

    /// See [`Producer::has_much_room`].
    #[inline]
    pub(crate) fn has_much_room(&mut self) -> bool {
        self.ring.has_much_room()
    }

    /// See [`Producer::wants_room`].
    pub(crate) fn wants_room(&mut self) -> bool {
        self.ring.wants_room()
    }

    /// See [`Producer::set_bound`].
    pub(crate) fn set_bound(&self, marks: Marks) {
        self.ring.set_bound(marks);
    }

    /// See [`Producer::weight`].
    pub(crate) fn weight(&self) -> u64 {
        self.ring.weight()
    }

    /// Returns how many messages wait.
    pub(crate) fn len(&self) -> u64 {
        self.ring.len()
    }

    /// See [`Producer::is_abandoned`].
    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// A run that is open, without its writer.
pub(crate) struct Lent {
    run: Arc<Mutex<Run>>,
    counter: Counter<Item>,
}

impl Lent {
    /// Adds a message of at most [`RUN_MESSAGE_MAX`] octets, if the reader has not taken or closed the run, and it is not full.
    #[inline]
    pub(crate) fn write(&self, body: &[u8]) -> bool {
        let mut open = lock(&self.run);
        let is_open = !open.is_taken && !open.is_closed && open.octets.len() < RUN_BYTES;
        if is_open {
            open.append(body);
            self.counter.count();
        }
        is_open
    }
}

impl Run {
    #[inline]
    fn append(&mut self, body: &[u8]) {
        debug_assert!(body.len() <= RUN_MESSAGE_MAX, "{} octets", body.len());
        self.octets.push(body.len() as u8);
        self.octets.extend_from_slice(body);
        self.messages += 1;
        prefetch::for_writing(self.octets.as_ptr().wrapping_add(self.octets.len() + AHEAD));
    }
}

/// The reading end.
pub(crate) struct Reader {
    ring: Consumer<Item>,
    terms: Arc<Mutex<Terms>>,
    /// What the last run held, and how far it is read.
    octets: Vec<u8>,
    at: usize,
    /// How many messages of it can be read before the writer is to be told.
    untold: u64,
}

impl Reader {
    /// Takes the next item out of the ring. If it is a run, it is to be [begun](Self::begin).
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Item> {
        debug_assert!(!self.has_more(), "there are messages before it");
        self.ring.pop()
    }

    /// Has the writer tell of each message from now on, as one must be told who waits for something new without taking what is there.
    pub(crate) fn refuse_runs(&self) {
        let mut terms = lock(&self.terms);
        terms.refuses = true;
        // What was written there is seen by whoever looks from here on, what is not goes another way.
        if let Some(run) = &terms.run {
            lock(run).is_closed = true;
        }
    }

    /// Takes all that is in a run, to be read.
    pub(crate) fn begin(&mut self, run: &Mutex<Run>) {
        // Its memory is the writer's again.
        self.octets.clear();
        self.at = 0;
        let mut run = lock(run);
        mem::swap(&mut run.octets, &mut self.octets);
        run.is_taken = true;
        self.ring.opened(mem::take(&mut run.messages));
    }

    /// Takes the next message of the run that was begun, if there is one, and puts it into the place of `message`.
    #[inline]
    pub(crate) fn read(&mut self, message: &mut Message) -> bool {
        self.has_more() && self.read_on(message)
    }

    /// The same, if that is all that there is to do: nobody has to be told of it.
    #[inline]
    pub(crate) fn read_untold(&mut self, message: &mut Message) -> bool {
        if self.untold == 0 {
            return false;
        }
        self.untold -= 1;
        self.read_on(message)
    }

    /// Tells whether a run is not read to its end.
    #[inline]
    fn has_more(&self) -> bool {
        self.at < self.octets.len()
    }

    #[inline]
    fn read_on(&mut self, message: &mut Message) -> bool {
        let Some((&len, rest)) = self.octets.get(self.at..).and_then(<[u8]>::split_first) else {
            return false;
        };
        let octets = usize::from(len);
        self.at += 1 + octets;
        self.ring.took(u64::from(len));
        prefetch::for_reading(self.octets.as_ptr().wrapping_add(self.at + AHEAD));
        message.set_inline(rest, octets)
    }

    /// Tells whether nothing is there.
    #[inline]
    pub(crate) fn is_empty(&mut self) -> bool {
        !self.has_more() && self.ring.is_empty()
    }

    /// Has the oldest item looked at, which stays; `false` if there is none, or a message of a run before it.
    #[inline]
    pub(crate) fn is_next(&mut self, look: impl FnOnce(&Item) -> bool) -> bool {
        !self.has_more() && self.ring.is_next(look)
    }

    /// See [`Consumer::publish`].
    #[inline]
    pub(crate) fn publish(&mut self) -> bool {
        let is_wanted = self.ring.publish();
        self.untold = self.ring.untold(RUN_MESSAGE_MAX as u64);
        is_wanted
    }

    /// See [`Consumer::set_bound`].
    pub(crate) fn set_bound(&self, marks: Marks) {
        self.ring.set_bound(marks);
    }

    /// Returns how many messages wait.
    pub(crate) fn len(&self) -> u64 {
        self.ring.len()
    }

    /// See [`Consumer::is_abandoned`].
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

#[cfg(all(test, not(tamtam_loom)))]
mod tests {
    use super::super::peer::Link;
    use super::*;
    use crate::{Context, Pair, Socket};

    fn has_run(socket: &Socket) -> bool {
        let locked = socket.core().lock();
        let mut peers = locked.peers.iter().flatten();
        peers.any(|peer| matches!(&peer.link, Link::Inproc(inproc) if inproc.tx.run.is_some()))
    }

    fn text(number: usize, len: usize) -> Vec<u8> {
        (0..len).map(|octet| (number * 31 + octet) as u8).collect()
    }

    /// Writes message `number`, as long as chance will have it, by one of the ways; returns its length.
    fn write(writer: &mut Writer, number: usize) -> usize {
        let len = number * 7919 % 97 % (RUN_MESSAGE_MAX + 1);
        let body = text(number, len);
        match number % 13 {
            0 => writer.push(Item::Event(Event::Message(Message::new(body)))).unwrap(),
            1 => writer.push_short(Message::new(body)),
            2..9 => _ = writer.write(&body).unwrap(),
            _ => match writer.lend() {
                Some((lent, _)) if lent.write(&body) => writer.settle(1, len as u64),
                _ => _ = writer.write(&body).unwrap(),
            },
        }
        len
    }

    /// Takes the next message, if there is one.
    fn read(reader: &mut Reader, message: &mut Message) -> bool {
        loop {
            if reader.read_untold(message) {
                return true;
            }
            if reader.read(message) {
                reader.publish();
                return true;
            }
            let item = reader.pop();
            reader.publish();
            match item {
                Some(Item::Run(run)) => reader.begin(&run),
                Some(Item::Event(Event::Message(whole))) => {
                    *message = whole;
                    return true;
                }
                Some(other) => panic!("{other:?}"),
                None => return false,
            }
        }
    }

    const ALL: Marks = Marks { messages: u64::MAX, bytes: u64::MAX };

    #[test]
    fn messages_come_in_order_and_counted_however_they_were_written() {
        let (mut writer, mut reader) = pipe(ALL);
        let mut message = Message::default();
        let (mut written, mut taken, mut weight) = (0, 0, 0);
        // Bursts within one run, and of several.
        for burst in [1, 2, 3, 50, 400, 2000, 1, 1, 5] {
            for _ in 0..burst {
                weight += write(&mut writer, written) as u64;
                written += 1;
                assert_eq!(reader.len(), (written - taken) as u64);
            }
            for _ in 0..burst - burst / 3 {
                assert!(!reader.is_empty() && read(&mut reader, &mut message));
                let len = message.byte_len();
                assert_eq!(message.as_slice(), text(taken, len), "{taken}");
                (taken, weight) = (taken + 1, weight - len as u64);
                assert_eq!(reader.len(), (written - taken) as u64);
            }
            // What was not told yet is less than what is told at once.
            assert!(writer.len() - reader.len() < 32 && writer.weight() >= weight);
        }
        while read(&mut reader, &mut message) {
            assert_eq!(message.as_slice(), text(taken, message.byte_len()), "{taken}");
            taken += 1;
        }
        assert_eq!((taken, reader.len(), writer.len(), writer.weight()), (written, 0, 0, 0));
        assert!(reader.is_empty());
    }

    /// The mark holds for each of them; what was taken makes room, wherever it stood.
    #[test]
    fn marks_count_what_is_in_runs() {
        for bound in [1, 2, 7, 100, 1000] {
            let (mut writer, mut reader) = pipe(Marks { messages: bound, bytes: u64::MAX });
            let mut message = Message::default();
            let (mut written, mut taken) = (0_u64, 0_u64);
            for _ in 0..20 {
                while writer.has_room() {
                    writer.write(b"x").unwrap();
                    written += 1;
                }
                assert!(written - taken <= bound, "{bound}");
                assert_eq!(writer.lend().map_or(0, |(_, room)| room), 0, "{bound}");
                assert!(!writer.wants_room());
                while read(&mut reader, &mut message) {
                    taken += 1;
                }
                assert_eq!(written, taken, "{bound}");
            }
        }
    }

    #[test]
    fn a_reader_in_another_thread_misses_nothing() {
        let (mut writer, mut reader) = pipe(Marks { messages: 3000, bytes: u64::MAX });
        const COUNT: usize = 200_000;
        let thread = std::thread::spawn(move || {
            for number in 0..COUNT {
                while !writer.has_room() {
                    std::thread::yield_now();
                }
                write(&mut writer, number);
            }
        });
        let mut message = Message::default();
        for number in 0..COUNT {
            while !read(&mut reader, &mut message) {
                std::thread::yield_now();
            }
            assert_eq!(message.as_slice(), text(number, message.byte_len()), "{number}");
        }
        thread.join().unwrap();
        assert!(reader.is_empty() && reader.is_abandoned());
    }

    /// Nobody finds out otherwise that there is something new, as long as what was there before is not taken.
    #[test]
    fn a_reader_that_refuses_runs_is_told_of_each_message() {
        for at_once in [false, true] {
            let (mut writer, mut reader) = pipe(ALL);
            if at_once {
                reader.refuse_runs();
                assert_eq!(writer.write(b"1"), None);
                writer.push_short(Message::new("1"));
            } else {
                assert_eq!([writer.write(b"1"), writer.write(b"2")], [Some(true), Some(false)]);
                let (lent, _) = writer.lend().unwrap();
                assert!(lent.write(b"3"));
                writer.settle(1, 1);
                reader.refuse_runs();
                assert!(!lent.write(b"4") && writer.write(b"4").is_none());
            }
            let mut message = Message::default();
            let texts: Vec<_> = std::iter::from_fn(|| {
                read(&mut reader, &mut message)
                    .then(|| String::from_utf8(message.as_slice().to_vec()).unwrap())
            })
            .collect();
            assert_eq!(texts.concat(), if at_once { "1" } else { "123" });
            assert_eq!(writer.write(b"later"), None);
        }
    }

    /// An answer is not to be fetched out of a run.
    #[test]
    fn a_conversation_goes_without_runs() {
        let context = Context::new();
        let (one, other) = (Pair::new(&context), Pair::new(&context));
        other.connect(&one.bind("inproc://talk").unwrap()).unwrap();
        for _ in 0..10 {
            one.send("question").unwrap();
            other.recv().unwrap();
            other.send("answer").unwrap();
            one.recv().unwrap();
        }
        assert!(!has_run(one.as_socket()) && !has_run(other.as_socket()));
        let many = ["a", "b", "c"];
        for text in many {
            one.send(text).unwrap();
        }
        assert!(has_run(one.as_socket()), "nobody has answered");
        for text in many {
            assert_eq!(other.recv().unwrap(), Message::new(text));
        }
    }
}
