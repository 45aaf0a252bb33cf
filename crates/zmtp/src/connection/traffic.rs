//! Traffic: messages and commands after the handshake.

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, BytesMut};

use super::command::{self, Command};
use super::config::Config;
use super::event::Event;
use super::heartbeat::{self, Timers};
use super::seal::{self, Opener};
use crate::error::ProtocolError;
use crate::frame::{FRAME_INLINE_MAX, Frame};
use crate::framing::{FrameHeader, Framing, Version, parse_header, widen};
use crate::message::Message;
use crate::socket_type::SocketType;

//= 48/RADIO-DISH, group
//# Length MUST be between 0 to 255 bytes.
/// Octets of the longest group that a DISH joins and a RADIO sends to.
pub const GROUP_LEN_MAX: usize = 255;

/// Shortest body, in octets, that is split off the input instead of copied. Below, a copy costs less than the shared
/// reference, and pins nothing.
pub const SLICE_MIN: usize = 512;

const _: () = assert!(SLICE_MIN > FRAME_INLINE_MAX);

/// Frames of the longest message that is taken in one go.
const PARTS_MAX: usize = 4;

//= 15/ZMTP, Publish-Subscribe
//# A SUB socket sends a subscription message as one byte %x01 followed by the subscription body, and unsubscription
//# messages as one byte %x00 followed by the subscription body.
pub(super) const LEGACY_SUBSCRIBE: u8 = 1;
pub(super) const LEGACY_CANCEL: u8 = 0;

/// The handshake is done.
#[derive(Debug)]
pub(super) struct Traffic {
    version: Version,
    /// Decrypts what arrives; `None` if it is not encrypted.
    opener: Option<Box<Opener>>,
    /// Whether a short last frame is a message as it stands: no parts are held, none is a subscription, nothing is
    /// encrypted, and the framing is that of ZMTP 2.0 and later.
    direct: bool,
    /// The frames come within other ones, which the connection's shortest way does not know.
    enclosed: bool,
    /// Octets up to which such a frame is held in place, and within `max_message_size`.
    inline_max: u8,
    /// Octets of the longest frame with a short header that is within `max_message_size`.
    short_max: u8,
    /// The frames so far of a multipart message.
    parts: VecDeque<Frame>,
    pub(super) timers: Timers,
}

impl Traffic {
    pub(super) fn new(
        config: &Config,
        version: Version,
        opener: Option<Box<Opener>>,
        enclosed: bool,
    ) -> Self {
        let short_max = config.max_message_size.and_then(|max| u8::try_from(max).ok()).unwrap_or(u8::MAX);
        let heartbeat = config.heartbeat.filter(|_| version >= Version::V3_0);
        Self {
            version,
            direct: opener.is_none() && !enclosed && is_direct(config, version),
            enclosed,
            opener,
            // Lossless: see the assertion beside the constant.
            inline_max: short_max.min(FRAME_INLINE_MAX as u8),
            short_max,
            parts: VecDeque::new(),
            timers: Timers::new(heartbeat),
        }
    }

    /// Returns whether a short frame of ZMTP 2.0 and later, with flags of zero, is to be delivered as a message at once.
    #[inline]
    pub(super) const fn is_inline_message(&self, body_len: u8) -> bool {
        self.direct && body_len <= self.inline_max
    }

