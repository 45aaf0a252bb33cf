//! Looking at the graph of topics: nodes live in the test, the command looks at them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tamtam::schema::{Schema, SchemaError};
use tamtam::{DecodeError, Node, Qos, TopicMessage};

use crate::process::{Ended, PATIENCE, Process};

/// One type, another release of it that fits, one that does not, and another type.
const PROTOS: [(&str, &str); 4] = [
    (
        "demo.Imu",
        "syntax = \"proto3\"; package demo; \
         message Imu { double x = 1; Vec v = 2; } message Vec { float a = 1; }",
    ),
    (
        "demo.Imu",
        "syntax = \"proto3\"; package demo; \
         message Imu { double x = 1; Vec v = 2; string note = 3; } message Vec { float a = 1; }",
    ),
    ("demo.Imu", "syntax = \"proto3\"; package demo; message Imu { string x = 1; }"),
    ("demo.Cmd", "syntax = \"proto3\"; package demo; message Cmd { int32 x = 1; }"),
];

/// A message of one of these types.
struct Typed<const N: usize>(Bytes);

impl<const N: usize> TopicMessage for Typed<N> {
    fn schema() -> Result<Option<Schema>, SchemaError> {
        Ok(Some(schema(N)))
    }

    fn to_body(&self) -> Bytes {
        self.0.clone()
    }

    fn from_body(body: &tamtam::Frame) -> Result<Self, DecodeError> {
        Ok(Self(body.clone().into_bytes()))
    }
}

fn write_proto(folder: &Path, number: usize) -> String {
    let file = folder.join(format!("v{number}.proto"));
    std::fs::write(&file, PROTOS[number].1).unwrap();
    file.display().to_string()
}

fn schema(number: usize) -> Schema {
    let folder = tempfile::tempdir().unwrap();
    write_proto(folder.path(), number);
    let mut compiler = protox::Compiler::new([folder.path()]).unwrap();
    compiler.include_imports(true).open_file(format!("v{number}.proto")).unwrap();
    Schema::new(PROTOS[number].0, &compiler.encode_file_descriptor_set()).unwrap()
}

/// A registry of one test's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap())
    }

    fn node(&self, name: &str) -> Node {
        Node::builder(name).domain("lab").directory(self.0.path()).open().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam"));
        command.args(arguments).env("TAMTAM_RUNTIME_DIR", self.0.path()).env("TAMTAM_DOMAIN", "lab");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        end(&mut self.command(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[arguments, &["--json"]].concat());
        objects(ended.ok())
    }
}

fn end(command: &mut Command) -> Ended {
    let mut process = Process::spawn(command);
    process.close_input();
    process.end()
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Finds the check of this name and status.
fn check<'a>(checks: &'a [Value], name: &str, status: &str) -> &'a str {
    let found = checks.iter().find(|check| check["check"] == name && check["status"] == status);
    found.unwrap_or_else(|| panic!("no {status} of {name} in {checks:#?}"))["text"].as_str().unwrap()
}

