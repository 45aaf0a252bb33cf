//! The turn of a REQ socket: a request, its reply, the next request.

use super::{OutOfTurn, Verdict};
use crate::message::Room;
use crate::{Frame, Message, PeerId};

/// Whether a REQ socket may send or receive now, and which reply belongs to its request.
///
/// ```text
///            sent                        peer_lost
/// Sending ─────────> Awaiting(one peer) ──────────> Awaiting(any peer)
///    ^                 │   ^  │ sent again (relaxed)        │
///    └── accept, reset ┘   └──┘                             │
///    └──────────────────── accept, reset ───────────────────┘
/// ```
///
/// On the wire a request is an empty delimiter and the application's frames; with `correlate` a frame of four
/// octets that numbers the request comes first, and a reply must repeat it.
#[derive(Debug, Clone, Default)]
pub struct RequestTurn {
    state: State,
    relaxed: bool,
    correlate: bool,
    last_id: u32,
    room: Room,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Sending,
    Awaiting {
        /// Who has to answer; `None` once that peer is lost.
        peer: Option<PeerId>,
        /// The number the reply must repeat; `None` if the request was sent without one.
        id: Option<u32>,
    },
}

impl RequestTurn {
    /// Creates a turn that starts with sending, strict and without request numbers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses whether a request may be sent while another one waits for its reply, which is then given up
    /// (`ZMQ_REQ_RELAXED`). Default: `false`.
    pub const fn set_relaxed(&mut self, relaxed: bool) {
        self.relaxed = relaxed;
    }

    /// Chooses whether requests are numbered (`ZMQ_REQ_CORRELATE`). Default: `false`. Holds from the next request
    /// on.
    pub const fn set_correlate(&mut self, correlate: bool) {
        self.correlate = correlate;
    }

    /// Returns whether a new request may replace one that waits for its reply.
    #[inline]
    #[must_use]
    pub const fn relaxed(&self) -> bool {
        self.relaxed
    }

    /// Returns whether requests are to be numbered.
    #[inline]
    #[must_use]
    pub const fn correlate(&self) -> bool {
        self.correlate
    }

    /// Returns whether a request may be sent now.
    #[inline]
    #[must_use]
    pub const fn can_send(&self) -> bool {
        self.relaxed || matches!(self.state, State::Sending)
    }

    /// Checks that a request may be sent now.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn::ReplyAwaited`] if a request waits for its reply and the turn is not relaxed.
    #[inline]
    pub const fn may_send(&self) -> Result<(), OutOfTurn> {
        //= 28/REQREP, the REQ socket type
        //# SHALL send and then receive exactly one message at a time.
        if self.can_send() { Ok(()) } else { Err(OutOfTurn::ReplyAwaited) }
    }

    /// Checks that a reply may be received now.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn::NoRequestSent`] if no request waits for a reply.
    #[inline]
    pub const fn may_receive(&self) -> Result<(), OutOfTurn> {
        match self.state {
            State::Sending => Err(OutOfTurn::NoRequestSent),
            State::Awaiting { .. } => Ok(()),
        }
    }

    /// Returns the number for the next request, another one each time. After four billion they start again.
    #[inline]
    pub const fn next_request_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Puts a request into the form it has on the wire: `id`, if there is one, an empty delimiter, the message.
    #[must_use]
    pub fn envelope(&mut self, mut message: Message, id: Option<u32>) -> Message {
        message.take_room(&mut self.room);
        //= 28/REQREP, the REQ socket type
        //# SHALL prefix the outgoing message with an empty delimiter frame.
        message.push_front(Frame::new());
        if let Some(id) = id {
            message.push_front(Frame::copy_from(&id.to_be_bytes()));
        }
        message
    }

    /// Notes that a request went to this peer: now its reply is awaited, and no other's any more.
    ///
    /// A relaxed turn that gives a request up this way should first have discarded what replies were waiting:
    /// without request numbers an old reply of the same peer cannot be told from the new one.
    #[inline]
    pub const fn sent(&mut self, peer: PeerId, request_id: Option<u32>) {
        self.state = State::Awaiting { peer: Some(peer), id: request_id };
    }

