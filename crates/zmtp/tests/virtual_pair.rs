//! Two connections joined by a virtual link, in virtual time, with faults that one seed decides: every version against
//! every version, octets delayed, split and joined at will, the link cut at any octet.

mod common;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Side, encode};
use tamtam_zmtp::{
    Config, Event, Frame, Framing, Heartbeat, Message, ProtocolError, SocketType, Version, transcode_v2_to_v1,
};

const VERSIONS: [Version; 4] = [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1];

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough for faults.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }
}

/// One direction of a byte stream.
#[derive(Debug)]
struct Link {
    /// Pieces on their way, with the time of their arrival.
    pieces: VecDeque<(Duration, Vec<u8>)>,
    /// After so many octets more, nothing arrives any more.
    cut_after: usize,
}

impl Link {
    fn arrived(&mut self, now: Duration) -> Option<(Duration, Vec<u8>)> {
        let (arrival, _) = self.pieces.front()?;
        if *arrival <= now { self.pieces.pop_front() } else { None }
    }

    fn write(&mut self, now: Duration, mut octets: &[u8], dice: &mut Dice) {
        while !octets.is_empty() {
            let most = [1, 3, 20, 100_000][dice.below(4)];
            let (piece, rest) = octets.split_at(1 + dice.below(most.min(octets.len())));
            let delay = Duration::from_micros([0, 0, 10, 5_000][dice.below(4)]);
            let earliest = self.pieces.back().map_or(now, |(arrival, _)| now.max(*arrival));
            let piece = piece.get(..self.cut_after).unwrap_or(piece);
            self.cut_after -= piece.len();
            if !piece.is_empty() {
                self.pieces.push_back((earliest + delay, piece.to_vec()));
            }
            octets = rest;
        }
    }
}

/// A side and its application.
#[derive(Debug)]
struct Peer {
    side: Side,
    config: Config,
    /// What the application sent before the handshake was done, in the format of ZMTP 2.0.
    outbox: Vec<u8>,
    /// What it sends afterwards.
    later: Vec<Message>,
    topics: Vec<&'static str>,
    received: Vec<Message>,
    subscriptions: Vec<Event>,
    is_ready: bool,
    ended: Option<(Duration, ProtocolError)>,
}

impl Peer {
    fn new(config: Config, messages: &[Message], dice: &mut Dice) -> Self {
        let (early, later) = messages.split_at(dice.below(messages.len() + 1));
        let mut outbox = Vec::new();
        early.iter().for_each(|message| encode(Framing::V2, message, &mut outbox));
        Self {
            side: Side::new(config.clone()),
            outbox,
            later: later.to_vec(),
            topics: if config.socket_type.subscribes() || config.socket_type == SocketType::Dish {
                vec!["", "a topic"]
            } else {
                Vec::new()
            },
            received: Vec::new(),
            subscriptions: Vec::new(),
            is_ready: false,
            ended: None,
            config,
        }
    }

    /// Takes all events the input holds.
    fn receive(&mut self, now: Duration, start: Instant) {
        while self.ended.is_none() {
            match self.side.connection.receive(&mut self.side.input) {
                Ok(None) => return,
                Ok(Some(Event::Ready(peer))) => {
                    assert!(!self.is_ready, "ready once");
                    assert_eq!(self.side.connection.peer(), Some(&*peer));
                    self.is_ready = true;
                    self.side.connection.start_timers(start + now);
                }
                Ok(Some(Event::Message(message))) => {
                    assert!(self.is_ready, "ready first");
                    self.received.push(message);
                }
                Ok(Some(event)) => self.subscriptions.push(event),
                Err(violation) => self.ended = Some((now, violation)),
            }
        }
    }

    /// Returns everything there is to write.
    fn written(&mut self) -> Vec<u8> {
        let connection = &mut self.side.connection;
        let mut octets = connection.transmit().unwrap_or_default();
        if self.is_ready && self.ended.is_none() {
            for topic in self.topics.drain(..) {
                connection.put_subscribe(topic.as_bytes(), &mut octets);
                connection.put_cancel(topic.as_bytes(), &mut octets);
            }
            let early = std::mem::take(&mut self.outbox);
            match connection.framing() {
                Framing::V1 => octets.extend(transcode_v2_to_v1(&early).expect("whole frames")),
                Framing::V2 => octets.extend(early),
            }
            for message in self.later.drain(..) {
                encode(connection.framing(), &message, &mut octets);
            }
        }
        octets
    }
}

