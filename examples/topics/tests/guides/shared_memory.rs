//! `docs/from-shared-memory.md`

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tamtam::{Event, Node, PublishError, Publisher, Qos, RecvError, Subscriber};
use tamtam_examples::demo::Imu;

use crate::{PATIENCE, Place};

// region: mirror
/// Repeats on a topic what the old writer puts into the segment. `read` waits as the old readers do and copies it under the
/// old lock; `None` is the end.
fn mirror(mut read: impl FnMut() -> Option<Imu>, imu: &Publisher<Imu>) -> Result<(), PublishError> {
    let mut last = None;
    while let Some(sample) = read() {
        if last.as_ref() != Some(&sample) {
            imu.send(&sample)?;
            last = Some(sample);
        }
    }
    Ok(())
}
// endregion

// region: writer
/// What the segment was: the newest value, for those who come later as well. `send` does not wait for readers.
fn writer(node: &Node) -> Result<Publisher<Imu>, tamtam::Error> {
    node.publisher("/imu").qos(Qos::keep_last(1000).latch(1)).create()
}
// endregion

// region: reader
/// Holds the newest value for a control loop, which looks and does not wait.
struct Newest {
    subscriber: Subscriber<Imu>,
    value: Option<Imu>,
    is_fresh: bool,
}

impl Newest {
    fn create(node: &Node) -> Result<Self, tamtam::Error> {
        let wanted = Qos::keep_last(1000).deadline(Duration::from_millis(100));
        let subscriber = node.subscriber("/imu").qos(wanted).create()?;
        Ok(Self { subscriber, value: None, is_fresh: false })
    }

    fn look(&mut self) -> Result<(), RecvError> {
        let newer = self.subscriber.latest()?; // Err(Abandoned): the writer is gone without END
        while let Some(event) = self.subscriber.event(Duration::ZERO) {
            self.is_fresh &= !matches!(event, Event::Stale { .. }); // the writer lives, and says nothing
        }
        if let Some(sample) = newer {
            (self.value, self.is_fresh) = (Some(sample.value), true);
        }
        Ok(())
    }
}
// endregion

/// Gets every value that was published.
fn log(node: &Node) -> Result<Subscriber<Imu>, tamtam::Error> {
    node.subscriber("/imu").qos(Qos::default().depth(10_000)).create()
}

fn imu(x: f64) -> Imu {
    Imu { x, ..Imu::default() }
}

fn look_until(newest: &mut Newest, found: impl Fn(&Newest) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found(newest) {
        assert!(Instant::now() < deadline, "{:?}", newest.value);
        newest.look().unwrap();
        thread::yield_now();
    }
}

#[test]
fn the_old_segment_is_repeated() {
    let place = Place::new();
    let publisher = place.node("mirror").publisher::<Imu>("/imu").create().unwrap();
    let reader = log(&place.node("log")).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    // Each value is what one look at the segment finds.
    let (segment, old) = mpsc::channel();
    let mirror = thread::spawn(move || {
        mirror(|| old.recv().ok(), &publisher).unwrap();
        publisher.finish().drain(PATIENCE).unwrap()
    });
    for found in [1.0, 1.0, 2.0, 2.0] {
        segment.send(imu(found)).unwrap();
    }
    drop(segment);
    let received: Vec<f64> = reader.iter().map(|sample| sample.unwrap().x).collect();
    assert_eq!((received, mirror.join().unwrap()), (vec![1.0, 2.0], 2));
}

#[test]
fn the_newest_value_is_there_for_those_who_come_later() {
    let place = Place::new();
    let publisher = writer(&place.node("writer")).unwrap();
    publisher.send(&imu(1.0)).unwrap();
    publisher.send(&imu(2.0)).unwrap();
    let mut newest = Newest::create(&place.node("reader")).unwrap();
    look_until(&mut newest, |newest| newest.value == Some(imu(2.0)));
    assert!(newest.is_fresh);
    look_until(&mut newest, |newest| !newest.is_fresh);
    publisher.wait_for(1, PATIENCE).unwrap();
    for x in 3..500 {
        publisher.send(&imu(x.into())).unwrap();
    }
    look_until(&mut newest, |newest| newest.value == Some(imu(499.0)) && newest.is_fresh);
    publisher.finish().drain(PATIENCE).unwrap();
    look_until(&mut newest, |newest| newest.subscriber.is_over());
}
