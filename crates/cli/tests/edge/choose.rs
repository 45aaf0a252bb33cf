//! `tamtam ipc choose`.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;
use tamtam_ipc_bench::choose::{CANDIDATES, QUESTIONS, SCENARIOS};
use tamtam_ipc_bench::report::{Cell, Figure, Key, Pattern, Report, Waiting};

use crate::process::{Ended, tamtam};
use crate::terminal::Terminal;

fn choose(arguments: &[&str]) -> Ended {
    tamtam([&["ipc", "choose"], arguments].concat())
}

/// The text in one line: where it is wrapped does not matter.
fn joined(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(ended.ok()).expect("one object")
}

#[test]
fn one_is_recommended_and_all_others_have_a_reason() {
    let ended = choose(&["--defaults"]);
    let text = ended.ok();
    let recommended = json(&choose(&["--defaults", "--json"]))["recommended"]["name"].clone();
    assert!(text.starts_with(&format!("Take {}: ", recommended.as_str().unwrap())), "{text}");
    for part in
        ["its price", "left to you", " Or ", "why it is second", "Why not the others", "Nothing was measured"]
    {
        assert!(joined(text).contains(part), "{part}: {text}");
    }
    for candidate in CANDIDATES {
        let is_told = text.contains(&format!("\n  {} ", candidate.name))
            || text.contains(&format!("{}: ", candidate.name));
        assert!(is_told, "{}: {text}", candidate.name);
    }
    assert!(text.contains("tamtam ipc explain ") && text.contains("fn main()"), "how to go on: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    assert!(ended.stderr.contains("taken as defaults: --hosts one "), "{}", ended.stderr);
    assert_eq!(choose(&["--defaults", "--quiet"]).stderr, "");
}

#[test]
fn the_json_says_the_same() {
    let object =
        json(&choose(&["--writers", "many", "--reply", "no", "--languages", "rust,python", "--json"]));
    assert_eq!(object["needs"]["writers"], "many");
    assert_eq!(object["needs"]["hosts"], "one");
    assert_eq!(object["basis"]["measured"], false);
    for key in ["recommended", "runner_up"] {
        for part in ["name", "title", "when", "price", "code"] {
            assert!(object[key][part].is_string(), "{key}: {part}: {object}");
        }
    }
    assert_eq!(object["others"].as_array().map(Vec::len), Some(CANDIDATES.len() - 2));
}

#[test]
fn scenarios_of_the_documentation_come_out_the_same_here() {
    // What this machine lacks, or how long its messages may be, is another matter; these need nothing that a Linux may lack.
    let ordinary = [
        "pipe",
        "unix-stream",
        "channel",
        "tamtam-inproc",
        "tamtam-ipc",
        "tamtam-tcp",
        "tcp",
        "tamtam-topics",
    ];
    let here = SCENARIOS.iter().filter(|scenario| ordinary.contains(&scenario.recommended));
    for scenario in here.filter(|scenario| !scenario.flags.contains("--size")) {
        let flags: Vec<&str> = scenario.flags.split_ascii_whitespace().collect();
        let ended = choose(&[&flags[..], &["--json"]].concat());
        assert_eq!(json(&ended)["recommended"]["name"], scenario.recommended, "{}", scenario.text);
    }
}

#[test]
fn without_a_terminal_and_answers_the_flags_are_named() {
    let ended = choose(&[]);
    let flags: Vec<String> = QUESTIONS.iter().map(|question| format!("--{}", question.flag)).collect();
    let words: Vec<&str> = flags.iter().map(String::as_str).chain(["no terminal", "--defaults"]).collect();
    ended.says(2, &words);
    assert!(ended.stdout.is_empty());
}

#[test]
fn wrong_and_contradicting_answers_end_with_2() {
    for (arguments, words) in [
        (&["--hosts", "two"][..], &["two", "one, many"][..]),
        (&["--size", "1.5kB"], &["--size", "whole number"]),
        (&["--rate", "0"], &["--rate", "more than 0"]),
        (&["--languages", "latin"], &["latin", "none of c, go"]),
        (&["--pigeons", "2"], &["--pigeons"]),
        (
            &["--hosts", "many", "--process", "same"],
            &["--hosts many and --process same: one process does not"],
        ),
        (&["--meet", "pid", "--isolation", "containers"], &["--meet pid and --isolation containers: "]),
        (&["--delivery", "latest", "--first", "urgent"], &["--delivery latest and --first urgent: "]),
    ] {
        let ended = choose(arguments);
        ended.says(2, words);
        assert!(ended.stdout.is_empty(), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn what_nothing_does_ends_with_1_and_a_way_out() {
    let flags = ["--hosts", "many", "--reply", "no", "--restarts", "kept"];
    let ended = choose(&flags);
    ended.says(1, &["error: nothing does all of that"]);
    let text = ended.text(1);
    assert!(text.contains("--hosts one: posix-queue") && joined(text).contains("work of a broker"), "{text}");
    let ended = choose(&[&flags[..], &["--json"]].concat());
    let object: Value = serde_json::from_str(ended.text(1)).unwrap();
    assert!(object["recommended"].is_null() && object["runner_up"].is_null());
    assert_eq!(object["relaxations"][0]["answers"]["hosts"], "one");
}

#[test]
fn what_is_left_can_be_measured_for_the_occasion() {
    let flags = ["--meet", "child", "--reply", "no", "--size", "64", "--measure", "--json"];
    let object = json(&choose(&flags));
    assert_eq!(
        (&object["basis"]["measured"], &object["basis"]["size"]),
        (&true.into(), &64.into()),
        "{object}"
    );
    assert!(object["recommended"]["number"]["us"].as_f64().is_some_and(|us| us > 0.0), "{object}");
    choose(&["--measure", "--bench", "x"]).says(2, &["--measure", "--bench"]);
}

/// A report in which each of these took so many microseconds of CPU time for a round trip.
fn report(folder: &tempfile::TempDir, numbers: &[(&str, f64)]) -> PathBuf {
    let mut report = Report::default();
    report.machine.kernel = "Linux 9.9.9".to_owned();
    report.machine.cores = 7;
    for (name, us) in numbers {
        let mut cell = Cell::new(Key::new(name, Waiting::Block, Pattern::RoundTrip, 64, 1));
        cell.sender_cpu_us = Figure::of([us / 2.0]);
        cell.receiver_cpu_us = Figure::of([us / 2.0]);
        report.cells.push(cell);
    }
    let path = folder.path().join("bench.json");
    std::fs::write(&path, report.to_json()).unwrap();
    path
}

#[test]
fn numbers_of_a_report_decide() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = [("unix-seqpacket", 50.0), ("unix-stream", 10.0), ("tamtam-ipc", 30.0), ("channel", 1.0)];
    let path = report(&folder, &numbers);
    let path = path.to_str().unwrap();
    // At a thousand messages a second 40 µs each are 4 % of a core.
    let ended = choose(&["--defaults", "--bench", path]);
    let text = ended.ok();
    assert!(text.starts_with("Take unix-stream: "), "{text}");
    for part in [
        "10.0 µs",
        "5.0 times as much as unix-stream",
        "on Linux 9.9.9, 7 cores",
        "CPU time per round trip",
        "was not measured",
    ] {
        assert!(joined(text).contains(part), "{part}: {text}");
    }
    // At ten a second they are nothing.
    let object = json(&choose(&["--rate", "10/s", "--bench", path, "--json"]));
    assert_eq!(object["recommended"]["name"], "unix-seqpacket");
    assert_eq!(
        (&object["basis"]["measured"], &object["basis"]["pattern"]),
        (&true.into(), &"round-trip".into())
    );
    assert_eq!(object["recommended"]["number"]["us"], 50.0);
    // It has no latencies.
    let ended = choose(&["--priority", "latency", "--bench", path]);
    assert!(ended.stderr.contains("no numbers of what matters here were measured"), "{}", ended.stderr);
    assert!(joined(ended.ok()).contains("Nothing was measured"));
}

#[test]
fn bad_reports_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.json");
    let refused = |text: &str, code, words: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let ended = choose(&["--defaults", "--bench", path.to_str().unwrap()]);
        ended.says(code, &[words, &["bench.json"]].concat());
        assert!(ended.stdout.is_empty(), "{ended:?}");
    };
    refused("", 5, &["is empty"]);
    refused("a pigeon", 5, &["not a report"]);
    refused("{}", 5, &["not a report"]);
    refused("{\"tamtam_ipc_bench\": 99}", 5, &["format 99"]);
    refused(&Report::default().to_json(), 1, &["nothing was measured"]);
    choose(&["--defaults", "--bench", "/nowhere/at/all"]).says(3, &["cannot read /nowhere/at/all"]);
    // The file is looked at before anything is asked.
    std::fs::write(&path, "a pigeon").unwrap();
    let terminal = Terminal::start(&["ipc", "choose", "--bench", path.to_str().unwrap()]);
    terminal.end().says(5, &["not a report"]);
}

#[test]
fn on_a_terminal_questions_are_asked() {
    let mut terminal =
        Terminal::start(&["ipc", "choose", "--languages", "rust", "--priority", "cpu", "--json"]);
    terminal.shows("Do all programs run on one host?");
    terminal.shows("[one] > ");
    terminal.types("?\n");
    terminal.shows("Most mechanisms of the operating system");
    terminal.shows("[one] > ");
    terminal.types("nine\n");
    terminal.shows("is none of one, many");
    terminal.shows("[one] > ");
    terminal.types("1\n");
    terminal.shows("Are the ends threads of one process?");
    terminal.types("same\n");
    // Where they meet is not asked of threads.
    terminal.shows("How many ends send?");
    for answer in ["one", "each", "no", "", "", "", ""] {
        terminal.shows("] > ");
        terminal.types(&format!("{answer}\n"));
    }
    let ended = terminal.end();
    let object: Value = serde_json::from_str(ended.ok()).expect("the questions are not on standard output");
    assert_eq!(object["recommended"]["name"], "tamtam-inproc", "{object}");
    assert!(
        !ended.stderr.contains("find each other") && !ended.stderr.contains("In which languages"),
        "{ended:?}"
    );
}

#[test]
fn on_a_terminal_defaults_ask_nothing_and_an_end_is_an_end() {
    let terminal = Terminal::start(&["ipc", "choose", "--defaults"]);
    assert!(terminal.end().ok().starts_with("Take "));

    let mut terminal = Terminal::start(&["ipc", "choose"]);
    terminal.shows("[one] > ");
    terminal.types("\x04");
    terminal.end().says(2, &["the input ended before all was answered (--hosts, "]);

    let mut terminal = Terminal::start(&["ipc", "choose"]);
    terminal.shows("[one] > ");
    terminal.signal(Signal::INT);
    assert_eq!(terminal.end().code, Some(130));
}
