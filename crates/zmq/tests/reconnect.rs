//! Connections that are lost, refused, or come late.

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::wire::{RawListener, decoded};
use common::{
    A_WHILE, DRIVERS, PATIENCE, driven_by, eventually, everywhere, over_the_network, reserved, text, written,
};
use tamtam_zmq::{
    Context, Dealer, Driver, EventKind, Message, Options, PeerState, Pub, Pull, Push, RecvError, Rep, Req,
    SendError, Sub,
};

/// Of a message that is written from where it stands.
const BODY: usize = 40_010;

fn quickly(driver: Driver) -> impl Fn(&mut Options) {
    move |o| {
        o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        o.set_reconnect_interval_max(Some(Duration::from_millis(20)));
    }
}

#[test]
fn everything_queued_before_the_connection_arrives_in_order() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, quickly(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..1000u32 {
            let size = [0, 10, 300, 9000][number as usize % 4];
            push.try_send([number.to_be_bytes().to_vec(), vec![1; size]].concat()).unwrap();
        }
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&endpoint).unwrap();
        for number in 0..1000u32 {
            let received = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(received.as_slice()[..4], number.to_be_bytes(), "{transport} {driver:?}");
        }
        assert_eq!(push.statistics().traffic.dropped.total(), 0);
    });
}

/// The peer ends the connection in an orderly way while much is queued. What it got plus what the next one gets is
/// everything, once, in order: the unfinished message is sent again from its start.
#[test]
fn an_orderly_end_of_a_connection_loses_and_doubles_nothing() {
    for sizes in [&[1usize][..], &[100, 100, 9000], &[20_000], &[0, 8191, 8192, 70_000, 3], &[500, 1_000_000]]
    {
        over_the_network(|transport, driver| {
            let context = Context::new();
            let listener = RawListener::bind(&reserved(transport));
            let push = Push::with(&context, |o| {
                quickly(driver)(o);
                o.set_send_buffer(Some(128 * 1024)).set_send_hwm(300);
            })
            .unwrap();
            push.connect(&listener.endpoint).unwrap();
            let mut next = 0u32;
            let mut received = Vec::new();
            for round in 0..4 {
                let mut peer = listener.accept_as("PULL");
                // Until the queue is full, or more than the kernel's buffers take.
                let enough = 3000.min(2_000_000 * sizes.len() / sizes.iter().sum::<usize>());
                for _ in 0..enough {
                    let size = sizes[next as usize % sizes.len()];
                    let frames =
                        [next.to_be_bytes().to_vec(), vec![u8::try_from(next % 256).unwrap(); size], vec![]];
                    if push.try_send(Message::from_frames(frames).unwrap()).is_err() {
                        break;
                    }
                    next += 1;
                }
                if round < 3 {
                    peer.finish_sending();
                } else {
                    push.as_socket().flush();
                    written_to(&push, &mut peer, &mut received, next);
                    continue;
                }
                let bytes = peer.receive_to_end();
                let (messages, _unfinished) = decoded(&bytes);
                received.extend(messages);
            }
            assert_eq!(received.len(), next as usize, "{transport} {driver:?} {sizes:?}");
            for (number, frames) in (0..next).zip(&received) {
                assert_eq!(frames.len(), 3);
                assert_eq!(frames[0], number.to_be_bytes(), "{transport} {driver:?} {sizes:?}");
                let size = sizes[number as usize % sizes.len()];
                assert!(frames[1] == vec![u8::try_from(number % 256).unwrap(); size]);
            }
            assert_eq!(push.statistics().traffic.dropped.total(), 0);
        });
    }
}

/// The last connection takes all the rest.
fn written_to(push: &Push, peer: &mut common::wire::RawPeer, received: &mut Vec<Vec<Vec<u8>>>, count: u32) {
    while received.len() < count as usize {
        received.push(peer.receive_message());
    }
    written(push);
}

