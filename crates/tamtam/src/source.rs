//! What a subscriber knows of its publishers, and what follows of each message: gaps, ends, losses.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use crate::event::{Event, LossReason, PublisherId};
use crate::header::{FLAG_END, FLAG_HEARTBEAT, Head, SOURCE_LEN};
use crate::schema::Schema;

/// The number of a publisher.
pub(crate) type SourceId = [u8; SOURCE_LEN];

/// Publishers without a place in the registry that are remembered; the oldest go beyond. Whoever sends here may invent as
/// many as he likes.
const STRANGERS_MAX: usize = 1024;

/// Ids are made up by chance, so they are their own hashes. Whoever makes some up that collide gains little: of strangers there
/// are few.
#[derive(Debug, Default)]
pub(crate) struct ByChance(u64);

impl Hasher for ByChance {
    fn write(&mut self, octets: &[u8]) {
        for part in octets.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(part).for_each(|(place, octet)| *place = *octet);
            self.0 ^= u64::from_ne_bytes(word);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// One publisher.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) node: String,
    /// Where we are connected to; empty for one that just sends.
    pub(crate) endpoint: String,
    /// Where reports go.
    pub(crate) info: Vec<String>,
    pub(crate) schema: Option<Schema>,
    pub(crate) lossless: bool,
    /// The highest number that it is known to have published: what is missing up to there was told. `None` before anything was
    /// heard.
    pub(crate) last: Option<u64>,
    /// The number of the last message that arrived, 0 if none did.
    pub(crate) arrived: u64,
    pub(crate) ended: bool,
    /// It has left the registry without having ended; since when nothing has come of it, although it was listened to.
    pub(crate) gone: Option<Instant>,
    /// What had been heard of it by then.
    pub(crate) heard: (Option<u64>, u64),
    /// Somebody has listened since.
    pub(crate) is_awaited: bool,
    /// That was told.
    pub(crate) mourned: bool,
    /// The connection to it was given up.
    pub(crate) left: bool,
    /// Its record says that it has ended.
    pub(crate) ended_told: bool,
    /// Its messages are not wanted.
    pub(crate) refused: bool,
}

impl Source {
    /// It is not in the registry any more.
    pub(crate) const fn is_gone(&mut self, now: Instant) {
        self.gone = Some(now);
        self.heard = (self.last, self.arrived);
        self.is_awaited = false;
    }

    /// Whether it is gone, and that is to be told.
    const fn is_missing(&self) -> bool {
        self.gone.is_some() && !self.ended && !self.mourned
    }
}

/// All publishers of one subscriber.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) known: IndexMap<SourceId, Source, BuildHasherDefault<ByChance>>,
    /// Where among them the one is that sent the last message, most likely.
    recent: usize,
    strangers: usize,
    /// How many have ended and are forgotten.
    finished: usize,
    /// One that went away without END, which nobody was told by an error yet.
    pub(crate) owed: Option<(PublisherId, u64, u64)>,
    /// Messages that were delivered, and octets of their bodies.
    pub(crate) received: u64,
    pub(crate) bytes: u64,
    pub(crate) duplicates: u64,
    pub(crate) lost: u64,
}

/// What to do with a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Deliver,
    Ignore,
}

/// What was found out on the way.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) event: Event,
    pub(crate) source: SourceId,
}

