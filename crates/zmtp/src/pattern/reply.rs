//! The turn of a REP socket: a request, its reply, the next request.

use super::{OutOfTurn, Verdict};
use crate::message::Room;
use crate::{Frame, Message, PeerId};

/// Whether a REP socket may receive or send now, and where its reply has to go.
///
/// A request carries an *envelope*: one address frame for each ROUTER it came through, none if it came straight
/// from a REQ socket, and an empty delimiter. The envelope is kept while the application works and goes back with
/// its reply.
#[derive(Debug, Clone, Default)]
pub struct ReplyTurn {
    state: State,
    room: Room,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Receiving,
    /// A request was delivered, and its reply has to go to `peer` in `envelope` and an empty delimiter.
    Replying { peer: PeerId, envelope: Vec<Frame> },
    /// A request was delivered, but there is nobody left who could take the reply.
    PeerGone,
}

/// What becomes of the application's reply.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "the reply is lost if it is not passed on"]
pub enum Reply {
    /// It goes to this peer, in this form: with the request's envelope.
    To(PeerId, Message),
    /// Nobody waits for it: the peer that asked is no longer connected. It is dropped in silence. Worth counting.
    PeerGone,
}

impl ReplyTurn {
    /// Creates a turn that starts with receiving.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks that a request may be received now.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn::ReplyDue`] if the last request has not been answered.
    #[inline]
    pub const fn may_receive(&self) -> Result<(), OutOfTurn> {
        //= 28/REQREP, the REP socket type
        //# SHALL receive and then send exactly one message at a time.
        match self.state {
            State::Receiving => Ok(()),
            State::Replying { .. } | State::PeerGone => Err(OutOfTurn::ReplyDue),
        }
    }

    /// Checks that a reply may be sent now.
    ///
    /// # Errors
    ///
    /// [`OutOfTurn::NoRequestReceived`] if there is no request to answer.
    #[inline]
    pub const fn may_send(&self) -> Result<(), OutOfTurn> {
        match self.state {
            State::Receiving => Err(OutOfTurn::NoRequestReceived),
            State::Replying { .. } | State::PeerGone => Ok(()),
        }
    }

    /// Decides about an incoming message. After [`Verdict::Deliver`] it is the turn of the reply.
    ///
    /// A message without a delimiter, or with nothing behind it, is discarded. So is any message while a reply is
    /// due; take the next one from a peer's queue only when [`may_receive`](Self::may_receive) agrees.
    pub fn accept(&mut self, peer: PeerId, mut message: Message) -> Verdict {
        if self.may_receive().is_err() {
            return Verdict::Discard;
        }
        //= 28/REQREP, the REP socket type
        //# SHALL remove and store the address envelope, including the delimiter.
        let mut envelope = Vec::new();
        loop {
            let Some(frame) = message.pop_front() else { return Verdict::Discard };
            if frame.is_empty() {
                break;
            }
            envelope.push(frame);
        }
        message.leave_room(&mut self.room);
        self.state = State::Replying { peer, envelope };
        //= 28/REQREP, the REP socket type
        //# SHALL pass the remaining data frames to its calling application.
        Verdict::Deliver(message)
    }

    /// Notes that a request of this peer was delivered that had nothing but an empty delimiter in front of it.
    #[inline]
    pub fn accepted_plain(&mut self, peer: PeerId) {
        self.state = State::Replying { peer, envelope: Vec::new() };
    }

    /// Returns where the reply goes, if nothing but an empty delimiter has to be in front of it: then it is the turn of the next request.
    /// `None`, and no change, otherwise.
    #[inline]
    #[must_use]
    pub fn take_plain(&mut self) -> Option<PeerId> {
        let State::Replying { peer, envelope } = &self.state else { return None };
        if !envelope.is_empty() {
            return None;
        }
        let peer = *peer;
        self.state = State::Receiving;
        Some(peer)
    }

    /// Puts the request's envelope around the reply and says where it goes. It is the turn of the next request.
    ///
    /// Check [`may_send`](Self::may_send) first: without a request there is nobody a reply could go to, and the
    /// answer is [`Reply::PeerGone`].
    pub fn take_envelope(&mut self, mut message: Message) -> Reply {
        match std::mem::take(&mut self.state) {
            State::Replying { peer, envelope } => {
                //= 28/REQREP, the REP socket type
                //# SHALL prepend the address envelope and delimiter.
                message.take_room(&mut self.room);
                message.push_front(Frame::new());
                for frame in envelope.into_iter().rev() {
                    message.push_front(frame);
                }
                Reply::To(peer, message)
            }
            //= 28/REQREP, the REP socket type
            //# SHALL silently discard the reply, or return an error, if the originating peer is no longer connected.
            State::PeerGone | State::Receiving => Reply::PeerGone,
        }
    }

