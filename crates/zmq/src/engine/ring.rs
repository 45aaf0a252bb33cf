//! A queue for one producer and one consumer, in blocks, with a bound: an inproc pipe's one direction.
//!
//! The shape is the classical single-producer single-consumer queue of linked blocks with cached copies of the other
//! side's counter (Vyukov's unbounded SPSC queue; the cached counters as in Aeron's and Rigtorp's rings). Order of the
//! atomics:
//!
//! - `tail` is stored with Release after the slot and, at a block's end, the link to the next block were written; the
//!   consumer loads it with Acquire, so it sees both.
//! - `head`'s messages are stored with Release after the slots were emptied; the producer loads them with Acquire before it takes the
//!   room as free. They are published in batches, so a consumer does not pull the producer's cache line for each message.
//! - Items that hold messages ([`Producer::add`], [`Consumer::took`]) order what is in them themselves; here it is only counted.
//! - Sleeping is not the ring's business: [`Attention`] holds the store-fence-load that both sides need.
//!
//! Both ends are `Send`, neither is `Clone`: single producer and single consumer hold by ownership.
#![expect(unsafe_code, reason = "slots are written and read in place; each block of code proves its access")]

use std::mem::MaybeUninit;
use std::ptr;

use super::marks::Marks;

use self::sync::{Arc, AtomicBool, AtomicPtr, AtomicU64, Ordering, UnsafeCell, fence};

/// The atomics and cells; loom's when the model checker runs.
mod sync {
    #[cfg(tamtam_loom)]
    pub(super) use loom::{
        cell::UnsafeCell,
        sync::Arc,
        sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence},
    };
    #[cfg(not(tamtam_loom))]
    pub(super) use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence},
    };

    /// The standard cell with loom's way of access.
    #[cfg(not(tamtam_loom))]
    #[derive(Debug)]
    pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(not(tamtam_loom))]
    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }
        #[inline(always)]
        pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }
        #[inline(always)]
        pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// Slots per block: large enough that blocks are rare, small enough that an idle pipe costs a few kilobytes at most.
#[cfg(not(tamtam_loom))]
const BLOCK_SLOTS: usize = 16;
#[cfg(tamtam_loom)]
const BLOCK_SLOTS: usize = 2;

/// How many messages the consumer takes before it tells the producer, at most.
const PUBLISH_EVERY: u64 = 32;

struct Block<T> {
    slots: [UnsafeCell<MaybeUninit<T>>; BLOCK_SLOTS],
    next: AtomicPtr<Self>,
}

impl<T> Block<T> {
    fn allocate() -> *mut Self {
        Box::into_raw(Box::new(Self {
            slots: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            next: AtomicPtr::new(ptr::null_mut()),
        }))
    }
}

/// Keeps what the two sides write apart, so that they do not pull one cache line to and fro.
#[repr(align(128))]
struct Apart<T>(T);

/// What was ever put in.
struct Put {
    count: AtomicU64,
    messages: AtomicU64,
}

/// What was ever taken out.
struct Taken {
    count: AtomicU64,
    messages: AtomicU64,
    weight: AtomicU64,
}

struct Shared<T> {
    tail: Apart<Put>,
    head: Apart<Taken>,
    /// The consumer's block and the count of the items before it: where the last end begins to tidy up.
    first_block: AtomicPtr<Block<T>>,
    first_count: AtomicU64,
    /// One emptied block on its way back to the producer.
    spare: AtomicPtr<Block<T>>,
    /// The most messages that may be queued.
    bound: AtomicU64,
    /// The weight at which no more is queued.
    heavy: AtomicU64,
    /// The producer found the ring full and wants to be told when there is room.
    wants_room: AtomicBool,
    producer_gone: AtomicBool,
    consumer_gone: AtomicBool,
}

