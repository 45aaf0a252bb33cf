// A server that answers, and knows who asks. The client is a thread here.
use std::error::Error;
use std::os::unix::net::{UnixListener, UnixStream};
use std::{fs, thread};

use tamtam_ipc::unix_stream::Stream;
use tamtam_ipc::{Credentials, Deadline, End as _, Plan, object};

fn main() -> Result<(), Box<dyn Error>> {
    let path = object::folder().join(object::unique());
    let listener = UnixListener::bind(&path)?;
    let connection = UnixStream::connect(&path)?; // in another process
    let client = thread::spawn(move || {
        let mut server = Stream::new(connection, &Plan::default());
        let mut answer = Vec::new();
        server.send(b"who am I?", Deadline::NEVER)?;
        server.receive(&mut answer, Deadline::NEVER).map(|()| answer)
    });

    let (connection, _) = listener.accept()?;
    fs::remove_file(&path)?; // the name would outlive us
    let peer = Credentials::of_peer(&connection)?; // from the kernel: nobody can lie about it
    let mut client_side = Stream::new(connection, &Plan::default());
    let mut question = Vec::new();
    client_side.receive(&mut question, Deadline::NEVER)?;
    client_side.send(format!("user {}", peer.user).as_bytes(), Deadline::NEVER)?;

    let answer = client.join().expect("no panic")?;
    assert!(answer.starts_with(b"user "));
    Ok(())
}
