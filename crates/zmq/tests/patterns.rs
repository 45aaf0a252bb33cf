//! Every pattern, over every transport, with both drivers.

mod common;

use common::{DRIVERS, PATIENCE, TRANSPORTS, driven_by, fresh};
use tamtam_zmq::{
    Context, Dealer, Frame, Message, Pair, Pub, Pull, Push, RecvError, Rep, Req, Router, SendError, Sub,
    XPub, XSub,
};

fn everywhere(test: impl Fn(&str, tamtam_zmq::Driver)) {
    for transport in TRANSPORTS {
        for driver in DRIVERS {
            test(transport, driver);
        }
    }
}

#[test]
fn push_pull_delivers_everything_in_order() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let sender = std::thread::spawn(move || {
            for i in 0..5000u32 {
                push.send(&i.to_be_bytes()).unwrap();
            }
            push
        });
        for i in 0..5000u32 {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(message.as_slice(), i.to_be_bytes(), "{transport} {driver:?}");
        }
        let push = sender.join().unwrap();
        assert_eq!(push.statistics().traffic.messages_out, 5000);
        assert_eq!(pull.statistics().traffic.messages_in, 5000);
        assert_eq!(push.statistics().traffic.dropped.total(), 0);
    });
}

#[test]
fn request_and_reply_take_turns() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        assert!(matches!(req.try_recv(), Err(RecvError::OutOfTurn)));
        assert!(matches!(rep.try_send("early"), Err(SendError::OutOfTurn(_))));
        let server = std::thread::spawn(move || {
            for _ in 0..200 {
                let request = rep.recv_timeout(PATIENCE).unwrap();
                rep.send(request).unwrap();
            }
            rep
        });
        for i in 0..200u32 {
            req.send(format!("request {i}")).unwrap();
            assert!(matches!(req.try_send("again"), Err(SendError::OutOfTurn(_))));
            assert_eq!(req.recv_timeout(PATIENCE).unwrap().as_slice(), format!("request {i}").as_bytes());
        }
        server.join().unwrap();
    });
}

#[test]
fn subscribers_get_what_they_subscribed_to() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let all = Sub::with(&context, driven_by(driver)).unwrap();
        let some = Sub::with(&context, driven_by(driver)).unwrap();
        all.subscribe("");
        some.subscribe("b");
        all.connect(&endpoint).unwrap();
        some.connect(&endpoint).unwrap();
        publisher.wait_for_subscribers(2, PATIENCE).unwrap();
        for text in ["a1", "b1", "a2", "b2"] {
            publisher.send(text).unwrap();
        }
        for text in ["a1", "b1", "a2", "b2"] {
            assert_eq!(
                all.recv_timeout(PATIENCE).unwrap().as_slice(),
                text.as_bytes(),
                "{transport} {driver:?}"
            );
        }
        for text in ["b1", "b2"] {
            assert_eq!(some.recv_timeout(PATIENCE).unwrap().as_slice(), text.as_bytes());
        }
        some.unsubscribe("b").unwrap();
        assert!(some.unsubscribe("b").is_err());
    });
}

#[test]
fn a_router_talks_to_dealers_by_their_routing_ids() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let dealers: Vec<Dealer> = ["one", "two", ""]
            .into_iter()
            .map(|name| {
                let dealer = Dealer::with(&context, |o| {
                    o.set_routing_id(name.into()).set_driver(driver);
                })
                .unwrap();
                dealer.connect(&endpoint).unwrap();
                dealer.send(Message::from_frames(["hello", name]).unwrap()).unwrap();
                dealer
            })
            .collect();
        let mut automatic = 0;
        for _ in 0..3 {
            let mut message = router.recv_timeout(PATIENCE).unwrap();
            let id = message.pop_front().unwrap();
            let name = message.get(1).unwrap().clone();
            if name.is_empty() {
                automatic += 1;
                assert_eq!(id.len(), 5);
                assert_eq!(id.first(), Some(&0));
            } else {
                assert_eq!(id, name);
            }
            router.send(Message::from_frames([id, Frame::from("answer to"), name]).unwrap()).unwrap();
        }
        assert_eq!(automatic, 1);
        for (dealer, name) in dealers.iter().zip(["one", "two", ""]) {
            let answer = dealer.recv_timeout(PATIENCE).unwrap();
            assert_eq!(answer.frames().collect::<Vec<_>>(), [&Frame::from("answer to"), &Frame::from(name)]);
        }
    });
}

#[test]
fn a_pair_talks_both_ways() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let left = Pair::with(&context, driven_by(driver)).unwrap();
        let right = Pair::with(&context, driven_by(driver)).unwrap();
        right.connect(&left.bind(&fresh(transport)).unwrap()).unwrap();
        for _ in 0..10 {
            left.send("ping").unwrap();
            assert_eq!(right.recv_timeout(PATIENCE).unwrap().as_slice(), b"ping");
            right.send(Message::from_frames(["pong", "", "!"]).unwrap()).unwrap();
            assert_eq!(left.recv_timeout(PATIENCE).unwrap().frame_count(), 3);
        }
    });
}

#[test]
fn an_xpub_sees_subscriptions_and_an_xsub_sends_them() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, driven_by(driver)).unwrap();
        let xsub = XSub::with(&context, driven_by(driver)).unwrap();
        xsub.connect(&xpub.bind(&fresh(transport)).unwrap()).unwrap();
        xsub.send(b"\x01topic").unwrap();
        assert_eq!(xpub.recv_timeout(PATIENCE).unwrap().as_slice(), b"\x01topic", "{transport} {driver:?}");
        xpub.send("topic and text").unwrap();
        assert_eq!(xsub.recv_timeout(PATIENCE).unwrap().as_slice(), b"topic and text");
        xsub.send("upstream").unwrap();
        assert_eq!(xpub.recv_timeout(PATIENCE).unwrap().as_slice(), b"upstream");
        xsub.send(b"\x00topic").unwrap();
        assert_eq!(xpub.recv_timeout(PATIENCE).unwrap().as_slice(), b"\x00topic");
    });
}

#[test]
fn large_and_multipart_messages_arrive_whole() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let sizes =
            [0usize, 1, 64, 71, 72, 255, 256, 511, 512, 8191, 8192, 65_535, 65_536, 1 << 20, 5_000_000];
        let sender = std::thread::spawn(move || {
            for size in sizes {
                let body: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
                push.send(body.clone()).unwrap();
                push.send(
                    Message::from_frames([Frame::from("head"), Frame::from(body), Frame::new()]).unwrap(),
                )
                .unwrap();
            }
            push
        });
        for size in sizes {
            let expected: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let single = pull.recv_timeout(PATIENCE).unwrap();
            assert!(single.as_slice() == expected, "{transport} {driver:?} {size}");
            let multi = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(multi.frame_count(), 3);
            assert!(multi.get(1).unwrap().as_slice() == expected);
        }
        sender.join().unwrap();
    });
}
