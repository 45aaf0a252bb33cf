//! What a socket says by itself when a peer comes or goes: to the peer, and to its own application in the peer's name.

use tamtam_zmtp::{Event, Frame, Message, PeerId, SocketType};

use super::attachment::Attachment;
use super::core::Locked;
use super::peer::{Item, Link};

impl Locked<'_> {
    /// The peer has become part of the pattern.
    pub(crate) fn greet(&mut self, id: PeerId) {
        let kind = self.core.kind;
        if matches!(
            kind,
            SocketType::Router
                | SocketType::Dealer
                | SocketType::Client
                | SocketType::Server
                | SocketType::Peer
        ) && let Some(hello) = self.options.hello_message.clone()
        {
            self.send_first(id, Message::new(hello));
        }
        let is_networked = self.peer(id).is_some_and(|peer| matches!(peer.link, Link::Net(_)));
        if kind == SocketType::Router && self.options.router_notify_connect && is_networked {
            self.local_notice(id, Message::new(Frame::new()));
        }
    }

    /// The connection of a peer that was part of the pattern is over.
    pub(crate) fn say_farewell(&mut self, id: PeerId) {
        let kind = self.core.kind;
        if kind == SocketType::Stream && self.options.stream_notify
            || kind == SocketType::Router && self.options.router_notify_disconnect
        {
            self.local_notice(id, Message::new(Frame::new()));
        }
        let dialed = self.peer(id).is_some_and(|peer| matches!(&peer.link, Link::Net(net) if net.dialed));
        if dialed {
            if matches!(kind, SocketType::Dealer | SocketType::Client | SocketType::Peer)
                && let Some(hiccup) = self.options.hiccup_message.clone()
            {
                self.local_notice(id, Message::new(hiccup));
            }
        } else {
            self.disconnect_notice(id);
        }
    }

    /// The other side has closed its end of a pipe.
    pub(crate) fn pipe_ended(&mut self, id: PeerId) {
        let connected_here = self
            .peer(id)
            .and_then(|peer| self.attachments.get(&peer.attachment))
            .is_some_and(|attachment| matches!(attachment, Attachment::Pipe { .. }));
        if !connected_here && self.peer(id).is_some_and(|peer| peer.attached) {
            self.disconnect_notice(id);
        }
        self.finish_peer(id);
    }

    fn disconnect_notice(&mut self, id: PeerId) {
        if matches!(self.core.kind, SocketType::Router | SocketType::Server | SocketType::Peer)
            && let Some(message) = self.options.disconnect_message.clone()
        {
            self.local_notice(id, Message::new(message));
        }
    }

    /// Queues a message before all others that wait for the peer, whatever the marks say.
    fn send_first(&mut self, id: PeerId, message: Message) {
        let state = &mut **self;
        let Some(Some(peer)) = state.peers.get_mut(id.index()) else { return };
        peer.traffic.messages_out += 1;
        peer.traffic.bytes_out += message.byte_len() as u64;
        match &mut peer.link {
            Link::Net(net) => net.outbox.prepend(net.framing, message, &mut state.pool),
            Link::Inproc(inproc) => {
                inproc.tx.push_unbounded(Item::Event(Event::Message(message)));
                state.after.sockets.extend(inproc.announce());
            }
            Link::Datagrams(_) | Link::Gone => {}
        }
    }
}
