//! POSIX message queues: priorities, boundaries, limits, permissions, notification, and names that do not stay.

use std::os::fd::OwnedFd;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use tamtam_ipc::posix_queue::{Access, Adapter, PosixQueue, Shape};
use tamtam_ipc::signals::Inbox;
use tamtam_ipc::{Deadline, Error, Mechanism as _, Plan, object};

const SHAPE: Shape = Shape { messages: 4, message_max: 16 };

/// A queue with a name, which goes with this value.
struct Named {
    name: String,
    queue: PosixQueue,
}

impl Named {
    fn new(mode: u32) -> Self {
        let name = format!("/{}", object::unique());
        let queue = PosixQueue::create(&name, SHAPE, mode).expect("a queue");
        Self { name, queue }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = PosixQueue::unlink(&self.name);
    }
}

fn receive(queue: &PosixQueue) -> (u32, Vec<u8>) {
    let mut message = Vec::new();
    let priority = queue.receive(&mut message, Deadline::NOW).expect("a message");
    (priority, message)
}

#[test]
fn the_most_urgent_comes_first_and_among_equals_the_oldest() {
    let queue = PosixQueue::unnamed(SHAPE).expect("a queue");
    for (message, priority) in [(b"a", 1), (b"b", 0), (b"c", 31), (b"d", 1)] {
        queue.send(message, priority, Deadline::NOW).expect("room");
    }
    assert_eq!(queue.waiting().expect("told"), 4);
    let received: Vec<_> = (0..4).map(|_| receive(&queue)).collect();
    let expected = [(31, b"c"), (1, b"a"), (1, b"d"), (0, b"b")].map(|(p, m)| (p, m.to_vec()));
    assert_eq!(received, expected);
}

#[test]
fn boundaries_are_kept_from_nothing_to_the_longest() {
    let queue = PosixQueue::unnamed(SHAPE).expect("a queue");
    for len in [0, 1, 16] {
        queue.send(&vec![7; len], 0, Deadline::NOW).expect("room");
    }
    for len in [0, 1, 16] {
        assert_eq!(receive(&queue).1, vec![7; len]);
    }
    let long = queue.send(&[0; 17], 0, Deadline::NOW);
    assert!(matches!(long, Err(Error::TooLong { len: 17, max: 16 })));
    assert!(matches!(queue.send(b"", 40_000, Deadline::NOW), Err(Error::System { .. })), "no such priority");
}

#[test]
fn full_and_empty_queues_make_wait_until_the_deadline() {
    let queue = PosixQueue::unnamed(SHAPE).expect("a queue");
    let span = Duration::from_millis(20);
    let mut message = Vec::new();
    let waits = |wait: &mut dyn FnMut(Deadline) -> Result<(), Error>| {
        assert!(matches!(wait(Deadline::NOW), Err(Error::TimedOut)));
        let begin = Instant::now();
        assert!(matches!(wait(Deadline::after(span)), Err(Error::TimedOut)));
        assert!(begin.elapsed() >= span);
    };
    waits(&mut |deadline| queue.receive(&mut message, deadline).map(drop));
    (0..4).for_each(|_| queue.send(b"x", 0, Deadline::NOW).expect("room"));
    waits(&mut |deadline| queue.send(b"x", 0, deadline));
    // Who waits for room is served when there is some.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.send(b"y", 1, Deadline::NEVER));
        receive(&queue);
        waiting.join().expect("no panic").expect("room");
    });
    assert_eq!(receive(&queue), (1, b"y".to_vec()));
}

#[test]
fn its_descriptor_says_when_there_is_something_or_room() {
    let queue = PosixQueue::unnamed(SHAPE).expect("a queue");
    let ready = || {
        let mut descriptor = [PollFd::new(&queue, PollFlags::IN | PollFlags::OUT)];
        poll(&mut descriptor, Some(&rustix::time::Timespec::default())).expect("polled");
        descriptor[0].revents()
    };
    assert_eq!(ready(), PollFlags::OUT);
    queue.send(b"x", 0, Deadline::NOW).expect("room");
    assert_eq!(ready(), PollFlags::IN | PollFlags::OUT);
    (0..3).for_each(|_| queue.send(b"x", 0, Deadline::NOW).expect("room"));
    assert_eq!(ready(), PollFlags::IN);
}

