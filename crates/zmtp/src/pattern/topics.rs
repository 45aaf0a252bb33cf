//! What a subscriber wants: the own subscriptions of SUB and XSUB, and DISH's groups.

use std::fmt;
use std::num::NonZeroUsize;

use bytes::Bytes;

use super::prefix_tree::PrefixTree;

/// The topics that a SUB or XSUB socket's application has subscribed to, counted.
///
/// Subscribing twice takes two cancellations to undo. Publishers hear only of the first subscription to a topic and
/// of the last cancellation, and a message is filtered once more when it arrives, since a publisher may send what
/// was cancelled meanwhile or not filter at all.
#[derive(Default)]
pub struct Topics {
    tree: PrefixTree<NonZeroUsize>,
    /// The only topic, as long as there is one: what most subscribers have, and quicker compared than looked up.
    only: Option<Bytes>,
}

impl Topics {
    /// Creates a set without topics: nothing passes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Subscribes to what begins with `topic`. Returns whether this is the first subscription to exactly this
    /// topic, of which publishers have to be told.
    ///
    /// Returns `false` and subscribes to nothing in the unreachable case that four billion nodes are in use.
    pub fn subscribe(&mut self, topic: &[u8]) -> bool {
        match self.tree.find(topic).and_then(|id| self.tree.value_mut(id)) {
            Some(count) => {
                *count = count.saturating_add(1);
                false
            }
            None => {
                let is_new = self.tree.insert(topic, NonZeroUsize::MIN).is_some();
                self.note_only();
                is_new
            }
        }
    }

    /// Undoes one subscription to exactly this topic.
    ///
    /// Returns `Some(true)` if it was the last one, of which publishers have to be told; `None` if there was none.
    pub fn unsubscribe(&mut self, topic: &[u8]) -> Option<bool> {
        let id = self.tree.find(topic)?;
        let count = self.tree.value_mut(id)?;
        if let Some(fewer) = NonZeroUsize::new(count.get() - 1) {
            *count = fewer;
            return Some(false);
        }
        self.tree.remove(id, |_, _, _| {});
        self.note_only();
        Some(true)
    }

    fn note_only(&mut self) {
        self.only = (self.tree.len() == 1).then(|| self.iter().next()).flatten();
    }

    /// Returns whether a message whose first frame is `body` passes: whether it begins with one of the topics.
    #[inline]
    #[must_use]
    pub fn matches(&self, body: &[u8]) -> bool {
        if let Some(only) = &self.only {
            // Asked first: comparing with nothing reads nothing from an address that is none, and some processors take thirty
            // nanoseconds to find that out (a masked vector load from a page that is not mapped).
            return only.is_empty() || body.starts_with(only);
        }
        self.tree.empty_topic().is_some() || self.tree.prefixes(body).next().is_some()
    }

    /// Returns whether exactly this topic is subscribed to: DISH's groups are matched as a whole.
    #[inline]
    #[must_use]
    pub fn contains(&self, topic: &[u8]) -> bool {
        self.tree.find(topic).is_some()
    }

    /// Iterates over the topics, each once, in no particular order: what a new publisher has to be told.
    pub fn iter(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.tree.iter().map(|id| self.tree.topic(id))
    }

    /// Returns the number of distinct topics (`ZMQ_TOPICS_COUNT`).
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.tree.len()
    }

    /// Returns whether there are no topics, so that nothing passes.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tree.len() == 0
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_passes_at_first() {
        let mut topics = Topics::new();
        assert!(!topics.matches(b"") && !topics.matches(b"a"));
        assert!(topics.is_empty());
        assert_eq!(topics.unsubscribe(b""), None);
        assert_eq!(format!("{topics:?}"), "Topics { len: 0, .. }");
    }

    #[test]
    fn everything_begins_with_the_empty_topic() {
        let mut topics = Topics::new();
        assert!(topics.subscribe(b""));
        assert!(topics.matches(b"") && topics.matches(b"a"));
        assert!(topics.contains(b"") && !topics.contains(b"a"));
        assert_eq!(topics.iter().collect::<Vec<_>>(), [Bytes::new()]);
    }

    #[test]
    fn as_many_cancellations_as_subscriptions() {
        let mut topics = Topics::new();
        assert!(topics.subscribe(b"t"));
        assert!(!topics.subscribe(b"t"));
        assert_eq!(topics.len(), 1);
        assert_eq!(topics.unsubscribe(b"t"), Some(false));
        assert!(topics.matches(b"t"));
        assert_eq!(topics.unsubscribe(b"t"), Some(true));
        assert!(!topics.matches(b"t"));
        assert_eq!(topics.unsubscribe(b"t"), None);
    }

    #[test]
    fn a_topic_is_cancelled_exactly_not_by_its_prefix() {
        let mut topics = Topics::new();
        topics.subscribe(b"ab");
        assert_eq!(topics.unsubscribe(b"a"), None);
        assert_eq!(topics.unsubscribe(b"abc"), None);
        assert!(topics.matches(b"abc"));
    }

    //= 29/PUBSUB, the SUB socket type
    //# MAY, depending on the transport, filter messages according to subscriptions, using a prefix match algorithm.
    //= 29/PUBSUB, the XSUB socket type
    //# MAY, depending on the transport, filter messages according to subscriptions, using a prefix match algorithm.
    #[test]
    fn may_filter_using_a_prefix_match() {
        let mut topics = Topics::new();
        topics.subscribe(b"weather.");
        topics.subscribe(&[0]);
        for (body, passes) in [
            (&b"weather."[..], true),
            (b"weather.paris", true),
            (b"weather", false),
            (b"Weather.paris", false),
            (b"", false),
            (b"\0", true),
            (b"\0x", true),
        ] {
            assert_eq!(topics.matches(body), passes, "{body:?}");
        }
    }

    //= 29/PUBSUB, the XSUB socket type
    //# When closing a connection to a publisher SHOULD send unsubscribe requests for all subscriptions.
    #[test]
    fn should_be_able_to_list_all_subscriptions() {
        let mut topics = Topics::new();
        for topic in ["b", "a", "b", "", "abc"] {
            topics.subscribe(topic.as_bytes());
        }
        let mut all: Vec<_> = topics.iter().collect();
        all.sort_unstable();
        assert_eq!(all, ["", "a", "abc", "b"].map(Bytes::from));
    }

    fn topic() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![Just("a"), Just("b"), Just("aaaaaaaaaaaaaaaaaaaaaaaa")];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn behaves_like_a_map_of_counts(
            ops in prop::collection::vec((any::<bool>(), topic(), topic()), 0..80),
        ) {
            let mut topics = Topics::new();
            let mut model = BTreeMap::<Vec<u8>, usize>::new();
            for (subscribe, topic, body) in ops {
                if subscribe {
                    let count = model.entry(topic.clone()).or_default();
                    *count += 1;
                    prop_assert_eq!(topics.subscribe(&topic), *count == 1);
                } else {
                    let expected = model.get_mut(&topic).map(|count| {
                        *count -= 1;
                        *count == 0
                    });
                    if expected == Some(true) {
                        model.remove(&topic);
                    }
                    prop_assert_eq!(topics.unsubscribe(&topic), expected);
                }
                for body in [&topic, &body] {
                    prop_assert_eq!(topics.matches(body), model.keys().any(|key| body.starts_with(key)));
                }
                prop_assert_eq!(topics.len(), model.len());
                let mut all: Vec<_> = topics.iter().collect();
                all.sort_unstable();
                prop_assert!(all.iter().eq(model.keys()));
            }
        }
    }
}
