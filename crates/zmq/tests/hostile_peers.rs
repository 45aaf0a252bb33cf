//! Strangers, liars, and peers that vanish: nobody else notices, nothing stays behind.

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::wire::{COMMAND, LONG, MORE, RawListener, RawPeer, encoded, frame, greeting, ready};
use common::{PATIENCE, driven_by, eventually, fresh, over_the_network, reserved, text};
use tamtam_zmq::{Context, Driver, EventKind, Monitor, Pub, Pull, Push, RecvError, Rep, Router, Sub};

/// A PULL at which strangers knock, and a PUSH that shows that it goes on.
struct House {
    pull: Pull,
    push: Push,
    endpoint: String,
    monitor: Monitor,
}

impl House {
    fn new(context: &Context, transport: &str, driver: Driver) -> Self {
        let pull = Pull::with(context, |o| {
            o.set_driver(driver)
                .set_handshake_interval(Some(Duration::from_millis(80)))
                .set_max_message_size(Some(100_000));
        })
        .unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        let push = Push::with(context, driven_by(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        pull.wait_for_peers(1, PATIENCE).unwrap();
        let monitor = pull.monitor(1000);
        Self { pull, push, endpoint, monitor }
    }

    /// The stranger is put out, the reason is told, and the house goes on as before.
    fn throws_out(&self, mut stranger: RawPeer, case: &str) {
        stranger.receive_to_end();
        self.reason(case);
        self.goes_on(case);
    }

    /// Why the next connection has ended.
    fn reason(&self, case: &str) -> String {
        loop {
            let event =
                self.monitor.recv_timeout(PATIENCE).unwrap_or_else(|| panic!("{case}: no reason is told"));
            if let EventKind::HandshakeFailed { reason, .. } | EventKind::Disconnected { reason } = event.kind
            {
                assert!(!reason.is_empty(), "{case}");
                return reason;
            }
        }
    }

    fn goes_on(&self, case: &str) {
        self.push.send(case).unwrap();
        assert_eq!(text(&self.pull.recv_timeout(PATIENCE).unwrap()), case);
        eventually("nothing of the stranger is left", || self.pull.peers().len() == 1);
    }
}

#[test]
fn strangers_are_thrown_out_with_a_reason() {
    let mut bad_signature = greeting();
    bad_signature[9] = 0;
    let mut bad_mechanism = greeting();
    bad_mechanism[12..16].copy_from_slice(b"WHAT");
    let mut curve = greeting();
    curve[12..17].copy_from_slice(b"CURVE");
    let garbage: Vec<u8> =
        (0..1000u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an HTTP client", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a TLS client", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3][..], &[0x55; 500]].concat()),
        ("an SSH client", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("zeros", vec![0; 200]),
        ("garbage", garbage),
        ("a bad signature", bad_signature.to_vec()),
        ("an unknown mechanism", bad_mechanism.to_vec()),
        ("a mechanism that we do not have", curve.to_vec()),
        ("a greeting and garbage", [&greeting()[..], &[0xFF; 100]].concat()),
        ("a message before READY", [&greeting()[..], &encoded(&[b"early"])].concat()),
        ("the wrong socket type", [&greeting()[..], &ready("SUB", "")].concat()),
        ("an unknown socket type", [&greeting()[..], &ready("PLUMBER", "")].concat()),
        ("an unknown command for READY", [&greeting()[..], &frame(COMMAND, b"\x05HELLO")].concat()),
        (
            "a READY that is cut off inside",
            [&greeting()[..], &frame(COMMAND, b"\x05READY\x0BSocket-Type\0\0\0\x09PU")].concat(),
        ),
        (
            "an endless READY",
            [&greeting()[..], &[COMMAND | LONG, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]].concat(),
        ),
        ("an ERROR", [&greeting()[..], &frame(COMMAND, b"\x05ERROR\x04nope")].concat()),
    ];
    over_the_network(|transport, driver| {
        let context = Context::new();
        let house = House::new(&context, transport, driver);
        for (case, bytes) in &cases {
            let mut stranger = RawPeer::connect(&house.endpoint);
            stranger.send(bytes);
            house.throws_out(stranger, case);
        }
        let traffic = house.pull.statistics().traffic;
        assert_eq!(traffic.handshake_failures, cases.len() as u64, "{transport} {driver:?}");
        assert_eq!(traffic.messages_in, cases.len() as u64);
    });
}

