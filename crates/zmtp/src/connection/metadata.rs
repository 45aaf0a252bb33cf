//! Metadata: the properties both sides announce in the handshake (37/ZMTP, Connection Metadata).

use bytes::Bytes;

use super::config::Config;
use super::event::PeerInfo;
use crate::error::{ProtocolError, printable};
use crate::framing::{Version, widen};
use crate::socket_type::SocketType;

const SOCKET_TYPE: &str = "Socket-Type";
const IDENTITY: &str = "Identity";

/// Returns our properties, encoded.
pub(super) fn ours(config: &Config) -> Vec<u8> {
    let mut out = Vec::new();
    put_property(&mut out, SOCKET_TYPE, config.socket_type.name().as_bytes());
    if config.socket_type.sends_identity() {
        put_property(&mut out, IDENTITY, &config.identity);
    }
    for (name, value) in &config.metadata {
        put_property(&mut out, name, value);
    }
    out
}

/// Appends a property, or nothing if the name or the length of the value is impossible.
fn put_property(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let name_len = u8::try_from(name.len()).ok().filter(|_| is_name(name.as_bytes()));
    let value_len = i32::try_from(value.len()).ok();
    if let (Some(name_len), Some(value_len)) = (name_len, value_len) {
        out.push(name_len);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&value_len.to_be_bytes());
        out.extend_from_slice(value);
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_.+".contains(octet))
}

/// Reads the peer's properties out of the `command` that carried them, and judges them.
pub(super) fn theirs(
    config: &Config,
    version: Version,
    command: &[u8],
    encoded: &[u8],
) -> Result<PeerInfo, ProtocolError> {
    let mut peer = PeerInfo {
        version,
        socket_type: None,
        identity: Bytes::new(),
        metadata: Vec::new(),
        mechanism: config.mechanism.name(),
        user_id: None,
        auth_metadata: Vec::new(),
    };
    // One buffer for all values, and of the right length: a slice of the input would keep all of that alive.
    let encoded = Bytes::copy_from_slice(encoded);
    let mut rest = &*encoded;
    while !rest.is_empty() {
        if peer.metadata.len() >= config.limits.metadata_properties_max {
            return Err(ProtocolError::MetadataTooLarge { limit: config.limits.metadata_properties_max });
        }
        let (name, value, after) = property(command, rest)?;
        rest = after;
        let malformed = |what| Err(malformed(command, what));
        let value = encoded.slice_ref(value);
        if name.eq_ignore_ascii_case(SOCKET_TYPE) {
            if peer.socket_type.is_some() {
                return malformed("two Socket-Type properties");
            }
            peer.socket_type = Some(compatible(config.socket_type, &value)?);
        } else if name.eq_ignore_ascii_case(IDENTITY) {
            if peer.property(IDENTITY).is_some() {
                return malformed("two Identity properties");
            }
            if value.len() > config.limits.identity_len_max {
                let (size, limit) = (widen(value.len()), widen(config.limits.identity_len_max));
                return Err(ProtocolError::IdentityTooLong { size, limit });
            }
            peer.identity = value.clone();
        }
        peer.metadata.push((name.to_owned(), value));
    }
    Ok(peer)
}

/// Reads properties that stand alone: what 27/ZAP says of a user.
pub(crate) fn properties(encoded: &[u8]) -> Result<Vec<(String, Bytes)>, ProtocolError> {
    let mut properties = Vec::new();
    let mut rest = encoded;
    while !rest.is_empty() {
        let (name, value, after) = property(b"ZAP", rest)?;
        rest = after;
        properties.push((name.to_owned(), Bytes::copy_from_slice(value)));
    }
    Ok(properties)
}

/// Takes one property off the front: name, value, and what follows.
fn property<'a>(command: &[u8], encoded: &'a [u8]) -> Result<(&'a str, &'a [u8], &'a [u8]), ProtocolError> {
    let parts = || {
        let (name_len, rest) = encoded.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*value_len)).ok()?)?;
        Some((name, value, rest))
    };
    let Some((name, value, rest)) = parts() else {
        return Err(malformed(command, "a property is longer than the body"));
    };
    match std::str::from_utf8(name) {
        Ok(text) if is_name(name) => Ok((text, value, rest)),
        _ => Err(malformed(command, "a property's name is empty or has characters that names have not")),
    }
}

fn malformed(command: &[u8], what: &'static str) -> ProtocolError {
    ProtocolError::MalformedMetadata { command: printable(command), what }
}

