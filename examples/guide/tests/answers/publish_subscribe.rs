//! Chapter 5.

use std::error::Error;

use tamtam_zmq::{Context, Pub, Sub};

use crate::PATIENCE;

// ANCHOR: conflate
#[test]
fn only_the_newest() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let publisher = Pub::new(&context);
    let endpoint = publisher.bind("inproc://readings")?;
    let subscriber = Sub::with(&context, |options| {
        options.set_conflate(true); // a queue of one, in which the new message takes the old one's place
    })?;
    subscriber.subscribe("");
    subscriber.connect(&endpoint)?;
    publisher.wait_for_subscribers(1, PATIENCE)?;
    for number in 1..=100 {
        publisher.send(number.to_string())?;
    }
    assert_eq!(subscriber.recv()?.as_slice(), b"100");
    Ok(())
}
// ANCHOR_END: conflate

// ANCHOR: topics
#[test]
fn prefixes_are_not_names() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let publisher = Pub::new(&context);
    let endpoint = publisher.bind("inproc://prefixes")?;
    let subscriber = Sub::new(&context);
    subscriber.subscribe("/imu\0"); // an end that no name has: `/imu2` is not meant
    subscriber.connect(&endpoint)?;
    publisher.wait_for_subscribers(1, PATIENCE)?;
    for message in ["/imu2\0no", "/imu\0yes"] {
        publisher.send(message)?;
    }
    assert_eq!(subscriber.recv()?.as_slice(), b"/imu\0yes");
    Ok(())
}
// ANCHOR_END: topics
