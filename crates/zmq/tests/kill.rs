//! Processes that are killed in the midst of their work: the survivors go on, and their accounts are right.

mod common;

use std::time::Duration;

use common::child::{Child, role, say};
use common::{DRIVERS, PATIENCE, driven_by, eventually, fresh, message, reserved, text, texts};
use tamtam_zmq::{Context, Dealer, Options, Pub, Pull, Push, RecvError, Rep, Req, Router, Sub};

fn quickly(o: &mut Options) {
    o.set_reconnect_interval(Some(Duration::from_millis(5)))
        .set_reconnect_interval_max(Some(Duration::from_millis(20)));
}

fn body(number: u32) -> Vec<u8> {
    let size = [0, 100, 10_000, 60_000][number as usize % 4];
    [number.to_be_bytes().to_vec(), vec![u8::try_from(number % 251).unwrap(); size]].concat()
}

fn number_of(message: &tamtam_zmq::Message) -> u32 {
    let number = u32::from_be_bytes(message.as_slice()[..4].try_into().unwrap());
    assert!(message.as_slice() == body(number), "message {number} is damaged");
    number
}

/// A sender is killed in mid-stream: what arrived is whole and without gaps, and the next sender is welcome.
#[test]
fn a_killed_sender_leaves_whole_messages_only() {
    if let Some((_, endpoint)) = role() {
        let context = Context::new();
        let push = Push::new(&context);
        push.connect(&endpoint).unwrap();
        for number in 0.. {
            push.send(body(number)).unwrap();
        }
    }
    for driver in DRIVERS {
        for transport in ["tcp", "ipc"] {
            let context = Context::new();
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let endpoint = pull.bind(&fresh(transport)).unwrap();
            let mut total = 0;
            for _ in 0..2 {
                let mut sender =
                    Child::spawn("a_killed_sender_leaves_whole_messages_only", "sender", &endpoint);
                for number in 0..200 {
                    assert_eq!(number_of(&pull.recv_timeout(PATIENCE).unwrap()), number);
                }
                sender.kill();
                let mut next = 200;
                eventually("the sender is gone", || {
                    while let Ok(message) = pull.recv_timeout(Duration::from_millis(1)) {
                        assert_eq!(number_of(&message), next, "{transport} {driver:?}");
                        next += 1;
                    }
                    pull.peers().is_empty()
                });
                total += u64::from(next);
                assert_eq!(pull.statistics().traffic.messages_in, total);
            }
        }
    }
}

/// A receiver is killed in mid-stream: its share is lost with it or counted, the other one's is complete.
#[test]
fn a_killed_receiver_takes_its_own_share_only() {
    if let Some((_, endpoint)) = role() {
        let context = Context::new();
        let pull = Pull::new(&context);
        pull.connect(&endpoint).unwrap();
        for count in 0.. {
            pull.recv().unwrap();
            if count == 100 {
                say("in the midst");
            }
        }
    }
    for driver in DRIVERS {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(50);
        })
        .unwrap();
        let endpoint = push.bind(&fresh("ipc")).unwrap();
        let survivor = Pull::with(&context, driven_by(driver)).unwrap();
        survivor.connect(&endpoint).unwrap();
        let mut victim = Child::spawn("a_killed_receiver_takes_its_own_share_only", "victim", &endpoint);
        push.wait_for_peers(2, PATIENCE).unwrap();
        let (sent, received) = std::thread::scope(|scope| {
            let (push, survivor) = (&push, &survivor);
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            let sender = scope.spawn(move || {
                let mut sent = 0;
                while stopped.try_recv().is_err() {
                    push.send_timeout(body(sent), PATIENCE).unwrap();
                    sent += 1;
                }
                push.send_timeout(message(&["the", "end"]), PATIENCE).unwrap();
                u64::from(sent)
            });
            let receiver = scope.spawn(move || {
                let (mut received, mut last) = (0, None);
                loop {
                    let message = survivor.recv_timeout(PATIENCE).unwrap();
                    if message.is_multipart() {
                        return received;
                    }
                    let number = number_of(&message);
                    assert!(last.is_none_or(|last| last < number));
                    last = Some(number);
                    received += 1;
                }
            });
            assert_eq!(victim.hear().as_deref(), Some("in the midst"));
            victim.kill();
            eventually("the victim is gone", || push.statistics().peers == 1);
            stop.send(()).unwrap();
            (sender.join().unwrap(), receiver.join().unwrap())
        });
        let statistics = push.statistics();
        let traffic = statistics.traffic;
        // The one message more is the end mark. What the victim had been given is known exactly.
        assert_eq!(traffic.messages_out, sent + 1, "{driver:?}");
        assert_eq!(
            push.peers()[0].traffic.messages_out,
            received + 1,
            "{driver:?}: the survivor has all of its share"
        );
        // The receiver may have a message before the sending thread has accounted for it.
        eventually("all is accounted for", || push.statistics().queued_out == 0);
        let victims = sent - received;
        assert!(traffic.dropped.disconnected <= 50 && victims > 100, "{driver:?}: {traffic:?}");
    }
}

