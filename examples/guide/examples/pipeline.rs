//! Fan-out and fan-in: one source of tasks, three workers, one sink.

// ANCHOR: all
use std::error::Error;
use std::thread;
use std::time::Duration;

use tamtam_zmq::{Context, Pull, Push, RecvError, SendError};

const WORKERS: u32 = 3;
const TASKS: u64 = 3000;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let context = Context::new();
    let tasks = Push::new(&context);
    let tasks_at = tasks.bind("tcp://127.0.0.1:*")?;
    let results = Pull::new(&context);
    let results_at = results.bind("tcp://127.0.0.1:*")?;

    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (context, from, to) = (context.clone(), tasks_at.clone(), results_at.clone());
            thread::spawn(move || work(&context, &from, &to))
        })
        .collect();

    // PUSH gives each task to one worker that has room; with none connected it would wait for the first.
    tasks.wait_for_peers(WORKERS as usize, Duration::from_secs(5))?;
    let feeding = thread::spawn(move || -> Result<(), SendError> {
        for number in 1..=TASKS {
            tasks.send(number.to_le_bytes().to_vec())?;
        }
        Ok(())
    });

    let mut sum = 0;
    for _ in 0..TASKS {
        let message = results.recv()?;
        sum += u64::from_le_bytes(message.as_slice().try_into()?);
    }
    feeding.join().expect("no panic")?;
    context.interrupt(); // who knows that all is done is the sink: the workers' calls return
    for worker in workers {
        println!("a worker has done {} tasks", worker.join().expect("no panic")?);
    }
    println!("the sum of the squares up to {TASKS} is {sum}");
    Ok(())
}

/// Squares numbers until it is interrupted; returns how many.
fn work(context: &Context, from: &str, to: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let (tasks, results) = (Pull::new(context), Push::new(context));
    tasks.connect(from)?;
    results.connect(to)?;
    let mut done = 0;
    loop {
        match tasks.recv() {
            Ok(task) => {
                let number = u64::from_le_bytes(task.as_slice().try_into()?);
                results.send((number * number).to_le_bytes().to_vec())?;
                done += 1;
            }
            Err(RecvError::Terminated) => return Ok(done),
            Err(error) => return Err(error.into()),
        }
    }
}
// ANCHOR_END: all
