//! Peers that go and come back, peers of the wrong type, and what still has to be said at the end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tamtam_zmq::SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub};
use tamtam_zmq::{EventKind, Monitor, Socket};

use super::ends::End;
use super::{Contexts, in_turn, last_endpoint, nudge, one_way, text, theirs, with_both_drivers};
use crate::common::PATIENCE;

const SOON: Duration = Duration::from_millis(10);

/// An endpoint that can be bound again: a free tcp port, or a name that nobody else uses.
fn lasting(transport: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if transport == "tcp" {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        return format!("tcp://{}", listener.local_addr().unwrap());
    }
    format!("ipc://@tamtam-interop-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// libzmq's side: a context of its own, so that its end can be waited for.
struct Server {
    socket: Option<zmq::Socket>,
    kind: zmq::SocketType,
    endpoint: String,
}

impl Server {
    fn start(kind: zmq::SocketType, transport: &str) -> Self {
        let mut server = Self { socket: None, kind, endpoint: lasting(transport) };
        server.start_again();
        server
    }

    fn start_again(&mut self) {
        // The socket keeps its context, which ends with it.
        let socket = theirs(&zmq::Context::new(), self.kind);
        if self.kind == zmq::SUB {
            socket.set_subscribe(b"").unwrap();
        }
        let began = Instant::now();
        // For a moment the system may have the port still, or may have lent it to somebody.
        while let Err(error) = socket.bind(&self.endpoint) {
            assert!(began.elapsed() < PATIENCE, "{error}");
            std::thread::yield_now();
        }
        self.socket = Some(socket);
    }

    /// Waits until nothing of it is left.
    fn stop(&mut self) {
        self.socket = None;
    }

    fn socket(&mut self) -> &mut zmq::Socket {
        self.socket.as_mut().unwrap()
    }
}

#[track_caller]
fn wait_for(monitor: &Monitor, what: impl Fn(&EventKind) -> bool) -> EventKind {
    loop {
        let event = monitor.recv_timeout(PATIENCE).expect("an event in time");
        if what(&event.kind) {
            return event.kind;
        }
    }
}

/// Tells whether a handshake failed because the types do not fit. If libzmq sees it first, it closes the connection without
/// a word, at times before it has told its own type.
fn is_about(reason: &str, ours: &str, theirs: &str) -> bool {
    reason.contains(&format!("ours is {ours}, the peer's is {theirs}"))
        || reason.contains("closed the connection")
}

fn is_end(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Disconnected { .. })
}

/// Runs a test with a server of libzmq that is stopped and started in the middle.
fn restarted(
    ours: tamtam_zmq::SocketType,
    kind: zmq::SocketType,
    before: impl Fn(&mut Socket, &mut zmq::Socket),
    after: impl Fn(&mut Socket, &mut zmq::Socket),
) {
    for transport in ["tcp", "ipc"] {
        with_both_drivers(|driver| {
            let contexts = Contexts::new();
            let mut server = Server::start(kind, transport);
            let mut ours = contexts.ours(ours, driver, |options| {
                options.set_reconnect_interval(Some(SOON)).set_reconnect_interval_max(Some(SOON));
                options.set_routing_id("tamtam".into());
            });
            let monitor = ours.monitor(1000);
            ours.connect(&server.endpoint).unwrap();
            before(&mut ours, server.socket());
            for _ in 0..2 {
                server.stop();
                wait_for(&monitor, is_end);
                wait_for(&monitor, |kind| matches!(kind, EventKind::ConnectRetried { .. }));
                server.start_again();
                after(&mut ours, server.socket());
            }
            assert!(ours.statistics().traffic.reconnects >= 2);
        });
    }
}

fn numbers() -> Vec<super::Frames> {
    (0..100).map(|number| text(&["number", &number.to_string()])).collect()
}

#[test]
fn push_comes_back_to_pull() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| one_way(ours, theirs, &numbers());
    restarted(Push, zmq::PULL, test, test);
}

#[test]
fn pull_comes_back_to_push() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| one_way(theirs, ours, &numbers());
    restarted(Pull, zmq::PUSH, test, test);
}

#[test]
fn pair_comes_back_to_pair() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| {
        one_way(theirs, ours, &numbers());
        one_way(ours, theirs, &numbers());
    };
    restarted(Pair, zmq::PAIR, test, test);
}

#[test]
fn req_comes_back_to_rep() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| in_turn(ours, theirs, &numbers());
    restarted(Req, zmq::REP, test, test);
}

#[test]
fn dealer_comes_back_to_router_under_the_same_name() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| {
        End::send(ours, &text(&["hello"]));
        assert_eq!(theirs.receive(), text(&["tamtam", "hello"]));
        End::send(theirs, &text(&["tamtam", "hello, too"]));
        assert_eq!(ours.receive(), text(&["hello, too"]));
    };
    restarted(Dealer, zmq::ROUTER, test, test);
}

