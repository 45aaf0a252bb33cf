//! `tamtam-bench scale`: what grows with the number of connections, subscribers, subscriptions and sockets on one machine, and how
//! fast; Tamtam beside libzmq, as tables and plots.

mod case;
mod library;
mod page;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::cells;
use crate::conduct;
use crate::failure::{Failure, Outcome};
use crate::machine::Machine;
use crate::metric::Metric;
use crate::plot::{self, COLOURS, Line, Plot};
use crate::spec::Contestant;

pub(crate) use case::play;

/// Measures growth, and writes `scale.md` and its plots.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder to write into
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Measure only this; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Work>,
    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Work {
    /// Idle connections into one ROUTER
    Connections,
    /// Subscribers of one PUB that share 10,000 distinct topics
    Subscribers,
    /// Subscriptions that one PUB holds
    Subscriptions,
    /// Sockets in one process
    Sockets,
}

/// One measurement in a process of its own.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    work: Work,
    contestant: Contestant,
    count: u64,
}

/// What one measurement gave, a figure for each of the work's columns; or why it could not be made.
type Figures = Result<Vec<f64>, String>;

/// One number of what grows, with each library's figures.
#[derive(Debug)]
struct Point {
    count: u64,
    figures: Vec<(Contestant, Figures)>,
}

/// Everything about one work.
#[derive(Debug)]
struct Curve {
    work: Work,
    points: Vec<Point>,
}

/// Who is measured, in the order of the columns.
pub(crate) const LIBRARIES: [Contestant; 2] = [Contestant::Tamtam, Contestant::Libzmq];

impl Work {
    const ALL: [Self; 4] = [Self::Connections, Self::Subscribers, Self::Subscriptions, Self::Sockets];

    fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Subscribers => "subscribers",
            Self::Subscriptions => "subscriptions",
            Self::Sockets => "sockets",
        }
    }

    fn counts(self) -> &'static [u64] {
        match self {
            Self::Connections => &[100, 1_000, 3_000, 10_000],
            Self::Subscribers => &[10, 100, 1_000],
            Self::Subscriptions => &[1_000, 10_000, 100_000, 1_000_000],
            Self::Sockets => &[10, 100, 1_000],
        }
    }

    /// What is measured, with its unit. The second one is plotted.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Connections => &["greeted per second", "KiB resident each"],
            Self::Subscribers => {
                &["ms until all are there", "messages delivered per second", "KiB resident each"]
            }
            Self::Subscriptions => &[
                "µs to register each",
                "octets resident each",
                "ns to publish what nobody wants",
                "ns to publish and receive what is wanted",
            ],
            Self::Sockets => {
                &["µs to make, connect and use each", "KiB resident each", "descriptors each", "threads"]
            }
        }
    }
}

impl Curve {
    /// The second column over the number.
    fn plot(&self) -> Plot {
        let lines = LIBRARIES.into_iter().zip(COLOURS).enumerate().map(|(index, (library, colour))| {
            let known = self.points.iter().filter_map(|point| {
                let figures = point.figures.get(index)?.1.as_ref().ok()?;
                Some((point.count as f64, *figures.get(1)?))
            });
            Line { name: library.to_string(), colour, dashed: false, points: known.collect() }
        });
        let title = self.work.columns().get(1).copied().unwrap_or_default();
        Plot { title: title.to_owned(), across: self.work.name().to_owned(), lines: lines.collect() }
    }
}

/// Measures and writes.
pub(crate) fn run(options: &Options) -> Outcome {
    let machine = Machine::look();
    let mut curves = Vec::new();
    for work in Work::ALL {
        if !options.only.is_empty() && !options.only.contains(&work) {
            continue;
        }
        let points = work.counts().iter().map(|&count| measure(work, count, options.quiet)).collect();
        curves.push(Curve { work, points });
    }
    for curve in &curves {
        let file = options.out.join(format!("scale-{}.svg", curve.work.name()));
        std::fs::write(&file, plot::draw(&curve.plot())).map_err(|error| failed_to_write(&file, error))?;
    }
    let file = options.out.join("scale.md");
    std::fs::write(&file, page::write(&machine, &curves)).map_err(|error| failed_to_write(&file, error))
}

/// Names the file in the failure.
pub(crate) fn failed_to_write(file: &Path, error: std::io::Error) -> Failure {
    Failure::from(error).while_doing(&file.display().to_string())
}

fn measure(work: Work, count: u64, quiet: bool) -> Point {
    let figures = LIBRARIES.map(|contestant| {
        let case = Case { work, contestant, count };
        let outcome = match work {
            Work::Connections => connections(case),
            _ => apart(case),
        };
        let figures = outcome.map_err(|failure| failure.to_string());
        if !quiet {
            eprintln!("{count} {} {contestant}: {figures:?}", work.name());
        }
        (contestant, figures)
    });
    Point { count, figures: figures.into() }
}

/// The clients are another process, as in the cell of that name.
fn connections(case: Case) -> Outcome<Vec<f64>> {
    let sample = conduct::once(&cells::connections_of(case.count), case.contestant, case.count)?;
    Ok([Metric::ConnectionRate, Metric::ConnectionMemory].map(|metric| metric.of(&sample)).into())
}

/// Measures in a process of its own, whose memory is nobody else's.
fn apart(case: Case) -> Outcome<Vec<f64>> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).arg("scale-case").arg(serde_json::to_string(&case)?).output()?;
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout)?);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(said.lines().next_back().map_or_else(|| output.status.to_string(), str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_no_point_of_the_plot() {
        let point = |count, theirs| Point {
            count,
            figures: vec![(LIBRARIES[0], Ok(vec![1.0, 2.5])), (LIBRARIES[1], theirs)],
        };
        let points =
            vec![point(100, Ok(vec![1.0, 27.5])), point(10_000, Err("no more descriptors".to_owned()))];
        let [ours, theirs] =
            Curve { work: Work::Connections, points }.plot().lines.try_into().expect("two lines");
        assert_eq!(ours.points, [(100.0, 2.5), (10_000.0, 2.5)]);
        assert_eq!(theirs.points, [(100.0, 27.5)]);
    }
}
