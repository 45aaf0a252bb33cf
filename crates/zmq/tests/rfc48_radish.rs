//! RFC 48/RADIO-DISH over connections: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{COMMAND, RawListener, RawPeer, frame};
use common::{
    A_WHILE, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network, reserved, texts,
};
use tamtam_zmq::{Context, Dish, GroupError, Radio, RecvError, SendError, Socket, SocketType};

//= 48/RADIO-DISH, the RADIO socket type
//# MAY be connected to any number of DISH sockets, and SHALL only send messages.
#[test]
fn radio_only_sends_and_dish_only_receives() {
    let context = Context::new();
    let radio = Socket::new(&context, SocketType::Radio);
    let dish = Socket::new(&context, SocketType::Dish);
    assert_eq!(radio.try_recv(), Err(RecvError::Unsupported));
    assert!(matches!(dish.try_send(message(&["g", "x"])), Err(SendError::Unsupported(_))));
    assert!(!radio.readiness().readable && radio.readiness().writable && !dish.readiness().writable);
    assert_eq!(radio.join("g"), Err(GroupError::Unsupported));
}

//= 48/RADIO-DISH, the RADIO socket type
//# MAY, depending on the transport, send messages only to dishes who have a join the message group.
//= 48/RADIO-DISH, the RADIO socket type
//# SHALL perform a group membership check using exact matching algorithm.
//= 48/RADIO-DISH, the RADIO socket type
//# SHALL receive join and leave commands from dishes depending on the transport protocol used.
//= 48/RADIO-DISH, the DISH socket type
//# SHALL attach the group to the message.
#[test]
fn members_of_a_group_get_what_is_sent_to_it() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let radio = Radio::with(&context, driven_by(driver)).unwrap();
        let endpoint = radio.bind(&fresh(transport)).unwrap();
        let early = Dish::with(&context, driven_by(driver)).unwrap();
        early.join("Movies").unwrap();
        early.connect(&endpoint).unwrap();
        let late = Dish::with(&context, driven_by(driver)).unwrap();
        late.connect(&endpoint).unwrap();
        late.join("TV").unwrap();
        late.join("").unwrap();
        radio.wait_for_subscribers(2, PATIENCE).unwrap();
        eventually("all groups are known", || radio.topics_count() == 3);
        assert_eq!((late.topics_count(), early.topics_count()), (2, 1));
        // Prefixes are no members, unlike with topics.
        for group in ["Mov", "Movies and TV", "T", "TVs"] {
            radio.send_to_group(group, "nobody's").unwrap();
        }
        radio.send_to_group("Movies", "Godfather").unwrap();
        radio.send(message(&["TV", "Friends"])).unwrap();
        radio.send(message(&["", ""])).unwrap();
        assert_eq!(
            texts(&early.recv_timeout(PATIENCE).unwrap()),
            ["Movies", "Godfather"],
            "{transport} {driver:?}"
        );
        assert_eq!(texts(&late.recv_timeout(PATIENCE).unwrap()), ["TV", "Friends"]);
        assert_eq!(texts(&late.recv_timeout(PATIENCE).unwrap()), ["", ""]);
        late.leave("TV").unwrap();
        eventually("it has left", || radio.topics_count() == 2);
        radio.send_to_group("TV", "nobody's").unwrap();
        radio.send_to_group("", "still a member").unwrap();
        assert_eq!(
            texts(&late.recv_timeout(PATIENCE).unwrap()),
            ["", "still a member"],
            "{transport} {driver:?}"
        );
        assert_eq!(early.try_recv(), Err(RecvError::WouldBlock));
    });
}

