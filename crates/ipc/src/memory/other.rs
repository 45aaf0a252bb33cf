//! For tests: another process, which dies where the test wants it to. It is this test program once more, running one test only.

use std::env;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Deadline, passing};

/// Tells the other process what its part is.
const PART: &str = "TAMTAM_IPC_PART";

/// The other process as the test has it. It is killed at the end at the latest.
pub(super) struct Other {
    process: Child,
    socket: UnixStream,
}

impl Other {
    /// Starts it with the test of this name, in which [`part`] then returns the part, and gives it these descriptors.
    pub(super) fn start(test: &str, part: &str, descriptors: Vec<OwnedFd>) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a pair");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        // Test names have no crate in front, module paths do.
        let test = test.split_once("::").map_or(test, |(_, test)| test);
        let process = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let lent: Vec<_> = descriptors.iter().map(OwnedFd::as_fd).collect();
        passing::send(&socket, &[descriptors.len() as u8], &lent, patient()).expect("handed over");
        Self { process, socket }
    }

    /// Waits until it says that it is so far.
    pub(super) fn wait_for_step(&mut self) {
        self.socket.read_exact(&mut [0]).expect("the other process is alive");
    }

    /// Kills it, and waits until it is dead.
    pub(super) fn kill(mut self) {
        self.process.kill().expect("it is our child");
        let status = self.process.wait().expect("it is our child");
        assert_eq!(status.signal(), Some(rustix::process::Signal::KILL.as_raw()), "{status}");
    }

    /// Waits until it has ended by itself.
    pub(super) fn end(mut self) {
        drop(self.socket.shutdown(std::net::Shutdown::Write));
        assert!(self.process.wait().expect("it is our child").success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The test as the other process has it.
pub(super) struct Here {
    pub(super) part: String,
    pub(super) descriptors: Vec<OwnedFd>,
    socket: UnixStream,
}

/// Tells whether this is the other process, and what its part is.
pub(super) fn here() -> Option<Here> {
    let part = env::var(PART).ok()?;
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().expect("duplicated"));
    let mut descriptors = Vec::new();
    passing::receive(&socket, &mut [0], &mut descriptors, patient()).expect("handed over");
    Some(Here { part, descriptors: descriptors.into_iter().collect(), socket })
}

impl Here {
    /// Tells the test that we are so far.
    pub(super) fn step(&mut self) {
        self.socket.write_all(&[1]).expect("the test is alive");
    }

    /// Waits to be killed, or for the end of the test.
    pub(super) fn wait(&mut self) {
        while self.socket.read(&mut [0; 8]).is_ok_and(|count| count > 0) {}
    }
}

/// So long that only a failure reaches it.
pub(super) fn patient() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}