impl Sources {
    /// Takes a message's header into account. `reason` says why so many messages may be missing, and is asked only if some are.
    pub(crate) fn take(
        &mut self,
        header: &Head,
        reason: impl FnOnce(&Source, u64) -> LossReason,
        findings: &mut Vec<Finding>,
    ) -> Verdict {
        // Without a source nothing can be counted: somebody speaks who does not know of headers.
        let Some(id) = header.source else { return Verdict::Deliver };
        if !self.known.contains_key(&id) {
            self.add_stranger(id);
        }
        let Some(source) = self.known.get_mut(&id) else { return Verdict::Deliver };
        if source.refused {
            return Verdict::Ignore;
        }
        let (is_end, is_beat) = (header.has(FLAG_END), header.has(FLAG_HEARTBEAT));
        // END counts one more than there were messages.
        let published = if is_end { header.seq.saturating_sub(1) } else { header.seq };
        let expected = source.last.map(|last| last.saturating_add(1));
        let is_message = !is_end && !is_beat;
        if is_message && expected.is_some_and(|expected| header.seq < expected) {
            self.duplicates += 1;
            return Verdict::Ignore;
        }
        // What is missing: up to the message before this one, or up to the number that was told.
        let until = if is_message { published.saturating_sub(1) } else { published };
        if let Some(from) = expected
            && from <= until
        {
            // A stranger may claim anything.
            let count = (until - from).saturating_add(1);
            let reason = reason(source, count);
            self.lost = self.lost.saturating_add(count);
            let publisher = PublisherId { node: source.node.clone(), source: id };
            let event = Event::Lost { publisher, from, to: until, reason };
            findings.push(Finding { event, source: id });
        }
        source.last = Some(source.last.unwrap_or(0).max(published));
        if is_message {
            source.arrived = header.seq;
        }
        if is_end {
            if !std::mem::replace(&mut source.ended, true) {
                let publisher = PublisherId { node: source.node.clone(), source: id };
                let event = Event::Ended { publisher, count: published };
                findings.push(Finding { event, source: id });
            }
            return Verdict::Ignore;
        }
        if is_beat { Verdict::Ignore } else { Verdict::Deliver }
    }

    /// Does what [`take`](Self::take) does most often: takes the header of the very next message of a publisher into account.
    /// `false`, and no change, if it is not that.
    #[inline]
    pub(crate) fn take_next(&mut self, header: &Head) -> bool {
        let Some(id) = header.source else { return false };
        if self.known.get_index(self.recent).is_none_or(|(recent, _)| *recent != id) {
            let Some(at) = self.known.get_index_of(&id) else { return false };
            self.recent = at;
        }
        let Some((_, source)) = self.known.get_index_mut(self.recent) else { return false };
        let is_next = source.last.is_some_and(|last| last.checked_add(1) == Some(header.seq));
        if !is_next || source.refused || header.has(FLAG_END | FLAG_HEARTBEAT) {
            return false;
        }
        (source.last, source.arrived) = (Some(header.seq), header.seq);
        true
    }

    /// A message with a body of so many octets goes to the application.
    #[inline]
    pub(crate) fn delivered(&mut self, octets: usize) {
        self.received += 1;
        self.bytes += octets as u64;
    }

    fn add_stranger(&mut self, id: SourceId) {
        if self.strangers >= STRANGERS_MAX {
            self.known.retain(|_, source| !source.endpoint.is_empty());
            self.strangers = 0;
        }
        self.strangers += 1;
        self.known.insert(id, Source::default());
    }

    /// Tells whether all publishers have ended, and at least `expected` have.
    pub(crate) fn are_over(&self, expected: usize) -> bool {
        let mut ended = self.finished;
        for source in self.known.values().filter(|source| !source.refused) {
            if source.ended {
                ended += 1;
            } else if !source.mourned {
                return false;
            }
        }
        ended >= expected.max(1)
    }

    /// Tells whether somebody is there who may still send.
    pub(crate) fn any_alive(&self) -> bool {
        self.known.values().any(|source| !source.ended && source.gone.is_none() && !source.refused)
    }

    /// Tells whether there is somebody to mourn.
    pub(crate) fn any_missing(&self) -> bool {
        self.known.values().any(Source::is_missing)
    }

