//! Who lets peers in: what a socket was told of that, and the questions its connections ask.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bytes::Bytes;
use tamtam_zmtp::{AuthReply, Credentials, Mechanism, PeerId, ProtocolError};

use super::background::Command;
use super::core::Locked;
use super::peer::Peer;
use crate::options::Options;
use crate::security::Checker;
use crate::sys::{socket, stream};

/// How a listener or dialer finds out whether a peer is let in. There is one wherever somebody is asked at all.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Decides on the spot; otherwise the handler of 27/ZAP is asked.
    pub(crate) checker: Option<Checker>,
    pub(crate) domain: String,
    /// Without a handler nobody is let in.
    enforce: bool,
    /// Our own routing id.
    pub(crate) identity: Bytes,
}

impl Gate {
    /// Returns the gate of a socket with these options, if it has one.
    pub(crate) fn new(options: &Options) -> Option<Arc<Self>> {
        let security = &options.security;
        // As libzmq has it: with a domain that is enforced and none given, CURVE asks nobody.
        let exists = match &security.mechanism {
            Mechanism::Null => !options.zap_domain.is_empty(),
            Mechanism::PlainServer => true,
            Mechanism::CurveServer(_) => {
                security.checker.is_some() || !options.zap_domain.is_empty() || !options.zap_enforce_domain
            }
            _ => false,
        };
        exists.then(|| {
            Arc::new(Self {
                checker: security.checker.clone(),
                domain: options.zap_domain.clone(),
                enforce: options.zap_enforce_domain,
                identity: options.routing_id.clone(),
            })
        })
    }

    /// Decides where there is no handler to ask.
    pub(crate) fn without_handler(&self, credentials: &Credentials) -> AuthReply {
        match credentials {
            Credentials::None | Credentials::Curve(_) if !self.enforce => AuthReply::accept(),
            _ => AuthReply::Fail(ProtocolError::NoAuthenticationHandler),
        }
    }
}

/// Which connection asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) socket: u32,
    pub(crate) peer: PeerId,
    pub(crate) epoch: u64,
}

/// Whether a peer is let in.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) asker: Asker,
    pub(crate) gate: Arc<Gate>,
    /// The peer's, without a port.
    pub(crate) address: String,
    pub(crate) credentials: Credentials,
}

impl Locked<'_> {
    /// Asks whether a peer is let in; the background thread finds out with no lock held and answers with
    /// [`authenticated`](Self::authenticated).
    pub(crate) fn ask(&mut self, id: PeerId, credentials: Credentials) {
        let socket = self.core.id;
        let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) else { return };
        let Some(gate) = conn.gate.clone() else { return };
        conn.asking = true;
        let asker = Asker { socket, peer: id, epoch: conn.epoch };
        let address = peer_address(conn.fd.as_fd());
        self.submit(Command::Ask(Box::new(Question { asker, gate, address, credentials })));
    }

    /// The answer has come.
    pub(crate) fn authenticated(&mut self, asker: Asker, reply: AuthReply) {
        let id = asker.peer;
        let Some(conn) = self.peer_mut(id).and_then(Peer::conn_mut) else { return };
        if conn.epoch != asker.epoch || !std::mem::take(&mut conn.asking) {
            return;
        }
        let Some(protocol) = conn.protocol.as_mut() else { return };
        if let Err(error) = protocol.authenticated(reply) {
            self.protocol_error(id, &error);
            return;
        }
        if let Some(control) = protocol.transmit() {
            conn.control.extend_from_slice(&control);
        }
        self.handshake(id);
        self.flush(id);
        self.update_interest(id);
    }
}

/// Returns where the peer is, as libzmq tells its handlers: an address without a port, or for ipc the credentials that the
/// kernel knows.
fn peer_address(fd: BorrowedFd<'_>) -> String {
    match socket::remote_tcp(fd) {
        Ok(address) => address.ip().to_string(),
        Err(_) => stream::peer_credentials(fd)
            .map(|(pid, uid, gid)| format!("localhost:{uid}:{gid}:{pid}"))
            .unwrap_or_default(),
    }
}
