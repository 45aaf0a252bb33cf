use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::memory::other::{Here, Other, here, patient};

fn plan(message_max: usize, depth: usize) -> Plan {
    Plan { message_max, depth, ..Plan::default() }
}

fn receive(receiver: &Receiver) -> Vec<u8> {
    let mut message = Vec::new();
    receiver.receive(&mut message, patient()).expect("a message");
    message
}

#[test]
fn each_message_goes_to_one_receiver_and_senders_keep_their_order() {
    const EACH: u32 = 2000;
    for wait in [Wait::Block, Wait::Spin(Duration::from_micros(20))] {
        let (sender, receiver) = pair(&Plan { wait, ..plan(8, 3) }).expect("a queue");
        let (senders, receivers) = (3, 3);
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            for number in 0..senders {
                let sender = sender.try_clone().expect("one more");
                scope.spawn(move || {
                    for i in 0..EACH {
                        let message: Vec<u8> = [u32::to_le_bytes(number), i.to_le_bytes()].concat();
                        sender.send(&message, patient()).expect("sent");
                    }
                });
            }
            for _ in 0..receivers {
                let receiver = receiver.try_clone().expect("one more");
                let count = &count;
                scope.spawn(move || {
                    let mut last = vec![None; senders as usize];
                    let mut message = Vec::new();
                    while receiver.receive(&mut message, patient()).is_ok() {
                        let number =
                            |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().expect("four"));
                        let (sender, i) = (number(0) as usize, number(4));
                        assert!(last[sender].is_none_or(|last| last < i), "{i} after {last:?}");
                        last[sender] = Some(i);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // The last sender's end is what ends the receivers.
            drop(sender);
        });
        assert_eq!(count.into_inner(), (senders * EACH) as usize);
    }
}

#[test]
fn the_planned_depth_fits_and_no_more() {
    let (sender, receiver) = pair(&plan(5, 3)).expect("a queue");
    for round in 0..10 {
        for i in 0..3 {
            sender.send(&[round, i], Deadline::NOW).expect("room");
        }
        for deadline in [Deadline::NOW, Deadline::after(Duration::from_millis(30))] {
            assert!(matches!(sender.send(&[9], deadline), Err(Error::TimedOut)));
        }
        for i in 0..3 {
            assert_eq!(receive(&receiver), [round, i]);
        }
        for deadline in [Deadline::NOW, Deadline::after(Duration::from_millis(30))] {
            assert!(matches!(receiver.receive(&mut Vec::new(), deadline), Err(Error::TimedOut)));
        }
    }
    assert!(matches!(sender.send(&[0; 6], Deadline::NOW), Err(Error::TooLong { len: 6, max: 5 })));
}

/// The other side is gone. A process that another test starts at this moment has what it held, too, until it runs its own program: so
/// that may take a moment.
fn ends(mut attempt: impl FnMut(Deadline) -> Result<(), Error>) {
    let began = Instant::now();
    loop {
        match attempt(Deadline::NOW) {
            Err(Error::TimedOut) if began.elapsed() < Duration::from_secs(20) => thread::yield_now(),
            outcome => {
                assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
                break;
            }
        }
    }
    assert!(matches!(attempt(Deadline::NEVER), Err(Error::Closed)));
}

#[test]
fn the_last_of_a_side_ends_the_conversation() {
    let (sender, receiver) = pair(&plan(5, 3)).expect("a queue");
    let second = sender.try_clone().expect("one more");
    sender.send(b"last", patient()).expect("sent");
    drop(sender);
    assert_eq!(receive(&receiver), b"last");
    assert!(matches!(receiver.receive(&mut Vec::new(), Deadline::NOW), Err(Error::TimedOut)));
    drop(second);
    ends(|deadline| receiver.receive(&mut Vec::new(), deadline));
    let (sender, receiver) = pair(&plan(5, 1)).expect("a queue");
    sender.send(b"full", patient()).expect("sent");
    drop(receiver);
    ends(|deadline| sender.send(b"x", deadline));
}

#[test]
fn nonsense_in_the_numbers_is_found() {
    for (at, value) in
        [(PUT_AT, 5), (TAKEN_AT, 1), (PUT_AT, u64::MAX), (FIRST_SLOT, 6), (FIRST_SLOT, u64::MAX)]
    {
        let (sender, receiver) = pair(&plan(5, 3)).expect("a queue");
        let queue = &sender.0.queue;
        if at == FIRST_SLOT {
            sender.send(b"x", patient()).expect("sent");
        }
        queue.region.word64(at).store(value, Ordering::Relaxed);
        let received = receiver.receive(&mut Vec::new(), patient());
        assert!(matches!(received, Err(Error::Corrupt(_))), "{value} at {at}: {received:?}");
    }
    for (at, value) in [
        (MAGIC_AT, 0),
        (SLOTS_AT, 0),
        (SLOTS_AT, 4),
        (SLOTS_AT, u64::MAX),
        (MESSAGE_MAX_AT, 9),
        (MESSAGE_MAX_AT, u64::MAX),
    ] {
        let (half, _) = halves(&plan(5, 3)).expect("a queue");
        half.segment.map().expect("mapped").word64(at).store(value, Ordering::Relaxed);
        assert!(matches!(Sender::open(half, Wait::Block), Err(Error::Corrupt(_))), "{value} at {at}");
    }
}

#[test]
fn an_owner_that_never_ends_stops_nobody_for_ever() {
    let (sender, receiver) = pair(&plan(5, 3)).expect("a queue");
    sender.send(b"x", patient()).expect("sent");
    let guard = sender.0.queue.lock(patient()).expect("free");
    thread::scope(|scope| {
        // Only another thread waits: this one would wait for itself.
        scope.spawn(|| {
            for deadline in [Deadline::NOW, Deadline::after(Duration::from_millis(50))] {
                assert!(matches!(receiver.receive(&mut Vec::new(), deadline), Err(Error::TimedOut)));
            }
        });
    });
    drop(guard);
    assert_eq!(receive(&receiver), b"x");
}

#[test]
fn what_an_owner_left_that_cannot_be_set_right_is_of_no_use_to_anybody() {
    let (sender, receiver) = pair(&plan(5, 3)).expect("a queue");
    sender.send(b"x", patient()).expect("sent");
    let queue = &sender.0.queue;
    // A thread is enough for the kernel's list of locks.
    thread::scope(|scope| {
        scope.spawn(|| {
            std::mem::forget(queue.lock(patient()).expect("free"));
            queue.region.word64(PUT_AT).store(99, Ordering::Relaxed);
        });
    });
    for _ in 0..2 {
        let refused = receiver.receive(&mut Vec::new(), patient());
        assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
        assert!(matches!(sender.send(b"y", patient()), Err(Error::Corrupt(_))));
    }
}

/// A sender and a receiver of the other process, which already holds one of three messages' room.
fn die(mut here: Here) {
    let mut halves = std::mem::take(&mut here.descriptors).into_iter();
    let mut half =
        || Half::from_descriptors([halves.next().expect("memory"), halves.next().expect("a lifeline")]);
    let sender = Sender::open(half().expect("a half"), Wait::Block).expect("opened");
    let _receiver = Receiver::open(half().expect("a half"), Wait::Block).expect("opened");
    let queue = &sender.0.queue;
    let (part, mut message) = (here.part.clone(), Vec::new());
    let guard = queue.lock(patient()).expect("free");
    match part.as_str() {
        "holding" => {}
        "amid a message" => queue.write(b"half"),
        "put" => {
            queue.write(b"put");
            queue.count_as_put(&guard);
        }
        "amid a receipt" => queue.read(&mut message).expect("there"),
        "taken" => {
            queue.read(&mut message).expect("there");
            queue.count_as_taken(&guard);
        }
        "sleeping" => {
            // Sleeps for one that never comes, and is counted as a sleeper for ever.
            drop(guard);
            queue.region.word32(Condition::NotEmpty.at() + 4).fetch_add(1, Ordering::Relaxed);
        }
        other => panic!("no part {other}"),
    }
    here.step();
    here.wait();
}

#[test]
fn a_process_killed_with_the_lock_in_its_hands_is_survived() {
    if let Some(here) = here() {
        return die(here);
    }
    let test = concat!(module_path!(), "::a_process_killed_with_the_lock_in_its_hands_is_survived");
    for (part, inherited, left) in [
        ("holding", 1, &[&b"one"[..]][..]),
        ("amid a message", 1, &[b"one"]),
        ("put", 1, &[b"one", b"put"]),
        ("amid a receipt", 1, &[b"one"]),
        ("taken", 1, &[]),
        ("sleeping", 0, &[b"one"]),
    ] {
        let (senders, receivers) = halves(&plan(5, 3)).expect("a queue");
        let theirs = [senders.try_clone(), receivers.try_clone()]
            .map(|half| half.expect("one more").into_descriptors());
        let sender = Sender::open(senders, Wait::Block).expect("opened");
        let receiver = Receiver::open(receivers, Wait::Block).expect("opened");
        sender.send(b"one", patient()).expect("sent");
        let mut other = Other::start(test, part, theirs.into_iter().flatten().collect());
        other.wait_for_step();
        thread::scope(|scope| {
            // It dies while we wait for the lock, or before.
            scope.spawn(|| other.kill());
            for expected in left {
                assert_eq!(receive(&receiver), *expected, "{part}");
            }
            // Ours is the only sender left.
            assert!(
                matches!(receiver.receive(&mut Vec::new(), Deadline::NOW), Err(Error::TimedOut)),
                "{part}"
            );
        });
        // Whatever was left, the queue goes on.
        let second = receiver.try_clone().expect("one more");
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| receive(&second));
            sender.send(b"later", patient()).expect("sent");
            assert_eq!(sleeper.join().expect("no panic"), b"later", "{part}");
        });
        assert_eq!(receiver.inherited(), inherited, "{part}");
    }
}

