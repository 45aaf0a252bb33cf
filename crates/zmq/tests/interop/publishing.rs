//! Subscriptions between the two libraries: many at once, live ones, cancelled ones, long ones; what a publisher does
//! with them.

use std::collections::BTreeSet;

use tamtam_zmq::SocketType::{Pub, Sub, XPub, XSub};

use super::ends::End;
use super::{Contexts, await_subscriber, everywhere, last_endpoint, nudge, text, with_both_drivers};
use crate::common::{PATIENCE, fresh};

/// More than any queue's high-water mark, which must not matter for subscriptions.
const MANY: usize = 1500;

fn topics() -> BTreeSet<Vec<u8>> {
    (0..MANY).map(|number| format!("topic {number}").into_bytes()).collect()
}

/// Receives as many notices as there are topics; asserts that each topic is named by one.
fn assert_all_told(xpub: &mut dyn End) {
    let mut told = BTreeSet::new();
    for _ in 0..MANY {
        let notice = xpub.receive();
        let [notice] = notice.as_slice() else { panic!("{} frames", notice.len()) };
        assert_eq!(notice.first(), Some(&1));
        told.insert(notice[1..].to_vec());
    }
    assert!(told == topics());
}

#[test]
fn all_our_subscriptions_arrive() {
    everywhere(|case| {
        let contexts = Contexts::new();
        for kind in [Sub, XSub] {
            let mut theirs = contexts.theirs(zmq::XPUB);
            let mut ours = contexts.ours(kind, case.driver, |_| {});
            for topic in topics() {
                ours.subscribe(topic).unwrap();
            }
            case.join(&ours, &theirs);
            assert_all_told(&mut theirs);
            End::send(&mut theirs, &text(&["topic 1499, and text"]));
            assert_eq!(ours.receive(), text(&["topic 1499, and text"]));
        }
    });
}

#[test]
fn all_of_libzmqs_subscriptions_arrive() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(XPub, case.driver, |_| {});
        let mut theirs = contexts.theirs(zmq::SUB);
        // libzmq drops subscriptions beyond the mark.
        theirs.set_sndhwm(0).unwrap();
        for topic in topics() {
            theirs.set_subscribe(&topic).unwrap();
        }
        case.join(&ours, &theirs);
        await_subscriber(&ours, &theirs);
        assert_all_told(&mut ours);
        assert_eq!(ours.peers().iter().map(|peer| peer.subscriptions).sum::<usize>(), MANY);
        End::send(&mut ours, &text(&["topic 1499, and text"]));
        assert_eq!(theirs.receive(), text(&["topic 1499, and text"]));
    });
}

#[test]
fn we_subscribe_and_cancel_while_connected() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Sub, case.driver, |_| {});
        let mut theirs = contexts.theirs(zmq::XPUB);
        case.join(&ours, &theirs);
        ours.subscribe("a").unwrap();
        assert_eq!(theirs.receive(), text(&["\x01a"]));
        // Counted: the second subscription says nothing new, and takes two cancellations.
        ours.subscribe("a").unwrap();
        ours.subscribe("b").unwrap();
        assert_eq!(theirs.receive(), text(&["\x01b"]));
        ours.unsubscribe("a").unwrap();
        for message in ["c1", "b1", "a1"] {
            End::send(&mut theirs, &text(&[message, "second"]));
        }
        assert_eq!(ours.receive(), text(&["b1", "second"]));
        assert_eq!(ours.receive(), text(&["a1", "second"]));
        ours.unsubscribe("a").unwrap();
        assert_eq!(theirs.receive(), text(&["\0a"]));
        for message in ["a2", "b2"] {
            End::send(&mut theirs, &text(&[message]));
        }
        assert_eq!(ours.receive(), text(&["b2"]));
        drop(ours);
        // A subscriber that goes takes its subscriptions along; only where libzmq connected, it keeps them for the next.
        if !case.we_bind {
            assert_eq!(theirs.receive(), text(&["\0b"]));
        }
    });
}

#[test]
fn libzmq_subscribes_and_cancels_while_connected() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(XPub, case.driver, |_| {});
        let mut theirs = contexts.theirs(zmq::SUB);
        case.join(&ours, &theirs);
        theirs.set_subscribe(b"a").unwrap();
        await_subscriber(&ours, &theirs);
        assert_eq!(ours.receive(), text(&["\x01a"]));
        theirs.set_subscribe(b"b").unwrap();
        assert_eq!(ours.receive(), text(&["\x01b"]));
        for message in ["c1", "b1", "a1"] {
            End::send(&mut ours, &text(&[message, "second"]));
        }
        assert_eq!(theirs.receive(), text(&["b1", "second"]));
        assert_eq!(theirs.receive(), text(&["a1", "second"]));
        theirs.set_unsubscribe(b"a").unwrap();
        assert_eq!(ours.receive(), text(&["\0a"]));
        for message in ["a2", "b2"] {
            End::send(&mut ours, &text(&[message]));
        }
        assert_eq!(theirs.receive(), text(&["b2"]));
        drop(theirs);
        assert_eq!(ours.receive(), text(&["\0b"]));
        assert_eq!(ours.subscriber_count(), 0);
    });
}