/// Connections break at any moment under a sender that never pauses: what remains is counted right, and at last
/// everything goes out again.
///
/// Whether the sender leaves the message to the queue at once, stays with a kernel that takes no more, or has it written from
/// where it stands.
#[test]
fn the_account_is_right_when_connections_break_under_a_busy_sender() {
    let ways: [fn(&Push, Vec<u8>) -> bool; 3] = [
        |push, body| push.send_timeout(body, Duration::from_millis(50)).is_ok(),
        |push, body| push.send(body).is_ok(),
        |push, body| {
            let (number, rest) = body.split_at(40_000);
            push.as_socket().send_slices(&[number, rest], true).is_ok()
        },
    ];
    for send in ways {
        breaking(send);
    }
}

fn breaking(send: fn(&Push, Vec<u8>) -> bool) {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let listener = RawListener::bind(&reserved(transport));
        let push = Push::with(&context, |o| {
            quickly(driver)(o);
            o.set_send_hwm(100).set_send_buffer(Some(128 * 1024));
            o.set_send_timeout(Some(Duration::from_millis(50)));
        })
        .unwrap();
        push.connect(&listener.endpoint).unwrap();
        let rounds = 12;
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut sent = 0u32;
                while push.statistics().traffic.reconnects < rounds {
                    let body = [sent.to_be_bytes().to_vec(), vec![0; BODY - 4]].concat();
                    if send(&push, body) {
                        sent += 1;
                    }
                }
                push.send_timeout("end", PATIENCE).unwrap();
                sent
            });
            let mut seen = BTreeMap::new();
            let mut last = None;
            let take =
                |messages: Vec<Vec<Vec<u8>>>, seen: &mut BTreeMap<u32, u32>, last: &mut Option<u32>| {
                    for frames in messages {
                        assert_eq!(
                            frames.iter().map(Vec::len).sum::<usize>(),
                            BODY,
                            "{transport} {driver:?}: a damaged message"
                        );
                        let number = u32::from_be_bytes(frames[0][..4].try_into().unwrap());
                        assert!(
                            last.is_none_or(|last| last < number),
                            "{transport} {driver:?}: {number} after {last:?}"
                        );
                        *last = Some(number);
                        *seen.entry(number).or_default() += 1;
                    }
                };
            for round in 0..rounds {
                let mut peer = listener.accept_as("PULL");
                let bytes = peer.receive(BODY * (1 + usize::try_from(round % 7).unwrap()));
                let (messages, _) = decoded(&bytes);
                take(messages, &mut seen, &mut last);
                // Without reading the rest: this connection breaks with data on its way.
            }
            let mut peer = listener.accept_as("PULL");
            loop {
                let message = peer.receive_message();
                if message == [b"end"] {
                    break;
                }
                take(vec![message], &mut seen, &mut last);
            }
            written(&push);
            let sent = sender.join().unwrap();
            assert_eq!(last, sent.checked_sub(1), "{transport} {driver:?}: the newest is not lost");
            assert!(seen.values().all(|&times| times == 1), "nothing comes twice");
        });
        let statistics = push.statistics();
        assert_eq!(
            (statistics.queued_out, statistics.traffic.dropped.total()),
            (0, 0),
            "{transport} {driver:?}"
        );
        push.close_within(PATIENCE).unwrap();
    });
}

#[test]
fn a_client_finds_its_restarted_server_again() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let req = Req::with(&context, quickly(driver)).unwrap();
        req.connect(&endpoint).unwrap();
        for round in 0..3 {
            let rep = Rep::with(&context, driven_by(driver)).unwrap();
            rep.bind(&endpoint).unwrap();
            req.send(round.to_string()).unwrap();
            assert_eq!(
                text(&rep.recv_timeout(PATIENCE).unwrap()),
                round.to_string(),
                "{transport} {driver:?}"
            );
            rep.send("answer").unwrap();
            req.recv_timeout(PATIENCE).unwrap();
            drop(rep);
            eventually("the server is gone", || req.statistics().peers == 0);
        }
    });
}