#[test]
fn sub_comes_back_to_xpub_with_its_subscriptions() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| {
        let mut topics = [theirs.receive(), theirs.receive()];
        topics.sort();
        assert_eq!(topics, [text(&["\x01a"]), text(&["\x01b"])]);
        End::send(theirs, &text(&["c"]));
        End::send(theirs, &text(&["b"]));
        assert_eq!(ours.receive(), text(&["b"]));
    };
    restarted(
        Sub,
        zmq::XPUB,
        |ours, theirs| {
            ours.subscribe("a").unwrap();
            ours.subscribe("b").unwrap();
            test(ours, theirs);
        },
        test,
    );
}

#[test]
fn pub_comes_back_to_sub() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| {
        super::await_subscriber(ours, theirs);
        one_way(ours, theirs, &numbers());
    };
    restarted(Pub, zmq::SUB, test, test);
}

#[test]
fn what_was_sent_meanwhile_arrives_afterwards() {
    let test = |ours: &mut Socket, theirs: &mut zmq::Socket| one_way(ours, theirs, &numbers());
    for transport in ["tcp", "ipc"] {
        with_both_drivers(|driver| {
            let contexts = Contexts::new();
            let mut server = Server::start(zmq::PULL, transport);
            let mut ours = contexts.ours(Push, driver, |options| {
                options.set_reconnect_interval(Some(SOON)).set_reconnect_interval_max(Some(SOON));
            });
            let monitor = ours.monitor(1000);
            ours.connect(&server.endpoint).unwrap();
            test(&mut ours, server.socket());
            server.stop();
            wait_for(&monitor, is_end);
            for message in numbers() {
                End::send(&mut ours, &message);
            }
            server.start_again();
            for message in numbers() {
                assert_eq!(server.socket().receive(), message);
            }
        });
    }
}

#[test]
fn libzmq_comes_back_to_us() {
    for transport in ["tcp", "ipc"] {
        with_both_drivers(|driver| {
            let contexts = Contexts::new();
            let endpoint = lasting(transport);
            let mut push = contexts.theirs(zmq::PUSH);
            push.set_immediate(true).unwrap();
            push.connect(&endpoint).unwrap();
            for _ in 0..3 {
                let mut ours = contexts.ours(Pull, driver, |_| {});
                bind_again(&ours, &endpoint);
                // Sent only once a connection is there: nothing goes to one that is dead.
                one_way(&mut push, &mut ours, &numbers());
                ours.close_within(PATIENCE).unwrap();
                nudge_until_unwritable(&push);
            }
        });
    }
}

fn bind_again(ours: &Socket, endpoint: &str) {
    let began = Instant::now();
    while let Err(error) = ours.bind(endpoint) {
        assert!(began.elapsed() < PATIENCE, "{error}");
        std::thread::yield_now();
    }
}

fn nudge_until_unwritable(push: &zmq::Socket) {
    nudge(push, "the end of the connection", || !push.get_events().unwrap().contains(zmq::POLLOUT));
}

#[test]
fn a_peer_of_the_wrong_type_is_told_and_tried_again_ever_more_rarely() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut server = Server::start(zmq::PUB, "tcp");
        let base = Duration::from_millis(8);
        let mut ours = contexts.ours(Push, driver, |options| {
            options.set_reconnect_interval(Some(base)).set_refused_interval(base);
        });
        let monitor = ours.monitor(1000);
        ours.connect(&server.endpoint).unwrap();
        for attempt in 0..4 {
            let EventKind::HandshakeFailed { reason, .. } =
                wait_for(&monitor, |kind| matches!(kind, EventKind::HandshakeFailed { .. }))
            else {
                unreachable!();
            };
            assert!(is_about(&reason, "PUSH", "PUB"), "{reason}");
            let EventKind::ConnectRetried { after, .. } =
                wait_for(&monitor, |kind| matches!(kind, EventKind::ConnectRetried { .. }))
            else {
                unreachable!();
            };
            let nominal = base * (1 << attempt);
            assert!(after >= nominal / 2 && after <= nominal * 3 / 2, "attempt {attempt}: {after:?}");
        }
        assert!(ours.statistics().traffic.handshake_failures >= 4);
        assert_eq!(ours.statistics().peers, 0);
        // The right one comes at last.
        server.stop();
        server.kind = zmq::PULL;
        server.start_again();
        End::send(&mut ours, &text(&["at last"]));
        assert_eq!(server.socket().receive(), text(&["at last"]));
    });
}

