//! Chapter 6.

use std::error::Error;
use std::time::Duration;

use tamtam::{Event, Overflow, PublishError, Qos};
use tamtam_examples::demo::Info;

use crate::{PATIENCE, Place};

// ANCHOR: count
#[test]
fn received_and_lost_are_all_that_was_sent() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let publisher = place.node("publisher").publisher::<Info>("/info").qos(Qos::log().depth(10)).create()?;
    let subscriber =
        place.node("subscriber").subscriber::<Info>("/info").qos(Qos::default().depth(10)).create()?;
    publisher.wait_for(1, PATIENCE)?;
    for id in 0..5000 {
        publisher.send(&Info { id, date: "x".repeat(1000), ..Info::default() })?; // nobody reads yet
    }
    let reader = std::thread::spawn(move || {
        let received = subscriber.iter().filter_map(Result::ok).count() as u64;
        let mut told = 0;
        while let Some(event) = subscriber.event(Duration::ZERO) {
            if let Event::Lost { from, to, .. } = event {
                told += to - from + 1;
            }
        }
        (received, told)
    });
    let published = publisher.finish().drain(PATIENCE)?;
    let (received, told) = reader.join().expect("no panic");
    assert_eq!(published, received + told);
    assert!(told > 0);
    Ok(())
}
// ANCHOR_END: count

// ANCHOR: full
#[test]
fn a_publisher_that_must_not_wait_is_told() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let qos = Qos::default().depth(10).overflow(Overflow::Error);
    let publisher = place.node("publisher").publisher::<Info>("/info").qos(qos).create()?;
    let _subscriber = place.node("slow").subscriber::<Info>("/info").create()?; // reads nothing
    publisher.wait_for(1, PATIENCE)?;
    let full =
        (0..).find_map(|id| publisher.send(&Info { id, date: "x".repeat(1000), ..Info::default() }).err());
    assert_eq!(full, Some(PublishError::Full { slow: vec!["slow".to_owned()] }));
    Ok(())
}
// ANCHOR_END: full
