//! Options: what they refuse, and what they do.

mod common;

use std::time::{Duration, Instant};

use common::wire::{COMMAND, RawListener, RawPeer, frame};
use common::{
    A_WHILE, DRIVERS, PATIENCE, driven_by, eventually, everywhere, fresh, over_the_network, reserved, text,
};
use tamtam_zmq::{
    Context, Dealer, Driver, EventKind, Monitor, OptionError, Options, Pull, Push, RecvError, Rep, Router,
    SendError, Spin, Version,
};

fn reason_of_the_end(monitor: &Monitor) -> String {
    loop {
        match monitor.recv_timeout(PATIENCE).unwrap().kind {
            EventKind::Disconnected { reason } | EventKind::HandshakeFailed { reason, .. } => return reason,
            _ => {}
        }
    }
}

#[test]
fn values_out_of_range_are_refused_and_nothing_is_changed() {
    let context = Context::new();
    let dealer = Dealer::new(&context);
    let refused = |change: fn(&mut Options)| {
        let error = dealer
            .configure(|o| {
                o.set_send_hwm(77);
                change(o);
            })
            .unwrap_err();
        let OptionError::Invalid { option, why } = &error else { panic!("{error:?}") };
        assert!(error.to_string().contains(option) && !why.is_empty(), "{error}");
        assert_eq!(*dealer.options().send_hwm(), 1000, "all or nothing");
        (*option).to_owned()
    };
    assert_eq!(refused(|o| _ = o.set_routing_id(vec![b'x'; 256].into())), "routing_id");
    assert_eq!(refused(|o| _ = o.set_routing_id(vec![0, 1].into())), "routing_id");
    assert_eq!(refused(|o| _ = o.set_heartbeat_ttl(Duration::from_secs(6554))), "heartbeat_ttl");
    assert_eq!(refused(|o| _ = o.add_metadata("Name", "without X-")), "metadata");
    assert_eq!(refused(|o| _ = o.set_bind_to_device(Some("x".repeat(16)))), "bind_to_device");
    assert!(Dealer::with(&context, |o| _ = o.add_metadata("", "")).is_err());
    let longest = vec![b'x'; 255];
    dealer.configure(|o| _ = o.set_routing_id(longest.clone().into())).unwrap();
    assert_eq!(*dealer.options().routing_id(), longest);
}

#[test]
fn the_defaults_are_as_documented() {
    let options = Options::new();
    assert_eq!((*options.send_hwm(), *options.receive_hwm()), (1000, 1000));
    assert_eq!(*options.linger(), Some(Duration::from_secs(5)));
    assert_eq!((*options.send_timeout(), *options.receive_timeout()), (None, None));
    assert_eq!(*options.reconnect_interval(), Some(Duration::from_millis(100)));
    assert_eq!(*options.handshake_interval(), Some(Duration::from_secs(30)));
    assert_eq!((*options.heartbeat_interval(), *options.max_message_size()), (None, None));
    assert!(
        !options.immediate()
            && !options.conflate()
            && !options.router_mandatory()
            && *options.router_handover()
    );
    assert_eq!((*options.driver(), *options.spin()), (Driver::Adaptive, Spin::Adaptive));
}

#[test]
fn a_socket_that_was_shut_down_has_no_options_to_change() {
    let context = Context::new();
    let pull = Pull::new(&context);
    context.shutdown(PATIENCE).unwrap();
    assert_eq!(pull.configure(|o| _ = o.set_send_hwm(1)), Err(OptionError::Closed));
}

#[test]
fn timeouts_bound_the_plain_calls() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, |o| {
            o.set_driver(driver).set_receive_timeout(Some(A_WHILE));
        })
        .unwrap();
        pull.bind(&fresh(transport)).unwrap();
        let began = Instant::now();
        assert_eq!(pull.recv(), Err(RecvError::TimedOut), "{transport} {driver:?}");
        assert!(began.elapsed() >= A_WHILE);
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_timeout(Some(A_WHILE));
        })
        .unwrap();
        let began = Instant::now();
        assert!(matches!(push.send("x"), Err(SendError::TimedOut(_))));
        assert!(began.elapsed() >= A_WHILE);
        // Zero means not to wait at all.
        pull.configure(|o| _ = o.set_receive_timeout(Some(Duration::ZERO))).unwrap();
        assert!(matches!(pull.recv(), Err(RecvError::WouldBlock | RecvError::TimedOut)));
    });
}

