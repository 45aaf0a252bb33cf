//! RFC 28/REQREP, REQ and REP: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text, texts,
};
use tamtam_zmq::{Context, Dealer, Message, RecvError, Rep, Req, Router, SendError};

//= 28/REQREP, the REQ socket type
//# SHALL send and then receive exactly one message at a time.
#[test]
fn req_sends_and_then_receives_exactly_one_message() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        for _ in 0..3 {
            assert_eq!(req.try_recv(), Err(RecvError::OutOfTurn));
            assert_eq!(req.recv_timeout(A_WHILE), Err(RecvError::OutOfTurn));
            req.send("question").unwrap();
            let Err(SendError::OutOfTurn(back)) = req.send("another question") else {
                panic!("it was not its turn")
            };
            assert_eq!(text(&back), "another question");
            rep.recv_timeout(PATIENCE).unwrap();
            rep.send("answer").unwrap();
            assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "answer");
        }
    });
}

//= 28/REQREP, the REQ socket type
//# SHALL send and then receive exactly one message at a time.
/// Asking whether a message could be received receives nothing, and changes nobody's turn.
#[test]
fn a_look_at_the_readiness_changes_nobodys_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        req.send("question").unwrap();
        eventually("the question is there", || rep.readiness().readable);
        assert!(
            !rep.readiness().writable,
            "{transport} {driver:?}: nothing was received that could be answered"
        );
        assert!(matches!(rep.try_send("answer to nothing"), Err(SendError::OutOfTurn(_))));
        assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), "question");
        assert!(rep.readiness().writable);
        rep.send("answer").unwrap();
        eventually("the answer is there", || req.readiness().readable);
        assert!(!req.readiness().writable, "{transport} {driver:?}: the answer was not received yet");
        assert!(matches!(req.try_send("next"), Err(SendError::OutOfTurn(_))));
        assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "answer");
        assert!(req.readiness().writable);
    });
}

//= 28/REQREP, the REQ socket type
//# SHALL prefix the outgoing message with an empty delimiter frame.
#[test]
fn req_prefixes_an_empty_delimiter() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&router.bind(&fresh(transport)).unwrap()).unwrap();
        req.send(message(&["a", "", "b"])).unwrap();
        let mut request = router.recv_timeout(PATIENCE).unwrap();
        request.pop_front().unwrap();
        assert_eq!(texts(&request), ["", "a", "", "b"], "{transport} {driver:?}");
    });
}

//= 28/REQREP, the REQ socket type
//# SHALL route outgoing messages to connected peers using a round-robin strategy.
#[test]
fn req_asks_its_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        let reps: Vec<Rep> = (0..3).map(|_| Rep::with(&context, driven_by(driver)).unwrap()).collect();
        for rep in &reps {
            req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        }
        for round in 0..3 {
            for rep in &reps {
                req.send(format!("question {round}")).unwrap();
                assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), format!("question {round}"));
                rep.send("answer").unwrap();
                req.recv_timeout(PATIENCE).unwrap();
            }
        }
    });
}

//= 28/REQREP, the REQ socket type
//# SHALL block on sending, or return a suitable error, when it has no connected peers.
//= 28/REQREP, the REQ socket type
//# SHALL NOT discard messages that it cannot send to a connected peer.
#[test]
fn req_without_peers_waits_and_keeps_the_message() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        let endpoint = req.bind(&fresh(transport)).unwrap();
        let Err(SendError::Full(back)) = req.try_send(message(&["a", "b"])) else {
            panic!("there is no peer")
        };
        assert_eq!(texts(&back), ["a", "b"]);
        let Err(SendError::TimedOut(back)) = req.send_timeout(back, A_WHILE) else {
            panic!("there is no peer")
        };
        assert_eq!(texts(&back), ["a", "b"]);
        assert_eq!(
            req.try_recv(),
            Err(RecvError::OutOfTurn),
            "what was not sent does not count as a request"
        );
        let asking = std::thread::spawn(move || {
            req.send_timeout(back, PATIENCE).unwrap();
            req
        });
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        rep.connect(&endpoint).unwrap();
        assert_eq!(texts(&rep.recv_timeout(PATIENCE).unwrap()), ["a", "b"], "{transport} {driver:?}");
        let req = asking.join().unwrap();
        assert_eq!(req.statistics().traffic.dropped.total(), 0);
    });
}

