//! A short soak: the same as the example of this name, which see.

#[path = "../examples/soak/mod.rs"]
mod soak;

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use soak::{Options, Policy};

/// This test as another process.
fn member() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_member_of_a_soak", "--nocapture", "--test-threads=1"]);
    command
}

/// Does what it is told when the others start it; nothing otherwise.
#[test]
fn a_member_of_a_soak() {
    soak::be_member().unwrap();
}

fn run(stopped: Option<Duration>, crowd: usize) -> String {
    let place = tempfile::Builder::new().prefix("tt").tempdir().unwrap();
    let options = Options {
        duration: Duration::from_secs(20),
        seed: 1,
        policies: Policy::ALL.to_vec(),
        crowd,
        longest_pause: Duration::from_secs(4),
        stopped,
        place: place.path().to_owned(),
    };
    soak::run(&options, member).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_message_is_received_or_told_to_be_lost_whatever_happens_to_processes() {
    run(None, 2);
}

/// Also if somebody else resumes it: programs that measure stop all others for a while, and resume them.
#[test]
fn a_subscriber_that_stands_still_disturbs_nobody() {
    let (to_meddler, is_over) = mpsc::channel::<()>();
    let meddler = thread::spawn(move || {
        while is_over.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
            if resume_one() {
                return;
            }
        }
        panic!("nobody stood still");
    });
    let report = run(Some(Duration::from_secs(3)), 1);
    drop(to_meddler);
    meddler.join().unwrap();
    assert!(report.contains("undone by somebody else"), "{report}");
}

/// Resumes a process that stands still for this test, if there is one: of a steady crowd, which the other test has none of.
fn resume_one() -> bool {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // It may be gone by now.
        let read = |file| std::fs::read(Path::new("/proc").join(&name).join(file)).unwrap_or_default();
        let (stat, environment) = (read("stat"), read("environ"));
        let stat = String::from_utf8_lossy(&stat);
        let mut words = stat.rsplit_once(") ").unwrap_or_default().1.split(' ');
        let is_still = words.next() == Some("T") && words.next() == Some(&own);
        let mut variables = environment.split(|octet| *octet == 0);
        let task =
            variables.find_map(|variable| variable.strip_prefix(b"TAMTAM_SOAK_TASK=")).unwrap_or_default();
        if is_still && task.split(|octet| *octet == b' ').nth(4) == Some(b"1") {
            kill_process(pid, Signal::CONT).unwrap();
            return true;
        }
    }
    false
}
