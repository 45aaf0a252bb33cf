//! Where sockets bind and connect: transports, names, wildcards, and what goes wrong.

mod common;

use std::net::{Ipv6Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, DRIVERS, PATIENCE, TRANSPORTS, arrived, driven_by, eventually, everywhere, fresh,
    over_the_network, reserved, text,
};
use tamtam_zmq::{
    BindError, ConnectError, Context, EndpointError, Pair, Pub, Pull, Push, RecvError, Rep, Req, SendError,
    Socket, SocketType, Sub,
};

/// A directory of the test's own, removed with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tamtam-endpoints-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn endpoint(&self, name: &str) -> String {
        format!("ipc://{}", self.0.join(name).display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_malformed_endpoint_is_refused_and_named() {
    let context = Context::new();
    let pull = Pull::new(&context);
    let long_path = format!("ipc:///{}", "x".repeat(200));
    for endpoint in [
        "",
        "tcp",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:65536",
        "ipc://",
        "quic://a:1",
        &long_path,
    ] {
        let bound = pull.bind(endpoint).unwrap_err();
        assert!(matches!(bound, BindError::Endpoint(_)), "{bound:?}");
        assert!(bound.to_string().contains(&format!("{endpoint:?}")), "{bound}");
        let connected = pull.connect(endpoint).unwrap_err();
        assert!(matches!(connected, ConnectError::Endpoint(_)), "{connected:?}");
        assert!(connected.to_string().contains(&format!("{endpoint:?}")), "{connected}");
    }
    assert_eq!(pull.last_endpoint(), None);
}

#[test]
fn wildcards_are_for_binding_only() {
    let context = Context::new();
    let push = Push::new(&context);
    for endpoint in ["tcp://*:5555", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "ipc://*"] {
        let error = push.connect(endpoint).unwrap_err();
        assert!(
            matches!(
                error,
                ConnectError::Endpoint(EndpointError::BindOnly { .. } | EndpointError::Malformed { .. })
            ),
            "{error:?}"
        );
    }
    assert!(matches!(push.try_send("x"), Err(SendError::Full(_))), "nothing was connected");
}

#[test]
fn what_the_operating_system_refuses_is_told_with_the_endpoint() {
    let context = Context::new();
    let pull = Pull::new(&context);
    for endpoint in
        ["tcp://192.0.2.1:*", "tcp://no-such-interface:*", "ipc:///no/such/directory/socket", "tcp://[::1]:*"]
    {
        let error = pull.bind(endpoint).unwrap_err();
        assert!(matches!(error, BindError::Io { .. }), "{error:?}");
        assert!(error.to_string().contains(endpoint), "{error}");
    }
}

#[test]
fn a_port_in_use_is_an_error() {
    let context = Context::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", taken.local_addr().unwrap());
    let pull = Pull::new(&context);
    let error = pull.bind(&endpoint).unwrap_err();
    let BindError::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&endpoint), "{error}");
    drop(taken);
    pull.bind(&endpoint).unwrap();
    let other = Pull::new(&context);
    assert!(matches!(other.bind(&endpoint), Err(BindError::Io { .. })));
}

#[test]
fn a_name_within_the_context_is_given_once() {
    let context = Context::new();
    let endpoint = fresh("inproc");
    let first = Pull::new(&context);
    first.bind(&endpoint).unwrap();
    let second = Pull::new(&context);
    let error = second.bind(&endpoint).unwrap_err();
    assert!(matches!(&error, BindError::InUse { endpoint: told } if *told == endpoint), "{error:?}");
    // Names of another context are other names.
    Pull::new(&Context::new()).bind(&endpoint).unwrap();
    drop(first);
    second.bind(&endpoint).unwrap();
}

#[test]
fn sockets_that_do_not_fit_do_not_meet() {
    let context = Context::new();
    let endpoint = fresh("inproc");
    let pull = Pull::new(&context);
    pull.bind(&endpoint).unwrap();
    let error = Sub::new(&context).connect(&endpoint).unwrap_err();
    let ConnectError::Incompatible { ours, theirs, .. } = error else { panic!("{error:?}") };
    assert_eq!((ours, theirs), (SocketType::Sub, SocketType::Pull));
    // Where the other one comes later, it refuses.
    let endpoint = fresh("inproc");
    let sub = Sub::new(&context);
    sub.connect(&endpoint).unwrap();
    let other = Pull::new(&context);
    let monitor = other.monitor(10);
    other.bind(&endpoint).unwrap();
    eventually("the refusal is told", || {
        std::iter::from_fn(|| monitor.try_recv()).any(|event| event.kind.to_string().starts_with("refused"))
    });
    assert_eq!(other.peers().len(), 0);
}

