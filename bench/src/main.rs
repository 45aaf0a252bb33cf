//! `tamtam-bench`: Tamtam beside raw sockets and libzmq, measured in turns in one run.
//!
//! The program starts itself again for each end of a measurement (hidden subcommand `peer`), tells the ends when to
//! begin, and gathers what they report. See `README.md` for how to run it and how to read its tables.
#![deny(unsafe_code)]

mod args;
mod bar;
mod cells;
mod conduct;
mod curve;
mod engine;
mod histogram;
mod machine;
mod metric;
mod output;
mod peer;
mod plot;
mod raw;
mod rivals;
mod scale;
mod spread;
mod sweep;

use std::process::ExitCode;

use clap::Parser as _;
use tamtam_bench_protocol::{clock, failure, keys, line, payload, rival, spec, talk, usage};

use crate::args::{Args, Command};
use crate::failure::Outcome;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.command {
        Some(Command::Peer { spec }) => return peer::main(spec),
        Some(Command::ScaleCase { case }) => return scale::play(case),
        Some(Command::Scale(options)) => scale::run(options).map(|()| ExitCode::SUCCESS),
        Some(Command::Sweep(options)) => sweep::run(options).map(|()| ExitCode::SUCCESS),
        None => run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("tamtam-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Outcome<ExitCode> {
    let cells = cells::chosen(args)?;
    if args.list {
        for cell in &cells {
            println!("{}", cell.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (cells, mut rivals) = rivals::admit(cells, args.quiet);
    let (cells, encrypting) = curve::admit(cells, args.quiet);
    rivals.extend(encrypting);
    let before = machine::Machine::look();
    if !args.quiet {
        eprint!("{before}");
    }
    let report = conduct::conduct(args, &cells, rivals, before)?;
    output::print(args, &report)?;
    let failed = report.has_failures() || (args.strict && report.has_misses());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
