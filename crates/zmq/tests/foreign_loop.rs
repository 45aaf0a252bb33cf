//! A socket's one descriptor in an event loop that knows nothing of sockets.

mod common;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use common::{
    A_WHILE, DRIVERS, PATIENCE, child, cpu_time, driven_by, eventually, everywhere, fresh, message, text,
};
use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::time::Timespec;
use tamtam_zmq::{Context, Dealer, Pub, Pull, Push, RecvError, Rep, Socket, Sub};

/// Waits with poll(2) until the descriptor is readable; tells whether it became so in time.
fn wait_readable(socket: &impl AsFd, patience: Duration) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap(),
        tv_nsec: patience.subsec_nanos().into(),
    };
    poll(&mut fds, Some(&timeout)).unwrap() == 1
}

/// The next message, as a foreign loop gets it.
fn next(socket: &Socket) -> tamtam_zmq::Message {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match socket.try_recv() {
            Ok(message) => return message,
            Err(RecvError::WouldBlock) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(wait_readable(socket, deadline.saturating_duration_since(Instant::now())), "nothing came");
    }
}

#[test]
fn a_message_makes_the_descriptor_readable_until_everything_is_taken() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let socket = pull.as_socket();
        let _ = socket.try_as_fd().unwrap();
        for round in 0..20 {
            push.send(format!("{round} a")).unwrap();
            push.send(format!("{round} b")).unwrap();
            assert!(wait_readable(socket, PATIENCE), "{transport} {driver:?} {round}");
            assert_eq!(text(&next(socket)), format!("{round} a"));
            assert_eq!(text(&next(socket)), format!("{round} b"));
            // Once it has said that nothing is there, the descriptor rests (a late signal is allowed, not for ever).
            eventually("the descriptor rests", || {
                assert_eq!(socket.try_recv(), Err(RecvError::WouldBlock));
                !wait_readable(socket, Duration::from_millis(2))
            });
        }
    });
}

/// Level-triggered: whoever takes one message at a time is told again.
#[test]
fn what_is_left_is_told_again() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        epoll::add(&set, pull.as_socket(), epoll::EventData::new_u64(7), epoll::EventFlags::IN).unwrap();
        for number in 0..50 {
            push.send(number.to_string()).unwrap();
        }
        let timeout = Timespec { tv_sec: 20, tv_nsec: 0 };
        let mut number = 0;
        while number < 50 {
            let mut events = Vec::with_capacity(4);
            let told =
                epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).unwrap();
            assert_eq!(told, 1, "{transport} {driver:?}: {number} and no more");
            // One only, then back into the loop.
            if let Ok(message) = pull.try_recv() {
                assert_eq!(text(&message), number.to_string());
                number += 1;
            }
        }
    });
}

/// A conversation and a subscription through the descriptor alone.
/// For edges: whoever looks and takes nothing is told of each message that comes then, also one that joins others.
#[test]
fn what_is_new_is_told_although_nothing_is_taken() {
    everywhere(|transport, driver| {
        for is_lent_first in [false, true] {
            let context = Context::new();
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let push = Push::with(&context, driven_by(driver)).unwrap();
            let lend = || _ = pull.as_socket().try_as_fd().unwrap();
            if is_lent_first {
                lend();
            }
            push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
            for number in 0..10 {
                push.send(number.to_string()).unwrap();
            }
            lend();
            eventually("the first ones are there", || pull.as_socket().look().readable);
            for number in 10..30 {
                eventually("it has seen what is there", || {
                    assert!(pull.as_socket().look().readable);
                    !wait_readable(pull.as_socket(), Duration::from_millis(2))
                });
                push.send(number.to_string()).unwrap();
                let is_told = wait_readable(pull.as_socket(), PATIENCE);
                assert!(is_told, "{transport} {driver:?} {is_lent_first}: {number}");
            }
            for number in 0..30 {
                assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), number.to_string());
            }
        }
    });
}

#[test]
fn every_pattern_works_in_a_foreign_loop() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        dealer.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        for number in 0..20 {
            dealer.send(message(&["", &number.to_string()])).unwrap();
            assert_eq!(text(&next(rep.as_socket())), number.to_string(), "{transport} {driver:?}");
            rep.send("answer").unwrap();
            next(dealer.as_socket());
        }
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let sub = Sub::with(&context, driven_by(driver)).unwrap();
        sub.subscribe("a");
        sub.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        for number in 0..20 {
            publisher.send("filtered").unwrap();
            publisher.send(format!("a{number}")).unwrap();
            assert_eq!(text(&next(sub.as_socket())), format!("a{number}"), "{transport} {driver:?}");
        }
    });
}

/// The descriptor can be had before there is anything to wait for, and stays the same.
#[test]
fn the_descriptor_is_there_from_the_start() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let before = std::os::fd::AsRawFd::as_raw_fd(&pull.as_fd());
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh("tcp")).unwrap()).unwrap();
        push.send("x").unwrap();
        assert_eq!(text(&next(pull.as_socket())), "x");
        assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&pull.as_fd()), before);
    }
}

/// The end is told too.
#[test]
fn a_shut_down_socket_is_readable() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&fresh("ipc")).unwrap();
        let _ = pull.as_fd();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait_readable(&pull, PATIENCE));
            context.shutdown(PATIENCE).unwrap();
            assert!(waiting.join().unwrap(), "{driver:?}");
        });
        assert_eq!(pull.try_recv(), Err(RecvError::Terminated));
    }
}

/// A message that its application leaves waiting, while the loop does something else, burns no processor.
#[test]
fn an_application_that_is_busy_elsewhere_costs_nothing() {
    if child::role().is_none() {
        child::Child::spawn("an_application_that_is_busy_elsewhere_costs_nothing", "measure", "").succeed();
        return;
    }
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh("ipc")).unwrap()).unwrap();
        push.send("x").unwrap();
        assert!(wait_readable(&pull, PATIENCE));
        let (_quiet, never) = std::os::unix::net::UnixStream::pair().unwrap();
        let before = cpu_time();
        assert!(!wait_readable(&never, 4 * A_WHILE));
        let burnt = cpu_time() - before;
        assert!(burnt < A_WHILE, "{driver:?}: {burnt:?} of processor time in {:?}", 4 * A_WHILE);
        assert_eq!(text(&next(pull.as_socket())), "x");
        let before = cpu_time();
        eventually("the descriptor rests", || {
            assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
            !wait_readable(&pull, 4 * A_WHILE)
        });
        let burnt = cpu_time() - before;
        assert!(burnt < A_WHILE, "{driver:?}: {burnt:?} of processor time with nothing to do");
    }
}
