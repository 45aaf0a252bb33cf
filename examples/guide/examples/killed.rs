//! A publisher that is killed in the middle: its subscriber is told how far it got.

// ANCHOR: all
use std::error::Error;
use std::process::Command;
use std::time::Duration;
use std::{env, io};

use tamtam::{Node, RecvError};
use tamtam_examples::demo::Imu;

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("publish") {
        return publish();
    }
    let node = Node::open("logger")?;
    let subscriber = node.subscriber::<Imu>("/imu").create()?;
    let mut publisher =
        Command::new(env::current_exe()?).arg("publish").stdin(std::process::Stdio::piped()).spawn()?;
    let mut received = 0;
    loop {
        match subscriber.recv() {
            Ok(Some(_)) => received += 1,
            Ok(None) => break println!("{received} received, then END"),
            Err(RecvError::Abandoned { received: last, .. }) => {
                break println!("{received} received, the last one was number {last}, and no END");
            }
            Err(error) => return Err(error.into()),
        }
        if received == 10 {
            publisher.kill()?; // SIGKILL: it cannot say goodbye
        }
    }
    publisher.wait()?;
    Ok(())
}

/// Publishes ten samples, and would publish more if it were not killed before.
fn publish() -> Result<(), Box<dyn Error>> {
    let node = Node::open("driver")?;
    let publisher = node.publisher::<Imu>("/imu").create()?;
    publisher.wait_for(1, Duration::from_secs(30))?;
    for number in 0..10 {
        publisher.send(&Imu { x: f64::from(number), ..Imu::default() })?;
    }
    io::stdin().read_line(&mut String::new())?; // nothing ever comes
    publisher.finish().drain(Duration::from_secs(5))?;
    Ok(())
}
// ANCHOR_END: all
