//! Versions and frame headers: 13/ZMTP for version 1.0, 15/ZMTP and 37/ZMTP for the others.

use std::fmt;

use bytes::BytesMut;

use crate::error::ProtocolError;

/// A version of ZMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// ZMTP 1.0 (13/ZMTP): the 2.x generation of libzmq.
    V1_0,
    /// ZMTP 2.0 (15/ZMTP): libzmq 3.x.
    V2_0,
    /// ZMTP 3.0 (23/ZMTP): security mechanisms and metadata.
    V3_0,
    /// ZMTP 3.1 (37/ZMTP): heartbeats, and subscriptions as commands.
    V3_1,
}

impl Version {
    /// Returns the frame format of this version.
    #[must_use]
    pub const fn framing(self) -> Framing {
        match self {
            Self::V1_0 => Framing::V1,
            Self::V2_0 | Self::V3_0 | Self::V3_1 => Framing::V2,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1_0 => "1.0",
            Self::V2_0 => "2.0",
            Self::V3_0 => "3.0",
            Self::V3_1 => "3.1",
        })
    }
}

/// A frame format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Of ZMTP 1.0: the length, which counts the flags, comes first.
    V1,
    /// Of ZMTP 2.0, 3.0 and 3.1: the flags come first.
    V2,
}

/// Length in octets of the longest frame header: a long frame's of ZMTP 1.0.
pub const FRAME_HEADER_MAX: usize = 10;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
/// In ZMTP 1.0 this in place of a short length says that a long one follows.
const V1_LONG: u8 = 0xFF;

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Octets of the body, as the peer claims: at most 2⁶³ − 1.
    pub body_len: u64,
    /// Whether more frames of the same message follow.
    pub more: bool,
    /// Whether the body is a command.
    pub command: bool,
    /// Octets of the header itself.
    pub header_len: usize,
}

impl Framing {
    /// Appends the header of a message frame whose body of `body_len` octets the caller appends next.
    #[inline]
    pub fn put_header(self, out: &mut Vec<u8>, body_len: usize, more: bool) {
        let more = u8::from(more);
        match self {
            Self::V2 => match u8::try_from(body_len) {
                Ok(len) => out.extend_from_slice(&[more, len]),
                Err(_) => put_long(out, &[more | LONG], widen(body_len), &[]),
            },
            Self::V1 => match u8::try_from(body_len) {
                Ok(len @ ..0xFE) => out.extend_from_slice(&[len + 1, more]),
                _ => put_long(out, &[V1_LONG], widen(body_len).saturating_add(1), &[more]),
            },
        }
    }
}

/// Reads the header at the front of `input`; `None` if more octets are needed to tell.
///
/// # Errors
///
/// [`ProtocolError::ReservedFlags`] and [`ProtocolError::MalformedFrame`], at the earliest octet that shows it.
#[inline]
pub fn parse_header(framing: Framing, input: &[u8]) -> Result<Option<FrameHeader>, ProtocolError> {
    match framing {
        Framing::V2 => parse_v2(input),
        Framing::V1 => match parse_v1(input)? {
            Some((_, flags)) if flags & !MORE != 0 => Err(ProtocolError::ReservedFlags { flags }),
            Some((header, _)) => Ok(Some(header)),
            None => Ok(None),
        },
    }
}

#[inline]
fn parse_v2(input: &[u8]) -> Result<Option<FrameHeader>, ProtocolError> {
    let [flags, rest @ ..] = input else { return Ok(None) };
    let flags = *flags;
    //= 37/ZMTP, Framing
    //# Bits 7-3 are reserved for future use and MUST be zero.
    if flags & !(MORE | LONG | COMMAND) != 0 {
        return Err(ProtocolError::ReservedFlags { flags });
    }
    let (more, command) = (flags & MORE != 0, flags & COMMAND != 0);
    //= 37/ZMTP, Framing
    //# This bit SHALL be zero on command frames.
    if more && command {
        return Err(ProtocolError::MalformedFrame("a command that says more frames follow"));
    }
    let (body_len, header_len) = if flags & LONG == 0 {
        let [len, ..] = rest else { return Ok(None) };
        (u64::from(*len), 2)
    } else {
        let Some(len) = rest.first_chunk() else { return Ok(None) };
        (long_len(*len)?, 9)
    };
    Ok(Some(FrameHeader { body_len, more, command, header_len }))
}

/// Reads a header of ZMTP 1.0 and returns the flags with it, unchecked: an identity's are never validated.
pub(crate) fn parse_v1(input: &[u8]) -> Result<Option<(FrameHeader, u8)>, ProtocolError> {
    let (len, flags, header_len) = match input {
        [V1_LONG, rest @ ..] => {
            let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (long_len(*len)?, rest.first(), 10)
        }
        [len, rest @ ..] => (u64::from(*len), rest.first(), 2),
        [] => return Ok(None),
    };
    // The RFC would have such frames discarded, but no peer sends them: it is a sign that the stream is no ZMTP.
    let Some(body_len) = len.checked_sub(1) else {
        return Err(ProtocolError::MalformedFrame("a length of 0, which does not even count the flags"));
    };
    let Some(&flags) = flags else { return Ok(None) };
    Ok(Some((FrameHeader { body_len, more: flags & MORE != 0, command: false, header_len }, flags)))
}

