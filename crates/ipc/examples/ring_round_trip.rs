//! How long a round trip through two rings takes, against the best loop by hand over the same kind of memory.
//!
//! ```console
//! $ cargo run --release -p tamtam-ipc --example ring_round_trip -- [OCTETS] [ROUND TRIPS]
//! ```
//!
//! The loop by hand is two flags: one side writes its message and then raises its flag, the other side spins on that flag, reads
//! the message, and answers in the same way. It cannot say how long a message is, hold two of them, sleep, or notice that the other side is
//! gone; it is what the hardware can do. A message that fits is put on the flag's own cache line, which is the fastest there is.
//! Both sides are processes: this program starts itself once more. The two are measured in turns, several times; what counts is the median.

use std::env;
use std::error::Error;
use std::hint::{black_box, spin_loop};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use tamtam_ipc::memory::{Region, Segment, ring};
use tamtam_ipc::{Deadline, End, Mechanism, Plan, Ticket, Wait};

const TURNS: usize = 15;
const CHILD: &str = "--child";

/// Octets between the two flags, and behind the second one.
const LINE: usize = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let is_child = arguments.first().is_some_and(|word| word == CHILD);
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |word| word.parse::<usize>());
    if is_child {
        return answer(number(1, 0)?, number(2, 0)?);
    }
    let (octets, trips) = (number(0, 32)?.max(1), number(1, 300_000)?.max(1));
    measure(octets, trips)
}

fn measure(octets: usize, trips: usize) -> Result<(), Box<dyn Error>> {
    let (mut flags, mut rings) = (Vec::new(), Vec::new());
    let plan = Plan { message_max: octets, wait: Wait::Spin(Duration::from_secs(10)), ..Plan::default() };
    for _ in 0..TURNS {
        let (ours, childs) = UnixStream::pair()?;
        let mut child = start(childs, octets, trips)?;
        let segment = Segment::anonymous(2 * (LINE + octets.next_multiple_of(LINE)))?;
        let link = ring::Adapter.link(&plan)?;
        // The segment goes along in a ticket of its own: a word, and the descriptor.
        let memory = Ticket::new(&ring::Adapter, link.server.side(), &plan);
        memory.with_descriptor(segment.as_fd().try_clone_to_owned()?).hand_over(&ours)?;
        link.server.hand_over(&ours)?;
        let memory = segment.map()?;
        flags.push(ask_by_flags(&memory, octets, trips));
        rings.push(ask_by_ring(&mut *link.client.open()?, octets, trips)?);
        child.wait()?;
    }
    let (flags, rings) = (Spread::of(flags), Spread::of(rings));
    println!(
        "{octets} octets, {trips} round trips, {TURNS} turns, nanoseconds per round trip (least, median, most)"
    );
    println!("two flags by hand  {flags}");
    println!("two rings          {rings}");
    println!("ratio of the medians: {:.2}", rings.median / flags.median);
    Ok(())
}

fn start(socket: UnixStream, octets: usize, trips: usize) -> std::io::Result<Child> {
    Command::new(env::current_exe()?)
        .args([CHILD, &octets.to_string(), &trips.to_string()])
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .spawn()
}

/// The child: answers first by flags, then by ring.
fn answer(octets: usize, trips: usize) -> Result<(), Box<dyn Error>> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let memory = Ticket::receive(&socket, Deadline::NEVER)?.take_descriptor()?;
    let memory = Segment::attach(memory)?.map()?;
    let mut end = Ticket::receive(&socket, Deadline::NEVER)?.open()?;
    let mut message = vec![0; octets];
    let (question, answer) = lines(octets);
    for trip in 1..=trips as u64 {
        receive_by_flag(&memory, question, trip, &mut message);
        send_by_flag(&memory, answer, trip, &message);
    }
    for _ in 0..trips {
        end.receive(&mut message, Deadline::NEVER)?;
        end.send(&message, Deadline::NEVER)?;
    }
    Ok(())
}

fn ask_by_flags(memory: &Region, octets: usize, trips: usize) -> f64 {
    let (question, answer) = lines(octets);
    let mut message = vec![1; octets];
    timed(trips, |trip| {
        send_by_flag(memory, question, trip, &message);
        receive_by_flag(memory, answer, trip, &mut message);
    })
}

fn ask_by_ring(end: &mut dyn End, octets: usize, trips: usize) -> Result<f64, tamtam_ipc::Error> {
    let mut message = vec![1; octets];
    let mut failed = Ok(());
    let time = timed(trips, |_| {
        let mut trip = || {
            end.send(&message, Deadline::NEVER)?;
            end.receive(&mut message, Deadline::NEVER)
        };
        if failed.is_ok() {
            failed = trip();
        }
    });
    failed.map(|()| time)
}

/// Where the two flags stand, each with its message behind it.
fn lines(octets: usize) -> (usize, usize) {
    (0, LINE + octets.next_multiple_of(LINE))
}

fn send_by_flag(memory: &Region, at: usize, trip: u64, message: &[u8]) {
    memory.write(at + 8, black_box(message));
    memory.word64(at).store(trip, Release);
}

fn receive_by_flag(memory: &Region, at: usize, trip: u64, message: &mut [u8]) {
    while memory.word64(at).load(Acquire) != trip {
        spin_loop();
    }
    memory.read(at + 8, black_box(message));
}

/// Nanoseconds for each trip, after one that both sides need to be there.
fn timed(trips: usize, mut trip: impl FnMut(u64)) -> f64 {
    trip(1);
    let start = Instant::now();
    for number in 2..=trips as u64 {
        trip(number);
    }
    start.elapsed().as_nanos() as f64 / (trips.max(2) - 1) as f64
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { least: values[0], median: values[values.len() / 2], most: values[values.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8.1} {:8.1} {:8.1}", self.least, self.median, self.most)
    }
}
