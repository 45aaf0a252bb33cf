//! No kernel object stays: neither a descriptor nor a name, however far a link came.

use std::os::unix::net::UnixStream;
use std::process;

use rustix::process::Signal;
use tamtam_ipc::{Deadline, Ticket};

use crate::child::Child;
use crate::objects::{descriptors, lasting};
use crate::subject::{Subject, for_all, message, transfer};

#[test]
fn a_link_leaves_nothing_however_far_it_came() {
    // In a process of its own: the tests of this one open and close descriptors all the time.
    let child = Child::start("leave nothing");
    let number = child.number();
    assert!(child.end().success(), "see its standard error");
    assert!(lasting(&[number]).is_empty(), "{:?}", lasting(&[number]));
}

type Step = fn(Subject);

/// The child's part.
pub(crate) fn leave_nothing(_: &mut UnixStream) {
    let steps: [(&str, Step); 9] = [
        ("tickets dropped", |s| drop(s.0.link(&s.plan()))),
        ("the client opened, both dropped", |s| {
            let link = s.0.link(&s.plan()).expect("a link");
            let _client = link.client.open();
            drop(link.server);
        }),
        ("the server opened, both dropped", |s| {
            let link = s.0.link(&s.plan()).expect("a link");
            let _server = link.server.open();
            drop(link.client);
        }),
        ("both opened, the client goes first", |s| {
            let (client, server) = s.both();
            drop(client);
            drop(server);
        }),
        ("both opened, the server goes first", |s| {
            let (client, server) = s.both();
            drop(server);
            drop(client);
        }),
        ("some messages", |s| {
            let (mut client, mut server) = s.both();
            for number in 0..10 {
                transfer(&mut *client, &mut *server, &message(number, s.plan().message_max));
                transfer(&mut *server, &mut *client, &message(number, s.plan().message_max));
            }
        }),
        ("messages that nobody reads", |s| {
            let (mut client, mut server) = s.both();
            let _ = client.try_send(&message(1, s.plan().message_max));
            let _ = server.try_send(&message(2, s.plan().message_max));
        }),
        ("a ticket handed over, received, dropped", |s| {
            let link = s.0.link(&s.plan()).expect("a link");
            let (from, to) = UnixStream::pair().expect("a pair");
            if link.server.hand_over(&from).is_ok() {
                drop(Ticket::receive(&to, Deadline::NEVER).expect("a ticket"));
            }
        }),
        ("a process killed that had one end", |s| {
            if !s.is_local() {
                let link = s.0.link(&s.plan()).expect("a link");
                let mut child = Child::start("open");
                let _ours = link.client.open().expect("opened");
                link.server.hand_over(&child.socket).expect("handed over");
                child.wait_for_step();
                child.kill(Signal::KILL);
            }
        }),
    ];
    // What is made once and stays, such as a list of signals, is made by a first round.
    for (name, run) in steps.into_iter().chain(steps) {
        for_all(run);
        assert!(lasting(&[process::id()]).is_empty(), "{name}: {:?}", lasting(&[process::id()]));
    }
    for (name, run) in steps {
        for_all(|subject| {
            let before = descriptors();
            run(subject);
            assert_eq!(before, descriptors(), "{}: {name}", subject.facts().name);
        });
    }
}
