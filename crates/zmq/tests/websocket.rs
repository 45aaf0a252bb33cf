//! `ws://`: what is special about it. The patterns run over it as over every transport.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{DRIVERS, PATIENCE, driven_by, eventually, message, reserved, text, texts};
use tamtam_zmq::{
    AllowList, BindError, ConnectError, Context, CurveKeyPair, Dealer, Driver, EventKind, Monitor, Options,
    PeerState, Pub, Pull, Push, Rep, Req, Router, Security, Stream, Sub, Version, XPub,
};

const REQUEST: &str = "GET /any HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\
     Sec-WebSocket-Version: 13\r\n\r\n";

/// A client of plain octets.
struct RawClient(TcpStream);

impl RawClient {
    fn connect(endpoint: &str) -> Self {
        let rest = endpoint.strip_prefix("ws://").unwrap();
        let stream = TcpStream::connect(rest.split('/').next().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn upgraded(endpoint: &str, kind: &str) -> Self {
        let mut client = Self::connect(endpoint);
        client.send(REQUEST.as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend_from_slice(&client.receive(1));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        client.send(&masked(0x82, &[b"\x02", &common::wire::ready(kind, "")[2..]].concat()));
        let (first, payload) = client.receive_frame();
        assert_eq!((first, &payload[..7]), (0x82, &b"\x02\x05READY"[..]));
        client
    }

    fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut octets = vec![0; count];
        self.0.read_exact(&mut octets).unwrap();
        octets
    }

    fn receive_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.receive(2);
        assert!(head[1] < 126, "short frames only");
        let payload = self.receive(head[1].into());
        (head[0], payload)
    }

    fn receive_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let _ = self.0.read_to_end(&mut all);
        all
    }
}

/// A client's frame, with a mask of its own.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    assert!(len < 126);
    let mut frame = vec![first, 0x80 | len, 9, 8, 7, 6];
    frame.extend(payload.iter().zip([9, 8, 7, 6].iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

fn reason(monitor: &Monitor) -> String {
    loop {
        let event = monitor.recv_timeout(PATIENCE).expect("a reason is told");
        if let EventKind::HandshakeFailed { reason, .. } | EventKind::Disconnected { reason } = event.kind {
            return reason;
        }
    }
}

fn quickly(driver: Driver) -> impl Fn(&mut Options) {
    move |o| {
        o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        o.set_reconnect_interval_max(Some(Duration::from_millis(20)));
    }
}

#[test]
fn endpoints_are_told_as_libzmq_tells_them() {
    let context = Context::new();
    let pull = Pull::new(&context);
    for (text, path) in [("ws://127.0.0.1:*", "/"), ("ws://*:*/roundtrip", "/roundtrip")] {
        let endpoint = pull.bind(text).unwrap();
        let (host, rest) = endpoint.strip_prefix("ws://").unwrap().split_once(':').unwrap();
        assert_eq!(host, if text.contains('*') && path == "/roundtrip" { "0.0.0.0" } else { "127.0.0.1" });
        let (port, rest) = rest.split_at(rest.find('/').unwrap());
        assert!(port.parse::<u16>().unwrap() > 0);
        assert_eq!(rest, path);
        assert_eq!(pull.last_endpoint().unwrap(), endpoint);
        let push = Push::new(&context);
        push.connect(&format!("ws://127.0.0.1:{port}{path}")).unwrap();
        push.send("hello").unwrap();
        assert_eq!(common::text(&pull.recv_timeout(PATIENCE).unwrap()), "hello");
        push.disconnect(&format!("ws://127.0.0.1:{port}{path}")).unwrap();
        pull.unbind(&endpoint).unwrap();
    }
}

#[test]
fn requests_and_replies_of_all_sizes() {
    for driver in DRIVERS {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoint = rep.bind("ws://127.0.0.1:*/bounce").unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&endpoint).unwrap();
        for size in [0, 10, 125, 255, 511, 512, 8191, 65_535, 65_536, 70_000, 1 << 20, 3 << 20] {
            let body: Vec<u8> = (0..size).map(|at| u8::try_from(at % 255).unwrap()).collect();
            req.send(body.clone()).unwrap();
            let request = rep.recv_timeout(PATIENCE).unwrap();
            assert!(request.as_slice() == body, "{size} {driver:?}");
            rep.send(request).unwrap();
            assert!(req.recv_timeout(PATIENCE).unwrap().as_slice() == body, "{size} {driver:?}");
        }
        let peers = rep.peers();
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0].state, PeerState::Ready);
    }
}

