//! The accounts: what each subscriber received and was told to have lost against what each publisher published.
//!
//! What can be proven, and is demanded, of a subscriber and a source that it has heard of:
//!
//! 1. What it received and the gaps that it was told of lie side by side without a hole and without an overlap: from the first
//!    number after it came in up to the highest one that it was told. So each message was received once, in order, or told to be
//!    lost once, with its range. That holds at every moment, and so also for a subscriber that was killed.
//! 2. It came in no later than the publisher counted it: messages that were sent afterwards are its own (the barrier). And not
//!    before it was started.
//! 3. A publisher that has ended: the highest number is that of its last message, END has told it, and `drain` has confirmed it.
//! 4. A publisher that was killed: the subscriber was told that it is gone, what had arrived and what was known to be published;
//!    these are the numbers in its evidence. The highest one is none that the publisher has not sent. Where nothing may be lost,
//!    it is at most the queue's depth behind what `send` has returned for: that died with the publisher, as its memory did. (Not
//!    over TCP: a connection whose end is killed may be reset, and takes with it what the system still held.)
//! 5. Where nothing may be lost, nothing is.
//! 6. What publishers were told of gaps is what their subscribers were told. Where the newest go, a publisher has counted each gap;
//!    and told each that it counted, but for what it dropped last and did not live to tell.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use super::Outcome;
use super::evidence::{Count, Line, Run, Source};
use super::task::{Policy, Task};

/// What is known of a publisher.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    pub(crate) task: Task,
    pub(crate) was_killed: bool,
    /// From when to when it lived.
    pub(crate) life: (Duration, Duration),
    pub(crate) count: Count,
    pub(crate) lines: Vec<Line>,
}

/// What is known of a subscriber.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    pub(crate) task: Task,
    pub(crate) was_killed: bool,
    /// From when to when it lived.
    pub(crate) life: (Duration, Duration),
    /// How many messages each publisher of its topic had published before it was started.
    pub(crate) floors: HashMap<String, u64>,
    pub(crate) runs: Vec<Run>,
    pub(crate) lines: Vec<Line>,
}

/// The sums of one policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) published: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) gaps: u64,
    /// Of these, those that publishers were told of as well.
    pub(crate) gaps_told: u64,
    /// Published and on their way to a subscriber when their publisher was killed.
    pub(crate) died: u64,
}

/// What the accounts have brought up.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) wrong: Vec<String>,
    pub(crate) sums: BTreeMap<Policy, Sums>,
}

impl Publisher {
    /// How many it had published when it counted this subscriber, if it noted that.
    fn attached(&self, subscriber: &str) -> Option<u64> {
        self.lines.iter().find_map(|line| match line {
            Line::Attached { node, published } if node == subscriber => Some(*published),
            _ => None,
        })
    }
}

impl Subscriber {
    /// Whether it was there until all publishers were gone.
    fn is_last(&self) -> bool {
        !self.was_killed && !self.lines.contains(&Line::Left)
    }
}

/// What one subscriber says of one source.
#[derive(Debug, Default)]
struct Account {
    node: String,
    received: Vec<(u64, u64)>,
    lost: Vec<(u64, u64)>,
    ended: Vec<u64>,
    /// What had arrived, and what was known to be published.
    gone: Vec<(u64, u64)>,
}

impl Account {
    fn all_of(subscriber: &Subscriber) -> BTreeMap<Source, Self> {
        let mut accounts: BTreeMap<Source, Self> = BTreeMap::new();
        for run in &subscriber.runs {
            accounts.entry(run.source).or_default().received.push((run.from, run.to));
        }
        for line in &subscriber.lines {
            let (Line::Source { source, node }
            | Line::Lost { source, node, .. }
            | Line::Ended { source, node, .. }
            | Line::Gone { source, node, .. }) = line
            else {
                continue;
            };
            let account = accounts.entry(*source).or_default();
            account.node.clone_from(node);
            match line {
                Line::Lost { from, to, .. } => account.lost.push((*from, *to)),
                Line::Ended { count, .. } => account.ended.push(*count),
                Line::Gone { received, published, .. } => account.gone.push((*received, *published)),
                _ => {}
            }
        }
        accounts
    }

