//! A short soak: the same as the example of this name, which see.

#[path = "../examples/soak/mod.rs"]
mod soak;

use std::process::Command;
use std::time::Duration;

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

fn run(stopped: Option<Duration>, crowd: usize) {
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
    if let Err(report) = soak::run(&options, member) {
        panic!("{report}");
    }
}

#[test]
fn every_message_is_received_or_told_to_be_lost_whatever_happens_to_processes() {
    run(None, 2);
}

#[test]
fn a_subscriber_that_stands_still_disturbs_nobody() {
    run(Some(Duration::from_secs(3)), 1);
}