#[test]
fn processes_killed_at_any_moment_lose_at_most_what_they_had_in_their_hands() {
    if let Some(mut here) = here() {
        let half =
            Half::from_descriptors(here.descriptors.split_off(0).try_into().expect("two")).expect("a half");
        here.step();
        if here.part == "send" {
            let sender = Sender::open(half, Wait::Block).expect("opened");
            for number in 0_u64.. {
                sender.send(&number.to_le_bytes(), patient()).expect("sent");
            }
        } else {
            let receiver = Receiver::open(half, Wait::Block).expect("opened");
            loop {
                receive(&receiver);
            }
        }
        return;
    }
    let test =
        concat!(module_path!(), "::processes_killed_at_any_moment_lose_at_most_what_they_had_in_their_hands");
    let (senders, receivers) = halves(&plan(8, 3)).expect("a queue");
    let (to_senders, to_receivers) =
        (senders.try_clone().expect("one more"), receivers.try_clone().expect("one more"));
    let receiver = Receiver::open(receivers, Wait::Block).expect("opened");
    let sender = Sender::open(senders, Wait::Block).expect("opened");
    for round in 0..20 {
        // A sender: what arrives of it is a beginning, without a gap.
        let mut other =
            Other::start(test, "send", to_senders.try_clone().expect("one more").into_descriptors().into());
        other.wait_for_step();
        let number = |message: Vec<u8>| u64::from_le_bytes(message.try_into().expect("eight"));
        for expected in 0..round * 20 {
            assert_eq!(number(receive(&receiver)), expected);
        }
        other.kill();
        let mut message = Vec::new();
        let mut expected = round * 20;
        while receiver.receive(&mut message, Deadline::NOW).is_ok() {
            assert_eq!(number(message.clone()), expected);
            expected += 1;
        }
        // A receiver: what it leaves is an end, without a gap.
        let mut other = Other::start(
            test,
            "receive",
            to_receivers.try_clone().expect("one more").into_descriptors().into(),
        );
        other.wait_for_step();
        for number in 0..round * 20 {
            sender.send(&u64::to_le_bytes(number), patient()).expect("sent");
        }
        other.kill();
        let mut left = Vec::new();
        while receiver.receive(&mut message, Deadline::NOW).is_ok() {
            left.push(number(message.clone()));
        }
        assert!(left.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{left:?}");
        assert!(left.last().is_none_or(|last| *last + 1 == round * 20), "{left:?}");
    }
}
