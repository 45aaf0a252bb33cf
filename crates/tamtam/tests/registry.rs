//! A registry that is crowded, full of rubbish, on a full disk, or not to be written to. The latter two need a file system of their own:
//! a namespace in which this user may mount one.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::child::{Process, role};
use common::{PATIENCE, Place, body, eventually, text};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tamtam::{Graph, Node, Publisher, Subscriber};

/// The directory of the tests' domain.
fn directory(place: &Path) -> PathBuf {
    place.join("test")
}

/// The name of a node's file.
fn file(directory: &Path, id: u64, ending: &str) -> PathBuf {
    directory.join(format!("{id:016x}.{ending}"))
}

/// Returns the record of a node that publishes something, and its id.
fn template(place: &Place) -> (Vec<u8>, u64) {
    let node = place.node("template");
    let _publisher = node.publisher::<Bytes>("/template").create().unwrap();
    let graph = node.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key("/template")).unwrap();
    let id = u64::from_str_radix(&graph.nodes[0].id, 16).unwrap();
    (fs::read(file(&directory(place.path()), id, "node")).unwrap(), id)
}

/// The record as another node would have it.
fn record((template, id): &(Vec<u8>, u64), other: u64) -> Vec<u8> {
    let mut record = template.clone();
    let (from, to) = (id.to_be_bytes(), other.to_be_bytes());
    let at = record.windows(8).position(|octets| octets == from).unwrap();
    record[at..at + 8].copy_from_slice(&to);
    record
}

