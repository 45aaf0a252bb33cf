//! Keys of CURVE, and their text form.

use std::fmt;
use std::str::FromStr;

use zeroize::{Zeroize, Zeroizing};

use crate::crypto::{self, KEY_LEN};
use crate::error::ProtocolError;
use crate::z85::{z85_decode, z85_encode};

/// A text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not 40 characters of Z85.
    #[error("a key is 40 characters of Z85 (32/Z85)")]
    NotZ85,
    /// No secret key is in a key file's text.
    #[error("no secret key: a key file has a line `secret-key = \"…\"`, or the 40 characters alone")]
    NoSecretKey,
    /// The public key in a key file does not belong to its secret key.
    #[error("the public key does not belong to the secret key")]
    NoPair,
}

/// The public half of a long-term key pair: what the other side may know. Its text is 40 characters of Z85.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurvePublicKey([u8; KEY_LEN]);

impl CurvePublicKey {
    /// Takes the 32 octets of a key.
    #[must_use]
    pub const fn from_bytes(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Returns the 32 octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for CurvePublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        key_from_text(text).map(|octets| Self(*octets))
    }
}

impl fmt::Display for CurvePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&z85_encode(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for CurvePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurvePublicKey({self})")
    }
}

/// The secret half of a long-term key pair. It is wiped from memory when it is dropped, and no log shows it.
#[derive(Clone)]
pub struct CurveSecretKey(Zeroizing<[u8; KEY_LEN]>);

impl CurveSecretKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::NoRandomness`] when the operating system has no random octets.
    pub fn generate() -> Result<Self, ProtocolError> {
        let mut key = Self(Zeroizing::new([0; KEY_LEN]));
        crypto::fill_random(&mut *key.0)?;
        Ok(key)
    }

    /// Takes the 32 octets of a key.
    #[must_use]
    pub fn from_bytes(mut octets: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(octets));
        octets.zeroize();
        key
    }

    /// Returns the 32 octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 40 characters of Z85, which are wiped when dropped.
    #[must_use]
    pub fn to_z85(&self) -> Zeroizing<String> {
        Zeroizing::new(z85_encode(&*self.0).unwrap_or_default())
    }

    /// Returns the public key that belongs to this one.
    #[must_use]
    pub fn public_key(&self) -> CurvePublicKey {
        CurvePublicKey(crypto::public_key(&self.0))
    }
}

impl FromStr for CurveSecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        key_from_text(text).map(Self)
    }
}

impl PartialEq for CurveSecretKey {
    fn eq(&self, other: &Self) -> bool {
        crypto::is_equal(&*self.0, &*other.0)
    }
}

impl Eq for CurveSecretKey {}

impl fmt::Debug for CurveSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurveSecretKey(…)")
    }
}

/// A long-term key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurveKeyPair {
    /// The half that others may know.
    pub public: CurvePublicKey,
    /// The half that nobody else may know.
    pub secret: CurveSecretKey,
}

impl CurveKeyPair {
    /// Makes a new key pair.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::NoRandomness`] when the operating system has no random octets.
    pub fn generate() -> Result<Self, ProtocolError> {
        CurveSecretKey::generate().map(Self::from)
    }

    /// Reads a key file's text: a line `secret-key = "…"` (and, to be checked, one `public-key = "…"`), as the certificates of
    /// CZMQ and pyzmq have them, or a line that is the secret key alone. Other lines are passed over.
    ///
    /// # Errors
    ///
    /// What is wrong with it; no part of the text is repeated.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let (mut public, mut secret) = (None, None);
        for line in text.lines().map(str::trim) {
            match line.split_once('=') {
                Some((name, value)) if name.trim() == "public-key" => public = Some(unquoted(value).parse()?),
                Some((name, value)) if name.trim() == "secret-key" => secret = Some(unquoted(value).parse()?),
                // A key may begin with `#`, as a comment does.
                _ if secret.is_none() && line.len() == KEY_LEN / 4 * 5 => secret = line.parse().ok(),
                _ => {}
            }
        }
        let pair = secret.map(|secret: CurveSecretKey| Self::from(secret)).ok_or(KeyError::NoSecretKey)?;
        if public.is_some_and(|public: CurvePublicKey| public != pair.public) {
            return Err(KeyError::NoPair);
        }
        Ok(pair)
    }

    /// Returns a key file's text, which [`from_text`](Self::from_text), CZMQ and pyzmq can read.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let secret = self.secret.to_z85();
        Zeroizing::new(format!(
            "metadata\ncurve\n    public-key = \"{}\"\n    secret-key = \"{}\"\n",
            self.public, *secret
        ))
    }
}

impl From<CurveSecretKey> for CurveKeyPair {
    fn from(secret: CurveSecretKey) -> Self {
        Self { public: secret.public_key(), secret }
    }
}

fn unquoted(value: &str) -> &str {
    value.trim().trim_matches('"')
}

fn key_from_text(text: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyError> {
    let octets = z85_decode(text).map(Zeroizing::new).ok_or(KeyError::NotZ85)?;
    let mut key = Zeroizing::new([0; KEY_LEN]);
    if octets.len() != KEY_LEN {
        return Err(KeyError::NotZ85);
    }
    key.copy_from_slice(&octets);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test keys of libzmq's manual.
    const SERVER_PUBLIC: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    const SERVER_SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";

    #[test]
    fn text_and_octets_are_the_same_key() {
        let secret: CurveSecretKey = SERVER_SECRET.parse().expect("a key");
        assert_eq!(secret.public_key().to_string(), SERVER_PUBLIC);
        assert_eq!(*secret.to_z85(), SERVER_SECRET);
        assert_eq!(CurveSecretKey::from_bytes(*secret.as_bytes()), secret);
        let public: CurvePublicKey = SERVER_PUBLIC.parse().expect("a key");
        assert_eq!(CurvePublicKey::from_bytes(*public.as_bytes()), secret.public_key());
        for text in ["", "short", &SERVER_PUBLIC[1..], "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf700000"] {
            assert_eq!(text.parse::<CurvePublicKey>(), Err(KeyError::NotZ85), "{text}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let pair = CurveKeyPair::generate().expect("randomness");
        let shown = format!("{pair:?} {:?}", pair.secret);
        assert!(!shown.contains(&*pair.secret.to_z85()) && shown.contains(&pair.public.to_string()));
        assert_ne!(pair, CurveKeyPair::generate().expect("randomness"));
    }

    #[test]
    fn key_files() {
        let pair = CurveKeyPair::from_text(&format!("# comment\n{SERVER_SECRET}\n")).expect("a key file");
        assert_eq!(pair.public.to_string(), SERVER_PUBLIC);
        assert_eq!(CurveKeyPair::from_text(&pair.to_text()), Ok(pair.clone()));
        let other = CurveKeyPair::generate().expect("randomness");
        let mixed = pair.to_text().replace(SERVER_PUBLIC, &other.public.to_string());
        assert_eq!(CurveKeyPair::from_text(&mixed), Err(KeyError::NoPair));
        assert_eq!(CurveKeyPair::from_text("metadata\n"), Err(KeyError::NoSecretKey));
        assert_eq!(CurveKeyPair::from_text("secret-key = \"x\""), Err(KeyError::NotZ85));
    }
}
