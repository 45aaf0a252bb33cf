//! The textbook's subscriber: says that it is there, then prints messages until the end marker.
//!
//! ```text
//! textbook_subscriber [DATA_ENDPOINT] [SYNC_ENDPOINT]
//! ```
//!
//! Without arguments it subscribes to everything at `tcp://localhost:5561` and sends its synchronisation request to
//! `tcp://localhost:5562`, as the C++ programs on libzmq do: either end can be exchanged for its C++ counterpart.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use prost::Message as _;
use tamtam_zmq::{Context, Req, Sub};

/// ```proto
/// syntax = "proto3";
/// message Info { string date = 1; int32 id = 2; repeated Message messages = 3;
///   enum MessageType { NONE = 0; DEBUG = 1; WARNING = 2; ERROR = 3; }
///   message Message { string text = 1; MessageType type = 2; } }
/// ```
#[derive(Clone, PartialEq, prost::Message)]
struct Info {
    #[prost(string, tag = "1")]
    date: String,
    #[prost(int32, tag = "2")]
    id: i32,
    #[prost(message, repeated, tag = "3")]
    messages: Vec<Text>,
}

/// `Info.Message`; the type is an enumeration, shown here as its number.
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int32, tag = "2")]
    r#type: i32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let data_endpoint = arguments.next().unwrap_or_else(|| "tcp://localhost:5561".to_owned());
    let sync_endpoint = arguments.next().unwrap_or_else(|| "tcp://localhost:5562".to_owned());

    let context = Context::new();
    let subscriber = Sub::new(&context);
    subscriber.subscribe("");
    subscriber.connect(&data_endpoint)?;
    // The request proves nothing about the other connection: a publisher that only counts requests would begin too early.
    // A ready peer has been told of our subscription.
    subscriber.wait_for_peers(1, Duration::MAX)?;

    let sync = Req::new(&context);
    sync.connect(&sync_endpoint)?;
    sync.send("")?;
    sync.recv()?;

    let mut updates = 0;
    loop {
        let message = subscriber.recv()?;
        if message.as_slice() == b"END" {
            break;
        }
        let info = Info::decode(message.as_slice())?;
        let mut line = format!("Receiving id: {} date: {} ", info.id, info.date);
        for text in &info.messages {
            write!(line, " Type: {} Message: {}", text.r#type, text.text)?;
        }
        println!("{line}");
        updates += 1;
    }
    println!("Received {updates} updates");
    Ok(())
}
