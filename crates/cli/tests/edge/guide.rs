//! The commands that the guide shows exist, and print what it says.

#[path = "../../../../examples/guide/tests/book/mod.rs"]
pub(crate) mod book;

use std::path::Path;
use std::process::Command;

use crate::process::Process;

/// Splits a command into its words as a shell does; only single quotes are used in the guide.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (part, number) in line.split('\'').zip(0..) {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_ascii_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_command_of_the_guide_exists_and_prints_what_it_says() {
    let mut count = 0;
    for (chapter, text) in book::chapters() {
        for command in book::commands(&chapter, &text) {
            let Some(line) = command.text.strip_prefix("tamtam ") else { continue };
            count += 1;
            let mut arguments = words(line);
            if command.check == book::Check::Elsewhere {
                // Whatever stands before it has to be understood for help to come.
                arguments.push("--help".to_owned());
                let ended = Process::start(&arguments).end();
                assert_eq!(ended.code, Some(0), "{chapter}:{}: {line}: {}", command.line, ended.stderr);
            } else {
                let place = tempfile::Builder::new().prefix("tt").tempdir().unwrap();
                let mut tamtam = Command::new(env!("CARGO_BIN_EXE_tamtam"));
                tamtam.args(&arguments).env("TAMTAM_RUNTIME_DIR", place.path());
                tamtam.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/guide"));
                let ended = Process::spawn(&mut tamtam).end();
                let mut printed = String::from_utf8_lossy(&ended.stdout).into_owned();
                printed.extend(ended.stderr.lines().flat_map(|line| [line, "\n"]));
                book::compare(&command, &printed);
            }
        }
    }
    assert!(count > 20, "the guide shows {count} commands");
}

#[test]
fn quotes_hold_words_together() {
    assert_eq!(words("pub /x 'x: 1 y: 2' -r 1"), ["pub", "/x", "x: 1 y: 2", "-r", "1"]);
}
