//! RFC 30/PIPELINE: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text, texts,
};
use tamtam_zmq::{Context, Pull, Push, RecvError, SendError, Socket, SocketType};

//= 30/PIPELINE, the PUSH socket type
//# MAY be connected to any number of PULL peers, and SHALL only send messages.
//= 30/PIPELINE, the PULL socket type
//# MAY be connected to any number of PUSH peers, and SHALL only receive messages.
#[test]
fn push_only_sends_and_pull_only_receives() {
    let context = Context::new();
    let push = Socket::new(&context, SocketType::Push);
    let pull = Socket::new(&context, SocketType::Pull);
    push.connect(&pull.bind(&fresh("ipc")).unwrap()).unwrap();
    assert_eq!(push.try_recv(), Err(RecvError::Unsupported));
    assert_eq!(push.recv_timeout(PATIENCE), Err(RecvError::Unsupported));
    let Err(SendError::Unsupported(back)) = pull.send("x") else { panic!("a PULL does not send") };
    assert_eq!(text(&back), "x");
    assert!(!push.readiness().readable);
    assert!(!pull.readiness().writable);
}

//= 30/PIPELINE, the PUSH socket type
//# SHALL not filter or modify outgoing messages in any way.
//= 30/PIPELINE, the PULL socket type
//# SHALL not filter or modify incoming messages in any way.
//= 30/PIPELINE, the PULL socket type
//# SHALL deliver these to its calling application.
#[test]
fn everything_arrives_as_it_is() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let large = "x".repeat(1_000_000);
        for frames in [vec![""], vec!["\u{1}", "\u{0}"], vec!["", "", ""], vec![&large, "a", &large]] {
            push.send(message(&frames)).unwrap();
            assert!(texts(&pull.recv_timeout(PATIENCE).unwrap()) == frames, "{transport} {driver:?}");
        }
    });
}

//= 30/PIPELINE, the PUSH socket type
//# SHALL maintain an outgoing message queue for each connected peer.
//= 30/PIPELINE, the PUSH socket type
//# SHALL consider a peer as available only when it has a outgoing queue that is not full.
#[test]
fn push_passes_a_full_peer_over() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(3);
        })
        .unwrap();
        let endpoint = push.bind(&fresh(transport)).unwrap();
        let _slow = RawPeer::connect_as(&endpoint, "PULL");
        push.wait_for_peers(1, PATIENCE).unwrap();
        while push.try_send(vec![0; 100_000]).is_ok() {}
        let stuck = push.statistics().traffic.messages_out;
        let mut quick = RawPeer::connect_as(&endpoint, "PULL");
        push.wait_for_peers(2, PATIENCE).unwrap();
        for _ in 0..50 {
            push.send_timeout(vec![1; 1000], PATIENCE).unwrap();
            assert_eq!(quick.receive_message(), [vec![1; 1000]], "{transport} {driver:?}");
        }
        let traffic = push.statistics().traffic;
        assert_eq!((traffic.messages_out, traffic.dropped.total()), (stuck + 50, 0));
    });
}

//= 30/PIPELINE, the PUSH socket type
//# SHALL route outgoing messages to available peers using a round-robin strategy.
#[test]
fn push_sends_to_its_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let pulls: Vec<Pull> = (0..3).map(|_| Pull::with(&context, driven_by(driver)).unwrap()).collect();
        for pull in &pulls {
            push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        }
        for number in 0..30 {
            push.send(number.to_string()).unwrap();
        }
        for (offset, pull) in pulls.iter().enumerate() {
            for turn in 0..10 {
                let expected = (3 * turn + offset).to_string();
                assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), expected, "{transport} {driver:?}");
            }
            assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
        }
    });
}

//= 30/PIPELINE, the PUSH socket type
//# SHALL create this queue when initiating an outgoing connection to a peer, and SHALL maintain the queue whether or not
//# the connection is established.
#[test]
fn push_keeps_the_queue_of_a_peer_that_it_connects_to() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        push.connect(&endpoint).unwrap();
        for round in 0..3 {
            for number in 0..10 {
                push.try_send(format!("{round} {number}")).unwrap();
            }
            assert_eq!(push.statistics().queued_out, 10);
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            pull.bind(&endpoint).unwrap();
            for number in 0..10 {
                let expected = format!("{round} {number}");
                assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), expected, "{transport} {driver:?}");
            }
            drop(pull);
            eventually("the peer is gone", || push.statistics().peers == 0);
        }
        let traffic = push.statistics().traffic;
        assert_eq!((traffic.dropped.total(), traffic.messages_out), (0, 30));
    });
}

