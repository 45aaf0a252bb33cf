//! Which subscribers want which topics: the publisher's side of PUB and XPUB, and RADIO's of groups.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;

use super::prefix_tree::{NodeId, PrefixTree};
use crate::PeerId;

/// The subscriptions that a PUB or XPUB socket's peers have made.
///
/// A topic is a byte string; a message matches if its first frame begins with it. For one peer the subscriptions
/// are a set, as in libzmq: asking twice for a topic is the same as asking once, and one cancellation ends it.
///
/// Memory follows what is subscribed and is given back: a cache line for each topic, each place where topics part and
/// every 23 bytes of a long topic (the table may have up to four times the room it needs), and some tens of bytes for
/// each subscription.
#[derive(Default)]
pub struct Subscriptions {
    tree: PrefixTree<Holders>,
    /// The topics each peer holds, indexed by [`PeerId`]: a lost peer is removed without a search of the tree.
    topics: Vec<BTreeSet<NodeId>>,
    pairs: usize,
    peer_count: usize,
    union: Union,
}

/// What a subscription or a cancellation changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Change {
    /// Subscription: nobody held exactly this topic before. Cancellation: nobody holds it any more, and somebody
    /// did. Implies `new`.
    pub unique: bool,
    /// Subscription: this peer did not hold the topic. Cancellation: it did.
    pub new: bool,
}

impl Subscriptions {
    /// Creates a set without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a peer wants what begins with `topic`.
    ///
    /// Changes nothing if it holds the topic already, nor in the unreachable case that four billion nodes are in
    /// use.
    pub fn subscribe(&mut self, peer: PeerId, topic: &[u8]) -> Change {
        let (id, change) = if let Some(id) = self.tree.find(topic) {
            let Some(holders) = self.tree.value_mut(id) else { return Change::default() };
            (id, Change { unique: false, new: holders.insert(peer) })
        } else {
            let Some(id) = self.tree.insert(topic, Holders::One(peer)) else { return Change::default() };
            (id, Change { unique: true, new: true })
        };
        if change.new {
            if self.topics.len() <= peer.index() {
                self.topics.resize_with(peer.index() + 1, BTreeSet::new);
            }
            if let Some(topics) = self.topics.get_mut(peer.index()) {
                self.peer_count += usize::from(topics.is_empty());
                topics.insert(id);
            }
            self.pairs += 1;
            self.union.outdated();
        }
        change
    }

    /// Notes that a peer no longer wants `topic`. Other topics of its that match the same messages stay.
    pub fn unsubscribe(&mut self, peer: PeerId, topic: &[u8]) -> Change {
        let Some(id) = self.tree.find(topic) else { return Change::default() };
        let Some(topics) = self.topics.get_mut(peer.index()) else { return Change::default() };
        if !topics.remove(&id) {
            return Change::default();
        }
        self.peer_count -= usize::from(topics.is_empty());
        Change { unique: self.release(peer, id).is_some(), new: true }
    }

    /// Removes a lost peer with all it held. Returns the topics that nobody holds any more, in ascending order:
    /// what an XPUB socket tells its application.
    ///
    /// Spelling the topics out can take much more memory than holding them did (each may be a prefix of the next);
    /// where nobody is to be told, use [`forget_peer`](Self::forget_peer).
    pub fn remove_peer(&mut self, peer: PeerId) -> Vec<Bytes> {
        let mut orphans = Vec::new();
        self.release_all(peer, |tree, id| orphans.push(tree.topic(id)));
        orphans.sort_unstable();
        orphans
    }

    /// Removes a lost peer with all it held, without saying what that was.
    pub fn forget_peer(&mut self, peer: PeerId) {
        self.release_all(peer, |_, _| {});
    }

    /// Returns every peer that holds a prefix of `topic`, each once, in ascending order.
    ///
    /// Where every subscription is to the empty topic, or only one topic matches, the list is at hand and nothing
    /// is computed. Otherwise the peers of all matching topics are united, once for as long as the same topics match
    /// and no subscription changes.
    #[inline]
    pub fn matches(&mut self, topic: &[u8]) -> &[PeerId] {
        if self.tree.is_trivial() {
            return self.tree.empty_topic().map_or(&[], Holders::as_slice);
        }
        self.search(topic)
    }

    /// Returns whether every subscription there is, is to the empty topic: then what
    /// [`matches`](Self::matches) returns depends on no message. So it is, too, while there are none.
    #[inline]
    #[must_use]
    pub fn everyone(&self) -> bool {
        self.tree.is_trivial()
    }

