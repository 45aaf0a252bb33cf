//! The verdict: what was sent against what was received and what was reported to be dropped.
//!
//! What can be proven, and is demanded:
//!
//! 1. *Always.* No message comes that was not sent, with another content, or twice; those that one peer of a receiver brings from one
//!    source come in the order in which they were sent. (With a witness: those of one connection.)
//! 2. *A sender that was not killed* has counted as sent (`messages_out`) what `send` has taken, no more and no less.
//! 3. *Nobody killed, no connection cut* (`direct`, `inproc`): sent = received + reported dropped, for each sender; where it publishes,
//!    for each subscriber: what the publisher counts as sent to it is what it has received or dropped itself, and together with what
//!    the publisher has dropped for it, all that was published since it was there.
//! 4. *With a witness*, which reads what is sent to the end even of a connection that it cuts: sent = passed by the witness + reported
//!    dropped, for each sender. Of what it has passed on, each message was received, but for the last ones on a connection whose
//!    receiver was killed: these died with it. What it has not passed on was lost by the cut, message by message. Only where
//!    connections are also reset, which throws away what the kernel holds, the sums are within what it may hold.
//! 5. *A member that was killed* takes along what was in its memory and what the kernel held for it. For a receiver that is the tail
//!    of each of its connections (proven by the witness), and no more octets than the kernel's buffers and its queue may hold; for a
//!    sender, what `send` had taken and not written: no more than its queues may hold.
//!
//! What is neither received nor reported nor one of these is unaccounted for, and there must be none of it. The engine cannot know
//! what becomes of messages that it has handed to the kernel when the connection ends: ZMTP acknowledges nothing.

use std::collections::BTreeMap;

use crate::accounts::{Account, Accounts, Outlet, Passage, Seen};
use crate::body::{SOCKETS, Shape, TAG_LEN, Tag};
use crate::evidence::{Line, NOTED_EVERY};
use crate::plan::{Role, Scenario};

/// The shortest message on the wire.
const SHORTEST: u64 = TAG_LEN as u64 + 2;

/// The sums of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) dropped: u64,
    /// Lost in a connection that was cut: seen by the witness.
    pub(crate) cut: u64,
    /// Died with a member that was killed.
    pub(crate) died: u64,
    /// What is left; neither more nor less may be.
    pub(crate) unaccounted: i64,
}

impl Sums {
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.dropped += other.dropped;
        self.cut += other.cut;
        self.died += other.died;
        self.unaccounted += other.unaccounted;
    }
}

/// What the accounts have brought up.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) wrong: Vec<String>,
    pub(crate) sums: Sums,
}

/// What a message takes on the wire, at least.
fn octets(tag: Tag, largest: u64, may_have_front: bool) -> u64 {
    Shape::of(tag, largest, may_have_front).len() as u64 + 2
}

fn signed(sent: u64, accounted: u64) -> i64 {
    i64::try_from(i128::from(sent) - i128::from(accounted)).unwrap_or(i64::MAX)
}

/// Draws up the accounts of a round.
pub(crate) fn judge(accounts: &Accounts) -> Verdict {
    let mut verdict = Verdict::default();
    for account in &accounts.members {
        let name = account.name();
        let mut wrong = Vec::new();
        judge_member(accounts, account, &mut wrong);
        verdict.wrong.extend(wrong.into_iter().map(|what| format!("{name}: {what}")));
    }
    let scenario = accounts.setting.scenario;
    if !scenario.publishes() {
        judge_uniqueness(accounts, &mut verdict);
    }
    match (&accounts.seen, scenario.publishes()) {
        (Some(seen), _) => judge_seen(accounts, seen, &mut verdict),
        (None, true) => judge_published(accounts, &mut verdict),
        (None, false) => judge_direct(accounts, &mut verdict),
    }
    if scenario.echoes() {
        judge_answers(accounts, &mut verdict);
    }
    verdict
}

