//! What is particular to sockets of one context: names that nobody has bound yet, marks of both sides, types that do not fit.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{A_WHILE, DRIVERS, PATIENCE, becomes_true, driven_by, eventually, fresh, text};
use tamtam_zmq::{
    Bytes, ConnectError, Context, Dealer, Driver, EventKind, Message, Options, Pair, Pull, Push, RecvError,
    SendError, ShutdownError, Socket, SocketType, Sub, XPub,
};

fn marks(driver: Driver, send: u32, receive: u32) -> impl Fn(&mut Options) {
    move |o| {
        o.set_driver(driver).set_send_hwm(send).set_receive_hwm(receive).set_linger(Some(Duration::ZERO));
    }
}

fn fill(push: &Push) -> u64 {
    while push.try_send("x").is_ok() {}
    push.statistics().queued_out
}

#[test]
fn messages_wait_for_the_name_whatever_becomes_of_their_sender() {
    for driver in DRIVERS {
        let context = Context::new();
        let endpoint = fresh("inproc");
        for sender in 0..3 {
            // Without lingering: nothing has to be kept, for it is with the context already.
            let push = Push::with(&context, marks(driver, 10, 10)).unwrap();
            push.connect(&endpoint).unwrap();
            for number in 0..5 {
                push.send(format!("{sender} {number}")).unwrap();
            }
            push.close();
        }
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&endpoint).unwrap();
        let mut received: Vec<String> =
            (0..15).map(|_| text(&pull.recv_timeout(PATIENCE).unwrap())).collect();
        assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
        received.sort();
        let sent: Vec<String> =
            (0..3).flat_map(|sender| (0..5).map(move |number| format!("{sender} {number}"))).collect();
        assert_eq!(received, sent, "{driver:?}");
        assert!(becomes_true(PATIENCE, || pull.peers().is_empty()), "the senders are gone");
    }
}

/// Tells when it is dropped.
struct Owner(Arc<AtomicBool>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &[7; 10_000]
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn what_nobody_came_for_ends_with_the_context() {
    for counted in [true, false] {
        let context = Context::new();
        let push = Push::new(&context);
        push.connect(&fresh("inproc")).unwrap();
        let is_dropped = Arc::new(AtomicBool::new(false));
        push.send(Bytes::from_owner(Owner(Arc::clone(&is_dropped)))).unwrap();
        push.close();
        assert!(!is_dropped.load(Ordering::Acquire));
        if counted {
            let ShutdownError { waiting_for, .. } = context.shutdown(PATIENCE).unwrap_err();
            assert!(waiting_for[0].starts_with("1 messages"), "{waiting_for:?}");
        } else {
            drop(context);
        }
        assert!(is_dropped.load(Ordering::Acquire));
    }
}

/// Until the name is bound only the sender's mark is known; from then on the receiver's counts as well.
#[test]
fn the_mark_of_a_name_that_is_not_bound_is_the_senders() {
    for driver in DRIVERS {
        let context = Context::new();
        let endpoint = fresh("inproc");
        let push = Push::with(&context, marks(driver, 3, 100)).unwrap();
        push.connect(&endpoint).unwrap();
        assert_eq!(fill(&push), 3, "{driver:?}");
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| push.send_timeout("y", PATIENCE));
            assert!(!becomes_true(A_WHILE, || sender.is_finished()));
            let pull = Pull::with(&context, marks(driver, 100, 4)).unwrap();
            pull.bind(&endpoint).unwrap();
            sender.join().unwrap().unwrap();
            assert_eq!(fill(&push), 7, "{driver:?}");
        });
    }
}

#[test]
fn a_sending_mark_can_be_changed_while_messages_wait() {
    for driver in DRIVERS {
        for bound_later in [false, true] {
            let context = Context::new();
            let endpoint = fresh("inproc");
            let push = Push::with(&context, marks(driver, 2, 100)).unwrap();
            let pull = Pull::with(&context, marks(driver, 100, 3)).unwrap();
            if bound_later {
                push.connect(&endpoint).unwrap();
                assert_eq!(fill(&push), 2);
                push.configure(|o| _ = o.set_send_hwm(6)).unwrap();
                assert_eq!(fill(&push), 6, "{driver:?}");
                pull.bind(&endpoint).unwrap();
            } else {
                pull.bind(&endpoint).unwrap();
                push.connect(&endpoint).unwrap();
                assert_eq!(fill(&push), 5);
                push.configure(|o| _ = o.set_send_hwm(6)).unwrap();
            }
            assert_eq!(fill(&push), 9, "{driver:?} {bound_later}");
            push.configure(|o| _ = o.set_send_hwm(1)).unwrap();
            assert_eq!(fill(&push), 9, "lowered: nothing is thrown away");
            for _ in 0..9 {
                pull.recv_timeout(PATIENCE).unwrap();
            }
            assert_eq!(fill(&push), 4, "{driver:?} {bound_later}");
            push.configure(|o| _ = o.set_send_hwm(0)).unwrap();
            for _ in 0..1000 {
                push.try_send("x").unwrap();
            }
        }
    }
}