    /// Takes those into account that are gone without END and of which nothing has come for so long (`settled`), each once.
    pub(crate) fn mourn(
        &mut self,
        now: Instant,
        settled: impl Fn(&Source) -> Duration,
        findings: &mut Vec<Finding>,
    ) {
        for (&id, source) in &mut self.known {
            let Some(gone) = source.gone.filter(|_| source.is_missing()) else { continue };
            if source.heard != (source.last, source.arrived) {
                // What was on its way still comes.
                source.is_gone(now);
                continue;
            }
            if !std::mem::replace(&mut source.is_awaited, true) {
                // A silence that nobody listened to is none: the reader was busy, or the process stood still.
                source.gone = Some(now);
                continue;
            }
            if now.saturating_duration_since(gone) < settled(source) {
                continue;
            }
            if source.ended_told && source.last.is_none() {
                // It ended before we came in, and nothing was for us.
                source.ended = true;
                continue;
            }
            source.mourned = true;
            // What is missing up to the last number that was heard was told then.
            let (received, published) = (source.arrived, source.last.unwrap_or(0));
            let publisher = PublisherId { node: source.node.clone(), source: id };
            let event = Event::Gone { publisher: publisher.clone(), received, published };
            findings.push(Finding { event, source: id });
            self.owed = Some((publisher, received, published));
        }
    }

    /// Forgets publishers that have ended or are mourned, if there are many of them: tools come and go.
    pub(crate) fn forget_all_but(&mut self, present: &HashSet<SourceId>) {
        if self.known.len() <= STRANGERS_MAX {
            return;
        }
        self.known.retain(|id, source| {
            let is_done = (source.ended || source.mourned) && !source.endpoint.is_empty();
            let is_kept = !is_done || present.contains(id);
            self.finished += usize::from(!is_kept && source.ended && !source.refused);
            is_kept
        });
    }

