//! Qualities that differ: the two meet, and both are told; who comes late gets what is latched.

// ANCHOR: all
use std::error::Error;
use std::time::Duration;

use tamtam::{Event, Node, PublisherEvent, Qos};
use tamtam_examples::demo::Imu;

const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::open("robot")?;
    let driver = node.publisher::<Imu>("/imu").qos(Qos::keep_last(10).latch(1)).create()?; // best effort
    driver.send(&Imu { x: 1.0, ..Imu::default() })?; // before anybody is there

    let filter = node.subscriber::<Imu>("/imu").create()?; // wants everything
    let sample = filter.recv_timeout(PATIENCE)?.ok_or("the publisher has ended")?;
    println!("the latched sample: x = {}, latched: {}", sample.x, sample.info.latched);

    while let Some(event) = filter.event(PATIENCE) {
        if let Event::Degraded { what, .. } = event {
            println!("the subscriber is told: {what}");
            break;
        }
    }
    while let Some(event) = driver.event(PATIENCE) {
        if let PublisherEvent::Degraded { node, what } = event {
            println!("the publisher is told: {node}: {what}");
            break;
        }
    }
    driver.finish().drain(PATIENCE)?;
    println!("the end: {:?}", filter.recv_timeout(PATIENCE)?.is_none());
    Ok(())
}
// ANCHOR_END: all