fn long_len(octets: [u8; 8]) -> Result<u64, ProtocolError> {
    //= 37/ZMTP, Framing
    //# A long frame has a body of 0 to 2^63-1 octets.
    let len = u64::from_be_bytes(octets);
    if len >> 63 == 0 { Ok(len) } else { Err(ProtocolError::MalformedFrame("a length over 2^63 - 1 octets")) }
}

fn put_long(out: &mut Vec<u8>, before: &[u8], len: u64, after: &[u8]) {
    out.extend_from_slice(before);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(after);
}

/// Appends the header of a frame of ZMTP 2.0 and later, be it of a command.
pub(crate) fn put_v2_header(out: &mut BytesMut, body_len: u64, more: bool, command: bool) {
    let flags = if more { MORE } else { 0 } | if command { COMMAND } else { 0 };
    match u8::try_from(body_len) {
        Ok(len) => out.extend_from_slice(&[flags, len]),
        Err(_) => {
            out.extend_from_slice(&[flags | LONG]);
            out.extend_from_slice(&body_len.to_be_bytes());
        }
    }
}

/// Appends a whole command frame of ZMTP 3.x. Of `name` at most 255 octets are used.
pub fn put_command(out: &mut Vec<u8>, name: &[u8], body: &[u8]) {
    let (name_len, name) = match u8::try_from(name.len()) {
        Ok(len) => (len, name),
        Err(_) => (u8::MAX, name.get(..usize::from(u8::MAX)).unwrap_or(name)),
    };
    let len = 1 + name.len() + body.len();
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[COMMAND, len]),
        Err(_) => put_long(out, &[COMMAND | LONG], widen(len), &[]),
    }
    out.push(name_len);
    out.extend_from_slice(name);
    out.extend_from_slice(body);
}

/// Rewrites whole message frames from the format of ZMTP 2.0 and later to that of ZMTP 1.0, for what was queued before
/// the peer turned out to be so old. Commands, which ZMTP 1.0 does not have, are left out.
///
/// Returns `None` if `bytes` is not a whole number of well-formed frames.
#[must_use]
pub fn transcode_v2_to_v1(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let header = parse_v2(bytes).ok()??;
        let body_len = usize::try_from(header.body_len).ok()?;
        let (body, rest) = bytes.get(header.header_len..)?.split_at_checked(body_len)?;
        if !header.command {
            Framing::V1.put_header(&mut out, body_len, header.more);
            out.extend_from_slice(body);
        }
        bytes = rest;
    }
    Some(out)
}