    /// Returns whether a request may be sent now that gives none up and has no number: with an empty delimiter in front of it it is
    /// as it has to be.
    #[inline]
    #[must_use]
    pub const fn may_send_plain(&self) -> bool {
        matches!(self.state, State::Sending) && !self.correlate
    }

    /// Returns whether this peer's reply is awaited, and nothing but an empty delimiter has to be in front of it. Who takes such a
    /// reply calls [`reset`](Self::reset).
    #[inline]
    #[must_use]
    pub const fn awaits_plain(&self, peer: PeerId) -> bool {
        matches!(self.state, State::Awaiting { peer: Some(awaited), id: None } if awaited.0 == peer.0)
    }

    /// Decides about an incoming message. After [`Verdict::Deliver`] it is the turn of the next request.
    pub fn accept(&mut self, peer: PeerId, message: Message) -> Verdict {
        let State::Awaiting { peer: awaited, id } = self.state else { return Verdict::Discard };
        //= 28/REQREP, the REQ socket type
        //# SHALL accept an incoming message only from the last peer that it sent a request to.
        //= 28/REQREP, the REQ socket type
        //# SHALL discard silently any messages received from other peers.
        if awaited.is_some_and(|awaited| awaited != peer) {
            return Verdict::Discard;
        }
        let Some(mut reply) = strip_envelope(message, id) else { return Verdict::Discard };
        reply.leave_room(&mut self.room);
        self.state = State::Sending;
        Verdict::Deliver(reply)
    }

    /// Notes that a peer is gone. If its reply was awaited, any peer's is accepted from now on.
    ///
    /// That is libzmq's rule, and it goes beyond RFC 28: the request may have reached its server by another way
    /// (a reconnected peer is a new one to us). With `correlate` the number still has to be right.
    pub fn peer_lost(&mut self, peer: PeerId) {
        if let State::Awaiting { peer: awaited, .. } = &mut self.state
            && *awaited == Some(peer)
        {
            *awaited = None;
        }
    }

    /// Gives up the request that waits for its reply, if there is one: it is the turn of the next request.
    #[inline]
    pub const fn reset(&mut self) {
        self.state = State::Sending;
    }

    /// Returns the peer whose reply is awaited; `None` if no reply is, or if that peer is lost.
    #[inline]
    #[must_use]
    pub const fn awaiting(&self) -> Option<PeerId> {
        match self.state {
            State::Awaiting { peer, .. } => peer,
            State::Sending => None,
        }
    }
}