/// What can be said of a member by itself, and of what it has received.
fn judge_member(accounts: &Accounts, account: &Account, wrong: &mut Vec<String>) {
    for line in &account.lines {
        if let Line::Wrong { what } = line {
            wrong.push(what.clone());
        }
    }
    let echoes = accounts.setting.scenario.echoes();
    for outlet in &account.outlets {
        let Some(counts) = &outlet.counts else {
            if !account.was_killed {
                wrong.push(format!("source {} has not come to its end", outlet.source));
            }
            continue;
        };
        // A publisher counts each subscriber; who answers, what it was asked.
        let is_one_to_one = account.role == Role::Sender && !accounts.setting.scenario.publishes();
        if is_one_to_one && (outlet.returned, outlet.attempted) != (counts.messages_out, counts.messages_out)
        {
            wrong.push(format!("{} were sent, and {} are counted", outlet.returned, counts.messages_out));
        }
        let receives = account.role == Role::Receiver || echoes;
        if receives && counts.messages_in != account.receipts.len() as u64 {
            wrong.push(format!(
                "{} are counted as received, and {} are noted",
                counts.messages_in,
                account.receipts.len()
            ));
        }
        if counts.filtered > 0 {
            wrong.push(format!("{} did not match", counts.filtered));
        }
        if counts.undelivered > counts.dropped_later() {
            wrong.push(format!("{} were not delivered, and not counted", counts.undelivered));
        }
    }
    let mut last: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut disorder = 0;
    for receipt in &account.receipts {
        let tag = receipt.tag();
        let previous = last.insert((receipt.peer(), tag.source()), tag.number());
        if let Some(previous) = previous.filter(|&previous| previous >= tag.number()) {
            if accounts.seen.as_ref().is_some_and(|seen| came_apart(seen, tag, previous)) {
                continue;
            }
            disorder += 1;
            if disorder <= 3 {
                wrong.push(format!("{} of {} came after {previous}", tag.number(), tag.source()));
            }
        }
    }
    for ((_, source), highest) in last {
        let outlet = outlets(accounts).find(|outlet| outlet.source == source);
        if outlet.is_none_or(|outlet| highest > outlet.attempted) {
            wrong.push(format!("{highest} came from {source}, which has not sent it"));
        }
    }
    let received = account.received();
    let twice = received.windows(2).filter(|pair| pair.first() == pair.last()).count();
    if twice > 0 {
        wrong.push(format!("{twice} came twice"));
    }
}

/// A receiver gives the number of a peer that is gone to the next one. Tells whether this message and the source's number `previous` came by
/// different connections: nobody says which of two comes first that wait for a receiver to be started again.
fn came_apart(seen: &[Seen], tag: Tag, previous: u64) -> bool {
    let has = |passage: &Passage, number: u64| {
        passage
            .passed
            .iter()
            .any(|passed| passed.tag.source() == tag.source() && passed.tag.number() == number)
    };
    let passages = seen.iter().flat_map(|seen| [&seen.forth, &seen.back]);
    let having: Vec<_> =
        passages.filter(|passage| has(passage, previous) || has(passage, tag.number())).collect();
    let has_both = having.iter().any(|passage| has(passage, previous) && has(passage, tag.number()));
    having.len() > 1 && !has_both
}

/// All sockets that send what others receive.
fn outlets(accounts: &Accounts) -> impl Iterator<Item = &Outlet> {
    accounts.of(Role::Sender).flat_map(|account| &account.outlets)
}

/// Where each message has one receiver, no two have the same.
fn judge_uniqueness(accounts: &Accounts, verdict: &mut Verdict) {
    let mut all: Vec<Tag> = accounts.of(Role::Receiver).flat_map(Account::received).collect();
    all.sort_unstable();
    let twice: Vec<&[Tag]> = all.windows(2).filter(|pair| pair.first() == pair.last()).collect();
    if let Some([first, _]) = twice.first() {
        verdict.wrong.push(format!(
            "{} came to two receivers, {} of {} among them",
            twice.len(),
            first.number(),
            first.source()
        ));
    }
}

/// How many of each source there are.
fn count(tags: impl Iterator<Item = Tag>) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for tag in tags {
        *counts.entry(tag.source()).or_default() += 1;
    }
    counts
}

/// What one sender's socket has sent, as far as it can be known: of one that was killed, what it has surely sent, or more if more was
/// seen.
fn sent_by(outlet: &Outlet, seen: u64) -> u64 {
    if outlet.counts.is_some() { outlet.attempted } else { outlet.returned.max(seen) }
}

/// What a sender that was killed may have had in its queues, in messages: with it die also its counts of what it has dropped when
/// connections ended.
fn queues_of_killed(accounts: &Accounts) -> u64 {
    let ended = match &accounts.seen {
        Some(seen) => seen.len() as u64,
        None => accounts.killed(Role::Receiver),
    };
    (accounts.crowd + ended) * u64::from(accounts.setting.send_hwm) + NOTED_EVERY
}