/// A live path is not taken away from its owner; one that a crash left behind is.
#[test]
fn a_live_path_is_not_stolen_and_a_dead_one_is_replaced() {
    let scratch = Scratch::new("live");
    let endpoint = scratch.endpoint("socket");
    let context = Context::new();
    let owner = Pull::new(&context);
    owner.bind(&endpoint).unwrap();
    let thief = Pull::new(&context);
    let error = thief.bind(&endpoint).unwrap_err();
    let BindError::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&endpoint), "{error}");
    let push = Push::new(&context);
    push.connect(&endpoint).unwrap();
    push.send("to the owner").unwrap();
    assert_eq!(text(&owner.recv_timeout(PATIENCE).unwrap()), "to the owner");
    // A socket that was bound and closed without its path being removed, as a crash leaves it.
    let dead = scratch.endpoint("dead");
    drop(RawListener::bind(&dead));
    thief.bind(&dead).unwrap();
    push.connect(&dead).unwrap();
    push.send_timeout("x", PATIENCE).unwrap();
    // A file that is no socket is nobody's to remove.
    std::fs::write(scratch.0.join("file"), "precious").unwrap();
    assert!(thief.bind(&scratch.endpoint("file")).is_err());
    assert_eq!(std::fs::read_to_string(scratch.0.join("file")).unwrap(), "precious");
}

#[test]
fn a_path_goes_with_its_socket() {
    let scratch = Scratch::new("goes");
    let context = Context::new();
    let pull = Pull::new(&context);
    pull.bind(&scratch.endpoint("a")).unwrap();
    pull.bind(&scratch.endpoint("b")).unwrap();
    assert!(scratch.0.join("a").exists());
    pull.unbind(&scratch.endpoint("a")).unwrap();
    assert!(!scratch.0.join("a").exists());
    drop(pull);
    assert!(!scratch.0.join("b").exists());
    let wildcard = Pull::new(&context);
    let path = wildcard.bind("ipc://*").unwrap();
    let path = PathBuf::from(path.strip_prefix("ipc://").unwrap());
    assert!(path.exists());
    drop(wildcard);
    assert!(!path.exists() && !path.parent().unwrap().exists());
}

#[test]
fn wildcards_resolve_to_what_can_be_connected_to() {
    for driver in DRIVERS {
        let context = Context::new();
        for endpoint in
            ["tcp://*:*", "tcp://*:0", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "tcp://lo:*", "ipc://*"]
        {
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let resolved = pull.bind(endpoint).unwrap();
            assert_ne!(resolved, endpoint);
            assert_eq!(pull.last_endpoint().as_deref(), Some(resolved.as_str()));
            let push = Push::with(&context, driven_by(driver)).unwrap();
            push.connect(&resolved).unwrap();
            assert_eq!(push.last_endpoint().as_deref(), Some(resolved.as_str()));
            push.send(endpoint).unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), endpoint);
        }
    }
}

#[test]
fn an_endpoint_can_be_unbound_and_bound_again() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        // The directory of an ipc wildcard goes with its socket.
        let endpoint =
            pull.bind(&if transport == "ipc" { reserved(transport) } else { fresh(transport) }).unwrap();
        assert!(pull.disconnect(&endpoint).is_err(), "it is bound and not connected");
        for round in 0..3 {
            let push = Push::with(&context, driven_by(driver)).unwrap();
            push.connect(&endpoint).unwrap();
            push.send(round.to_string()).unwrap();
            assert_eq!(
                text(&pull.recv_timeout(PATIENCE).unwrap()),
                round.to_string(),
                "{transport} {driver:?}"
            );
            drop(push);
            pull.unbind(&endpoint).unwrap();
            let error = pull.unbind(&endpoint).unwrap_err();
            assert_eq!(error.endpoint, endpoint);
            assert_eq!(pull.bind(&endpoint).unwrap(), endpoint);
        }
    });
}

/// Unbinding ends the connections that were accepted there.
#[test]
fn unbinding_ends_the_connections_accepted_there() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let (one, other) = (push.bind(&fresh(transport)).unwrap(), push.bind(&fresh(transport)).unwrap());
        let mut peer = RawPeer::connect_as(&one, "PULL");
        let mut stays = RawPeer::connect_as(&other, "PULL");
        push.wait_for_peers(2, PATIENCE).unwrap();
        push.unbind(&one).unwrap();
        assert!(peer.receive_to_end().is_empty());
        assert_eq!(push.statistics().peers, 1, "{transport} {driver:?}");
        push.send("x").unwrap();
        assert_eq!(stays.receive_message(), [b"x"]);
    });
}

