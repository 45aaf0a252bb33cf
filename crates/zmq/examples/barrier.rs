//! The example of the README: a publisher that waits for its subscriber, and a subscriber that counts what it gets.

use std::error::Error;
use std::thread;
use std::time::Duration;

use tamtam_zmq::{Context, Pub, RecvError, Sub};

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();

    // With `nodrop`, a slow subscriber slows the publisher down; without, its queue drops what does not fit, and counts it.
    let publisher = Pub::with(&context, |options| {
        options.set_xpub_nodrop(true);
    })?;
    let endpoint = publisher.bind("tcp://127.0.0.1:*")?;

    let subscriber = Sub::new(&context);
    subscriber.subscribe("weather.");
    subscriber.connect(&endpoint)?;
    let reader = thread::spawn(move || -> Result<u32, RecvError> {
        let mut days = 0;
        while subscriber.recv()?.as_slice() != b"weather.end" {
            days += 1;
        }
        Ok(days)
    });

    // The start barrier: the subscription itself is there, on the connection that will carry the messages.
    publisher.wait_for_subscribers(1, Duration::from_secs(5))?;
    for day in 0..10_000 {
        publisher.send(format!("weather.sunny on day {day}"))?;
    }
    publisher.send("weather.end")?;

    let received = reader.join().expect("the reader does not panic")?;
    let dropped = publisher.statistics().traffic.dropped.total();
    println!("{received} days received, {dropped} dropped");
    Ok(())
}