#[test]
fn a_peer_of_the_wrong_type_does_not_disturb_the_right_ones() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Rep, driver, |_| {});
        let monitor = ours.monitor(1000);
        let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
        let wrong = contexts.theirs(zmq::SUB);
        wrong.connect(&endpoint).unwrap();
        let EventKind::HandshakeFailed { reason, .. } =
            wait_for(&monitor, |kind| matches!(kind, EventKind::HandshakeFailed { .. }))
        else {
            unreachable!();
        };
        assert!(is_about(&reason, "REP", "SUB"), "{reason}");
        let mut right = contexts.theirs(zmq::REQ);
        right.connect(&endpoint).unwrap();
        in_turn(&mut right, &mut ours, &numbers());
        assert!(ours.statistics().traffic.handshake_failures >= 1);
        assert_eq!(ours.statistics().peers, 1);
    });
}

#[test]
fn a_router_forgets_libzmqs_dealers_that_have_gone() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Router, driver, |_| {});
        let monitor = ours.monitor(1000);
        let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
        for number in 0..20 {
            let mut theirs = contexts.theirs(zmq::DEALER);
            theirs.connect(&endpoint).unwrap();
            let message = text(&[&number.to_string()]);
            End::send(&mut theirs, &message);
            let request = ours.receive();
            End::send(&mut ours, &request);
            assert_eq!(theirs.receive(), message);
            drop(theirs);
            wait_for(&monitor, is_end);
        }
        assert!(ours.peers().is_empty(), "{:?}", ours.peers());
    });
}

#[test]
fn what_libzmq_still_has_to_say_at_its_end_arrives() {
    for transport in ["tcp", "ipc"] {
        with_both_drivers(|driver| {
            let contexts = Contexts::new();
            let endpoint = lasting(transport);
            let context = zmq::Context::new();
            let mut push = theirs(&context, zmq::PUSH);
            push.set_linger(-1).unwrap();
            push.connect(&endpoint).unwrap();
            let messages: Vec<super::Frames> = (0..200).map(|size| vec![super::body(size * 100)]).collect();
            for message in &messages {
                End::send(&mut push, message);
            }
            std::thread::scope(|scope| {
                // The end of the context waits until everything is sent.
                scope.spawn(move || {
                    drop(push);
                    drop(context);
                });
                let mut ours = contexts.ours(Pull, driver, |_| {});
                ours.bind(&endpoint).unwrap();
                for message in &messages {
                    super::assert_same(&ours.receive(), message, "a late message");
                }
            });
        });
    }
}

#[test]
fn what_we_still_have_to_say_at_our_end_arrives() {
    for transport in ["tcp", "ipc"] {
        with_both_drivers(|driver| {
            let endpoint = lasting(transport);
            let ours = tamtam_zmq::Context::new();
            let mut push = Socket::new(&ours, Push);
            push.configure(|options| {
                options.set_driver(driver).set_linger(Some(PATIENCE)).set_reconnect_interval(Some(SOON));
            })
            .unwrap();
            push.connect(&endpoint).unwrap();
            let messages: Vec<super::Frames> = (0..200).map(|size| vec![super::body(size * 100)]).collect();
            for message in &messages {
                End::send(&mut push, message);
            }
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    drop(push);
                    drop(ours);
                });
                let context = zmq::Context::new();
                let mut pull = theirs(&context, zmq::PULL);
                pull.bind(&endpoint).unwrap();
                for message in &messages {
                    super::assert_same(&pull.receive(), message, "a late message");
                }
            });
        });
    }
}

#[test]
fn closing_waits_for_libzmq_and_tells_what_it_could_not_say() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut theirs = contexts.theirs(zmq::PULL);
        theirs.bind("tcp://127.0.0.1:*").unwrap();
        let mut ours = contexts.ours(Push, driver, |_| {});
        ours.connect(&last_endpoint(&theirs)).unwrap();
        for message in numbers() {
            End::send(&mut ours, &message);
        }
        ours.close_within(PATIENCE).unwrap();
        for message in numbers() {
            assert_eq!(theirs.receive(), message);
        }

        let mut ours = contexts.ours(Push, driver, |_| {});
        ours.connect(&lasting("tcp")).unwrap();
        for message in numbers() {
            End::send(&mut ours, &message);
        }
        let given_up = ours.close_within(SOON).unwrap_err();
        assert_eq!(given_up.messages, 100);
    });
}

#[test]
fn the_last_words_of_a_publisher_are_heard() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(XPub, driver, |_| {});
        let mut theirs = contexts.theirs(zmq::SUB);
        theirs.set_subscribe(b"").unwrap();
        theirs.connect(&ours.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        ours.wait_for_subscribers(1, PATIENCE).unwrap();
        let messages = super::script();
        for message in &messages {
            End::send(&mut ours, message);
        }
        drop(ours);
        for message in &messages {
            super::assert_same(&theirs.receive(), message, "a last word");
        }
    });
}
