//! A process that holds links of all kinds is ended from outside: what stays in the kernel.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use tamtam_ipc::all;
use tamtam_ipc::facts::Persistence;

use crate::child::Child;
use crate::objects::{is_cleaned, lasting};
use crate::subject::{for_all, message};

/// The child's part: both ends of a link, and the tickets of another one, of each mechanism, with messages on their way.
pub(crate) fn hold_everything(socket: &mut UnixStream) {
    let held = std::cell::RefCell::new((Vec::new(), Vec::new()));
    for_all(|subject| {
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        client.try_send(&message(1, plan.message_max)).expect("room");
        server.try_send(&message(2, plan.message_max)).expect("room");
        let mut held = held.borrow_mut();
        held.0.push((client, server));
        held.1.push(subject.0.link(&plan).expect("a link"));
    });
    socket.write_all(&[1]).expect("the parent is alive");
    let _ = socket.read(&mut [0]);
}

fn ends_by(signal: Signal) {
    let mut child = Child::start("hold everything");
    let number = child.number();
    child.wait_for_step();
    child.kill(signal);
    let left = lasting(&[number]);
    println!("left by {signal:?}: {left:?}");
    let may_leave = all().iter().any(|mechanism| mechanism.facts().persistence == Persistence::Kernel);
    assert!(left.is_empty() || may_leave, "{left:?}");
    // What the kernel keeps can be told from what others left, or use, and is removed.
    is_cleaned(&[number]);
}

#[test]
fn ctrl_c_leaves_nothing() {
    ends_by(Signal::INT);
}

#[test]
fn termination_leaves_nothing() {
    ends_by(Signal::TERM);
}

#[test]
fn a_kill_leaves_nothing() {
    ends_by(Signal::KILL);
}

#[test]
fn an_ordinary_end_leaves_nothing() {
    let mut child = Child::start("hold everything");
    let number = child.number();
    child.wait_for_step();
    assert!(child.end().success());
    assert_eq!(lasting(&[number]), BTreeSet::new());
}
