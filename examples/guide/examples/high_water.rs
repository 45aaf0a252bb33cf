//! High-water marks: what a PUB does when a subscriber's queue is full. `high_water drop`, or `high_water wait`.

// ANCHOR: all
use std::error::Error;
use std::sync::Barrier;
use std::time::Duration;
use std::{env, thread};

use tamtam_zmq::{Context, Pub, RecvError, Sub};

const MESSAGES: u32 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let waits = env::args().nth(1).as_deref() == Some("wait");
    let context = Context::new();
    let publisher = Pub::with(&context, |options| {
        options.set_xpub_nodrop(waits); // the marks themselves are 1000 messages at each end, as in libzmq
    })?;
    let subscriber = Sub::new(&context);
    subscriber.subscribe("");
    subscriber.connect(&publisher.bind("tcp://127.0.0.1:*")?)?;
    publisher.wait_for_subscribers(1, Duration::from_secs(5))?;

    // A subscriber that is busy elsewhere while messages are published; one that waits is read from at once.
    let published = Barrier::new(2);
    let received = thread::scope(|scope| -> Result<u32, Box<dyn Error>> {
        let reading = scope.spawn(|| {
            if !waits {
                published.wait();
            }
            count(&subscriber)
        });
        for _ in 0..MESSAGES {
            publisher.send(vec![7; 1000])?;
        }
        if !waits {
            published.wait();
        }
        Ok(reading.join().expect("no panic")?)
    })?;
    let dropped = publisher.statistics().traffic.dropped.full;
    println!("{MESSAGES} published, {received} received, {dropped} dropped");
    Ok(())
}

/// Counts messages until none comes for two seconds: in this pattern nothing says that there will be no more.
fn count(subscriber: &Sub) -> Result<u32, RecvError> {
    let mut count = 0;
    loop {
        match subscriber.recv_timeout(Duration::from_secs(2)) {
            Ok(_) => count += 1,
            Err(RecvError::TimedOut) => return Ok(count),
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: all
