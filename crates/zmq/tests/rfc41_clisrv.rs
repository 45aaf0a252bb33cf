//! RFC 41/CLISRV: every sentence of the text that says SHALL, as a test.

mod common;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text,
};
use tamtam_zmq::{Client, Context, Message, RecvError, SendError, Server, Socket, SocketType};

/// A message for the peer of this number.
fn to(routing_id: u32, body: &str) -> Message {
    let mut message = Message::new(body);
    message.set_routing_id(routing_id);
    message
}

//= 41/CLISRV, the SERVER socket type
//# MAY be connected to any number of CLIENT peers, and MAY both send and receive messages.
//= 41/CLISRV, the SERVER socket type
//# SHALL identify each double queue using a unique "routing id", which is a non-zero 32-bit unsigned integer value.
//= 41/CLISRV, the SERVER socket type
//# SHALL provide the application with an API to retrieve the message routing-id.
//= 41/CLISRV, the SERVER socket type
//# SHALL provide the application with an API to set the message routing-id.
//= 41/CLISRV, the SERVER socket type
//# SHALL route the message to the outgoing queue if that queue exists, and is not full.
#[test]
fn every_client_is_answered_by_its_number() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let server = Server::with(&context, driven_by(driver)).unwrap();
        let endpoint = server.bind(&fresh(transport)).unwrap();
        let clients: Vec<Client> =
            (0..5).map(|_| Client::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, client) in clients.iter().enumerate() {
            client.connect(&endpoint).unwrap();
            client.send(number.to_string()).unwrap();
        }
        let mut ids = BTreeSet::new();
        for _ in &clients {
            let request = server.recv_timeout(PATIENCE).unwrap();
            assert_ne!(request.routing_id(), 0);
            assert!(ids.insert(request.routing_id()), "{transport} {driver:?}: unique");
            // Both ways of saying where it goes, and more than one reply.
            server.send_to(request.routing_id(), request.clone()).unwrap();
            server.send(to(request.routing_id(), "more")).unwrap();
        }
        for (number, client) in clients.iter().enumerate() {
            let reply = client.recv_timeout(PATIENCE).unwrap();
            assert_eq!((text(&reply), reply.routing_id()), (number.to_string(), 0), "{transport} {driver:?}");
            assert_eq!(text(&client.recv_timeout(PATIENCE).unwrap()), "more");
            assert_eq!(client.try_recv(), Err(RecvError::WouldBlock));
        }
    });
}

//= 41/CLISRV, the SERVER socket type
//# SHALL return an error if the queue does not exist.
#[test]
fn a_number_that_is_nobodys_is_an_error_that_gives_the_message_back() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let server = Server::with(&context, driven_by(driver)).unwrap();
        let endpoint = server.bind(&fresh(transport)).unwrap();
        let client = Client::with(&context, driven_by(driver)).unwrap();
        client.connect(&endpoint).unwrap();
        client.send("x").unwrap();
        let id = server.recv_timeout(PATIENCE).unwrap().routing_id();
        for nobody in [0, id.wrapping_add(1), id.wrapping_sub(1)] {
            let Err(SendError::Unroutable(back)) = server.try_send_to(nobody, "lost?") else {
                panic!("{transport} {driver:?}: nobody has {nobody}")
            };
            assert_eq!((text(&back), back.routing_id()), ("lost?".to_owned(), nobody));
        }
        client.close_within(PATIENCE).unwrap();
        eventually("the client is gone", || {
            assert_eq!(server.try_recv(), Err(RecvError::WouldBlock));
            matches!(server.try_send_to(id, "too late"), Err(SendError::Unroutable(_)))
        });
        // The next one is another.
        let next = Client::with(&context, driven_by(driver)).unwrap();
        next.connect(&endpoint).unwrap();
        next.send("y").unwrap();
        assert_ne!(server.recv_timeout(PATIENCE).unwrap().routing_id(), id, "{transport} {driver:?}");
    });
}

