//! A stream has no messages: what was written in parts is read as one, and what was written as one is read in parts.

// ANCHOR: all
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let writing = thread::spawn(move || -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        for word in ["one", "two", "three"] {
            stream.write_all(word.as_bytes())?;
        }
        Ok(stream)
    });
    let (mut stream, _) = listener.accept()?;
    let mut other = writing.join().expect("no panic")?;

    let mut buffer = vec![0; 1 << 20];
    let count = stream.read(&mut buffer)?;
    println!("three writes, read at once: {:?}", String::from_utf8_lossy(&buffer[..count]));

    let writing = thread::spawn(move || other.write_all(&vec![7; 4 << 20]));
    let mut reads = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            _ => reads += 1,
        }
    }
    writing.join().expect("no panic")?;
    println!("one write of 4 MiB: read in {reads} parts");
    Ok(())
}
// ANCHOR_END: all