#[test]
fn topics_nodes_and_types_are_listed() {
    let place = Place::new();
    let (driver, logger) = (place.node("driver"), place.node("logger"));
    let _imu = driver.publisher::<Typed<0>>("/robot/imu").create().unwrap();
    let _raw = driver.publisher::<Bytes>("/raw").create().unwrap();
    let _reader = logger.subscriber::<Typed<0>>("/robot/imu").create().unwrap();
    let listed = place.run(&["list"]);
    assert_eq!(listed.ok(), "/raw        octets    1 pub  0 sub\n/robot/imu  demo.Imu  1 pub  1 sub\n");
    assert_eq!(listed.stderr, "2 topics, 2 nodes · domain \"lab\"");
    assert_eq!(place.run(&["list", "--quiet"]).stderr, "");
    for pattern in ["imu", "/robot/*", "*/i?u"] {
        assert_eq!(place.run(&["list", pattern]).ok(), "/robot/imu  demo.Imu  1 pub  1 sub\n", "{pattern}");
    }
    let detailed = place.run(&["list", "imu", "-v"]);
    for part in ["  pub driver", "  sub logger", "block 1000", "ipc://"] {
        assert!(detailed.ok().contains(part), "{part}: {detailed:?}");
    }
    let topics = place.json(&["list"]);
    assert_eq!((topics.len(), &topics[1]["topic"]), (2, &json!("/robot/imu")));
    assert_eq!(topics[1]["publishers"][0]["node"], "driver");
    assert_eq!(topics[1]["publishers"][0]["pid"], std::process::id());
    assert_eq!(topics[1]["subscribers"][0]["schema"], schema(0).id().to_string());
    assert_eq!(topics[0]["publishers"][0]["type"], Value::Null);

    assert_eq!(place.run(&["type", "robot/imu"]).ok(), "demo.Imu\n");
    assert_eq!(place.json(&["type", "/raw"]), [json!({ "topic": "/raw", "types": [], "schemas": [] })]);
    for wanted in ["demo.Imu", "Imu"] {
        assert_eq!(place.run(&["find", wanted]).ok(), "topic  /robot/imu  demo.Imu\n");
    }
    let nodes = place.run(&["nodes"]);
    assert!(nodes.ok().lines().all(|line| line.starts_with("driver  ") || line.starts_with("logger  ")));
    assert!(place.run(&["nodes", "-v"]).ok().contains("  pub /robot/imu  demo.Imu"));
    assert_eq!(place.json(&["nodes"])[1]["subscribers"][0]["topic"], "/robot/imu");
}

#[test]
fn services_are_listed_and_found() {
    let place = Place::new();
    let node = place.node("adder");
    let _service = node.service::<Typed<3>, Bytes>("/add", |_| Ok(Bytes::new())).unwrap();
    assert_eq!(place.run(&["services"]).ok(), "/add  demo.Cmd → octets  1 server\n");
    assert!(place.run(&["services", "-v"]).ok().contains("  adder"));
    assert_eq!(place.json(&["services"])[0]["servers"][0]["request_type"], "demo.Cmd");
    assert_eq!(place.run(&["find", "Cmd"]).ok(), "service  /add  demo.Cmd → octets\n");
    assert!(place.run(&["schema", "show", "demo.Cmd"]).ok().contains("message Cmd {"));
    place.run(&["info", "add"]).says(3, &["no topic /add, but a service"]);
}

#[test]
fn what_is_not_there_is_explained() {
    let place = Place::new();
    let empty = place.run(&["list"]);
    assert_eq!(empty.ok(), "");
    let directory = place.0.path().join("lab").display().to_string();
    empty.says(0, &["no node is in domain \"lab\"", &directory]);
    place.run(&["info", "/imu"]).says(3, &["no topic /imu: no node is in domain \"lab\"", &directory]);

    let node = place.node("driver");
    let _imu = node.publisher::<Typed<0>>("/imu").create().unwrap();
    for command in [&["info", "/imo"][..], &["type", "imo"], &["schema", "show", "/imo"]] {
        place.run(command).says(3, &["error: no topic /imo; did you mean /imu?"]);
    }
    place.run(&["find", "demo.Imo"]).says(3, &["did you mean demo.Imu?"]);
    place.run(&["list", "weather"]).says(3, &["no topic like weather", "there: /imu"]);
    place.run(&["info", "/a b"]).says(2, &["error: "]);
    place.run(&["list", "--domain", "a/b"]).says(2, &["without slashes"]);
}

