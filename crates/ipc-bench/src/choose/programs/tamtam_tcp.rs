// Work for whoever is there, on any host. The workers are threads here.
use std::error::Error;
use std::thread;
use std::time::Duration;

use tamtam_zmq::{Context, Pull, Push, RecvError};

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let jobs = Push::new(&context);
    let endpoint = jobs.bind("tcp://127.0.0.1:*")?; // for other hosts tcp://*:5557, and CURVE: set_security

    let mut workers = Vec::new();
    for _ in 0..2 {
        let worker = Pull::new(&context);
        worker.connect(&endpoint)?; // and again by itself, whenever the connection is lost
        workers.push(thread::spawn(move || -> Result<u32, RecvError> {
            let mut done = 0;
            while worker.recv()?.as_slice() != b"home" {
                done += 1;
            }
            Ok(done)
        }));
    }
    jobs.wait_for_peers(2, Duration::from_secs(10))?;
    // Each job goes to one worker, in turn; with all queues full `send` waits.
    (0..1000).try_for_each(|job| jobs.send(format!("job {job}")))?;
    (0..2).try_for_each(|_| jobs.send("home"))?;
    let mut done = 0;
    for worker in workers {
        done += worker.join().expect("no panic")?;
    }
    assert_eq!(done, 1000);
    Ok(())
}
