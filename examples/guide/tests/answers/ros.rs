//! Chapter 7.

use std::error::Error;
use std::time::Duration;

use tamtam::{Event, Qos, RecvError};
use tamtam_examples::demo::Imu;

use crate::{PATIENCE, Place};

// ANCHOR: late
#[test]
fn who_comes_late_gets_the_last_one() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let driver = place.node("driver").publisher::<Imu>("/map").qos(Qos::default().latch(1)).create()?;
    for x in [1.0, 2.0] {
        driver.send(&Imu { x, ..Imu::default() })?;
    }
    let late = place.node("late").subscriber::<Imu>("/map").create()?;
    let sample = late.recv_timeout(PATIENCE)?.ok_or("ended")?;
    assert_eq!((sample.x, sample.info.latched, sample.info.seq), (2.0, true, 2));
    Ok(())
}
// ANCHOR_END: late

// ANCHOR: silence
#[test]
fn silence_is_told() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let _driver = place.node("driver").publisher::<Imu>("/imu").create()?; // lives, and says nothing
    let wanted = Qos::default().deadline(Duration::from_millis(50));
    let subscriber = place.node("control").subscriber::<Imu>("/imu").qos(wanted).create()?;
    loop {
        let nothing = subscriber.recv_timeout(Duration::from_millis(100));
        assert_eq!(nothing.err(), Some(RecvError::TimedOut));
        if let Some(Event::Stale { silence }) = subscriber.event(Duration::ZERO) {
            assert!(silence >= Duration::from_millis(50));
            return Ok(());
        }
    }
}
// ANCHOR_END: silence
