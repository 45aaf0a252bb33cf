// A server on a port, and a client that could be on another host. It is a thread here.
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tamtam_ipc::tcp::Stream;
use tamtam_ipc::{Deadline, End as _, Plan};

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?; // 0: whichever port is free
    let address = listener.local_addr()?;
    let client = thread::spawn(move || -> Result<_, Box<dyn Error + Send + Sync>> {
        // Switches Nagle's algorithm off, and writes the length before each message: TCP has no messages.
        let mut server = Stream::new(TcpStream::connect(address)?, &Plan::default())?;
        server.send(b"2 + 2", Deadline::NEVER)?;
        let mut answer = Vec::new();
        // A host that went away says nothing: wait with a limit.
        server.receive(&mut answer, Deadline::after(Duration::from_secs(10)))?;
        Ok(answer)
    });

    let (connection, from) = listener.accept()?; // anybody may have connected: a port has no permissions
    println!("a client at {from}");
    let mut client_side = Stream::new(connection, &Plan::default())?;
    let mut question = Vec::new();
    client_side.receive(&mut question, Deadline::after(Duration::from_secs(10)))?;
    client_side.send(b"4", Deadline::NEVER)?;
    assert_eq!(client.join().expect("no panic").map_err(|error| error.to_string())?, b"4");
    Ok(())
}
