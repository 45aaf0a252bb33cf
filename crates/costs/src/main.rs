//! `tamtam-costs`: sends a known number of messages through one path of the engine and tells what was counted.
//!
//! `cargo xtask costs` starts it, some paths under valgrind, and compares with the budgets in `xtask/budgets.txt`. Everything
//! happens in one process; sender and receiver take turns in one thread wherever that is possible, so that counts do not
//! depend on who was sooner.

mod allocations;
mod parked;
mod paths;
mod streams;
mod switches;
mod turns;

use std::process::ExitCode;

use crate::paths::{PATHS, Path};

const USAGE: &str = "\
tamtam-costs PATH COUNT    send COUNT messages (or make COUNT round trips) after a warm-up; print what was counted
tamtam-costs list          print the paths, what each is for (`counts`, one thread; `switches`, two), and a COUNT that suits it";

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["list"] => {
            list();
            Ok(())
        }
        [path, count] => run(path, count),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tamtam-costs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for path in PATHS {
        let purpose = if path.is_parked() { "switches" } else { "counts" };
        println!("{} {purpose} {}", path.name, path.count);
    }
}

fn run(name: &str, count: &str) -> Outcome {
    let path: &Path = PATHS
        .iter()
        .find(|path| path.name == name)
        .ok_or_else(|| format!("no path {name:?}; `tamtam-costs list` has them all"))?;
    let count = count.parse().map_err(|_| format!("{count:?} is no number of messages"))?;
    for (what, figure) in path.run(count)? {
        println!("{what} {figure}");
    }
    Ok(())
}
