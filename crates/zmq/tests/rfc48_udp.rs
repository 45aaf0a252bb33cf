//! RFC 48/RADIO-DISH over UDP: one datagram a message, to one host or to a multicast group.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::{
    A_WHILE, DRIVERS, PATIENCE, becomes_true, child, cpu_time, driven_by, eventually, message, texts,
};
use tamtam_zmq::{
    BindError, ConnectError, Context, Dish, Driver, Options, Poller, Radio, RecvError, Socket, SocketType,
};

/// A DISH on the loopback interface, and a plain socket that sends to it.
fn dish_and_sender(context: &Context, options: impl FnOnce(&mut Options)) -> (Dish, UdpSocket) {
    let dish = Dish::with(context, options).unwrap();
    let endpoint = dish.bind("udp://127.0.0.1:*").unwrap();
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    sender.connect(endpoint.strip_prefix("udp://").unwrap()).unwrap();
    (dish, sender)
}

fn with_both_drivers(test: impl Fn(Driver)) {
    DRIVERS.into_iter().for_each(test);
}

#[test]
fn messages_arrive_with_their_group() {
    with_both_drivers(|driver| {
        let context = Context::new();
        let dish = Dish::with(&context, driven_by(driver)).unwrap();
        dish.join("TV").unwrap();
        dish.join("").unwrap();
        let endpoint = dish.bind("udp://127.0.0.1:*").unwrap();
        assert_eq!(dish.last_endpoint(), Some(endpoint.clone()));
        let radio = Radio::with(&context, driven_by(driver)).unwrap();
        radio.connect(&endpoint).unwrap();
        assert_eq!(radio.last_endpoint(), Some(endpoint));
        radio.send_to_group("TV", "Friends").unwrap();
        radio.send_to_group("Movies", "not joined").unwrap();
        radio.send_to_group("", "").unwrap();
        let largest = "x".repeat(8192 - 3);
        radio.send_to_group("TV", largest.as_str()).unwrap();
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["TV", "Friends"], "{driver:?}");
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["", ""]);
        assert!(texts(&dish.recv_timeout(PATIENCE).unwrap()) == ["TV", &largest]);
        assert_eq!(dish.try_recv(), Err(RecvError::WouldBlock));
        let (sent, received) = (radio.statistics(), dish.statistics());
        assert_eq!((sent.traffic.messages_out, sent.traffic.dropped.total()), (4, 0));
        assert_eq!((received.traffic.messages_in, received.traffic.dropped.filtered), (3, 1));
        // One octet too many.
        radio.send_to_group("TV", "x".repeat(8192 - 2)).unwrap();
        assert_eq!(radio.statistics().traffic.dropped.malformed, 1);
    });
}

#[test]
fn the_octets_are_libzmqs() {
    let context = Context::new();
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let radio = Radio::new(&context);
    radio.connect(&format!("udp://{}", receiver.local_addr().unwrap())).unwrap();
    // Who is connected over TCP gets the same message there.
    let dish = Dish::new(&context);
    dish.join("TV").unwrap();
    dish.connect(&radio.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    radio.wait_for_subscribers(1, PATIENCE).unwrap();
    radio.send_to_group("TV", "Friends").unwrap();
    let mut buffer = [0; 100];
    let len = receiver.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"\x02TVFriends");
    assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["TV", "Friends"]);
}

#[test]
fn datagrams_that_are_none_of_radios_are_dropped_and_counted() {
    with_both_drivers(|driver| {
        let context = Context::new();
        let (dish, sender) = dish_and_sender(&context, driven_by(driver));
        dish.join("g").unwrap();
        let oversized = [&b"\x01g"[..], &[0; 8191]].concat();
        for datagram in [&b""[..], b"\x05g", b"\xff", &oversized] {
            sender.send(datagram).unwrap();
        }
        sender.send(b"\x02g\0x").unwrap();
        sender.send(b"\x01gright").unwrap();
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "right"], "{driver:?}");
        let dropped = dish.statistics().traffic.dropped;
        assert_eq!((dropped.malformed, dropped.filtered), (4, 1));
    });
}

