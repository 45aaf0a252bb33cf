//! The command as a process under test.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far more than any of the tests needs, so that only something stuck meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running command. It is killed when a test gives up on it.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Receiver<Vec<u8>>>,
    stderr: Receiver<String>,
    stderr_seen: Vec<String>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts `tamtam` with these arguments.
    pub(crate) fn start<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_tamtam")).args(arguments))
    }

    /// Starts a command that was prepared.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { stdin: child.stdin.take(), child, stdout, stderr: lines, stderr_seen: Vec::new() }
    }

    /// Starts `tamtam`, keeping the reading end of its standard output apart.
    pub(crate) fn start_with_output(arguments: &[&str]) -> (Self, ChildStdout) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tamtam"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        let stdout = child.stdout.take().expect("piped");
        let (_, stderr) = mpsc::channel();
        (Self { stdin: child.stdin.take(), child, stdout: None, stderr, stderr_seen: Vec::new() }, stdout)
    }

    /// Waits for a line on standard error that begins with `prefix` and returns the rest of it.
    pub(crate) fn told(&mut self, prefix: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.stderr.recv_timeout(left) {
                Ok(line) => {
                    let rest = line.strip_prefix(prefix).map(str::to_owned);
                    self.stderr_seen.push(line);
                    if let Some(rest) = rest {
                        return rest;
                    }
                }
                Err(_) => panic!("no line {prefix:?} on standard error, only {:#?}", self.stderr_seen),
            }
        }
    }

    /// Waits until it is bound and returns the endpoint.
    pub(crate) fn bound(&mut self) -> String {
        self.told("bound ")
    }

    /// Writes to its standard input.
    pub(crate) fn type_in(&mut self, text: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("not closed yet");
        stdin.write_all(text.as_ref()).and_then(|()| stdin.flush()).expect("the command reads");
    }

    /// Closes its standard input.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// Returns whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let stdout = self.stdout.take().map(|stdout| {
            stdout
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("not ended; standard error: {:#?}", self.seen()))
        });
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status.code();
            }
            assert!(Instant::now() < deadline, "not ended; standard error: {:#?}", self.seen());
            thread::sleep(Duration::from_millis(1));
        };
        // The writing end is closed now, so the reader comes to its end.
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            self.stderr_seen.push(line);
        }
        let stderr = self.stderr_seen.join("\n");
        Ended { code, stdout: stdout.unwrap_or_default(), stderr }
    }

    fn seen(&mut self) -> &[String] {
        self.stderr_seen.extend(self.stderr.try_iter());
        &self.stderr_seen
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Checks the exit code and returns standard output as text.
    pub(crate) fn text(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        str::from_utf8(&self.stdout).expect("standard output is text")
    }

    /// Checks for success and returns standard output as text.
    pub(crate) fn ok(&self) -> &str {
        self.text(0)
    }

    /// Checks the exit code and that standard error says all of this.
    pub(crate) fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {:?}", self.stderr);
        }
    }
}

/// Runs `tamtam` to its end.
pub(crate) fn tamtam<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    let mut process = Process::start(arguments);
    process.close_input();
    process.end()
}

/// Sends a signal.
pub(crate) fn send_signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process is there");
}

/// Waits until a process is gone, or at least dead and only waiting for somebody to ask for its exit code.
pub(crate) fn await_death(pid: u32) {
    let deadline = Instant::now() + PATIENCE;
    while fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
    {
        assert!(Instant::now() < deadline, "process {pid} still lives");
        thread::sleep(Duration::from_millis(1));
    }
}

fn collect(mut stdout: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut whole = Vec::new();
        if stdout.read_to_end(&mut whole).is_ok() {
            let _ = sender.send(whole);
        }
    });
    receiver
}
