//! What is still queued when a socket is closed or a context ends.

mod common;

use std::time::{Duration, Instant};

use common::wire::{RawListener, RawPeer, decoded};
use common::{DRIVERS, PATIENCE, driven_by, eventually, fresh, over_the_network, reserved, text};
use tamtam_zmq::{Context, Dealer, Driver, Options, Pub, Pull, Push, RecvError, SendError, Sub};

/// Long enough that only waiting for it in vain reaches it.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// Short enough to wait for it.
const SHORT: Duration = Duration::from_millis(50);
/// What an end that should come at once may take on a slow machine.
const AT_ONCE: Duration = Duration::from_secs(5);

fn lingering(driver: Driver, linger: Option<Duration>) -> impl Fn(&mut Options) {
    move |o| {
        o.set_driver(driver).set_linger(linger).set_reconnect_interval(Some(Duration::from_millis(5)));
    }
}

#[test]
fn closing_returns_at_once_and_delivers_all_the_same() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..100 {
            push.send(number.to_string()).unwrap();
        }
        let began = Instant::now();
        push.close();
        assert!(began.elapsed() < AT_ONCE);
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&endpoint).unwrap();
        for number in 0..100 {
            assert_eq!(
                text(&pull.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
    });
}

#[test]
fn dropping_the_context_waits_until_everything_is_delivered() {
    over_the_network(|transport, driver| {
        let listener = RawListener::bind(&reserved(transport));
        let context = Context::new();
        let push = Push::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
        push.connect(&listener.endpoint).unwrap();
        for _ in 0..100 {
            push.send(vec![7; 50_000]).unwrap();
        }
        let ending = std::thread::spawn(move || drop((push, context)));
        let mut peer = listener.accept_as("PULL");
        for _ in 0..100 {
            assert_eq!(peer.receive_message(), [vec![7; 50_000]], "{transport} {driver:?}");
        }
        assert!(peer.receive_to_end().is_empty());
        drop(peer);
        ending.join().unwrap();
    });
}

#[test]
fn linger_ends_when_its_time_is_over() {
    over_the_network(|transport, driver| {
        let began = Instant::now();
        let context = Context::new();
        let push = Push::with(&context, lingering(driver, Some(SHORT))).unwrap();
        push.connect(&reserved(transport)).unwrap();
        push.send("for nobody").unwrap();
        drop((push, context));
        let took = began.elapsed();
        assert!((SHORT..AT_ONCE).contains(&took), "{transport} {driver:?}: {took:?}");
    });
}

#[test]
fn without_linger_nothing_is_waited_for() {
    over_the_network(|transport, driver| {
        let began = Instant::now();
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, lingering(driver, Some(Duration::ZERO))).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("for nobody").unwrap();
        push.close();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&endpoint).unwrap();
        assert_eq!(pull.recv_timeout(SHORT), Err(RecvError::TimedOut), "{transport} {driver:?}");
        drop((pull, context));
        assert!(began.elapsed() < AT_ONCE);
    });
}

/// What the kernel takes at once is sent even so, and the receiver gets it.
#[test]
fn without_linger_what_the_kernel_takes_is_sent() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let mut peer;
        {
            let push = Push::with(&context, lingering(driver, Some(Duration::ZERO))).unwrap();
            peer = RawPeer::connect_as(&push.bind(&fresh(transport)).unwrap(), "PULL");
            push.wait_for_peers(1, PATIENCE).unwrap();
            for _ in 0..10 {
                push.send("x").unwrap();
            }
        }
        for _ in 0..10 {
            assert_eq!(peer.receive_message(), [b"x"], "{transport} {driver:?}");
        }
    });
}

#[test]
fn close_within_waits_for_delivery() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let listener = RawListener::bind(&reserved(transport));
        // The time given counts, and not the option.
        let push = Push::with(&context, lingering(driver, Some(Duration::ZERO))).unwrap();
        push.connect(&listener.endpoint).unwrap();
        for _ in 0..50 {
            push.send(vec![7; 50_000]).unwrap();
        }
        let closing = std::thread::spawn(move || push.close_within(PATIENCE));
        let mut peer = listener.accept_as("PULL");
        for _ in 0..50 {
            assert_eq!(peer.receive_message(), [vec![7; 50_000]]);
        }
        assert!(peer.receive_to_end().is_empty());
        drop(peer);
        assert_eq!(closing.join().unwrap(), Ok(()), "{transport} {driver:?}");
    });
}

#[test]
fn close_within_tells_what_had_to_be_given_up() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
        push.connect(&reserved(transport)).unwrap();
        for _ in 0..7 {
            push.send("12345").unwrap();
        }
        let began = Instant::now();
        let undelivered = push.close_within(SHORT).unwrap_err();
        let took = began.elapsed();
        assert!((SHORT..AT_ONCE).contains(&took), "{transport} {driver:?}: {took:?}");
        assert_eq!((undelivered.messages, undelivered.bytes), (7, 7 * 7), "two octets of framing each");
        assert!(undelivered.to_string().contains('7'));
    });
}