/// Enters a node; it lives for as long as the file is open.
fn enter(directory: &Path, id: u64, record: &[u8]) -> File {
    let lock = File::create_new(file(directory, id, "lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    fs::write(file(directory, id, "node"), record).unwrap();
    lock
}

/// Has room for so many open files made.
fn allow_files(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.map(|current| current.max(count));
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

/// How long two new nodes take to find each other: a publisher, and a subscriber that was there before.
fn meeting(place: &Place, topic: &str) -> Duration {
    let (early, late) = (place.node("early"), place.node("late"));
    let subscriber = early.subscriber::<Bytes>(topic).create().unwrap();
    let began = Instant::now();
    let publisher = late.publisher::<Bytes>(topic).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let took = began.elapsed();
    publisher.send(&body(1)).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "1");
    took
}

/// Two thousand nodes of living and dead processes, and what is none: the living are seen, the dead are cleared away, and two that
/// come find each other as soon as anywhere.
#[test]
fn a_crowded_registry_is_as_good_as_an_empty_one() {
    const LIVING: u64 = 1500;
    const DEAD: u64 = 2000;
    if let Some((role, place)) = role() {
        let directory = directory(&place);
        let template = fs::read(place.join("template")).unwrap();
        let template = (template, role.parse().unwrap());
        allow_files(LIVING + 200);
        let _held: Vec<File> = (1..=LIVING).map(|id| enter(&directory, id, &record(&template, id))).collect();
        println!("entered");
        // Until it is killed.
        thread::park();
    }
    const SELF: &str = "a_crowded_registry_is_as_good_as_an_empty_one";
    let place = Place::new();
    let directory = directory(place.path());
    let template = template(&place);
    fs::write(place.path().join("template"), &template.0).unwrap();
    let mut living = Process::spawn(SELF, &template.1.to_string(), place.path());
    living.expect("entered");
    for id in LIVING + 1..=LIVING + DEAD {
        fs::write(file(&directory, id, "lock"), "1\n").unwrap();
        fs::write(file(&directory, id, "node"), record(&template, id)).unwrap();
        fs::write(file(&directory, id, "info"), "").unwrap();
    }
    let rubbish = LIVING + DEAD + 1;
    for (number, octets) in (rubbish..).zip([&b""[..], b"\xff\xff\xff", &[0; 100], &vec![8; 2 << 20]]) {
        fs::write(file(&directory, number, "node"), octets).unwrap();
    }
    let kept = ["README", "lock", "important.new", "0000000000000001", "ffffffffffffff00.lock.bak"];
    for name in kept {
        fs::write(directory.join(name), "x").unwrap();
    }
    symlink("README", file(&directory, rubbish + 10, "lock")).unwrap();
    fs::create_dir(file(&directory, rubbish + 11, "lock")).unwrap();
    // What cannot be removed of one dead node keeps none of the others.
    fs::remove_file(file(&directory, LIVING + 1, "node")).unwrap();
    fs::create_dir(file(&directory, LIVING + 1, "node")).unwrap();

    let began = Instant::now();
    let watcher = place.node("watcher");
    println!("opened after {:?}", began.elapsed());
    let graph = watcher.graph();
    let count = graph.nodes.iter().filter(|node| node.name == "template").count() as u64;
    assert_eq!(count, LIVING, "all that live are seen, and no others");
    let left = |from: u64, to: u64| {
        (from..=to).any(|id| ["lock", "node", "info"].iter().any(|end| file(&directory, id, end).exists()))
    };
    assert!(!file(&directory, LIVING + 1, "lock").exists());
    assert!(!left(LIVING + 2, LIVING + DEAD), "the dead are cleared away");
    assert!(kept.iter().all(|name| directory.join(name).exists()), "what is nobody's is left alone");
    let took = meeting(&place, "/crowded");
    println!("found after {took:?}");
    // Generous: the machine may be busy.
    assert!(took < Duration::from_secs(2), "{took:?}");

    // All of them die at once.
    let began = Instant::now();
    living.kill();
    watcher.wait_for_graph(PATIENCE, |graph| graph.nodes.len() == 1).unwrap();
    println!("mourned after {:?}", began.elapsed());
    eventually("the dead are cleared away", || !left(1, LIVING));
    assert!(meeting(&place, "/empty") < Duration::from_secs(2));
}

/// Inotify instances that a user has by default.
const INSTANCES: u32 = 128;

/// The options of a small file system of this test's own.
const SMALL: &str = "size=512k,nr_inodes=64,mode=700";

/// Runs a command in namespaces that have a small file system at the place, and as many inotify instances as said; returns whether it
/// succeeded.
fn run_apart(place: &Path, instances: u32, command: &Command) -> bool {
    let script = format!(
        "mount -t tmpfs -o {SMALL} tamtam \"$0\" && echo {instances} > /proc/sys/user/max_inotify_instances && exec \"$@\""
    );
    let mut apart = Command::new("unshare");
    apart.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).arg(place);
    apart.arg(command.get_program()).args(command.get_args());
    apart.status().is_ok_and(|status| status.success())
}

/// Runs this test again in [`run_apart`], in a role; not where that cannot be had.
fn repeat_apart(test: &str, role: &str, instances: u32) {
    let place = Place::new();
    if !run_apart(place.path(), instances, &Command::new("true")) {
        eprintln!("SKIPPED: no mount namespaces here");
        return;
    }
    let mut again = Command::new("env");
    again.arg(format!("{}={role}", common::child::ROLE));
    again.arg(format!("{}={}", common::child::PLACE, place.path().display()));
    again.arg(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    assert!(run_apart(place.path(), instances, &again));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sends a few messages there and back again.
fn talk(publisher: &Publisher<Bytes>, subscriber: &Subscriber<Bytes>) {
    for number in 0..10 {
        publisher.send(&body(number)).unwrap();
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), number.to_string());
    }
}

/// Whoever is there goes on; what is new is an error that says why, and leaves nothing behind. What could not be told is told when
/// there is room again.
#[test]
fn a_full_disk_is_an_error_for_what_is_new_and_for_nothing_else() {
    const SELF: &str = "a_full_disk_is_an_error_for_what_is_new_and_for_nothing_else";
    let Some((_, path)) = role() else { return repeat_apart(SELF, "full", INSTANCES) };
    let open = |name: &str| Node::builder(name).domain("test").directory(&path).open();
    let (driver, reader) = (open("driver").unwrap(), open("reader").unwrap());
    let publisher = driver.publisher::<Bytes>("/before").create().unwrap();
    let subscriber = reader.subscriber::<Bytes>("/before").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    talk(&publisher, &subscriber);
    let before = names(&directory(&path));

    // Once without room for octets, once without room for files.
    for by_files in [false, true] {
        let ballast: Vec<PathBuf> = (0..100).map(|number| path.join(format!("ballast{number}"))).collect();
        if by_files {
            assert!(ballast.iter().any(|path| File::create(path).is_err()));
        } else {
            fs::write(&ballast[0], vec![1; 1 << 20]).unwrap_err();
        }
        let errors = [
            open("late").err(),
            driver.publisher::<Bytes>("/new").create().err(),
            reader.subscriber::<Bytes>("/new").create().err(),
            driver.service("/new", Ok::<Bytes, String>).err(),
            Node::builder("elsewhere").domain("other").directory(&path).open().err(),
        ];
        for (number, error) in errors.into_iter().enumerate() {
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            let is_clear =
                error.contains("No space left on device") && error.contains(&*path.to_string_lossy());
            assert!(is_clear, "{number} by files {by_files}: {error:?}");
        }
        assert_eq!(names(&directory(&path)), before, "nothing is left of what failed");
        talk(&publisher, &subscriber);
        ballast.iter().for_each(|path| _ = fs::remove_file(path));
    }

    // It ends while nobody can be told, and that is told later.
    fs::write(path.join("ballast"), vec![1; 1 << 20]).unwrap_err();
    publisher.finish().drain(PATIENCE).unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
    assert!(reader.graph().topics()["/before"].publishers.len() == 1, "nobody could be told");
    fs::remove_file(path.join("ballast")).unwrap();
    reader.wait_for_graph(PATIENCE, |graph| graph.topics()["/before"].publishers.is_empty()).unwrap();
    let publisher = driver.publisher::<Bytes>("/after").create().unwrap();
    let subscriber = reader.subscriber::<Bytes>("/after").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    talk(&publisher, &subscriber);
}

/// A registry that is seen through a mount that is read-only: one can look, and not take part; those at its other end go on.
#[test]
fn a_registry_that_cannot_be_written_to_is_an_error_and_can_be_looked_at() {
    const SELF: &str = "a_registry_that_cannot_be_written_to_is_an_error_and_can_be_looked_at";
    let Some((_, path)) = role() else { return repeat_apart(SELF, "read-only", INSTANCES) };
    let (real, seen) = (path.join("real"), path.join("seen"));
    fs::create_dir(&seen).unwrap();
    let open = |name: &str, base: &Path| Node::builder(name).domain("test").directory(base).open();
    let (driver, reader) = (open("driver", &real).unwrap(), open("reader", &real).unwrap());
    let publisher = driver.publisher::<Bytes>("/t").create().unwrap();
    let subscriber = reader.subscriber::<Bytes>("/t").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    // What a dead one left stays: it cannot be cleared away from there.
    fs::write(file(&directory(&real), 1, "lock"), "").unwrap();
    fs::write(file(&directory(&real), 1, "node"), "").unwrap();
    for options in [&["--bind"][..], &["-o", "remount,bind,ro"]] {
        assert!(Command::new("mount").args(options).arg(&real).arg(&seen).status().unwrap().success());
    }

    for error in [open("guest", &seen).unwrap_err(), open("guest", &seen.join("below")).unwrap_err()] {
        let error = error.to_string();
        let is_clear = error.contains("Read-only file system") && error.contains(&*seen.to_string_lossy());
        assert!(is_clear, "{error}");
    }
    let graph = Graph::read("test", Some(&seen)).unwrap();
    let names: Vec<&str> = graph.nodes.iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["driver", "reader"]);
    assert!(graph.topics().contains_key("/t"));
    talk(&publisher, &subscriber);
    publisher.finish().drain(PATIENCE).unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
}

