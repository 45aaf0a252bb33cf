//! REQ and REP: whose turn it is, and the envelope.

use tamtam_zmtp::{Message, PeerId, Reply};

use super::core::Locked;
use super::intake::LOOK_EVERY;
use super::pattern::Pattern;
use super::peer::{Item, Link};
use super::route::Offered;
use super::short::{Enveloped, ShortMessage};
use crate::error::SendError;

impl Locked<'_> {
    /// Does what [`route_request`](Self::route_request) does most often: writes a short request that has no number behind its empty frame, into
    /// the queue of the connection whose turn it is. `None`, and no change, in all other cases.
    pub(super) fn ask_short(&mut self, message: &impl ShortMessage) -> Option<()> {
        let id = self.send_turn.current()?;
        if self.ahead.is_some() || !self.is_networked(id) {
            return None;
        }
        let Pattern::Request(turn) = &mut self.pattern else { return None };
        if !turn.may_send_plain() {
            return None;
        }
        // First: the lock is released for the write, and the peer may be lost, or have answered, by the time that it has returned.
        turn.sent(id, None);
        if self.append_short(id, &Enveloped(message)).is_none() {
            if let Pattern::Request(turn) = &mut self.pattern {
                turn.reset();
            }
            return None;
        }
        self.send_turn.advance();
        self.turn_has_come();
        Some(())
    }

    /// The same of [`route_reply`](Self::route_reply), if the request came straight from a REQ.
    pub(super) fn answer_short(&mut self, message: &impl ShortMessage) -> Option<()> {
        let Pattern::Reply(turn) = &self.pattern else { return None };
        if self.ahead.is_some() || !turn.reply_target().is_some_and(|id| self.is_networked(id)) {
            return None;
        }
        let Pattern::Reply(turn) = &mut self.pattern else { return None };
        let id = turn.take_plain()?;
        if self.append_short(id, &Enveloped(message)).is_none() {
            if let Pattern::Reply(turn) = &mut self.pattern {
                turn.accepted_plain(id);
            }
            return None;
        }
        self.turn_has_come();
        Some(())
    }

    /// Gives a message to an inproc peer that would only take its empty frame off again. Returns it if the peer is another one, or full.
    fn hand_over(&mut self, id: PeerId, message: Message) -> Result<(), Message> {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return Err(message) };
        let Link::Inproc(inproc) = &mut peer.link else { return Err(message) };
        if state.options.conflate || inproc.tx.is_abandoned() || !inproc.takes_envelopes_off() {
            return Err(message);
        }
        let bytes = message.byte_len() as u64;
        match inproc.tx.push(Item::Enveloped(message)) {
            Ok(()) => {
                peer.traffic.messages_out += 1;
                peer.traffic.bytes_out += bytes;
                state.after.sockets.extend(inproc.announce());
                Ok(())
            }
            Err(Item::Enveloped(back)) => Err(back),
            // It comes back as it was.
            Err(_) => Ok(()),
        }
    }

    /// Takes a message that was handed over, where only one inproc peer can have one; `false`, and no change, in all other cases.
    pub(super) fn take_enveloped(&mut self, slot: &mut Message) -> bool {
        if !self.net_peers.is_empty() {
            return false;
        }
        let takes = self.takes.wrapping_add(1);
        if takes.is_multiple_of(LOOK_EVERY) || self.recv_turn.current().is_none() {
            self.scan_inproc();
        }
        let state = &mut **self;
        let Some(id) = state.recv_turn.only() else { return false };
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return false };
        let Link::Inproc(inproc) = &mut peer.link else { return false };
        if !peer.inbox.is_empty() || peer.leaving || state.options.conflate {
            return false;
        }
        let is_expected = match &state.pattern {
            Pattern::Request(turn) => turn.awaits_plain(id),
            Pattern::Reply(turn) => turn.may_receive().is_ok(),
            _ => false,
        };
        if !is_expected || !inproc.rx.is_next(|item| matches!(item, Item::Enveloped(_))) {
            return false;
        }
        let Some(Item::Enveloped(message)) = inproc.rx.pop() else { return false };
        if inproc.rx.publish() {
            state.after.sockets.extend(inproc.other());
        }
        *slot = message;
        slot.set_peer(id);
        state.takes = takes;
        match &mut state.pattern {
            Pattern::Request(turn) => turn.reset(),
            Pattern::Reply(turn) => turn.accepted_plain(id),
            _ => {}
        }
        true
    }

    /// Tells whether what is sent to this peer becomes octets.
    fn is_networked(&self, id: PeerId) -> bool {
        self.peer(id).is_some_and(|peer| matches!(peer.link, Link::Net(_)))
    }

    /// REQ: the message in its envelope to the next peer in turn.
    ///
    //= 28/REQREP, the REQ socket type
    //# SHALL prefix the outgoing message with an empty delimiter frame.
    pub(super) fn route_request(&mut self, mut message: Message) -> Result<(), SendError> {
        let Pattern::Request(turn) = &mut self.pattern else { return Err(SendError::Unsupported(message)) };
        let relaxed = turn.relaxed();
        if turn.may_send().is_err() || self.ahead.is_some() && !relaxed {
            return Err(SendError::OutOfTurn(message));
        }
        if self.ahead.take().is_some() {
            // A poll has seen the reply, the application asks anew without having taken it.
            self.retired.dropped.malformed += 1;
        }
        let Pattern::Request(turn) = &mut self.pattern else { return Err(SendError::Unsupported(message)) };
        let correlate = turn.correlate();
        if let Some(given_up) = turn.awaiting() {
            self.discard_replies(given_up);
        } else if !correlate && let Some(peer) = self.send_turn.current() {
            match self.hand_over(peer, message) {
                Ok(()) => {
                    self.send_turn.advance();
                    if let Pattern::Request(turn) = &mut self.pattern {
                        turn.sent(peer, None);
                    }
                    self.turn_has_come();
                    return Ok(());
                }
                Err(back) => message = back,
            }
        }
        let Pattern::Request(turn) = &mut self.pattern else { return Err(SendError::Unsupported(message)) };
        let id = correlate.then(|| turn.next_request_id());
        let enveloped = turn.envelope(message, id);
        match self.route_in_turn(enveloped) {
            Ok(peer) => {
                if let Pattern::Request(turn) = &mut self.pattern {
                    turn.sent(peer, id);
                }
                self.turn_has_come();
                Ok(())
            }
            Err(error) => {
                let mut message = error.into_message();
                if correlate {
                    message.pop_front();
                }
                message.pop_front();
                Err(SendError::Full(message))
            }
        }
    }

    /// A relaxed REQ asks again without having got a reply: what has come meanwhile answers the old request.
    fn discard_replies(&mut self, peer: PeerId) {
        let mut discarded = Message::default();
        while self.next_from(peer, &mut discarded) {
            self.retired.dropped.malformed += 1;
        }
    }

    /// REP: the reply in the request's envelope to the peer that asked.
    ///
    //= 28/REQREP, the REP socket type
    //# SHALL ... if the originating peer is no longer connected, silently discard the reply.
    pub(super) fn route_reply(&mut self, mut message: Message) -> Result<(), SendError> {
        // A request that only a poll has seen is not the application's yet.
        let is_seen_only = self.ahead.is_some();
        let Pattern::Reply(turn) = &mut self.pattern else { return Err(SendError::Unsupported(message)) };
        if turn.may_send().is_err() || is_seen_only {
            return Err(SendError::OutOfTurn(message));
        }
        if let Some(peer) = turn.take_plain() {
            match self.hand_over(peer, message) {
                Ok(()) => {
                    self.turn_has_come();
                    return Ok(());
                }
                Err(back) => message = back,
            }
            if let Pattern::Reply(turn) = &mut self.pattern {
                turn.accepted_plain(peer);
            }
        }
        let Pattern::Reply(turn) = &mut self.pattern else { return Err(SendError::Unsupported(message)) };
        match turn.take_envelope(message) {
            Reply::To(peer, reply) => match self.offer(peer, reply) {
                Offered::Taken => {}
                Offered::Full(_) => self.retired.dropped.full += 1,
                Offered::Gone(_) => self.retired.dropped.unroutable += 1,
            },
            Reply::PeerGone => self.retired.dropped.unroutable += 1,
        }
        self.turn_has_come();
        Ok(())
    }
}
