//! ZMTP within a WebSocket (45/ZWS): two connections joined, octets cut anywhere, and peers that break the rules.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use common::{Side, config, encode};
use proptest::prelude::*;
use tamtam_zmtp::{
    AuthReply, Blame, Config, Connection, CurveKeyPair, Event, Framing, Heartbeat, Limits, Mechanism,
    Message, PlainCredentials, ProtocolError, SocketType, Version, WsRole,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\
     Sec-WebSocket-Version: 13\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n";

fn server(config: Config) -> Side {
    Side { connection: Connection::websocket(Arc::new(config), &WsRole::Server), input: BytesMut::new() }
}

fn client(config: Config) -> Side {
    let role = WsRole::Client { host: "localhost".into(), path: "/zmq".into() };
    Side { connection: Connection::websocket(Arc::new(config), &role), input: BytesMut::new() }
}

/// A client's frame with the mask 1, 2, 3, 4.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len @ ..126) => frame.push(0x80 | u8::try_from(len).expect("small")),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[1, 2, 3, 4]);
    frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(octet, mask)| octet ^ mask));
    frame
}

/// A client's READY of this type.
fn ready(socket_type: &str) -> Vec<u8> {
    let whole = common::ready(socket_type);
    let mut payload = vec![2];
    payload.extend_from_slice(&whole[2..]);
    masked(0x82, &payload)
}

/// A server that has shaken hands with a raw client.
fn in_traffic(config: Config, peer_type: &str) -> Side {
    let mut side = server(config);
    let events = side.feed(&[REQUEST.as_bytes(), &ready(peer_type)].concat()).expect("compatible");
    assert!(matches!(&*events, [Event::Ready(_)]), "{events:?}");
    let said = side.transmitted();
    assert!(said.starts_with(RESPONSE.as_bytes()));
    assert_eq!(said.get(RESPONSE.len()), Some(&0x82));
    side
}

/// Carries octets both ways, in pieces of this many, until both are silent; returns the events.
fn talk(one: &mut Side, other: &mut Side, at_once: usize) -> (Vec<Event>, Vec<Event>) {
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    loop {
        let (to_other, to_one) = (one.transmitted(), other.transmitted());
        if to_other.is_empty() && to_one.is_empty() {
            return (of_one, of_other);
        }
        for piece in to_other.chunks(at_once) {
            of_other.extend(other.feed(piece).expect("no violation"));
        }
        for piece in to_one.chunks(at_once) {
            of_one.extend(one.feed(piece).expect("no violation"));
        }
    }
}

fn sealed(side: &mut Side, message: &Message) -> Vec<u8> {
    assert!(side.connection.seals());
    let (mut frames, mut out) = (Vec::new(), Vec::new());
    encode(Framing::V2, message, &mut frames);
    side.connection.seal(&frames, &mut out);
    let mut piecewise = Vec::new();
    let last = message.frame_count() - 1;
    for (index, frame) in message.frames().enumerate() {
        side.connection.seal_frame(index < last, frame, &mut piecewise);
    }
    assert_eq!(piecewise.len(), out.len(), "both ways to write it are one");
    if piecewise.first() == Some(&0x82) && out.len() % 2 == 0 { piecewise } else { out }
}

#[test]
fn messages_of_all_sizes_flow_both_ways() {
    for at_once in [1, 2, 5, 1000, usize::MAX] {
        let (mut here, mut there) = (client(config(SocketType::Dealer)), server(config(SocketType::Dealer)));
        let (ours, theirs) = talk(&mut here, &mut there, at_once);
        let ([Event::Ready(info)], [Event::Ready(_)]) = (&*ours, &*theirs) else {
            panic!("{ours:?} {theirs:?}")
        };
        assert_eq!((info.version, info.socket_type), (Version::V3_0, Some(SocketType::Dealer)));
        assert_eq!(here.connection.framing(), Framing::V2);
        let sizes: &[usize] = if at_once < 1000 {
            &[0, 1, 10, 124, 125, 126, 253, 254, 255, 256, 700]
        } else {
            &[0, 10, 511, 512, 65_533, 65_534, 65_535, 65_536, 70_000, 1 << 20]
        };
        for &size in sizes {
            let body = Bytes::from_iter((0..size).map(|at| u8::try_from(at % 251).expect("small")));
            let messages = [
                Message::new(body.clone()),
                Message::from_frames([body, Bytes::new(), "end".into()]).expect("frames"),
            ];
            for message in messages {
                let wire = sealed(&mut here, &message);
                let mut events = Vec::new();
                for piece in wire.chunks(at_once) {
                    events.extend(there.feed(piece).expect("no violation"));
                }
                assert_eq!(events, [Event::Message(message.clone())], "{size} {at_once}");
                let wire = sealed(&mut there, &message);
                assert_eq!(here.feed(&wire).expect("no violation"), [Event::Message(message)], "{size}");
                assert!(here.input.is_empty() && there.input.is_empty());
                assert_eq!(there.connection.wanted(), 0);
            }
        }
    }
}

