//! What a monitor tells, and that it holds nobody up.

mod common;

use std::time::{Duration, Instant};

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, DRIVERS, PATIENCE, becomes_true, driven_by, eventually, fresh, over_the_network, reserved, text,
};
use tamtam_zmq::{Context, Dealer, EventKind, Monitor, MonitorEvent, Pair, Pull, Push, SocketType};

/// The first word of each event's text, without the details.
fn kind(event: &MonitorEvent) -> &'static str {
    match event.kind {
        EventKind::Listening => "listening",
        EventKind::Accepted => "accepted",
        EventKind::AcceptFailed { .. } => "accept failed",
        EventKind::ConnectDelayed => "connecting",
        EventKind::ConnectRetried { .. } => "retried",
        EventKind::Connected => "connected",
        EventKind::HandshakeSucceeded { .. } => "ready",
        EventKind::HandshakeFailed { .. } => "handshake failed",
        EventKind::Disconnected { .. } => "disconnected",
        EventKind::Refused { .. } => "refused",
        EventKind::Closed => "closed",
        EventKind::Stopped => "stopped",
        _ => "unknown",
    }
}

/// Waits for these events, one after the other, and checks that they are in order of time and about this endpoint.
fn expect(monitor: &Monitor, endpoint: &str, kinds: &[&str]) -> Vec<MonitorEvent> {
    let events: Vec<MonitorEvent> = kinds
        .iter()
        .map(|expected| {
            let event = monitor.recv_timeout(PATIENCE).unwrap_or_else(|| panic!("{expected} is not told"));
            assert_eq!(kind(&event), *expected, "{event:?}");
            if *expected != "stopped" {
                assert_eq!(&*event.endpoint, endpoint, "{event:?}");
            }
            event
        })
        .collect();
    assert!(events.is_sorted_by_key(|event| event.at));
    events
}

#[test]
fn the_life_of_a_connection_is_told_at_both_ends() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let at_pull = pull.monitor(100);
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        expect(&at_pull, &endpoint, &["listening"]);
        let push = Push::with(&context, |o| {
            o.set_driver(driver)
                .set_reconnect_interval(Some(Duration::from_secs(3600)))
                .set_reconnect_interval_max(None);
        })
        .unwrap();
        let at_push = push.monitor(100);
        push.connect(&endpoint).unwrap();
        let events = expect(&at_push, &endpoint, &["connecting", "connected", "ready"]);
        let EventKind::HandshakeSucceeded { peer } = &events[2].kind else { panic!("{events:?}") };
        assert_eq!(peer.socket_type, Some(SocketType::Pull));
        assert_eq!(push.peer_info(events[2].peer.unwrap()).unwrap().socket_type, Some(SocketType::Pull));
        let events = expect(&at_pull, &endpoint, &["accepted", "connected", "ready"]);
        let EventKind::HandshakeSucceeded { peer } = &events[2].kind else { panic!("{events:?}") };
        assert_eq!(peer.socket_type, Some(SocketType::Push));
        assert!(events.iter().all(|event| event.peer == events[0].peer && event.peer.is_some()));
        pull.unbind(&endpoint).unwrap();
        let events = expect(&at_pull, &endpoint, &["disconnected", "closed"]);
        let EventKind::Disconnected { reason } = &events[0].kind else { panic!("{events:?}") };
        assert!(!reason.is_empty());
        let events = expect(&at_push, &endpoint, &["disconnected", "retried"]);
        let EventKind::ConnectRetried { after, reason } = &events[1].kind else { panic!("{events:?}") };
        assert!(*after >= Duration::from_secs(1800) && !reason.is_empty());
        push.disconnect(&endpoint).unwrap();
        expect(&at_push, &endpoint, &["closed"]);
        drop((push, pull));
        for monitor in [at_push, at_pull] {
            expect(&monitor, "", &["stopped"]);
            assert!(
                monitor.recv().is_none(),
                "{transport} {driver:?}: after the end nothing comes, and nobody waits"
            );
            assert_eq!(monitor.dropped(), 0);
        }
    });
}

#[test]
fn failures_are_told_with_their_reasons() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(2)));
        })
        .unwrap();
        let monitor = dealer.monitor(1000);
        let endpoint = reserved(transport);
        dealer.connect(&endpoint).unwrap();
        // Nobody listens.
        let events = expect(&monitor, &endpoint, &["connecting", "retried"]);
        assert!(events[1].kind.to_string().to_lowercase().contains("refused"), "{events:?}");
        // Somebody does, who is of the wrong type.
        let listener = RawListener::bind(&endpoint);
        let mut peer = listener.accept();
        peer.send(&common::wire::greeting());
        peer.send(&common::wire::ready("PUB", ""));
        let failed = loop {
            let event = monitor.recv_timeout(PATIENCE).unwrap();
            if kind(&event) == "handshake failed" {
                break event;
            }
        };
        let told = failed.kind.to_string();
        assert!(told.contains("PUB") && told.contains("DEALER"), "{transport} {driver:?}: {told}");
    });
}

