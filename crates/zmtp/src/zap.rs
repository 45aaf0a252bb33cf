//! 27/ZAP: how a handler in the same process is asked whether a peer is let in. Messages only; who carries them is not
//! said here.

use bytes::Bytes;

use crate::connection::{AuthReply, Credentials, zap_properties};
use crate::error::{ProtocolCode, ProtocolError, printable};
use crate::frame::Frame;
use crate::message::Message;

/// Where the handler is bound.
//= 27/ZAP, Architecture
//# The handler SHALL bind to the endpoint "inproc://zeromq.zap.01".
pub const ENDPOINT: &str = "inproc://zeromq.zap.01";

const VERSION: &[u8] = b"1.0";
/// Each request goes over a pipe of its own, so one number does for all.
const REQUEST_ID: &[u8] = b"1";
/// Frames of a reply: delimiter, version, request id, status code, status text, user id, metadata.
const REPLY_FRAMES: usize = 7;

/// Returns the request for a DEALER to send: `domain` is a name the handler can choose its rules by, `address` the peer's
/// without a port, `identity` our own routing id, as libzmq has it.
#[must_use]
pub fn request(domain: &str, address: &str, identity: &[u8], credentials: &Credentials) -> Message {
    let mut message = Message::new(Frame::new());
    for frame in [
        VERSION,
        REQUEST_ID,
        domain.as_bytes(),
        address.as_bytes(),
        identity,
        credentials.mechanism().as_bytes(),
    ] {
        message.push_back(Frame::copy_from(frame));
    }
    match credentials {
        Credentials::None => {}
        Credentials::Plain { username, password } => {
            message.push_back(Frame::copy_from(username));
            message.push_back(Frame::copy_from(password));
        }
        Credentials::Curve(key) => message.push_back(Frame::copy_from(key.as_bytes())),
    }
    message
}

/// Reads the reply that a DEALER received. What is not as 27/ZAP has it lets nobody in: [`AuthReply::Fail`].
#[must_use]
pub fn reply(message: &Message) -> AuthReply {
    read(message).unwrap_or_else(AuthReply::Fail)
}

fn read(message: &Message) -> Result<AuthReply, ProtocolError> {
    let fault = |code, what| ProtocolError::ZapReply { code, what };
    let frames: Vec<&[u8]> = message.frames().take(REPLY_FRAMES + 1).map(|frame| &**frame).collect();
    let [delimiter, version, id, status, text, user_id, metadata] = *frames else {
        return Err(fault(ProtocolCode::ZapMalformedReply, "it has not 7 frames"));
    };
    if !delimiter.is_empty() {
        return Err(fault(ProtocolCode::ZapUnspecified, "it does not begin with an empty frame"));
    }
    if version != VERSION {
        return Err(fault(ProtocolCode::ZapBadVersion, "its version is not 1.0"));
    }
    //= 27/ZAP, Message Format
    //# The reply SHALL echo the request id without modifying it.
    if id != REQUEST_ID {
        return Err(fault(ProtocolCode::ZapBadRequestId, "it has another request id"));
    }
    let status = match status {
        b"200" => None,
        b"300" => Some(300),
        b"400" => Some(400),
        b"500" => Some(500),
        _ => {
            return Err(fault(
                ProtocolCode::ZapInvalidStatusCode,
                "its status is none of 200, 300, 400, 500",
            ));
        }
    };
    let metadata = zap_properties(metadata)
        .map_err(|_| fault(ProtocolCode::ZapInvalidMetadata, "its metadata is not as ZMTP has it"))?;
    Ok(match status {
        None => AuthReply::Accept { user_id: Some(Bytes::copy_from_slice(user_id)), metadata },
        Some(status) => AuthReply::Refuse { status, text: printable(text) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::CurvePublicKey;

    fn message(frames: &[&[u8]]) -> Message {
        Message::from_frames(frames.iter().copied()).expect("frames")
    }

    fn frames(message: &Message) -> Vec<Vec<u8>> {
        message.frames().map(|frame| frame.to_vec()).collect()
    }

    #[test]
    fn requests_carry_what_each_mechanism_shows() {
        let front: [&[u8]; 6] = [b"", b"1.0", b"1", b"global", b"10.0.0.1", b"me"];
        let plain = Credentials::Plain { username: "admin".into(), password: "secret".into() };
        let key = CurvePublicKey::from_bytes([7; 32]);
        let table: [(Credentials, Vec<&[u8]>); 3] = [
            (Credentials::None, vec![b"NULL"]),
            (plain, vec![b"PLAIN", b"admin", b"secret"]),
            (Credentials::Curve(key), vec![b"CURVE", &[7; 32]]),
        ];
        for (credentials, back) in table {
            let request = request("global", "10.0.0.1", b"me", &credentials);
            assert_eq!(frames(&request), [&front[..], &back].concat());
        }
    }

    #[test]
    fn replies() {
        let accept =
            |user: &'static str, metadata| AuthReply::Accept { user_id: Some(user.into()), metadata };
        let refuse = |status, text: &str| AuthReply::Refuse { status, text: text.into() };
        let property = b"\x05Hello\0\0\0\x05World";
        let table: [(&[&[u8]], AuthReply); 4] = [
            (&[b"", b"1.0", b"1", b"200", b"OK", b"joe", b""], accept("joe", Vec::new())),
            (
                &[b"", b"1.0", b"1", b"200", b"OK", b"", property],
                accept("", vec![("Hello".to_owned(), "World".into())]),
            ),
            (&[b"", b"1.0", b"1", b"300", b"busy\x1b", b"", b""], refuse(300, "busy\\x1b")),
            (&[b"", b"1.0", b"1", b"400", b"no", b"", b""], refuse(400, "no")),
        ];
        for (given, expected) in table {
            assert_eq!(reply(&message(given)), expected);
        }
    }

    #[test]
    fn what_is_no_reply_lets_nobody_in() {
        use ProtocolCode::{
            ZapBadRequestId, ZapBadVersion, ZapInvalidMetadata, ZapInvalidStatusCode, ZapMalformedReply,
            ZapUnspecified,
        };
        let table: [(&[&[u8]], ProtocolCode); 10] = [
            (&[b"", b"1.0", b"1", b"200", b"OK", b"joe"], ZapMalformedReply),
            (&[b"", b"1.0", b"1", b"200", b"OK", b"joe", b"", b""], ZapMalformedReply),
            (&[b""], ZapMalformedReply),
            (&[b"x", b"1.0", b"1", b"200", b"OK", b"joe", b""], ZapUnspecified),
            (&[b"", b"1.1", b"1", b"200", b"OK", b"joe", b""], ZapBadVersion),
            (&[b"", b"1.0", b"2", b"200", b"OK", b"joe", b""], ZapBadRequestId),
            (&[b"", b"1.0", b"1", b"2000", b"OK", b"joe", b""], ZapInvalidStatusCode),
            (&[b"", b"1.0", b"1", b"100", b"OK", b"joe", b""], ZapInvalidStatusCode),
            (&[b"", b"1.0", b"1", b"", b"OK", b"joe", b""], ZapInvalidStatusCode),
            (&[b"", b"1.0", b"1", b"200", b"OK", b"joe", b"\x05Hel"], ZapInvalidMetadata),
        ];
        for (given, expected) in table {
            let AuthReply::Fail(error) = reply(&message(given)) else { panic!("{given:?}") };
            assert_eq!(error.code(), Some(expected), "{error}");
        }
    }
}
