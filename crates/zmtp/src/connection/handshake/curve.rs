//! The CURVE mechanism (25/ZMTP-CURVE, 26/CURVEZMQ).
//!
//! ```text
//! client: HELLO(C', Box [0](C'->S))                         INITIATE(cookie, Box [C + vouch + metadata](C'->S'))
//! server:            WELCOME(Box [S' + cookie](S->C'))                     READY(Box [metadata](S'->C'))
//! ```
//!
//! Capital letters are public keys, small ones secret keys; those with a prime live as long as the connection. The
//! cookie is Box [C' + s'](K): with it the server forgets everything but K until the client comes back.

use zeroize::Zeroizing;

use super::super::auth::Credentials;
use super::super::command::{self, Command, malformed};
use super::super::config::Config;
use super::super::event::PeerInfo;
use super::super::metadata;
use super::super::seal::{Opener, Sealer, Side};
use super::Outcome;
use crate::crypto::{self, BoxKey, KEY_LEN, MAC_LEN, NONCE_LEN};
use crate::error::ProtocolError;
use crate::framing::{Version, put_command};
use crate::keys::{CurveKeyPair, CurvePublicKey};

const VERSION: [u8; 2] = [1, 0];
const PADDING: [u8; 72] = [0; 72];
/// What a HELLO's signature box holds.
const SIGNED: [u8; 64] = [0; 64];
const LONG_NONCE_LEN: usize = 16;
const COOKIE_LEN: usize = LONG_NONCE_LEN + MAC_LEN + 2 * KEY_LEN;
const VOUCH_LEN: usize = LONG_NONCE_LEN + MAC_LEN + 2 * KEY_LEN;

type Secret = Zeroizing<[u8; KEY_LEN]>;

fn secret() -> Result<Secret, ProtocolError> {
    let mut secret = Secret::default();
    crypto::fill_random(&mut *secret)?;
    Ok(secret)
}

fn short_nonce(prefix: &[u8; 16], nonce: u64) -> [u8; NONCE_LEN] {
    joined(prefix, &nonce.to_be_bytes())
}

fn long_nonce(prefix: &[u8; 8], nonce: &[u8; LONG_NONCE_LEN]) -> [u8; NONCE_LEN] {
    joined(prefix, nonce)
}

fn joined<const N: usize>(front: &[u8], back: &[u8]) -> [u8; N] {
    let mut joined = [0; N];
    joined.iter_mut().zip(front.iter().chain(back)).for_each(|(place, octet)| *place = *octet);
    joined
}

/// Appends a box: the proof, then what is encrypted.
fn put_box(key: &BoxKey, nonce: &[u8; NONCE_LEN], text: &mut [u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&key.seal(nonce, text));
    out.extend_from_slice(text);
}

/// Opens a box into memory that is wiped when it is dropped.
fn open_box(key: &BoxKey, nonce: &[u8; NONCE_LEN], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (mac, text) = sealed.split_first_chunk::<MAC_LEN>()?;
    let mut text = Zeroizing::new(text.to_vec());
    key.open(nonce, mac, &mut text).then_some(text)
}

/// Agrees on a key with a public key out of a command.
fn agree(secret: &[u8; KEY_LEN], public: &[u8; KEY_LEN]) -> Result<BoxKey, ProtocolError> {
    BoxKey::agree(secret, public).ok_or(ProtocolError::KeyExchange {
        what: "a public key is one with which everybody agrees on the same secret",
    })
}

const fn cannot_open(what: &'static str) -> ProtocolError {
    ProtocolError::Cryptographic { what }
}

/// Takes arrays off the front of a command's data.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(field)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().copied().map(u64::from_be_bytes)
    }
}

/// The client's side.
pub(super) struct CurveClient {
    keys: CurveKeyPair,
    server: CurvePublicKey,
    /// c'
    transient: Secret,
    step: ClientStep,
}

/// What the client waits for.
enum ClientStep {
    /// WELCOME, in a box with this key.
    Welcome(BoxKey),
    /// READY, in a box with the connection's key.
    Ready(BoxKey),
}

