//! A pipe: how much it holds, and how it ends.

// ANCHOR: all
use tamtam_ipc::{Deadline, Error, Plan, pipe};

fn main() -> Result<(), Error> {
    let (mut writer, mut reader) = pipe::pair(&Plan::default())?;

    // Nobody reads, so at some point the pipe is full. A blocking write would wait here; this one has a deadline.
    let mut sent = 0;
    let full = loop {
        match writer.send(&[0; 1000], Deadline::NOW) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    println!("{sent} messages of 1000 octets fit in, then: {full}");

    drop(writer); // the last copy of the writing end

    let mut message = Vec::new();
    let mut received = 0;
    let end = loop {
        match reader.receive(&mut message, Deadline::NEVER) {
            Ok(()) => received += 1,
            Err(error) => break error,
        }
    };
    println!("{received} messages come out whole, then: {end}");
    Ok(())
}
// ANCHOR_END: all
