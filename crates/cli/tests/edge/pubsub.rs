//! `pub`, `sub`, `push`, `pull`, and a proxy between them.

use std::io::{BufRead as _, BufReader};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Process, tamtam};

#[test]
fn lines_reach_every_subscriber_and_the_marker_ends_it() {
    let args =
        ["zmq", "pub", "--bind", "tcp://127.0.0.1:*", "--wait", "2", "--end", "END", "--timeout", "30s"];
    let mut publisher = Process::start(args);
    let endpoint = publisher.bound();
    let subscribers = [(); 2].map(|()| Process::start(["zmq", "sub", &endpoint, "--end", "END"]));
    publisher.type_in("one\ntwo\n\nEND of the story\nlast without a line break");
    publisher.close_input();
    for subscriber in subscribers {
        assert_eq!(subscriber.end().ok(), "one\ntwo\n\nEND of the story\nlast without a line break\n");
    }
    publisher.end().ok();
}

#[test]
fn a_topic_is_the_first_frame_and_the_filter() {
    let args = ["zmq", "pub", "tcp://127.0.0.1:*", "--wait", "2", "--end", "END"];
    let mut publisher =
        Process::start([&args[..], &["--topic", "weather", "-m", "sunny", "-m", "rain"]].concat());
    let endpoint = publisher.bound();
    let wanting = ["zmq", "sub", &endpoint, "--topic", "news", "--topic", "weath", "--end", "END", "--json"];
    let wanting = Process::start(wanting);
    let other = Process::start(["zmq", "sub", &endpoint, "--subscribe", "news", "--end", "END"]);
    assert_eq!(
        wanting.end().ok(),
        "{\"frames\":[\"weather\",\"sunny\"]}\n{\"frames\":[\"weather\",\"rain\"]}\n"
    );
    assert_eq!(other.end().ok(), "");
    publisher.end().ok();
}

#[test]
fn jobs_travel_over_ipc_in_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/jobs", folder.path().display());
    let file = folder.path().join("binary");
    std::fs::write(&file, b"\x00\xff\n").unwrap();
    for (format, expected) in [
        ("text", &b"job | \x01\n\x00\xff\n\n"[..]),
        ("hex", b"6a6f62 01\n00ff0a\n"),
        ("json", b"{\"frames\":[\"job\",\"\\u0001\"]}\n{\"frames\":[{\"hex\":\"00ff0a\"}]}\n"),
        ("raw", b"job\x01\x00\xff\n"),
    ] {
        let mut puller =
            Process::start(["zmq", "pull", "--bind", &endpoint, "--count", "2", "--format", format]);
        puller.bound();
        tamtam(["zmq", "push", &endpoint, "--input", "hex", "-m", "6a6f62 01"]).ok();
        tamtam(["zmq", "push", &endpoint, "--file", file.to_str().unwrap()]).ok();
        assert_eq!(puller.end().stdout, expected, "{format}");
    }
}

#[test]
fn what_json_prints_json_reads() {
    let mut puller = Process::start(["zmq", "pull", "tcp://127.0.0.1:*", "--json", "--end", "END"]);
    let endpoint = puller.bound();
    let lines = "{\"frames\":[\"a\",\"\",{\"hex\":\"00ff\"}]}\n{\"frames\":[\"Grüße\"]}\n";
    let mut pusher = Process::start(["zmq", "push", &endpoint, "--input", "json", "--end", "END"]);
    pusher.type_in(lines);
    pusher.close_input();
    pusher.end().ok();
    assert_eq!(puller.end().ok(), lines);
}

#[test]
fn the_count_repeats_messages_at_the_rate() {
    let mut puller =
        Process::start(["zmq", "pull", "tcp://127.0.0.1:*", "--count", "5", "--stats", "--json"]);
    let endpoint = puller.bound();
    let args = ["zmq", "push", &endpoint, "-m", "a", "-m", "b", "--count", "5", "--rate", "200Hz", "--stats"];
    let pusher = tamtam(args);
    pusher.says(0, &["PUSH: 0 messages (0 bytes) in, 5 messages (5 bytes) out, 0 dropped"]);
    let puller = puller.end();
    let frames = |letter| format!("{{\"frames\":[\"{letter}\"]}}\n");
    assert_eq!(puller.ok(), ["a", "b", "a", "b", "a"].map(frames).concat());
    let statistics: Value = serde_json::from_str(puller.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(statistics["statistics"], "PULL");
    assert_eq!(statistics["messages_in"], 5);
    assert_eq!(statistics["dropped"]["full"], 0);
}

/// Nobody is there: what waits is bounded by its octets, too.
#[test]
fn a_mark_in_octets_holds() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/nobody", folder.path().display());
    let args =
        ["zmq", "push", "--connect", &endpoint, "-m", "a", "-m", "b", "--linger", "0s", "--timeout", "200ms"];
    tamtam([&args[..], &["--hwm-bytes", "1B"]].concat()).says(4, &["no peer could take the message"]);
    tamtam([&args[..], &["--hwm-bytes", "1KiB"]].concat()).says(6, &[]);
}

