//! Tamtam's sockets against pyzmq, in a process of its own, over tcp and ipc, either side binding.
//!
//! Needs `python3` with the package `pyzmq` (`pip install pyzmq`). Where it is missing, the tests say so and test nothing;
//! with `TAMTAM_REQUIRE_PYZMQ=1` in the environment they fail.

#[path = "interop/child.rs"]
mod child;
mod common;
#[path = "interop/python.rs"]
mod python;

use std::process::Command;

use child::Peer;
use common::{DRIVERS, PATIENCE, fresh};
use tamtam_zmq::SocketType::{Dealer, Pull, Push, Rep, Req, Router, Sub, XPub};
use tamtam_zmq::{AllowList, Context, CurveKeyPair, Message, Options, Security, Socket, SocketType};

/// The same script as in `interop/pyzmq_peer.py`.
fn script() -> Vec<Message> {
    let body = |size: usize| (0..=250u8).cycle().skip(size % 251).take(size).collect::<Vec<u8>>();
    let mut messages = Vec::new();
    for size in [0, 1, 255, 256, 8191, 8192, 65_536, 1 << 20] {
        messages.push(Message::from(body(size)));
        messages.push(Message::from_frames([b"head".to_vec(), body(size), Vec::new()]).unwrap());
    }
    messages.push(Message::from_frames(["", "", ""]).unwrap());
    messages.extend((0..500u32).map(|number| Message::from(&number.to_be_bytes())));
    messages
}

/// Runs a test with a Python process of the given type and role, everywhere: in clear, and encrypted with either side as the
/// server.
fn with(ours: SocketType, theirs: &str, role: &str, test: impl Fn(&Socket)) {
    for curve in [None, Some(true), Some(false)] {
        with_security(curve, ours, theirs, role, &test);
    }
}

/// Names the case that a failed assertion belongs to.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was {}", self.0);
        }
    }
}

/// Sets CURVE on both sides; `we_serve`, or they do.
fn secure(options: &mut Options, command: &mut Command, we_serve: bool) {
    let (server, client) = (CurveKeyPair::generate().unwrap(), CurveKeyPair::generate().unwrap());
    if we_serve {
        let keys = format!("{} {} {}", client.public, *client.secret.to_z85(), server.public);
        command.env("CURVE_CLIENT", keys);
        options.set_security(Security::curve_server(server).allow(AllowList::keys([client.public])));
    } else {
        command.env("CURVE_SERVER", &*server.secret.to_z85()).env("CURVE_ALLOW", client.public.to_string());
        options.set_security(Security::curve_client(client, server.public));
    }
}

fn with_security(curve: Option<bool>, ours: SocketType, theirs: &str, role: &str, test: &impl Fn(&Socket)) {
    // An interpreter takes its time to start: each case has its turn with one of the drivers.
    let cases = [("tcp", true), ("ipc", true), ("tcp", false), ("ipc", false)];
    // Encryption does not care for the transport.
    let cases = cases.into_iter().filter(|(transport, _)| curve.is_none() || *transport == "tcp");
    for ((transport, we_bind), driver) in cases.zip(DRIVERS.into_iter().cycle()) {
        let Some(mut command) = python::script("interop/pyzmq_peer.py") else { return };
        let context = Context::new();
        let socket = Socket::new(&context, ours);
        socket
            .configure(|options| {
                options.set_driver(driver).set_send_hwm(0).set_send_timeout(Some(PATIENCE));
                options.set_receive_timeout(Some(PATIENCE));
                if let Some(we_serve) = curve {
                    secure(options, &mut command, we_serve);
                }
            })
            .unwrap();
        if ours == Sub {
            socket.subscribe("").unwrap();
        }
        let peer = if we_bind {
            command.args([theirs, "connect", &socket.bind(&fresh(transport)).unwrap(), role]);
            Peer::start(command)
        } else {
            command.args([theirs, "bind", &fresh(transport), role]);
            let peer = Peer::start(command);
            let line = peer.line();
            socket.connect(line.strip_prefix("bound ").expect("an endpoint")).unwrap();
            peer
        };
        let case = format!("{transport}, we bind: {we_bind}, curve, we serve: {curve:?}");
        let named = Named(case);
        test(&socket);
        drop(named);
        let name = peer.name().to_owned();
        assert_eq!(peer.finish(), ["done"], "{name}, {driver:?}");
        assert_eq!(socket.statistics().traffic.dropped.total(), 0);
    }
}

fn send_all(socket: &Socket) {
    for message in script() {
        socket.send(message).unwrap();
    }
}

fn receive_all(socket: &Socket) {
    for (number, message) in script().into_iter().enumerate() {
        assert!(socket.recv().unwrap() == message, "message {number}");
    }
}

fn echo_all(socket: &Socket) {
    for _ in script() {
        socket.send(socket.recv().unwrap()).unwrap();
    }
}

fn ask_all(socket: &Socket) {
    for (number, message) in script().into_iter().enumerate() {
        socket.send(message.clone()).unwrap();
        assert!(socket.recv().unwrap() == message, "reply {number}");
    }
}

#[test]
fn push_to_pull() {
    with(Push, "PULL", "sink", send_all);
}

#[test]
fn pull_from_push() {
    with(Pull, "PUSH", "source", receive_all);
}

#[test]
fn publish_to_sub() {
    with(XPub, "SUB", "sink", |socket| {
        socket.wait_for_subscribers(1, PATIENCE).unwrap();
        send_all(socket);
    });
}

#[test]
fn subscribe_to_xpub() {
    with(Sub, "XPUB", "source", receive_all);
}

#[test]
fn ask_rep() {
    with(Req, "REP", "echo", ask_all);
}

#[test]
fn answer_req() {
    with(Rep, "REQ", "ask", echo_all);
}

#[test]
fn ask_router() {
    with(Dealer, "ROUTER", "echo", ask_all);
}

#[test]
fn answer_dealer() {
    with(Router, "DEALER", "ask", |socket| {
        for _ in script() {
            let message = socket.recv().unwrap();
            assert_eq!(message.as_slice(), b"python");
            socket.send(message).unwrap();
        }
    });
}

#[test]
fn talk_to_dealer() {
    with(Dealer, "DEALER", "echo", |socket| {
        send_all(socket);
        receive_all(socket);
    });
}
