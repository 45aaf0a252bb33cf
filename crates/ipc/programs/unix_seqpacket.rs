// Whole messages to a server, which learns that its client is gone. The client is a thread here.
use std::error::Error;
use std::time::Duration;
use std::{fs, thread};

use tamtam_ipc::unix_seqpacket::{Listener, Packets};
use tamtam_ipc::{Deadline, End as _, Error as Ended, Plan, object};

fn main() -> Result<(), Box<dyn Error>> {
    let path = object::folder().join(object::unique());
    let listener = Listener::bind(&path)?;
    let theirs = path.clone();
    let client = thread::spawn(move || {
        let mut server = Packets::connect(&theirs, &Plan::default())?;
        server.send(b"one message", Deadline::NEVER)?;
        server.send(b"", Deadline::NEVER) // a message, too
    });

    let mut client_side = listener.accept(&Plan::default(), Deadline::after(Duration::from_secs(10)))?;
    fs::remove_file(&path)?; // the name would outlive us
    let mut message = Vec::new();
    client_side.receive(&mut message, Deadline::NEVER)?;
    assert_eq!(message, b"one message"); // no length to write or read: the kernel keeps messages apart
    client_side.receive(&mut message, Deadline::NEVER)?;
    assert_eq!(message, b"");
    let end = client_side.receive(&mut message, Deadline::NEVER);
    assert!(matches!(end, Err(Ended::Closed)));
    Ok(client.join().expect("no panic")?)
}
