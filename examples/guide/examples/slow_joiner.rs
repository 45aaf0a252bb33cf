//! The slow joiner: what is published before the subscription has arrived goes nowhere.

// ANCHOR: all
use std::error::Error;
use std::time::Duration;

use tamtam_zmq::{Context, Pub, Sub};

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let publisher = Pub::new(&context);
    let endpoint = publisher.bind("tcp://127.0.0.1:*")?;
    for number in 1..=5 {
        publisher.send(format!("/imu {number}"))?; // Ok: nobody is there, and PUB does not wait for anybody
    }

    let subscriber = Sub::new(&context);
    subscriber.subscribe("/imu");
    subscriber.connect(&endpoint)?; // returns at once: the connection is made in the background
    publisher.wait_for_subscribers(1, Duration::from_secs(5))?; // instead of sleep(1)
    for number in 6..=8 {
        publisher.send(format!("/imu {number}"))?;
    }
    publisher.send("/imu2 is another topic, but begins with the same letters")?;
    publisher.send("/camera does not")?;
    publisher.send("/imu is over")?;

    loop {
        let message = subscriber.recv()?;
        println!("{}", String::from_utf8_lossy(message.as_slice()));
        if message.as_slice() == b"/imu is over" {
            return Ok(());
        }
    }
}
// ANCHOR_END: all
