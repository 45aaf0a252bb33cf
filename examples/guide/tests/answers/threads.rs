//! Chapter 10.

use std::error::Error;
use std::thread;

use tamtam::{Qos, Reach};
use tamtam_examples::demo::Imu;
use tamtam_zmq::{Context, Pair};

use crate::{PATIENCE, Place};

// ANCHOR: pair
#[test]
fn a_thread_says_that_it_is_ready() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let here = Pair::new(&context);
    here.bind("inproc://worker")?;
    let there = Pair::new(&context);
    there.connect("inproc://worker")?;
    let worker = thread::spawn(move || {
        there.send("ready").expect("the other end is open");
        there.recv().map(|order| order.as_slice() == b"stop")
    });
    assert_eq!(here.recv()?.as_slice(), b"ready");
    here.send("stop")?;
    assert!(worker.join().expect("no panic")?);
    Ok(())
}
// ANCHOR_END: pair

// ANCHOR: topic
#[test]
fn a_topic_within_the_process() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let node = place.node("robot");
    let inside = Qos::default().reach(Reach::Process); // nobody outside hears of it
    let driver = node.publisher::<Imu>("/imu").qos(inside).create()?;
    let control = node.subscriber::<Imu>("/imu").create()?;
    driver.wait_for(1, PATIENCE)?;
    let reading =
        thread::spawn(move || control.iter().filter_map(Result::ok).map(|sample| sample.x).sum::<f64>());
    for x in [1.0, 2.0, 3.0] {
        driver.send(&Imu { x, ..Imu::default() })?;
    }
    driver.finish().drain(PATIENCE)?;
    assert_eq!(reading.join().expect("no panic"), 6.0);
    Ok(())
}
// ANCHOR_END: topic
