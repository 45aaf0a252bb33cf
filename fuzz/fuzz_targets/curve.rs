//! CURVE: a client and a server, with a hand on the wire that changes, cuts, repeats and reorders what either says. Nothing
//! panics, a verdict is final, and what the server delivers is what the client said, in order, without gaps or repetitions.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tamtam_zmtp::{
    AuthReply, Config, Connection, CurveKeyPair, CurveSecretKey, Event, Mechanism, Message, SocketType,
};

/// What the hand does with the next piece that somebody says.
#[derive(Debug, Arbitrary)]
enum Hand<'a> {
    Pass,
    Flip { at: u16, with: u8 },
    Cut { at: u16 },
    Twice,
    Drop,
    Replace(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    authenticate: bool,
    refuse: bool,
    hands: Vec<Hand<'a>>,
    messages: Vec<&'a [u8]>,
}

struct Side {
    connection: Connection,
    input: BytesMut,
    delivered: Vec<Message>,
    ended: bool,
}

impl Side {
    fn new(config: Config) -> Self {
        let connection = Connection::new(Arc::new(config));
        Self { connection, input: BytesMut::new(), delivered: Vec::new(), ended: false }
    }

    fn take(&mut self, octets: &[u8], refuse: bool) {
        self.input.extend_from_slice(octets);
        while !self.ended {
            match self.connection.receive(&mut self.input) {
                Ok(Some(Event::Message(message))) => self.delivered.push(message),
                Ok(Some(Event::Authenticate(_))) => {
                    let reply = if refuse {
                        AuthReply::Refuse { status: 400, text: String::new() }
                    } else {
                        AuthReply::accept()
                    };
                    let _ = self.connection.authenticated(reply);
                }
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => {
                    assert_eq!(self.connection.receive(&mut self.input), Err(error), "the verdict is final");
                    self.ended = true;
                }
            }
        }
    }
}

fn touched(hand: Option<&Hand<'_>>, mut octets: Vec<u8>) -> Vec<u8> {
    let len = octets.len().max(1);
    match hand {
        None | Some(Hand::Pass) => {}
        Some(Hand::Flip { at, with }) => {
            if let Some(octet) = octets.get_mut(usize::from(*at) % len) {
                *octet ^= with;
            }
        }
        Some(Hand::Cut { at }) => octets.truncate(usize::from(*at) % len),
        Some(Hand::Twice) => octets.extend_from_within(..),
        Some(Hand::Drop) => octets.clear(),
        Some(Hand::Replace(other)) => octets = other.to_vec(),
    }
    octets
}

fuzz_target!(|input: Input<'_>| {
    let pair = |octet| CurveKeyPair::from(CurveSecretKey::from_bytes([octet; 32]));
    let server_keys = pair(1);
    let mechanism = Mechanism::CurveClient { keys: pair(2), server: server_keys.public };
    let mut client = Side::new(Config { mechanism, ..Config::new(SocketType::Push) });
    let mechanism = Mechanism::CurveServer(server_keys);
    let authenticate = input.authenticate;
    let mut server = Side::new(Config { mechanism, authenticate, ..Config::new(SocketType::Pull) });
    let mut hands = input.hands.iter();
    loop {
        let to_server = client.connection.transmit().unwrap_or_default();
        let to_client = server.connection.transmit().unwrap_or_default();
        if to_server.is_empty() && to_client.is_empty() {
            break;
        }
        server.take(&touched(hands.next(), to_server), input.refuse);
        client.take(&touched(hands.next(), to_client), false);
    }
    assert!(!(authenticate && input.refuse && server.connection.is_ready()), "the refused stay out");
    if !client.connection.is_ready() {
        return;
    }
    for message in &input.messages {
        let mut wire = Vec::new();
        client.connection.seal_frame(false, message, &mut wire);
        server.take(&touched(hands.next(), wire), false);
    }
    assert!(server.delivered.len() <= input.messages.len(), "nothing counts twice");
    let mut said = input.messages.iter();
    for message in &server.delivered {
        assert!(said.any(|said| *said == message.as_slice()), "only what was said, in order");
    }
});