/// As libzmq writes it.
#[test]
fn golden_octets() {
    let mut side = in_traffic(config(SocketType::Pair), "PAIR");
    let message = Message::from_frames(["a", "bc"]).expect("frames");
    assert_eq!(sealed(&mut side, &message), b"\x82\x02\x01a\x82\x03\x00bc");
    let wire = [masked(0x82, b"\x01a"), masked(0x82, b"\x00bc")].concat();
    assert_eq!(side.feed(&wire), Ok(vec![Event::Message(message)]));
    let mut long = Vec::new();
    side.connection.seal_frame(false, &[7; 125], &mut long);
    assert_eq!(long.get(..5), Some(&b"\x82\x7e\x00\x7e\x00"[..]));
    long.clear();
    side.connection.seal_frame(false, &[7; 65_535], &mut long);
    assert_eq!(long.get(..11), Some(&b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00\x00"[..]));
}

#[test]
fn subscriptions_are_messages_and_are_understood_either_way() {
    let (mut here, mut there) = (client(config(SocketType::Sub)), server(config(SocketType::XPub)));
    talk(&mut here, &mut there, usize::MAX);
    let mut wire = Vec::new();
    here.connection.put_subscribe(b"A", &mut wire);
    here.connection.put_cancel(b"A", &mut wire);
    assert_eq!(wire.get(..2), Some(&[0x82, 0x83][..]), "flags, 1, topic");
    let events = [Event::Subscribe("A".into()), Event::Cancel("A".into())];
    assert_eq!(there.feed(&wire).expect("no violation"), events);
    let mut raw = in_traffic(config(SocketType::Pub), "SUB");
    let command = masked(0x82, b"\x02\x09SUBSCRIBEtopic");
    assert_eq!(raw.feed(&command), Ok(vec![Event::Subscribe("topic".into())]));
}

#[test]
fn without_a_mechanism_identities_are_exchanged() {
    let identity = Bytes::from_static(b"me");
    let mut side = server(Config { identity, ..config(SocketType::Router) });
    let request = REQUEST.replace("ZWS2.0/NULL", "ZWS2.0");
    let events = side.feed(&[request.as_bytes(), &masked(0x82, b"\x00you")].concat()).expect("compatible");
    let [Event::Ready(info)] = &*events else { panic!("{events:?}") };
    assert_eq!((&*info.identity, info.socket_type), (&b"you"[..], None));
    let said = side.transmitted();
    assert!(said.ends_with(b"Sec-WebSocket-Protocol: ZWS2.0\r\n\r\n\x82\x03\x00me"), "{said:?}");
    // An anonymous one.
    let mut side = server(config(SocketType::Pull));
    let events = side.feed(&[request.as_bytes(), &masked(0x82, b"\x00")].concat()).expect("compatible");
    assert!(matches!(&*events, [Event::Ready(_)]));
    let mut side = server(config(SocketType::Pull));
    let long = [&[0][..], &[b'x'; 256]].concat();
    let error = side.feed(&[request.as_bytes(), &masked(0x82, &long)].concat()).expect_err("too long");
    assert_eq!(error, ProtocolError::IdentityTooLong { size: 256, limit: 255 });
}

#[test]
fn mechanisms_shake_hands_and_encrypt_within() {
    let keys = CurveKeyPair::generate().expect("randomness");
    let curve =
        Mechanism::CurveClient { keys: CurveKeyPair::generate().expect("randomness"), server: keys.public };
    let plain = PlainCredentials::new("user", "word").expect("short");
    for (ours, theirs, asks, encrypts) in [
        (Mechanism::Null, Mechanism::Null, true, false),
        (Mechanism::PlainClient(plain), Mechanism::PlainServer, true, false),
        (curve.clone(), Mechanism::CurveServer(keys.clone()), false, true),
        (curve, Mechanism::CurveServer(keys), true, true),
    ] {
        let name = ours.name();
        let mut here = client(Config { mechanism: ours, ..config(SocketType::Sub) });
        let mut there = server(Config { mechanism: theirs, authenticate: asks, ..config(SocketType::XPub) });
        let (mut of_here, mut of_there) = talk(&mut here, &mut there, 3);
        if asks {
            assert!(matches!(&*of_there, [Event::Authenticate(_)]), "{name}: {of_there:?}");
            there.connection.authenticated(AuthReply::accept()).expect("asked");
            of_there = there.feed(b"").expect("no violation");
            let (ours, theirs) = talk(&mut here, &mut there, usize::MAX);
            of_here.extend(ours);
            of_there.extend(theirs);
        }
        let ([Event::Ready(info)], [Event::Ready(_)]) = (&*of_here, &*of_there) else {
            panic!("{name}: {of_here:?} {of_there:?}")
        };
        assert_eq!(info.mechanism, name);
        for size in [0, 1, 300, 70_000] {
            let message = Message::from_frames([vec![7; size], b"secret words".to_vec()]).expect("frames");
            let wire = sealed(&mut there, &message);
            assert_eq!(wire.windows(12).all(|window| window != b"secret words"), encrypts);
            let mut events = Vec::new();
            for piece in wire.chunks(1 + size / 3) {
                events.extend(here.feed(piece).expect("no violation"));
            }
            assert_eq!(events, [Event::Message(message)], "{name} {size}");
        }
        let mut wire = Vec::new();
        here.connection.put_subscribe(b"topic", &mut wire);
        assert_eq!(there.feed(&wire).expect("no violation"), [Event::Subscribe("topic".into())], "{name}");
    }
}

#[test]
fn whoever_must_be_asked_about_cannot_come_without_a_mechanism() {
    let mut side = server(Config { authenticate: true, ..config(SocketType::Pull) });
    let error = side.feed(REQUEST.replace("ZWS2.0/NULL", "ZWS2.0").as_bytes()).expect_err("refused");
    assert!(matches!(error, ProtocolError::MechanismMismatch { .. }), "{error}");
    let mut side = client(Config { authenticate: true, ..config(SocketType::Push) });
    let request = String::from_utf8(side.transmitted()).expect("text");
    assert!(request.contains("Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n"), "{request}");
    // While the answer is awaited, what a peer sends ahead is bounded.
    let mut side = server(Config { authenticate: true, ..config(SocketType::Pull) });
    let error = side
        .feed(&[REQUEST.as_bytes(), &masked(0x82, &[2; 65_000]), &masked(0x82, &[2; 2000])].concat())
        .expect_err("too much");
    assert!(error.is_handshake() || matches!(error, ProtocolError::MalformedCommand { .. }), "{error}");
}

#[test]
fn heartbeats_are_pings_of_the_websocket() {
    let beat = Heartbeat { interval: Duration::from_secs(1), ttl: Duration::ZERO, timeout: Duration::ZERO };
    let eager = Config { heartbeat: Some(beat), ..config(SocketType::Req) };
    let (mut here, mut there) = (client(eager), server(config(SocketType::Rep)));
    talk(&mut here, &mut there, 7);
    let start = Instant::now();
    here.connection.start_timers(start);
    for second in 1..20 {
        let now = start + Duration::from_secs(second);
        assert_eq!(here.connection.timeout(), Some(now));
        here.connection.handle_timeout(now).expect("alive");
        let ping = here.transmitted();
        assert_eq!((ping.first(), ping.len()), (Some(&0x89), 6));
        assert!(there.feed(&ping).expect("a ping").is_empty());
        let pong = there.transmitted();
        assert_eq!(pong, [0x8A, 0]);
        assert!(here.feed(&pong).expect("a pong").is_empty());
        here.connection.note_received(now);
    }
    here.connection.handle_timeout(start + Duration::from_secs(20)).expect("not yet");
    let late = here.connection.handle_timeout(start + Duration::from_secs(21)).expect_err("silence");
    assert_eq!(late, ProtocolError::HeartbeatTimeout);
}

#[test]
fn pings_are_echoed_within_bounds() {
    let limits = Limits { control_bytes_max: 1000, ..Limits::default() };
    let mut side = in_traffic(Config { limits, ..config(SocketType::Pull) }, "PUSH");
    side.feed(&masked(0x89, b"hello")).expect("a ping");
    assert_eq!(side.transmitted(), b"\x8a\x05hello");
    for _ in 0..1000 {
        side.feed(&masked(0x89, &[b'x'; 125])).expect("a ping");
    }
    assert!(side.transmitted().len() < 1000 + 127);
    side.feed(&masked(0x8A, b"nobody asked")).expect("a pong");
    assert!(side.transmitted().is_empty());
    // Between the octets of a message there is no place for one, between its parts there is.
    let parts = [masked(0x82, b"\x01a"), masked(0x89, b""), masked(0x82, b"\x00b")].concat();
    let message = Message::from_frames(["a", "b"]).expect("frames");
    assert_eq!(side.feed(&parts), Ok(vec![Event::Message(message)]));
    // ZMTP's own PING is answered as what it is.
    side.feed(&masked(0x82, b"\x02\x04PING\0\x01ctx")).expect("a ping");
    assert_eq!(side.transmitted(), b"\x8a\x00\x82\x09\x02\x04PONGctx");
}

#[test]
fn a_close_is_answered_and_told() {
    for (payload, answer, code, text) in [
        (&b""[..], &b"\x88\x00"[..], None, "peer closed the WebSocket"),
        (b"\x03", b"\x88\x00", None, "peer closed the WebSocket"),
        (b"\x03\xe8", b"\x88\x02\x03\xe8", Some(1000), "peer closed the WebSocket (code 1000)"),
        (
            b"\x03\xe9b\x1bye",
            b"\x88\x02\x03\xe9",
            Some(1001),
            "peer closed the WebSocket (code 1001): b\\x1bye",
        ),
    ] {
        let mut side = in_traffic(config(SocketType::Pull), "PUSH");
        side.input.extend_from_slice(&[masked(0x82, b"\x00last"), masked(0x88, payload)].concat());
        let last = side.connection.receive(&mut side.input);
        assert_eq!(last, Ok(Some(Event::Message("last".into()))));
        let error = side.connection.receive(&mut side.input).expect_err("the end");
        assert_eq!(error.to_string(), text);
        assert!(matches!(&error, ProtocolError::PeerClosed { code: told, .. } if *told == code));
        assert_eq!(error.blame(), Blame::World);
        assert_eq!(side.transmitted(), answer);
        assert_eq!(side.connection.receive(&mut side.input), Err(error), "for ever");
        assert!(side.transmitted().is_empty());
    }
}

#[test]
fn violations_end_the_connection_with_a_word() {
    let cases: &[(&str, Vec<u8>, u16)] = &[
        ("without a mask", b"\x82\x01\x00".to_vec(), 1002),
        ("fragments", masked(0x02, b"\x00a"), 1002),
        ("fragments", masked(0x80, b"\x00a"), 1002),
        ("text", masked(0x81, b"\x00a"), 1002),
        ("reserved bits", masked(0xC2, b"\x00a"), 1002),
        ("without flags", masked(0x82, b""), 1002),
        ("reserved flags", masked(0x82, b"\x04a"), 1002),
        ("more frames follow", masked(0x82, b"\x03\x04PING\0\0"), 1002),
        ("of more than 125", masked(0x89, &[0; 126]), 1002),
        ("over the limit of 1000", masked(0x82, &[0; 1002]), 1009),
        // Only the header is there.
        ("over the limit of 1000", b"\x82\xff\0\0\0\x7f\xff\xff\xff\xff\x01\x02\x03\x04\x01".to_vec(), 1009),
        ("over the limit of", b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04\x03".to_vec(), 1009),
        ("2^63", b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), 1002),
        ("longer than need be", b"\x82\xfe\x00\x05".to_vec(), 1002),
        ("name is longer", masked(0x82, b"\x02\x20SHORT"), 1002),
        ("refused the connection: nope", masked(0x82, b"\x02\x05ERROR\x04nope"), 1002),
    ];
    for (expected, wire, code) in cases {
        let mut side =
            in_traffic(Config { max_message_size: Some(1000), ..config(SocketType::Pull) }, "PUSH");
        let error = side.feed(wire).expect_err(expected);
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        let said = side.transmitted();
        assert_eq!(
            (said.first(), said.get(2..4)),
            (Some(&0x88), Some(&code.to_be_bytes()[..])),
            "{expected}"
        );
        assert_eq!(said.len(), 2 + usize::from(said[1]));
    }
    // At a client, a mask is the violation.
    let (mut here, mut there) = (client(config(SocketType::Push)), server(config(SocketType::Pull)));
    talk(&mut here, &mut there, usize::MAX);
    let error = here.feed(&masked(0x82, b"\x00a")).expect_err("a mask");
    assert!(error.to_string().contains("from a server with a mask"), "{error}");
}

#[test]
fn the_handshake_has_its_limits_and_its_words() {
    let refused = |wire: &[u8]| {
        let mut side = server(config(SocketType::Pull));
        let error = side.feed(&[REQUEST.as_bytes(), wire].concat()).expect_err("a violation");
        assert!(!side.connection.is_ready());
        let said = side.transmitted();
        let said = said.strip_prefix(RESPONSE.as_bytes()).expect("the upgrade was well").to_vec();
        (error.to_string(), said)
    };
    let (error, said) = refused(&ready("PULL"));
    assert!(error.contains("ours is PULL, the peer's is PULL"), "{error}");
    let place = |wanted: &[u8]| said.windows(wanted.len()).position(|window| window == wanted);
    let (error, close) = (place(b"\x05ERROR"), place(b"\x03\xea"));
    assert!(error.is_some() && error < close, "ERROR, then Close: {said:?}");
    assert!(refused(&masked(0x82, b"\x00early")).0.contains("before the end of the handshake"));
    let giant = b"\x82\xff\0\0\0\0\xff\xff\xff\xff\x01\x02\x03\x04\x03";
    assert!(refused(giant).0.contains("over the limit of 65536"), "by the header alone");
    assert!(refused(&masked(0x88, b"\x03\xe8")).0.contains("closed the WebSocket (code 1000)"));
    // Not HTTP at all, and HTTP that wants something else.
    for (octets, expected) in [
        (common::SIGNATURE, "no HTTP GET"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "does not upgrade"),
        (b"POST / HTTP/1.1\r\n", "no HTTP GET"),
    ] {
        let mut side = server(config(SocketType::Pull));
        let error = side.feed(octets).expect_err(expected);
        assert!(error.is_handshake() && error.to_string().contains(expected), "{error}");
        assert!(side.transmitted().starts_with(b"HTTP/1.1 4"));
    }
    let mut side = client(config(SocketType::Push));
    let error = side.feed(common::SIGNATURE).expect_err("ZMTP without HTTP");
    assert!(error.to_string().contains("not HTTP/1.1"), "{error}");
    let mut side = client(config(SocketType::Push));
    let error = side.feed(b"HTTP/1.1 403 Forbidden\r\n\r\n").expect_err("refused");
    assert_eq!(error.blame(), Blame::Ours);
    assert!(error.to_string().ends_with("403 Forbidden"), "{error}");
}

#[test]
fn a_plain_frame_does_not_pass_for_a_message() {
    let mut side = in_traffic(config(SocketType::Pull), "PUSH");
    assert!(side.feed(b"\x00\x03abc").is_err());
}

fn messages() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let frame = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        (120..260usize).prop_map(|len| vec![0xA5; len]),
        (500..900usize).prop_map(|len| vec![0x5A; len]),
    ];
    prop::collection::vec(prop::collection::vec(frame, 1..4), 0..6)
}

