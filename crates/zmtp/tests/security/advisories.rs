//! One test per class of historic advisory against ZeroMQ implementations that a protocol engine can have.

use tamtam_zmtp::{Config, Mechanism, ProtocolCode, ProtocolError, SocketType, Version};

use super::common::{greeting_3, ready};
use super::pair::{End, converse, curve_pair, dealer, greet, keys, plain_client, router};

fn secured() -> Vec<Config> {
    vec![
        router(Mechanism::PlainServer),
        router(Mechanism::CurveServer(keys())),
        dealer(plain_client("admin", "secret")),
        dealer(Mechanism::CurveClient { keys: keys(), server: keys().public }),
        Config { authenticate: true, ..router(Mechanism::Null) },
    ]
}

/// CVE-2014-7202: a greeting with another mechanism was taken, and the connection went on without security.
#[test]
fn cve_2014_7202_the_peer_cannot_choose_another_mechanism() {
    for config in secured().into_iter().filter(|config| config.mechanism != Mechanism::Null) {
        let ours = config.mechanism.name();
        let mut end = End::new(config);
        end.take(&greeting_3(0));
        end.take(&ready("DEALER"));
        assert!(matches!(end.failure, Some(ProtocolError::MechanismMismatch { .. })), "{ours}");
        assert_eq!(end.failure.and_then(|failure| failure.code()), Some(ProtocolCode::ZmtpMechanismMismatch));
        assert!(end.events.is_empty());
    }
}

/// CVE-2014-7203: a captured message could be sent again.
#[test]
fn cve_2014_7203_a_message_counts_once() {
    let (mut client, mut server) = curve_pair();
    converse(&mut client, &mut server);
    let wire = client.sealed(&["pay 10"]);
    server.take(&wire);
    server.take(&wire);
    assert_eq!(server.messages().len(), 1);
    assert!(matches!(server.failure, Some(ProtocolError::InvalidSequence { .. })));
}

/// CVE-2014-9721: a peer that claims to be of ZMTP 2.0 or 1.0 was let in without security.
#[test]
fn cve_2014_9721_old_versions_are_no_way_around_security() {
    let signature = b"\xff\0\0\0\0\0\0\0\x01\x7f";
    let old: [&[u8]; 4] = [b"\x01\x05\0\0", b"\x01\x00", b"\x06\0abcde", b"\xff\0\0\0\0\0\0\0\x01\0"];
    for hello in [[&signature[..], old[0]].concat(), old[1].to_vec(), old[2].to_vec(), old[3].to_vec()] {
        for config in secured() {
            let mut end = End::new(config);
            end.take(&hello);
            assert!(matches!(end.failure, Some(ProtocolError::UnsupportedVersion { .. })), "{hello:?}");
            assert!(end.events.is_empty() && end.ready().is_none());
        }
    }
    // Nor if we were told to speak old versions ourselves.
    for version_max in [Version::V1_0, Version::V2_0] {
        for config in secured() {
            let mut end = End::new(Config { version_max, ..config });
            end.take(&[&signature[..], b"\x01\x05\0\0"].concat());
            assert!(end.ready().is_none() && end.failure.is_some(), "{version_max}");
        }
    }
}

/// CVE-2019-6250: a length near the end of the address space broke arithmetic.
#[test]
fn cve_2019_6250_claimed_lengths_break_no_arithmetic() {
    for length in [u64::MAX, u64::MAX >> 1, (u64::MAX >> 1) - 8, 1 << 62] {
        let (mut client, mut server) = curve_pair();
        converse(&mut client, &mut server);
        server.take(&[&[2][..], &length.to_be_bytes()].concat());
        server.take(&[0; 100]);
        assert!(server.messages().is_empty());
        let (mut client, mut server) = curve_pair();
        greet(&mut client, &mut server);
        server.take(&[&[6][..], &length.to_be_bytes()].concat());
        assert!(server.failure.is_some());
    }
}

/// CVE-2019-13132: metadata in INITIATE overran a buffer before the client was authenticated.
#[test]
fn cve_2019_13132_large_metadata_is_bounded() {
    let server_keys = keys();
    for (size, fits) in [(30 * 1024, true), (62 * 1024, true), (70 * 1024, false), (1 << 20, false)] {
        let mechanism = Mechanism::CurveClient { keys: keys(), server: server_keys.public };
        let metadata = vec![("X-Large".to_owned(), vec![b'x'; size].into())];
        let mut client = End::new(Config { metadata, ..dealer(mechanism) });
        let mut server = End::new(router(Mechanism::CurveServer(server_keys.clone())));
        converse(&mut client, &mut server);
        assert_eq!(server.ready().is_some(), fits, "{size}");
        if !fits {
            assert!(matches!(server.failure, Some(ProtocolError::HandshakeTooLarge { .. })));
            assert!(server.input.len() <= 64 * 1024 + (1 << 20) + 1024, "nothing was copied");
        }
    }
    // Many small properties, and lengths that lie, within an encrypted INITIATE.
    let mechanism = Mechanism::CurveClient { keys: keys(), server: server_keys.public };
    let metadata = (0..100).map(|i| (format!("X-{i}"), "".into())).collect();
    let mut client = End::new(Config { metadata, ..dealer(mechanism) });
    let mut server = End::new(router(Mechanism::CurveServer(server_keys)));
    converse(&mut client, &mut server);
    assert!(matches!(server.failure, Some(ProtocolError::MetadataTooLarge { limit: 64 })));
}

/// CVE-2021-20237 and its like: what a stranger sends before it is authenticated must not pile up. Here: octets behind a
/// handshake that waits, and endless commands.
#[test]
fn cve_2021_20237_a_stranger_cannot_make_us_hold_memory() {
    let (mut client, mut server) = curve_pair();
    let hello = greet(&mut client, &mut server);
    server.take(&hello);
    // INITIATE claimed to be huge: refused by its header.
    server.take(b"\x06\0\0\0\0\0\x01\0\0");
    assert!(matches!(server.failure, Some(ProtocolError::HandshakeTooLarge { .. })));
    let mut server = End::new(Config { authenticate: true, ..router(Mechanism::Null) });
    let mut client = End::new(dealer(Mechanism::Null));
    converse(&mut client, &mut server);
    server.take(&vec![4; 65 * 1024]);
    assert!(matches!(server.failure, Some(ProtocolError::HandshakeTooLarge { .. })));
}

/// A peer's own word for who it is must not be taken for that of the one who authenticates.
#[test]
fn a_peer_cannot_name_itself() {
    let metadata = vec![("User-Id".to_owned(), "root".into())];
    let mut client = End::new(Config { metadata, ..dealer(Mechanism::Null) });
    let mut server = End::new(Config::new(SocketType::Router));
    converse(&mut client, &mut server);
    let peer = server.ready().expect("NULL lets everybody in");
    assert_eq!((peer.user_id.as_ref(), peer.property("User-Id")), (None, None));
}