/// Lets time pass until nothing more can happen, or `until`.
fn run(peers: &mut [Peer; 2], cut_after: [usize; 2], dice: &mut Dice, until: Duration) {
    let start = Instant::now();
    let mut now = Duration::ZERO;
    // `links[i]` leads to `peers[i]`.
    let mut links = cut_after.map(|cut_after| Link { pieces: VecDeque::new(), cut_after });
    loop {
        for from in [0, 1] {
            let octets = peers[from].written();
            links[1 - from].write(now, &octets, dice);
        }
        let arrivals = links.iter().filter_map(|link| link.pieces.front().map(|(arrival, _)| *arrival));
        let timers =
            peers.iter().filter_map(|peer| peer.side.connection.timeout()).map(|timer| timer - start);
        let Some(next) = arrivals.chain(timers).min().filter(|next| *next <= until) else { return };
        now = now.max(next);
        for (peer, link) in peers.iter_mut().zip(&mut links) {
            while let Some((_, piece)) = link.arrived(now) {
                peer.side.input.extend_from_slice(&piece);
                peer.side.connection.note_received(start + now);
                // Sometimes the reader comes late and finds several pieces.
                if dice.below(2) == 0 {
                    peer.receive(now, start);
                }
            }
            peer.receive(now, start);
            if peer.ended.is_none()
                && let Err(violation) = peer.side.connection.handle_timeout(start + now)
            {
                peer.ended = Some((now, violation));
            }
        }
    }
}

fn messages(dice: &mut Dice) -> Vec<Message> {
    let count = dice.below(12);
    let mut body = || {
        let len = match dice.below(8) {
            0 => 0,
            1..=4 => dice.below(80),
            5 => 250 + dice.below(10),
            6 => 500 + dice.below(20),
            _ => dice.below(20_000),
        };
        // Neither 0 nor 1, which a publisher would take for a subscription.
        let first = 2 + u8::try_from(dice.below(200)).expect("small");
        Frame::from(vec![first; len])
    };
    let mut one = |frames: usize| Message::from_frames((0..frames).map(|_| body())).expect("one at least");
    (0..count).map(|index| one(1 + index % 3 * (index % 2))).collect()
}

fn pair(
    types: [SocketType; 2],
    versions: [Version; 2],
    sent: &[Vec<Message>; 2],
    dice: &mut Dice,
) -> [Peer; 2] {
    let names = ["", "a name of some length"];
    [0, 1].map(|index| {
        let config = Config {
            version_max: versions[index],
            identity: Bytes::from_static(names[dice.below(2)].as_bytes()),
            metadata: vec![("X-Side".into(), Bytes::from(vec![b'0'; index]))],
            ..Config::new(types[index])
        };
        Peer::new(config, &sent[index], dice)
    })
}

fn compatible_types() -> Vec<[SocketType; 2]> {
    let all = SocketType::ALL.into_iter();
    all.flat_map(|ours| SocketType::ALL.map(|theirs| [ours, theirs])).filter(|[a, b]| a.accepts(*b)).collect()
}

/// What a peer of this type calls itself in this version.
fn announced(socket_type: SocketType, version: Version) -> Option<SocketType> {
    match (version, socket_type) {
        (Version::V1_0, _) => None,
        (Version::V2_0, SocketType::XPub) => Some(SocketType::Pub),
        (Version::V2_0, SocketType::XSub) => Some(SocketType::Sub),
        _ => Some(socket_type),
    }
}

#[test]
fn compatible_types_become_ready_and_exchange_everything_in_all_versions() {
    for (case, types) in (0..).zip(compatible_types()) {
        for (index, versions) in (0..).zip(VERSIONS.iter().flat_map(|a| VERSIONS.map(|b| [*a, b]))) {
            let seed = case * 100 + index;
            let mut dice = Dice(seed);
            let sent = [messages(&mut dice), messages(&mut dice)];
            let mut peers = pair(types, versions, &sent, &mut dice);
            run(&mut peers, [usize::MAX; 2], &mut dice, Duration::from_secs(3600));
            let version = versions[0].min(versions[1]);
            for (me, other) in [(0, 1), (1, 0)] {
                let context = format!("seed {seed}: {types:?} {versions:?}, side {me}");
                let peer = &peers[me];
                assert_eq!(peer.ended, None, "{context}");
                let info = peer.side.connection.peer().unwrap_or_else(|| panic!("{context}: not ready"));
                assert_eq!(info.version, version, "{context}");
                assert_eq!(info.socket_type, announced(types[other], version), "{context}");
                let announces = version < Version::V3_0 || types[other].sends_identity();
                let identity = if announces { peers[other].config.identity.clone() } else { Bytes::new() };
                assert_eq!(info.identity, identity, "{context}");
                let property = info.property("x-side").map(Bytes::len);
                assert_eq!(property, (version >= Version::V3_0).then_some(other), "{context}");
                assert_eq!(peer.received, sent[other], "{context}");
                assert!(
                    peer.side.connection.is_between_messages() && peer.side.input.is_empty(),
                    "{context}"
                );
                // RADIO knows commands only, which begin with ZMTP 3.0.
                let is_told = types[me] != SocketType::Radio || version >= Version::V3_0;
                let expected = if types[me].publishes() && is_told {
                    let (all, topic) = (Frame::new(), Frame::from("a topic"));
                    vec![
                        Event::Subscribe(all.clone()),
                        Event::Cancel(all),
                        Event::Subscribe(topic.clone()),
                        Event::Cancel(topic),
                    ]
                } else {
                    Vec::new()
                };
                assert_eq!(peer.subscriptions, expected, "{context}");
            }
        }
    }
}