/// A sender that waits for room within the context goes on when its mark is raised.
#[test]
fn raising_the_mark_wakes_a_waiting_sender() {
    for driver in DRIVERS {
        let context = Context::new();
        let push = Push::with(&context, marks(driver, 1, 1)).unwrap();
        push.connect(&fresh("inproc")).unwrap();
        push.try_send("x").unwrap();
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| push.send_timeout("y", PATIENCE));
            assert!(!becomes_true(A_WHILE, || sender.is_finished()));
            push.configure(|o| _ = o.set_send_hwm(2)).unwrap();
            sender.join().unwrap().unwrap_or_else(|error| panic!("{driver:?}: {error}"));
        });
    }
}

#[test]
fn types_that_do_not_fit_meet_only_if_both_say_so() {
    for driver in DRIVERS {
        for connect_first in [false, true] {
            for (at_pair, at_pull) in [(true, true), (true, false), (false, true), (false, false)] {
                let context = Context::new();
                let endpoint = fresh("inproc");
                let pair = Pair::with(&context, |o| {
                    o.set_driver(driver).set_inproc_any_types(at_pair);
                })
                .unwrap();
                let pull = Pull::with(&context, |o| {
                    o.set_driver(driver).set_inproc_any_types(at_pull);
                })
                .unwrap();
                let monitor = pull.monitor(10);
                let connected = if connect_first {
                    let connected = pair.connect(&endpoint);
                    pull.bind(&endpoint).unwrap();
                    connected
                } else {
                    pull.bind(&endpoint).unwrap();
                    pair.connect(&endpoint)
                };
                let case = format!("{driver:?} {connect_first} {at_pair} {at_pull}");
                if at_pair && at_pull {
                    connected.unwrap();
                    pair.send_timeout("hello", PATIENCE).unwrap();
                    assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "hello", "{case}");
                } else if !connect_first && !at_pair {
                    assert!(matches!(connected, Err(ConnectError::Incompatible { .. })), "{case}");
                } else {
                    // The bound side refuses it, and says so.
                    connected.unwrap();
                    let refused = std::iter::from_fn(|| monitor.recv_timeout(PATIENCE))
                        .any(|event| matches!(event.kind, EventKind::Refused { .. }));
                    assert!(refused, "{case}");
                    assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock), "{case}");
                }
            }
        }
    }
}

/// What is asked again and again without waiting finds out that the reader has taken something.
#[test]
fn room_is_found_by_those_who_only_ask() {
    for driver in DRIVERS {
        for mark in [1, 2, 5, 40, 1000] {
            let context = Context::new();
            let dealer = Dealer::with(&context, marks(driver, mark, mark)).unwrap();
            let other = Socket::new(&context, SocketType::Dealer);
            other.configure(marks(driver, mark, mark)).unwrap();
            dealer.connect(&other.bind(&fresh("inproc")).unwrap()).unwrap();
            for _ in 0..3 {
                let mut sent = 0;
                let full = loop {
                    match dealer.try_send(Message::from("x")) {
                        Ok(()) => sent += 1,
                        Err(error) => break error,
                    }
                };
                assert!(matches!(full, SendError::Full(_)));
                assert_eq!(sent, 2 * mark, "{driver:?}");
                assert!(!dealer.readiness().writable);
                for _ in 0..sent {
                    other.recv_timeout(PATIENCE).unwrap();
                }
                assert!(dealer.readiness().writable, "{driver:?} {mark}");
            }
        }
    }
}

/// Whoever publishes a stream does not wake each of its subscribers for each message; and whoever stops in the middle of one, and
/// never calls again, has them woken all the same.
#[test]
fn subscribers_that_sleep_through_a_burst_are_woken_without_the_publisher() {
    for driver in DRIVERS {
        let context = Context::new();
        let publisher = XPub::with(&context, |o| {
            o.set_driver(driver).set_xpub_nodrop(true);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh("inproc")).unwrap();
        let bursts = [1usize, 2, 3, 50, 400, 3000];
        let received = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
                subscriber.subscribe("");
                subscriber.connect(&endpoint).unwrap();
                let received = &received;
                scope.spawn(move || {
                    for burst in bursts.repeat(10) {
                        for number in 0..burst {
                            let message = subscriber.recv_timeout(PATIENCE).unwrap();
                            assert_eq!(message.as_slice(), number.to_le_bytes(), "{driver:?} {burst}");
                        }
                        received.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            publisher.as_socket().wait_for_subscribers(4, PATIENCE).unwrap();
            for (round, burst) in (1..).zip(bursts.repeat(10)) {
                for number in 0..burst {
                    publisher.as_socket().send_slice(&number.to_le_bytes(), true).unwrap();
                }
                eventually("all have it", || received.load(Ordering::Relaxed) == 4 * round);
            }
        });
    }
}
