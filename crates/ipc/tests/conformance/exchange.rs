//! The four steps run over every mechanism, and over those that can be split also between two processes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tamtam_ipc::exchange::{ask, exchange};
use tamtam_ipc::{Error, Plan};

use crate::child::Child;
use crate::subject::{for_all, message, patient};

#[test]
fn the_four_steps_are_one_function_over_all() {
    for_all(|subject| {
        let plan = subject.plan();
        let sent = message(5, plan.message_max);
        let done = exchange(subject.0, &plan, &sent, |message| message.reverse()).expect("exchanged");
        let reversed: Vec<u8> = sent.iter().rev().copied().collect();
        assert_eq!(done.acknowledgement, reversed);
        assert!(done.notified <= done.processed && done.processed <= done.acknowledged, "{done:?}");
        assert!(done.sent <= done.acknowledged, "{done:?}");
    });
}

#[test]
fn an_exchange_that_fails_ends_on_both_sides() {
    for_all(|subject| {
        let plan = subject.plan();
        let grow = |message: &mut Vec<u8>| message.resize(plan.message_max + 1, 0);
        let outcome = exchange(subject.0, &plan, &message(1, plan.message_max), grow);
        assert!(matches!(outcome, Err(Error::TooLong { .. })), "{outcome:?}");
        let too_long = Plan { message_max: plan.message_max + 1, ..plan };
        if subject.0.message_max() == plan.message_max {
            assert!(matches!(exchange(subject.0, &too_long, b"", |_| ()), Err(Error::TooLong { .. })));
        }
        let panics = || exchange(subject.0, &plan, b"", |_| panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    });
}

#[test]
fn a_thousand_exchanges_with_another_process() {
    for_all(|subject| {
        if subject.is_local() {
            return;
        }
        let plan = subject.plan();
        let link = subject.0.link(&plan).expect("a link");
        let mut child = Child::start("echo");
        link.server.hand_over(&child.socket).expect("handed over");
        let mut client = link.client.open().expect("opened");
        child.wait_for_step();
        let mut acknowledgement = Vec::new();
        for number in 0..1000 {
            let sent = message(number, plan.message_max);
            ask(&mut *client, &sent, &mut acknowledgement, patient()).expect("exchanged");
            assert_eq!(acknowledgement, sent);
        }
        drop(client);
        assert!(child.end().success());
    });
}
