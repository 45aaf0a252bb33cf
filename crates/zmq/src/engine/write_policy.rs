//! When queued bytes are written: at once, together with others, or by whoever filled the queue.
//!
//! Writing each message at once costs a system call per message, which cuts the throughput of a stream several times;
//! leaving every message to the background thread costs each request a thread hop. So:
//!
//! - *direct*: the queue was empty and the sender can afford it (it sends less often than writing costs, or it is in a
//!   conversation): write now;
//! - *cork*: the sender sends faster than that: leave it, the background thread looks after it shortly;
//! - *flush*: a full batch has come together, or the sender has taken so long to collect a part of one that the messages would
//!   rather be written: the sender writes it itself.
//!
//! A publisher whose subscriber answers over another socket looks like a sender of a stream: its messages follow each other
//! as fast as writes, since a write takes as long as the peer that it wakes keeps the core. What tells them apart is what
//! comes of a cork: messages of a stream join the one that waits. Where none do, corks are left out, the longer the more often
//! that is so.

use std::time::{Duration, Instant};

use super::outbox::BATCH_BYTES;

/// What to do with the bytes just queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Write them now.
    Write,
    /// Leave them; a batch is being collected already.
    Leave,
    /// Leave them, and ask the background thread to look after them.
    Cork,
}

/// How long corked bytes wait at most before the background thread writes them.
pub(crate) const CORK_TIME: Duration = Duration::from_micros(100);

/// How long a sender collects a batch at least before it writes a part of one; nor does it spend more than half of its time on that. Who
/// reads has to be woken mostly, which takes twice as long again.
const AGE: Duration = Duration::from_micros(10);
/// The most messages from one look to the next, and where a full batch will come together in time.
const LOOK_EVERY_MAX: u32 = 32;
const LOOK_RARELY: u32 = 128;

/// After many corks in vain, one in two to this power is tried.
const PAUSE_MAX_LOG: u32 = 9;

/// The memory of one socket's sending.
#[derive(Debug)]
pub(crate) struct WritePolicy {
    /// When the last decision with the clock was made.
    decided: Option<Instant>,
    /// Messages sent since then.
    sent: u32,
    /// Time spent in writing since then.
    writing: Duration,
    /// What one small write costs, a running average.
    write_cost: Duration,
    /// A message was received since the last one was sent: request and reply, not a stream.
    conversation: bool,
    /// The last decision with the clock was to cork.
    corked: bool,
    /// So many messages join the cork before its age is looked at.
    until_look: u32,
    /// Corks in a row that no other message joined.
    misses: u32,
    /// Corks that are to be left out.
    pause: u32,
}

impl Default for WritePolicy {
    fn default() -> Self {
        Self {
            decided: None,
            sent: 0,
            writing: Duration::ZERO,
            write_cost: Duration::from_micros(2),
            conversation: false,
            corked: false,
            until_look: 0,
            misses: 0,
            pause: 0,
        }
    }
}

impl WritePolicy {
    /// Notes that the application received something.
    #[inline]
    pub(crate) fn received(&mut self) {
        self.conversation = true;
    }

    /// Decides about the message just queued; `queued_before` are the bytes that waited for the same peer before it, `queued`
    /// with it. `others_wait`: something was left to be written later for other peers.
    #[inline]
    pub(crate) fn decide(
        &mut self,
        queued_before: usize,
        queued: usize,
        others_wait: bool,
        now: impl FnOnce() -> Instant,
    ) -> Decision {
        self.sent = self.sent.saturating_add(1);
        if queued >= BATCH_BYTES {
            return Decision::Write;
        }
        if queued_before > 0 {
            if self.until_look > 1 || others_wait || !self.corked {
                self.until_look = self.until_look.saturating_sub(1);
                return Decision::Leave;
            }
            return self.decide_by_age(queued, now());
        }
        if std::mem::take(&mut self.conversation) {
            self.decided = None;
            return Decision::Write;
        }
        if others_wait {
            // A stream that goes to many peers in turn: the next round may find this one's queue not empty.
            return Decision::Leave;
        }
        self.decide_by_rate(now())
    }

    /// Returns how many messages may join what waits for the one peer that something waits for, without a decision about each; they have to
    /// be told by [`joined`](Self::joined), and nothing else may be decided before.
    #[inline]
    pub(crate) fn may_join(&self) -> u32 {
        if self.corked { self.until_look.saturating_sub(1) } else { u32::MAX }
    }

    /// So many did.
    pub(crate) fn joined(&mut self, count: u32) {
        self.sent = self.sent.saturating_add(count);
        self.until_look = self.until_look.saturating_sub(count);
    }

