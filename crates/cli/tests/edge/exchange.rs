//! Sockets that talk both ways, and the monitor.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

use crate::process::{PATIENCE, Process, tamtam};

#[test]
fn requests_are_answered_in_turn() {
    let mut replier = Process::start(["zmq", "rep", "tcp://127.0.0.1:*", "--count", "4"]);
    let endpoint = replier.bound();
    let mut requester = Process::start(["zmq", "req", &endpoint]);
    requester.type_in("one\ntwo\n");
    requester.close_input();
    assert_eq!(requester.end().ok(), "one\ntwo\n");
    assert_eq!(tamtam(["zmq", "req", &endpoint, "-m", "ping", "--count", "2"]).ok(), "ping\nping\n");
    assert_eq!(replier.end().ok(), "one\ntwo\nping\nping\n");
}

#[test]
fn a_fixed_reply_can_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/rep", folder.path().display());
    let mut replier = Process::start(["zmq", "rep", "--bind", &endpoint, "--reply", "OK", "--count", "1"]);
    replier.bound();
    assert_eq!(tamtam(["zmq", "req", &endpoint, "-m", ""]).ok(), "OK\n");
    assert_eq!(replier.end().ok(), "\n");
}

#[test]
fn a_router_talks_to_a_dealer_by_its_name() {
    let args = ["zmq", "router", "tcp://127.0.0.1:*", "--to", "alice", "-m", "hi", "--json", "--count", "1"];
    let mut router = Process::start(args);
    let endpoint = router.bound();
    let args = ["zmq", "dealer", &endpoint, "--identity", "alice", "-m", "hello", "--count", "1"];
    assert_eq!(tamtam(args).ok(), "hi\n");
    assert_eq!(router.end().ok(), "{\"frames\":[\"alice\",\"hello\"]}\n");
}

#[test]
fn a_dealer_can_speak_to_a_replier() {
    let mut replier = Process::start(["zmq", "rep", "tcp://127.0.0.1:*", "--count", "1"]);
    let endpoint = replier.bound();
    let args = [
        "zmq",
        "dealer",
        &endpoint,
        "--input",
        "json",
        "-m",
        "[\"\",\"question\"]",
        "--count",
        "1",
        "--json",
    ];
    assert_eq!(tamtam(args).ok(), "{\"frames\":[\"\",\"question\"]}\n");
    assert_eq!(replier.end().ok(), "question\n");
}

#[test]
fn a_pair_chats_while_its_input_stays_open() {
    let mut left = Process::start(["zmq", "pair", "tcp://127.0.0.1:*", "--count", "1"]);
    let endpoint = left.bound();
    let mut right = Process::start(["zmq", "pair", &endpoint, "--count", "2"]);
    left.type_in("first\n");
    right.type_in("hello\n");
    assert_eq!(left.end().ok(), "hello\n");
    drop(right);
}

#[test]
fn a_pair_that_only_sends_ends_after_its_input() {
    let mut left = Process::start(["zmq", "pair", "tcp://127.0.0.1:*", "--count", "2"]);
    let endpoint = left.bound();
    tamtam(["zmq", "pair", &endpoint, "-m", "a", "-m", "b", "--count", "0"]).ok();
    assert_eq!(left.end().ok(), "a\nb\n");
}

/// Reads lines until one contains the word, and returns all of them.
fn lines_until(output: ChildStdout, word: &str) -> Vec<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|line: &String| line.contains(word)) {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => seen.push(line),
            Err(_) => panic!("no {word:?} in {seen:#?}"),
        }
    }
    seen
}

#[test]
fn the_monitor_tells_what_happens() {
    let mut pusher = Process::start(["zmq", "push", "--bind", "tcp://127.0.0.1:*"]);
    let endpoint = pusher.bound();
    let (monitor, output) =
        Process::start_with_output(&["zmq", "monitor", "--type", "pull", &endpoint, "--json"]);
    // The message can only leave when the monitor's socket is there to take it; then the peer goes away.
    pusher.type_in("message\n");
    pusher.close_input();
    pusher.end().ok();
    let events = lines_until(output, "\"disconnected\"");
    drop(monitor);
    let events: Vec<Value> = events.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    for expected in ["connected", "ready", "disconnected"] {
        assert!(names.contains(&expected), "{expected} is not in {names:?}");
    }
    assert!(events.iter().all(|event| event["seconds"].is_number() && event["endpoint"].is_string()));
}

#[test]
fn the_monitor_names_an_incompatible_peer() {
    let mut publisher = Process::start(["zmq", "pub", "tcp://127.0.0.1:*"]);
    let endpoint = publisher.bound();
    let (monitor, output) = Process::start_with_output(&["zmq", "monitor", "--type", "req", &endpoint]);
    let events = lines_until(output, "handshake failed");
    assert!(events.last().is_some_and(|line| line.contains("PUB") && line.contains("REQ")), "{events:#?}");
    drop(monitor);
}
