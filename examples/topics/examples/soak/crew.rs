//! The processes of a soak, and what is done to them.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Outcome;
use super::evidence::{Count, Log, Runs};
use super::task::{Policy, Role, Task};
use super::verdict::{Publisher, Subscriber};

/// What is noted of a process that was stopped, resumed by somebody else, and stopped again.
pub(crate) const AGAIN: &str = "stopped again";

/// What has become of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
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
pub(crate) struct Member {
    pub(crate) task: Task,
    pub(crate) fate: Fate,
    child: Child,
    /// A subscriber: how many messages each publisher of its topic had published before it was started.
    pub(crate) floors: HashMap<String, u64>,
    /// What was done to it, and when.
    pub(crate) history: Vec<(Duration, &'static str)>,
}

/// All of them. Those that live are killed when this is dropped.
pub(crate) struct Crew {
    /// This program, prepared to become a member once it is told its task.
    command: Box<dyn Fn() -> Command>,
    pub(crate) members: Vec<Member>,
    began: Instant,
    over: (Sender<usize>, Receiver<usize>),
}

impl Crew {
    pub(crate) fn new(command: impl Fn() -> Command + 'static) -> Self {
        let (command, over) = (Box::new(command), mpsc::channel());
        Self { command, members: Vec::new(), began: Instant::now(), over }
    }

    /// Starts a process; returns its index.
    pub(crate) fn start(&mut self, task: Task) -> Outcome<usize> {
        let mut floors = HashMap::new();
        if task.role == Role::Subscriber {
            for other in self.members.iter().filter(|other| other.task.policy == task.policy) {
                if other.task.role == Role::Publisher {
                    let name = other.task.name();
                    let count = Count::read(&task.place, &name).returned;
                    floors.insert(name, count);
                }
            }
        }
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
        self.members.push(Member { task, fate: Fate::Alive, child, floors, history });
        Ok(index)
    }

    fn member(&mut self, index: usize) -> Outcome<&mut Member> {
        Ok(self.members.get_mut(index).ok_or("no such member")?)
    }

    /// The name of a member's node.
    pub(crate) fn name(&self, index: usize) -> String {
        self.members.get(index).map(|member| member.task.name()).unwrap_or_default()
    }

    pub(crate) fn fate(&self, index: usize) -> Option<Fate> {
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

    pub(crate) fn stop(&mut self, index: usize) -> Outcome {
        self.signal(index, Signal::STOP, "stopped")
    }

    /// Stops those again that should stand still, and that somebody else has resumed: programs that measure stop everybody for a
    /// while.
    pub(crate) fn keep_still(&mut self, indices: impl Iterator<Item = usize>) -> Outcome {
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

    pub(crate) fn resume(&mut self, index: usize) -> Outcome {
        self.signal(index, Signal::CONT, "resumed")
    }

    pub(crate) fn kill(&mut self, index: usize) -> Outcome {
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
    pub(crate) fn tell(&mut self, index: usize, word: &str) -> Outcome {
        let member = self.member(index)?;
        if let Some(input) = &mut member.child.stdin {
            let _heard = input.write_all(format!("{word}\n").as_bytes());
        }
        Ok(())
    }

    /// Waits, at most until then, for a member that ends by itself; returns it.
    pub(crate) fn wait(&mut self, until: Instant) -> Outcome<Option<usize>> {
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

    /// The indices of those that live.
    pub(crate) fn living(&self, role: Role) -> Vec<usize> {
        let lives = |member: &Member| member.fate == Fate::Alive && member.task.role == role;
        (0..).zip(&self.members).filter(|(_, member)| lives(member)).map(|(index, _)| index).collect()
    }

    /// What its members have left behind. All of them have to be gone.
    pub(crate) fn evidence(&self) -> Outcome<(Vec<Publisher>, Vec<Subscriber>)> {
        let (mut publishers, mut subscribers) = (Vec::new(), Vec::new());
        for member in &self.members {
            let (task, name, place) = (member.task.clone(), member.task.name(), &member.task.place);
            let at = |event: Option<&(Duration, _)>| event.map_or(Duration::ZERO, |(at, _)| *at);
            let life = (at(member.history.first()), at(member.history.last()));
            let was_killed = member.fate == Fate::Killed;
            let lines = Log::read(place, &name)?;
            match task.role {
                Role::Publisher => {
                    let count = Count::read(place, &name);
                    publishers.push(Publisher { task, was_killed, life, count, lines });
                }
                Role::Subscriber => {
                    let (floors, runs) = (member.floors.clone(), Runs::read(place, &name));
                    subscribers.push(Subscriber { task, was_killed, life, floors, runs, lines });
                }
            }
        }
        Ok((publishers, subscribers))
    }

    /// How many of a policy have had this done to them, and how often.
    pub(crate) fn count(&self, policy: Policy, role: Role, word: &str) -> usize {
        let of =
            self.members.iter().filter(|member| (member.task.policy, member.task.role) == (policy, role));
        of.flat_map(|member| &member.history).filter(|(_, done)| *done == word).count()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            let _gone = self.kill(index);
        }
    }
}
