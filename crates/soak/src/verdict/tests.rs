use tamtam_zmq::Driver;

use super::*;
use crate::evidence::{Counts, Receipt};
use crate::plan::Setting;
use crate::wire::Passed;

const SENDER: u64 = 2;
const SOURCE: u64 = SENDER * SOCKETS;

fn tag(number: u64) -> Tag {
    Tag::new(SOURCE, number)
}

/// A receiver and a sender of ten messages, of which all have arrived.
fn accounts(scenario: Scenario) -> Accounts {
    let setting = Setting {
        scenario,
        driver: Driver::Adaptive,
        send_hwm: 3,
        receive_hwm: 3,
        buffers: 0,
        largest: 10,
        is_curve: false,
        is_mandatory: false,
        barrier: 1,
    };
    let sent = Counts { messages_out: 10, ..Counts::default() };
    let received = Counts { messages_in: 10, ..Counts::default() };
    let account = |number, role, outlet, receipts, lines| Account {
        number,
        role,
        was_killed: false,
        outlets: vec![outlet],
        receipts,
        lines,
    };
    let peer = Line::Peer { name: "r1".to_owned(), messages_out: 10, full: 0 };
    let members = vec![
        account(
            1,
            Role::Receiver,
            Outlet { source: SOCKETS, counts: Some(received), ..Outlet::default() },
            (1..=10).map(|number| Receipt::new(tag(number), 5)).collect(),
            vec![],
        ),
        account(
            SENDER,
            Role::Sender,
            Outlet { source: SOURCE, attempted: 10, returned: 10, counts: Some(sent) },
            vec![],
            vec![Line::Barrier, peer],
        ),
    ];
    Accounts { setting, members, seen: None, connection_holds: 1000, crowd: 1 }
}

/// What a witness between the two has seen: `passed` messages whole, of which so many were passed on.
fn seen(passed: u64, forwarded: u64) -> Vec<Seen> {
    let passage = Passage {
        passed: (1..=passed).map(|number| Passed { tag: tag(number), end: number * 100 }).collect(),
        forwarded: forwarded * 100 + 50,
    };
    vec![Seen { sender: SENDER, receiver: 1, was_reset: false, forth: passage, back: Passage::default() }]
}

fn receiver(accounts: &mut Accounts) -> &mut Account {
    &mut accounts.members[0]
}

fn sent(accounts: &mut Accounts) -> &mut Counts {
    accounts.members[1].outlets[0].counts.as_mut().unwrap()
}

/// The receiver has got only so many.
fn truncate(accounts: &mut Accounts, count: usize) {
    let receiver = receiver(accounts);
    receiver.receipts.truncate(count);
    receiver.outlets[0].counts.as_mut().unwrap().messages_in = count as u64;
}

fn kill(account: &mut Account) {
    account.was_killed = true;
    account.outlets[0].counts = None;
}

/// What is said once one thing is changed, and the sums.
fn judged(scenario: Scenario, change: impl FnOnce(&mut Accounts)) -> (String, Sums) {
    let mut accounts = accounts(scenario);
    change(&mut accounts);
    let verdict = judge(&accounts);
    (verdict.wrong.join("\n"), verdict.sums)
}

fn wrong(scenario: Scenario, change: impl FnOnce(&mut Accounts)) -> String {
    judged(scenario, change).0
}

#[test]
fn what_is_right_is_not_found_fault_with() {
    let all = Sums { sent: 10, received: 10, ..Sums::default() };
    assert_eq!(judged(Scenario::Pipeline, |_| ()), (String::new(), all));
    assert_eq!(judged(Scenario::Publish, |_| ()), (String::new(), all));
    let witnessed = |accounts: &mut Accounts| accounts.seen = Some(seen(10, 10));
    assert_eq!(judged(Scenario::Pipeline, witnessed), (String::new(), all));
    let reported = judged(Scenario::Pipeline, |accounts| {
        truncate(accounts, 8);
        sent(accounts).lingered = 2;
    });
    assert_eq!(reported, (String::new(), Sums { sent: 10, received: 8, dropped: 2, ..Sums::default() }));
}

#[test]
fn two_connections_that_bear_the_same_number_may_come_in_any_order() {
    let swapped = |accounts: &mut Accounts| {
        receiver(accounts).receipts.rotate_left(6);
        accounts.seen = Some(seen(10, 10));
    };
    assert_eq!(wrong(Scenario::Pipeline, swapped), "r1: 1 of 64 came after 10");
    let apart = judged(Scenario::Pipeline, |accounts| {
        swapped(accounts);
        let seen = accounts.seen.as_mut().unwrap();
        let mut later = seen[0].clone();
        later.forth.passed.drain(..6);
        seen[0].forth.passed.truncate(6);
        seen[0].forth.forwarded = 650;
        seen.push(later);
    });
    let all = Sums { sent: 10, received: 10, ..Sums::default() };
    assert_eq!(apart, (String::new(), all));
}

