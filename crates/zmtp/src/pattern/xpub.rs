//! Which subscriptions and cancellations an XPUB socket shows to its application.

use super::Change;

/// Chooses which of its subscribers' requests an XPUB socket passes up to the application.
///
/// The default reports a topic once when its first subscriber comes and once when its last one goes. The three
/// switches are the options of the same names (`ZMQ_XPUB_VERBOSE`, `ZMQ_XPUB_VERBOSER`, `ZMQ_XPUB_MANUAL`).
///
/// When a subscriber is lost, [`every_topic_of_a_lost_peer`](Self::every_topic_of_a_lost_peer) says whether all of
/// its topics are reported as cancelled or only those that nobody else holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NoticePolicy {
    /// Every subscription is passed up, duplicates included. Default: `false`.
    pub verbose: bool,
    /// Every subscription and every cancellation is passed up, duplicates included. Default: `false`.
    pub verboser: bool,
    /// Everything that arrives is passed up, and nothing changes the subscriptions in force: the application
    /// decides them itself. Default: `false`.
    pub manual: bool,
}

impl NoticePolicy {
    /// Returns whether a subscription that had this effect is passed up.
    #[inline]
    #[must_use]
    pub const fn on_subscribe(&self, change: Change) -> bool {
        self.manual || self.verboser || self.verbose || change.unique
    }

    /// Returns whether a cancellation that had this effect is passed up.
    ///
    /// A cancellation of what its sender never subscribed to is passed up only by `verboser` and `manual`: by
    /// default an application must be able to take a notice for "nobody wants this topic any more".
    #[inline]
    #[must_use]
    pub const fn on_unsubscribe(&self, change: Change) -> bool {
        self.manual || self.verboser || change.unique
    }

    /// Returns whether the loss of a subscriber is reported once for each topic it held, rather than only for the
    /// topics that nobody holds any more.
    #[inline]
    #[must_use]
    pub const fn every_topic_of_a_lost_peer(&self) -> bool {
        self.manual || self.verboser
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PeerId;
    use crate::pattern::Subscriptions;

    const UNIQUE: Change = Change { unique: true, new: true };
    const SHARED: Change = Change { unique: false, new: true };
    const NOTHING: Change = Change { unique: false, new: false };

    const DEFAULT: NoticePolicy = NoticePolicy { verbose: false, verboser: false, manual: false };
    const VERBOSE: NoticePolicy = NoticePolicy { verbose: true, ..DEFAULT };
    const VERBOSER: NoticePolicy = NoticePolicy { verboser: true, ..DEFAULT };
    const MANUAL: NoticePolicy = NoticePolicy { manual: true, ..DEFAULT };

    #[test]
    fn passes_up_what_each_switch_promises() {
        assert_eq!(NoticePolicy::default(), DEFAULT);
        // (policy, change, subscribe is passed up, cancel is passed up)
        let table = [
            (DEFAULT, UNIQUE, true, true),
            (DEFAULT, SHARED, false, false),
            (DEFAULT, NOTHING, false, false),
            (VERBOSE, UNIQUE, true, true),
            (VERBOSE, SHARED, true, false),
            (VERBOSE, NOTHING, true, false),
            (VERBOSER, UNIQUE, true, true),
            (VERBOSER, SHARED, true, true),
            (VERBOSER, NOTHING, true, true),
            (MANUAL, UNIQUE, true, true),
            (MANUAL, SHARED, true, true),
            (MANUAL, NOTHING, true, true),
        ];
        for (policy, change, subscribe, cancel) in table {
            assert_eq!(policy.on_subscribe(change), subscribe, "{policy:?} {change:?}");
            assert_eq!(policy.on_unsubscribe(change), cancel, "{policy:?} {change:?}");
        }
    }

    #[test]
    fn a_lost_peer_is_reported_per_topic_where_duplicates_count() {
        assert!(!DEFAULT.every_topic_of_a_lost_peer());
        assert!(!VERBOSE.every_topic_of_a_lost_peer());
        assert!(VERBOSER.every_topic_of_a_lost_peer());
        assert!(MANUAL.every_topic_of_a_lost_peer());
    }

    //= 29/PUBSUB, the XPUB socket type
    //# MAY, depending on configuration, normalize commands delivered to its calling application so that multiple
    //# identical subscriptions result in a single command only.
    #[test]
    fn may_normalize_identical_subscriptions_to_one() {
        let mut subscriptions = Subscriptions::new();
        let passed = |policy: NoticePolicy, changes: &[Change]| {
            changes.iter().filter(|change| policy.on_subscribe(**change)).count()
        };
        let changes = [
            subscriptions.subscribe(PeerId(0), b"A"),
            subscriptions.subscribe(PeerId(1), b"A"),
            subscriptions.subscribe(PeerId(1), b"A"),
        ];
        assert_eq!(passed(DEFAULT, &changes), 1);
        assert_eq!(passed(VERBOSE, &changes), 3);
    }
}