proptest! {
    /// However a conversation is cut into pieces, it is the same conversation.
    #[test]
    fn cuts_change_nothing(messages in messages(), cuts in prop::collection::vec(1..200usize, 1..40), ping: bool) {
        let (mut here, mut there) = (client(config(SocketType::Dealer)), server(config(SocketType::Router)));
        talk(&mut here, &mut there, cuts[0]);
        let messages: Vec<Message> =
            messages.into_iter().map(|frames| Message::from_frames(frames).expect("frames")).collect();
        let mut wire = Vec::new();
        for message in &messages {
            wire.extend(sealed(&mut here, message));
            if ping {
                wire.extend(masked(0x89, b"?"));
            }
        }
        let mut events = Vec::new();
        let (mut rest, mut turn) = (&*wire, cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*turn.next().expect("a cycle")).min(rest.len()));
            events.extend(there.feed(piece).expect("no violation"));
            rest = after;
        }
        let expected: Vec<Event> = messages.into_iter().map(Event::Message).collect();
        prop_assert_eq!(&events, &expected);
        prop_assert!(there.input.is_empty() && there.connection.is_between_messages());
        prop_assert_eq!(there.transmitted().len(), if ping { expected.len() * 3 } else { 0 });
    }

    /// Whatever octets come, in whatever pieces, there is no panic, and the pieces make no difference.
    #[test]
    fn any_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..300), opened: bool, at_once in 1..50usize) {
        let begin = || if opened { in_traffic(config(SocketType::Pull), "PUSH") } else { server(config(SocketType::Pull)) };
        let whole = {
            let mut side = begin();
            (side.feed(&octets), side.transmitted())
        };
        let mut side = begin();
        let (mut events, mut result) = (Vec::new(), Ok(()));
        for piece in octets.chunks(at_once) {
            match side.feed(piece) {
                Ok(more) => events.extend(more),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        prop_assert_eq!((result.map(|()| events), side.transmitted()), whole);
    }
}
