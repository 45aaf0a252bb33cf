//! Two processes, one link: the server's end goes to a child as a ticket.

// ANCHOR: all
use std::error::Error;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, io};

use tamtam_ipc::exchange::{answer, ask};
use tamtam_ipc::{Deadline, Link, Plan, Ticket, by_name};

const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).unwrap_or_else(|| "unix-seqpacket".to_owned());
    if name == "child" { serve() } else { start(&name) }
}

/// The parent: makes the link, starts the child, gives it one end, and asks over the other one.
fn start(name: &str) -> Result<(), Box<dyn Error>> {
    let mechanism = by_name(name).ok_or_else(|| format!("no mechanism {name}"))?;
    let plan = Plan { message_max: mechanism.message_max().min(64), ..Plan::default() };
    let Link { client, server, .. } = mechanism.link(&plan)?;

    let (ours, theirs) = UnixStream::pair()?;
    let stdin = Stdio::from(OwnedFd::from(theirs));
    let mut child = Command::new(env::current_exe()?).arg("child").stdin(stdin).spawn()?;
    server.hand_over(&ours)?; // descriptors travel with it

    let mut end = client.open()?;
    let mut acknowledgement = Vec::new();
    for question in [b"one", b"two"] {
        ask(&mut *end, question, &mut acknowledgement, Deadline::after(PATIENCE))?;
        println!("{name}: {}", String::from_utf8_lossy(&acknowledgement));
    }
    child.wait()?;
    Ok(())
}

/// The child: takes its end from its standard input, and answers twice.
fn serve() -> Result<(), Box<dyn Error>> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut end = Ticket::receive(&socket, Deadline::after(PATIENCE))?.open()?;
    let mut buffer = Vec::new();
    for _ in 0..2 {
        answer(&mut *end, &mut buffer, Deadline::after(PATIENCE), |message| message.make_ascii_uppercase())?;
    }
    Ok(())
}
// ANCHOR_END: all