/// What a socket was given by peers that are gone can still be received.
#[test]
fn what_was_received_before_unbinding_is_kept() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("x").unwrap();
        eventually("it arrived", || pull.readiness().readable);
        pull.unbind(&endpoint).unwrap();
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "x", "{transport} {driver:?}");
    });
}

#[test]
fn disconnecting_ends_a_connection() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pulls = [(); 2].map(|()| Pull::with(&context, driven_by(driver)).unwrap());
        let endpoints = pulls.each_ref().map(|pull| pull.bind(&fresh(transport)).unwrap());
        let push = Push::with(&context, driven_by(driver)).unwrap();
        for endpoint in &endpoints {
            push.connect(endpoint).unwrap();
        }
        push.wait_for_peers(2, PATIENCE).unwrap();
        push.disconnect(&endpoints[0]).unwrap();
        let error = push.disconnect(&endpoints[0]).unwrap_err();
        assert_eq!(error.endpoint, endpoints[0]);
        assert!(push.unbind(&endpoints[1]).is_err(), "it is connected and not bound");
        for _ in 0..4 {
            push.send("x").unwrap();
            pulls[1].recv_timeout(PATIENCE).unwrap();
        }
        assert_eq!(pulls[0].try_recv(), Err(RecvError::WouldBlock), "{transport} {driver:?}");
        push.connect(&endpoints[0]).unwrap();
        push.send("again").unwrap();
        push.send("again").unwrap();
        assert_eq!(text(&pulls[0].recv_timeout(PATIENCE).unwrap()), "again");
    });
}

/// One socket, bound several times and connected several times, over all transports at once.
#[test]
fn a_socket_may_have_many_endpoints() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let mut pushes = Vec::new();
        for transport in TRANSPORTS {
            for _ in 0..2 {
                let push = Push::with(&context, driven_by(driver)).unwrap();
                push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
                pushes.push(push);
                let push = Push::with(&context, driven_by(driver)).unwrap();
                pull.connect(&push.bind(&fresh(transport)).unwrap()).unwrap();
                pushes.push(push);
            }
        }
        for (number, push) in pushes.iter().enumerate() {
            push.send_timeout(number.to_string(), PATIENCE).unwrap();
        }
        let mut received: Vec<usize> =
            pushes.iter().map(|_| text(&pull.recv_timeout(PATIENCE).unwrap()).parse().unwrap()).collect();
        received.sort_unstable();
        assert_eq!(received, (0..pushes.len()).collect::<Vec<_>>());
        assert_eq!(pull.statistics().peers, pushes.len());
    }
}

#[test]
fn connecting_may_come_before_binding() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&endpoint).unwrap();
        assert_eq!(req.statistics().peers, 0, "{transport} {driver:?}: nobody is there");
        assert!(req.wait_for_peers(1, Duration::ZERO).is_err(), "{transport} {driver:?}: nobody is there");
        req.send("question").unwrap();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        rep.bind(&endpoint).unwrap();
        rep.recv_timeout(PATIENCE).unwrap();
        rep.send("answer").unwrap();
        assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "answer", "{transport} {driver:?}");
        req.wait_for_peers(1, PATIENCE).unwrap();
    });
}

/// A second connection to the same place would only double what these types get.
#[test]
fn connecting_twice_to_one_place_makes_one_connection_where_two_would_harm() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let sub = Sub::with(&context, driven_by(driver)).unwrap();
        sub.subscribe("");
        sub.connect(&endpoint).unwrap();
        sub.connect(&endpoint).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        publisher.send("once").unwrap();
        sub.recv_timeout(PATIENCE).unwrap();
        assert_eq!(sub.recv_timeout(A_WHILE), Err(RecvError::TimedOut), "{transport} {driver:?}");
        sub.disconnect(&endpoint).unwrap();
        assert!(sub.disconnect(&endpoint).is_err());
    });
}

#[test]
fn names_are_looked_up() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let port = pull.bind("tcp://127.0.0.1:*").unwrap().rsplit_once(':').unwrap().1.to_owned();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&format!("tcp://localhost:{port}")).unwrap();
        push.send("by name").unwrap();
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "by name");
        let lost = Push::with(&context, |o| {
            o.set_driver(driver).set_linger(Some(Duration::ZERO));
        })
        .unwrap();
        let monitor = lost.monitor(10);
        lost.connect("tcp://name.invalid:5555").unwrap();
        loop {
            let event = monitor.recv_timeout(PATIENCE).unwrap();
            if let tamtam_zmq::EventKind::ConnectRetried { reason, .. } = event.kind {
                assert!(reason.contains("name"), "{reason}");
                break;
            }
        }
    }
}

