//! What the tests share: endpoints, patience, the axis of who drives, peers made of plain bytes, child processes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

pub mod child;
pub mod wire;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tamtam_zmq::{Driver, Message, Options, Socket};

/// Long enough that only a hang reaches it, also on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long it is watched that something does *not* happen.
pub const A_WHILE: Duration = Duration::from_millis(60);

/// The transports that every pattern is tested over.
pub const TRANSPORTS: [&str; 4] = ["tcp", "ws", "ipc", "inproc"];

/// Who does the input and output: every test that can runs with both.
pub const DRIVERS: [Driver; 2] = [Driver::Adaptive, Driver::Background];

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An endpoint to bind that nobody else uses.
pub fn fresh(transport: &str) -> String {
    match transport {
        "tcp" => "tcp://127.0.0.1:*".to_owned(),
        "ws" => "ws://127.0.0.1:*".to_owned(),
        "ipc" => "ipc://*".to_owned(),
        _ => format!("inproc://test-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
    }
}

/// An endpoint that nobody uses, and that can be connected to before it is bound.
pub fn reserved(transport: &str) -> String {
    match transport {
        "tcp" => {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            format!("tcp://{}", listener.local_addr().unwrap())
        }
        "ws" => reserved("tcp").replace("tcp://", "ws://") + "/",
        "ipc" => format!("ipc://@tamtam-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)),
        _ => fresh(transport),
    }
}

/// Sets who drives.
pub fn driven_by(driver: Driver) -> impl Fn(&mut Options) {
    move |options| {
        options.set_driver(driver);
    }
}

/// Runs a test over every transport with both drivers.
pub fn everywhere(test: impl Fn(&str, Driver)) {
    for transport in TRANSPORTS {
        for driver in DRIVERS {
            test(transport, driver);
        }
    }
}

/// Runs a test over the transports of the network, with both drivers.
pub fn over_the_network(test: impl Fn(&str, Driver)) {
    for transport in ["tcp", "ipc"] {
        for driver in DRIVERS {
            test(transport, driver);
        }
    }
}

/// Waits until something is so.
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(becomes_true(PATIENCE, condition), "not within {PATIENCE:?}: {what}");
}

/// Looks whether something becomes so within a time.
pub fn becomes_true(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() > patience {
            return false;
        }
        std::thread::park_timeout(Duration::from_micros(500));
    }
}

/// Waits until everything queued was handed to the operating system.
pub fn written(socket: &impl AsRef<Socket>) {
    eventually("everything is written", || socket.as_ref().statistics().queued_out == 0);
}

/// Waits until so many messages are there to be received.
pub fn arrived(socket: &impl AsRef<Socket>, count: u64) {
    eventually("everything has arrived", || socket.as_ref().statistics().queued_in == count);
}

/// A multipart message of texts.
pub fn message(frames: &[&str]) -> Message {
    Message::from_frames(frames.iter().copied()).unwrap()
}

/// The frames of a message as texts.
pub fn texts(message: &Message) -> Vec<String> {
    message.frames().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect()
}

/// The one frame of a message as text.
pub fn text(message: &Message) -> String {
    assert_eq!(message.frame_count(), 1, "{message:?}");
    String::from_utf8_lossy(message.as_slice()).into_owned()
}

/// The processor time that this process has used. Other tests run beside: to be asked in a child process.
pub fn cpu_time() -> Duration {
    usage(libc::RUSAGE_SELF)
}

/// The processor time that this thread has used.
pub fn thread_cpu_time() -> Duration {
    usage(libc::RUSAGE_THREAD)
}

fn usage(of: libc::c_int) -> Duration {
    // SAFETY: all zeros is a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is valid for writes.
    assert_eq!(unsafe { libc::getrusage(of, &raw mut usage) }, 0);
    let time = |value: libc::timeval| {
        Duration::from_secs(value.tv_sec.unsigned_abs()) + Duration::from_micros(value.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// The memory that this process occupies, in bytes.
pub fn resident_memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
