//! Finding nodes on the local network: a small datagram tells that a node is there and whether it has changed; what it has is
//! fetched over TCP by those who do not know it yet.
//!
//! This, when beacons are sent ([`schedule`](crate::schedule)) and what is known of others ([`neighbours`](crate::neighbours)) is
//! without clock and socket: what is to be done follows from what was heard and when.

use bytes::{Buf as _, BufMut as _};
use sha2::{Digest as _, Sha256};

/// The size of every beacon, in octets.
pub(crate) const BEACON_LEN: usize = 64;
const MAGIC: &[u8; 4] = b"TTM1";
const VERSION: u8 = 1;
const LEAVING: u8 = 1;
const LOOKING: u8 = 2;

/// The number of a node.
pub(crate) type NodeKey = [u8; 8];

/// The first octets of the hash of a domain's name.
pub(crate) fn domain_hash(domain: &str) -> [u8; 8] {
    let hash = Sha256::digest(domain.as_bytes());
    let mut first = [0; 8];
    first.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    first
}

/// What a datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beacon {
    pub(crate) node: NodeKey,
    pub(crate) domain: [u8; 8],
    /// Differs from the last one when the node's table does.
    pub(crate) generation: u64,
    /// Where the table is to be had, at the datagram's source.
    pub(crate) port: u16,
    /// It goes.
    pub(crate) leaving: bool,
    /// It has nothing to offer, and wants to know who is there.
    pub(crate) looking: bool,
}

impl Beacon {
    pub(crate) fn encode(&self) -> [u8; BEACON_LEN] {
        let mut datagram = [0; BEACON_LEN];
        let mut rest = datagram.as_mut_slice();
        rest.put_slice(MAGIC);
        rest.put_u8(VERSION);
        rest.put_u8(if self.leaving { LEAVING } else { 0 } | if self.looking { LOOKING } else { 0 });
        rest.put_u16(self.port);
        rest.put_slice(&self.node);
        rest.put_slice(&self.domain);
        rest.put_u64(self.generation);
        datagram
    }

    /// Reads a datagram; `None` if it is no beacon. Flags and octets without a meaning yet are passed over.
    pub(crate) fn decode(datagram: &[u8]) -> Option<Self> {
        if datagram.len() != BEACON_LEN {
            return None;
        }
        let mut rest = datagram.strip_prefix(MAGIC)?;
        let (version, flags, port) = (rest.get_u8(), rest.get_u8(), rest.get_u16());
        if version != VERSION || port == 0 {
            return None;
        }
        let (mut node, mut domain) = ([0; 8], [0; 8]);
        rest.copy_to_slice(&mut node);
        rest.copy_to_slice(&mut domain);
        let generation = rest.get_u64();
        let (leaving, looking) = (flags & LEAVING != 0, flags & LOOKING != 0);
        Some(Self { node, domain, generation, port, leaving, looking })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn beacon(number: u64, generation: u64) -> Beacon {
        Beacon {
            node: number.to_be_bytes(),
            domain: domain_hash("lab"),
            generation,
            port: 7400,
            leaving: false,
            looking: false,
        }
    }

    #[test]
    fn a_beacon_has_a_fixed_layout() {
        let sent = Beacon { leaving: true, looking: true, ..beacon(0x0102_0304_0506_0708, 9) };
        let datagram = sent.encode();
        assert_eq!(datagram[..8], *b"TTM1\x01\x03\x1c\xe8");
        assert_eq!(datagram[8..16], [1, 2, 3, 4, 5, 6, 7, 8]);
        // printf lab | sha256sum
        assert_eq!(datagram[16..24], *b"\xa5\x11\x46\xd3\x80\x77\xff\x99", "SHA-256 of lab");
        assert_eq!(datagram[24..32], [0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(datagram[32..], [0; 32]);
        assert_eq!(Beacon::decode(&datagram), Some(sent));
        // What later versions add is passed over.
        let mut later = datagram;
        (later[5], later[40]) = (0xff, 7);
        assert_eq!(Beacon::decode(&later), Some(sent));
    }

    #[test]
    fn what_is_no_beacon_is_not_taken_for_one() {
        let good = beacon(1, 1).encode();
        for (at, octet) in [(0, b'X'), (3, b'2'), (4, 2)] {
            let mut bad = good;
            bad[at] = octet;
            assert_eq!(Beacon::decode(&bad), None, "octet {at}");
        }
        let mut no_port = good;
        no_port[6..8].fill(0);
        assert_eq!(Beacon::decode(&no_port), None);
        assert_eq!(Beacon::decode(&good[..63]), None);
        assert_eq!(Beacon::decode(&[&good[..], &[0]].concat()), None);
        assert_eq!(Beacon::decode(&[]), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(octets: Vec<u8>, tail: [u8; 32], extra in 0_usize..40) {
            Beacon::decode(&octets);
            let near = [&b"TTM1\x01"[..], &tail, &vec![0; extra]].concat();
            if let Some(beacon) = Beacon::decode(&near) {
                prop_assert_eq!(Beacon::decode(&beacon.encode()), Some(beacon));
            }
        }
    }
}
