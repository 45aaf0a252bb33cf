//! STREAM, which speaks no protocol at all: against plain sockets of the operating system, and against libzmq's STREAM.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use tamtam_zmq::SocketType::Stream;

use super::ends::End;
use super::{Contexts, Frames, body, over, with_both_drivers};
use crate::common::PATIENCE;

/// Reads from a STREAM until so many octets of one connection have come; asserts that they come from this one.
fn gather(stream: &mut dyn End, id: &[u8], octets: usize) -> Vec<u8> {
    let mut gathered = Vec::new();
    while gathered.len() < octets {
        let message = stream.receive();
        let [from, bytes] = message.as_slice() else { panic!("{} frames", message.len()) };
        assert_eq!(from, id);
        assert!(!bytes.is_empty(), "the connection ended after {} octets", gathered.len());
        gathered.extend_from_slice(bytes);
    }
    gathered
}

/// Receives the notice that a connection is there; returns its id.
fn arrival(stream: &mut dyn End) -> Vec<u8> {
    let notice = stream.receive();
    let [id, empty] = notice.as_slice() else { panic!("{notice:?}") };
    assert_eq!((id.len(), empty.len()), (5, 0));
    id.clone()
}

/// What both ends of a plain connection do with a STREAM at the other.
fn converse(stream: &mut dyn End, mut plain: impl Read + Write + Send) {
    let id = arrival(stream);
    plain.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(gather(stream, &id, 18), b"GET / HTTP/1.0\r\n\r\n");
    let large = body(1 << 20);
    std::thread::scope(|scope| {
        let sent = &large;
        let to = &mut plain;
        scope.spawn(move || to.write_all(sent).unwrap());
        assert!(gather(stream, &id, sent.len()) == *sent);
    });
    for chunk in large.chunks(10_000) {
        stream.send(&vec![id.clone(), chunk.to_vec()]);
    }
    // An empty frame closes the connection, after everything before it was written.
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut read = Vec::new();
            plain.read_to_end(&mut read).unwrap();
            read
        });
        stream.send(&vec![id.clone(), Vec::new()]);
        assert!(reader.join().unwrap() == large);
    });
}

#[test]
fn a_plain_tcp_client() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Stream, driver, |_| {});
        let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
        let plain = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
        plain.set_read_timeout(Some(PATIENCE)).unwrap();
        converse(&mut ours, plain);
    });
}

#[test]
fn a_plain_unix_client() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Stream, driver, |_| {});
        let endpoint = ours.bind("ipc://*").unwrap();
        let plain = UnixStream::connect(endpoint.strip_prefix("ipc://").unwrap()).unwrap();
        plain.set_read_timeout(Some(PATIENCE)).unwrap();
        converse(&mut ours, plain);
    });
}

#[test]
fn a_plain_tcp_server() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = contexts.ours(Stream, driver, |_| {});
        ours.connect(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
        let (plain, _) = listener.accept().unwrap();
        plain.set_read_timeout(Some(PATIENCE)).unwrap();
        converse(&mut ours, plain);
    });
}

#[test]
fn the_end_of_a_connection_is_told_after_its_last_octets() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Stream, driver, |_| {});
        let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
        let mut plain = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
        let id = arrival(&mut ours);
        plain.write_all(&body(100_000)).unwrap();
        drop(plain);
        assert!(gather(&mut ours, &id, 100_000) == body(100_000));
        assert_eq!(ours.receive(), [id, Vec::new()]);
    });
}

#[test]
fn stream_and_stream() {
    over(&["tcp"], |case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Stream, case.driver, |_| {});
        let mut theirs = contexts.theirs(zmq::STREAM);
        case.join(&ours, &theirs);
        let id_of_theirs = arrival(&mut ours);
        let id_of_ours = arrival(&mut theirs);
        exchange(&mut ours, &id_of_theirs, &mut theirs, &id_of_ours);
        exchange(&mut theirs, &id_of_ours, &mut ours, &id_of_theirs);
    });
}

fn exchange(from: &mut dyn End, to_id: &[u8], to: &mut dyn End, from_id: &[u8]) {
    let chunks: Vec<Vec<u8>> = super::SIZES.into_iter().filter(|&size| size > 0).map(body).collect();
    let whole = chunks.concat();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for chunk in chunks {
                let message: Frames = vec![to_id.to_vec(), chunk];
                from.send(&message);
            }
        });
        assert!(gather(to, from_id, whole.len()) == whole);
    });
}

#[test]
fn libzmq_greets_a_stream() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Stream, driver, |_| {});
        let theirs = contexts.theirs(zmq::DEALER);
        theirs.connect(&ours.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        let id = arrival(&mut ours);
        // 37/ZMTP: the signature is the octet FF, eight octets of padding, and 7F.
        let greeting = gather(&mut ours, &id, 10);
        assert_eq!((greeting[0], greeting[9]), (0xff, 0x7f));
    });
}
