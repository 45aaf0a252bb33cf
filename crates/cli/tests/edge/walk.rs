//! The walk in the README: its commands, run where and in the order that it says, print what it shows.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::guide::book;
use crate::process::Process;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The walk, as commands with what they print.
fn walk() -> Vec<book::Command> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, walk) = readme.split_once("\n### A walk\n").unwrap();
    let (walk, _) = walk.split_once("\n## ").unwrap();
    book::commands("README.md, A walk", walk)
}

/// What a text says but for numbers, times and their units; lines that then say the same once: how many there are is a matter of time, too.
fn shape(text: &str) -> String {
    let is_stamp = |word: &&str| word.starts_with("20") && word.contains('T') && word.ends_with("Z,");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> =
            line.split(' ').map(|word| if is_stamp(&word) { "TIME," } else { word }).collect();
        let mut line = book::shape(&words.join(" "));
        for unit in ["ns", "us", "ms", "s"] {
            line = line.replace(&format!("N {unit} "), "N TIME ");
        }
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[test]
fn the_walk_prints_what_the_readme_shows() {
    if !Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no python3");
        return;
    }
    let place = tempfile::Builder::new().prefix("tt").tempdir().unwrap();
    let start = |line: &str| {
        let arguments = crate::guide::words(line.strip_prefix("tamtam ").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam"));
        command.args(arguments).current_dir(root().join("examples/topics"));
        command.env("TAMTAM_RUNTIME_DIR", place.path()).env_remove("TAMTAM_DOMAIN");
        Process::spawn(&mut command)
    };
    let steps = walk();
    let (others, here) = steps.split_at(2);
    let mut shells: Vec<Process> = others.iter().map(|step| start(&step.text)).collect();
    shells[1].told("serving /add ");
    start("tamtam wait /imu --message --timeout 30s").end().ok();
    assert!(here.len() >= 6, "{here:#?}");
    for step in here {
        let mut process = start(&step.text);
        process.close_input();
        let ended = process.end();
        let mut printed = String::from_utf8(ended.stdout).unwrap();
        printed.extend(ended.stderr.lines().flat_map(|line| [line, "\n"]));
        assert_eq!(
            shape(&step.output),
            shape(&printed),
            "README.md, A walk: $ {}\nprinted:\n{printed}",
            step.text
        );
    }
    for shell in shells {
        shell.signal(Signal::INT);
        assert_eq!(shell.end().code, Some(130));
    }
}

#[test]
fn times_may_differ_and_words_may_not() {
    assert_eq!(shape("# seq 5, 2026-11-25T21:11:37.795118644Z, from pub-30746"), "# seq N TIME, from pub-N");
    assert_eq!(
        shape("gaps: min 6.9 us max 1.3 ms (2 in all)\ngaps: min 1 ms max 2 s (3 in all)").lines().count(),
        1
    );
    assert_ne!(shape("1 sent"), shape("1 lost"));
}
