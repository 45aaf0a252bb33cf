//! Properties in the handshake: the peer's, judged against a plain model of the rules, and ours, which must arrive.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use tamtam_fuzz::{Setup, converse_alike, greeting_3, ready};
use tamtam_zmtp::{Config, Connection, Event, PeerInfo, SocketType};

#[derive(Debug, Arbitrary)]
enum Name<'a> {
    SocketType { upper: bool },
    Identity { upper: bool },
    Other(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    SocketType(u8),
    Octets(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setup: Setup,
    cuts: [u8; 4],
    properties: Vec<(Name<'a>, Value<'a>)>,
    behind: &'a [u8],
}

impl Name<'_> {
    fn octets(&self) -> &[u8] {
        let name: &[u8] = match self {
            Self::SocketType { upper: true } => b"SOCKET-TYPE",
            Self::SocketType { upper: false } => b"Socket-Type",
            Self::Identity { upper: true } => b"IDENTITY",
            Self::Identity { upper: false } => b"Identity",
            Self::Other(name) => name,
        };
        name.get(..255).unwrap_or(name)
    }

    fn is_valid(&self) -> bool {
        let name = self.octets();
        !name.is_empty() && name.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_.+".contains(octet))
    }
}

impl Value<'_> {
    fn octets(&self) -> &[u8] {
        match self {
            Self::SocketType(number) => {
                let all = SocketType::ALL;
                all.get(usize::from(*number) % all.len()).map_or(b"", |known| known.name().as_bytes())
            }
            Self::Octets(octets) => octets,
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut config = input.setup.config();
    config.version_max = tamtam_zmtp::Version::V3_1;
    check_theirs(&config, &input);
    check_ours(config, &input.properties);
});

/// The peer's properties are taken exactly if they obey the rules.
fn check_theirs(config: &Config, input: &Input<'_>) {
    let mut encoded = Vec::new();
    for (name, value) in &input.properties {
        encoded.extend(u8::try_from(name.octets().len()));
        encoded.extend_from_slice(name.octets());
        encoded.extend(u32::try_from(value.octets().len()).expect("short").to_be_bytes());
        encoded.extend_from_slice(value.octets());
    }
    encoded.extend_from_slice(input.behind);
    let command = ready(&encoded);
    let stream = [greeting_3(1), command.clone()].concat();
    let outcome = converse_alike(&Arc::new(config.clone()), &stream, &input.cuts);
    if !input.behind.is_empty() {
        return;
    }
    let obeys =
        command.len() <= config.limits.handshake_bytes_max && obeys_the_rules(config, &input.properties);
    assert_eq!(outcome.ready, obeys, "{:?}", outcome.violation);
    if let Some(peer) = outcome.peer {
        let given = input.properties.iter().map(|(name, value)| (name.octets(), value.octets()));
        assert!(peer.metadata.iter().map(|(name, value)| (name.as_bytes(), &**value)).eq(given));
        assert_eq!(Some(&peer.identity), peer.property("Identity").or(Some(&Bytes::new())));
    }
}

fn obeys_the_rules(config: &Config, properties: &[(Name<'_>, Value<'_>)]) -> bool {
    let of = |wanted: &str| -> Vec<&[u8]> {
        let wanted = wanted.as_bytes();
        let named = properties.iter().filter(|(name, _)| name.octets().eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.octets()).collect()
    };
    let (types, identities) = (of("Socket-Type"), of("Identity"));
    properties.len() <= config.limits.metadata_properties_max
        && properties.iter().all(|(name, _)| name.is_valid())
        && types.len() <= 1
        && types
            .iter()
            .all(|name| SocketType::from_name(name).is_some_and(|theirs| config.socket_type.accepts(theirs)))
        && identities.len() <= 1
        && identities.iter().all(|identity| identity.len() <= 255)
}

/// What we announce arrives at a peer that fits, but for what ZMTP cannot carry.
fn check_ours(mut config: Config, properties: &[(Name<'_>, Value<'_>)]) {
    let Some(theirs) = SocketType::ALL.into_iter().find(|theirs| config.socket_type.accepts(*theirs)) else {
        return;
    };
    for (name, value) in properties.iter().take(20) {
        let name = format!("X-{}", String::from_utf8_lossy(name.octets()));
        config.metadata.push((name, Bytes::copy_from_slice(value.octets())));
    }
    let announced = config.metadata.clone();
    let Some(peer) = meet(config, Config::new(theirs)) else { return };
    let extra = peer.metadata.iter().filter(|(name, _)| name.starts_with("X-"));
    let fitting = announced.iter().filter(|(name, _)| {
        name.len() <= 255
            && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet))
    });
    assert!(extra.eq(fitting));
}

/// Lets two connections shake hands; returns what the second one learned of the first.
fn meet(first: Config, second: Config) -> Option<PeerInfo> {
    let mut sides = [first, second].map(|config| (Connection::new(Arc::new(config)), BytesMut::new()));
    for _ in 0..8 {
        let [(one, to_one), (other, to_other)] = &mut sides;
        to_other.extend_from_slice(&one.transmit().unwrap_or_default());
        to_one.extend_from_slice(&other.transmit().unwrap_or_default());
        // The first one's limits may be too tight for the second one's READY.
        let _ = one.receive(to_one);
        if let Ok(Some(Event::Ready(peer))) = other.receive(to_other) {
            return Some(*peer);
        }
    }
    None
}