    /// Returns how many peers hold at least one topic.
    #[inline]
    #[must_use]
    pub const fn peer_count(&self) -> usize {
        self.peer_count
    }

    /// Returns how many peers hold exactly this topic.
    #[must_use]
    pub fn count(&self, topic: &[u8]) -> usize {
        self.holders(topic).len()
    }

    /// Returns the number of subscriptions: distinct pairs of peer and topic.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pairs
    }

    /// Returns whether there are no subscriptions.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// Returns the number of distinct topics (`ZMQ_TOPICS_COUNT`).
    #[inline]
    #[must_use]
    pub const fn topics_count(&self) -> usize {
        self.tree.len()
    }

    /// Iterates over the topics a peer holds, in no particular order.
    pub fn peer_topics(&self, peer: PeerId) -> impl Iterator<Item = Bytes> + '_ {
        self.topics.get(peer.index()).into_iter().flatten().map(|id| self.tree.topic(*id))
    }

    /// Returns whether a peer holds exactly this topic.
    #[must_use]
    pub fn holds(&self, peer: PeerId, topic: &[u8]) -> bool {
        self.holders(topic).binary_search(&peer).is_ok()
    }

    /// Returns the peers that hold exactly this topic, in ascending order: RADIO's groups are matched as a whole.
    #[inline]
    #[must_use]
    pub fn holders(&self, topic: &[u8]) -> &[PeerId] {
        self.tree.find(topic).and_then(|id| self.tree.value(id)).map_or(&[], Holders::as_slice)
    }

    fn search(&mut self, topic: &[u8]) -> &[PeerId] {
        let found = match self.union.recent.get(topic) {
            Some(found) => found,
            None => {
                let found = self.find(topic);
                self.union.recent.found(topic, found);
                found
            }
        };
        match found {
            Found::Nobody => &[],
            Found::Holders(id) => self.tree.value(id).map_or(&[], Holders::as_slice),
            Found::Union => &self.union.peers,
        }
    }

    fn find(&mut self, topic: &[u8]) -> Found {
        let mut prefixes = self.tree.prefixes(topic);
        let Some(shortest) = prefixes.next() else { return Found::Nobody };
        let Some(longest) = prefixes.last() else { return Found::Holders(shortest) };
        // The longest topic that matches decides which others do: they are its prefixes.
        if self.union.of != Some(longest) {
            self.union.compute(self.tree.values_upwards(longest), self.topics.len());
            self.union.of = Some(longest);
            self.union.recent = Recent::default();
        }
        Found::Union
    }

    fn release_all(&mut self, peer: PeerId, mut orphan: impl FnMut(&PrefixTree<Holders>, NodeId)) {
        // The highest places first, so that few nodes have to move up.
        while let Some(topics) = self.topics.get_mut(peer.index()) {
            let Some(id) = topics.pop_last() else { return };
            self.peer_count -= usize::from(topics.is_empty());
            if self.tree.value(id).is_some_and(|holders| holders.is_only(peer)) {
                orphan(&self.tree, id);
            }
            self.release(peer, id);
        }
    }

    /// Takes a peer off a topic's holders; the caller has taken the topic off the peer's. Returns the node's last
    /// holders if there are none left.
    fn release(&mut self, peer: PeerId, id: NodeId) -> Option<Holders> {
        self.union.outdated();
        self.pairs -= 1;
        let holders = self.tree.value_mut(id)?;
        if !holders.is_only(peer) {
            holders.remove(peer);
            return None;
        }
        let topics = &mut self.topics;
        self.tree.remove(id, |holders, from, to| {
            for holder in holders.as_slice() {
                if let Some(topics) = topics.get_mut(holder.index()) {
                    topics.remove(&from);
                    topics.insert(to);
                }
            }
        })
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("len", &self.pairs)
            .field("topics_count", &self.tree.len())
            .field("peer_count", &self.peer_count)
            .finish_non_exhaustive()
    }
}

/// The peers of several topics together, kept for the next message.
#[derive(Default)]
struct Union {
    peers: Vec<PeerId>,
    /// The longest of the topics.
    of: Option<NodeId>,
    /// One bit for each peer, all clear between calls. Setting bits unites the lists, and reading them in order
    /// sorts the result.
    seen: Vec<u64>,
    recent: Recent,
}

