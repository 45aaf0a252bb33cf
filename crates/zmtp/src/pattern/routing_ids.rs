//! By which number an application names its peers: SERVER and PEER.

use std::collections::HashMap;

use crate::PeerId;

/// The routing ids of a SERVER or PEER socket's peers: numbers other than 0, counted up, so that one is given out again
/// only after four billion others.
#[derive(Debug, Clone)]
pub struct RoutingIds {
    peers: HashMap<u32, PeerId>,
    /// Indexed by [`PeerId`]; 0 is none.
    ids: Vec<u32>,
    next: u32,
}

impl RoutingIds {
    /// Creates a set without peers. The first number is `seed`, if that is not 0.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self { peers: HashMap::new(), ids: Vec::new(), next: seed }
    }

    /// Gives a peer a number, which it keeps until it is removed; returns that.
    ///
    /// Returns 0, and gives none, in the unreachable case that four billion are in use.
    pub fn assign(&mut self, peer: PeerId) -> u32 {
        //= 41/CLISRV, the SERVER socket type
        //# SHALL identify each double queue using a unique "routing id", which is a non-zero 32-bit unsigned integer
        //# value.
        let known = self.id(peer);
        if known != 0 {
            return known;
        }
        let Some(id) = (0..=self.peers.len()).find_map(|_| self.candidate()) else { return 0 };
        if self.ids.len() <= peer.index() {
            self.ids.resize(peer.index() + 1, 0);
        }
        if let Some(place) = self.ids.get_mut(peer.index()) {
            *place = id;
        }
        self.peers.insert(id, peer);
        id
    }

    /// Counts on; returns the number if it is free.
    fn candidate(&mut self) -> Option<u32> {
        // 0 is for "none".
        let id = self.next.max(1);
        self.next = id.wrapping_add(1);
        (!self.peers.contains_key(&id)).then_some(id)
    }

    /// Returns a peer's number; 0 if it has none.
    #[inline]
    #[must_use]
    pub fn id(&self, peer: PeerId) -> u32 {
        self.ids.get(peer.index()).copied().unwrap_or(0)
    }

    /// Returns the peer that has this number.
    #[inline]
    #[must_use]
    pub fn find(&self, id: u32) -> Option<PeerId> {
        self.peers.get(&id).copied()
    }

    /// Takes a peer's number away.
    pub fn remove(&mut self, peer: PeerId) {
        if let Some(id) = self.ids.get_mut(peer.index()).map(std::mem::take) {
            self.peers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_lead_to_their_peers_and_are_never_0() {
        let mut ids = RoutingIds::new(u32::MAX);
        assert_eq!(ids.assign(PeerId(3)), u32::MAX);
        assert_eq!(ids.assign(PeerId(0)), 1);
        assert_eq!(ids.assign(PeerId(3)), u32::MAX, "it keeps its number");
        assert_eq!((ids.find(u32::MAX), ids.find(1), ids.find(0)), (Some(PeerId(3)), Some(PeerId(0)), None));
        ids.remove(PeerId(3));
        ids.remove(PeerId(9));
        assert_eq!((ids.find(u32::MAX), ids.id(PeerId(3)), ids.id(PeerId(9))), (None, 0, 0));
        assert_eq!(ids.assign(PeerId(3)), 2, "a number is not given out again soon");
    }

    #[test]
    fn numbers_in_use_are_passed_over() {
        let mut ids = RoutingIds::new(1);
        for peer in 0..3 {
            ids.assign(PeerId(peer));
        }
        ids.next = 1;
        assert_eq!(ids.assign(PeerId(7)), 4);
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(seed: u32, steps in prop::collection::vec((any::<bool>(), 0u32..6), 0..60)) {
            let mut ids = RoutingIds::new(seed);
            let mut model = BTreeMap::<u32, u32>::new();
            for (assign, peer) in steps {
                if assign {
                    let id = ids.assign(PeerId(peer));
                    prop_assert_ne!(id, 0);
                    if let Some(known) = model.insert(peer, id) {
                        prop_assert_eq!(known, id);
                    }
                } else {
                    ids.remove(PeerId(peer));
                    model.remove(&peer);
                }
                for peer in 0..6 {
                    prop_assert_eq!(ids.id(PeerId(peer)), model.get(&peer).copied().unwrap_or(0));
                }
                for (peer, id) in &model {
                    prop_assert_eq!(ids.find(*id), Some(PeerId(*peer)));
                }
            }
        }
    }
}
