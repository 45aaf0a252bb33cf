//! Calls that save work: they have to come to the same as the long way.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Duration;

use common::wire::RawPeer;
use common::{PATIENCE, driven_by, eventually, everywhere, fresh, over_the_network};
use tamtam_zmq::{
    Context, Dealer, Driver, Message, Pull, Push, RecvError, Rep, Req, Router, SendError, Sub, XPub,
};

/// Around what is held in place, copied and passed by reference.
const SIZES: [usize; 14] = [0, 1, 63, 64, 65, 71, 72, 255, 256, 511, 8191, 8192, 20_000, 100_000];

#[test]
fn slices_and_messages_that_are_used_again_are_like_any_others() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let (pull, push) = (
            Pull::with(&context, driven_by(driver)).unwrap(),
            Push::with(&context, driven_by(driver)).unwrap(),
        );
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let body = |size: usize| (0..size).map(|octet| (octet * 7 + size) as u8).collect::<Vec<u8>>();
        let mut message = Message::from_frames(["what", "was", "before"]).unwrap();
        for (round, size) in (0..5).flat_map(|round| SIZES.map(|size| (round, size))) {
            let sent = body(size);
            push.as_socket().send_slice(&sent, true).unwrap();
            // Several parts in between: the short way is none for them.
            push.send(Message::from_frames([sent.clone(), b"more".to_vec()]).unwrap()).unwrap();
            push.as_socket().send_slice(b"last", true).unwrap();
            pull.as_socket().recv_into(&mut message).unwrap();
            assert_eq!(
                (message.frame_count(), message.as_slice()),
                (1, &*sent),
                "{transport} {driver:?} {round}"
            );
            assert!(message.peer().is_some());
            pull.as_socket().recv_into(&mut message).unwrap();
            assert_eq!(
                (message.frame_count(), message.as_slice()),
                (2, &*sent),
                "{transport} {driver:?} {round}"
            );
            pull.as_socket().recv_into(&mut message).unwrap();
            assert_eq!((message.frame_count(), message.as_slice()), (1, &b"last"[..]));
        }
        let counted = pull.statistics().traffic;
        let octets: usize = SIZES.iter().map(|size| 2 * size + 8).sum();
        assert_eq!(
            (counted.messages_in, counted.bytes_in),
            (5 * 3 * SIZES.len() as u64, 5 * octets as u64),
            "{transport}"
        );
    });
}

