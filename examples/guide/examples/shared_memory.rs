//! Shared memory twice: a ring that keeps everything, and a place for the latest value.

// ANCHOR: all
use std::thread;

use tamtam_ipc::memory::{latest, ring};
use tamtam_ipc::{Deadline, Error, Plan};

fn main() -> Result<(), Error> {
    // A ring: one producer, one consumer, in order, nothing lost. A full ring makes the producer wait.
    let (mut producer, mut consumer) = ring::pair(&Plan::default())?;
    let producing = thread::spawn(move || -> Result<(), Error> {
        for number in 1..=100_000_u32 {
            producer.send(&number.to_le_bytes(), Deadline::NEVER)?;
        }
        Ok(())
    });
    let (mut message, mut received) = (Vec::new(), 0);
    while consumer.receive(&mut message, Deadline::NEVER).is_ok() {
        received += 1;
        assert_eq!(message, u32::to_le_bytes(received));
    }
    producing.join().expect("no panic")?;
    println!("the ring: {received} messages, in order");

    // The latest value: the writer never waits, and a reader is told how many values it has missed.
    let (mut writer, mut reader) = latest::pair(8)?;
    for degrees in 1..=100_000_u64 {
        writer.publish_quietly(&degrees.to_le_bytes())?;
    }
    let update = reader.next(&mut message, Deadline::NEVER)?;
    let value = u64::from_le_bytes(message.as_slice().try_into().expect("eight octets"));
    println!("the latest value: {value}, {} missed", update.missed);
    Ok(())
}
// ANCHOR_END: all