impl CurveClient {
    pub(super) fn begin(
        keys: &CurveKeyPair,
        server: &CurvePublicKey,
        out: &mut Vec<u8>,
    ) -> Result<Self, ProtocolError> {
        //= 26/CURVEZMQ, The HELLO Command
        //# The client SHALL generate a unique key pair for each connection it creates to a server.
        let transient = secret()?;
        let key = BoxKey::agree(&transient, server.as_bytes()).ok_or(ProtocolError::KeyExchange {
            what: "the server key that we were given is one with which everybody agrees on the same secret",
        })?;
        let mut data = Vec::with_capacity(194);
        data.extend_from_slice(&VERSION);
        data.extend_from_slice(&PADDING);
        data.extend_from_slice(&crypto::public_key(&transient));
        data.extend_from_slice(&1u64.to_be_bytes());
        put_box(&key, &short_nonce(b"CurveZMQHELLO---", 1), &mut SIGNED.clone(), &mut data);
        put_command(out, command::HELLO, &data);
        Ok(Self { keys: keys.clone(), server: *server, transient, step: ClientStep::Welcome(key) })
    }

    pub(super) fn command(
        &mut self,
        config: &Config,
        version: Version,
        command: Command<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, ProtocolError> {
        match &self.step {
            ClientStep::Welcome(key) if command.name == command::WELCOME => {
                let session = self.welcome(key, config, command.data, out)?;
                self.step = ClientStep::Ready(session);
                Ok(Outcome::More)
            }
            ClientStep::Ready(session) if command.name == command::READY => {
                let mut fields = Fields(command.data);
                let short = || malformed(command::READY, "it is shorter than its fixed part");
                let nonce = fields.number().ok_or_else(short)?;
                if fields.0.len() < MAC_LEN {
                    return Err(short());
                }
                let text = open_box(session, &short_nonce(b"CurveZMQREADY---", nonce), fields.0)
                    .ok_or(cannot_open("cannot open READY: it was changed on its way"))?;
                let peer = metadata::theirs(config, version, command::READY, &text)?;
                // HELLO was number 1 and INITIATE number 2.
                let ciphers =
                    (Sealer::new(session, Side::Client, 3), Opener::new(session, Side::Server, nonce));
                Ok(Outcome::Done(Box::new(peer), Some(Box::new(ciphers))))
            }
            _ => Err(command.unexpected()),
        }
    }

    /// Takes WELCOME and answers with INITIATE; returns the connection's key.
    fn welcome(
        &self,
        key: &BoxKey,
        config: &Config,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<BoxKey, ProtocolError> {
        let wrong_size = || malformed(command::WELCOME, "it has not 168 octets");
        let mut fields = Fields(data);
        let nonce = fields.take().ok_or_else(wrong_size)?;
        let sealed = fields.take::<{ MAC_LEN + KEY_LEN + COOKIE_LEN }>().ok_or_else(wrong_size)?;
        if !fields.0.is_empty() {
            return Err(wrong_size());
        }
        let text = open_box(key, &long_nonce(b"WELCOME-", nonce), sealed).ok_or(cannot_open(
            "cannot open WELCOME: the server has another key than the one we were given",
        ))?;
        let mut text = Fields(&text);
        let server_transient = text.take::<KEY_LEN>().ok_or_else(wrong_size)?;
        let cookie = text.take::<COOKIE_LEN>().ok_or_else(wrong_size)?;

        let mut vouched = [crypto::public_key(&self.transient), *self.server.as_bytes()].concat();
        let vouch_nonce = crypto::random()?;
        let mut inner = Zeroizing::new(self.keys.public.as_bytes().to_vec());
        inner.extend_from_slice(&vouch_nonce);
        put_box(
            &agree(self.keys.secret.as_bytes(), server_transient)?,
            &long_nonce(b"VOUCH---", &vouch_nonce),
            &mut vouched,
            &mut inner,
        );
        inner.extend_from_slice(&metadata::ours(config));

        let session = agree(&self.transient, server_transient)?;
        let mut data = cookie.to_vec();
        data.extend_from_slice(&2u64.to_be_bytes());
        put_box(&session, &short_nonce(b"CurveZMQINITIATE", 2), &mut inner, &mut data);
        put_command(out, command::INITIATE, &data);
        Ok(session)
    }
}

impl std::fmt::Debug for CurveClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurveClient").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The server's side, by what it waits for.
pub(super) enum CurveServer {
    Hello,
    //= 26/CURVEZMQ, The HELLO Command
    //# The server SHALL not keep this transient key pair and SHOULD keep minimal state for the client until the client
    //# responds with a valid INITIATE command.
    /// INITIATE: the key of the cookie, and the number of the client's HELLO.
    Initiate {
        cookie_key: BoxKey,
        nonce: u64,
    },
    /// The answer whether the client is let in.
    Verdict {
        peer: Box<PeerInfo>,
        session: BoxKey,
        nonce: u64,
    },
    /// Nothing more.
    Done,
}

impl CurveServer {
    pub(super) fn accepted(&mut self, config: &Config, out: &mut Vec<u8>) -> Result<Outcome, ProtocolError> {
        match std::mem::replace(self, Self::Done) {
            Self::Verdict { peer, session, nonce } => {
                let mut text = metadata::ours(config);
                let mut data = 1u64.to_be_bytes().to_vec();
                put_box(&session, &short_nonce(b"CurveZMQREADY---", 1), &mut text, &mut data);
                put_command(out, command::READY, &data);
                let ciphers =
                    (Sealer::new(&session, Side::Server, 2), Opener::new(&session, Side::Client, nonce));
                Ok(Outcome::Done(peer, Some(Box::new(ciphers))))
            }
            before => {
                *self = before;
                Ok(Outcome::More)
            }
        }
    }

    pub(super) fn command(
        &mut self,
        keys: &CurveKeyPair,
        config: &Config,
        version: Version,
        command: Command<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, ProtocolError> {
        match self {
            Self::Hello if command.name == command::HELLO => {
                *self = Self::hello(keys, command.data, out)?;
                Ok(Outcome::More)
            }
            Self::Initiate { cookie_key, nonce } if command.name == command::INITIATE => {
                let (verdict, key) = Self::initiate(keys, cookie_key, *nonce, config, version, command.data)?;
                *self = verdict;
                if config.authenticate {
                    return Ok(Outcome::Ask(Credentials::Curve(key)));
                }
                self.accepted(config, out)
            }
            _ => Err(command.unexpected()),
        }
    }

    /// Takes HELLO and answers with WELCOME.
    fn hello(keys: &CurveKeyPair, data: &[u8], out: &mut Vec<u8>) -> Result<Self, ProtocolError> {
        //= 26/CURVEZMQ, The HELLO Command
        //# The server SHALL validate all fields and SHALL reject and disconnect clients who send malformed HELLO commands.
        let mut fields = Fields(data);
        let (Some(version), Some(padding), Some(client), Some(nonce), Some(sealed), []) = (
            fields.take::<2>(),
            fields.take::<72>(),
            fields.take::<KEY_LEN>(),
            fields.number(),
            fields.take::<{ MAC_LEN + SIGNED.len() }>(),
            fields.0,
        ) else {
            return Err(malformed(command::HELLO, "it has not 200 octets"));
        };
        if *version != VERSION {
            return Err(malformed(command::HELLO, "its version is not 1.0"));
        }
        if *padding != PADDING {
            return Err(malformed(command::HELLO, "its padding is not zero"));
        }
        let key = agree(keys.secret.as_bytes(), client)?;
        let text = open_box(&key, &short_nonce(b"CurveZMQHELLO---", nonce), sealed)
            .ok_or(cannot_open("cannot open HELLO: the client was given another server key than ours"))?;
        if **text != SIGNED {
            return Err(malformed(command::HELLO, "its signature is not zero"));
        }

        let transient = secret()?;
        let cookie_key = BoxKey::from_secret(crypto::random()?);
        let cookie_nonce = crypto::random()?;
        let mut cookie_text = Zeroizing::new([*client, *transient].concat());
        let mut text = Zeroizing::new(crypto::public_key(&transient).to_vec());
        text.extend_from_slice(&cookie_nonce);
        put_box(&cookie_key, &long_nonce(b"COOKIE--", &cookie_nonce), &mut cookie_text, &mut text);
        let welcome_nonce = crypto::random()?;
        let mut data = welcome_nonce.to_vec();
        put_box(&key, &long_nonce(b"WELCOME-", &welcome_nonce), &mut text, &mut data);
        put_command(out, command::WELCOME, &data);
        Ok(Self::Initiate { cookie_key, nonce })
    }

    /// Takes INITIATE; returns what to wait for and the client's long-term key.
    fn initiate(
        keys: &CurveKeyPair,
        cookie_key: &BoxKey,
        hello_nonce: u64,
        config: &Config,
        version: Version,
        data: &[u8],
    ) -> Result<(Self, CurvePublicKey), ProtocolError> {
        let short = || malformed(command::INITIATE, "it is shorter than its fixed part");
        let mut fields = Fields(data);
        let cookie_nonce = fields.take().ok_or_else(short)?;
        let cookie = fields.take::<{ COOKIE_LEN - LONG_NONCE_LEN }>().ok_or_else(short)?;
        let nonce = fields.number().ok_or_else(short)?;
        if fields.0.len() < MAC_LEN + KEY_LEN + VOUCH_LEN {
            return Err(short());
        }
        let cookie = open_box(cookie_key, &long_nonce(b"COOKIE--", cookie_nonce), cookie)
            .ok_or(cannot_open("cannot open INITIATE: its cookie is not the one of this connection"))?;
        let mut cookie = Fields(&cookie);
        let client_transient = cookie.take::<KEY_LEN>().ok_or_else(short)?;
        let transient = cookie.take::<KEY_LEN>().ok_or_else(short)?;

        //= 26/CURVEZMQ, The HELLO Command
        //# The server SHALL verify that a client connection does use correctly incrementing short nonces, and SHALL
        //# disconnect clients that reuse a short nonce.
        if nonce <= hello_nonce {
            return Err(ProtocolError::InvalidSequence { nonce, last: hello_nonce });
        }
        let session = agree(transient, client_transient)?;
        let text = open_box(&session, &short_nonce(b"CurveZMQINITIATE", nonce), fields.0)
            .ok_or(cannot_open("cannot open INITIATE: it was changed on its way"))?;
        let mut text = Fields(&text);
        let client = text.take::<KEY_LEN>().ok_or_else(short)?;
        let vouch_nonce = text.take().ok_or_else(short)?;
        let vouch = text.take::<{ VOUCH_LEN - LONG_NONCE_LEN }>().ok_or_else(short)?;
        // With a key of low order there is nothing to open either: libzmq tells both alike.
        let vouched = BoxKey::agree(transient, client)
            .and_then(|key| open_box(&key, &long_nonce(b"VOUCH---", vouch_nonce), vouch))
            .ok_or(cannot_open("cannot open INITIATE's vouch: the client does not own the key it shows"))?;
        let expected = [*client_transient, *keys.public.as_bytes()].concat();
        if !crypto::is_equal(&vouched, &expected) {
            return Err(ProtocolError::KeyExchange { what: "the client's vouch is for another connection" });
        }
        let peer = Box::new(metadata::theirs(config, version, command::INITIATE, text.0)?);
        Ok((Self::Verdict { peer, session, nonce }, CurvePublicKey::from_bytes(*client)))
    }
}

impl std::fmt::Debug for CurveServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hello => "Hello",
            Self::Initiate { .. } => "Initiate",
            Self::Verdict { .. } => "Verdict",
            Self::Done => "Done",
        })
    }
}
