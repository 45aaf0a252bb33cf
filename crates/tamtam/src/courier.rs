//! What nodes ask each other, and what they answer.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tamtam_zmq::{Frame, Message, Options, Socket, SocketType};

use crate::error::Error;
use crate::node::NodeCore;
use crate::record::{NodeRecord, PeersRecord};
use crate::schema::SchemaId;

/// The longest frame that strangers may send to a node, in octets.
pub(crate) const MESSAGE_MAX: u64 = 8 << 20;

/// The first frames of questions and answers.
pub(crate) const TABLE: &str = "table";
pub(crate) const SCHEMA: &str = "schema";
pub(crate) const PEERS: &str = "peers";
pub(crate) const REPORT: &str = "report";

/// An answer.
pub(crate) enum Answer {
    /// To [`TABLE`]; `None` if it cannot be understood.
    Table(Option<Box<NodeRecord>>),
    /// To [`SCHEMA`]; `None` if the node does not know that one.
    Schema(SchemaId, Option<Bytes>),
    /// To [`PEERS`].
    Peers(PeersRecord),
}

impl Answer {
    /// Reads what a node has sent; `None` if that is no answer.
    pub(crate) fn read(message: Message) -> Option<Self> {
        let mut frames = message.into_frames().filter(|frame| !frame.is_empty());
        let (verb, first, second) = (frames.next()?, frames.next()?, frames.next());
        if verb == TABLE {
            return Some(Self::Table(NodeRecord::from_bytes(&first).map(Box::new)));
        }
        if verb == PEERS {
            return PeersRecord::decode(&*first).ok().map(Self::Peers);
        }
        if verb == SCHEMA {
            let id = <[u8; 32]>::try_from(&*first).ok()?;
            return Some(Self::Schema(SchemaId::from_bytes(id), second.map(Frame::into_bytes)));
        }
        None
    }
}

/// Makes a socket that asks a node.
pub(crate) fn courier(core: &NodeCore, endpoint: &str) -> Result<Socket, Error> {
    courier_with(core, endpoint, |_| ())
}

/// As [`courier`], without further attempts if the connection fails or breaks: nobody may be there.
pub(crate) fn courier_once(core: &NodeCore, endpoint: &str) -> Result<Socket, Error> {
    courier_with(core, endpoint, |options| _ = options.set_reconnect_interval(None))
}

fn courier_with(core: &NodeCore, endpoint: &str, set: impl FnOnce(&mut Options)) -> Result<Socket, Error> {
    let socket = Socket::new(&core.context, SocketType::Dealer);
    socket
        .configure(|options| {
            options.set_linger(Some(Duration::ZERO)).set_max_message_size(Some(MESSAGE_MAX));
            options.set_send_hwm(100);
            set(options);
        })
        .map_err(|error| Error::socket("node", error))?;
    socket.connect(endpoint).map_err(|error| Error::socket(format!("connect {endpoint}"), error))?;
    Ok(socket)
}

/// Sends a question; returns whether it is on its way.
pub(crate) fn ask(socket: &Socket, verb: &str, argument: &[u8]) -> bool {
    let frames = [Frame::new(), Frame::from(verb), Frame::copy_from(argument)];
    Message::from_frames(frames).is_some_and(|question| socket.try_send(question).is_ok())
}

/// Makes a record that came over the network one that can be used here: with endpoints that are reached from here, and of these
/// only those that are wanted.
pub(crate) fn adopt(record: &mut NodeRecord, via: &str, is_wanted: impl Fn(&str) -> bool) {
    for publisher in &mut record.publishers {
        reachable(&mut publisher.endpoints, via);
        publisher.endpoints.retain(|endpoint| is_wanted(endpoint));
    }
    for service in &mut record.services {
        reachable(&mut service.endpoints, via);
        service.endpoints.retain(|endpoint| is_wanted(endpoint));
    }
    record.info = vec![via.to_owned()];
    record.publishers.retain(|publisher| !publisher.endpoints.is_empty());
}

/// Keeps the endpoints that can be reached from another host, with the host's address where they say "everywhere".
fn reachable(endpoints: &mut Vec<String>, via: &str) {
    let host = via.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':')).map(|(host, _)| host);
    let Some(host) = host else { return };
    endpoints.retain(|endpoint| endpoint.starts_with("tcp://"));
    for endpoint in endpoints {
        for everywhere in ["tcp://0.0.0.0:", "tcp://[::]:", "tcp://*:"] {
            if let Some(port) = endpoint.strip_prefix(everywhere) {
                *endpoint = format!("tcp://{host}:{port}");
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_made_reachable() {
        let mut endpoints: Vec<String> =
            ["ipc:///run/x", "tcp://0.0.0.0:5", "tcp://10.0.0.9:6", "tcp://[::]:7"]
                .map(String::from)
                .to_vec();
        reachable(&mut endpoints, "tcp://lab:7400");
        assert_eq!(endpoints, ["tcp://lab:5", "tcp://10.0.0.9:6", "tcp://lab:7"]);
    }
}
