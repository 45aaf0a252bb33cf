//! Waiting for several sockets and plain descriptors at once.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{
    A_WHILE, DRIVERS, PATIENCE, TRANSPORTS, becomes_true, driven_by, eventually, everywhere, fresh, text,
    written,
};
use tamtam_zmq::{Context, Interest, PollEvent, Poller, Pub, Pull, Push, RecvError, Rep, Req, Sub};

const READABLE: fn(usize) -> PollEvent = |key| PollEvent { key, readable: true, writable: false };

#[test]
fn a_message_makes_its_socket_readable_until_it_is_taken() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&pull, 7, Interest::READABLE).unwrap();
        assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
        for _ in 0..3 {
            push.send("a").unwrap();
            push.send("b").unwrap();
            for expected in ["a", "b"] {
                // Level by level: as long as it is there it is told.
                for _ in 0..3 {
                    assert_eq!(poller.wait(Some(PATIENCE)).unwrap(), [READABLE(7)], "{transport} {driver:?}");
                }
                assert_eq!(text(&pull.try_recv().unwrap()), expected);
            }
            assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty(), "{transport} {driver:?}");
        }
    });
}

#[test]
fn waiting_has_an_end() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&fresh(transport)).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&pull, 0, Interest::BOTH).unwrap();
        let began = Instant::now();
        assert!(poller.wait(Some(A_WHILE)).unwrap().is_empty());
        assert!(began.elapsed() >= A_WHILE, "{transport} {driver:?}");
    });
}

/// A thread that sleeps in `wait` is woken by everything that may come.
#[test]
fn a_waiting_thread_is_woken() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        std::thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                let mut poller = Poller::new().unwrap();
                poller.add(&pull, 1, Interest::READABLE).unwrap();
                for number in 0..200 {
                    while pull.readiness() == tamtam_zmq::Readiness::default() {
                        poller.wait(Some(PATIENCE)).unwrap();
                    }
                    assert_eq!(text(&pull.try_recv().unwrap()), number.to_string(), "{transport} {driver:?}");
                }
            });
            push.connect(&endpoint).unwrap();
            for number in 0..200 {
                push.send(number.to_string()).unwrap();
                if number % 10 == 0 {
                    std::thread::yield_now();
                }
            }
            receiver.join().unwrap();
        });
    });
}

#[test]
fn a_socket_becomes_writable_when_a_peer_comes_and_when_there_is_room() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(2);
        })
        .unwrap();
        let endpoint = push.bind(&fresh(transport)).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&push, 3, Interest::WRITABLE).unwrap();
        assert!(poller.wait(Some(A_WHILE)).unwrap().is_empty());
        let writable = [PollEvent { key: 3, readable: false, writable: true }];
        let pull = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| poller.wait(Some(PATIENCE)).unwrap().to_vec());
            let pull = Pull::with(&context, |o| {
                o.set_driver(driver).set_receive_hwm(2);
            })
            .unwrap();
            pull.connect(&endpoint).unwrap();
            assert_eq!(waiting.join().unwrap(), writable, "{transport} {driver:?}");
            pull
        });
        eventually("it is full for good", || {
            while push.try_send(vec![0; 100_000]).is_ok() {}
            poller.wait(Some(A_WHILE)).unwrap().is_empty()
        });
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| poller.wait(Some(PATIENCE)).unwrap().to_vec());
            while !waiting.is_finished() {
                let _ = pull.recv_timeout(Duration::from_millis(1));
            }
            assert_eq!(waiting.join().unwrap(), writable);
        });
        push.try_send("there is room").unwrap();
    });
}

#[test]
fn several_sockets_are_told_apart() {
    for driver in DRIVERS {
        let context = Context::new();
        let mut poller = Poller::new().unwrap();
        let pairs: Vec<(Pull, Push)> = (0..9)
            .map(|key| {
                let pull = Pull::with(&context, driven_by(driver)).unwrap();
                let push = Push::with(&context, driven_by(driver)).unwrap();
                push.connect(&pull.bind(&fresh(TRANSPORTS[key % 3])).unwrap()).unwrap();
                poller.add(&pull, key, Interest::READABLE).unwrap();
                (pull, push)
            })
            .collect();
        for key in [4, 0, 8, 7] {
            pairs[key].1.send("x").unwrap();
            assert_eq!(poller.wait(Some(PATIENCE)).unwrap(), [READABLE(key)], "{driver:?}");
            pairs[key].0.try_recv().unwrap();
        }
        for (pull, push) in &pairs {
            push.send("x").unwrap();
            eventually("it is there", || pull.readiness().readable);
        }
        let mut keys: Vec<usize> =
            poller.wait(Some(PATIENCE)).unwrap().iter().map(|event| event.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..9).collect::<Vec<_>>());
    }
}

/// Whoever handles one event at a time serves everybody, however busy one socket is.
#[test]
fn a_busy_socket_does_not_hide_the_others() {
    for driver in DRIVERS {
        let context = Context::new();
        let mut poller = Poller::new().unwrap();
        let mut served = [0; 3];
        let pairs = [0, 1, 2].map(|key| {
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let push = Push::with(&context, driven_by(driver)).unwrap();
            push.connect(&pull.bind(&fresh("ipc")).unwrap()).unwrap();
            poller.add(&pull, key, Interest::READABLE).unwrap();
            for _ in 0..100 {
                push.send("x").unwrap();
            }
            written(&push);
            eventually("it is there", || pull.readiness().readable);
            (pull, push)
        });
        for _ in 0..60 {
            let key = poller.wait(Some(PATIENCE)).unwrap()[0].key;
            pairs[key].0.try_recv().unwrap();
            served[key] += 1;
        }
        assert!(served.iter().all(|&times| times >= 10), "{driver:?}: {served:?}");
    }
}

