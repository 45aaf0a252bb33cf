//! Proxies: queue, forwarder, streamer, capture, and their control.

mod common;

use std::thread::JoinHandle;

use common::{
    A_WHILE, DRIVERS, PATIENCE, becomes_true, driven_by, eventually, everywhere, fresh, over_the_network,
    text, texts,
};
use tamtam_zmq::{
    Context, Dealer, Driver, Pair, Proxy, ProxyControl, ProxyError, ProxyStatistics, Pub, Pull, Push,
    RecvError, Rep, Req, Router, Socket, SocketType, Sub, XPub, XSub, proxy,
};

type Running = JoinHandle<Result<ProxyStatistics, ProxyError>>;

/// A proxy in a thread of its own, its sockets' endpoints, and its control.
fn run(
    context: &Context,
    kinds: [SocketType; 2],
    transport: &str,
    driver: Driver,
) -> (Running, [String; 2], ProxyControl) {
    let sockets = kinds.map(|kind| {
        let socket = Socket::new(context, kind);
        socket.configure(driven_by(driver)).unwrap();
        socket
    });
    let endpoints = sockets.each_ref().map(|socket| socket.bind(&fresh(transport)).unwrap());
    let control = ProxyControl::new().unwrap();
    let steering = control.clone();
    let thread = std::thread::spawn(move || {
        let [front, back] = sockets;
        Proxy::new(&front, &back).control(&steering).run()
    });
    (thread, endpoints, control)
}

fn ends(running: Running) -> ProxyStatistics {
    eventually("the proxy ends", || running.is_finished());
    running.join().unwrap().unwrap()
}

#[test]
fn a_queue_brings_requests_to_workers_and_replies_back() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let (running, [front, back], control) =
            run(&context, [SocketType::Router, SocketType::Dealer], transport, driver);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let worker = Rep::with(&context, driven_by(driver)).unwrap();
                worker.connect(&back).unwrap();
                std::thread::spawn(move || {
                    let mut served = 0;
                    while let Ok(request) = worker.recv() {
                        worker.send(request).unwrap();
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        let clients: Vec<Req> = (0..3).map(|_| Req::with(&context, driven_by(driver)).unwrap()).collect();
        for client in &clients {
            client.connect(&front).unwrap();
        }
        for round in 0..20 {
            for client in &clients {
                client.send(round.to_string()).unwrap();
            }
            for client in &clients {
                assert_eq!(
                    text(&client.recv_timeout(PATIENCE).unwrap()),
                    round.to_string(),
                    "{transport} {driver:?}"
                );
            }
        }
        control.terminate();
        let statistics = ends(running);
        assert_eq!((statistics.messages_front_to_back, statistics.messages_back_to_front), (60, 60));
        assert_eq!(control.statistics(), statistics);
        drop(clients);
        context.shutdown(PATIENCE).unwrap();
        let served: Vec<u32> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        assert_eq!(served.iter().sum::<u32>(), 60);
        assert!(served.iter().all(|&count| count > 0), "{served:?}");
    });
}

#[test]
fn a_forwarder_brings_subscriptions_one_way_and_messages_the_other() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let (running, [front, back], control) =
            run(&context, [SocketType::XSub, SocketType::XPub], transport, driver);
        let publishers = [(); 2].map(|()| {
            let publisher = Pub::with(&context, driven_by(driver)).unwrap();
            publisher.connect(&front).unwrap();
            publisher
        });
        let subs = ["a", "b", ""].map(|topic| {
            let sub = Sub::with(&context, driven_by(driver)).unwrap();
            sub.subscribe(topic);
            sub.connect(&back).unwrap();
            sub
        });
        for publisher in &publishers {
            eventually("all subscriptions came through", || {
                publisher.subscriber_count() == 1 && publisher.peers()[0].subscriptions == 3
            });
            for topic in ["a", "b", "c"] {
                publisher.send(topic).unwrap();
            }
        }
        for (sub, expected) in
            subs.iter().zip([vec!["a", "a"], vec!["b", "b"], vec!["a", "a", "b", "b", "c", "c"]])
        {
            let mut received: Vec<String> =
                expected.iter().map(|_| text(&sub.recv_timeout(PATIENCE).unwrap())).collect();
            received.sort();
            assert_eq!(received, expected, "{transport} {driver:?}");
        }
        subs[0].unsubscribe("a").unwrap();
        eventually("the cancellation came through", || {
            publishers
                .iter()
                .all(|publisher| publisher.subscriber_count() == 1 && publisher.peers()[0].subscriptions == 2)
        });
        control.terminate();
        let statistics = ends(running);
        assert_eq!((statistics.messages_front_to_back, statistics.bytes_front_to_back), (6, 6));
        assert_eq!(statistics.messages_back_to_front, 4, "three subscriptions and a cancellation");
    });
}

