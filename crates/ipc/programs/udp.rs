// What UDP loses, counted: one sends more than the other one's buffer holds.
use std::error::Error;

use tamtam_ipc::{Deadline, End as _, Plan, udp};

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan { message_max: 1024, ..Plan::default() };
    let (sender, receiver) = udp::pair()?;
    let mut sender = udp::Datagrams::new(sender, &plan)?;
    let mut receiver = udp::Datagrams::new(receiver, &plan)?;

    const SENT: u64 = 10_000;
    for _ in 0..SENT {
        sender.send(&[7; 1024], Deadline::NEVER)?; // never waits, and never tells
    }
    let (mut received, mut message) = (0, Vec::new());
    while receiver.try_receive(&mut message).is_ok() {
        received += 1;
    }
    // On one host the kernel counts what it drops; what a network loses nobody counts.
    println!("{SENT} sent, {received} received, {} lost", receiver.lost());
    assert!(receiver.lost() > 0);
    assert_eq!(received + receiver.lost(), SENT);
    Ok(())
}
