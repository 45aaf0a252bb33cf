// A publisher and a subscriber that know a topic by name, and nothing of each other: two processes in fact.
use std::error::Error;
use std::time::Duration;
use std::{process, thread};

use bytes::Bytes; // or a type of your own that tamtam-build makes of a .proto file
use tamtam::Node;

fn main() -> Result<(), Box<dyn Error>> {
    let domain = format!("example-{}", process::id()); // or all nodes of this user would see them

    let logger = Node::builder("logger").domain(&domain).open()?;
    let subscriber = logger.subscriber::<Bytes>("/temperature").create()?;
    let reader = thread::spawn(move || {
        let mut count = 0_u64;
        while subscriber.recv()?.is_some() {
            count += 1;
        }
        let lost = subscriber.statistics().lost; // losses are counted, and told to both ends
        Ok::<_, tamtam::RecvError>((count, lost))
    });

    let sensor = Node::builder("sensor").domain(&domain).open()?;
    let publisher = sensor.publisher::<Bytes>("/temperature").create()?;
    publisher.wait_for(1, Duration::from_secs(10))?; // its subscription is there, on the very connection
    for degrees in 0..1000 {
        publisher.send(&format!("{degrees} degrees").into())?;
    }
    let sent = publisher.finish().drain(Duration::from_secs(10))?; // the end: the reader stops
    assert_eq!(reader.join().expect("no panic")?, (sent, 0));
    Ok(())
}
