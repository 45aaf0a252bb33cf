//! Carries questions to whoever knows who is let in, and the answers back. Belongs to the background thread, which holds no
//! lock here.

use std::collections::BTreeMap;
use std::sync::Arc;

use tamtam_zmtp::{AuthReply, Message, PeerId, ProtocolCode, ProtocolError, SocketType, zap};

use super::core::Core;
use super::gate::{Asker, Question};
use crate::context::ContextCore;
use crate::options::Options;

/// The errand boy between a context's connections and its handler of 27/ZAP.
///
/// It has a DEALER that nobody sees. Each question goes over a pipe of its own, as with libzmq: an answer belongs to the
/// question of its pipe, whatever it says.
#[derive(Debug, Default)]
pub(crate) struct Porter {
    dealer: Option<Arc<Core>>,
    waiting: BTreeMap<PeerId, Asker>,
}

impl Porter {
    /// Puts a question; returns the answer if it is known at once.
    pub(crate) fn ask(&mut self, context: &Arc<ContextCore>, question: &Question) -> Option<AuthReply> {
        let Question { asker, gate, address, credentials } = question;
        if let Some(checker) = &gate.checker {
            return Some(checker.check(credentials));
        }
        let Some(handler) = context.bound(zap::ENDPOINT) else {
            return Some(gate.without_handler(credentials));
        };
        //= 27/ZAP, Architecture
        //# The handler SHALL use a REP or ROUTER socket.
        if !matches!(handler.kind, SocketType::Rep | SocketType::Router) {
            return Some(AuthReply::Fail(ProtocolError::ZapReply {
                code: ProtocolCode::ZapUnspecified,
                what: "a socket that cannot be a handler is bound at its endpoint",
            }));
        }
        let request = zap::request(&gate.domain, address, &gate.identity, credentials);
        let dealer = self.dealer(context);
        let mut locked = dealer.lock();
        match locked.connect_inproc(zap::ENDPOINT, None) {
            Ok(pipe) => {
                locked.send_to(pipe, request);
                self.waiting.insert(pipe, *asker);
                None
            }
            // It has closed in this moment.
            Err(_) => Some(gate.without_handler(credentials)),
        }
    }

    fn dealer(&mut self, context: &Arc<ContextCore>) -> Arc<Core> {
        let dealer = self.dealer.get_or_insert_with(|| {
            let dealer = Core::for_the_background(Arc::clone(context), SocketType::Dealer);
            let mut options = Options::default();
            options.set_send_hwm(0).set_receive_hwm(0);
            dealer.lock().apply_options(options);
            dealer
        });
        Arc::clone(dealer)
    }

    /// Returns the answers that have come.
    pub(crate) fn answers(&mut self) -> Vec<(Asker, AuthReply)> {
        let Some(dealer) = &self.dealer else { return Vec::new() };
        // Whoever publishes from here on calls again.
        dealer.attention.take_news();
        dealer.attention.set_sleeping(true);
        let mut locked = dealer.lock();
        let mut answers = Vec::new();
        self.waiting.retain(|&pipe, asker| {
            let mut message = Message::default();
            if locked.next_from(pipe, &mut message) {
                answers.push((*asker, zap::reply(&message)));
                locked.remove_peer(pipe);
                return false;
            }
            // A handler that goes away answers nothing: the handshake interval ends the wait, as with libzmq.
            locked.peer(pipe).is_some()
        });
        answers
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn forget(&mut self, asker: Asker) {
        let Some(dealer) = &self.dealer else { return };
        let Some(pipe) = self.waiting.iter().find(|(_, known)| **known == asker).map(|(&pipe, _)| pipe)
        else {
            return;
        };
        self.waiting.remove(&pipe);
        dealer.lock().remove_peer(pipe);
    }
}
