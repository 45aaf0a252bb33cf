//! The second frame of a message: what is known of it beside its body.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message as _;
use tamtam_zmq::Frame;

use crate::message::DecodeError;
use crate::varint;

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

const SEQ: u8 = 1 << 3;
pub(crate) const STAMP: u8 = 2 << 3 | 1;
const SOURCE: u8 = 3 << 3 | 2;
const SCHEMA: u8 = 4 << 3 | 1;
const FLAGS: u8 = 5 << 3;
/// What stands behind the tag of a source.
const LEN: u8 = SOURCE_LEN as u8;

/// What nearly every header says, and nothing else: read and written without an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) stamp_ns: u64,
    /// `None` if there is none, or one of another length.
    pub(crate) source: Option<[u8; SOURCE_LEN]>,
    pub(crate) schema: u64,
    pub(crate) flags: u32,
}

impl Head {
    /// Returns whether a flag is set.
    pub(crate) const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Returns when it was published; `None` if that was not said.
    pub(crate) fn stamp(&self) -> Option<SystemTime> {
        (self.stamp_ns != 0).then(|| UNIX_EPOCH + Duration::from_nanos(self.stamp_ns))
    }

    /// Writes the header that says this, the same octets as [`TopicHeader`] gives; returns how many they are.
    #[inline]
    pub(crate) fn put(&self, place: &mut [u8; HEAD_MAX]) -> usize {
        let mut out = Cursor { place, len: 0 };
        if self.seq != 0 {
            out.varint(SEQ, self.seq);
        }
        if self.stamp_ns != 0 {
            out.octets([STAMP]);
            out.octets(self.stamp_ns.to_le_bytes());
        }
        if let Some(source) = self.source {
            out.octets([SOURCE, SOURCE_LEN as u8]);
            out.octets(source);
        }
        if self.schema != 0 {
            out.octets([SCHEMA]);
            out.octets(self.schema.to_le_bytes());
        }
        if self.flags != 0 {
            out.varint(FLAGS, u64::from(self.flags));
        }
        out.len
    }

    /// Reads fields in the order in which they are written; `None` for anything else.
    #[inline]
    pub(crate) fn read_usual(octets: &[u8]) -> Option<Self> {
        Self::read_common(octets).or_else(|| Self::read_fields(octets))
    }

    /// Reads a number of up to 56 bits, time and source, perhaps a schema, and nothing else: what nearly every message brings.
    #[inline]
    pub(crate) fn read_common(octets: &[u8]) -> Option<Self> {
        let [SEQ, rest @ ..] = octets else { return None };
        let (seq, len) = varint::gather(u64::from_le_bytes(*rest.first_chunk()?))?;
        let (&[STAMP, ref rest @ ..], end) = rest.get(len..)?.split_first_chunk::<19>()? else { return None };
        let (stamp, rest) = rest.split_first_chunk()?;
        let &[SOURCE, LEN, ref source @ ..] = rest else { return None };
        let schema = match end {
            [] => 0,
            [SCHEMA, schema @ ..] => u64::from_le_bytes(schema.try_into().ok()?),
            _ => return None,
        };
        let source = Some(source.try_into().ok()?);
        Some(Self { seq, stamp_ns: u64::from_le_bytes(*stamp), source, schema, flags: 0 })
    }

    fn read_fields(octets: &[u8]) -> Option<Self> {
        let (mut head, mut rest) = (Self::default(), octets);
        if let [SEQ, after @ ..] = rest {
            (head.seq, rest) = take_varint(after)?;
        }
        if let [STAMP, after @ ..] = rest {
            let (stamp, after) = after.split_first_chunk()?;
            (head.stamp_ns, rest) = (u64::from_le_bytes(*stamp), after);
        }
        if let [SOURCE, len, after @ ..] = rest {
            let (source, after) = after.split_first_chunk().filter(|_| usize::from(*len) == SOURCE_LEN)?;
            (head.source, rest) = (Some(*source), after);
        }
        if let [SCHEMA, after @ ..] = rest {
            let (schema, after) = after.split_first_chunk()?;
            (head.schema, rest) = (u64::from_le_bytes(*schema), after);
        }
        if let [FLAGS, after @ ..] = rest {
            let (flags, after) = take_varint(after)?;
            (head.flags, rest) = (u32::try_from(flags).ok()?, after);
        }
        rest.is_empty().then_some(head)
    }
}