#[test]
fn whoever_stops_half_way_is_thrown_out_in_time() {
    let whole = [&greeting()[..], &ready("PUSH", "")].concat();
    over_the_network(|transport, driver| {
        let context = Context::new();
        let house = House::new(&context, transport, driver);
        let began = Instant::now();
        let strangers = [0, 1, 10, 11, 63, 64, 65, whole.len() - 1].map(|length| {
            let mut stranger = RawPeer::connect(&house.endpoint);
            stranger.send(&whole[..length]);
            (length, stranger)
        });
        for (length, mut stranger) in strangers {
            stranger.receive_to_end();
            let reason = house.reason(&format!("{length} octets"));
            assert!(reason.contains("handshake"), "{reason}");
        }
        assert!(began.elapsed() < PATIENCE / 4);
        house.goes_on("all of them are out");
        // The same, but the stranger leaves by itself.
        for length in [0, 10, 64, whole.len() - 1] {
            let mut stranger = RawPeer::connect(&house.endpoint);
            stranger.send(&whole[..length]);
            drop(stranger);
            house.goes_on(&format!("{length} octets and gone"));
        }
        assert_eq!(house.pull.statistics().traffic.messages_in, 5, "{transport} {driver:?}");
    });
}

/// Many silent strangers at once do not keep the good ones out.
#[test]
fn silent_strangers_keep_nobody_out() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let house = House::new(&context, transport, driver);
        let mut strangers: Vec<RawPeer> = (0..100).map(|_| RawPeer::connect(&house.endpoint)).collect();
        let other = Push::with(&context, driven_by(driver)).unwrap();
        other.connect(&house.endpoint).unwrap();
        other.send("I am welcome").unwrap();
        assert_eq!(
            text(&house.pull.recv_timeout(PATIENCE).unwrap()),
            "I am welcome",
            "{transport} {driver:?}"
        );
        drop(other);
        for stranger in &mut strangers {
            stranger.receive_to_end();
        }
        house.goes_on("all of them are gone");
    });
}

/// In traffic: too large, malformed, forbidden.
#[test]
fn a_peer_that_breaks_the_rules_is_thrown_out() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a frame that is too large", [&[LONG][..], &100_001u64.to_be_bytes()].concat()),
        ("a frame of half the universe", [&[LONG][..], &[0xFF; 8]].concat()),
        (
            "a second part that is too large",
            [&encoded(&[b"x"])[..], &frame(MORE, b"a"), &[LONG], &200_000u64.to_be_bytes()].concat(),
        ),
        ("an endless command", [&[COMMAND | LONG][..], &[0x7F; 8]].concat()),
        ("reserved flags", frame(0x40, b"x")),
        (
            "a command within a message",
            [frame(MORE, b"a"), frame(COMMAND | MORE, b"\x04PING\0\0"), frame(0, b"b")].concat(),
        ),
        ("a command with a name that is too long", frame(COMMAND, b"\x20SHORT")),
    ];
    over_the_network(|transport, driver| {
        let context = Context::new();
        let house = House::new(&context, transport, driver);
        for (case, bytes) in &cases {
            let mut peer = RawPeer::connect_as(&house.endpoint, "PUSH");
            peer.send(bytes);
            // What was whole before is still delivered; nothing of the rest is.
            std::thread::scope(|scope| {
                let end = scope.spawn(move || peer.receive_to_end());
                while !end.is_finished() {
                    match house.pull.recv_timeout(Duration::from_millis(2)) {
                        Ok(message) => assert_eq!(text(&message), "x", "{transport} {driver:?}: {case}"),
                        Err(error) => assert_eq!(error, RecvError::TimedOut),
                    }
                }
            });
            while let Ok(message) = house.pull.try_recv() {
                assert_eq!(text(&message), "x", "{transport} {driver:?}: {case}");
            }
            house.goes_on(case);
        }
    });
}