    /// Notes that a peer is gone. If its request is being worked on, the reply will be dropped: the peer's number
    /// may soon be another's.
    pub fn peer_lost(&mut self, peer: PeerId) {
        if self.reply_target() == Some(peer) {
            self.state = State::PeerGone;
        }
    }

    /// Returns the peer to which a reply would go; `None` if no reply is due, or if that peer is lost.
    #[inline]
    #[must_use]
    pub const fn reply_target(&self) -> Option<PeerId> {
        match self.state {
            State::Replying { peer, .. } => Some(peer),
            State::Receiving | State::PeerGone => None,
        }
    }
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

    #[test]
    fn discards_requests_without_a_delimiter_or_without_data() {
        let mut turn = ReplyTurn::new();
        for frames in [&["x"][..], &["a", "x"], &[""], &["a", ""], &["a", "b", ""]] {
            assert_eq!(turn.accept(A, message(frames)), Verdict::Discard, "{frames:?}");
            assert_eq!(turn.may_receive(), Ok(()));
        }
        assert_eq!(turn.accept(A, message(&["", ""])), Verdict::Deliver(message(&[""])));
    }

    #[test]
    fn what_needs_nothing_but_a_delimiter_is_told() {
        let mut turn = ReplyTurn::new();
        assert_eq!(turn.take_plain(), None);
        turn.accepted_plain(A);
        assert_eq!((turn.may_send(), turn.reply_target()), (Ok(()), Some(A)));
        assert_eq!(turn.take_plain(), Some(A));
        assert_eq!(turn.may_receive(), Ok(()));
        // The other way to the same.
        assert_eq!(turn.accept(A, message(&["", "x"])), Verdict::Deliver(message(&["x"])));
        assert_eq!(turn.take_plain(), Some(A));
        turn.accepted_plain(A);
        assert_eq!(turn.take_envelope(message(&["y"])), Reply::To(A, message(&["", "y"])));
        assert_eq!(turn.accept(A, message(&["far", "", "x"])), Verdict::Deliver(message(&["x"])));
        assert_eq!(turn.take_plain(), None, "it came through a router");
        turn.peer_lost(A);
        assert_eq!((turn.take_plain(), turn.may_send()), (None, Ok(())));
    }

    #[test]
    fn the_envelope_ends_at_the_first_empty_frame() {
        let mut turn = ReplyTurn::new();
        let request = message(&["far", "near", "", "data", "", "more"]);
        assert_eq!(turn.accept(A, request), Verdict::Deliver(message(&["data", "", "more"])));
        assert_eq!(turn.take_envelope(message(&["r"])), Reply::To(A, message(&["far", "near", "", "r"])));
    }

    #[test]
    fn nothing_is_taken_while_a_reply_is_due() {
        let mut turn = ReplyTurn::new();
        assert_eq!(turn.accept(A, message(&["", "1"])), Verdict::Deliver(message(&["1"])));
        assert_eq!(turn.accept(B, message(&["", "2"])), Verdict::Discard);
        assert_eq!(turn.reply_target(), Some(A));
    }

    #[test]
    fn a_reply_out_of_turn_goes_nowhere() {
        let mut turn = ReplyTurn::new();
        assert_eq!(turn.take_envelope(message(&["r"])), Reply::PeerGone);
        assert_eq!(turn.may_receive(), Ok(()));
    }

    #[test]
    fn another_peers_loss_does_not_matter() {
        let mut turn = ReplyTurn::new();
        turn.peer_lost(A);
        assert_eq!(turn.may_receive(), Ok(()));
        let _ = turn.accept(A, message(&["", "q"]));
        turn.peer_lost(B);
        assert_eq!(turn.take_envelope(message(&["r"])), Reply::To(A, message(&["", "r"])));
    }

    #[test]
    fn a_peer_with_the_number_of_a_lost_one_gets_no_foreign_reply() {
        let mut turn = ReplyTurn::new();
        let _ = turn.accept(A, message(&["secret", "", "q"]));
        turn.peer_lost(A);
        // The number is given out again here; the new peer's request waits in its queue.
        assert_eq!(turn.accept(A, message(&["", "q2"])), Verdict::Discard);
        assert_eq!(turn.reply_target(), None);
        assert_eq!(turn.take_envelope(message(&["r"])), Reply::PeerGone);
        assert_eq!(turn.accept(A, message(&["", "q3"])), Verdict::Deliver(message(&["q3"])));
        assert_eq!(turn.take_envelope(message(&["r3"])), Reply::To(A, message(&["", "r3"])));
    }

