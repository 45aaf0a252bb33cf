//! A map from byte strings that finds every key that is a prefix of a text.

use bytes::Bytes;

/// A byte radix tree: topics as keys, found exactly or as prefixes of a text.
///
/// The nodes lie in one table without holes, and a removed node's place is taken by the last one, so memory follows
/// what is stored, and dropping the tree needs no recursion. No operation recurses: a topic of a megabyte is a chain
/// of some 45,000 nodes, which would be a call stack as deep (CVE-2021-20236 was that in another implementation).
///
/// A label, the bytes on the edge to a node, is kept inside the node and is thus at most [`LABEL_MAX`] bytes. That
/// bounds what splitting and joining labels costs, whatever the topics are: without a bound, a two-byte request
/// could make us copy a megabyte. It also puts all a search needs of a node into one cache line.
///
/// What holds between calls:
/// - every node but the root has a label, and siblings differ in the first byte of theirs;
/// - every node but the root has a value or a child. The number of nodes is thus at most one more than the number
///   of bytes in all topics stored, and about one for every [`LABEL_MAX`] bytes of a long one.
pub(super) struct PrefixTree<V> {
    nodes: Vec<Node<V>>,
    /// How many nodes have a value.
    len: usize,
}

/// The longest label. Chosen so that a node with a value of two words fills one cache line.
const LABEL_MAX: usize = 23;

/// Where a node is in the table. A node with a value keeps its place until `remove` reports that it moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(u32);

const ROOT: NodeId = NodeId(0);

struct Node<V> {
    label: Label,
    parent: NodeId,
    children: Children,
    value: Option<V>,
}

const _: () = assert!(size_of::<Node<Box<[u8]>>>() <= 64);

impl<V> PrefixTree<V> {
    /// Creates a tree that holds nothing and takes no memory yet beyond the root.
    pub(super) fn new() -> Self {
        let root = Node { label: Label::EMPTY, parent: ROOT, children: Children::none(), value: None };
        Self { nodes: vec![root], len: 0 }
    }

    /// Returns the number of topics that have a value.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the value of the empty topic, the prefix of everything.
    #[inline]
    pub(super) fn empty_topic(&self) -> Option<&V> {
        self.nodes.first()?.value.as_ref()
    }

    /// Returns whether no topic but the empty one has a value, so that what matches does not depend on the text.
    #[inline]
    pub(super) fn is_trivial(&self) -> bool {
        self.len == usize::from(self.empty_topic().is_some())
    }

    /// Finds exactly this topic.
    pub(super) fn find(&self, topic: &[u8]) -> Option<NodeId> {
        let (id, rest) = self.descend(topic);
        (rest.is_empty() && self.node(id).value.is_some()).then_some(id)
    }

    pub(super) fn value(&self, id: NodeId) -> Option<&V> {
        self.node(id).value.as_ref()
    }

    pub(super) fn value_mut(&mut self, id: NodeId) -> Option<&mut V> {
        self.node_mut(id).value.as_mut()
    }

    /// Iterates over the topics that are prefixes of this text and have a value, the shortest first.
    #[inline]
    pub(super) fn prefixes<'t>(&'t self, text: &'t [u8]) -> Prefixes<'t, V> {
        Prefixes { tree: self, at: Some(ROOT), rest: text }
    }

