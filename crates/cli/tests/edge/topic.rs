//! `echo`, `pub`, `hz`, `wait`, `call`, `serve`: against nodes of this process, and against each other.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use bytes::Bytes;
use prost_reflect::prost::Message as _;
use rustix::process::Signal;
use serde_json::Value;
use tamtam::schema::Schema;
use tamtam::{Node, Overflow, Qos};
use tempfile::TempDir;

use crate::process::{Ended, PATIENCE, Process};

const PROTO: &str = r#"
    syntax = "proto3"; package demo;
    message Point { double x = 1; double y = 2; }
    message Cmd { int32 id = 1; string text = 2; Point at = 3; repeated string tags = 4; }
    message Pair { int32 a = 1; int32 b = 2; }
"#;

/// A registry of one test's own, with a file of types.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap());
        place.write("demo.proto", PROTO);
        place
    }

    fn write(&self, name: &str, content: &str) -> String {
        let file = self.0.path().join(name);
        std::fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn proto(&self) -> String {
        self.0.path().join("demo.proto").to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam"));
        command.args(arguments).env("TAMTAM_RUNTIME_DIR", self.registry()).env("TAMTAM_DOMAIN", "test");
        command
    }

    fn registry(&self) -> PathBuf {
        self.0.path().join("r")
    }

    fn start(&self, arguments: &[&str]) -> Process {
        Process::spawn(&mut self.command(arguments))
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut process = self.start(arguments);
        process.close_input();
        process.end()
    }

    fn node(&self, name: &str) -> Node {
        Node::builder(name).domain("test").directory(self.registry()).open().unwrap()
    }

    fn schema(&self, name: &str) -> Schema {
        let set = protox::compile([self.proto()], [self.0.path()]).unwrap();
        Schema::new(name, &set.encode_to_vec()).unwrap()
    }

    /// Publishes on /cmd what `echo` with these options then prints.
    fn echoed(&self, options: &[&str], published: &[&str]) -> String {
        let echo = self.start(&[&["echo", "/cmd"], options].concat());
        let proto = self.proto();
        let args = ["pub", "/cmd", "demo.Cmd", "-", "--proto", &proto, "--wait", "1", "--end"];
        let mut publisher = self.start(&args);
        publisher.type_in(published.join("\n"));
        publisher.close_input();
        publisher.end().ok();
        echo.end().ok().to_owned()
    }
}

#[test]
fn a_type_never_seen_before_is_shown_in_every_format() {
    let place = Place::new();
    let lines = ["id: 1 text: \"a, b\" at { x: 0.5 }", "{\"id\": 2, \"tags\": [\"t\"]}"];
    let text = place.echoed(&[], &lines);
    let shown: Vec<&str> = text.lines().collect();
    assert!(shown[0].starts_with("# seq 1, 2") && shown[0].contains(", demo.Cmd, "), "{text}");
    assert!(shown[0].contains(", from tamtam-pub-"), "{text}");
    assert_eq!(shown[1..7].join(" "), "id: 1 text: \"a, b\" at {   x: 0.5   y: 0.0 }", "{text}");
    assert_eq!(text.matches("\n---\n").count(), 2, "{text}");

    let json = place.echoed(&["--json"], &lines);
    let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    let second = &objects[1];
    assert_eq!((&second["topic"], &second["type"]), (&"/cmd".into(), &"demo.Cmd".into()));
    assert_eq!((&second["seq"], &second["latched"]), (&2.into(), &false.into()));
    assert_eq!((&second["message"]["id"], &second["message"]["tags"][0]), (&2.into(), &"t".into()));
    assert!(second["source"].as_str().is_some_and(|source| source.len() == 16), "{second}");
    assert!(second["stamp"].as_str().is_some_and(|stamp| stamp.ends_with('Z')), "{second}");

    let csv = place.echoed(&["--format", "csv", "--no-info"], &lines);
    assert_eq!(csv, "id,text,at.x,at.y,tags\n1,\"a, b\",0.5,0.0,[]\n2,,0.0,0.0,\"[\"\"t\"\"]\"\n");
    let csv = place.echoed(&["--format", "csv", "--field", "at.x"], &lines);
    assert!(csv.starts_with("seq,stamp,publisher,at.x\n1,20"), "{csv}");
    assert_eq!(place.echoed(&["--format", "hex", "--once"], &lines[1..]), "0802220174\n");
    assert_eq!(place.echoed(&["--format", "raw"], &lines[1..]), "\x08\x02\x22\x01t");
}

