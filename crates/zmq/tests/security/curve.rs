//! CURVE: every pattern, every size, reconnections, and lists of who is let in.

use std::time::Duration;

use tamtam_zmq::SocketType::{Dealer, Pub, Pull, Push, Rep, Req, Router, Sub, XPub};
use tamtam_zmq::{
    AllowList, Context, CurveKeyPair, EventKind, HandshakeCause, Message, Options, ProtocolCode, Security,
    Socket, SocketType,
};

use super::common::{PATIENCE, eventually, fresh, message, over_the_network, reserved, texts, written};
use super::support::{failure, keys, socket};

/// Two sockets joined by CURVE; the first one binds and is the server.
fn joined(
    transport: &str,
    kinds: (SocketType, SocketType),
    change: impl Fn(&mut Options),
) -> (Context, Socket, Socket) {
    let context = Context::new();
    let (server, client) = (keys(), keys());
    let public = server.public;
    let one = socket(&context, kinds.0, |options| {
        options.set_security(Security::curve_server(server).allow(AllowList::keys([client.public])));
        change(options);
    });
    let other = socket(&context, kinds.1, |options| {
        options.set_security(Security::curve_client(client, public));
        change(options);
    });
    let endpoint = one.bind(&fresh(transport)).unwrap();
    if kinds.1 == Sub {
        other.subscribe("").unwrap();
    }
    other.connect(&endpoint).unwrap();
    (context, one, other)
}

/// Bodies of every kind: empty, around the limits of frames and buffers, and larger than a batch.
fn script() -> Vec<Message> {
    let body = |size: usize| (0..=250u8).cycle().skip(size % 251).take(size).collect::<Vec<u8>>();
    let mut messages = Vec::new();
    for size in [0, 1, 222, 223, 255, 256, 8191, 8192, 65_000, 65_536, 300_000, 3 << 20] {
        messages.push(Message::from(body(size)));
        messages
            .push(Message::from_frames([b"head".to_vec(), body(size), Vec::new(), body(size / 2)]).unwrap());
    }
    messages.extend((0..3000u32).map(|number| Message::from(&number.to_be_bytes())));
    messages
}

#[test]
fn messages_of_every_size_arrive_in_order() {
    over_the_network(|transport, driver| {
        for kinds in [(Pull, Push), (Push, Pull)] {
            let (_context, one, other) = joined(transport, kinds, |options| {
                options.set_driver(driver);
            });
            let (sender, receiver) = if kinds.0 == Push { (one, other) } else { (other, one) };
            let sending = std::thread::spawn(move || {
                script().into_iter().for_each(|message| sender.send(message).unwrap());
                written(&sender);
                assert_eq!(sender.statistics().traffic.dropped.total(), 0);
                sender
            });
            for (number, message) in script().into_iter().enumerate() {
                assert!(receiver.recv().unwrap() == message, "message {number}, {transport}, {driver:?}");
            }
            drop(sending.join().unwrap());
        }
    });
}

#[test]
fn requests_and_replies() {
    over_the_network(|transport, driver| {
        let (_context, rep, req) = joined(transport, (Rep, Req), |options| {
            options.set_driver(driver);
        });
        for round in 0..100 {
            let question = message(&["question", &round.to_string()]);
            req.send(question.clone()).unwrap();
            let received = rep.recv().unwrap();
            assert_eq!(texts(&received), texts(&question));
            rep.send(received).unwrap();
            assert_eq!(texts(&req.recv().unwrap()), texts(&question));
        }
    });
}

#[test]
fn subscriptions_and_shared_messages() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let server = keys();
        let publisher = socket(&context, XPub, |options| {
            options.set_security(Security::curve_server(server.clone())).set_driver(driver).set_send_hwm(0);
        });
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let subscribers: Vec<Socket> = (0..3)
            .map(|_| {
                let subscriber = socket(&context, Sub, |options| {
                    options.set_security(Security::curve_client(keys(), server.public)).set_receive_hwm(0);
                });
                subscriber.subscribe("a").unwrap();
                subscriber.connect(&endpoint).unwrap();
                subscriber
            })
            .collect();
        publisher.wait_for_subscribers(3, PATIENCE).unwrap();
        for number in 0..2000u32 {
            publisher.send(message(&["a", &number.to_string()])).unwrap();
            publisher.send("b").unwrap();
        }
        for subscriber in &subscribers {
            for number in 0..2000u32 {
                assert_eq!(texts(&subscriber.recv().unwrap()), ["a".to_owned(), number.to_string()]);
            }
        }
    });
}

