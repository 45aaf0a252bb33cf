//! Protobuf types known at run time only.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::{Process, tamtam};

const PROTO: &str = r#"
syntax = "proto3";
message Info { string date = 1; int32 id = 2; repeated Message messages = 3;
  enum MessageType { NONE = 0; DEBUG = 1; WARNING = 2; ERROR = 3; }
  message Message { string text = 1; MessageType type = 2; } }
"#;

fn proto_file(folder: &Path) -> PathBuf {
    let file = folder.join("message.proto");
    std::fs::write(&file, PROTO).unwrap();
    file
}

#[test]
fn the_textbook_messages_are_encoded_and_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let info = format!("{}:Info", proto_file(folder.path()).display());
    for (format, expected) in [
        (
            "text",
            "date: \"10.10.2023\" id: 0 messages: [{ text: \"Hello, ZMQ & Protobuf!\" type: DEBUG }]\n\
             date: \"10.10.2023\" id: 1 messages: []\n",
        ),
        (
            "hex",
            "0a0a31302e31302e323032331a1a0a1648656c6c6f2c205a4d5120262050726f746f627566211001\n\
                 0a0a31302e31302e323032331001\n",
        ),
    ] {
        let mut publisher = Process::start([
            "zmq",
            "pub",
            "tcp://127.0.0.1:*",
            "--wait",
            "1",
            "--end",
            "END",
            "--encode",
            &info,
        ]);
        let endpoint = publisher.bound();
        let args = ["zmq", "sub", &endpoint, "--decode", &info, "--end", "END", "--format", format];
        let subscriber = Process::start(args);
        publisher.type_in(
            "date: \"10.10.2023\" messages { text: \"Hello, ZMQ & Protobuf!\" type: DEBUG }\n\
             {\"date\": \"10.10.2023\", \"id\": 1}\n",
        );
        publisher.close_input();
        let seen = subscriber.end();
        assert_eq!(seen.ok(), expected);
        publisher.end().ok();
    }
}

#[test]
fn json_holds_type_message_and_the_frames_before() {
    let folder = tempfile::tempdir().unwrap();
    let info = format!("{}:Info", proto_file(folder.path()).display());
    let args =
        ["zmq", "pub", "tcp://127.0.0.1:*", "--wait", "1", "--topic", "t", "--encode", &info, "-m", "id: 7"];
    let mut publisher = Process::start(args);
    let endpoint = publisher.bound();
    let seen = tamtam(["zmq", "sub", &endpoint, "--decode", &info, "--count", "1", "--json"]);
    let line: Value = serde_json::from_str(seen.ok()).unwrap();
    assert_eq!(
        line,
        json!({ "frames": ["t"], "type": "Info", "message": { "date": "", "id": 7, "messages": [] } })
    );
    publisher.end().ok();
}

#[test]
fn what_does_not_fit_is_shown_and_ends_with_5() {
    let folder = tempfile::tempdir().unwrap();
    let info = format!("{}:Info", proto_file(folder.path()).display());
    let mut puller = Process::start(["zmq", "pull", "tcp://127.0.0.1:*", "--decode", &info, "--count", "2"]);
    let endpoint = puller.bound();
    tamtam(["zmq", "push", &endpoint, "-m", "no Protobuf"]).ok();
    tamtam(["zmq", "push", &endpoint, "--encode", &info, "-m", "id: 1"]).ok();
    let ended = puller.end();
    assert_eq!(ended.text(5), "no Protobuf\ndate: \"\" id: 1 messages: []\n");
    ended.says(5, &["message 1: cannot decode 11 bytes as Info", "error: 1 messages are no Info"]);

    tamtam(["zmq", "push", &endpoint, "--encode", &info, "-m", "nope: 1"]).says(5, &["nope: 1: not a Info"]);
}

#[test]
fn requests_and_replies_have_types_too() {
    let folder = tempfile::tempdir().unwrap();
    let info = format!("{}:Info", proto_file(folder.path()).display());
    let args = [
        "zmq",
        "rep",
        "tcp://127.0.0.1:*",
        "--decode",
        &info,
        "--reply",
        "id: 2",
        "--encode",
        &info,
        "-n",
        "1",
    ];
    let mut replier = Process::start(args);
    let endpoint = replier.bound();
    let reply = tamtam(["zmq", "req", &endpoint, "--encode", &info, "-m", "id: 1", "--decode", &info]);
    assert_eq!(reply.ok(), "date: \"\" id: 2 messages: []\n");
    assert_eq!(replier.end().ok(), "date: \"\" id: 1 messages: []\n");
}

#[test]
fn missing_types_and_files_end_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = proto_file(folder.path());
    let wrong = format!("{}:Nope", file.display());
    let sub = |decode: &str| tamtam(["zmq", "sub", "tcp://127.0.0.1:1", "--decode", decode]);
    sub(&wrong).says(3, &["no message type Nope", "Info.Message"]);
    sub("nowhere.proto:Info").says(3, &["no such file: nowhere.proto"]);
    std::fs::write(&file, "message {").unwrap();
    sub(&wrong).says(1, &["cannot compile"]);
}
