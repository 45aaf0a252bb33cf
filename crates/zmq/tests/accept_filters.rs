//! Who is let in, and descriptors that somebody else has bound.

mod common;

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use common::wire::RawPeer;
use common::{DRIVERS, PATIENCE, driven_by, text};
use tamtam_zmq::{
    BindError, Context, Driver, EventKind, IpcFilter, Monitor, Options, Pair, Pull, Push, Rep, Req,
};

fn refused(monitor: &Monitor) -> String {
    loop {
        let event = monitor.recv_timeout(PATIENCE).expect("the refusal is told");
        if let EventKind::Refused { reason } = event.kind {
            return reason;
        }
    }
}

/// Tells whether a PULL that is bound with these options can be reached.
fn reachable(endpoint: &str, driver: Driver, change: &dyn Fn(&mut Options)) -> bool {
    let context = Context::new();
    let pull = Pull::with(&context, |o| {
        o.set_driver(driver);
        change(o);
    })
    .unwrap();
    let monitor = pull.monitor(1000);
    let endpoint = pull.bind(endpoint).unwrap();
    let push = Push::with(&context, |o| {
        o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        o.set_linger(Some(Duration::ZERO));
    })
    .unwrap();
    push.connect(&endpoint).unwrap();
    push.send("me").unwrap();
    loop {
        if let Ok(message) = pull.try_recv() {
            assert_eq!(text(&message), "me");
            return true;
        }
        match monitor.recv_timeout(Duration::from_millis(1)).map(|event| event.kind) {
            Some(EventKind::Refused { reason }) => {
                assert!(reason.contains("filtered out"), "{reason}");
                // Again and again, until the application takes it back.
                refused(&monitor);
                assert!(pull.peers().is_empty());
                return false;
            }
            Some(EventKind::HandshakeSucceeded { .. }) => {
                assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "me");
                return true;
            }
            _ => {}
        }
    }
}

#[test]
fn tcp_connections_are_let_in_by_their_address() {
    for (ranges, expected) in [
        (&[][..], true),
        (&["127.0.0.1/32"], true),
        (&["0.0.0.0/0"], true),
        (&["127.0.0.255/32"], false),
        (&["10.0.0.0/8", "::/0"], false),
        (&["10.0.0.0/8", "127.0.0.0/8"], true),
    ] {
        for driver in DRIVERS {
            let change = |o: &mut Options| {
                o.set_tcp_accept_filters(ranges.iter().map(|range| range.parse().unwrap()).collect());
                o.set_ipc_accept_filters(vec![IpcFilter::Process(1)]);
            };
            assert_eq!(reachable("tcp://127.0.0.1:*", driver, &change), expected, "{ranges:?} {driver:?}");
        }
    }
    // A listener for both families sees an IPv4 address in the clothes of IPv6.
    let both = |o: &mut Options| {
        o.set_ipv6(true).set_tcp_accept_filters(vec!["127.0.0.0/8".parse().unwrap()]);
    };
    let context = Context::new();
    let pull = Pull::with(&context, both).unwrap();
    let endpoint = pull.bind("tcp://*:*").unwrap();
    let push = Push::new(&context);
    push.connect(&format!("tcp://127.0.0.1:{}", endpoint.rsplit(':').next().unwrap())).unwrap();
    push.send("me").unwrap();
    assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "me");
}

