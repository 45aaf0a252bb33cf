// A number for a process that also waits for other things. Sender and receiver are one process here.
use std::error::Error;
use std::process;

use tamtam_ipc::Deadline;
use tamtam_ipc::signals::{Coalescing, Inbox, Target, coalescing};

fn main() -> Result<(), Box<dyn Error>> {
    // Blocks a real-time signal in all threads, and reads it from a descriptor: nothing is interrupted.
    let inbox = Inbox::any()?;
    let signal = inbox.signal(); // the sender has to be told this, and the process number

    let target = Target::of(process::id())?; // holds the process itself: its number may be another's one day
    for payload in 1..=3 {
        target.queue(signal, payload)?; // never waits; fails when too many wait for this user
    }
    for expected in 1..=3 {
        let note = inbox.receive(Deadline::NEVER)?;
        assert_eq!((note.payload, note.process), (expected, process::id()));
    }

    // Ordinary signals do not queue: ten of SIGUSR2 are one, of a real-time signal ten.
    assert_eq!(coalescing(10)?, Coalescing { sent: 10, ordinary: 1, real_time: 10 });
    Ok(())
}