/// Short and long, of one part and of several, by message and by slice, answered by who takes envelopes off and by who hands them on.
#[test]
fn requests_and_replies_are_the_same_by_any_way() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let (rep, router) = (
            Rep::with(&context, driven_by(driver)).unwrap(),
            Router::with(&context, driven_by(driver)).unwrap(),
        );
        let ends = [rep.bind(&fresh(transport)).unwrap(), router.bind(&fresh(transport)).unwrap()];
        let requesters = ends.each_ref().map(|end| {
            let req = Req::with(&context, driven_by(driver)).unwrap();
            req.connect(end).unwrap();
            req
        });
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        dealer.connect(&ends[0]).unwrap();
        let (mut count, mut octets) = (0, 0);
        let mut slot = Message::from_frames(["what", "was", "before"]).unwrap();
        for size in SIZES {
            let body: Vec<u8> = (0..size).map(|octet| (octet * 3 + size) as u8).collect();
            let several = Message::from_frames([body.clone(), b"more".to_vec()]).unwrap();
            for request in [Message::new(body.clone()), several] {
                for (req, is_routed) in requesters.iter().zip([false, true]) {
                    if request.is_multipart() {
                        req.send(request.clone()).unwrap();
                    } else {
                        req.as_socket().send_slice(request.as_slice(), true).unwrap();
                    }
                    if is_routed {
                        let asked = router.recv_timeout(PATIENCE).unwrap();
                        assert_eq!(asked.frame_count(), 2 + request.frame_count(), "{transport} {driver:?}");
                        router.send(asked).unwrap();
                    } else {
                        rep.as_socket().recv_into(&mut slot).unwrap();
                        assert!(slot == request && slot.peer().is_some(), "{transport} {driver:?} {size}");
                        rep.send(std::mem::take(&mut slot)).unwrap();
                        (count, octets) = (count + 1, octets + request.byte_len() as u64);
                    }
                    assert_eq!(req.recv_timeout(PATIENCE).unwrap(), request, "{transport} {driver:?} {size}");
                }
                for envelope in [&[""][..], &["far", "near", ""]] {
                    let mut wrapped = request.clone();
                    envelope.iter().rev().for_each(|frame| wrapped.push_front(*frame));
                    dealer.send(wrapped.clone()).unwrap();
                    let asked = rep.recv_timeout(PATIENCE).unwrap();
                    assert_eq!(asked, request);
                    if asked.is_multipart() {
                        rep.send(asked).unwrap();
                    } else {
                        rep.as_socket().send_slice(asked.as_slice(), true).unwrap();
                    }
                    assert_eq!(
                        dealer.recv_timeout(PATIENCE).unwrap(),
                        wrapped,
                        "{transport} {driver:?} {size}"
                    );
                    (count, octets) = (count + 1, octets + request.byte_len() as u64);
                }
            }
        }
        let counted = rep.statistics().traffic;
        assert_eq!((counted.messages_in, counted.bytes_in), (count, octets), "{transport} {driver:?}");
        assert_eq!(counted.messages_out, count, "{transport} {driver:?}");
    });
}

/// One that asks again as soon as it has its answer is not the only one that is heard.
#[test]
fn a_requester_without_pauses_leaves_room_for_others() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let end = rep.bind(&fresh(transport)).unwrap();
        let [quick, slow] = [(); 2].map(|()| {
            let req = Req::with(&context, driven_by(driver)).unwrap();
            req.connect(&end).unwrap();
            req
        });
        quick.send("quick").unwrap();
        let mut heard = 0;
        loop {
            let request = rep.recv_timeout(PATIENCE).unwrap();
            if request.as_slice() == b"slow" {
                break;
            }
            heard += 1;
            assert!(heard < 1000, "{transport} {driver:?}: nobody else is heard");
            rep.send(request).unwrap();
            quick.recv_timeout(PATIENCE).unwrap();
            quick.send("quick").unwrap();
            if heard == 3 {
                slow.send("slow").unwrap();
            }
        }
    });
}

#[test]
fn several_slices_are_a_message_of_as_many_frames_to_whoever_wants_it() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let publisher = XPub::with(&context, |o| _ = o.set_driver(driver).set_xpub_nodrop(true)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let socket = publisher.as_socket();
        assert_eq!(socket.publish_slices(&[b"nobody"]).unwrap().subscribers, 0, "{transport} {driver:?}");
        let mut subscribers = Vec::new();
        for (count, topic) in [(1, "/a"), (2, "/a"), (3, "/")] {
            let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
            subscriber.subscribe(topic);
            subscriber.connect(&endpoint).unwrap();
            socket.wait_for_subscribers(count, PATIENCE).unwrap();
            subscribers.push((subscriber, Message::default()));
            for size in SIZES {
                let body: Vec<u8> = (0..size).map(|octet| (octet * 5 + count) as u8).collect();
                // Before, between and behind ones that go the long way.
                for topic in ["/a", "/b", "/a"] {
                    let published = socket.publish_slices(&[topic.as_bytes(), b"header", &body]).unwrap();
                    assert_eq!((published.subscribers, published.dropped), (count, 0));
                }
                for (number, (subscriber, message)) in subscribers.iter_mut().enumerate() {
                    let wanted: &[&str] = if number < 2 { &["/a", "/a"] } else { &["/a", "/b", "/a"] };
                    for topic in wanted {
                        subscriber.as_socket().recv_into(message).unwrap();
                        let frames: Vec<&[u8]> = message.frames().map(|frame| &**frame).collect();
                        assert_eq!(
                            frames,
                            [topic.as_bytes(), b"header", &body],
                            "{transport} {driver:?} {size}"
                        );
                    }
                    let nothing = subscriber.as_socket().try_recv_into(message);
                    assert_eq!(nothing, Err(RecvError::WouldBlock));
                }
            }
        }
        let bytes: usize = SIZES.iter().map(|size| 3 * (2 + 6 + size)).sum();
        let counted = subscribers[2].0.statistics().traffic;
        assert_eq!(
            (counted.messages_in, counted.bytes_in),
            (3 * SIZES.len() as u64, bytes as u64),
            "{transport} {driver:?}"
        );
    });
}

