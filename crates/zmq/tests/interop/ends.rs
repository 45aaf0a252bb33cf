//! Both libraries' sockets behind one trait, so that a test says once what holds for both directions.

use std::time::Duration;

use tamtam_zmq::{Message, Socket};

use super::Frames;
use crate::common::PATIENCE;

/// A socket of either library.
pub(super) trait End: Send {
    /// Sends a message; fails the test when that takes too long.
    fn send(&mut self, message: &Frames);
    /// Receives a message; fails the test when that takes too long.
    fn receive(&mut self) -> Frames {
        self.receive_within(PATIENCE).expect("a message in time")
    }
    /// Receives a message if one comes in time.
    fn receive_within(&mut self, timeout: Duration) -> Option<Frames>;
}

/// Turns one of our messages into frames.
pub(super) fn frames(message: &Message) -> Frames {
    message.frames().map(|frame| frame.as_slice().to_vec()).collect()
}

impl End for Socket {
    fn send(&mut self, message: &Frames) {
        let message = Message::from_frames(message.iter().map(Vec::as_slice)).expect("at least one frame");
        self.send_timeout(message, PATIENCE).unwrap();
    }

    fn receive_within(&mut self, timeout: Duration) -> Option<Frames> {
        match self.recv_timeout(timeout) {
            Ok(message) => Some(frames(&message)),
            Err(tamtam_zmq::RecvError::TimedOut) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

impl End for zmq::Socket {
    fn send(&mut self, message: &Frames) {
        self.send_multipart(message, 0).unwrap();
    }

    fn receive_within(&mut self, timeout: Duration) -> Option<Frames> {
        let timeout = i64::try_from(timeout.as_millis()).unwrap();
        (self.poll(zmq::POLLIN, timeout).unwrap() > 0).then(|| self.recv_multipart(0).unwrap())
    }
}

/// An end whose messages have something before them: the delimiter of a DEALER that talks to a REP, the address that a
/// ROUTER wants. It is put before what is sent, and expected and taken off what is received.
pub(super) struct Behind<'a> {
    end: &'a mut dyn End,
    envelope: Frames,
}

impl<'a> Behind<'a> {
    pub(super) fn new(end: &'a mut dyn End, envelope: &[&str]) -> Self {
        Self { end, envelope: super::text(envelope) }
    }
}

impl End for Behind<'_> {
    fn send(&mut self, message: &Frames) {
        self.end.send(&[self.envelope.as_slice(), message].concat());
    }

    fn receive_within(&mut self, timeout: Duration) -> Option<Frames> {
        let mut message = self.end.receive_within(timeout)?;
        assert!(message.starts_with(&self.envelope), "an envelope of {:?}", self.envelope);
        Some(message.split_off(self.envelope.len()))
    }
}