#[test]
fn incompatible_types_part_except_in_zmtp_1_0() {
    let mut seed = 0;
    for types in SocketType::ALL.iter().flat_map(|a| SocketType::ALL.map(|b| [*a, b])) {
        if types[0].accepts(types[1]) {
            continue;
        }
        for version in VERSIONS {
            seed += 1;
            let mut dice = Dice(seed);
            let mut peers = pair(types, [version; 2], &[vec![], vec![]], &mut dice);
            run(&mut peers, [usize::MAX; 2], &mut dice, Duration::from_secs(3600));
            for peer in &peers {
                let ended = peer.ended.as_ref().map(|(_, violation)| violation);
                match version {
                    Version::V1_0 => assert_eq!(ended, None, "seed {seed}: ZMTP 1.0 does not tell types"),
                    _ => assert!(
                        matches!(ended, Some(ProtocolError::SocketTypeMismatch { .. })),
                        "seed {seed}: {types:?} {version}: {ended:?}"
                    ),
                }
            }
        }
    }
}

#[test]
fn a_cut_link_delivers_a_beginning_and_never_part_of_a_message() {
    for seed in 0..600 {
        let mut dice = Dice(0xC07 + seed);
        let types = compatible_types();
        let types = types[dice.below(types.len())];
        let versions = [VERSIONS[dice.below(4)], VERSIONS[dice.below(4)]];
        let sent = [messages(&mut dice), messages(&mut dice)];
        let mut peers = pair(types, versions, &sent, &mut dice);
        // Half of the cuts hit the handshake.
        let most = [200, 5_000][dice.below(2)];
        let cuts = [dice.below(most), dice.below(most)];
        run(&mut peers, cuts, &mut dice, Duration::from_secs(3600));
        for (me, other) in [(0, 1), (1, 0)] {
            let peer = &peers[me];
            assert_eq!(peer.ended, None, "seed {seed}: silence is no violation");
            assert!(sent[other].starts_with(&peer.received), "seed {seed}: side {me}");
            assert!(peer.is_ready || peer.received.is_empty(), "seed {seed}: side {me}");
        }
    }
}

#[test]
fn garbled_octets_end_the_connection_or_do_not_but_never_panic() {
    for seed in 0..600 {
        let mut dice = Dice(0x6A2 + seed);
        let sent = [messages(&mut dice), messages(&mut dice)];
        let versions = [VERSIONS[dice.below(4)], VERSIONS[dice.below(4)]];
        let mut peers = pair([SocketType::Dealer, SocketType::Router], versions, &sent, &mut dice);
        // One side's words so far are cut off and go on with nonsense.
        let cut = dice.below(300);
        run(&mut peers, [cut, usize::MAX], &mut dice, Duration::from_secs(3600));
        let garbage: Vec<u8> = (0..100).map(|_| dice.next().to_le_bytes()[0] & 0x1F).collect();
        let [peer, _] = &mut peers;
        let before = peer.received.len();
        peer.side.input.extend_from_slice(&garbage);
        peer.receive(Duration::from_secs(3600), Instant::now());
        if peer.ended.is_some() {
            assert!(
                !peer.side.connection.is_ready() && peer.side.connection.timeout().is_none(),
                "seed {seed}"
            );
        }
        assert!(peer.received.len() >= before);
    }
}

#[test]
fn heartbeats_keep_a_quiet_link_and_find_a_dead_one() {
    const SECOND: Duration = Duration::from_secs(1);
    let heartbeat = Heartbeat { interval: SECOND, ttl: 4 * SECOND, timeout: 3 * SECOND };
    for (seed, versions) in (0..).zip(VERSIONS.iter().flat_map(|a| VERSIONS.map(|b| [*a, b]))) {
        for is_cut in [false, true] {
            for both in [false, true] {
                let mut dice = Dice(seed);
                let mut peers = [0, 1].map(|index| {
                    let heartbeat = (index == 0 || both).then_some(heartbeat);
                    let config =
                        Config { heartbeat, version_max: versions[index], ..Config::new(SocketType::Pair) };
                    Peer::new(config, &[], &mut dice)
                });
                // Far enough for the handshake and a few PINGs.
                let cut = if is_cut { 300 } else { usize::MAX };
                run(&mut peers, [cut; 2], &mut dice, Duration::from_secs(600));
                let context = format!("seed {seed}: {versions:?}, cut {is_cut}, both {both}");
                let has_ping = versions[0].min(versions[1]) >= Version::V3_0;
                for (index, peer) in peers.iter().enumerate() {
                    assert!(peer.is_ready, "{context}");
                    let Some((when, violation)) = &peer.ended else {
                        assert!(!(is_cut && has_ping), "{context}: side {index} waits for ever");
                        continue;
                    };
                    assert!(is_cut && has_ping, "{context}: {violation}");
                    let expected: &[ProtocolError] = if index == 0 || both {
                        &[ProtocolError::HeartbeatTimeout, ProtocolError::PeerTtlExpired]
                    } else {
                        &[ProtocolError::PeerTtlExpired]
                    };
                    assert!(expected.contains(violation), "{context}: {violation}");
                    assert!(*when < 60 * SECOND, "{context}: only after {when:?}");
                }
            }
        }
    }
}
