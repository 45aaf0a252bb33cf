//! The textbook's publisher: waits until every subscriber has said that it is there, then publishes ten messages.
//!
//! ```text
//! textbook_publisher [SUBSCRIBERS] [DATA_ENDPOINT] [SYNC_ENDPOINT]
//! ```
//!
//! Without arguments it waits for one subscriber, publishes at `tcp://*:5561` and answers synchronisation requests at
//! `tcp://*:5562`, as the C++ programs on libzmq do: either end can be exchanged for its C++ counterpart. One thing is
//! better here. A subscriber's request and its subscription travel on two connections, so the request proves nothing
//! about the subscription; after the requests this publisher waits until the subscriptions are there, too.

use std::env;
use std::error::Error;
use std::time::Duration;

use prost::Message as _;
use tamtam_zmq::{Context, Pub, Rep};

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

/// `Info.Message`
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(enumeration = "MessageType", tag = "2")]
    r#type: i32,
}

/// `Info.MessageType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum MessageType {
    None = 0,
    Debug = 1,
    Warning = 2,
    Error = 3,
}

/// How long to wait for the subscriptions after the requests, and for the last messages to leave at the end.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let subscribers: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let data_endpoint = arguments.next().unwrap_or_else(|| "tcp://*:5561".to_owned());
    let sync_endpoint = arguments.next().unwrap_or_else(|| "tcp://*:5562".to_owned());

    let context = Context::new();
    let publisher = Pub::with(&context, |options| {
        options.set_send_hwm(0);
    })?;
    publisher.bind(&data_endpoint)?;
    let sync = Rep::new(&context);
    sync.bind(&sync_endpoint)?;

    println!("Wait for synchronization request");
    for _ in 0..subscribers {
        sync.recv()?;
        println!("Send synchronization reply");
        sync.send("")?;
    }
    publisher.wait_for_subscribers(subscribers, PATIENCE)?;

    for id in 0..10 {
        let text = Text { text: "Hello, ZMQ & Protobuf!".to_owned(), r#type: MessageType::Debug.into() };
        let info = Info { date: "10.10.2023".to_owned(), id, messages: vec![text] };
        publisher.send(info.encode_to_vec())?;
    }
    publisher.send("END")?;

    sync.close_within(PATIENCE)?;
    publisher.close_within(PATIENCE)?;
    Ok(())
}
