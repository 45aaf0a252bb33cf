//! What callers are told of the peer that a message came from.

mod common;

use common::{DRIVERS, PATIENCE, driven_by, eventually, everywhere, fresh, over_the_network, text};
use tamtam_zmq::{Bytes, Context, Dealer, PeerState, Push, RecvError, Router, Socket, SocketType, Stream};

#[test]
fn a_message_comes_with_what_its_sender_said_of_itself() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Socket::new(&context, SocketType::Pull);
        pull.configure(|o| {
            o.set_driver(driver).set_receive_timeout(Some(PATIENCE));
        })
        .unwrap();
        assert_eq!(pull.recv_with_profile(false).unwrap_err(), RecvError::WouldBlock);
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        let pushes = ["one", "two"].map(|name| {
            let push = Push::with(&context, |o| {
                o.set_driver(driver).add_metadata("X-Name", Bytes::from_static(name.as_bytes()));
            })
            .unwrap();
            push.connect(&endpoint).unwrap();
            push
        });
        for (push, name) in pushes.iter().zip([c"one", c"two"]) {
            for _ in 0..2 {
                push.send("hello").unwrap();
                let (message, profile) = pull.recv_with_profile(true).unwrap();
                let profile = profile.unwrap();
                assert_eq!(text(&message), "hello");
                assert_eq!(profile.property(c"X-Name"), Some(name), "{transport} {driver:?}");
                assert_eq!(profile.property(c"Socket-Type"), Some(c"PUSH"));
                assert_eq!(profile.property(c"x-name"), None, "case matters");
                assert_eq!(profile.info().unwrap().socket_type, Some(SocketType::Push));
                let is_ip = matches!(transport, "tcp" | "ws");
                assert_eq!(profile.address(), is_ip.then_some("127.0.0.1"), "{transport} {driver:?}");
                assert_eq!(profile.property(c"Peer-Address"), is_ip.then_some(c"127.0.0.1"));
                assert_eq!(profile.fd().is_some(), transport != "inproc");
            }
        }
    });
}

/// A message that waits outlives the connection it came over, and so does what is known of its sender.
#[test]
fn the_profile_of_a_peer_that_is_gone_is_told_with_its_last_message() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Socket::new(&context, SocketType::Pull);
        pull.configure(driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        push.send("first").unwrap();
        push.send("last").unwrap();
        push.close_within(PATIENCE).unwrap();
        eventually("it is gone, and its messages are here", || {
            pull.statistics().queued_in == 2 && pull.peers()[0].state == PeerState::Gone
        });
        for expected in ["first", "last"] {
            let (message, profile) = pull.recv_with_profile(true).unwrap();
            assert_eq!(text(&message), expected, "{transport} {driver:?}");
            let profile = profile.unwrap_or_else(|| panic!("{transport} {driver:?} {expected}"));
            assert_eq!(profile.property(c"Socket-Type"), Some(c"PUSH"));
            let is_ip = transport == "tcp";
            assert_eq!(profile.address(), is_ip.then_some("127.0.0.1"), "{transport} {driver:?}");
        }
    });
}

/// A poll has seen the message, its sender goes, and another peer gets its number: who sent it does not change thereby.
#[test]
fn a_message_that_a_poll_has_seen_is_its_senders_whoever_comes_after() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Socket::new(&context, SocketType::Pull);
        pull.configure(driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        let connect = |name: &'static str| {
            let push = Push::with(&context, |o| {
                o.set_driver(driver).add_metadata("X-Name", Bytes::from_static(name.as_bytes()));
            })
            .unwrap();
            push.connect(&endpoint).unwrap();
            pull.wait_for_peers(1, PATIENCE).unwrap();
            push
        };
        let first = connect("one");
        first.send("from one").unwrap();
        eventually("it is seen", || pull.readiness().readable);
        first.close_within(PATIENCE).unwrap();
        eventually("it is gone", || pull.statistics().queued_in == 1 && pull.peers().is_empty());
        let _second = connect("two");
        let (message, profile) = pull.recv_with_profile(true).unwrap();
        assert_eq!((text(&message).as_str(), message.peer()), ("from one", None), "{transport} {driver:?}");
        assert_eq!(profile.unwrap().property(c"X-Name"), Some(c"one"), "{transport} {driver:?}");
    });
}

#[test]
fn a_router_knows_the_identity_and_a_stream_the_address() {
    for driver in DRIVERS {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        router.configure(|o| _ = o.set_receive_timeout(Some(PATIENCE))).unwrap();
        let dealer = Dealer::with(&context, |o| {
            o.set_driver(driver).set_routing_id(Bytes::from_static(b"me"));
        })
        .unwrap();
        dealer.connect(&router.bind(&fresh("tcp")).unwrap()).unwrap();
        dealer.send("x").unwrap();
        let socket: &Socket = router.as_ref();
        let (_, profile) = socket.recv_with_profile(true).unwrap();
        assert_eq!(profile.unwrap().property(c"Identity"), Some(c"me"), "{driver:?}");

        let stream = Stream::with(&context, driven_by(driver)).unwrap();
        stream.configure(|o| _ = o.set_receive_timeout(Some(PATIENCE))).unwrap();
        let endpoint = stream.bind(&fresh("tcp")).unwrap();
        let _plain = std::net::TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
        let socket: &Socket = stream.as_ref();
        let (message, profile) = socket.recv_with_profile(true).unwrap();
        let profile = profile.unwrap();
        assert!(profile.info().is_none(), "it has shaken no hands");
        assert_eq!(profile.address(), Some("127.0.0.1"), "{driver:?}");
        // How it was named is what the socket says of itself, too.
        assert_eq!(socket.last_routing_id().unwrap(), message.as_slice());
    }
}

#[test]
fn the_last_routing_id_is_the_newest_peers() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Socket::new(&context, SocketType::Pull);
        assert_eq!(pull.last_routing_id(), None);
        let router = Socket::new(&context, SocketType::Router);
        router.configure(driven_by(driver)).unwrap();
        assert_eq!(router.last_routing_id(), None);
        let endpoint = router.bind(&fresh("ipc")).unwrap();
        for (count, name) in ["first", "second"].into_iter().enumerate() {
            let dealer = Dealer::with(&context, |o| {
                o.set_driver(driver).set_routing_id(Bytes::from_static(name.as_bytes()));
            })
            .unwrap();
            dealer.connect(&endpoint).unwrap();
            router.wait_for_peers(1, PATIENCE).unwrap();
            assert_eq!(router.last_routing_id().as_deref(), Some(name.as_bytes()), "{driver:?} {count}");
            drop(dealer);
            eventually("it is gone", || router.peers().is_empty());
        }
    }
}