//= 41/CLISRV, the SERVER socket type
//# SHALL block on sending, if the queue is full, unless otherwise configured.
//= 41/CLISRV, the SERVER socket type
//# SHALL NOT discard messages that it cannot queue.
#[test]
fn a_full_queue_makes_the_server_wait_for_that_client() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let server = Server::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(3);
        })
        .unwrap();
        let endpoint = server.bind(&fresh(transport)).unwrap();
        let client = |hello: &str| {
            let client = Client::with(&context, |o| {
                o.set_driver(driver).set_receive_hwm(3);
            })
            .unwrap();
            client.connect(&endpoint).unwrap();
            client.send(hello).unwrap();
            (client, server.recv_timeout(PATIENCE).unwrap().routing_id())
        };
        let (slow, slow_id) = client("slow");
        let (quick, quick_id) = client("quick");
        let mut sent = 0;
        // What the kernel and the client's own queue take first depends on when they come to it.
        let back = loop {
            let mut message = Message::new(vec![0; 100_000]);
            message.set_routing_id(slow_id);
            match server.as_socket().send_timeout(message, A_WHILE) {
                Ok(()) => sent += 1,
                Err(SendError::TimedOut(back)) => break back,
                Err(error) => panic!("{error}"),
            }
        };
        let Err(SendError::Full(back)) = server.try_send(back) else { panic!("the queue is full") };
        assert_eq!(back.routing_id(), slow_id, "{transport} {driver:?}");
        // The others are served meanwhile.
        server.try_send_to(quick_id, "for you").unwrap();
        assert_eq!(text(&quick.recv_timeout(PATIENCE).unwrap()), "for you");
        // A future does not spin, although others could be sent to: it is polled again only when woken.
        let socket = server.as_socket();
        let mut future = pin!(socket.send_async(back));
        assert!(matches!(future.as_mut().poll(&mut Task::from_waker(Waker::noop())), Poll::Pending));
        let mut received = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..=sent {
                    assert_eq!(slow.recv_timeout(PATIENCE).unwrap().byte_len(), 100_000);
                    received += 1;
                }
            });
            eventually("there is room", || {
                future.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_ready()
            });
        });
        assert_eq!((received, server.statistics().traffic.dropped.total()), (sent + 1, 0));
    });
}

//= 41/CLISRV, the CLIENT socket type
//# SHALL route outgoing messages to available peers using a round-robin strategy.
//= 41/CLISRV, the CLIENT socket type
//# SHALL receive incoming messages from its peers using a fair-queuing strategy.
//= 41/CLISRV, the CLIENT socket type
//# SHALL deliver these to its calling application.
#[test]
fn a_client_shares_its_requests_among_its_servers() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let client = Client::with(&context, driven_by(driver)).unwrap();
        let servers: Vec<Server> =
            (0..3).map(|_| Server::with(&context, driven_by(driver)).unwrap()).collect();
        for server in &servers {
            client.connect(&server.bind(&fresh(transport)).unwrap()).unwrap();
        }
        for number in 0..12 {
            client.send(number.to_string()).unwrap();
        }
        for (offset, server) in servers.iter().enumerate() {
            for turn in 0..4 {
                let request = server.recv_timeout(PATIENCE).unwrap();
                assert_eq!(text(&request), (3 * turn + offset).to_string(), "{transport} {driver:?}");
                for _ in 0..if offset == 0 { 10 } else { 1 } {
                    server.send_to(request.routing_id(), offset.to_string()).unwrap();
                }
            }
        }
        arrived(&client, 48);
        for _ in 0..4 {
            let mut round: Vec<String> =
                (0..3).map(|_| text(&client.recv_timeout(PATIENCE).unwrap())).collect();
            round.sort();
            assert_eq!(round, ["0", "1", "2"], "{transport} {driver:?}");
        }
    });
}

