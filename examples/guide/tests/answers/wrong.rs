//! Chapter 11.

use std::error::Error;
use std::time::Duration;

use tamtam::BarrierTimeout;
use tamtam_examples::demo::Imu;

use crate::{PATIENCE, Place};

// ANCHOR: barrier
#[test]
fn a_barrier_says_who_is_there() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let publisher = place.node("driver").publisher::<Imu>("/imu").create()?;
    let _subscriber = place.node("logger").subscriber::<Imu>("/imu").create()?;
    publisher.wait_for(1, PATIENCE)?;
    let missing: BarrierTimeout = publisher.wait_for(2, Duration::from_millis(20)).unwrap_err();
    assert_eq!((missing.have, missing.want, missing.who), (1, 2, vec!["logger".to_owned()]));
    Ok(())
}
// ANCHOR_END: barrier

// ANCHOR: dropped
#[test]
fn a_publisher_that_is_dropped_says_end_too() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let publisher = place.node("driver").publisher::<Imu>("/imu").create()?;
    let subscriber = place.node("logger").subscriber::<Imu>("/imu").create()?;
    publisher.wait_for(1, PATIENCE)?;
    publisher.send(&Imu::default())?;
    drop(publisher); // an error path that forgot `finish`: END is sent, and waited for a second at most
    assert!(subscriber.recv_timeout(PATIENCE)?.is_some());
    assert!(subscriber.recv_timeout(PATIENCE)?.is_none());
    Ok(())
}
// ANCHOR_END: dropped
