//! We speak older protocol versions to libzmq, which understands them all: ZMTP 3.0, 2.0 and 1.0.

use tamtam_zmq::SocketType::{self, Dealer, Pub, Pull, Push, Rep, Req, Router, Sub, XPub};
use tamtam_zmq::{EventKind, Version};

use super::ends::{Behind, End};
use super::{Case, Contexts, Frames, await_subscriber, in_turn, meet, one_way, over, samples, text};
use crate::common::PATIENCE;

const OLDER: [Version; 3] = [Version::V3_0, Version::V2_0, Version::V1_0];

fn pair(
    ours: SocketType,
    theirs: zmq::SocketType,
    test: impl Fn(&mut tamtam_zmq::Socket, &mut zmq::Socket, Version),
) {
    let run = |case: &Case, version: Version| {
        let contexts = Contexts::new();
        let mut a = contexts.ours(ours, case.driver, |options| {
            options.set_version_max(version);
            if matches!(ours, Req | Dealer | Router) {
                options.set_routing_id("tamtam".into());
            }
            options.set_router_mandatory(ours == Router);
        });
        let mut b = contexts.theirs(theirs);
        if matches!(theirs, zmq::REQ | zmq::DEALER) {
            b.set_identity(b"libzmq").unwrap();
        }
        let monitor = a.monitor(100);
        case.join(&a, &b);
        let peer = loop {
            match monitor.recv_timeout(PATIENCE).expect("a handshake").kind {
                EventKind::HandshakeSucceeded { peer } => break peer,
                EventKind::HandshakeFailed { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        };
        assert_eq!(peer.version, version);
        test(&mut a, &mut b, version);
    };
    over(&["tcp"], |case| {
        for version in OLDER {
            let named = Spoken(version);
            run(case, version);
            drop(named);
        }
    });
}

/// Names the version that a failed assertion belongs to.
struct Spoken(Version);

impl Drop for Spoken {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was ZMTP {}", self.0);
        }
    }
}

/// Samples, with more sizes where the old headers change their form.
fn messages() -> Vec<Frames> {
    let mut messages = samples();
    messages.extend((252..=258).map(|size| vec![super::body(size), super::body(size)]));
    messages.extend((0..500u32).map(|number| vec![number.to_be_bytes().to_vec()]));
    messages
}

#[test]
fn push_and_pull() {
    pair(Push, zmq::PULL, |ours, theirs, _| one_way(ours, theirs, &messages()));
}

#[test]
fn pull_and_push() {
    pair(Pull, zmq::PUSH, |ours, theirs, _| one_way(theirs, ours, &messages()));
}

#[test]
fn dealer_and_router() {
    pair(Dealer, zmq::ROUTER, |ours, theirs, _| {
        let mut theirs = Behind::new(theirs, &["tamtam"]);
        one_way(ours, &mut theirs, &messages());
        one_way(&mut theirs, ours, &messages());
    });
}

#[test]
fn router_and_dealer() {
    pair(Router, zmq::DEALER, |ours, theirs, _| {
        let mut ours = Behind::new(ours, &["libzmq"]);
        one_way(theirs, &mut ours, &messages());
        one_way(&mut ours, theirs, &messages());
    });
}

#[test]
fn req_and_rep() {
    pair(Req, zmq::REP, |ours, theirs, _| in_turn(ours, theirs, &samples()));
}

#[test]
fn rep_and_req() {
    pair(Rep, zmq::REQ, |ours, theirs, _| in_turn(theirs, ours, &samples()));
}

#[test]
fn publisher_and_subscriber() {
    pair(Pub, zmq::SUB, |ours, theirs, _| {
        theirs.set_subscribe(b"").unwrap();
        await_subscriber(ours, theirs);
        meet(ours, theirs);
        one_way(ours, theirs, &messages());
    });
}

#[test]
fn subscriber_and_publisher() {
    pair(Sub, zmq::PUB, |ours, theirs, _| {
        ours.subscribe("").unwrap();
        meet(theirs, ours);
        one_way(theirs, ours, &messages());
    });
}

#[test]
fn a_subscriber_gets_only_what_it_wants_in_every_version() {
    pair(Sub, zmq::PUB, |ours, theirs, _| {
        ours.subscribe("wanted").unwrap();
        ours.subscribe("is anybody").unwrap();
        meet(theirs, ours);
        for message in ["wanted 1", "other", "want", "wanted 2"] {
            End::send(theirs, &text(&[message]));
        }
        assert_eq!(ours.receive(), text(&["wanted 1"]));
        assert_eq!(ours.receive(), text(&["wanted 2"]));
    });
}

#[test]
fn subscriptions_and_cancellations_of_every_version() {
    pair(XPub, zmq::SUB, |ours, theirs, version| {
        theirs.set_subscribe(b"topic").unwrap();
        await_subscriber(ours, theirs);
        if version == Version::V1_0 {
            // A subscriber of ZMTP 1.0 may filter for itself; whether this one does shows only later.
            meet_topic(ours, theirs);
            return;
        }
        assert_eq!(ours.receive(), text(&["\x01topic"]));
        theirs.set_unsubscribe(b"topic").unwrap();
        assert_eq!(ours.receive(), text(&["\0topic"]));
    });
}

fn meet_topic(ours: &mut tamtam_zmq::Socket, theirs: &mut zmq::Socket) {
    End::send(ours, &text(&["other"]));
    End::send(ours, &text(&["topic 1"]));
    assert_eq!(theirs.receive(), text(&["topic 1"]));
}