impl From<&TopicHeader> for Head {
    fn from(header: &TopicHeader) -> Self {
        let TopicHeader { seq, stamp_ns, ref source, schema, flags, .. } = *header;
        Self { seq, stamp_ns, source: source.as_slice().try_into().ok(), schema, flags }
    }
}

/// Octets of the longest header that says no more than [`Head`]: two long numbers and three fixed fields.
pub(crate) const HEAD_MAX: usize = 11 + 9 + 10 + 9 + 6;

struct Cursor<'a> {
    place: &'a mut [u8; HEAD_MAX],
    len: usize,
}

impl Cursor<'_> {
    #[inline]
    fn octets<const N: usize>(&mut self, octets: [u8; N]) {
        if let Some(place) = self.place.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            *place = octets;
            self.len += N;
        }
    }

    #[inline]
    fn varint(&mut self, tag: u8, mut value: u64) {
        self.octets([tag]);
        while value >= 0x80 {
            self.octets([value as u8 | 0x80]);
            value >>= 7;
        }
        self.octets([value as u8]);
    }
}

#[inline]
fn take_varint(octets: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, &octet) in octets.iter().enumerate().take(10) {
        // Protobuf cuts off what is beyond 64 bits, or refuses it: not decided here.
        if index == 9 && octet > 1 {
            return None;
        }
        value |= u64::from(octet & 0x7f) << (7 * index);
        if octet & 0x80 == 0 {
            return Some((value, octets.get(index + 1..)?));
        }
    }
    None
}

/// As much of a stranger's word as a person reads.
fn shortened(word: &str) -> String {
    word.chars().take(40).collect()
}

/// The present time as headers tell it; 0 if the clock stands before 1970.
#[inline]
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let (Ok(seconds), Ok(ns)) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec)) else { return 0 };
    seconds.saturating_mul(1_000_000_000).saturating_add(ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn what_headers_mostly_say_is_written_and_read_as_protobuf_does(
            seq: u64, small in 0..300_u64, stamp_ns: u64, source: [u8; SOURCE_LEN], schema: u64, flags in 0..300_u32, given: [bool; 5],
        ) {
            let [has_seq, has_stamp, has_source, has_schema, has_flags] = given;
            let head = Head {
                seq: if has_seq { seq } else { small },
                stamp_ns: if has_stamp { stamp_ns } else { 0 },
                source: has_source.then_some(source),
                schema: if has_schema { schema } else { 0 },
                flags: if has_flags { flags } else { 0 },
            };
            let mut place = [0; HEAD_MAX];
            let len = head.put(&mut place);
            let octets = place[..len].to_vec();
            let header = TopicHeader::decode(&*octets).unwrap();
            prop_assert_eq!(Head::from(&header), head);
            prop_assert_eq!(header.encode_to_vec(), &*octets);
            prop_assert_eq!(Head::read_usual(&octets), Some(head));
        }

        #[test]
        fn other_octets_are_read_as_protobuf_does(
            octets in prop::collection::vec(prop_oneof![Just(SEQ), Just(STAMP), Just(SOURCE), Just(SCHEMA), Just(FLAGS), Just(8), any::<u8>()], 0..40)
        ) {
            match TopicHeader::decode(&*octets) {
                Ok(header) => prop_assert!(Head::read_usual(&octets).is_none_or(|head| head == Head::from(&header))),
                Err(_) => prop_assert_eq!(Head::read_usual(&octets), None),
            }
        }
    }
}
