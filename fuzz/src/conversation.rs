//! Feeding a connection, in one piece and in many.

use std::sync::Arc;

use bytes::BytesMut;
use tamtam_zmtp::{Config, Connection, Event, PeerInfo, ProtocolError};

/// What came of a stream of octets.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Every event, in order.
    pub events: Vec<Event>,
    /// What ended the connection, if anything did.
    pub violation: Option<ProtocolError>,
    /// What the connection had to say.
    pub transmitted: Vec<u8>,
    /// Octets that wait for more.
    pub left: usize,
    /// What is known of the peer.
    pub peer: Option<PeerInfo>,
    /// Whether messages may flow.
    pub ready: bool,
}

/// Feeds `octets` to a plain connection. See [`converse_with`].
///
/// # Panics
///
/// As [`converse_with`].
#[must_use]
pub fn converse(config: &Arc<Config>, octets: &[u8], cuts: &[u8]) -> Outcome {
    converse_with(Connection::new(Arc::clone(config)), octets, cuts)
}

/// Feeds `octets` cut into pieces whose lengths `cuts` gives, over and over; no cuts mean one piece.
///
/// # Panics
///
/// When the connection breaks a promise: a verdict is final, a closed connection wants nothing, a claim is kept within the
/// limits.
#[must_use]
pub fn converse_with(mut connection: Connection, octets: &[u8], cuts: &[u8]) -> Outcome {
    let (mut input, mut rest) = (BytesMut::new(), octets);
    let mut events = Vec::new();
    let mut violation = None;
    let mut lengths = cuts.iter().map(|cut| usize::from(*cut) + 1).cycle();
    while !rest.is_empty() && violation.is_none() {
        let len = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (piece, behind) = rest.split_at(len);
        rest = behind;
        let wanted = connection.wanted();
        input.extend_from_slice(piece);
        loop {
            let before = input.len();
            match connection.receive(&mut input) {
                Ok(Some(event)) => {
                    assert!(input.len() < before, "an event costs octets");
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => {
                    violation = Some(error);
                    break;
                }
            }
        }
        if violation.is_none() && wanted > piece.len() {
            assert_eq!(connection.wanted(), wanted - piece.len(), "what is wanted goes down by what comes");
        }
    }
    if let Some(error) = &violation {
        assert!(!connection.is_ready());
        assert_eq!(connection.timeout(), None);
        assert!(connection.is_between_messages(), "a closed connection holds no frames");
        input.extend_from_slice(b"\x00\x00");
        assert_eq!(connection.receive(&mut input).as_ref(), Err(error), "the verdict is final");
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
    }
    Outcome {
        events,
        transmitted: connection.transmit().unwrap_or_default(),
        left: if violation.is_some() { 0 } else { input.len() },
        violation,
        peer: connection.peer().cloned(),
        ready: connection.is_ready(),
    }
}

/// Feeds `octets` in one piece and cut; both must come to the same.
///
/// # Panics
///
/// When they do not, and as [`converse`].
#[must_use]
pub fn converse_alike(config: &Arc<Config>, octets: &[u8], cuts: &[u8]) -> Outcome {
    let whole = converse(config, octets, &[]);
    let cut = converse(config, octets, cuts);
    assert_eq!(whole, cut, "how the stream is cut changes nothing");
    whole
}
