//! The program from outside: what the benchmark hears from it.

use std::process::{Command, Output, Stdio};

use tamtam_bench_protocol::line::Line;
use tamtam_bench_protocol::rival::{Rival, State};
use tamtam_bench_protocol::spec::{Contestant, RIVALS, Role, Spec, Transport, Work};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam-rivals"));
    command.args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

fn spec(contestant: Contestant) -> Spec {
    Spec {
        contestant,
        work: Work::Throughput,
        role: Role::Binder,
        transport: Transport::Tcp,
        endpoint: "tcp://127.0.0.1:*".to_owned(),
        size: 64,
        warm: 10,
        count: 10,
        subscribers: 0,
        subscribers_here: 0,
        hwm: None,
        spin: true,
        pinned: false,
        pace: None,
        awake: false,
        curve: None,
    }
}

#[test]
fn every_rival_is_listed_with_its_version_or_the_reason_of_its_absence() {
    let output = run(&["list"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rivals: Vec<Rival> = serde_json::from_slice(&output.stdout).expect("JSON");
    let listed: Vec<Contestant> = rivals.iter().map(|rival| rival.contestant).collect();
    assert_eq!(listed, RIVALS);
    for rival in rivals {
        let (State::Ready { version: text, .. } | State::Missing(text)) = rival.state;
        assert!(!text.is_empty(), "{}", rival.contestant);
    }
}

#[test]
fn an_end_that_cannot_be_played_says_so_and_ends() {
    let task = serde_json::to_string(&spec(Contestant::Tamtam)).expect("JSON");
    let output = run(&["peer", &task]);
    assert_eq!(output.status.code(), Some(1));
    let line: Line = serde_json::from_slice(&output.stdout).expect("a line");
    assert!(matches!(&line, Line::Failed(why) if why.contains("not compiled in")), "{line:?}");
    assert_eq!(run(&["peer", "no task"]).status.code(), Some(1));
    assert_eq!(run(&[]).status.code(), Some(2));
}
