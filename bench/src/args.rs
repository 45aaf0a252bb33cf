//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::spec::Contestant;

/// Measures Tamtam beside raw sockets and libzmq, in turns, in one run.
#[derive(Debug, Parser)]
#[command(name = "tamtam-bench", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Measure only cells whose name contains this; may be given several times (see --list)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Vec<String>,
    /// Measure only this peer; may be given several times
    #[arg(long = "peer", value_name = "PEER", value_enum)]
    pub(crate) peers: Vec<Contestant>,
    /// The most telling cells only, in short rounds: under half a minute
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds that count; one more comes first to warm up and to choose message counts [default: 5, quick: 3]
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<u32>,
    /// How long each measurement should last, in milliseconds [default: 100, quick: 40]
    #[arg(long, value_name = "MS")]
    pub(crate) time: Option<u64>,
    /// Set this high-water mark at both ends of round trips and of PUSH→PULL, 0 for none [default: each library's own, 1000]
    #[arg(long, value_name = "N")]
    pub(crate) hwm: Option<u32>,
    /// Do not count system calls (one more run per traced cell and peer)
    #[arg(long)]
    pub(crate) no_calls: bool,
    /// Count system calls in every cell
    #[arg(long, conflicts_with = "no_calls")]
    pub(crate) all_calls: bool,
    /// Print Markdown
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Write the results into this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// List the cells' names and end
    #[arg(long)]
    pub(crate) list: bool,
    /// Exit with 1 also when a bar is not met, not only when a cell fails
    #[arg(long)]
    pub(crate) strict: bool,
    /// No progress on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure what grows with connections, subscribers, subscriptions and sockets; write scale.md and its plots
    Scale(crate::scale::Options),
    /// Measure latency, CPU time and rate from a thousand messages a second to as many as go; write sweep.md and its plots
    Sweep(crate::sweep::Options),
    /// One measurement of growth, started by the program itself
    #[command(hide = true)]
    ScaleCase {
        /// What to measure, as JSON.
        case: String,
    },
    /// One end of a measurement, started by the program itself
    #[command(hide = true)]
    Peer {
        /// What to do, as JSON.
        spec: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  tamtam-bench --quick                                 the headlines
  tamtam-bench --markdown -o results.md                everything, three to four minutes
  tamtam-bench --only latency --only connections       two workloads
  tamtam-bench --only throughput/ipc/64B --peer tamtam --rounds 9
  tamtam-bench scale --out ../docs                     growth, as tables and plots; about a minute
  tamtam-bench sweep --out ../docs                     rates from low to high, as tables and plots; about a minute

Exit codes: 0 done · 1 a cell failed (hang, loss, error), or a bar was missed with --strict · 2 usage";

impl Args {
    /// Returns how many rounds count.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 }).max(1)
    }

    /// Returns how long one measurement should last.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.time.unwrap_or(if self.quick { 40 } else { 100 }).clamp(1, 60_000))
    }
}
