//! The conductor: plans the cells, has workers play them in turn, and gathers what came of it.

mod crew;
mod gather;
mod pace;
mod plan;
mod turn;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tamtam_ipc::clean;

use self::crew::Trouble;
use self::gather::Gathered;
use self::pace::Pace;
use self::plan::{Plan, Planned};
use crate::machine::Watch;
use crate::options::Options;
use crate::report::{Machine, Report, Settings};

/// How far a measurement is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The turns that are done.
    pub done: u64,
    /// All turns: each cell has one in each round.
    pub all: u64,
    /// What is measured next.
    pub next: &'a str,
    /// About how long the rest will take.
    pub left: Duration,
}

/// Who watches a measurement.
pub trait Watcher {
    /// Is told before each turn.
    fn progress(&mut self, progress: &Progress<'_>);

    /// Tells whether to stop. Asked often: at least every 50 ms.
    fn is_stopped(&self) -> bool;
}

/// A name that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody is called {name:?}; there are {}", .known.join(", "))]
pub struct Unknown {
    /// What was asked for.
    pub name: String,
    /// Those that can be asked for.
    pub known: Vec<String>,
}

/// How long an end that spins looks again before it sleeps: longer than a wake-up takes.
const SPIN: Duration = Duration::from_micros(50);

/// Messages that may wait on their way.
const DEPTH: u64 = 64;

/// Octets of them at most.
const DEPTH_OCTETS: u64 = 8 << 20;

/// Measures. What fails or is not there is told in the report, and the rest goes on; when the watcher says so, it stops, and what was measured until
/// then is the report.
///
/// Call it from a thread that lives until it returns: workers die with the thread that started them.
///
/// # Errors
///
/// [`Unknown`], before anything is measured.
pub fn measure(options: &Options, watcher: &mut dyn Watcher) -> Result<Report, Unknown> {
    let begun = Instant::now();
    // What an earlier run left behind when it was killed would be in the way of this one's limits.
    let _ = clean::stale();
    let mut report = Report { machine: Machine::look(), ..Report::default() };
    report.began = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let plan = Plan::new(options, watcher)?;
    let watch = Watch::start();
    let mut gathered: Vec<Gathered> = plan.cells.iter().map(|_| Gathered::default()).collect();
    let interrupted = rounds(options, &plan, &mut gathered, begun, watcher).is_err();
    // What workers that were killed leave behind is found by who made it.
    let _ = clean::stale();
    watch.note(&mut report.machine);
    report.contestants = plan.contestants;
    report.unavailable = plan.unavailable;
    report.cells = plan.cells.iter().zip(gathered).filter_map(|(cell, rounds)| rounds.cell(cell)).collect();
    report.settings = Settings {
        rounds: options.rounds(),
        seconds: options.time().as_secs_f64(),
        took_seconds: begun.elapsed().as_secs_f64(),
        spin_us: SPIN.as_nanos() as f64 / 1e3,
        depth: DEPTH,
        depth_octets: DEPTH_OCTETS,
        interrupted,
    };
    report.warnings = crate::noise::warnings(&report);
    Ok(report)
}

/// The watcher has said to stop.
#[derive(Debug)]
struct Stopped;

fn rounds(
    options: &Options,
    plan: &Plan,
    gathered: &mut [Gathered],
    begun: Instant,
    watcher: &mut dyn Watcher,
) -> Result<(), Stopped> {
    let mut pace = Pace::new(options, begun, &plan.cells);
    let all = pace.left();
    for _ in 0..options.rounds() {
        for (cell, gathered) in plan.cells.iter().zip(&mut *gathered) {
            if watcher.is_stopped() {
                return Err(Stopped);
            }
            if gathered.is_given_up() {
                pace.skip(cell);
                continue;
            }
            let next = cell.key.to_string();
            watcher.progress(&Progress { done: all - pace.left(), all, next: &next, left: pace.remaining() });
            let turn = Instant::now();
            let timing = pace.timing(cell);
            match take_turn(options, cell, &timing, watcher) {
                Ok(sample) => gathered.samples.push(sample),
                Err(Trouble::Stopped) => return Err(Stopped),
                Err(Trouble::Failed(why)) => gathered.failures.push(why),
            }
            pace.took(cell, turn.elapsed());
        }
    }
    Ok(())
}

fn take_turn(
    options: &Options,
    cell: &Planned,
    timing: &pace::Timing,
    watcher: &dyn Watcher,
) -> Result<gather::Sample, Trouble> {
    let result = turn::play(options, cell, timing, watcher);
    if result.is_err() || cell.key.pattern == crate::report::Pattern::Kill {
        // Who was killed could not tidy up.
        let _ = clean::stale();
    }
    result
}
