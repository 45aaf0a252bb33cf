//! The operating system's own mechanisms.

pub(crate) mod args;
pub(crate) mod bench;
pub(crate) mod choose;
mod explain;

use self::args::IpcCommand;
use crate::exit::Outcome;
use crate::run::Run;

/// Runs the command.
pub(crate) fn run(run: &Run, command: &IpcCommand) -> Outcome {
    match command {
        IpcCommand::Bench(args) => bench::run(run, args),
        IpcCommand::BenchWorker => bench::work(),
        IpcCommand::Choose(args) => choose::run(run, args),
        IpcCommand::Explain { mechanism: None } => explain::all(run),
        IpcCommand::Explain { mechanism: Some(name) } => explain::one(run, name),
    }
}
