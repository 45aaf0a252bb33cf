//! Requests and replies beyond the lock-step: numbered and abandoned requests, identities and what else peers say of
//! themselves, addressing, taking turns.

use std::time::Duration;

use tamtam_zmq::SocketType::{Dealer, Pull, Push, Rep, Req, Router};
use tamtam_zmq::{EventKind, Message, SendError};

use super::ends::{End, frames};
use super::{Contexts, everywhere, in_turn, last_endpoint, nudge, samples, text, with_both_drivers};
use crate::common::{PATIENCE, fresh};

#[test]
fn numbered_requests_and_libzmqs_rep() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Req, case.driver, |options| {
            options.set_req_correlate(true);
        });
        let mut theirs = contexts.theirs(zmq::REP);
        case.join(&ours, &theirs);
        in_turn(&mut ours, &mut theirs, &samples());
    });
}

#[test]
fn numbered_requests_of_libzmq_and_our_rep() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Rep, case.driver, |_| {});
        let mut theirs = contexts.theirs(zmq::REQ);
        theirs.set_req_correlate(true).unwrap();
        theirs.set_req_relaxed(true).unwrap();
        case.join(&ours, &theirs);
        in_turn(&mut theirs, &mut ours, &samples());
    });
}

/// Takes a numbered request apart: its envelope (address, number, delimiter), and its body.
fn take_apart(mut request: super::Frames) -> (super::Frames, super::Frames) {
    assert_eq!(request.len(), 4);
    assert_eq!((request[1].len(), request[2].len()), (4, 0));
    let body = request.split_off(3);
    (request, body)
}

#[test]
fn replies_with_another_number_are_not_taken() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Req, case.driver, |options| {
            options.set_req_correlate(true).set_req_relaxed(true);
        });
        let mut theirs = contexts.theirs(zmq::ROUTER);
        case.join(&ours, &theirs);
        End::send(&mut ours, &text(&["first"]));
        let (first, body) = take_apart(theirs.receive());
        assert_eq!(body, text(&["first"]));
        End::send(&mut ours, &text(&["second"]));
        let (second, body) = take_apart(theirs.receive());
        assert_eq!(body, text(&["second"]));
        assert_ne!(first[1], second[1]);
        // A late reply to the abandoned request, and one without a number.
        for (envelope, reply) in
            [(&first, "late"), (&vec![second[0].clone(), Vec::new()], "bare"), (&second, "right")]
        {
            End::send(&mut theirs, &[envelope.as_slice(), &text(&[reply])].concat());
        }
        assert_eq!(ours.receive(), text(&["right"]));
    });
}

#[test]
fn an_abandoned_request_to_libzmqs_rep() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Req, case.driver, |options| {
            options.set_req_correlate(true).set_req_relaxed(true);
        });
        let mut theirs = contexts.theirs(zmq::REP);
        case.join(&ours, &theirs);
        End::send(&mut ours, &text(&["first"]));
        assert_eq!(theirs.receive(), text(&["first"]));
        End::send(&mut ours, &text(&["second"]));
        End::send(&mut theirs, &text(&["reply to first"]));
        assert_eq!(theirs.receive(), text(&["second"]));
        End::send(&mut theirs, &text(&["reply to second"]));
        assert_eq!(ours.receive(), text(&["reply to second"]));
    });
}

#[test]
fn an_abandoned_request_of_libzmq_to_our_rep() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Rep, case.driver, |_| {});
        let mut theirs = contexts.theirs(zmq::REQ);
        theirs.set_req_correlate(true).unwrap();
        theirs.set_req_relaxed(true).unwrap();
        case.join(&ours, &theirs);
        End::send(&mut theirs, &text(&["first"]));
        assert_eq!(ours.receive(), text(&["first"]));
        End::send(&mut theirs, &text(&["second"]));
        End::send(&mut ours, &text(&["reply to first"]));
        assert_eq!(ours.receive(), text(&["second"]));
        End::send(&mut ours, &text(&["reply to second"]));
        assert_eq!(theirs.receive(), text(&["reply to second"]));
    });
}

