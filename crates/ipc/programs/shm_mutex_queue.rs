// Jobs from several senders for whichever worker is free. They are threads here: processes get `halves`.
use std::error::Error;
use std::thread;

use tamtam_ipc::memory::locked_queue;
use tamtam_ipc::{Deadline, Error as Ended, Plan};

fn main() -> Result<(), Box<dyn Error>> {
    let (sender, receiver) = locked_queue::pair(&Plan { message_max: 64, ..Plan::default() })?;
    let (second_sender, second_receiver) = (sender.try_clone()?, receiver.try_clone()?);

    let work = |receiver: locked_queue::Receiver| {
        let (mut done, mut job) = (0, Vec::new());
        loop {
            match receiver.receive(&mut job, Deadline::NEVER) {
                // Nobody else gets this one.
                Ok(()) => done += 1,
                // It is empty, and no sender is left.
                Err(Ended::Closed) => return Ok(done),
                Err(error) => return Err(error),
            }
        }
    };
    let workers = [receiver, second_receiver].map(|receiver| thread::spawn(move || work(receiver)));
    for sender in [sender, second_sender] {
        // Waits while the queue is full. A sender that died with the lock in its hands would hold up nobody.
        (0..100).try_for_each(|job| sender.send(format!("job {job}").as_bytes(), Deadline::NEVER))?;
    }
    let mut done = 0;
    for worker in workers {
        done += worker.join().expect("no panic")?;
    }
    assert_eq!(done, 200);
    Ok(())
}