/// Who wants a message.
#[derive(Clone, Copy)]
enum Found {
    Nobody,
    /// Those who hold this one topic.
    Holders(NodeId),
    /// Those who hold any of several topics, as they were united last.
    Union,
}

/// The first frame that was looked up last, and what was found: many publishers send one topic's messages in a row.
#[derive(Default)]
struct Recent {
    topic: Vec<u8>,
    found: Option<Found>,
    /// Something that a topic that is met again has in common with itself: only then is it worth to be kept.
    hint: (usize, u64),
}

impl Recent {
    /// Longer ones are bodies rather than topics.
    const LEN_MAX: usize = 128;

    #[inline]
    fn get(&self, topic: &[u8]) -> Option<Found> {
        self.found.filter(|_| is_same(&self.topic, topic))
    }

    fn found(&mut self, topic: &[u8], found: Found) {
        let end = topic.last_chunk().copied().map_or(0, u64::from_ne_bytes);
        let hint = (topic.len(), end);
        if std::mem::replace(&mut self.hint, hint) == hint && topic.len() <= Self::LEN_MAX {
            self.topic.clear();
            self.topic.extend_from_slice(topic);
            self.found = Some(found);
        }
    }
}

/// Compares word by word: topics are short, and calling for that takes longer than doing it.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let ((words, rest), (other_words, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    words.iter().zip(other_words).all(|(one, other)| one == other)
        && rest.iter().zip(other_rest).all(|(one, other)| one == other)
}

impl Union {
    fn outdated(&mut self) {
        self.of = None;
        self.recent.found = None;
    }

    fn compute<'h>(&mut self, lists: impl Iterator<Item = &'h Holders>, peers_max: usize) {
        self.peers.clear();
        self.seen.resize(peers_max.div_ceil(64), 0);
        for peer in lists.flat_map(Holders::as_slice) {
            if let Some(word) = self.seen.get_mut(peer.index() / 64) {
                *word |= 1 << (peer.0 % 64);
            }
        }
        for (base, word) in (0u32..).step_by(64).zip(&mut self.seen) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                self.peers.push(PeerId(base + bits.trailing_zeros()));
                bits &= bits - 1;
            }
        }
    }
}

/// The peers that hold a topic: at least one, ascending.
enum Holders {
    One(PeerId),
    #[expect(clippy::box_collection, reason = "one word, so that a node of the tree fills one cache line")]
    Many(Box<Vec<PeerId>>),
}

const _: () = assert!(size_of::<Option<Holders>>() == 16);

impl Holders {
    #[inline]
    fn as_slice(&self) -> &[PeerId] {
        match self {
            Self::One(peer) => std::slice::from_ref(peer),
            Self::Many(peers) => peers,
        }
    }

    fn is_only(&self, peer: PeerId) -> bool {
        matches!(self.as_slice(), [only] if *only == peer)
    }

    fn insert(&mut self, peer: PeerId) -> bool {
        match self {
            Self::One(only) if *only == peer => return false,
            Self::One(only) => *self = Self::Many(Box::new(vec![peer.min(*only), peer.max(*only)])),
            Self::Many(peers) => {
                let Err(place) = peers.binary_search(&peer) else { return false };
                peers.insert(place, peer);
            }
        }
        true
    }

