//! System V message queues: kinds, boundaries, limits, permissions, removal, and queues of the dead.

use std::sync::Barrier;
use std::thread;

use tamtam_ipc::sysv_queue::{Adapter, Kind, Select, SysvQueue, plate};
use tamtam_ipc::{Deadline, Error, Mechanism as _, Plan};

/// A queue that goes with this value.
struct Owned(SysvQueue);

impl Owned {
    fn new() -> Self {
        Self(SysvQueue::private(0o600).expect("a queue"))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.remove();
    }
}

fn kind(number: i16) -> Kind {
    Kind::new(number.into()).expect("positive")
}

fn receive(queue: SysvQueue, select: Select) -> Option<(Kind, Vec<u8>)> {
    let mut message = Vec::new();
    match queue.try_receive(select, &mut message) {
        Ok(kind) => Some((kind, message)),
        Err(Error::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn receivers_choose_by_kind() {
    let Owned(queue) = &Owned::new();
    for (number, text) in [(3, b"a"), (1, b"b"), (2, b"c"), (3, b"d"), (1, b"e")] {
        queue.try_send(kind(number), text).expect("room");
    }
    let text = |select| receive(*queue, select).map(|(_, text)| text[0]);
    assert_eq!(text(Select::Only(kind(2))), Some(b'c'));
    assert_eq!(text(Select::Only(kind(2))), None);
    assert_eq!(text(Select::LeastUpTo(kind(2))), Some(b'b'));
    assert_eq!(text(Select::Any), Some(b'a'));
    assert_eq!(text(Select::LeastUpTo(kind(3))), Some(b'e'));
    assert_eq!(text(Select::LeastUpTo(kind(2))), None);
    assert_eq!(receive(*queue, Select::Any), Some((kind(3), b"d".to_vec())));
    assert_eq!(Kind::new(0), None);
    assert_eq!(Kind::new(-1), None);
}

#[test]
fn boundaries_are_kept_from_nothing_to_the_longest() {
    let Owned(queue) = &Owned::new();
    let limit: usize =
        std::fs::read_to_string("/proc/sys/kernel/msgmax").expect("/proc").trim().parse().expect("a number");
    // One after the other: the queue holds two of them at most.
    for len in [0, 1, 7, 8, 9, limit] {
        let message: Vec<u8> = (0..len).map(|i| i as u8).collect();
        queue.try_send(kind(1), &message).expect("room");
        assert_eq!(receive(*queue, Select::Any), Some((kind(1), message)));
    }
    let long = queue.try_send(kind(1), &vec![0; limit + 1]);
    assert!(matches!(long, Err(Error::TooLong { len, max }) if len == limit + 1 && max == limit));
}

#[test]
fn a_full_queue_makes_wait() {
    let Owned(queue) = &Owned::new();
    queue.set_octets_max(100).expect("less is always allowed");
    queue.try_send(kind(1), &[1; 60]).expect("room");
    assert!(matches!(queue.try_send(kind(1), &[2; 60]), Err(Error::TimedOut)));
    let status = queue.status().expect("told");
    assert_eq!((status.messages, status.octets_max, status.mode), (1, 100, 0o600));
    assert_eq!(status.last_sender.unsigned_abs(), std::process::id());
    assert_eq!(status.last_receiver, 0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.send(kind(2), &[2; 60]));
        assert_eq!(receive(*queue, Select::Any), Some((kind(1), vec![1; 60])));
        waiting.join().expect("no panic").expect("room");
    });
    assert_eq!(receive(*queue, Select::Any), Some((kind(2), vec![2; 60])));
}

#[test]
fn removal_ends_all_waits_and_takes_the_messages_along() {
    let Owned(full) = &Owned::new();
    full.set_octets_max(1).expect("less is always allowed");
    full.try_send(kind(1), b"x").expect("room");
    let Owned(empty) = &Owned::new();
    let barrier = Barrier::new(3);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            barrier.wait();
            full.send(kind(1), b"y")
        });
        let receiver = scope.spawn(|| {
            barrier.wait();
            empty.receive(Select::Any, &mut Vec::new())
        });
        barrier.wait();
        full.remove().expect("removed");
        empty.remove().expect("removed");
        // Whether they waited already or came too late: there is no queue.
        assert!(matches!(sender.join().expect("no panic"), Err(Error::Closed)));
        assert!(matches!(receiver.join().expect("no panic"), Err(Error::Closed)));
    });
    assert!(matches!(full.try_receive(Select::Any, &mut Vec::new()), Err(Error::Closed)));
    assert!(matches!(full.status(), Err(Error::Closed)));
    assert!(matches!(full.remove(), Err(Error::Closed)));
    assert!(matches!(SysvQueue::of_id(-1).try_send(kind(1), b""), Err(Error::Closed)));
}

#[test]
fn a_key_brings_strangers_together() {
    // Ours for as long as the process lives; the highest bit keeps it apart from those of ftok(3) with a letter.
    let key = i32::MIN | (std::process::id() as i32 & 0x3f_ffff);
    let queue = Owned(SysvQueue::create(key, 0o600).expect("a queue"));
    assert!(matches!(SysvQueue::create(key, 0o600), Err(Error::System { call: "msgget", .. })), "taken");
    let other = SysvQueue::open(key).expect("found");
    assert_eq!(other, queue.0);
    other.try_send(kind(1), b"hello").expect("room");
    assert_eq!(receive(queue.0, Select::Any), Some((kind(1), b"hello".to_vec())));
    drop(queue);
    assert!(matches!(SysvQueue::open(key), Err(Error::System { call: "msgget", .. })));
}

#[test]
fn a_link_keeps_within_the_octets_of_a_queue() {
    let plan = Plan { message_max: Adapter.message_max(), depth: 1000, ..Plan::default() };
    let (mut client, mut server) = Adapter.link(&plan).expect("a link").open().expect("opened");
    let mut message = Vec::new();
    for len in [0, 1, plan.message_max / 2, plan.message_max] {
        let text = vec![7; len];
        let sent = (0..=plan.depth).take_while(|_| client.try_send(&text).is_ok()).count();
        assert!((1..=plan.depth).contains(&sent), "{sent} of {len}");
        for _ in 0..sent {
            server.receive(&mut message, Deadline::NEVER).expect("received");
            assert_eq!(message, text);
        }
        assert!(matches!(server.try_receive(&mut message), Err(Error::TimedOut)));
    }
}

#[test]
fn queues_of_the_living_are_not_stale() {
    let plan = Plan::default();
    let (_client, _server) = Adapter.link(&plan).expect("a link").open().expect("opened");
    let Owned(foreign) = &Owned::new();
    let stale = plate::stale().expect("listed");
    assert!(!stale.contains(&foreign.id()));
}
