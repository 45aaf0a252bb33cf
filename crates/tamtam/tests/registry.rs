//! A registry that is crowded, full of rubbish, on a full disk, or not to be written to.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::child::{Process, role};
use common::{PATIENCE, Place, body, eventually, text};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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
