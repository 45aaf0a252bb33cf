//! The client's side of SOCKS 5 (RFC 1928, with the user name and password of RFC 1929), without input and output.
//!
//! Octets of the proxy in, octets for it out, until the proxy has connected the stream to where we really want to go.
//! It is done with what stands before the payload and not an octet more: what follows belongs to ZMTP.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{Buf, BytesMut};

use crate::endpoint::{Host, Port};

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;

const NO_AUTHENTICATION: u8 = 0;
const LOGIN: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xFF;

const CONNECT: u8 = 1;

const TO_IPV4: u8 = 1;
const TO_NAME: u8 = 3;
const TO_IPV6: u8 = 4;

/// Why the proxy does not get us there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SocksError {
    /// The host name does not fit the request.
    #[error("the host name has more than 255 bytes, which SOCKS has no room for")]
    NameTooLong,
    /// There is no host to ask for.
    #[error("a wildcard cannot be reached through a SOCKS proxy")]
    Wildcard,
    /// The first octet of an answer is not the one of SOCKS 5.
    #[error("the proxy does not speak SOCKS 5: its answer begins with {0:#04x}")]
    Version(u8),
    /// The proxy takes none of the methods of authentication that we offered.
    #[error("the SOCKS proxy accepts none of our ways to authenticate (is a user name needed?)")]
    NoMethod,
    /// The proxy has chosen a method that we did not offer.
    #[error("the SOCKS proxy chose the authentication {0:#04x}, which was not offered")]
    UnknownMethod(u8),
    /// User name or password are wrong.
    #[error("the SOCKS proxy refused user name and password (status {0})")]
    LoginRefused(u8),
    /// The proxy did not connect.
    #[error("the SOCKS proxy refused: {}", refusal(*.0))]
    Refused(u8),
    /// The proxy's address in its reply is of no known type, so its end cannot be told.
    #[error("the SOCKS proxy's reply has the unknown address type {0:#04x}")]
    AddressType(u8),
}

//= RFC 1928, section 6
//# REP    Reply field
fn refusal(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused by the destination",
        6 => "time to live expired",
        7 => "it does not know CONNECT",
        8 => "it does not know that type of address",
        _ => "for a reason without a name",
    }
}

/// A user's name and password, at most 255 octets each.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
}

/// What is awaited of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Method,
    LoginStatus,
    Reply,
    Done,
}

/// One conversation with a proxy.
pub(crate) struct Socks {
    state: State,
    /// The octets that log in, if there is a user.
    login: Option<Vec<u8>>,
    request: Vec<u8>,
    out: Vec<u8>,
}

impl std::fmt::Debug for Socks {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socks").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Drop for Socks {
    fn drop(&mut self) {
        if let Some(login) = &mut self.login {
            crate::secret::wipe(login);
        }
    }
}

impl Socks {
    /// Begins: the first octets wait in [`transmit`](Self::transmit).
    ///
    /// # Errors
    ///
    /// [`SocksError::NameTooLong`] and [`SocksError::Wildcard`], when the request cannot be written.
    pub(crate) fn new(host: &Host, port: Port, login: Option<Login<'_>>) -> Result<Self, SocksError> {
        let request = request(host, port)?;
        //= RFC 1928, section 3
        //# The client connects to the server, and sends a version identifier/method selection message
        let out = match login {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            // A proxy that needs no login may say so.
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, LOGIN],
        };
        Ok(Self { state: State::Method, login: login.map(put_login), request, out })
    }

    /// Returns the octets to write to the proxy now; empty when there are none.
    pub(crate) fn transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Takes the proxy's answers off the front of `input`; `true` once the stream leads to where we want to go.
    ///
    /// # Errors
    ///
    /// Why it never will.
    pub(crate) fn receive(&mut self, input: &mut BytesMut) -> Result<bool, SocksError> {
        // Ends: every turn takes octets off or moves to another state.
        loop {
            match self.state {
                State::Method => {
                    version(input, VERSION)?;
                    let [_, method, ..] = **input else { return Ok(false) };
                    input.advance(2);
                    match (method, self.login.take()) {
                        (NO_AUTHENTICATION, login) => {
                            self.login = login;
                            self.ask();
                        }
                        (LOGIN, Some(login)) => {
                            self.out.extend_from_slice(&login);
                            self.login = Some(login);
                            self.state = State::LoginStatus;
                        }
                        (NONE_ACCEPTABLE, _) => return Err(SocksError::NoMethod),
                        (method, _) => return Err(SocksError::UnknownMethod(method)),
                    }
                }
                State::LoginStatus => {
                    version(input, LOGIN_VERSION)?;
                    let [_, status, ..] = **input else { return Ok(false) };
                    input.advance(2);
                    //= RFC 1929, section 2
                    //# If the server returns a `failure' (STATUS value other than X'00') status, it MUST close the
                    //# connection.
                    if status != 0 {
                        return Err(SocksError::LoginRefused(status));
                    }
                    self.ask();
                }
                State::Reply => {
                    version(input, VERSION)?;
                    // A refusal is told at once: some proxies send nothing behind it.
                    if let [_, code, ..] = **input
                        && code != 0
                    {
                        return Err(SocksError::Refused(code));
                    }
                    let [_, _, _, kind, first, ..] = **input else { return Ok(false) };
                    let address = match kind {
                        TO_IPV4 => 4,
                        TO_IPV6 => 16,
                        TO_NAME => 1 + usize::from(first),
                        other => return Err(SocksError::AddressType(other)),
                    };
                    let len = 4 + address + 2;
                    if input.len() < len {
                        return Ok(false);
                    }
                    input.advance(len);
                    self.state = State::Done;
                }
                State::Done => return Ok(true),
            }
        }
    }

    fn ask(&mut self) {
        self.out.append(&mut self.request);
        self.state = State::Reply;
    }
}