/// Subscribers in the process share one message, those beyond it one encoding; each comes to the same, whoever stands first.
/// Where nothing is to be decided a message is only put behind the others: whoever asks in between is told what is so.
#[test]
fn a_stream_is_in_order_and_counted_at_every_moment() {
    const MESSAGES: u64 = 20_000;
    over_the_network(|transport, driver| {
        let contexts = [Context::new(), Context::new()];
        let push = Push::with(&contexts[0], driven_by(driver)).unwrap();
        let pull = Pull::with(&contexts[1], driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let body = |number: u64| {
            let size = 8 + if number % 977 == 976 { 9000 } else { number % 300 };
            let mut body = vec![number as u8; size as usize];
            body[..8].copy_from_slice(&number.to_le_bytes());
            body
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..MESSAGES {
                    let message = pull.recv_timeout(PATIENCE).unwrap();
                    assert_eq!(*message.as_slice(), body(number), "{transport} {driver:?} {number}");
                }
            });
            let mut octets = 0;
            for number in 0..MESSAGES {
                let body = body(number);
                octets += body.len() as u64;
                match number % 11 {
                    3 => push.as_socket().send_slices(&[&body], true).unwrap(),
                    7 => push.send(body).unwrap(),
                    _ => push.as_socket().send_slice(&body, true).unwrap(),
                }
                if number % 37 == 5 {
                    let (traffic, peers) = (push.statistics().traffic, push.peers());
                    assert_eq!((traffic.messages_out, traffic.bytes_out), (number + 1, octets));
                    let waiting = (peers[0].queued_out, peers[0].queued_out_bytes);
                    assert!(waiting.0 <= 1000 && (waiting.0 > 0) == (waiting.1 > 0), "{waiting:?}");
                }
                if number % 1013 == 7 {
                    push.configure(|options| _ = options.set_send_hwm(500 + number as u32 % 400)).unwrap();
                }
            }
        });
        assert_eq!(pull.statistics().traffic.messages_in, MESSAGES);
    });
}