    /// Iterates over the values of this topic's prefixes, itself included, the longest first.
    pub(super) fn values_upwards(&self, id: NodeId) -> impl Iterator<Item = &V> + '_ {
        self.upwards(id).filter_map(|id| self.node(id).value.as_ref())
    }

    /// Iterates over all topics that have a value, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0u32..).zip(&self.nodes).filter(|(_, node)| node.value.is_some()).map(|(number, _)| NodeId(number))
    }

    /// Spells out a topic.
    pub(super) fn topic(&self, id: NodeId) -> Bytes {
        let len = self.upwards(id).map(|id| self.node(id).label.as_slice().len()).sum();
        let mut reversed = Vec::with_capacity(len);
        for id in self.upwards(id) {
            reversed.extend(self.node(id).label.as_slice().iter().rev());
        }
        reversed.reverse();
        reversed.into()
    }

    /// Gives a topic a value, in place of the one it may have.
    ///
    /// Returns `None`, and changes nothing, if the table would outgrow its numbering: after four billion nodes,
    /// a quarter of a terabyte.
    pub(super) fn insert(&mut self, topic: &[u8], value: V) -> Option<NodeId> {
        // At most one split, then a chain. Asking first means that a refusal leaves nothing half done.
        let nodes_needed = topic.len() / LABEL_MAX + 2;
        u32::try_from(self.nodes.len().checked_add(nodes_needed)?).ok()?;

        let (mut id, mut rest) = self.descend(topic);
        if let Some(child) = rest.first().and_then(|first| self.node(id).children.find(*first)) {
            // The child shares the beginning of its label with the topic, but not all of it.
            let shared = self.node(child).label.shared_len(rest);
            id = self.split(child, shared)?;
            rest = rest.get(shared..)?;
        }
        for label in rest.chunks(LABEL_MAX) {
            id = self.grow(id, Label::new(label))?;
        }
        if self.node_mut(id).value.replace(value).is_none() {
            self.len += 1;
        }
        Some(id)
    }

    /// Takes a topic's value away, and the nodes that are no longer needed.
    ///
    /// Nodes move up into the places that become free; `moved` hears of each that has a value: from where, to where.
    pub(super) fn remove(&mut self, id: NodeId, mut moved: impl FnMut(&V, NodeId, NodeId)) -> Option<V> {
        let value = self.node_mut(id).value.take()?;
        self.len -= 1;
        self.prune(id, &mut moved);
        if self.nodes.capacity() / 4 > self.nodes.len().max(64) {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
        Some(value)
    }

    /// Walks down as far as whole labels agree with the text. Returns the last node and what is left of the text.
    fn descend<'t>(&self, text: &'t [u8]) -> (NodeId, &'t [u8]) {
        let (mut id, mut rest) = (ROOT, text);
        while let Some((child, after)) = self.step(id, rest) {
            (id, rest) = (child, after);
        }
        (id, rest)
    }

    /// Goes down one edge, if its whole label agrees with the text.
    #[inline]
    fn step<'t>(&self, id: NodeId, text: &'t [u8]) -> Option<(NodeId, &'t [u8])> {
        let child = self.node(id).children.find(*text.first()?)?;
        Some((child, text.strip_prefix(self.node(child).label.as_slice())?))
    }

    /// Iterates from a node to the root, both included.
    fn upwards(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(id), |id| (*id != ROOT).then(|| self.node(*id).parent))
    }

    /// Puts a node between this one and its parent, which takes over the first `at` bytes of the label.
    fn split(&mut self, id: NodeId, at: usize) -> Option<NodeId> {
        let node = self.node(id);
        let (parent, (head, tail)) = (node.parent, node.label.split_at(at)?);
        let middle = self.push(Node { label: head, parent, children: Children::none(), value: None })?;
        self.node_mut(parent).children.set(head.first()?, middle);
        self.node_mut(middle).children.set(tail.first()?, id);
        let node = self.node_mut(id);
        node.label = tail;
        node.parent = middle;
        Some(middle)
    }

    /// Adds a child.
    fn grow(&mut self, parent: NodeId, label: Label) -> Option<NodeId> {
        let id = self.push(Node { label, parent, children: Children::none(), value: None })?;
        self.node_mut(parent).children.set(label.first()?, id);
        Some(id)
    }

    fn push(&mut self, node: Node<V>) -> Option<NodeId> {
        let id = NodeId(u32::try_from(self.nodes.len()).ok()?);
        self.nodes.push(node);
        Some(id)
    }

    /// Removes a node that leads nowhere, then its ancestors as far as they do no more either. Where one with a
    /// single child is left over, joins it with its neighbours if their labels fit into one.
    fn prune(&mut self, id: NodeId, moved: &mut impl FnMut(&V, NodeId, NodeId)) {
        let mut id = id;
        while id != ROOT && self.node(id).value.is_none() {
            match self.node(id).children.as_slice() {
                [] => {
                    let Node { parent, label, .. } = *self.node(id);
                    if let Some(first) = label.first() {
                        self.node_mut(parent).children.remove(first);
                    }
                    id = self.take_out(id, parent, moved);
                }
                [_] => {
                    let kept = self.join(id, moved).unwrap_or(id);
                    self.join(self.node(kept).parent, moved);
                    return;
                }
                _ => return,
            }
        }
    }

    /// Merges a node that has neither value nor choice into its only child, which keeps its identity. Returns the
    /// child, or `None` if there is nothing to merge or the labels together are too long.
    fn join(&mut self, id: NodeId, moved: &mut impl FnMut(&V, NodeId, NodeId)) -> Option<NodeId> {
        let node = self.node(id);
        let [only] = node.children.as_slice() else { return None };
        if id == ROOT || node.value.is_some() {
            return None;
        }
        let (parent, child) = (node.parent, only.node);
        let label = node.label.followed_by(&self.node(child).label)?;
        self.node_mut(parent).children.set(label.first()?, child);
        let kept = self.node_mut(child);
        kept.label = label;
        kept.parent = parent;
        Some(self.take_out(id, child, moved))
    }

    /// Deletes a node to which no link leads any more; the last node of the table takes its place. Returns where
    /// the node `watched` is afterwards.
    fn take_out(
        &mut self,
        id: NodeId,
        watched: NodeId,
        moved: &mut impl FnMut(&V, NodeId, NodeId),
    ) -> NodeId {
        self.nodes.swap_remove(id.index());
        let Some(Node { label, parent, value, children }) = self.nodes.get(id.index()) else {
            return watched; // It was the last one.
        };
        // As many nodes as are left now, so many were before the last one.
        let Ok(last) = u32::try_from(self.nodes.len()).map(NodeId) else { return watched };
        if let Some(value) = value {
            moved(value, last, id);
        }
        let (parent, first) = (*parent, label.first());
        let children = children.as_slice().len();
        for nth in 0..children {
            if let Some(child) = self.node(id).children.as_slice().get(nth).map(|child| child.node) {
                self.node_mut(child).parent = id;
            }
        }
        if let Some(first) = first {
            self.node_mut(parent).children.set(first, id);
        }
        if watched == last { id } else { watched }
    }

    #[inline]
    fn node(&self, id: NodeId) -> &Node<V> {
        &self.nodes[id.index()]
    }

    #[inline]
    fn node_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.nodes[id.index()]
    }
}