#[test]
fn streams_of_messages_keep_their_order() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..20_000u32 {
                    let size = [0, 3, 100, 600, 9000][number as usize % 5];
                    push.send([number.to_be_bytes().to_vec(), vec![1; size]].concat()).unwrap();
                }
            });
            for number in 0..20_000u32 {
                let received = pull.recv_timeout(PATIENCE).unwrap();
                assert_eq!(received.as_slice()[..4], number.to_be_bytes(), "{driver:?}");
            }
        });
        assert_eq!(push.statistics().traffic.dropped.total(), 0);
    }
}

#[test]
fn publishers_and_subscribers() {
    for driver in DRIVERS {
        let context = Context::new();
        let publisher = XPub::with(&context, driven_by(driver)).unwrap();
        let endpoint = publisher.bind("ws://127.0.0.1:*/news").unwrap();
        let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
        subscriber.subscribe("A");
        subscriber.subscribe("B");
        subscriber.connect(&endpoint).unwrap();
        let mut notices: Vec<String> =
            (0..2).map(|_| text(&publisher.recv_timeout(PATIENCE).unwrap())).collect();
        notices.sort();
        assert_eq!(notices, ["\u{1}A", "\u{1}B"]);
        for topic in ["C", "A", "B"] {
            publisher.send(topic).unwrap();
        }
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap()), "A");
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap()), "B");
        subscriber.unsubscribe("A").unwrap();
        assert_eq!(text(&publisher.recv_timeout(PATIENCE).unwrap()), "\0A");
        // One encoding serves streams and WebSockets side by side.
        let beside = publisher.bind("tcp://127.0.0.1:*").unwrap();
        let other = Sub::with(&context, driven_by(driver)).unwrap();
        other.subscribe("B");
        other.connect(&beside).unwrap();
        assert_eq!(publisher.wait_for_subscribers(2, PATIENCE), Ok(()));
        let large = format!("B{}", "x".repeat(100_000));
        for round in 0..50 {
            publisher.send(if round % 10 == 9 { &large } else { "Bits" }).unwrap();
        }
        for round in 0..50 {
            let expected = if round % 10 == 9 { &large } else { "Bits" };
            for socket in [&subscriber, &other] {
                assert!(socket.recv_timeout(PATIENCE).unwrap().as_slice() == expected.as_bytes());
            }
        }
    }
}

#[test]
fn security_works_within() {
    let (server, client, stranger) = (
        CurveKeyPair::generate().unwrap(),
        CurveKeyPair::generate().unwrap(),
        CurveKeyPair::generate().unwrap(),
    );
    let public = server.public;
    let curve_server = Security::curve_server(server).allow(AllowList::keys([client.public]));
    let curve_client = Security::curve_client(client, public);
    let plain_server = Security::plain_server([("user", "word")]);
    let plain_client = Security::plain_client("user", "word").unwrap();
    for driver in DRIVERS {
        for (ours, theirs) in
            [(curve_server.clone(), curve_client.clone()), (plain_server.clone(), plain_client.clone())]
        {
            let context = Context::new();
            let secured = |security: &Security| {
                let security = security.clone();
                move |o: &mut Options| {
                    quickly(driver)(o);
                    o.set_security(security.clone()).set_heartbeat_interval(Some(Duration::from_millis(10)));
                }
            };
            let publisher = XPub::with(&context, secured(&ours)).unwrap();
            let endpoint = publisher.bind("ws://127.0.0.1:*/safe").unwrap();
            let subscriber = Sub::with(&context, secured(&theirs)).unwrap();
            subscriber.subscribe("A");
            subscriber.connect(&endpoint).unwrap();
            assert_eq!(text(&publisher.recv_timeout(PATIENCE).unwrap()), "\u{1}A");
            publisher.send("B").unwrap();
            for size in [1, 100, 512, 8192, 65_535, 1 << 20] {
                let body = [vec![b'A'], vec![7; size]].concat();
                publisher.send(body.clone()).unwrap();
                publisher.send(message(&["A", "", "end"])).unwrap();
                assert!(subscriber.recv_timeout(PATIENCE).unwrap().as_slice() == body, "{size}");
                assert_eq!(texts(&subscriber.recv_timeout(PATIENCE).unwrap()), ["A", "", "end"]);
            }
            // A stranger, and one who wants no security at all, are kept out.
            let monitor = publisher.monitor(1000);
            for security in [Security::curve_client(stranger.clone(), public), Security::null()] {
                let other = Sub::with(&context, secured(&security)).unwrap();
                other.connect(&endpoint).unwrap();
                assert!(!reason(&monitor).is_empty());
            }
        }
    }
}

