//! A message: one or more frames that are delivered together or not at all.

use std::collections::VecDeque;
use std::{fmt, iter, mem};

use bytes::Bytes;

use crate::frame::Frame;
use crate::peer_id::PeerId;

/// A ZeroMQ message: one frame or more, and which peer it came from or, at SERVER and PEER, goes to.
///
/// A message is never empty: it always has a first frame. A single-part message of up to
/// [`FRAME_INLINE_MAX`](crate::FRAME_INLINE_MAX) octets needs no allocation. Taking and adding frames at either end
/// takes constant time.
#[derive(Clone)]
pub struct Message {
    first: Frame,
    // A deque, since patterns take envelopes off the front: a vector would make a peer's million-frame envelope
    // quadratic work.
    rest: VecDeque<Frame>,
    /// The number of a [`PeerId`], or [`NOBODY`]: an `Option` would leave no room for the routing id.
    peer: u32,
    routing_id: u32,
}

/// Memory for frames, of a message that has lost its envelope, for the next one that gets one: a request and its reply then
/// allocate nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(VecDeque<Frame>);

/// In place of a peer's number: made here. Numbers of peers are dense and do not get there.
const NOBODY: u32 = u32::MAX;

/// Says that no frames were given where a [`Message`], which has at least one, was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message has at least one frame")]
pub struct EmptyMessage;

impl Message {
    /// Makes a single-part message.
    #[inline]
    #[must_use]
    pub fn new(body: impl Into<Frame>) -> Self {
        Self::single(body.into())
    }

    #[inline]
    pub(crate) const fn single(first: Frame) -> Self {
        Self { first, rest: VecDeque::new(), peer: NOBODY, routing_id: 0 }
    }

    /// Becomes a single-part message of the first `len` octets of `source`, held in place; `false` if they are not there or
    /// too many for that.
    #[inline]
    #[doc(hidden)]
    pub fn set_inline(&mut self, source: &[u8], len: usize) -> bool {
        if !self.first.set_inline(source, len) {
            return false;
        }
        if !self.rest.is_empty() {
            self.rest.clear();
        }
        (self.peer, self.routing_id) = (NOBODY, 0);
        true
    }

    /// Adds a frame of the first `len` octets of `source`, held in place; `false` if they are not there or too many for that.
    #[inline]
    pub(crate) fn push_inline(&mut self, source: &[u8], len: usize) -> bool {
        self.rest.push_back(Frame::new());
        self.rest.back_mut().is_some_and(|frame| frame.set_inline(source, len))
    }

    /// Makes a message of all frames in turn; `None` if there are none.
    #[must_use]
    pub fn from_frames(frames: impl IntoIterator<Item = impl Into<Frame>>) -> Option<Self> {
        let mut frames = frames.into_iter().map(Into::into);
        let first = frames.next()?;
        Some(Self { first, rest: frames.collect(), peer: NOBODY, routing_id: 0 })
    }

    /// Adds a frame behind the last one.
    #[inline]
    pub fn push_back(&mut self, frame: impl Into<Frame>) {
        self.rest.push_back(frame.into());
    }

    /// Adds a frame before the first one.
    #[inline]
    pub fn push_front(&mut self, frame: impl Into<Frame>) {
        let second = mem::replace(&mut self.first, frame.into());
        self.rest.push_front(second);
    }

    /// Takes the first frame off; `None`, and no change, if it is the only one left.
    #[inline]
    pub fn pop_front(&mut self) -> Option<Frame> {
        let second = self.rest.pop_front()?;
        Some(mem::replace(&mut self.first, second))
    }

    /// Leaves the memory that held other frames than the first to whoever adds some to another message, if there are none.
    #[inline]
    pub(crate) fn leave_room(&mut self, spare: &mut Room) {
        if self.rest.is_empty() && spare.0.capacity() == 0 {
            mem::swap(&mut self.rest, &mut spare.0);
        }
    }

    /// Takes memory for more frames than the first that was left before.
    #[inline]
    pub(crate) fn take_room(&mut self, spare: &mut Room) {
        if self.rest.capacity() == 0 {
            mem::swap(&mut self.rest, &mut spare.0);
        }
    }

    /// Splits into the first frame and the message of the others, if there are any. The latter keeps the peer.
    #[inline]
    #[must_use]
    pub fn split_first(mut self) -> (Frame, Option<Self>) {
        match self.pop_front() {
            Some(first) => (first, Some(self)),
            None => (self.first, None),
        }
    }

