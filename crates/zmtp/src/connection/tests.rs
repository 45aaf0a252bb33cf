//! The state machine's edges, and what holds for all streams of octets.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{FRAME_INLINE_MAX, Limits, SocketType};

const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";

impl Connection {
    fn state_name(&self) -> &'static str {
        match &self.state {
            State::AwaitSignature(_) => "signature",
            State::AwaitRevision(_) => "revision",
            State::AwaitGreeting(_) => "greeting",
            State::AwaitIdentity(_) => "identity",
            State::Handshake(_) => "handshake",
            State::Traffic(_) => "traffic",
            State::AwaitUpgrade => "upgrade",
            State::Closed(_) => "closed",
        }
    }
}

fn rest_3(minor: u8) -> Vec<u8> {
    let mut rest = vec![minor];
    rest.extend_from_slice(b"NULL");
    rest.resize(53, 0);
    rest
}

/// What a peer of this version and type says until traffic.
fn handshake(version: Version, socket_type: SocketType) -> Vec<u8> {
    let mut octets = Vec::new();
    match version {
        Version::V1_0 => octets.extend_from_slice(b"\x01\0"),
        Version::V2_0 => octets.extend_from_slice(&[SIGNATURE, &[1, socket_type.number(), 0, 0]].concat()),
        Version::V3_0 | Version::V3_1 => {
            let minor = u8::from(version == Version::V3_1);
            octets.extend_from_slice(&[SIGNATURE, &[3], &rest_3(minor)].concat());
            put_command(&mut octets, command::READY, &metadata::ours(&Config::new(socket_type)));
        }
    }
    octets
}

#[test]
fn short_frames_are_looked_at_where_they_lie() {
    let mut config = Config::new(SocketType::Sub);
    config.max_message_size = Some(200);
    let mut connection = Connection::new(Arc::new(config));
    let mut input = BytesMut::from(&handshake(Version::V3_1, SocketType::Pub)[..]);
    assert!(!connection.receive_in_place(&mut input, |_: [&[u8]; 1]| true), "before the handshake");
    while connection.receive(&mut input).expect("a handshake").is_some() {}
    assert!(input.is_empty() && connection.state_name() == "traffic");
    let three = b"\x01\x01a\x01\0\0\x03abc";
    input.extend_from_slice(three);
    input.extend_from_slice(b"\0\x01z");
    assert!(!connection.receive_in_place(&mut input, |_: [&[u8]; 2]| true), "more follow");
    assert!(!connection.receive_in_place(&mut input, |_: [&[u8]; 4]| true), "one less");
    let mut seen = 0;
    for answer in [false, true] {
        let is_taken = connection.receive_in_place(&mut input, |frames| {
            assert_eq!(frames, [&b"a"[..], b"", b"abc"]);
            seen += 1;
            answer
        });
        assert_eq!((is_taken, seen), (answer, 1 + usize::from(answer)));
    }
    assert!(connection.receive_in_place(&mut input, |[only]| only == b"z") && input.is_empty());
    // Whatever is not all there, is no message, or too long, stays for others.
    let cut: Vec<&[u8]> = (0..three.len()).map(|len| &three[..len]).collect();
    let long = [&b"\x01\x01a\x01\0\0\xc9"[..], &[7; 201]].concat();
    let others: [&[u8]; 3] =
        [b"\x01\x01a\x01\0\x04\x03abc", b"\x01\x01a\x01\0\x02\0\0\0\0\0\0\0\x01z", &long];
    for octets in cut.into_iter().chain(others) {
        input = BytesMut::from(octets);
        assert!(!connection.receive_in_place(&mut input, |_: [&[u8]; 3]| true), "{octets:?}");
        assert_eq!(input, octets);
    }
    let longest = [&b"\x01\x01a\x01\0\0\xc8"[..], &[7; 200]].concat();
    input = BytesMut::from(&longest[..]);
    assert!(connection.receive_in_place(&mut input, |[_, _, body]| body.len() == 200));
}