/// Looks at an answer's first octet, as soon as it is there.
fn version(input: &[u8], expected: u8) -> Result<(), SocksError> {
    match input.first() {
        Some(&first) if first != expected => Err(SocksError::Version(first)),
        _ => Ok(()),
    }
}

//= RFC 1928, section 4
//# The SOCKS request is formed as follows
fn request(host: &Host, port: Port) -> Result<Vec<u8>, SocksError> {
    let mut out = vec![VERSION, CONNECT, 0];
    match host {
        Host::Any => return Err(SocksError::Wildcard),
        Host::V4(address) => put_v4(&mut out, *address),
        // A scope is this machine's own business and cannot be told to another.
        Host::V6 { address, .. } => put_v6(&mut out, *address),
        Host::Name(name) => {
            let len = u8::try_from(name.len()).map_err(|_| SocksError::NameTooLong)?;
            out.extend_from_slice(&[TO_NAME, len]);
            out.extend_from_slice(name.as_bytes());
        }
    }
    out.extend_from_slice(&port.number().to_be_bytes());
    Ok(out)
}

fn put_v4(out: &mut Vec<u8>, address: Ipv4Addr) {
    out.push(TO_IPV4);
    out.extend_from_slice(&address.octets());
}

fn put_v6(out: &mut Vec<u8>, address: Ipv6Addr) {
    out.push(TO_IPV6);
    out.extend_from_slice(&address.octets());
}