#[test]
fn fields_and_filters_choose() {
    let place = Place::new();
    let lines = ["id: 1 text: 'a' at { x: 1 }", "id: 2 text: 'b'", "id: 3 text: 'ab' tags: 'x'"];
    assert_eq!(place.echoed(&["--field", "text", "--no-info"], &lines), "a\nb\nab\n");
    let both = place.echoed(&["--field", "id", "--field", "at.x", "--no-info", "-n", "1"], &lines);
    assert_eq!(both, "id: 1\nat.x: 1.0\n---\n");
    let json = place.echoed(&["--field", "id", "--field", "at.x", "--no-info", "--json", "--once"], &lines);
    assert_eq!(json, "{\"at.x\":1.0,\"id\":1}\n");
    for (filter, ids) in [
        ("text contains 'a' and not id == 1", "3\n"),
        ("id >= 2", "2\n3\n"),
        ("at.x > 0.5 or tags == 'x'", "1\n3\n"),
        ("id > 99", ""),
    ] {
        let shown = place.echoed(&["--filter", filter, "--field", "id", "--no-info"], &lines);
        assert_eq!(shown, ids, "{filter}");
    }
    let wrong = place.run(&["echo", "/cmd", "--filter", "id = 3"]);
    wrong.says(2, &["at 4: write == to compare"]);
    for (option, value, why) in [
        ("--field", "nope", "--field nope: no field nope in demo.Cmd (there: id, text, at, tags)"),
        ("--filter", "id == 'x'", "--filter: id is a number; compare it with one"),
    ] {
        let echo = place.start(&["echo", "/cmd", option, value]);
        place.run(&["pub", "/cmd", "demo.Cmd", "id: 1", "--proto", &place.proto(), "--wait", "1"]);
        echo.end().says(2, &[why]);
    }
}

#[test]
fn octets_are_shown_as_text_or_hexadecimal() {
    let place = Place::new();
    let node = place.node("driver");
    for (options, shown) in [
        (&["--no-info"][..], "one\n0x00ff\n"),
        (&["--json", "--no-info"], "\"one\"\n{\"hex\":\"00ff\"}\n"),
        (&["--format", "csv", "--no-info"], "data\none\n0x00ff\n"),
    ] {
        let publisher = node.publisher::<Bytes>("/octets").create().unwrap();
        let echo = place.start(&[&["echo", "octets"], options].concat());
        publisher.wait_for(1, PATIENCE).unwrap();
        publisher.send(&"one".into()).unwrap();
        publisher.send(&Bytes::from_static(b"\x00\xff")).unwrap();
        publisher.finish().drain(PATIENCE).unwrap();
        assert_eq!(echo.end().ok(), shown);
    }
    let echo = place.start(&["echo", "/octets", "--once"]);
    place.run(&["pub", "/octets", "bytes", "0x00ff", "--wait", "1"]).ok();
    assert!(echo.end().ok().ends_with(", 2 bytes\n0x00ff\n---\n"));
    let echo = place.start(&["echo", "/octets", "--field", "x"]);
    place.run(&["pub", "/octets", "bytes", "x", "--wait", "1"]);
    echo.end().says(2, &["/octets publishes bytes without a type", "--proto"]);
}

#[test]
fn what_echo_prints_as_json_pub_reads() {
    let place = Place::new();
    let printed = place.echoed(&["--json"], &["id: 1 text: 'a'", "id: 2"]);
    let file = place.write("cmd.ndjson", &format!("{printed}\n{{\"id\": 3}}\n"));
    let echo = place.start(&["echo", "/cmd", "--field", "id", "--no-info"]);
    let proto = place.proto();
    let args = ["pub", "/cmd", "demo.Cmd", "--from", &file, "--proto", &proto, "--wait", "1", "--json"];
    let published = place.run(&[&args[..], &["-n", "4", "-r", "1000/s", "--end"]].concat());
    let report: Value = serde_json::from_str(published.ok()).unwrap();
    assert_eq!((&report["messages"], &report["subscribers"]), (&4.into(), &1.into()));
    assert_eq!((&report["dropped"], &report["delivered"]), (&0.into(), &true.into()));
    published.says(0, &["/cmd: 4 messages to 1 subscriber, 0 dropped"]);
    assert_eq!(echo.end().ok(), "1\n2\n3\n1\n");

    let file = place.write("bad.ndjson", "{\"id\": 3}\n{\"id\": \"x\"}\n");
    let bad = place.run(&["pub", "/cmd", "demo.Cmd", "--from", &file, "--proto", &proto]);
    bad.says(5, &["bad.ndjson, line 2: not a demo.Cmd"]);
    place.run(&["pub", "/cmd", "bytes", "--from", "/nowhere"]).says(3, &["no such file: /nowhere"]);
    let bad = place.run(&["pub", "/cmd", "demo.Cmd", "nope: 1", "--proto", &proto]);
    bad.says(5, &["not a demo.Cmd", "nope"]);
}

