//! Asking for room before there is a message, marks that bursts are held to, and senders that wait for a stalled peer.

mod common;

use std::time::Duration;

use common::wire::{COMMAND, RawPeer, frame};
use common::{
    A_WHILE, DRIVERS, PATIENCE, becomes_true, driven_by, eventually, everywhere, fresh, over_the_network,
    reserved, text,
};
use tamtam_zmq::{
    Context, CurveKeyPair, Dealer, Driver, Options, Pull, Push, Readiness, Rep, Req, Router, Security,
    SendError, Socket, SocketType, Sub, XPub,
};

const NOTHING: Readiness = Readiness { readable: false, writable: false };

#[test]
fn room_can_be_waited_for_before_the_first_part() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let socket: &Socket = push.as_ref();
        // Nobody is there.
        assert!(matches!(socket.wait_to_send(b"a", Some(Duration::ZERO)), Err(SendError::Full(_))));
        let Err(SendError::TimedOut(first)) = socket.wait_to_send(b"a", Some(A_WHILE)) else {
            panic!("{transport} {driver:?}: there is room for nobody")
        };
        assert_eq!(text(&first), "a");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| socket.wait_to_send(b"a", Some(PATIENCE)));
            assert!(!becomes_true(A_WHILE, || waiting.is_finished()));
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            pull.connect(&push.bind(&fresh(transport)).unwrap()).unwrap();
            waiting.join().unwrap().unwrap_or_else(|error| panic!("{transport} {driver:?}: {error}"));
            // Nothing was sent by that.
            assert_eq!(push.statistics().traffic.messages_out, 0);
            push.try_send("a").unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "a", "{transport} {driver:?}");
        });
    });
}

/// Looked at ever more rarely while its thread waits; then it fills the kernel, and calls no more.
#[test]
fn what_a_full_kernel_does_not_take_goes_out_by_itself_after_a_long_wait() {
    const LARGE: usize = 64 * 1024;
    over_the_network(|transport, driver| {
        let contexts = [Context::new(), Context::new()];
        let of = |context| Dealer::with(context, driven_by(driver)).unwrap();
        let (sender, reader) = (of(&contexts[0]), of(&contexts[1]));
        reader.connect(&sender.bind(&fresh(transport)).unwrap()).unwrap();
        reader.send("hello").unwrap();
        assert_eq!(text(&sender.recv_timeout(PATIENCE).unwrap()), "hello");
        sender.recv_timeout(Duration::from_millis(10)).unwrap_err();
        let sent = (0..200).take_while(|_| sender.try_send(vec![7; LARGE]).is_ok()).count();
        let waiting = sender.peers().iter().map(|peer| peer.queued_out).sum::<u64>();
        assert!(waiting > 0, "{transport} {driver:?}: the kernel takes all of {sent}");
        for number in 0..sent {
            let message = reader.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|error| panic!("{transport} {driver:?}: {number}: {error}"));
            assert_eq!(message.byte_len(), LARGE);
        }
    });
}

#[test]
fn what_would_not_be_taken_at_all_is_told_at_once() {
    for driver in DRIVERS {
        let context = Context::new();
        let of = |socket: &dyn AsRef<Socket>| socket.as_ref().wait_to_send(b"a", None);
        let sub = Sub::with(&context, driven_by(driver)).unwrap();
        assert!(matches!(of(&sub), Err(SendError::Unsupported(_))));
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        assert!(matches!(of(&rep), Err(SendError::OutOfTurn(_))));
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&rep.bind(&fresh("ipc")).unwrap()).unwrap();
        of(&req).unwrap();
        req.send("question").unwrap();
        assert!(matches!(of(&req), Err(SendError::OutOfTurn(_))));
        rep.recv_timeout(PATIENCE).unwrap();
        of(&rep).unwrap();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_router_mandatory(true);
        })
        .unwrap();
        assert!(matches!(of(&router), Err(SendError::Unroutable(_))), "{driver:?}");
        router.configure(|o| _ = o.set_router_mandatory(false)).unwrap();
        of(&router).unwrap();
        context.interrupt();
        assert!(matches!(of(&router), Err(SendError::Terminated(_))));
    }
}

/// A mandatory ROUTER waits for the one peer that is meant, whatever room there is for others.
#[test]
fn a_router_waits_for_room_for_the_peer_that_is_addressed() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_router_mandatory(true).set_send_hwm(2);
        })
        .unwrap();
        let socket: &Socket = router.as_ref();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let mut slow = RawPeer::connect(&endpoint);
        slow.handshake("DEALER", "slow");
        let mut other = RawPeer::connect(&endpoint);
        other.handshake("DEALER", "other");
        router.wait_for_peers(2, PATIENCE).unwrap();
        let mut sent = 0;
        while router.try_send(common::message(&["slow", &"x".repeat(100_000)])).is_ok() {
            sent += 1;
        }
        assert!(matches!(socket.wait_to_send(b"slow", Some(A_WHILE)), Err(SendError::TimedOut(_))));
        socket.wait_to_send(b"other", None).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| socket.wait_to_send(b"slow", Some(PATIENCE)));
            for _ in 0..sent {
                slow.receive_message();
            }
            waiting.join().unwrap().unwrap_or_else(|error| panic!("{transport} {driver:?}: {error}"));
        });
    });
}

