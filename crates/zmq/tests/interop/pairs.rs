//! Every legal pair of socket types: samples of all sizes and shapes, then 2000 messages in order, each way that the pair
//! allows.

use tamtam_zmq::SocketType::{self, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

use super::ends::{Behind, End};
use super::{Contexts, await_subscriber, everywhere, in_turn, meet, one_way, samples, script, text};
use crate::common::PATIENCE;

const OURS: &str = "tamtam";
const THEIRS: &str = "libzmq";

/// Runs the test everywhere with two sockets that have met, both with a routing id where the type has one.
fn pair(ours: SocketType, theirs: zmq::SocketType, test: impl Fn(&mut tamtam_zmq::Socket, &mut zmq::Socket)) {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut a = contexts.ours(ours, case.driver, |options| {
            if matches!(ours, Req | Dealer | Router) {
                options.set_routing_id(OURS.into());
            }
            options.set_router_mandatory(ours == Router);
        });
        let mut b = contexts.theirs(theirs);
        if matches!(theirs, zmq::REQ | zmq::DEALER | zmq::ROUTER) {
            b.set_identity(THEIRS.as_bytes()).unwrap();
        }
        case.join(&a, &b);
        test(&mut a, &mut b);
        assert_eq!(a.statistics().traffic.dropped.total(), 0);
    });
}

fn both_ways(left: &mut dyn End, right: &mut dyn End) {
    let messages = script();
    one_way(left, right, &messages);
    one_way(right, left, &messages);
}

fn lock_step(client: &mut dyn End, server: &mut dyn End) {
    in_turn(client, server, &samples());
    in_turn(client, server, &(0..100u32).map(|i| vec![i.to_be_bytes().to_vec()]).collect::<Vec<_>>());
}

#[test]
fn pair_and_pair() {
    pair(Pair, zmq::PAIR, |ours, theirs| both_ways(ours, theirs));
}

#[test]
fn push_and_pull() {
    pair(Push, zmq::PULL, |ours, theirs| one_way(ours, theirs, &script()));
}

#[test]
fn pull_and_push() {
    pair(Pull, zmq::PUSH, |ours, theirs| one_way(theirs, ours, &script()));
}

#[test]
fn req_and_rep() {
    pair(Req, zmq::REP, |ours, theirs| lock_step(ours, theirs));
}

#[test]
fn rep_and_req() {
    pair(Rep, zmq::REQ, |ours, theirs| lock_step(theirs, ours));
}

#[test]
fn req_and_router() {
    pair(Req, zmq::ROUTER, |ours, theirs| lock_step(ours, &mut Behind::new(theirs, &[OURS, ""])));
}

#[test]
fn router_and_req() {
    pair(Router, zmq::REQ, |ours, theirs| lock_step(theirs, &mut Behind::new(ours, &[THEIRS, ""])));
}

#[test]
fn dealer_and_rep() {
    pair(Dealer, zmq::REP, |ours, theirs| {
        lock_step(&mut Behind::new(ours, &[""]), theirs);
        lock_step(&mut Behind::new(ours, &["a longer", "envelope", ""]), theirs);
    });
}

#[test]
fn rep_and_dealer() {
    pair(Rep, zmq::DEALER, |ours, theirs| {
        lock_step(&mut Behind::new(theirs, &[""]), ours);
        lock_step(&mut Behind::new(theirs, &["a longer", "envelope", ""]), ours);
    });
}

#[test]
fn dealer_and_router() {
    pair(Dealer, zmq::ROUTER, |ours, theirs| both_ways(ours, &mut Behind::new(theirs, &[OURS])));
}

#[test]
fn router_and_dealer() {
    pair(Router, zmq::DEALER, |ours, theirs| both_ways(theirs, &mut Behind::new(ours, &[THEIRS])));
}

#[test]
fn dealer_and_dealer() {
    pair(Dealer, zmq::DEALER, |ours, theirs| both_ways(ours, theirs));
}

#[test]
fn router_and_router() {
    pair(Router, zmq::ROUTER, |ours, theirs| {
        // A ROUTER can address whom it knows; what arrives from us makes us known to the other.
        ours.wait_for_peers(1, PATIENCE).unwrap();
        both_ways(&mut Behind::new(ours, &[THEIRS]), &mut Behind::new(theirs, &[OURS]));
    });
}

#[test]
fn pub_and_sub() {
    pair(Pub, zmq::SUB, |ours, theirs| {
        theirs.set_subscribe(b"").unwrap();
        await_subscriber(ours, theirs);
        one_way(ours, theirs, &script());
    });
}

#[test]
fn sub_and_pub() {
    pair(Sub, zmq::PUB, |ours, theirs| {
        ours.subscribe("").unwrap();
        meet(theirs, ours);
        one_way(theirs, ours, &script());
    });
}

#[test]
fn pub_and_xsub() {
    pair(Pub, zmq::XSUB, |ours, theirs| {
        End::send(theirs, &vec![b"\x01".to_vec()]);
        await_subscriber(ours, theirs);
        one_way(ours, theirs, &script());
    });
}

#[test]
fn xsub_and_pub() {
    pair(XSub, zmq::PUB, |ours, theirs| {
        End::send(ours, &vec![b"\x01".to_vec()]);
        meet(theirs, ours);
        one_way(theirs, ours, &script());
    });
}

#[test]
fn xpub_and_sub() {
    pair(XPub, zmq::SUB, |ours, theirs| {
        theirs.set_subscribe(b"").unwrap();
        await_subscriber(ours, theirs);
        assert_eq!(ours.receive(), [b"\x01"]);
        one_way(ours, theirs, &script());
    });
}

#[test]
fn sub_and_xpub() {
    pair(Sub, zmq::XPUB, |ours, theirs| {
        ours.subscribe("").unwrap();
        assert_eq!(theirs.receive(), [b"\x01"]);
        one_way(theirs, ours, &script());
    });
}

#[test]
fn xpub_and_xsub() {
    pair(XPub, zmq::XSUB, |ours, theirs| {
        End::send(theirs, &vec![b"\x01".to_vec()]);
        await_subscriber(ours, theirs);
        assert_eq!(ours.receive(), [b"\x01"]);
        one_way(ours, theirs, &script());
        one_way(theirs, ours, &upstream());
    });
}

#[test]
fn xsub_and_xpub() {
    pair(XSub, zmq::XPUB, |ours, theirs| {
        ours.subscribe("").unwrap();
        assert_eq!(theirs.receive(), [b"\x01"]);
        one_way(theirs, ours, &script());
        one_way(ours, theirs, &upstream());
    });
}

/// What an XSUB may say to an XPUB apart from subscriptions: anything that does not begin with octet 0 or 1.
fn upstream() -> Vec<super::Frames> {
    let mut messages = vec![text(&["upstream"]), text(&["more", "than", "one"]), text(&[""])];
    messages.extend(super::SIZES.map(|size| vec![[b"x".as_slice(), &super::body(size)].concat()]));
    messages.extend((0..500).map(|number| vec![format!("number {number}").into_bytes()]));
    messages
}