#[test]
fn a_frame_beyond_the_largest_size_ends_the_connection() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, |o| {
            o.set_driver(driver).set_max_message_size(Some(1000));
        })
        .unwrap();
        let monitor = pull.monitor(100);
        let mut peer = RawPeer::connect_as(&pull.bind(&fresh(transport)).unwrap(), "PUSH");
        peer.send_message(&[&[1; 1000]]);
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap().byte_len(), 1000);
        peer.send(&frame(0, &[1; 1001])[..9]);
        std::thread::scope(|scope| {
            // Somebody has to look: the application is not away.
            let receiver = scope.spawn(|| pull.recv_timeout(PATIENCE));
            let reason = reason_of_the_end(&monitor);
            assert!(reason.contains("1001"), "{transport} {driver:?}: {reason}");
            drop(peer);
            let mut next = RawPeer::connect_as(&pull.last_endpoint().unwrap(), "PUSH");
            next.send_message(&[b"go on"]);
            assert_eq!(text(&receiver.join().unwrap().unwrap()), "go on");
        });
    });
}

#[test]
fn metadata_reaches_the_peer() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).add_metadata("X-Robot", "seven");
        })
        .unwrap();
        let dealer = Dealer::with(&context, |o| {
            o.set_driver(driver)
                .set_routing_id("me".into())
                .add_metadata("X-Arm", "left")
                .add_metadata("X-Arms", "2");
        })
        .unwrap();
        dealer.connect(&router.bind(&fresh(transport)).unwrap()).unwrap();
        dealer.send("hello").unwrap();
        let hello = router.recv_timeout(PATIENCE).unwrap();
        let info = router.peer_info(hello.peer().unwrap()).unwrap();
        assert_eq!(info.identity, "me");
        let property = |name: &str| {
            info.metadata
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
                .unwrap_or_default()
        };
        assert_eq!(property("X-Arm"), "left", "{transport} {driver:?}: {info:?}");
        assert_eq!(property("X-Arms"), "2");
        assert_eq!(property("Socket-Type"), "DEALER");
        router.send(common::message(&["me", "hello too"])).unwrap();
        let answer = dealer.recv_timeout(PATIENCE).unwrap();
        let info = dealer.peer_info(answer.peer().unwrap()).unwrap();
        assert!(
            info.metadata.iter().any(|(name, value)| name == "X-Robot" && value == "seven"),
            "{transport}: {info:?}"
        );
    });
}

#[test]
fn a_silent_peer_does_not_outlive_the_heartbeats() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, |o| {
            o.set_driver(driver).set_heartbeat_interval(Some(Duration::from_millis(20)));
            o.set_heartbeat_timeout(Some(Duration::from_millis(40)))
                .set_heartbeat_ttl(Duration::from_millis(700));
        })
        .unwrap();
        let monitor = pull.monitor(100);
        let mut peer = RawPeer::connect_as(&pull.bind(&fresh(transport)).unwrap(), "PUSH");
        // PING and a TTL in tenths of a second.
        let (flags, body) = peer.receive_frame();
        assert_eq!((flags, &body[..7]), (COMMAND, &b"\x04PING\x00\x07"[..]), "{transport} {driver:?}");
        // Answered for a while: the connection lives.
        for _ in 0..3 {
            peer.send(&frame(COMMAND, b"\x04PONG"));
            assert_eq!(peer.receive_frame().1[..5], b"\x04PING"[..]);
        }
        let began = Instant::now();
        let reason = reason_of_the_end(&monitor);
        assert!(!reason.is_empty());
        assert!(began.elapsed() < PATIENCE / 2);
        peer.receive_to_end();
    });
}

#[test]
fn a_ping_is_answered_while_the_application_is_away() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let mut peer = RawPeer::connect_as(&push.bind(&fresh(transport)).unwrap(), "PULL");
        push.wait_for_peers(1, PATIENCE).unwrap();
        peer.send(&frame(COMMAND, b"\x04PING\x00\x00context"));
        let (flags, body) = peer.receive_frame();
        assert_eq!((flags, body.as_slice()), (COMMAND, &b"\x04PONGcontext"[..]), "{transport} {driver:?}");
    });
}