// SAFETY: the raw block pointers are reached only through the one producer and the one consumer, whose accesses the
// counters order (see the module's text); an item is owned by one side at a time, so `T: Send` is enough.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above; `&Shared` gives access to atomics only, slots are reached through the ends' own pointers.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn set_bound(&self, marks: Marks) {
        self.bound.store(marks.messages, Ordering::Relaxed);
        self.heavy.store(marks.bytes, Ordering::Relaxed);
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let spare = self.spare.load(Ordering::Relaxed);
        if !spare.is_null() {
            // SAFETY: the spare block was made by `Block::allocate`, holds no items, and nobody else is left.
            drop(unsafe { Box::from_raw(spare) });
        }
        let (mut position, tail) =
            (self.head.0.count.load(Ordering::Relaxed), self.tail.0.count.load(Ordering::Relaxed));
        let mut block_start = self.first_count.load(Ordering::Relaxed);
        let mut block = self.first_block.load(Ordering::Relaxed);
        while !block.is_null() {
            // SAFETY: both ends are gone (the last `Arc` is being dropped, which orders everything they did before us),
            // so the chain from the consumer's block on is ours alone; every block in it came from `Block::allocate`.
            let owned = unsafe { Box::from_raw(block) };
            for slot in &owned.slots {
                if position == block_start && position < tail {
                    // SAFETY: positions from `head` up to `tail` were written and never read.
                    slot.with_mut(|slot| unsafe { (*slot).assume_init_drop() });
                    position += 1;
                }
                block_start += 1;
            }
            block = owned.next.load(Ordering::Relaxed);
        }
    }
}

/// The writing end.
pub(crate) struct Producer<T> {
    shared: Arc<Shared<T>>,
    block: *mut Block<T>,
    slot: usize,
    tail: u64,
    /// All messages that were ever put in, and how many of them are known to be taken out.
    messages: u64,
    messages_seen: u64,
    /// The same of their weight.
    weight: u64,
    weight_seen: u64,
}

/// The reading end.
pub(crate) struct Consumer<T> {
    shared: Arc<Shared<T>>,
    block: *mut Block<T>,
    slot: usize,
    head: u64,
    tail_seen: u64,
    /// All messages that were ever taken out, and how many of them were told.
    messages: u64,
    messages_published: u64,
    /// Messages of items that were taken out, which are not taken themselves yet.
    inside: u64,
    /// The weight of what was ever taken out, and how much of it was told.
    weight: u64,
    weight_published: u64,
}

// SAFETY: an end owns its position in the chain; moving it to another thread moves that ownership with it.
unsafe impl<T: Send> Send for Producer<T> {}
// SAFETY: as for `Producer`.
unsafe impl<T: Send> Send for Consumer<T> {}

/// What an item counts for. It must not change while the item is in the ring.
pub(crate) trait Weigh {
    fn weight(&self) -> u64;

    /// How many messages it is. One that is none for itself may hold some: see [`Producer::add`].
    fn messages(&self) -> u64 {
        1
    }
}

/// Makes a ring that takes messages as long as fewer wait, and they weigh less, than the marks say.
pub(crate) fn ring<T>(marks: Marks) -> (Producer<T>, Consumer<T>) {
    let block = Block::allocate();
    let shared = Arc::new(Shared {
        tail: Apart(Put { count: AtomicU64::new(0), messages: AtomicU64::new(0) }),
        head: Apart(Taken {
            count: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            weight: AtomicU64::new(0),
        }),
        first_block: AtomicPtr::new(block),
        first_count: AtomicU64::new(0),
        spare: AtomicPtr::new(ptr::null_mut()),
        bound: AtomicU64::new(marks.messages),
        heavy: AtomicU64::new(marks.bytes),
        wants_room: AtomicBool::new(false),
        producer_gone: AtomicBool::new(false),
        consumer_gone: AtomicBool::new(false),
    });
    (
        Producer {
            shared: Arc::clone(&shared),
            block,
            slot: 0,
            tail: 0,
            messages: 0,
            messages_seen: 0,
            weight: 0,
            weight_seen: 0,
        },
        Consumer {
            shared,
            block,
            slot: 0,
            head: 0,
            tail_seen: 0,
            messages: 0,
            messages_published: 0,
            inside: 0,
            weight: 0,
            weight_published: 0,
        },
    )
}

