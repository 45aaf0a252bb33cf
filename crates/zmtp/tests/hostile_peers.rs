//! Peers that speak something else, break the rules, or want more than they are given.

mod common;

use bytes::Bytes;
use common::{SIGNATURE, Side, config, config_up_to, greeting_3, handshake_3, ready};
use tamtam_zmtp::{
    Config, Event, Frame, Heartbeat, Limits, Message, ProtocolError, SLICE_MIN, SocketType, Version,
};

fn violation(config: Config, octets: &[u8]) -> ProtocolError {
    let mut side = Side::new(config);
    let error = side.feed(octets).expect_err("a violation");
    // The verdict is final, and nothing else is wanted.
    assert!(!side.connection.is_ready());
    assert_eq!(side.feed(&handshake_3(1, "PUSH")), Err(error.clone()));
    assert_eq!(side.connection.timeout(), None);
    error
}

#[test]
fn foreign_protocols_are_named_whatever_their_octets_mean_in_zmtp_1_0() {
    let table: &[(&[u8], &str)] = &[
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP"),
        (b"POST /x HTTP/1.0\r\n", "HTTP"),
        (b"HEAD / HTTP/1.1\r\n", "HTTP"),
        (b"PUT /x HTTP/1.1\r\n", "HTTP"),
        (b"OPTIONS * HTTP/1.1\r\n", "HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
    ];
    for (octets, protocol) in table {
        for version_max in [Version::V1_0, Version::V2_0, Version::V3_1] {
            let expected = ProtocolError::ForeignProtocol { protocol };
            assert_eq!(violation(config_up_to(SocketType::Pull, version_max, ""), octets), expected);
            // Octet by octet as well: the first ones alone are not yet ZMTP 1.0.
            let mut side = Side::new(config_up_to(SocketType::Pull, version_max, ""));
            let last = octets.iter().find_map(|octet| side.feed(&[*octet]).err());
            assert_eq!(last, Some(expected));
        }
    }
}

#[test]
fn lengths_that_look_foreign_at_first_are_still_zmtp_1_0() {
    for first in [b'G', b'P', b'H', b'S', 0x16] {
        let mut theirs = vec![first, 0];
        theirs.resize(1 + usize::from(first), b'i');
        let mut side = Side::new(config(SocketType::Router));
        let events: Vec<_> =
            theirs.iter().flat_map(|octet| side.feed(&[*octet]).expect("ZMTP 1.0")).collect();
        let [Event::Ready(peer)] = &*events else { panic!("{events:?}") };
        assert_eq!(peer.identity.len(), usize::from(first) - 1);
    }
}

#[test]
fn malformed_greetings() {
    let pull = || config(SocketType::Pull);
    let malformed = violation(pull(), b"\xff\0\0\0\0\0\0\0\x01\x03");
    assert!(matches!(malformed, ProtocolError::MalformedGreeting(_)));
    assert_eq!(
        violation(pull(), &[SIGNATURE, b"\0"].concat()),
        ProtocolError::UnsupportedVersion { major: 0 }
    );
    assert!(matches!(violation(pull(), b"\0"), ProtocolError::MalformedFrame(_)));
    let too_long = ProtocolError::IdentityTooLong { size: 256, limit: 255 };
    assert_eq!(violation(pull(), b"\xff\0\0\0\0\0\0\x01\x01\x00"), too_long);
    assert_eq!(violation(pull(), &[SIGNATURE, b"\x01\x08\x02\0\0\0\0\0\0\x01\x00"].concat()), too_long);
    let multipart = violation(pull(), &[SIGNATURE, b"\x01\x08\x01\0"].concat());
    assert!(matches!(multipart, ProtocolError::MalformedGreeting(_)));
}

#[test]
fn mechanisms_are_compared_exactly_and_named() {
    for (theirs, shown) in [
        (&b"CURVE"[..], "CURVE"),
        (b"null", "null"),
        (b"NULLX", "NULLX"),
        (b"NUL", "NUL"),
        (b"", ""),
        (b"NULL\0X", "NULL\\x00X"),
        (b"\x1b[2J", "\\x1b[2J"),
    ] {
        let mut octets = greeting_3(1);
        octets.splice(12..16, *b"\0\0\0\0");
        octets.splice(12..12 + theirs.len(), theirs.iter().copied());
        let mut side = Side::new(config(SocketType::Pull));
        let expected = ProtocolError::MechanismMismatch { ours: "NULL", theirs: shown.into() };
        assert_eq!(side.feed(&octets), Err(expected));
        // 37/ZMTP: a peer that reads a full greeting MUST also send one.
        assert_eq!(side.transmitted(), greeting_3(1));
    }
}

#[test]
fn the_as_server_octet_and_the_filler_tell_nothing() {
    for position in [32, 33, 63] {
        let mut octets = handshake_3(1, "PUSH");
        octets.splice(position..=position, [1]);
        let events = Side::new(config(SocketType::Pull)).feed(&octets).expect("accepted");
        assert!(matches!(&*events, [Event::Ready(_)]));
    }
}

#[test]
fn incompatible_socket_types_are_told_why() {
    for (theirs, reason) in [
        ("PULL", "socket types do not fit: ours is PULL, the peer's is PULL"),
        ("NONSENSE", "unknown socket type NONSENSE"),
    ] {
        let mut side = Side::new(config(SocketType::Pull));
        let error = side.feed(&handshake_3(1, theirs)).expect_err("incompatible");
        assert_eq!(error.to_string(), reason);
        let ours = side.transmitted();
        let mut expected = [greeting_3(1), ready("PULL")].concat();
        let len = |len: usize| u8::try_from(len).expect("short");
        expected.extend([4, len(1 + 5 + 1 + reason.len())]);
        expected.extend_from_slice(b"\x05ERROR");
        expected.push(len(reason.len()));
        expected.extend_from_slice(reason.as_bytes());
        assert_eq!(ours, expected);

        // The other side of the same conversation gets to know it.
        let mut peer = Side::new(config(SocketType::Pair));
        let error = peer.feed(&ours).expect_err("refused");
        assert_eq!(
            error,
            ProtocolError::SocketTypeMismatch { ours: SocketType::Pair, theirs: SocketType::Pull }
        );
        let mut peer = Side::new(config(SocketType::Push));
        assert_eq!(peer.feed(&ours), Err(ProtocolError::PeerError { reason: reason.into() }));
        assert!(peer.connection.peer().is_some(), "still known after the error");
    }
}

#[test]
fn only_ready_and_error_belong_in_the_null_handshake() {
    let after_greeting =
        |octets: &[u8]| violation(config(SocketType::Pull), &[&*greeting_3(1), octets].concat());
    assert_eq!(
        after_greeting(b"\x04\x07\x04PING\0\0"),
        ProtocolError::UnexpectedCommand { name: "PING".into() }
    );
    assert_eq!(
        after_greeting(b"\x04\x06\x05HE\x1bLO"),
        ProtocolError::UnexpectedCommand { name: "HE\\x1bLO".into() }
    );
    assert_eq!(
        after_greeting(b"\x04\x0a\x05ERROR\x03400"),
        ProtocolError::PeerError { reason: "400".into() }
    );
    assert!(matches!(after_greeting(b"\x00\x01x"), ProtocolError::MalformedFrame(_)));
    assert!(matches!(after_greeting(b"\x05\x00"), ProtocolError::MalformedFrame(_)));
    assert!(matches!(after_greeting(b"\x04\x00"), ProtocolError::MalformedCommand { .. }));
    assert!(matches!(after_greeting(b"\x04\x02\x05R"), ProtocolError::MalformedCommand { .. }));
    assert_eq!(after_greeting(b"\x08"), ProtocolError::ReservedFlags { flags: 8 });
}

#[test]
fn a_handshake_has_a_bound_before_its_octets_arrive() {
    let limits = Limits { handshake_bytes_max: 100, ..Limits::default() };
    let config = || Config { limits, ..config(SocketType::Pull) };
    let at = |len| [greeting_3(1), vec![4, len]].concat();
    assert_eq!(violation(config(), &at(99)), ProtocolError::HandshakeTooLarge { size: 101, limit: 100 });
    let mut side = Side::new(config());
    assert_eq!(side.feed(&at(98)), Ok(vec![]));
    assert_eq!(side.connection.wanted(), 98);
    let huge = [&*greeting_3(1), b"\x06\x7f\xff\xff\xff\xff\xff\xff\xff"].concat();
    assert!(matches!(violation(config(), &huge), ProtocolError::HandshakeTooLarge { limit: 100, .. }));
}

#[test]
fn frames_have_a_bound_before_their_octets_arrive() {
    let limited = |max| {
        let config = Config { max_message_size: Some(max), ..config(SocketType::Pull) };
        Side::in_traffic(config, 1, "PUSH")
    };
    for max in [0, 1, 70, 71, 72, 255, 256, 100_000] {
        let size = max + 1;
        let mut header = Vec::new();
        let len = |len| usize::try_from(len).expect("small");
        tamtam_zmtp::Framing::V2.put_header(&mut header, len(size), false);
        let too_large = ProtocolError::MessageTooLarge { size, limit: max };
        assert_eq!(limited(max).feed(&header), Err(too_large.clone()));
        header.resize(header.len() + len(size), 0);
        assert_eq!(limited(max).feed(&header), Err(too_large));

        let mut fitting = Vec::new();
        tamtam_zmtp::Framing::V2.put_header(&mut fitting, len(max), false);
        fitting.resize(fitting.len() + len(max), 0);
        assert_eq!(limited(max).feed(&fitting), Ok(vec![Event::Message(vec![0; len(max)].into())]));
    }
    // Without a limit a claim is just waited for.
    let mut side = Side::in_traffic(config(SocketType::Pull), 1, "PUSH");
    assert_eq!(side.feed(b"\x02\0\0\0\0\x01\0\0\0abc"), Ok(vec![]));
    assert_eq!(side.connection.wanted(), (1 << 24) - 3);
}

#[test]
fn messages_have_a_bound_of_frames() {
    let limits = Limits { frames_max: 3, ..Limits::default() };
    let side = || Side::in_traffic(Config { limits, ..config(SocketType::Pull) }, 1, "PUSH");
    let three = Message::from_frames(["a", "b", "c"]).expect("three");
    let single = Event::Message("d".into());
    let events = side().feed(b"\x01\x01a\x01\x01b\x00\x01c\x00\x01d");
    assert_eq!(events, Ok(vec![Event::Message(three), single]));
    let mut side = side();
    assert_eq!(side.feed(b"\x01\x01a\x01\x01b"), Ok(vec![]));
    assert!(!side.connection.is_between_messages());
    assert_eq!(side.feed(b"\x01\x01c\x00\x01d"), Err(ProtocolError::TooManyFrames { limit: 3 }));
    assert!(side.connection.is_between_messages(), "nothing is held after the error");
}

#[test]
fn commands_have_a_bound_of_their_own() {
    let limits = Limits { command_bytes_max: 12, ..Limits::default() };
    let side = || {
        Side::in_traffic(Config { limits, max_message_size: Some(1), ..config(SocketType::Pub) }, 1, "SUB")
    };
    let events = side().feed(b"\x04\x0c\x09SUBSCRIBEAB");
    assert_eq!(events, Ok(vec![Event::Subscribe("AB".into())]));
    assert_eq!(side().feed(b"\x04\x0d"), Err(ProtocolError::MessageTooLarge { size: 13, limit: 12 }));
}

#[test]
fn groups_have_a_bound() {
    for command in ["JOIN", "LEAVE"] {
        let octets = |len: usize| {
            let mut octets = Vec::new();
            tamtam_zmtp::put_command(&mut octets, command.as_bytes(), &vec![b'g'; len]);
            octets
        };
        let radio = || Side::in_traffic(config(SocketType::Radio), 1, "DISH");
        assert_eq!(radio().feed(&octets(255)).expect("within").len(), 1);
        for len in [256, 300, 100_000] {
            let error = radio().feed(&octets(len)).expect_err("too long").to_string();
            assert_eq!(error, format!("malformed {command} command: the group is longer than 255 octets"));
        }
        // Nobody but a RADIO minds.
        let mut publisher = Side::in_traffic(config(SocketType::Pub), 1, "SUB");
        assert_eq!(publisher.feed(&octets(300)), Ok(Vec::new()));
    }
}

#[test]
fn commands_in_traffic() {
    let side = || Side::in_traffic(config(SocketType::Pull), 1, "PUSH");
    // Unknown, empty, nameless, late: passed over, and also those meant for publishers.
    let mut patient = side();
    let passed_over = b"\x04\x05\x04WHAT\x04\x00\x04\x01\x00\x04\x06\x05READY\x04\x0b\x09SUBSCRIBEA\x04\x07\x06CANCEL\x00\x01x";
    assert_eq!(patient.feed(passed_over), Ok(vec![Event::Message("x".into())]));
    assert_eq!(patient.transmitted(), b"");
    let refused = |octets: &[u8]| side().feed(octets).expect_err("a violation").to_string();
    assert_eq!(refused(b"\x04\x03\x05PI"), "malformed PI command: the name is longer than the body");
    assert_eq!(refused(b"\x04\x05\x04PING"), "malformed PING command: the time to live is missing");
    assert_eq!(refused(b"\x04\x06\x04PING\0"), "malformed PING command: the time to live is missing");
    // A context that is too long is cut, not refused.
    let mut cut = side();
    assert_eq!(cut.feed(b"\x04\x18\x04PING\0\0ABCDEFGHIJKLMNOPQ"), Ok(Vec::new()));
    assert_eq!(cut.transmitted(), b"\x04\x15\x04PONGABCDEFGHIJKLMNOP");
    let long = b"\x04\x16\x04PONGABCDEFGHIJKLMNOPQ";
    assert_eq!(refused(long), "malformed PONG command: the context is longer than 16 octets");
    assert_eq!(refused(b"\x04\x0a\x05ERROR\x03bye"), "peer refused the connection: bye");
    assert_eq!(
        refused(b"\x04\x07\x05ERROR\x03"),
        "malformed ERROR command: the reason is longer than the body"
    );
}

#[test]
fn commands_may_come_between_the_frames_of_a_message() {
    let mut side = Side::in_traffic(config(SocketType::XPub), 1, "XSUB");
    let octets = b"\x01\x01a\x04\x09\x04PING\0\0cc\x04\x0b\x09SUBSCRIBEA\x00\x01b\x00\x02\x01B";
    let expected = [
        Event::Subscribe("A".into()),
        Event::Message(Message::from_frames(["a", "b"]).expect("two")),
        Event::Subscribe("B".into()),
    ];
    assert_eq!(side.feed(octets).as_deref(), Ok(&expected[..]));
    assert_eq!(side.transmitted(), b"\x04\x07\x04PONGcc");
}

#[test]
fn answers_to_a_peer_that_does_not_read_are_bounded() {
    let heartbeat = Heartbeat {
        interval: std::time::Duration::ZERO,
        ttl: Default::default(),
        timeout: Default::default(),
    };
    let mut side =
        Side::in_traffic(Config { heartbeat: Some(heartbeat), ..config(SocketType::Pull) }, 1, "PUSH");
    for _ in 0..10_000 {
        assert_eq!(side.feed(b"\x04\x17\x04PING\0\0ABCDEFGHIJKLMNOP"), Ok(vec![]));
    }
    let held = side.transmitted();
    assert!(
        held.len() < Limits::CONTROL_BYTES_MAX + 23 && held.starts_with(b"\x04\x15\x04PONGABCDEFGHIJKLMNOP")
    );
    side.feed(b"\x04\x08\x04PING\0\0x").expect("a PING");
    assert_eq!(side.transmitted(), b"\x04\x06\x04PONGx", "answers again once they are fetched");
}

#[test]
fn large_bodies_are_not_copied_and_small_ones_pin_nothing() {
    for (len, is_split_off) in [(SLICE_MIN - 1, false), (SLICE_MIN, true), (70_000, true)] {
        let mut side = Side::in_traffic(config(SocketType::Pull), 1, "PUSH");
        let mut octets = Vec::new();
        tamtam_zmtp::Framing::V2.put_header(&mut octets, len, false);
        let header_len = octets.len();
        octets.resize(header_len + len, b'x');
        side.input.extend_from_slice(&octets);
        let address = side.input.get(header_len..).expect("a body").as_ptr();
        let Ok(Some(Event::Message(message))) = side.connection.receive(&mut side.input) else {
            panic!("no message")
        };
        assert_eq!(message.as_slice(), vec![b'x'; len]);
        let body = message.first().shared().map(|body| body.as_ptr());
        assert_eq!(body == Some(address), is_split_off, "{len}");
    }
    let mut side = Side::in_traffic(config(SocketType::Pull), 1, "PUSH");
    let events = side.feed(&[&b"\x00\x47"[..], &[b'x'; 71]].concat()).expect("a message");
    let [Event::Message(message)] = &*events else { panic!("{events:?}") };
    assert_eq!(message.first(), &Frame::from(Bytes::from(vec![b'x'; 71])));
    assert!(message.first().shared().is_none());
}
