//! Other programs, with a limit to how long they may take.

use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Far more than any of them needs, so that only something stuck meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Starts a program now, and returns what it has printed when it has ended. One that is stuck is killed.
pub(crate) fn start(command: &mut Command) -> impl FnOnce() -> Output + use<> {
    let what = format!("{command:?}");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| {
        panic!("{what}: {error} (`cargo test -p tamtam-guide` builds the programs; with one --test they are not built)")
    });
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    move || {
        let output = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            kill_process(process, Signal::KILL).unwrap();
            panic!("{what}: not ended after {PATIENCE:?}")
        });
        output.unwrap()
    }
}