impl<T: Weigh> Producer<T> {
    /// Appends an item, or gives it back when the ring is full.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        if !self.has_room() {
            return Err(item);
        }
        self.push_unbounded(item);
        Ok(())
    }

    /// Appends an item whatever the bound says: for state (subscriptions) that must not be lost.
    #[inline]
    pub(crate) fn push_unbounded(&mut self, item: T) {
        if self.slot == BLOCK_SLOTS {
            self.next_block();
        }
        self.weight += item.weight();
        self.messages += item.messages();
        // SAFETY: `block` is the chain's last block, which the consumer frees only after it has followed `next`, and
        // `next` is set by this producer only. `slot < BLOCK_SLOTS` was not written before: positions only grow.
        unsafe {
            (*self.block).slots.get_unchecked(self.slot).with_mut(|slot| {
                (*slot).write(item);
            });
        }
        self.slot += 1;
        self.tail += 1;
        self.shared.tail.0.messages.store(self.messages, Ordering::Relaxed);
        self.shared.tail.0.count.store(self.tail, Ordering::Release);
    }
}

impl<T> Producer<T> {
    /// Counts messages that were put into an item, which is in the ring or goes there next: before this end asks for anything else.
    #[inline]
    pub(crate) fn add(&mut self, messages: u64, weight: u64) {
        self.weight += weight;
        self.messages += messages;
        self.shared.tail.0.messages.store(self.messages, Ordering::Relaxed);
    }

    /// Returns what tells the consumer of messages that are [added](Self::add) later.
    pub(crate) fn counter(&self) -> Counter<T> {
        Counter(Arc::clone(&self.shared))
    }

    /// Returns how many more messages of this weight are taken in any case.
    #[inline]
    pub(crate) fn room_for(&self, weight: u64) -> u64 {
        let bound = self.shared.bound.load(Ordering::Relaxed);
        let heavy = self.shared.heavy.load(Ordering::Relaxed);
        let by_count = bound.saturating_sub(self.messages - self.messages_seen);
        by_count.min(heavy.saturating_sub(self.weight - self.weight_seen) / weight.max(1))
    }

    /// Tells whether one more item is taken.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        self.is_below(1)
    }

    /// Tells whether three quarters of the marks are free.
    #[inline]
    pub(crate) fn has_much_room(&mut self) -> bool {
        self.is_below(4)
    }

    /// Tells whether what waits is below this part of the marks.
    #[inline]
    fn is_below(&mut self, part: u64) -> bool {
        let (bound, heavy) = (
            self.shared.bound.load(Ordering::Relaxed) / part,
            self.shared.heavy.load(Ordering::Relaxed) / part,
        );
        let is_below = |producer: &Self| {
            producer.messages - producer.messages_seen < bound
                && producer.weight - producer.weight_seen < heavy
        };
        if is_below(self) {
            return true;
        }
        self.messages_seen = self.shared.head.0.messages.load(Ordering::Acquire);
        // At least what had been taken out when that was stored.
        self.weight_seen = self.shared.head.0.weight.load(Ordering::Relaxed);
        is_below(self)
    }

    /// Asks the consumer to tell when there is room, and looks once more, so that nothing is missed in between.
    pub(crate) fn wants_room(&mut self) -> bool {
        self.shared.wants_room.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.has_room()
    }

    /// Changes the marks.
    pub(crate) fn set_bound(&self, marks: Marks) {
        self.shared.set_bound(marks);
    }

    /// Returns what all messages that wait weigh.
    pub(crate) fn weight(&self) -> u64 {
        self.weight.saturating_sub(self.shared.head.0.weight.load(Ordering::Relaxed))
    }

    /// Returns how many messages wait.
    pub(crate) fn len(&self) -> u64 {
        self.messages.saturating_sub(self.shared.head.0.messages.load(Ordering::Acquire))
    }

    /// Tells whether the reading end is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared.consumer_gone.load(Ordering::Acquire)
    }

    #[cold]
    fn next_block(&mut self) {
        let mut next = self.shared.spare.swap(ptr::null_mut(), Ordering::AcqRel);
        if next.is_null() {
            next = Block::allocate();
        }
        // SAFETY: `block` is alive as long as its `next` is null (the consumer frees a block only after it has seen a
        // next one), and only this producer sets it. `next` is ours alone until the store.
        unsafe {
            (*next).next.store(ptr::null_mut(), Ordering::Relaxed);
            (*self.block).next.store(next, Ordering::Release);
        }
        self.block = next;
        self.slot = 0;
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.producer_gone.store(true, Ordering::Release);
    }
}

