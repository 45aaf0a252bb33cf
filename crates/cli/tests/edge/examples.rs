//! The examples in the help of the topics' commands work as printed: each is given to a shell, on a stage where what they name is there.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, Value};
use rustix::process::Signal;
use tamtam::schema::Schema;
use tamtam::{Node, Qos, RawPublisher};
use tempfile::TempDir;

use crate::process::{PATIENCE, Process, await_death, send_signal, tamtam};

const COMMANDS: [&[&str]; 23] = [
    &["demo"],
    &["list"],
    &["info"],
    &["type"],
    &["find"],
    &["nodes"],
    &["services"],
    &["graph"],
    &["schema"],
    &["schema", "show"],
    &["schema", "pull"],
    &["schema", "diff"],
    &["schema", "check"],
    &["doctor"],
    &["echo"],
    &["pub"],
    &["hz"],
    &["bw"],
    &["delay"],
    &["wait"],
    &["call"],
    &["serve"],
    &["completion"],
];

const DEMO: &str = r#"
    syntax = "proto3"; package demo;
    message Pose { double x = 1; double y = 2; }
    message Imu { Pose pose = 1; }
    message Image { bytes data = 1; }
    enum Level { DEBUG = 0; INFO = 1; WARNING = 2; ERROR = 3; }
    message Log { Level level = 1; string text = 2; }
    message Cmd { int32 x = 1; int32 y = 2; }
    message Pair { int32 a = 1; int32 b = 2; }
    message Sum { int32 sum = 1; }
"#;
const OTHER_IMU: &str = r#"syntax = "proto3"; package demo; message Imu { string pose = 1; }"#;
const INFO: &str = r#"syntax = "proto3"; message Info { string date = 1; int32 id = 2; }"#;

/// Examples that are run at the same time.
const AT_ONCE: usize = 4;
/// How often the stage's publishers publish.
const PERIOD: Duration = Duration::from_millis(5);

/// The lines of the examples in a command's help, without comments.
fn examples(command: &[&str]) -> Vec<String> {
    let help = tamtam(command.iter().chain(&["--help"]));
    let lines = help.ok().lines().skip_while(|line| *line != "Examples:").take_while(|line| !line.is_empty());
    let lines = lines.filter(|line| line.starts_with("  ") && line.contains("tamtam "));
    lines.map(|line| line.split("   #").next().unwrap_or(line).trim().to_owned()).collect()
}

/// How an example ends.
#[derive(Clone, Copy, Debug)]
enum End {
    With(&'static [i32]),
    /// Not by itself: it is interrupted once it has printed something.
    Never,
}

fn end_of(line: &str) -> End {
    let endless =
        ["tamtam echo /imu", "tamtam bw /camera/image", "tamtam delay /imu", "tamtam hz /imu /camera/image"];
    let begins = ["tamtam echo /log", "tamtam echo /weather", "tamtam pub /greeting", "tamtam serve"];
    if endless.contains(&line) || begins.iter().any(|begin| line.starts_with(begin)) {
        End::Never
    } else if line.contains("check /imu imu.proto") {
        End::With(&[5])
    } else if line.starts_with("tamtam doctor") {
        // What ails this machine is not ours to say.
        End::With(&[0, 1])
    } else {
        End::With(&[0])
    }
}

/// Tells whether the other programs that a line uses are there.
fn is_complete(line: &str) -> bool {
    ["dot", "jq", "protoc"].iter().filter(|name| line.contains(&format!("{name} -"))).all(|name| {
        let found =
            Command::new("sh").args(["-c", &format!("command -v {name}")]).stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    })
}

/// A folder with the files that the examples read.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("tt").tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    };
    for (name, content) in [
        ("demo.proto", DEMO),
        ("imu.proto", OTHER_IMU),
        ("message.proto", INFO),
        ("old/imu.proto", DEMO),
        ("new/imu.proto", DEMO),
        ("proto/demo/imu.proto", DEMO),
        ("imu.ndjson", "{\"pose\": {\"x\": 1}}\n{\"pose\": {\"x\": 2}}\n"),
    ] {
        write(name, content.as_bytes());
    }
    write("imu.fds", &compile(folder.path(), "demo.proto"));
    folder
}

