//! PLAIN and 27/ZAP with libzmq at the other end, in both roles. (This build of libzmq has no CURVE; pyzmq has.)

use std::thread::JoinHandle;
use std::time::Duration;

use tamtam_zmq::{EventKind, HandshakeCause, Monitor, Security, SocketType};

use super::{Contexts, PATIENCE, everywhere};

fn failure(monitor: &Monitor) -> HandshakeCause {
    loop {
        match monitor.recv_timeout(PATIENCE).expect("a handshake fails").kind {
            EventKind::HandshakeFailed { cause, .. } => return cause,
            EventKind::HandshakeSucceeded { .. } => panic!("it was let in"),
            _ => {}
        }
    }
}

/// A handler for libzmq's context that lets in `admin` with `secret`.
fn handler(context: &zmq::Context) -> JoinHandle<()> {
    let socket = super::theirs(context, zmq::REP);
    socket.bind("inproc://zeromq.zap.01").unwrap();
    std::thread::spawn(move || {
        // Until the context ends.
        while let Ok(request) = socket.recv_multipart(0) {
            let good = request[5..] == [&b"PLAIN"[..], b"admin", b"secret"];
            let (status, user) = if good { ("200", "joe") } else { ("400", "") };
            let reply =
                [b"1.0".to_vec(), request[1].clone(), status.into(), "text".into(), user.into(), Vec::new()];
            socket.send_multipart(reply, 0).unwrap();
        }
    })
}

#[test]
fn plain_with_libzmq_as_the_server() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let handler = handler(&contexts.theirs);
        let theirs = contexts.theirs(zmq::PULL);
        theirs.set_plain_server(true).unwrap();
        theirs.set_zap_domain("global").unwrap();
        let ours = contexts.ours(SocketType::Push, case.driver, |options| {
            options.set_security(Security::plain_client("admin", "secret").unwrap());
        });
        case.join(&ours, &theirs);
        ours.send_timeout("hello", PATIENCE).unwrap();
        let mut message = zmq::Message::new();
        theirs.recv(&mut message, 0).unwrap();
        assert_eq!(&*message, b"hello");
        assert_eq!(message.gets("User-Id"), Some("joe"));
        let stranger = contexts.ours(SocketType::Push, case.driver, |options| {
            options.set_security(Security::plain_client("admin", "guess").unwrap());
            options.set_linger(Some(Duration::ZERO));
        });
        let monitor = stranger.monitor(100);
        case.join(&stranger, &theirs);
        assert_eq!(failure(&monitor), HandshakeCause::Authentication(400));
        drop((stranger, ours, theirs));
        // Ends the handler's wait; it closes its socket.
        contexts.theirs.clone().destroy().unwrap();
        handler.join().unwrap();
    });
}

#[test]
fn plain_with_libzmq_as_the_client() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let ours = contexts.ours(SocketType::Pull, case.driver, |options| {
            options.set_security(Security::plain_server([("admin", "secret")]));
        });
        let theirs = contexts.theirs(zmq::PUSH);
        theirs.set_plain_username(Some("admin")).unwrap();
        theirs.set_plain_password(Some("secret")).unwrap();
        case.join(&ours, &theirs);
        theirs.send("hello", 0).unwrap();
        let message = ours.recv_timeout(PATIENCE).unwrap();
        let peer = ours.peer_info(message.peer().unwrap()).unwrap();
        assert_eq!((peer.user_id.as_deref(), message.as_slice()), (Some(&b"admin"[..]), &b"hello"[..]));
        let monitor = ours.monitor(100);
        let stranger = contexts.theirs(zmq::PUSH);
        stranger.set_plain_username(Some("admin")).unwrap();
        stranger.set_plain_password(Some("guess")).unwrap();
        case.join(&ours, &stranger);
        assert_eq!(failure(&monitor), HandshakeCause::Authentication(400));
    });
}