/// Takes the request's number, if there has to be one, and the delimiter off. `None` if they are not there, or
/// nothing follows.
fn strip_envelope(mut message: Message, id: Option<u32>) -> Option<Message> {
    if let Some(id) = id
        && message.pop_front()?.as_slice() != id.to_be_bytes()
    {
        return None;
    }
    message.pop_front()?.is_empty().then_some(message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: PeerId = PeerId(0);
    const B: PeerId = PeerId(1);

    fn message(frames: &[&str]) -> Message {
        Message::from_frames(frames.iter().copied()).unwrap()
    }

    /// A reply, in the form that a request has.
    fn answer(turn: &mut RequestTurn, peer: PeerId, message: Message, id: Option<u32>) -> Verdict {
        let message = turn.envelope(message, id);
        turn.accept(peer, message)
    }

    fn awaiting(peer: PeerId, id: Option<u32>) -> RequestTurn {
        let mut turn = RequestTurn::new();
        turn.sent(peer, id);
        turn
    }

    #[test]
    fn wraps_a_request_in_its_envelope() {
        let mut turn = RequestTurn::new();
        assert_eq!(turn.envelope(message(&["a", "b"]), None), message(&["", "a", "b"]));
        assert_eq!(turn.envelope(message(&["a"]), Some(0x6162_6364)), message(&["abcd", "", "a"]));
    }

    #[test]
    fn discards_malformed_replies_and_keeps_waiting() {
        let mut turn = awaiting(A, None);
        for frames in [&["a"][..], &[""], &["a", ""], &["a", "b"], &["abcd", "", "a"]] {
            assert_eq!(turn.accept(A, message(frames)), Verdict::Discard, "{frames:?}");
        }
        assert_eq!(turn.awaiting(), Some(A));
        // An empty reply is a reply, and what follows the delimiter is none of our business.
        assert_eq!(turn.accept(A, message(&["", "", "x"])), Verdict::Deliver(message(&["", "x"])));
    }

    #[test]
    fn what_needs_nothing_but_a_delimiter_is_told() {
        let mut turn = RequestTurn::new();
        assert!(turn.may_send_plain() && !turn.awaits_plain(A));
        turn.sent(A, None);
        assert!(!turn.may_send_plain() && turn.awaits_plain(A) && !turn.awaits_plain(B));
        turn.peer_lost(A);
        assert!(!turn.awaits_plain(A), "now it is anybody's");
        turn.reset();
        turn.sent(A, Some(1));
        assert!(!turn.awaits_plain(A), "it has a number");
        turn.set_relaxed(true);
        assert!(turn.can_send() && !turn.may_send_plain(), "one is given up");
        turn.reset();
        assert!(turn.may_send_plain());
        turn.set_correlate(true);
        assert!(!turn.may_send_plain());
    }

    #[test]
    fn a_numbered_request_takes_only_the_reply_with_its_number() {
        let id = u32::from_be_bytes(*b"abcd");
        let mut turn = awaiting(A, Some(id));
        let wrong = [&["", "x"][..], &["abcc", "", "x"], &["abcde", "", "x"], &["abcd", "x"], &["abcd", ""]];
        for frames in wrong {
            assert_eq!(turn.accept(A, message(frames)), Verdict::Discard, "{frames:?}");
        }
        assert_eq!(turn.accept(A, message(&["abcd", "", "x"])), Verdict::Deliver(message(&["x"])));
    }

    #[test]
    fn numbers_differ_and_wrap() {
        let mut turn = RequestTurn { last_id: u32::MAX - 1, ..RequestTurn::new() };
        assert_eq!(
            [turn.next_request_id(), turn.next_request_id(), turn.next_request_id()],
            [u32::MAX, 0, 1]
        );
    }

    #[test]
    fn a_relaxed_turn_forgets_the_former_request() {
        let mut turn = awaiting(A, Some(1));
        assert_eq!(turn.may_send(), Err(OutOfTurn::ReplyAwaited));
        turn.set_relaxed(true);
        turn.set_correlate(true);
        assert!(turn.relaxed() && turn.correlate() && turn.can_send());
        turn.sent(B, Some(2));
        assert_eq!(answer(&mut turn, A, message(&["old"]), Some(1)), Verdict::Discard);
        assert_eq!(answer(&mut turn, B, message(&["old"]), Some(1)), Verdict::Discard);
        assert_eq!(answer(&mut turn, B, message(&["new"]), Some(2)), Verdict::Deliver(message(&["new"])));
        assert_eq!(turn.may_receive(), Err(OutOfTurn::NoRequestSent));
    }

    #[test]
    fn reset_gives_the_request_up() {
        let mut turn = awaiting(A, None);
        turn.reset();
        assert_eq!(turn.may_send(), Ok(()));
        assert_eq!(turn.awaiting(), None);
        assert_eq!(turn.accept(A, message(&["", "late"])), Verdict::Discard);
    }

    #[test]
    fn any_peer_may_answer_once_the_asked_one_is_lost() {
        let mut turn = awaiting(A, Some(7));
        turn.peer_lost(B);
        assert_eq!(turn.awaiting(), Some(A));
        turn.peer_lost(A);
        assert_eq!(turn.awaiting(), None);
        assert_eq!(turn.may_receive(), Ok(()));
        assert_eq!(turn.may_send(), Err(OutOfTurn::ReplyAwaited));
        assert_eq!(turn.accept(B, message(&["", "unnumbered"])), Verdict::Discard);
        let reply = turn.envelope(message(&["x"]), Some(7));
        assert_eq!(turn.accept(B, reply), Verdict::Deliver(message(&["x"])));
        turn.peer_lost(B);
        assert_eq!(turn.may_send(), Ok(()));
    }

    //= 28/REQREP, the REQ socket type
    //# SHALL send and then receive exactly one message at a time.
    #[test]
    fn shall_send_and_then_receive_exactly_one_message() {
        let mut turn = RequestTurn::new();
        for _ in 0..3 {
            assert_eq!((turn.may_send(), turn.may_receive()), (Ok(()), Err(OutOfTurn::NoRequestSent)));
            turn.sent(A, None);
            assert_eq!((turn.may_send(), turn.may_receive()), (Err(OutOfTurn::ReplyAwaited), Ok(())));
            assert_eq!(turn.accept(A, message(&["", "one"])), Verdict::Deliver(message(&["one"])));
            assert_eq!(turn.accept(A, message(&["", "two"])), Verdict::Discard);
        }
    }

    //= 28/REQREP, the REQ socket type
    //# SHALL prefix the outgoing message with an empty delimiter frame.
    #[test]
    fn shall_prefix_an_empty_delimiter() {
        let wrapped = RequestTurn::new().envelope(message(&["x"]), None);
        assert!(wrapped.first().is_empty());
        assert_eq!(wrapped.frame_count(), 2);
    }

    //= 28/REQREP, the REQ socket type
    //# SHALL accept an incoming message only from the last peer that it sent a request to.
    #[test]
    fn shall_accept_only_from_the_last_peer_asked() {
        let mut turn = awaiting(A, None);
        assert_eq!(turn.accept(A, message(&["", "1"])), Verdict::Deliver(message(&["1"])));
        turn.sent(B, None);
        assert_eq!(turn.accept(A, message(&["", "2"])), Verdict::Discard);
        assert_eq!(turn.accept(B, message(&["", "3"])), Verdict::Deliver(message(&["3"])));
    }

    //= 28/REQREP, the REQ socket type
    //# SHALL discard silently any messages received from other peers.
    #[test]
    fn shall_discard_messages_from_other_peers() {
        let mut turn = awaiting(A, None);
        for _ in 0..3 {
            assert_eq!(turn.accept(B, message(&["", "x"])), Verdict::Discard);
        }
        assert_eq!(turn.awaiting(), Some(A));
    }

    proptest! {
        #[test]
        fn an_echoed_envelope_comes_off_as_it_went_on(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 1..5),
            id in any::<Option<u32>>(),
        ) {
            let request = Message::from_frames(bodies).unwrap();
            let mut turn = awaiting(A, id);
            let echo = turn.envelope(request.clone(), id);
            prop_assert_eq!(turn.accept(A, echo), Verdict::Deliver(request));
        }

        #[test]
        fn no_message_upsets_the_turn(
            bodies in prop::collection::vec(prop::collection::vec(0u8..2, 0..5), 1..5),
            id in prop::option::of(0u32..3),
        ) {
            let mut turn = awaiting(A, id);
            let frames: Vec<Vec<u8>> = bodies.clone();
            let delivered = turn.accept(A, Message::from_frames(bodies).unwrap());
            let envelope: Vec<Vec<u8>> =
                id.map(|id| id.to_be_bytes().to_vec()).into_iter().chain([Vec::new()]).collect();
            let expected = frames.strip_prefix(&envelope[..]).and_then(|data| Message::from_frames(data.to_vec()));
            prop_assert_eq!(turn.may_send().is_ok(), expected.is_some());
            prop_assert_eq!(delivered, expected.map_or(Verdict::Discard, Verdict::Deliver));
        }
    }
}
