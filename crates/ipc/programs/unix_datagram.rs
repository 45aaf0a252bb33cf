// Many programs write to one log. They are threads here.
use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use std::{fs, thread};

use tamtam_ipc::object;

fn main() -> Result<(), Box<dyn Error>> {
    let path = object::folder().join(object::unique());
    let log = UnixDatagram::bind(&path)?;
    log.set_read_timeout(Some(Duration::from_secs(10)))?; // nobody tells the reader that a writer is gone

    let mut line = [0; 1024]; // what is longer would be cut off
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        for program in 1..=3 {
            let path = &path;
            // A writer needs no name, and waits while the log's queue is full.
            let line = format!("program {program} has started");
            scope.spawn(move || UnixDatagram::unbound()?.send_to(line.as_bytes(), path));
        }
        for _ in 1..=3 {
            let len = log.recv(&mut line)?;
            println!("{}", str::from_utf8(&line[..len])?); // one line, whole, whoever else writes
        }
        Ok(())
    })?;
    fs::remove_file(&path)?;
    Ok(())
}
