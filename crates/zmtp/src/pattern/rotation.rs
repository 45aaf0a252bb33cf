//! Whose turn it is.

use std::fmt;

use crate::PeerId;

/// The peers of a socket that can take part now, in turn.
///
/// Load balancing and fair queueing are both this: a sender's *active* peers are those whose outgoing queue has
/// room, a receiver's those with a message waiting. [`current`](Self::current) stays the same until
/// [`advance`](Self::advance) sends it to the end of the turn or [`deactivate`](Self::deactivate) takes it out.
///
/// Every operation takes constant time: the active peers form a ring of slot numbers, threaded through one table
/// indexed by [`PeerId`]. The table is as long as the largest number ever added.
#[derive(Clone, Default)]
pub struct Rotation {
    slots: Vec<Slot>,
    /// The peer whose turn it is; the one before it in the ring is the end of the turn.
    head: Option<PeerId>,
    len: usize,
    active_len: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    Absent,
    Inactive,
    Active {
        previous: PeerId,
        next: PeerId,
    },
}

impl Rotation {
    /// Creates a rotation without peers.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: Vec::new(), head: None, len: 0, active_len: 0 }
    }

    /// Adds a peer, inactive. Does nothing if it is there already.
    pub fn add(&mut self, peer: PeerId) {
        if self.slots.len() <= peer.index() {
            self.slots.resize(peer.index() + 1, Slot::Absent);
        }
        if let Some(slot @ Slot::Absent) = self.slots.get_mut(peer.index()) {
            *slot = Slot::Inactive;
            self.len += 1;
        }
    }

    /// Removes a peer, active or not. Does nothing if it is not there.
    pub fn remove(&mut self, peer: PeerId) {
        self.deactivate(peer);
        if let Some(slot @ Slot::Inactive) = self.slots.get_mut(peer.index()) {
            *slot = Slot::Absent;
            self.len -= 1;
        }
    }

    /// Lets a peer take part: it joins at the end of the turn. Returns whether it was inactive.
    ///
    /// Returns `false` and changes nothing for a peer that is active already or was never added.
    #[inline]
    pub fn activate(&mut self, peer: PeerId) -> bool {
        if self.slot(peer) != Slot::Inactive {
            return false;
        }
        let (previous, next) = match self.head {
            None => (peer, peer),
            Some(head) => (self.neighbours(head).map_or(head, |(last, _)| last), head),
        };
        self.put(peer, Slot::Active { previous, next });
        if self.head.is_none() {
            self.head = Some(peer);
        } else {
            self.set_next(previous, peer);
            self.set_previous(next, peer);
        }
        self.active_len += 1;
        true
    }

    /// Takes a peer out of the turn; the one behind it moves up. Returns whether it was active.
    #[inline]
    pub fn deactivate(&mut self, peer: PeerId) -> bool {
        let Some((previous, next)) = self.neighbours(peer) else { return false };
        if next == peer {
            self.head = None;
        } else {
            self.set_next(previous, next);
            self.set_previous(next, previous);
            if self.head == Some(peer) {
                self.head = Some(next);
            }
        }
        self.put(peer, Slot::Inactive);
        self.active_len -= 1;
        true
    }

    /// Returns whether the peer takes part in the turn.
    #[inline]
    #[must_use]
    pub fn is_active(&self, peer: PeerId) -> bool {
        matches!(self.slot(peer), Slot::Active { .. })
    }

    /// Returns whether the peer was added, active or not.
    #[inline]
    #[must_use]
    pub fn contains(&self, peer: PeerId) -> bool {
        self.slot(peer) != Slot::Absent
    }

    /// Returns the peer whose turn it is, or `None` if no peer is active.
    #[inline]
    #[must_use]
    pub const fn current(&self) -> Option<PeerId> {
        self.head
    }

    /// Returns the peer whose turn it is if no other one is active.
    #[inline]
    #[must_use]
    pub const fn only(&self) -> Option<PeerId> {
        if self.active_len == 1 { self.head } else { None }
    }

    /// Ends the current peer's turn: it goes to the end, and the next one becomes current.
    #[inline]
    pub fn advance(&mut self) {
        if let Some((_, next)) = self.head.and_then(|head| self.neighbours(head)) {
            self.head = Some(next);
        }
    }

    /// Returns the number of peers, active or not.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no peers at all.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of active peers.
    #[inline]
    #[must_use]
    pub const fn active_len(&self) -> usize {
        self.active_len
    }

    /// Iterates over all peers, active or not, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = PeerId> + '_ {
        (0u32..).zip(&self.slots).filter(|(_, slot)| **slot != Slot::Absent).map(|(number, _)| PeerId(number))
    }

    #[inline]
    fn slot(&self, peer: PeerId) -> Slot {
        self.slots.get(peer.index()).copied().unwrap_or_default()
    }

    #[inline]
    fn neighbours(&self, peer: PeerId) -> Option<(PeerId, PeerId)> {
        match self.slots.get(peer.index()) {
            Some(&Slot::Active { previous, next }) => Some((previous, next)),
            _ => None,
        }
    }

    #[inline]
    fn put(&mut self, peer: PeerId, slot: Slot) {
        if let Some(place) = self.slots.get_mut(peer.index()) {
            *place = slot;
        }
    }

    #[inline]
    fn set_next(&mut self, peer: PeerId, to: PeerId) {
        if let Some(Slot::Active { next, .. }) = self.slots.get_mut(peer.index()) {
            *next = to;
        }
    }

    #[inline]
    fn set_previous(&mut self, peer: PeerId, to: PeerId) {
        if let Some(Slot::Active { previous, .. }) = self.slots.get_mut(peer.index()) {
            *previous = to;
        }
    }

    /// Iterates over the active peers in the order of their turns, the current one first.
    fn turns(&self) -> impl Iterator<Item = PeerId> + '_ {
        std::iter::successors(self.head, |peer| self.neighbours(*peer).map(|(_, next)| next))
            .take(self.active_len)
    }
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation")
            .field("active", &self.turns().map(|peer| peer.0).collect::<Vec<_>>())
            .field("len", &self.len)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn with_active(peers: impl IntoIterator<Item = u32>) -> Rotation {
        let mut rotation = Rotation::new();
        for peer in peers {
            rotation.add(PeerId(peer));
            assert!(rotation.activate(PeerId(peer)));
        }
        rotation
    }

    fn order(rotation: &Rotation) -> Vec<u32> {
        rotation.turns().map(|peer| peer.0).collect()
    }

    #[test]
    fn nobody_has_a_turn_at_first() {
        let mut rotation = Rotation::new();
        assert_eq!(rotation.current(), None);
        rotation.advance();
        rotation.add(PeerId(3));
        assert_eq!(rotation.current(), None);
        assert_eq!((rotation.len(), rotation.active_len(), rotation.is_empty()), (1, 0, false));
        assert!(rotation.contains(PeerId(3)) && !rotation.is_active(PeerId(3)));
        assert!(!rotation.contains(PeerId(2)) && !rotation.contains(PeerId(u32::MAX)));
    }

    #[test]
    fn a_stranger_can_neither_join_nor_leave() {
        let mut rotation = Rotation::new();
        assert!(!rotation.activate(PeerId(7)));
        assert!(!rotation.deactivate(PeerId(7)));
        rotation.remove(PeerId(7));
        assert_eq!(rotation.len(), 0);
    }

    #[test]
    fn adding_and_activating_twice_changes_nothing() {
        let mut rotation = with_active([0, 1]);
        rotation.add(PeerId(0));
        assert!(!rotation.activate(PeerId(0)));
        assert_eq!(order(&rotation), [0, 1]);
        assert_eq!((rotation.len(), rotation.active_len()), (2, 2));
    }

    #[test]
    fn a_peer_that_becomes_active_joins_at_the_end_of_the_turn() {
        let mut rotation = with_active([0, 1, 2]);
        rotation.advance();
        rotation.add(PeerId(9));
        rotation.activate(PeerId(9));
        assert_eq!(order(&rotation), [1, 2, 0, 9]);
    }

    #[test]
    fn the_next_one_moves_up_when_the_current_one_leaves() {
        let mut rotation = with_active([0, 1, 2]);
        rotation.advance();
        assert!(rotation.deactivate(PeerId(1)));
        assert_eq!(order(&rotation), [2, 0]);
        rotation.remove(PeerId(2));
        assert_eq!(order(&rotation), [0]);
        rotation.advance();
        assert_eq!(rotation.current(), Some(PeerId(0)));
        rotation.remove(PeerId(0));
        assert_eq!(rotation.current(), None);
        assert_eq!(rotation.iter().collect::<Vec<_>>(), [PeerId(1)]);
    }

    #[test]
    fn iterates_over_inactive_peers_too() {
        let mut rotation = with_active([4, 2]);
        rotation.add(PeerId(0));
        assert_eq!(rotation.iter().map(|peer| peer.0).collect::<Vec<_>>(), [0, 2, 4]);
    }

    #[test]
    fn a_slot_number_can_be_used_again() {
        let mut rotation = with_active([0, 1]);
        rotation.remove(PeerId(0));
        rotation.add(PeerId(0));
        assert!(!rotation.is_active(PeerId(0)));
        rotation.activate(PeerId(0));
        assert_eq!(order(&rotation), [1, 0]);
    }

    #[test]
    fn shows_the_order_of_turns() {
        assert_eq!(format!("{:?}", with_active([2, 0])), "Rotation { active: [2, 0], len: 2 }");
    }

    //= 28/REQREP, the REQ socket type
    //# SHALL route outgoing messages to connected peers using a round-robin strategy.
    //= 28/REQREP, the DEALER socket type
    //# SHALL route outgoing messages to available peers using a round-robin strategy.
    //= 30/PIPELINE, the PUSH socket type
    //# SHALL route outgoing messages to available peers using a round-robin strategy.
    #[test]
    fn shall_route_using_a_round_robin_strategy() {
        let mut rotation = with_active([0, 1, 2]);
        let mut routed = Vec::new();
        for _ in 0..7 {
            routed.extend(rotation.current());
            rotation.advance();
        }
        assert_eq!(routed, [0, 1, 2, 0, 1, 2, 0].map(PeerId));
    }

    //= 28/REQREP, the DEALER socket type
    //# SHALL consider a peer as available only when it has a outgoing queue that is not full.
    //= 30/PIPELINE, the PUSH socket type
    //# SHALL consider a peer as available only when it has a outgoing queue that is not full.
    #[test]
    fn shall_pass_over_a_peer_that_is_full_until_it_has_room() {
        let mut rotation = with_active([0, 1, 2]);
        rotation.deactivate(PeerId(1));
        assert_eq!(order(&rotation), [0, 2]);
        rotation.advance();
        rotation.activate(PeerId(1));
        assert_eq!(order(&rotation), [2, 0, 1]);
    }

    //= 28/REQREP, the REP socket type
    //# SHALL receive incoming messages from its peers using a fair-queuing strategy.
    //= 29/PUBSUB, the SUB socket type
    //# SHALL receive incoming messages from its publishers using a fair-queuing strategy.
    //= 30/PIPELINE, the PULL socket type
    //# SHALL receive incoming messages from its peers using a fair-queuing strategy.
    #[test]
    fn shall_fair_queue_a_busy_peer_with_a_rare_one() {
        // Peer 0 always has a message, peer 1 only now and then: it never waits for more than one of peer 0's.
        let mut rotation = with_active([0]);
        rotation.add(PeerId(1));
        for _ in 0..5 {
            rotation.advance();
            rotation.activate(PeerId(1));
            assert_eq!(rotation.current(), Some(PeerId(0)));
            rotation.advance();
            assert_eq!(rotation.current(), Some(PeerId(1)));
            rotation.deactivate(PeerId(1));
            assert_eq!(rotation.current(), Some(PeerId(0)));
        }
    }

    proptest! {
        #[test]
        fn rounds_visit_every_active_peer_equally_often_and_in_the_same_order(
            peers in prop::collection::btree_set(0u32..200, 1..40),
            rounds in 1usize..8,
        ) {
            let mut rotation = with_active(peers.iter().copied());
            let first_round = order(&rotation);
            for _ in 0..rounds {
                let mut visited = Vec::new();
                for _ in 0..peers.len() {
                    visited.extend(rotation.current().map(|peer| peer.0));
                    rotation.advance();
                }
                prop_assert_eq!(&visited, &first_round);
            }
        }

        #[test]
        fn behaves_like_a_deque(ops in prop::collection::vec((0u8..5, 0u32..8), 0..200)) {
            let mut rotation = Rotation::new();
            let (mut all, mut turns) = (BTreeSet::new(), VecDeque::new());
            for (op, peer) in ops {
                match op {
                    0 => {
                        rotation.add(PeerId(peer));
                        all.insert(peer);
                    }
                    1 => {
                        rotation.remove(PeerId(peer));
                        all.remove(&peer);
                        turns.retain(|other| *other != peer);
                    }
                    2 => {
                        let joins = all.contains(&peer) && !turns.contains(&peer);
                        prop_assert_eq!(rotation.activate(PeerId(peer)), joins);
                        if joins {
                            turns.push_back(peer);
                        }
                    }
                    3 => {
                        prop_assert_eq!(rotation.deactivate(PeerId(peer)), turns.contains(&peer));
                        turns.retain(|other| *other != peer);
                    }
                    _ => {
                        rotation.advance();
                        if !turns.is_empty() {
                            turns.rotate_left(1);
                        }
                    }
                }
                prop_assert_eq!(order(&rotation), Vec::from(turns.clone()));
                prop_assert_eq!(rotation.current().map(|peer| peer.0), turns.front().copied());
                prop_assert_eq!(rotation.active_len(), turns.len());
                prop_assert_eq!(rotation.len(), all.len());
                prop_assert!(rotation.iter().map(|peer| peer.0).eq(all.iter().copied()));
                for peer in 0..8 {
                    prop_assert_eq!(rotation.is_active(PeerId(peer)), turns.contains(&peer));
                    prop_assert_eq!(rotation.contains(PeerId(peer)), all.contains(&peer));
                }
            }
        }
    }
}
