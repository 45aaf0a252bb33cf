//! `tamtam-rivals`: plays the ends of the benchmark's measurements for other messaging libraries.
//!
//! `tamtam-bench` starts it: `tamtam-rivals list` tells in JSON which rivals can take part, in which version, and why others
//! cannot; `tamtam-rivals peer SPEC` plays one end. Which ones are compiled in is a matter of cargo features.

#[cfg(feature = "ends")]
mod end;
mod leave;
#[cfg(feature = "ends")]
mod library;
mod native;
mod roster;
mod servant;
#[cfg(feature = "ends")]
mod stage;
#[cfg(feature = "ends")]
mod work;

mod rivals;

use std::io::Write as _;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::Spec;

const USAGE: &str = "tamtam-rivals: plays the benchmark's rivals; started by tamtam-bench

  tamtam-rivals list        who can take part, as JSON
  tamtam-rivals peer SPEC   plays one end of a measurement";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => list().map_or_else(
            |failure| {
                eprintln!("tamtam-rivals: {failure}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        ),
        ["peer", spec] => match peer(spec) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => leave::fail(&failure),
        },
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn list() -> Outcome {
    let text = serde_json::to_string_pretty(&roster::roster())?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn peer(spec: &str) -> Outcome {
    let spec: Spec =
        serde_json::from_str(spec).map_err(|error| Failure::from(error).while_doing("peer's task"))?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    rivals::play(&spec)
}