/// A server is killed with requests in hand and started again: its clients find it, and none is stuck.
#[test]
fn clients_survive_the_death_of_their_server() {
    if let Some((_, endpoint)) = role() {
        let context = Context::new();
        let rep = Rep::new(&context);
        rep.bind(&endpoint).unwrap();
        say("here");
        loop {
            let request = rep.recv().unwrap();
            if text(&request) == "die" {
                say("dying");
                // Without an answer, until the end.
                loop {
                    std::thread::park();
                }
            }
            rep.send(request).unwrap();
        }
    }
    for driver in DRIVERS {
        for transport in ["tcp", "ipc"] {
            let endpoint = reserved(transport);
            let context = Context::new();
            let req = Req::with(&context, |o| {
                o.set_driver(driver).set_req_relaxed(true).set_req_correlate(true);
                quickly(o);
            })
            .unwrap();
            req.connect(&endpoint).unwrap();
            for round in 0..3 {
                let mut server =
                    Child::spawn("clients_survive_the_death_of_their_server", "server", &endpoint);
                assert_eq!(server.hear().as_deref(), Some("here"));
                for number in 0..5 {
                    let question = format!("{round} {number}");
                    req.send(question.clone()).unwrap();
                    assert_eq!(
                        text(&req.recv_timeout(PATIENCE).unwrap()),
                        question,
                        "{transport} {driver:?}"
                    );
                }
                req.send("die").unwrap();
                assert_eq!(server.hear().as_deref(), Some("dying"));
                server.kill();
                eventually("the server is gone", || {
                    assert_eq!(req.try_recv(), Err(RecvError::WouldBlock));
                    req.statistics().peers == 0
                });
            }
        }
    }
}

