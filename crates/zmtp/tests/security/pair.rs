//! A client and a server of a mechanism, joined without loss, with a hand on the wire between them.

use std::sync::Arc;

use bytes::BytesMut;
use tamtam_zmtp::{
    AuthReply, Config, Connection, Credentials, CurveKeyPair, Event, Mechanism, Message, PeerInfo,
    PlainCredentials, ProtocolError, SocketType, parse_header,
};

/// One side, with what has arrived for it and what it said of that.
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) input: BytesMut,
    pub(crate) events: Vec<Event>,
    pub(crate) failure: Option<ProtocolError>,
}

impl End {
    pub(crate) fn new(config: Config) -> Self {
        let connection = Connection::new(Arc::new(config));
        Self { connection, input: BytesMut::new(), events: Vec::new(), failure: None }
    }

    pub(crate) fn transmitted(&mut self) -> Vec<u8> {
        self.connection.transmit().unwrap_or_default()
    }

    /// Takes octets in; what comes of them stands in `events` and `failure`.
    pub(crate) fn take(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        while self.failure.is_none() {
            match self.connection.receive(&mut self.input) {
                Ok(Some(event)) => self.events.push(event),
                Ok(None) => return,
                Err(failure) => self.failure = Some(failure),
            }
        }
    }

    pub(crate) fn answer(&mut self, reply: AuthReply) {
        if let Err(failure) = self.connection.authenticated(reply) {
            self.failure = Some(failure);
        }
        self.take(b"");
    }

    pub(crate) fn asked(&self) -> Option<&Credentials> {
        self.events.iter().find_map(|event| match event {
            Event::Authenticate(credentials) => Some(&**credentials),
            _ => None,
        })
    }

    pub(crate) fn ready(&self) -> Option<&PeerInfo> {
        self.events.iter().find_map(|event| match event {
            Event::Ready(peer) => Some(&**peer),
            _ => None,
        })
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        let message = |event: &Event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        };
        self.events.iter().filter_map(message).collect()
    }

    /// Returns the wire form of messages.
    pub(crate) fn sealed(&mut self, messages: &[&str]) -> Vec<u8> {
        let mut frames = Vec::new();
        for message in messages {
            tamtam_zmtp::Framing::V2.put_header(&mut frames, message.len(), false);
            frames.extend_from_slice(message.as_bytes());
        }
        let mut out = Vec::new();
        self.connection.seal(&frames, &mut out);
        out
    }
}

/// Lets both talk until neither has anything to say; `tamper` may change what either says (the client is `true`).
pub(crate) fn converse_through(
    client: &mut End,
    server: &mut End,
    mut tamper: impl FnMut(bool, Vec<u8>) -> Vec<u8>,
) {
    loop {
        let (to_server, to_client) = (client.transmitted(), server.transmitted());
        if to_server.is_empty() && to_client.is_empty() {
            return;
        }
        if !to_server.is_empty() {
            server.take(&tamper(true, to_server));
        }
        if !to_client.is_empty() {
            client.take(&tamper(false, to_client));
        }
    }
}

pub(crate) fn converse(client: &mut End, server: &mut End) {
    converse_through(client, server, |_, octets| octets);
}

pub(crate) fn keys() -> CurveKeyPair {
    CurveKeyPair::generate().expect("randomness")
}

pub(crate) fn dealer(mechanism: Mechanism) -> Config {
    Config { mechanism, identity: "me".into(), ..Config::new(SocketType::Dealer) }
}

pub(crate) fn router(mechanism: Mechanism) -> Config {
    Config { authenticate: mechanism == Mechanism::PlainServer, mechanism, ..Config::new(SocketType::Router) }
}

pub(crate) fn plain_client(username: &str, password: &str) -> Mechanism {
    Mechanism::PlainClient(PlainCredentials::new(username, password).expect("short"))
}

/// A client that knows the server, and the server.
pub(crate) fn curve_pair() -> (End, End) {
    let (client, server) = (keys(), keys());
    (
        End::new(dealer(Mechanism::CurveClient { keys: client, server: server.public })),
        End::new(router(Mechanism::CurveServer(server))),
    )
}

/// Cuts octets into frames, headers included. They have to be whole.
pub(crate) fn frames(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !octets.is_empty() {
        let header = parse_header(tamtam_zmtp::Framing::V2, octets).expect("well-formed").expect("whole");
        let len = header.header_len + usize::try_from(header.body_len).expect("small");
        let (frame, rest) = octets.split_at(len);
        frames.push(frame.to_vec());
        octets = rest;
    }
    frames
}

/// Exchanges the greetings, and returns what the client says next.
pub(crate) fn greet(client: &mut End, server: &mut End) -> Vec<u8> {
    let mut said = Vec::new();
    while said.len() < 64 {
        let (to_server, to_client) = (client.transmitted(), server.transmitted());
        assert!(!(to_server.is_empty() && to_client.is_empty()), "the greetings end");
        said.extend_from_slice(&to_server);
        let greeting = &to_server[..to_server.len().min(64 - (said.len() - to_server.len()))];
        server.take(greeting);
        client.take(&to_client);
    }
    said.split_off(64).into_iter().chain(client.transmitted()).collect()
}
