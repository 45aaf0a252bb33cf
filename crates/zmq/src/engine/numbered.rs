//! Connections by number: SERVER and PEER.

use super::attachment::Attachment;
use super::core::Locked;
use super::pattern::Pattern;
use crate::error::ConnectError;

impl Locked<'_> {
    /// SERVER, PEER: connects; returns the number of the new peer.
    ///
    //= 51/P2P, the PEER socket type
    //# SHALL provide the application with an API to connect and retrieve the "routing id" of the double queue in atomic
    //# manner.
    pub(crate) fn connect_peer(&mut self, text: &str) -> Result<u32, ConnectError> {
        let Pattern::Serve(_) = self.pattern else {
            return Err(ConnectError::Unnumbered { endpoint: text.to_owned(), socket_type: self.core.kind });
        };
        if self.options.immediate {
            return Err(ConnectError::Immediate { endpoint: text.to_owned() });
        }
        // This is the attachment that is made next.
        let attachment = self.next_attachment;
        self.connect(text, None)?;
        let peer = match self.attachments.get(&attachment) {
            Some(Attachment::Dialer(dialer)) => Some(dialer.peer),
            Some(Attachment::Pipe { peer, .. }) => Some(*peer),
            _ => None,
        };
        match (&self.pattern, peer) {
            (Pattern::Serve(ids), Some(peer)) if ids.id(peer) != 0 => Ok(ids.id(peer)),
            // The bound socket was closed while we connected.
            _ => Err(ConnectError::Closed { endpoint: text.to_owned() }),
        }
    }

    /// SERVER, PEER: ends the connection with that peer, whichever side began it; `false` if there is none.
    pub(crate) fn disconnect_peer(&mut self, number: u32) -> bool {
        let Pattern::Serve(ids) = &self.pattern else { return false };
        let Some(id) = ids.find(number).filter(|&id| self.peer(id).is_some_and(|peer| peer.attached)) else {
            return false;
        };
        let attachment = self.peer(id).map(|peer| peer.attachment);
        match attachment.and_then(|attachment| Some((attachment, self.attachments.get(&attachment)?))) {
            Some((attachment, Attachment::Dialer(_) | Attachment::Pipe { .. })) => {
                self.close_attachment(attachment, false)
            }
            _ => {
                self.flush(id);
                self.disconnect(id, "the application has ended it");
            }
        }
        true
    }
}