#[test]
fn ipc_connections_are_let_in_by_user_group_or_process() {
    let user = rustix::process::getuid().as_raw();
    let group = rustix::process::getgid().as_raw();
    let groups: Vec<u32> =
        rustix::process::getgroups().unwrap().into_iter().map(|group| group.as_raw()).collect();
    let strange = groups.iter().chain([&group]).max().unwrap() + 1;
    let process = std::process::id().cast_signed();
    let mut cases = vec![
        (vec![], true),
        (vec![IpcFilter::User(user)], true),
        (vec![IpcFilter::User(user + 1)], false),
        (vec![IpcFilter::Group(group)], true),
        (vec![IpcFilter::Group(strange)], false),
        (vec![IpcFilter::Process(process)], true),
        (vec![IpcFilter::Process(process + 1)], false),
        (vec![IpcFilter::User(user + 1), IpcFilter::Process(process)], true),
    ];
    cases.extend(groups.into_iter().map(|group| (vec![IpcFilter::Group(group)], true)));
    for (filters, expected) in cases {
        for driver in DRIVERS {
            let change = |o: &mut Options| {
                o.set_ipc_accept_filters(filters.clone());
                o.set_tcp_accept_filters(vec!["127.0.0.255".parse().unwrap()]);
            };
            assert_eq!(reachable("ipc://*", driver, &change), expected, "{filters:?} {driver:?}");
        }
    }
}

#[test]
fn whoever_is_filtered_out_gets_no_octet() {
    let context = Context::new();
    let nobody = |o: &mut Options| {
        o.set_tcp_accept_filters(vec!["127.0.0.255".parse().unwrap()]);
        o.set_ipc_accept_filters(vec![IpcFilter::Process(-1)]);
    };
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let pull = Pull::with(&context, nobody).unwrap();
        let endpoint = pull.bind(endpoint).unwrap();
        assert!(RawPeer::connect(&endpoint).receive_to_end().is_empty());
    }
}

fn bound_tcp() -> (OwnedFd, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (listener.into(), endpoint)
}

fn bound_ipc(directory: &std::path::Path) -> (OwnedFd, String) {
    let path = directory.join("adopted");
    let listener = UnixListener::bind(&path).unwrap();
    (listener.into(), format!("ipc://{}", path.display()))
}

#[test]
fn descriptors_that_are_bound_already_are_taken_over() {
    for driver in DRIVERS {
        let directory = std::env::temp_dir().join(format!("tamtam-fd-{}-{driver:?}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let context = Context::new();
        for (fd, endpoint) in [bound_tcp(), bound_ipc(&directory)] {
            let rep = Rep::with(&context, driven_by(driver)).unwrap();
            assert_eq!(rep.bind_fd(&endpoint, fd).unwrap(), endpoint);
            let req = Req::with(&context, driven_by(driver)).unwrap();
            req.connect(&endpoint).unwrap();
            req.send("ping").unwrap();
            assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), "ping");
            rep.send("pong").unwrap();
            assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "pong");
            rep.unbind(&endpoint).unwrap();
        }
        // The path is not ours to remove; the descriptor is closed.
        let path = directory.join("adopted");
        assert!(path.exists());
        let refusal = std::os::unix::net::UnixStream::connect(&path).unwrap_err();
        assert_eq!(refusal.kind(), std::io::ErrorKind::ConnectionRefused);
        std::fs::remove_dir_all(directory).unwrap();
        // Whatever host and port are written, the descriptor's are meant.
        let (fd, endpoint) = bound_tcp();
        let pair = Pair::with(&context, driven_by(driver)).unwrap();
        assert_eq!(pair.bind_fd("tcp://*:*", fd).unwrap(), endpoint);
        assert_eq!(pair.last_endpoint(), Some(endpoint));
    }
}

#[test]
fn descriptors_of_the_wrong_kind_are_refused() {
    let context = Context::new();
    let pull = Pull::new(&context);
    let refused = |endpoint: &str, fd: OwnedFd| {
        let error = pull.bind_fd(endpoint, fd).unwrap_err();
        assert!(matches!(error, BindError::Io { .. }), "{error:?}");
    };
    refused("ipc://@x", bound_tcp().0);
    refused("inproc://x", bound_tcp().0);
    refused("tcp://127.0.0.1:*", std::os::unix::net::UnixStream::pair().unwrap().0.into());
    refused("tcp://127.0.0.1:*", std::fs::File::open("/dev/null").unwrap().into());
    refused("ipc://*", std::os::unix::net::UnixStream::pair().unwrap().0.into());
    refused("tcp://127.0.0.1:*", std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into());
}