#[test]
fn routing_ids_multipart_and_reconnections() {
    for driver in DRIVERS {
        let context = Context::new();
        let endpoint = reserved("tcp").replace("tcp://", "ws://") + "/";
        let dealer = Dealer::with(&context, |o| {
            quickly(driver)(o);
            // Of no meaning within a WebSocket.
            o.set_routing_id("robot".into()).set_version_max(Version::V1_0);
        })
        .unwrap();
        dealer.connect(&endpoint).unwrap();
        for round in ["first", "second"] {
            dealer.send(message(&["queued", "before", round])).unwrap();
            let router = Router::with(&context, driven_by(driver)).unwrap();
            router.bind(&endpoint).unwrap();
            let received = router.recv_timeout(PATIENCE).unwrap();
            assert_eq!(texts(&received), ["robot", "queued", "before", round], "{driver:?}");
            router.send(message(&["robot", "", round])).unwrap();
            assert_eq!(texts(&dealer.recv_timeout(PATIENCE).unwrap()), ["", round]);
            drop(router);
            eventually("the end is seen", || dealer.peers()[0].state != PeerState::Ready);
        }
    }
}

#[test]
fn heartbeats_find_peers_that_are_gone_and_leave_others_alone() {
    for driver in DRIVERS {
        let context = Context::new();
        let beating = |o: &mut Options| {
            quickly(driver)(o);
            o.set_heartbeat_interval(Some(Duration::from_millis(10)));
            o.set_heartbeat_timeout(Some(Duration::from_millis(500)));
        };
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoint = rep.bind("ws://127.0.0.1:*/heartbeat").unwrap();
        let req = Req::with(&context, beating).unwrap();
        let monitor = req.monitor(1000);
        req.connect(&endpoint).unwrap();
        req.wait_for_peers(1, PATIENCE).unwrap();
        // A dozen of beats, and nothing happens.
        while let Some(event) = monitor.recv_timeout(Duration::from_millis(120)) {
            assert!(!matches!(event.kind, EventKind::Disconnected { .. }), "{event:?}");
        }
        req.send("still there?").unwrap();
        assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), "still there?");
        // A client that never answers is given up.
        let pull = Pull::with(&context, |o| {
            beating(o);
            o.set_heartbeat_timeout(Some(Duration::from_millis(20)));
        })
        .unwrap();
        let monitor = pull.monitor(1000);
        let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
        let mut silent = RawClient::upgraded(&endpoint, "PUSH");
        assert_eq!(silent.receive_frame(), (0x89, Vec::new()));
        assert!(reason(&monitor).contains("heartbeat"));
    }
}