    /// A batch is being collected: whether to go on with that.
    #[inline(never)]
    fn decide_by_age(&mut self, queued: usize, now: Instant) -> Decision {
        let age = self.decided.map_or(Duration::ZERO, |corked| now.saturating_duration_since(corked));
        // Where a full batch comes together in time it costs the least.
        let full_at = age.saturating_mul(u32::try_from(BATCH_BYTES / queued.max(1)).unwrap_or(u32::MAX));
        if full_at <= CORK_TIME {
            // A few that came together say little of those to come: one that was kept from sending sends what is due at once, and
            // goes on slowly. As many again.
            self.until_look = self.sent.clamp(1, LOOK_RARELY);
            return Decision::Leave;
        }
        let old = AGE.max(self.write_cost);
        if age < old {
            // Half of what should still come until then.
            let pace = (age / self.sent.max(1)).max(Duration::from_nanos(1));
            let still = (old - age).as_nanos() / pace.as_nanos() / 2;
            self.until_look = u32::try_from(still).unwrap_or(u32::MAX).clamp(1, LOOK_EVERY_MAX);
            return Decision::Leave;
        }
        // Others have joined this cork, and the next message may begin another one.
        (self.corked, self.misses, self.pause) = (false, 0, 0);
        self.decided = Some(now);
        (self.sent, self.writing) = (0, Duration::ZERO);
        Decision::Write
    }

    fn decide_by_rate(&mut self, now: Instant) -> Decision {
        if std::mem::take(&mut self.corked) {
            // This message found the queue empty, so it joined nothing.
            if self.sent > 1 {
                (self.misses, self.pause) = (0, 0);
            } else {
                self.misses = (self.misses + 1).min(PAUSE_MAX_LOG);
                self.pause = 1 << self.misses;
            }
        }
        let decision = match self.decided {
            None => Decision::Write,
            Some(before) => {
                // The time between two sends that the application spent on its own.
                let own =
                    now.saturating_duration_since(before).saturating_sub(self.writing) / self.sent.max(1);
                if own >= self.write_cost {
                    Decision::Write
                } else if self.pause > 0 {
                    self.pause -= 1;
                    Decision::Write
                } else {
                    self.corked = true;
                    self.until_look = 1;
                    Decision::Cork
                }
            }
        };
        self.decided = Some(now);
        self.sent = 0;
        self.writing = Duration::ZERO;
        decision
    }