/// What became of what one sender's socket has sent, of which so much was seen: what was sent, what was reported to be dropped, and
/// what died with it.
fn judge_outlet(outlet: &Outlet, seen: u64) -> (u64, u64, u64) {
    let sent = sent_by(outlet, seen);
    match &outlet.counts {
        Some(counts) => (sent, counts.dropped_later(), 0),
        None => (sent, 0, sent - seen),
    }
}

fn check_died(accounts: &Accounts, outlet: &Outlet, died: u64, wrong: &mut Vec<String>) {
    if died > queues_of_killed(accounts) {
        wrong.push(format!(
            "source {} was killed, and {died} are missing: more than its queues could hold",
            outlet.source
        ));
    }
}

/// Members that are connected with each other, each message for one receiver.
fn judge_direct(accounts: &Accounts, verdict: &mut Verdict) {
    let received =
        count(accounts.of(Role::Receiver).flat_map(|account| &account.receipts).map(|receipt| receipt.tag()));
    let thrown_away: u64 =
        accounts.of(Role::Receiver).map(|account| account.sum(|counts| counts.conflated)).sum();
    let killed = accounts.killed(Role::Receiver);
    let mut sums = Sums::default();
    let mut missing = 0_i64;
    for outlet in outlets(accounts) {
        let received = received.get(&outlet.source).copied().unwrap_or(0);
        let (sent, dropped, died) = judge_outlet(outlet, received);
        if killed == 0 {
            check_died(accounts, outlet, died, &mut verdict.wrong);
        }
        let left = signed(sent, received + dropped + died);
        // What receivers have thrown away they do not tell by sources.
        if left < 0 || (left > 0 && killed == 0 && thrown_away == 0) {
            verdict.wrong.push(format!(
                "source {}: {sent} sent, {received} received, {dropped} reported dropped: {left} unaccounted for",
                outlet.source
            ));
        }
        missing += left;
        sums.add(&Sums { sent, received, dropped, died, ..Sums::default() });
    }
    sums.dropped += thrown_away;
    missing -= i64::try_from(thrown_away).unwrap_or(i64::MAX);
    if killed > 0 {
        let reported = sums.dropped;
        check_held(accounts, killed, reported, &mut verdict.wrong);
        if missing > 0 {
            sums.died += missing.unsigned_abs();
            missing = 0;
        }
    }
    if missing != 0 {
        verdict.wrong.push(format!("{missing} messages are unaccounted for"));
    }
    sums.unaccounted = missing;
    verdict.sums.add(&sums);
}

/// Where receivers were killed: all that is missing and was not reported is no more than those that were killed could hold, by its
/// octets. Which of the missing messages were reported nobody knows; the longest ones, if that is in doubt.
fn check_held(accounts: &Accounts, killed: u64, reported: u64, wrong: &mut Vec<String>) {
    let mut all: Vec<Tag> = accounts.of(Role::Receiver).flat_map(Account::received).collect();
    all.sort_unstable();
    let mut missing = Vec::new();
    for outlet in outlets(accounts) {
        for number in 1..=outlet.returned {
            let tag = Tag::new(outlet.source, number);
            if all.binary_search(&tag).is_err() {
                missing.push(octets(tag, accounts.setting.largest, true));
            }
        }
    }
    missing.sort_unstable();
    missing.truncate(missing.len().saturating_sub(usize::try_from(reported).unwrap_or(usize::MAX)));
    let sum: u64 = missing.iter().sum();
    let longest = accounts.setting.largest * 2 + 16;
    let queue = u64::from(accounts.setting.receive_hwm) + NOTED_EVERY;
    let receivers = killed * accounts.crowd * (accounts.connection_holds + queue * longest);
    let bound = receivers + accounts.killed(Role::Sender) * queues_of_killed(accounts) * longest;
    if sum > bound {
        wrong.push(format!(
            "{} messages of {sum} octets died with {killed} receivers, which could hold {bound}",
            missing.len()
        ));
    }
}

/// How many messages those of a role that were killed could hold, if they were the shortest ones.
fn held_in_messages(accounts: &Accounts, role: Role) -> i64 {
    let queue = u64::from(accounts.setting.receive_hwm) + NOTED_EVERY;
    let each = queue + accounts.connection_holds / SHORTEST;
    i64::try_from(accounts.killed(role) * accounts.crowd * each).unwrap_or(i64::MAX)
}