//= RFC 1929, section 2
//# This begins with the client producing a Username/Password request
fn put_login(login: Login<'_>) -> Vec<u8> {
    // Room from the start: growing would leave copies of the password behind.
    let mut out = Vec::with_capacity(3 + 2 * 255);
    out.push(LOGIN_VERSION);
    for text in [login.username, login.password] {
        // The option's own check has refused longer ones.
        let text = text.as_bytes().get(..255).unwrap_or(text.as_bytes());
        out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(text);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USER: Login<'_> = Login { username: "someuser", password: "somepass" };

    fn name() -> Host {
        Host::Name("robot.example".to_owned())
    }

    fn begin(login: Option<Login<'_>>) -> Socks {
        Socks::new(&name(), Port::new(5555), login).unwrap()
    }

    /// Feeds what the proxy says; returns what we say after the greeting, and how it ended.
    fn talk(
        login: Option<Login<'_>>,
        proxy: &[u8],
        at_once: usize,
    ) -> (Vec<u8>, Result<bool, SocksError>, Vec<u8>) {
        let mut socks = begin(login);
        socks.transmit();
        let (mut said, mut input, mut result) = (Vec::new(), BytesMut::new(), Ok(false));
        for piece in proxy.chunks(at_once) {
            input.extend_from_slice(piece);
            if result == Ok(false) {
                result = socks.receive(&mut input);
                said.extend(socks.transmit());
            }
        }
        (said, result, input.to_vec())
    }

    const ASKED: &[u8] = b"\x05\x01\x00\x03\x0drobot.example\x15\xb3";

    #[test]
    fn requests_carry_names_unresolved_and_addresses_as_they_are() {
        let cases: [(Host, &[u8]); 3] = [
            (name(), ASKED),
            (Host::V4(Ipv4Addr::LOCALHOST), b"\x05\x01\x00\x01\x7f\x00\x00\x01\x15\xb3"),
            (
                Host::V6 { address: Ipv6Addr::LOCALHOST, scope: Some("eth0".into()) },
                b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x15\xb3",
            ),
        ];
        for (host, expected) in cases {
            let mut socks = Socks::new(&host, Port::new(5555), None).unwrap();
            assert_eq!(socks.transmit(), [5, 1, 0]);
            assert_eq!(socks.receive(&mut BytesMut::from(&[5, 0][..])), Ok(false));
            assert_eq!(socks.transmit(), expected);
            assert!(socks.transmit().is_empty());
        }
        let long = Host::Name("n".repeat(256));
        assert_eq!(Socks::new(&long, Port::new(1), None).unwrap_err(), SocksError::NameTooLong);
        assert!(Socks::new(&Host::Name("n".repeat(255)), Port::new(1), None).is_ok());
        assert_eq!(Socks::new(&Host::Any, Port::new(1), None).unwrap_err(), SocksError::Wildcard);
    }

    #[test]
    fn every_kind_of_reply_is_taken_off_to_its_end() {
        let replies: [&[u8]; 4] = [
            b"\x05\x00\x00\x01\x01\x02\x03\x04\x05\x06",
            b"\x05\x00\x00\x03\x09localhost\x05\x06",
            b"\x05\x00\x00\x03\x00\x05\x06",
            b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x05\x06",
        ];
        for reply in replies {
            let all = [b"\x05\x00", reply, b"\xff\0\0ZMTP"].concat();
            for at_once in [1, 2, 3, 7, all.len()] {
                let (said, result, rest) = talk(None, &all, at_once);
                assert_eq!((said.as_slice(), result), (ASKED, Ok(true)));
                assert_eq!(rest, b"\xff\0\0ZMTP", "ZMTP's octets stay");
            }
            let whole = [b"\x05\x00", reply].concat();
            for cut in 0..whole.len() {
                assert_eq!(talk(None, &whole[..cut], 64).1, Ok(false), "{cut}");
            }
        }
    }

    #[test]
    fn a_user_logs_in_when_asked_to() {
        let mut socks = begin(Some(USER));
        assert_eq!(socks.transmit(), [5, 2, 0, 2]);
        let login: &[u8] = b"\x01\x08someuser\x08somepass";
        let proxy = b"\x05\x02\x01\x00\x05\x00\x00\x01\0\0\0\0\0\0";
        let (said, result, rest) = talk(Some(USER), proxy, 1);
        assert_eq!(said, [login, ASKED].concat());
        assert_eq!((result, rest.len()), (Ok(true), 0));
        // A proxy that wants no login gets none.
        let (said, result, _) = talk(Some(USER), b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0", 3);
        assert_eq!((said.as_slice(), result), (ASKED, Ok(true)));
        let empty = Login { username: "u", password: "" };
        assert_eq!(talk(Some(empty), b"\x05\x02", 2).0, b"\x01\x01u\x00");
        let long = "x".repeat(255);
        let longest = Login { username: &long, password: &long };
        assert_eq!(talk(Some(longest), b"\x05\x02", 2).0.len(), 3 + 510);
        assert!(!format!("{:?}", begin(Some(USER))).contains("somepass"));
    }

    #[test]
    fn refusals_are_told_apart() {
        let cases: [(Option<Login<'_>>, &[u8], SocksError); 12] = [
            (None, b"\x04", SocksError::Version(4)),
            (None, b"HTTP/1.1 400", SocksError::Version(b'H')),
            (None, b"\x05\xff", SocksError::NoMethod),
            (None, b"\x05\x02", SocksError::UnknownMethod(2)),
            (Some(USER), b"\x05\x01", SocksError::UnknownMethod(1)),
            (Some(USER), b"\x05\x02\x05\x00", SocksError::Version(5)),
            (Some(USER), b"\x05\x02\x01\x01", SocksError::LoginRefused(1)),
            (Some(USER), b"\x05\x02\x01\xff", SocksError::LoginRefused(255)),
            (None, b"\x05\x00\x04", SocksError::Version(4)),
            (None, b"\x05\x00\x05\x05", SocksError::Refused(5)),
            (None, b"\x05\x00\x05\x7f\x00\x01", SocksError::Refused(0x7F)),
            (None, b"\x05\x00\x05\x00\x00\x02\x00", SocksError::AddressType(2)),
        ];
        for (login, proxy, expected) in cases {
            for at_once in [1, proxy.len()] {
                assert_eq!(talk(login, proxy, at_once).1, Err(expected), "{proxy:?}");
            }
        }
        let texts: Vec<String> = (1..=9).map(|code| SocksError::Refused(code).to_string()).collect();
        assert!(texts.iter().all(|text| text.starts_with("the SOCKS proxy refused: ")));
        assert!(texts[4].contains("refused by the destination"), "{texts:?}");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic_and_alike_however_they_are_cut(
            user: bool,
            mut proxy in prop::collection::vec(prop_oneof![0..6u8, any::<u8>()], 1..40),
            begins_well: bool,
            at_once in 1..8usize,
        ) {
            if begins_well {
                proxy.splice(0..0, [5, 0, 5, 0, 0]);
            }
            let login = user.then_some(USER);
            let (said, result, rest) = talk(login, &proxy, proxy.len());
            let (said_in_pieces, result_in_pieces, rest_in_pieces) = talk(login, &proxy, at_once);
            prop_assert_eq!(&said, &said_in_pieces);
            prop_assert_eq!(result, result_in_pieces);
            if result == Ok(true) {
                prop_assert_eq!(rest, rest_in_pieces);
            }
        }
    }
}