/// A receiver that has stopped to read keeps what it has not taken from being called delivered.
#[test]
fn close_within_tells_what_a_stuck_receiver_did_not_take() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let mut peer = RawPeer::connect_as(&push.bind(&fresh(transport)).unwrap(), "PULL");
        push.wait_for_peers(1, PATIENCE).unwrap();
        let mut sent: u64 = 0;
        while push.try_send(vec![7; 100_000]).is_ok() {
            sent += 1;
        }
        let undelivered = push.close_within(SHORT).unwrap_err();
        let arrived = decoded(&peer.receive_to_end()).0.len() as u64;
        assert_eq!(arrived + undelivered.messages, sent, "{transport} {driver:?}");
    });
}

#[test]
fn a_socket_with_nothing_to_say_closes_at_once() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let began = Instant::now();
        for _ in 0..5 {
            let push = Push::with(&context, lingering(driver, None)).unwrap();
            push.connect(&reserved(transport)).unwrap();
            push.close_within(FOR_EVER).unwrap();
            let pull = Pull::with(&context, lingering(driver, None)).unwrap();
            let _peer = RawPeer::connect_as(&pull.bind(&fresh(transport)).unwrap(), "PUSH");
            pull.wait_for_peers(1, PATIENCE).unwrap();
            pull.close_within(FOR_EVER).unwrap();
        }
        assert!(began.elapsed() < AT_ONCE, "{transport} {driver:?}");
    });
}

#[test]
fn shutting_down_keeps_its_deadline_and_tells_what_was_lost() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, lingering(driver, None)).unwrap();
        push.connect(&endpoint).unwrap();
        for _ in 0..3 {
            push.send("12345").unwrap();
        }
        let began = Instant::now();
        let error = context.shutdown(SHORT).unwrap_err();
        let took = began.elapsed();
        assert!((SHORT..AT_ONCE).contains(&took), "{transport} {driver:?}: {took:?}");
        let told = error.to_string();
        assert!(told.contains("3 messages") && told.contains("21 bytes"), "{told}");
        assert!(context.is_shut_down());
        assert!(matches!(push.send("x"), Err(SendError::Terminated(_))));
        // Again, from a clone: nothing is left to wait for, and what was lost is told again.
        let began = Instant::now();
        assert!(context.clone().shutdown(FOR_EVER).is_err());
        drop((push, context));
        assert!(began.elapsed() < AT_ONCE);
    });
}

/// A socket that was closed before lingers no longer than the shut-down allows.
#[test]
fn shutting_down_bounds_sockets_that_were_closed_before() {
    for driver in DRIVERS {
        let context = Context::new();
        let push = Push::with(&context, lingering(driver, None)).unwrap();
        push.connect(&reserved("ipc")).unwrap();
        push.send("for nobody").unwrap();
        push.close();
        let began = Instant::now();
        context.shutdown(SHORT).unwrap_err();
        let ended = std::thread::spawn(move || drop(context));
        eventually("the context ends", || ended.is_finished());
        assert!(began.elapsed() < AT_ONCE, "{driver:?}: {:?}", began.elapsed());
    }
}

#[test]
fn shutting_down_with_nothing_to_send_is_quick_and_good() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, lingering(driver, None)).unwrap();
        let push = Push::with(&context, lingering(driver, None)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        push.send("x").unwrap();
        pull.recv_timeout(PATIENCE).unwrap();
        let began = Instant::now();
        context.shutdown(FOR_EVER).unwrap();
        assert!(began.elapsed() < AT_ONCE, "{transport} {driver:?}");
        assert_eq!(pull.recv(), Err(RecvError::Terminated));
        context.shutdown(FOR_EVER).unwrap();
    });
}

/// Within a context a closed sender's messages are with the receiver already.
#[test]
fn inproc_messages_outlive_their_sender() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh("inproc")).unwrap();
        let push = Push::with(&context, lingering(driver, Some(Duration::ZERO))).unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..100 {
            push.send(number.to_string()).unwrap();
        }
        push.close();
        for number in 0..100 {
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), number.to_string(), "{driver:?}");
        }
        assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
        assert!(pull.peers().is_empty());
    }
}

