//! Message passing: the sender is blocked until the receiver has received and replied.

// ANCHOR: all
use std::error::Error;
use std::thread;

use tamtam_ipc::Deadline;
use tamtam_ipc::message_passing::{Channel, Received};

fn main() -> Result<(), Box<dyn Error>> {
    let mut channel = Channel::new(64)?;
    let mut connection = channel.attach()?;
    let client = thread::spawn(move || {
        let mut reply = Vec::new();
        for question in ["one", "refuse me", "two"] {
            match connection.send(question.as_bytes(), &mut reply, Deadline::NEVER) {
                Ok(()) => println!("{question:?} → {:?}", String::from_utf8_lossy(&reply)),
                Err(failure) => println!("{question:?} → {failure}"),
            }
        }
    });
    let mut message = Vec::new();
    while let Received::Message(rendezvous) = channel.receive(&mut message, Deadline::NEVER)? {
        if message.starts_with(b"refuse") {
            drop(rendezvous); // nobody waits in vain
        } else {
            message.make_ascii_uppercase();
            rendezvous.reply(&message)?;
        }
    }
    client.join().expect("no panic"); // what ended the loop was the notice that the client is gone
    Ok(())
}
// ANCHOR_END: all