/// Counts for the consumer, in place of the producer, which does nothing meanwhile.
pub(crate) struct Counter<T>(Arc<Shared<T>>);

impl<T> Counter<T> {
    #[inline]
    pub(crate) fn count(&self) {
        let messages = &self.0.tail.0.messages;
        // Nobody else writes there.
        messages.store(messages.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

impl<T: Weigh> Consumer<T> {
    /// Takes the oldest item.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        if self.slot == BLOCK_SLOTS {
            self.next_block();
        }
        // SAFETY: `head < tail`, and `tail` was loaded with Acquire, so the producer's write of this slot happened
        // before; only this consumer moves `head`, so nobody else reads or drops the value.
        let item =
            unsafe { (*self.block).slots.get_unchecked(self.slot).with(|slot| (*slot).assume_init_read()) };
        self.slot += 1;
        self.head += 1;
        self.weight += item.weight();
        self.messages += item.messages();
        Some(item)
    }
}

impl<T> Consumer<T> {
    /// Has the oldest item looked at, which stays; `false` if there is none.
    #[inline]
    pub(crate) fn is_next(&mut self, look: impl FnOnce(&T) -> bool) -> bool {
        if self.is_empty() {
            return false;
        }
        if self.slot == BLOCK_SLOTS {
            self.next_block();
        }
        // SAFETY: as in `pop`, of an item that stays where it is: it is borrowed for this call, and `&mut self` keeps it from being
        // taken meanwhile.
        unsafe { (*self.block).slots.get_unchecked(self.slot).with(|slot| look((*slot).assume_init_ref())) }
    }

    /// An item was taken out with so many messages in it, each of which is still to be [taken](Self::took).
    pub(crate) fn opened(&mut self, messages: u64) {
        self.inside += messages;
    }

    /// A message was taken of an item that was taken out before.
    #[inline]
    pub(crate) fn took(&mut self, weight: u64) {
        self.inside -= 1;
        self.messages += 1;
        self.weight += weight;
    }

    /// Returns how many more messages of at most this weight can be [taken](Self::took) before [`publish`](Self::publish) tells anything.
    #[inline]
    pub(crate) fn untold(&self, weight: u64) -> u64 {
        let (batch, heavy) = self.told_every();
        let by_count = batch.saturating_sub(self.messages - self.messages_published + 1);
        let by_weight = heavy.saturating_sub(self.weight - self.weight_published + 1) / weight.max(1);
        // With the last one it may be at rest.
        self.inside.saturating_sub(1).min(by_count).min(by_weight)
    }

    /// After so many messages, and after so much weight, the producer is told.
    #[inline]
    fn told_every(&self) -> (u64, u64) {
        let bound = self.shared.bound.load(Ordering::Relaxed);
        let heavy = self.shared.heavy.load(Ordering::Relaxed);
        (PUBLISH_EVERY.min(bound.div_ceil(2)), heavy.div_ceil(2))
    }

    /// Tells the producer's side how far we are, when enough was taken; returns whether the producer must be woken.
    #[inline]
    pub(crate) fn publish(&mut self) -> bool {
        let taken = self.messages - self.messages_published;
        let bound = self.shared.bound.load(Ordering::Relaxed);
        let (batch, heavy) = self.told_every();
        // At once when the ring is empty, so that the counts of a quiet pipe are exact; but not where the bound is so small
        // that a message looked at ahead would make a difference to it: there it is half the bound, as libzmq's marks work.
        let is_at_rest = self.head == self.tail_seen && self.inside == 0 && bound > 2 * PUBLISH_EVERY;
        let is_enough = taken >= batch || self.weight - self.weight_published >= heavy;
        if taken == 0 || (!is_enough && !is_at_rest) {
            return false;
        }
        self.publish_now()
    }

