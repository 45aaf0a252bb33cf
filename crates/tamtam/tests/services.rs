//! Services that panic, hang or are killed: whoever has asked them is told, and nobody else is disturbed.

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::child::{Process, role};
use common::{PATIENCE, Place, body, text};
use tamtam::{CallError, Client, Node};

fn echo(node: &Node) -> Client<Bytes, Bytes> {
    node.client("/echo").unwrap()
}

/// Calls that go well, one after the other.
fn call_often(client: &Client<Bytes, Bytes>, name: &str) {
    for number in 0..200 {
        let request = body(format!("{name} {number}"));
        assert_eq!(client.call(&request, PATIENCE), Ok(request));
    }
}

#[test]
fn a_service_that_panics_is_told_to_who_has_asked_and_goes_on() {
    let place = Place::new();
    let service = place.node("server").service("/echo", |request: Bytes| {
        assert!(&*request != b"poison", "a fault in the service");
        Ok(request)
    });
    let _service = service.unwrap();
    let (bad, good) = (place.node("bad"), place.node("good"));
    thread::scope(|scope| {
        scope.spawn(|| {
            let client = echo(&bad);
            for _ in 0..50 {
                let error = client.call(&Bytes::from_static(b"poison"), PATIENCE).unwrap_err();
                assert!(matches!(&error, CallError::Remote(why) if why.contains("panicked")), "{error:?}");
            }
        });
        scope.spawn(|| call_often(&echo(&good), "good"));
        // Also from the same node, and by the same client from two threads.
        let client = echo(&bad);
        thread::scope(|scope| {
            scope.spawn(|| call_often(&client, "one"));
            scope.spawn(|| call_often(&client, "two"));
        });
    });
}

/// One server hangs: callers of others, and of the same name where another one has room, are answered meanwhile.
#[test]
fn a_service_that_hangs_holds_up_only_who_has_asked_it() {
    let place = Place::new();
    let (free, busy) = mpsc::channel::<()>();
    let hanging = place.node("hanging").service("/hang", move |request: Bytes| {
        // Until the test is over.
        let _over = busy.recv();
        Ok(request)
    });
    let hanging = hanging.unwrap();
    let _sound = place.node("server").service("/echo", Ok::<Bytes, String>).unwrap();
    let node = place.node("client");
    let hung = node.client::<Bytes, Bytes>("/hang").unwrap();
    assert!(hung.wait_for_server(PATIENCE));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| hung.call(&body(1), Duration::from_secs(1)));
        // The same node's, while that one waits.
        call_often(&echo(&node), "other");
        assert_eq!(waiting.join().unwrap(), Err(CallError::TimedOut("/hang".into())));
    });
    // What comes too late is nobody's reply.
    drop(free);
    for number in 2..10 {
        assert_eq!(hung.call(&body(number), PATIENCE).map(|reply| text(&reply)), Ok(number.to_string()));
    }
    drop(hanging);
}

/// Killed in the middle of a request: its caller hears that nobody is there, and the next server is found.
#[test]
fn a_server_that_is_killed_is_replaced() {
    const SELF: &str = "a_server_that_is_killed_is_replaced";
    if let Some((role, place)) = role() {
        let node = Node::builder(&role).domain("test").directory(&place).open().unwrap();
        let _service = node.service("/echo", move |request: Bytes| {
            if role == "doomed" && &*request == b"last" {
                println!("at work");
                // Until it is killed.
                thread::park();
            }
            Ok(request)
        });
        println!("offered");
        thread::park();
    }
    let place = Place::new();
    let mut doomed = Process::spawn(SELF, "doomed", place.path());
    doomed.expect("offered");
    let (node, other) = (place.node("client"), place.node("other"));
    let client = echo(&node);
    call_often(&client, "first");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.call(&Bytes::from_static(b"last"), Duration::from_secs(3)));
        doomed.expect("at work");
        doomed.kill();
        let mut next = Process::spawn(SELF, "next", place.path());
        next.expect("offered");
        call_often(&echo(&other), "other");
        // The one who had asked the dead one is not answered by another: the request may have been done.
        assert_eq!(waiting.join().unwrap(), Err(CallError::TimedOut("/echo".into())));
        call_often(&client, "second");
        next.kill();
    });
    node.wait_for_graph(PATIENCE, |graph| graph.services().is_empty()).unwrap();
    let gone = client.call(&body(1), Duration::from_millis(50));
    assert_eq!(gone, Err(CallError::NoServer("/echo".into())));
}
