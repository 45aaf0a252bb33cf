//! The greeting, which finds out how old the peer is (37/ZMTP, Version Negotiation and Backwards Interoperability).
//!
//! It goes out in three pieces: the signature at once; the version when the peer's signature shows that it is no ZMTP 1.0
//! peer, to which our signature is the header of an identity frame; the rest when the peer's version is known.

use bytes::{Buf, BytesMut};

use super::config::Config;
use super::handshake::Handshake;
use super::identity::{self, AwaitIdentity};
use super::{State, Step};
use crate::error::{ProtocolError, printable};
use crate::framing::{Version, widen};

const SIGNATURE_FIRST: u8 = 0xFF;
const SIGNATURE_LAST: u8 = 0x7F;
const SIGNATURE_LEN: usize = 10;
const MECHANISM_LEN: usize = 20;
const FILLER_LEN: usize = 31;
/// What follows the major version: minor version, mechanism, as-server, filler.
const REST_LEN: usize = 1 + MECHANISM_LEN + 1 + FILLER_LEN;

const _: () = assert!(SIGNATURE_LEN + 1 + REST_LEN == 64);

/// The revision number of ZMTP 2.0.
const REVISION_2_0: u8 = 1;
const MAJOR_3: u8 = 3;

/// First octets of protocols that come to a ZeroMQ port by mistake.
const FOREIGN: [(&[u8], &str); 13] = [
    (b"GET ", "HTTP"),
    (b"POST", "HTTP"),
    (b"HEAD", "HTTP"),
    (b"PUT ", "HTTP"),
    (b"HTTP", "HTTP"),
    (b"OPTI", "HTTP"),
    (b"DELE", "HTTP"),
    (b"CONN", "HTTP"),
    (b"PATC", "HTTP"),
    (b"TRAC", "HTTP"),
    (b"PRI ", "HTTP"),
    (b"\x16\x03", "TLS"),
    (b"SSH-", "SSH"),
];

/// Appends our signature. Its padding is the length of our identity, as a ZMTP 1.0 peer needs it.
pub(super) fn put_signature(config: &Config, out: &mut Vec<u8>) {
    out.push(SIGNATURE_FIRST);
    out.extend_from_slice(&(widen(config.identity.len()).saturating_add(1)).to_be_bytes());
    out.push(SIGNATURE_LAST);
}

/// Returns whether `input` may still be the beginning of a foreign protocol.
///
/// # Errors
///
/// [`ProtocolError::ForeignProtocol`] if it is one.
pub(super) fn may_be_foreign(input: &[u8]) -> Result<bool, ProtocolError> {
    for (first, protocol) in FOREIGN {
        if input.starts_with(first) {
            return Err(ProtocolError::ForeignProtocol { protocol });
        }
    }
    Ok(FOREIGN.iter().any(|(first, _)| first.starts_with(input)))
}

/// Our signature is out; the peer's will tell ZMTP 1.0 from the others.
#[derive(Debug)]
pub(super) struct AwaitSignature;