#[test]
fn at_the_mark_datagrams_are_left_to_the_kernel() {
    with_both_drivers(|driver| {
        let context = Context::new();
        let (dish, sender) = dish_and_sender(&context, |o| {
            o.set_driver(driver).set_receive_hwm(10);
        });
        dish.join("g").unwrap();
        for number in 0..40 {
            sender.send(format!("\u{1}g{number}").as_bytes()).unwrap();
        }
        eventually("the queue is at the mark", || {
            let _ = dish.readiness();
            dish.statistics().queued_in >= 10
        });
        for number in 0..40 {
            let received = dish.recv_timeout(PATIENCE).unwrap();
            assert_eq!(texts(&received), ["g", &number.to_string()], "{driver:?}");
            assert!(dish.statistics().queued_in <= 10);
        }
    });
}

/// While the application is away, the background thread reads; a poller and a future are woken.
#[test]
fn everybody_who_waits_is_woken() {
    with_both_drivers(|driver| {
        let context = Context::new();
        let (dish, sender) = dish_and_sender(&context, driven_by(driver));
        dish.join("g").unwrap();
        sender.send(b"\x01gaway").unwrap();
        eventually("it was read", || dish.statistics().queued_in == 1);
        assert_eq!(texts(&dish.try_recv().unwrap()), ["g", "away"]);

        let mut poller = Poller::new().unwrap();
        poller.add(&dish, 7, tamtam_zmq::Interest::READABLE).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::park_timeout(Duration::from_millis(5));
                sender.send(b"\x01gpolled").unwrap();
            });
            assert_eq!(poller.wait(Some(PATIENCE)).unwrap().len(), 1, "{driver:?}");
        });
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "polled"]);

        std::thread::scope(|scope| {
            let receiver = scope.spawn(|| dish.recv_timeout(PATIENCE).unwrap());
            std::thread::park_timeout(Duration::from_millis(5));
            sender.send(b"\x01gawaited").unwrap();
            assert_eq!(texts(&receiver.join().unwrap()), ["g", "awaited"], "{driver:?}");
        });
    });
}

/// In a process of its own, whose time is this test's only.
#[test]
fn a_dish_at_its_mark_does_not_spin() {
    const NAME: &str = "a_dish_at_its_mark_does_not_spin";
    if child::role().is_none() {
        child::Child::spawn(NAME, "dish", "").succeed();
        return;
    }
    let context = Context::new();
    let (dish, sender) = dish_and_sender(&context, |o| {
        o.set_receive_hwm(1);
    });
    dish.join("g").unwrap();
    for _ in 0..10 {
        sender.send(b"\x01gx").unwrap();
    }
    eventually("one is here", || dish.statistics().queued_in == 1);
    let before = cpu_time();
    assert!(!becomes_true(4 * A_WHILE, || dish.statistics().queued_in > 1));
    let burnt = cpu_time() - before;
    assert!(burnt < 2 * A_WHILE, "{burnt:?} for a queue that nobody reads");
    for _ in 0..10 {
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "x"]);
    }
}

#[test]
fn who_binds_and_who_connects() {
    let context = Context::new();
    for kind in SocketType::ALL {
        let socket = Socket::new(&context, kind);
        let bound = socket.bind("udp://127.0.0.1:*");
        match kind {
            SocketType::Dish | SocketType::Dgram => assert!(bound.is_ok(), "{kind}: {bound:?}"),
            _ => assert!(matches!(bound, Err(BindError::WrongTransport { .. })), "{kind}: {bound:?}"),
        }
        let connected = socket.connect("udp://127.0.0.1:9");
        match kind {
            SocketType::Radio => assert!(connected.is_ok(), "{connected:?}"),
            _ => assert!(
                matches!(connected, Err(ConnectError::WrongTransport { .. })),
                "{kind}: {connected:?}"
            ),
        }
    }
    let radio = Radio::new(&context);
    assert!(matches!(radio.connect("udp://*:5555"), Err(ConnectError::Endpoint(_))));
    assert!(matches!(radio.connect("udp://127.0.0.1;127.0.0.1:5555"), Err(ConnectError::Endpoint(_))));
    assert!(matches!(radio.connect("udp://[::1]:5555"), Err(ConnectError::Io { .. })), "IPv6 is off");
}

