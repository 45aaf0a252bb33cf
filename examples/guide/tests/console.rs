//! The guide's programs print what the guide says that they do.

mod book;
#[path = "book/process.rs"]
mod process;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use book::Check;

/// How the guide starts its programs.
const RUN: &str = "cargo run -q -p tamtam-guide --example ";

/// The folder of the compiled programs: cargo builds them for the tests of their package.
fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples")
}

/// Runs one of the guide's programs; returns what it prints. Its nodes meet nobody else's. `None` where this machine has not what it is about
/// (message queues, in some containers).
fn run(line: &str) -> Option<String> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().unwrap();
    let arguments: Vec<&str> = words.filter(|word| *word != "--").collect();
    let place = tempfile::Builder::new().prefix("tt").tempdir().unwrap();
    let mut program = Command::new(programs().join(name));
    let output = process::start(program.args(&arguments).env("TAMTAM_RUNTIME_DIR", place.path()))();
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8(output.stdout).unwrap();
    if let Some(why) = printed.lines().chain(errors.lines()).find(|line| line.contains(" is unavailable: ")) {
        eprintln!("{line}: {why}");
        return None;
    }
    assert!(output.status.success(), "{line}: {}\n{errors}", output.status);
    Some(printed)
}

#[test]
fn every_program_prints_what_the_guide_says() {
    let mut failures = Vec::new();
    let mut shown = BTreeSet::new();
    for (chapter, text) in book::chapters() {
        for command in book::commands(&chapter, &text) {
            let Some(line) = command.text.strip_prefix(RUN) else { continue };
            shown.insert(OsString::from(line.split(' ').next().unwrap_or(line)));
            assert_ne!(command.check, Check::Elsewhere, "{chapter}:{}: can be run here", command.line);
            let outcome = std::panic::catch_unwind(|| {
                if let Some(printed) = run(line) {
                    book::compare(&command, &printed);
                }
            });
            failures.extend(outcome.err().map(|_| format!("{chapter}:{}: $ {}", command.line, command.text)));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(shown.contains(path.file_stem().unwrap()), "{}: no chapter runs it", path.display());
    }
}
