//! What `tamtam ipc bench` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use tamtam_ipc_bench::report::Pattern;

use crate::units;

/// Options of `tamtam ipc bench`.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchArgs {
    /// A first impression, in about 5 seconds
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// All sizes up to 8 MiB, spinning and sleeping, in some minutes
    #[arg(long)]
    pub(crate) full: bool,
    /// Measure only these: a mechanism, or tamtam-tcp, libzmq-ipc and so on; may be given several times
    #[arg(long, short, value_name = "NAME", value_delimiter = ',')]
    pub(crate) mechanism: Vec<String>,
    /// Do only this: round-trip, one-way, throughput, fan-out, burst or kill; may be given several times
    #[arg(long, short, value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    pub(crate) pattern: Vec<Pattern>,
    /// Messages of this size (64, 4KiB, 8MiB); may be given several times
    #[arg(long, short, value_name = "BYTES", value_delimiter = ',', value_parser = size)]
    pub(crate) size: Vec<u32>,
    /// Fan out to so many readers; may be given several times
    #[arg(long, value_name = "N", value_delimiter = ',',
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=64))]
    pub(crate) readers: Vec<u32>,
    /// The rate of one-way (default: 10kHz, less for long messages)
    #[arg(long, short, value_name = "RATE", value_parser = units::rate)]
    pub(crate) rate: Option<Duration>,
    /// Also measure every mechanism with ends that look again and again before they sleep
    #[arg(long)]
    pub(crate) spin: bool,
    /// Measure this libzmq instead of the one that is installed
    #[arg(long, value_name = "FILE")]
    pub(crate) libzmq: Option<PathBuf>,
    /// How often each cell has its turn (default: 2, 3 or 5)
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..=100))]
    pub(crate) rounds: Option<u32>,
    /// How long it is to take in all (30s, 2m)
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
    /// Also write all measures as comma-separated values
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Also write the tables as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Also write tables and plots as one page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Show ratios to an earlier run, which --json has printed
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
}

fn pattern(name: &str) -> Result<Pattern, String> {
    Pattern::by_name(name).ok_or_else(|| {
        let names: Vec<&str> = Pattern::ALL.iter().map(|pattern| pattern.text()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn size(text: &str) -> Result<u32, String> {
    match units::size(text)? {
        0 => Err("at least one byte".to_owned()),
        size => Ok(size),
    }
}