/// Both members of a group, which takes the way of shared encoding, and large messages, which does not.
#[test]
fn all_members_get_everything_in_order() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let radio = Radio::with(&context, |o| {
            o.set_driver(driver).set_xpub_nodrop(true);
        })
        .unwrap();
        let endpoint = radio.bind(&fresh(transport)).unwrap();
        let dishes: Vec<Dish> = (0..3)
            .map(|_| {
                let dish = Dish::with(&context, driven_by(driver)).unwrap();
                dish.join("all").unwrap();
                dish.connect(&endpoint).unwrap();
                dish
            })
            .collect();
        radio.wait_for_subscribers(3, PATIENCE).unwrap();
        let large = "x".repeat(20_000);
        std::thread::scope(|scope| {
            for dish in &dishes {
                let large = &large;
                scope.spawn(move || {
                    for number in 0..3000 {
                        let received = dish.recv_timeout(PATIENCE).unwrap();
                        assert_eq!(texts(&received), ["all", &number.to_string()], "{transport} {driver:?}");
                    }
                    assert!(texts(&dish.recv_timeout(PATIENCE).unwrap()) == ["all", large]);
                });
            }
            for number in 0..3000 {
                radio.send_to_group("all", number.to_string()).unwrap();
            }
            radio.send_to_group("all", large.as_str()).unwrap();
        });
        assert_eq!(radio.statistics().traffic.dropped.total(), 0);
    });
}

//= 48/RADIO-DISH, group
//# Length MUST be between 0 to 255 bytes.
//= 48/RADIO-DISH, group
//# Group character MUST be one byte with allowed values 1-255.
#[test]
fn what_is_no_group_and_no_message() {
    let context = Context::new();
    let dish = Dish::new(&context);
    let longest = "g".repeat(255);
    dish.join(&longest).unwrap();
    assert_eq!(dish.join(&longest), Err(GroupError::Joined));
    assert_eq!(dish.leave("never joined"), Err(GroupError::NotJoined));
    dish.leave(&longest).unwrap();
    assert_eq!(dish.leave(&longest), Err(GroupError::NotJoined));
    for none in [&b"a\0b"[..], &[b'g'; 256]] {
        assert_eq!((dish.join(none), dish.leave(none)), (Err(GroupError::Invalid), Err(GroupError::Invalid)));
    }
    let radio = Radio::new(&context);
    for frames in [&["only a body"][..], &["g", "a", "b"], &["a\0b", "x"], &["g".repeat(256).as_str(), "x"]] {
        let Err(SendError::Malformed(back)) = radio.send(message(frames)) else { panic!("{frames:?}") };
        assert_eq!(texts(&back), frames);
    }
    radio.send_to_group(longest, "nobody is there").unwrap();
}

//= 48/RADIO-DISH, the DISH socket type
//# MAY send join and leave commands to radios depending on the transport protocol used.
//= 48/RADIO-DISH, the DISH socket type
//# MAY, depending on the transport, filter messages according to group membership, using a exact matching algorithm.
#[test]
fn a_dish_says_and_checks_its_groups() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let dish = Dish::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        dish.join("before").unwrap();
        let listener = RawListener::bind(&reserved(transport));
        dish.connect(&listener.endpoint).unwrap();
        let mut raw = listener.accept_as("RADIO");
        assert_eq!(raw.receive_frame(), (COMMAND, b"\x04JOINbefore".to_vec()), "{transport} {driver:?}");
        dish.join("g").unwrap();
        assert_eq!(raw.receive_frame(), (COMMAND, b"\x04JOINg".to_vec()));
        dish.leave("before").unwrap();
        assert_eq!(raw.receive_frame(), (COMMAND, b"\x05LEAVEbefore".to_vec()));
        // Others' groups, and what no RADIO sends.
        raw.send_message(&[b"before", b"x"]);
        raw.send_message(&[b"g2", b"x"]);
        raw.send_message(&[b"g"]);
        raw.send_message(&[b"g", b"a", b"b"]);
        raw.send_message(&[b"g", b"right"]);
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "right"]);
        let dropped = dish.statistics().traffic.dropped;
        assert_eq!((dropped.filtered, dropped.malformed), (2, 2));
        // Groups are state: the next connection hears of them again.
        drop(raw);
        let mut raw = listener.accept_as("RADIO");
        assert_eq!(raw.receive_frame(), (COMMAND, b"\x04JOINg".to_vec()));
        raw.send_message(&[b"g", b"again"]);
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "again"]);
    });
}