    fn publish_now(&mut self) -> bool {
        (self.messages_published, self.weight_published) = (self.messages, self.weight);
        self.shared.head.0.weight.store(self.weight, Ordering::Relaxed);
        self.shared.head.0.count.store(self.head, Ordering::Relaxed);
        self.shared.head.0.messages.store(self.messages, Ordering::Release);
        fence(Ordering::SeqCst);
        // Half the bound, as libzmq's marks work: a producer woken for each place that becomes free would sleep again at once.
        self.shared.wants_room.load(Ordering::Relaxed)
            && self.len() <= self.shared.bound.load(Ordering::Relaxed) / 2
            && self.shared.wants_room.swap(false, Ordering::AcqRel)
    }

    /// Changes the marks.
    pub(crate) fn set_bound(&self, marks: Marks) {
        self.shared.set_bound(marks);
    }

    /// Tells whether nothing is there.
    #[inline]
    pub(crate) fn is_empty(&mut self) -> bool {
        if self.head == self.tail_seen {
            self.tail_seen = self.shared.tail.0.count.load(Ordering::Acquire);
        }
        self.head == self.tail_seen
    }

    /// Returns how many messages wait.
    pub(crate) fn len(&self) -> u64 {
        let put = self.shared.tail.0.messages.load(Ordering::Acquire);
        put.saturating_sub(self.messages)
    }

    /// Tells whether the writing end is gone; what it wrote before can still be taken.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared.producer_gone.load(Ordering::Acquire)
    }

    #[cold]
    fn next_block(&mut self) {
        let old = self.block;
        // SAFETY: items are there behind this block (`head < tail`), so the producer has linked the next block before
        // it published `tail`, which we loaded with Acquire.
        let next = unsafe { (*old).next.load(Ordering::Acquire) };
        debug_assert!(!next.is_null(), "items behind the last block");
        self.block = next;
        self.slot = 0;
        self.shared.first_block.store(next, Ordering::Relaxed);
        self.shared.first_count.store(self.head, Ordering::Relaxed);
        // The producer went on to `next` before it published, so nobody else reaches `old`.
        let previous = self.shared.spare.swap(old, Ordering::AcqRel);
        if !previous.is_null() {
            // SAFETY: a block in `spare` is empty and reachable through `spare` only; the swap took it out.
            drop(unsafe { Box::from_raw(previous) });
        }
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.consumer_gone.store(true, Ordering::Release);
        // What is left is dropped by whoever comes last: the producer may still be appending.
        self.publish_now();
    }
}

/// What a reader of rings and those who write them tell each other: "there is something new" and "I sleep".
///
/// Release and Acquire alone lose wake-ups here: each side stores one thing and then loads another (the writer its item,
/// then the flags; the reader a flag, then the rings), and a load may overtake a store. So each side has a sequentially
/// consistent fence in between. The models below fail without either.
#[derive(Debug)]
pub(crate) struct Attention {
    /// Something was published since the reader last looked.
    news: AtomicBool,
    /// The reader sleeps and has to be woken.
    sleeping: AtomicBool,
}

impl Attention {
    pub(crate) fn new() -> Self {
        Self { news: AtomicBool::new(false), sleeping: AtomicBool::new(false) }
    }

    /// The writer's part, after it has published: raises the news; returns whether the reader must be woken.
    #[inline]
    pub(crate) fn announce(&self) -> bool {
        fence(Ordering::SeqCst);
        if !self.news.load(Ordering::Relaxed) {
            self.news.store(true, Ordering::Release);
        }
        self.sleeping.load(Ordering::Relaxed)
    }

    /// Raises the news without a publication: the reader shall look.
    pub(crate) fn raise(&self) {
        self.news.store(true, Ordering::Release);
    }

