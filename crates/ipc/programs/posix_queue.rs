// Commands of different urgency, kept while nobody runs. Each block could be a program of its own.
use std::error::Error;

use tamtam_ipc::object::{Kind, unique};
use tamtam_ipc::posix_queue::{Access, PosixQueue, Shape};
use tamtam_ipc::{Deadline, Object};

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("/{}", unique());
    let _removed_at_the_end = {
        let shape = Shape { messages: 4, message_max: 64 }; // 10 and 8192 are the most by default
        PosixQueue::create(&name, shape, 0o600)?;
        Object::new(Kind::PosixQueue, &name)? // closing a queue leaves its name: somebody has to remove it
    };
    {
        let queue = PosixQueue::open(&name, Access::Send)?;
        queue.send(b"sweep", 0, Deadline::NEVER)?; // waits for room while four messages are there
        queue.send(b"fire!", 9, Deadline::NEVER)?;
    }
    // Nobody has it open now.
    let queue = PosixQueue::open(&name, Access::Receive)?;
    let mut command = Vec::new();
    assert_eq!(queue.receive(&mut command, Deadline::NEVER)?, 9);
    assert_eq!(command, b"fire!");
    assert_eq!(queue.receive(&mut command, Deadline::NEVER)?, 0);
    assert_eq!(command, b"sweep");
    assert_eq!(queue.waiting()?, 0); // an event loop watches it as any descriptor: a Linux feature
    Ok(())
}