#[test]
fn short_replies_are_taken_out_of_their_envelopes() {
    let mut connection = Connection::new(Arc::new(Config::new(SocketType::Req)));
    let mut input = BytesMut::from(&handshake(Version::V3_1, SocketType::Rep)[..]);
    while connection.receive(&mut input).expect("a handshake").is_some() {}
    let mut message = Message::new("before");
    for len in [0, 1, 63, 64, 65, FRAME_INLINE_MAX] {
        let body = vec![7; len];
        input = BytesMut::from(&[&[1, 0, 0, len as u8][..], &body, &[1, 0]].concat()[..]);
        assert!(connection.receive_enveloped(&mut input, &mut message), "{len} octets");
        assert_eq!((&message, &input[..]), (&Message::new(body), &b"\x01\0"[..]));
    }
    // No envelope, another one, more frames, a longer one, not all there.
    let long = [&[1, 0, 0, 72][..], &[7; 72]].concat();
    let others: [&[u8]; 7] = [
        b"\0\x01z",
        b"\x01\x01a\0\x01z",
        b"\x01\0\x01\x01z",
        b"\x01\0\x01\x01a\0\x01z",
        &long,
        b"\x01\0\0\x02z",
        b"\x01",
    ];
    let before = message.clone();
    for octets in others {
        input = BytesMut::from(octets);
        assert!(!connection.receive_enveloped(&mut input, &mut message), "{octets:?}");
        assert_eq!((&message, &input[..]), (&before, octets));
    }
}

#[test]
fn every_edge_of_the_state_machine() {
    let rest = rest_3(1);
    let ready = |socket_type| {
        let mut octets = Vec::new();
        put_command(&mut octets, command::READY, &metadata::ours(&Config::new(socket_type)));
        octets
    };
    let (good, bad) = (ready(SocketType::Push), ready(SocketType::Pub));
    let mut curve = rest.clone();
    curve.splice(1..6, *b"CURVE");
    // From the state that the pieces before the last lead to, the last one leads to the state named.
    let table: &[(Version, &[&[u8]], &str)] = &[
        (Version::V3_1, &[b""], "signature"),
        (Version::V3_1, &[b"\xff"], "signature"),
        (Version::V3_1, &[b"G"], "signature"),
        (Version::V3_1, &[b"GET "], "closed"),
        (Version::V3_1, &[b"\0"], "closed"),
        (Version::V3_1, &[b"\x02"], "identity"),
        (Version::V3_1, &[b"\xff\0\0\0\0\0\0\0\x01\0"], "traffic"),
        (Version::V3_1, &[b"\xff\0\0\0\0\0\0\0\x02\0"], "identity"),
        (Version::V3_1, &[b"\xff\0\0\0\0\0\0\0\x01\x01"], "closed"),
        (Version::V3_1, &[SIGNATURE], "revision"),
        (Version::V3_1, &[SIGNATURE, b"\0"], "closed"),
        (Version::V3_1, &[SIGNATURE, b"\x01"], "identity"),
        (Version::V3_1, &[SIGNATURE, b"\x01", b"\x01"], "closed"),
        (Version::V3_1, &[SIGNATURE, b"\x01", b"\x08"], "identity"),
        (Version::V3_1, &[SIGNATURE, b"\x01", b"\x08\0\0"], "traffic"),
        (Version::V3_1, &[SIGNATURE, b"\x03"], "greeting"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &curve], "closed"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &rest], "handshake"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &rest, b"\0"], "handshake"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &rest, b"\0\0"], "closed"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &rest, &bad], "closed"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &rest, &good], "traffic"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &rest, &good, b"\0\0"], "traffic"),
        (Version::V3_1, &[SIGNATURE, b"\x03", &rest, &good, b"\x08"], "closed"),
        (Version::V2_0, &[SIGNATURE], "revision"),
        (Version::V2_0, &[SIGNATURE, b"\x03"], "identity"),
        (Version::V2_0, &[SIGNATURE, b"\x03", b"\x08\0\0"], "traffic"),
        (Version::V1_0, &[b""], "identity"),
        (Version::V1_0, &[b"SSH-"], "closed"),
        (Version::V1_0, &[SIGNATURE], "traffic"),
        (Version::V1_0, &[b"\x01\0"], "traffic"),
    ];
    for (version_max, pieces, expected) in table {
        let config = Config { version_max: *version_max, ..Config::new(SocketType::Pull) };
        let mut connection = Connection::new(Arc::new(config));
        let mut input = BytesMut::new();
        for piece in *pieces {
            assert_ne!(connection.state_name(), "closed", "{pieces:?}");
            input.extend_from_slice(piece);
            while let Ok(Some(_)) = connection.receive(&mut input) {}
        }
        assert_eq!(connection.state_name(), *expected, "{version_max} {pieces:?}");
        assert_eq!(connection.is_ready(), *expected == "traffic");
    }
}

#[test]
fn wanted_is_exact_once_a_length_is_known() {
    let mut connection = Connection::new(Arc::new(Config::new(SocketType::Pull)));
    let mut octets = handshake(Version::V3_1, SocketType::Push);
    octets.extend_from_slice(b"\x00\x04abcd\x02\0\0\0\0\0\0\0\x03abc");
    let mut input = BytesMut::new();
    let mut wanted = Vec::new();
    for octet in octets {
        input.extend_from_slice(&[octet]);
        let is_event = connection.receive(&mut input).expect("well-formed").is_some();
        assert!(!is_event || connection.wanted() == 0);
        wanted.push(connection.wanted());
    }
    let signature = (1..=9).rev().chain([1]);
    let revision_and_rest = (1..=53).rev();
    // The last of the greeting, READY's flags, its length, its 26 octets.
    let ready = [0, 0].into_iter().chain((0..=26).rev());
    let messages = [0, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 1, 0];
    let expected: Vec<usize> = signature.chain(revision_and_rest).chain(ready).chain(messages).collect();
    assert_eq!(wanted, expected);
}

