//! A subscriber that does not read: `send` says who it is.

// ANCHOR: all
use std::error::Error;
use std::time::Duration;

use tamtam::{Node, Overflow, PublishError, Qos};
use tamtam_examples::demo::Info;

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::open("driver")?;
    let qos = Qos::default().overflow(Overflow::Error); // never waits
    let publisher = node.publisher::<Info>("/info").qos(qos).create()?;

    let recorder = Node::open("recorder")?;
    let subscriber = recorder.subscriber::<Info>("/info").create()?; // and is not read from
    publisher.wait_for(1, Duration::from_secs(10))?;

    let info = Info { date: "x".repeat(1000), ..Info::default() };
    let slow = loop {
        match publisher.send(&info) {
            Ok(_) => {}
            Err(PublishError::Full { slow }) => break slow,
            Err(error) => return Err(error.into()),
        }
    };
    println!(
        "after {} messages the queue is full: {} does not keep up",
        publisher.published(),
        slow.join(", ")
    );

    // What was sent has not been lost: the queues are full, not leaking.
    for _ in 0..publisher.published() {
        subscriber.recv_timeout(Duration::from_secs(10))?;
    }
    println!(
        "read now: {} received, {} lost",
        subscriber.statistics().received,
        subscriber.statistics().lost
    );
    Ok(())
}
// ANCHOR_END: all