    /// All that is accounted for, by number; with what is wrong with that.
    fn range(&self, wrong: &mut Vec<String>) -> Option<(u64, u64)> {
        if !self.received.is_sorted_by(|a, b| a.1 < b.0) {
            wrong.push(format!("received in this order: {}", ranges(&self.received)));
        }
        let mut all: Vec<(u64, u64)> = self.received.iter().chain(&self.lost).copied().collect();
        all.sort_unstable();
        for pair in all.windows(2) {
            let [(_, to), (from, _)] = pair else { continue };
            if from.checked_sub(1) != Some(*to) {
                let what = if from > to { "is missing, and was not told" } else { "is accounted for twice" };
                wrong.push(format!("what is between {to} and {from} {what}"));
            }
        }
        Some((all.first()?.0, all.last()?.1))
    }
}

fn ranges(all: &[(u64, u64)]) -> String {
    let texts: Vec<String> = all.iter().map(|(from, to)| format!("{from}-{to}")).collect();
    texts.join(" ")
}

fn sum(all: &[(u64, u64)]) -> u64 {
    all.iter().map(|(from, to)| (to + 1).saturating_sub(*from)).sum()
}

/// Draws up the accounts of a soak.
pub(crate) fn judge(publishers: &[Publisher], subscribers: &[Subscriber]) -> Verdict {
    let mut verdict = Verdict::default();
    let known: HashMap<String, &Publisher> =
        publishers.iter().map(|publisher| (publisher.task.name(), publisher)).collect();
    let accounts: HashMap<String, BTreeMap<Source, Account>> =
        subscribers.iter().map(|subscriber| (subscriber.task.name(), Account::all_of(subscriber))).collect();
    for subscriber in subscribers {
        let own = &accounts[&subscriber.task.name()];
        let mut wrong = Vec::new();
        judge_subscriber(subscriber, own, &known, &mut wrong, &mut verdict);
        let name = subscriber.task.name();
        verdict.wrong.extend(wrong.into_iter().map(|what| format!("{name}: {what}")));
    }
    for publisher in publishers {
        let mut wrong = Vec::new();
        judge_publisher(publisher, subscribers, &accounts, &mut wrong, &mut verdict);
        let name = publisher.task.name();
        verdict.wrong.extend(wrong.into_iter().map(|what| format!("{name}: {what}")));
    }
    verdict
}

fn judge_subscriber(
    subscriber: &Subscriber,
    own: &BTreeMap<Source, Account>,
    known: &HashMap<String, &Publisher>,
    wrong: &mut Vec<String>,
    verdict: &mut Verdict,
) {
    let sums = verdict.sums.entry(subscriber.task.policy).or_default();
    let (mut received, mut lost) = (0, 0);
    let mut met: HashMap<&str, usize> = HashMap::new();
    for account in own.values() {
        received += sum(&account.received);
        lost += sum(&account.lost);
        sums.gaps += account.lost.len() as u64;
        *met.entry(&account.node).or_default() += 1;
        let Some(publisher) = known.get(&account.node) else {
            wrong.push(format!("nobody is called {:?}", account.node));
            continue;
        };
        let mut found = Vec::new();
        judge_account(subscriber, publisher, account, &mut found, sums);
        wrong.extend(found.into_iter().map(|what| format!("of {}: {what}", account.node)));
    }
    for (node, count) in met.iter().filter(|(_, count)| **count > 1) {
        wrong.push(format!("{count} sources are called {node}"));
    }
    sums.received += received;
    sums.lost += lost;
    let mut totals = 0;
    for line in &subscriber.lines {
        match line {
            Line::Wrong { what } => wrong.push(what.clone()),
            Line::Total { received: counted, lost: missing, duplicates, malformed, events_dropped } => {
                totals += 1;
                if (*counted, *missing) != (received, lost) {
                    wrong.push(format!(
                        "counted {counted} received and {missing} lost; these are {received} and {lost}"
                    ));
                }
                if (*duplicates, *malformed, *events_dropped) != (0, 0, 0) {
                    wrong.push(format!(
                        "{duplicates} duplicates, {malformed} malformed, {events_dropped} events dropped"
                    ));
                }
            }
            _ => {}
        }
    }
    if !subscriber.was_killed && totals != 1 {
        wrong.push("it has not come to its end".to_owned());
    }
    if subscriber.is_last() {
        // Whoever was counted by a publisher has heard of it.
        for (name, publisher) in known {
            if let Some(published) = publisher.attached(&subscriber.task.name())
                && published < publisher.count.returned
                && !publisher.was_killed
                && !met.contains_key(&**name)
            {
                wrong.push(format!("{name} has counted it at {published}, and it has heard nothing"));
            }
        }
    }
}

