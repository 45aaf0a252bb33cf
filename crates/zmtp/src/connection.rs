//! One ZMTP peer, from greeting to close.

mod auth;
mod command;
mod config;
mod event;
mod greeting;
mod handshake;
mod heartbeat;
mod identity;
mod metadata;
mod seal;
#[cfg(test)]
mod tests;
mod traffic;
mod ws;

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};

pub use self::auth::{AuthReply, Credentials};
pub use self::config::{Config, Heartbeat, Mechanism, PlainCredentials};
pub use self::event::{Event, PeerInfo};
pub(crate) use self::metadata::properties as zap_properties;
pub use self::traffic::{GROUP_LEN_MAX, SLICE_MIN};
pub use self::ws::WsRole;

use self::greeting::{AwaitGreeting, AwaitRevision, AwaitSignature};
use self::handshake::{Ciphers, Handshake};
use self::identity::AwaitIdentity;
use self::seal::Sealer;
use self::traffic::Traffic;
use self::ws::Ws;
use crate::error::ProtocolError;
use crate::framing::{Framing, Version, parse_header, put_command};
use crate::message::Message;
use crate::socket_type::SocketType;

/// One ZMTP peer, from greeting to close. Reads no clock and owns no socket.
///
/// After [`new`](Self::new), and after each [`receive`](Self::receive) and
/// [`handle_timeout`](Self::handle_timeout), errors included, fetch [`transmit`](Self::transmit) and write what it gives.
/// Messages may be written, in the format that [`framing`](Self::framing) names, once [`Event::Ready`] was returned.
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    state: State,
    /// Known from [`Event::Ready`] on, and kept after an error.
    peer: Option<Box<PeerInfo>>,
    /// Greeting, commands: what waits for [`Connection::transmit`].
    control: Vec<u8>,
    /// On an encrypted connection, how much of `control` goes out as it is: the end of the handshake.
    plain_control: usize,
    /// Encrypts what is written once the handshake is done; `None` if nothing is to be encrypted.
    sealer: Option<Box<Sealer>>,
    /// The WebSocket around it; `None` on a plain byte stream.
    ws: Option<Box<Ws>>,
    wanted: usize,
}

/// What we wait for.
///
/// ```text
/// signature ──> revision ──> greeting ──> handshake ──> traffic      ZMTP 3.x
///     │             └──────> identity ────────────────────^          ZMTP 2.0
///     └────────────────────> identity ────────────────────^          ZMTP 1.0
/// upgrade ──> handshake, or identity ──> traffic                     ZWS 2.0
/// any state ──> closed, on a violation
/// ```
#[derive(Debug)]
enum State {
    /// The WebSocket is not open yet.
    AwaitUpgrade,
    AwaitSignature(AwaitSignature),
    AwaitRevision(AwaitRevision),
    AwaitGreeting(AwaitGreeting),
    AwaitIdentity(AwaitIdentity),
    Handshake(Handshake),
    Traffic(Traffic),
    Closed(ProtocolError),
}

/// How far a state before traffic got with the octets at hand.
enum Step {
    /// Not far enough; so many octets are missing at least, if that is known.
    Wait(usize),
    /// To the next state.
    Next(State),
    /// To the question whether the peer is let in.
    Ask(Credentials),
    /// To traffic.
    Established(Box<PeerInfo>, Option<Ciphers>),
}

