//! The demo: real processes, counted messages.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Ended, Process, await_death, send_signal, tamtam};

fn json(ended: &Ended) -> Vec<Value> {
    let text = str::from_utf8(&ended.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_subscriber_gets_every_message_over_every_transport() {
    for transport in ["inproc", "ipc", "tcp"] {
        let args =
            ["demo", "--transport", transport, "--subscribers", "2", "--messages", "5000", "--size", "10"];
        let ended = tamtam([&args[..], &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let lines = json(&ended);
        assert_eq!(lines.len(), 3, "{ended:?}");
        for line in lines.iter().take(2) {
            assert_eq!(line["state"], "intact");
            assert_eq!(line["received"], 5000);
            assert_eq!(line["lost"], 0);
            assert_eq!(line["out_of_order"], 0);
            assert_eq!(line["bad"], 0);
            assert_eq!(line["pid"].is_number(), transport != "inproc");
        }
        assert_eq!(lines[2]["transport"], transport);
        assert_eq!(lines[2]["intact"], true);
    }
}

#[test]
fn the_table_is_printed_and_nothing_else() {
    let ended = tamtam(["demo", "--subscribers", "1", "--messages", "1"]);
    let lines: Vec<&str> = ended.ok().lines().collect();
    assert_eq!(lines.len(), 3, "{ended:?}");
    assert!(lines[0].starts_with("subscriber  received  lost"));
    assert!(lines[1].ends_with("intact"));
    assert!(lines[2].starts_with("1 messages ("));
    assert_eq!(ended.stderr, "");
}

#[test]
fn more_messages_than_the_queues_hold_arrive_as_well() {
    let ended = tamtam(["demo", "--subscribers", "3", "--messages", "2000", "--size", "16KiB", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// Starts a demo that runs long enough to interfere, and returns it and its subscribers' process ids.
fn long_demo(folder: &std::path::Path, subscribers: usize) -> (Process, Vec<u32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam"));
    command.args([
        "demo",
        "--verbose",
        "--json",
        "--messages",
        "2000000000",
        "--subscribers",
        &subscribers.to_string(),
    ]);
    // Whatever a killed publisher leaves behind is in here.
    command.env("XDG_RUNTIME_DIR", folder);
    let mut demo = Process::spawn(&mut command);
    let pids = (1..=subscribers)
        .map(|number| {
            let rest = demo.told(&format!("subscriber {number} (pid "));
            rest.split_once(')').and_then(|(pid, _)| pid.parse().ok()).expect("a pid")
        })
        .collect();
    demo.told(&format!("{subscribers} subscribers attached"));
    (demo, pids)
}

#[test]
fn a_killed_subscriber_is_told_and_the_others_finish() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam"));
    // Enough messages that the killing comes in their middle.
    command.args([
        "demo",
        "--verbose",
        "--json",
        "--messages",
        "300000",
        "--size",
        "500",
        "--subscribers",
        "3",
    ]);
    let mut demo = Process::spawn(&mut command);
    let rest = demo.told("subscriber 2 (pid ");
    let pid: u32 = rest.split_once(')').and_then(|(pid, _)| pid.parse().ok()).expect("a pid");
    demo.told("3 subscribers attached");
    send_signal(pid, Signal::KILL);
    let ended = demo.end();
    ended.says(6, &["1 of 3 subscribers did not get every message intact"]);
    let lines = json(&ended);
    assert_eq!(lines[0]["state"], "intact");
    assert_eq!(lines[2]["state"], "intact");
    assert_eq!(lines[1]["state"], "died");
    assert_eq!(lines[1]["why"], "killed (signal 9)");
    let received = lines[1]["received"].as_u64().unwrap();
    assert_eq!(lines[1]["lost_at_most"].as_u64().unwrap(), 300_000 - received);
    assert_eq!(lines[3]["intact"], false);
}

#[test]
fn a_stuck_subscriber_ends_the_demo_by_time_out() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam"));
    command.args(["demo", "--verbose", "--messages", "2000000000", "--size", "500", "--subscribers", "2"]);
    command.args(["--timeout", "1s"]);
    let mut demo = Process::spawn(&mut command);
    let rest = demo.told("subscriber 1 (pid ");
    let pid: u32 = rest.split_once(')').and_then(|(pid, _)| pid.parse().ok()).expect("a pid");
    demo.told("2 subscribers attached");
    send_signal(pid, Signal::STOP);
    demo.end().says(4, &["the slowest is subscriber 1"]);
    await_death(pid);
}

#[test]
fn ctrl_c_ends_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let (demo, pids) = long_demo(folder.path(), 2);
    demo.signal(Signal::INT);
    demo.end().text(130);
    pids.into_iter().for_each(await_death);
    // The directory of all domains stays.
    let domains = folder.path().join("tamtam");
    assert_eq!(std::fs::read_dir(domains).unwrap().count(), 0, "a domain was left behind");
}

#[test]
fn subscribers_never_outlive_a_killed_publisher() {
    let folder = tempfile::tempdir().unwrap();
    let (demo, pids) = long_demo(folder.path(), 2);
    demo.signal(Signal::KILL);
    pids.into_iter().for_each(await_death);
}