/// Publishing goes on to the only one that listens until another one has subscribed, here or elsewhere, or left.
#[test]
fn a_stream_reaches_whoever_subscribes_in_the_middle_of_it() {
    for (far, near) in [("ipc", "inproc"), ("tcp", "ipc"), ("ipc", "ipc")] {
        let contexts = [Context::new(), Context::new()];
        let publisher = XPub::with(&contexts[0], |o| _ = o.set_xpub_nodrop(true)).unwrap();
        let endpoint = publisher.bind(&fresh(far)).unwrap();
        let endpoint_too = publisher.bind(&fresh(near)).unwrap();
        let socket = publisher.as_socket();
        let subscriber = |context, endpoint: &str, topic| {
            let subscriber = Sub::new(context);
            subscriber.configure(|o| _ = o.set_receive_hwm(0)).unwrap();
            subscriber.subscribe(topic);
            subscriber.connect(endpoint).unwrap();
            subscriber
        };
        let first = subscriber(&contexts[1], &endpoint, "/a");
        socket.wait_for_subscribers(1, PATIENCE).unwrap();
        let mut number = 0_u32;
        let mut publish = |topic: &str, subscribers| {
            let frames: [&[u8]; 2] = [topic.as_bytes(), &number.to_le_bytes()];
            assert_eq!(socket.publish_slices(&frames).unwrap().subscribers, subscribers, "{far} {near}");
            number += 1;
        };
        (0..900).for_each(|_| publish("/a", 1));
        let second =
            subscriber(if near == "inproc" { &contexts[0] } else { &contexts[1] }, &endpoint_too, "/");
        socket.wait_for_subscribers(2, PATIENCE).unwrap();
        for turn in 0..900 {
            publish(if turn % 9 == 8 { "/b" } else { "/a" }, 2);
        }
        let expect = |subscriber: &Sub, numbers: &mut dyn Iterator<Item = u32>| {
            for number in numbers {
                let message = subscriber.recv_timeout(PATIENCE).unwrap();
                assert_eq!(*message.last().as_slice(), number.to_le_bytes(), "{far} {near}");
            }
        };
        expect(&first, &mut (0..1800).filter(|number| *number < 900 || number % 9 != 8));
        expect(&second, &mut (900..1800));
        drop(first);
        eventually("it has left", || socket.subscriber_count() == 1);
        (0..900).for_each(|_| publish("/b", 1));
        expect(&second, &mut (1800..2700));
    }
}

#[test]
fn subscribers_near_and_far_get_the_same() {
    for order in [["inproc", "ipc", "tcp"], ["tcp", "inproc", "ipc"]] {
        let context = Context::new();
        let publisher = XPub::with(&context, |options| _ = options.set_xpub_nodrop(true)).unwrap();
        let mut subscribers = Vec::new();
        for transport in [order, order].concat() {
            let endpoint = publisher.bind(&fresh(transport)).unwrap();
            let subscriber = Sub::new(&context);
            subscriber.subscribe("/");
            subscriber.connect(&endpoint).unwrap();
            subscribers.push(subscriber);
            publisher.as_socket().wait_for_subscribers(subscribers.len(), PATIENCE).unwrap();
        }
        for size in SIZES {
            let body: Vec<u8> = (0..size).map(|octet| (octet * 3) as u8).collect();
            publisher.as_socket().publish_slices(&[b"/a", &body]).unwrap();
            publisher.send(Message::from_frames([b"/b".to_vec(), body.clone()]).unwrap()).unwrap();
            for subscriber in &subscribers {
                for topic in [b"/a", b"/b"] {
                    let message = subscriber.recv_timeout(PATIENCE).unwrap();
                    let frames: Vec<&[u8]> = message.frames().map(|frame| &**frame).collect();
                    assert_eq!(frames, [&topic[..], &body], "{order:?} {size}");
                }
            }
        }
    }
}

#[test]
fn what_full_queues_cost_is_told_with_each_message() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = XPub::with(&context, |o| _ = o.set_driver(driver).set_send_hwm(5)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        // They read nothing: what the kernel takes is not endless.
        let readers = [(); 2].map(|()| {
            let reader = Sub::with(&context, |o| _ = o.set_driver(driver).set_receive_hwm(1)).unwrap();
            reader.subscribe("");
            reader.connect(&endpoint).unwrap();
            reader
        });
        let socket = publisher.as_socket();
        socket.wait_for_subscribers(2, PATIENCE).unwrap();
        let (mut sent, mut dropped) = (0, 0);
        while dropped < 10 {
            dropped += socket.publish_slices(&[b"topic", &[7; 4000]]).unwrap().dropped;
            sent += 1;
            assert!(sent < 100_000, "{transport} {driver:?}");
        }
        assert_eq!(socket.statistics().traffic.dropped.full, dropped);
        drop(readers);
    });
}