impl Connection {
    /// Begins a connection: our first octets wait in [`transmit`](Self::transmit).
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        let mut control = Vec::new();
        let state = if config.version_max == Version::V1_0 {
            identity::put_v1(&config, &mut control);
            State::AwaitIdentity(AwaitIdentity::new(Version::V1_0))
        } else {
            greeting::put_signature(&config, &mut control);
            State::AwaitSignature(AwaitSignature)
        };
        Self::begin(config, state, control, None)
    }

    /// Begins a connection within a WebSocket (45/ZWS, version 2.0): a client's request waits in
    /// [`transmit`](Self::transmit).
    ///
    /// Once it is [`Event::Ready`], everything that is written passes through [`seal`](Self::seal), and
    /// [`Config::version_max`] has no meaning.
    #[must_use]
    pub fn websocket(config: Arc<Config>, role: &WsRole) -> Self {
        let ws = Box::new(Ws::new(&config, role));
        Self::begin(config, State::AwaitUpgrade, Vec::new(), Some(ws))
    }

    const fn begin(config: Arc<Config>, state: State, control: Vec<u8>, ws: Option<Box<Ws>>) -> Self {
        Self { config, state, peer: None, control, plain_control: 0, sealer: None, ws, wanted: 0 }
    }

    /// Takes the octets of at most one event off the front of `input` and returns the event. `None` means that more octets
    /// are needed; [`wanted`](Self::wanted) may tell how many.
    ///
    /// Bodies of [`SLICE_MIN`] octets and more are split off `input` without copying, and keep its buffer alive; shorter
    /// ones are copied. After [`Event::Ready`], call [`start_timers`](Self::start_timers).
    ///
    /// # Errors
    ///
    /// The peer's violation, which closes the connection: later calls return the same error. Write what
    /// [`transmit`](Self::transmit) gives before closing, it may tell the peer the reason.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let mut message = Message::default();
        if self.receive_short(input, &mut message) {
            return Ok(Some(Event::Message(message)));
        }
        self.receive_any(input)
    }

    /// Does what [`receive`](Self::receive) does most often, and nothing else: takes a short message of a single frame, or
    /// one of a few frames of which only the last may be long, off the front of `input` and puts it in the place of `message`,
    /// whose memory is used again. `false` if what comes next is not that, or not all there: then `receive` knows.
    #[inline]
    pub fn receive_short(&mut self, input: &mut BytesMut, message: &mut Message) -> bool {
        let State::Traffic(traffic) = &self.state else { return false };
        match &**input {
            // Flags of zero: a whole message, of less than 256 octets.
            [0, len, rest @ ..] if traffic.is_inline_message(*len) => {
                let len = usize::from(*len);
                if !message.set_inline(rest, len) {
                    return false;
                }
                input.advance(2 + len);
            }
            // More frames follow.
            [1, ..] => {
                if !traffic.receive_parts(&self.config, input, message) {
                    return false;
                }
            }
            _ => return false,
        }
        self.wanted = 0;
        true
    }

    /// As [`receive_short`](Self::receive_short), of a message of a single short frame behind an empty one, which is taken off: what REQ and
    /// REP send each other.
    #[inline]
    pub fn receive_enveloped(&mut self, input: &mut BytesMut, message: &mut Message) -> bool {
        self.receive_in_place(input, |[delimiter, body]: [&[u8]; 2]| {
            delimiter.is_empty() && message.set_inline(body, body.len())
        })
    }

    /// Has `look` look at a message of exactly `N` short frames where it lies at the front of `input`, and takes it off if that is
    /// what `look` says. `false`, and no change, if it says no, if what comes next is something else, or if it is not all there:
    /// then [`receive`](Self::receive) knows.
    #[inline]
    pub fn receive_in_place<const N: usize>(
        &mut self,
        input: &mut BytesMut,
        look: impl FnOnce([&[u8]; N]) -> bool,
    ) -> bool {
        let State::Traffic(traffic) = &self.state else { return false };
        let Some((frames, rest)) = traffic.find_parts(&self.config, input) else { return false };
        let taken = input.len() - rest.len();
        if !look(frames) {
            return false;
        }
        input.advance(taken);
        self.wanted = 0;
        true
    }

    #[inline(never)]
    fn receive_any(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        self.wanted = 0;
        let result = if self.ws.is_none() {
            self.advance(input)
        } else {
            let result = self.unwrap(input);
            // What a frame within the WebSocket lacks says nothing of what comes over the wire.
            self.wanted = 0;
            result
        };
        if let Err(violation) = &result {
            self.close(violation.clone());
        }
        result
    }

    /// As [`advance`](Self::advance), for what comes within a WebSocket.
    fn unwrap(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let answers_max = self.config.limits.control_bytes_max;
        loop {
            if let State::Closed(violation) = &self.state {
                return Err(violation.clone());
            }
            let Some(ws) = &mut self.ws else { return Ok(None) };
            if ws.is_upgrading() {
                match ws.upgrade(&self.config, input, &mut self.control)? {
                    Some(state) => self.state = state,
                    None => return Ok(None),
                }
                continue;
            }
            let mut inner = ws.take_inner();
            // A handshake may have something to say without any octet more.
            let idle = inner.is_empty() && matches!(self.state, State::Traffic(_));
            let event = if idle { Ok(None) } else { self.advance(&mut inner) };
            let Some(ws) = &mut self.ws else { return Ok(None) };
            ws.give_back(inner);
            if let Some(event) = event? {
                return Ok(Some(event));
            }
            if !ws.unwrap(input, answers_max)? {
                return Ok(None);
            }
        }
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        // Ends: every state but traffic is left once at most.
        loop {
            let (config, out) = (&*self.config, &mut self.control);
            let step = match &mut self.state {
                State::AwaitUpgrade => return Ok(None),
                State::AwaitSignature(state) => state.step(config, input, out)?,
                State::AwaitRevision(state) => state.step(config, input, out)?,
                State::AwaitGreeting(state) => state.step(config, input, out)?,
                State::AwaitIdentity(state) => state.step(config, input)?,
                State::Handshake(state) => state.step(config, input, out)?,
                State::Traffic(traffic) => return traffic.receive(config, input, out, &mut self.wanted),
                State::Closed(violation) => return Err(violation.clone()),
            };
            match step {
                Step::Wait(wanted) => {
                    self.wanted = wanted;
                    return Ok(None);
                }
                Step::Next(state) => self.state = state,
                Step::Ask(credentials) => return Ok(Some(Event::Authenticate(Box::new(credentials)))),
                Step::Established(peer, ciphers) => {
                    let (sealer, opener) = ciphers.map_or((None, None), |ciphers| {
                        let (sealer, opener) = *ciphers;
                        (Some(Box::new(sealer)), Some(Box::new(opener)))
                    });
                    self.sealer = sealer;
                    self.plain_control = self.control.len();
                    self.state =
                        State::Traffic(Traffic::new(&self.config, peer.version, opener, self.ws.is_some()));
                    self.peer = Some(peer.clone());
                    return Ok(Some(Event::Ready(peer)));
                }
            }
        }
    }

    /// Answers [`Event::Authenticate`]. Then call [`transmit`](Self::transmit), and [`receive`](Self::receive): the rest of
    /// the handshake may have arrived already. Without a question it does nothing.
    ///
    /// # Errors
    ///
    /// The peer was refused, which closes the connection: write what [`transmit`](Self::transmit) gives before closing,
    /// it tells the peer. On a closed connection, what closed it.
    pub fn authenticated(&mut self, reply: AuthReply) -> Result<(), ProtocolError> {
        let result = match &mut self.state {
            State::Handshake(handshake) => handshake.authenticated(&self.config, reply, &mut self.control),
            State::Closed(violation) => return Err(violation.clone()),
            _ => Ok(()),
        };
        if let Err(violation) = &result {
            self.close(violation.clone());
        }
        result
    }

    fn close(&mut self, violation: ProtocolError) {
        if !matches!(self.state, State::Closed(_)) && self.ws.is_some() {
            let waiting = self.take_control();
            if let Some(ws) = &mut self.ws {
                ws.put_close(&violation, &waiting);
            }
        }
        self.state = State::Closed(violation);
    }

    /// Returns how many octets the incomplete frame at the front of `input` lacks, if the last
    /// [`receive`](Self::receive) returned `None` because of it; else 0. Within a WebSocket it is not known, and 0.
    ///
    /// This is the peer's claim, within the limits: grow `input` as octets arrive, do not reserve on a claim.
    #[inline]
    #[must_use]
    pub const fn wanted(&self) -> usize {
        self.wanted
    }

    /// Returns the octets of greeting and commands that are to be written at the next boundary between messages; `None`
    /// when there are none.
    #[inline]
    #[must_use]
    pub fn transmit(&mut self) -> Option<Vec<u8>> {
        if self.control.is_empty() && self.ws.is_none() {
            return None;
        }
        let control = self.take_control();
        match &mut self.ws {
            None => Some(control),
            Some(ws) => ws.transmit(&control),
        }
    }

    /// Takes greeting and commands, encrypted if need be, in the format of ZMTP.
    fn take_control(&mut self) -> Vec<u8> {
        let control = mem::take(&mut self.control);
        if self.sealer.is_none() { control } else { self.seal_control(&control) }
    }

    #[cold]
    fn seal_control(&mut self, control: &[u8]) -> Vec<u8> {
        let (plain, commands) =
            control.split_at_checked(mem::take(&mut self.plain_control)).unwrap_or_default();
        let mut out = plain.to_vec();
        self.encrypt(commands, &mut out);
        out
    }

    /// Returns whether what is written must pass through [`seal`](Self::seal): from [`Event::Ready`] on, on encrypted
    /// connections and within a WebSocket.
    #[inline]
    #[must_use]
    pub const fn seals(&self) -> bool {
        self.sealer.is_some() || self.ws.is_some()
    }

    /// Appends the wire form of `frames`, which are whole frames in the format of ZMTP 2.0 and later. Without encryption
    /// and outside of a WebSocket they stay what they are.
    ///
    /// On a connection that [`seals`](Self::seals), frames carry numbers: everything that this, [`seal_frame`](Self::seal_frame),
    /// [`transmit`](Self::transmit), [`put_subscribe`](Self::put_subscribe) and [`put_cancel`](Self::put_cancel) give must
    /// be written in the order in which they were called, without gaps.
    ///
    /// A frame that is not whole ends the work there: it is a mistake of the caller's, and nothing of it is written.
    pub fn seal(&mut self, frames: &[u8], out: &mut Vec<u8>) {
        if self.ws.is_none() {
            self.encrypt(frames, out);
            return;
        }
        let mut encrypted = Vec::new();
        let frames = if self.sealer.is_none() {
            frames
        } else {
            self.encrypt(frames, &mut encrypted);
            &encrypted
        };
        if let Some(ws) = &mut self.ws {
            ws.put_frames(frames, out);
        }
    }

    fn encrypt(&mut self, frames: &[u8], out: &mut Vec<u8>) {
        let Some(sealer) = &mut self.sealer else {
            out.extend_from_slice(frames);
            return;
        };
        let mut rest = frames;
        while let Ok(Some(header)) = parse_header(Framing::V2, rest) {
            let body = rest.get(header.header_len..).zip(usize::try_from(header.body_len).ok());
            let Some((body, after)) = body.and_then(|(rest, len)| rest.split_at_checked(len)) else { break };
            sealer.seal(header.more, header.command, body, out);
            rest = after;
        }
    }

    /// Appends the wire form of one message frame whose body stands elsewhere than its header. See [`seal`](Self::seal).
    pub fn seal_frame(&mut self, more: bool, body: &[u8], out: &mut Vec<u8>) {
        match (&mut self.sealer, &mut self.ws) {
            (Some(sealer), None) => sealer.seal(more, false, body, out),
            (Some(sealer), Some(ws)) => {
                let mut encrypted = Vec::new();
                sealer.seal(more, false, body, &mut encrypted);
                ws.put_frames(&encrypted, out);
            }
            (None, Some(ws)) => ws.put_frame(more, body, out),
            (None, None) => {
                Framing::V2.put_header(out, body.len(), more);
                out.extend_from_slice(body);
            }
        }
    }

    /// Returns whether the handshake is done and the connection is not closed.
    #[inline]
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, State::Traffic(_))
    }

    /// Returns what is known of the peer: from [`Event::Ready`] on, and also after an error that came later.
    #[inline]
    #[must_use]
    pub fn peer(&self) -> Option<&PeerInfo> {
        self.peer.as_deref()
    }

    /// Returns the frame format to write messages in. Before [`Event::Ready`] this is a guess, which
    /// [`transcode_v2_to_v1`](crate::transcode_v2_to_v1) mends if it was wrong.
    #[inline]
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.peer.as_deref().map_or(Framing::V2, |peer| peer.version.framing())
    }

    /// Appends a subscription to `topic`, as this peer understands it: a SUBSCRIBE command for ZMTP 3.1, else the
    /// message of 29/PUBSUB, which is also right as long as the peer is not known. A DISH joins the group `topic`.
    pub fn put_subscribe(&mut self, topic: &[u8], out: &mut Vec<u8>) {
        self.put_subscription(command::SUBSCRIBE, traffic::LEGACY_SUBSCRIBE, topic, out);
    }

    /// Appends the end of a subscription to `topic`: a CANCEL command for ZMTP 3.1, else the message of 29/PUBSUB.
    /// A DISH leaves the group `topic`.
    pub fn put_cancel(&mut self, topic: &[u8], out: &mut Vec<u8>) {
        self.put_subscription(command::CANCEL, traffic::LEGACY_CANCEL, topic, out);
    }

    fn put_subscription(&mut self, name: &[u8], legacy: u8, topic: &[u8], out: &mut Vec<u8>) {
        if self.seals() {
            let mut frame = Vec::new();
            self.put_plain_subscription(name, legacy, topic, &mut frame);
            self.seal(&frame, out);
        } else {
            self.put_plain_subscription(name, legacy, topic, out);
        }
    }

    fn put_plain_subscription(&self, name: &[u8], legacy: u8, topic: &[u8], out: &mut Vec<u8>) {
        if self.config.socket_type == SocketType::Dish {
            // Peers older than ZMTP 3.0, which have no commands, cannot be told: no RADIO is that old.
            if self.peer.as_deref().is_none_or(|peer| peer.version >= Version::V3_0) {
                let name = if legacy == traffic::LEGACY_SUBSCRIBE { command::JOIN } else { command::LEAVE };
                put_command(out, name, topic);
            }
            return;
        }
        if self.peer.as_deref().is_some_and(|peer| peer.version >= Version::V3_1) {
            put_command(out, name, topic);
        } else {
            self.framing().put_header(out, topic.len().saturating_add(1), false);
            out.push(legacy);
            out.extend_from_slice(topic);
        }
    }

    /// Returns whether no part of an unfinished multipart message is held here.
    #[inline]
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        match &self.state {
            State::Traffic(traffic) => traffic.is_between_messages(),
            _ => true,
        }
    }

    /// Starts the heartbeat, if one is configured and the peer's version has it. To be called at [`Event::Ready`].
    pub fn start_timers(&mut self, now: Instant) {
        if let State::Traffic(traffic) = &mut self.state {
            traffic.timers.start(now);
        }
    }

    /// Notes that octets of any kind arrived: the peer lives.
    #[inline]
    pub const fn note_received(&mut self, now: Instant) {
        if let State::Traffic(traffic) = &mut self.state {
            traffic.timers.note_received(now);
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout) next: the earliest of our next PING, the time by
    /// which the peer has to answer the last one, and the end of the peer's time to live. `None`: not at all for now.
    #[must_use]
    pub fn timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Traffic(traffic) => traffic.timers.next(),
            _ => None,
        }
    }

    /// Does what is due at `now`: may queue a PING for [`transmit`](Self::transmit). Too early a call does nothing.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::HeartbeatTimeout`] and [`ProtocolError::PeerTtlExpired`] when the peer was silent for too long;
    /// on a closed connection, what closed it.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        let result = match &mut self.state {
            State::Traffic(traffic) => match &mut self.ws {
                None => traffic.timers.handle(now, &mut self.control),
                Some(ws) => {
                    // A WebSocket has pings of its own, which every browser answers.
                    let mut ping = Vec::new();
                    traffic.timers.handle(now, &mut ping).map(|()| {
                        if !ping.is_empty() {
                            ws.put_ping();
                        }
                    })
                }
            },
            State::Closed(violation) => return Err(violation.clone()),
            _ => Ok(()),
        };
        if let Err(violation) = &result {
            self.close(violation.clone());
        }
        result
    }
}
