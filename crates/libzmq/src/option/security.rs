//! The options of PLAIN, CURVE and ZAP: C sets them one by one, the engine takes them together.

use std::ffi::c_int;

use tamtam_zmq::{CurveKeyPair, CurvePublicKey, CurveSecretKey, Security};

use super::Value;
use super::numbers::*;
use super::set::{TEXT_MAX, boolean};
use crate::errno::EINVAL;

/// Octets of a key, and characters of its 32/Z85 text.
const KEY_LEN: usize = 32;
const KEY_TEXT_LEN: usize = 40;

/// `ZMQ_MECHANISM`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mechanism {
    #[default]
    Null = 0,
    Plain = 1,
    Curve = 2,
}

/// What was said so far. The last option decides about the mechanism.
#[derive(Default)]
pub(crate) struct SecuritySettings {
    mechanism: Mechanism,
    serves: bool,
    username: Vec<u8>,
    password: Vec<u8>,
    public: [u8; KEY_LEN],
    secret: Option<CurveSecretKey>,
    server: [u8; KEY_LEN],
}

impl std::fmt::Debug for SecuritySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecuritySettings").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// Reads a key: 32 octets, or its text with or without a zero behind it.
fn key(value: Option<&[u8]>) -> Result<[u8; KEY_LEN], c_int> {
    let value = value.ok_or(EINVAL)?;
    if let Ok(octets) = value.try_into() {
        return Ok(octets);
    }
    let text = value.strip_suffix(&[0]).unwrap_or(value);
    if text.len() != KEY_TEXT_LEN {
        return Err(EINVAL);
    }
    let octets = str::from_utf8(text).ok().and_then(tamtam_zmq::z85_decode).ok_or(EINVAL)?;
    octets.try_into().map_err(|_| EINVAL)
}

/// Reads a user name or a password.
fn credential(value: Option<&[u8]>) -> Result<Option<Vec<u8>>, c_int> {
    let value = value.map(|value| value.strip_suffix(&[0]).unwrap_or(value));
    match value {
        None => Ok(None),
        Some(text) if (1..=TEXT_MAX).contains(&text.len()) => Ok(Some(text.to_vec())),
        Some(_) => Err(EINVAL),
    }
}

/// Whether an option belongs here.
pub(super) fn is_security(option: c_int) -> bool {
    matches!(
        option,
        PLAIN_SERVER
            | PLAIN_USERNAME
            | PLAIN_PASSWORD
            | CURVE_SERVER
            | CURVE_PUBLICKEY
            | CURVE_SECRETKEY
            | CURVE_SERVERKEY
    )
}

impl SecuritySettings {
    /// Takes one option.
    pub(super) fn set(&mut self, option: c_int, value: Option<&[u8]>) -> Result<(), c_int> {
        match option {
            PLAIN_SERVER => {
                self.serves = boolean(value)?;
                self.mechanism = if self.serves { Mechanism::Plain } else { Mechanism::Null };
            }
            PLAIN_USERNAME | PLAIN_PASSWORD => {
                let text = credential(value)?;
                self.mechanism = if text.is_some() { Mechanism::Plain } else { Mechanism::Null };
                self.serves = false;
                let place = if option == PLAIN_USERNAME { &mut self.username } else { &mut self.password };
                *place = text.unwrap_or_default();
            }
            CURVE_SERVER => {
                self.serves = boolean(value)?;
                self.mechanism = if self.serves { Mechanism::Curve } else { Mechanism::Null };
            }
            CURVE_PUBLICKEY => {
                self.public = key(value)?;
                self.mechanism = Mechanism::Curve;
            }
            CURVE_SECRETKEY => {
                self.secret = Some(CurveSecretKey::from_bytes(key(value)?));
                self.mechanism = Mechanism::Curve;
            }
            CURVE_SERVERKEY => {
                self.server = key(value)?;
                self.mechanism = Mechanism::Curve;
                self.serves = false;
            }
            _ => return Err(EINVAL),
        }
        Ok(())
    }

    /// Returns what the engine is to be told. Keys that are not set are zeroes, as with libzmq: a socket that wants security
    /// never falls back to none.
    pub(super) fn security(&self) -> Result<Security, c_int> {
        let secret = || match &self.secret {
            Some(secret) => secret.clone(),
            None => CurveSecretKey::from_bytes([0; KEY_LEN]),
        };
        Ok(match (self.mechanism, self.serves) {
            (Mechanism::Null, _) => Security::null(),
            (Mechanism::Plain, true) => Security::plain_server_with_handler(),
            (Mechanism::Plain, false) => {
                Security::plain_client(self.username.clone(), self.password.clone()).map_err(|_| EINVAL)?
            }
            (Mechanism::Curve, true) => Security::curve_server(secret()),
            (Mechanism::Curve, false) => {
                let keys = CurveKeyPair { public: CurvePublicKey::from_bytes(self.public), secret: secret() };
                Security::curve_client(keys, CurvePublicKey::from_bytes(self.server))
            }
        })
    }

    /// Reads an option back; a buffer of 32 octets gets a key itself, a longer one its text.
    pub(super) fn get(&self, option: c_int, room: usize) -> Result<Value, c_int> {
        let key = |octets: &[u8; KEY_LEN]| match room {
            KEY_LEN => Ok(Value::Octets(octets.to_vec())),
            room if room > KEY_TEXT_LEN => {
                tamtam_zmq::z85_encode(octets).map(|text| Value::Text(text.into_bytes())).ok_or(EINVAL)
            }
            _ => Err(EINVAL),
        };
        let serves = |mechanism| Value::Int(c_int::from(self.serves && self.mechanism == mechanism));
        match option {
            MECHANISM => Ok(Value::Int(self.mechanism as c_int)),
            PLAIN_SERVER => Ok(serves(Mechanism::Plain)),
            PLAIN_USERNAME => Ok(Value::Text(self.username.clone())),
            PLAIN_PASSWORD => Ok(Value::Text(self.password.clone())),
            CURVE_SERVER => Ok(serves(Mechanism::Curve)),
            CURVE_PUBLICKEY => key(&self.public),
            CURVE_SECRETKEY => key(self.secret.as_ref().map_or(&[0; KEY_LEN], CurveSecretKey::as_bytes)),
            CURVE_SERVERKEY => key(&self.server),
            _ => Err(EINVAL),
        }
    }
}