/// A killed subscriber costs the others nothing; a killed publisher's successor finds its subscribers again.
#[test]
fn publishing_survives_deaths_on_both_sides() {
    if let Some((role, endpoint)) = role() {
        let context = Context::new();
        if role == "subscriber" {
            let sub = Sub::new(&context);
            sub.subscribe("");
            sub.connect(&endpoint).unwrap();
            for count in 0.. {
                sub.recv().unwrap();
                if count == 10 {
                    say("in the midst");
                }
            }
        }
        let publisher = Pub::new(&context);
        publisher.bind(&endpoint).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        for number in 0.. {
            publisher.send(body(number)).unwrap();
        }
    }
    const TEST: &str = "publishing_survives_deaths_on_both_sides";
    for driver in DRIVERS {
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(0);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh("tcp")).unwrap();
        let sub = Sub::with(&context, driven_by(driver)).unwrap();
        sub.subscribe("");
        sub.connect(&endpoint).unwrap();
        let mut victim = Child::spawn(TEST, "subscriber", &endpoint);
        publisher.wait_for_subscribers(2, PATIENCE).unwrap();
        for number in 0..100 {
            publisher.send(body(number)).unwrap();
            assert_eq!(number_of(&sub.recv_timeout(PATIENCE).unwrap()), number, "{driver:?}");
        }
        assert_eq!(victim.hear().as_deref(), Some("in the midst"));
        victim.kill();
        eventually("the victim is gone", || publisher.subscriber_count() == 1);
        for number in 100..200 {
            publisher.send(body(number)).unwrap();
            assert_eq!(number_of(&sub.recv_timeout(PATIENCE).unwrap()), number, "{driver:?}");
        }
        // The other way round.
        let endpoint = reserved("ipc");
        let sub = Sub::with(&context, |o| {
            o.set_driver(driver);
            quickly(o);
        })
        .unwrap();
        sub.subscribe("");
        sub.connect(&endpoint).unwrap();
        for _ in 0..2 {
            let mut publisher = Child::spawn(TEST, "publisher", &endpoint);
            let mut last = number_of(&sub.recv_timeout(PATIENCE).unwrap());
            for _ in 0..100 {
                let number = number_of(&sub.recv_timeout(PATIENCE).unwrap());
                assert!(number > last, "{driver:?}");
                last = number;
            }
            publisher.kill();
            eventually("the publisher is gone", || {
                while let Ok(message) = sub.recv_timeout(Duration::from_millis(1)) {
                    number_of(&message);
                }
                sub.statistics().peers == 0
            });
        }
    }
}

/// A stale path that a killed process left behind is no obstacle to its successor.
#[test]
fn a_killed_processs_path_is_taken_over() {
    if let Some((_, endpoint)) = role() {
        let context = Context::new();
        let pull = Pull::new(&context);
        pull.bind(&endpoint).unwrap();
        say("here");
        loop {
            std::thread::park();
        }
    }
    let path = std::env::temp_dir().join(format!("tamtam-kill-{}", std::process::id()));
    let endpoint = format!("ipc://{}", path.display());
    for _ in 0..2 {
        let mut victim = Child::spawn("a_killed_processs_path_is_taken_over", "victim", &endpoint);
        assert_eq!(victim.hear().as_deref(), Some("here"));
        let context = Context::new();
        assert!(Pull::new(&context).bind(&endpoint).is_err(), "it is alive");
        victim.kill();
        assert!(path.exists());
    }
    let context = Context::new();
    let pull = Pull::new(&context);
    pull.bind(&endpoint).unwrap();
    let push = Push::new(&context);
    push.connect(&endpoint).unwrap();
    push.send("x").unwrap();
    assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "x");
    drop(pull);
    assert!(!path.exists());
}

/// A ROUTER forgets a killed client and serves its successor under the same name.
#[test]
fn a_killed_clients_successor_has_its_name() {
    if let Some((role, endpoint)) = role() {
        let context = Context::new();
        let dealer = Dealer::with(&context, |o| _ = o.set_routing_id("robot".into())).unwrap();
        dealer.connect(&endpoint).unwrap();
        dealer.send(role).unwrap();
        loop {
            let answer = dealer.recv().unwrap();
            dealer.send(answer).unwrap();
        }
    }
    for driver in DRIVERS {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_router_mandatory(true);
        })
        .unwrap();
        let endpoint = router.bind(&fresh("tcp")).unwrap();
        for life in ["first", "second", "third"] {
            let mut client = Child::spawn("a_killed_clients_successor_has_its_name", life, &endpoint);
            assert_eq!(texts(&router.recv_timeout(PATIENCE).unwrap()), ["robot", life], "{driver:?}");
            router.send(message(&["robot", "hello"])).unwrap();
            assert_eq!(texts(&router.recv_timeout(PATIENCE).unwrap()), ["robot", "hello"]);
            client.kill();
        }
        eventually("nobody is left", || router.statistics().peers == 0);
        assert!(router.send(message(&["robot", "x"])).is_err());
    }
}