#[test]
fn an_event_is_no_larger_than_a_message_and_a_word() {
    assert!(size_of::<Message>() <= 112, "{}", size_of::<Message>());
    assert!(size_of::<Event>() <= 120, "{}", size_of::<Event>());
    assert!(size_of::<Result<Option<Event>, ProtocolError>>() <= 120);
    // Ten thousand quiet connections should fit anywhere.
    assert!(size_of::<Connection>() <= 512, "{}", size_of::<Connection>());
}

#[test]
fn small_messages_take_the_short_way_except_amid_a_multipart_one() {
    let mut connection = Connection::new(Arc::new(Config::new(SocketType::Pull)));
    let mut input = BytesMut::from(&*handshake(Version::V3_1, SocketType::Push));
    let mut is_short = |octets: &[u8]| {
        input.extend_from_slice(octets);
        while let Ok(Some(_)) = connection.receive(&mut input) {}
        let State::Traffic(traffic) = &connection.state else { panic!("no traffic") };
        (traffic.is_inline_message(71), traffic.is_inline_message(72))
    };
    assert_eq!(is_short(b""), (true, false));
    assert_eq!(is_short(b"\x01\x01a"), (false, false));
    assert_eq!(is_short(b"\x00\x01b"), (true, false));
}

/// One thing a peer may say in traffic.
#[derive(Debug, Clone)]
enum Saying {
    Message(Vec<Vec<u8>>),
    Command(&'static [u8], Vec<u8>),
}

fn sayings() -> impl Strategy<Value = Vec<Saying>> {
    let length = prop_oneof![
        4 => 0usize..20,
        2 => prop_oneof![Just(70usize), Just(71), Just(72), Just(253), Just(254), Just(255), Just(256)],
        1 => 500usize..520,
        1 => 1000usize..3000,
    ];
    let body = (any::<u8>(), length).prop_map(|(first, len)| {
        let mut body = vec![b'.'; len];
        body.iter_mut().take(1).for_each(|octet| *octet = first % 4);
        body
    });
    let context = prop::collection::vec(any::<u8>(), 0..=16);
    let topic = prop::collection::vec(any::<u8>(), 0..300);
    let ping = (any::<[u8; 2]>(), context.clone());
    let saying = prop_oneof![
        4 => prop::collection::vec(body.clone(), 1..2).prop_map(Saying::Message),
        2 => prop::collection::vec(body, 2..6).prop_map(Saying::Message),
        1 => ping.prop_map(|(ttl, context)| Saying::Command(command::PING, [&ttl[..], &context].concat())),
        1 => context.prop_map(|context| Saying::Command(command::PONG, context)),
        1 => topic.clone().prop_map(|topic| Saying::Command(command::SUBSCRIBE, topic)),
        1 => topic.clone().prop_map(|topic| Saying::Command(command::CANCEL, topic)),
        1 => topic.prop_map(|data| Saying::Command(b"X-UNKNOWN", data)),
    ];
    prop::collection::vec(saying, 0..12)
}

/// The octets of all sayings, the events they should lead to, and the octets of the answers.
fn encoded(version: Version, publishes: bool, sayings: &[Saying]) -> (Vec<u8>, Vec<Event>, Vec<u8>) {
    let (mut octets, mut events, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for saying in sayings {
        match saying {
            Saying::Message(bodies) => {
                for (index, body) in bodies.iter().enumerate() {
                    version.framing().put_header(&mut octets, body.len(), index + 1 < bodies.len());
                    octets.extend_from_slice(body);
                }
                events.push(match bodies.as_slice() {
                    [body] if publishes && body.first() == Some(&1) => Event::Subscribe(body[1..].into()),
                    [body] if publishes && body.first() == Some(&0) => Event::Cancel(body[1..].into()),
                    bodies => Event::Message(
                        Message::from_frames(bodies.iter().map(Vec::as_slice)).expect("not empty"),
                    ),
                });
            }
            Saying::Command(..) if version < Version::V3_0 => {}
            Saying::Command(name, data) => {
                put_command(&mut octets, name, data);
                match *name {
                    command::PING => put_command(&mut answers, command::PONG, &data[2..]),
                    command::SUBSCRIBE if publishes => events.push(Event::Subscribe(data.as_slice().into())),
                    command::CANCEL if publishes => events.push(Event::Cancel(data.as_slice().into())),
                    _ => {}
                }
            }
        }
    }
    (octets, events, answers)
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1_0), Just(Version::V2_0), Just(Version::V3_0), Just(Version::V3_1)]
}

