//! What a socket says by itself when a peer comes or goes: hello, disconnect and hiccup messages, and ROUTER's notices.

mod common;

use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network, reserved, text,
    texts,
};
use tamtam_zmq::{
    Bytes, Client, Context, Dealer, Message, Options, Peer, Pull, Push, RecvError, Router, Server,
};

fn hello(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

fn quick(options: &mut Options) -> &mut Options {
    options.set_reconnect_interval(Some(Duration::from_millis(5)))
}

fn next(socket: &impl AsRef<tamtam_zmq::Socket>) -> Message {
    socket.as_ref().recv_timeout(PATIENCE).unwrap()
}

#[test]
fn a_router_tells_who_comes_and_goes() {
    over_the_network(|transport, driver| {
        for (connect, disconnect) in [(true, true), (true, false), (false, true), (false, false)] {
            let context = Context::new();
            let router = Router::with(&context, |o| {
                o.set_driver(driver)
                    .set_router_notify_connect(connect)
                    .set_router_notify_disconnect(disconnect);
            })
            .unwrap();
            let endpoint = router.bind(&fresh(transport)).unwrap();
            let dealer = Dealer::with(&context, |o| {
                o.set_driver(driver).set_routing_id(Bytes::from_static(b"X"));
            })
            .unwrap();
            dealer.connect(&endpoint).unwrap();
            dealer.send("Hello").unwrap();
            if connect {
                assert_eq!(texts(&next(&router)), ["X", ""], "{transport} {driver:?}");
            }
            assert_eq!(texts(&next(&router)), ["X", "Hello"]);
            dealer.send("Bye").unwrap();
            dealer.close_within(PATIENCE).unwrap();
            assert_eq!(texts(&next(&router)), ["X", "Bye"]);
            if disconnect {
                assert_eq!(texts(&next(&router)), ["X", ""], "{transport} {driver:?}");
            }
            eventually("it is gone", || {
                assert_eq!(router.try_recv(), Err(RecvError::WouldBlock));
                router.peers().is_empty()
            });
        }
    });
}

/// A handshake that fails is nobody's coming or going; a message that was cut is not delivered with the notice.
#[test]
fn a_routers_notices_are_about_peers_and_whole() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver)
                .set_router_notify_connect(true)
                .set_router_notify_disconnect(true)
                .set_router_handover(false)
                .set_max_message_size(Some(64));
        })
        .unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let mut stranger = RawPeer::connect(&endpoint);
        stranger.send(
            b"not a handshake, whatever it is; and long enough to be sure of that, I hope, in all versions.",
        );
        drop(stranger);
        let mut peer = RawPeer::connect(&endpoint);
        peer.handshake("DEALER", "X");
        assert_eq!(texts(&next(&router)), ["X", ""], "{transport} {driver:?}");
        // One who wants a name that is taken is refused: no notices.
        let mut double = RawPeer::connect(&endpoint);
        double.handshake("DEALER", "X");
        double.receive_to_end();
        peer.send(b"\x01\x06Hello2\x00\x7f");
        assert_eq!(texts(&next(&router)), ["X", ""], "{transport} {driver:?}");
        assert_eq!(router.recv_timeout(A_WHILE), Err(RecvError::TimedOut));
    });
}

#[test]
fn every_peer_is_greeted_first_and_again() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_hello_message(hello("H"));
        })
        .unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        for _ in 0..2 {
            let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
            dealer.connect(&endpoint).unwrap();
            assert_eq!(text(&next(&dealer)), "H", "{transport} {driver:?}");
            assert_eq!(dealer.try_recv(), Err(RecvError::WouldBlock));
        }
    });
    // The dialing side: before what was queued, on each connection.
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let client = Client::with(&context, |o| {
            quick(o).set_driver(driver).set_hello_message(hello("HELLO"));
        })
        .unwrap();
        client.connect(&endpoint).unwrap();
        for round in 0..3 {
            client.try_send(round.to_string()).unwrap();
            client.try_send(vec![b'x'; 20_000]).unwrap();
            let server = Server::with(&context, driven_by(driver)).unwrap();
            server.bind(&endpoint).unwrap();
            assert_eq!(text(&next(&server)), "HELLO", "{transport} {driver:?}");
            assert_eq!(text(&next(&server)), round.to_string());
            assert_eq!(next(&server).byte_len(), 20_000);
            assert_eq!(server.try_recv(), Err(RecvError::WouldBlock));
            drop(server);
            eventually("it is gone", || client.statistics().peers == 0);
        }
        assert_eq!(client.statistics().traffic.messages_out, 9);
    });
}