#[test]
fn endpoints_are_taken_back() {
    let context = Context::new();
    let (dish, sender) = dish_and_sender(&context, |_| {});
    dish.join("g").unwrap();
    let endpoint = dish.last_endpoint().unwrap();
    let second = Dish::new(&context);
    let in_use = second.bind(&endpoint).unwrap_err();
    assert!(matches!(in_use, BindError::Io { .. }), "nobody takes a port away: {in_use}");
    sender.send(b"\x01gx").unwrap();
    eventually("it was read", || dish.statistics().queued_in == 1);
    dish.unbind(&endpoint).unwrap();
    assert!(dish.unbind(&endpoint).is_err());
    assert_eq!(texts(&dish.try_recv().unwrap()), ["g", "x"], "what has come is delivered");
    eventually("nothing is left of it", || {
        assert_eq!(dish.try_recv(), Err(RecvError::WouldBlock));
        dish.peers().is_empty()
    });
    second.bind(&endpoint).unwrap();

    let radio = Radio::new(&context);
    radio.connect(&endpoint).unwrap();
    assert_eq!(radio.peers().len(), 1);
    radio.disconnect(&endpoint).unwrap();
    assert!(radio.disconnect(&endpoint).is_err());
    assert!(radio.peers().is_empty());
    radio.send_to_group("g", "to nobody").unwrap();
    // The text as it was given is good as well.
    let any = Dish::new(&context);
    any.bind("udp://*:0").unwrap();
    any.unbind("udp://*:0").unwrap();
}

#[test]
fn a_name_is_looked_up() {
    let context = Context::new();
    let (dish, _) = dish_and_sender(&context, |_| {});
    dish.join("g").unwrap();
    let port = dish.last_endpoint().unwrap().rsplit_once(':').unwrap().1.to_owned();
    let radio = Radio::new(&context);
    let monitor = radio.monitor(10);
    radio.connect(&format!("udp://localhost:{port}")).unwrap();
    eventually("the name is known", || radio.peers().iter().any(|peer| !peer.remote.is_empty()));
    radio.send_to_group("g", "x").unwrap();
    assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "x"]);
    assert!(monitor.try_recv().is_some());
    // One that nobody has: what is sent is dropped and counted, and it is tried again.
    let lost = Radio::new(&context);
    lost.connect("udp://no-such-host.invalid:9").unwrap();
    lost.send_to_group("g", "x").unwrap();
    assert_eq!(lost.statistics().traffic.dropped.unroutable, 1);
}

#[test]
fn ipv6_where_there_is_any() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        let context = Context::new();
        let dish = Dish::with(&context, |o| {
            o.set_ipv6(true);
        })
        .unwrap();
        assert!(dish.bind("udp://[::1]:*").is_err());
        eprintln!("NOT TESTED: this machine has no IPv6; checked that binding to it is an error");
        return;
    }
    let context = Context::new();
    let ipv6 = |o: &mut Options| {
        o.set_ipv6(true);
    };
    let dish = Dish::with(&context, ipv6).unwrap();
    dish.join("g").unwrap();
    let port = dish.bind("udp://*:*").unwrap().rsplit_once(':').unwrap().1.to_owned();
    for host in ["[::1]", "127.0.0.1"] {
        let radio = Radio::with(&context, ipv6).unwrap();
        radio.connect(&format!("udp://{host}:{port}")).unwrap();
        radio.send_to_group("g", host).unwrap();
        assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", host]);
    }
}

/// A free UDP port; another program may take it before it is used, which the tests would notice.
fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