    /// A publisher that was gone is there again; returns whether it was.
    pub(crate) fn returned(&mut self, id: SourceId) -> bool {
        let Some(source) = self.known.get_mut(&id) else { return false };
        if source.ended || source.gone.take().is_none() {
            return false;
        }
        (source.mourned, source.left) = (false, false);
        self.owed.take_if(|(publisher, ..)| publisher.source == id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::FLAG_LATCHED;

    const A: SourceId = [1; 8];

    fn header(seq: u64, flags: u32) -> Head {
        Head { seq, flags, source: Some(A), ..Head::default() }
    }

    #[derive(Default)]
    struct Run {
        sources: Sources,
        findings: Vec<Finding>,
    }

    impl Run {
        fn take(&mut self, seq: u64, flags: u32) -> Verdict {
            self.sources.take(&header(seq, flags), |_, _| LossReason::Unknown, &mut self.findings)
        }

        fn losses(&mut self) -> Vec<(u64, u64)> {
            let found = std::mem::take(&mut self.findings);
            found
                .into_iter()
                .filter_map(|finding| match finding.event {
                    Event::Lost { from, to, .. } => Some((from, to)),
                    _ => None,
                })
                .collect()
        }
    }

    #[test]
    fn every_gap_is_told_once_with_its_range() {
        let mut run = Run::default();
        assert_eq!(run.take(5, FLAG_HEARTBEAT), Verdict::Ignore, "where we come in");
        assert_eq!(run.take(6, 0), Verdict::Deliver);
        assert_eq!(run.losses(), []);
        assert_eq!(run.take(9, 0), Verdict::Deliver);
        assert_eq!(run.losses(), [(7, 8)]);
        assert_eq!(run.take(9, 0), Verdict::Ignore, "twice");
        assert_eq!(run.take(7, FLAG_LATCHED), Verdict::Ignore, "told to be lost already");
        assert_eq!(run.take(9, FLAG_HEARTBEAT), Verdict::Ignore);
        assert_eq!(run.losses(), []);
        assert_eq!(run.take(11, FLAG_HEARTBEAT), Verdict::Ignore, "the tail");
        assert_eq!(run.losses(), [(10, 11)]);
        assert_eq!(run.take(14, FLAG_END), Verdict::Ignore);
        assert_eq!(run.losses(), [(12, 13)]);
        assert!(run.sources.are_over(1) && !run.sources.are_over(2));
        assert_eq!((run.sources.lost, run.sources.duplicates), (6, 2));
    }

    #[test]
    fn the_first_message_that_is_heard_is_no_gap() {
        let mut run = Run::default();
        assert_eq!(run.take(100, 0), Verdict::Deliver);
        assert_eq!(run.take(101, FLAG_END), Verdict::Ignore);
        assert!(matches!(&run.findings[..], [Finding { event: Event::Ended { count: 100, .. }, .. }]));
        let mut run = Run::default();
        run.take(1, FLAG_END);
        assert!(run.sources.are_over(1), "an empty stream has an end");
        assert_eq!(run.losses(), []);
    }

    #[test]
    fn a_publisher_that_dies_is_told_with_what_is_missing() {
        let mut run = Run::default();
        run.take(1, 0);
        run.take(4, FLAG_HEARTBEAT);
        assert_eq!(run.losses(), [(2, 4)]);
        assert!(run.sources.any_alive());
        let now = Instant::now();
        run.sources.known.get_mut(&A).unwrap().is_gone(now);
        assert!(!run.sources.any_alive() && run.sources.any_missing());
        let second = Duration::from_secs(1);
        let mourn = |run: &mut Run, after| run.sources.mourn(now + after, |_| second, &mut run.findings);
        // Before this nobody listened.
        mourn(&mut run, second * 3);
        // Something was still on its way: silence begins anew.
        assert_eq!(run.take(5, 0), Verdict::Deliver);
        mourn(&mut run, second * 5);
        mourn(&mut run, second * 6);
        mourn(&mut run, second * 13 / 2);
        assert!(run.findings.is_empty());
        mourn(&mut run, second * 7);
        let gone = &run.findings[0].event;
        assert!(matches!(gone, Event::Gone { received: 5, published: 5, .. }), "{gone:?}");
        assert_eq!(run.losses(), [], "that was told when it was known");
        let owed = run.sources.owed.take().map(|(_, received, published)| (received, published));
        assert_eq!(owed, Some((5, 5)));
        mourn(&mut run, second * 9);
        assert!(run.findings.is_empty() && run.sources.owed.is_none(), "once");
        assert!(!run.sources.are_over(1), "it has not ended");
        assert!(run.sources.returned(A) && run.sources.any_alive(), "it was away for a moment only");
        assert!(!run.sources.returned(A));
    }

    #[test]
    fn the_very_next_message_is_taken_the_short_way() {
        let mut run = Run::default();
        const B: SourceId = [2; 8];
        let next =
            |run: &mut Run, seq, source| run.sources.take_next(&Head { seq, source, ..Head::default() });
        assert!(!next(&mut run, 1, Some(A)), "nobody knows it");
        run.take(4, 0);
        run.sources.known.entry(B).or_default().last = Some(0);
        assert!(next(&mut run, 5, Some(A)) && next(&mut run, 1, Some(B)) && next(&mut run, 6, Some(A)));
        assert!(!next(&mut run, 6, Some(A)) && !next(&mut run, 8, Some(A)) && !next(&mut run, 7, None));
        assert!(
            !run.sources.take_next(&header(7, FLAG_END))
                && !run.sources.take_next(&header(7, FLAG_HEARTBEAT))
        );
        let source = |run: &Run, id| (run.sources.known[&id].last, run.sources.known[&id].arrived);
        assert_eq!((source(&run, A), source(&run, B)), ((Some(6), 6), (Some(1), 1)));
        // The one before it is gone: places change.
        run.sources.known.shift_remove(&A);
        assert!(!next(&mut run, 7, Some(A)) && next(&mut run, 2, Some(B)));
        run.sources.known[&B].refused = true;
        assert!(!next(&mut run, 3, Some(B)));
        run.sources.known[&B] = Source { last: Some(u64::MAX), ..Source::default() };
        assert!(!next(&mut run, 0, Some(B)), "numbers end");
        assert_eq!((run.losses(), run.sources.lost, run.sources.duplicates), (vec![], 0, 0));
    }

    #[test]
    fn strangers_are_bounded() {
        let mut sources = Sources::default();
        for number in 0..5000_u64 {
            let header = Head { seq: 1, source: Some(number.to_be_bytes()), ..Head::default() };
            sources.take(&header, |_, _| LossReason::Unknown, &mut Vec::new());
        }
        assert!(sources.known.len() <= STRANGERS_MAX);
    }
}
