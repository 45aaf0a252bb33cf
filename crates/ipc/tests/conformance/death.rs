//! The other end dies, at each step: dropped in this process, and killed in another one.

use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;
use tamtam_ipc::facts::{Delivery, PeerDeath, Persistence};
use tamtam_ipc::{Deadline, End, Error, Ticket, all};

use crate::child::Child;
use crate::objects::{is_cleaned, lasting};
use crate::subject::{Subject, brief, for_all, message, patient, receive};

/// More messages than any buffer takes, and than a sender may send in vain.
const MANY: u64 = 1_000_000;

/// Checks that an end learns of the other one's death as its facts say, and that it stays so. Messages that still come are passed over.
fn is_told(subject: Subject, end: &mut dyn End) {
    let facts = subject.facts();
    let len = subject.plan().message_max;
    let mut into = Vec::new();
    match facts.peer_death {
        PeerDeath::AtOnce | PeerDeath::Lifeline => {
            for _ in 0..2 {
                is_closed_to_a_receiver(end);
            }
            // Who never has to wait need not learn of it from a lifeline.
            if facts.peer_death == PeerDeath::AtOnce || facts.delivery == Delivery::Reliable {
                is_closed_to_a_sender(end, len);
            }
        }
        PeerDeath::OnSend => {
            is_closed_to_a_sender(end, len);
            is_closed_to_a_receiver(end);
        }
        PeerDeath::Unnoticed => while end.receive(&mut into, brief()).is_ok() {},
        other => panic!("what does {other} mean?"),
    }
    // Whatever it knows, it does not wait beyond a deadline.
    let nothing = end.receive(&mut into, brief());
    assert!(matches!(nothing, Err(Error::Closed | Error::TimedOut)), "{nothing:?}");
}

fn is_closed_to_a_receiver(end: &mut dyn End) {
    let mut into = Vec::new();
    loop {
        match end.receive(&mut into, patient()) {
            Ok(()) => {}
            Err(Error::Closed) => return,
            Err(error) => panic!("a receiver gets: {error}"),
        }
    }
}

fn is_closed_to_a_sender(end: &mut dyn End, len: usize) {
    for _ in 0..2 {
        let outcome = (0..MANY).find_map(|number| end.send(&message(number, len), patient()).err());
        assert!(matches!(outcome, Some(Error::Closed)), "a sender gets: {outcome:?}");
    }
}

#[test]
fn a_ticket_that_nobody_opens_is_a_death() {
    for_all(|subject| {
        for is_client in [true, false] {
            let link = subject.0.link(&subject.plan()).expect("a link");
            let (ours, theirs) =
                if is_client { (link.client, link.server) } else { (link.server, link.client) };
            let mut early = None;
            let mut ours = Some(ours);
            if is_client {
                early = ours.take().map(|ticket| ticket.open().expect("opened"));
            }
            drop(theirs);
            // To open it after that may fail, or be told.
            let late = ours.map(|ticket| ticket.open());
            match (early, late) {
                (Some(mut end), _) | (_, Some(Ok(mut end))) => is_told(subject, &mut *end),
                (_, late) => assert!(matches!(late, Some(Err(Error::Closed))), "{late:?}"),
            }
        }
    });
}

#[test]
fn the_other_end_is_dropped() {
    for_all(|subject| {
        for is_client in [true, false] {
            let (client, server) = subject.both();
            let (mut ours, theirs) = if is_client { (client, server) } else { (server, client) };
            drop(theirs);
            is_told(subject, &mut *ours);
        }
    });
}

#[test]
fn what_was_sent_before_comes_first() {
    for_all(|subject| {
        if !subject.keeps_messages() {
            return;
        }
        let plan = subject.plan();
        let (mut ours, mut theirs) = subject.ends(&plan);
        for number in 0..plan.depth as u64 {
            theirs.try_send(&message(number, plan.message_max)).expect("room");
        }
        drop(theirs);
        for number in 0..plan.depth as u64 {
            assert_eq!(receive(&mut *ours), message(number, plan.message_max));
        }
        is_told(subject, &mut *ours);
    });
}

#[test]
fn the_other_end_goes_without_having_read() {
    for_all(|subject| {
        let plan = subject.plan();
        let (mut ours, mut theirs) = subject.ends(&plan);
        ours.try_send(&message(1, plan.message_max)).expect("room");
        theirs.try_send(&message(2, plan.message_max)).expect("room");
        drop(theirs);
        if subject.keeps_messages() {
            assert_eq!(receive(&mut *ours), message(2, plan.message_max));
        }
        is_told(subject, &mut *ours);
    });
}