#[test]
fn each_of_three_subscribers_gets_its_part() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Pub, case.driver, |_| {});
        let endpoint = ours.bind(&fresh(case.transport)).unwrap();
        let mut subscribers: Vec<_> = ["a", "b", ""]
            .map(|topic| {
                let theirs = contexts.theirs(zmq::SUB);
                theirs.set_subscribe(topic.as_bytes()).unwrap();
                theirs.connect(&endpoint).unwrap();
                theirs
            })
            .into();
        ours.wait_for_subscribers(3, PATIENCE).unwrap();
        for message in ["a1", "b1", "c1", "a2", "end a", "a end", "b end"] {
            End::send(&mut ours, &text(&[message]));
        }
        let expected: [&[&str]; 3] =
            [&["a1", "a2", "a end"], &["b1", "b end"], &["a1", "b1", "c1", "a2", "end a", "a end", "b end"]];
        for (theirs, expected) in subscribers.iter_mut().zip(expected) {
            for message in expected {
                assert_eq!(theirs.receive(), text(&[message]));
            }
        }
    });
}

#[test]
fn an_xpub_tells_of_a_topic_once_or_of_every_subscription() {
    with_both_drivers(|driver| {
        for verbose in [false, true] {
            let contexts = Contexts::new();
            let mut ours = contexts.ours(XPub, driver, |options| {
                options.set_xpub_verboser(verbose);
            });
            let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
            let subscribers = [0, 1].map(|_| {
                let theirs = contexts.theirs(zmq::SUB);
                theirs.set_subscribe(b"same").unwrap();
                theirs.connect(&endpoint).unwrap();
                theirs
            });
            ours.wait_for_subscribers(2, PATIENCE).unwrap();
            let mut expected = vec!["\x01same"; if verbose { 2 } else { 1 }];
            expected.extend(vec!["\0same"; if verbose { 2 } else { 1 }]);
            drop(subscribers);
            for notice in expected {
                assert_eq!(ours.receive(), text(&[notice]));
            }
            assert!(ours.try_recv().is_err());
        }
    });
}

#[test]
fn our_welcome_message_reaches_libzmq_and_libzmqs_reaches_us() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let ours = contexts.ours(XPub, driver, |options| {
            options.set_xpub_welcome_message(Some("welcome from tamtam".into()));
        });
        let mut theirs = contexts.theirs(zmq::SUB);
        theirs.set_subscribe(b"welcome").unwrap();
        theirs.connect(&ours.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        assert_eq!(theirs.receive(), text(&["welcome from tamtam"]));

        let theirs = contexts.theirs(zmq::XPUB);
        theirs.set_xpub_welcome_msg(Some("welcome from libzmq")).unwrap();
        theirs.bind("tcp://127.0.0.1:*").unwrap();
        let mut ours = contexts.ours(Sub, driver, |_| {});
        ours.subscribe("welcome").unwrap();
        ours.connect(&last_endpoint(&theirs)).unwrap();
        // libzmq takes note of a connection only while it is called.
        nudge(&theirs, "the welcome", || ours.readiness().readable);
        assert_eq!(ours.receive(), text(&["welcome from libzmq"]));
    });
}

#[test]
fn an_application_decides_about_libzmqs_subscriptions() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(XPub, driver, |options| {
            options.set_xpub_manual(true);
        });
        let mut theirs = contexts.theirs(zmq::SUB);
        theirs.set_subscribe(b"A").unwrap();
        theirs.set_subscribe(b"B").unwrap();
        theirs.connect(&ours.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        for _ in 0..2 {
            let notice = ours.receive();
            // A is granted, B is not.
            if notice == text(&["\x01A"]) {
                ours.subscribe_last("A").unwrap();
            } else {
                assert_eq!(notice, text(&["\x01B"]));
            }
        }
        for message in ["B1", "A1", "B2", "A2"] {
            End::send(&mut ours, &text(&[message]));
        }
        assert_eq!(theirs.receive(), text(&["A1"]));
        assert_eq!(theirs.receive(), text(&["A2"]));
    });
}

#[test]
fn topics_may_be_long() {
    everywhere(|case| {
        let contexts = Contexts::new();
        // libzmq goes down its tree of topics by recursion: much longer ones overflow its stack.
        let long = super::body(5000);
        let mut theirs = contexts.theirs(zmq::XPUB);
        let mut ours = contexts.ours(Sub, case.driver, |_| {});
        ours.subscribe(&long).unwrap();
        case.join(&ours, &theirs);
        assert!(theirs.receive() == [[b"\x01", long.as_slice()].concat()]);
        End::send(&mut theirs, &vec![super::body(4999)]);
        End::send(&mut theirs, &vec![super::body(5001)]);
        // The second begins otherwise; the third is wanted.
        End::send(&mut theirs, &vec![long.clone()]);
        assert!(ours.receive() == [long.clone()]);

        let mut ours = contexts.ours(XPub, case.driver, |_| {});
        let mut theirs = contexts.theirs(zmq::SUB);
        theirs.set_subscribe(&long).unwrap();
        case.join(&ours, &theirs);
        await_subscriber(&ours, &theirs);
        assert!(ours.receive() == [[b"\x01", long.as_slice()].concat()]);
        End::send(&mut ours, &vec![super::body(4999)]);
        End::send(&mut ours, &vec![long.clone()]);
        assert!(theirs.receive() == [long.clone()]);
    });
}
