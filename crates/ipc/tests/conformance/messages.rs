//! Messages arrive as they were sent: in order, with their boundaries, of every length, in both directions.

use std::thread;
use std::time::Duration;

use tamtam_ipc::facts::Delivery;
use tamtam_ipc::{End, Error, Plan, Wait};

use crate::subject::{brief, for_all, message, patient, receive, transfer};

#[test]
fn messages_of_a_sender_that_is_ahead_arrive_in_order() {
    for_all(|subject| {
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        let count = 1000;
        if subject.keeps_messages() {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..count {
                        client.send(&message(number, plan.message_max), patient()).expect("sent");
                    }
                });
                for number in 0..count {
                    assert_eq!(receive(&mut *server), message(number, plan.message_max), "{number}");
                }
            });
            assert_eq!(server.lost(), 0);
        } else {
            // Only who keeps up gets all.
            for number in 0..count {
                transfer(&mut *client, &mut *server, &message(number, plan.message_max));
            }
        }
        nothing_more(&mut *server);
    });
}

#[test]
fn every_length_arrives_as_it_was_sent() {
    for_all(|subject| {
        let max = subject.0.message_max().min(70_000);
        let plan = Plan { message_max: max, depth: 2, ..subject.plan() };
        let (mut client, mut server) = subject.ends(&plan);
        let around = |power: usize| [power - 1, power, power + 1];
        let lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8]
            .into_iter()
            .chain([64, 4096, 32_768, 65_536].into_iter().flat_map(around))
            .chain([max, 0, max, 1, 0]);
        for (number, len) in (0..).zip(lengths.filter(|len| *len <= max)) {
            // The longest may be longer than what waits on the way: then both ends have to be busy at once.
            let sent = message(number, len);
            thread::scope(|scope| {
                scope.spawn(|| client.send(&sent, patient()).expect("sent"));
                assert!(receive(&mut *server) == sent, "{len} octets");
            });
        }
        nothing_more(&mut *server);
    });
}

#[test]
fn messages_stay_apart_when_several_wait() {
    for_all(|subject| {
        if !subject.keeps_messages() {
            return;
        }
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        for round in 0..20 {
            let messages: Vec<_> =
                (0..plan.depth).map(|i| message(round, (i * 37) % (plan.message_max + 1))).collect();
            for sent in &messages {
                client.try_send(sent).expect("so many may wait");
            }
            for sent in &messages {
                let mut received = Vec::new();
                server.receive(&mut received, patient()).expect("a message");
                assert_eq!(&received, sent);
            }
        }
        nothing_more(&mut *server);
    });
}

#[test]
fn too_long_messages_are_refused_and_change_nothing() {
    for_all(|subject| {
        let max = subject.0.message_max();
        if let Some(len) = max.checked_add(1) {
            let refused = subject.0.link(&Plan { message_max: len, ..subject.plan() });
            assert!(matches!(refused, Err(Error::TooLong { max: m, .. }) if m == max), "{refused:?}");
        }
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        for end in [&mut client, &mut server] {
            let refused = end.send(&vec![0; plan.message_max + 1], patient());
            let (len, max) = (plan.message_max + 1, plan.message_max);
            assert!(
                matches!(refused, Err(Error::TooLong { len: l, max: m }) if (l, m) == (len, max)),
                "{refused:?}"
            );
        }
        transfer(&mut *client, &mut *server, &message(1, plan.message_max));
        transfer(&mut *server, &mut *client, &message(2, plan.message_max));
        nothing_more(&mut *server);
    });
}

#[test]
fn the_longest_message_of_a_mechanism_arrives() {
    for_all(|subject| {
        let max = subject.0.message_max().min(3 << 20);
        let (mut client, mut server) = subject.ends(&Plan { message_max: max, depth: 1, ..subject.plan() });
        for number in 0..3 {
            let sent = message(number, max);
            thread::scope(|scope| {
                scope.spawn(|| client.send(&sent, patient()).expect("sent"));
                assert!(receive(&mut *server) == sent, "{max} octets");
            });
        }
    });
}

#[test]
fn both_directions_are_independent() {
    for_all(|subject| {
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        if subject.keeps_messages() {
            for number in 0..plan.depth as u64 {
                client.try_send(&message(number, plan.message_max)).expect("room");
                server.try_send(&message(!number, plan.message_max)).expect("room");
            }
            for number in 0..plan.depth as u64 {
                assert_eq!(receive(&mut *client), message(!number, plan.message_max));
                assert_eq!(receive(&mut *server), message(number, plan.message_max));
            }
        }
        for number in 0..200 {
            transfer(&mut *client, &mut *server, &message(number, plan.message_max));
            transfer(&mut *server, &mut *client, &message(number + 1, plan.message_max));
        }
        nothing_more(&mut *client);
        nothing_more(&mut *server);
    });
}

#[test]
fn an_end_that_spins_does_the_same() {
    for_all(|subject| {
        for span in [Duration::from_micros(1), Duration::from_micros(50)] {
            let plan = Plan { wait: Wait::Spin(span), ..subject.plan() };
            let (mut client, mut server) = subject.ends(&plan);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut message = Vec::new();
                    for _ in 0..30 {
                        server.receive(&mut message, patient()).expect("asked");
                        server.send(&message, patient()).expect("answered");
                    }
                });
                for number in 0..30 {
                    client.send(&message(number, plan.message_max), patient()).expect("asked");
                    assert_eq!(receive(&mut *client), message(number, plan.message_max));
                }
            });
            assert!(matches!(client.receive(&mut Vec::new(), brief()), Err(Error::TimedOut | Error::Closed)));
        }
    });
}

#[test]
fn what_was_in_the_buffer_is_replaced() {
    for_all(|subject| {
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        let mut into = vec![9; 1000];
        for len in [plan.message_max, 0, plan.message_max / 2] {
            client.send(&message(3, len), patient()).expect("sent");
            server.receive(&mut into, patient()).expect("received");
            assert_eq!(into, message(3, len));
        }
    });
}

#[test]
fn loss_is_counted_where_it_happens() {
    for_all(|subject| {
        if subject.facts().delivery == Delivery::Reliable {
            return;
        }
        let plan = subject.plan();
        let (mut client, mut server) = subject.ends(&plan);
        let mut sent = 0_u64;
        // More than any buffer of a lossy mechanism holds.
        while sent < 20_000 {
            client.try_send(&message(sent, plan.message_max)).expect("it never waits");
            sent += 1;
        }
        let mut received = 0;
        while server.receive(&mut Vec::new(), brief()).is_ok() {
            received += 1;
        }
        assert_eq!(received + server.lost(), sent, "{received} received");
    });
}

fn nothing_more(end: &mut dyn End) {
    let more = end.try_receive(&mut Vec::new());
    assert!(matches!(more, Err(Error::TimedOut)), "{more:?}");
}
