//! The command on a terminal: standard input and standard error are a pseudo-terminal, standard output is a pipe.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::process::{Ended, PATIENCE, send_signal};

/// A command that runs on a terminal. It is killed when a test gives up on it.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    stdout: Receiver<Vec<u8>>,
    shown: String,
    /// Up to where a test has seen it.
    seen: usize,
}

impl Terminal {
    /// Starts `tamtam` with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other end may be opened");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let noctty = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
        let slave =
            OpenOptions::new().read(true).write(true).custom_flags(noctty).open(path).expect("opened");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tamtam"))
            .args(arguments)
            .stdin(slave.try_clone().expect("one more"))
            .stderr(slave)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let keyboard = File::from(master);
        let screen = chunks(keyboard.try_clone().expect("one more"));
        let stdout = chunks(child.stdout.take().expect("piped"));
        Self { child, keyboard, screen, stdout, shown: String::new(), seen: 0 }
    }

    /// Waits until this text is shown, behind what was waited for before.
    pub(crate) fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let fresh = self.shown.get(self.seen..).unwrap_or_default();
            if let Some(at) = fresh.find(text) {
                self.seen += at + text.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(chunk) => self.shown.push_str(&String::from_utf8_lossy(&chunk)),
                Err(_) => panic!("{text:?} is not shown: {fresh}"),
            }
        }
    }

    /// Types this.
    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("the command reads");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(self.child.id(), signal);
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let stdout = rest(&self.stdout);
        // Its standard output is closed, so it has ended, or does so now.
        let code = self.child.wait().expect("a child can be waited for").code();
        self.shown.push_str(&String::from_utf8_lossy(&rest(&self.screen)));
        Ended { code, stdout, stderr: std::mem::take(&mut self.shown) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until there is nothing more. A terminal that nobody has open any more is an error to read.
fn chunks(mut from: impl std::io::Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if sender.send(chunk.get(..count).unwrap_or_default().to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn rest(chunks: &Receiver<Vec<u8>>) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    let mut whole = Vec::new();
    loop {
        match chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(chunk) => whole.extend(chunk),
            Err(mpsc::RecvTimeoutError::Disconnected) => return whole,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("not ended"),
        }
    }
}