#[test]
fn subscriptions_come_back_with_the_publisher() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let sub = Sub::with(&context, quickly(driver)).unwrap();
        sub.subscribe("a");
        sub.connect(&endpoint).unwrap();
        for round in 0..3 {
            let publisher = Pub::with(&context, driven_by(driver)).unwrap();
            publisher.bind(&endpoint).unwrap();
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            publisher.send("b").unwrap();
            publisher.send(format!("a{round}")).unwrap();
            assert_eq!(
                text(&sub.recv_timeout(PATIENCE).unwrap()),
                format!("a{round}"),
                "{transport} {driver:?}"
            );
            drop(publisher);
            eventually("the publisher is gone", || sub.statistics().peers == 0);
        }
        assert_eq!(sub.statistics().traffic.reconnects, 3);
    });
}

/// Delays double up to the ceiling, each drawn between half and one and a half of its nominal value.
#[test]
fn attempts_are_repeated_with_growing_delays() {
    for transport in ["tcp", "ipc"] {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_reconnect_interval(Some(Duration::from_millis(4)));
            o.set_reconnect_interval_max(Some(Duration::from_millis(32)));
        })
        .unwrap();
        let monitor = push.monitor(1000);
        push.connect(&reserved(transport)).unwrap();
        let mut delays = Vec::new();
        while delays.len() < 7 {
            let event = monitor.recv_timeout(PATIENCE).unwrap();
            if let EventKind::ConnectRetried { after, reason } = event.kind {
                assert!(!reason.is_empty());
                delays.push((event.at, after));
            }
        }
        for (number, nominal) in [4, 8, 16, 32, 32, 32, 32].into_iter().enumerate() {
            let nominal = Duration::from_millis(nominal);
            let (at, after) = delays[number];
            assert!(
                (nominal / 2..=nominal * 3 / 2).contains(&after),
                "{transport}: {after:?} is not about {nominal:?}"
            );
            if let Some((next, _)) = delays.get(number + 1) {
                assert!(*next - at >= after, "{transport}: the attempt came before its time");
            }
        }
    }
}

/// A connection that stood resets the delay.
#[test]
fn a_success_resets_the_delay() {
    let context = Context::new();
    let listener = RawListener::bind(&reserved("ipc"));
    let push = Push::with(&context, |o| {
        o.set_reconnect_interval(Some(Duration::from_millis(2)));
        o.set_reconnect_interval_max(Some(Duration::from_secs(60)));
    })
    .unwrap();
    let monitor = push.monitor(1000);
    push.connect(&listener.endpoint).unwrap();
    for _ in 0..12 {
        let mut peer = listener.accept();
        peer.handshake("PULL", "");
    }
    let slowest = std::iter::from_fn(|| monitor.try_recv())
        .filter_map(|event| match event.kind {
            EventKind::ConnectRetried { after, .. } => Some(after),
            _ => None,
        })
        .max();
    assert!(slowest.unwrap() <= Duration::from_millis(3), "{slowest:?}");
}

#[test]
fn without_an_interval_nothing_is_repeated() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(None);
        })
        .unwrap();
        push.connect(&reserved(transport)).unwrap();
        eventually("it is given up", || push.peers().is_empty());
        assert!(matches!(push.try_send("x"), Err(SendError::Full(_))), "{transport} {driver:?}");
    });
}

/// A wrong socket type, and a stranger that speaks something else, end one attempt and not the endpoint.
#[test]
fn the_right_peer_is_found_where_a_wrong_one_was() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let dealer = Dealer::with(&context, quickly(driver)).unwrap();
        let monitor = dealer.monitor(1000);
        dealer.connect(&endpoint).unwrap();
        dealer.send("hello").unwrap();
        let wrong = Pull::with(&context, driven_by(driver)).unwrap();
        wrong.bind(&endpoint).unwrap();
        failed_handshake(&monitor);
        drop(wrong);
        let stranger = RawListener::bind(&endpoint);
        let mut peer = stranger.accept();
        peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        peer.receive_to_end();
        failed_handshake(&monitor);
        drop((peer, stranger));
        if let Some(path) = endpoint.strip_prefix("ipc:///") {
            std::fs::remove_file(path).unwrap();
        }
        let right = Dealer::with(&context, driven_by(driver)).unwrap();
        right.bind(&endpoint).unwrap();
        assert_eq!(text(&right.recv_timeout(PATIENCE).unwrap()), "hello", "{transport} {driver:?}");
        assert!(dealer.statistics().traffic.handshake_failures >= 2);
    });
}

