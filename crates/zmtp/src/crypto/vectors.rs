//! Boxes by vector instructions, as far as the processor at hand has any.

use dryoc::classic::crypto_box::{
    crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace,
};
use zeroize::Zeroizing;

use super::{KEY_LEN, MAC_LEN, NONCE_LEN, NONCE_TAIL_LEN};

/// A box key for one role, which is the first 16 octets of the nonce.
pub(crate) struct RoleKey {
    key: Zeroizing<[u8; KEY_LEN]>,
    prefix: [u8; NONCE_LEN - NONCE_TAIL_LEN],
}

impl RoleKey {
    /// Takes the key of a box, and the first 16 octets of its nonces.
    pub(crate) fn new(key: &[u8; KEY_LEN], prefix: &[u8; NONCE_LEN - NONCE_TAIL_LEN]) -> Self {
        Self { key: Zeroizing::new(*key), prefix: *prefix }
    }

    fn nonce(&self, tail: &[u8; NONCE_TAIL_LEN]) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(self.prefix.iter().chain(tail)).for_each(|(place, octet)| *place = *octet);
        nonce
    }

    /// Encrypts in place; returns what proves it.
    pub(crate) fn seal(&self, tail: &[u8; NONCE_TAIL_LEN], text: &mut [u8]) -> [u8; MAC_LEN] {
        let mut mac = [0; MAC_LEN];
        crypto_box_detached_afternm_inplace(text, &mut mac, &self.nonce(tail), &self.key);
        mac
    }

    /// Decrypts in place if the proof holds; tells whether it does.
    #[must_use]
    pub(crate) fn open(&self, tail: &[u8; NONCE_TAIL_LEN], mac: &[u8; MAC_LEN], text: &mut [u8]) -> bool {
        crypto_box_open_detached_afternm_inplace(text, mac, &self.nonce(tail), &self.key).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{portable, random};
    use super::*;

    /// What one way seals the other opens, whatever the length.
    #[test]
    fn both_ways_make_the_same_boxes() {
        let (key, prefix) = (random::<KEY_LEN>().expect("randomness"), *b"CurveZMQMESSAGEC");
        let (here, there) = (RoleKey::new(&key, &prefix), portable::RoleKey::new(&key, &prefix));
        let text: Vec<u8> = (0..=u8::MAX).cycle().take(70_000).collect();
        for len in (0..300).chain([1_023, 1_024, 1_025, 2_047, 2_048, 4_096, 65_537, 70_000]) {
            let tail = random::<NONCE_TAIL_LEN>().expect("randomness");
            let part = text.get(..len).expect("long enough");
            let (mut one, mut other) = (part.to_vec(), part.to_vec());
            let mac = here.seal(&tail, &mut one);
            assert_eq!((mac, &one), (there.seal(&tail, &mut other), &other), "{len} octets");
            let mut wrong = mac;
            wrong[0] ^= 1;
            assert!(!here.open(&tail, &wrong, &mut other));
            assert_eq!(one, other, "nothing is decrypted without proof");
            assert!(here.open(&tail, &mac, &mut one) && there.open(&tail, &mac, &mut other));
            assert_eq!((&*one, &*other), (part, part), "{len} octets");
        }
    }
}