    /// Takes the first frame out; an empty one is in its place then.
    #[inline]
    pub fn take_first(&mut self) -> Frame {
        mem::take(&mut self.first)
    }

    /// Takes all frames behind the first one off.
    #[inline]
    pub fn take_rest(&mut self) -> VecDeque<Frame> {
        mem::take(&mut self.rest)
    }

    /// Returns the number of frames, at least 1.
    #[inline]
    #[must_use]
    pub fn frame_count(&self) -> usize {
        1 + self.rest.len()
    }

    /// Returns the sum of the lengths of all bodies in octets.
    #[inline]
    #[must_use]
    pub fn byte_len(&self) -> usize {
        let first = self.first.len();
        if self.rest.is_empty() { first } else { first + self.rest.iter().map(Frame::len).sum::<usize>() }
    }

    /// Returns the frames in turn.
    #[inline]
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> + Clone + fmt::Debug {
        iter::once(&self.first).chain(&self.rest)
    }

    /// Turns the message into its frames.
    #[inline]
    pub fn into_frames(self) -> impl DoubleEndedIterator<Item = Frame> + fmt::Debug {
        iter::once(self.first).chain(self.rest)
    }

    /// Returns the first frame.
    #[inline]
    #[must_use]
    pub const fn first(&self) -> &Frame {
        &self.first
    }

    /// Returns the last frame; of a single-part message that is the first.
    #[inline]
    #[must_use]
    pub fn last(&self) -> &Frame {
        self.rest.back().unwrap_or(&self.first)
    }

    /// Returns the frame at `index`, counted from 0.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Frame> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(index) => self.rest.get(index),
        }
    }

    /// Returns whether the message has more than one frame.
    #[inline]
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Returns the first frame's octets, which are the whole of a single-part message.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.first.as_slice()
    }

    /// Turns the first frame into [`Bytes`] and drops the others.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.first.into_bytes()
    }

    /// Returns the peer that sent the message; `None` if the message was made here.
    #[inline]
    #[must_use]
    pub const fn peer(&self) -> Option<PeerId> {
        if self.peer == NOBODY { None } else { Some(PeerId(self.peer)) }
    }

    /// Notes the peer that sent the message.
    #[inline]
    pub const fn set_peer(&mut self, peer: PeerId) {
        self.peer = peer.0;
    }

    /// Forgets which peer sent the message: it is gone, and its number may be given to another one.
    #[inline]
    pub const fn clear_peer(&mut self) {
        self.peer = NOBODY;
    }

    /// Returns the number of the peer that sent the message to a SERVER or PEER, or that it is to be sent to by one; 0 if
    /// there is none. It is no part of the message on the wire.
    ///
    /// A reply goes to where [`routing_id`](Self::routing_id) of the request says (41/CLISRV).
    #[inline]
    #[must_use]
    pub const fn routing_id(&self) -> u32 {
        self.routing_id
    }

    /// Sets the number of the peer that a SERVER or PEER is to send the message to.
    #[inline]
    pub const fn set_routing_id(&mut self, routing_id: u32) {
        self.routing_id = routing_id;
    }
}

/// One empty frame.
impl Default for Message {
    #[inline]
    fn default() -> Self {
        Self::single(Frame::new())
    }
}

/// Compares the frames; where the messages came from does not matter.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first && self.rest == other.rest
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message")?;
        f.debug_list().entries(self.frames()).finish()?;
        match self.peer() {
            Some(peer) => write!(f, " from {peer:?}"),
            None => Ok(()),
        }
    }
}

impl From<Frame> for Message {
    #[inline]
    fn from(frame: Frame) -> Self {
        Self::single(frame)
    }
}

impl From<&[u8]> for Message {
    #[inline]
    fn from(body: &[u8]) -> Self {
        Self::new(body)
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    #[inline]
    fn from(body: &[u8; N]) -> Self {
        Self::new(body)
    }
}

impl From<&str> for Message {
    #[inline]
    fn from(body: &str) -> Self {
        Self::new(body)
    }
}

impl From<Vec<u8>> for Message {
    #[inline]
    fn from(body: Vec<u8>) -> Self {
        Self::new(body)
    }
}

impl From<String> for Message {
    #[inline]
    fn from(body: String) -> Self {
        Self::new(body)
    }
}

impl From<Bytes> for Message {
    #[inline]
    fn from(body: Bytes) -> Self {
        Self::new(body)
    }
}

impl TryFrom<Vec<Frame>> for Message {
    type Error = EmptyMessage;

