//! Frames of WebSocket (RFC 6455, section 5) and what stands in them (45/ZWS): headers, masks, and back.

use std::hash::{BuildHasher, RandomState};

use crate::error::ProtocolError;
use crate::framing::{FrameHeader, Framing, parse_header, widen};

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// In place of a length: two or eight octets follow with it.
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;
/// Octets that a control frame may carry.
pub(super) const CONTROL_MAX: usize = 125;

const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// All zeros if the frame is not masked.
    pub(super) mask: [u8; 4],
    /// Octets of the payload, as the peer claims.
    pub(super) len: u64,
    /// Octets of the header itself.
    pub(super) header_len: usize,
}

/// Reads the header at the front of `input`; `None` if more octets are needed. A client's frames are masked.
///
/// # Errors
///
/// The peer's violation, at the earliest octet that shows it.
pub(super) fn parse(input: &[u8], masked: bool) -> Result<Option<Header>, ProtocolError> {
    let violation = |what| Err(ProtocolError::MalformedFrame(what));
    let [first, rest @ ..] = input else { return Ok(None) };
    //= RFC 6455, section 5.2
    //# MUST be 0 unless an extension is negotiated that defines meanings for non-zero values.
    if first & 0x70 != 0 {
        return violation("a WebSocket frame with reserved bits set");
    }
    if first & FIN == 0 {
        // As libzmq: a message of ZeroMQ is never split there.
        return violation("a WebSocket message in fragments");
    }
    let opcode = match first & 0x0F {
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        0 => return violation("a WebSocket message in fragments"),
        1 => return violation("a WebSocket text message"),
        _ => return violation("a WebSocket frame of unknown type"),
    };
    let [second, rest @ ..] = rest else { return Ok(None) };
    //= RFC 6455, section 5.1
    //# The server MUST close the connection upon receiving a frame that is not masked.
    if (second & MASKED != 0) != masked {
        return violation(if masked {
            "a WebSocket frame from a client without a mask"
        } else {
            "a WebSocket frame from a server with a mask"
        });
    }
    let short = second & !MASKED;
    //= RFC 6455, section 5.5
    //# All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented.
    if opcode != Opcode::Binary && usize::from(short) > CONTROL_MAX {
        return violation("a WebSocket control frame of more than 125 octets");
    }
    let (len, least, len_len) = match short {
        LEN_64 => {
            let Some(len) = rest.first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*len), 0x1_0000, 8)
        }
        LEN_16 => {
            let Some(len) = rest.first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*len)), 126, 2)
        }
        len => (u64::from(len), 0, 0),
    };
    //= RFC 6455, section 5.2
    //# Note that in all cases, the minimal number of bytes MUST be used to encode the length
    if len < least {
        return violation("a WebSocket frame whose length is written longer than need be");
    }
    //= RFC 6455, section 5.2
    //# the most significant bit MUST be 0
    if len >> 63 != 0 {
        return violation("a length over 2^63 - 1 octets");
    }
    let mut header_len = 2 + len_len;
    let mut mask = [0; 4];
    if masked {
        let Some(found) = rest.get(len_len..).and_then(|rest| rest.first_chunk()) else { return Ok(None) };
        mask = *found;
        header_len += 4;
    }
    Ok(Some(Header { opcode, mask, len, header_len }))
}

/// Reads the octet that begins the payload of a binary frame: whether more frames follow, and whether it is a command.
pub(super) fn flags(octet: u8) -> Result<(bool, bool), ProtocolError> {
    if octet & !(MORE | COMMAND) != 0 {
        return Err(ProtocolError::ReservedFlags { flags: octet });
    }
    Ok((octet & MORE != 0, octet & COMMAND != 0))
}