#[test]
fn both_sides_of_a_pipe_greet_also_when_the_name_is_bound_later() {
    let context = Context::new();
    let endpoint = fresh("inproc");
    let client = Client::with(&context, |o| {
        o.set_hello_message(hello("H"));
    })
    .unwrap();
    client.connect(&endpoint).unwrap();
    client.send("after").unwrap();
    let server = Server::with(&context, |o| {
        o.set_hello_message(hello("W"));
    })
    .unwrap();
    server.bind(&endpoint).unwrap();
    assert_eq!(text(&next(&client)), "W");
    assert_eq!(text(&next(&server)), "H");
    assert_eq!(text(&next(&server)), "after");
}

#[test]
fn a_peer_that_had_connected_is_missed() {
    everywhere(|transport, driver| {
        for kill in [true, false] {
            let context = Context::new();
            let server = Server::with(&context, |o| {
                o.set_driver(driver).set_disconnect_message(hello("D"));
            })
            .unwrap();
            let endpoint = server.bind(&fresh(transport)).unwrap();
            let client = Client::with(&context, |o| {
                o.set_driver(driver).set_hello_message(hello("H"));
            })
            .unwrap();
            client.connect(&endpoint).unwrap();
            let greeting = next(&server);
            assert_eq!(text(&greeting), "H");
            if kill {
                drop(client);
            } else {
                client.disconnect(&endpoint).unwrap();
            }
            let farewell = next(&server);
            assert_eq!(text(&farewell), "D", "{transport} {driver:?}");
            assert_eq!(farewell.routing_id(), greeting.routing_id());
            assert_eq!(server.recv_timeout(A_WHILE / 4), Err(RecvError::TimedOut));
        }
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_disconnect_message(hello("D"));
        })
        .unwrap();
        let dealer = Dealer::with(&context, |o| {
            o.set_driver(driver).set_routing_id(Bytes::from_static(b"X"));
        })
        .unwrap();
        dealer.connect(&router.bind(&fresh(transport)).unwrap()).unwrap();
        dealer.send("x").unwrap();
        assert_eq!(texts(&next(&router)), ["X", "x"]);
        drop(dealer);
        assert_eq!(texts(&next(&router)), ["X", "D"], "{transport} {driver:?}");
    });
}

#[test]
fn a_connection_that_is_lost_is_a_hiccup() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let client = Client::with(&context, |o| {
            quick(o)
                .set_driver(driver)
                .set_hiccup_message(hello("HICCUP"))
                .set_disconnect_message(hello("never"));
        })
        .unwrap();
        let listener = RawListener::bind(&reserved(transport));
        client.connect(&listener.endpoint).unwrap();
        for _ in 0..3 {
            let mut server = listener.accept_as("SERVER");
            server.send_message(&[b"before"]);
            drop(server);
            assert_eq!(text(&next(&client)), "before", "{transport} {driver:?}");
            assert_eq!(text(&next(&client)), "HICCUP");
        }
        // A PEER that was connected to hiccups, one that connects here is missed.
        let (one, two) = (Peer::new(&context), Peer::new(&context));
        for peer in [&one, &two] {
            peer.configure(|o| {
                quick(o).set_hiccup_message(hello("HICCUP")).set_disconnect_message(hello("D"));
            })
            .unwrap();
        }
        let endpoint = one.bind(&fresh(transport)).unwrap();
        let id = two.connect_peer(&endpoint).unwrap();
        two.send_to(id, "x").unwrap();
        let theirs = next(&one).routing_id();
        one.disconnect_peer(theirs).unwrap();
        let hiccup = next(&two);
        assert_eq!((text(&hiccup).as_str(), hiccup.routing_id()), ("HICCUP", id), "{transport} {driver:?}");
        let farewell = next(&one);
        assert_eq!((text(&farewell).as_str(), farewell.routing_id()), ("D", theirs));
    });
}

/// The options do not concern other types.
#[test]
fn other_types_say_nothing() {
    let context = Context::new();
    let all = |o: &mut Options| {
        o.set_hello_message(hello("H"))
            .set_disconnect_message(hello("D"))
            .set_hiccup_message(hello("P"))
            .set_router_notify_connect(true)
            .set_router_notify_disconnect(true);
    };
    let (push, pull) = (Push::with(&context, all).unwrap(), Pull::with(&context, all).unwrap());
    push.connect(&pull.bind(&fresh("tcp")).unwrap()).unwrap();
    push.send(message(&["x"])).unwrap();
    assert_eq!(text(&next(&pull)), "x");
    push.close_within(PATIENCE).unwrap();
    assert_eq!(pull.recv_timeout(A_WHILE), Err(RecvError::TimedOut));
}
