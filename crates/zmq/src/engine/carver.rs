//! Short messages for other threads, cut out of larger pieces of memory.

use bytes::BytesMut;
use tamtam_zmtp::{Frame, Message, SLICE_MIN};

use super::outbox::REFERENCE_MIN;

/// Cuts the bodies of short messages out of larger pieces of memory.
///
/// What one thread allocates and another frees, as messages between threads are, makes the two wait for each other in the
/// allocator each time. Here that happens once for many messages.
#[derive(Debug, Default)]
pub(crate) struct Carver {
    rest: BytesMut,
}

impl Carver {
    const PIECE: usize = 32 * 1024;

    /// Copies frames into a message of their own.
    pub(crate) fn message(&mut self, frames: &[&[u8]]) -> Message {
        match frames {
            [only] => Message::from(self.frame(only)),
            _ => Message::from_frames(frames.iter().map(|frame| self.frame(frame))).unwrap_or_default(),
        }
    }

    fn frame(&mut self, body: &[u8]) -> Frame {
        // The bounds of what is cut out of a read buffer and of what is queued by reference.
        if !(SLICE_MIN..REFERENCE_MIN).contains(&body.len()) {
            return Frame::copy_from(body);
        }
        if self.rest.capacity() < body.len() {
            self.rest = BytesMut::with_capacity(Self::PIECE);
        }
        self.rest.extend_from_slice(body);
        Frame::from_bytes(self.rest.split().freeze())
    }

    /// Gives up what is not cut yet.
    pub(crate) fn clear(&mut self) {
        self.rest = BytesMut::new();
    }
}