#[test]
fn info_tells_what_does_not_fit() {
    let place = Place::new();
    let (driver, logger) = (place.node("driver"), place.node("logger"));
    let _imu = driver.publisher::<Typed<0>>("/imu").qos(Qos::sensor()).create().unwrap();
    let _newer = logger.subscriber::<Typed<1>>("/imu").create().unwrap();
    let _broken = logger.subscriber::<Typed<2>>("/imu").create().unwrap();
    let _other = logger.subscriber::<Typed<3>>("/imu").create().unwrap();
    let info = place.run(&["info", "imu"]);
    for part in [
        "drop-oldest 1",
        "trouble: logger does not understand what driver publishes as demo.Imu",
        "  demo.Imu.x",
        "trouble: driver publishes demo.Imu, but logger expects demo.Cmd",
        "note: driver and logger have different schemas of demo.Imu that are compatible",
        "warning: logger, logger, logger would wait for every message, but driver does not wait",
    ] {
        assert!(info.ok().contains(part), "{part}: {}", info.ok());
    }
    let notes = place.json(&["info", "imu"]).remove(0)["notes"].take();
    let kinds: Vec<&str> =
        notes.as_array().unwrap().iter().map(|note| note["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["schema-breaking", "type-conflict", "lossy", "schema-compatible"]);
    assert!(place.run(&["list"]).ok().contains("type conflict"));
}

#[test]
fn the_graph_is_drawn_in_every_language() {
    let place = Place::new();
    let (driver, logger) = (place.node("driver"), place.node("logger"));
    let _imu = driver.publisher::<Typed<0>>("/imu").create().unwrap();
    let _reader = logger.subscriber::<Typed<0>>("/imu").create().unwrap();
    let _service = logger.service::<Bytes, Bytes>("/flush", |_| Ok(Bytes::new())).unwrap();
    let _waiting = logger.subscriber::<Bytes>("/cmd").create().unwrap();
    assert_eq!(place.run(&["graph"]).ok(), "(nobody) → /cmd → logger\ndriver → /imu → logger\n");
    let dot = place.run(&["graph", "--format", "dot"]);
    assert_eq!(
        dot.ok(),
        "digraph tamtam {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n\
         \x20 n0 [shape=ellipse, label=\"driver\"];\n  n1 [shape=ellipse, label=\"logger\"];\n\
         \x20 t0 [shape=box, label=\"/cmd\"];\n  t1 [shape=box, label=\"/imu\\ndemo.Imu\"];\n\
         \x20 s0 [shape=box, style=rounded, label=\"/flush\"];\n  n1 -> s0 [dir=both, style=dashed];\n\
         \x20 t0 -> n1;\n  n0 -> t1;\n  t1 -> n1;\n}\n"
    );
    let mermaid = place.run(&["graph", "--format", "mermaid"]);
    assert_eq!(
        mermaid.ok(),
        "flowchart LR\n  n0([\"driver\"])\n  n1([\"logger\"])\n  t0[\"/cmd\"]\n  t1[\"/imu<br>demo.Imu\"]\n\
         \x20 s0(\"/flush\")\n  n1 -.- s0\n  t0 --> n1\n  n0 --> t1\n  t1 --> n1\n"
    );
    let lines = place.json(&["graph"]);
    assert!(lines.iter().any(|line| line["kind"] == "publishes" && line["topic"] == "/imu"));
    assert!(lines.iter().any(|line| line["kind"] == "serves" && line["service"] == "/flush"));
    assert_eq!(objects(place.run(&["graph", "--format", "json"]).ok()), lines);
}

#[test]
fn schemas_are_shown_pulled_and_compared() {
    let place = Place::new();
    let files = tempfile::tempdir().unwrap();
    let node = place.node("driver");
    let _imu = node.publisher::<Typed<0>>("/imu").create().unwrap();
    let _raw = node.publisher::<Bytes>("/raw").create().unwrap();
    assert_eq!(place.run(&["schema", "show", "/imu"]).ok().trim_end(), schema(0).to_proto().trim_end());
    assert_eq!(place.run(&["schema", "show", "Imu"]).ok(), place.run(&["schema", "show", "imu"]).ok());
    let shown = place.json(&["schema", "show", "/imu"]).remove(0);
    assert_eq!((&shown["type"], &shown["schema"]), (&json!("demo.Imu"), &json!(schema(0).id().to_string())));
    assert!(shown["descriptors"]["file"].is_array(), "{shown:#}");
    let fds = place.run(&["schema", "show", "/imu", "--format", "fds"]);
    assert_eq!(fds.stdout, schema(0).descriptor_set().to_vec());
    let file = files.path().join("imu.fds").display().to_string();
    place.run(&["schema", "pull", "/imu", "-o", &file]).says(0, &["imu.fds: demo.Imu ("]);
    assert_eq!(std::fs::read(&file).unwrap(), fds.stdout);
    place.run(&["schema", "show", "/raw"]).says(3, &["topic /raw has no schema", "octets"]);

    let pulled = format!("{file}:Imu");
    let sources: Vec<String> = (0..4).map(|number| write_proto(files.path(), number)).collect();
    let typed: Vec<String> =
        sources.iter().zip(PROTOS).map(|(file, (name, _))| format!("{file}:{name}")).collect();
    let diff = |a: &str, b: &str, code: i32, verdict: &str| {
        let ended = place.run(&["schema", "diff", a, b]);
        assert_eq!(ended.text(code).lines().next(), Some(verdict), "{a} {b}");
        ended
    };
    diff(&pulled, "/imu", 0, "identical");
    diff("/imu", &typed[0], 0, "identical");
    assert!(diff("/imu", &typed[1], 0, "compatible").ok().contains("  demo.Imu.note"));
    diff(&typed[0], &typed[2], 5, "breaking").says(5, &["error: a reader of", "does not understand"]);
    let object = place.run(&["schema", "diff", "/imu", &typed[2], "--json"]);
    assert_eq!(objects(object.text(5))[0]["verdict"], "breaking");

    assert!(place.run(&["schema", "check", "/imu", &typed[1]]).ok().starts_with("compatible\n"));
    place.run(&["schema", "check", "/imu", &typed[3]]).says(5, &["does not understand /imu (driver)"]);
    place.run(&["schema", "check", "/imu", "/raw"]).says(2, &["FILE.proto:TYPE"]);
    place.run(&["schema", "diff", &file, "/imu"]).says(3, &["which message type?", "demo.Vec"]);
    place.run(&["schema", "diff", "none.fds", "/imu"]).says(3, &["cannot read none.fds"]);
    place
        .run(&["schema", "diff", &format!("{file}:No"), "/imu"])
        .says(3, &["no message type No", "demo.Imu"]);
}

#[test]
fn a_healthy_place_has_no_failures() {
    let place = Place::new();
    let node = place.node("driver");
    let _imu = node.publisher::<Typed<0>>("/imu").create().unwrap();
    let ended = place.run(&["doctor", "--json"]);
    let checks = objects(ended.ok());
    assert!(checks.iter().all(|check| check["status"] != "fail"), "{checks:#?}");
    assert!(
        check(&checks, "directory", "ok")
            .ends_with(&format!("of user {}", rustix::process::geteuid().as_raw()))
    );
    assert_eq!(check(&checks, "registry", "ok"), "1 node");
    assert_eq!(check(&checks, "node", "ok"), "a node can be opened");
    for name in ["types", "names", "releases", "loopback"] {
        check(&checks, name, "ok");
    }
    check(&checks, "drops", "skip");
    let text = place.run(&["doctor"]);
    assert!(text.ok().lines().any(|line| line.starts_with("ok    node          a node")), "{}", text.ok());
    assert!(text.stderr.contains("checks, none failed"));
}

#[test]
fn what_ails_a_place_is_found() {
    let place = Place::new();
    let (driver, logger) = (place.node("driver"), place.node("logger"));
    let _a = driver.publisher::<Typed<0>>("/imu").qos(Qos::sensor()).create().unwrap();
    let _b = logger.subscriber::<Typed<2>>("/imu").create().unwrap();
    let _c = driver.publisher::<Typed<3>>("/robot/cmd").create().unwrap();
    let _d = logger.subscriber::<Typed<3>>("/Cmd").create().unwrap();
    let ended = place.run(&["doctor", "--json"]);
    let checks = objects(ended.text(1));
    ended.says(1, &["error: 1 of ", "checks failed"]);
    assert!(
        check(&checks, "types", "fail").starts_with("/imu: logger does not understand what driver publishes")
    );
    assert!(check(&checks, "loss", "warn").contains("driver does not wait for slow subscribers"));
    assert!(check(&checks, "names", "warn").contains("/Cmd and /robot/cmd"));

    // The nodes are elsewhere.
    let checks = place.json(&["doctor", "--domain", "empty"]);
    assert_eq!(check(&checks, "domains", "warn"), "nodes are in other domains: lab (2 nodes)");
}

#[test]
fn a_place_that_cannot_be_used_fails() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    std::fs::set_permissions(place.0.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let ended = place.run(&["doctor", "--json"]);
    assert!(check(&objects(ended.text(1)), "registry", "fail").contains("others may write to it"));
    place.run(&["list"]).says(1, &["cannot read which nodes are in domain \"lab\"", "chmod go-w"]);

    let deep = Place::new();
    let long = deep.0.path().join("x".repeat(90));
    let ended = end(deep.command(&["doctor", "--json"]).env("TAMTAM_RUNTIME_DIR", &long));
    let checks = objects(ended.text(1));
    assert!(check(&checks, "socket path", "fail").contains("of 107"));
    assert!(check(&checks, "node", "fail").contains("too long for a Unix socket"));
}

#[test]
fn leftovers_of_the_dead_are_cleared_and_told() {
    let place = Place::new();
    // Living nodes would clear it away at once.
    place.run(&["list"]).ok();
    let dead = place.0.path().join("lab/00000000000000aa.lock");
    std::fs::write(&dead, "1\n").unwrap();
    let checks = place.json(&["doctor"]);
    assert_eq!(check(&checks, "registry", "ok"), "0 nodes; what 1 dead node left was removed");
    assert!(!dead.exists());
}

#[test]
fn peers_on_other_hosts_are_asked() {
    let (here, there) = (Place::new(), Place::new());
    let node = Node::builder("robot").domain("lab").directory(there.0.path()).listen("tcp://127.0.0.1:*");
    let node = node.open().unwrap();
    let _imu = node
        .publisher::<Typed<0>>("/imu")
        .qos(Qos::default().reach(tamtam::Reach::Network))
        .create()
        .unwrap();
    let peer = node.info_endpoints().into_iter().find(|endpoint| endpoint.starts_with("tcp://")).unwrap();
    let list = here.run(&["list", "--peer", &peer, "--timeout", "30s"]);
    assert_eq!(list.ok(), "/imu  demo.Imu  1 pub  0 sub\n");
    assert_eq!(list.stderr, "1 topic, 1 node · domain \"lab\"", "the command itself is not counted");
    let shown = here.run(&["schema", "show", "/imu", "--peer", &peer, "--timeout", "30s"]);
    assert!(shown.ok().contains("message Imu {"));
    let silent = here.run(&["list", "--peer", "tcp://127.0.0.1:1", "--timeout", "10ms"]);
    silent.says(0, &["warning: 0 of 1 peers answered within 10ms"]);
    let doctor = here.run(&["doctor", "--peer", &peer, "--timeout", "30s", "--json"]);
    assert!(check(&objects(doctor.ok()), "peers", "ok").starts_with("1 of 1 answered"));
}

/// One address is enough for all who know each other.
#[test]
fn what_a_peer_knows_is_seen_with_it() {
    let (here, near, far) = (Place::new(), Place::new(), Place::new());
    let listening = |place: &Place, name: &str| {
        Node::builder(name).domain("lab").directory(place.0.path()).listen("tcp://127.0.0.1:*")
    };
    let near = listening(&near, "near").open().unwrap();
    let peer = near.info_endpoints().into_iter().find(|endpoint| endpoint.starts_with("tcp://")).unwrap();
    let far = listening(&far, "far").peer(&peer).open().unwrap();
    let qos = Qos::default().reach(tamtam::Reach::Network);
    let _imu = far.publisher::<Typed<0>>("/imu").qos(qos).create().unwrap();
    near.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key("/imu")).unwrap();
    let list = here.run(&["list", "--peer", &peer, "--timeout", "30s"]);
    assert_eq!(list.ok(), "/imu  demo.Imu  1 pub  0 sub\n");
    assert_eq!(list.stderr, "1 topic, 2 nodes · domain \"lab\"");
    let shown = here.run(&["schema", "show", "/imu", "--peer", &peer, "--timeout", "30s"]);
    assert!(shown.ok().contains("message Imu {"), "from the one that has it");
}

/// Generous: the machine may be busy. What is meant is far below a tenth of a second.
#[test]
fn one_hosts_registry_is_read_fast() {
    let place = Place::new();
    let nodes: Vec<Node> = (0..10).map(|number| place.node(&format!("n{number}"))).collect();
    let begun = Instant::now();
    assert_eq!(place.json(&["nodes"]).len(), nodes.len());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