/// Unknown commands and PINGs of strange size are no crime.
#[test]
fn what_is_merely_unusual_is_tolerated() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let house = House::new(&context, transport, driver);
        let mut peer = RawPeer::connect_as(&house.endpoint, "PUSH");
        peer.send(&frame(COMMAND, b"\x06STRANGsomething"));
        peer.send(&frame(COMMAND, b"\x04PONGunasked"));
        peer.send(&frame(COMMAND, b"\x09SUBSCRIBEtopic"));
        // A long header for a short body, an empty message, empty parts.
        peer.send(&[LONG, 0, 0, 0, 0, 0, 0, 0, 1, b'a']);
        peer.send_message(&[b""]);
        peer.send_message(&[b"", b"", b""]);
        for frames in [vec!["a"], vec![""], vec!["", "", ""]] {
            assert_eq!(
                common::texts(&house.pull.recv_timeout(PATIENCE).unwrap()),
                frames,
                "{transport} {driver:?}"
            );
        }
        drop(peer);
        house.goes_on("gone in peace");
    });
}

/// Byte by byte, a greeting, a handshake and messages are what they are in one piece.
#[test]
fn a_slow_drip_is_understood() {
    let all = [&greeting()[..], &ready("PUSH", "drip"), &encoded(&[b"a", b"", &[7; 300]]), &encoded(&[b"b"])]
        .concat();
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let mut peer = RawPeer::connect(&pull.bind(&fresh(transport)).unwrap());
        let receiver = std::thread::spawn(move || [(); 2].map(|()| pull.recv_timeout(PATIENCE).unwrap()));
        for byte in &all {
            peer.send(&[*byte]);
            std::thread::yield_now();
        }
        let [first, second] = receiver.join().unwrap();
        assert_eq!(
            first.frames().map(|frame| frame.len()).collect::<Vec<_>>(),
            [1, 0, 300],
            "{transport} {driver:?}"
        );
        assert_eq!(text(&second), "b");
    });
}

/// Whoever vanishes in the midst of a frame leaves no part of a message, and no trace.
#[test]
fn a_peer_that_vanishes_in_mid_frame_leaves_nothing() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let house = House::new(&context, transport, driver);
        let whole = encoded(&[b"part", &[1; 1000], b"end"]);
        for length in [1, 2, 5, 6, 8, 14, 15, 500, whole.len() - 1] {
            let mut peer = RawPeer::connect_as(&house.endpoint, "PUSH");
            peer.send(&whole[..length]);
            drop(peer);
            house.goes_on(&format!("vanished after {length} octets"));
        }
        assert_eq!(house.pull.statistics().traffic.messages_in, 9, "{transport} {driver:?}");
    });
}

#[test]
fn two_hundred_come_and_go() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let house = House::new(&context, transport, driver);
        for number in 0..200 {
            match number % 4 {
                0 => drop(RawPeer::connect(&house.endpoint)),
                1 => RawPeer::connect(&house.endpoint).send(&greeting()[..10]),
                2 => drop(RawPeer::connect_as(&house.endpoint, "PUSH")),
                _ => {
                    let mut peer = RawPeer::connect_as(&house.endpoint, "PUSH");
                    peer.send_message(&[b"hello"]);
                }
            }
            if number % 4 == 3 {
                assert_eq!(
                    text(&house.pull.recv_timeout(PATIENCE).unwrap()),
                    "hello",
                    "{transport} {driver:?} {number}"
                );
            }
        }
        house.goes_on("all of them are gone");
        assert_eq!(house.pull.statistics().traffic.messages_in, 51);
    });
}