#[test]
fn ipv6_works_where_there_is_any() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("this machine has no IPv6 address");
        return;
    }
    for driver in DRIVERS {
        let context = Context::new();
        let with_ipv6 = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver).set_ipv6(true);
        };
        let pull = Pull::with(&context, with_ipv6).unwrap();
        let endpoint = pull.bind("tcp://[::1]:*").unwrap();
        assert!(endpoint.starts_with("tcp://[::1]:"), "{endpoint}");
        // A wildcard takes both families.
        let any = pull.bind("tcp://*:*").unwrap();
        let port = any.strip_prefix("tcp://[::]:").unwrap();
        for target in [
            endpoint,
            format!("tcp://[::1]:{port}"),
            format!("tcp://127.0.0.1:{port}"),
            format!("tcp://localhost:{port}"),
        ] {
            let push = Push::with(&context, with_ipv6).unwrap();
            push.connect(&target).unwrap();
            push.send(target.clone()).unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), target, "{driver:?}");
        }
    }
}

#[test]
fn a_connection_can_leave_from_a_chosen_address() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        let source = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let with_source = format!("tcp://{source};{}", endpoint.strip_prefix("tcp://").unwrap());
        push.connect(&with_source).unwrap();
        push.send("x").unwrap();
        pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(pull.peers()[0].remote, format!("tcp://{source}"), "{driver:?}");
        assert_eq!(push.last_endpoint(), Some(with_source.clone()));
        push.disconnect(&with_source).unwrap();
    }
}

#[test]
fn abstract_names_leave_nothing_behind() {
    for driver in DRIVERS {
        let context = Context::new();
        let endpoint = reserved("ipc");
        assert!(endpoint.starts_with("ipc://@"));
        for round in 0..2 {
            let pair = Pair::with(&context, driven_by(driver)).unwrap();
            assert_eq!(pair.bind(&endpoint).unwrap(), endpoint);
            assert!(matches!(Pair::new(&context).bind(&endpoint), Err(BindError::Io { .. })), "it is in use");
            let other = Pair::with(&context, driven_by(driver)).unwrap();
            other.connect(&endpoint).unwrap();
            other.send(round.to_string()).unwrap();
            assert_eq!(text(&pair.recv_timeout(PATIENCE).unwrap()), round.to_string());
        }
    }
}

#[test]
fn a_socket_of_a_context_that_was_shut_down_neither_binds_nor_connects() {
    let context = Context::new();
    let socket = Socket::new(&context, SocketType::Pull);
    context.shutdown(PATIENCE).unwrap();
    for socket in [socket, Socket::new(&context, SocketType::Pull)] {
        for transport in TRANSPORTS {
            assert!(matches!(socket.bind(&fresh(transport)), Err(BindError::Closed { .. })));
            assert!(matches!(socket.connect(&reserved(transport)), Err(ConnectError::Closed { .. })));
        }
    }
}

/// What was received over a connection that is taken back stays, unless it is to go as well.
#[test]
fn disconnecting_keeps_what_has_come_or_drops_and_counts_it() {
    over_the_network(|transport, driver| {
        for discard in [false, true] {
            let context = Context::new();
            let push = Push::with(&context, driven_by(driver)).unwrap();
            let endpoint = push.bind(&fresh(transport)).unwrap();
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let socket: &Socket = pull.as_ref();
            assert!(socket.disconnect_and_discard(&endpoint).is_err(), "it is not connected there");
            pull.connect(&endpoint).unwrap();
            push.wait_for_peers(1, PATIENCE).unwrap();
            for _ in 0..3 {
                push.send("x").unwrap();
            }
            arrived(&pull, 3);
            if discard {
                socket.disconnect_and_discard(&endpoint).unwrap();
                assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock), "{transport} {driver:?}");
                assert_eq!(pull.statistics().traffic.dropped.disconnected, 3);
            } else {
                socket.disconnect(&endpoint).unwrap();
                for _ in 0..3 {
                    pull.recv_timeout(PATIENCE).unwrap();
                }
                assert_eq!(pull.statistics().traffic.dropped.total(), 0, "{transport} {driver:?}");
            }
            assert!(socket.disconnect(&endpoint).is_err());
        }
    });
}
