//! A process that plays one end, as the conductor sees it.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::autopsy::autopsy;
use crate::failure::{Failure, Outcome};
use crate::line::Line;
use crate::rivals;
use crate::spec::{Role, Spec};

/// How long an end is asked when another has failed; its own patience may be over a little later.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// A process of this program, or of the one that plays the rivals. It is killed, by its id, when this is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    orders: Option<ChildStdin>,
    news: Receiver<Line>,
    /// The last lines of its standard error.
    complaints: Arc<Mutex<VecDeque<String>>>,
    role: Role,
}

impl Child {
    /// Starts an end.
    pub(super) fn start(spec: &Spec) -> Outcome<Self> {
        let is_rival = spec.contestant.is_rival() && spec.role != Role::Hog;
        let mut process = Command::new(if is_rival { rivals::program() } else { env::current_exe()? })
            .args(["peer", &serde_json::to_string(spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take();
        let (sender, news) = mpsc::channel();
        let stdout = process.stdout.take();
        thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
                let Some(line) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let complaints = Arc::new(Mutex::new(VecDeque::new()));
        let stderr = process.stderr.take();
        let kept = Arc::clone(&complaints);
        thread::spawn(move || {
            for line in
                stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).lines().map_while(Result::ok))
            {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > 8 {
                    kept.pop_front();
                }
            }
        });
        Ok(Self { process, orders, news, complaints, role: spec.role })
    }

    /// Returns the process's id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Tells it something.
    pub(super) fn tell(&mut self, word: &str) -> Outcome {
        let name = self.name();
        let orders = self.orders.as_mut().ok_or_else(|| Failure::new(format!("{name} takes no orders")))?;
        orders
            .write_all(format!("{word}\n").as_bytes())
            .map_err(|error| Failure::from(error).while_doing(name))
    }

    /// Waits for a line that `pick` takes; `what` names it in failures.
    pub(super) fn expect<T>(
        &mut self,
        what: &str,
        deadline: Instant,
        pick: impl Fn(Line) -> Option<T>,
    ) -> Outcome<T> {
        let name = self.name();
        match self.news.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Line::Failed(why)) => Err(Failure::new(format!("{name}: {why}"))),
            Ok(line) => {
                let shown = format!("{name}: expected {what}, got {line:?}");
                pick(line).ok_or_else(|| Failure::new(shown))
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(Failure::new(format!("{name} hangs before {what}; its threads: {}", autopsy(self.pid()))))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.died(what)),
        }
    }

    /// Returns what it says of its failure within a while, or else what it is doing; `None` if it has ended.
    pub(super) fn last_words(&self) -> Option<String> {
        let deadline = Instant::now() + LAST_WORDS;
        let name = self.name();
        loop {
            match self.news.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Line::Failed(why)) => return Some(format!("{name}: {why}")),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    return Some(format!("{name}: says nothing; its threads: {}", autopsy(self.pid())));
                }
            }
        }
    }

    /// Waits until the process has ended well.
    pub(super) fn finish(&mut self, deadline: Instant) -> Outcome {
        self.orders = None;
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return Err(self.died("its end")),
                None if Instant::now() < deadline => thread::sleep(Duration::from_micros(300)),
                None => {
                    let threads = autopsy(self.pid());
                    return Err(Failure::new(format!(
                        "{} does not end; its threads: {threads}",
                        self.name()
                    )));
                }
            }
        }
    }

    fn died(&mut self, before: &str) -> Failure {
        let status = self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        // The thread that gathers them may still be at it.
        thread::sleep(Duration::from_millis(20));
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let text = complaints.iter().map(String::as_str).collect::<Vec<_>>().join(" | ");
        Failure::new(format!("{} ended before {before}: {status}. {text}", self.name()))
    }

    fn name(&self) -> &'static str {
        match self.role {
            Role::Binder => "binder",
            Role::Connector => "connector",
            Role::Both => "both ends",
            Role::Hog => "hog",
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself: that is what we want.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
