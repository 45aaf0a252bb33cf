//! PING and PONG between the two libraries, and what follows when they stay away.

use std::time::Duration;

use tamtam_zmq::SocketType::{Pull, Push};
use tamtam_zmq::{EventKind, Monitor};

use super::ends::End;
use super::relay::Relay;
use super::{Contexts, last_endpoint, text, with_both_drivers};
use crate::common::PATIENCE;

const OFTEN: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(600);
const OFTEN_MS: i32 = 20;
const NEVER_MS: i32 = 600_000;

/// Waits until a connection has ended; returns why.
fn reason_of_end(monitor: &Monitor) -> String {
    loop {
        let event = monitor.recv_timeout(PATIENCE).expect("the end of the connection");
        if let EventKind::Disconnected { reason } = event.kind {
            return reason;
        }
    }
}

fn has_ended(monitor: &Monitor) -> bool {
    std::iter::from_fn(|| monitor.try_recv())
        .any(|event| matches!(event.kind, EventKind::Disconnected { .. }))
}

#[test]
fn libzmq_answers_our_pings() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut theirs = contexts.theirs(zmq::PULL);
        theirs.bind("tcp://127.0.0.1:*").unwrap();
        let relay = Relay::to(&last_endpoint(&theirs));
        let mut ours = contexts.ours(Push, driver, |options| {
            options.set_heartbeat_interval(Some(OFTEN)).set_heartbeat_timeout(Some(PATIENCE));
            options.set_heartbeat_ttl(PATIENCE);
        });
        let monitor = ours.monitor(100);
        ours.connect(&relay.endpoint()).unwrap();
        relay.wait_until(|passed| passed.pings_up >= 3 && passed.pongs_down >= 3);
        End::send(&mut ours, &text(&["still", "here"]));
        assert_eq!(theirs.receive(), text(&["still", "here"]));
        assert!(!has_ended(&monitor));
        assert_eq!(relay.passed().connections, 1);
        assert_eq!(relay.passed().pings_down, 0);
    });
}

#[test]
fn we_answer_libzmqs_pings() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Pull, driver, |_| {});
        let monitor = ours.monitor(100);
        let relay = Relay::to(&ours.bind("tcp://127.0.0.1:*").unwrap());
        let mut theirs = contexts.theirs(zmq::PUSH);
        theirs.set_heartbeat_ivl(OFTEN_MS).unwrap();
        theirs.set_heartbeat_timeout(NEVER_MS).unwrap();
        theirs.set_heartbeat_ttl(10_000).unwrap();
        theirs.connect(&relay.endpoint()).unwrap();
        relay.wait_until(|passed| passed.pings_up >= 3 && passed.pongs_down >= 3);
        End::send(&mut theirs, &text(&["still", "here"]));
        assert_eq!(ours.receive(), text(&["still", "here"]));
        assert!(!has_ended(&monitor));
        assert_eq!(relay.passed().connections, 1);
        assert_eq!(relay.passed().pings_down, 0);
    });
}

#[test]
fn both_may_ping() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Pull, driver, |options| {
            options.set_heartbeat_interval(Some(OFTEN)).set_heartbeat_timeout(Some(PATIENCE));
        });
        let relay = Relay::to(&ours.bind("tcp://127.0.0.1:*").unwrap());
        let mut theirs = contexts.theirs(zmq::PUSH);
        theirs.set_heartbeat_ivl(OFTEN_MS).unwrap();
        theirs.set_heartbeat_timeout(NEVER_MS).unwrap();
        theirs.connect(&relay.endpoint()).unwrap();
        relay.wait_until(|passed| passed.pings_up >= 2 && passed.pings_down >= 2);
        relay.wait_until(|passed| passed.pongs_up >= 2 && passed.pongs_down >= 2);
        End::send(&mut theirs, &text(&["still here"]));
        assert_eq!(ours.receive(), text(&["still here"]));
        assert_eq!(relay.passed().connections, 1);
    });
}

#[test]
fn we_give_a_silent_libzmq_up_and_come_back() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut theirs = contexts.theirs(zmq::PULL);
        theirs.bind("tcp://127.0.0.1:*").unwrap();
        let relay = Relay::to(&last_endpoint(&theirs));
        let mut ours = contexts.ours(Push, driver, |options| {
            options
                .set_heartbeat_interval(Some(OFTEN))
                .set_heartbeat_timeout(Some(Duration::from_millis(500)));
            options.set_reconnect_interval(Some(Duration::from_millis(10)));
        });
        let monitor = ours.monitor(100);
        ours.connect(&relay.endpoint()).unwrap();
        relay.wait_until(|passed| passed.pongs_down >= 1);
        relay.fall_silent();
        let reason = reason_of_end(&monitor);
        assert!(reason.contains("heartbeat"), "{reason}");
        End::send(&mut ours, &text(&["back again"]));
        assert_eq!(theirs.receive(), text(&["back again"]));
        assert!(ours.statistics().traffic.reconnects >= 1);
    });
}

#[test]
fn libzmq_gives_us_up_when_we_are_silent_and_is_welcome_again() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Pull, driver, |_| {});
        let relay = Relay::to(&ours.bind("tcp://127.0.0.1:*").unwrap());
        let mut theirs = contexts.theirs(zmq::PUSH);
        theirs.set_heartbeat_ivl(OFTEN_MS).unwrap();
        theirs.set_heartbeat_timeout(500).unwrap();
        theirs.connect(&relay.endpoint()).unwrap();
        relay.wait_until(|passed| passed.pongs_down >= 1);
        relay.fall_silent();
        relay.wait_until(|passed| passed.connections >= 2);
        End::send(&mut theirs, &text(&["back again"]));
        assert_eq!(ours.receive(), text(&["back again"]));
    });
}

#[test]
fn we_keep_to_the_time_to_live_that_libzmq_announces() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let theirs = contexts.theirs(zmq::PULL);
        theirs.set_heartbeat_ivl(OFTEN_MS).unwrap();
        theirs.set_heartbeat_timeout(NEVER_MS).unwrap();
        theirs.set_heartbeat_ttl(500).unwrap();
        theirs.bind("tcp://127.0.0.1:*").unwrap();
        let relay = Relay::to(&last_endpoint(&theirs));
        let ours = contexts.ours(Push, driver, |_| {});
        let monitor = ours.monitor(100);
        ours.connect(&relay.endpoint()).unwrap();
        relay.wait_until(|passed| passed.pongs_up >= 1);
        relay.fall_silent();
        let reason = reason_of_end(&monitor);
        assert!(reason.contains("time to live"), "{reason}");
        relay.wait_until(|passed| passed.connections >= 2);
    });
}

#[test]
fn libzmq_keeps_to_the_time_to_live_that_we_announce() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let ours = contexts.ours(Pull, driver, |options| {
            options.set_heartbeat_interval(Some(OFTEN)).set_heartbeat_timeout(Some(NEVER));
            options.set_heartbeat_ttl(Duration::from_millis(500));
        });
        let relay = Relay::to(&ours.bind("tcp://127.0.0.1:*").unwrap());
        let theirs = contexts.theirs(zmq::PUSH);
        theirs.connect(&relay.endpoint()).unwrap();
        relay.wait_until(|passed| passed.pongs_up >= 1);
        relay.fall_silent();
        // libzmq has no heartbeat of its own here: only our time to live makes it connect anew.
        relay.wait_until(|passed| passed.connections >= 2);
    });
}