/// Whether the kernel brings a multicast datagram from this interface to itself.
fn multicast_works(group: Ipv4Addr, interface: Ipv4Addr) -> bool {
    let probe = || -> std::io::Result<bool> {
        let receiver = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        receiver.join_multicast_v4(&group, &interface)?;
        receiver.set_read_timeout(Some(Duration::from_millis(500)))?;
        let sender = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
        sender.set_multicast_if_v4(&interface)?;
        sender.send_to(b"probe", &SocketAddr::from((group, receiver.local_addr()?.port())).into())?;
        Ok(receiver.recv(&mut [0; 10])? == 5)
    };
    probe().unwrap_or(false)
}

#[test]
fn all_members_of_a_multicast_group_on_this_host_get_a_copy() {
    let group = Ipv4Addr::new(239, 77, 8, 5);
    let context = Context::new();
    if !multicast_works(group, Ipv4Addr::LOCALHOST) {
        // Then at least nothing may break: either an error, or a socket that works and hears nothing.
        let dish = Dish::new(&context);
        let bound = dish.bind(&format!("udp://127.0.0.1;{group}:*"));
        assert!(bound.is_ok() || matches!(bound, Err(BindError::Io { .. })), "{bound:?}");
        assert_eq!(dish.try_recv(), Err(RecvError::WouldBlock));
        eprintln!(
            "NOT TESTED: no multicast on this machine's loopback; checked that it is no worse than an error"
        );
        return;
    }
    with_both_drivers(|driver| {
        let endpoint = format!("udp://127.0.0.1;{group}:{}", free_port());
        let dishes: Vec<Dish> = (0..2)
            .map(|_| {
                let dish = Dish::with(&context, driven_by(driver)).unwrap();
                dish.join("g").unwrap();
                assert_eq!(dish.bind(&endpoint).unwrap(), endpoint);
                dish
            })
            .collect();
        // Another group at the same port.
        let other = Dish::with(&context, driven_by(driver)).unwrap();
        other.join("g").unwrap();
        other.bind(&endpoint.replace("239.77.8.5", "239.77.8.6")).unwrap();
        let radio = Radio::with(&context, driven_by(driver)).unwrap();
        radio.connect(&endpoint).unwrap();
        radio.send(message(&["g", "to all"])).unwrap();
        for dish in &dishes {
            assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "to all"], "{driver:?}");
        }
        assert_eq!(other.recv_timeout(A_WHILE), Err(RecvError::TimedOut), "not its group");
    });
}

/// The loopback interface brings everything back, whatever the option says; so this takes the system's choice.
#[test]
fn without_the_loop_this_host_hears_nothing_of_itself() {
    let group = Ipv4Addr::new(239, 77, 8, 7);
    let context = Context::new();
    let radio = |looped| {
        let radio = Radio::new(&context);
        radio
            .configure(|o| {
                o.set_multicast_loop(looped).set_multicast_hops(1);
            })
            .unwrap();
        radio
    };
    if !multicast_works(group, Ipv4Addr::UNSPECIFIED) {
        // Without a way to the group, sending is no error of the program; it is counted.
        let lost = radio(false);
        lost.connect(&format!("udp://{group}:9")).unwrap();
        lost.send_to_group("g", "x").unwrap();
        let traffic = lost.statistics().traffic;
        assert_eq!(traffic.messages_out + traffic.dropped.unroutable, 1, "{traffic:?}");
        eprintln!(
            "NOT TESTED: no multicast on this machine's network; checked that a lost datagram is counted"
        );
        return;
    }
    let endpoint = format!("udp://{group}:{}", free_port());
    let dish = Dish::new(&context);
    dish.join("g").unwrap();
    dish.bind(&endpoint).unwrap();
    let (loud, mute) = (radio(true), radio(false));
    loud.connect(&endpoint).unwrap();
    mute.connect(&endpoint).unwrap();
    mute.send_to_group("g", "not here").unwrap();
    loud.send_to_group("g", "here").unwrap();
    assert_eq!(texts(&dish.recv_timeout(PATIENCE).unwrap()), ["g", "here"]);
    assert_eq!(dish.recv_timeout(A_WHILE), Err(RecvError::TimedOut));
}