#[test]
fn libzmq_reads_what_we_say_of_ourselves() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let ours = contexts.ours(Dealer, case.driver, |options| {
            options.set_routing_id("robot 7".into()).add_metadata("X-Robot", "arm");
        });
        let theirs = contexts.theirs(zmq::ROUTER);
        case.join(&ours, &theirs);
        ours.send("hello").unwrap();
        let mut id = theirs.recv_msg(0).unwrap();
        assert_eq!(&id[..], b"robot 7");
        for (property, value) in [("Socket-Type", "DEALER"), ("Identity", "robot 7"), ("X-Robot", "arm")] {
            assert_eq!(id.gets(property), Some(value), "{property}");
        }
        assert_eq!(theirs.recv_bytes(0).unwrap(), b"hello");
    });
}

#[test]
fn we_read_what_libzmq_says_of_itself() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let ours = contexts.ours(Router, case.driver, |_| {});
        let monitor = ours.monitor(100);
        let mut theirs = contexts.theirs(zmq::DEALER);
        theirs.set_identity(b"machine 8").unwrap();
        case.join(&ours, &theirs);
        End::send(&mut theirs, &text(&["hello"]));
        let message = ours.recv_timeout(PATIENCE).unwrap();
        assert_eq!(frames(&message), text(&["machine 8", "hello"]));
        let info = ours.peer_info(message.peer().unwrap()).unwrap();
        assert_eq!(info.socket_type, Some(Dealer));
        assert_eq!(&info.identity[..], b"machine 8");
        assert_eq!(info.property("socket-type").unwrap(), "DEALER");
        assert_eq!(info.mechanism, "NULL");
        let told = std::iter::from_fn(|| monitor.try_recv()).find_map(|event| match event.kind {
            EventKind::HandshakeSucceeded { peer } => Some(peer),
            _ => None,
        });
        assert_eq!(told.unwrap().version, info.version);
    });
}

#[test]
fn peers_without_an_identity_get_one() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Router, case.driver, |_| {});
        let endpoint = ours.bind(&fresh(case.transport)).unwrap();
        let mut dealers = [0, 1, 2].map(|_| {
            let theirs = contexts.theirs(zmq::DEALER);
            theirs.connect(&endpoint).unwrap();
            theirs
        });
        for (number, theirs) in dealers.iter_mut().enumerate() {
            End::send(theirs, &text(&[&format!("dealer {number}")]));
        }
        let mut ids = Vec::new();
        for _ in 0..3 {
            let message = ours.receive();
            assert_eq!((message[0].len(), message[0][0]), (5, 0));
            assert!(!ids.contains(&message[0]));
            ids.push(message[0].clone());
            End::send(&mut ours, &message);
        }
        for (number, theirs) in dealers.iter_mut().enumerate() {
            assert_eq!(theirs.receive(), text(&[&format!("dealer {number}")]));
        }

        let mut theirs = contexts.theirs(zmq::ROUTER);
        let mut ours = contexts.ours(Dealer, case.driver, |_| {});
        case.join(&ours, &theirs);
        End::send(&mut ours, &text(&["hello"]));
        let message = theirs.receive();
        assert_eq!((message[0].len(), message[0][0]), (5, 0));
        End::send(&mut theirs, &message);
        assert_eq!(ours.receive(), text(&["hello"]));
    });
}

#[test]
fn probes_introduce_a_peer() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let ours = contexts.ours(Dealer, case.driver, |options| {
            options.set_probe_router(true).set_routing_id("robot".into());
        });
        let mut theirs = contexts.theirs(zmq::ROUTER);
        case.join(&ours, &theirs);
        assert_eq!(theirs.receive(), text(&["robot", ""]));

        let mut ours = contexts.ours(Router, case.driver, |_| {});
        let theirs = contexts.theirs(zmq::DEALER);
        theirs.set_probe_router(true).unwrap();
        theirs.set_identity(b"machine").unwrap();
        case.join(&ours, &theirs);
        // libzmq probes a connection made to it only while it is called.
        nudge(&theirs, "the probe", || ours.readiness().readable);
        assert_eq!(ours.receive(), text(&["machine", ""]));
    });
}

