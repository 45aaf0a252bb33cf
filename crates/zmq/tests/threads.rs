//! Several threads on one socket, and what ends their waiting.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::{
    A_WHILE, DRIVERS, PATIENCE, TRANSPORTS, becomes_true, driven_by, eventually, everywhere, fresh, message,
    over_the_network, text,
};
use tamtam_zmq::{
    Context, Dealer, Interest, Pair, PollItem, Pub, Pull, Push, RecvError, Rep, Router, SendError, Socket,
    SocketType, Sub, poll_masked,
};

fn assert_shared<T: Send + Sync + 'static>() {}

#[test]
fn sockets_and_contexts_can_be_shared() {
    assert_shared::<Context>();
    assert_shared::<Socket>();
    assert_shared::<Push>();
    assert_shared::<Router>();
    assert_shared::<tamtam_zmq::Monitor>();
    assert_shared::<tamtam_zmq::ProxyControl>();
}

/// Four threads send, four receive, each on the same two sockets: everything arrives once, each sender's in order.
#[test]
fn many_threads_send_and_receive_on_the_same_sockets() {
    everywhere(|transport, driver| {
        const THREADS: u32 = 4;
        const EACH: u32 = 2000;
        let context = Context::new();
        let narrow = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver).set_send_hwm(50).set_receive_hwm(50);
        };
        let pull = Pull::with(&context, narrow).unwrap();
        let push = Push::with(&context, narrow).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let taken = AtomicU64::new(0);
        let seen: Vec<Vec<(u32, u32)>> = std::thread::scope(|scope| {
            for sender in 0..THREADS {
                let push = &push;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let body = [sender.to_be_bytes(), number.to_be_bytes()].concat();
                        push.send_timeout(body, PATIENCE).unwrap();
                    }
                });
            }
            let receivers: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut seen = Vec::new();
                        while taken.fetch_add(1, Ordering::Relaxed) < u64::from(THREADS * EACH) {
                            let received = pull.recv_timeout(PATIENCE).unwrap();
                            let (sender, number) = received.as_slice().split_at(4);
                            seen.push((
                                u32::from_be_bytes(sender.try_into().unwrap()),
                                u32::from_be_bytes(number.try_into().unwrap()),
                            ));
                        }
                        seen
                    })
                })
                .collect();
            receivers.into_iter().map(|receiver| receiver.join().unwrap()).collect()
        });
        let mut all = BTreeSet::new();
        for seen in &seen {
            for sender in 0..THREADS {
                let numbers = seen.iter().filter(|(from, _)| *from == sender).map(|(_, number)| number);
                assert!(
                    numbers.is_sorted(),
                    "{transport} {driver:?}: one receiver sees one sender's messages in order"
                );
            }
            all.extend(seen.iter().copied());
        }
        assert_eq!(all.len(), (THREADS * EACH) as usize, "{transport} {driver:?}: each once");
        assert_eq!(pull.statistics().traffic.messages_in, u64::from(THREADS * EACH));
    });
}

/// Several threads publish to several subscribers: the encoded bytes that their queues share stay in order.
#[test]
fn many_threads_publish() {
    over_the_network(|transport, driver| {
        const THREADS: usize = 3;
        const EACH: u32 = 5000;
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(0);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let subs = [(); 3].map(|()| {
            let sub = Sub::with(&context, driven_by(driver)).unwrap();
            sub.subscribe("");
            sub.connect(&endpoint).unwrap();
            sub
        });
        publisher.wait_for_subscribers(3, PATIENCE).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let publisher = &publisher;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let size = [0, 100, 20, 3000, 9000][number as usize % 5];
                        let mut body = vec![u8::try_from(thread).unwrap(); size + 5];
                        body[1..5].copy_from_slice(&number.to_be_bytes());
                        publisher.send(body).unwrap();
                    }
                });
            }
            for sub in &subs {
                scope.spawn(move || {
                    let mut next = [0u32; THREADS];
                    for _ in 0..THREADS as u32 * EACH {
                        let received = sub.recv_timeout(PATIENCE).unwrap();
                        let body = received.as_slice();
                        let thread = usize::from(body[0]);
                        let number = u32::from_be_bytes(body[1..5].try_into().unwrap());
                        assert_eq!(number, next[thread], "{transport} {driver:?}: of thread {thread}");
                        assert_eq!(body.len(), [0, 100, 20, 3000, 9000][number as usize % 5] + 5);
                        assert!(body[5..].iter().all(|&byte| usize::from(byte) == thread));
                        next[thread] += 1;
                    }
                });
            }
        });
        assert_eq!(publisher.statistics().traffic.dropped.total(), 0);
    });
}

