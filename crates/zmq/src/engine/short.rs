//! Short messages, written straight into the queues.

use tamtam_zmtp::{FRAME_HEADER_MAX, Frame, Framing, Message};

use super::appetite::LARGE;
use super::outbox::REFERENCE_MIN;

/// A message that knows how to write itself to where it is sent from.
#[doc(hidden)]
pub trait ShortMessage {
    /// From so many octets on it takes the usual way, where it is queued by reference.
    const SHORT: usize = REFERENCE_MIN;

    /// Its first frame, by which subscribers are found.
    fn topic(&self) -> &[u8];

    /// The whole message, if it is one frame that stands somewhere.
    #[inline]
    fn only(&self) -> Option<&[u8]> {
        None
    }

    /// Octets of all frames together.
    fn byte_len(&self) -> usize;

    /// Octets that [`put`](Self::put) appends at most.
    fn wire_len(&self) -> usize;

    /// Appends all frames with their headers as ZMTP 2.0 and later has them: at least one, and of all but the last it is said that
    /// more follow. Called under the socket's lock, at most once.
    fn put(&self, out: &mut Vec<u8>);

    /// Has `make` make a message of its frames, for queues that hold no octets.
    fn to_message(&self, make: &mut dyn FnMut(&[&[u8]]) -> Message) -> Message;
}

/// Frames that stand elsewhere.
pub(crate) struct Slices<'a>(pub(crate) &'a [&'a [u8]]);

impl ShortMessage for Slices<'_> {
    /// They have to be copied once in any case: into a buffer that is used again, or into memory of their own.
    const SHORT: usize = LARGE;

    #[inline]
    fn topic(&self) -> &[u8] {
        self.0.first().copied().unwrap_or_default()
    }

    #[inline]
    fn only(&self) -> Option<&[u8]> {
        if let [only] = self.0 { Some(only) } else { None }
    }

    #[inline]
    fn byte_len(&self) -> usize {
        match self.0 {
            [only] => only.len(),
            all => all.iter().map(|frame| frame.len()).sum(),
        }
    }

    #[inline]
    fn wire_len(&self) -> usize {
        self.byte_len() + self.0.len() * FRAME_HEADER_MAX
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        for (index, frame) in self.0.iter().enumerate() {
            Framing::V2.put_header(out, frame.len(), index + 1 < self.0.len());
            out.extend_from_slice(frame);
        }
    }

    fn to_message(&self, make: &mut dyn FnMut(&[&[u8]]) -> Message) -> Message {
        make(self.0)
    }
}

/// A message behind the empty frame that REQ and REP put in front of theirs.
pub(crate) struct Enveloped<'a, M>(pub(crate) &'a M);

impl<M: ShortMessage> ShortMessage for Enveloped<'_, M> {
    const SHORT: usize = M::SHORT;

    #[inline]
    fn topic(&self) -> &[u8] {
        &[]
    }

    #[inline]
    fn byte_len(&self) -> usize {
        self.0.byte_len()
    }

    #[inline]
    fn wire_len(&self) -> usize {
        FRAME_HEADER_MAX + self.0.wire_len()
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        Framing::V2.put_header(out, 0, true);
        self.0.put(out);
    }

    fn to_message(&self, make: &mut dyn FnMut(&[&[u8]]) -> Message) -> Message {
        let mut message = self.0.to_message(make);
        message.push_front(Frame::new());
        message
    }
}

impl ShortMessage for Message {
    #[inline]
    fn topic(&self) -> &[u8] {
        self.as_slice()
    }

    #[inline]
    fn byte_len(&self) -> usize {
        Self::byte_len(self)
    }

    #[inline]
    fn wire_len(&self) -> usize {
        Self::byte_len(self) + self.frame_count() * FRAME_HEADER_MAX
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        let count = self.frame_count();
        for (index, frame) in self.frames().enumerate() {
            Framing::V2.put_header(out, frame.len(), index + 1 < count);
            out.extend_from_slice(frame);
        }
    }

    fn to_message(&self, _make: &mut dyn FnMut(&[&[u8]]) -> Message) -> Message {
        self.clone()
    }
}