#[test]
fn the_type_comes_from_whoever_is_on_the_topic() {
    let place = Place::new();
    let node = place.node("arm");
    let _known = node.publisher_raw("/cmd", Some(place.schema("demo.Cmd"))).create().unwrap();
    let subscriber = node.subscriber_dynamic("/cmd").create().unwrap();
    let published = place.run(&["pub", "/cmd", "demo.Cmd", "id: 7"]);
    published.says(0, &["1 message to 1 subscriber"]);
    let sample = subscriber.recv(Some(PATIENCE)).unwrap().unwrap();
    let message = sample.decode().unwrap().unwrap();
    assert_eq!(message.get_field_by_name("id").unwrap().as_i32(), Some(7));
    let unknown = place.run(&["pub", "/cmd", "demo.Nope", "id: 7"]);
    unknown
        .says(3, &["nobody on /cmd knows the type demo.Nope", "types there: demo.Cmd", "--proto FILE.proto"]);
}

#[test]
fn lost_messages_are_told_and_make_the_exit_code() {
    let place = Place::new();
    let node = place.node("driver");
    let qos = Qos::default().depth(2).overflow(Overflow::DropNewest);
    let publisher = node.publisher::<Bytes>("/fast").qos(qos).create().unwrap();
    let mut echo = place.start(&["echo", "/fast", "--format", "hex", "-v"]);
    let mut hz = place.start(&["hz", "/fast", "--json"]);
    publisher.wait_for(2, PATIENCE).unwrap();
    [&echo, &hz].iter().for_each(|process| process.signal(Signal::STOP));
    // Far more than the queues and the system's buffers hold; a drop for each of the two at least.
    let body = Bytes::from(vec![1; 100_000]);
    while publisher.dropped() < 100 {
        publisher.send(&body).unwrap();
    }
    [&echo, &hz].iter().for_each(|process| process.signal(Signal::CONT));
    publisher.finish().drain(PATIENCE).unwrap();
    let lost = echo.told("/fast: messages ");
    assert!(lost.contains(" of driver lost: the publisher's queue for this subscriber was full"), "{lost}");
    echo.end().says(6, &["messages of /fast lost"]);
    hz.told("/fast: messages ");
    let hz = hz.end();
    let summary: Value = serde_json::from_str(hz.text(6).lines().last().unwrap()).unwrap();
    assert!(summary["lost"].as_u64() > Some(0), "{summary}");
}

#[test]
fn a_publisher_that_dies_is_told_and_another_one_awaited() {
    let place = Place::new();
    let mut echo = place.start(&["echo", "/mortal", "--no-info", "-v"]);
    let first = place.start(&["pub", "/mortal", "bytes", "-", "--wait", "1"]);
    echo.told("/mortal: publisher tamtam-pub-");
    first.signal(Signal::KILL);
    let gone = echo.told("/mortal: publisher tamtam-pub-");
    assert!(gone.contains("is gone without END"), "{gone}");
    place.run(&["pub", "/mortal", "bytes", "second", "--wait", "1", "--end"]).ok();
    assert_eq!(echo.end().ok(), "second\n");
}