#[test]
fn a_slow_subscriber_is_waited_for() {
    // Far more than the queues and the system's buffers hold, to a subscriber that cannot print.
    let count = "300000";
    let args = ["zmq", "pub", "tcp://127.0.0.1:*", "--wait", "1", "--end", "END", "--count", count, "-m"];
    let body = "x".repeat(100);
    let mut publisher = Process::start([&args[..], &[&body]].concat());
    let endpoint = publisher.bound();
    let (subscriber, output) = Process::start_with_output(&["zmq", "sub", &endpoint, "--end", "END"]);
    let mut output = BufReader::new(output);
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert!(publisher.is_running());
    let mut count = 1;
    for line in output.lines() {
        assert_eq!(line.unwrap(), body);
        count += 1;
    }
    assert_eq!(count, 300_000);
    subscriber.end().ok();
    publisher.end().ok();
}

#[test]
fn a_publisher_that_nobody_hears_says_so() {
    let ended = tamtam(["zmq", "pub", "tcp://127.0.0.1:*", "-m", "hello"]);
    ended.says(0, &["warning: nobody had subscribed", "--wait 1"]);
    assert_eq!(tamtam(["zmq", "pub", "tcp://127.0.0.1:*", "-m", "hello", "--quiet"]).stderr, "");
}

#[test]
fn a_proxy_passes_everything_on() {
    let args = [
        "zmq",
        "proxy",
        "tcp://127.0.0.1:*",
        "tcp://127.0.0.1:*",
        "--capture",
        "tcp://127.0.0.1:*",
        "--stats",
    ];
    let mut proxy = Process::start(args);
    let [front, back, capture] = [(); 3].map(|()| proxy.bound());
    let watcher = Process::start(["zmq", "sub", &capture, "--topic", "hello", "--count", "1"]);
    let subscriber = Process::start(["zmq", "sub", &back, "--end", "END"]);
    // The copies have no barrier: they are published until the watcher has one.
    let args = [
        "zmq",
        "pub",
        "--connect",
        &front,
        "--wait",
        "1",
        "-m",
        "hello",
        "--rate",
        "100Hz",
        "--count",
        "100000",
    ];
    let publisher = Process::start(args);
    assert_eq!(watcher.end().ok(), "hello\n");
    publisher.signal(Signal::INT);
    publisher.end().text(130);
    tamtam(["zmq", "pub", "--connect", &front, "--wait", "1", "--end", "END", "-m", "last"]).ok();
    let seen = subscriber.end();
    assert!(seen.ok().starts_with("hello\n") && seen.ok().ends_with("\nlast\n"), "{seen:?}");
    proxy.signal(Signal::TERM);
    proxy.end().says(143, &["front XSUB: ", "back XPUB: "]);
}

#[test]
fn the_other_pairs_of_a_proxy_work_too() {
    let args = ["zmq", "proxy", "--types", "pull:push", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*"];
    let mut proxy = Process::start(args);
    let [front, back] = [(); 2].map(|()| proxy.bound());
    let puller = Process::start(["zmq", "pull", &back, "--count", "2"]);
    tamtam(["zmq", "push", &front, "-m", "1", "-m", "2"]).ok();
    assert_eq!(puller.end().ok(), "1\n2\n");

    let args = ["zmq", "proxy", "--types", "router:dealer", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*"];
    let mut proxy = Process::start(args);
    let [front, back] = [(); 2].map(|()| proxy.bound());
    let replier = Process::start(["zmq", "rep", &back, "--reply", "yes", "--count", "1"]);
    assert_eq!(tamtam(["zmq", "req", &front, "-m", "well?"]).ok(), "yes\n");
    assert_eq!(replier.end().ok(), "well?\n");
}
