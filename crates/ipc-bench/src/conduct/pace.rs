//! How long each turn may take, so that all together take as long as they shall.

use std::time::{Duration, Instant};

use super::plan::Planned;
use crate::options::{Options, Profile};
use crate::report::Pattern;

/// How long each turn may take.
///
/// Turns of two kinds: some last as long as they are told, others (a burst, a kill) as long as they need. What a turn needs besides its window (processes are
/// started, connections made) is learnt from those before.
#[derive(Debug)]
pub(super) struct Pace {
    end: Instant,
    profile: Profile,
    /// Turns that are still to come.
    timed: Kind,
    /// The same of those whose length is their own.
    own: Kind,
}

#[derive(Debug)]
struct Kind {
    left: u64,
    /// What one needs besides its window, on average.
    needs: Duration,
}

/// How long the parts of a turn are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// Before the measuring.
    pub(super) warm: Duration,
    /// The measuring.
    pub(super) window: Duration,
    /// Messages of a burst.
    pub(super) burst: u64,
    /// How long a slow reader is busy with each.
    pub(super) work: Duration,
    /// How long a sender whose reader was killed waits to be told.
    pub(super) limit: Duration,
}

const WINDOW_MIN: Duration = Duration::from_millis(5);
const WINDOW_MAX: Duration = Duration::from_secs(5);
const WARM_MIN: Duration = Duration::from_millis(2);
const WARM_MAX: Duration = Duration::from_millis(100);

impl Pace {
    pub(super) fn new(options: &Options, begun: Instant, cells: &[Planned]) -> Self {
        let rounds = u64::from(options.rounds());
        let own = cells.iter().filter(|cell| is_own(cell)).count() as u64;
        let kind = |count: u64, needs| Kind { left: count * rounds, needs: Duration::from_millis(needs) };
        Self {
            end: begun + options.time(),
            profile: options.profile,
            timed: kind(cells.len() as u64 - own, 10),
            own: kind(own, 70),
        }
    }

    /// How many turns there still are.
    pub(super) const fn left(&self) -> u64 {
        self.timed.left + self.own.left
    }

    /// About how long they will take.
    pub(super) fn remaining(&self) -> Duration {
        let needed = self.timed.needs() + self.own.needs() + WINDOW_MIN * count(self.timed.left);
        needed.max(self.end.saturating_duration_since(Instant::now()))
    }

    pub(super) fn timing(&self, cell: &Planned) -> Timing {
        self.timing_within(self.end.saturating_duration_since(Instant::now()), cell)
    }

    fn timing_within(&self, left: Duration, cell: &Planned) -> Timing {
        let left = left.saturating_sub(self.timed.needs()).saturating_sub(self.own.needs());
        let each = left / count(self.timed.left).max(1);
        let warm = (each / 5).clamp(WARM_MIN, WARM_MAX);
        let mut window = each.saturating_sub(warm).clamp(WINDOW_MIN, WINDOW_MAX);
        // A few messages at least, however slowly they come.
        if cell.key.pattern == Pattern::OneWay {
            window = window.max(Duration::from_secs_f64((10.0 / cell.rate).min(5.0)));
        }
        let (burst, limit) = match self.profile {
            Profile::Quick => (1_000, 50),
            Profile::Normal => (4_000, 100),
            Profile::Full => (20_000, 500),
        };
        let work = Duration::from_micros(10);
        Timing { warm, window, burst, work, limit: Duration::from_millis(limit) }
    }

    /// A turn took that long.
    pub(super) fn took(&mut self, cell: &Planned, span: Duration) {
        let timing = self.timing(cell);
        let (kind, needed) = if is_own(cell) {
            (&mut self.own, span)
        } else {
            (&mut self.timed, span.saturating_sub(timing.warm + timing.window))
        };
        kind.left = kind.left.saturating_sub(1);
        kind.needs = (kind.needs * 15 + needed) / 16;
    }

    /// A turn is left out.
    pub(super) fn skip(&mut self, cell: &Planned) {
        let kind = if is_own(cell) { &mut self.own } else { &mut self.timed };
        kind.left = kind.left.saturating_sub(1);
    }
}

impl Kind {
    fn needs(&self) -> Duration {
        self.needs * count(self.left)
    }
}

fn is_own(cell: &Planned) -> bool {
    matches!(cell.key.pattern, Pattern::Burst | Pattern::Kill)
}

fn count(turns: u64) -> u32 {
    u32::try_from(turns).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Contestant;
    use crate::report::{Key, Waiting};

    fn cell(pattern: Pattern, rate: f64) -> Planned {
        let contestant = Contestant::by_name("pipe").expect("known");
        Planned { key: Key::new("pipe", Waiting::Block, pattern, 64, 1), contestant, rate }
    }

    fn pace(cells: &[Planned]) -> Pace {
        let options = Options { rounds: Some(2), ..Options::new(Vec::new(), Profile::Normal) };
        Pace::new(&options, Instant::now(), cells)
    }

    #[test]
    fn the_time_is_shared_among_the_turns() {
        let cells = [cell(Pattern::Throughput, 0.0), cell(Pattern::Kill, 0.0)];
        let pace = pace(&cells);
        assert_eq!(pace.left(), 4);
        let timing = pace.timing_within(Duration::from_millis(2_160), &cells[0]);
        // 2 × 70 ms for the kills, 2 × 10 ms besides the windows.
        assert_eq!(timing.warm + timing.window, Duration::from_millis(1_000));
    }

    #[test]
    fn when_it_is_short_each_turn_still_has_some() {
        let cells = [cell(Pattern::Throughput, 0.0)];
        let timing = pace(&cells).timing_within(Duration::ZERO, &cells[0]);
        assert_eq!((timing.window, timing.warm), (WINDOW_MIN, WARM_MIN));
    }

    #[test]
    fn slow_messages_get_longer_windows() {
        let cells = [cell(Pattern::OneWay, 25.0)];
        let timing = pace(&cells).timing_within(Duration::ZERO, &cells[0]);
        assert_eq!(timing.window, Duration::from_millis(400));
    }

    #[test]
    fn turns_run_out() {
        let cells = [cell(Pattern::Throughput, 0.0), cell(Pattern::Burst, 0.0)];
        let mut pace = pace(&cells);
        pace.took(&cells[0], Duration::from_millis(30));
        pace.skip(&cells[0]);
        pace.took(&cells[1], Duration::from_millis(30));
        pace.skip(&cells[1]);
        pace.skip(&cells[1]);
        assert_eq!(pace.left(), 0);
    }
}