//= 28/REQREP, the REQ socket type
//# SHALL accept an incoming message only from the last peer that it sent a request to.
//= 28/REQREP, the REQ socket type
//# SHALL discard silently any messages received from other peers.
#[test]
fn req_takes_the_answer_of_the_peer_that_it_asked_only() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        let mut peers = Vec::new();
        for _ in 0..2 {
            let listener = RawListener::bind(&reserved(transport));
            req.connect(&listener.endpoint).unwrap();
            peers.push(listener.accept_as("REP"));
        }
        req.wait_for_peers(2, PATIENCE).unwrap();
        req.send("question").unwrap();
        let [asked, other] = peers.as_mut_slice() else { panic!("two peers") };
        assert_eq!(asked.receive_message(), [b"".to_vec(), b"question".to_vec()], "the first in turn");
        other.send_message(&[b"", b"not asked"]);
        eventually("what the other said is discarded", || {
            assert_eq!(req.recv_timeout(Duration::from_millis(1)), Err(RecvError::TimedOut));
            req.statistics().traffic.dropped.malformed == 1
        });
        asked.send_message(&[b"", b"answer"]);
        assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "answer", "{transport} {driver:?}");
        assert_eq!(
            req.statistics().traffic.messages_in,
            1,
            "what was discarded was not handed to the application"
        );
    });
}

/// An answer without a delimiter is none.
#[test]
fn req_discards_answers_without_a_delimiter() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        let listener = RawListener::bind(&reserved(transport));
        req.connect(&listener.endpoint).unwrap();
        let mut peer = listener.accept_as("ROUTER");
        req.send("question").unwrap();
        peer.receive_message();
        peer.send_message(&[b"no delimiter"]);
        peer.send_message(&[b"no", b"", b"delimiter"]);
        peer.send_message(&[b""]);
        peer.send_message(&[b"", b"answer"]);
        assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "answer");
        assert_eq!(req.statistics().traffic.dropped.malformed, 3);
    });
}

//= 28/REQREP, the REP socket type
//# SHALL not filter or modify outgoing or incoming messages in any way.
//= 28/REQREP, the REP socket type
//# SHALL pass the remaining data frames to its calling application.
#[test]
fn rep_passes_everything_on_as_it_is() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        let large = "x".repeat(100_000);
        for frames in [vec![""], vec!["", ""], vec!["a", "", "", "b"], vec![large.as_str(), "", "end"]] {
            req.send(message(&frames)).unwrap();
            let request = rep.recv_timeout(PATIENCE).unwrap();
            assert_eq!(texts(&request), frames, "{transport} {driver:?}");
            rep.send(request).unwrap();
            assert_eq!(texts(&req.recv_timeout(PATIENCE).unwrap()), frames);
        }
    });
}

//= 28/REQREP, the REP socket type
//# SHALL receive and then send exactly one message at a time.
//= 28/REQREP, the REP socket type
//# SHALL wait for a single reply message from its calling application.
#[test]
fn rep_receives_and_then_sends_exactly_one_message() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoint = rep.bind(&fresh(transport)).unwrap();
        let reqs: Vec<Req> = (0..2).map(|_| Req::with(&context, driven_by(driver)).unwrap()).collect();
        for req in &reqs {
            req.connect(&endpoint).unwrap();
            req.send("question").unwrap();
        }
        for _ in &reqs {
            assert!(matches!(rep.try_send("early"), Err(SendError::OutOfTurn(_))));
            rep.recv_timeout(PATIENCE).unwrap();
            assert_eq!(rep.try_recv(), Err(RecvError::OutOfTurn), "the first question has no answer yet");
            assert_eq!(rep.recv_timeout(A_WHILE), Err(RecvError::OutOfTurn));
            rep.send("answer").unwrap();
            assert!(matches!(rep.send("once more"), Err(SendError::OutOfTurn(_))));
        }
        for req in &reqs {
            assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "answer");
        }
    });
}

//= 28/REQREP, the REP socket type
//# SHALL receive incoming messages from its peers using a fair-queuing strategy.
#[test]
fn rep_serves_its_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoint = rep.bind(&fresh(transport)).unwrap();
        let dealers: Vec<Dealer> =
            (0..3).map(|_| Dealer::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, dealer) in dealers.iter().enumerate() {
            dealer.connect(&endpoint).unwrap();
            for _ in 0..5 {
                dealer.send(message(&["", &number.to_string()])).unwrap();
            }
        }
        rep.wait_for_peers(3, PATIENCE).unwrap();
        arrived(&rep, 15);
        for _ in 0..5 {
            let mut round: Vec<String> = (0..3)
                .map(|_| {
                    let request = rep.recv_timeout(PATIENCE).unwrap();
                    rep.send("answer").unwrap();
                    text(&request)
                })
                .collect();
            round.sort();
            assert_eq!(round, ["0", "1", "2"], "{transport} {driver:?}");
        }
    });
}