    /// Removes one of several.
    fn remove(&mut self, peer: PeerId) {
        let Self::Many(peers) = self else { return };
        if let Ok(place) = peers.binary_search(&peer) {
            peers.remove(place);
        }
        match ***peers {
            [only] => *self = Self::One(only),
            _ if peers.capacity() / 4 > peers.len() => peers.shrink_to(peers.len() * 2),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    const A: PeerId = PeerId(0);
    const B: PeerId = PeerId(1);
    const C: PeerId = PeerId(130);

    const UNIQUE: Change = Change { unique: true, new: true };
    const SHARED: Change = Change { unique: false, new: true };
    const NOTHING: Change = Change { unique: false, new: false };

    fn subscribed(pairs: &[(PeerId, &str)]) -> Subscriptions {
        let mut subscriptions = Subscriptions::new();
        for (peer, topic) in pairs {
            subscriptions.subscribe(*peer, topic.as_bytes());
        }
        subscriptions
    }

    #[test]
    fn nobody_wants_anything_at_first() {
        let mut subscriptions = Subscriptions::new();
        assert_eq!(subscriptions.matches(b""), []);
        assert_eq!(subscriptions.matches(b"a"), []);
        assert!(subscriptions.is_empty() && subscriptions.everyone());
        assert_eq!(subscriptions.unsubscribe(A, b"a"), NOTHING);
        assert!(subscriptions.remove_peer(A).is_empty());
        assert_eq!(subscriptions.peer_topics(A).count(), 0);
    }

    #[test]
    fn tells_what_changed() {
        let mut subscriptions = Subscriptions::new();
        assert_eq!(subscriptions.subscribe(A, b"t"), UNIQUE);
        assert_eq!(subscriptions.subscribe(A, b"t"), NOTHING);
        assert_eq!(subscriptions.subscribe(B, b"t"), SHARED);
        assert_eq!(subscriptions.subscribe(C, b"t"), SHARED);
        assert_eq!((subscriptions.count(b"t"), subscriptions.len(), subscriptions.topics_count()), (3, 3, 1));
        assert_eq!(subscriptions.holders(b"t"), [A, B, C]);
        assert_eq!(subscriptions.holders(b"to"), []);
        assert_eq!(subscriptions.unsubscribe(B, b"t"), SHARED);
        assert_eq!(subscriptions.unsubscribe(B, b"t"), NOTHING);
        assert_eq!(subscriptions.unsubscribe(C, b"t"), SHARED);
        assert_eq!(subscriptions.unsubscribe(A, b"t"), UNIQUE);
        assert_eq!(subscriptions.unsubscribe(A, b"t"), NOTHING);
        assert!(subscriptions.is_empty());
    }

    #[test]
    fn one_cancellation_ends_a_topic_however_often_it_was_asked_for() {
        let mut subscriptions = subscribed(&[(A, "t"), (A, "t"), (A, "t")]);
        assert_eq!(subscriptions.unsubscribe(A, b"t"), UNIQUE);
        assert_eq!(subscriptions.matches(b"t"), []);
    }

    #[test]
    fn a_cancellation_by_someone_who_never_asked_changes_nothing() {
        let mut subscriptions = subscribed(&[(A, "t")]);
        assert_eq!(subscriptions.unsubscribe(B, b"t"), NOTHING);
        assert_eq!(subscriptions.unsubscribe(PeerId(u32::MAX), b"t"), NOTHING);
        assert_eq!(subscriptions.matches(b"t"), [A]);
    }

    #[test]
    fn a_peer_whose_topics_overlap_gets_a_message_once() {
        let mut subscriptions = subscribed(&[(C, ""), (A, "ab"), (C, "a"), (C, "abc"), (B, "abd")]);
        let table: [(&str, &[PeerId]); 5] =
            [("", &[C]), ("a", &[C]), ("ab", &[A, C]), ("abcd", &[A, C]), ("abd", &[A, B, C])];
        for (topic, expected) in table {
            assert_eq!(subscriptions.matches(topic.as_bytes()), expected, "{topic}");
        }
    }

    #[test]
    fn everyone_is_known_without_a_search() {
        let mut subscriptions = subscribed(&[(B, ""), (A, "")]);
        assert!(subscriptions.everyone());
        assert_eq!(subscriptions.matches(b"anything"), [A, B]);
        subscriptions.subscribe(A, b"x");
        assert!(!subscriptions.everyone());
        assert_eq!(subscriptions.matches(b"anything"), [A, B]);
        subscriptions.unsubscribe(A, b"x");
        assert!(subscriptions.everyone());
    }

    #[test]
    fn a_remembered_union_does_not_outlive_a_change() {
        let mut subscriptions = subscribed(&[(A, ""), (B, "t")]);
        assert_eq!(subscriptions.matches(b"t1"), [A, B]);
        assert_eq!(subscriptions.matches(b"t2"), [A, B]);
        subscriptions.subscribe(C, b"t");
        assert_eq!(subscriptions.matches(b"t1"), [A, B, C]);
        subscriptions.unsubscribe(B, b"t");
        assert_eq!(subscriptions.matches(b"t1"), [A, C]);
        subscriptions.forget_peer(A);
        assert_eq!(subscriptions.matches(b"t1"), [C]);
        subscriptions.subscribe(A, b"");
        assert_eq!(subscriptions.matches(b"t1"), [A, C]);
        assert_eq!(subscriptions.matches(b"s"), [A]);
    }

    #[test]
    fn counts_pairs_topics_and_peers() {
        let mut subscriptions = subscribed(&[(A, "x"), (A, "y"), (B, "x"), (C, "")]);
        let counts = |s: &Subscriptions| (s.len(), s.topics_count(), s.peer_count());
        assert_eq!(counts(&subscriptions), (4, 3, 3));
        assert_eq!((subscriptions.count(b"x"), subscriptions.count(b"z")), (2, 0));
        assert!(
            subscriptions.holds(A, b"y") && !subscriptions.holds(B, b"y") && !subscriptions.holds(A, b"z")
        );
        subscriptions.unsubscribe(A, b"x");
        assert_eq!(counts(&subscriptions), (3, 3, 3));
        subscriptions.unsubscribe(A, b"y");
        assert_eq!(counts(&subscriptions), (2, 2, 2));
        subscriptions.forget_peer(C);
        assert_eq!(counts(&subscriptions), (1, 1, 1));
        assert_eq!(
            format!("{subscriptions:?}"),
            "Subscriptions { len: 1, topics_count: 1, peer_count: 1, .. }"
        );
    }

    #[test]
    fn lists_what_a_peer_holds() {
        let subscriptions = subscribed(&[(A, "x"), (B, "z"), (A, ""), (A, "xyz")]);
        let topics: BTreeSet<_> = subscriptions.peer_topics(A).collect();
        assert_eq!(topics, BTreeSet::from([Bytes::from("x"), Bytes::new(), Bytes::from("xyz")]));
    }

    #[test]
    fn a_peers_slot_number_can_be_used_again() {
        let mut subscriptions = subscribed(&[(A, "x"), (B, "x")]);
        subscriptions.forget_peer(A);
        assert_eq!(subscriptions.peer_topics(A).count(), 0);
        assert_eq!(subscriptions.subscribe(A, b"y"), UNIQUE);
        assert_eq!(subscriptions.matches(b"x"), [B]);
        assert_eq!(subscriptions.matches(b"y"), [A]);
    }

    #[test]
    fn deep_topics_of_many_peers_come_and_go() {
        let text = vec![b'd'; 2000];
        let mut subscriptions = Subscriptions::new();
        for len in 0..=text.len() {
            subscriptions.subscribe(PeerId(u32::try_from(len % 70).unwrap()), &text[..len]);
        }
        assert_eq!(subscriptions.matches(&text).len(), 70);
        let orphans = subscriptions.remove_peer(A);
        assert_eq!(orphans.len(), text.len() / 70 + 1);
        for peer in 1..70 {
            assert_eq!(subscriptions.matches(&text).len(), 70 - peer as usize);
            subscriptions.forget_peer(PeerId(peer));
        }
        assert!(subscriptions.is_empty() && subscriptions.everyone());
    }

    #[test]
    fn a_thousand_peers_share_a_topic() {
        let mut subscriptions = Subscriptions::new();
        for peer in (0..1000).rev() {
            subscriptions.subscribe(PeerId(peer), b"news");
            subscriptions.subscribe(PeerId(peer), b"");
        }
        let everyone: Vec<_> = (0..1000).map(PeerId).collect();
        assert_eq!(subscriptions.matches(b"newspaper"), everyone);
        assert_eq!(subscriptions.matches(b"other"), everyone);
        for peer in 1..1000 {
            subscriptions.forget_peer(PeerId(peer));
        }
        assert_eq!(subscriptions.matches(b"newspaper"), [A]);
    }

    //= 29/PUBSUB, the PUB socket type
    //# SHALL perform a binary comparison of the subscription against the start of the first frame of the message.
    //= 29/PUBSUB, the XPUB socket type
    //# SHALL perform a binary comparison of the subscription against the start of the first frame of the message.
    #[test]
    fn shall_compare_bytes_with_the_start_of_the_first_frame() {
        let mut subscriptions = Subscriptions::new();
        subscriptions.subscribe(A, &[0x00, 0xFF]);
        for (first_frame, matches) in [
            (&[0x00, 0xFF][..], true),
            (&[0x00, 0xFF, 0x00][..], true),
            (&[0x00][..], false),
            (&[][..], false),
            (&[0x00, 0xFE][..], false),
            (&[0x01, 0x00, 0xFF][..], false),
        ] {
            assert_eq!(!subscriptions.matches(first_frame).is_empty(), matches, "{first_frame:?}");
        }
    }

    //= 29/PUBSUB, the XPUB socket type
    //# SHALL, if the subscriber peer disconnects prematurely, generate a suitable unsubscribe request for the
    //# calling application.
    #[test]
    fn shall_name_the_topics_to_unsubscribe_when_a_subscriber_disconnects() {
        let mut subscriptions = subscribed(&[(A, "only"), (A, "both"), (B, "both"), (A, ""), (B, "b")]);
        assert_eq!(subscriptions.remove_peer(A), [Bytes::new(), Bytes::from("only")]);
        assert!(subscriptions.remove_peer(A).is_empty());
        assert_eq!(subscriptions.remove_peer(B), [Bytes::from("b"), Bytes::from("both")]);
    }

    /// The plainest thing that does the same.
    #[derive(Default)]
    struct Model(BTreeMap<Vec<u8>, BTreeSet<PeerId>>);

    impl Model {
        fn subscribe(&mut self, peer: PeerId, topic: &[u8]) -> Change {
            let holders = self.0.entry(topic.to_vec()).or_default();
            Change { unique: holders.is_empty(), new: holders.insert(peer) }
        }

        fn unsubscribe(&mut self, peer: PeerId, topic: &[u8]) -> Change {
            let Some(holders) = self.0.get_mut(topic) else { return NOTHING };
            let new = holders.remove(&peer);
            let unique = holders.is_empty();
            if unique {
                self.0.remove(topic);
            }
            Change { unique, new }
        }

        fn remove_peer(&mut self, peer: PeerId) -> Vec<Vec<u8>> {
            let topics: Vec<_> = self.0.keys().cloned().collect();
            topics.into_iter().filter(|topic| self.unsubscribe(peer, topic).unique).collect()
        }

        fn matches(&self, topic: &[u8]) -> Vec<PeerId> {
            let lists = self.0.iter().filter(|(prefix, _)| topic.starts_with(prefix)).map(|(_, list)| list);
            lists.flatten().copied().collect::<BTreeSet<_>>().into_iter().collect()
        }

        fn topics_of(&self, peer: PeerId) -> Vec<Vec<u8>> {
            let held = self.0.iter().filter(|(_, holders)| holders.contains(&peer));
            held.map(|(topic, _)| topic.clone()).collect()
        }
    }

    fn topic() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![Just("a"), Just("b"), Just("aaaaaaaaaaaaaaaaaaaaaaa"), Just("abbbbbbbbbbb")];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat().into_bytes())
    }

