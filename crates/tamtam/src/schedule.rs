//! When a node sends its beacons.

use std::time::{Duration, Instant};

/// The least time between two beacons of a node, and between two questions to one.
pub(crate) const LEAST: Duration = Duration::from_millis(100);
/// The first pause; each further one is twice as long, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// When a node sends its next beacon.
#[derive(Debug)]
pub(crate) struct Schedule {
    last: Option<Instant>,
    due: Instant,
    pause: Duration,
}

impl Schedule {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { last: None, due: now, pause: PAUSE }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// The node's table has changed: soon, and often at first.
    pub(crate) fn changed(&mut self, now: Instant) {
        self.pause = PAUSE;
        self.greet(now);
    }

    /// Somebody is new, and need not wait for the next beacon.
    pub(crate) fn greet(&mut self, now: Instant) {
        let soonest =
            self.last.and_then(|last| last.checked_add(LEAST)).map_or(now, |soonest| soonest.max(now));
        self.due = self.due.min(soonest);
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn beacons_become_rarer_and_changes_are_told_at_once() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        let mut times = Vec::new();
        while times.len() < 7 {
            let due = schedule.due();
            times.push((due - start).as_secs());
            schedule.sent(due);
        }
        assert_eq!(times, [0, 1, 3, 7, 12, 17, 22]);
        // A change, and many more: ten a second.
        let changed = start + ms(24_000);
        schedule.changed(changed);
        assert_eq!(schedule.due(), changed);
        let (mut now, mut sent) = (changed, 0);
        while now < changed + ms(1000) {
            schedule.changed(now);
            if schedule.due() <= now {
                schedule.sent(now);
                sent += 1;
            }
            now += ms(1);
        }
        assert_eq!(sent, 10);
        // Then it becomes rarer again.
        let last = schedule.due();
        schedule.sent(last);
        assert_eq!(schedule.due() - last, ms(1000));
        // A newcomer is greeted, without the pauses beginning anew.
        schedule.sent(schedule.due());
        let now = schedule.due() - ms(500);
        schedule.greet(now);
        assert_eq!(schedule.due(), now);
        schedule.sent(now);
        assert_eq!(schedule.due() - now, ms(4000));
        schedule.greet(now + ms(1));
        assert_eq!(schedule.due(), now + LEAST, "nor more often than changes are told");
    }
}
