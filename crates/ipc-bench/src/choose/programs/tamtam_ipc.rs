// A server that starts again, and a client that need not know. They would be two processes.
use std::error::Error;
use std::time::Duration;
use std::{process, thread};

use tamtam_zmq::{Context, Rep, Req};

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let path = std::env::temp_dir().join(format!("squares-{}", process::id()));
    let endpoint = format!("ipc://{}", path.display());
    let client = Req::new(&context);
    client.connect(&endpoint)?; // nobody is there yet: it will be found

    for number in 1..=2_u32 {
        let server = Rep::new(&context);
        server.bind(&endpoint)?;
        let answering = thread::spawn(move || -> Result<(), Box<dyn Error + Send + Sync>> {
            let question = server.recv_timeout(Duration::from_secs(10))?;
            let number: u32 = str::from_utf8(question.as_slice())?.parse()?;
            server.send((number * number).to_string())?;
            server.close_within(Duration::from_secs(10))?; // the answer is out; the socket's file is gone
            Ok(())
        });
        client.send(number.to_string())?;
        let answer = client.recv_timeout(Duration::from_secs(10))?;
        assert_eq!(answer.as_slice(), (number * number).to_string().as_bytes());
        answering.join().expect("no panic").map_err(|error| error.to_string())?;
    }
    Ok(())
}
