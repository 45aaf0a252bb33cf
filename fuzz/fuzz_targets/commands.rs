//! Commands in traffic, and time: subscriptions, PING and PONG, unknown and broken commands, between the frames of
//! messages as well, with a clock that the fuzzer moves. PINGs are echoed, timers never stand still in the past, answers
//! to a peer that does not read are bounded.
#![no_main]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tamtam_fuzz::{Setup, handshake};
use tamtam_zmtp::{Connection, Event, Framing, Limits, Version, parse_header, put_command};

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    Command { name: &'a [u8], data: &'a [u8] },
    Subscribe(&'a [u8]),
    Cancel(&'a [u8]),
    Join(&'a [u8]),
    Leave(&'a [u8]),
    Ping { ttl: u16, context: &'a [u8] },
    Pong(&'a [u8]),
    Frame { more: bool, body: &'a [u8] },
    Later { milliseconds: u16 },
    Fetch,
    Raw(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setup: Setup,
    steps: Vec<Step<'a>>,
}

/// Both sides of one connection's life: what it is given, and what it gives.
struct Side {
    connection: Connection,
    input: BytesMut,
    now: Instant,
}

fuzz_target!(|input: Input<'_>| {
    let config = input.setup.shared();
    let mut side = Side {
        connection: Connection::new(Arc::clone(&config)),
        input: BytesMut::new(),
        now: Instant::now(),
    };
    side.input.extend_from_slice(&handshake(config.socket_type, config.version_max));
    // STREAM and DGRAM talk ZMTP to nobody, and the limits may be too tight for any handshake.
    if side.receive().is_none() || !side.connection.is_ready() {
        return;
    }
    side.connection.start_timers(side.now);
    let _ = side.connection.transmit();
    let has_commands = config.version_max >= Version::V3_0;
    for step in &input.steps {
        if side.step(step, has_commands).is_none() {
            return;
        }
    }
});

impl Side {
    /// Takes every event out of the input; `None` when the peer was cut off.
    fn receive(&mut self) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        loop {
            match self.connection.receive(&mut self.input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return Some(events),
                Err(_) => return None,
            }
        }
    }

    fn step(&mut self, step: &Step<'_>, has_commands: bool) -> Option<()> {
        let mut octets = Vec::new();
        let framing = self.connection.framing();
        match step {
            Step::Command { name, data } => put_command(&mut octets, name, data),
            Step::Subscribe(topic) => put_command(&mut octets, b"SUBSCRIBE", topic),
            Step::Cancel(topic) => put_command(&mut octets, b"CANCEL", topic),
            Step::Join(group) => put_command(&mut octets, b"JOIN", group),
            Step::Leave(group) => put_command(&mut octets, b"LEAVE", group),
            Step::Ping { ttl, context } => {
                put_command(&mut octets, b"PING", &[&ttl.to_be_bytes()[..], context].concat());
            }
            Step::Pong(context) => put_command(&mut octets, b"PONG", context),
            Step::Frame { more, body } => {
                framing.put_header(&mut octets, body.len(), *more);
                octets.extend_from_slice(body);
            }
            Step::Raw(raw) => octets.extend_from_slice(raw),
            Step::Fetch => {
                self.fetch();
                return Some(());
            }
            Step::Later { milliseconds } => return self.later(Duration::from_millis((*milliseconds).into())),
        }
        let at_boundary = self.input.is_empty();
        self.input.extend_from_slice(&octets);
        self.connection.note_received(self.now);
        let events = self.receive()?;
        if let Step::Ping { context, .. } = step
            && at_boundary
            && has_commands
        {
            // A longer one is cut, as libzmq does it.
            let context = context.get(..16).unwrap_or(context);
            assert!(events.is_empty(), "a PING is no event");
            let mut pong = Vec::new();
            put_command(&mut pong, b"PONG", context);
            let control = self.fetch();
            let full = control.len() >= Limits::CONTROL_BYTES_MAX;
            assert!(full || control.ends_with(&pong), "a PING is echoed");
        }
        Some(())
    }

    fn later(&mut self, pause: Duration) -> Option<()> {
        self.fetch();
        let due = self.connection.timeout();
        self.now += pause;
        let result = self.connection.handle_timeout(self.now);
        if due.is_none_or(|due| due > self.now) {
            assert_eq!(
                (&result, self.connection.transmit()),
                (&Ok(()), None),
                "too early a call does nothing"
            );
        }
        result.ok()?;
        assert!(
            self.connection.timeout().is_none_or(|next| next > self.now),
            "a timer that stands in the past"
        );
        Some(())
    }

    /// Fetches what the connection has to say: whole commands, and not more than its bound.
    fn fetch(&mut self) -> Vec<u8> {
        let control = self.connection.transmit().unwrap_or_default();
        assert!(control.len() <= Limits::CONTROL_BYTES_MAX + 32, "{} octets of answers", control.len());
        let mut rest = &*control;
        while !rest.is_empty() {
            let header = parse_header(Framing::V2, rest).expect("well-formed").expect("whole");
            assert!(header.command);
            let len = header.header_len + usize::try_from(header.body_len).expect("short");
            rest = rest.get(len..).expect("whole");
        }
        control
    }
}
