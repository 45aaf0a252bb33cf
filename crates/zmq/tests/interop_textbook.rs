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

/// The programs of one run, and where they meet.
struct Run {
    publisher: Command,
    subscribers: Vec<Command>,
}

impl Run {
    fn of(mut publisher: Command, mut subscribers: Vec<Command>) -> Self {
        let (data, sync) = (free_port(), free_port());
        publisher.args([subscribers.len().to_string(), format!("tcp://*:{data}"), format!("tcp://*:{sync}")]);
        for subscriber in &mut subscribers {
            subscriber.args([format!("tcp://localhost:{data}"), format!("tcp://localhost:{sync}")]);
        }
        Self { publisher, subscribers }
    }

    /// Starts the publisher first, as a user does.
    fn in_order(self) {
        let publisher = Peer::start(self.publisher);
        assert_eq!(publisher.line(), "Wait for synchronization request");
        let subscribers = self.subscribers.into_iter().map(Peer::start).collect();
        check(publisher, subscribers);
    }

    /// Starts the publisher when the subscribers have been waiting for it for a while.
    fn late(self) {
        let subscribers = self.subscribers.into_iter().map(Peer::start).collect();
        let publisher = Peer::start(self.publisher);
        assert_eq!(publisher.line(), "Wait for synchronization request");
        check(publisher, subscribers);
    }
}

/// Asserts that everybody prints what the textbook says, and ends.
fn check(publisher: Peer, subscribers: Vec<Peer>) {
    let mut expected: Vec<String> = (0..10)
        .map(|id| format!("Receiving id: {id} date: 10.10.2023  Type: 1 Message: Hello, ZMQ & Protobuf!"))
        .collect();
    expected.push("Received 10 updates".to_owned());
    let replies = vec!["Send synchronization reply"; subscribers.len()];
    for subscriber in subscribers {
        let name = subscriber.name().to_owned();
        assert_eq!(subscriber.finish(), expected, "{name}");
    }
    assert_eq!(publisher.finish(), replies);
}

fn ours(name: &str) -> Command {
    programs::example(&format!("textbook_{name}"))
}

#[test]
fn ours_and_ours() {
    Run::of(ours("publisher"), vec![ours("subscriber"), ours("subscriber")]).in_order();
}

#[test]
fn our_publisher_and_subscribers_in_c() {
    let subscribers: Option<Vec<_>> = (0..3).map(|_| programs::c_program("subscriber")).collect();
    let Some(subscribers) = subscribers else { return };
    Run::of(ours("publisher"), subscribers).in_order();
}

#[test]
fn a_publisher_in_c_and_our_subscriber() {
    let Some(publisher) = programs::c_program("publisher") else { return };
    Run::of(publisher, vec![ours("subscriber")]).in_order();
}

#[test]
fn our_publisher_and_a_subscriber_in_python() {
    let Some(subscriber) = python::script("textbook/subscriber.py") else { return };
    Run::of(ours("publisher"), vec![subscriber]).in_order();
}

#[test]
fn a_publisher_in_python_and_our_subscriber() {
    let Some(publisher) = python::script("textbook/publisher.py") else { return };
    Run::of(publisher, vec![ours("subscriber")]).in_order();
}

#[test]
fn our_publisher_and_subscribers_of_every_kind() {
    let mut subscribers = vec![ours("subscriber")];
    subscribers.extend(programs::c_program("subscriber"));
    subscribers.extend(python::script("textbook/subscriber.py"));
    Run::of(ours("publisher"), subscribers).in_order();
}

#[test]
fn publishers_of_every_kind_may_come_late() {
    let publishers =
        [Some(ours("publisher")), programs::c_program("publisher"), python::script("textbook/publisher.py")];
    for publisher in publishers.into_iter().flatten() {
        Run::of(publisher, vec![ours("subscriber")]).late();
    }
}
