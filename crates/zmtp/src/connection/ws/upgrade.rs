//! The HTTP request and response that open a WebSocket (RFC 6455, section 4), for ZWS 2.0 (45/ZWS).

use std::hash::{BuildHasher, RandomState};

use bytes::{Buf, BytesMut};
use sha1::{Digest, Sha1};

use crate::connection::config::{Config, Mechanism};
use crate::error::{ProtocolError, printable};

/// Octets of a request's or response's head at most.
const HEAD_MAX: usize = 8 * 1024;
/// Header fields at most.
const FIELDS_MAX: usize = 100;

/// The protocol without a security mechanism: identities are exchanged and nothing else.
const BARE: &str = "ZWS2.0";

const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Which side of a WebSocket we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsRole {
    /// We connected: our frames are masked.
    Client {
        /// The host as the request names it, with the port unless that is 80.
        host: String,
        /// The path of the request, beginning with `/`.
        path: String,
    },
    /// We accepted. Any path will do, as with libzmq.
    Server,
}

/// What follows the upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The handshake of our mechanism.
    Mechanism,
    /// Identities only.
    Bare,
}

/// The other side's head is awaited.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// Of a client: what the server must answer to our key.
    accept: Option<String>,
    /// How much of the input is known to have no end of the head.
    scanned: usize,
}

/// A problem with the head, and what the client is told of it.
struct Fault {
    violation: ProtocolError,
    response: &'static str,
}

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const UPGRADE_REQUIRED: &str = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\
     Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n";

impl From<&'static str> for Fault {
    fn from(what: &'static str) -> Self {
        Self { violation: ProtocolError::MalformedUpgrade(what), response: BAD_REQUEST }
    }
}

impl Upgrade {
    /// A client's request is appended at once.
    pub(super) fn begin(config: &Config, role: &WsRole, out: &mut Vec<u8>) -> Self {
        let accept = match role {
            WsRole::Server => None,
            WsRole::Client { host, path } => {
                let key = key();
                let protocols = offered(config).join(",");
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocols}\r\n\
                     Sec-WebSocket-Version: 13\r\n\r\n"
                );
                out.extend_from_slice(request.as_bytes());
                Some(accept_key(key.as_bytes()))
            }
        };
        Self { accept, scanned: 0 }
    }

    /// Takes the head off the front of the input once it is whole.
    ///
    /// # Errors
    ///
    /// The other side's violation; what is to be said about it was appended to `out`.
    pub(super) fn step(
        &mut self,
        config: &Config,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Protocol>, ProtocolError> {
        let begins: &[u8] = if self.accept.is_some() { b"HTTP/1.1 " } else { b"GET " };
        let result = self.head(begins, input).and_then(|end| {
            let Some(end) = end else { return Ok(None) };
            let head = input.get(..end).unwrap_or_default();
            let protocol = match &self.accept {
                None => answer(config, head, out)?,
                Some(accept) => check(config, head, accept)?,
            };
            input.advance(end);
            Ok(Some(protocol))
        });
        result.map_err(|fault| {
            if self.accept.is_none() {
                out.extend_from_slice(fault.response.as_bytes());
            }
            fault.violation
        })
    }

    /// Returns where the head ends, which has to begin with these octets.
    fn head(&mut self, begins: &[u8], input: &[u8]) -> Result<Option<usize>, Fault> {
        if input.iter().zip(begins).any(|(is, should)| is != should) {
            return Err(if self.accept.is_some() {
                "the peer's answer is not HTTP/1.1".into()
            } else {
                "the peer's octets are no HTTP GET request".into()
            });
        }
        let from = self.scanned.saturating_sub(3);
        let within = input.get(..HEAD_MAX).unwrap_or(input);
        let found =
            within.get(from..).and_then(|rest| rest.windows(4).position(|window| window == b"\r\n\r\n"));
        if let Some(at) = found {
            return Ok(Some(from + at + 4));
        }
        if input.len() >= HEAD_MAX {
            return Err("the head has more than 8192 octets".into());
        }
        self.scanned = input.len();
        Ok(None)
    }
}

/// Returns the protocols that go with our mechanism, the better one first.
fn offered(config: &Config) -> Vec<String> {
    let mut protocols = vec![format!("{BARE}/{}", config.mechanism.name())];
    // Nobody could be asked about a peer there.
    if config.mechanism == Mechanism::Null && !config.authenticate {
        protocols.push(BARE.to_owned());
    }
    protocols
}

fn protocol(chosen: &str) -> Protocol {
    if chosen == BARE { Protocol::Bare } else { Protocol::Mechanism }
}

/// What the header fields that matter say.
#[derive(Default)]
struct Fields<'a> {
    upgrade: bool,
    connection: bool,
    version: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    accept: Option<&'a [u8]>,
    protocols: Vec<&'a [u8]>,
    extensions: bool,
}