#[test]
fn plain_descriptors_are_waited_for_beside_sockets() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh("tcp")).unwrap()).unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&pull, 1, Interest::READABLE).unwrap();
        poller.add_fd(&near, 2, Interest::READABLE).unwrap();
        far.write_all(b"x").unwrap();
        for _ in 0..2 {
            assert_eq!(poller.wait(Some(PATIENCE)).unwrap(), [READABLE(2)], "{driver:?}");
        }
        push.send("x").unwrap();
        eventually("both are told", || poller.wait(Some(PATIENCE)).unwrap().len() == 2);
        near.read_exact(&mut [0]).unwrap();
        assert_eq!(poller.wait(Some(PATIENCE)).unwrap(), [READABLE(1)]);
        pull.try_recv().unwrap();
        assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
        // Its end makes a descriptor readable.
        drop(far);
        assert_eq!(poller.wait(Some(PATIENCE)).unwrap(), [READABLE(2)]);
        assert!(poller.remove(2));
        assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
        poller.add_fd(&near, 5, Interest::WRITABLE).unwrap();
        let events = poller.wait(Some(PATIENCE)).unwrap();
        assert!(events.len() == 1 && events[0].key == 5 && events[0].writable);
    }
}

#[test]
fn keys_and_sockets_are_added_once() {
    let context = Context::new();
    let pull = Pull::new(&context);
    let mut poller = Poller::new().unwrap();
    poller.add(&pull, 1, Interest::READABLE).unwrap();
    let other = Pull::new(&context);
    assert_eq!(poller.add(&other, 1, Interest::READABLE).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(poller.add(&pull, 2, Interest::READABLE).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(!poller.remove(2));
    assert!(poller.remove(1));
    assert!(!poller.remove(1));
    poller.add(&pull, 2, Interest::READABLE).unwrap();
    poller.add(&other, 1, Interest::READABLE).unwrap();
}

/// Two pollers may wait for one socket, as two threads may receive from it.
#[test]
fn one_socket_may_be_in_two_pollers() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh("ipc")).unwrap()).unwrap();
        let mut pollers = [(); 2].map(|()| {
            let mut poller = Poller::new().unwrap();
            poller.add(&pull, 1, Interest::READABLE).unwrap();
            poller
        });
        std::thread::scope(|scope| {
            let waiting: Vec<_> = pollers
                .iter_mut()
                .map(|poller| {
                    scope.spawn(|| {
                        let told = poller.wait(Some(PATIENCE)).unwrap().len();
                        (told, Instant::now())
                    })
                })
                .collect();
            assert!(!becomes_true(A_WHILE, || waiting.iter().any(|thread| thread.is_finished())));
            let sent = Instant::now();
            push.send("x").unwrap();
            for thread in waiting {
                let (told, at) = thread.join().unwrap();
                assert_eq!(told, 1, "{driver:?}: both are told");
                assert!(at - sent < PATIENCE / 2, "{driver:?}: one was told when its time was over only");
            }
        });
        pull.try_recv().unwrap();
    }
}

/// Filtered messages, commands and handshakes wake nobody for nothing.
#[test]
fn what_the_application_does_not_get_is_not_told() {
    for driver in DRIVERS {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let sub = Sub::with(&context, driven_by(driver)).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&sub, 1, Interest::READABLE).unwrap();
        sub.subscribe("a");
        sub.connect(&publisher.bind(&fresh("ipc")).unwrap()).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        publisher.send("b").unwrap();
        assert!(poller.wait(Some(A_WHILE)).unwrap().is_empty(), "{driver:?}");
        publisher.send("a").unwrap();
        assert_eq!(poller.wait(Some(PATIENCE)).unwrap(), [READABLE(1)]);
    }
}

#[test]
fn a_conversation_can_be_polled_through() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&rep, 0, Interest::BOTH).unwrap();
        poller.add(&req, 1, Interest::BOTH).unwrap();
        let (mut asked, mut answered) = (0, 0);
        while answered < 30 {
            let events = poller.wait(Some(PATIENCE)).unwrap().to_vec();
            assert!(!events.is_empty(), "{transport} {driver:?}: {asked} {answered}");
            for event in events {
                match (event.key, event.readable, event.writable) {
                    (0, true, _) => assert_eq!(text(&rep.try_recv().unwrap()), asked.to_string()),
                    (0, _, true) => rep.try_send("answer").unwrap(),
                    (1, true, _) => {
                        req.try_recv().unwrap();
                        answered += 1;
                    }
                    (1, _, true) => {
                        asked += 1;
                        req.try_send(asked.to_string()).unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(asked, answered);
    });
}

/// A socket that is shut down is told as ready: its calls return errors, and nobody sleeps for ever.
#[test]
fn a_socket_that_ends_wakes_its_poller() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&fresh("ipc")).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&pull, 1, Interest::READABLE).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| poller.wait(Some(PATIENCE)).unwrap().len());
            assert!(!becomes_true(A_WHILE, || waiting.is_finished()));
            context.shutdown(PATIENCE).unwrap();
            assert_eq!(waiting.join().unwrap(), 1, "{driver:?}");
        });
        assert_eq!(pull.try_recv(), Err(RecvError::Terminated));
        // The same when the handle is gone but the poller was not told.
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&pull, 1, Interest::READABLE).unwrap();
        drop(pull);
        assert_eq!(poller.wait(Some(PATIENCE)).unwrap().len(), 1);
        assert!(poller.remove(1));
    }
}