impl AwaitSignature {
    pub(super) fn step(
        &self,
        config: &Config,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Step, ProtocolError> {
        match **input {
            [] => return Ok(Step::Wait(0)),
            [SIGNATURE_FIRST, _, _, _, _, _, _, _, _, SIGNATURE_LAST, ..] => {}
            [SIGNATURE_FIRST, _, _, _, _, _, _, _, _, flags, ..] if flags & 1 == 0 => {
                return downgrade_to_1_0(config, out);
            }
            [SIGNATURE_FIRST, _, _, _, _, _, _, _, _, _, ..] => {
                return Err(ProtocolError::MalformedGreeting("the tenth octet is no signature's"));
            }
            [SIGNATURE_FIRST, ..] => return Ok(Step::Wait(SIGNATURE_LEN.saturating_sub(input.len()))),
            _ if may_be_foreign(input)? => return Ok(Step::Wait(0)),
            _ => return downgrade_to_1_0(config, out),
        }
        input.advance(SIGNATURE_LEN);
        out.push(if config.version_max >= Version::V3_0 { MAJOR_3 } else { REVISION_2_0 });
        Ok(Step::Next(State::AwaitRevision(AwaitRevision)))
    }
}

fn downgrade_to_1_0(config: &Config, out: &mut Vec<u8>) -> Result<Step, ProtocolError> {
    refuse_downgrade(config, 0)?;
    //= 37/ZMTP, Detecting ZMTP 1.0 and 2.0 Peers
    //# When we have detected a ZMTP 1.0 peer, we have already sent 10 octets, which the other peer interprets as the
    //# start of an identity frame. We continue by sending the body of the identity frame (zero or more octets).
    out.extend_from_slice(&config.identity);
    Ok(Step::Next(State::AwaitIdentity(AwaitIdentity::new(Version::V1_0))))
}

/// Refuses peers that know no security where there is some.
pub(super) fn refuse_downgrade(config: &Config, major: u8) -> Result<(), ProtocolError> {
    if config.mechanism.allows_downgrade() && !config.authenticate {
        Ok(())
    } else {
        Err(ProtocolError::UnsupportedVersion { major })
    }
}

/// The peer speaks ZMTP 2.0 or later; our version is out.
#[derive(Debug)]
pub(super) struct AwaitRevision;

impl AwaitRevision {
    pub(super) fn step(
        &self,
        config: &Config,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Step, ProtocolError> {
        let Some(&major) = input.first() else { return Ok(Step::Wait(1)) };
        input.advance(1);
        if major == 0 {
            return Err(ProtocolError::UnsupportedVersion { major });
        }
        //= 37/ZMTP, Detecting ZMTP 2.0 Peers
        //# If the peer version number is 1 or 2, the peer is using ZMTP 2.0, so send the ZMTP 2.0 socket type and
        //# identity and continue with ZMTP 2.0.
        if major < MAJOR_3 || config.version_max < Version::V3_0 {
            refuse_downgrade(config, major)?;
            identity::put_v2(config, out);
            return Ok(Step::Next(State::AwaitIdentity(AwaitIdentity::new(Version::V2_0))));
        }
        put_rest(config, out);
        Ok(Step::Next(State::AwaitGreeting(AwaitGreeting { major })))
    }
}

fn put_rest(config: &Config, out: &mut Vec<u8>) {
    out.push(u8::from(config.version_max >= Version::V3_1));
    out.extend(config.mechanism.name().bytes().chain(std::iter::repeat(0)).take(MECHANISM_LEN));
    //= 37/ZMTP, Topology
    //# If the chosen security mechanism does not specify client and server roles, the as-server field SHALL have no
    //# significance, and SHOULD be zero for all peers.
    out.push(u8::from(config.mechanism.is_server()));
    out.extend_from_slice(&[0; FILLER_LEN]);
}

/// The peer speaks ZMTP 3; our whole greeting is out.
#[derive(Debug)]
pub(super) struct AwaitGreeting {
    /// The peer's major version, 3 or later.
    major: u8,
}

impl AwaitGreeting {
    pub(super) fn step(
        &self,
        config: &Config,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Step, ProtocolError> {
        // Filler tells nothing; libzmq's servers leave as-server zero as well.
        let Some((&[minor, ref mechanism @ .., as_server], _filler)) = input
            .first_chunk::<REST_LEN>()
            .and_then(|rest| rest.split_first_chunk::<{ 2 + MECHANISM_LEN }>())
        else {
            return Ok(Step::Wait(REST_LEN.saturating_sub(input.len())));
        };
        //= 37/ZMTP, Version Negotiation
        //# A peer MUST accept higher protocol versions as valid.
        let theirs = if self.major > MAJOR_3 || minor > 0 { Version::V3_1 } else { Version::V3_0 };
        let ours = config.mechanism.name();
        let name = mechanism_name(mechanism);
        //= 37/ZMTP, Authentication and Confidentiality
        //# If the mechanism that the peer received does not exactly match the mechanism it sent, it MUST close the
        //# connection.
        if name != ours.as_bytes() {
            return Err(ProtocolError::MechanismMismatch { ours, theirs: printable(name) });
        }
        if as_server == 1 && config.mechanism.is_server() {
            return Err(ProtocolError::MalformedGreeting("both sides are servers of the security mechanism"));
        }
        input.advance(REST_LEN);
        Ok(Step::Next(State::Handshake(Handshake::begin(config, theirs.min(config.version_max), out)?)))
    }
}

/// Strips the zero octets at the end; one in the middle stays and makes the name a wrong one.
fn mechanism_name(padded: &[u8]) -> &[u8] {
    let len = padded.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    padded.get(..len).unwrap_or(padded)
}