#[test]
fn one_connection_carries_messages_both_ways_with_heartbeats_between() {
    over_the_network(|transport, driver| {
        let (_context, router, dealer) = joined(transport, (Router, Dealer), |options| {
            options.set_driver(driver).set_heartbeat_interval(Some(Duration::from_millis(1)));
            options.set_heartbeat_timeout(Some(PATIENCE));
        });
        let echo = std::thread::spawn(move || {
            for _ in 0..5000 {
                router.send(router.recv().unwrap()).unwrap();
            }
            router
        });
        for number in 0..5000u32 {
            dealer.send(Message::from(&number.to_be_bytes())).unwrap();
            if number % 2 == 1 {
                let expected = [number - 1, number];
                assert!(
                    expected
                        .map(|_| dealer.recv().unwrap())
                        .iter()
                        .zip(expected)
                        .all(|(got, number)| { got.as_slice() == number.to_be_bytes() })
                );
            }
        }
        let router = echo.join().unwrap();
        assert_eq!(dealer.statistics().traffic.reconnects, 0);
        drop(router);
    });
}

#[test]
fn the_server_may_be_the_one_that_connects() {
    let context = Context::new();
    let (server, client) = (keys(), keys());
    let push = socket(&context, Push, |options| {
        options.set_security(Security::curve_client(client, server.public));
    });
    let endpoint = push.bind(&fresh("tcp")).unwrap();
    let pull = socket(&context, Pull, |options| {
        options.set_security(Security::curve_server(server));
    });
    pull.connect(&endpoint).unwrap();
    push.send("hello").unwrap();
    assert_eq!(pull.recv().unwrap().as_slice(), b"hello");
}

#[test]
fn what_was_queued_before_there_was_a_server_is_sent_and_encrypted_then() {
    let context = Context::new();
    let (server, endpoint) = (keys(), reserved("tcp"));
    let push = socket(&context, Push, |options| {
        options.set_security(Security::curve_client(keys(), server.public));
    });
    push.connect(&endpoint).unwrap();
    for number in 0..100u32 {
        push.send(Message::from(&number.to_be_bytes())).unwrap();
    }
    for round in 0..2 {
        let pull = socket(&context, Pull, |options| {
            options.set_security(Security::curve_server(server.clone())).set_linger(Some(Duration::ZERO));
        });
        eventually("the port is free again", || pull.bind(&endpoint).is_ok());
        for number in 0..100u32 {
            assert_eq!(pull.recv().unwrap().as_slice(), number.to_be_bytes());
        }
        drop(pull);
        if round == 0 {
            eventually("the connection is lost", || {
                push.statistics().peers == 0 || push.statistics().traffic.reconnects > 0
            });
            for number in 0..100u32 {
                push.send(Message::from(&number.to_be_bytes())).unwrap();
            }
        }
    }
}

/// What was sealed for a connection that ends can go nowhere else: it is counted.
#[test]
fn every_message_is_delivered_or_queued_or_counted() {
    let context = Context::new();
    let (server, endpoint) = (keys(), reserved("tcp"));
    let push = socket(&context, Push, |options| {
        options.set_security(Security::curve_client(keys(), server.public)).set_send_hwm(0);
        options.set_send_buffer(Some(4096));
    });
    let pull = socket(&context, Pull, |options| {
        options.set_security(Security::curve_server(server.clone())).set_receive_hwm(1);
        options.set_receive_buffer(Some(4096)).set_linger(Some(Duration::ZERO));
    });
    pull.bind(&endpoint).unwrap();
    push.connect(&endpoint).unwrap();
    let sent = 400u64;
    for _ in 0..sent {
        push.send(vec![7; 10_000]).unwrap();
    }
    pull.recv().unwrap();
    pull.close();
    eventually("the connection is lost", || push.statistics().traffic.reconnects > 0);
    let statistics = push.statistics();
    let (queued, dropped) = (statistics.queued_out, statistics.traffic.dropped.disconnected);
    assert!(queued > 0 && queued < sent, "{queued}");
    assert!(dropped <= 64 * 1024 / 10_000 + 1, "a batch at most: {dropped}");
    // The rest is delivered to the next one, in whole messages.
    let pull = socket(&context, Pull, |options| {
        options.set_security(Security::curve_server(server)).set_receive_hwm(0);
    });
    eventually("the port is free again", || pull.bind(&endpoint).is_ok());
    for _ in 0..queued {
        assert_eq!(pull.recv().unwrap().byte_len(), 10_000);
    }
    written(&push);
}

#[test]
fn queued_messages_linger_until_they_are_written() {
    let (_context, pull, push) = joined("tcp", (Pull, Push), |options| {
        options.set_linger(Some(PATIENCE)).set_send_hwm(0).set_receive_hwm(0);
    });
    for number in 0..20_000u32 {
        push.send(Message::from(&number.to_be_bytes())).unwrap();
    }
    push.close();
    for number in 0..20_000u32 {
        assert_eq!(pull.recv().unwrap().as_slice(), number.to_be_bytes());
    }
}

