//! A POSIX message queue: the most urgent first, and a bound that is met soon.

// ANCHOR: all
use tamtam_ipc::posix_queue::{PosixQueue, Shape};
use tamtam_ipc::{Deadline, Error};

fn main() -> Result<(), Error> {
    let queue = match PosixQueue::unnamed(Shape { messages: 4, message_max: 64 }) {
        Err(Error::Unavailable(reason)) => {
            println!("{reason}"); // in a container for example
            return Ok(());
        }
        other => other?,
    };
    for (message, priority) in [("tidy up", 0), ("water the plants", 1), ("fire", 9), ("go home", 0)] {
        queue.send(message.as_bytes(), priority, Deadline::NEVER)?;
    }
    if let Err(full) = queue.send(b"one more", 0, Deadline::NOW) {
        println!("four messages wait, a fifth has no room: {full}");
    }
    let mut message = Vec::new();
    while queue.waiting()? > 0 {
        let priority = queue.receive(&mut message, Deadline::NEVER)?;
        println!("{priority} {}", String::from_utf8_lossy(&message));
    }
    Ok(())
}
// ANCHOR_END: all
