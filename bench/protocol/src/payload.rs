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
