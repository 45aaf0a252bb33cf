//! Bodies of messages that can be checked.

use crate::failure::{Failure, Outcome};

/// A body that carries its number in the first eight bytes.
#[derive(Debug)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// Makes a body of `size` bytes (at least 8).
    pub fn new(size: usize) -> Self {
        Self(vec![0x5a; size.max(8)])
    }

    /// Returns the body with this number.
    #[inline]
    pub fn stamped(&mut self, number: u64) -> &[u8] {
        if let Some(stamp) = self.0.first_chunk_mut() {
            *stamp = number.to_le_bytes();
        }
        &self.0
    }
}

/// A body that carries its number and the time at which it is sent.
#[derive(Debug)]
pub struct TimedPayload(Vec<u8>);

impl TimedPayload {
    /// Makes a body of `size` bytes (at least 16).
    pub fn new(size: usize) -> Self {
        Self(vec![0x5a; size.max(16)])
    }

    /// Returns the body with this number and time.
    #[inline]
    pub fn stamped(&mut self, number: u64, sent_ns: u64) -> &[u8] {
        if let Some((first, rest)) = self.0.split_first_chunk_mut::<8>() {
            *first = number.to_le_bytes();
            if let Some(second) = rest.first_chunk_mut() {
                *second = sent_ns.to_le_bytes();
            }
        }
        &self.0
    }
}

/// Returns when a body says it was sent.
#[inline]
pub fn sent_ns(body: &[u8]) -> Option<u64> {
    let stamp = body.get(8..)?.first_chunk()?;
    Some(u64::from_le_bytes(*stamp))
}

/// Returns a body's number.
#[inline]
pub fn number(body: &[u8]) -> Option<u64> {
    body.first_chunk().map(|stamp| u64::from_le_bytes(*stamp))
}

/// Checks a body's length and number.
#[inline]
pub fn check(body: &[u8], size: usize, number: u64) -> Outcome {
    match body.first_chunk() {
        Some(stamp) if u64::from_le_bytes(*stamp) == number && body.len() == size.max(8) => Ok(()),
        stamp => Err(wrong(body.len(), stamp, size, number)),
    }
}

#[cold]
fn wrong(len: usize, stamp: Option<&[u8; 8]>, size: usize, number: u64) -> Failure {
    let got = stamp.map(|stamp| u64::from_le_bytes(*stamp));
    Failure::new(match got {
        Some(got) if got > number => {
            format!("lost {} messages: expected number {number}, got {got}", got - number)
        }
        Some(got) => format!("expected number {number} of {size} bytes, got number {got} of {len} bytes"),
        None => format!("expected {size} bytes, got {len}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timed_body_has_a_number_and_a_time() {
        let mut payload = TimedPayload::new(64);
        let body = payload.stamped(7, 1_234);
        assert!(check(body, 64, 7).is_ok());
        assert_eq!(sent_ns(body), Some(1_234));
        assert_eq!(sent_ns(&body[..15]), None);
    }
}