/// One thread asks for everything there is to know while others work.
#[test]
fn looking_on_disturbs_nobody() {
    for driver in DRIVERS {
        let context = Context::new();
        let pair = Pair::with(&context, driven_by(driver)).unwrap();
        let other = Pair::with(&context, driven_by(driver)).unwrap();
        other.connect(&pair.bind(&fresh("tcp")).unwrap()).unwrap();
        let done = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (pair, other) = (&pair, &other);
            scope.spawn(move || {
                for _ in 0..1000 {
                    let received = other.recv_timeout(PATIENCE).unwrap();
                    other.send(received).unwrap();
                }
                done.store(true, Ordering::Relaxed);
            });
            let looking = scope.spawn(move || {
                let mut looks = 0;
                while !done.load(Ordering::Relaxed) {
                    for socket in [pair, other] {
                        let statistics = socket.statistics();
                        assert!(statistics.peers <= 1);
                        let _ = (
                            socket.peers(),
                            socket.options(),
                            socket.last_endpoint(),
                            socket.as_socket().readiness(),
                        );
                    }
                    looks += 1;
                    std::thread::yield_now();
                }
                looks
            });
            for number in 0..1000 {
                pair.send(number.to_string()).unwrap();
                assert_eq!(text(&pair.recv_timeout(PATIENCE).unwrap()), number.to_string(), "{driver:?}");
            }
            assert!(looking.join().unwrap() > 0);
        });
    }
}

/// A thread that waits for room and one that waits for messages do not stand in each other's way.
#[test]
fn one_thread_sends_while_another_receives() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let narrow = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver).set_send_hwm(2).set_receive_hwm(2);
        };
        let left = Dealer::with(&context, narrow).unwrap();
        let right = Dealer::with(&context, narrow).unwrap();
        right.connect(&left.bind(&fresh(transport)).unwrap()).unwrap();
        std::thread::scope(|scope| {
            for socket in [&left, &right] {
                scope.spawn(move || {
                    for number in 0..1000u32 {
                        socket
                            .send_timeout([number.to_be_bytes().to_vec(), vec![0; 2000]].concat(), PATIENCE)
                            .unwrap();
                    }
                });
                scope.spawn(move || {
                    for number in 0..1000u32 {
                        let received = socket.recv_timeout(PATIENCE).unwrap();
                        assert_eq!(received.as_slice()[..4], number.to_be_bytes(), "{transport} {driver:?}");
                    }
                });
            }
        });
    });
}