//= 28/REQREP, the REP socket type
//# SHALL remove and store the address envelope, including the delimiter.
//= 28/REQREP, the REP socket type
//# SHALL prepend the address envelope and delimiter.
//= 28/REQREP, the REP socket type
//# SHALL deliver this message back to the originating peer.
#[test]
fn rep_returns_the_envelope_to_the_peer_that_asked() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoint = rep.bind(&fresh(transport)).unwrap();
        let dealers: Vec<Dealer> =
            (0..3).map(|_| Dealer::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, dealer) in dealers.iter().enumerate() {
            dealer.connect(&endpoint).unwrap();
            dealer.send(message(&["hop", &format!("of {number}"), "", "question", "", "end"])).unwrap();
        }
        for _ in &dealers {
            let request = rep.recv_timeout(PATIENCE).unwrap();
            assert_eq!(texts(&request), ["question", "", "end"], "{transport} {driver:?}");
            rep.send(message(&["answer", "end"])).unwrap();
        }
        for (number, dealer) in dealers.iter().enumerate() {
            let answer = dealer.recv_timeout(PATIENCE).unwrap();
            assert_eq!(texts(&answer), ["hop", &format!("of {number}"), "", "answer", "end"]);
            assert_eq!(dealer.try_recv(), Err(RecvError::WouldBlock), "one answer each");
        }
    });
}

/// A request without a delimiter, or with nothing behind it, cannot be answered.
#[test]
fn rep_discards_requests_without_an_envelope() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        dealer.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        for frames in [vec!["no delimiter"], vec!["none", "here"], vec!["a", ""], vec!["", "question"]] {
            dealer.send(message(&frames)).unwrap();
        }
        assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), "question");
        let traffic = rep.statistics().traffic;
        assert_eq!((traffic.dropped.malformed, traffic.messages_in), (3, 1), "{transport} {driver:?}");
    });
}

//= 28/REQREP, the REP socket type
//# SHALL silently discard the reply, or return an error, if the originating peer is no longer connected.
#[test]
fn rep_discards_the_answer_to_a_peer_that_is_gone() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let endpoint = rep.bind(&fresh(transport)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&endpoint).unwrap();
        req.send("question").unwrap();
        rep.recv_timeout(PATIENCE).unwrap();
        req.close();
        if transport != "inproc" {
            eventually("the peer is gone", || rep.peers().is_empty());
        }
        rep.send("answer").unwrap();
        assert_eq!(rep.statistics().traffic.dropped.unroutable, 1, "{transport} {driver:?}");
        let next = Req::with(&context, driven_by(driver)).unwrap();
        next.connect(&endpoint).unwrap();
        next.send("next question").unwrap();
        assert_eq!(text(&rep.recv_timeout(PATIENCE).unwrap()), "next question");
        rep.send("next answer").unwrap();
        assert_eq!(text(&next.recv_timeout(PATIENCE).unwrap()), "next answer");
    });
}

//= 28/REQREP, the REP socket type
//# SHALL not block on sending.
#[test]
fn rep_never_waits_to_send() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(1);
        })
        .unwrap();
        // A peer that asks and asks, and never takes an answer.
        let mut peer = RawPeer::connect_as(&rep.bind(&fresh(transport)).unwrap(), "DEALER");
        let answer = Message::new(vec![7; 300_000]);
        let mut answered: u64 = 0;
        while rep.statistics().traffic.dropped.full == 0 {
            peer.send_message(&[b"", b"question"]);
            rep.recv_timeout(PATIENCE).unwrap();
            rep.try_send(answer.clone()).unwrap();
            answered += 1;
            assert!(answered < 1000, "the kernel takes all of it");
        }
        let traffic = rep.statistics().traffic;
        assert_eq!(traffic.messages_out + traffic.dropped.full, answered);
    });
}

/// `req_relaxed` lets a request be given up, `req_correlate` keeps its late answer from being taken for another's.
#[test]
fn a_relaxed_and_correlated_req_survives_a_lost_answer() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, |o| {
            o.set_driver(driver).set_req_relaxed(true).set_req_correlate(true);
        })
        .unwrap();
        req.connect(&router.bind(&fresh(transport)).unwrap()).unwrap();
        req.send("first").unwrap();
        req.send("second").unwrap();
        let requests: Vec<Message> = (0..2).map(|_| router.recv_timeout(PATIENCE).unwrap()).collect();
        for request in &requests {
            assert_eq!(request.frame_count(), 4, "routing id, number, delimiter, request");
            // The answer repeats everything.
            router.send(request.clone()).unwrap();
        }
        assert_ne!(requests[0].get(1), requests[1].get(1));
        assert_eq!(text(&req.recv_timeout(PATIENCE).unwrap()), "second", "{transport} {driver:?}");
        assert_eq!(req.statistics().traffic.dropped.malformed, 1);
    });
}