/// Our type and the peer's.
fn types() -> impl Strategy<Value = (SocketType, SocketType)> {
    prop_oneof![Just((SocketType::Pair, SocketType::Pair)), Just((SocketType::XPub, SocketType::Sub))]
}

/// Feeds all octets in pieces that end at the cuts.
fn feed(
    config: &Config,
    octets: &[u8],
    cuts: &[prop::sample::Index],
) -> (Vec<Event>, Vec<u8>, Option<ProtocolError>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
    ends.push(octets.len());
    ends.sort_unstable();
    let mut connection = Connection::new(Arc::new(config.clone()));
    let (mut input, mut events, mut answers) = (BytesMut::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for end in ends {
        input.extend_from_slice(&octets[start..end]);
        start = end;
        loop {
            let result = connection.receive(&mut input);
            answers.extend(connection.transmit().unwrap_or_default());
            match result {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => {
                    assert_eq!(
                        connection.receive(&mut input),
                        Err(violation.clone()),
                        "the verdict is final"
                    );
                    return (events, answers, Some(violation));
                }
            }
            assert!(connection.held_frames() <= config.limits.frames_max);
        }
        let wanted_max = config.max_message_size.unwrap_or(u64::MAX).max(config.limits.command_bytes_max);
        assert!(crate::framing::widen(connection.wanted()) <= wanted_max.max(64 * 1024));
    }
    (events, answers, None)
}

impl Connection {
    fn held_frames(&self) -> usize {
        if let State::Traffic(traffic) = &self.state { traffic.held_frames() } else { 0 }
    }
}

proptest! {
    #[test]
    fn any_split_of_the_stream_gives_the_same_events(
        version in versions(),
        (ours, theirs) in types(),
        sayings in sayings(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let config = Config::new(ours);
        let mut octets = handshake(version, theirs);
        let (traffic, expected, expected_answers) = encoded(version, ours.publishes(), &sayings);
        octets.extend(traffic);
        let (whole, whole_answers, violation) = feed(&config, &octets, &[]);
        prop_assert_eq!(violation, None);
        let (ready, rest) = whole.split_first().expect("ready at least");
        prop_assert!(matches!(ready, Event::Ready(peer) if peer.version == version));
        prop_assert_eq!(rest, expected);
        prop_assert!(whole_answers.ends_with(&expected_answers));
        prop_assert_eq!(feed(&config, &octets, &cuts), (whole, whole_answers, None));
    }

    #[test]
    fn garbage_never_panics_and_holds_no_more_than_the_limits(
        version in versions(),
        (ours, theirs) in types(),
        sayings in sayings(),
        kept in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..300),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let limits = Limits { frames_max: 4, command_bytes_max: 100, ..Limits::default() };
        let config = Config { limits, max_message_size: Some(600), ..Config::new(ours) };
        // A good beginning, a few wrong octets in it, and nonsense behind.
        let mut octets = handshake(version, theirs);
        octets.extend(encoded(version, ours.publishes(), &sayings).0);
        octets.truncate(kept.index(octets.len() + 1));
        octets.extend(garbage);
        for (position, octet) in flips {
            if !octets.is_empty() {
                let position = position.index(octets.len());
                octets[position] = octet;
            }
        }
        let whole = feed(&config, &octets, &[]);
        for event in &whole.0 {
            if let Event::Message(message) = event {
                prop_assert!(message.frame_count() <= 4 && message.frames().all(|frame| frame.len() <= 600));
            }
        }
        prop_assert_eq!(feed(&config, &octets, &cuts), whole, "however it is cut");
    }

    #[test]
    fn random_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        for version_max in [Version::V1_0, Version::V2_0, Version::V3_1] {
            feed(&Config { version_max, ..Config::new(SocketType::XPub) }, &octets, &[]);
        }
    }
}

#[test]
fn an_idle_connection_keeps_no_input_alive() {
    let mut connection = Connection::new(Arc::new(Config::new(SocketType::Router)));
    let mut octets = handshake(Version::V3_1, SocketType::Dealer);
    octets.reserve(1 << 20);
    let mut input = BytesMut::from(Bytes::from(octets));
    assert!(matches!(connection.receive(&mut input), Ok(Some(Event::Ready(_)))));
    assert!(input.is_empty());
    assert!(input.freeze().is_unique(), "nothing in the connection shares it");
}