fn judge_account(
    subscriber: &Subscriber,
    publisher: &Publisher,
    account: &Account,
    wrong: &mut Vec<String>,
    sums: &mut Sums,
) {
    let (name, count) = (subscriber.task.name(), publisher.count);
    if publisher.task.policy != subscriber.task.policy {
        wrong.push("it is on another topic".to_owned());
    }
    if subscriber.task.policy.is_lossless() && !account.lost.is_empty() {
        wrong.push(format!("lost {}", ranges(&account.lost)));
    }
    let range = account.range(wrong);
    let attached = publisher.attached(&name);
    if let Some((first, top)) = range {
        let before = first.saturating_sub(1);
        if let Some(published) = attached.filter(|published| before > *published) {
            wrong.push(format!("counted at {published}, and came in at {before}"));
        }
        let floor = subscriber.floors.get(&account.node).copied().unwrap_or(0);
        if before + u64::from(publisher.task.latch) < floor {
            wrong.push(format!("came in at {before}, and was started at {floor}"));
        }
        if top > count.attempted {
            wrong.push(format!("heard of {top}, and {} is the last that was sent", count.attempted));
        }
    }
    if !subscriber.is_last() {
        return;
    }
    match (&account.ended[..], &account.gone[..]) {
        ([told], []) => {
            let is_ending = !publisher.was_killed || count.is_ending;
            if !is_ending || *told != count.returned {
                wrong.push(format!("ended at {told}, and has published {}", count.returned));
            }
            if let Some((_, top)) = range.filter(|(_, top)| top != told) {
                wrong.push(format!("ended at {told}, and is accounted for up to {top}"));
            }
            let expected = attached.filter(|published| published < told);
            if let Some(published) = expected.filter(|_| range.is_none()) {
                wrong.push(format!("counted at {published}, ended at {told}, and nothing came"));
            }
        }
        ([], [(arrived, published)]) => {
            let last = account.received.last().map_or(0, |run| run.1);
            if *arrived != last {
                wrong.push(format!("gone, and {arrived} arrived last; that was {last}"));
            }
            if let Some((_, top)) = range.filter(|(_, top)| top != published) {
                wrong.push(format!("gone at {published}, and is accounted for up to {top}"));
            }
            if *published > count.attempted {
                wrong.push(format!("gone at {published}, and {} is the last that was sent", count.attempted));
            }
            if !publisher.was_killed && (attached.is_some() || range.is_some() || *published > 0) {
                wrong.push(format!("gone at {published}, and it has ended"));
            }
            if attached.is_some() || range.is_some() {
                let died = count.returned.saturating_sub(*published);
                sums.died += died;
                if subscriber.task.policy.is_lossless()
                    && !publisher.task.is_tcp
                    && died > u64::from(publisher.task.depth) + 1
                {
                    wrong.push(format!(
                        "gone at {published}, and {} was published: more than its queue could hold",
                        count.returned
                    ));
                }
            }
        }
        // It has met it, and was not let in before the end: nothing was for it.
        ([], []) if range.is_none() && attached.is_none() => {}
        (ended, gone) => {
            wrong.push(format!(
                "told {} times that it has ended, and {} that it is gone",
                ended.len(),
                gone.len()
            ));
        }
    }
}

