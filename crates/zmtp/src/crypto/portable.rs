//! Boxes by crates that need no vector instructions; Poly1305 uses them where they pay.

use orion::hazardous::mac::poly1305::{OneTimeKey, Poly1305 as ShortPoly1305};
use poly1305::universal_hash::{KeyInit, UniversalHash};
use poly1305::{Block, Poly1305};
use salsa20::Salsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use super::{KEY_LEN, MAC_LEN, NONCE_TAIL_LEN, hash, is_equal};

/// Octets from which on a proof is faster by vector instructions. Their set-up costs some 1.3 µs, a proof of 64 octets without
/// them a tenth of that.
const VECTORS_MIN: usize = 2048;

/// A box key for one role, which is the first 16 octets of the nonce: XSalsa20 hashes them into the key, and to do that
/// once is enough.
pub(crate) struct RoleKey(Zeroizing<[u8; KEY_LEN]>);

impl RoleKey {
    /// Takes the key of a box, and the first 16 octets of its nonces.
    pub(crate) fn new(key: &[u8; KEY_LEN], prefix: &[u8; 16]) -> Self {
        Self(hash(key, prefix))
    }

    /// Returns the cipher behind the octets that key the proof, and the proof's key.
    fn begin(&self, tail: &[u8; NONCE_TAIL_LEN]) -> (Salsa20, Zeroizing<[u8; KEY_LEN]>) {
        let mut cipher = Salsa20::new((&*self.0).into(), tail.into());
        let mut first = Zeroizing::new([0; KEY_LEN]);
        cipher.apply_keystream(&mut *first);
        (cipher, first)
    }

    /// Encrypts in place; returns what proves it.
    pub(crate) fn seal(&self, tail: &[u8; NONCE_TAIL_LEN], text: &mut [u8]) -> [u8; MAC_LEN] {
        let (mut cipher, key) = self.begin(tail);
        cipher.apply_keystream(text);
        authenticator(&key, text)
    }

    /// Decrypts in place if the proof holds; tells whether it does.
    #[must_use]
    pub(crate) fn open(&self, tail: &[u8; NONCE_TAIL_LEN], mac: &[u8; MAC_LEN], text: &mut [u8]) -> bool {
        let (mut cipher, key) = self.begin(tail);
        let holds = is_equal(&authenticator(&key, text), mac);
        if holds {
            cipher.apply_keystream(text);
        }
        holds
    }
}

fn authenticator(key: &[u8; KEY_LEN], text: &[u8]) -> [u8; MAC_LEN] {
    let short = if text.len() < VECTORS_MIN { plain_authenticator(key, text) } else { None };
    short.unwrap_or_else(|| vector_authenticator(key, text))
}

/// The proof without vector instructions; `None` would be for one that is continued after its end.
fn plain_authenticator(key: &[u8; KEY_LEN], text: &[u8]) -> Option<[u8; MAC_LEN]> {
    let tag = ShortPoly1305::poly1305(&OneTimeKey::from(*key), text).ok()?;
    tag.unprotected_as_ref::<[u8]>().try_into().ok()
}

/// The same by vector instructions, where there are any.
fn vector_authenticator(key: &[u8; KEY_LEN], text: &[u8]) -> [u8; MAC_LEN] {
    let mut poly = Poly1305::new(key.into());
    // Whole blocks at once, and not through the buffer for single ones.
    let (blocks, rest) = Block::slice_as_chunks(text);
    poly.update(blocks);
    poly.compute_unpadded(rest).into()
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;

    /// Both proofs are the same, whatever the length.
    #[test]
    fn proofs_of_short_and_of_long_texts() {
        let key = random::<KEY_LEN>().expect("randomness");
        let text: Vec<u8> = (0..=u8::MAX).cycle().take(2 * VECTORS_MIN).collect();
        let lengths = (0..300).chain(VECTORS_MIN - 70..VECTORS_MIN + 70);
        for part in lengths.filter_map(|len| text.get(..len)) {
            let proof = vector_authenticator(&key, part);
            assert_eq!(plain_authenticator(&key, part), Some(proof), "{} octets", part.len());
            assert_eq!(authenticator(&key, part), proof, "{} octets", part.len());
        }
    }
}
