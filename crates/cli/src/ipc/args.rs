//! What the commands about mechanisms take.

use clap::Subcommand;

use super::bench::args::BenchArgs;
use super::choose::args::ChooseArgs;
use crate::help;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum IpcCommand {
    /// Choose a way to communicate: asks what is needed, and recommends one of the mechanisms, sockets and topics
    #[command(after_long_help = help::after(help::CHOOSE))]
    Choose(Box<ChooseArgs>),
    /// Explain a mechanism, with the limits of this machine and a program; without one, list all
    #[command(after_long_help = help::after(help::EXPLAIN))]
    Explain {
        /// Its name, as the list has it
        mechanism: Option<String>,
    },
    /// Measure what the mechanisms cost on this machine, with ZeroMQ's sockets beside them
    #[command(after_long_help = help::after(help::IPC_BENCH))]
    Bench(Box<BenchArgs>),
    /// One end of a measurement, started by it.
    #[command(hide = true)]
    BenchWorker,
}
