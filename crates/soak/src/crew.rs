//! The processes of a soak, and what is done to them.

use std::ffi::OsString;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;

/// What is noted of a process that was stopped, resumed by somebody else, and stopped again.
pub const AGAIN: &str = "stopped again";

/// What a process is to do.
pub trait Task {
    /// Its name, in reports.
    fn name(&self) -> String;

    /// The environment by which the process learns of its task.
    fn environment(&self) -> Vec<(&'static str, OsString)>;
}

/// What has become of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs, or is stopped.
    Alive,
    /// It has done what it was to do.
    Done,
    /// By us.
    Killed,
    /// It has ended with an error.
    Failed(ExitStatus),
}

/// One process that there is or was.
#[derive(Debug)]
pub struct Member<T> {
    /// What it was to do.
    pub task: T,
    /// What has become of it.
    pub fate: Fate,
    child: Child,
    /// What was done to it, and when.
    pub history: Vec<(Duration, &'static str)>,
}

/// All of them. Those that live are killed when this is dropped.
pub struct Crew<T> {
    /// A program, prepared to become a member once it is told its task.
    command: Box<dyn Fn() -> Command>,
    /// Those that there are or were, in the order in which they were started.
    pub members: Vec<Member<T>>,
    began: Instant,
    over: (Sender<usize>, Receiver<usize>),
}

impl<T: fmt::Debug> fmt::Debug for Crew<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("members", &self.members).finish_non_exhaustive()
    }
}

/// Has this process killed when the one that started it is gone: nobody would be there to resume or end it.
///
/// # Errors
///
/// When the system refuses.
pub fn die_with_parent() -> Outcome {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

impl<T> Crew<T> {
    /// Nobody yet; `command` makes the processes.
    pub fn new(command: impl Fn() -> Command + 'static) -> Self {
        let (command, over) = (Box::new(command), mpsc::channel());
        Self { command, members: Vec::new(), began: Instant::now(), over }
    }

    fn member(&mut self, index: usize) -> Outcome<&mut Member<T>> {
        Ok(self.members.get_mut(index).ok_or("no such member")?)
    }

    /// What has become of a member.
    #[must_use]
    pub fn fate(&self, index: usize) -> Option<Fate> {
        self.members.get(index).map(|member| member.fate)
    }

    fn signal(&mut self, index: usize, signal: Signal, word: &'static str) -> Outcome {
        let at = self.began.elapsed();
        let member = self.member(index)?;
        // Not waited for yet: its number is nobody else's.
        if member.fate == Fate::Alive {
            let process = i32::try_from(member.child.id()).ok().and_then(Pid::from_raw);
            kill_process(process.ok_or("no process")?, signal)?;
            member.history.push((at, word));
        }
        Ok(())
    }

    /// Stops a process, wherever it is.
    ///
    /// # Errors
    ///
    /// When there is no such member, or no signal can be sent.
    pub fn stop(&mut self, index: usize) -> Outcome {
        self.signal(index, Signal::STOP, "stopped")
    }

    /// Stops those again that should stand still, and that somebody else has resumed: programs that measure stop everybody for a
    /// while.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn keep_still(&mut self, indices: impl Iterator<Item = usize>) -> Outcome {
        for index in indices {
            if !self.stands_still(index)? {
                self.signal(index, Signal::STOP, AGAIN)?;
            }
        }
        Ok(())
    }

    /// Tells whether a process is stopped, as far as the system says.
    fn stands_still(&mut self, index: usize) -> Outcome<bool> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.member(index)?.child.id()))?;
        // Its name is in parentheses, and may be anything.
        Ok(stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn resume(&mut self, index: usize) -> Outcome {
        self.signal(index, Signal::CONT, "resumed")
    }

    /// Kills it, and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn kill(&mut self, index: usize) -> Outcome {
        self.signal(index, Signal::KILL, "killed")?;
        let member = self.member(index)?;
        if member.fate == Fate::Alive {
            let status = member.child.wait()?;
            member.fate = match status.signal() {
                Some(signal) if signal == Signal::KILL.as_raw() => Fate::Killed,
                // It may have ended just before.
                _ if status.success() => Fate::Done,
                _ => Fate::Failed(status),
            };
        }
        Ok(())
    }

    /// Gives a member an order. One that has just ended does not hear it.
    ///
    /// # Errors
    ///
    /// When there is no such member.
    pub fn tell(&mut self, index: usize, word: &str) -> Outcome {
        let member = self.member(index)?;
        if let Some(input) = &mut member.child.stdin {
            let _heard = input.write_all(format!("{word}\n").as_bytes());
        }
        Ok(())
    }

    /// Waits, at most until then, for a member that ends by itself; returns it.
    ///
    /// # Errors
    ///
    /// When the system cannot say how it has ended.
    pub fn wait(&mut self, until: Instant) -> Outcome<Option<usize>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let index = match self.over.1.recv_timeout(left) {
                Ok(index) => index,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(None),
            };
            let at = self.began.elapsed();
            let member = self.member(index)?;
            if member.fate == Fate::Alive {
                let status = member.child.wait()?;
                member.fate = if status.success() { Fate::Done } else { Fate::Failed(status) };
                member.history.push((at, "ended"));
                return Ok(Some(index));
            }
        }
    }

    /// The indices of those that live and are of a kind.
    pub fn living(&self, is_wanted: impl Fn(&T) -> bool) -> Vec<usize> {
        let lives = |member: &Member<T>| member.fate == Fate::Alive && is_wanted(&member.task);
        (0..).zip(&self.members).filter(|(_, member)| lives(member)).map(|(index, _)| index).collect()
    }
}

impl<T: Task> Crew<T> {
    /// Starts a process; returns its index.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub fn start(&mut self, task: T) -> Outcome<usize> {
        let index = self.members.len();
        let mut child = (self.command)()
            .envs(task.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start a process: {error}"))?;
        let mut output = child.stdout.take().ok_or("no output")?;
        let over = self.over.0.clone();
        // Its end is the end of its output: that can be waited for with a limit.
        thread::spawn(move || {
            let _nothing = output.read_to_end(&mut Vec::new());
            let _heard = over.send(index);
        });
        let history = vec![(self.began.elapsed(), "started")];
        self.members.push(Member { task, fate: Fate::Alive, child, history });
        Ok(index)
    }

    /// The name of a member.
    #[must_use]
    pub fn name(&self, index: usize) -> String {
        self.members.get(index).map(|member| member.task.name()).unwrap_or_default()
    }
}

impl<T> Drop for Crew<T> {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            let _gone = self.kill(index);
        }
    }
}
