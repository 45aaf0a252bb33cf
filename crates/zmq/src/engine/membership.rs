//! What DISH and XSUB say to their peers beyond SUB's counted subscriptions.

use super::core::Locked;
use super::pattern::Pattern;

impl Locked<'_> {
    /// XSUB: takes one reference of a subscription away and tells all publishers, also if others are left or none was
    /// there.
    pub(crate) fn unsubscribe_again(&mut self, topic: &[u8]) {
        let Pattern::Subscribe(topics) = &mut self.pattern else { return };
        topics.unsubscribe(topic);
        self.tell_publishers(topic, false);
    }

    /// DISH: joins a group; `false` if it has joined it already.
    pub(crate) fn join(&mut self, group: &[u8]) -> bool {
        let Pattern::Join(groups) = &mut self.pattern else { return false };
        if groups.contains(group) || !groups.subscribe(group) {
            return false;
        }
        self.tell_publishers(group, true);
        true
    }

    /// DISH: leaves a group; `false` if it has not joined it.
    pub(crate) fn leave(&mut self, group: &[u8]) -> bool {
        let Pattern::Join(groups) = &mut self.pattern else { return false };
        if groups.unsubscribe(group).is_none() {
            return false;
        }
        self.tell_publishers(group, false);
        true
    }
}
