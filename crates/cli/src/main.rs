//! The command `tamtam`: ZeroMQ sockets and their patterns from the shell.
//!
//! `tamtam demo` shows the publish-subscribe pattern in real processes and counts what arrived; `tamtam zmq …` opens one
//! raw socket; `tamtam completion` writes a shell's completion script. Results go to standard output, everything else to
//! standard error; the exit code says how it ended (see [`exit::Exit`]).
#![forbid(unsafe_code)]

mod args;
mod codec;
mod complete;
mod demo;
mod exit;
mod help;
mod ipc;
mod look;
mod output;
mod run;
mod stop;
mod table;
mod topic;
mod units;
mod zmq;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Failure, Outcome};
use crate::ipc::args::IpcCommand;
use crate::run::Run;

fn main() -> ExitCode {
    complete::answer();
    match execute(Cli::parse()) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.report();
            failure.exit.into()
        }
    }
}

fn execute(cli: Cli) -> Outcome {
    match cli.command {
        Command::Demo(args) => demo::run(&Run::start(cli.global)?, &args),
        Command::DemoSubscriber(task) => demo::run_subscriber(&task),
        Command::Look(command) => look::run(&Run::start(cli.global)?, command),
        Command::Topic(command) => topic::run(&Run::start(cli.global)?, command),
        // A worker listens to no signals: its conductor ends it.
        Command::Ipc(IpcCommand::BenchWorker) => ipc::bench::work(),
        Command::Ipc(command) => ipc::run(&Run::start(cli.global)?, &command),
        Command::Zmq(command) => zmq::run(&Run::start(cli.global)?, command),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            complete::write_script(&shell.to_string(), &mut script)
                .map_err(|error| Failure::output(&error))?;
            io::stdout().write_all(&script).map_err(|error| Failure::output(&error))
        }
    }
}