#[test]
fn one_signal_tells_of_the_first_message_in_an_empty_queue() {
    let queue = PosixQueue::unnamed(SHAPE).expect("a queue");
    let inbox = Inbox::any().expect("an inbox");
    queue.notify(inbox.signal(), -5).expect("asked");
    assert!(matches!(queue.notify(inbox.signal(), 6), Err(Error::System { .. })), "one at a time");
    queue.send(b"x", 0, Deadline::NOW).expect("room");
    queue.send(b"y", 0, Deadline::NOW).expect("room");
    let note = inbox.receive(Deadline::NEVER).expect("a signal");
    assert_eq!((note.payload, note.code), (-5, libc::SI_MESGQ));
    assert_eq!(note.process, std::process::id());
    assert!(matches!(inbox.receive(Deadline::NOW), Err(Error::TimedOut)), "told once");
    queue.notify(inbox.signal(), 7).expect("asked again");
    queue.forget().expect("taken back");
    receive(&queue);
    receive(&queue);
    queue.send(b"z", 0, Deadline::NOW).expect("room");
    assert!(matches!(inbox.receive(Deadline::NOW), Err(Error::TimedOut)), "forgotten");
}

#[test]
fn a_name_brings_strangers_together_and_outlives_them() {
    let named = Named::new(0o600);
    assert!(matches!(PosixQueue::create(&named.name, SHAPE, 0o600), Err(Error::System { .. })), "taken");
    let writer = PosixQueue::open(&named.name, Access::Send).expect("opened");
    assert_eq!(writer.shape(), SHAPE);
    assert!(matches!(writer.receive(&mut Vec::new(), Deadline::NOW), Err(Error::System { .. })), "send only");
    writer.send(b"left behind", 0, Deadline::NOW).expect("room");
    drop(writer);
    let reader = PosixQueue::open(&named.name, Access::Receive).expect("opened");
    assert!(matches!(reader.send(b"x", 0, Deadline::NOW), Err(Error::System { .. })), "receive only");
    assert_eq!(receive(&reader).1, b"left behind");
    PosixQueue::unlink(&named.name).expect("removed");
    assert!(matches!(PosixQueue::open(&named.name, Access::Both), Err(Error::System { .. })));
    named.queue.send(b"still open", 0, Deadline::NOW).expect("room");
    assert_eq!(receive(&reader).1, b"still open");
}

#[test]
fn bad_names_and_sizes_are_errors() {
    for name in ["", "/", "no slash", "/a/b", "/nul\0", &format!("/{}", "x".repeat(300))] {
        assert!(PosixQueue::create(name, SHAPE, 0o600).is_err(), "{name:?}");
        assert!(PosixQueue::open(name, Access::Both).is_err(), "{name:?}");
    }
    for (messages, message_max) in [(0, 1), (1, 0), (usize::MAX, 1), (1, usize::MAX), (1 << 17, 1)] {
        let refused = PosixQueue::unnamed(Shape { messages, message_max });
        assert!(
            matches!(&refused, Err(Error::Unavailable(reason)) if reason.reason().contains("msg_max")),
            "{refused:?}"
        );
    }
}

#[test]
fn something_that_is_no_queue_is_refused() {
    let file = OwnedFd::from(std::fs::File::open("/dev/null").expect("opened"));
    assert!(matches!(PosixQueue::try_from(file), Err(Error::System { call: "mq_getattr", .. })));
}

#[test]
fn a_deeper_plan_gets_what_the_system_allows() {
    let plan = Plan { message_max: 1, depth: 1 << 20, ..Plan::default() };
    let (mut client, _server) = Adapter.link(&plan).expect("a link").open().expect("opened");
    let sent = (0..1 << 20).take_while(|_| client.try_send(b"x").is_ok()).count();
    let limit: usize = std::fs::read_to_string("/proc/sys/fs/mqueue/msg_max")
        .expect("/proc")
        .trim()
        .parse()
        .expect("a number");
    assert_eq!(sent, limit);
}

#[test]
fn a_descriptor_made_non_blocking_by_somebody_still_waits() {
    let queue = PosixQueue::unnamed(SHAPE).expect("a queue");
    let flags = rustix::fs::fcntl_getfl(&queue).expect("flags");
    rustix::fs::fcntl_setfl(&queue, flags | rustix::fs::OFlags::NONBLOCK).expect("set");
    let soon = Deadline::after(Duration::from_millis(10));
    assert!(matches!(queue.receive(&mut Vec::new(), soon), Err(Error::TimedOut)));
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            barrier.wait();
            queue.receive(&mut Vec::new(), Deadline::NEVER)
        });
        barrier.wait();
        queue.send(b"x", 3, Deadline::NOW).expect("room");
        assert_eq!(receiver.join().expect("no panic").expect("received"), 3);
    });
}
