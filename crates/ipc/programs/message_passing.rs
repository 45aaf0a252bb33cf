// Calls: the client waits until the server has received its message and replied. The client is a thread here.
use std::error::Error;
use std::thread;
use std::time::Duration;

use tamtam_ipc::message_passing::{Blocked, Channel, Connection, Failure, Received};
use tamtam_ipc::{Deadline, object};

fn main() -> Result<(), Box<dyn Error>> {
    let path = object::folder().join(object::unique());
    let mut channel = Channel::bind(&path, 64)?; // the path goes with the channel
    let client = thread::spawn(move || -> Result<(Vec<u8>, u8), Failure> {
        let refused = |error| Failure::Ended { blocked: Blocked::Send, error };
        let mut server = Connection::open(&path, 64).map_err(refused)?;
        let mut reply = Vec::new();
        server.send(b"20 / 5", &mut reply, Deadline::NEVER)?;
        match server.send(b"20 / 0", &mut Vec::new(), Deadline::NEVER) {
            Err(Failure::Refused(code)) => Ok((reply, code)),
            other => other.map(|()| (reply, 0)),
        }
    });

    let mut question = Vec::new();
    loop {
        match channel.receive(&mut question, Deadline::after(Duration::from_secs(10)))? {
            Received::Message(client) if question.ends_with(b"/ 0") => client.refuse(33)?,
            Received::Message(client) => client.reply(b"4")?, // now, or later, or from another thread
            Received::Gone(_) => break,
            Received::Pulse(..) | Received::Withdrawn(_) => {}
        }
    }
    assert_eq!(client.join().expect("no panic")?, (b"4".to_vec(), 33));
    Ok(())
}