/// A publisher's last words reach its subscribers; a subscriber that goes holds nobody up.
#[test]
fn a_publishers_last_words_arrive() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let subs = [(); 2].map(|()| {
            let sub = Sub::with(&context, lingering(driver, None)).unwrap();
            sub.subscribe("");
            sub.connect(&endpoint).unwrap();
            sub
        });
        publisher.wait_for_subscribers(2, PATIENCE).unwrap();
        for number in 0..100 {
            publisher.send(number.to_string()).unwrap();
        }
        publisher.close();
        for sub in subs {
            for number in 0..100 {
                assert_eq!(
                    text(&sub.recv_timeout(PATIENCE).unwrap()),
                    number.to_string(),
                    "{transport} {driver:?}"
                );
            }
        }
    });
}

/// What a client has sent arrives although it leaves before its server has looked, with answers unread on their way.
#[test]
fn a_client_that_leaves_at_once_is_heard_all_the_same() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let server = Dealer::with(&context, driven_by(driver)).unwrap();
        let endpoint = server.bind(&fresh(transport)).unwrap();
        for round in 0..5 {
            let client = Dealer::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
            client.connect(&endpoint).unwrap();
            client.wait_for_peers(1, PATIENCE).unwrap();
            server.send_timeout("an answer that nobody reads", PATIENCE).unwrap();
            for _ in 0..20 {
                client.send(vec![round; 5000]).unwrap();
            }
            client.close_within(PATIENCE).unwrap();
            for _ in 0..20 {
                assert_eq!(
                    server.recv_timeout(PATIENCE).unwrap().as_slice(),
                    [round; 5000],
                    "{transport} {driver:?}"
                );
            }
        }
    });
}

/// An endpoint that is taken back before anybody is there: what was sent to it is still sent, once, and nothing more.
#[test]
fn what_was_sent_before_disconnecting_is_delivered_once() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..100 {
            push.send(number.to_string()).unwrap();
        }
        push.disconnect(&endpoint).unwrap();
        assert!(push.disconnect(&endpoint).is_err(), "{transport} {driver:?}: it is taken back already");
        assert!(matches!(push.try_send("nobody takes more"), Err(SendError::Full(_))));
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&endpoint).unwrap();
        for number in 0..100 {
            assert_eq!(
                text(&pull.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
        eventually("it is gone", || push.peers().is_empty());
        assert_eq!(pull.recv_timeout(SHORT), Err(RecvError::TimedOut), "{transport} {driver:?}");
        // The same place may be connected to anew.
        push.connect(&endpoint).unwrap();
        push.send("anew").unwrap();
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "anew");
    });
}

#[test]
fn without_linger_disconnecting_gives_up_what_waits() {
    over_the_network(|transport, driver| {
        for linger in [Duration::ZERO, SHORT] {
            let context = Context::new();
            let endpoint = reserved(transport);
            let push = Push::with(&context, lingering(driver, Some(linger))).unwrap();
            push.connect(&endpoint).unwrap();
            push.send("for nobody").unwrap();
            push.disconnect(&endpoint).unwrap();
            assert!(!linger.is_zero() || push.peers().is_empty());
            eventually("it is given up", || push.peers().is_empty());
            assert_eq!(push.statistics().traffic.dropped.disconnected, 1, "{transport} {driver:?}");
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            pull.bind(&endpoint).unwrap();
            assert_eq!(pull.recv_timeout(SHORT), Err(RecvError::TimedOut), "{transport} {driver:?}");
        }
    });
}

/// Closing the socket afterwards waits as long as it would without.
#[test]
fn what_waits_for_an_endpoint_taken_back_waits_through_closing() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("the last word").unwrap();
        push.disconnect(&endpoint).unwrap();
        let ending = std::thread::spawn(move || push.close_within(PATIENCE));
        let mut peer = RawListener::bind(&endpoint).accept_as("PULL");
        assert_eq!(peer.receive_message(), [b"the last word"], "{transport} {driver:?}");
        assert!(peer.receive_to_end().is_empty());
        drop(peer);
        assert_eq!(ending.join().unwrap(), Ok(()));
    });
}

/// Whoever does not read its answers is not cut off from what it is sent, when the endpoint goes.
#[test]
fn unbinding_delivers_what_is_queued_and_receives_no_more() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let server = Dealer::with(&context, lingering(driver, Some(FOR_EVER))).unwrap();
        let endpoint = server.bind(&fresh(transport)).unwrap();
        let mut client = RawPeer::connect_as(&endpoint, "DEALER");
        server.wait_for_peers(1, PATIENCE).unwrap();
        for _ in 0..50 {
            server.send(vec![7; 50_000]).unwrap();
        }
        server.unbind(&endpoint).unwrap();
        client.send_message(&[b"too late"]);
        for _ in 0..50 {
            assert_eq!(client.receive_message(), [vec![7; 50_000]], "{transport} {driver:?}");
        }
        assert!(client.receive_to_end().is_empty());
        drop(client);
        eventually("it is gone", || server.peers().is_empty());
        assert_eq!(server.try_recv(), Err(RecvError::WouldBlock), "{transport} {driver:?}");
    });
}