/// Takes a head apart: its first line, and the fields.
fn parse(head: &[u8]) -> Result<(&[u8], Fields<'_>), Fault> {
    // Line ends are pairs, and what else could be taken for one by somebody is not there.
    let odd = |pair: &[u8]| {
        matches!(pair, [b'\r', next] if *next != b'\n') || matches!(pair, [last, b'\n'] if *last != b'\r')
    };
    if head.iter().any(|&octet| octet == 0 || octet == 0x7F) || head.windows(2).any(odd) {
        return Err("there are control characters in the head".into());
    }
    let mut lines = head.split(|&octet| octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let mut fields = Fields::default();
    for (index, line) in lines.enumerate() {
        if line.is_empty() {
            break;
        }
        if index >= FIELDS_MAX {
            return Err("there are more than 100 header fields".into());
        }
        let Some(colon) = line.iter().position(|&octet| octet == b':') else {
            return Err("a header field has no colon".into());
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.is_empty() || !name.iter().all(|octet| octet.is_ascii_graphic()) {
            return Err("a header field's name has characters that names have not".into());
        }
        fields.note(name, value)?;
    }
    Ok((first, fields))
}

impl<'a> Fields<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Fault> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let once = |place: &mut Option<&'a [u8]>| match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(Fault::from("a header field that may occur once occurs twice")),
        };
        if is("Upgrade") {
            self.upgrade |= list(value).any(|token| token.eq_ignore_ascii_case(b"websocket"));
        } else if is("Connection") {
            self.connection |= list(value).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
        } else if is("Sec-WebSocket-Version") {
            once(&mut self.version)?;
        } else if is("Sec-WebSocket-Key") {
            once(&mut self.key)?;
        } else if is("Sec-WebSocket-Accept") {
            once(&mut self.accept)?;
        } else if is("Sec-WebSocket-Protocol") {
            self.protocols.extend(list(value));
        } else if is("Sec-WebSocket-Extensions") {
            self.extensions |= !value.is_empty();
        }
        Ok(())
    }

    fn are_of_an_upgrade(&self) -> Result<(), Fault> {
        if self.upgrade && self.connection {
            return Ok(());
        }
        Err(Fault { response: UPGRADE_REQUIRED, ..Fault::from("it does not upgrade to a WebSocket") })
    }
}

/// Takes a comma-separated list apart.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Judges a client's request and appends the response.
fn answer(config: &Config, head: &[u8], out: &mut Vec<u8>) -> Result<Protocol, Fault> {
    let (first, fields) = parse(head)?;
    let words: Vec<&[u8]> = first.split(|&octet| octet == b' ').collect();
    if !matches!(words[..], [b"GET", target, b"HTTP/1.1"] if !target.is_empty()) {
        return Err("the first line is not GET, a path, and HTTP/1.1".into());
    }
    fields.are_of_an_upgrade()?;
    if fields.version != Some(b"13") {
        let fault = Fault::from("the version of its WebSocket protocol is not 13");
        return Err(Fault { response: UPGRADE_REQUIRED, ..fault });
    }
    //= RFC 6455, section 4.2.1
    //# A |Sec-WebSocket-Key| header field with a base64-encoded (see Section 4 of [RFC4648]) value that, when decoded,
    //# is 16 bytes in length.
    let Some(key) = fields.key.filter(|key| is_key(key)) else {
        return Err("the Sec-WebSocket-Key is missing or no base64 of 16 octets".into());
    };
    let ours = offered(config);
    let chosen =
        fields.protocols.iter().find_map(|theirs| ours.iter().find(|ours| ours.as_bytes() == *theirs));
    let Some(chosen) = chosen else { return Err(mismatch(config, &fields)) };
    let accept = accept_key(key);
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {chosen}\r\n\r\n"
    );
    out.extend_from_slice(response.as_bytes());
    Ok(protocol(chosen))
}

/// Judges the server's response.
fn check(config: &Config, head: &[u8], accept: &str) -> Result<Protocol, Fault> {
    let (first, fields) = parse(head)?;
    let status = first.strip_prefix(b"HTTP/1.1 ").unwrap_or_default();
    if status.get(..3) != Some(b"101") || status.get(3).is_some_and(|&octet| octet != b' ') {
        let violation = ProtocolError::UpgradeRefused { status: printable(status) };
        return Err(Fault { violation, response: "" });
    }
    fields.are_of_an_upgrade()?;
    //= RFC 6455, section 4.1
    //# the client MUST _Fail the WebSocket Connection_
    if fields.accept != Some(accept.as_bytes()) {
        return Err("the Sec-WebSocket-Accept does not answer our key".into());
    }
    if fields.extensions {
        return Err("the server chose extensions, and none were offered".into());
    }
    let chosen = match fields.protocols[..] {
        [chosen] => offered(config).into_iter().find(|ours| ours.as_bytes() == chosen),
        _ => None,
    };
    chosen.map(|chosen| protocol(&chosen)).ok_or_else(|| mismatch(config, &fields))
}

