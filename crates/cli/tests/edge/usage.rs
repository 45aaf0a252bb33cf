//! Wrong command lines, help and completion.

use crate::process::{Process, tamtam};

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["zmq", "sub"][..],
        &["nonsense"],
        &["zmq", "nonsense", "tcp://127.0.0.1:1"],
        &["zmq", "pub", "tcp://127.0.0.1:*", "--rate", "fast"],
        &["zmq", "sub", "tcp://127.0.0.1:1", "--timeout", "5"],
        &["zmq", "sub", "tcp://127.0.0.1:1", "--decode", ":Info"],
        &["zmq", "sub", "127.0.0.1:5555"],
        &["zmq", "sub", "carrier-pigeon://home"],
        &["zmq", "monitor", "--type", "nonsense", "tcp://127.0.0.1:1"],
        &["zmq", "proxy", "tcp://127.0.0.1:*"],
        &["zmq", "rep", "tcp://127.0.0.1:*", "--encode", "a.proto:B"],
        &["demo", "--subscribers", "0"],
        &["demo", "--transport", "pigeon"],
        &["demo", "--size", "1TB"],
        &["completion", "nonsense"],
    ] {
        let ended = tamtam(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && ended.stderr.contains("error: "), "{args:?}: {ended:?}");
    }
}

#[test]
fn what_is_missing_ends_with_3() {
    tamtam(["zmq", "push", "tcp://127.0.0.1:1", "--file", "/nowhere/at/all"])
        .says(3, &["cannot read /nowhere/at/all"]);
}

#[test]
fn an_address_in_use_is_explained() {
    let mut first = Process::start(["zmq", "pull", "tcp://127.0.0.1:*"]);
    let endpoint = first.bound();
    let second = tamtam(["zmq", "pull", "--bind", &endpoint]);
    second.says(1, &["cannot bind", &endpoint, "in use"]);
}

#[test]
fn bad_input_is_named_by_its_line() {
    let mut pusher =
        Process::start(["zmq", "push", "tcp://127.0.0.1:*", "--input", "hex", "--timeout", "10s"]);
    let endpoint = pusher.bound();
    let puller = Process::start(["zmq", "pull", &endpoint, "--count", "1"]);
    pusher.type_in("00\nzz\n");
    pusher.end().says(1, &["error: line 2: ", "not a hexadecimal digit"]);
    assert_eq!(puller.end().ok(), "\0\n");
}

#[test]
fn help_documents_examples_and_exit_codes() {
    for command in
        ["pub", "sub", "push", "pull", "req", "rep", "dealer", "router", "pair", "proxy", "monitor", "keygen"]
    {
        let help = tamtam(["zmq", command, "--help"]);
        for part in ["Examples:", &format!("tamtam zmq {command} "), "Exit codes:", "6  data loss detected"] {
            assert!(help.ok().contains(part), "{command}: no {part:?} in\n{}", help.ok());
        }
    }
    assert!(tamtam(["--help"]).ok().contains("130 / 143  interrupted"));
    assert!(tamtam(["demo", "--help"]).ok().contains("tamtam demo --transport inproc --json"));
    assert!(!tamtam(["--help"]).ok().contains("demo-subscriber"));
}

#[test]
fn the_examples_of_the_overview_work_as_printed() {
    // The same lines, with free ports and with an end.
    let mut replier = Process::start(["zmq", "rep", "--bind", "tcp://127.0.0.1:*"]);
    let endpoint = replier.bound();
    assert_eq!(tamtam(["zmq", "req", &endpoint, "--message", "hello"]).ok(), "hello\n");
}

#[test]
fn completion_scripts_are_written() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tamtam(["completion", shell]);
        assert!(script.ok().contains("tamtam"), "{shell}");
    }
}