/// Applies a mask in place; `at` is how many octets of the payload stand before these.
pub(super) fn mask(octets: &mut [u8], mask: [u8; 4], at: u64) {
    if mask == [0; 4] {
        return;
    }
    // Below 4, so it fits.
    let turned = usize::try_from(at % 4).unwrap_or(0);
    let mut wide = [0u8; 16];
    for (place, octet) in wide.iter_mut().zip(mask.iter().cycle().skip(turned)) {
        *place = *octet;
    }
    let mut chunks = octets.chunks_exact_mut(wide.len());
    for chunk in &mut chunks {
        chunk.iter_mut().zip(&wide).for_each(|(octet, mask)| *octet ^= mask);
    }
    chunks.into_remainder().iter_mut().zip(&wide).for_each(|(octet, mask)| *octet ^= mask);
}

/// Writes frames: masked ones if it was made with a source of masks.
#[derive(Debug)]
pub(super) struct Writer {
    /// A client's masks are hashes with a random key that nobody else knows.
    masks: Option<RandomState>,
    written: u64,
}

impl Writer {
    pub(super) fn new(masked: bool) -> Self {
        Self { masks: masked.then(RandomState::new), written: 0 }
    }

    //= RFC 6455, section 5.3
    //# The masking key needs to be unpredictable
    fn next_mask(&mut self) -> [u8; 4] {
        let Some(masks) = &self.masks else { return [0; 4] };
        self.written = self.written.wrapping_add(1);
        let [a, b, c, d, ..] = masks.hash_one(self.written).to_be_bytes();
        [a, b, c, d]
    }

    fn put(&mut self, opcode: Opcode, flags: Option<u8>, body: &[u8], out: &mut Vec<u8>) {
        let len = body.len().saturating_add(usize::from(flags.is_some()));
        let masked = if self.masks.is_some() { MASKED } else { 0 };
        out.push(FIN | opcode as u8);
        if let Some(short) = u8::try_from(len).ok().filter(|&len| len < LEN_16) {
            out.push(masked | short);
        } else if let Ok(len) = u16::try_from(len) {
            out.push(masked | LEN_16);
            out.extend_from_slice(&len.to_be_bytes());
        } else {
            out.push(masked | LEN_64);
            out.extend_from_slice(&widen(len).to_be_bytes());
        }
        let key = self.next_mask();
        if masked != 0 {
            out.extend_from_slice(&key);
        }
        let start = out.len();
        out.extend(flags);
        out.extend_from_slice(body);
        mask(out.get_mut(start..).unwrap_or_default(), key, 0);
    }

    /// Appends a control frame; of the body at most 125 octets are used.
    pub(super) fn put_control(&mut self, opcode: Opcode, body: &[u8], out: &mut Vec<u8>) {
        self.put(opcode, None, body.get(..CONTROL_MAX).unwrap_or(body), out);
    }

    /// Appends a frame of ZMTP.
    pub(super) fn put_frame(&mut self, more: bool, command: bool, body: &[u8], out: &mut Vec<u8>) {
        let flags = if more { MORE } else { 0 } | if command { COMMAND } else { 0 };
        self.put(Opcode::Binary, Some(flags), body, out);
    }

    /// Appends whole frames that are given in the format of ZMTP 2.0 and later. One that is not whole ends the work.
    pub(super) fn put_frames(&mut self, mut frames: &[u8], out: &mut Vec<u8>) {
        while let Ok(Some(FrameHeader { body_len, more, command, header_len })) =
            parse_header(Framing::V2, frames)
        {
            let rest = frames.get(header_len..).zip(usize::try_from(body_len).ok());
            let Some((body, after)) = rest.and_then(|(rest, len)| rest.split_at_checked(len)) else { return };
            self.put_frame(more, command, body, out);
            frames = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(input: &[u8], masked: bool) -> String {
        parse(input, masked).expect_err("a violation").to_string()
    }

    #[test]
    fn headers() {
        let header = |opcode, mask, len, header_len| Ok(Some(Header { opcode, mask, len, header_len }));
        let none = [0; 4];
        type Row<'a> = (&'a [u8], bool, Result<Option<Header>, ProtocolError>);
        let table: &[Row<'_>] = &[
            (&[], false, Ok(None)),
            (&[0x82], true, Ok(None)),
            (&[0x82, 0], false, header(Opcode::Binary, none, 0, 2)),
            (&[0x82, 125], false, header(Opcode::Binary, none, 125, 2)),
            (&[0x82, 126, 0], false, Ok(None)),
            (&[0x82, 126, 0, 126], false, header(Opcode::Binary, none, 126, 4)),
            (&[0x82, 126, 255, 255], false, header(Opcode::Binary, none, 65535, 4)),
            (&[0x82, 127, 0, 0, 0, 0, 0, 1, 0], false, Ok(None)),
            (&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], false, header(Opcode::Binary, none, 65536, 10)),
            (&[0x82, 0x81, 1, 2, 3], true, Ok(None)),
            (&[0x82, 0x81, 1, 2, 3, 4], true, header(Opcode::Binary, [1, 2, 3, 4], 1, 6)),
            (&[0x82, 0xFE, 1, 0, 1, 2, 3, 4], true, header(Opcode::Binary, [1, 2, 3, 4], 256, 8)),
            (&[0x88, 2], false, header(Opcode::Close, none, 2, 2)),
            (&[0x89, 0x80, 0, 0, 0, 0], true, header(Opcode::Ping, none, 0, 6)),
            (&[0x8A, 125], false, header(Opcode::Pong, none, 125, 2)),
        ];
        for (input, masked, expected) in table {
            assert_eq!(&parse(input, *masked), expected, "{input:?}");
        }
    }