impl<V> Default for PrefixTree<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// See [`PrefixTree::prefixes`].
pub(super) struct Prefixes<'t, V> {
    tree: &'t PrefixTree<V>,
    /// The node to look at next, and what the text has beyond it.
    at: Option<NodeId>,
    rest: &'t [u8],
}

impl<V> Iterator for Prefixes<'_, V> {
    type Item = NodeId;

    #[inline]
    fn next(&mut self) -> Option<NodeId> {
        while let Some(id) = self.at {
            self.at = self.tree.step(id, self.rest).map(|(child, rest)| {
                self.rest = rest;
                child
            });
            if self.tree.node(id).value.is_some() {
                return Some(id);
            }
        }
        None
    }
}

impl NodeId {
    #[inline]
    const fn index(self) -> usize {
        self.0 as usize // Widens, as `PeerId::index` does.
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Label {
    len: u8,
    bytes: [u8; LABEL_MAX],
}

const _: () = assert!(LABEL_MAX <= u8::MAX as usize);

impl Label {
    const EMPTY: Self = Self { len: 0, bytes: [0; LABEL_MAX] };

    /// Keeps at most the first `LABEL_MAX` bytes.
    fn new(text: &[u8]) -> Self {
        let mut label = Self::EMPTY;
        for (to, from) in label.bytes.iter_mut().zip(text) {
            *to = *from;
            label.len += 1;
        }
        label
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }

    #[inline]
    fn first(&self) -> Option<u8> {
        self.as_slice().first().copied()
    }

    fn shared_len(&self, text: &[u8]) -> usize {
        self.as_slice().iter().zip(text).take_while(|(ours, theirs)| ours == theirs).count()
    }

    /// Cuts in two, of which neither is empty.
    fn split_at(&self, at: usize) -> Option<(Self, Self)> {
        let (head, tail) = self.as_slice().split_at_checked(at)?;
        (!head.is_empty() && !tail.is_empty()).then(|| (Self::new(head), Self::new(tail)))
    }

    /// Returns both together, or `None` if they are too long for one label.
    fn followed_by(&self, tail: &Self) -> Option<Self> {
        let (head, tail) = (self.as_slice(), tail.as_slice());
        let mut both = Self::new(head);
        both.bytes.get_mut(head.len()..head.len() + tail.len())?.copy_from_slice(tail);
        both.len += u8::try_from(tail.len()).ok()?;
        Some(both)
    }
}

/// The edges out of a node, sorted by the first byte of their labels: it decides which one a text may follow,
/// without a look at the children themselves.
enum Children {
    One(Child),
    /// None, or more than one. Without children nothing is allocated.
    Many(Box<[Child]>),
}

const _: () = assert!(size_of::<Children>() == size_of::<Box<[Child]>>());

#[derive(Clone, Copy)]
struct Child {
    first: u8,
    node: NodeId,
}

impl Children {
    fn none() -> Self {
        Self::Many(Box::default())
    }

    #[inline]
    fn as_slice(&self) -> &[Child] {
        match self {
            Self::One(child) => std::slice::from_ref(child),
            Self::Many(children) => children,
        }
    }

    #[inline]
    fn find(&self, first: u8) -> Option<NodeId> {
        match self {
            Self::One(child) => (child.first == first).then_some(child.node),
            Self::Many(children) => {
                let nth = children.binary_search_by_key(&first, |child| child.first).ok()?;
                children.get(nth).map(|child| child.node)
            }
        }
    }

    /// Lets the edge with this first byte lead to `node`; makes it if there is none.
    fn set(&mut self, first: u8, node: NodeId) {
        let child = Child { first, node };
        match self.as_slice().binary_search_by_key(&first, |child| child.first) {
            Ok(nth) => match self {
                Self::One(only) => *only = child,
                Self::Many(children) => children[nth] = child,
            },
            Err(nth) => {
                // At most 256 entries, so copying them all is no burden.
                let mut children = self.as_slice().to_vec();
                children.insert(nth, child);
                *self = children.into();
            }
        }
    }

    fn remove(&mut self, first: u8) {
        let children = self.as_slice().iter().filter(|child| child.first != first).copied();
        *self = children.collect::<Vec<_>>().into();
    }
}

impl From<Vec<Child>> for Children {
    fn from(children: Vec<Child>) -> Self {
        match *children {
            [only] => Self::One(only),
            _ => Self::Many(children.into_boxed_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Checks what the doc of [`PrefixTree`] promises to hold between calls.
    fn check<V>(tree: &PrefixTree<V>) {
        let mut edges = 0;
        for (id, node) in (0u32..).map(NodeId).zip(&tree.nodes) {
            let children = node.children.as_slice();
            assert!(children.is_sorted_by(|a, b| a.first < b.first));
            for child in children {
                assert_eq!(tree.node(child.node).parent, id);
                assert_eq!(tree.node(child.node).label.first(), Some(child.first));
            }
            edges += children.len();
            if id != ROOT {
                assert!(!node.label.as_slice().is_empty());
                assert!(node.value.is_some() || !children.is_empty());
            }
        }
        assert_eq!(edges + 1, tree.nodes.len());
        assert_eq!(tree.iter().count(), tree.len());
    }

    fn tree_of(topics: &[&str]) -> PrefixTree<usize> {
        let mut tree = PrefixTree::new();
        for (nth, topic) in topics.iter().enumerate() {
            tree.insert(topic.as_bytes(), nth);
            check(&tree);
        }
        tree
    }

    fn remove<V>(tree: &mut PrefixTree<V>, topic: &[u8]) -> Option<V> {
        let removed = tree.find(topic).and_then(|id| tree.remove(id, |_, _, _| {}));
        check(tree);
        removed
    }

    fn prefixes(tree: &PrefixTree<usize>, text: &str) -> Vec<usize> {
        tree.prefixes(text.as_bytes()).filter_map(|id| tree.value(id).copied()).collect()
    }

    #[test]
    fn an_empty_tree_matches_nothing() {
        let tree = tree_of(&[]);
        assert_eq!(prefixes(&tree, ""), []);
        assert_eq!(prefixes(&tree, "a"), []);
        assert!(tree.find(b"").is_none() && tree.find(b"a").is_none());
        assert!(tree.is_trivial() && tree.len() == 0);
    }

    #[test]
    fn finds_prefixes_the_shortest_first() {
        let tree = tree_of(&["abcd", "ab", "", "abce", "b", "abcdef"]);
        let table: [(&str, &[usize]); 9] = [
            ("", &[2]),
            ("a", &[2]),
            ("ab", &[2, 1]),
            ("abc", &[2, 1]),
            ("abcd", &[2, 1, 0]),
            ("abcde", &[2, 1, 0]),
            ("abcdefg", &[2, 1, 0, 5]),
            ("abcez", &[2, 1, 3]),
            ("bb", &[2, 4]),
        ];
        for (text, expected) in table {
            assert_eq!(prefixes(&tree, text), expected, "{text}");
        }
    }

    #[test]
    fn finds_exactly_what_was_inserted() {
        let topics = ["abcd", "ab", "", "abce", "b", "abcdef"];
        let tree = tree_of(&topics);
        for (nth, topic) in topics.iter().enumerate() {
            let id = tree.find(topic.as_bytes()).unwrap();
            assert_eq!(tree.value(id), Some(&nth));
            assert_eq!(tree.topic(id), topic.as_bytes());
        }
        for absent in ["a", "abc", "abcde", "abcdefg", "c"] {
            assert!(tree.find(absent.as_bytes()).is_none(), "{absent}");
        }
    }

    #[test]
    fn inserting_again_replaces_the_value_and_keeps_the_place() {
        let mut tree = tree_of(&["a"]);
        let id = tree.find(b"a");
        assert_eq!(tree.insert(b"a", 9), id);
        assert_eq!((tree.len(), id.and_then(|id| tree.value(id))), (1, Some(&9)));
    }

    #[test]
    fn a_node_with_a_value_stays_in_place_while_others_are_inserted_around_it() {
        let mut tree = tree_of(&["abcdef"]);
        let id = tree.find(b"abcdef");
        for topic in ["abc", "abcd", "abx", "", "abcdefgh"] {
            tree.insert(topic.as_bytes(), 1);
            assert_eq!(tree.find(b"abcdef"), id);
        }
    }

    #[test]
    fn is_trivial_while_only_the_empty_topic_is_there() {
        let mut tree = tree_of(&[""]);
        assert!(tree.is_trivial());
        assert_eq!(tree.empty_topic(), Some(&0));
        tree.insert(b"a", 1);
        assert!(!tree.is_trivial());
        remove(&mut tree, b"a");
        assert!(tree.is_trivial());
        remove(&mut tree, b"");
        assert!(tree.is_trivial() && tree.empty_topic().is_none());
    }

    #[test]
    fn labels_are_joined_again_where_a_topic_goes() {
        let mut tree = tree_of(&["abcdefgh", "abcd", "abxy"]);
        let nodes = tree.nodes.len();
        assert_eq!(nodes, 5); // the root, "ab", "cd", "efgh", "xy"
        assert_eq!(remove(&mut tree, b"abcd"), Some(1));
        assert_eq!(tree.nodes.len(), 4);
        assert_eq!(remove(&mut tree, b"abxy"), Some(2));
        assert_eq!(tree.nodes.len(), 2);
        assert_eq!(remove(&mut tree, b"abxy"), None);
        assert_eq!(remove(&mut tree, b"abcdefgh"), Some(0));
        assert_eq!(tree.nodes.len(), 1);
    }

    #[test]
    fn a_label_that_became_shorter_is_joined_with_the_one_above() {
        let long = "a".repeat(2 * LABEL_MAX);
        let half = &long[..LABEL_MAX / 2];
        let mut tree = tree_of(&[&long, half, &format!("{}b", &long[..LABEL_MAX + 1])]);
        assert_eq!(tree.nodes.len(), 6); // the root, `half`, the rest of the first label, "a", "aaa…", "b"
        assert_eq!(remove(&mut tree, long.as_bytes()), Some(0));
        assert_eq!(tree.nodes.len(), 3); // the root, `half`, the rest of the third topic
    }

    #[test]
    fn splitting_and_joining_a_long_topic_leaves_it_as_it_was() {
        let long = vec![b'x'; LABEL_MAX * 5];
        let mut tree = PrefixTree::new();
        tree.insert(&long, 0);
        assert_eq!(tree.nodes.len(), 6);
        for len in 1..long.len() {
            tree.insert(&long[..len], len);
            check(&tree);
            assert_eq!(remove(&mut tree, &long[..len]), Some(len));
            assert_eq!(tree.nodes.len(), 6, "after a topic of {len} bytes");
        }
    }

    #[test]
    fn reports_which_values_moved() {
        let mut tree = tree_of(&["a", "b", "c"]);
        let (a, c) = (tree.find(b"a").unwrap(), tree.find(b"c").unwrap());
        let mut reports = Vec::new();
        assert_eq!(tree.remove(a, |value, from, to| reports.push((*value, from, to))), Some(0));
        assert_eq!(reports, [(2, c, a)]);
        assert_eq!(tree.find(b"c"), Some(a));
        check(&tree);
    }

    #[test]
    fn all_256_bytes_can_follow_each_other() {
        let mut tree = PrefixTree::new();
        for first in 0..=u8::MAX {
            for second in [0, 1, u8::MAX] {
                tree.insert(&[first, second], (first, second));
            }
        }
        check(&tree);
        for first in 0..=u8::MAX {
            let found: Vec<_> = tree.prefixes(&[first, 1, 7]).filter_map(|id| tree.value(id)).collect();
            assert_eq!(found, [&(first, 1)]);
        }
    }

    #[test]
    fn a_topic_of_a_megabyte_needs_neither_recursion_nor_much_memory() {
        let long: Vec<u8> = (0..1u32 << 20).map(|n| n.to_le_bytes()[0]).collect();
        let mut tree = PrefixTree::new();
        tree.insert(&long, 1);
        tree.insert(&long[..1 << 19], 2);
        assert!(tree.nodes.len() <= long.len() / LABEL_MAX + 4);
        assert_eq!(tree.prefixes(&long).count(), 2);
        assert_eq!(tree.find(&long).map(|id| tree.topic(id)), Some(long.clone().into()));
        assert_eq!(remove(&mut tree, &long), Some(1));
        assert!(tree.nodes.len() <= long.len() / LABEL_MAX / 2 + 4);
        drop(tree);
    }

    #[test]
    fn as_many_levels_as_topics_need_no_recursion_either() {
        let text = vec![b'a'; 3000];
        let mut tree = PrefixTree::new();
        for len in 0..=text.len() {
            tree.insert(&text[..len], len);
        }
        check(&tree);
        assert_eq!(tree.prefixes(&text).count(), text.len() + 1);
        for len in (0..=text.len()).step_by(2) {
            assert_eq!(tree.find(&text[..len]).and_then(|id| tree.remove(id, |_, _, _| {})), Some(len));
        }
        check(&tree);
        assert_eq!(tree.prefixes(&text).count(), text.len() / 2);
        drop(tree);
    }

    #[test]
    fn memory_is_given_back() {
        let mut tree = PrefixTree::new();
        for n in 0u32..20_000 {
            tree.insert(&n.to_be_bytes(), n);
        }
        let full = tree.nodes.capacity();
        for n in 0u32..20_000 {
            let id = tree.find(&n.to_be_bytes()).unwrap();
            assert_eq!(tree.remove(id, |_, _, _| {}), Some(n));
        }
        assert_eq!(tree.nodes.len(), 1);
        assert!(tree.nodes.capacity() <= full / 64);
    }

    /// Topics that share prefixes, end within, at and beyond the ends of labels, and come up repeatedly.
    fn topic() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"a".to_vec()),
            4 => Just(b"b".to_vec()),
            1 => Just(vec![0xFF]),
            2 => Just(vec![b'a'; LABEL_MAX / 2]),
            1 => Just(vec![b'a'; LABEL_MAX]),
            1 => Just(vec![b'b'; LABEL_MAX + 1]),
        ];
        prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in prop::collection::vec((0u8..5, topic()), 0..80)) {
            let mut tree = PrefixTree::new();
            let mut model = BTreeMap::new();
            // Where each value is, kept up to date by what `remove` reports.
            let mut places = BTreeMap::new();
            for (nth, (op, topic)) in ops.into_iter().enumerate() {
                if op < 3 {
                    let id = tree.insert(&topic, topic.clone()).unwrap();
                    model.insert(topic.clone(), nth);
                    places.insert(topic.clone(), id);
                } else {
                    let id = tree.find(&topic);
                    prop_assert_eq!(id.as_ref(), places.get(&topic));
                    let removed = id.and_then(|id| {
                        tree.remove(id, |value, from, to| {
                            assert_eq!(places.insert(value.clone(), to), Some(from));
                        })
                    });
                    places.remove(&topic);
                    prop_assert_eq!(removed.is_some(), model.remove(&topic).is_some());
                }
                check(&tree);
                prop_assert_eq!(tree.len(), model.len());
                let found: Vec<_> = tree.prefixes(&topic).map(|id| tree.topic(id)).collect();
                let expected: Vec<_> = model.keys().filter(|key| topic.starts_with(key)).collect();
                prop_assert_eq!(&found, &expected);
                if let Some(last) = tree.prefixes(&topic).last() {
                    let upwards: Vec<_> = tree.values_upwards(last).collect();
                    prop_assert!(upwards.into_iter().rev().eq(expected));
                }
            }
            for (topic, id) in places {
                prop_assert_eq!(tree.find(&topic), Some(id));
                prop_assert_eq!(tree.topic(id), topic);
            }
        }
    }
}
