//! Waiting once for sockets and descriptors together, as poll(2) does.

mod common;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{
    A_WHILE, PATIENCE, becomes_true, driven_by, eventually, everywhere, fresh, message, text, thread_cpu_time,
};
use tamtam_zmq::{
    Bytes, Context, Dealer, Interest, PollItem, Poller, Pull, Push, Readiness, Rep, Req, Router, Socket, poll,
};

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
    let socket: &Socket = pull.as_ref();
    socket.shut();
    let mut items = [PollItem::socket(&pull, Interest::READABLE)];
    assert_eq!(poll(&mut items, None).unwrap(), 1);
    assert_eq!(items[0].ready(), READABLE);
    assert_eq!(poll(&mut [], Some(Duration::ZERO)).unwrap(), 0);
}

/// How much of its own processor time a thread uses that polls a socket, which does not become readable, for so long.
fn cost_of_waiting(socket: &Socket, time: Duration) -> Duration {
    let mut items = [PollItem::socket(socket, Interest::READABLE)];
    let before = thread_cpu_time();
    assert_eq!(poll(&mut items, Some(time)).unwrap(), 0);
    let mut poller = Poller::new().unwrap();
    poller.add(&socket, 0, Interest::READABLE).unwrap();
    assert!(poller.wait(Some(time)).unwrap().is_empty());
    thread_cpu_time().saturating_sub(before)
}

/// What a REP has to leave waiting until it has replied, and a REQ until it has asked, is no reason to be awake.
#[test]
fn what_is_not_to_be_had_in_this_turn_lets_the_poll_sleep() {
    let time = 5 * A_WHILE;
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoint = rep.bind(&fresh(transport)).unwrap();
        let clients = ["one", "two"].map(|_| {
            let client = Dealer::with(&context, driven_by(driver)).unwrap();
            client.connect(&endpoint).unwrap();
            client.wait_for_peers(1, PATIENCE).unwrap();
            client
        });
        clients[0].send(message(&["", "first"])).unwrap();
        assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), "first");
        clients[1].send(message(&["", "second"])).unwrap();
        let cost = cost_of_waiting(rep.as_ref(), time);
        assert!(cost < time / 3, "{transport} {driver:?}: {cost:?}");
        // Whoever sleeps meanwhile is woken by the reply, which makes it the other's turn.
        std::thread::scope(|scope| {
            let sleeping = scope.spawn(|| {
                let mut items = [PollItem::socket(&rep, Interest::READABLE)];
                poll(&mut items, Some(PATIENCE)).unwrap()
            });
            assert!(!becomes_true(A_WHILE, || sleeping.is_finished()), "{transport} {driver:?}");
            rep.send("reply").unwrap();
            assert_eq!(sleeping.join().unwrap(), 1, "{transport} {driver:?}");
        });
        assert_eq!(text(&rep.try_recv().unwrap()), "second");

        let router = Router::with(&context, driven_by(driver)).unwrap();
        let req =
            Req::with(&context, |o| _ = o.set_driver(driver).set_routing_id(Bytes::from_static(b"req")))
                .unwrap();
        req.connect(&router.bind(&fresh(transport)).unwrap()).unwrap();
        router.wait_for_peers(1, PATIENCE).unwrap();
        router.send(message(&["req", "", "unasked"])).unwrap();
        let cost = cost_of_waiting(req.as_ref(), time);
        assert!(cost < time / 3, "{transport} {driver:?}: {cost:?}");
    });
}