    /// Tells whether there is something new.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed)
    }

    /// The reader's part, before it looks at its rings: takes the news away; returns whether there were any.
    #[inline]
    pub(crate) fn take_news(&self) -> bool {
        if !self.has_news() || !self.news.swap(false, Ordering::AcqRel) {
            return false;
        }
        fence(Ordering::SeqCst);
        true
    }

    /// Sets whether somebody sleeps. After `true` the sleeper looks at its rings once more before it sleeps.
    pub(crate) fn set_sleeping(&self, sleeping: bool) {
        self.sleeping.store(sleeping, Ordering::Relaxed);
        if sleeping {
            fence(Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
const NO_MARKS: Marks = items(u64::MAX);

#[cfg(test)]
const fn items(bound: u64) -> Marks {
    Marks { messages: bound, bytes: u64::MAX }
}

/// In tests a number weighs what it says.
#[cfg(test)]
impl Weigh for u64 {
    fn weight(&self) -> u64 {
        *self
    }
}

#[cfg(test)]
impl<T: Weigh> Weigh for Box<T> {
    fn weight(&self) -> u64 {
        (**self).weight()
    }
}

#[cfg(all(test, not(tamtam_loom)))]
mod tests {
    use super::*;

    impl Weigh for Arc<()> {
        fn weight(&self) -> u64 {
            1
        }
    }

    #[test]
    fn items_come_out_in_order_across_blocks() {
        let (mut producer, mut consumer) = ring(NO_MARKS);
        for round in 0..5u64 {
            for i in 0..100 {
                producer.push(Box::new(round * 100 + i)).unwrap();
            }
            assert_eq!(consumer.len(), 100);
            for i in 0..100 {
                assert_eq!(*consumer.pop().unwrap(), round * 100 + i);
                consumer.publish();
            }
            assert!(consumer.pop().is_none());
        }
    }

    #[test]
    fn a_full_ring_gives_the_item_back_until_room_is_published() {
        let (mut producer, mut consumer) = ring(items(2));
        producer.push(1).unwrap();
        producer.push(2).unwrap();
        assert_eq!(producer.push(3), Err(3));
        assert!(!producer.wants_room());
        assert_eq!(consumer.pop(), Some(1));
        assert!(consumer.publish(), "the producer asked to be told");
        producer.push(3).unwrap();
        producer.push_unbounded(4);
        assert_eq!(producer.len(), 3);
        assert_eq!(
            [consumer.pop(), consumer.pop(), consumer.pop(), consumer.pop()],
            [Some(2), Some(3), Some(4), None]
        );
    }

    #[test]
    fn a_ring_that_is_heavy_enough_is_full() {
        let (mut producer, mut consumer) = ring(Marks { messages: 100, bytes: 10 });
        producer.push(50).unwrap();
        assert_eq!(
            (producer.push(1), producer.weight()),
            (Err(1), 50),
            "the one that is larger is let through alone"
        );
        assert!(!producer.wants_room());
        assert_eq!(consumer.pop(), Some(50));
        assert!(consumer.publish(), "the producer asked to be told");
        for _ in 0..3 {
            producer.push(4).unwrap();
        }
        assert_eq!(producer.push(4), Err(4), "12 of 10");
        assert!(!producer.wants_room());
        assert_eq!(consumer.pop(), Some(4));
        assert!(!consumer.publish(), "not for each of them");
        assert_eq!(consumer.pop(), Some(4));
        assert!(consumer.publish(), "half of it is free, with another one behind");
        assert_eq!(producer.weight(), 4);
        producer.set_bound(Marks { messages: 100, bytes: 4 });
        assert_eq!(producer.push(0), Err(0));
    }

    #[test]
    fn every_item_is_dropped_once_wherever_the_ends_stop() {
        for pushed in 0..40usize {
            for popped in 0..=pushed {
                for producer_first in [false, true] {
                    let item = Arc::new(());
                    let (mut producer, mut consumer) = ring(NO_MARKS);
                    for _ in 0..pushed {
                        producer.push(Arc::clone(&item)).unwrap();
                    }
                    for _ in 0..popped {
                        consumer.pop().unwrap();
                    }
                    // Looking takes nothing, also where a block has ended.
                    let is_there = consumer.is_next(|next| Arc::ptr_eq(next, &item));
                    assert_eq!(is_there, popped < pushed);
                    if producer_first {
                        drop(producer);
                        assert!(consumer.is_abandoned());
                        drop(consumer);
                    } else {
                        drop(consumer);
                        assert!(producer.is_abandoned());
                        producer.push(Arc::clone(&item)).unwrap();
                        drop(producer);
                    }
                    assert_eq!(Arc::strong_count(&item), 1, "{pushed} pushed, {popped} popped");
                }
            }
        }
    }

    #[test]
    fn two_threads_pass_everything_through_a_small_bound() {
        let (mut producer, mut consumer) = ring(items(7));
        let writer = std::thread::spawn(move || {
            for i in 0..20_000u64 {
                let mut item = i;
                while let Err(back) = producer.push(item) {
                    item = back;
                    std::thread::yield_now();
                }
            }
        });
        for expected in 0..20_000u64 {
            loop {
                if consumer.is_next(|item| *item == expected) {
                    assert_eq!(consumer.pop(), Some(expected));
                    consumer.publish();
                    break;
                }
                std::thread::yield_now();
            }
        }
        writer.join().unwrap();
    }
}

/// Models for the checker: `RUSTFLAGS="--cfg tamtam_loom" cargo test -p tamtam-zmq --release --lib ring::loom`.
#[cfg(all(test, tamtam_loom))]
mod loom_models {
    use super::*;
    use loom::sync::{Condvar, Mutex};
    use loom::thread;

    #[test]
    fn loom_ring_passes_every_item_once_and_in_order() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(NO_MARKS);
            let writer = thread::spawn(move || {
                for i in 0..3u64 {
                    producer.push(Box::new(i)).unwrap();
                }
            });
            let mut expected = 0u64;
            for _ in 0..3 {
                if let Some(item) = consumer.pop() {
                    assert_eq!(*item, expected);
                    expected += 1;
                    consumer.publish();
                }
            }
            drop(consumer);
            writer.join().unwrap();
        });
    }

    #[test]
    fn loom_bound_holds_and_the_producer_is_told_of_room() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(items(1));
            let told = Arc::new(AtomicBool::new(false));
            let tell = Arc::clone(&told);
            producer.push(1).unwrap();
            let reader = thread::spawn(move || {
                assert_eq!(consumer.pop(), Some(1));
                if consumer.publish() {
                    tell.store(true, Ordering::Release);
                }
                consumer
            });
            let room = producer.wants_room();
            let consumer = reader.join().unwrap();
            assert!(
                room || told.load(Ordering::Acquire),
                "neither seen nor told: the producer would sleep for ever"
            );
            drop(consumer);
        });
    }

    #[test]
    fn loom_the_producer_is_told_that_the_ring_is_lighter() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(Marks { messages: 1000, bytes: 5 });
            let told = Arc::new(AtomicBool::new(false));
            let tell = Arc::clone(&told);
            producer.push(5).unwrap();
            producer.push_unbounded(0);
            let reader = thread::spawn(move || {
                assert_eq!(consumer.pop(), Some(5));
                if consumer.publish() {
                    tell.store(true, Ordering::Release);
                }
                consumer
            });
            let room = producer.wants_room();
            let consumer = reader.join().unwrap();
            assert!(room || told.load(Ordering::Acquire), "neither seen nor told");
            drop(consumer);
        });
    }

    #[test]
    fn loom_a_sleeper_is_always_woken() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(NO_MARKS);
            let attention = Arc::new(Attention::new());
            let state = Arc::new((Mutex::new(()), Condvar::new()));
            let (asked, shared) = (Arc::clone(&attention), Arc::clone(&state));
            let writer = thread::spawn(move || {
                producer.push(7).unwrap();
                if asked.announce() {
                    // The waker takes the sleeper's lock, so it cannot fall between its last look and its sleep.
                    let guard = shared.0.lock().unwrap();
                    shared.1.notify_all();
                    drop(guard);
                }
            });
            let mut guard = state.0.lock().unwrap();
            let item = loop {
                if let Some(item) = consumer.pop() {
                    break item;
                }
                attention.set_sleeping(true);
                if let Some(item) = consumer.pop() {
                    break item;
                }
                guard = state.1.wait(guard).unwrap();
            };
            drop(guard);
            assert_eq!(item, 7);
            writer.join().unwrap();
        });
    }

    #[test]
    fn loom_news_are_never_missed() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(NO_MARKS);
            let attention = Arc::new(Attention::new());
            // Left over from an item that was taken before.
            attention.raise();
            let asked = Arc::clone(&attention);
            let writer = thread::spawn(move || {
                producer.push(7).unwrap();
                asked.announce();
                producer
            });
            let seen = attention.take_news() && !consumer.is_empty();
            let producer = writer.join().unwrap();
            assert!(seen || attention.has_news(), "published, but neither seen nor announced");
            drop(producer);
        });
    }
}