/// A burst of small messages is written as it comes, so that the mark is never reached: unless it is held to it.
#[test]
fn a_burst_beyond_a_strict_mark_is_refused() {
    over_the_network(|transport, driver| {
        for strict in [true, false] {
            let context = Context::new();
            let publisher = XPub::with(&context, |o| {
                o.set_driver(driver).set_send_hwm(100).set_xpub_nodrop(true).set_strict_marks(strict);
            })
            .unwrap();
            let mut peer = RawPeer::connect_as(&publisher.bind(&fresh(transport)).unwrap(), "SUB");
            peer.send(&frame(COMMAND, b"\x09SUBSCRIBE"));
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            let mut received = 0;
            if strict {
                // A machine that stops us for a moment ends the burst as well, and another one begins.
                let exactly = becomes_true(PATIENCE, || {
                    let mut sent = 0;
                    while publisher.try_send("x").is_ok() {
                        sent += 1;
                    }
                    (0..sent).for_each(|_| _ = peer.receive_message());
                    received += sent;
                    sent == 100
                });
                assert!(exactly, "{transport} {driver:?}: no burst ends at the mark");
                // Whoever waits is not held up by what is written.
                for _ in 0..1000 {
                    publisher.send_timeout("x", PATIENCE).unwrap();
                }
                (0..1000).for_each(|_| _ = peer.receive_message());
            } else {
                for _ in 0..1000 {
                    // Each time the peer has all, so that what waits is only what was not written yet.
                    publisher.send_timeout("x", PATIENCE).unwrap();
                }
                (0..1000).for_each(|_| _ = peer.receive_message());
            }
            assert_eq!(publisher.statistics().traffic.dropped.total(), 0);
            assert_eq!(publisher.statistics().traffic.messages_out, received + 1000);
        }
    });
}

/// The same for a ROUTER that refuses what it cannot route.
#[test]
fn a_mandatory_router_can_be_held_to_its_mark() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(50).set_router_mandatory(true).set_strict_marks(true);
        })
        .unwrap();
        let mut peer = RawPeer::connect(&router.bind(&fresh(transport)).unwrap());
        peer.handshake("DEALER", "X");
        router.wait_for_peers(1, PATIENCE).unwrap();
        let exactly = becomes_true(PATIENCE, || {
            let mut sent = 0;
            let error = loop {
                match router.try_send(common::message(&["X", "x"])) {
                    Ok(()) => sent += 1,
                    Err(error) => break error,
                }
            };
            let SendError::Full(back) = error else { panic!("{error}") };
            assert_eq!(common::texts(&back), ["X", "x"]);
            (0..sent).for_each(|_| assert_eq!(peer.receive_message(), [b"x"]));
            sent == 50
        });
        assert!(exactly, "{transport} {driver:?}: no burst ends at the mark");
    });
}

/// The kernel takes no more when the queue is between half the mark and the mark: whoever waits for room is told of what
/// there is. All that the marks allow is taken.
#[test]
fn a_sender_goes_on_when_writing_stalls_below_the_mark() {
    let test = |transport: &str, driver: Driver, [bound, connected]: [Security; 2]| {
        let context = Context::new();
        let narrow = |o: &mut Options| {
            o.set_driver(driver)
                .set_send_hwm(500)
                .set_receive_hwm(500)
                .set_send_buffer(Some(2048))
                .set_receive_buffer(Some(2048))
                .set_linger(Some(Duration::ZERO));
        };
        let push = Push::with(&context, |o| narrow(o.set_security(bound.clone()))).unwrap();
        let endpoint = push.bind(&fresh(transport)).unwrap();
        let pulls: Vec<Pull> = (0..4)
            .map(|_| {
                let pull = Pull::with(&context, |o| narrow(o.set_security(connected.clone()))).unwrap();
                pull.connect(&endpoint).unwrap();
                pull
            })
            .collect();
        push.wait_for_peers(4, PATIENCE).unwrap();
        for number in 0..4 * (500 + 500) {
            push.send_timeout(vec![7; 100], PATIENCE)
                .unwrap_or_else(|error| panic!("{transport} {driver:?} {number}: {error}"));
        }
        for pull in &pulls {
            pull.recv_timeout(PATIENCE).unwrap();
        }
    };
    for driver in DRIVERS {
        for transport in ["tcp", "ws", "ipc"] {
            test(transport, driver, [Security::null(), Security::null()]);
        }
        // What is sealed ahead of the kernel counts as written when it is, too.
        let (server, client) = (CurveKeyPair::generate().unwrap(), CurveKeyPair::generate().unwrap());
        let connected = Security::curve_client(client, server.public);
        test("tcp", driver, [Security::curve_server(server), connected]);
    }
}

/// For loops that wait for an edge: after a look, whatever comes makes the descriptor readable anew.
#[test]
fn a_look_takes_the_signal_away_and_tells_what_there_is() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        let socket: &Socket = dealer.as_ref();
        assert_eq!(socket.look(), NOTHING);
        let other = Socket::new(&context, SocketType::Dealer);
        other.configure(driven_by(driver)).unwrap();
        let endpoint = reserved(transport);
        other.bind(&endpoint).unwrap();
        dealer.connect(&endpoint).unwrap();
        eventually("there is somebody", || socket.look() == Readiness { readable: false, writable: true });
        let fd = socket.try_as_fd().unwrap();
        let is_signalled = || {
            let mut set = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut set, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap()
                > 0
        };
        for _ in 0..3 {
            eventually("it is quiet", || {
                assert!(!socket.look().readable);
                !is_signalled()
            });
            other.send("x").unwrap();
            eventually("there is news", is_signalled);
            eventually("it is the message", || socket.look().readable);
            assert_eq!(text(&dealer.try_recv().unwrap()), "x", "{transport} {driver:?}");
        }
    });
}