    fn peer() -> impl Strategy<Value = PeerId> {
        prop_oneof![Just(0), Just(1), Just(2), Just(63), Just(64), Just(65), Just(200)].prop_map(PeerId)
    }

    proptest! {
        #[test]
        fn behaves_like_a_map_of_sets(
            ops in prop::collection::vec((0u8..12, peer(), topic(), topic()), 0..80),
        ) {
            let mut subscriptions = Subscriptions::new();
            let mut model = Model::default();
            for (op, peer, topic, published) in ops {
                match op {
                    0..6 => prop_assert_eq!(
                        subscriptions.subscribe(peer, &topic),
                        model.subscribe(peer, &topic)
                    ),
                    6..10 => prop_assert_eq!(
                        subscriptions.unsubscribe(peer, &topic),
                        model.unsubscribe(peer, &topic)
                    ),
                    10 => prop_assert_eq!(subscriptions.remove_peer(peer), model.remove_peer(peer)),
                    _ => {
                        subscriptions.forget_peer(peer);
                        model.remove_peer(peer);
                    }
                }
                for topic in [&topic, &published, &published] {
                    prop_assert_eq!(subscriptions.matches(topic), model.matches(topic));
                }
                let holders = model.0.get(&topic);
                prop_assert_eq!(subscriptions.count(&topic), holders.map_or(0, BTreeSet::len));
                prop_assert_eq!(subscriptions.holds(peer, &topic), holders.is_some_and(|h| h.contains(&peer)));
                prop_assert_eq!(subscriptions.len(), model.0.values().map(BTreeSet::len).sum::<usize>());
                prop_assert_eq!(subscriptions.topics_count(), model.0.len());
                let peers: BTreeSet<_> = model.0.values().flatten().collect();
                prop_assert_eq!(subscriptions.peer_count(), peers.len());
                prop_assert_eq!(subscriptions.everyone(), model.0.keys().all(Vec::is_empty));
                let mut held: Vec<_> = subscriptions.peer_topics(peer).collect();
                held.sort_unstable();
                prop_assert_eq!(held, model.topics_of(peer));
            }
        }
    }
}
