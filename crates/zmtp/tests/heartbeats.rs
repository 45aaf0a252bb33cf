//! PING, PONG and silence, in virtual time.

mod common;

use std::time::{Duration, Instant};

use common::{SIGNATURE, Side, config};
use tamtam_zmtp::{Config, Heartbeat, ProtocolError, SocketType};

const SECOND: Duration = Duration::from_secs(1);
const PING_2_S: &[u8] = b"\x04\x07\x04PING\x00\x14";

fn with_heartbeat() -> Config {
    let heartbeat = Heartbeat { interval: SECOND, ttl: 2 * SECOND, timeout: 3 * SECOND };
    Config { heartbeat: Some(heartbeat), ..config(SocketType::Pull) }
}

fn started(config: Config, minor: u8, now: Instant) -> Side {
    let mut side = Side::in_traffic(config, minor, "PUSH");
    assert_eq!(side.connection.timeout(), None, "no timer before the start");
    side.connection.start_timers(now);
    side
}

#[test]
fn a_ping_goes_out_at_every_interval_and_any_octet_answers_it() {
    let start = Instant::now();
    let mut side = started(with_heartbeat(), 1, start);
    for round in 1..=20 {
        let due = start + round * SECOND;
        assert_eq!(side.connection.timeout(), Some(due));
        assert_eq!(side.connection.handle_timeout(due - Duration::from_nanos(1)), Ok(()));
        assert_eq!(side.transmitted(), b"", "too early");
        assert_eq!(side.connection.handle_timeout(due), Ok(()));
        assert_eq!(side.transmitted(), PING_2_S);
        // Part of a message is as good as a PONG.
        side.connection.note_received(due + SECOND / 2);
        let octets: &[u8] = if round % 2 == 0 { b"\x00\x01x" } else { b"\x04\x05\x04PONG" };
        side.feed(octets).expect("traffic");
    }
}

#[test]
fn an_unanswered_ping_ends_the_connection_at_the_timeout() {
    let start = Instant::now();
    let mut side = started(with_heartbeat(), 1, start);
    let mut pings = 0;
    let ended = loop {
        let now = side.connection.timeout().expect("a timer runs");
        match side.connection.handle_timeout(now) {
            Ok(()) => pings += side.transmitted().len() / PING_2_S.len(),
            Err(error) => break (now - start, error),
        }
    };
    // The first PING is out after 1 s, and 3 s after it the patience ends; two more went out in between.
    assert_eq!(ended, (4 * SECOND, ProtocolError::HeartbeatTimeout));
    assert_eq!(pings, 3);
    assert!(!side.connection.is_ready());
    assert_eq!(side.connection.timeout(), None);
    assert_eq!(side.connection.handle_timeout(start), Err(ProtocolError::HeartbeatTimeout));
    assert_eq!(side.feed(b"\x00\x01x"), Err(ProtocolError::HeartbeatTimeout));
}

#[test]
fn a_timeout_of_zero_is_the_interval() {
    let start = Instant::now();
    let heartbeat = Heartbeat { interval: SECOND, ttl: Duration::ZERO, timeout: Duration::ZERO };
    let mut side = started(Config { heartbeat: Some(heartbeat), ..config(SocketType::Pull) }, 1, start);
    side.connection.handle_timeout(start + SECOND).expect("a PING");
    assert_eq!(side.transmitted(), b"\x04\x07\x04PING\x00\x00");
    assert_eq!(side.connection.handle_timeout(start + 2 * SECOND), Err(ProtocolError::HeartbeatTimeout));
}

#[test]
fn only_peers_that_know_ping_get_one() {
    let start = Instant::now();
    let zero = Heartbeat { interval: Duration::ZERO, ttl: SECOND, timeout: SECOND };
    assert_eq!(started(with_heartbeat(), 0, start).connection.timeout(), Some(start + SECOND), "ZMTP 3.0");
    assert_eq!(started(config(SocketType::Pull), 1, start).connection.timeout(), None, "not configured");
    let config = Config { heartbeat: Some(zero), ..config(SocketType::Pull) };
    assert_eq!(started(config, 1, start).connection.timeout(), None, "no interval");
    for old in [&[SIGNATURE, b"\x01\x08\x00\x00"].concat()[..], b"\x01\x00"] {
        let mut side = Side::new(with_heartbeat());
        side.feed(old).expect("an old peer");
        assert!(side.connection.is_ready());
        side.connection.start_timers(start);
        assert_eq!(side.connection.timeout(), None);
    }
}

#[test]
fn a_pong_echoes_the_context() {
    let mut side = started(config(SocketType::Pull), 1, Instant::now());
    for (ping, pong) in [
        (&b"\x04\x07\x04PING\0\0"[..], &b"\x04\x05\x04PONG"[..]),
        (b"\x04\x09\x04PING\0\0\0\xff", b"\x04\x07\x04PONG\0\xff"),
        (b"\x04\x17\x04PING\xff\xffABCDEFGHIJKLMNOP", b"\x04\x15\x04PONGABCDEFGHIJKLMNOP"),
        (b"\x06\0\0\0\0\0\0\0\x08\x04PING\0\0x", b"\x04\x06\x04PONGx"),
    ] {
        assert_eq!(side.feed(ping), Ok(vec![]));
        assert_eq!(side.transmitted(), pong);
    }
}

#[test]
fn the_peers_time_to_live_counts_from_the_last_octet() {
    let start = Instant::now();
    // Up to the largest: 6553.5 s.
    for (octets, ttl) in [([0, 1], 100), ([0, 20], 2_000), ([0xFF, 0xFF], 6_553_500)] {
        let ttl = Duration::from_millis(ttl);
        let mut side = started(config(SocketType::Pull), 1, start);
        let ping = [&b"\x04\x07\x04PING"[..], &octets].concat();
        let arrival = start + SECOND;
        side.connection.note_received(arrival);
        side.feed(&ping).expect("a PING");
        assert_eq!(side.connection.timeout(), Some(arrival + ttl));
        assert_eq!(side.connection.handle_timeout(arrival + ttl - Duration::from_nanos(1)), Ok(()));
        let later = arrival + ttl / 2;
        side.connection.note_received(later);
        assert_eq!(side.connection.timeout(), Some(later + ttl));
        assert_eq!(side.connection.handle_timeout(later + ttl), Err(ProtocolError::PeerTtlExpired));
    }
}

#[test]
fn a_time_to_live_of_zero_ends_the_earlier_one() {
    let start = Instant::now();
    let mut side = started(config(SocketType::Pull), 1, start);
    side.feed(b"\x04\x07\x04PING\0\x01").expect("a PING");
    assert!(side.connection.timeout().is_some());
    side.feed(b"\x04\x07\x04PING\0\0").expect("a PING");
    assert_eq!(side.connection.timeout(), None);
    assert_eq!(side.connection.handle_timeout(start + 10_000 * SECOND), Ok(()));
}