fn compatible(ours: SocketType, theirs: &[u8]) -> Result<SocketType, ProtocolError> {
    match SocketType::from_name(theirs) {
        Some(theirs) if ours.accepts(theirs) => Ok(theirs),
        Some(theirs) => Err(ProtocolError::SocketTypeMismatch { ours, theirs }),
        None => Err(ProtocolError::UnknownSocketType { name: printable(theirs) }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::command;
    use super::*;
    use crate::Limits;

    fn read(config: &Config, encoded: &[u8]) -> Result<PeerInfo, ProtocolError> {
        theirs(config, Version::V3_1, command::READY, encoded)
    }

    fn encoded(properties: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in properties {
            put_property(&mut out, name, value);
        }
        out
    }

    #[test]
    fn ours_have_an_identity_only_where_a_router_can_use_it() {
        let mut config = Config { identity: Bytes::from_static(b"me"), ..Config::new(SocketType::Dealer) };
        config.metadata = vec![("X-A".into(), Bytes::from_static(b"1")), ("bad name".into(), Bytes::new())];
        config.metadata.extend([(String::new(), Bytes::new()), ("x".repeat(256), Bytes::new())]);
        let expected: &[_] = &[("Socket-Type", &b"DEALER"[..]), ("Identity", b"me"), ("X-A", b"1")];
        assert_eq!(ours(&config), encoded(expected));
        config.socket_type = SocketType::Push;
        assert_eq!(ours(&config), encoded(&[("Socket-Type", b"PUSH"), ("X-A", b"1")]));
    }

    #[test]
    fn names_are_compared_without_case() {
        let config = Config::new(SocketType::Router);
        let peer = read(&config, &encoded(&[("SOCKET-type", b"REQ"), ("identity", b"you"), ("x-b", b"")]));
        let peer = peer.expect("compatible");
        assert_eq!(peer.socket_type, Some(SocketType::Req));
        assert_eq!(peer.identity, "you");
        assert_eq!(peer.property("X-B"), Some(&Bytes::new()));
        assert_eq!(peer.property("X-C"), None);
        assert_eq!(peer.metadata.len(), 3);
    }

    #[test]
    fn a_peer_may_keep_its_type_to_itself() {
        let peer = read(&Config::new(SocketType::Pair), b"").expect("no property is mandatory");
        assert_eq!((peer.socket_type, peer.identity.len()), (None, 0));
    }

    #[test]
    fn violations() {
        let limits = Limits { metadata_properties_max: 3, ..Limits::default() };
        let config = Config { limits, ..Config::new(SocketType::Pull) };
        let refused = |bytes: &[u8]| read(&config, bytes).expect_err("a violation").to_string();
        let check =
            |properties: &[(&str, &[u8])], expected| assert_eq!(refused(&encoded(properties)), expected);
        check(&[("Socket-Type", b"PULL")], "socket types do not fit: ours is PULL, the peer's is PULL");
        check(&[("Socket-Type", b"push")], "unknown socket type push");
        check(&[("Socket-Type", b"\x1b")], "unknown socket type \\x1b");
        let twice: &[(&str, &[u8])] = &[("Socket-Type", b"PUSH"), ("socket-type", b"PUSH")];
        check(twice, "malformed READY command: two Socket-Type properties");
        check(&[("Identity", b""), ("Identity", b"")], "malformed READY command: two Identity properties");
        check(&[("Identity", &[b'i'; 256])], "identity of 256 octets is over the limit of 255");
        check(&[("a", b""), ("a", b""), ("a", b""), ("a", b"")], "metadata has more than 3 properties");
        let name =
            "malformed READY command: a property's name is empty or has characters that names have not";
        for bytes in [&b"\x00\x00\x00\x00\x00"[..], b"\x01 \x00\x00\x00\x00", b"\x01\xff\x00\x00\x00\x00"] {
            assert_eq!(refused(bytes), name);
        }
        let whole = encoded(&[("Name", b"value")]);
        for cut in 1..whole.len() {
            let bytes = whole.get(..cut).expect("within");
            assert_eq!(
                refused(bytes),
                "malformed READY command: a property is longer than the body",
                "{cut}"
            );
        }
        assert!(refused(b"\x01a\xff\xff\xff\xff").contains("longer than the body"));
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_back(
            properties in prop::collection::vec(("[A-Za-z0-9_.+-]{1,20}", prop::collection::vec(any::<u8>(), 0..50)), 0..9)
        ) {
            let config = Config::new(SocketType::Pair);
            let mut bytes = Vec::new();
            for (name, value) in &properties {
                put_property(&mut bytes, &format!("X-{name}"), value);
            }
            let peer = read(&config, &bytes).expect("well-formed");
            let expected = properties.into_iter().map(|(name, value)| (format!("X-{name}"), Bytes::from(value)));
            prop_assert!(peer.metadata.into_iter().eq(expected));
        }

        #[test]
        fn garbage_is_an_error_at_most(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&Config::new(SocketType::Pair), &bytes);
        }
    }
}
