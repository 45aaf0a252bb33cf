//! The NaCl box that CURVE is made of: Curve25519, XSalsa20 and Poly1305. The only place that knows the crates behind it.

#[cfg(any(test, not(feature = "curve-vectors")))]
mod portable;
#[cfg(feature = "curve-vectors")]
mod vectors;

use salsa20::cipher::consts::U10;
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::error::ProtocolError;

#[cfg(not(feature = "curve-vectors"))]
pub(crate) use portable::RoleKey;
#[cfg(feature = "curve-vectors")]
pub(crate) use vectors::RoleKey;

/// Octets of a key.
pub(crate) const KEY_LEN: usize = 32;
/// Octets of what proves that a box was not changed; it stands in front of the ciphertext.
pub(crate) const MAC_LEN: usize = 16;
/// Octets of a nonce that differ from those of other messages in the same role.
pub(crate) const NONCE_TAIL_LEN: usize = 8;
/// Octets of a whole nonce.
pub(crate) const NONCE_LEN: usize = 24;

/// Fills the buffer with octets that nobody can guess: the only source of randomness.
///
/// # Errors
///
/// [`ProtocolError::NoRandomness`] when the operating system has none.
pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<(), ProtocolError> {
    getrandom::fill(buffer).map_err(|_| ProtocolError::NoRandomness)
}

/// Returns octets that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ProtocolError> {
    let mut octets = [0; N];
    fill_random(&mut octets)?;
    Ok(octets)
}

/// Returns the public key that belongs to a secret one.
pub(crate) fn public_key(secret: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// Compares in a time that does not depend on where the first difference is.
pub(crate) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// What two key pairs have in common: `crypto_box`'s precomputed key, or a secret key of `crypto_secretbox`.
pub(crate) struct BoxKey(Zeroizing<[u8; KEY_LEN]>);

impl BoxKey {
    /// Agrees on a key; `None` if the public key is one with which everybody agrees on the same.
    pub(crate) fn agree(secret: &[u8; KEY_LEN], public: &[u8; KEY_LEN]) -> Option<Self> {
        let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public));
        shared.was_contributory().then(|| Self(hash(shared.as_bytes(), &[0; 16])))
    }

    /// Takes a key of which nothing is to be derived.
    pub(crate) fn from_secret(key: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Fixes the first 16 octets of the nonce.
    pub(crate) fn role(&self, prefix: &[u8; 16]) -> RoleKey {
        RoleKey::new(&self.0, prefix)
    }

    /// Encrypts in place; returns what proves it.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_LEN], text: &mut [u8]) -> [u8; MAC_LEN] {
        let (prefix, tail) = split_nonce(nonce);
        self.role(&prefix).seal(&tail, text)
    }

    /// Decrypts in place if the proof holds; tells whether it does.
    #[must_use]
    pub(crate) fn open(&self, nonce: &[u8; NONCE_LEN], mac: &[u8; MAC_LEN], text: &mut [u8]) -> bool {
        let (prefix, tail) = split_nonce(nonce);
        self.role(&prefix).open(&tail, mac, text)
    }
}

fn hash(key: &[u8; KEY_LEN], input: &[u8; 16]) -> Zeroizing<[u8; KEY_LEN]> {
    Zeroizing::new(salsa20::hsalsa::<U10>(key.into(), input.into()).into())
}

fn split_nonce(nonce: &[u8; NONCE_LEN]) -> ([u8; 16], [u8; NONCE_TAIL_LEN]) {
    let (mut prefix, mut tail) = ([0; 16], [0; NONCE_TAIL_LEN]);
    prefix.iter_mut().chain(&mut tail).zip(nonce).for_each(|(place, octet)| *place = *octet);
    (prefix, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("an octet")).collect()
    }

    /// The example of "Cryptography in NaCl".
    #[test]
    fn the_box_of_the_nacl_paper() {
        let secret = octets("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let public = octets("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let nonce = octets("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        let text = octets(
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc
             3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb
             48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705",
        );
        let sealed = octets(
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0df
             c17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368
             517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
        );
        let key = |octets: &[u8]| <[u8; KEY_LEN]>::try_from(octets).expect("a key");
        let nonce = <[u8; NONCE_LEN]>::try_from(&*nonce).expect("a nonce");
        let shared = BoxKey::agree(&key(&secret), &key(&public)).expect("a good public key");
        let mut body = text.clone();
        let mac = shared.seal(&nonce, &mut body);
        assert_eq!([&mac[..], &body].concat(), sealed);
        let mut changed = mac;
        changed[15] ^= 1;
        assert!(!shared.open(&nonce, &changed, &mut body));
        assert_eq!(body, sealed[MAC_LEN..], "nothing is decrypted without proof");
        assert!(shared.open(&nonce, &mac, &mut body));
        assert_eq!(body, text);
    }

    #[test]
    fn both_sides_agree_and_points_of_low_order_are_refused() {
        let (one, other) =
            (random::<KEY_LEN>().expect("randomness"), random::<KEY_LEN>().expect("randomness"));
        let (Some(here), Some(there)) =
            (BoxKey::agree(&one, &public_key(&other)), BoxKey::agree(&other, &public_key(&one)))
        else {
            panic!("good keys");
        };
        let mut body = *b"text";
        let mac = here.seal(&[7; NONCE_LEN], &mut body);
        assert!(there.open(&[7; NONCE_LEN], &mac, &mut body));
        assert_eq!(&body, b"text");
        let mut point = [0; KEY_LEN];
        assert!(BoxKey::agree(&one, &point).is_none());
        point[0] = 1;
        assert!(BoxKey::agree(&one, &point).is_none());
    }
}