#[test]
fn a_time_out_says_what_is_there() {
    let place = Place::new();
    let node = place.node("arm");
    let _subscriber = node.subscriber::<Bytes>("/cmd").create().unwrap();
    let _publisher = node.publisher::<Bytes>("/silent").create().unwrap();
    // Long enough for those that are there to attach, on a busy machine too.
    place
        .run(&["pub", "/cmd", "bytes", "x", "--wait", "2", "--timeout", "2s"])
        .says(4, &["error: 1 of 2 subscribers after 2.", " s (attached: arm)"]);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--timeout", "100ms"]].concat());
    run(&["echo", "/cmd"]).says(
        4,
        &["no message on /cmd within ", "(nobody publishes it in domain \"test\", where there is /silent)"],
    );
    run(&["echo", "/silent"]).says(4, &["(1 publisher is there, and sent none: arm)"]);
    run(&["hz", "/cmd"]).says(4, &["no message within ", "(/cmd: nobody publishes it"]);
    run(&["wait", "/cmd", "--subscribers", "2"]).says(4, &["/cmd: 1 of 2 subscribers (there: arm) after "]);
    run(&["wait", "/cmd", "--publishers", "1"]).says(4, &["/cmd: 0 of 1 publishers after "]);
    run(&["wait", "/silent", "--message"])
        .says(4, &["no message on /silent within ", "(1 publisher is there"]);
    let found = run(&["wait", "/cmd", "--subscribers", "1"]);
    assert_eq!(found.ok(), "/cmd  0 publishers, 1 subscriber (arm)\n");
    let found = run(&["wait", "/silent", "--publishers", "1", "--json"]);
    let found: Value = serde_json::from_str(found.ok()).unwrap();
    assert_eq!((&found["publishers"][0], &found["message"]), (&"arm".into(), &false.into()));
}

#[test]
fn a_subscriber_that_takes_nothing_is_named() {
    let place = Place::new();
    let node = place.node("lazy");
    let _lazy = node.subscriber::<Bytes>("/big").qos(Qos::default().depth(1)).create().unwrap();
    let body = "x".repeat(100_000);
    let args = ["pub", "/big", "bytes", &body, "--forever", "--depth", "1", "--wait", "1"];
    let stuck = place.run(&[&args[..], &["--timeout", "2s"]].concat());
    stuck.says(4, &["no room within 2.", " s in the queue of lazy"]);
    let refused = place.run(&[&args[..], &["--qos", "error"]].concat());
    refused.says(1, &["no room in the queue of lazy"]);
}

#[test]
fn what_waits_can_be_bounded_in_octets() {
    let place = Place::new();
    let node = place.node("lazy");
    let _lazy = node.subscriber::<Bytes>("/big").qos(Qos::default().depth(1)).create().unwrap();
    let body = "x".repeat(100_000);
    let args =
        ["pub", "/big", "bytes", &body, "--forever", "--depth", "1000000", "--wait", "1", "--qos", "error"];
    let refused = place.run(&[&args[..], &["--depth-bytes", "1MB"]].concat());
    refused.says(1, &["no room in the queue of lazy"]);
    place.run(&[&args[..], &["--depth-bytes", "0"]].concat()).says(2, &["none for no bound"]);
    let staying =
        place.start(&["pub", "/kept", "bytes", "x", "--depth-bytes", "none", "--depth", "7", "--stay"]);
    node.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key("/kept")).unwrap();
    let graph = node.graph();
    assert_eq!(graph.topics()["/kept"].publishers[0].1.qos, "block 7");
    drop(staying);
}

/// The textbook's handshake, from the shell at both ends.
#[test]
fn plain_ends_say_that_they_are_there() {
    let place = Place::new();
    let endpoint = |name: &str| format!("ipc://{}", place.0.path().join(name).display());
    let (data, sync) = (endpoint("data"), endpoint("sync"));
    let reader =
        place.start(&["echo", "/t", "--connect", &data, "--plain", "--sync", &sync, "--format", "raw"]);
    let sent = place.run(&[
        "pub",
        "/t",
        "bytes",
        "hello",
        "--bind",
        &data,
        "--plain",
        "--sync",
        &sync,
        "--wait",
        "1",
        "--timeout",
        "30s",
    ]);
    sent.says(0, &[]);
    assert!(reader.end().ok().contains("hello"));
    place.run(&["pub", "/t", "bytes", "x", "--sync", &sync]).says(2, &["--plain"]);
}