fn failed_handshake(monitor: &tamtam_zmq::Monitor) {
    loop {
        if let EventKind::HandshakeFailed { reason, .. } = monitor.recv_timeout(PATIENCE).unwrap().kind {
            assert!(!reason.is_empty());
            return;
        }
    }
}

/// With `immediate`, only complete connections get messages.
#[test]
fn with_immediate_nothing_is_queued_for_those_who_are_not_there() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, |o| {
            quickly(driver)(o);
            o.set_immediate(true);
        })
        .unwrap();
        push.connect(&endpoint).unwrap();
        assert!(
            matches!(push.send_timeout("x", A_WHILE), Err(SendError::TimedOut(_))),
            "{transport} {driver:?}"
        );
        for round in 0..2 {
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            pull.bind(&endpoint).unwrap();
            push.send_timeout(round.to_string(), PATIENCE).unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), round.to_string());
            drop(pull);
            eventually("the peer is gone", || push.statistics().peers == 0);
            assert!(matches!(push.try_send("x"), Err(SendError::Full(_))), "{transport} {driver:?}");
        }
    });
}

/// An attempt to connect takes no longer than it may. Nobody accepts: the backlog is full.
#[test]
fn an_attempt_to_connect_has_an_end() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let fillers: Vec<socket2::Socket> = (0..4)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            socket
        })
        .collect();
    let context = Context::new();
    let push = Push::with(&context, |o| {
        o.set_connect_timeout(Some(Duration::from_millis(30)));
    })
    .unwrap();
    let monitor = push.monitor(100);
    let began = Instant::now();
    push.connect(&format!("tcp://{address}")).unwrap();
    loop {
        let event = monitor.recv_timeout(PATIENCE).unwrap();
        if let EventKind::ConnectRetried { reason, .. } = event.kind {
            assert!(reason.contains("timeout"), "{reason}");
            break;
        }
    }
    assert!(began.elapsed() >= Duration::from_millis(30));
    drop(fillers);
}

/// What waits for a peer can be seen while there is none.
#[test]
fn a_waiting_connection_can_be_seen() {
    for driver in DRIVERS {
        let context = Context::new();
        let endpoint = reserved("ipc");
        let push = Push::with(&context, |o| {
            o.set_driver(driver)
                .set_linger(Some(Duration::ZERO))
                .set_reconnect_interval(Some(Duration::from_secs(60)));
            o.set_reconnect_interval_max(None);
        })
        .unwrap();
        push.connect(&endpoint).unwrap();
        push.try_send("x").unwrap();
        eventually("the first attempt has failed", || {
            push.peers().first().is_some_and(|peer| peer.state == PeerState::Waiting)
        });
        let peers = push.peers();
        assert_eq!((peers[0].endpoint.as_str(), peers[0].queued_out), (endpoint.as_str(), 1), "{driver:?}");
        assert_eq!(push.statistics().peers, 0);
        assert_eq!(push.wait_for_peers(1, Duration::ZERO).unwrap_err().attached, 0);
    }
}

/// Replies to requests of a lost connection do not reach the wrong one.
#[test]
fn a_dealer_gets_nothing_that_was_meant_for_its_former_connection() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let dealer = Dealer::with(&context, quickly(driver)).unwrap();
        dealer.connect(&endpoint).unwrap();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        rep.bind(&endpoint).unwrap();
        dealer.send(common::message(&["", "question"])).unwrap();
        rep.recv_timeout(PATIENCE).unwrap();
        dealer.disconnect(&endpoint).unwrap();
        eventually("the client is gone", || rep.statistics().peers == 0);
        dealer.connect(&endpoint).unwrap();
        rep.wait_for_peers(1, PATIENCE).unwrap();
        rep.send("too late").unwrap();
        assert_eq!(dealer.recv_timeout(A_WHILE), Err(RecvError::TimedOut), "{transport} {driver:?}");
        assert_eq!(rep.statistics().traffic.dropped.unroutable, 1);
    });
}
