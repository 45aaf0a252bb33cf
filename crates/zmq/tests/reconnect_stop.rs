//! When a connection is given up for good.

mod common;

use std::time::Duration;

use common::wire::RawListener;
use common::{A_WHILE, PATIENCE, eventually, over_the_network, reserved, text};
use tamtam_zmq::{Context, EventKind, Monitor, Options, Pull, Push, SendError, Sub};

fn quick(options: &mut Options) -> &mut Options {
    options.set_reconnect_interval(Some(Duration::from_millis(5))).set_reconnect_interval_max(None)
}

/// Waits for this event; returns the texts of all before it and itself.
fn until(monitor: &Monitor, wanted: impl Fn(&EventKind) -> bool) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let event = monitor.recv_timeout(PATIENCE).unwrap_or_else(|| panic!("after {texts:?}"));
        texts.push(event.kind.to_string());
        if wanted(&event.kind) {
            return texts;
        }
    }
}

fn nothing_more(monitor: &Monitor) {
    assert!(monitor.recv_timeout(A_WHILE).is_none());
}

#[test]
fn when_nobody_listens() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let sub = Sub::with(&context, |o| {
            quick(o).set_driver(driver).set_reconnect_stop_refused(true);
        })
        .unwrap();
        let monitor = sub.monitor(100);
        let listener = RawListener::bind(&reserved(transport));
        sub.connect(&listener.endpoint).unwrap();
        let peer = listener.accept_as("PUB");
        until(&monitor, |kind| matches!(kind, EventKind::HandshakeSucceeded { .. }));
        let endpoint = listener.endpoint.clone();
        drop((listener, peer));
        // A loss is no refusal: it is tried once more, and that is refused.
        let events = until(&monitor, |kind| matches!(kind, EventKind::Closed));
        let retried = events.iter().filter(|text| text.starts_with("retry")).count();
        assert_eq!(retried, 1, "{transport} {driver:?}: {events:?}");
        nothing_more(&monitor);
        assert!(sub.peers().is_empty() && sub.disconnect(&endpoint).is_err(), "nothing is left of it");
        // It can be connected anew.
        let listener = RawListener::bind(&endpoint);
        sub.connect(&endpoint).unwrap();
        listener.accept_as("PUB");
    });
}

#[test]
fn when_the_handshake_fails() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            quick(o).set_driver(driver).set_reconnect_stop_handshake_failed(true);
        })
        .unwrap();
        let monitor = push.monitor(100);
        let listener = RawListener::bind(&reserved(transport));
        push.connect(&listener.endpoint).unwrap();
        push.send("given up").unwrap();
        let mut other = listener.accept();
        other.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let events = until(&monitor, |kind| matches!(kind, EventKind::Closed));
        assert!(events.iter().any(|text| text.contains("HTTP")), "{transport} {driver:?}: {events:?}");
        nothing_more(&monitor);
        assert!(matches!(push.try_send("x"), Err(SendError::Full(_))));
        assert_eq!(push.statistics().traffic.dropped.disconnected, 1);
    });
}

#[test]
fn after_a_disconnect() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            quick(o).set_driver(driver).set_reconnect_stop_after_disconnect(true);
        })
        .unwrap();
        let (kept, taken_back) = (RawListener::bind(&reserved(transport)), reserved(transport));
        push.connect(&kept.endpoint).unwrap();
        drop(kept.accept_as("PULL"));
        // As long as nothing was taken back, losses are mended.
        let peer = kept.accept_as("PULL");
        push.connect(&taken_back).unwrap();
        push.disconnect(&taken_back).unwrap();
        drop(peer);
        eventually("it is given up", || push.peers().is_empty());
        assert!(push.disconnect(&kept.endpoint).is_err(), "{transport} {driver:?}");
    });
}

#[test]
fn by_default_never() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, |o| {
            quick(o).set_driver(driver);
        })
        .unwrap();
        let monitor = push.monitor(1000);
        push.connect(&endpoint).unwrap();
        push.send("x").unwrap();
        for _ in 0..3 {
            until(&monitor, |kind| matches!(kind, EventKind::ConnectRetried { .. }));
        }
        let listener = RawListener::bind(&endpoint);
        let mut other = listener.accept();
        other.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        until(&monitor, |kind| matches!(kind, EventKind::ConnectRetried { .. }));
        drop((listener, other));
        let pull = Pull::new(&context);
        pull.bind(&endpoint).unwrap();
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "x", "{transport} {driver:?}");
    });
}