fn mismatch(config: &Config, fields: &Fields<'_>) -> Fault {
    let theirs = match fields.protocols[..] {
        [] => "no WebSocket protocol at all".to_owned(),
        _ => printable(&fields.protocols.join(&b", "[..])),
    };
    let violation = ProtocolError::MechanismMismatch { ours: config.mechanism.name(), theirs };
    Fault { violation, response: BAD_REQUEST }
}

fn is_key(key: &[u8]) -> bool {
    let is_digit = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    matches!(key.strip_suffix(b"=="), Some(digits) if digits.len() == 22 && digits.iter().all(is_digit))
}

/// Makes a key. It need not be a secret, only another one each time: the standard library seeds its hashers at random.
fn key() -> String {
    let random = RandomState::new();
    let octets = [random.hash_one(0u8).to_be_bytes(), random.hash_one(1u8).to_be_bytes()].concat();
    base64(&octets)
}

//= RFC 6455, section 4.2.2
//# The value of this header field is constructed by concatenating /key/, defined above in step 4 in Section 4.2.2, with
//# the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking the SHA-1 hash of this concatenated value to obtain a
//# 20-byte value and base64-encoding (see Section 4 of [RFC4648]) this 20-byte hash.
fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize();
    base64(&digest)
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, &octet| bits << 8 | u32::from(octet)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place) & 63) as usize).copied();
            let shown = digit.filter(|_| place <= chunk.len());
            text.push(char::from(shown.unwrap_or(b'=')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketType;

    fn config() -> Config {
        Config::new(SocketType::Pull)
    }

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(replaced: &str, by: &str) -> String {
        let whole = format!(
            "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n"
        );
        assert!(whole.contains(replaced), "{replaced}");
        whole.replacen(replaced, by, 1)
    }

    fn serve(request: &str) -> (Result<Option<Protocol>, ProtocolError>, String, usize) {
        let mut out = Vec::new();
        let mut upgrade = Upgrade::begin(&config(), &WsRole::Server, &mut out);
        assert!(out.is_empty());
        let mut input = BytesMut::from(request.as_bytes());
        let result = upgrade.step(&config(), &mut input, &mut out);
        (result, String::from_utf8(out).expect("text"), input.len())
    }

    #[test]
    fn base64_has_padding() {
        let table = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (octets, expected) in table {
            assert_eq!(base64(octets.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xFE]), "+//+");
    }

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn the_key_is_answered() {
        assert_eq!(accept_key(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_key(key().as_bytes()));
        assert_ne!(key(), key());
    }

    #[test]
    fn requests_of_all_kinds_of_clients_are_answered() {
        let (result, response, rest) = serve(&(request("", "") + "\x01\x02"));
        assert_eq!((result, rest), (Ok(Some(Protocol::Mechanism)), 2));
        let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n";
        assert_eq!(response, expected);
        for (replaced, by) in [
            ("Connection: Upgrade", "connection: keep-alive, upgrade"),
            ("Upgrade: websocket", "UPGRADE:WebSocket"),
            ("Host: server.example.com\r\n", ""),
            ("/chat", "/any/path?x=1"),
            ("ZWS2.0/NULL,ZWS2.0", "other, ZWS2.0/NULL"),
            ("Sec-WebSocket-Protocol: ", "Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol:  "),
            ("Host:", "Sec-WebSocket-Extensions: permessage-deflate\r\nHost:"),
        ] {
            assert_eq!(serve(&request(replaced, by)).0, Ok(Some(Protocol::Mechanism)), "{by}");
        }
        assert_eq!(serve(&request("ZWS2.0/NULL,", "")).0, Ok(Some(Protocol::Bare)));
    }

    #[test]
    fn requests_that_are_none_are_refused_with_a_word() {
        let many = format!("{}Host:", "X: y\r\n".repeat(101));
        for (replaced, by, expected) in [
            ("GET /chat", "POST /chat", "no HTTP GET"),
            ("HTTP/1.1", "HTTP/1.0", "the first line"),
            ("GET /chat", "GET  /chat", "the first line"),
            ("GET /chat HTTP/1.1", "GET  HTTP/1.1", "the first line"),
            ("Upgrade: websocket", "Upgrade: h2c", "does not upgrade"),
            ("Connection: Upgrade", "Connection: close", "does not upgrade"),
            ("Version: 13", "Version: 8", "is not 13"),
            ("Sec-WebSocket-Version: 13\r\n", "", "is not 13"),
            (KEY, "dGhlIHNhbXBsZSBub25jZQ=", "Sec-WebSocket-Key"),
            (KEY, "", "Sec-WebSocket-Key"),
            ("Host:", &format!("Sec-WebSocket-Key: {KEY}\r\nHost:"), "occurs twice"),
            ("ZWS2.0/NULL,ZWS2.0", "ZWS2.0/CURVE", "mismatch: ours is NULL, the peer's is ZWS2.0/CURVE"),
            ("Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0\r\n", "", "no WebSocket protocol at all"),
            ("Host:", "Ho st:", "name has characters"),
            ("Host: server", ": server", "name has characters"),
            ("Host: server", "Host server", "no colon"),
            ("server", "ser\0ver", "control characters"),
            ("server", "ser\rver", "control characters"),
            ("\r\nUpgrade", "\nUpgrade", "control characters"),
            ("Host:", &many, "more than 100"),
            ("server", &"s".repeat(9000), "more than 8192"),
        ] {
            let (result, response, _) = serve(&request(replaced, by));
            let error = result.expect_err(by).to_string();
            assert!(error.contains(expected), "{by}: {error}");
            assert!(response.starts_with("HTTP/1.1 4") && response.ends_with("\r\n\r\n"), "{response}");
        }
    }

    #[test]
    fn heads_may_come_in_pieces_and_strangers_are_seen_at_once() {
        let whole = request("", "");
        let mut out = Vec::new();
        let mut upgrade = Upgrade::begin(&config(), &WsRole::Server, &mut out);
        let mut input = BytesMut::new();
        let mut outcome = Ok(None);
        for octet in whole.bytes() {
            assert_eq!(outcome, Ok(None));
            input.extend_from_slice(&[octet]);
            outcome = upgrade.step(&config(), &mut input, &mut out);
        }
        assert_eq!(outcome, Ok(Some(Protocol::Mechanism)));
        for stranger in ["\u{ff}", "P", "GEX", "\x16\x03"] {
            assert!(serve(stranger).0.is_err(), "{stranger}");
        }
        let endless = "GET ".to_owned() + &"/".repeat(HEAD_MAX - 5);
        assert_eq!(serve(&endless).0, Ok(None));
        assert!(serve(&(endless + "/")).0.is_err());
    }

    fn ask(response: impl Fn(&str) -> String) -> Result<Option<Protocol>, ProtocolError> {
        let mut out = Vec::new();
        let role = WsRole::Client { host: "robot:8080".into(), path: "/zmq".into() };
        let mut upgrade = Upgrade::begin(&config(), &role, &mut out);
        let request = String::from_utf8(out).expect("text");
        assert!(request.starts_with("GET /zmq HTTP/1.1\r\nHost: robot:8080\r\n"), "{request}");
        let (result, answer, _) = serve(&request);
        assert_eq!(result, Ok(Some(Protocol::Mechanism)));
        let mut out = Vec::new();
        let mut input = BytesMut::from(response(&answer).as_bytes());
        let result = upgrade.step(&config(), &mut input, &mut out);
        assert!(out.is_empty(), "a client has nothing to say to that");
        result
    }

    #[test]
    fn responses_are_checked() {
        assert_eq!(ask(str::to_owned), Ok(Some(Protocol::Mechanism)));
        let bare = ask(|answer| answer.replace("ZWS2.0/NULL", "ZWS2.0"));
        assert_eq!(bare, Ok(Some(Protocol::Bare)));
        for (replaced, by, expected) in [
            ("101 Switching Protocols", "404 Not Found", "refused to open a WebSocket: 404 Not Found"),
            ("101 Switching", "1010 Switching", "refused"),
            ("HTTP/1.1", "HTTP/2.0", "not HTTP/1.1"),
            ("Accept: ", "Accept: x", "does not answer our key"),
            ("Sec-WebSocket-Accept", "X-Accept", "does not answer our key"),
            ("ZWS2.0/NULL", "ZWS2.0/PLAIN", "mismatch"),
            ("ZWS2.0/NULL", "ZWS2.0/NULL, ZWS2.0", "mismatch"),
            ("Sec-WebSocket-Protocol", "X-Protocol", "no WebSocket protocol"),
            ("Upgrade: websocket", "Sec-WebSocket-Extensions: x\r\nUpgrade: websocket", "extensions"),
            ("Connection: Upgrade", "Connection: close", "does not upgrade"),
        ] {
            let error = ask(|answer| answer.replacen(replaced, by, 1)).expect_err(by).to_string();
            assert!(error.contains(expected), "{by}: {error}");
        }
    }
}