    /// Notes what a write of `bytes` by the sending thread cost.
    pub(crate) fn wrote(&mut self, bytes: usize, took: Duration) {
        self.writing += took;
        if bytes < 4096 {
            // A slow write now and then (the reader ran on our core meanwhile) must not make us cork for long.
            let sample = took.min(Duration::from_micros(20));
            self.write_cost = (self.write_cost * 7 + sample) / 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sender {
        policy: WritePolicy,
        now: Instant,
        queued: usize,
        writes: usize,
        corks: usize,
    }

    impl Sender {
        fn new() -> Self {
            Self { policy: WritePolicy::default(), now: Instant::now(), queued: 0, writes: 0, corks: 0 }
        }

        fn send(&mut self, bytes: usize, gap: Duration) {
            self.now += gap;
            let before = self.queued;
            self.queued += bytes;
            match self.policy.decide(before, self.queued, false, || self.now) {
                Decision::Write => {
                    let cost = Duration::from_micros(2);
                    self.now += cost;
                    self.policy.wrote(self.queued, cost);
                    self.queued = 0;
                    self.writes += 1;
                }
                Decision::Cork => self.corks += 1,
                Decision::Leave => {}
            }
        }
    }

    #[test]
    fn a_stream_is_written_in_full_batches() {
        let mut sender = Sender::new();
        for _ in 0..100_000 {
            sender.send(66, Duration::from_nanos(30));
        }
        assert!(sender.writes < 110, "{} writes for 101 batches", sender.writes);
    }

    #[test]
    fn a_calm_sender_writes_each_message() {
        let mut sender = Sender::new();
        for _ in 0..1000 {
            sender.send(66, Duration::from_micros(50));
        }
        assert_eq!((sender.writes, sender.corks), (1000, 0));
    }

    #[test]
    fn a_conversation_is_always_written_at_once() {
        let mut sender = Sender::new();
        for _ in 0..1000 {
            sender.policy.received();
            sender.send(66, Duration::from_nanos(100));
        }
        assert_eq!((sender.writes, sender.corks), (1000, 0));
    }

    #[test]
    fn a_conversation_over_two_sockets_is_written_at_once() {
        let mut sender = Sender::new();
        for _ in 0..10_000 {
            // The answer is there as soon as the write is done; a cork is over before anything else is sent.
            sender.send(66, Duration::from_nanos(500));
            if sender.queued > 0 {
                sender.now += CORK_TIME;
                sender.queued = 0;
            }
        }
        assert!(sender.corks < 30, "{} corks", sender.corks);
        // It finds out again when a stream begins.
        sender.writes = 0;
        for _ in 0..100_000 {
            sender.send(66, Duration::from_nanos(30));
        }
        assert!(sender.writes < 110 + (1 << PAUSE_MAX_LOG), "{} writes for 101 batches", sender.writes);
        sender.writes = 0;
        for _ in 0..100_000 {
            sender.send(66, Duration::from_nanos(30));
        }
        assert!(sender.writes < 110, "{} writes for 101 batches", sender.writes);
    }

    /// Sends messages at the times that `next` gives, each from that of the end of the one before, where a write takes `cost`. Returns how long
    /// one waited at most, and which part of the time was spent in writing.
    fn stream(cost: Duration, mut next: impl FnMut(Instant) -> Instant) -> (Duration, f64) {
        let (mut policy, mut now) = (WritePolicy::default(), Instant::now());
        let (began, mut queued, mut first) = (now, 0, now);
        let (mut longest, mut writing) = (Duration::ZERO, Duration::ZERO);
        for number in 0..100_000 {
            now = next(now);
            if queued == 0 {
                first = now;
            }
            let before = queued;
            queued += 66;
            if policy.decide(before, queued, false, || now) == Decision::Write {
                if number > 1000 {
                    longest = longest.max(now - first);
                }
                now += cost;
                writing += cost;
                policy.wrote(queued.min(4095), cost);
                queued = 0;
            }
        }
        (longest, writing.as_secs_f64() / (now - began).as_secs_f64())
    }

    /// Between calm and full speed no batch comes together in good time, and writing each message would take all of the
    /// sender's. No message waits long, without the background thread, and the sender does not write for more than half its time.
    #[test]
    fn a_slow_stream_is_written_in_parts_of_batches() {
        for gap in [500, 1_000, 3_300, 10_000].map(Duration::from_nanos) {
            // Whoever reads sleeps, and has to be woken.
            let (longest, writing) = stream(Duration::from_micros(12), |now| now + gap);
            assert!(longest <= Duration::from_micros(35), "a message waited {longest:?} at one in {gap:?}");
            assert!(writing <= 0.5, "{writing} of its time at one in {gap:?}");
        }
    }

    /// What became due during a write is sent at once after it: that says nothing of what comes then.
    #[test]
    fn a_slow_stream_that_catches_up_after_each_write_is_not_taken_for_a_fast_one() {
        let mut due = None;
        let (longest, _) = stream(Duration::from_micros(25), |now| {
            let next = due.map_or(now, |due| due + Duration::from_micros(10));
            due = Some(next);
            next.max(now + Duration::from_nanos(50))
        });
        assert!(longest <= Duration::from_micros(40), "a message waited {longest:?}");
    }

    /// To a hundred peers in turn, none of which has anything waiting when its turn comes; the background thread comes by now and
    /// then.
    #[test]
    fn a_stream_that_goes_round_many_peers_is_left_to_the_background_thread() {
        let (mut policy, mut now) = (WritePolicy::default(), Instant::now());
        let mut written = 0;
        for _ in 0..1000 {
            let mut waiting = [0usize; 100];
            for message in 0..1000 {
                now += Duration::from_nanos(100);
                let before = waiting[message % 100];
                let others_wait = waiting.iter().any(|&bytes| bytes > 0);
                match policy.decide(before, before + 66, others_wait, || now) {
                    Decision::Write => {
                        now += Duration::from_micros(2);
                        policy.wrote(66, Duration::from_micros(2));
                        written += 1;
                    }
                    Decision::Cork | Decision::Leave => waiting[message % 100] += 66,
                }
            }
        }
        assert!(written < 2000, "{written} of a million messages are written at once");
    }

    #[test]
    fn a_burst_after_silence_begins_with_a_write_and_then_corks() {
        let mut sender = Sender::new();
        sender.send(66, Duration::from_secs(1));
        assert_eq!(sender.writes, 1);
        sender.send(66, Duration::from_nanos(30));
        assert_eq!((sender.writes, sender.corks), (1, 1));
    }
}
