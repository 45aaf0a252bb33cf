//! The same two messages over a stream socket and over a seqpacket socket.

// ANCHOR: all
use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use tamtam_ipc::{Credentials, Deadline, End, Plan, unix_seqpacket::Packets};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut a, mut b) = UnixStream::pair()?;
    a.write_all(b"one")?;
    a.write_all(b"two")?;
    let mut buffer = [0; 100];
    let count = b.read(&mut buffer)?;
    println!("stream:    {:?}", String::from_utf8_lossy(&buffer[..count]));

    let (mut a, mut b) = Packets::pair(&Plan::default())?;
    a.send(b"one", Deadline::NEVER)?;
    a.send(b"two", Deadline::NEVER)?;
    let mut message = Vec::new();
    for _ in 0..2 {
        b.receive(&mut message, Deadline::NEVER)?;
        println!("seqpacket: {:?}", String::from_utf8_lossy(&message));
    }

    // The kernel knows who is at the other end, and does not take the other end's word for it.
    let who = Credentials::of_peer(b.socket())?;
    println!("the other end is this very process: {}", who.process == Some(std::process::id()));
    Ok(())
}
// ANCHOR_END: all
