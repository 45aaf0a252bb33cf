//! Child processes: the test binary runs itself again, with a role.

use std::io::{BufRead, BufReader};
use std::process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio};

use super::{PATIENCE, becomes_true};

const ROLE: &str = "TAMTAM_TEST_ROLE";
const ENDPOINT: &str = "TAMTAM_TEST_ENDPOINT";

/// The role that this process plays in the test, and an endpoint; `None` in the test itself.
pub fn role() -> Option<(String, String)> {
    let role = std::env::var(ROLE).ok()?;
    // A child that hangs ends all the same, and whoever listens to it learns that.
    // SAFETY: sets a timer of the process; the signal's default action ends it.
    unsafe { libc::alarm(60) };
    Some((role, std::env::var(ENDPOINT).ok()?))
}

/// Tells the parent something.
pub fn say(text: &str) {
    println!("\n@@{text}");
}

/// A child; it ends with its handle.
pub struct Child {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Runs the test of this name again, in this role.
    pub fn spawn(test: &str, role: &str, endpoint: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ENDPOINT, endpoint)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// Waits for what the child says next; `None` when it has ended.
    pub fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some(text) = line.trim_end().strip_prefix("@@") {
                return Some(text.to_owned());
            }
            line.clear();
        }
        None
    }

    /// Kills the child without giving it any chance, and waits for its end.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for the child's own end.
    pub fn end(&mut self) -> ExitStatus {
        let mut status = None;
        assert!(
            becomes_true(PATIENCE, || {
                status = self.process.try_wait().unwrap();
                status.is_some()
            }),
            "the child does not end"
        );
        status.unwrap()
    }

    /// Waits for the child's end, which must be a good one.
    pub fn succeed(&mut self) {
        let status = self.end();
        assert!(status.success(), "the child failed: {status}");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
