//! Messages on a stream: a length before each. The reader takes octets as they come.

use std::io::{self, Read};

// ANCHOR: write
/// Puts a message on a stream: four octets of length, and the message.
fn write_frame(stream: &mut impl io::Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(message)
}
// ANCHOR_END: write

// ANCHOR: read
/// What the longest message may be: a stranger's length is checked before memory is reserved.
const LARGEST: usize = 1 << 20;

/// Takes a message off the front of what has come so far; `None`: not all of it is there yet.
fn take_frame(came: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some((length, rest)) = came.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} octets")));
    }
    let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
    came.drain(..4 + length);
    Ok(Some(message))
}
// ANCHOR_END: read

// ANCHOR: loop
/// Reads a stream to its end, and hands over each message. An end in the middle of a message is an error.
fn read_frames(stream: &mut impl Read, mut handle: impl FnMut(Vec<u8>)) -> io::Result<()> {
    let mut came = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return if came.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        came.extend_from_slice(&buffer[..count]);
        while let Some(message) = take_frame(&mut came)? {
            handle(message);
        }
    }
}
// ANCHOR_END: loop

fn main() -> io::Result<()> {
    let mut wire = Vec::new();
    for message in ["one", "", "three"] {
        write_frame(&mut wire, message.as_bytes())?;
    }
    println!("{} octets on the wire", wire.len());

    // The worst stream there is: one octet at a time.
    let mut came = Vec::new();
    for octet in &wire {
        came.push(*octet);
        if let Some(message) = take_frame(&mut came)? {
            println!("a message: {:?}", String::from_utf8_lossy(&message));
        }
    }

    let mut count = 0;
    read_frames(&mut wire.as_slice(), |_| count += 1)?;
    println!("{count} messages, read in one piece");

    let cut = read_frames(&mut &wire[..wire.len() - 1], |_| {});
    println!("cut short: {}", cut.expect_err("the last message is not whole"));

    let hostile = take_frame(&mut b"GET / HTTP/1.1\r\n".to_vec());
    println!("somebody else's protocol: {}", hostile.expect_err("a length beyond the limit"));
    Ok(())
}