    #[test]
    fn violations_are_seen_at_once() {
        for bit in [0x10, 0x20, 0x40] {
            assert!(error(&[0x82 | bit], false).contains("reserved bits"));
        }
        for first in [0x02, 0x00, 0x80, 0x08, 0x09] {
            assert!(error(&[first], false).contains("fragments"), "{first}");
        }
        assert!(error(&[0x81], false).contains("text"));
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert!(error(&[0x80 | opcode], false).contains("unknown type"));
        }
        assert!(error(&[0x82, 1], true).contains("without a mask"));
        assert!(error(&[0x82, 0x81], false).contains("with a mask"));
        for opcode in [0x88, 0x89, 0x8A] {
            for len in [126, 127] {
                assert!(error(&[opcode, len], false).contains("125 octets"));
            }
        }
        assert!(error(&[0x82, 126, 0, 125], false).contains("longer than need be"));
        assert!(error(&[0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255], false).contains("longer than need be"));
        assert!(error(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], false).contains("2^63"));
        assert_eq!(flags(3), Ok((true, true)));
        for octet in 4..=255 {
            assert_eq!(flags(octet), Err(ProtocolError::ReservedFlags { flags: octet }));
        }
    }

    #[test]
    fn masks_differ() {
        let mut writer = Writer::new(true);
        let masks: std::collections::HashSet<_> = (0..100).map(|_| writer.next_mask()).collect();
        assert!(masks.len() > 95, "{masks:?}");
        assert_eq!(Writer::new(false).next_mask(), [0; 4]);
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_back(
            masked: bool, more: bool, command: bool,
            len in prop_oneof![0..300usize, 65_400..65_700usize],
        ) {
            let body: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).expect("small")).collect();
            let mut out = Vec::new();
            Writer::new(masked).put_frame(more, command, &body, &mut out);
            let header = parse(&out, masked).expect("no violation").expect("whole");
            prop_assert_eq!(header.opcode, Opcode::Binary);
            prop_assert_eq!(header.len, widen(len + 1));
            let payload = out.get_mut(header.header_len..).expect("within");
            mask(payload, header.mask, 0);
            let (first, rest) = payload.split_first().expect("the flags");
            prop_assert_eq!(flags(*first), Ok((more, command)));
            prop_assert_eq!(rest, body);
        }

        #[test]
        fn masking_in_pieces_is_masking(octets in prop::collection::vec(any::<u8>(), 0..100), key: [u8; 4], cut in 0..100usize) {
            let mut whole = octets.clone();
            mask(&mut whole, key, 0);
            let mut pieces = octets;
            let cut = cut.min(pieces.len());
            let (left, right) = pieces.split_at_mut(cut);
            mask(left, key, 0);
            mask(right, key, widen(cut));
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn any_octets_are_read_without_panic(masked: bool, input in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = parse(&input, masked);
        }
    }
}