#[test]
fn a_streamer_hands_work_on_and_marks_hold_across_it() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let narrow = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver)
                .set_send_hwm(5)
                .set_receive_hwm(5)
                .set_linger(Some(std::time::Duration::ZERO));
        };
        let front = Pull::with(&context, narrow).unwrap();
        let back = Push::with(&context, narrow).unwrap();
        let (front_endpoint, back_endpoint) =
            (front.bind(&fresh(transport)).unwrap(), back.bind(&fresh(transport)).unwrap());
        let control = ProxyControl::new().unwrap();
        let steering = control.clone();
        let running = std::thread::spawn(move || Proxy::new(&front, &back).control(&steering).run());
        let source = Push::with(&context, narrow).unwrap();
        source.connect(&front_endpoint).unwrap();
        let sink = Pull::with(&context, narrow).unwrap();
        sink.connect(&back_endpoint).unwrap();
        // Nobody takes: the source is stopped in the end.
        let mut sent: u32 = 0;
        while source.send_timeout([sent.to_be_bytes().to_vec(), vec![0; 50_000]].concat(), A_WHILE).is_ok() {
            sent += 1;
            assert!(sent < 2000, "{transport} {driver:?}: the proxy swallows everything");
        }
        for number in 0..sent {
            assert_eq!(
                sink.recv_timeout(PATIENCE).unwrap().as_slice()[..4],
                number.to_be_bytes(),
                "{transport} {driver:?}"
            );
        }
        control.terminate();
        assert_eq!(ends(running).messages_front_to_back, u64::from(sent));
    });
}

#[test]
fn a_capture_gets_a_copy_of_everything() {
    for driver in DRIVERS {
        let context = Context::new();
        let front = Pair::with(&context, driven_by(driver)).unwrap();
        let back = Pair::with(&context, driven_by(driver)).unwrap();
        let capture = Push::with(&context, driven_by(driver)).unwrap();
        let left = Pair::with(&context, driven_by(driver)).unwrap();
        let right = Pair::with(&context, driven_by(driver)).unwrap();
        let recorder = Pull::with(&context, driven_by(driver)).unwrap();
        left.connect(&front.bind(&fresh("ipc")).unwrap()).unwrap();
        right.connect(&back.bind(&fresh("tcp")).unwrap()).unwrap();
        recorder.connect(&capture.bind(&fresh("inproc")).unwrap()).unwrap();
        let running = std::thread::spawn(move || Proxy::new(&front, &back).capture(&capture).run());
        for number in 0..10 {
            let there = common::message(&["there", &number.to_string()]);
            left.send(there.clone()).unwrap();
            assert_eq!(texts(&right.recv_timeout(PATIENCE).unwrap()), texts(&there));
            assert_eq!(texts(&recorder.recv_timeout(PATIENCE).unwrap()), texts(&there), "{driver:?}");
            right.send("back").unwrap();
            assert_eq!(text(&left.recv_timeout(PATIENCE).unwrap()), "back");
            assert_eq!(text(&recorder.recv_timeout(PATIENCE).unwrap()), "back");
        }
        drop(recorder);
        // Nobody records any more: the traffic goes on, and what is not captured is counted.
        left.send("x").unwrap();
        right.recv_timeout(PATIENCE).unwrap();
        context.shutdown(PATIENCE).unwrap();
        let statistics = ends(running);
        assert_eq!((statistics.messages_front_to_back, statistics.capture_dropped), (11, 1), "{driver:?}");
    }
}

#[test]
fn pausing_holds_messages_back_and_loses_none() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let (running, [front, back], control) =
            run(&context, [SocketType::Pull, SocketType::Push], transport, driver);
        let source = Push::with(&context, driven_by(driver)).unwrap();
        source.connect(&front).unwrap();
        let sink = Pull::with(&context, driven_by(driver)).unwrap();
        sink.connect(&back).unwrap();
        source.send("before").unwrap();
        assert_eq!(text(&sink.recv_timeout(PATIENCE).unwrap()), "before", "{transport} {driver:?}");
        for round in 0..3 {
            control.pause();
            // The pause has come into force when a message does not come through.
            let mut number = 0;
            loop {
                source.send(format!("{round} {number}")).unwrap();
                match sink.recv_timeout(A_WHILE) {
                    Ok(message) => {
                        assert_eq!(text(&message), format!("{round} {number}"), "it was under way")
                    }
                    Err(error) => break assert_eq!(error, RecvError::TimedOut),
                }
                number += 1;
                assert!(number < 100, "{transport} {driver:?}: it does not pause");
            }
            control.resume();
            let held_back = text(&sink.recv_timeout(PATIENCE).unwrap());
            assert_eq!(held_back, format!("{round} {number}"), "{transport} {driver:?}");
        }
        control.pause();
        control.terminate();
        ends(running);
        control.resume();
        assert!(control.statistics().messages_front_to_back >= 4);
    });
}