#[test]
fn strangers_are_told_why_and_put_out() {
    let slow = REQUEST.len() / 2;
    let cases: [(&str, Vec<u8>, &str, &[u8]); 11] = [
        ("a browser", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "does not upgrade", b"HTTP/1.1 426"),
        ("ZMTP", common::wire::greeting().to_vec(), "no HTTP GET", b"HTTP/1.1 400"),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1], "no HTTP GET", b"HTTP/1.1 400"),
        ("an endless head", [b"GET /", &[b'x'; 9000][..]].concat(), "8192", b"HTTP/1.1 400"),
        ("another mechanism", REQUEST.replace("/NULL", "/CURVE").into(), "mismatch", b"HTTP/1.1 400"),
        ("another protocol", REQUEST.replace("ZWS2.0/NULL", "mqtt").into(), "mismatch", b"HTTP/1.1 400"),
        ("half a head", REQUEST[..slow].into(), "handshake interval", b""),
        ("a head and nothing", REQUEST.into(), "handshake interval", b"HTTP/1.1 101"),
        (
            "a message before READY",
            [REQUEST.as_bytes(), &masked(0x82, b"\0early")].concat(),
            "before the end of the handshake",
            b"HTTP/1.1 101",
        ),
        (
            "a giant READY",
            [REQUEST.as_bytes(), b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04\x03"].concat(),
            "over the limit",
            b"HTTP/1.1 101",
        ),
        ("no mask", [REQUEST.as_bytes(), b"\x82\x01\x02"].concat(), "without a mask", b"HTTP/1.1 101"),
    ];
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, |o| {
            o.set_driver(driver).set_handshake_interval(Some(Duration::from_millis(80)));
            o.set_max_message_size(Some(1000));
        })
        .unwrap();
        let endpoint = pull.bind("ws://127.0.0.1:*").unwrap();
        let monitor = pull.monitor(1000);
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        let goes_on = |case: &str| {
            push.send(case).unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), case);
            eventually("nothing of the stranger is left", || pull.peers().len() == 1);
        };
        for (case, octets, expected, answer) in &cases {
            let mut stranger = RawClient::connect(&endpoint);
            stranger.send(octets);
            let told = stranger.receive_to_end();
            // What was not read when we closed makes the kernel reset the connection, and our words with it.
            assert!(told.starts_with(answer) || told.is_empty(), "{case}: {told:?}");
            let reason = reason(&monitor);
            assert!(reason.contains(expected), "{case}: {reason}");
            goes_on(case);
        }
        for (case, octets, expected) in [
            (
                "a frame that is too large",
                b"\x82\xfe\x10\x00\x00\x00\x00\x00\x00".to_vec(),
                "over the limit of 1000",
            ),
            ("fragments", masked(0x02, b"\0x"), "fragments"),
            ("a close", masked(0x88, b"\x03\xe8bye"), "closed the WebSocket (code 1000): bye"),
        ] {
            let mut peer = RawClient::upgraded(&endpoint, "PUSH");
            peer.send(&masked(0x82, b"\0whole"));
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "whole");
            peer.send(&octets);
            std::thread::scope(|scope| {
                let end = scope.spawn(move || peer.receive_to_end());
                while !end.is_finished() {
                    assert!(pull.recv_timeout(Duration::from_millis(2)).is_err());
                }
                let told = end.join().unwrap();
                assert!(told.is_empty() || told[0] == 0x88, "{case}: {told:?}");
            });
            let reason = reason(&monitor);
            assert!(reason.contains(expected), "{case}: {reason}");
            goes_on(case);
        }
    }
}

#[test]
fn a_client_at_the_wrong_door_is_told_and_tries_again() {
    let context = Context::new();
    let pull = Pull::new(&context);
    let zmtp = pull.bind("tcp://127.0.0.1:*").unwrap();
    let push = Push::with(&context, quickly(Driver::Adaptive)).unwrap();
    let monitor = push.monitor(1000);
    push.connect(&zmtp.replace("tcp://", "ws://")).unwrap();
    assert!(reason(&monitor).contains("not HTTP"));
    reason(&monitor);
    let ws = pull.bind("ws://127.0.0.1:*").unwrap();
    let lost = Push::with(&context, quickly(Driver::Adaptive)).unwrap();
    let monitor = lost.monitor(1000);
    lost.connect(ws.replace("ws://", "tcp://").trim_end_matches('/')).unwrap();
    assert!(reason(&monitor).contains("HTTP"));
}

#[test]
fn one_silent_client_does_not_hold_up_the_others() {
    let context = Context::new();
    let publisher = Pub::new(&context);
    let endpoint = publisher.bind("ws://127.0.0.1:*").unwrap();
    let mut raw = RawClient::upgraded(&endpoint, "SUB");
    raw.send(&masked(0x82, b"\0\x01"));
    let subscriber = Sub::new(&context);
    subscriber.subscribe("");
    subscriber.connect(&endpoint).unwrap();
    publisher.wait_for_subscribers(2, PATIENCE).unwrap();
    for number in 0..2000u32 {
        publisher.send([number.to_be_bytes().to_vec(), vec![0; 10_000]].concat()).unwrap();
        let received = subscriber.recv_timeout(PATIENCE).unwrap();
        assert_eq!(received.as_slice()[..4], number.to_be_bytes());
    }
    assert!(
        publisher.statistics().traffic.dropped.full > 0,
        "what the silent one had no room for is counted"
    );
}

#[test]
fn raw_sockets_have_no_websockets() {
    let context = Context::new();
    let stream = Stream::new(&context);
    assert!(matches!(stream.bind("ws://127.0.0.1:*"), Err(BindError::Io { .. })));
    assert!(matches!(stream.connect("ws://127.0.0.1:1"), Err(ConnectError::Io { .. })));
}
