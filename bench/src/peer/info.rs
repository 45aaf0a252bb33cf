//! The textbook's Protobuf message, encoded and decoded by hand so that both libraries carry the same load.
//!
//! ```proto
//! message Info { string date = 1; int32 id = 2; repeated Message messages = 3; }
//! message Message { string text = 1; MessageType type = 2; }
//! ```

use crate::failure::{Failure, Outcome};

/// What stands for the end of the stream.
pub(super) const END: &[u8] = b"END";
const DATE: &[u8] = b"10.10.2023";
const TEXT: &[u8] = b"Hello, ZMQ & Proto";

/// Encodes the message with this id: 40 bytes once the id needs three.
pub(super) fn encode(out: &mut Vec<u8>, id: u32) {
    out.clear();
    put_bytes(out, 1, DATE);
    put_varint(out, 2, id);
    // The nested message: a string and a one-byte varint.
    out.push(3 << 3 | 2);
    out.push(TEXT.len() as u8 + 4);
    put_bytes(out, 1, TEXT);
    put_varint(out, 2, 1);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, field: u8, mut value: u32) {
    out.push(field << 3);
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Decodes a message, checks its texts and returns its id.
pub(super) fn decode(mut body: &[u8]) -> Outcome<u32> {
    let (mut id, mut date, mut text) = (None, false, false);
    while !body.is_empty() {
        match take_varint(&mut body)? {
            0x0a => date = take_bytes(&mut body)? == DATE,
            0x10 => id = Some(take_varint(&mut body)?),
            0x1a => {
                let mut nested = take_bytes(&mut body)?;
                while !nested.is_empty() {
                    match take_varint(&mut nested)? {
                        0x0a => text = take_bytes(&mut nested)? == TEXT,
                        0x10 => drop(take_varint(&mut nested)?),
                        _ => return Err(bad()),
                    }
                }
            }
            _ => return Err(bad()),
        }
    }
    id.filter(|_| date && text).ok_or_else(bad)
}

fn take_bytes<'a>(body: &mut &'a [u8]) -> Outcome<&'a [u8]> {
    let len = take_varint(body)? as usize;
    let (bytes, rest) = body.split_at_checked(len).ok_or_else(bad)?;
    *body = rest;
    Ok(bytes)
}

fn take_varint(body: &mut &[u8]) -> Outcome<u32> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = body.split_first().ok_or_else(bad)?;
        *body = rest;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(bad())
}

#[cold]
fn bad() -> Failure {
    Failure::new("not the Info that was sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut body = Vec::new();
        for id in [0, 1, 127, 128, 16_384, 999_999, u32::MAX] {
            encode(&mut body, id);
            assert_eq!(decode(&body).ok(), Some(id));
        }
        encode(&mut body, 999_999);
        assert_eq!(body.len(), 40);
        for len in 0..body.len() {
            assert!(decode(&body[..len]).is_err(), "cut to {len} bytes");
        }
    }
}