fn judge_publisher(
    publisher: &Publisher,
    subscribers: &[Subscriber],
    accounts: &HashMap<String, BTreeMap<Source, Account>>,
    wrong: &mut Vec<String>,
    verdict: &mut Verdict,
) {
    let (name, policy, count) = (publisher.task.name(), publisher.task.policy, publisher.count);
    let sums = verdict.sums.entry(policy).or_default();
    sums.published += count.returned;
    if count.attempted.saturating_sub(count.returned) > 1 {
        wrong.push(format!("{} were attempted, {} published", count.attempted, count.returned));
    }
    let (mut sum_seen, mut drained) = (None, None);
    for line in &publisher.lines {
        match line {
            Line::Wrong { what } => wrong.push(what.clone()),
            Line::Missed { node, from, to, count } => {
                let found = accounts.get(node);
                let account = found.and_then(|own| own.values().find(|account| account.node == name));
                // Close together they are told as one, with their number.
                let own = account.map_or(&[][..], |account| &account.lost);
                let within: Vec<(u64, u64)> =
                    own.iter().filter(|gap| gap.0 >= *from && gap.1 <= *to).copied().collect();
                let ends = (within.iter().map(|gap| gap.0).min(), within.iter().map(|gap| gap.1).max());
                let was_told = sum(&within) == *count && ends == (Some(*from), Some(*to));
                sums.gaps_told += if was_told { within.len() as u64 } else { 0 };
                let mut named = subscribers.iter().filter(|other| other.task.name() == *node);
                let was_killed = named.any(|other| other.was_killed);
                // One that was killed may have had no time to write it down.
                if !was_told && !was_killed {
                    wrong.push(format!("was told that {node} misses {from}-{to}, which it does not say"));
                }
            }
            Line::Full { node } if !accounts.contains_key(node) => {
                wrong.push(format!("full because of {node:?}, and nobody is called so"));
            }
            Line::Sum { dropped, events_dropped, .. } => {
                sum_seen = Some(*dropped);
                if *events_dropped > 0 {
                    wrong.push(format!("{events_dropped} events were dropped"));
                }
            }
            Line::Drained { published } => drained = Some(*published),
            _ => {}
        }
    }
    if !publisher.was_killed && drained != Some(count.returned) {
        wrong.push(format!("{drained:?} were drained, and {} published", count.returned));
    }
    if policy == Policy::DropNewest
        && let Some(dropped) = sum_seen
    {
        // What it dropped last, and did not live to tell, died with it.
        let (mut told, mut untold) = (0, 0);
        let mut all_survived = true;
        for subscriber in subscribers.iter().filter(|subscriber| subscriber.task.policy == policy) {
            let own = &accounts[&subscriber.task.name()];
            let account = own.values().find(|account| account.node == name);
            told += account.map_or(0, |account| sum(&account.lost));
            let met = subscriber.life.0 < publisher.life.1 && publisher.life.0 < subscriber.life.1;
            if met && publisher.was_killed && account.is_none_or(|account| account.ended.is_empty()) {
                let known = account.and_then(|account| account.gone.first()).map_or(0, |gone| gone.1);
                untold += count.returned.saturating_sub(known);
            }
            all_survived &= !met || subscriber.is_last();
        }
        if told > dropped || (all_survived && told + untold < dropped) {
            wrong.push(format!("dropped {dropped}, and subscribers were told of {told}"));
        }
    }
}

