//! The second frame of a message: what is known of it beside its body.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message as _;
use tamtam_zmq::Frame;

use crate::message::DecodeError;

/// The publisher has ended: `seq` is one more than that of its last message, the body is empty.
pub const FLAG_END: u32 = 1;
/// The message was published before the subscriber came.
pub const FLAG_LATCHED: u32 = 2;
/// No message: an idle publisher repeats the number of its last one. The body is empty.
pub const FLAG_HEARTBEAT: u32 = 4;
/// The message comes out of a recording.
pub const FLAG_REPLAYED: u32 = 8;

/// Octets of [`TopicHeader::source`].
pub const SOURCE_LEN: usize = 8;

/// What stands in the second frame; all of it may be missing. See `docs/topic-protocol.md`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TopicHeader {
    /// Counts the messages of one publisher, from 1.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// When it was published, in nanoseconds since 1970 (UTC).
    #[prost(fixed64, tag = "2")]
    pub stamp_ns: u64,
    /// Which publisher it is from: [`SOURCE_LEN`] octets, chosen by chance when a publisher is made.
    #[prost(bytes = "vec", tag = "3")]
    pub source: Vec<u8>,
    /// The first 8 octets of the schema's id, the first one the most significant; 0 if there is none.
    #[prost(fixed64, tag = "4")]
    pub schema: u64,
    /// [`FLAG_END`] and the others.
    #[prost(uint32, tag = "5")]
    pub flags: u32,
    /// How the body is encoded; empty means Protobuf, or bytes where the topic has no type. What is neither empty nor `protobuf` is
    /// not decoded as one.
    #[prost(string, tag = "6")]
    pub encoding: String,
    /// Whatever else goes along, for recorders and bridges.
    #[prost(btree_map = "string, bytes", tag = "7")]
    pub attachments: BTreeMap<String, Vec<u8>>,
}

impl TopicHeader {
    /// Returns whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Fails if the body of a message that has a type is not Protobuf.
    pub(crate) fn check_encoding(&self) -> Result<(), DecodeError> {
        match &*self.encoding {
            "" | "protobuf" => Ok(()),
            other => {
                Err(DecodeError(format!("it is encoded as {:?}, and not as Protobuf", shortened(other))))
            }
        }
    }

    pub(crate) fn source_id(&self) -> Option<[u8; SOURCE_LEN]> {
        self.source.as_slice().try_into().ok()
    }

    /// Returns when it was published; `None` if that was not said.
    pub(crate) fn stamp(&self) -> Option<SystemTime> {
        (self.stamp_ns != 0).then(|| UNIX_EPOCH + Duration::from_nanos(self.stamp_ns))
    }

    pub(crate) fn to_frame(&self) -> Frame {
        let mut place = [0_u8; 64];
        let len = self.encoded_len();
        if let Some(mut short) = place.get_mut(..len)
            && self.encode(&mut short).is_ok()
        {
            return Frame::copy_from(place.get(..len).unwrap_or_default());
        }
        Frame::from(self.encode_to_vec())
    }
}

/// As much of a stranger's word as a person reads.
fn shortened(word: &str) -> String {
    word.chars().take(40).collect()
}

/// The present time as headers tell it; 0 if the clock stands before 1970.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_wire_and_stay_short() {
        let mut header = TopicHeader {
            seq: u64::MAX,
            stamp_ns: now_ns(),
            source: vec![7; SOURCE_LEN],
            schema: u64::MAX,
            flags: FLAG_END,
            ..TopicHeader::default()
        };
        let frame = header.to_frame();
        assert!(frame.len() <= 71, "needs no allocation: {}", frame.len());
        assert_eq!(TopicHeader::decode(&*frame).unwrap(), header);
        header.attachments.insert("k".into(), vec![1; 100]);
        assert_eq!(TopicHeader::decode(&*header.to_frame()).unwrap(), header);
        assert_eq!(TopicHeader::decode(&b""[..]).unwrap(), TopicHeader::default());
        assert!(TopicHeader::decode(&b"\xff"[..]).is_err());
    }
}