    fn try_from(frames: Vec<Frame>) -> Result<Self, EmptyMessage> {
        VecDeque::from(frames).try_into()
    }
}

impl TryFrom<VecDeque<Frame>> for Message {
    type Error = EmptyMessage;

    fn try_from(mut rest: VecDeque<Frame>) -> Result<Self, EmptyMessage> {
        let first = rest.pop_front().ok_or(EmptyMessage)?;
        Ok(Self { first, rest, peer: NOBODY, routing_id: 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bodies(message: &Message) -> Vec<&[u8]> {
        message.frames().map(Frame::as_slice).collect()
    }

    #[test]
    fn a_message_is_never_empty() {
        let mut message = Message::new("one");
        assert_eq!(message.pop_front(), None);
        assert_eq!(message.frame_count(), 1);
        assert_eq!(Message::from_frames(Vec::<Frame>::new()), None);
        assert_eq!(Message::try_from(Vec::<Frame>::new()), Err(EmptyMessage));
        message.push_back("two");
        assert_eq!(message.pop_front().as_deref(), Some(&b"one"[..]));
        assert_eq!(message.pop_front(), None);
        assert_eq!(message.split_first(), (Frame::from("two"), None));
    }

    #[test]
    fn frames_are_reached_from_both_ends() {
        let mut message = Message::from("body");
        message.push_front("");
        message.push_front("address");
        message.push_back("tail");
        assert_eq!(bodies(&message), [&b"address"[..], b"", b"body", b"tail"]);
        assert!(message.is_multipart());
        assert_eq!(message.first(), &"address");
        assert_eq!(message.last(), &"tail");
        assert_eq!(message.as_slice(), b"address");
        assert_eq!(message.byte_len(), 15);
        let found: Vec<_> = (0..5).map(|index| message.get(index).map(Frame::as_slice)).collect();
        assert_eq!(found, [Some(&b"address"[..]), Some(b""), Some(b"body"), Some(b"tail"), None]);
        message.set_peer(PeerId(7));
        message.set_routing_id(9);
        let (address, rest) = message.split_first();
        assert_eq!(address, "address");
        let rest = rest.expect("three frames are left");
        assert_eq!((rest.peer(), rest.routing_id()), (Some(PeerId(7)), 9));
        assert_eq!(rest.into_frames().map(Frame::into_bytes).collect::<Vec<_>>(), ["", "body", "tail"]);
    }

    #[test]
    fn the_peer_is_no_part_of_equality() {
        let mut from_peer = Message::from(b"x");
        from_peer.set_peer(PeerId(1));
        assert_eq!(from_peer, Message::from(vec![b'x']));
        from_peer.set_routing_id(1);
        assert_eq!(from_peer, Message::from("x"));
        assert_ne!(from_peer, Message::from_frames(["x", ""]).expect("two frames"));
        assert_eq!(Message::from(String::from("x")).into_bytes(), "x");
        assert_eq!(Message::from(Bytes::from_static(b"x")), Message::from(Frame::from("x")));
        assert_eq!(format!("{:?}", Message::from(&b"x"[..])), "Message[b\"x\" (1 octets)]");
    }

    proptest! {
        #[test]
        fn pushing_and_popping_agree_with_a_list(steps in prop::collection::vec(0u8..3, 0..60)) {
            let mut model = VecDeque::from([vec![255u8]]);
            let mut message = Message::new(&[255]);
            for (number, step) in (0u8..).zip(steps) {
                match step {
                    0 => { message.push_back(&[number]); model.push_back(vec![number]); }
                    1 => { message.push_front(&[number]); model.push_front(vec![number]); }
                    _ => {
                        let expected = if model.len() > 1 { model.pop_front() } else { None };
                        prop_assert_eq!(message.pop_front().map(|frame| frame.to_vec()), expected);
                    }
                }
                prop_assert_eq!(message.frame_count(), model.len());
                prop_assert!(message.frames().map(|frame| frame.to_vec()).eq(model.iter().cloned()));
            }
            let again = Message::try_from(message.clone().into_frames().collect::<Vec<_>>());
            prop_assert_eq!(again, Ok(message));
        }
    }
}