#[test]
fn whoever_is_not_on_the_list_is_told_400() {
    let context = Context::new();
    let (server, client) = (keys(), keys());
    let path = std::env::temp_dir().join(format!("tamtam-security-allow-{}", std::process::id()));
    std::fs::write(&path, format!("# nobody\n{}\n", keys().public)).unwrap();
    let pull = socket(&context, Pull, |options| {
        let list = AllowList::file(&path).unwrap();
        options.set_security(Security::curve_server(server.clone()).allow(list));
    });
    let push = socket(&context, Push, |options| {
        options.set_security(Security::curve_client(client.clone(), server.public));
    });
    let (theirs, ours) = (pull.monitor(100), push.monitor(100));
    push.connect(&pull.bind(&fresh("tcp")).unwrap()).unwrap();
    let (cause, reason) = failure(&theirs);
    assert_eq!(cause, HandshakeCause::Authentication(400));
    assert!(reason.contains(&client.public.to_string()), "{reason}");
    assert_eq!(failure(&ours).0, HandshakeCause::Authentication(400));
    // The list changes, and the client comes again by itself.
    std::fs::write(&path, format!("{} the client\n", client.public)).unwrap();
    push.send("hello").unwrap();
    let message = pull.recv().unwrap();
    let peer = pull.peer_info(message.peer().unwrap()).unwrap();
    assert_eq!(peer.user_id.as_deref(), Some(&b"the client"[..]));
    assert_eq!(peer.mechanism, "CURVE");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_wrong_server_key_fails_on_both_sides_with_a_reason() {
    let context = Context::new();
    let pull = socket(&context, Pull, |options| {
        options.set_security(Security::curve_server(keys()));
    });
    let push = socket(&context, Push, |options| {
        options.set_security(Security::curve_client(keys(), keys().public));
    });
    let (theirs, ours) = (pull.monitor(100), push.monitor(100));
    push.connect(&pull.bind(&fresh("tcp")).unwrap()).unwrap();
    let (cause, reason) = failure(&theirs);
    assert_eq!(cause, HandshakeCause::Protocol(ProtocolCode::ZmtpCryptographic));
    assert!(reason.contains("another server key"), "{reason}");
    assert_eq!(failure(&ours).0, HandshakeCause::Closed);
}

#[test]
fn mechanisms_do_not_mix() {
    let context = Context::new();
    let secured = [
        Security::curve_server(keys()),
        Security::curve_client(keys(), keys().public),
        Security::plain_server([("admin", "secret")]),
        Security::plain_client("admin", "secret").unwrap(),
    ];
    for security in secured {
        let name = security.mechanism();
        let pull = socket(&context, Pull, |options| {
            options.set_security(security);
        });
        let monitor = pull.monitor(100);
        let push = socket(&context, Push, |_| {});
        push.connect(&pull.bind(&fresh("tcp")).unwrap()).unwrap();
        let (cause, reason) = failure(&monitor);
        assert_eq!(cause, HandshakeCause::Protocol(ProtocolCode::ZmtpMechanismMismatch), "{name}: {reason}");
    }
}

#[test]
fn old_protocol_versions_and_security_exclude_each_other() {
    let context = Context::new();
    let pull = Socket::new(&context, Pull);
    let error = pull.configure(|options| {
        options.set_security(Security::curve_server(keys())).set_version_max(tamtam_zmq::Version::V2_0);
    });
    assert!(error.unwrap_err().to_string().contains("needs at least 3.0"));
}

#[test]
fn a_monitor_tells_of_success_with_the_mechanism() {
    let (_context, pull, push) = joined("tcp", (Pull, Push), |_| {});
    let monitor = pull.monitor(100);
    push.send("hello").unwrap();
    pull.recv().unwrap();
    while let Some(event) = monitor.try_recv() {
        if let EventKind::HandshakeSucceeded { peer } = event.kind {
            assert_eq!(peer.mechanism, "CURVE");
        }
    }
}

#[test]
fn inproc_is_not_affected() {
    let context = Context::new();
    let pair: CurveKeyPair = keys();
    let publisher = socket(&context, Pub, |options| {
        options.set_security(Security::curve_server(pair)).set_xpub_nodrop(true);
    });
    let endpoint = publisher.bind(&fresh("inproc")).unwrap();
    let subscriber = socket(&context, Sub, |_| {});
    subscriber.subscribe("").unwrap();
    subscriber.connect(&endpoint).unwrap();
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    publisher.send("hello").unwrap();
    assert_eq!(subscriber.recv().unwrap().as_slice(), b"hello");
}