/// Ending a proxy whose one side nobody takes from loses nothing: what was not handed on is still to be had.
#[test]
fn terminating_loses_nothing_and_counts_right() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let front = Pull::with(&context, driven_by(driver)).unwrap();
        let back = Push::with(&context, driven_by(driver)).unwrap();
        let source = Push::with(&context, driven_by(driver)).unwrap();
        source.connect(&front.bind(&fresh(transport)).unwrap()).unwrap();
        for number in 0..5 {
            source.send(number.to_string()).unwrap();
        }
        let control = ProxyControl::new().unwrap();
        std::thread::scope(|scope| {
            let running = scope.spawn(|| Proxy::new(&front, &back).control(&control).run());
            assert!(!becomes_true(A_WHILE, || running.is_finished()));
            control.terminate();
            assert_eq!(
                running.join().unwrap().unwrap().messages_front_to_back,
                0,
                "{transport} {driver:?}: nobody took any"
            );
        });
        for number in 0..5 {
            let received = front.recv_timeout(PATIENCE).map(|message| text(&message));
            assert_eq!(received, Ok(number.to_string()), "{transport} {driver:?}");
        }
    });
}

/// A side that is full does not stop the other direction.
#[test]
fn directions_are_independent() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let (running, [front, back], control) =
            run(&context, [SocketType::Dealer, SocketType::Dealer], transport, driver);
        let narrow = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver).set_receive_hwm(2).set_linger(Some(std::time::Duration::ZERO));
        };
        let left = Dealer::with(&context, narrow).unwrap();
        left.connect(&front).unwrap();
        let right = Dealer::with(&context, narrow).unwrap();
        right.connect(&back).unwrap();
        // The way to the right is full, since the right does not receive.
        while left.send_timeout(vec![0; 100_000], A_WHILE).is_ok() {}
        right.send("to the left").unwrap();
        assert_eq!(
            left.recv_timeout(PATIENCE).map(|message| text(&message)),
            Ok("to the left".into()),
            "{transport} {driver:?}"
        );
        control.terminate();
        eventually("the proxy ends", || running.is_finished());
        running.join().unwrap().unwrap();
    });
}

#[test]
fn a_proxy_ends_with_its_context() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let front = XSub::with(&context, driven_by(driver)).unwrap();
        let back = XPub::with(&context, driven_by(driver)).unwrap();
        front.bind(&fresh(transport)).unwrap();
        back.bind(&fresh(transport)).unwrap();
        let running = std::thread::spawn(move || proxy(&front, &back, None));
        assert!(!becomes_true(A_WHILE, || running.is_finished()));
        context.shutdown(PATIENCE).unwrap();
        assert_eq!(ends(running), ProxyStatistics::default(), "{transport} {driver:?}");
    });
}

#[test]
fn proxies_can_be_chained() {
    for driver in DRIVERS {
        let context = Context::new();
        let (first, [entry, middle], stop_first) =
            run(&context, [SocketType::Router, SocketType::Dealer], "ipc", driver);
        let front = Router::with(&context, driven_by(driver)).unwrap();
        front.connect(&middle).unwrap();
        let back = Dealer::with(&context, driven_by(driver)).unwrap();
        let exit = back.bind(&fresh("tcp")).unwrap();
        let stop_second = ProxyControl::new().unwrap();
        let steering = stop_second.clone();
        let second = std::thread::spawn(move || Proxy::new(&front, &back).control(&steering).run());
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        rep.connect(&exit).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&entry).unwrap();
        for number in 0..20 {
            req.send(number.to_string()).unwrap();
            let request = rep.recv_timeout(PATIENCE).unwrap();
            rep.send(request).unwrap();
            assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), number.to_string(), "{driver:?}");
        }
        for (control, running) in [(stop_first, first), (stop_second, second)] {
            control.terminate();
            assert_eq!(ends(running).messages_back_to_front, 20);
        }
    }
}

