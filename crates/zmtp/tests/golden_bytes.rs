//! Whole conversations with peers of every version, octet for octet, as the RFCs write them and libzmq speaks them.

mod common;

use bytes::Bytes;
use common::{SIGNATURE, Side, config, config_up_to, encode, greeting_3, handshake_3, ready, rest_3};
use tamtam_zmtp::{Event, Frame, Framing, Message, PeerInfo, ProtocolError, SocketType, Version};

/// A side of a conversation, and the octets it says before the other answers.
enum Turn<'a> {
    Ours(&'a [u8]),
    Theirs(&'a [u8]),
}

use Turn::{Ours, Theirs};

/// Plays the conversation, and then once more with all the peer's words at once and those cut into octets: we must say
/// the same.
fn converse(config: &tamtam_zmtp::Config, turns: &[Turn<'_>]) -> (Side, Vec<Event>) {
    let mut side = Side::new(config.clone());
    let mut events = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (index, turn) in turns.iter().enumerate() {
        match turn {
            Ours(octets) => {
                assert_eq!(
                    side.transmitted().escape_ascii().to_string(),
                    octets.escape_ascii().to_string(),
                    "turn {index}"
                );
                ours.extend_from_slice(octets);
            }
            Theirs(octets) => {
                events.extend(
                    side.feed(octets).unwrap_or_else(|violation| panic!("turn {index}: {violation}")),
                );
                theirs.extend_from_slice(octets);
            }
        }
    }
    assert_eq!(side.transmitted(), b"");

    for size in [1, theirs.len()] {
        let mut again = Side::new(config.clone());
        let mut said = Vec::new();
        let mut seen = Vec::new();
        for octets in theirs.chunks(size) {
            seen.extend(again.feed(octets).expect("the same octets"));
            said.extend(again.transmitted());
        }
        assert_eq!(said, ours, "in pieces of {size}");
        assert_eq!(seen, events, "in pieces of {size}");
    }
    (side, events)
}

fn info(version: Version, socket_type: Option<SocketType>, identity: &'static str) -> PeerInfo {
    PeerInfo {
        version,
        socket_type,
        identity: identity.into(),
        metadata: Vec::new(),
        mechanism: "NULL",
        user_id: None,
        auth_metadata: Vec::new(),
    }
}

fn subscriptions(side: &mut Side) -> Vec<u8> {
    let mut out = Vec::new();
    side.connection.put_subscribe(b"A", &mut out);
    side.connection.put_cancel(b"A", &mut out);
    out
}

const DEALER_READY: &[u8] = b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0";
const ROUTER_READY: &[u8] = b"\x04\x2c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\x03you";

#[test]
fn zmtp_3_1_in_the_pieces_libzmq_sends() {
    let rest = rest_3(1);
    let (side, events) = converse(
        &config(SocketType::Dealer),
        &[
            Ours(SIGNATURE),
            Theirs(SIGNATURE),
            Ours(b"\x03"),
            Theirs(b"\x03"),
            Ours(&rest),
            Theirs(&rest),
            Ours(DEALER_READY),
            Theirs(ROUTER_READY),
            Theirs(b"\x01\x00\x00\x05hello"),
        ],
    );
    let peer = PeerInfo {
        metadata: vec![
            ("Socket-Type".into(), Bytes::from_static(b"ROUTER")),
            ("Identity".into(), Bytes::from_static(b"you")),
        ],
        ..info(Version::V3_1, Some(SocketType::Router), "you")
    };
    let hello = Message::from_frames(["", "hello"]).expect("two frames");
    assert_eq!(events, [Event::Ready(Box::new(peer.clone())), Event::Message(hello.clone())]);
    assert_eq!(side.connection.peer(), Some(&peer));
    assert_eq!(side.connection.framing(), Framing::V2);
    let mut out = Vec::new();
    encode(side.connection.framing(), &hello, &mut out);
    assert_eq!(out, b"\x01\x00\x00\x05hello");
}

#[test]
fn zmtp_3_1_all_at_once_and_from_the_binding_side() {
    // The peer, a client, says all it can before it hears of us; its padding is of no significance.
    let mut theirs = greeting_3(1);
    theirs.splice(1..9, *b"\x12\x34\x56\x78\x9a\xbc\xde\xf0");
    theirs.extend_from_slice(DEALER_READY);
    let rest = rest_3(1);
    let ours =
        [SIGNATURE, b"\x03", &rest, b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0"];
    let (_, events) = converse(&config(SocketType::Router), &[Theirs(&theirs), Ours(&ours.concat())]);
    let [Event::Ready(peer)] = &*events else { panic!("{events:?}") };
    assert_eq!((peer.version, peer.socket_type), (Version::V3_1, Some(SocketType::Dealer)));
}

#[test]
fn zmtp_3_1_subscriptions_are_commands() {
    let mut side = Side::in_traffic(config(SocketType::Sub), 1, "XPUB");
    assert_eq!(subscriptions(&mut side), b"\x04\x0b\x09SUBSCRIBEA\x04\x08\x06CANCELA");
    let mut side = Side::in_traffic(config(SocketType::XPub), 1, "SUB");
    let events = side.feed(b"\x04\x0b\x09SUBSCRIBEA\x04\x08\x06CANCELA\x00\x02\x01B\x00\x01\x00\x00\x01\x02");
    let expected = [
        Event::Subscribe(Frame::from("A")),
        Event::Cancel(Frame::from("A")),
        Event::Subscribe(Frame::from("B")),
        Event::Cancel(Frame::new()),
        Event::Message(Message::from(b"\x02")),
    ];
    assert_eq!(events.as_deref(), Ok(&expected[..]));
}

#[test]
fn a_multipart_message_to_a_publisher_is_no_subscription() {
    let mut side = Side::in_traffic(config(SocketType::XPub), 1, "XSUB");
    let events = side.feed(b"\x01\x02\x01A\x00\x02\x01B").expect("a message");
    assert_eq!(events, [Event::Message(Message::from_frames([b"\x01A", b"\x01B"]).expect("two"))]);
}

#[test]
fn zmtp_3_0_peers_get_subscriptions_as_messages() {
    let rest = rest_3(1);
    let (mut side, events) = converse(
        &config(SocketType::Sub),
        &[
            Ours(SIGNATURE),
            Theirs(&[SIGNATURE, b"\x03"].concat()),
            Ours(&[b"\x03", &*rest].concat()),
            Theirs(&rest_3(0)),
            Ours(&ready("SUB")),
            Theirs(&ready("PUB")),
        ],
    );
    let [Event::Ready(peer)] = &*events else { panic!("{events:?}") };
    assert_eq!(peer.version, Version::V3_0);
    assert_eq!(subscriptions(&mut side), b"\x00\x02\x01A\x00\x02\x00A");
}

#[test]
fn ours_limited_to_zmtp_3_0_says_so() {
    let config = config_up_to(SocketType::Pull, Version::V3_0, "");
    let theirs = handshake_3(1, "PUSH");
    let ours = [greeting_3(0), ready("PULL")].concat();
    let (side, _) = converse(&config, &[Theirs(&theirs), Ours(&ours)]);
    assert_eq!(side.connection.peer().map(|peer| peer.version), Some(Version::V3_0));
}

#[test]
fn later_versions_are_taken_for_ours() {
    for (major, minor) in [(3, 2), (3, 255), (4, 0), (255, 0)] {
        let mut theirs = handshake_3(minor, "PUSH");
        theirs.splice(10..11, [major]);
        let mut side = Side::new(config(SocketType::Pull));
        side.feed(&theirs).expect("accepted");
        assert_eq!(side.connection.peer().map(|peer| peer.version), Some(Version::V3_1));
    }
}

#[test]
fn zmtp_2_0_peers() {
    let mut expected = info(Version::V2_0, Some(SocketType::Dealer), "you");
    for revision in [b"\x01", b"\x02"] {
        let (side, events) = converse(
            &config_up_to(SocketType::Router, Version::V3_1, "me"),
            &[
                Ours(b"\xff\0\0\0\0\0\0\0\x03\x7f"),
                Theirs(SIGNATURE),
                Ours(b"\x03"),
                Theirs(revision),
                Ours(b"\x06\x00\x02me"),
                Theirs(b"\x05\x00\x03you"),
                Theirs(b"\x01\x01a\x02\0\0\0\0\0\0\0\x01b"),
            ],
        );
        let message = Message::from_frames(["a", "b"]).expect("two frames");
        assert_eq!(events, [Event::Ready(Box::new(expected.clone())), Event::Message(message)]);
        assert_eq!(side.connection.framing(), Framing::V2);
    }
    // A peer that says all it can before it hears of us; with a long frame, which the RFC has not, but is clear.
    let theirs = [SIGNATURE, b"\x01\x05\x02\0\0\0\0\0\0\0\0"].concat();
    let (_, events) = converse(
        &config(SocketType::Rep),
        &[
            Theirs(&theirs),
            Ours(SIGNATURE.iter().copied().chain(*b"\x03\x04\x00\x00").collect::<Vec<_>>().as_slice()),
        ],
    );
    expected.identity = Bytes::new();
    assert_eq!(events, [Event::Ready(Box::new(expected))]);
}

#[test]
fn ours_limited_to_zmtp_2_0_is_answered_by_a_later_peer() {
    let config = config_up_to(SocketType::XSub, Version::V2_0, "");
    let (mut side, events) = converse(
        &config,
        &[
            Ours(SIGNATURE),
            // libzmq follows up with its own version, and then with socket type and identity.
            Theirs(SIGNATURE),
            Ours(b"\x01"),
            Theirs(b"\x03"),
            // An XSUB is a SUB to ZMTP 2.0.
            Ours(b"\x02\x00\x00"),
            Theirs(b"\x09\x00\x00"),
        ],
    );
    assert_eq!(events, [Event::Ready(Box::new(info(Version::V2_0, Some(SocketType::XPub), "")))]);
    assert_eq!(subscriptions(&mut side), b"\x00\x02\x01A\x00\x02\x00A");
}

//= 48/RADIO-DISH, the DISH socket type
//# MAY send join and leave commands to radios depending on the transport protocol used.
#[test]
fn groups_are_joined_by_commands_in_zmtp_3_and_nowhere_else() {
    for minor in [0, 1] {
        let dish = Side::in_traffic(config(SocketType::Dish), minor, "RADIO");
        assert_eq!(subscriptions(&dish), b"\x04\x06\x04JOINA\x04\x07\x05LEAVEA");
        let mut radio = Side::in_traffic(config(SocketType::Radio), minor, "DISH");
        let octets = b"\x04\x06\x04JOINA\x04\x05\x04JOIN\x04\x07\x05LEAVEA\x00\x02\x01A";
        let events = radio.feed(octets).expect("commands");
        // A RADIO knows no subscriptions as messages.
        let expected = [
            Event::Subscribe("A".into()),
            Event::Subscribe("".into()),
            Event::Cancel("A".into()),
            Event::Message("\u{1}A".into()),
        ];
        assert_eq!(events, expected);
    }
    let mut dish = Side::new(config(SocketType::Dish));
    dish.feed(&[SIGNATURE, b"\x01\x0e\x00\x00"].concat()).expect("a RADIO of ZMTP 2.0");
    assert_eq!(subscriptions(&dish), b"");
}

#[test]
fn zmtp_2_0_has_no_commands_and_checks_types() {
    let mut side = Side::new(config(SocketType::Pull));
    side.feed(&[SIGNATURE, b"\x01\x08\x00\x00"].concat()).expect("a PUSH");
    assert_eq!(side.feed(b"\x04\x07\x04PING\0\0"), Err(ProtocolError::ReservedFlags { flags: 4 }));

    let refused = |number: u8| {
        let theirs = [SIGNATURE, &[1, number, 0, 0]].concat();
        Side::new(config(SocketType::Pull)).feed(&theirs).expect_err("not a PUSH")
    };
    let (ours, theirs) = (SocketType::Pull, SocketType::Pub);
    assert_eq!(refused(1), ProtocolError::SocketTypeMismatch { ours, theirs });
    assert_eq!(refused(21), ProtocolError::UnknownSocketType { name: "21".into() });
}

#[test]
fn zmtp_1_0_peers() {
    // Short lengths; the peer says its identity before it hears of us, or after.
    for first in [true, false] {
        let signature = b"\xff\0\0\0\0\0\0\0\x03\x7f";
        let turns: &[Turn<'_>] = if first {
            &[Theirs(b"\x04\x00you"), Ours(b"\xff\0\0\0\0\0\0\0\x03\x7fme"), Theirs(b"\x02\x01a\x02\x00b")]
        } else {
            // To the peer ours is a long frame: 3 octets, flags that it does not validate, "me".
            &[
                Ours(signature),
                Theirs(b"\x04"),
                Ours(b"me"),
                Theirs(b"\x00you"),
                Theirs(b"\x02\x01a\x02\x00b"),
            ]
        };
        let (side, events) = converse(&config_up_to(SocketType::Router, Version::V3_1, "me"), turns);
        let message = Message::from_frames(["a", "b"]).expect("two frames");
        assert_eq!(
            events,
            [Event::Ready(Box::new(info(Version::V1_0, None, "you"))), Event::Message(message)]
        );
        assert_eq!(side.connection.framing(), Framing::V1);
        let mut out = Vec::new();
        encode(Framing::V1, &Message::from("hello"), &mut out);
        assert_eq!(out, b"\x06\x00hello");
    }
}

#[test]
fn zmtp_1_0_peers_with_long_lengths_and_odd_identity_flags() {
    // An anonymous peer with a long length where a short one would do.
    let (mut side, events) = converse(
        &config(SocketType::Sub),
        &[Ours(SIGNATURE), Theirs(b"\xff\0\0\0\0\0\0\0\x01\x00"), Theirs(b"\xff\0\0\0\0\0\0\0\x02\x00x")],
    );
    let ready = Event::Ready(Box::new(info(Version::V1_0, None, "")));
    assert_eq!(events, [ready.clone(), Event::Message("x".into())]);
    assert_eq!(subscriptions(&mut side), b"\x03\x00\x01A\x03\x00\x00A");

    // 13/ZMTP: the flags octet of an identity frame SHALL not be validated.
    let (_, events) =
        converse(&config(SocketType::Pub), &[Ours(SIGNATURE), Theirs(b"\x01\xaa\x03\x00\x01A")]);
    assert_eq!(events, [ready, Event::Subscribe("A".into())]);

    // The longest identity needs a long length, whose tenth octet, the flags, is even.
    let mut theirs = b"\xff\0\0\0\0\0\0\x01\x00\x00".to_vec();
    theirs.resize(10 + 255, b'i');
    let (_, events) = converse(&config(SocketType::Router), &[Ours(SIGNATURE), Theirs(&theirs)]);
    let [Event::Ready(peer)] = &*events else { panic!("{events:?}") };
    assert_eq!(peer.identity, vec![b'i'; 255]);
}

#[test]
fn ours_limited_to_zmtp_1_0_reads_a_later_peers_signature_as_an_identity() {
    let config = config_up_to(SocketType::Dealer, Version::V1_0, "me");
    let (side, events) = converse(
        &config,
        &[Ours(b"\x03\x00me"), Theirs(b"\xff\0\0\0\0\0\0\0\x04\x7f"), Theirs(b"you"), Theirs(b"\x01\x00")],
    );
    let ready = Event::Ready(Box::new(info(Version::V1_0, None, "you")));
    assert_eq!(events, [ready, Event::Message("".into())]);
    assert_eq!(side.connection.framing(), Framing::V1);
}