/// A RADIO that connects, and whose DISH comes and goes.
#[test]
fn groups_outlive_the_connection() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let radio = Radio::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        radio.connect(&endpoint).unwrap();
        for round in 0..3 {
            let dish = Dish::with(&context, driven_by(driver)).unwrap();
            dish.join("g").unwrap();
            dish.bind(&endpoint).unwrap();
            radio.wait_for_subscribers(1, PATIENCE).unwrap();
            radio.send_to_group("g", round.to_string()).unwrap();
            assert_eq!(
                texts(&dish.recv_timeout(PATIENCE).unwrap()),
                ["g", &round.to_string()],
                "{transport} {driver:?}"
            );
            drop(dish);
            eventually("it is gone", || radio.subscriber_count() == 0);
        }
    });
}

//= 48/RADIO-DISH, the RADIO socket type
//# SHALL silently drop the message if the queue for a dish is full.
//= 48/RADIO-DISH, the RADIO socket type
//# SHALL NOT block on sending.
#[test]
fn a_full_queue_drops_and_counts_or_waits() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let radio = Radio::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(3);
        })
        .unwrap();
        let mut slow = RawPeer::connect_as(&radio.bind(&fresh(transport)).unwrap(), "DISH");
        slow.send(&frame(COMMAND, b"\x04JOINg"));
        radio.wait_for_subscribers(1, PATIENCE).unwrap();
        eventually("its queue is full", || {
            radio.send_to_group("g", vec![0; 100_000]).unwrap();
            radio.statistics().traffic.dropped.full > 0
        });
        radio
            .configure(|o| {
                o.set_xpub_nodrop(true);
            })
            .unwrap();
        let full = message(&["g", "one more"]);
        let Err(SendError::TimedOut(back)) = radio.send_timeout(full, A_WHILE) else {
            panic!("{transport} {driver:?}: nothing is dropped now")
        };
        assert_eq!(texts(&back), ["g", "one more"]);
        radio.send_to_group("another group", "x").unwrap();
    });
}

//= 48/RADIO-DISH, the RADIO socket type
//# SHALL silently discard any messages that dishes send it.
//= 48/RADIO-DISH, the RADIO socket type
//# SHALL NOT deliver these commands to its calling application.
#[test]
fn a_radio_survives_what_dishes_may_send() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let radio = Radio::with(&context, driven_by(driver)).unwrap();
        let endpoint = radio.bind(&fresh(transport)).unwrap();
        // A group of 300 octets ends the connection.
        for command in [&b"\x04JOIN"[..], b"\x05LEAVE"] {
            let mut hostile = RawPeer::connect_as(&endpoint, "DISH");
            hostile.send(&frame(COMMAND, &[command, &[b'g'; 300]].concat()));
            hostile.receive_to_end();
        }
        let mut dish = RawPeer::connect_as(&endpoint, "DISH");
        // A subscription as a message is none, joining twice is joining once, leaving the unjoined changes nothing.
        dish.send_message(&[b"\x01g"]);
        dish.send_message(&[b"g", b"unasked"]);
        for command in [&b"\x09SUBSCRIBEg"[..], b"\x05LEAVEg", b"\x04JOINh", b"\x04JOINh"] {
            dish.send(&frame(COMMAND, command));
        }
        radio.wait_for_subscribers(1, PATIENCE).unwrap();
        radio.send_to_group("g", "nobody's").unwrap();
        radio.send_to_group("h", "right").unwrap();
        assert_eq!(dish.receive_message(), [b"h".to_vec(), b"right".to_vec()], "{transport} {driver:?}");
        assert_eq!(radio.as_socket().try_recv(), Err(RecvError::Unsupported));
        eventually("it is counted", || radio.statistics().traffic.dropped.malformed == 2);
        assert_eq!(radio.topics_count(), 1);
        dish.send(&frame(COMMAND, b"\x05LEAVEh"));
        eventually("it has left", || radio.topics_count() == 0);
    });
}
