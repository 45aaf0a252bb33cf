//! RFC 49/SCATTERGATHER: every sentence of the text that says MUST, and those SHALLs that are not PIPELINE's machinery.

mod common;

use std::time::Duration;

use common::wire::RawPeer;
use common::{
    A_WHILE, PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text,
};
use tamtam_zmq::{Context, Gather, RecvError, Scatter, SendError, Socket, SocketType};

//= 49/SCATTERGATHER, the SCATTER socket type
//# MAY be connected to any number of GATHER peers, and SHALL only send messages.
//= 49/SCATTERGATHER, the GATHER socket type
//# MAY be connected to any number of SCATTER peers, and SHALL only receive messages.
#[test]
fn scatter_only_sends_and_gather_only_receives() {
    let context = Context::new();
    let scatter = Socket::new(&context, SocketType::Scatter);
    let gather = Socket::new(&context, SocketType::Gather);
    assert_eq!(scatter.try_recv(), Err(RecvError::Unsupported));
    assert!(matches!(gather.try_send("x"), Err(SendError::Unsupported(_))));
    assert!(!scatter.readiness().readable && !gather.readiness().writable);
}

//= 49/SCATTERGATHER, the SCATTER socket type
//# SHALL route outgoing messages to available peers using a round-robin strategy.
#[test]
fn scatter_sends_to_its_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let scatter = Scatter::with(&context, driven_by(driver)).unwrap();
        let gathers: Vec<Gather> =
            (0..3).map(|_| Gather::with(&context, driven_by(driver)).unwrap()).collect();
        for gather in &gathers {
            scatter.connect(&gather.bind(&fresh(transport)).unwrap()).unwrap();
        }
        for number in 0..30 {
            scatter.send(number.to_string()).unwrap();
        }
        for (offset, gather) in gathers.iter().enumerate() {
            for turn in 0..10 {
                let expected = (3 * turn + offset).to_string();
                assert_eq!(text(&gather.recv_timeout(PATIENCE).unwrap()), expected, "{transport} {driver:?}");
            }
            assert_eq!(gather.try_recv(), Err(RecvError::WouldBlock));
        }
    });
}

//= 49/SCATTERGATHER, the GATHER socket type
//# SHALL receive incoming messages from its peers using a fair-queuing strategy.
//= 49/SCATTERGATHER, the GATHER socket type
//# SHALL deliver these to its calling application.
#[test]
fn gather_receives_from_its_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let gather = Gather::with(&context, driven_by(driver)).unwrap();
        let endpoint = gather.bind(&fresh(transport)).unwrap();
        let scatters: Vec<Scatter> =
            (0..3).map(|_| Scatter::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, scatter) in scatters.iter().enumerate() {
            scatter.connect(&endpoint).unwrap();
            for _ in 0..if number == 0 { 50 } else { 5 } {
                scatter.send(number.to_string()).unwrap();
            }
        }
        arrived(&gather, 60);
        for _ in 0..5 {
            let mut round: Vec<String> =
                (0..3).map(|_| text(&gather.recv_timeout(PATIENCE).unwrap())).collect();
            round.sort();
            assert_eq!(round, ["0", "1", "2"], "{transport} {driver:?}");
        }
    });
}

//= 49/SCATTERGATHER, the SCATTER socket type
//# SHALL block on sending, or return a suitable error, when it has no available peers.
//= 49/SCATTERGATHER, the SCATTER socket type
//# SHALL NOT discard messages that it cannot queue.
#[test]
fn scatter_waits_at_the_mark_and_keeps_its_queue() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let scatter = Scatter::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(10).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        assert!(matches!(scatter.try_send("x"), Err(SendError::Full(_))), "no peer");
        scatter.connect(&endpoint).unwrap();
        for number in 0..10 {
            scatter.try_send(number.to_string()).unwrap();
        }
        assert!(matches!(scatter.send_timeout("x", A_WHILE), Err(SendError::TimedOut(_))));
        let gather = Gather::with(&context, driven_by(driver)).unwrap();
        gather.bind(&endpoint).unwrap();
        for number in 0..10 {
            assert_eq!(
                text(&gather.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
        drop(gather);
        eventually("the peer is gone", || scatter.statistics().peers == 0);
        scatter.try_send("for the next").unwrap();
        let gather = Gather::with(&context, driven_by(driver)).unwrap();
        gather.bind(&endpoint).unwrap();
        assert_eq!(text(&gather.recv_timeout(PATIENCE).unwrap()), "for the next");
    });
}

//= 49/SCATTERGATHER, the SCATTER socket type
//# MUST NOT send multi-part messages.
//= 49/SCATTERGATHER, the GATHER socket type
//# MUST discard any part of a multipart message, MAY disconnect a peer that is sending multipart messages.
#[test]
fn multipart_messages_do_not_get_through() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let gather = Gather::with(&context, driven_by(driver)).unwrap();
        let endpoint = gather.bind(&fresh(transport)).unwrap();
        let scatter = Scatter::with(&context, driven_by(driver)).unwrap();
        scatter.connect(&endpoint).unwrap();
        assert!(matches!(scatter.try_send(message(&["a", "b"])), Err(SendError::Malformed(_))));
        let mut raw = RawPeer::connect_as(&endpoint, "SCATTER");
        raw.send_message(&[b"a", b"b"]);
        raw.send_message(&[b"whole"]);
        assert_eq!(text(&gather.recv_timeout(PATIENCE).unwrap()), "whole", "{transport} {driver:?}");
        assert_eq!(gather.statistics().traffic.dropped.malformed, 1);
        assert_eq!(gather.recv_timeout(A_WHILE), Err(RecvError::TimedOut));
    });
}

/// What a GATHER sends to a SCATTER, which it must not, is dropped and counted.
#[test]
fn a_scatter_takes_nothing() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let scatter = Scatter::with(&context, driven_by(driver)).unwrap();
        let mut raw = RawPeer::connect_as(&scatter.bind(&fresh(transport)).unwrap(), "GATHER");
        raw.send_message(&[b"unasked"]);
        scatter.wait_for_peers(1, PATIENCE).unwrap();
        scatter.send("x").unwrap();
        assert_eq!(raw.receive_message(), [b"x"]);
        eventually("it is counted", || scatter.statistics().traffic.dropped.malformed == 1);
        let _ = (transport, driver);
    });
}
