//! Waiting once for sockets and descriptors together, as poll(2) does.

mod common;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{A_WHILE, PATIENCE, becomes_true, driven_by, eventually, everywhere, fresh, text};
use tamtam_zmq::{Context, Interest, PollItem, Pull, Push, Readiness, poll};

const READABLE: Readiness = Readiness { readable: true, writable: false };

#[test]
fn what_is_ready_is_told_once_for_all() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut items = [
            PollItem::socket(&pull, Interest::BOTH),
            PollItem::socket(&push, Interest::BOTH),
            PollItem::fd(near.as_raw_fd(), libc::POLLIN),
            PollItem::fd(-1, libc::POLLIN),
        ];
        let began = Instant::now();
        assert_eq!(poll(&mut items, Some(A_WHILE)).unwrap(), 0, "{transport} {driver:?}");
        assert!(began.elapsed() >= A_WHILE);
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        assert_eq!(poll(&mut items, Some(PATIENCE)).unwrap(), 1);
        assert_eq!(items[1].ready(), Readiness { readable: false, writable: true }, "{transport} {driver:?}");
        push.send("x").unwrap();
        far.write_all(b"x").unwrap();
        let mut readable =
            [PollItem::socket(&pull, Interest::READABLE), PollItem::fd(near.as_raw_fd(), libc::POLLIN)];
        eventually("both are there", || poll(&mut readable, Some(PATIENCE)).unwrap() == 2);
        assert_eq!((readable[0].ready(), readable[1].flags()), (READABLE, libc::POLLIN));
        assert_eq!(text(&pull.try_recv().unwrap()), "x");
        assert_eq!(poll(&mut readable, Some(Duration::ZERO)).unwrap(), 1);
        assert_eq!(readable[0].ready(), Readiness::default(), "{transport} {driver:?}");
    });
}

#[test]
fn whoever_sleeps_is_woken_by_either() {
    everywhere(|transport, driver| {
        for by_socket in [true, false] {
            let context = Context::new();
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let push = Push::with(&context, driven_by(driver)).unwrap();
            push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
            push.wait_for_peers(1, PATIENCE).unwrap();
            let (near, mut far) = UnixStream::pair().unwrap();
            let sleeping = std::thread::spawn(move || {
                let mut items = [
                    PollItem::socket(&pull, Interest::READABLE),
                    PollItem::fd(near.as_raw_fd(), libc::POLLIN),
                ];
                let count = poll(&mut items, None).unwrap();
                (count, items[0].ready().readable, items[1].flags())
            });
            assert!(!becomes_true(A_WHILE, || sleeping.is_finished()));
            if by_socket {
                push.send("x").unwrap();
            } else {
                far.write_all(b"x").unwrap();
            }
            let expected = if by_socket { (1, true, 0) } else { (1, false, libc::POLLIN) };
            eventually("it wakes", || sleeping.is_finished());
            assert_eq!(sleeping.join().unwrap(), expected, "{transport} {driver:?}");
        }
    });
}

#[test]
fn closed_sockets_and_descriptors_do_not_make_it_wait() {
    let context = Context::new();
    let pull = Pull::new(&context);
    let closed = {
        let (near, _far) = UnixStream::pair().unwrap();
        near.as_raw_fd() + 10_000
    };
    let mut items = [PollItem::socket(&pull, Interest::READABLE), PollItem::fd(closed, libc::POLLIN)];
    assert_eq!(poll(&mut items, None).unwrap(), 1);
    assert_eq!(items[1].flags(), libc::POLLNVAL);
    let socket: &tamtam_zmq::Socket = pull.as_ref();
    socket.shut();
    let mut items = [PollItem::socket(&pull, Interest::READABLE)];
    assert_eq!(poll(&mut items, None).unwrap(), 1);
    assert_eq!(items[0].ready(), READABLE);
    assert_eq!(poll(&mut [], Some(Duration::ZERO)).unwrap(), 0);
}
