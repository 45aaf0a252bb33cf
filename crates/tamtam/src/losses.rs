//! What a subscriber has missed, gathered for its publishers: many small gaps must not become as many reports.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::event::LossReason;
use crate::source::SourceId;

/// How long after a report what is missing next waits for more.
const INTERVAL: Duration = Duration::from_millis(100);
/// Ranges that one publisher is told exactly of at a time; what comes beyond is told with the last one, as a count.
const RANGES_MAX: usize = 8;
/// Publishers that something is gathered for.
const SOURCES_MAX: usize = 1024;

/// Numbers that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// How many from the first to the last.
    pub(crate) count: u64,
    pub(crate) reason: LossReason,
}

impl Missing {
    pub(crate) fn all(from: u64, to: u64, reason: LossReason) -> Self {
        // A stranger may claim anything.
        Self { from, to, count: to.saturating_sub(from).saturating_add(1), reason }
    }

    /// Whether `next` goes on where this ends, for the same reason.
    fn is_continued_by(&self, next: &Self) -> bool {
        self.to.checked_add(1) == Some(next.from) && self.reason == next.reason
    }

    fn join(&mut self, next: &Self) {
        self.from = self.from.min(next.from);
        self.to = self.to.max(next.to);
        self.count = self.count.saturating_add(next.count);
        if self.reason != next.reason {
            self.reason = LossReason::Unknown;
        }
    }
}

#[derive(Debug, Default)]
struct Gathered {
    ranges: Vec<Missing>,
    told: Option<Instant>,
}

/// What is to be told, by publisher.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    sources: HashMap<SourceId, Gathered>,
    is_announced: bool,
}

impl Losses {
    /// More is missing. Returns whether whoever sends reports has to hear of it: it has not since it found nothing left.
    pub(crate) fn add(&mut self, source: SourceId, missing: Missing) -> bool {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            return false;
        }
        let ranges = &mut self.sources.entry(source).or_default().ranges;
        let is_full = ranges.len() >= RANGES_MAX;
        match ranges.last_mut() {
            Some(last) if is_full || last.is_continued_by(&missing) => last.join(&missing),
            _ => ranges.push(missing),
        }
        !std::mem::replace(&mut self.is_announced, true)
    }

    /// What is to be told now, and when there is more to tell.
    pub(crate) fn take(&mut self, now: Instant) -> (Vec<(SourceId, Missing)>, Option<Instant>) {
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        for (source, gathered) in &mut self.sources {
            if gathered.ranges.is_empty() {
                continue;
            }
            match gathered.told.map(|told| told + INTERVAL).filter(|again| *again > now) {
                Some(again) => next = Some(next.map_or(again, |next| next.min(again))),
                None => {
                    due.extend(gathered.ranges.drain(..).map(|missing| (*source, missing)));
                    gathered.told = Some(now);
                }
            }
        }
        let is_recent = |gathered: &Gathered| gathered.told.is_some_and(|told| told + INTERVAL > now);
        self.sources.retain(|_, gathered| !gathered.ranges.is_empty() || is_recent(gathered));
        self.is_announced = next.is_some();
        (due, next)
    }

    /// All that was not told yet.
    pub(crate) fn take_all(&mut self) -> Vec<(SourceId, Missing)> {
        self.is_announced = false;
        let all = self.sources.drain();
        all.flat_map(|(source, gathered)| gathered.ranges.into_iter().map(move |missing| (source, missing)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SourceId = [1; 8];
    const B: SourceId = [2; 8];

    fn full(from: u64, to: u64) -> Missing {
        Missing::all(from, to, LossReason::SubscriberFull)
    }

    #[test]
    fn the_first_loss_is_told_at_once_and_neighbours_are_told_as_one() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        assert!(losses.add(A, full(3, 4)));
        assert_eq!(losses.take(start), (vec![(A, full(3, 4))], None));
        // What follows soon waits for more.
        assert!(losses.add(A, full(7, 7)));
        assert!(!losses.add(A, full(8, 9)), "it is known that there is something");
        assert!(!losses.add(A, full(20, 20)));
        assert_eq!(losses.take(start + INTERVAL / 2), (vec![], Some(start + INTERVAL)));
        // Others do not wait for it.
        assert!(!losses.add(B, full(1, 1)));
        let (told, next) = losses.take(start + INTERVAL / 2);
        assert_eq!((told, next), (vec![(B, full(1, 1))], Some(start + INTERVAL)));
        let (told, next) = losses.take(start + INTERVAL);
        assert_eq!((told, next), (vec![(A, full(7, 9)), (A, full(20, 20))], None));
        // Another reason is another thing to tell.
        losses.add(A, full(30, 30));
        losses.add(A, Missing::all(31, 31, LossReason::PublisherFull));
        assert_eq!(losses.take_all().len(), 2);
        assert!(losses.take_all().is_empty() && losses.sources.is_empty());
    }

    /// Every other message is missing, a million times.
    #[test]
    fn a_flood_of_gaps_is_a_few_reports_that_count_all() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        let (mut reports, mut count, mut rings) = (0, 0_u64, 0);
        for number in 0..1_000_000_u64 {
            let now = start + Duration::from_micros(number);
            rings += u32::from(losses.add(A, full(2 * number, 2 * number)));
            if number % 1000 == 0 {
                let (told, _) = losses.take(now);
                reports += told.len();
                count += told.iter().map(|(_, missing)| missing.count).sum::<u64>();
            }
        }
        let rest = losses.take_all();
        assert!(rest.iter().all(|(_, missing)| missing.to <= 1_999_998));
        count += rest.iter().map(|(_, missing)| missing.count).sum::<u64>();
        assert_eq!(count, 1_000_000);
        assert!(reports <= 11 * RANGES_MAX, "{reports} reports in a second");
        assert!(rings <= 12, "{rings} rings");
    }

    #[test]
    fn inventions_are_bounded() {
        let (mut losses, now) = (Losses::default(), Instant::now());
        for number in 0..5000_u64 {
            losses.add(number.to_be_bytes(), full(0, u64::MAX));
        }
        assert_eq!(losses.sources.len(), SOURCES_MAX);
        losses.add(0_u64.to_be_bytes(), full(0, u64::MAX));
        losses.take(now);
        losses.take(now + INTERVAL);
        assert!(losses.sources.is_empty(), "what is told is forgotten");
    }
}
