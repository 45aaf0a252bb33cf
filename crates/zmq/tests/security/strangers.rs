//! What strangers do before they are authenticated.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tamtam_zmq::SocketType::{Pull, Push};
use tamtam_zmq::{AllowList, Context, EventKind, Security};

use super::common::{PATIENCE, fresh};
use super::support::{Handler, keys, reply, socket};

fn address(endpoint: &str) -> &str {
    endpoint.strip_prefix("tcp://").unwrap()
}

/// CVE-2020-15166: a connection that says nothing held up everybody else's traffic at a server with CURVE and ZAP.
#[test]
fn cve_2020_15166_a_silent_connection_holds_nobody_up() {
    let context = Context::new();
    let _handler = Handler::start(&context, |request| reply(request, "200", "", b""));
    let (server, client) = (keys(), keys());
    let pull = socket(&context, Pull, |options| {
        options.set_security(Security::curve_server(server.clone())).set_zap_domain("global".into());
    });
    let endpoint = pull.bind(&fresh("tcp")).unwrap();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address(&endpoint)).unwrap()).collect();
    let push = socket(&context, Push, |options| {
        options.set_security(Security::curve_client(client, server.public));
    });
    push.connect(&endpoint).unwrap();
    for number in 0..1000u32 {
        push.send(number.to_string().as_str()).unwrap();
    }
    for number in 0..1000u32 {
        assert_eq!(pull.recv().unwrap().as_slice(), number.to_string().as_bytes());
    }
    drop(silent);
}

/// Connections that only hold places: the bound is kept, told, and given back.
#[test]
fn handshakes_are_bounded_per_endpoint() {
    let context = Context::new();
    let (server, client) = (keys(), keys());
    let pull = socket(&context, Pull, |options| {
        let list = AllowList::keys([client.public]);
        options.set_security(Security::curve_server(server.clone()).allow(list)).set_max_handshakes(5);
    });
    let monitor = pull.monitor(1000);
    let endpoint = pull.bind(&fresh("tcp")).unwrap();
    let push = socket(&context, Push, |options| {
        options.set_security(Security::curve_client(client, server.public));
    });
    push.connect(&endpoint).unwrap();
    push.send("first").unwrap();
    assert_eq!(pull.recv().unwrap().as_slice(), b"first");

    let mut silent: Vec<TcpStream> =
        (0..6).map(|_| TcpStream::connect(address(&endpoint)).unwrap()).collect();
    let until = Instant::now() + PATIENCE;
    loop {
        let event = monitor.recv_timeout(until - Instant::now()).expect("one is refused");
        if let EventKind::Refused { reason } = event.kind {
            assert!(reason.contains("5 others"), "{reason}");
            break;
        }
    }
    let mut last = silent.pop().unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(last.read(&mut [0; 64]).unwrap_or(0), 0, "it is closed without a word");
    // Who is in does not notice, and who comes when there is room again gets in.
    push.send("second").unwrap();
    assert_eq!(pull.recv().unwrap().as_slice(), b"second");
    drop(silent);
    push.disconnect(&endpoint).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("third").unwrap();
    assert_eq!(pull.recv().unwrap().as_slice(), b"third");
}

/// CVE-2021-20237 and its like: strangers that come and go leave nothing behind, whether a handler is asked or not.
#[test]
fn cve_2021_20237_strangers_that_come_and_go_leave_nothing() {
    let context = Context::new();
    let _handler = Handler::start(&context, |request| reply(request, "400", "", b""));
    let pull = socket(&context, Pull, |options| {
        options.set_zap_domain("global".into()).set_handshake_interval(Some(Duration::from_secs(30)));
    });
    let endpoint = pull.bind(&fresh("tcp")).unwrap();
    for round in 0..200 {
        let mut stranger = TcpStream::connect(address(&endpoint)).unwrap();
        if round % 2 == 0 {
            // A greeting of ZMTP 3.0, after which the handler is asked.
            let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL".to_vec();
            greeting.resize(64, 0);
            std::io::Write::write_all(&mut stranger, &greeting).unwrap();
        }
    }
    // Some may not have been accepted yet when those before them are gone.
    super::common::eventually("all have come and gone", || {
        pull.peers().is_empty() && pull.statistics().traffic.handshake_failures == 200
    });
}