/// Workers on one REP-like ROUTER: the routing id carries each answer back, whoever gives it.
#[test]
fn several_workers_answer_on_one_router() {
    for driver in DRIVERS {
        let context = Context::new();
        let router = Arc::new(Router::with(&context, driven_by(driver)).unwrap());
        let endpoint = router.bind(&fresh("ipc")).unwrap();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let router = Arc::clone(&router);
                std::thread::spawn(move || {
                    loop {
                        match router.recv() {
                            Ok(request) => router.send(request).unwrap(),
                            Err(error) => return error,
                        }
                    }
                })
            })
            .collect();
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (context, endpoint) = (&context, &endpoint);
                scope.spawn(move || {
                    let dealer = Dealer::with(context, driven_by(driver)).unwrap();
                    dealer.connect(endpoint).unwrap();
                    for number in 0..200 {
                        let request = message(&[&client.to_string(), &number.to_string()]);
                        dealer.send(request.clone()).unwrap();
                        assert_eq!(
                            common::texts(&dealer.recv_timeout(PATIENCE).unwrap()),
                            common::texts(&request)
                        );
                    }
                });
            }
        });
        context.shutdown(PATIENCE).unwrap();
        for worker in workers {
            assert_eq!(worker.join().unwrap(), RecvError::Terminated);
        }
    }
}

#[test]
fn shutting_down_ends_every_wait() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        for socket in [pull.as_socket(), publisher.as_socket(), push.as_socket()] {
            socket.bind(&fresh(transport)).unwrap();
        }
        std::thread::scope(|scope| {
            let receivers: Vec<_> = (0..3).map(|_| scope.spawn(|| pull.recv())).collect();
            let timed = scope.spawn(|| pull.recv_timeout(PATIENCE));
            let senders: Vec<_> = (0..3).map(|_| scope.spawn(|| push.send("x"))).collect();
            let barriers = [
                scope.spawn(|| publisher.wait_for_subscribers(1, PATIENCE)),
                scope.spawn(|| push.wait_for_peers(1, PATIENCE)),
            ];
            let some_ended = || {
                receivers.iter().any(|thread| thread.is_finished()) || senders.iter().any(|t| t.is_finished())
            };
            assert!(!becomes_true(A_WHILE, some_ended));
            context.shutdown(PATIENCE).unwrap();
            for receiver in receivers {
                assert_eq!(receiver.join().unwrap(), Err(RecvError::Terminated), "{transport} {driver:?}");
            }
            assert_eq!(timed.join().unwrap(), Err(RecvError::Terminated));
            for sender in senders {
                assert!(matches!(sender.join().unwrap(), Err(SendError::Terminated(_))));
            }
            for barrier in barriers {
                assert_eq!(barrier.join().unwrap().unwrap_err().attached, 0);
            }
        });
        assert!(matches!(push.try_send("x"), Err(SendError::Terminated(_))));
        assert_eq!(pull.try_recv(), Err(RecvError::Terminated));
    });
}

/// Sockets are made, connected, used and closed by many threads at once.
#[test]
fn sockets_come_and_go_in_many_threads() {
    for driver in DRIVERS {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoints = [
            rep.bind(&fresh("tcp")).unwrap(),
            rep.bind(&fresh("ipc")).unwrap(),
            rep.bind(&fresh("inproc")).unwrap(),
        ];
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|thread| {
                    let (context, endpoints) = (&context, &endpoints);
                    scope.spawn(move || {
                        for round in 0..30 {
                            let req = Socket::new(context, SocketType::Req);
                            req.configure(driven_by(driver)).unwrap();
                            req.connect(&endpoints[(thread + round) % 3]).unwrap();
                            req.send(format!("{thread} {round}")).unwrap();
                            assert_eq!(
                                text(&req.recv_timeout(PATIENCE).unwrap()),
                                format!("{thread} {round}")
                            );
                        }
                    })
                })
                .collect();
            for _ in 0..120 {
                let request = rep.recv_timeout(PATIENCE).unwrap();
                rep.send(request).unwrap();
            }
            clients.into_iter().for_each(|client| client.join().unwrap());
        });
        assert_eq!(rep.statistics().traffic.messages_in, 120);
    }
}

