//! Chapter 2.

use std::error::Error;
use std::thread;

use tamtam_ipc::memory::latest::Half;
use tamtam_ipc::memory::{latest, ring};
use tamtam_ipc::{Deadline, Plan, Wait, all};

// ANCHOR: ring
#[test]
fn a_ring_needs_no_second_core() -> Result<(), Box<dyn Error>> {
    let plan = Plan { message_max: 16, wait: Wait::Block, ..Plan::default() };
    let (mut producer, mut consumer) = ring::pair(&plan)?;
    let writing =
        thread::spawn(move || (0..100_000).all(|_| producer.send(&[7; 16], Deadline::NEVER).is_ok()));
    let (mut message, mut count) = (Vec::new(), 0);
    while consumer.receive(&mut message, Deadline::NEVER).is_ok() {
        count += 1;
    }
    assert!(writing.join().expect("no panic"));
    assert_eq!(count, 100_000);
    Ok(())
}
// ANCHOR_END: ring

// ANCHOR: kept
#[test]
fn what_was_sent_before_the_sender_went_is_received() -> Result<(), Box<dyn Error>> {
    for mechanism in all().iter().filter(|mechanism| mechanism.probe().is_ok()) {
        let message_max = mechanism.message_max().min(4);
        let (mut client, mut server) = mechanism.link(&Plan { message_max, ..Plan::default() })?.open()?;
        let message = &b"last"[..message_max];
        client.send(message, Deadline::NEVER)?;
        drop(client);
        let mut received = Vec::new();
        server.receive(&mut received, Deadline::NEVER)?;
        assert_eq!(received, message, "{}", mechanism.facts().name);
    }
    Ok(())
}
// ANCHOR_END: kept

// ANCHOR: latest
#[test]
fn three_readers_at_their_own_pace() -> Result<(), Box<dyn Error>> {
    let (writer, first) = latest::halves(8)?;
    let mut writer = latest::Writer::open(writer)?;
    let halves: [Half; 3] = [first, writer.reader()?, writer.reader()?];
    let mut readers = Vec::new();
    for half in halves {
        readers.push(latest::Reader::open(half, Wait::Block)?);
    }
    for degrees in 1..=10_u64 {
        writer.publish(&degrees.to_le_bytes())?;
        if degrees == 5 {
            let mut value = Vec::new();
            assert_eq!(readers[0].next(&mut value, Deadline::NEVER)?.missed, 4); // it looked in between
        }
    }
    for (reader, missed) in readers.iter_mut().zip([4, 9, 9]) {
        let mut value = Vec::new();
        assert_eq!(reader.next(&mut value, Deadline::NEVER)?.missed, missed);
        assert_eq!(value, 10_u64.to_le_bytes());
    }
    Ok(())
}
// ANCHOR_END: latest