    /// Takes a message of several frames off the front of `input`, if it is all there and all but the last are short; `false`,
    /// and no change, in all other cases.
    pub(super) fn receive_parts(&self, config: &Config, input: &mut BytesMut, message: &mut Message) -> bool {
        if !self.direct {
            return false;
        }
        // Where bodies begin and how long they are.
        let mut places = [(0, 0); PARTS_MAX];
        let (mut count, mut at) = (0, 0);
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let (start, len, more) = match *rest {
                [more @ (0 | 1), len, ..] if len <= self.inline_max => (at + 2, usize::from(len), more == 1),
                // A long one, which has to be the last.
                _ => match parse_header(Framing::V2, rest) {
                    Ok(Some(FrameHeader { body_len, more: false, command: false, header_len })) => {
                        let Ok(end) = end_within(config.max_message_size, body_len, 0) else { return false };
                        (at + header_len, end, false)
                    }
                    _ => return false,
                },
            };
            let Some(end) = start.checked_add(len).filter(|end| *end <= input.len()) else { return false };
            let Some(place) = places.get_mut(count) else { return false };
            *place = (start, len);
            (count, at) = (count + 1, end);
            if !more {
                break;
            }
        }
        if count > config.limits.frames_max {
            return false;
        }
        let [(start, len), rest @ ..] = &places;
        let octets = |start: usize| input.get(start..).unwrap_or_default();
        if !message.set_inline(octets(*start), *len) {
            return false;
        }
        for &(start, len) in rest.iter().take(count - 1) {
            if len <= FRAME_INLINE_MAX {
                message.push_inline(octets(start), len);
                continue;
            }
            // The last one.
            if len < SLICE_MIN {
                message.push_back(Frame::copy_from(octets(start).get(..len).unwrap_or_default()));
                break;
            }
            input.advance(start);
            message.push_back(Frame::from_bytes(input.split_to(len).freeze()));
            return true;
        }
        input.advance(at);
        true
    }

    /// Finds the `N` short frames of the message at the front of `input`, and what is behind it; `None` if it is another one, or
    /// not all there.
    #[inline]
    pub(super) fn find_parts<'a, const N: usize>(
        &self,
        config: &Config,
        input: &'a [u8],
    ) -> Option<([&'a [u8]; N], &'a [u8])> {
        if !self.direct || N > config.limits.frames_max {
            return None;
        }
        let (mut frames, mut rest) = ([&[][..]; N], input);
        for (index, frame) in frames.iter_mut().enumerate() {
            let (&[flags, len], after) = rest.split_first_chunk()?;
            if flags != u8::from(index + 1 < N) || len > self.short_max {
                return None;
            }
            (*frame, rest) = after.split_at_checked(usize::from(len))?;
        }
        Some((frames, rest))
    }

    pub(super) fn is_between_messages(&self) -> bool {
        self.parts.is_empty()
    }

    #[cfg(test)]
    pub(super) fn held_frames(&self) -> usize {
        self.parts.len()
    }

    /// See [`Connection::receive`](super::Connection::receive).
    pub(super) fn receive(
        &mut self,
        config: &Config,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        wanted: &mut usize,
    ) -> Result<Option<Event>, ProtocolError> {
        loop {
            let Some(header) = parse_header(self.version.framing(), input)? else { return Ok(None) };
            let FrameHeader { body_len, more, command, header_len } = header;
            if command && self.version < Version::V3_0 {
                return Err(ProtocolError::ReservedFlags {
                    flags: input.first().copied().unwrap_or_default(),
                });
            }
            let limit = |command| {
                if command { Some(config.limits.command_bytes_max) } else { config.max_message_size }
            };
            let end = match &self.opener {
                None => end_within(limit(command), body_len, header_len)?,
                // What an encrypted frame is, is known when it is opened: the larger limit counts until then.
                Some(_) => {
                    let limit = limit(false).map(|max| max.max(config.limits.command_bytes_max));
                    let overhead = widen(seal::OVERHEAD);
                    end_within(limit.map(|max| max.saturating_add(overhead)), body_len, header_len)?
                }
            };
            if input.len() < end {
                *wanted = end.saturating_sub(input.len());
                return Ok(None);
            }
            let (more, command, start) = match &mut self.opener {
                None => (more, command, header_len),
                Some(opener) => {
                    let opened = opener.open(input.get_mut(header_len..end).unwrap_or_default())?;
                    let start = header_len + seal::OVERHEAD;
                    end_within(limit(opened.command), widen(end.saturating_sub(start)), 0)?;
                    (opened.more && !opened.command, opened.command, start)
                }
            };
            let body = input.get(start..end).unwrap_or_default();
            if command {
                // Also between the parts of a message: libzmq sends its heartbeat there.
                let event = self.command(config, body, out)?;
                input.advance(end);
                match event {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            if self.parts.is_empty()
                && !more
                && serves_topics(config)
                && let Some(event) = legacy_subscription(body)
            {
                input.advance(end);
                return Ok(Some(event));
            }
            if self.parts.len() >= config.limits.frames_max {
                return Err(ProtocolError::TooManyFrames { limit: config.limits.frames_max });
            }
            let frame = if body.len() < SLICE_MIN {
                let frame = Frame::copy_from(body);
                input.advance(end);
                frame
            } else {
                let len = body.len();
                input.advance(start);
                Frame::from_bytes(input.split_to(len).freeze())
            };
            if let Some(message) = self.add(config, frame, more) {
                return Ok(Some(Event::Message(message)));
            }
        }
    }

    /// Adds a frame to the message and returns that when it is whole.
    fn add(&mut self, config: &Config, frame: Frame, more: bool) -> Option<Message> {
        if more {
            self.parts.push_back(frame);
            self.direct = false;
            return None;
        }
        if self.parts.is_empty() {
            return Some(Message::single(frame));
        }
        self.parts.push_back(frame);
        let message = Message::try_from(mem::take(&mut self.parts)).ok();
        self.direct = self.opener.is_none() && !self.enclosed && is_direct(config, self.version);
        message
    }

    fn command(
        &mut self,
        config: &Config,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ProtocolError> {
        // Unknown commands are extensions for others, and an empty one says nothing: both are passed over, as libzmq
        // does.
        let Some(command) = Command::parse(body)? else { return Ok(None) };
        match command.name {
            command::PING => {
                let answer = out.len() < config.limits.control_bytes_max;
                self.timers.ping(command.data, answer, out)?;
            }
            command::PONG => heartbeat::pong(command.data)?,
            command::ERROR => return Err(command.peer_error()),
            command::SUBSCRIBE if serves_topics(config) => {
                return Ok(Some(Event::Subscribe(command.data.into())));
            }
            command::CANCEL if serves_topics(config) => {
                return Ok(Some(Event::Cancel(command.data.into())));
            }
            command::JOIN if config.socket_type == SocketType::Radio => {
                return Ok(Some(Event::Subscribe(group(command)?)));
            }
            command::LEAVE if config.socket_type == SocketType::Radio => {
                return Ok(Some(Event::Cancel(group(command)?)));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// Returns [`Traffic::direct`] for when no parts are held.
fn is_direct(config: &Config, version: Version) -> bool {
    version.framing() == Framing::V2 && !serves_topics(config) && config.limits.frames_max > 0
}

/// Returns whether the peer's messages may be subscriptions.
fn serves_topics(config: &Config) -> bool {
    matches!(config.socket_type, SocketType::Pub | SocketType::XPub)
}

/// Returns the group that a JOIN or LEAVE names.
fn group(command: Command<'_>) -> Result<Frame, ProtocolError> {
    if command.data.len() > GROUP_LEN_MAX {
        return Err(command::malformed(command.name, "the group is longer than 255 octets"));
    }
    Ok(command.data.into())
}

/// Returns where the frame ends that begins the input.
#[inline]
fn end_within(limit: Option<u64>, body_len: u64, header_len: usize) -> Result<usize, ProtocolError> {
    let limit = limit.unwrap_or(u64::MAX);
    // What cannot be addressed cannot be taken either.
    usize::try_from(body_len)
        .ok()
        .filter(|_| body_len <= limit)
        .and_then(|len| header_len.checked_add(len))
        .ok_or(ProtocolError::MessageTooLarge { size: body_len, limit })
}

fn legacy_subscription(body: &[u8]) -> Option<Event> {
    match body {
        [LEGACY_SUBSCRIBE, topic @ ..] => Some(Event::Subscribe(topic.into())),
        [LEGACY_CANCEL, topic @ ..] => Some(Event::Cancel(topic.into())),
        _ => None,
    }
}