/// Members that are connected with each other, where each message goes to all.
fn judge_published(accounts: &Accounts, verdict: &mut Verdict) {
    let anybody_killed = accounts.members.iter().any(|account| account.was_killed);
    let mut sums = Sums::default();
    let mut to_others = 0;
    for sender in accounts.of(Role::Sender) {
        for outlet in &sender.outlets {
            let Some(counts) = &outlet.counts else { continue };
            sums.sent += counts.messages_out + counts.full;
            sums.dropped += counts.full + counts.dropped_later();
            to_others += counts.messages_out - counts.dropped_later();
            if accounts.setting.scenario == Scenario::Nodrop && counts.full > 0 {
                verdict.wrong.push(format!("{} dropped {}, and was to wait", sender.name(), counts.full));
            }
            if !anybody_killed {
                judge_subscribers(accounts, sender, outlet, &mut verdict.wrong);
            }
        }
    }
    // What comes from one that was killed, nobody has counted.
    let living: Vec<u64> =
        outlets(accounts).filter(|outlet| outlet.counts.is_some()).map(|outlet| outlet.source).collect();
    let mut thrown_away = 0;
    for receiver in accounts.of(Role::Receiver) {
        let known =
            receiver.receipts.iter().filter(|receipt| living.binary_search(&receipt.tag().source()).is_ok());
        sums.received += known.count() as u64;
        thrown_away += receiver.sum(|counts| counts.full + counts.conflated);
    }
    sums.dropped += thrown_away;
    let mut missing = signed(to_others, sums.received + thrown_away);
    // Who it was for nobody knows; it is bounded by what those could hold that were killed.
    if missing > 0 && missing <= held_in_messages(accounts, Role::Receiver) {
        sums.died += missing.unsigned_abs();
        missing = 0;
    }
    if missing != 0 {
        verdict.wrong.push(format!("{missing} messages are unaccounted for"));
    }
    sums.unaccounted += missing;
    verdict.sums.add(&sums);
}

/// What a publisher says of each subscriber, where nobody was killed and no connection cut.
fn judge_subscribers(accounts: &Accounts, sender: &Account, outlet: &Outlet, wrong: &mut Vec<String>) {
    let was_complete = sender.lines.contains(&Line::Barrier);
    let is_only = accounts.of(Role::Sender).count() == 1;
    for line in &sender.lines {
        let Line::Peer { name, messages_out, full } = line else { continue };
        if was_complete && messages_out + full != outlet.attempted {
            wrong.push(format!(
                "{}: {messages_out} sent to {name} and {full} dropped, of {} since it was there",
                sender.name(),
                outlet.attempted
            ));
        }
        let Some(receiver) = accounts.of(Role::Receiver).find(|receiver| receiver.name() == *name) else {
            wrong.push(format!("{}: nobody is called {name}", sender.name()));
            continue;
        };
        let got = receiver.receipts.iter().filter(|receipt| receipt.tag().source() == outlet.source).count();
        let thrown_away = receiver.sum(|counts| counts.full + counts.conflated);
        let (most, least) = (got as u64 + thrown_away, got as u64 + if is_only { thrown_away } else { 0 });
        let dropped = outlet.counts.as_ref().map_or(0, |counts| counts.dropped_later());
        if *messages_out > most + dropped || *messages_out < least {
            wrong.push(format!(
                "{}: {messages_out} sent to {name}, which has received {got} and thrown {thrown_away} away",
                sender.name()
            ));
        }
    }
}

/// What became of what a witness has seen on one connection, one way.
#[derive(Debug, Default)]
struct Way {
    passed: u64,
    received: u64,
    cut: u64,
    died: u64,
}

/// Checks one way of a connection against what was received; `received` is sorted. The last ones may be missing if its end was not
/// an orderly one for the receiver, and with `may_miss` any.
fn judge_passage(
    passage: &Passage,
    was_reset: bool,
    receiver: &Account,
    received: &[Tag],
    may_miss: bool,
    wrong: &mut Vec<String>,
) -> Way {
    let mut way = Way { passed: passage.passed.len() as u64, ..Way::default() };
    let mut holes = 0;
    let mut first_missing = None;
    for passed in &passage.passed {
        let has_come = received.binary_search(&passed.tag.forth()).is_ok();
        if passed.end > passage.forwarded {
            way.cut += 1;
            if has_come {
                wrong.push(format!("{} has received what was not passed on", receiver.name()));
            }
        } else if has_come {
            way.received += 1;
            holes += u64::from(first_missing.is_some());
        } else {
            way.died += 1;
            first_missing.get_or_insert(passed.tag);
        }
    }
    let may_die = receiver.was_killed || was_reset || may_miss;
    if let Some(tag) = first_missing.filter(|_| !may_die || (holes > 0 && !may_miss)) {
        wrong.push(format!(
            "{}: {} that were passed on have not come, {} of {} first, and {holes} after that have",
            receiver.name(),
            way.died,
            tag.number(),
            tag.source()
        ));
    }
    if was_reset && !receiver.was_killed {
        way.cut += std::mem::take(&mut way.died);
    }
    way
}

