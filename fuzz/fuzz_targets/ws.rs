//! Anything within a WebSocket or in place of one, at a server's end: no panic, and the same events, verdict and answers
//! however the stream is cut.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tamtam_fuzz::{Setup, converse_with, handshake};
use tamtam_zmtp::{Connection, Event, Version, WsRole};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ";

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setup: Setup,
    cuts: [u8; 4],
    opening: Opening,
    /// Well-formed as far as the headers go, to get behind them.
    frames: Vec<(u8, [u8; 4], &'a [u8])>,
    octets: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
enum Opening {
    Nothing,
    Bare,
    Null,
    Ready,
}

fn put_frame(first: u8, mask: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match u16::try_from(payload.len()) {
        Ok(len @ ..126) => out.push(0x80 | len as u8),
        Ok(len) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => return,
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
}

fuzz_target!(|input: Input<'_>| {
    let mut stream = Vec::new();
    if input.opening != Opening::Nothing {
        stream.extend_from_slice(REQUEST);
        let protocol: &[u8] = if input.opening == Opening::Bare { b"ZWS2.0" } else { b"ZWS2.0/NULL" };
        stream.extend_from_slice(protocol);
        stream.extend_from_slice(b"\r\n\r\n");
    }
    if input.opening == Opening::Ready {
        // The greeting's 64 octets, and the two of the header, are ZMTP's own.
        let whole = handshake(input.setup.socket_type(), Version::V3_1);
        let command = whole.get(66..).unwrap_or_default();
        put_frame(0x82, [0; 4], &[&[2], command].concat(), &mut stream);
    }
    for (first, mask, payload) in input.frames {
        put_frame(first, mask, payload, &mut stream);
    }
    stream.extend_from_slice(input.octets);
    let server = || Connection::websocket(input.setup.shared(), &WsRole::Server);
    let outcome = converse_with(server(), &stream, &[]);
    assert_eq!(
        outcome,
        converse_with(server(), &stream, &input.cuts),
        "how the stream is cut changes nothing"
    );
    let readies = outcome.events.iter().filter(|event| matches!(event, Event::Ready(_))).count();
    assert_eq!(readies, usize::from(outcome.peer.is_some()));
    assert!(
        readies <= 1 && (readies == 1 || outcome.events.is_empty()),
        "Ready comes once, before all others"
    );
});