/// Commands come on a socket of their own, and are acted on beside the traffic, also while the proxy pauses.
#[test]
fn commands_are_attended_to_beside_the_traffic() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let front = Pull::with(&context, driven_by(driver)).unwrap();
        let back = Push::with(&context, driven_by(driver)).unwrap();
        let commands = Rep::with(&context, driven_by(driver)).unwrap();
        let steer = Req::with(&context, driven_by(driver)).unwrap();
        steer.connect(&commands.bind(&fresh(transport)).unwrap()).unwrap();
        let source = Push::with(&context, driven_by(driver)).unwrap();
        source.connect(&front.bind(&fresh(transport)).unwrap()).unwrap();
        let sink = Pull::with(&context, driven_by(driver)).unwrap();
        sink.connect(&back.bind(&fresh(transport)).unwrap()).unwrap();
        let running = std::thread::spawn(move || {
            Proxy::new(&front, &back)
                .attend(&commands, |command, control| {
                    match command.as_slice() {
                        b"PAUSE" => control.pause(),
                        b"RESUME" => control.resume(),
                        b"TERMINATE" => control.terminate(),
                        _ => {}
                    }
                    let handed_on = control.statistics().messages_front_to_back;
                    Ok(commands.send(handed_on.to_string())?)
                })
                .run()
        });
        let command = |command: &str| {
            steer.send(command).unwrap();
            text(&steer.recv_timeout(PATIENCE).unwrap())
        };
        let next = || sink.recv_timeout(PATIENCE).map(|message| text(&message));
        source.send("a").unwrap();
        assert_eq!(next(), Ok("a".into()), "{transport} {driver:?}");
        // The proxy counts when it has handed on all that there was.
        eventually("it is counted", || command("STATISTICS") == "1");
        command("PAUSE");
        source.send("b").unwrap();
        assert_eq!(sink.recv_timeout(A_WHILE), Err(RecvError::TimedOut), "{transport} {driver:?}");
        assert_eq!(command("STATISTICS"), "1");
        command("RESUME");
        assert_eq!(next(), Ok("b".into()), "{transport} {driver:?}");
        command("TERMINATE");
        assert_eq!(ends(running).messages_front_to_back, 2);
    });
}

#[test]
fn an_error_of_who_attends_ends_the_proxy() {
    let context = Context::new();
    let front = Pull::new(&context);
    let back = Push::new(&context);
    let commands = Pair::new(&context);
    let steer = Pair::new(&context);
    steer.connect(&commands.bind(&fresh("inproc")).unwrap()).unwrap();
    steer.send("x").unwrap();
    let running = std::thread::spawn(move || {
        Proxy::new(&front, &back)
            .attend(&commands, |_, _| Err(ProxyError::Receive(RecvError::TimedOut)))
            .run()
    });
    eventually("the proxy ends", || running.is_finished());
    assert!(matches!(running.join().unwrap(), Err(ProxyError::Receive(RecvError::TimedOut))));
}

/// Whoever must not miss anything holds the traffic up instead.
#[test]
fn a_blocking_capture_misses_nothing() {
    for driver in DRIVERS {
        let context = Context::new();
        let front = Pull::with(&context, driven_by(driver)).unwrap();
        let back = Push::with(&context, driven_by(driver)).unwrap();
        let capture = Push::with(&context, driven_by(driver)).unwrap();
        let source = Push::with(&context, driven_by(driver)).unwrap();
        source.connect(&front.bind(&fresh("inproc")).unwrap()).unwrap();
        let sink = Pull::with(&context, driven_by(driver)).unwrap();
        sink.connect(&back.bind(&fresh("inproc")).unwrap()).unwrap();
        let recorded = capture.bind(&fresh("inproc")).unwrap();
        let running = std::thread::spawn(move || Proxy::new(&front, &back).capture_blocking(&capture).run());
        for number in 0..3 {
            source.send(number.to_string()).unwrap();
        }
        assert_eq!(sink.recv_timeout(A_WHILE), Err(RecvError::TimedOut), "{driver:?}: nobody records yet");
        let recorder = Pull::with(&context, driven_by(driver)).unwrap();
        recorder.connect(&recorded).unwrap();
        for number in 0..3 {
            assert_eq!(text(&sink.recv_timeout(PATIENCE).unwrap()), number.to_string());
            assert_eq!(text(&recorder.recv_timeout(PATIENCE).unwrap()), number.to_string(), "{driver:?}");
        }
        // While it waits for its recorder, the end of the context ends it.
        drop(recorder);
        source.send("unrecorded").unwrap();
        assert!(!becomes_true(A_WHILE, || running.is_finished()));
        context.interrupt();
        let statistics = ends(running);
        assert_eq!((statistics.messages_front_to_back, statistics.capture_dropped), (3, 0), "{driver:?}");
    }
}