/// How many messages connections of a member that were reset may have taken along from the kernel, at most.
fn lost_in_resets(accounts: &Accounts, is_its: impl Fn(&Seen) -> bool) -> i64 {
    let resets = accounts.seen.iter().flatten().filter(|one| one.was_reset && is_its(one)).count();
    i64::try_from(resets as u64 * accounts.connection_holds / SHORTEST).unwrap_or(i64::MAX)
}

/// Members with a witness between them.
fn judge_seen(accounts: &Accounts, seen: &[Seen], verdict: &mut Verdict) {
    let mut sums = Sums::default();
    let received: BTreeMap<u64, Vec<Tag>> =
        accounts.of(Role::Receiver).map(|account| (account.number, account.received())).collect();
    let mut passed: BTreeMap<u64, u64> = BTreeMap::new();
    for one in seen.iter().filter(|one| !one.forth.passed.is_empty()) {
        let (Some(receiver), Some(tags)) = (accounts.find(one.receiver), received.get(&one.receiver)) else {
            verdict.wrong.push(format!("nobody has the number {}", one.receiver));
            continue;
        };
        let way = judge_passage(&one.forth, one.was_reset, receiver, tags, false, &mut verdict.wrong);
        for (source, count) in count(one.forth.passed.iter().map(|passed| passed.tag)) {
            *passed.entry(source).or_default() += count;
        }
        sums.received += way.received;
        sums.cut += way.cut;
        sums.died += way.died;
    }
    let all: u64 = received.values().map(|tags| tags.len() as u64).sum();
    if all != sums.received {
        verdict.wrong.push(format!("{all} were received, and {} of these passed on", sums.received));
    }
    let publishes = accounts.setting.scenario.publishes();
    for outlet in outlets(accounts) {
        let seen = passed.get(&outlet.source).copied().unwrap_or(0);
        let (sent, dropped, died) = if publishes {
            let (sent, full, dropped) = match &outlet.counts {
                Some(counts) => (counts.messages_out, counts.full, counts.dropped_later()),
                // What it has queued, nobody has counted.
                None => (seen, 0, 0),
            };
            sums.sent += full;
            sums.dropped += full;
            (sent, dropped, 0)
        } else {
            let (sent, dropped, died) = judge_outlet(outlet, seen);
            check_died(accounts, outlet, died, &mut verdict.wrong);
            (sent, dropped, died)
        };
        let mut left = signed(sent, seen + dropped + died);
        let in_resets = lost_in_resets(accounts, |one| one.sender == outlet.source / SOCKETS);
        if left > 0 && left <= in_resets {
            sums.cut += left.unsigned_abs();
            left = 0;
        }
        if left != 0 {
            verdict.wrong.push(format!(
                "source {}: {sent} sent, {seen} seen, {dropped} reported dropped: {left} unaccounted for",
                outlet.source
            ));
        }
        sums.sent += sent;
        sums.dropped += dropped;
        sums.died += died;
        sums.unaccounted += left;
    }
    verdict.sums.add(&sums);
}

/// What comes back where messages are answered: each receiver has answered each message.
fn judge_answers(accounts: &Accounts, verdict: &mut Verdict) {
    for receiver in accounts.of(Role::Receiver).filter(|receiver| !receiver.was_killed) {
        let answered = receiver.sum(|counts| counts.messages_out + counts.full + counts.unroutable);
        let refused: u64 = receiver
            .lines
            .iter()
            .map(|line| match line {
                Line::Refused { count } => *count,
                _ => 0,
            })
            .sum();
        let asked = receiver.receipts.len() as u64;
        if answered + refused != asked {
            verdict.wrong.push(format!(
                "{} was asked {asked} times, has answered {answered} times, and was refused {refused} times",
                receiver.name()
            ));
        }
    }
    match &accounts.seen {
        Some(seen) => judge_seen_answers(accounts, seen, verdict),
        None => judge_direct_answers(accounts, verdict),
    }
}