#[test]
fn slices_keep_to_the_mark() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            _ = o.set_driver(driver).set_send_hwm(3).set_linger(Some(Duration::ZERO))
        })
        .unwrap();
        push.connect(&fresh(transport).replace('*', "1")).unwrap_or(());
        let socket = push.as_socket();
        let sent = (0..10).take_while(|_| socket.send_slice(b"x", false).is_ok()).count();
        // To somebody who is not there as many are queued as the mark says, and no more.
        assert!(sent <= 3, "{transport} {driver:?}: {sent}");
        let refused = socket.send_slice(b"refused", false);
        assert!(
            matches!(&refused, Err(SendError::Full(back)) if back.as_slice() == b"refused"),
            "{refused:?}"
        );
    });
}

#[test]
fn one_subscriber_is_told_something_of_its_own() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = XPub::with(&context, |o| _ = o.set_driver(driver).set_xpub_verbose(true)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let subscribers = ["one", "two"].map(|name| {
            let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
            subscriber.subscribe(name);
            subscriber.subscribe("all");
            subscriber.connect(&endpoint).unwrap();
            subscriber
        });
        let mut peer_of_one = None;
        for _ in 0..4 {
            let notice = publisher.recv_timeout(PATIENCE).unwrap();
            if notice.as_slice() == b"\x01one" {
                peer_of_one = notice.peer();
            }
        }
        let peer = peer_of_one.unwrap();
        // Also what it has not subscribed to, as long as it takes it.
        publisher.as_socket().send_to_subscriber(peer, "one: for you").unwrap();
        publisher.send("all: for everybody").unwrap();
        let [one, two] = subscribers;
        assert_eq!(one.recv_timeout(PATIENCE).unwrap().as_slice(), b"one: for you", "{transport} {driver:?}");
        assert_eq!(one.recv_timeout(PATIENCE).unwrap().as_slice(), b"all: for everybody");
        assert_eq!(two.recv_timeout(PATIENCE).unwrap().as_slice(), b"all: for everybody");
        drop(one);
        eventually("it is gone", || {
            let sent = publisher.as_socket().send_to_subscriber(peer, "one: are you there?");
            matches!(sent, Err(SendError::Unroutable(_)))
        });
        let push = Push::new(&context);
        let refused = push.as_socket().send_to_subscriber(peer, "x");
        assert!(matches!(refused, Err(SendError::Unsupported(_))));
    });
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn subscriptions_wake_who_looks_after_them() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = XPub::with(&context, driven_by(driver)).unwrap();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        publisher.as_socket().wake_on_subscriptions(Arc::clone(&count).into());
        let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
        subscriber.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
        subscriber.subscribe("a");
        eventually("it is woken", || count.0.load(Ordering::Relaxed) == 1);
        assert_eq!(publisher.try_recv().unwrap().as_slice(), b"\x01a", "{transport} {driver:?}");
        assert_eq!(publisher.try_recv(), Err(RecvError::WouldBlock));
        subscriber.unsubscribe("a").unwrap();
        eventually("it is woken again", || count.0.load(Ordering::Relaxed) == 2);
    });
}

/// The reader is away: what is new takes the place of what is old, and what tells of others (its last frame is empty) stays.
#[test]
fn the_newest_messages_wait_for_who_is_slow() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, |o| {
            o.set_driver(driver).set_receive_hwm(2).set_receive_drop_oldest(true);
        })
        .unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let control = |text: &str| Message::from_frames([text, ""]).unwrap();
        push.send(control("began")).unwrap();
        for number in 0..100_u32 {
            push.send(number.to_string()).unwrap();
        }
        push.send(control("so far")).unwrap();
        push.send(control("ended")).unwrap();
        eventually("all but the last have made room", || pull.statistics().traffic.dropped.full == 99);
        let got: Vec<String> = (0..3)
            .map(|_| String::from_utf8(pull.recv_timeout(PATIENCE).unwrap().as_slice().to_vec()).unwrap())
            .collect();
        assert_eq!(got, ["began", "99", "ended"], "{transport} {driver:?}");
    });
}