/// Lossless on every machine Rust knows: no `usize` is wider than 64 bits.
pub(crate) fn widen(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use Framing::{V1, V2};
    use ProtocolError::{MalformedFrame, ReservedFlags};
    use proptest::prelude::*;

    use super::*;

    fn header(body_len: u64, more: bool, command: bool, header_len: usize) -> Option<FrameHeader> {
        Some(FrameHeader { body_len, more, command, header_len })
    }

    #[test]
    fn headers_of_zmtp_2_and_later() {
        let table: &[(&[u8], Option<FrameHeader>)] = &[
            (&[], None),
            (&[0], None),
            (&[0, 0], header(0, false, false, 2)),
            (&[0, 255], header(255, false, false, 2)),
            (&[1, 5, 9, 9], header(5, true, false, 2)),
            (&[4, 5], header(5, false, true, 2)),
            (&[2, 0, 0, 0, 0, 0, 0, 1], None),
            (&[2, 0, 0, 0, 0, 0, 0, 1, 0], header(256, false, false, 9)),
            (&[2, 0, 0, 0, 0, 0, 0, 0, 3], header(3, false, false, 9)),
            (&[3, 0, 0, 0, 0, 0, 1, 0, 0], header(65536, true, false, 9)),
            (&[6, 0, 0, 0, 0, 0, 0, 0, 1], header(1, false, true, 9)),
            (&[2, 0x7F, 255, 255, 255, 255, 255, 255, 255], header(i64::MAX as u64, false, false, 9)),
        ];
        for (input, expected) in table {
            assert_eq!(parse_header(V2, input).as_ref(), Ok(expected), "{input:?}");
        }
        for flags in 8..=255 {
            assert_eq!(parse_header(V2, &[flags]), Err(ReservedFlags { flags }));
        }
        for flags in [5, 7] {
            assert!(matches!(parse_header(V2, &[flags]), Err(MalformedFrame(_))));
        }
        assert!(matches!(parse_header(V2, &[2, 0x80, 0, 0, 0, 0, 0, 0, 0]), Err(MalformedFrame(_))));
    }

    #[test]
    fn headers_of_zmtp_1() {
        let table: &[(&[u8], Option<FrameHeader>)] = &[
            (&[], None),
            (&[1], None),
            (&[1, 0], header(0, false, false, 2)),
            (&[254, 1], header(253, true, false, 2)),
            (&[255, 0, 0, 0, 0, 0, 0, 0], None),
            (&[255, 0, 0, 0, 0, 0, 0, 0, 255], None),
            (&[255, 0, 0, 0, 0, 0, 0, 0, 255, 0], header(254, false, false, 10)),
            (&[255, 0, 0, 0, 0, 0, 0, 0, 1, 1], header(0, true, false, 10)),
        ];
        for (input, expected) in table {
            assert_eq!(parse_header(V1, input).as_ref(), Ok(expected), "{input:?}");
        }
        assert!(matches!(parse_header(V1, &[0]), Err(MalformedFrame(_))));
        assert!(matches!(parse_header(V1, &[255, 0, 0, 0, 0, 0, 0, 0, 0]), Err(MalformedFrame(_))));
        assert!(matches!(parse_header(V1, &[255, 0x80, 0, 0, 0, 0, 0, 0, 0]), Err(MalformedFrame(_))));
        assert_eq!(parse_header(V1, &[3, 2]), Err(ReservedFlags { flags: 2 }));
    }

    #[test]
    fn commands_are_short_up_to_255_octets() {
        let mut out = Vec::new();
        put_command(&mut out, b"PING", &[0, 1]);
        assert_eq!(out, b"\x04\x07\x04PING\x00\x01");
        for (body_len, header_len) in [(250, 2), (251, 9)] {
            out.clear();
            put_command(&mut out, b"PONG", &vec![0; body_len]);
            let expected = header(widen(body_len) + 5, false, true, header_len);
            assert_eq!(parse_header(V2, &out), Ok(expected));
            assert_eq!(out.len(), header_len + 5 + body_len);
        }
        out.clear();
        put_command(&mut out, &[b'x'; 300], b"");
        assert_eq!(parse_header(V2, &out), Ok(header(256, false, true, 9)));
        assert_eq!(out.get(9), Some(&255));
    }

    #[test]
    fn transcoding_refuses_parts_of_frames() {
        let mut whole = Vec::new();
        V2.put_header(&mut whole, 3, true);
        whole.extend(b"abc");
        put_command(&mut whole, b"SUBSCRIBE", b"");
        V2.put_header(&mut whole, 0, false);
        assert_eq!(transcode_v2_to_v1(&whole), Some(b"\x04\x01abc\x01\x00".to_vec()));
        assert_eq!(transcode_v2_to_v1(b""), Some(Vec::new()));
        let ends = [0, 5, 5 + 12, whole.len()];
        for cut in 0..whole.len() {
            let result = transcode_v2_to_v1(whole.get(..cut).expect("within"));
            assert_eq!(result.is_some(), ends.contains(&cut), "{cut}");
        }
        assert_eq!(transcode_v2_to_v1(&[8, 0]), None);
    }

    #[test]
    fn versions_are_ordered_and_print_as_numbers() {
        let all = [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1];
        assert!(all.is_sorted());
        assert_eq!(all.map(|version| version.to_string()), ["1.0", "2.0", "3.0", "3.1"]);
        assert_eq!(all.map(Version::framing), [V1, V2, V2, V2]);
    }

    fn lengths() -> impl Strategy<Value = usize> {
        prop_oneof![0usize..600, any::<u32>().prop_map(|len| len as usize)]
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_back(v1: bool, body_len in lengths(), more: bool) {
            let framing = if v1 { V1 } else { V2 };
            let mut out = Vec::new();
            framing.put_header(&mut out, body_len, more);
            prop_assert!(out.len() <= FRAME_HEADER_MAX);
            prop_assert_eq!(parse_header(framing, &out), Ok(header(widen(body_len), more, false, out.len())));
            for cut in 0..out.len() {
                prop_assert_eq!(parse_header(framing, out.get(..cut).expect("within")), Ok(None));
            }
        }

        #[test]
        fn transcoding_keeps_every_frame(frames in prop::collection::vec((0usize..400, any::<bool>()), 0..8)) {
            let (mut v2, mut v1) = (Vec::new(), Vec::new());
            for (len, more) in frames {
                for (framing, out) in [(V2, &mut v2), (V1, &mut v1)] {
                    framing.put_header(out, len, more);
                    out.resize(out.len() + len, 0xA5);
                }
            }
            prop_assert_eq!(transcode_v2_to_v1(&v2), Some(v1));
        }

        #[test]
        fn any_octets_are_read_without_panic(v1: bool, input in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(Some(header)) = parse_header(if v1 { V1 } else { V2 }, &input) {
                prop_assert!(header.header_len <= input.len());
                prop_assert!(header.body_len <= i64::MAX as u64);
            }
            let _ = transcode_v2_to_v1(&input);
        }
    }
}
