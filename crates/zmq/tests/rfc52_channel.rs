//! RFC 52/CHANNEL: what it says beyond PAIR.

mod common;

use std::time::Duration;

use common::wire::RawPeer;
use common::{
    A_WHILE, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network, reserved, text,
};
use tamtam_zmq::{Channel, ConnectError, Context, RecvError, SendError};

//= 52/CHANNEL, the CHANNEL socket type
//# MAY both send and receive messages in any order.
//= 52/CHANNEL, the CHANNEL socket type
//# SHALL receive incoming messages from its single peer if it has one.
//= 52/CHANNEL, the CHANNEL socket type
//# SHALL deliver these to its calling application.
#[test]
fn messages_go_both_ways() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let (one, two) = (
            Channel::with(&context, driven_by(driver)).unwrap(),
            Channel::with(&context, driven_by(driver)).unwrap(),
        );
        two.connect(&one.bind(&fresh(transport)).unwrap()).unwrap();
        for number in 0..10 {
            two.send(number.to_string()).unwrap();
        }
        assert_eq!(text(&one.recv_timeout(PATIENCE).unwrap()), "0");
        one.send("back").unwrap();
        assert_eq!(text(&two.recv_timeout(PATIENCE).unwrap()), "back");
        for number in 1..10 {
            assert_eq!(
                text(&one.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
    });
}

//= 52/CHANNEL, the CHANNEL socket type
//# MAY be connected to at most one CHANNEL peer.
#[test]
fn a_second_peer_is_refused() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let channel = Channel::with(&context, driven_by(driver)).unwrap();
        let endpoint = channel.bind(&fresh(transport)).unwrap();
        let first = Channel::with(&context, driven_by(driver)).unwrap();
        first.connect(&endpoint).unwrap();
        assert!(matches!(first.connect(&endpoint), Err(ConnectError::Occupied { .. })));
        channel.wait_for_peers(1, PATIENCE).unwrap();
        let second = Channel::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(None);
        })
        .unwrap();
        second.connect(&endpoint).unwrap();
        eventually("the second has no peer", || {
            assert_eq!(second.try_recv(), Err(RecvError::WouldBlock));
            second.peers().is_empty()
        });
        channel.send("to the first").unwrap();
        assert_eq!(text(&first.recv_timeout(PATIENCE).unwrap()), "to the first", "{transport} {driver:?}");
    });
}

//= 52/CHANNEL, the CHANNEL socket type
//# SHALL block on sending, or return a suitable error, when it has no available peer.
//= 52/CHANNEL, the CHANNEL socket type
//# SHALL NOT discard messages that it cannot queue.
#[test]
fn without_a_peer_or_room_it_waits() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let channel = Channel::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(2).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        assert!(matches!(channel.try_send("x"), Err(SendError::Full(_))));
        channel.connect(&endpoint).unwrap();
        channel.try_send("1").unwrap();
        channel.try_send("2").unwrap();
        assert!(matches!(channel.send_timeout("3", A_WHILE), Err(SendError::TimedOut(_))));
        for round in 0..2 {
            let other = Channel::with(&context, driven_by(driver)).unwrap();
            other.bind(&endpoint).unwrap();
            if round == 0 {
                assert_eq!(text(&other.recv_timeout(PATIENCE).unwrap()), "1", "{transport} {driver:?}");
                assert_eq!(text(&other.recv_timeout(PATIENCE).unwrap()), "2");
            } else {
                channel.send_timeout("after a reconnection", PATIENCE).unwrap();
                assert_eq!(text(&other.recv_timeout(PATIENCE).unwrap()), "after a reconnection");
            }
            drop(other);
            eventually("the peer is gone", || channel.statistics().peers == 0);
        }
    });
}

//= 52/CHANNEL, the CHANNEL socket type
//# MUST NOT send multipart messages.
//= 52/CHANNEL, the CHANNEL socket type
//# MUST discard any part of a multipart message.
#[test]
fn multipart_messages_do_not_get_through() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let channel = Channel::with(&context, driven_by(driver)).unwrap();
        assert!(matches!(channel.try_send(message(&["a", "b"])), Err(SendError::Malformed(_))));
        let mut raw = RawPeer::connect_as(&channel.bind(&fresh(transport)).unwrap(), "CHANNEL");
        raw.send_message(&[b"a", b"b"]);
        raw.send_message(&[b"whole"]);
        assert_eq!(text(&channel.recv_timeout(PATIENCE).unwrap()), "whole", "{transport} {driver:?}");
        assert_eq!(channel.statistics().traffic.dropped.malformed, 1);
    });
}
