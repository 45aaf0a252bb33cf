// The bell of a queue: an event loop sleeps until somebody has put something in.
use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::thread;

use tamtam_ipc::Deadline;
use tamtam_ipc::event_fd::EventFd;

fn main() -> Result<(), Box<dyn Error>> {
    let (queue, bell) = (Arc::new(Mutex::new(VecDeque::new())), Arc::new(EventFd::new()?));
    let (their_queue, their_bell) = (Arc::clone(&queue), Arc::clone(&bell));
    let worker = thread::spawn(move || {
        for job in 0..100 {
            their_queue.lock().expect("no panic").push_back(job); // first what there is to see,
            their_bell.add(1, Deadline::NEVER)?; // then the bell
        }
        Ok::<(), tamtam_ipc::Error>(())
    });

    let (mut done, mut wake_ups) = (0, 0);
    while done < 100 {
        // In an event loop: when its descriptor is readable. How often it rang meanwhile does not matter:
        bell.take(Deadline::NEVER)?;
        wake_ups += 1;
        let jobs = std::mem::take(&mut *queue.lock().expect("no panic")); // all that is there
        done += jobs.len();
    }
    println!("{done} jobs, {wake_ups} wake-ups");
    assert_eq!(done, 100);
    Ok(worker.join().expect("no panic")?)
}