/// The peer's TTL is its wish to be given up when nothing is heard from it for so long.
#[test]
fn a_peer_is_given_up_when_its_own_ttl_is_over() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, |o| {
            o.set_driver(driver).set_heartbeat_interval(Some(Duration::from_secs(3600)));
        })
        .unwrap();
        let mut peer = RawPeer::connect_as(&pull.bind(&fresh(transport)).unwrap(), "PUSH");
        peer.send(&frame(COMMAND, b"\x04PING\x00\x01"));
        // The answer, and after a tenth of a second the end.
        assert!(peer.receive_to_end().ends_with(b"\x04PONG"), "{transport} {driver:?}");
        eventually("the peer is gone", || pull.peers().is_empty());
    });
}

#[test]
fn an_older_protocol_can_be_asked_for() {
    for (version, transport) in [(Version::V3_0, "ipc"), (Version::V2_0, "ipc"), (Version::V1_0, "tcp")] {
        for driver in DRIVERS {
            let context = Context::new();
            let rep = Rep::with(&context, driven_by(driver)).unwrap();
            let dealer = Dealer::with(&context, |o| {
                o.set_driver(driver).set_version_max(version);
            })
            .unwrap();
            dealer.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
            dealer.send(common::message(&["", "old"])).unwrap();
            let request = rep.recv_timeout(PATIENCE).unwrap();
            assert_eq!(text(&request), "old", "{version:?} {driver:?}");
            rep.send(request).unwrap();
            assert_eq!(common::texts(&dealer.recv_timeout(PATIENCE).unwrap()), ["", "old"]);
        }
    }
}

/// Options of the operating system's sockets are handed on; what it says about them is not hidden.
#[test]
fn options_of_the_operating_system_are_accepted() {
    for driver in DRIVERS {
        let context = Context::new();
        let all = |o: &mut Options| {
            o.set_driver(driver)
                .set_backlog(5)
                .set_tcp_keepalive(Some(true))
                .set_tos(0x10)
                .set_send_buffer(Some(32_768));
            o.set_tcp_keepalive_idle(Some(Duration::from_secs(60)))
                .set_tcp_keepalive_interval(Some(Duration::from_secs(5)));
            o.set_tcp_keepalive_count(Some(3)).set_receive_buffer(Some(32_768)).set_priority(Some(3));
            o.set_tcp_max_retransmit(Some(Duration::from_secs(20)));
        };
        for transport in ["tcp", "ipc"] {
            let pull = Pull::with(&context, all).unwrap();
            let push = Push::with(&context, all).unwrap();
            push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
            push.send("x").unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "x", "{transport} {driver:?}");
        }
    }
}

/// Live options count for connections that stand, the others for those that follow.
#[test]
fn later_options_leave_standing_connections_alone() {
    let context = Context::new();
    let listener = RawListener::bind(&reserved("ipc"));
    let dealer = Dealer::with(&context, |o| _ = o.set_routing_id("before".into())).unwrap();
    dealer.connect(&listener.endpoint).unwrap();
    let mut peer = listener.accept();
    dealer.configure(|o| _ = o.set_routing_id("after".into())).unwrap();
    peer.send(&common::wire::greeting());
    peer.send(&common::wire::ready("ROUTER", ""));
    peer.receive(64);
    let (_, body) = peer.receive_frame();
    assert!(body.ends_with(b"before"), "{body:?}");
}

#[test]
fn every_spin_policy_works_with_every_driver() {
    for driver in DRIVERS {
        for spin in [Spin::Off, Spin::Adaptive, Spin::Always] {
            let context = Context::new();
            let spinning = |o: &mut Options| {
                o.set_driver(driver).set_spin(spin);
            };
            let rep = Rep::with(&context, spinning).unwrap();
            let dealer = Dealer::with(&context, spinning).unwrap();
            dealer.connect(&rep.bind(&fresh("ipc")).unwrap()).unwrap();
            let server = std::thread::spawn(move || {
                for _ in 0..50 {
                    let request = rep.recv_timeout(PATIENCE).unwrap();
                    rep.send(request).unwrap();
                }
            });
            for _ in 0..50 {
                dealer.send(common::message(&["", "x"])).unwrap();
                dealer.recv_timeout(PATIENCE).unwrap();
            }
            server.join().unwrap();
        }
    }
}
