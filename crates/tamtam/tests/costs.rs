//! What a message costs in allocations, a count that does not depend on how busy the machine is: nothing, once the buffers
//! are there. One process, so that both ends are counted.

#[path = "../../costs/src/allocations.rs"]
mod allocations;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use allocations::allocations;
use tamtam::zmq::{Context, Message, Pub, Pull, Push, Sub};
use tamtam::{Frame, Node, Overflow, Qos};

/// The count is of the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const PATIENCE: Duration = Duration::from_secs(20);
const WARM: u32 = 20_000;
const COUNT: u32 = 100_000;
/// Allocations per 1,000 messages: those of batches, which grow with the time and not with the messages.
const BUDGET: f64 = 60.0;

/// Has one thread send and this one receive, and checks what that cost.
fn check(what: &str, send: impl Fn(u32) + Send, mut receive: impl FnMut(u32)) {
    std::thread::scope(|scope| {
        scope.spawn(move || (0..WARM + COUNT).for_each(send));
        (0..WARM).for_each(&mut receive);
        let before = allocations();
        (WARM..WARM + COUNT).for_each(&mut receive);
        let made = allocations() - before;
        let each = made as f64 / f64::from(COUNT) * 1000.0;
        println!("{what}: {each:.1} allocations per 1,000 messages");
        assert!(each <= BUDGET, "{what}: {each:.1} allocations per 1,000 messages");
    });
}

fn body(number: u32) -> [u8; 64] {
    let mut body = [7; 64];
    if let Some(place) = body.first_chunk_mut() {
        *place = number.to_le_bytes();
    }
    body
}

fn endpoint(name: &str) -> String {
    format!("ipc://@tamtam-costs-{name}-{}", std::process::id())
}

#[test]
fn a_message_between_sockets_needs_no_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let context = Context::new();
    let (push, pull) = (Push::new(&context), Pull::new(&context));
    push.connect(&pull.bind(&endpoint("push")).unwrap()).unwrap();
    let mut message = Message::default();
    check(
        "PUSH and PULL",
        |number| push.as_socket().send_slice(&body(number), true).unwrap(),
        |number| {
            pull.as_socket().recv_into(&mut message).unwrap();
            assert_eq!(message.as_slice(), body(number));
        },
    );
}

#[test]
fn a_published_message_of_three_frames_needs_no_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let context = Context::new();
    let publisher = Pub::with(&context, |options| _ = options.set_xpub_nodrop(true)).unwrap();
    let endpoint = publisher.bind(&endpoint("pub")).unwrap();
    let subscriber = Sub::new(&context);
    subscriber.subscribe("topic");
    subscriber.connect(&endpoint).unwrap();
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    let mut message = Message::default();
    check(
        "PUB and SUB",
        |number| {
            publisher.as_socket().send_slices(&[b"topic", b"header", &body(number)], true).unwrap();
        },
        |number| {
            subscriber.as_socket().recv_into(&mut message).unwrap();
            assert_eq!(**message.last(), body(number));
        },
    );
}

#[test]
fn a_message_of_a_topic_needs_no_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let node = Node::builder("costs").directory(directory.path()).open().unwrap();
    let qos = Qos::default().overflow(Overflow::Block(PATIENCE));
    let publisher = node.publisher::<Frame>("/costs").qos(qos.clone()).create().unwrap();
    let subscriber = node.subscriber::<Frame>("/costs").qos(qos).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    check(
        "a topic",
        |number| _ = publisher.send(&Frame::copy_from(&body(number))).unwrap(),
        |number| {
            let sample = subscriber.recv_timeout(PATIENCE).unwrap().unwrap();
            assert_eq!((&*sample.value, sample.info.seq), (&body(number)[..], u64::from(number) + 1));
        },
    );
}