    #[test]
    fn an_envelope_of_a_hundred_thousand_addresses_is_no_burden() {
        let mut turn = ReplyTurn::new();
        let frames = |last: &str| {
            let addresses = std::iter::repeat_n(Frame::from("a"), 100_000);
            Message::from_frames(addresses.chain([Frame::new(), Frame::from(last)])).unwrap()
        };
        assert_eq!(turn.accept(A, frames("q")), Verdict::Deliver(message(&["q"])));
        assert_eq!(turn.take_envelope(message(&["r"])), Reply::To(A, frames("r")));
    }

    //= 28/REQREP, the REP socket type
    //# SHALL receive and then send exactly one message at a time.
    #[test]
    fn shall_receive_and_then_send_exactly_one_message() {
        let mut turn = ReplyTurn::new();
        for _ in 0..3 {
            assert_eq!((turn.may_receive(), turn.may_send()), (Ok(()), Err(OutOfTurn::NoRequestReceived)));
            assert_eq!(turn.accept(A, message(&["", "q"])), Verdict::Deliver(message(&["q"])));
            assert_eq!((turn.may_receive(), turn.may_send()), (Err(OutOfTurn::ReplyDue), Ok(())));
            assert_eq!(turn.take_envelope(message(&["r"])), Reply::To(A, message(&["", "r"])));
        }
    }

    //= 28/REQREP, the REP socket type
    //# SHALL remove and store the address envelope, including the delimiter.
    //= 28/REQREP, the REP socket type
    //# SHALL prepend the address envelope and delimiter.
    //= 28/REQREP, the REP socket type
    //# SHALL deliver this message back to the originating peer.
    #[test]
    fn shall_return_the_envelope_to_the_originating_peer() {
        for addresses in [&[][..], &["one"], &["one", "two", "three"]] {
            let mut turn = ReplyTurn::new();
            let with_envelope = |data| message(&[addresses, &["", data]].concat());
            assert_eq!(turn.accept(B, with_envelope("q")), Verdict::Deliver(message(&["q"])));
            assert_eq!(turn.take_envelope(message(&["r"])), Reply::To(B, with_envelope("r")));
        }
    }

    //= 28/REQREP, the REP socket type
    //# SHALL silently discard the reply, or return an error, if the originating peer is no longer connected.
    #[test]
    fn shall_discard_the_reply_to_a_lost_peer() {
        let mut turn = ReplyTurn::new();
        let _ = turn.accept(A, message(&["", "q"]));
        turn.peer_lost(A);
        assert_eq!((turn.may_receive(), turn.may_send()), (Err(OutOfTurn::ReplyDue), Ok(())));
        assert_eq!(turn.take_envelope(message(&["r"])), Reply::PeerGone);
        assert_eq!(turn.may_receive(), Ok(()));
    }

    //= 28/REQREP, the REP socket type
    //# SHALL not filter or modify outgoing or incoming messages in any way.
    #[test]
    fn shall_not_modify_the_data_frames() {
        let mut turn = ReplyTurn::new();
        let data = ["", "\0\u{1}", "", "x"];
        let request = message(&[&["a", ""], &data[..]].concat());
        assert_eq!(turn.accept(A, request.clone()), Verdict::Deliver(message(&data)));
        assert_eq!(turn.take_envelope(message(&data)), Reply::To(A, request));
    }

    proptest! {
        #[test]
        fn splits_any_message_at_its_first_empty_frame_or_not_at_all(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 1..8),
        ) {
            let mut turn = ReplyTurn::new();
            let delimiter = bodies.iter().position(Vec::is_empty).filter(|at| at + 1 < bodies.len());
            let verdict = turn.accept(A, Message::from_frames(bodies.clone()).unwrap());
            match delimiter {
                None => prop_assert_eq!(verdict, Verdict::Discard),
                Some(at) => {
                    let data = Message::from_frames(bodies[at + 1..].to_vec()).unwrap();
                    prop_assert_eq!(verdict, Verdict::Deliver(data.clone()));
                    let whole = Message::from_frames(bodies).unwrap();
                    prop_assert_eq!(turn.take_envelope(data), Reply::To(A, whole));
                }
            }
        }
    }
}