#[test]
fn a_newcomer_takes_its_routing_id_over() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Router, driver, |_| {});
        let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
        // The first one must not come back and take the id over in its turn.
        let mut old = contexts.theirs(zmq::DEALER);
        old.set_reconnect_ivl(-1).unwrap();
        let mut new = contexts.theirs(zmq::DEALER);
        for (name, theirs) in [("old", &mut old), ("new", &mut new)] {
            theirs.set_identity(b"robot").unwrap();
            theirs.connect(&endpoint).unwrap();
            End::send(theirs, &text(&[name]));
            assert_eq!(ours.receive(), text(&["robot", name]));
        }
        End::send(&mut ours, &text(&["robot", "who are you?"]));
        assert_eq!(new.receive(), text(&["who are you?"]));
        assert_eq!(ours.statistics().peers, 1);
    });
}

#[test]
fn a_router_says_that_a_dealer_has_gone() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Router, driver, |options| {
            options.set_router_mandatory(true);
        });
        let monitor = ours.monitor(100);
        let mut theirs = contexts.theirs(zmq::DEALER);
        theirs.set_identity(b"robot").unwrap();
        theirs.connect(&ours.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        End::send(&mut theirs, &text(&["hello"]));
        assert_eq!(ours.receive(), text(&["robot", "hello"]));
        drop(theirs);
        while !matches!(monitor.recv_timeout(PATIENCE).expect("its end").kind, EventKind::Disconnected { .. })
        {
        }
        let message = Message::from_frames(["robot", "are you there?"]).unwrap();
        assert!(matches!(ours.try_send(message), Err(SendError::Unroutable(_))));
    });
}

#[test]
fn a_router_may_name_whom_it_connects_to() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut theirs = contexts.theirs(zmq::DEALER);
        theirs.bind("tcp://127.0.0.1:*").unwrap();
        let mut ours = contexts.ours(Router, driver, |options| {
            options.set_router_mandatory(true);
        });
        ours.connect_as(&last_endpoint(&theirs), b"the one").unwrap();
        ours.wait_for_peers(1, PATIENCE).unwrap();
        End::send(&mut ours, &text(&["the one", "you", "speak first"]));
        assert_eq!(theirs.receive(), text(&["you", "speak first"]));
        End::send(&mut theirs, &text(&["no, you"]));
        assert_eq!(ours.receive(), text(&["the one", "no, you"]));
    });
}

#[test]
fn libzmqs_peers_take_turns() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        for (kind, their_kind) in [(Push, zmq::PULL), (Dealer, zmq::DEALER)] {
            let mut ours = contexts.ours(kind, driver, |_| {});
            let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
            let mut workers = [0, 1, 2].map(|_| {
                let theirs = contexts.theirs(their_kind);
                theirs.connect(&endpoint).unwrap();
                theirs
            });
            ours.wait_for_peers(3, PATIENCE).unwrap();
            for number in 0..30 {
                End::send(&mut ours, &text(&[&number.to_string()]));
            }
            for worker in &mut workers {
                let numbers: Vec<u32> = (0..10)
                    .map(|_| String::from_utf8(worker.receive().concat()).unwrap().parse().unwrap())
                    .collect();
                assert!(numbers.iter().zip(numbers.iter().skip(1)).all(|(a, b)| a + 3 == *b), "{numbers:?}");
            }
        }
    });
}

#[test]
fn libzmqs_peers_are_heard_in_turn() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Pull, driver, |_| {});
        let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
        let mut sources = ["a", "b", "c"].map(|name| {
            let theirs = contexts.theirs(zmq::PUSH);
            theirs.connect(&endpoint).unwrap();
            (name, theirs)
        });
        for (name, theirs) in &mut sources {
            for _ in 0..300 {
                End::send(theirs, &text(&[name]));
            }
        }
        let mut heard = std::collections::BTreeMap::<String, u32>::new();
        for _ in 0..900 {
            *heard.entry(String::from_utf8(ours.receive().concat()).unwrap()).or_default() += 1;
        }
        assert!(heard.values().all(|&count| count == 300), "{heard:?}");
        assert!(ours.recv_timeout(Duration::ZERO).is_err());
    });
}