#[test]
fn waiting_for_a_message_ends_with_it() {
    let place = Place::new();
    let node = place.node("driver");
    let publisher = node.publisher::<Bytes>("/soon").create().unwrap();
    let waiting = place.start(&["wait", "/soon", "--message", "--publishers", "1"]);
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&"x".into()).unwrap();
    assert_eq!(waiting.end().ok(), "/soon  1 publisher (driver), 0 subscribers, a message\n");
}

#[test]
fn measures_count_every_message() {
    let place = Place::new();
    let node = place.node("driver");
    for (command, key) in [("hz", "rate_hz"), ("bw", "bytes_per_s"), ("delay", "delay_s")] {
        let publisher = node.publisher::<Bytes>("/many").create().unwrap();
        let measure = place.start(&[command, "/many", "--json"]);
        let table = place.start(&[command, "many"]);
        publisher.wait_for(2, PATIENCE).unwrap();
        for _ in 0..20_000 {
            publisher.send(&"hello".into()).unwrap();
        }
        publisher.finish().drain(PATIENCE).unwrap();
        let ended = measure.end();
        let summary: Value = serde_json::from_str(ended.ok().lines().last().unwrap()).unwrap();
        assert_eq!((&summary["summary"], &summary["topic"]), (&true.into(), &"/many".into()));
        assert_eq!((&summary["messages"], &summary["lost"]), (&20_000.into(), &0.into()));
        assert!(!summary[key].is_null(), "{summary}");
        let table = table.end();
        let last = table.ok().lines().last().unwrap_or_default();
        assert!(last.starts_with("/many  total  ") && last.ends_with("(20000 messages)"), "{last}");
    }
}

#[test]
fn calls_are_answered_or_told_why_not() {
    let place = Place::new();
    let node = place.node("server");
    let _upper = node
        .service::<Bytes, Bytes>("/upper", |text| match &text[..] {
            b"" => Err("nothing to do".to_owned()),
            text => Ok(text.to_ascii_uppercase().into()),
        })
        .unwrap();
    let (release, held) = mpsc::channel::<()>();
    let _slow = node.service::<Bytes, Bytes>("/slow", move |text| {
        let _released = held.recv();
        Ok(text)
    });
    // Dropped before the service, which waits for its thread, however the test ends.
    let release = release;
    assert_eq!(place.run(&["call", "/upper", "hello"]).ok(), "HELLO\n");
    assert_eq!(place.run(&["call", "upper", "hello", "--format", "hex"]).ok(), "48454c4c4f\n");
    let json: Value = serde_json::from_str(place.run(&["call", "/upper", "a", "--json"]).ok()).unwrap();
    assert_eq!((&json["reply"], &json["type"]), (&"A".into(), &"bytes".into()));
    let mut piped = place.start(&["call", "/upper", "-"]);
    piped.type_in("from a pipe");
    piped.close_input();
    assert_eq!(piped.end().ok(), "FROM A PIPE\n");
    place.run(&["call", "/upper"]).says(1, &["/upper says: nothing to do"]);
    place.run(&["call", "/nope", "x"]).says(3, &["nobody offers /nope", "services there: /slow, /upper"]);
    place.run(&["call", "/slow", "x", "--timeout", "1s"]).says(4, &["no answer from /slow within 1."]);
    drop(release);
}

