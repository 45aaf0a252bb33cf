//! What developers of Tamtam do often: `cargo xtask help`.
#![forbid(unsafe_code)]

mod conformance;
mod costs;
mod dist;
mod task;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask TASK

Tasks:
  tidy                      Check what a program can check of the house rules (also part of cargo test --workspace)
  ci                        Run .ci/run: exactly what decides about a change
  loom                      Model-check rings and wake-ups
  costs [--renew]           Count what a message costs (calls, switches, allocations, instructions) against the budgets
  interop                   Run the tests against libzmq, in both directions
  conformance SUITE         Judge the drop-in library by other people's tests
  dist-libzmq               Lay the drop-in library out as a package of libzmq: lib, include, pkg-config, CMake
  guide                     Build the guide, docs/guide, with mdBook: target/guide/index.html
  fuzz [TARGET] [SECONDS]   Run one fuzz target, or all of them, for SECONDS each [default: 60]
  help                      Print this";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        ["tidy"] => tidy::report(&root()),
        ["ci"] => task::ci(&root()),
        ["loom"] => task::loom(&root()),
        ["costs", ref rest @ ..] => costs::run(&root(), rest),
        ["interop"] => task::interop(&root()),
        ["conformance", ref rest @ ..] => conformance::run(&root(), rest),
        ["dist-libzmq", ref rest @ ..] => dist::run(&root(), rest),
        ["guide"] => task::guide(&root()),
        ["fuzz", ref rest @ ..] => task::fuzz(&root(), rest),
        [unknown, ..] => Err(format!("no task {unknown:?}; cargo xtask help lists them")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the workspace's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
