//! The textbook's pair of programs: a publisher that waits for synchronization requests, and a subscriber. Either is
//! exchanged for one on libzmq, in C and in Python, and nobody notices.
//!
//! C needs the compilers that built libzmq for the crate `zmq`; Python needs pyzmq. What is missing is told, and not tested.

#[path = "interop/child.rs"]
mod child;
#[path = "interop/programs.rs"]
mod programs;
#[path = "interop/python.rs"]
mod python;

use std::net::TcpListener;
use std::process::Command;

use child::Peer;

/// Returns a tcp port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// Runs a publisher and its subscribers, and asserts that they print what the textbook says.
fn converse(mut publisher: Command, subscribers: Vec<Command>) {
    let (data, sync) = (free_port(), free_port());
    publisher.args([
        subscribers.len().to_string(),
        format!("tcp://*:{data}"),
        format!("tcp://*:{sync}"),
    ]);
    let publisher = Peer::start(publisher);
    let subscribers: Vec<(String, Peer)> = subscribers
        .into_iter()
        .map(|mut subscriber| {
            subscriber.args([format!("tcp://localhost:{data}"), format!("tcp://localhost:{sync}")]);
            (format!("{subscriber:?}"), Peer::start(subscriber))
        })
        .collect();
    let mut expected: Vec<String> = (0..10)
        .map(|id| format!("Receiving id: {id} date: 10.10.2023  Type: 1 Message: Hello, ZMQ & Protobuf!"))
        .collect();
    expected.push("Received 10 updates".to_owned());
    let mut replies = vec!["Wait for synchronization request"];
    for (name, subscriber) in subscribers {
        assert_eq!(subscriber.finish(), expected, "{name}");
        replies.push("Send synchronization reply");
    }
    assert_eq!(publisher.finish(), replies);
}

fn ours(name: &str) -> Command {
    programs::example(&format!("textbook_{name}"))
}

#[test]
fn ours_and_ours() {
    converse(ours("publisher"), vec![ours("subscriber"), ours("subscriber")]);
}

#[test]
fn our_publisher_and_subscribers_in_c() {
    let subscribers: Option<Vec<_>> = (0..3).map(|_| programs::c_program("subscriber")).collect();
    let Some(subscribers) = subscribers else { return };
    converse(ours("publisher"), subscribers);
}

#[test]
fn a_publisher_in_c_and_our_subscriber() {
    let Some(publisher) = programs::c_program("publisher") else { return };
    converse(publisher, vec![ours("subscriber")]);
}

#[test]
fn our_publisher_and_a_subscriber_in_python() {
    let Some(subscriber) = python::script("textbook/subscriber.py") else { return };
    converse(ours("publisher"), vec![subscriber]);
}

#[test]
fn a_publisher_in_python_and_our_subscriber() {
    let Some(publisher) = python::script("textbook/publisher.py") else { return };
    converse(publisher, vec![ours("subscriber")]);
}

#[test]
fn our_publisher_and_subscribers_of_every_kind() {
    let mut subscribers = vec![ours("subscriber")];
    subscribers.extend(programs::c_program("subscriber"));
    subscribers.extend(python::script("textbook/subscriber.py"));
    converse(ours("publisher"), subscribers);
}