/// A container has the directory mounted elsewhere, and processes with numbers of its own: both sides find each other, talk both ways,
/// and see the other one go.
#[test]
fn a_container_that_mounts_the_directory_takes_part() {
    const SELF: &str = "a_container_that_mounts_the_directory_takes_part";
    let Some((role, path)) = role() else { return repeat_apart(SELF, "host", INSTANCES) };
    let (real, seen) = (path.join("real"), path.join("seen"));
    let (own, to, from, base) = match &*role {
        "host" => ("host", "/to-container", "/to-host", &real),
        _ => ("container", "/to-host", "/to-container", &seen),
    };
    let mut container = None;
    if role == "host" {
        fs::create_dir(&real).unwrap();
        fs::create_dir(&seen).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o700)).unwrap();
        // What is at the host's path is hidden in there.
        let script =
            "mount --bind \"$0/real\" \"$0/seen\" && mount -t tmpfs tamtam \"$0/real\" && exec \"$@\"";
        let mut apart = Command::new("unshare");
        apart.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]).arg(&path);
        apart.arg(std::env::current_exe().unwrap()).args([
            "--exact",
            SELF,
            "--nocapture",
            "--test-threads=1",
        ]);
        container = Some(apart.env(common::child::ROLE, "container").spawn().unwrap());
    }
    let node = Node::builder(own).domain("test").directory(base).open().unwrap();
    let publisher = node.publisher::<Bytes>(to).create().unwrap();
    let subscriber = node.subscriber::<Bytes>(from).create().unwrap();
    let _service = node.service(&format!("/echo/{own}"), Ok::<Bytes, String>).unwrap();
    let other = if own == "host" { "container" } else { "host" };
    let client = node.client::<Bytes, Bytes>(&format!("/echo/{other}")).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&body(own)).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), other);
    assert_eq!(client.call(&body("there and back"), PATIENCE), Ok(body("there and back")));
    // The other one may still want to call.
    publisher.finish().drain(PATIENCE).unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
    drop(subscriber);
    if let Some(mut container) = container {
        assert!(container.wait().unwrap().success());
        node.wait_for_graph(PATIENCE, |graph| graph.nodes.len() == 1).unwrap();
    }
}

/// Nodes beyond the inotify instances that a user may have find each other all the same, and mourn the dead.
#[test]
fn without_events_of_the_kernel_nodes_find_each_other_all_the_same() {
    const SELF: &str = "without_events_of_the_kernel_nodes_find_each_other_all_the_same";
    let Some((role, path)) = role() else { return repeat_apart(SELF, "first", 1) };
    let open = |name: &str| Node::builder(name).domain("test").directory(&path).open().unwrap();
    if role == "mortal" {
        let _node = open("mortal");
        println!("entered");
        // Until it is killed.
        thread::park();
    }
    // The first takes the only instance.
    let nodes = [open("first"), open("second"), open("third")];
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        let topic = format!("/from{from}");
        let subscriber = nodes[to].subscriber::<Bytes>(&topic).create().unwrap();
        let publisher = nodes[from].publisher::<Bytes>(&topic).create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        talk(&publisher, &subscriber);
    }
    let mut mortal = Process::spawn(SELF, "mortal", &path);
    mortal.expect("entered");
    let sees = |count: usize| {
        for node in &nodes {
            node.wait_for_graph(PATIENCE, |graph| graph.nodes.len() == count).unwrap();
        }
    };
    sees(4);
    mortal.kill();
    sees(3);
}
