//! The ways a command ends: time-outs, lost messages, signals, closed pipes.

use std::io::{BufRead as _, BufReader};

use rustix::process::Signal;

use crate::process::{Process, tamtam};

#[test]
fn a_time_out_says_what_was_missing() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = format!("ipc://{}/nobody", folder.path().display());
    let sub = tamtam(["zmq", "sub", &nobody, "--count", "3", "--end", "END", "--timeout", "50ms"]);
    sub.says(4, &["no message from ipc://", "(0 of 3 received, no END) within 50ms"]);
    let publisher =
        tamtam(["zmq", "pub", "tcp://127.0.0.1:*", "--wait", "2", "--timeout", "50ms", "-m", "x"]);
    publisher.says(4, &["0 of 2 subscribers after 0."]);
    let push = tamtam(["zmq", "push", "--bind", "tcp://127.0.0.1:*", "--timeout", "50ms", "-m", "x"]);
    push.says(4, &["no peer could take the message", "tcp://127.0.0.1:*"]);
    let req = tamtam(["zmq", "req", &nobody, "--timeout", "50ms", "--linger", "0s", "-m", "x"]);
    req.says(4, &["no reply from ipc://"]);
    let rep = tamtam(["zmq", "rep", "tcp://127.0.0.1:*", "--timeout", "50ms"]);
    rep.says(4, &["no request at tcp://127.0.0.1:* (0 answered) within 50ms"]);
    let router = tamtam([
        "zmq",
        "router",
        "tcp://127.0.0.1:*",
        "--to",
        "bob",
        "-m",
        "x",
        "--count",
        "0",
        "--timeout",
        "50ms",
    ]);
    router.says(4, &["no connected peer has that routing id"]);
    let monitor = tamtam(["zmq", "monitor", &nobody, "--timeout", "50ms", "--count", "1000"]);
    monitor.says(4, &["no event at ipc://"]);
}

#[test]
fn messages_that_nobody_takes_are_reported_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = format!("ipc://{}/nobody", folder.path().display());
    let ended = tamtam(["zmq", "push", &nobody, "--linger", "50ms", "-m", "a", "-m", "b"]);
    ended.says(6, &["2 messages", "not delivered", "ipc://", "--linger"]);
}

#[test]
fn an_end_before_the_count_is_a_loss() {
    let args = ["zmq", "pub", "tcp://127.0.0.1:*", "--wait", "1", "--end", "END", "-m", "only"];
    let mut publisher = Process::start(args);
    let endpoint = publisher.bound();
    let ended = tamtam(["zmq", "sub", &endpoint, "--count", "2", "--end", "END"]);
    assert_eq!(ended.text(6), "only\n");
    ended.says(6, &["the end came after 1 of 2 messages"]);
    publisher.end().ok();
}

#[test]
fn ctrl_c_ends_with_130_and_sigterm_with_143() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for command in ["pull", "rep", "pair", "push", "monitor"] {
            let mut process = Process::start(["zmq", command, "tcp://127.0.0.1:*"].iter().chain(
                // The monitor's own socket type is the one that binds here.
                if command == "monitor" { &["--type", "pull"][..] } else { &[] },
            ));
            process.bound();
            process.signal(signal);
            let ended = process.end();
            assert_eq!((ended.code, command), (Some(code), command), "{ended:?}");
            assert!(!ended.stderr.contains("error"), "{command}: {}", ended.stderr);
        }
    }
}

#[test]
fn what_arrived_before_ctrl_c_is_printed() {
    let mut puller = Process::start(["zmq", "pull", "tcp://127.0.0.1:*", "-v"]);
    let endpoint = puller.bound();
    let replies = Process::start(["zmq", "req", &endpoint, "-m", "never answered"]);
    tamtam(["zmq", "push", &endpoint, "-m", "seen", "--linger", "10s"]).ok();
    drop(replies);
    puller.signal(Signal::INT);
    let ended = puller.end();
    // The signal may be quicker than the message, but a message must not be printed in part.
    assert!(["", "seen\n"].contains(&ended.text(130)), "{ended:?}");
}

#[test]
fn a_closed_pipe_is_a_normal_end() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/closed", folder.path().display());
    // Nothing ever arrives at this one.
    let (silent, output) = Process::start_with_output(&["zmq", "sub", &endpoint]);
    drop(output);
    assert_eq!(silent.end().code, Some(0));

    // This one is in the middle of printing.
    let args = ["zmq", "push", "tcp://127.0.0.1:*", "-m", "line", "--count", "1000000000"];
    let mut pusher = Process::start(args);
    let endpoint = pusher.bound();
    let (busy, output) = Process::start_with_output(&["zmq", "pull", &endpoint]);
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "line\n");
    drop(output);
    assert_eq!(busy.end().code, Some(0));
}
