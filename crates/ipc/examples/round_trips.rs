//! How long a message takes to another process and back, over every mechanism that can be used here.
//!
//! ```console
//! $ cargo run --release -p tamtam-ipc --example round_trips -- 64    # octets; by default 64, or as many as a mechanism takes
//! ```
//!
//! Once with both ends sleeping while they wait, once with both spinning first. The other process is this program once more, which gets its
//! tickets over its standard input.

use std::error::Error;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use tamtam_ipc::exchange::{answer, ask};
use tamtam_ipc::facts::Reach;
use tamtam_ipc::{Deadline, End, Link, Mechanism, Plan, Ticket, Wait, all};

const ANSWERING: &str = "TAMTAM_IPC_ANSWERING";
const WARM_UP: usize = 500;
const ROUND_TRIPS: usize = 10_000;
const SPIN: Duration = Duration::from_micros(50);

fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os(ANSWERING).is_some() {
        let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        return answer_all(Ticket::receive(&socket, Deadline::NEVER)?.open()?).map_err(Into::into);
    }
    let octets = env::args().nth(1).map_or(Ok(64), |text| text.parse())?;
    println!("{:16} {:>7} {:>24} {:>24}", "", "octets", "sleeping, µs", "spinning, µs");
    println!("{:16} {:>7} {:>12}{:>12} {:>12}{:>12}", "", "", "median", "99 %", "median", "99 %");
    for mechanism in all() {
        let name = mechanism.facts().name;
        if let Err(reason) = mechanism.probe() {
            println!("{reason}");
            continue;
        }
        let message_max = mechanism.message_max().min(octets);
        print!("{name:16} {message_max:>7}");
        for wait in [Wait::Block, Wait::Spin(SPIN)] {
            let plan = Plan { message_max, wait, ..Plan::default() };
            let mut times = measure(*mechanism, &plan)?;
            times.sort_unstable();
            let micros =
                |part: f64| times[(part * (times.len() - 1) as f64) as usize].as_nanos() as f64 / 1000.0;
            print!(" {:>12.2}{:>12.2}", micros(0.5), micros(0.99));
        }
        println!();
    }
    Ok(())
}

fn measure(mechanism: &dyn Mechanism, plan: &Plan) -> Result<Vec<Duration>, Box<dyn Error>> {
    let Link { client, server, .. } = mechanism.link(plan)?;
    if mechanism.facts().reach == Reach::Process {
        let server = server.open()?;
        let answering = thread::spawn(move || answer_all(server));
        let times = ask_often(client, plan)?;
        answering.join().map_err(|_| "the answering thread panicked")??;
        return Ok(times);
    }
    let (ours, theirs) = UnixStream::pair()?;
    let mut child: Child = Command::new(env::current_exe()?)
        .env(ANSWERING, "1")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    server.hand_over(&ours)?;
    let times = ask_often(client, plan);
    if times.is_err() {
        child.kill()?;
    }
    child.wait()?;
    times
}

/// Both sides count: not every mechanism tells that the other end is gone.
fn ask_often(ticket: Ticket, plan: &Plan) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut end = ticket.open()?;
    let message = vec![7; plan.message_max];
    let mut acknowledgement = Vec::new();
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for number in 0..WARM_UP + ROUND_TRIPS {
        let start = Instant::now();
        ask(&mut *end, &message, &mut acknowledgement, Deadline::NEVER)?;
        if number >= WARM_UP {
            times.push(start.elapsed());
        }
    }
    Ok(times)
}

fn answer_all(mut end: Box<dyn End>) -> Result<(), tamtam_ipc::Error> {
    let mut buffer = Vec::new();
    for _ in 0..WARM_UP + ROUND_TRIPS {
        answer(&mut *end, &mut buffer, Deadline::NEVER, |_| ())?;
    }
    Ok(())
}