#[test]
fn what_a_cut_or_a_kill_takes_along_is_named() {
    let cut = judged(Scenario::Pipeline, |accounts| {
        truncate(accounts, 6);
        accounts.seen = Some(seen(9, 6));
        sent(accounts).disconnected = 1;
    });
    let sums = Sums { sent: 10, received: 6, dropped: 1, cut: 3, ..Sums::default() };
    assert_eq!(cut, (String::new(), sums));
    let died = judged(Scenario::Pipeline, |accounts| {
        truncate(accounts, 6);
        kill(receiver(accounts));
        accounts.seen = Some(seen(10, 9));
    });
    let sums = Sums { sent: 10, received: 6, cut: 1, died: 3, ..Sums::default() };
    assert_eq!(died, (String::new(), sums));
    let reset = judged(Scenario::Pipeline, |accounts| {
        truncate(accounts, 6);
        accounts.seen = Some(seen(9, 8));
        accounts.seen.as_mut().unwrap()[0].was_reset = true;
    });
    let sums = Sums { sent: 10, received: 6, cut: 4, ..Sums::default() };
    assert_eq!(reset, (String::new(), sums));
    let unseen = judged(Scenario::Pipeline, |accounts| {
        truncate(accounts, 6);
        kill(receiver(accounts));
    });
    assert_eq!(unseen, (String::new(), Sums { sent: 10, received: 6, died: 4, ..Sums::default() }));
    let sender = judged(Scenario::Pipeline, |accounts| {
        truncate(accounts, 6);
        kill(&mut accounts.members[1]);
        accounts.members[1].outlets[0].attempted = 200;
    });
    assert_eq!(sender, (String::new(), Sums { sent: 10, received: 6, died: 4, ..Sums::default() }));
}

#[test]
fn each_discrepancy_is_found() {
    let pipeline = |change: fn(&mut Accounts)| wrong(Scenario::Pipeline, change);
    let found = [
        (pipeline(|a| truncate(a, 9)), "10 sent, 9 received, 0 reported dropped: 1 unaccounted for"),
        (pipeline(|a| sent(a).disconnected = 1), "-1 unaccounted for"),
        (pipeline(|a| sent(a).messages_out = 9), "10 were sent, and 9 are counted"),
        (pipeline(|a| sent(a).undelivered = 1), "1 were not delivered, and not counted"),
        (pipeline(|a| receiver(a).receipts.swap(3, 4)), "4 of 64 came after 5"),
        (pipeline(|a| receiver(a).receipts[4] = Receipt::new(tag(4), 6)), "1 came twice"),
        (
            pipeline(|a| receiver(a).receipts[9] = Receipt::new(tag(11), 5)),
            "11 came from 64, which has not sent it",
        ),
        (pipeline(|a| receiver(a).outlets[0].counts = None), "has not come to its end"),
        (pipeline(|a| receiver(a).lines.push(Line::Wrong { what: "odd".to_owned() })), "odd"),
        (
            pipeline(|a| receiver(a).outlets[0].counts.as_mut().unwrap().messages_in = 11),
            "11 are counted as received, and 10 are noted",
        ),
        (
            pipeline(|a| {
                a.seen = Some(seen(10, 10));
                truncate(a, 9);
            }),
            "1 that were passed on have not come",
        ),
        (pipeline(|a| a.seen = Some(seen(10, 9))), "has received what was not passed on"),
        (pipeline(|a| a.seen = Some(seen(9, 9))), "10 were received, and 9 of these passed on"),
        (
            pipeline(|a| {
                a.seen = Some(seen(9, 9));
                truncate(a, 9);
            }),
            "10 sent, 9 seen, 0 reported dropped: 1 unaccounted for",
        ),
        (
            pipeline(|a| {
                a.seen = Some(seen(10, 10));
                receiver(a).receipts.remove(3);
                kill(receiver(a));
            }),
            "1 that were passed on have not come, 4 of 64 first, and 6 after that have",
        ),
        (
            pipeline(|a| {
                kill(&mut a.members[1]);
                (a.members[1].outlets[0].returned, a.members[1].outlets[0].attempted) = (1000, 1256);
            }),
            "more than its queues could hold",
        ),
        (
            wrong(Scenario::Publish, |a| truncate(a, 9)),
            "10 sent to r1, which has received 9 and thrown 0 away",
        ),
        (
            wrong(Scenario::Publish, |a| {
                a.members[1].lines[1] = Line::Peer { name: "r1".to_owned(), messages_out: 9, full: 0 };
                sent(a).messages_out = 9;
            }),
            "9 sent to r1 and 0 dropped, of 10 since it was there",
        ),
        (wrong(Scenario::Nodrop, |a| sent(a).full = 1), "dropped 1, and was to wait"),
        (
            wrong(Scenario::Dealer, |_| ()),
            "r1 was asked 10 times, has answered 0 times, and was refused 0 times",
        ),
    ];
    for (number, (found, expected)) in found.iter().enumerate() {
        assert!(found.contains(expected), "{number}: {expected:?} is not in {found:?}");
    }
}
