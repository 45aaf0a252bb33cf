//! The synchronised publisher, mended: the same messages and the same slow subscriber on a typed topic.
//!
//! ```console
//! $ cargo run -q -p tamtam-guide --example synchronised -- wait    # the default: a full queue makes the publisher wait
//! $ cargo run -q -p tamtam-guide --example synchronised -- drop    # a full queue drops, and says so
//! ```

use std::env;
use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use tamtam::{Event, Node, Overflow, Qos};
use tamtam_examples::demo::Info;
use tamtam_guide::{peak_mib, work};

const MESSAGES: i32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("subscribe") => subscribe(),
        Some("drop") => publish(Qos::default().overflow(Overflow::DropNewest)),
        _ => publish(Qos::default().overflow(Overflow::Block(PATIENCE))),
    }
}

// ANCHOR: publisher
fn publish(qos: Qos) -> Result<(), Box<dyn Error>> {
    let node = Node::open("publisher")?;
    let publisher = node.publisher::<Info>("/info").qos(qos).create()?;
    let mut subscriber = Command::new(env::current_exe()?).arg("subscribe").spawn()?;

    publisher.wait_for(1, PATIENCE)?; // the subscription itself
    let start = Instant::now();
    for id in 0..MESSAGES {
        publisher.send(&Info { id, date: "x".repeat(1000), ..Info::default() })?;
    }
    let (sending, dropped) = (start.elapsed(), publisher.dropped());
    let published = publisher.finish().drain(PATIENCE)?; // END, and everything before it, has arrived
    subscriber.wait()?;
    println!("publisher:  {published} sent in {sending:.1?}, {dropped} dropped");
    println!(
        "publisher:  {} MiB of memory at most; done after {:.1?}",
        peak_mib().unwrap_or(0),
        start.elapsed()
    );
    Ok(())
}
// ANCHOR_END: publisher

// ANCHOR: subscriber
fn subscribe() -> Result<(), Box<dyn Error>> {
    let node = Node::open("subscriber")?;
    let subscriber = node.subscriber::<Info>("/info").create()?;
    while subscriber.recv()?.is_some() {
        work(Duration::from_micros(20)); // what this program is there for
    }
    let counted = subscriber.statistics();
    println!("subscriber: {} received, {} missing, then END", counted.received, counted.lost);

    let mut gaps = 0;
    while let Some(event) = subscriber.event(Duration::ZERO) {
        if let Event::Lost { from, to, reason, .. } = event {
            gaps += 1;
            if gaps == 1 {
                println!("subscriber: the first gap: {from} to {to}: {reason}");
            }
        }
    }
    println!("subscriber: {gaps} gaps");
    Ok(())
}
// ANCHOR_END: subscriber
