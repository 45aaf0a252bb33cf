// Numbers from a process to another one, which it hands its half of the ring. The other one is a thread here.
use std::error::Error;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use tamtam_ipc::memory::ring::{Consumer, Half, Producer, halves};
use tamtam_ipc::{Deadline, Error as Ended, Plan, Wait, passing};

fn main() -> Result<(), Box<dyn Error>> {
    let (ours, theirs) = halves(&Plan { message_max: 8, depth: 64, ..Plan::default() })?;
    let (socket, other_socket) = UnixStream::pair()?; // in reality one that the other process has connected
    let [memory, lifeline] = theirs.into_descriptors();
    passing::send(&socket, b"ring", &[memory.as_fd(), lifeline.as_fd()], Deadline::NEVER)?;
    drop((memory, lifeline)); // or the other end would never seem to be gone

    let other = thread::spawn(move || -> Result<u64, Ended> {
        let (mut octets, mut descriptors) = ([0; 4], Vec::new());
        passing::receive(&other_socket, &mut octets, &mut descriptors, Deadline::NEVER)?;
        let two = descriptors.try_into().map_err(|_| Ended::Closed)?;
        // To look for 20 µs before sleeping saves the wake-up, if there is a second core.
        let mut ring = Consumer::open(Half::from_descriptors(two)?, Wait::Spin(Duration::from_micros(20)))?;
        let (mut sum, mut number) = (0, Vec::new());
        while ring.receive(&mut number, Deadline::NEVER).is_ok() {
            sum += u64::from_ne_bytes(number[..].try_into().unwrap_or_default());
        }
        Ok(sum)
    });
    let mut ring = Producer::open(ours, Wait::Block)?;
    (1..=1000_u64).try_for_each(|number| ring.send(&number.to_ne_bytes(), Deadline::NEVER))?;
    drop(ring); // the consumer gets what is there, then the end
    assert_eq!(other.join().expect("no panic")?, 500_500);
    Ok(())
}
