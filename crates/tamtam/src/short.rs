//! Short messages of a topic, as they go over the wire.

use tamtam_zmq::Message;
use tamtam_zmq::within::{FRAME_HEADER_MAX, Framing, ShortMessage};

use crate::header::{HEAD_MAX, Head, SOURCE_LEN, STAMP};
use crate::varint;

/// What most layouts fit into.
const PADDED: usize = 64;

/// What stands before the body of a short message: key and header with their frames' headers, laid out once and filled in where it is sent from.
/// All messages whose numbers are of the same length have the same but for number and time.
#[derive(Debug)]
pub(crate) struct Layout {
    octets: Vec<u8>,
    /// The same with zeros behind it, if it fits: copied without asking how long it is.
    padded: Option<[u8; PADDED]>,
    key_len: usize,
    /// Where the number stands.
    seq_at: usize,
    seq_len: usize,
}

impl Layout {
    /// Lays out messages of this key, source and schema, with a time that is not 0, and numbers as long as `seq`; `None` if they are too
    /// long.
    pub(crate) fn new(key: &[u8], source: [u8; SOURCE_LEN], schema: u64, seq: u64) -> Option<Self> {
        let seq_len = varint::len(seq);
        if seq == 0 || seq_len > varint::LEN_MAX {
            return None;
        }
        let head = Head { seq, stamp_ns: 1, source: Some(source), schema, flags: 0 };
        let mut place = [0; HEAD_MAX];
        let len = head.put(&mut place);
        let mut octets = Vec::new();
        Framing::V2.put_header(&mut octets, key.len(), true);
        octets.extend_from_slice(key);
        Framing::V2.put_header(&mut octets, len, true);
        // Behind its tag.
        let seq_at = octets.len() + 1;
        octets.extend_from_slice(place.get(..len)?);
        let mut padded = [0; PADDED];
        let padded =
            padded.get_mut(..octets.len()).map(|place| place.copy_from_slice(&octets)).map(|()| padded);
        Some(Self { octets, padded, key_len: key.len(), seq_at, seq_len })
    }

    /// Returns whether a number is as long as those that it was laid out for.
    #[inline]
    pub(crate) fn suits(&self, seq: u64) -> bool {
        varint::len(seq) == self.seq_len
    }
}

/// One message.
#[derive(Debug)]
pub(crate) struct Short<'a> {
    pub(crate) layout: &'a Layout,
    /// Suits the layout.
    pub(crate) seq: u64,
    /// Not 0.
    pub(crate) stamp_ns: u64,
    pub(crate) body: &'a [u8],
}

impl Short<'_> {
    /// Without a copy of the number: what was written a moment ago is not read again.
    #[inline]
    fn fill_in(&self, octets: &mut [u8]) {
        let Layout { seq_at, seq_len, .. } = *self.layout;
        if let Some(place) = octets.get_mut(seq_at..).and_then(|rest| rest.first_chunk_mut()) {
            // Eight octets whatever its length: what it writes beyond is written next.
            *place = varint::spread(self.seq, seq_len).to_le_bytes();
        }
        if let Some([tag, rest @ ..]) = octets.get_mut(seq_at + seq_len..)
            && let Some(place) = rest.first_chunk_mut()
        {
            *tag = STAMP;
            *place = self.stamp_ns.to_le_bytes();
        }
    }
}

impl ShortMessage for Short<'_> {
    #[inline]
    fn topic(&self) -> &[u8] {
        self.layout.octets.get(2..2 + self.layout.key_len).unwrap_or_default()
    }

    #[inline]
    fn byte_len(&self) -> usize {
        // Without the headers of two short frames.
        self.layout.octets.len() - 4 + self.body.len()
    }

    #[inline]
    fn wire_len(&self) -> usize {
        self.layout.octets.len().max(PADDED) + FRAME_HEADER_MAX + self.body.len()
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let Layout { octets, padded, .. } = self.layout;
        match padded {
            Some(padded) => {
                out.extend_from_slice(padded);
                out.truncate(start + octets.len());
            }
            None => out.extend_from_slice(octets),
        }
        Framing::V2.put_header(out, self.body.len(), false);
        out.extend_from_slice(self.body);
        if let Some(octets) = out.get_mut(start..) {
            self.fill_in(octets);
        }
    }

    fn to_message(&self, make: &mut dyn FnMut(&[&[u8]]) -> Message) -> Message {
        let mut octets = self.layout.octets.clone();
        self.fill_in(&mut octets);
        let header = octets.get(self.layout.key_len + 4..).unwrap_or_default();
        make(&[self.topic(), header, self.body])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::header::TopicHeader;

    fn check(key: &[u8], head: Head, body: &[u8]) {
        let layout = Layout::new(key, head.source.unwrap(), head.schema, head.seq).unwrap();
        assert!(layout.suits(head.seq));
        let short = Short { layout: &layout, seq: head.seq, stamp_ns: head.stamp_ns, body };
        let message = short.to_message(&mut |frames| Message::from_frames(frames.iter().copied()).unwrap());
        let frames: Vec<_> = message.frames().map(|frame| frame.to_vec()).collect();
        let [first, header, last] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!((&first[..], &last[..]), (key, body));
        assert_eq!(Head::read_usual(header), Some(head));
        assert_eq!(TopicHeader::decode(&header[..]).unwrap().encode_to_vec(), *header);
        assert_eq!((short.topic(), short.byte_len()), (key, message.byte_len()));
        let mut out = b"before".to_vec();
        short.put(&mut out);
        let mut wire = b"before".to_vec();
        for (index, frame) in frames.iter().enumerate() {
            Framing::V2.put_header(&mut wire, frame.len(), index < 2);
            wire.extend_from_slice(frame);
        }
        assert_eq!(out, wire);
        assert!(out.len() - 6 <= short.wire_len());
    }

    proptest! {
        #[test]
        fn what_is_laid_out_is_what_protobuf_writes(
            key in prop::collection::vec(any::<u8>(), 0..=200),
            seq in 1..1_u64 << 56,
            shift in 0..56_u32,
            stamp_ns in 1..=u64::MAX,
            source: [u8; SOURCE_LEN],
            schema: u64,
            has_schema: bool,
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let (seq, schema) = ((seq >> shift).max(1), if has_schema { schema } else { 0 });
            check(&key, Head { seq, stamp_ns, source: Some(source), schema, flags: 0 }, &body);
        }
    }

    #[test]
    fn numbers_of_each_length_have_a_layout_of_their_own() {
        let layout = |seq| Layout::new(b"/a", [1; SOURCE_LEN], 0, seq);
        for bits in (7..56).step_by(7) {
            let (last, first) = ((1_u64 << bits) - 1, 1_u64 << bits);
            assert!(layout(last).unwrap().suits(last) && !layout(last).unwrap().suits(first), "{bits}");
            for seq in [last, first] {
                check(b"/a", Head { seq, stamp_ns: 7, source: Some([1; 8]), schema: 0, flags: 0 }, b"body");
            }
        }
        assert!(layout((1 << 56) - 1).is_some() && layout(1 << 56).is_none() && layout(0).is_none());
    }
}
