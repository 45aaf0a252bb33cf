// Two programs that know nothing of each other but a path. The other one is a thread here.
use std::error::Error;
use std::thread;
use std::time::Duration;

use tamtam_ipc::{Deadline, Error as Ended, Plan, fifo, object};

fn main() -> Result<(), Box<dyn Error>> {
    let path = object::folder().join(object::unique());
    let _removed_at_the_end = fifo::make(&path)?;

    let theirs = path.clone();
    let other = thread::spawn(move || {
        // Waits until somebody reads: a FIFO without a reader cannot be opened to write.
        let patience = Deadline::after(Duration::from_secs(10));
        let mut writer = fifo::open_writer(&theirs, &Plan::default(), patience)?;
        (1..=3).try_for_each(|number| writer.send(format!("line {number}").as_bytes(), Deadline::NEVER))
    });

    let mut reader = fifo::Reader::open(&path, &Plan::default())?;
    let mut line = Vec::new();
    let end = loop {
        match reader.receive(&mut line, Deadline::NEVER) {
            Ok(()) => println!("{}", str::from_utf8(&line)?),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, Ended::Closed)); // the last writer is gone
    assert_eq!(line, b"line 3");
    Ok(other.join().expect("no panic")?)
}