/// Reads what is left in the registry when all are gone: nothing but schemas.
pub(crate) fn judge_registry(directory: &Path) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name != "schemas" {
            wrong.push(format!("{} is left in the registry", name.display()));
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::super::task::{Manner, Role};
    use super::*;

    const SOURCE: Source = [7; 8];

    fn task(role: Role, policy: Policy) -> Task {
        let (number, place) = (1, std::path::PathBuf::new());
        let manner = Manner::Steady;
        Task {
            role,
            policy,
            number,
            seed: 0,
            manner,
            depth: 10,
            octets: 1000,
            latch: 0,
            is_tcp: false,
            place,
        }
    }

    fn second(from: u64, to: u64) -> (Duration, Duration) {
        (Duration::from_secs(from), Duration::from_secs(to))
    }

    /// One that has published ten messages, and counted its subscriber when there were two.
    fn publisher(policy: Policy, dropped: u64) -> Publisher {
        let lines = vec![
            Line::Attached { node: format!("{policy}-s1"), published: 2 },
            Line::Sum { published: 10, dropped, events_dropped: 0, full: 0 },
            Line::Drained { published: 10 },
        ];
        let count = Count { attempted: 10, returned: 10, is_ending: true };
        let task = task(Role::Publisher, policy);
        Publisher { task, was_killed: false, life: second(1, 9), count, lines }
    }

    fn run(from: u64, to: u64) -> Run {
        Run { source: SOURCE, from, to }
    }

    fn node(policy: Policy) -> String {
        format!("{policy}-p1")
    }

    fn lost(policy: Policy, from: u64, to: u64) -> Line {
        Line::Lost { source: SOURCE, node: node(policy), from, to, reason: "why".to_owned() }
    }

    /// One that has received 3 to 10 but for 6 and 7, unless nothing may be lost.
    fn subscriber(policy: Policy) -> Subscriber {
        let (runs, gaps) = if policy.is_lossless() {
            (vec![run(3, 10)], vec![])
        } else {
            (vec![run(3, 5), run(8, 10)], vec![lost(policy, 6, 7)])
        };
        let missing = 2 * gaps.len() as u64;
        let mut lines = vec![Line::Source { source: SOURCE, node: node(policy) }];
        lines.extend(gaps);
        lines.push(Line::Ended { source: SOURCE, node: node(policy), count: 10 });
        let (received, lost) = (8 - missing, missing);
        lines.push(Line::Total { received, lost, duplicates: 0, malformed: 0, events_dropped: 0 });
        let floors = HashMap::from([(node(policy), 1)]);
        let task = task(Role::Subscriber, policy);
        Subscriber { task, was_killed: false, life: second(2, 10), floors, runs, lines }
    }

    /// Changes what is right in one way, and returns what is said of that.
    fn wrong(policy: Policy, dropped: u64, change: impl FnOnce(&mut Publisher, &mut Subscriber)) -> String {
        let (mut publisher, mut subscriber) = (publisher(policy, dropped), subscriber(policy));
        change(&mut publisher, &mut subscriber);
        judge(&[publisher], &[subscriber]).wrong.join("\n")
    }

    #[test]
    fn what_is_right_is_not_found_fault_with() {
        for policy in Policy::ALL {
            let dropped = if policy.is_lossless() { 0 } else { 2 };
            assert_eq!(wrong(policy, dropped, |_, _| ()), "");
            assert_eq!(wrong(policy, dropped, |publisher, _| publisher.count.attempted = 10), "");
        }
        let verdict = judge(&[publisher(Policy::DropNewest, 2)], &[subscriber(Policy::DropNewest)]);
        let sums = Sums { published: 10, received: 6, lost: 2, gaps: 1, ..Sums::default() };
        assert_eq!(verdict.sums[&Policy::DropNewest], sums);
    }

    #[test]
    fn each_discrepancy_is_found() {
        let newest = |change: fn(&mut Publisher, &mut Subscriber)| wrong(Policy::DropNewest, 2, change);
        let block = |change: fn(&mut Publisher, &mut Subscriber)| wrong(Policy::Block, 0, change);
        let found = [
            (newest(|_, s| s.runs[1].from = 9), "what is between 7 and 9 is missing, and was not told"),
            (newest(|_, s| s.lines[1] = lost(Policy::DropNewest, 5, 7)), "accounted for twice"),
            (newest(|_, s| s.lines.insert(1, s.lines[1].clone())), "accounted for twice"),
            (newest(|_, s| s.runs.swap(0, 1)), "received in this order: 8-10 3-5"),
            (newest(|_, s| s.runs.push(run(10, 10))), "received in this order: 3-5 8-10 10-10"),
            (newest(|_, s| s.runs[0].from = 4), "counted at 2, and came in at 3"),
            (
                newest(|_, s| s.floors.insert(node(Policy::DropNewest), 3).map_or((), |_| ())),
                "was started at 3",
            ),
            (newest(|p, _| p.count.attempted = 9), "heard of 10, and 9 is the last that was sent"),
            (newest(|p, _| p.count.returned = 11), "ended at 10, and has published 11"),
            (newest(|_, s| s.runs[1].to = 9), "ended at 10, and is accounted for up to 9"),
            (newest(|_, s| _ = s.lines.remove(2)), "told 0 times that it has ended, and 0 that it is gone"),
            (newest(|_, s| _ = s.lines.pop()), "it has not come to its end"),
            (newest(|_, s| s.lines.push(Line::Wrong { what: "odd".to_owned() })), "odd"),
            (newest(|p, _| p.lines[2] = Line::Drained { published: 9 }), "Some(9) were drained"),
            (newest(|p, _| p.lines.push(Line::Full { node: "x".to_owned() })), "nobody is called so"),
            (
                newest(|p, _| {
                    p.lines.push(Line::Missed {
                        node: "drop-newest-s1".to_owned(),
                        from: 6,
                        to: 6,
                        count: 1,
                    });
                }),
                "misses 6-6, which it does not say",
            ),
            (wrong(Policy::DropNewest, 1, |_, _| ()), "dropped 1, and subscribers were told of 2"),
            (wrong(Policy::DropNewest, 3, |_, _| ()), "dropped 3, and subscribers were told of 2"),
            (block(|_, s| s.lines[0] = lost(Policy::Block, 1, 2)), "lost 1-2"),
            (block(|_, s| (s.runs, s.lines) = (vec![], s.lines.split_off(2))), "it has heard nothing"),
        ];
        for (number, (found, expected)) in found.iter().enumerate() {
            assert!(found.contains(expected), "{number}: {expected:?} is not in {found:?}");
        }
    }

    /// Killed in its end, when it had counted what it dropped, and had not told of the last of it.
    #[test]
    fn what_was_dropped_last_dies_with_a_publisher_that_was_killed() {
        let killed = |dropped, was_killed| {
            wrong(Policy::DropNewest, dropped, |publisher, subscriber| {
                publisher.was_killed = was_killed;
                publisher.lines.truncate(2);
                (publisher.count.attempted, publisher.count.returned) = (30, 30);
                let node = node(Policy::DropNewest);
                subscriber.lines[2] = Line::Gone { source: SOURCE, node, received: 10, published: 10 };
            })
        };
        assert_eq!(killed(2, true), "");
        assert_eq!(killed(22, true), "");
        assert!(killed(23, true).contains("dropped 23, and subscribers were told of 2"));
        assert!(killed(22, false).contains("dropped 22, and subscribers were told of 2"));
    }

    /// Killed after ten messages, of which the subscriber has heard so many.
    fn killed(received: u64, published: u64, top: u64) -> String {
        wrong(Policy::Block, 0, |publisher, subscriber| {
            publisher.was_killed = true;
            (publisher.count.is_ending, publisher.count.attempted) = (false, 30);
            publisher.count.returned = 29;
            publisher.lines.truncate(1);
            subscriber.runs[0].to = top;
            let node = node(Policy::Block);
            subscriber.lines[1] = Line::Gone { source: SOURCE, node, received, published };
            let received = top - 2;
            subscriber.lines[2] =
                Line::Total { received, lost: 0, duplicates: 0, malformed: 0, events_dropped: 0 };
        })
    }

    #[test]
    fn a_publisher_that_was_killed_takes_no_more_along_than_its_queue() {
        assert_eq!(killed(18, 18, 18), "");
        assert_eq!(killed(30, 30, 30), "");
        assert!(killed(17, 18, 18).contains("gone, and 17 arrived last; that was 18"));
        assert!(killed(18, 19, 18).contains("gone at 19, and is accounted for up to 18"));
        assert!(killed(31, 31, 31).contains("gone at 31, and 30 is the last that was sent"));
        assert!(killed(17, 17, 17).contains("more than its queue could hold"));
    }
}