//= 30/PIPELINE, the PUSH socket type
//# SHALL create this queue when a peer connects to it. If this peer disconnects, the PUSH socket SHALL destroy its queue
//# and SHALL discard any messages it contains.
#[test]
fn push_destroys_the_queue_of_a_peer_that_was_accepted_and_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let endpoint = push.bind(&fresh(transport)).unwrap();
        let peer = RawPeer::connect_as(&endpoint, "PULL");
        push.wait_for_peers(1, PATIENCE).unwrap();
        while push.try_send(vec![0; 100_000]).is_ok() {}
        let queued = push.statistics().queued_out;
        drop(peer);
        eventually("the peer is gone", || push.statistics().peers == 0);
        let statistics = push.statistics();
        assert_eq!(
            (statistics.queued_out, statistics.traffic.dropped.disconnected),
            (0, queued),
            "{transport} {driver:?}"
        );
        let mut next = RawPeer::connect_as(&endpoint, "PULL");
        push.send_timeout("for the next one", PATIENCE).unwrap();
        assert_eq!(next.receive_message(), [b"for the next one"]);
    });
}

//= 30/PIPELINE, the PUSH socket type
//# SHALL block on sending, or return a suitable error, when it has no available peers.
//= 30/PIPELINE, the PUSH socket type
//# SHALL not accept further messages when it has no available peers.
//= 30/PIPELINE, the PUSH socket type
//# SHALL NOT discard messages that it cannot queue.
#[test]
fn push_without_available_peers_waits_and_keeps_the_message() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let endpoint = push.bind(&fresh(transport)).unwrap();
        assert!(!push.readiness().writable);
        let Err(SendError::Full(back)) = push.try_send(message(&["a", "b"])) else {
            panic!("there is no peer")
        };
        let Err(SendError::TimedOut(back)) = push.send_timeout(back, A_WHILE) else {
            panic!("there is no peer")
        };
        assert_eq!(texts(&back), ["a", "b"]);
        let sender = std::thread::spawn(move || {
            push.send_timeout(back, PATIENCE).unwrap();
            push
        });
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.connect(&endpoint).unwrap();
        assert_eq!(texts(&pull.recv_timeout(PATIENCE).unwrap()), ["a", "b"], "{transport} {driver:?}");
        assert_eq!(sender.join().unwrap().statistics().traffic.dropped.total(), 0);
    });
}

//= 30/PIPELINE, the PULL socket type
//# SHALL maintain an incoming queue for each connected peer.
//= 30/PIPELINE, the PULL socket type
//# SHALL receive incoming messages from its peers using a fair-queuing strategy.
#[test]
fn pull_receives_from_its_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        let pushes: Vec<Push> = (0..4).map(|_| Push::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, push) in pushes.iter().enumerate() {
            push.connect(&endpoint).unwrap();
            // The first one has much more to say than the others.
            for _ in 0..if number == 0 { 100 } else { 5 } {
                push.send(number.to_string()).unwrap();
            }
        }
        pull.wait_for_peers(4, PATIENCE).unwrap();
        arrived(&pull, 115);
        for _ in 0..5 {
            let mut round: Vec<String> =
                (0..4).map(|_| text(&pull.recv_timeout(PATIENCE).unwrap())).collect();
            round.sort();
            assert_eq!(round, ["0", "1", "2", "3"], "{transport} {driver:?}");
        }
        for _ in 0..95 {
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "0");
        }
    });
}

//= 30/PIPELINE, the PULL socket type
//# SHALL create this queue when initiating an outgoing connection to a peer, and SHALL maintain the queue whether or not
//# the connection is established.
#[test]
fn pull_keeps_what_it_received_when_the_peer_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let listener = RawListener::bind(&reserved(transport));
        pull.connect(&listener.endpoint).unwrap();
        let mut peer = listener.accept_as("PUSH");
        for number in 0..10 {
            peer.send_message(&[number.to_string().as_bytes()]);
        }
        drop((peer, listener));
        for number in 0..10 {
            assert_eq!(
                text(&pull.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
    });
}

//= 30/PIPELINE, the PULL socket type
//# SHALL create this queue when a peer connects to it. If this peer disconnects, the PULL socket SHALL destroy its queue
//# and SHALL discard any messages it contains.
/// As with libzmq, messages that arrived whole are delivered all the same: to discard them would help nobody. A part of
/// a message is discarded, and then nothing is left of the peer.
#[test]
fn pull_delivers_the_whole_messages_of_a_peer_that_goes_and_no_part() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        if matches!(transport, "inproc" | "ws") {
            let push = Push::with(&context, driven_by(driver)).unwrap();
            push.connect(&endpoint).unwrap();
            (0..10).for_each(|number| push.send(number.to_string()).unwrap());
        } else {
            let mut peer = RawPeer::connect_as(&endpoint, "PUSH");
            (0..10).for_each(|number| peer.send_message(&[number.to_string().as_bytes()]));
            peer.send(b"\x01\x01a\x00\x05unfi");
        }
        for number in 0..10 {
            assert_eq!(
                text(&pull.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
        assert_eq!(pull.recv_timeout(A_WHILE), Err(RecvError::TimedOut));
        assert!(pull.peers().is_empty());
    });
}