/// Whoever sends large messages stays with a kernel that takes no more for a moment only: up to the mark, nobody has to read.
#[test]
fn a_reader_that_does_not_come_holds_nobody_up() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(40).set_send_buffer(Some(64 * 1024));
        })
        .unwrap();
        let endpoint = push.bind(&fresh(transport)).unwrap();
        let mut peer = RawPeer::connect_as(&endpoint, "PULL");
        let body = |number: u8| [vec![number; 60_000], vec![0; 40_000]].concat();
        for number in 0..40 {
            let body = body(number);
            match number % 3 {
                0 => push.send(body).unwrap(),
                1 => push.as_socket().send_slice(&body, true).unwrap(),
                _ => push.as_socket().send_slice(&body, false).unwrap(),
            }
        }
        for number in 0..40 {
            assert!(peer.receive_message() == [body(number)], "{transport} {driver:?}: {number}");
        }
        eventually("all is written", || push.statistics().queued_out == 0);
    });
}

/// A message is looked at where it lies, and taken or left there; what is not of that form is left, too.
#[test]
fn a_message_is_looked_at_where_it_lies() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = XPub::with(&context, |o| _ = o.set_driver(driver).set_xpub_nodrop(true)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
        subscriber.subscribe("/a");
        subscriber.connect(&endpoint).unwrap();
        let (sender, receiver) = (publisher.as_socket(), subscriber.as_socket());
        sender.wait_for_subscribers(1, PATIENCE).unwrap();
        assert!(!receiver.try_recv_in_place(|_: [&[u8]; 1]| true), "nothing is there");
        let (mut in_place, mut messages, mut bytes) = (0, 0, 0);
        let mut message = Message::default();
        let mut exchange = |size: usize| {
            let body = vec![size as u8; size];
            let frames: [&[u8]; 3] = [b"/a", b"header", &body];
            for _ in 0..3 {
                sender.publish_slices(&frames).unwrap();
            }
            for _ in 0..3 {
                let mut looks = 0;
                let is_taken = receiver.try_recv_in_place(|found| {
                    looks += usize::from(found == frames);
                    false
                });
                assert!(
                    !is_taken && !receiver.try_recv_in_place(|_: [&[u8]; 2]| true),
                    "two frames of three"
                );
                let is_taken = receiver.try_recv_in_place(|found| {
                    looks += usize::from(found == frames);
                    true
                });
                if is_taken {
                    assert_eq!((looks, size <= 255), (2, true), "{transport} {driver:?} {size}");
                    in_place += 1;
                } else {
                    // As a reader of topics does: what is not to be had where it lies comes the long way.
                    receiver.recv_into(&mut message).unwrap();
                    assert!(
                        message.frames().map(|frame| &**frame).eq(frames),
                        "{transport} {driver:?} {size}"
                    );
                }
                messages += 1;
                bytes += 8 + size as u64;
            }
            in_place > 0
        };
        for size in SIZES {
            exchange(size);
        }
        if driver == Driver::Adaptive {
            // Where the background thread reads, none lies there.
            eventually("a message to be had where it lies", || exchange(64));
        }
        let counted = subscriber.statistics().traffic;
        assert_eq!((counted.messages_in, counted.bytes_in), (messages, bytes), "{transport} {driver:?}");
        assert_eq!(receiver.try_recv(), Err(RecvError::WouldBlock));
    });
}

/// While a large message is written from where it stands it fills the queue: whoever found no room then is told when it is over.
#[test]
fn several_threads_send_large_messages_through_a_narrow_queue() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(1).set_send_buffer(Some(32 * 1024));
            o.set_send_timeout(Some(PATIENCE));
        })
        .unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let (threads, each) = (3, 200);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let body = vec![1; 40_000];
                    for _ in 0..each {
                        push.as_socket().send_slice(&body, true).unwrap();
                    }
                });
            }
            for number in 0..threads * each {
                let message = pull.recv_timeout(PATIENCE).expect("the next one");
                assert_eq!(message.byte_len(), 40_000, "{transport} {driver:?}: {number}");
            }
        });
    });
}
