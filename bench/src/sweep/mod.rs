//! `tamtam-bench sweep`: PUSH to PULL at rates from low to high; what a message costs and how long it is on its way, Tamtam beside
//! libzmq, as tables and plots.

mod page;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cells;
use crate::conduct;
use crate::failure::{Failure, Outcome};
use crate::machine::Machine;
use crate::metric::Sample;
use crate::plot;
use crate::scale::{LIBRARIES, failed_to_write};
use crate::spec::{Contestant, Transport};
use crate::spread::Spread;

/// Measures at rates from low to high, and writes `sweep.md` and its plots.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder to write into
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Measure only over this; may be given several times
    #[arg(long = "transport", value_enum)]
    transports: Vec<Network>,
    /// Measure only at this many messages a second; may be given several times [default: 1000, 3000, 10000, … 10000000]
    #[arg(long = "rate", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rates: Vec<u64>,
    /// Rounds, in which the libraries take turns; figures are medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long the messages of one measurement take at their rate, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    time: u64,
    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

/// What a sweep can go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Network {
    /// Unix sockets
    Ipc,
    /// TCP on loopback
    Tcp,
}

impl Network {
    fn transport(self) -> Transport {
        match self {
            Self::Ipc => Transport::Ipc,
            Self::Tcp => Transport::Tcp,
        }
    }
}

/// One rate, and what its sender does until the next message is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    rate: u64,
    awake: bool,
}

/// The fastest rate at which a sender that sleeps still wakes in time for the next message, as a rule; it is measured both ways.
const ASLEEP_MAX: u64 = 10_000;

const RATES: [u64; 9] = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];

/// What is told of a library at a step; medians of the rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    /// One way, half of the messages, in nanoseconds.
    median_ns: f64,
    /// One way, all but one in a hundred, in nanoseconds.
    p99_ns: f64,
    /// CPU time of both ends per message, in nanoseconds.
    cpu_ns: f64,
    /// Messages per second.
    rate: f64,
}

/// A step with each library's figures, or why there are none.
#[derive(Debug)]
struct Point {
    step: Step,
    figures: Vec<(Contestant, Result<Figures, String>)>,
}

/// All steps over one transport.
#[derive(Debug)]
struct Sweep {
    transport: Transport,
    points: Vec<Point>,
}

/// Measures and writes.
pub(crate) fn run(options: &Options) -> Outcome {
    let machine = Machine::look();
    let all = [Network::Ipc, Network::Tcp];
    let chosen = all.iter().filter(|one| options.transports.is_empty() || options.transports.contains(one));
    let steps = steps(if options.rates.is_empty() { &RATES } else { &options.rates });
    let sweeps: Vec<Sweep> = chosen
        .map(|network| {
            let transport = network.transport();
            let points = steps.iter().map(|&step| measure(options, transport, step)).collect();
            Sweep { transport, points }
        })
        .collect();
    for sweep in &sweeps {
        for (name, plot) in page::plots(sweep) {
            let file = options.out.join(name);
            std::fs::write(&file, plot::draw(&plot)).map_err(|error| failed_to_write(&file, error))?;
        }
    }
    let file = options.out.join("sweep.md");
    std::fs::write(&file, page::write(&machine, options, &sweeps))
        .map_err(|error| failed_to_write(&file, error))
}

/// Up to [`ASLEEP_MAX`] the sender sleeps, from there on it spins.
fn steps(rates: &[u64]) -> Vec<Step> {
    let asleep = rates.iter().filter(|rate| **rate <= ASLEEP_MAX).map(|&rate| Step { rate, awake: false });
    let awake = rates.iter().filter(|rate| **rate >= ASLEEP_MAX).map(|&rate| Step { rate, awake: true });
    asleep.chain(awake).collect()
}

fn measure(options: &Options, transport: Transport, step: Step) -> Point {
    let cell = cells::paced(transport, step.rate, step.awake);
    // Enough that one in a hundred is not a single one.
    let count = (step.rate.saturating_mul(options.time) / 1000).max(300);
    let mut rounds = LIBRARIES.map(|contestant| (contestant, Ok(Vec::new())));
    for _ in 0..options.rounds {
        for (contestant, samples) in &mut rounds {
            let Ok(known) = samples else { continue };
            match conduct::once(&cell, *contestant, count) {
                Ok(sample) => known.push(sample),
                Err(failure) => *samples = Err(failure.to_string()),
            }
        }
    }
    let figures = rounds.map(|(contestant, samples)| {
        let figures = samples.and_then(|samples| figures(&samples).map_err(|failure| failure.to_string()));
        if !options.quiet {
            eprintln!("{} {contestant}: {figures:?}", cell.name);
        }
        (contestant, figures)
    });
    Point { step, figures: figures.into() }
}

fn figures(samples: &[Sample]) -> Outcome<Figures> {
    let median = |of: &dyn Fn(&Sample) -> Option<f64>| {
        let spread = Spread::of(samples.iter().filter_map(of));
        spread.map(|spread| spread.median).ok_or_else(|| Failure::new("nothing was measured"))
    };
    Ok(Figures {
        median_ns: median(&|sample| Some(sample.latency?.median_ns as f64))?,
        p99_ns: median(&|sample| Some(sample.latency?.p99_ns as f64))?,
        cpu_ns: median(&|sample| Some(sample.cpu_ns as f64 / sample.messages.max(1) as f64))?,
        rate: median(&|sample| Some(sample.messages as f64 * 1e9 / sample.elapsed_ns.max(1) as f64))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_rate_of_a_sleeping_sender_is_measured_both_ways() {
        let steps = steps(&RATES);
        assert_eq!(steps.len(), RATES.len() + 1);
        let at =
            |rate| steps.iter().filter(|step| step.rate == rate).map(|step| step.awake).collect::<Vec<_>>();
        assert_eq!((at(1_000), at(ASLEEP_MAX), at(10_000_000)), (vec![false], vec![false, true], vec![true]));
    }
}