/// A subscriber that floods a publisher, with messages or with subscriptions, and one that never reads.
#[test]
fn subscribers_cannot_harm_a_publisher() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(10);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let good = Sub::with(&context, driven_by(driver)).unwrap();
        good.subscribe("good");
        good.connect(&endpoint).unwrap();
        let mut flood = RawPeer::connect_as(&endpoint, "SUB");
        for number in 0..2000u32 {
            flood.send_message(&[b"what is this to a PUB"]);
            flood.send(&frame(COMMAND, &[b"\x09SUBSCRIBE", &number.to_be_bytes()[..]].concat()));
            flood.send(&frame(COMMAND, b"\x06CANCELnever subscribed"));
        }
        eventually("all of it was read", || {
            publisher.statistics().traffic.dropped.malformed == 2000 && publisher.subscriber_count() == 2
        });
        let mut deaf = RawPeer::connect_as(&endpoint, "SUB");
        deaf.send(&frame(COMMAND, b"\x09SUBSCRIBEgood"));
        publisher.wait_for_subscribers(3, PATIENCE).unwrap();
        for number in 0..200 {
            publisher.send([format!("good {number}").into_bytes(), vec![0; 20_000]].concat()).unwrap();
            let received = good.recv_timeout(PATIENCE).unwrap();
            assert!(
                received.as_slice().starts_with(format!("good {number}\0").as_bytes()),
                "{transport} {driver:?}"
            );
        }
        drop((flood, deaf));
        eventually("only the good one is left", || publisher.peers().len() == 1);
    });
}

/// Whoever is asked or pushed to has nothing to say: messages to a PUSH are dropped, and keep nothing alive.
#[test]
fn messages_to_a_push_are_dropped() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_receive_hwm(3);
        })
        .unwrap();
        let mut peer = RawPeer::connect_as(&push.bind(&fresh(transport)).unwrap(), "PULL");
        for _ in 0..20 {
            peer.send_message(&[b"talking to", b"a PUSH"]);
        }
        push.send_timeout("x", PATIENCE).unwrap();
        assert_eq!(peer.receive_message(), [b"x"]);
        peer.send_message(&[b"last words"]);
        drop(peer);
        eventually("nothing of the peer is left", || push.peers().is_empty());
        assert_eq!(push.statistics().queued_in, 0, "{transport} {driver:?}");
    });
}

/// Long identities, strange identities, and routing ids that try to look like automatic ones.
#[test]
fn identities_are_checked() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let mut pretender = RawPeer::connect(&endpoint);
        pretender.handshake("DEALER", "\0\0\0\0\x01");
        pretender.send_message(&[b"who am I"]);
        let received = router.recv_timeout(PATIENCE).unwrap();
        assert_eq!((received.first().len(), received.first().as_slice()[0]), (5, 0));
        let mut longest = RawPeer::connect(&endpoint);
        longest.handshake("DEALER", &"x".repeat(255));
        longest.send_message(&[b"y"]);
        assert_eq!(router.recv_timeout(PATIENCE).unwrap().first().len(), 255, "{transport} {driver:?}");
        let mut too_long = RawPeer::connect(&endpoint);
        too_long.send(&greeting());
        too_long.send(&ready("DEALER", &"x".repeat(256)));
        too_long.receive_to_end();
        assert_eq!(router.statistics().peers, 2);
    });
}

/// A server that answers a connecting socket with nonsense, again and again, costs little and is told.
#[test]
fn a_mad_server_is_tried_again_with_growing_delays() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let listener = RawListener::bind(&reserved(transport));
        let rep = Rep::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(1)));
            o.set_reconnect_interval_max(Some(Duration::from_millis(10)));
        })
        .unwrap();
        let monitor = rep.monitor(1000);
        rep.connect(&listener.endpoint).unwrap();
        for number in 0..20 {
            let mut server = listener.accept();
            server.receive(10);
            let _ = server.socket.write_all(&vec![0xFF; number * 10]);
            drop(server);
        }
        eventually("the failures are counted", || rep.statistics().traffic.handshake_failures >= 20);
        let told = std::iter::from_fn(|| monitor.try_recv())
            .filter(|event| matches!(event.kind, EventKind::HandshakeFailed { .. }))
            .count();
        assert!(told >= 20, "{transport} {driver:?}: {told}");
        // And when it has come to its senses, everything is well.
        let mut client = listener.accept_as("REQ");
        client.send_message(&[b"", b"question"]);
        assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), "question");
        assert_eq!(rep.try_recv(), Err(RecvError::OutOfTurn));
    });
}
