//! Back-pressure: a stream whose reader is away takes some octets, and then no more.

// ANCHOR: all
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

fn main() -> io::Result<()> {
    let (mut writer, mut reader) = UnixStream::pair()?;
    writer.set_nonblocking(true)?; // as an event loop does; otherwise `write` would wait where this says WouldBlock

    let taken = fill(&mut writer)?;
    println!("the reader is away: {taken} octets are taken, then the kernel says no");

    let mut buffer = vec![0; taken / 2];
    reader.read_exact(&mut buffer)?;
    let more = fill(&mut writer)?;
    println!("it has read {}: there is room for {more} more", buffer.len());
    Ok(())
}

/// Writes until there is no room. Returns how many octets were taken.
fn fill(writer: &mut UnixStream) -> io::Result<usize> {
    let mut taken = 0;
    loop {
        match writer.write(&[7; 1000]) {
            Ok(count) => taken += count, // which may be less than all: the rest has to be written later
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(taken),
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: all