#[test]
fn the_other_end_goes_while_a_receiver_waits() {
    for_all(|subject| {
        if !matches!(subject.facts().peer_death, PeerDeath::AtOnce | PeerDeath::Lifeline) {
            return;
        }
        for deadline in [Deadline::NEVER, patient()] {
            let (mut ours, theirs) = subject.both();
            let (go, ready) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || {
                    ready.recv().expect("the receiver is about to wait");
                    drop(theirs);
                });
                go.send(()).expect("the other end is there");
                let outcome = ours.receive(&mut Vec::new(), deadline);
                assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
            });
            is_told(subject, &mut *ours);
        }
    });
}

#[test]
fn the_other_end_goes_while_a_sender_waits() {
    for_all(|subject| {
        if !subject.has_back_pressure() || subject.facts().peer_death == PeerDeath::Unnoticed {
            return;
        }
        for deadline in [Deadline::NEVER, patient()] {
            let plan = subject.plan();
            let (mut ours, theirs) = subject.ends(&plan);
            while ours.try_send(&message(0, plan.message_max)).is_ok() {}
            let (go, ready) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || {
                    ready.recv().expect("the sender is about to wait");
                    drop(theirs);
                });
                go.send(()).expect("the other end is there");
                let outcome = ours.send(&message(1, plan.message_max), deadline);
                assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
            });
            is_told(subject, &mut *ours);
        }
    });
}

/// Has a child play a role with either end of a link, kills it at the step that ends the role, and checks what is left: our end.
fn kill_after(role: &str, before: impl Fn(Subject, &mut dyn End), after: impl Fn(Subject, &mut dyn End)) {
    for_all(|subject| {
        let is_possible = role != "wait for room" || subject.has_back_pressure();
        if subject.is_local() || !is_possible {
            return;
        }
        for is_client in [true, false] {
            let plan = subject.plan();
            let link = subject.0.link(&plan).expect("a link");
            let (ours, theirs) =
                if is_client { (link.client, link.server) } else { (link.server, link.client) };
            let mut child = Child::start(role);
            let mut ours = ours.open().expect("opened");
            theirs.hand_over(&child.socket).expect("handed over");
            child.say(plan.message_max);
            before(subject, &mut *ours);
            child.wait_for_step();
            child.kill(Signal::KILL);
            after(subject, &mut *ours);
            is_told(subject, &mut *ours);
        }
    });
}

fn nothing(_: Subject, _: &mut dyn End) {}

#[test]
fn a_process_is_killed_that_has_opened_its_end() {
    kill_after("open", nothing, nothing);
}

#[test]
fn a_process_is_killed_that_has_received() {
    let send = |subject: Subject, ours: &mut dyn End| {
        ours.send(&message(0, subject.plan().message_max), patient()).expect("sent");
    };
    kill_after("receive one", send, nothing);
}

#[test]
fn a_process_is_killed_that_has_sent() {
    let receive_both = |subject: Subject, ours: &mut dyn End| {
        if subject.keeps_messages() {
            for number in 0..2 {
                assert_eq!(receive(ours), message(number, subject.plan().message_max));
            }
        }
    };
    kill_after("send two", nothing, receive_both);
}

#[test]
fn a_process_is_killed_that_waits_for_a_message() {
    kill_after("wait for a message", nothing, nothing);
}

#[test]
fn a_process_is_killed_that_waits_for_room() {
    kill_after("wait for room", nothing, nothing);
}

#[test]
fn the_process_is_killed_that_made_the_link() {
    for (number, mechanism) in all().iter().enumerate() {
        let subject = Subject(*mechanism);
        if mechanism.probe().is_err() || subject.is_local() {
            continue;
        }
        println!("{}", subject.facts().name);
        let mut child = Child::start("make a link");
        let maker = child.number();
        child.say(number);
        let mut ours = Ticket::receive(&child.socket, patient()).expect("a ticket").open().expect("opened");
        child.wait_for_step();
        child.kill(Signal::KILL);
        assert_eq!(receive(&mut *ours), message(0, subject.plan().message_max));
        is_told(subject, &mut *ours);
        // What the maker can remove no more goes with the last end.
        drop(ours);
        let left = lasting(&[maker]);
        assert!(left.is_empty() || subject.facts().persistence == Persistence::Kernel, "{left:?}");
        is_cleaned(&[maker]);
    }
}

#[test]
fn a_process_is_killed_while_we_wait_for_it() {
    for_all(|subject| {
        let is_noticed = matches!(subject.facts().peer_death, PeerDeath::AtOnce | PeerDeath::Lifeline);
        if subject.is_local() || !is_noticed {
            return;
        }
        let link = subject.0.link(&subject.plan()).expect("a link");
        let mut child = Child::start("open");
        let mut ours = link.client.open().expect("opened");
        link.server.hand_over(&child.socket).expect("handed over");
        child.wait_for_step();
        let (go, ready) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                ready.recv().expect("the receiver is about to wait");
                child.kill(Signal::KILL);
            });
            go.send(()).expect("the other thread is there");
            let outcome = ours.receive(&mut Vec::new(), patient());
            assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
        });
    });
}