/// How often somebody has not waited for an answer any longer.
fn given_up(asker: &Account) -> u64 {
    asker.lines.iter().map(|line| if let Line::GivenUp { count } = line { *count } else { 0 }).sum()
}

fn judge_seen_answers(accounts: &Accounts, seen: &[Seen], verdict: &mut Verdict) {
    let is_request = accounts.setting.scenario == Scenario::Request;
    let mut sums = Sums::default();
    let received: BTreeMap<u64, Vec<Tag>> =
        accounts.of(Role::Sender).map(|account| (account.number, account.received())).collect();
    let mut passed: BTreeMap<u64, u64> = BTreeMap::new();
    let mut late: BTreeMap<u64, u64> = BTreeMap::new();
    for one in seen.iter().filter(|one| !one.back.passed.is_empty()) {
        let (Some(asker), Some(tags)) = (accounts.find(one.sender), received.get(&one.sender)) else {
            verdict.wrong.push(format!("nobody has the number {}", one.sender));
            continue;
        };
        let way = judge_passage(&one.back, one.was_reset, asker, tags, is_request, &mut verdict.wrong);
        *passed.entry(one.receiver).or_default() += way.passed;
        sums.received += way.received;
        sums.cut += way.cut;
        if is_request && !asker.was_killed {
            *late.entry(one.sender).or_default() += way.died;
            sums.dropped += way.died;
        } else {
            sums.died += way.died;
        }
    }
    for (number, late) in late {
        let Some(asker) = accounts.find(number) else { continue };
        let (told, most) = (asker.sum(|counts| counts.malformed), given_up(asker));
        if late < told || late > most {
            verdict.wrong.push(format!(
                "{}: {late} answers are missing, {told} came too late, and {most} were not waited for",
                asker.name()
            ));
        }
    }
    for receiver in accounts.of(Role::Receiver) {
        let seen = passed.get(&receiver.number).copied().unwrap_or(0);
        let (sent, not_queued, dropped) = if receiver.was_killed {
            (seen, 0, 0)
        } else {
            let not_queued = receiver.sum(|counts| counts.full + counts.unroutable);
            (
                receiver.sum(|counts| counts.messages_out),
                not_queued,
                receiver.sum(|counts| counts.dropped_later()),
            )
        };
        let mut left = signed(sent, seen + dropped);
        let in_resets = lost_in_resets(accounts, |one| one.receiver == receiver.number);
        if left > 0 && left <= in_resets {
            sums.cut += left.unsigned_abs();
            left = 0;
        }
        if left != 0 {
            verdict.wrong.push(format!(
                "{}: {sent} answers, {seen} seen, {dropped} reported dropped: {left} unaccounted for",
                receiver.name()
            ));
        }
        sums.sent += sent + not_queued;
        sums.dropped += not_queued + dropped;
        sums.unaccounted += left;
    }
    verdict.sums.add(&sums);
}

fn judge_direct_answers(accounts: &Accounts, verdict: &mut Verdict) {
    if accounts.killed(Role::Receiver) > 0 {
        // What these have answered, nobody has counted.
        return;
    }
    let answers = |of: fn(&Account) -> u64| accounts.of(Role::Receiver).map(of).sum::<u64>();
    let queued = answers(|receiver| receiver.sum(|counts| counts.messages_out));
    let not_queued = answers(|receiver| receiver.sum(|counts| counts.full + counts.unroutable));
    let dropped = answers(|receiver| receiver.sum(|counts| counts.dropped_later()));
    let received: u64 = accounts.of(Role::Sender).map(|asker| asker.receipts.len() as u64).sum();
    let most: u64 = accounts.of(Role::Sender).map(given_up).sum();
    let mut left = signed(queued, received + dropped);
    let mut sums =
        Sums { sent: queued + not_queued, received, dropped: not_queued + dropped, ..Sums::default() };
    if left > 0 && left <= held_in_messages(accounts, Role::Sender) {
        sums.died += left.unsigned_abs();
        left = 0;
    } else if accounts.setting.scenario == Scenario::Request
        && (0..=i64::try_from(most).unwrap_or(0)).contains(&left)
    {
        sums.dropped += left.unsigned_abs();
        left = 0;
    }
    if left != 0 {
        verdict.wrong.push(format!(
            "{queued} answers, {received} received, {dropped} reported dropped: {left} unaccounted for"
        ));
    }
    sums.unaccounted = left;
    verdict.sums.add(&sums);
}

#[cfg(test)]
mod tests;