//= 41/CLISRV, the CLIENT socket type
//# SHALL block on sending, or return a suitable error, when it has no available peers.
//= 41/CLISRV, the CLIENT socket type
//# SHALL not accept further messages when it has no available peers.
#[test]
fn a_client_without_servers_waits() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let client = Client::with(&context, driven_by(driver)).unwrap();
        let endpoint = client.bind(&fresh(transport)).unwrap();
        assert!(!client.readiness().writable);
        let Err(SendError::TimedOut(back)) = client.send_timeout("x", A_WHILE) else { panic!("no server") };
        let sender = std::thread::spawn(move || client.send_timeout(back, PATIENCE).map(|()| client));
        let server = Server::with(&context, driven_by(driver)).unwrap();
        server.connect(&endpoint).unwrap();
        let request = server.recv_timeout(PATIENCE).unwrap();
        assert_eq!(text(&request), "x");
        let client = sender.join().unwrap().unwrap();
        server.send_to(request.routing_id(), "y").unwrap();
        assert_eq!(text(&client.recv_timeout(PATIENCE).unwrap()), "y", "{transport} {driver:?}");
    });
}

//= 41/CLISRV, the CLIENT socket type
//# SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue whether
//# or not the connection is established.
#[test]
fn a_client_keeps_its_queue_over_reconnections() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let client = Client::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        client.connect(&endpoint).unwrap();
        for round in 0..3 {
            client.try_send(round.to_string()).unwrap();
            let server = Server::with(&context, driven_by(driver)).unwrap();
            server.bind(&endpoint).unwrap();
            let request = server.recv_timeout(PATIENCE).unwrap();
            assert_eq!(text(&request), round.to_string(), "{transport} {driver:?}");
            server.send_to(request.routing_id(), "reply").unwrap();
            assert_eq!(text(&client.recv_timeout(PATIENCE).unwrap()), "reply");
            drop(server);
            eventually("the server is gone", || client.statistics().peers == 0);
        }
        assert_eq!(client.statistics().traffic.dropped.total(), 0);
    });
}

/// Messages have one frame: others are refused when sending, and dropped and counted when they come.
#[test]
fn multipart_messages_do_not_get_through() {
    let context = Context::new();
    for kind in [SocketType::Server, SocketType::Client] {
        let socket = Socket::new(&context, kind);
        let Err(SendError::Malformed(back)) = socket.try_send(message(&["a", "b"])) else {
            panic!("{kind} is single-part")
        };
        assert_eq!(back.frame_count(), 2);
    }
    over_the_network(|transport, driver| {
        let server = Server::with(&context, driven_by(driver)).unwrap();
        let mut raw = RawPeer::connect_as(&server.bind(&fresh(transport)).unwrap(), "CLIENT");
        for frames in [&[&b"a"[..], b"b"][..], &[b"", b"", b""], &[b"whole"]] {
            raw.send_message(frames);
        }
        let request = server.recv_timeout(PATIENCE).unwrap();
        assert_eq!(text(&request), "whole", "{transport} {driver:?}");
        assert_eq!(server.statistics().traffic.dropped.malformed, 2);
        server.send_to(request.routing_id(), "reply").unwrap();
        assert_eq!(raw.receive_message(), [b"reply"]);

        let client = Client::with(&context, driven_by(driver)).unwrap();
        let listener = RawListener::bind(&reserved(transport));
        client.connect(&listener.endpoint).unwrap();
        let mut raw = listener.accept_as("SERVER");
        raw.send_message(&[b"a", b"b"]);
        raw.send_message(&[b"whole"]);
        assert_eq!(text(&client.recv_timeout(PATIENCE).unwrap()), "whole");
        assert_eq!(client.statistics().traffic.dropped.malformed, 1);
    });
}

/// A client that dies in the middle of a message leaves nothing behind, and its number with it.
#[test]
fn a_client_that_breaks_off_is_forgotten() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let server = Server::with(&context, driven_by(driver)).unwrap();
        let endpoint = server.bind(&fresh(transport)).unwrap();
        let mut raw = RawPeer::connect_as(&endpoint, "CLIENT");
        raw.send_message(&[b"whole"]);
        raw.send(b"\x00\x05unfi");
        drop(raw);
        let request = server.recv_timeout(PATIENCE).unwrap();
        assert_eq!(text(&request), "whole", "{transport} {driver:?}");
        eventually("the client is gone", || {
            assert_eq!(server.try_recv(), Err(RecvError::WouldBlock));
            server.peers().is_empty()
        });
        assert!(matches!(server.try_send_to(request.routing_id(), "x"), Err(SendError::Unroutable(_))));
    });
}
