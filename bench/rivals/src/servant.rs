//! A server that some rivals need, started by the end that binds and gone with it.

#[cfg(feature = "ends")]
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tamtam_bench_protocol::failure::Outcome;
#[cfg(feature = "ends")]
use tamtam_bench_protocol::usage::Usage;

static SERVANT: Mutex<Option<Child>> = Mutex::new(None);

/// Starts the server of this process, which ends with the thread that calls this; `input` is what it reads.
pub(crate) fn hire(program: &str, arguments: &[&str], input: &str) -> Outcome {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]).args(arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    *SERVANT.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    Ok(())
}

/// Ends it, if there is one.
pub(crate) fn dismiss() {
    if let Some(mut child) = SERVANT.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // It may have ended by itself: that is what we want.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Returns what this process and its server have used.
#[cfg(feature = "ends")]
pub(crate) fn usage() -> Usage {
    let mut usage = Usage::now();
    if let Some(child) = &*SERVANT.lock().unwrap_or_else(PoisonError::into_inner) {
        usage.cpu_ns += cpu_ns(child.id());
    }
    usage
}

/// Returns a port that is free now and, as a rule, a moment later.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// CPU time of another process, in the kernel's steps of 10 ms.
#[cfg(feature = "ends")]
fn cpu_ns(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name in parentheses: state is field 3; utime and stime are 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10_000_000
}
