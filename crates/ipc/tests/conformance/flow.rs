//! Waiting: back-pressure, deadlines, event loops.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tamtam_ipc::{Deadline, End, Error};

use crate::subject::{Subject, brief, for_all, message, patient, receive, transfer};

/// Messages that fit into whatever buffer a mechanism has. A mechanism that takes more of them has no back-pressure.
const ENOUGH: u64 = 1_000_000;

/// Sends until there is no room, and returns how many messages were taken.
fn fill(end: &mut dyn End, len: usize) -> u64 {
    for number in 0..ENOUGH {
        let sent = message(number, len);
        // TCP finds room when the other end's kernel has told that it has some.
        match end.try_send(&sent).or_else(|_| end.send(&sent, brief())) {
            Ok(()) => {}
            Err(Error::TimedOut) => return number,
            Err(error) => panic!("message {number}: {error}"),
        }
    }
    panic!("there is always room");
}

#[test]
fn a_sender_waits_when_nobody_receives_and_nothing_is_lost() {
    for_all(|subject| {
        if !subject.has_back_pressure() {
            return;
        }
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        for _ in 0..2 {
            let mut count = fill(&mut *client, plan.message_max);
            assert!(count >= plan.depth as u64, "only {count} fit");
            // What is on its way between two buffers of the kernel may make room once more.
            loop {
                let start = Instant::now();
                match client.send(&message(count, plan.message_max), brief()) {
                    Ok(()) => count += 1,
                    Err(Error::TimedOut) => {
                        assert!(start.elapsed() >= Duration::from_millis(20));
                        break;
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            // Part of a message may have been kept back, and has to go out while it is received.
            thread::scope(|scope| {
                scope.spawn(|| client.flush(patient()).expect("flushed"));
                for number in 0..count {
                    assert_eq!(
                        receive(&mut *server),
                        message(number, plan.message_max),
                        "{number} of {count}"
                    );
                }
            });
            assert!(matches!(server.try_receive(&mut Vec::new()), Err(Error::TimedOut)));
        }
    });
}

#[test]
fn a_sender_that_waits_goes_on_when_there_is_room() {
    for_all(|subject| {
        if !subject.has_back_pressure() {
            return;
        }
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        let count = fill(&mut *client, plan.message_max);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in count..2 * count {
                    client.send(&message(number, plan.message_max), patient()).expect("room in the end");
                }
            });
            for number in 0..2 * count {
                assert_eq!(receive(&mut *server), message(number, plan.message_max), "{number}");
            }
        });
    });
}

#[test]
fn an_end_that_has_no_room_still_receives() {
    for_all(|subject| {
        if !subject.has_back_pressure() {
            return;
        }
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        let count = fill(&mut *client, plan.message_max);
        transfer(&mut *server, &mut *client, &message(7, plan.message_max));
        // While it waits for an answer, what it kept back goes out.
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..count {
                    receive(&mut *server);
                }
                server.send(&message(8, plan.message_max), patient()).expect("answered");
            });
            assert_eq!(receive(&mut *client), message(8, plan.message_max));
        });
    });
}

#[test]
fn deadlines_are_kept() {
    for_all(|subject| {
        let (mut client, _server) = subject.both();
        let mut into = Vec::new();
        assert!(matches!(client.try_receive(&mut into), Err(Error::TimedOut)));
        for millis in [1, 15] {
            let start = Instant::now();
            let nothing = client.receive(&mut into, Deadline::after(Duration::from_millis(millis)));
            assert!(matches!(nothing, Err(Error::TimedOut)), "{nothing:?}");
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(millis), "{took:?} instead of {millis} ms");
            assert!(took < Duration::from_secs(20), "{took:?} instead of {millis} ms");
        }
        let passed = client.receive(&mut into, Deadline::at(Instant::now()));
        assert!(matches!(passed, Err(Error::TimedOut)), "{passed:?}");
    });
}

#[test]
fn a_receiver_that_waits_is_woken() {
    for_all(|subject| {
        for deadline in [Deadline::NEVER, patient()] {
            let plan = subject.plan();
            let (mut client, mut server) = subject.ends(&plan);
            let (go, ready) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || {
                    ready.recv().expect("the receiver is about to wait");
                    server.send(&message(5, plan.message_max), patient()).expect("sent");
                });
                let mut into = Vec::new();
                go.send(()).expect("the sender is there");
                client.receive(&mut into, deadline).expect("woken");
                assert_eq!(into, message(5, plan.message_max));
            });
        }
    });
}

#[test]
fn an_event_loop_can_wait_for_what_is_said_to_be_pollable() {
    for_all(|subject| {
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        assert_eq!(server.descriptor().is_some(), subject.facts().pollable);
        for number in 0..3 {
            let Some(descriptor) = server.descriptor() else { return };
            let is_ready = |timeout: &Timespec| {
                let mut watched = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
                poll(&mut watched, Some(timeout)).expect("poll") > 0
            };
            assert!(!is_ready(&Timespec { tv_sec: 0, tv_nsec: 0 }), "nothing is there");
            client.send(&message(number, plan.message_max), patient()).expect("sent");
            assert!(is_ready(&Timespec { tv_sec: 60, tv_nsec: 0 }), "something is there");
            assert_eq!(receive(&mut *server), message(number, plan.message_max));
            // A look that finds nothing leaves the descriptor silent.
            let nothing = server.try_receive(&mut Vec::new());
            assert!(matches!(nothing, Err(Error::TimedOut)), "{nothing:?}");
        }
    });
}

#[test]
fn ends_go_to_other_threads() {
    for_all(|subject: Subject| {
        let plan = subject.plan();
        let link = subject.0.link(&plan).expect("a link");
        // Opened in threads of their own, and moved once more.
        let open = |ticket: tamtam_ipc::Ticket| thread::spawn(move || ticket.open().expect("opened")).join();
        let (mut server, mut client) =
            (open(link.server).expect("no panic"), open(link.client).expect("no panic"));
        transfer(&mut *client, &mut *server, &message(1, plan.message_max));
        transfer(&mut *server, &mut *client, &message(2, plan.message_max));
    });
}
