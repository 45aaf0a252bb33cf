//! The textbook's synchronised publisher, on libzmq: PUB and REP here, SUB and REQ in another process, messages, `END`.
//!
//! ```console
//! $ cargo run -q -p tamtam-guide --example textbook -- 1000    # the default marks: messages that wait at each end
//! $ cargo run -q -p tamtam-guide --example textbook -- 0       # no marks
//! ```

use std::env;
use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use prost::Message as _;
use tamtam_examples::demo::Info;
use tamtam_guide::{peak_mib, work};

const MESSAGES: i32 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [mark] => publish(mark.parse()?),
        ["subscribe", mark, data, sync] => subscribe(mark.parse()?, data, sync),
        _ => Err("textbook MARK".into()),
    }
}

// ANCHOR: publisher
fn publish(mark: i32) -> Result<(), Box<dyn Error>> {
    let context = zmq::Context::new();
    let publisher = context.socket(zmq::PUB)?;
    publisher.set_sndhwm(mark)?;
    publisher.bind("tcp://127.0.0.1:*")?;
    let sync = context.socket(zmq::REP)?;
    sync.bind("tcp://127.0.0.1:*")?;
    let mut subscriber = start_subscriber(mark, &endpoint(&publisher)?, &endpoint(&sync)?)?;

    sync.recv_bytes(0)?; // "I am here"
    sync.send("", 0)?;
    let start = Instant::now();
    for id in 0..MESSAGES {
        let info = Info { id, date: "x".repeat(1000), ..Info::default() };
        publisher.send(info.encode_to_vec(), 0)?;
    }
    publisher.send("END", 0)?;
    let sending = start.elapsed();

    subscriber.wait()?;
    println!("publisher:  {MESSAGES} sent in {sending:.1?} without an error");
    println!(
        "publisher:  {} MiB of memory at most; done after {:.1?}",
        peak_mib().unwrap_or(0),
        start.elapsed()
    );
    Ok(())
}
// ANCHOR_END: publisher

// ANCHOR: subscriber
fn subscribe(mark: i32, data: &str, sync: &str) -> Result<(), Box<dyn Error>> {
    let context = zmq::Context::new();
    let subscriber = context.socket(zmq::SUB)?;
    subscriber.set_rcvhwm(mark)?;
    subscriber.set_subscribe(b"")?;
    subscriber.connect(data)?;
    let request = context.socket(zmq::REQ)?;
    request.connect(sync)?;
    request.send("", 0)?;
    request.recv_bytes(0)?;

    // The textbook waits for ever. Five seconds of silence will do here, to tell what has come of it.
    subscriber.set_rcvtimeo(5000)?;
    let mut received = 0;
    let ends = loop {
        match subscriber.recv_bytes(0) {
            Ok(message) if message == b"END" => break 1,
            Ok(message) => {
                Info::decode(message.as_slice())?;
                work(Duration::from_micros(20)); // what this program is there for
                received += 1;
            }
            Err(zmq::Error::EAGAIN) => break 0,
            Err(error) => return Err(error.into()),
        }
    };
    println!("subscriber: {received} received, {} missing, END {ends} times", MESSAGES - received);
    Ok(())
}
// ANCHOR_END: subscriber

fn start_subscriber(mark: i32, data: &str, sync: &str) -> Result<std::process::Child, Box<dyn Error>> {
    let mark = mark.to_string();
    Ok(Command::new(env::current_exe()?).args(["subscribe", &mark, data, sync]).spawn()?)
}

fn endpoint(socket: &zmq::Socket) -> Result<String, Box<dyn Error>> {
    Ok(socket.get_last_endpoint()?.map_err(|_| "an endpoint that is no text")?)
}
