//! What the interoperability tests share: both kinds of socket behind one trait, the cases, what is sent.

mod ends;
mod heartbeats;
mod marks;
mod pairs;
mod publishing;
mod reconnecting;
mod relay;
mod requests;
mod security;
mod streams;
mod versions;

use std::time::{Duration, Instant};

use tamtam_zmq::{Driver, Options, Socket, SocketType};

use self::ends::End;
use crate::common::{DRIVERS, PATIENCE, fresh};

/// A message as both sides understand it: its frames' bodies.
type Frames = Vec<Vec<u8>>;

/// Where and how two sockets meet.
#[derive(Debug)]
struct Case {
    transport: &'static str,
    driver: Driver,
    we_bind: bool,
}

/// Names the case that a failed assertion belongs to.
struct Named<'a>(&'a Case);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was {:?}", self.0);
        }
    }
}

/// Runs a test over these transports, with both drivers, with either side binding.
fn over(transports: &[&'static str], test: impl Fn(&Case)) {
    for &transport in transports {
        for driver in DRIVERS {
            for we_bind in [true, false] {
                let case = Case { transport, driver, we_bind };
                let named = Named(&case);
                test(&case);
                drop(named);
            }
        }
    }
}

/// Runs a test over tcp and ipc, with both drivers, with either side binding.
fn everywhere(test: impl Fn(&Case)) {
    over(&["tcp", "ipc"], test);
}

/// Runs a test with both drivers.
fn with_both_drivers(test: impl Fn(Driver)) {
    for driver in DRIVERS {
        let case = Case { transport: "tcp", driver, we_bind: true };
        let named = Named(&case);
        test(driver);
        drop(named);
    }
}

/// Both libraries' contexts. Ours is dropped after its sockets, as theirs must be.
struct Contexts {
    ours: tamtam_zmq::Context,
    theirs: zmq::Context,
}

impl Contexts {
    fn new() -> Self {
        Self { ours: tamtam_zmq::Context::new(), theirs: zmq::Context::new() }
    }

    /// Makes one of our sockets.
    fn ours(&self, kind: SocketType, driver: Driver, change: impl FnOnce(&mut Options)) -> Socket {
        let socket = Socket::new(&self.ours, kind);
        socket
            .configure(|options| {
                options.set_driver(driver);
                // What drops at the mark shall not drop here.
                if matches!(kind, SocketType::Pub | SocketType::XPub | SocketType::Router) {
                    options.set_send_hwm(0);
                }
                change(options);
            })
            .unwrap();
        socket
    }

    /// Makes one of libzmq's sockets.
    fn theirs(&self, kind: zmq::SocketType) -> zmq::Socket {
        theirs(&self.theirs, kind)
    }
}

/// Makes one of libzmq's sockets: no call waits for ever, and closing it neither.
fn theirs(context: &zmq::Context, kind: zmq::SocketType) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    let patience = i32::try_from(PATIENCE.as_millis()).unwrap();
    socket.set_rcvtimeo(patience).unwrap();
    socket.set_sndtimeo(patience).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_reconnect_ivl(10).unwrap();
    if matches!(kind, zmq::PUB | zmq::XPUB | zmq::ROUTER) {
        socket.set_sndhwm(0).unwrap();
    }
    socket
}

/// Where one of libzmq's sockets is bound.
fn last_endpoint(socket: &zmq::Socket) -> String {
    socket.get_last_endpoint().unwrap().unwrap()
}

impl Case {
    /// Lets the two sockets meet.
    fn join(&self, ours: &Socket, theirs: &zmq::Socket) {
        if self.we_bind {
            theirs.connect(&ours.bind(&fresh(self.transport)).unwrap()).unwrap();
        } else {
            theirs.bind(&fresh(self.transport)).unwrap();
            ours.connect(&last_endpoint(theirs)).unwrap();
        }
    }
}

/// Lengths around which frame headers, inline storage and buffers change.
const SIZES: [usize; 8] = [0, 1, 255, 256, 8191, 8192, 65_536, 1 << 20];

/// How many small messages must arrive in order.
const ORDERED: u32 = 2000;

/// Returns `size` octets with a pattern in which a shift or a gap shows.
fn body(size: usize) -> Vec<u8> {
    (0..=250u8).cycle().skip(size % 251).take(size).collect()
}

/// Returns one message of every kind: single, multipart, with empty frames.
fn samples() -> Vec<Frames> {
    let mut messages = Vec::new();
    for size in SIZES {
        messages.push(vec![body(size)]);
        messages.push(vec![b"head".to_vec(), body(size), Vec::new()]);
    }
    messages.push(vec![Vec::new(), Vec::new(), Vec::new()]);
    messages.push((0..100).map(body).collect());
    messages
}

/// Returns the samples, and then many small messages that are told apart by their numbers.
fn script() -> Vec<Frames> {
    let mut messages = samples();
    messages.extend((0..ORDERED).map(|number| vec![number.to_be_bytes().to_vec()]));
    messages
}

/// Makes a message of texts.
fn text(frames: &[&str]) -> Frames {
    frames.iter().map(|frame| frame.as_bytes().to_vec()).collect()
}

/// Asserts that this is what was sent, without printing a megabyte where it is not.
#[track_caller]
fn assert_same(got: &Frames, sent: &Frames, what: impl std::fmt::Display) {
    let lengths = |frames: &Frames| frames.iter().map(Vec::len).collect::<Vec<_>>();
    assert!(
        got == sent,
        "{what}: frames of {:?} octets came, of {:?} were sent; the first begins with {:?}",
        lengths(got),
        lengths(sent),
        got.first().map(|first| first.iter().take(32).collect::<Vec<_>>()),
    );
}

/// Sends all messages from one end to the other, and asserts that they arrive whole and in order.
fn one_way(from: &mut dyn End, to: &mut dyn End, messages: &[Frames]) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for message in messages {
                from.send(message);
            }
        });
        for (number, message) in messages.iter().enumerate() {
            assert_same(&to.receive(), message, format_args!("message {number}"));
        }
    });
}

/// Sends every message from the client to the server and back, in turn.
fn in_turn(client: &mut dyn End, server: &mut dyn End, messages: &[Frames]) {
    for (number, message) in messages.iter().enumerate() {
        client.send(message);
        let request = server.receive();
        assert_same(&request, message, format_args!("request {number}"));
        server.send(&request);
        assert_same(&client.receive(), message, format_args!("reply {number}"));
    }
}

/// Publishes until the subscriber, which subscribes to everything, hears it: a publisher of libzmq tells nobody that a
/// subscription has come.
fn meet(publisher: &mut dyn End, subscriber: &mut dyn End) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "the subscriber never hears the publisher");
        publisher.send(&text(&["is anybody there?"]));
        if subscriber.receive_within(Duration::from_millis(10)).is_some() {
            break;
        }
    }
    publisher.send(&text(&["is anybody else there?"]));
    while subscriber.receive() != text(&["is anybody else there?"]) {}
}

/// Waits until our publisher has a subscription of libzmq's subscriber. That one takes note of a connection made to it,
/// and sends its subscriptions there, only while it is called.
fn await_subscriber(ours: &Socket, theirs: &zmq::Socket) {
    nudge(theirs, "a subscription", || ours.subscriber_count() > 0);
}

/// Calls libzmq's socket until something has happened: what is said to it has an effect only while it is called.
fn nudge(theirs: &zmq::Socket, what: &str, happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "{what} never came");
        theirs.poll(zmq::POLLIN, 2).unwrap();
    }
}
