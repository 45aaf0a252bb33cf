//! Messages that join a batch about which nothing is to be decided.
//!
//! Most messages of a stream are short, for the peer that had the one before, and leave everything else as it is: they stand behind those that wait
//! to be written together. So that they cost little more than their copy, the last buffer of that peer's queue stands here meanwhile, with how
//! many may join it. Whoever takes the socket's lock for anything else finds the books in order: [`State::settle_express`] comes
//! before.

use std::mem;

use tamtam_zmtp::{Framing, PeerId, SocketType};

use super::core::State;
use super::outbox::BATCH_BYTES;
use super::pattern::{Pattern, takes_turns};
use super::peer::{Left, Link};
use super::pipe::{Lent, RUN_MESSAGE_MAX};
use super::route::Routed;
use super::short::ShortMessage;

/// To begin with fewer costs more than it saves.
const WORTH: u64 = 4;
/// Longer topics are looked for each time, in octets.
const TOPIC_MAX: usize = 255;

/// The batch that may be joined.
#[derive(Default)]
pub(crate) struct Express {
    /// The peer whose queue it belongs to, if there is one.
    of: Option<PeerId>,
    /// For which peer the last message was left, and of which topic it was, if not all lead to that peer. One that is like it may
    /// be the second of many.
    last: Option<PeerId>,
    topic: Option<Vec<u8>>,
    /// The queue's last buffer; so long it was, and below this length it stays.
    buffer: Vec<u8>,
    began: usize,
    end: usize,
    /// The run that takes what joins, in place of the buffer, if the peer is in this process.
    run: Option<Lent>,
    /// How many messages may join, and how many have, with the octets of their frames.
    room: u32,
    joined: u32,
    octets: u64,
    /// How many subscribers there are, if the messages are published.
    subscribers: usize,
}

impl Express {
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.of.is_some()
    }

    /// Tells whether it is an inproc peer's.
    #[inline]
    pub(crate) fn is_run(&self) -> bool {
        self.run.is_some()
    }

    /// Tells whether a message is for the same peer for the same reason as the one before; remembers it if not.
    fn goes_on(&mut self, id: PeerId, topic: Option<&[u8]>) -> bool {
        if self.last == Some(id) && self.topic.as_deref() == topic {
            return true;
        }
        self.last = Some(id);
        let mut kept = self.topic.take().unwrap_or_default();
        self.topic = topic.map(|topic| {
            kept.clear();
            kept.extend_from_slice(topic);
            kept
        });
        false
    }

    /// Adds a message, if that is all that there is to do.
    #[inline]
    pub(crate) fn join<M: ShortMessage>(&mut self, message: &M) -> Option<Routed> {
        if self.joined >= self.room {
            return None;
        }
        if let Some(run) = &self.run {
            let body = message.only().filter(|body| body.len() <= RUN_MESSAGE_MAX)?;
            if !run.write(body) {
                return None;
            }
            self.joined += 1;
            self.octets += body.len() as u64;
            return Some(Routed { subscribers: 0, dropped: 0 });
        }
        if self.buffer.len() + message.wire_len() >= self.end {
            return None;
        }
        let octets = message.byte_len();
        if octets >= M::SHORT {
            return None;
        }
        if let Some(topic) = &self.topic
            && topic != message.topic()
        {
            return None;
        }
        message.put(&mut self.buffer);
        self.joined += 1;
        self.octets += octets as u64;
        Some(Routed { subscribers: self.subscribers, dropped: 0 })
    }
}

impl State {
    /// A message was left to be written later with others: those that follow may join it without a question, if they are for
    /// the same peer.
    #[inline]
    pub(crate) fn begin_express(&mut self, kind: SocketType, id: PeerId, message: &impl ShortMessage) {
        let room = self.policy.may_join();
        if self.waiting > 0 && u64::from(room) >= WORTH {
            self.begin_express_of(kind, id, message, room);
        }
    }

    fn begin_express_of(&mut self, kind: SocketType, id: PeerId, message: &impl ShortMessage, room: u32) {
        let mut topic = None;
        let mut subscribers = 0;
        if let Pattern::Publish(publishing) = &self.pattern {
            if !publishing.subscriptions.everyone() {
                // What was found for it is found for the same again; but a whole message does not come again.
                let first = message.topic();
                if first.len() > TOPIC_MAX || first.len() == message.byte_len() {
                    return;
                }
                topic = Some(first);
            }
            subscribers = publishing.subscriptions.peer_count();
        } else if !takes_turns(kind) || self.send_turn.only() != Some(id) {
            return;
        }
        if self.options.strict_marks || !self.express.goes_on(id, topic) {
            return;
        }
        let marks = self.send_marks;
        let Some(Some(peer)) = self.peers.get_mut(id.index()) else { return };
        let Link::Net(net) = &mut peer.link else { return };
        if peer.left != Left::Waiting || net.framing != Framing::V2 {
            return;
        }
        let (messages, bytes) = (net.outbox.messages(), net.outbox.bytes());
        let room = u64::from(room).min(marks.messages.saturating_sub(messages));
        let octets = BATCH_BYTES.saturating_sub(bytes);
        if room < WORTH || !marks.have_room(messages, (bytes + octets) as u64) {
            return;
        }
        let Some(buffer) = net.outbox.lend_tail() else { return };
        let began = buffer.len();
        let express = &mut self.express;
        express.of = Some(id);
        (express.began, express.end, express.buffer) = (began, began + octets, buffer);
        express.room = u32::try_from(room).unwrap_or(u32::MAX);
        (express.joined, express.octets) = (0, 0);
        express.subscribers = subscribers;
    }

    /// The same of a run that the last message went to, of an inproc peer's.
    #[inline]
    pub(crate) fn begin_express_run(&mut self, kind: SocketType, id: PeerId) {
        if !takes_turns(kind) || self.send_turn.only() != Some(id) {
            return;
        }
        let Some(Some(peer)) = self.peers.get_mut(id.index()) else { return };
        let Link::Inproc(inproc) = &mut peer.link else { return };
        let Some((run, room)) = inproc.tx.lend().filter(|(_, room)| *room >= WORTH) else { return };
        let express = &mut self.express;
        (express.of, express.run) = (Some(id), Some(run));
        express.room = u32::try_from(room).unwrap_or(u32::MAX);
        (express.joined, express.octets) = (0, 0);
    }

    /// Enters what has joined into the books.
    #[inline]
    pub(crate) fn settle_express(&mut self) {
        if let Some(id) = self.express.of.take() {
            self.settle_joined(id);
        }
    }

    fn settle_joined(&mut self, id: PeerId) {
        let express = &mut self.express;
        // Nothing joins before the next one begins.
        let room = mem::take(&mut express.room);
        debug_assert!(express.joined <= room, "joined without room");
        let (buffer, began, joined) = (mem::take(&mut express.buffer), express.began, express.joined);
        let octets = express.octets;
        let is_run = express.run.take().is_some();
        if !is_run {
            self.policy.joined(joined);
        }
        let Some(Some(peer)) = self.peers.get_mut(id.index()) else { return };
        match &mut peer.link {
            Link::Net(net) if !is_run => net.outbox.take_tail_back(buffer, began, joined),
            Link::Inproc(inproc) if is_run => inproc.tx.settle(u64::from(joined), octets),
            _ => return,
        }
        peer.traffic.messages_out += u64::from(joined);
        peer.traffic.bytes_out += octets;
    }
}