fn compile(folder: &Path, file: &str) -> Vec<u8> {
    protox::compile([folder.join(file)], [folder]).unwrap().encode_to_vec()
}

/// What the examples name.
struct Stage {
    registry: TempDir,
    /// Where plain programs find /weather.
    weather: String,
    /// Where others find the node in the domain "lab".
    lab: String,
    /// Greetings that have come.
    greetings: Mutex<mpsc::Receiver<()>>,
    stop: mpsc::Sender<()>,
    work: thread::JoinHandle<()>,
}

fn port(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').unwrap().1
}

impl Stage {
    fn build(files: &Path) -> Self {
        let registry = tempfile::Builder::new().prefix("tt").tempdir().unwrap();
        let open = |builder: tamtam::NodeBuilder| builder.directory(registry.path()).open().unwrap();
        let node = open(Node::builder("stage").domain("default"));
        let lab_node = open(Node::builder("camera1").domain("lab").listen("tcp://127.0.0.1:*"));
        let lab = lab_node
            .info_endpoints()
            .iter()
            .find_map(|place| place.strip_prefix("tcp://").map(str::to_owned));
        let set = compile(files, "demo.proto");
        let schema = |name: &str| Some(Schema::new(name, &set).unwrap());
        let publisher = |topic: &str, name: &str| {
            node.publisher_raw(topic, schema(name)).qos(Qos::keep_last(1000)).create().unwrap()
        };
        let message = |name: &str, fields: &str| {
            DynamicMessage::parse_text_format(schema(name).unwrap().message().clone(), fields)
                .unwrap()
                .encode_to_vec()
        };
        let weather = node.publisher::<Bytes>("/weather").bind("tcp://127.0.0.1:*").plain("END");
        let weather = weather.qos(Qos::keep_last(1000)).create().unwrap();
        let weather_at = weather.endpoints()[0].clone();
        let mut streams: Vec<(RawPublisher, Bytes)> = [
            ("/imu", "demo.Imu", "pose { x: 1 y: 2 }"),
            ("/camera/image", "demo.Image", "data: \"pixels\""),
            ("/robot/arm", "demo.Imu", "pose { x: 3 }"),
            ("/log", "demo.Log", "level: ERROR text: \"it burns\""),
        ]
        .map(|(topic, name, fields)| (publisher(topic, name), message(name, fields).into()))
        .into();
        // Of a type that is known by somebody who never sends.
        let known = publisher("/cmd", "demo.Cmd");
        let (greeted, greetings) = mpsc::channel();
        let listeners: Vec<_> = ["/cmd", "/cmd", "/imu", "/numbers", "/greeting"]
            .iter()
            .map(|topic| {
                let told = (*topic == "/greeting").then(|| greeted.clone());
                let heard = move |_| told.iter().for_each(|told| _ = told.send(()));
                node.subscriber::<Bytes>(topic).on(heard).unwrap()
            })
            .collect();
        let sum_of = |body: &[u8], pair: &Schema, sum: &Schema| {
            let pair =
                DynamicMessage::decode(pair.message().clone(), body).map_err(|error| error.to_string())?;
            let part = |name| pair.get_field_by_name(name).and_then(|value| value.as_i32()).unwrap_or(0);
            let mut reply = DynamicMessage::new(sum.message().clone());
            reply.set_field_by_name("sum", Value::I32(part("a") + part("b")));
            Ok::<Bytes, String>(reply.encode_to_vec().into())
        };
        let (pair, sum) = (schema("demo.Pair").unwrap(), schema("demo.Sum").unwrap());
        let add = node.service_raw("/add", Some(pair.clone()), Some(sum.clone()), move |body| {
            sum_of(&body, &pair, &sum)
        });
        let (stop, stopped) = mpsc::channel();
        let work = thread::spawn(move || {
            let _there = (known, listeners, add, lab_node);
            while stopped.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                for (publisher, body) in &mut streams {
                    publisher.send(body.clone()).unwrap();
                }
                weather.send(&Bytes::from_static(b"\x0a\x05today")).unwrap();
            }
        });
        Self {
            registry,
            weather: weather_at,
            lab: lab.unwrap(),
            greetings: Mutex::new(greetings),
            stop,
            work,
        }
    }

    /// A line as it is run here: at ports that are free.
    fn line(&self, line: &str) -> String {
        line.replace("localhost:5561", &format!("localhost:{}", port(&self.weather)))
            .replace("robot:7400", &self.lab)
    }

    /// Runs an example; returns what is wrong.
    fn run(&self, line: &str) -> Option<String> {
        let (files, empty) = (folder(), TempDir::new().unwrap());
        // A server must not answer the calls of others, since it is interrupted.
        let registry = if line.starts_with("tamtam serve") { empty.path() } else { self.registry.path() };
        let mut run = self.line(line);
        let mut plain = None;
        if run.contains("--bind tcp://127.0.0.1:5561") {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
            run = run.replace("5561", &free);
            let reader = Node::builder("reader").directory(registry).open().unwrap();
            let endpoint = format!("tcp://127.0.0.1:{free}");
            plain = Some(
                reader.subscriber::<Bytes>("/plain").connect(&endpoint).plain("END").on(|_| ()).unwrap(),
            );
        }
        let folder_of_tamtam = Path::new(env!("CARGO_BIN_EXE_tamtam")).parent().unwrap();
        let path = format!("{}:{}", folder_of_tamtam.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        let exec = if run.contains(" | ") { "" } else { "exec " };
        shell.args(["-c", &format!("{exec}{run}")]).current_dir(files.path());
        shell.env("PATH", path).env("TAMTAM_RUNTIME_DIR", registry).env_remove("TAMTAM_DOMAIN");
        let wrong = match end_of(line) {
            End::With(codes) => {
                let mut process = Process::spawn(&mut shell);
                process.close_input();
                let ended = process.end();
                let is_right = ended.code.is_some_and(|code| codes.contains(&code));
                (!is_right).then(|| format!("{line}: {ended:?}"))
            }
            End::Never => self.interrupt(line, &mut shell),
        };
        drop(plain);
        wrong
    }

    /// Has a command that does not end by itself do something, and interrupts it.
    fn interrupt(&self, line: &str, shell: &mut Command) -> Option<String> {
        let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (output, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (told, lines) = mpsc::channel();
        let (told_too, is_server) = (told.clone(), line.starts_with("tamtam serve"));
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| _ = told.send(line))
        });
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if is_server && line.starts_with("serving ") {
                    let _heard = told_too.send(line);
                }
            }
        });
        let has_begun = if line.starts_with("tamtam pub") {
            self.greetings.lock().unwrap().recv_timeout(PATIENCE).is_ok()
        } else {
            lines.recv_timeout(PATIENCE).is_ok()
        };
        send_signal(child.id(), Signal::INT);
        await_death(child.id());
        let code = child.wait().unwrap().code();
        (!has_begun || code != Some(130))
            .then(|| format!("{line}: has begun: {has_begun}, ended with {code:?}"))
    }
}

#[test]
fn the_examples_of_topics_work_as_printed() {
    let mut lines: VecDeque<String> = COMMANDS.iter().flat_map(|command| examples(command)).collect();
    assert!(lines.len() > 45, "{lines:#?}");
    lines.retain(|line| {
        let is_complete = is_complete(line);
        if !is_complete {
            eprintln!("SKIPPED, a program is missing: {line}");
        }
        is_complete
    });
    let files = folder();
    let stage = Stage::build(files.path());
    let (lines, wrong) = (Mutex::new(lines), Mutex::new(Vec::new()));
    let next = || lines.lock().unwrap().pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(line) = next() {
                    let found = stage.run(&line);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    stage.stop.send(()).unwrap();
    stage.work.join().unwrap();
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
