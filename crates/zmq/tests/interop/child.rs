//! Another process at the other end: what it prints is read line by line, and it never outlives the test.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Long enough that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that is killed when it is dropped.
pub(crate) struct Peer {
    child: Child,
    lines: Receiver<String>,
    name: String,
}

impl Peer {
    /// Starts a process; its standard output is ours to read.
    pub(crate) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let (sender, lines) = mpsc::channel();
        let output: BufReader<ChildStdout> = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, name }
    }

    /// Returns the command line.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the next line that it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{} prints no (further) line", self.name))
    }

    /// Waits for its end, which must be a good one; returns the lines not read so far.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<String> {
        let began = Instant::now();
        let mut rest = Vec::new();
        // The end of its output is the end of the channel.
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} does not end", self.name),
            }
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}: {status}", self.name);
        rest
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // After a good end there is nobody left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