#[test]
fn a_second_pair_is_told_as_refused() {
    for driver in DRIVERS {
        let context = Context::new();
        let pair = Pair::with(&context, driven_by(driver)).unwrap();
        let endpoint = pair.bind(&fresh("ipc")).unwrap();
        let _first = RawPeer::connect_as(&endpoint, "PAIR");
        pair.wait_for_peers(1, PATIENCE).unwrap();
        let monitor = pair.monitor(100);
        let mut second = RawPeer::connect(&endpoint);
        second.send(&common::wire::greeting());
        second.send(&common::wire::ready("PAIR", ""));
        second.receive_to_end();
        expect(&monitor, &endpoint, &["accepted", "connected", "ready", "refused", "disconnected"]);
    }
}

/// An unread monitor drops its oldest events and counts them; the traffic never notices.
#[test]
fn an_unread_monitor_never_holds_anybody_up() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let monitor = pull.monitor(5);
        let endpoint = pull.bind(&fresh("ipc")).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..300 {
            drop(RawPeer::connect(&endpoint));
            push.send(number.to_string()).unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), number.to_string());
        }
        // Accepted, connected, failed: of 300 strangers; four more events before; five are kept.
        eventually("all of them were told", || monitor.dropped() == 899);
        eventually("only the good one is left", || pull.peers().len() == 1);
        assert_eq!(pull.statistics().monitor_dropped, monitor.dropped());
        let kept = std::iter::from_fn(|| monitor.try_recv()).count();
        assert_eq!(kept, 5, "the newest are kept");
    }
}

/// A monitor made later gets what happens from then on; the one made before ends.
#[test]
fn a_new_monitor_replaces_the_old_one() {
    let context = Context::new();
    let pull = Pull::new(&context);
    let old = pull.monitor(10);
    let new = pull.monitor(10);
    let endpoint = pull.bind(&fresh("ipc")).unwrap();
    expect(&old, "", &["stopped"]);
    assert!(old.recv().is_none());
    expect(&new, &endpoint, &["listening"]);
}

#[test]
fn waiting_for_an_event_has_an_end() {
    let context = Context::new();
    let pull = Pull::new(&context);
    let monitor = pull.monitor(10);
    let began = Instant::now();
    assert!(monitor.recv_timeout(A_WHILE).is_none());
    assert!(began.elapsed() >= A_WHILE);
    assert!(monitor.try_recv().is_none());
    // Closing the socket ends the wait of another thread.
    std::thread::scope(|scope| {
        let waiting = scope
            .spawn(|| std::iter::from_fn(|| monitor.recv()).map(|event| kind(&event)).collect::<Vec<_>>());
        assert!(!becomes_true(A_WHILE, || waiting.is_finished()));
        drop(pull);
        assert_eq!(waiting.join().unwrap(), ["stopped"]);
    });
}

/// A monitor that is dropped is nobody's burden.
#[test]
fn a_monitor_may_be_dropped() {
    let context = Context::new();
    let pull = Pull::new(&context);
    drop(pull.monitor(10));
    let push = Push::new(&context);
    push.connect(&pull.bind(&fresh("ipc")).unwrap()).unwrap();
    push.send("x").unwrap();
    pull.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_monitor_that_is_stopped_gets_its_last_event() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let socket: &tamtam_zmq::Socket = pull.as_ref();
        // Without one there is nothing to stop.
        socket.stop_monitor();
        let monitor = pull.monitor(10);
        let endpoint = pull.bind(&fresh("tcp")).unwrap();
        expect(&monitor, &endpoint, &["listening"]);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| monitor.recv());
            assert!(!becomes_true(A_WHILE, || waiting.is_finished()));
            socket.stop_monitor();
            assert_eq!(waiting.join().unwrap().map(|event| kind(&event)), Some("stopped"), "{driver:?}");
        });
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        pull.wait_for_peers(1, PATIENCE).unwrap();
        assert!(monitor.try_recv().is_none(), "it gets no more");
        // The next one begins where it is made.
        let next = pull.monitor(10);
        drop(push);
        expect(&next, &endpoint, &["disconnected"]);
    }
}
