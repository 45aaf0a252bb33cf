//! Asking before the first part of a message whether the whole of it would be taken.

use std::sync::Arc;

use tamtam_zmtp::{Message, PeerId, SocketType};

use super::core::{Core, Locked};
use super::pattern::Pattern;
use super::peer::{Link, Peer};
use super::wait::{Ended, Patience};
use crate::error::SendError;

/// What would become of a message.
enum Prospect {
    Open,
    Full,
    Unroutable,
    OutOfTurn,
    Unsupported,
}

impl Core {
    /// Waits until a message that begins with this frame would be taken; errors carry a message of that frame.
    pub(crate) fn wait_to_send(self: &Arc<Self>, first: &[u8], patience: Patience) -> Result<(), SendError> {
        let message = || Message::new(first);
        if self.is_forked() {
            return Err(SendError::Forked(message()));
        }
        let mut locked = self.lock();
        loop {
            if !locked.is_open() {
                return Err(locked.refuse_send(message()));
            }
            let mut prospect = locked.prospect(first);
            if matches!(prospect, Prospect::Full) {
                // Room may be a matter of writing, or of reading that an inproc peer has taken something.
                locked.flush_left();
                locked.poll_io();
                prospect = locked.prospect(first);
            }
            match prospect {
                Prospect::Open => return Ok(()),
                Prospect::Unroutable => return Err(SendError::Unroutable(message())),
                Prospect::OutOfTurn => return Err(SendError::OutOfTurn(message())),
                Prospect::Unsupported => return Err(SendError::Unsupported(message())),
                Prospect::Full if matches!(patience, Patience::None) => {
                    return Err(SendError::Full(message()));
                }
                Prospect::Full if patience.is_over() => return Err(SendError::TimedOut(message())),
                Prospect::Full => {}
            }
            if locked.options.strict_marks {
                locked.end_bursts();
                if matches!(locked.prospect(first), Prospect::Open) {
                    return Ok(());
                }
            }
            let wakes = locked.wakes;
            match locked.park(patience, |state| state.wakes != wakes) {
                Ok(()) => {}
                Err(Ended::Interrupted) => return Err(SendError::Interrupted(message())),
                Err(_) => return Err(locked.refuse_send(message())),
            }
        }
    }
}

impl Locked<'_> {
    fn prospect(&mut self, first: &[u8]) -> Prospect {
        let kind = self.core.kind;
        if !kind.can_send() {
            return Prospect::Unsupported;
        }
        match &self.pattern {
            // What only a poll has seen so far is not the application's yet.
            Pattern::Request(turn) if turn.may_send().is_err() || self.ahead.is_some() && !turn.relaxed() => {
                return Prospect::OutOfTurn;
            }
            Pattern::Reply(turn) if turn.may_send().is_err() || self.ahead.is_some() => {
                return Prospect::OutOfTurn;
            }
            Pattern::Publish(_) if self.options.xpub_nodrop => {
                return if self.all_matching_have_room(first) { Prospect::Open } else { Prospect::Full };
            }
            Pattern::Route(identities) if kind == SocketType::Stream || self.options.router_mandatory => {
                return match identities.find(first) {
                    Some(peer) => self.prospect_of(peer),
                    None => Prospect::Unroutable,
                };
            }
            _ => {}
        }
        if self.is_writable(kind) { Prospect::Open } else { Prospect::Full }
    }

    /// Whether one peer that was addressed would take a message.
    fn prospect_of(&mut self, id: PeerId) -> Prospect {
        let (marks, strict) = (self.send_marks, self.options.strict_marks);
        let Some(peer) = self.peer_mut(id).filter(|peer| peer.can_be_routed()) else {
            return Prospect::Unroutable;
        };
        let has_room = match &mut peer.link {
            Link::Net(net) => net.has_room(marks, strict),
            Link::Inproc(inproc) => inproc.tx.has_room() || inproc.tx.wants_room(),
            Link::Datagrams(_) | Link::Gone => return Prospect::Unroutable,
        };
        if has_room { Prospect::Open } else { Prospect::Full }
    }
}

impl Peer {
    /// Tells whether a message can be queued for it.
    pub(crate) fn can_be_routed(&self) -> bool {
        (self.attached || self.addressed) && !self.leaving && !matches!(self.link, Link::Gone)
    }
}
