//! By which address an application names its peers: ROUTER and STREAM.

use std::collections::HashMap;

use bytes::Bytes;

use crate::PeerId;

/// The identities of a ROUTER or STREAM socket's peers: each peer has at most one, no two have the same.
///
/// A peer may choose its own (the Identity property of its handshake). One that does not, or whose choice begins
/// with a zero octet, gets an automatic identity: a zero octet and four octets that count up.
#[derive(Debug, Clone)]
pub struct Identities {
    /// Peers choose identities, so the map's hash function has to withstand chosen keys; the standard one does.
    peers: HashMap<Bytes, PeerId>,
    /// Indexed by [`PeerId`].
    identities: Vec<Option<Bytes>>,
    next_automatic: u32,
    last: Option<Bytes>,
}

/// What became of a peer that is to get an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "a duplicate must not be routed, and a peer that was handed over must be closed"]
pub enum Assigned {
    /// The peer has an identity now.
    Accepted,
    /// The peer has the identity now, and another one has lost it: the connection to `old` should be closed.
    HandedOver {
        /// The peer that had the identity before and has none now.
        old: PeerId,
    },
    /// Another peer has the identity and keeps it. This one gets none, so no message can go to it, and what it
    /// sends cannot be delivered.
    Duplicate,
}

impl Identities {
    /// Creates a set without peers. The first automatic identity counts from `seed`.
    ///
    /// A random seed makes it unlikely that an address an application kept from an earlier run still reaches
    /// somebody.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self { peers: HashMap::new(), identities: Vec::new(), next_automatic: seed, last: None }
    }

    /// Gives a peer the identity it announced in its handshake, or an automatic one if it announced none or one
    /// that begins with a zero octet.
    ///
    /// With `handover` a peer takes the identity over from the one that has it (`ZMQ_ROUTER_HANDOVER`); without,
    /// it is a [`Duplicate`](Assigned::Duplicate), and nothing changes. A peer that has an identity already gives
    /// it up for the one it announces, and keeps it if it announces none.
    pub fn assign(&mut self, peer: PeerId, announced: &[u8], handover: bool) -> Assigned {
        //= 28/REQREP, the ROUTER socket type
        //# SHOULD allow the peer to specify its identity explicitly through the Identity metadata property.
        if matches!(announced.first(), None | Some(0)) {
            if self.identity(peer).is_none() {
                let automatic = self.automatic();
                self.put(peer, automatic);
            }
            return Assigned::Accepted;
        }
        //= 28/REQREP, the ROUTER socket type
        //# SHALL identify each double queue using a unique "identity" binary string.
        match self.find(announced) {
            Some(owner) if owner == peer => Assigned::Accepted,
            Some(_) if !handover => Assigned::Duplicate,
            owner => {
                if let Some(old) = owner {
                    self.remove(old);
                }
                self.put(peer, Bytes::copy_from_slice(announced));
                owner.map_or(Assigned::Accepted, |old| Assigned::HandedOver { old })
            }
        }
    }

    /// Gives a peer the identity our application chose for it (`ZMQ_CONNECT_ROUTING_ID`), in place of the one it
    /// may have.
    ///
    /// Returns `false`, and changes nothing, if another peer has this identity or it is empty.
    #[must_use]
    pub fn force(&mut self, peer: PeerId, id: &[u8]) -> bool {
        if id.is_empty() {
            return false;
        }
        match self.find(id) {
            Some(owner) => owner == peer,
            None => {
                self.put(peer, Bytes::copy_from_slice(id));
                true
            }
        }
    }

    /// Returns a peer's identity; `None` if it has none.
    #[inline]
    #[must_use]
    pub fn identity(&self, peer: PeerId) -> Option<&Bytes> {
        self.identities.get(peer.index())?.as_ref()
    }

    /// Returns the peer that has this identity.
    #[inline]
    #[must_use]
    pub fn find(&self, id: &[u8]) -> Option<PeerId> {
        self.peers.get(id).copied()
    }

    /// Takes a peer's identity away. Returns it, if there was one.
    pub fn remove(&mut self, peer: PeerId) -> Option<Bytes> {
        let id = self.identities.get_mut(peer.index())?.take()?;
        self.peers.remove(&id);
        Some(id)
    }

    /// Returns the identity that was given last, whatever became of its peer.
    #[inline]
    #[must_use]
    pub const fn last(&self) -> Option<&Bytes> {
        self.last.as_ref()
    }

    /// Returns how many peers have an identity.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns whether no peer has an identity.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    fn automatic(&mut self) -> Bytes {
        loop {
            let [a, b, c, d] = self.next_automatic.to_be_bytes();
            self.next_automatic = self.next_automatic.wrapping_add(1);
            // Taken only if our application forced it on a peer, or if that peer stayed for four billion others.
            let candidate = [0, a, b, c, d];
            if self.find(&candidate).is_none() {
                return Bytes::copy_from_slice(&candidate);
            }
        }
    }

    /// Makes a free identity this peer's.
    fn put(&mut self, peer: PeerId, id: Bytes) {
        self.remove(peer);
        self.last = Some(id.clone());
        if self.identities.len() <= peer.index() {
            self.identities.resize(peer.index() + 1, None);
        }
        if let Some(place) = self.identities.get_mut(peer.index()) {
            *place = Some(id.clone());
            self.peers.insert(id, peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const A: PeerId = PeerId(0);
    const B: PeerId = PeerId(5);
    const C: PeerId = PeerId(2);

    fn identity(identities: &Identities, peer: PeerId) -> Option<&[u8]> {
        identities.identity(peer).map(|id| &**id)
    }

    #[test]
    fn automatic_identities_count_up_from_the_seed_and_wrap() {
        let mut identities = Identities::new(u32::MAX);
        assert!(identities.is_empty());
        for peer in [A, B, C] {
            assert_eq!(identities.assign(peer, b"", false), Assigned::Accepted);
        }
        assert_eq!(identity(&identities, A), Some(&[0, 0xFF, 0xFF, 0xFF, 0xFF][..]));
        assert_eq!(identity(&identities, B), Some(&[0, 0, 0, 0, 0][..]));
        assert_eq!(identity(&identities, C), Some(&[0, 0, 0, 0, 1][..]));
        assert_eq!(identities.find(&[0, 0, 0, 0, 1]), Some(C));
        assert_eq!(identities.len(), 3);
    }

    #[test]
    fn an_automatic_identity_evades_one_that_is_taken() {
        let mut identities = Identities::new(7);
        assert!(identities.force(A, &[0, 0, 0, 0, 7]));
        assert_eq!(identities.assign(B, b"", false), Assigned::Accepted);
        assert_eq!(identity(&identities, B), Some(&[0, 0, 0, 0, 8][..]));
    }

    #[test]
    fn an_announced_identity_must_not_begin_with_zero() {
        let mut identities = Identities::new(0x0102_0304);
        assert_eq!(identities.assign(A, b"\0mine", true), Assigned::Accepted);
        assert_eq!(identity(&identities, A), Some(&[0, 1, 2, 3, 4][..]));
        assert_eq!(identities.find(b"\0mine"), None);
    }

    #[test]
    fn a_duplicate_is_turned_away() {
        let mut identities = Identities::new(0);
        assert_eq!(identities.assign(A, b"id", false), Assigned::Accepted);
        assert_eq!(identities.assign(B, b"id", false), Assigned::Duplicate);
        assert_eq!((identities.find(b"id"), identities.identity(B)), (Some(A), None));
        assert_eq!(identities.remove(B), None);
        assert_eq!(identities.remove(A), Some(Bytes::from("id")));
        assert_eq!(identities.assign(B, b"id", false), Assigned::Accepted);
    }

    #[test]
    fn handover_takes_the_identity_from_the_old_peer() {
        let mut identities = Identities::new(0);
        assert_eq!(identities.assign(A, b"id", true), Assigned::Accepted);
        assert_eq!(identities.assign(B, b"id", true), Assigned::HandedOver { old: A });
        assert_eq!((identities.find(b"id"), identities.identity(A)), (Some(B), None));
        // The old connection is closed afterwards; that must not hurt the new one.
        assert_eq!(identities.remove(A), None);
        assert_eq!(identities.find(b"id"), Some(B));
    }

    #[test]
    fn announcing_again_changes_only_what_is_new() {
        let mut identities = Identities::new(9);
        assert_eq!(identities.assign(A, b"one", false), Assigned::Accepted);
        assert_eq!(identities.assign(A, b"one", true), Assigned::Accepted);
        assert_eq!(identities.assign(A, b"", false), Assigned::Accepted);
        assert_eq!(identity(&identities, A), Some(&b"one"[..]));
        assert_eq!(identities.assign(A, b"two", false), Assigned::Accepted);
        assert_eq!((identities.find(b"one"), identities.find(b"two")), (None, Some(A)));
        assert_eq!(identities.assign(B, b"three", false), Assigned::Accepted);
        assert_eq!(identities.assign(A, b"three", false), Assigned::Duplicate);
        assert_eq!(identity(&identities, A), Some(&b"two"[..]));
    }

    #[test]
    fn the_application_may_force_a_free_identity() {
        let mut identities = Identities::new(0);
        assert!(!identities.force(A, b""));
        assert!(identities.force(A, b"x"));
        assert!(identities.force(A, b"x"));
        assert!(!identities.force(B, b"x"));
        assert_eq!(identities.identity(B), None);
        assert!(identities.force(A, b"y"));
        assert!(identities.force(B, b"x"));
        assert_eq!((identities.find(b"x"), identities.find(b"y")), (Some(B), Some(A)));
    }

    //= 28/REQREP, the ROUTER socket type
    //# SHALL identify each double queue using a unique "identity" binary string.
    #[test]
    fn shall_identify_each_peer_uniquely() {
        let mut identities = Identities::new(3);
        for peer in (0..100).map(PeerId) {
            let announced = if peer.0 % 3 == 0 { peer.0.to_le_bytes().to_vec() } else { Vec::new() };
            assert_eq!(identities.assign(peer, &announced, false), Assigned::Accepted);
        }
        assert_eq!(identities.len(), 100);
        for peer in (0..100).map(PeerId) {
            assert_eq!(identities.identity(peer).and_then(|id| identities.find(id)), Some(peer));
        }
    }

    //= 28/REQREP, the ROUTER socket type
    //# SHOULD allow the peer to specify its identity explicitly through the Identity metadata property.
    #[test]
    fn should_allow_the_peer_to_specify_its_identity() {
        let mut identities = Identities::new(0);
        let longest = [b'i'; 255];
        assert_eq!(identities.assign(A, &longest, false), Assigned::Accepted);
        assert_eq!(identity(&identities, A), Some(&longest[..]));
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in prop::collection::vec((0u8..6, 0u32..5, 0usize..5), 0..80)) {
            let names = [&b""[..], b"a", b"b", b"\0\0\0\0\x02", b"cc"];
            let mut identities = Identities::new(0);
            let mut model = BTreeMap::<u32, Vec<u8>>::new();
            let mut automatic = 0u32;
            for (op, peer, name) in ops {
                let name = names[name];
                let owner = model.iter().find(|(_, id)| **id == name).map(|(owner, _)| *owner);
                match op {
                    0..4 => {
                        let handover = op == 0;
                        let assigned = identities.assign(PeerId(peer), name, handover);
                        let expected = if name.first().is_none_or(|first| *first == 0) {
                            if !model.contains_key(&peer) {
                                let id = std::iter::repeat_with(|| {
                                    let id = [&[0][..], &automatic.to_be_bytes()].concat();
                                    automatic += 1;
                                    id
                                })
                                .find(|id| !model.values().any(|taken| taken == id));
                                model.insert(peer, id.unwrap());
                            }
                            Assigned::Accepted
                        } else if owner.is_some_and(|owner| owner != peer) && !handover {
                            Assigned::Duplicate
                        } else {
                            let old = owner.filter(|owner| *owner != peer);
                            old.map(|old| model.remove(&old));
                            model.insert(peer, name.to_vec());
                            old.map_or(Assigned::Accepted, |old| Assigned::HandedOver { old: PeerId(old) })
                        };
                        prop_assert_eq!(assigned, expected);
                    }
                    4 => {
                        let free = !name.is_empty() && owner.is_none_or(|owner| owner == peer);
                        prop_assert_eq!(identities.force(PeerId(peer), name), free);
                        if free {
                            model.insert(peer, name.to_vec());
                        }
                    }
                    _ => prop_assert_eq!(
                        identities.remove(PeerId(peer)).map(Vec::from),
                        model.remove(&peer)
                    ),
                }
                prop_assert_eq!(identities.len(), model.len());
                for peer in 0..5 {
                    prop_assert_eq!(identity(&identities, PeerId(peer)), model.get(&peer).map(Vec::as_slice));
                }
                for (peer, id) in &model {
                    prop_assert_eq!(identities.find(id), Some(PeerId(*peer)));
                }
            }
        }
    }
}