#[test]
fn a_command_serves() {
    let place = Place::new();
    let proto = place.proto();
    let typed = ["--type", "demo.Pair:demo.Pair", "--proto", &proto];
    let args = ["serve", "/swap", "--exec", "sed s/1/7/", "--json"];
    let mut swap = place.start(&[&args[..], &typed].concat());
    assert_eq!(swap.told("serving /swap "), "(demo.Pair to demo.Pair)");
    assert_eq!(place.run(&["call", "/swap", "a: 1 b: 2"]).ok(), "a: 7\nb: 2\n");
    let reply = place.run(&["call", "/swap", "{\"a\": 3}", "--json"]);
    let reply: Value = serde_json::from_str(reply.ok()).unwrap();
    assert_eq!((&reply["reply"]["a"], &reply["type"]), (&3.into(), &"demo.Pair".into()));
    assert_eq!(place.run(&[&["call", "/swap", "a: 1"][..], &typed].concat()).ok(), "a: 7\nb: 0\n");
    place.run(&["call", "/swap", "c: 1"]).says(5, &["not a demo.Pair"]);
    swap.signal(Signal::TERM);
    let swap = swap.end();
    swap.says(143, &["/swap: 3 requests answered, 0 of them with an error"]);
    assert_eq!(swap.text(143).lines().count(), 3);

    for (command, says) in [
        ("echo broken >&2; exit 3", "/bad says: broken"),
        ("exit 3", "/bad says: the command failed: exit status: 3"),
        ("echo nonsense", "/bad says: the command's reply: not a demo.Pair"),
    ] {
        let mut bad = place.start(&[&["serve", "/bad", "--exec", command][..], &typed].concat());
        bad.told("serving /bad ");
        place.run(&["call", "/bad", "a: 1", "--timeout", "20s"]).says(1, &[says]);
        bad.signal(Signal::INT);
        bad.end().says(130, &["/bad: 1 request answered, 1 of them with an error"]);
    }
    let mut hung = place.start(&["serve", "/hung", "--exec", "sleep 1000", "--timeout", "100ms"]);
    hung.told("serving /hung (bytes to bytes)");
    place.run(&["call", "/hung", "x"]).says(1, &["the command took too long"]);
    place.run(&["serve", "/s", "--exec", "cat", "--type", "a.B:a.C"]).says(2, &["add --proto FILE.proto"]);
}

#[test]
fn plain_programs_take_part() {
    let place = Place::new();
    let proto = format!("{}:demo.Pair", place.proto());
    let args = ["pub", "/w", "demo.Pair", "a: 1", "--proto", &place.proto(), "--wait", "2", "--end"];
    let mut publisher = place.start(&[&args[..], &["--bind", "tcp://127.0.0.1:*", "--plain"]].concat());
    let endpoint = publisher.bound();
    let plain = place.start(&["zmq", "sub", &endpoint, "--end", "END", "--format", "hex"]);
    let args = ["echo", "/w", "--connect", &endpoint, "--plain", "--proto", &proto, "--json"];
    let echo = place.start(&args).end();
    let object: Value = serde_json::from_str(echo.ok()).unwrap();
    assert_eq!((&object["message"]["a"], &object["seq"]), (&1.into(), &0.into()));
    assert_eq!(object["stamp"], Value::Null);
    assert_eq!(plain.end().ok(), "0801\n");
    publisher.end().ok();
    let endpoint = format!("ipc://{}/nobody", place.0.path().display());
    let args = ["echo", "/w", "--connect", &endpoint, "--plain=stop", "--timeout", "50ms"];
    place.run(&args).says(4, &["nothing came from ipc://"]);
}

#[test]
fn another_type_than_expected_is_refused() {
    let place = Place::new();
    let other =
        place.write("other.proto", "syntax = \"proto3\"; package demo; message Cmd { string id = 1; }");
    let echo = place.start(&["echo", "/cmd", "--proto", &format!("{other}:demo.Cmd")]);
    place.run(&["pub", "/cmd", "demo.Cmd", "id: 1", "--proto", &place.proto(), "--wait", "1"]);
    echo.end().says(5, &["/cmd is published as another type than --proto says", "id"]);
}

#[test]
fn latched_messages_reach_who_comes_later() {
    let place = Place::new();
    let mut publisher = place.start(&["pub", "/map", "bytes", "here", "--latch", "1", "--stay", "-v"]);
    publisher.told("/map: stays");
    assert_eq!(place.run(&["echo", "/map", "--once", "--no-info"]).ok(), "here\n");
    publisher.told("/map: 1 subscriber");
    publisher.signal(Signal::INT);
    publisher.end().says(130, &["/map: 1 message to 1 subscriber"]);
}

#[test]
fn signals_and_closed_pipes_end_in_good_order() {
    let place = Place::new();
    let node = place.node("driver");
    let publisher = node.publisher::<Bytes>("/t").create().unwrap();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let echo = place.start(&["echo", "/t"]);
        let hz = place.start(&["hz", "/t"]);
        publisher.wait_for(2, PATIENCE).unwrap();
        [&echo, &hz].iter().for_each(|process| process.signal(signal));
        let ended = echo.end();
        ended.says(code, &["/t: 0 messages received, 0 lost"]);
        assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
        assert_eq!(hz.end().code, Some(code));
    }
    let mut echo =
        place.command(&["echo", "/t"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(echo.stdout.take());
    assert_eq!(echo.wait().unwrap().code(), Some(0));
}