/// A signal ends a wait where that was asked for, so that a program can look at its flags; elsewhere it does not.
#[test]
fn a_signal_interrupts_a_wait_that_may_be_interrupted() {
    use std::os::unix::thread::JoinHandleExt;

    extern "C" fn nothing(_signal: libc::c_int) {}

    // SAFETY: the handler does nothing, and no other test uses this signal; all zeros is a valid action.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    for (transport, interruptible) in TRANSPORTS.into_iter().flat_map(|name| [(name, true), (name, false)]) {
        let context = Context::new();
        let pull = Pull::with(&context, |o| _ = o.set_interruptible(interruptible)).unwrap();
        let push = Push::new(&context);
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        pull.wait_for_peers(1, PATIENCE).unwrap();
        let waiting = std::thread::spawn(move || pull.recv_timeout(PATIENCE));
        let signal = || {
            // SAFETY: the thread is not joined, so its handle is valid.
            unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGUSR1) };
            waiting.is_finished()
        };
        if interruptible {
            // The signal may come before the wait has begun: it is sent until it has its effect.
            eventually("the wait ends", signal);
            assert_eq!(waiting.join().unwrap(), Err(RecvError::Interrupted), "{transport}");
        } else {
            assert!(!becomes_true(A_WHILE, signal), "{transport}: it waits on");
            push.send("x").unwrap();
            assert_eq!(text(&waiting.join().unwrap().unwrap()), "x");
        }
    }
}

/// Many take-overs of the leading role between receivers with different patience.
#[test]
fn impatient_receivers_leave_nobody_asleep() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let left = AtomicU64::new(300);
        std::thread::scope(|scope| {
            for patience in [1, 2, 3, 20_000] {
                let (pull, left) = (&pull, &left);
                scope.spawn(move || {
                    while left.load(Ordering::Relaxed) > 0 {
                        match pull.recv_timeout(std::time::Duration::from_millis(patience)) {
                            Ok(message) if message.as_slice() == b"end" => return,
                            Ok(_) => _ = left.fetch_sub(1, Ordering::Relaxed),
                            Err(RecvError::TimedOut) => {
                                assert!(patience < 1000, "{transport} {driver:?}: left asleep")
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
            for number in 0..300 {
                push.send(number.to_string()).unwrap();
                if number % 20 == 0 {
                    // Now and then they are all waiting.
                    assert!(becomes_true(PATIENCE, || left.load(Ordering::Relaxed) == 299 - number));
                }
            }
            for _ in 0..4 {
                push.send("end").unwrap();
            }
        });
    });
}

/// A signal that is blocked is let in while the call sleeps, and ends it.
#[test]
fn a_signal_that_is_let_in_ends_a_poll() {
    use std::os::unix::thread::JoinHandleExt;

    static HANDLED: AtomicBool = AtomicBool::new(false);

    extern "C" fn note(_signal: libc::c_int) {
        HANDLED.store(true, Ordering::Release);
    }

    // SAFETY: the handler stores to an atomic only, and no other test uses this signal; all zeros is a valid action.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut()), 0);
    }
    let (blocked, told) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let context = Context::new();
        let pull = Pull::new(&context);
        pull.bind(&fresh("inproc")).unwrap();
        // SAFETY: all zeros is a valid set, and the calls get valid pointers.
        let none = unsafe {
            let mut only: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut only);
            libc::sigaddset(&raw mut only, libc::SIGUSR2);
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &raw const only, std::ptr::null_mut()), 0);
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            none
        };
        blocked.send(()).unwrap();
        let mut items = [PollItem::socket(&pull, Interest::READABLE)];
        poll_masked(&mut items, Some(PATIENCE), Some(&none)).unwrap_err().kind()
    });
    told.recv().unwrap();
    assert!(!HANDLED.load(Ordering::Acquire));
    // One is enough, whether it comes before the call or in it.
    // SAFETY: the thread is not joined, so its handle is valid.
    unsafe { libc::pthread_kill(waiting.as_pthread_t(), libc::SIGUSR2) };
    eventually("the wait ends", || waiting.is_finished());
    assert_eq!(waiting.join().unwrap(), std::io::ErrorKind::Interrupted);
    assert!(HANDLED.load(Ordering::Acquire));
}
