//! DGRAM: datagrams with the address they come from or go to.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use common::{A_WHILE, DRIVERS, PATIENCE, driven_by, eventually, message, texts};
use tamtam_zmq::{BindError, ConnectError, Context, Dgram, RecvError, SendError};

fn address(endpoint: &str) -> &str {
    endpoint.strip_prefix("udp://").unwrap()
}

#[test]
fn a_datagram_is_answered_by_its_address() {
    for driver in DRIVERS {
        let context = Context::new();
        let asks = Dgram::with(&context, driven_by(driver)).unwrap();
        let answers = Dgram::with(&context, driven_by(driver)).unwrap();
        let (from, to) =
            (asks.bind("udp://127.0.0.1:*").unwrap(), answers.bind("udp://127.0.0.1:*").unwrap());
        let largest = "x".repeat(8192);
        for body in ["Is someone there ?", "", &largest] {
            asks.send(message(&[address(&to), body])).unwrap();
            let mut question = answers.recv_timeout(PATIENCE).unwrap();
            assert!(texts(&question) == [address(&from), body], "{driver:?}");
            question.push_back("no third frame");
            let Err(SendError::Malformed(_)) = answers.send(question) else { panic!("three frames") };
        }
        // As C programs write it.
        asks.send(message(&[&format!("{}\0", address(&to)), "zero-terminated"])).unwrap();
        let question = answers.recv_timeout(PATIENCE).unwrap();
        answers.send(question).unwrap();
        assert_eq!(texts(&asks.recv_timeout(PATIENCE).unwrap()), [address(&to), "zero-terminated"]);
        assert_eq!(answers.statistics().traffic.messages_in, 4);
    }
}

#[test]
fn what_it_does_not_do() {
    let context = Context::new();
    let dgram = Dgram::new(&context);
    for endpoint in ["udp://127.0.0.1:5556", "tcp://127.0.0.1:5556", "inproc://x"] {
        assert!(matches!(dgram.connect(endpoint), Err(ConnectError::WrongTransport { .. })), "{endpoint}");
    }
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*", "inproc://x"] {
        assert!(matches!(dgram.bind(endpoint), Err(BindError::WrongTransport { .. })), "{endpoint}");
    }
    assert!(!dgram.readiness().writable);
    let Err(SendError::TimedOut(back)) = dgram.send_timeout(message(&["127.0.0.1:9", "x"]), A_WHILE) else {
        panic!("it is not bound")
    };
    dgram.bind("udp://127.0.0.1:*").unwrap();
    assert!(dgram.readiness().writable);
    dgram.send(back).unwrap();
    for bad in ["", "nobody", "127.0.0.1", "127.0.0.1:0", "localhost:9", "[::1]:9", "1.2.3.4:70000"] {
        assert!(matches!(dgram.send(message(&[bad, "x"])), Err(SendError::Unroutable(_))), "{bad}");
    }
    for frames in [&["127.0.0.1:9"][..], &["127.0.0.1:9", "a", "b"], &["127.0.0.1:9", &"x".repeat(8193)]] {
        assert!(matches!(dgram.send(message(frames)), Err(SendError::Malformed(_))));
    }
}

#[test]
fn oversized_datagrams_are_dropped_and_counted() {
    for driver in DRIVERS {
        let context = Context::new();
        let dgram = Dgram::with(&context, driven_by(driver)).unwrap();
        let endpoint = dgram.bind("udp://127.0.0.1:*").unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.connect(address(&endpoint)).unwrap();
        for len in [8193, 20_000, 60_000] {
            sender.send(&vec![0; len]).unwrap();
        }
        sender.send(b"right").unwrap();
        let received = dgram.recv_timeout(PATIENCE).unwrap();
        assert_eq!(texts(&received)[1], "right", "{driver:?}");
        assert_eq!(dgram.statistics().traffic.dropped.malformed, 3);
        // Nobody is at a closed port: that is nobody's loss but the datagram's.
        drop(sender);
        dgram.send(received.clone()).unwrap();
        dgram.send(received).unwrap();
        assert_eq!(dgram.recv_timeout(A_WHILE), Err(RecvError::TimedOut));
    }
}

#[test]
fn the_socket_of_the_addresss_family_is_used() {
    let context = Context::new();
    let dgram = Dgram::with(&context, |o| {
        o.set_ipv6(true);
    })
    .unwrap();
    dgram.bind("udp://127.0.0.1:*").unwrap();
    let v6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0));
    if dgram.bind("udp://[::1]:*").is_err() {
        assert!(v6.is_err(), "this machine has IPv6");
        eprintln!("NOT TESTED: this machine has no IPv6; checked that binding to it is an error");
        return;
    }
    let v4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for socket in [v4, v6.unwrap()] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let to = socket.local_addr().unwrap().to_string();
        dgram.send(message(&[&to, "ping"])).unwrap();
        let mut buffer = [0; 10];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"ping");
        socket.send_to(b"pong", from).unwrap();
        assert_eq!(texts(&dgram.recv_timeout(PATIENCE).unwrap()), [to.as_str(), "pong"]);
    }
    eventually("both are still there", || dgram.peers().len() == 2);
}
