//! The workers of one turn, as the conductor sees them.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use tamtam_ipc::{Deadline, Error, Ticket};

use super::Watcher;
use crate::clock;
use crate::control::{Control, News, Order};
use crate::options::Options;

/// The workers of one turn. They are killed when this is dropped.
pub(super) struct Crew<'a> {
    options: &'a Options,
    watcher: &'a dyn Watcher,
    members: Vec<Member>,
}

struct Member {
    name: &'static str,
    process: Child,
    control: Control,
    /// What it said while another one was listened to.
    heard: VecDeque<News>,
    /// Tickets that it has given.
    tickets: VecDeque<Ticket>,
    /// Whether its end is no surprise.
    may_end: bool,
}

/// Why a turn gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Something failed.
    Failed(String),
    /// The watcher said to stop.
    Stopped,
}

/// How often the watcher is asked.
const SLICE: Duration = Duration::from_millis(50);
/// How long a worker may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(1);
/// Octets of its last words that are kept.
const WORDS_MAX: u64 = 600;

impl<'a> Crew<'a> {
    pub(super) const fn new(options: &'a Options, watcher: &'a dyn Watcher) -> Self {
        Self { options, watcher, members: Vec::new() }
    }

    /// Starts one more, and returns its number.
    pub(super) fn start(&mut self, name: &'static str) -> Result<usize, Trouble> {
        let failed = |error: io::Error| Trouble::Failed(format!("cannot start {name}: {error}"));
        let (program, arguments) = self
            .options
            .worker
            .split_first()
            .ok_or_else(|| Trouble::Failed("there is no program that plays workers".to_owned()))?;
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let control = Control::new(ours);
        let (heard, tickets) = (VecDeque::new(), VecDeque::new());
        self.members.push(Member { name, process, control, heard, tickets, may_end: false });
        Ok(self.members.len() - 1)
    }

    pub(super) fn tell(&mut self, number: usize, order: &Order) -> Result<(), Trouble> {
        self.try_with(number, |control| control.say(order))
    }

    /// Hands a ticket that one has given to another one.
    pub(super) fn pass_on(&mut self, from: usize, to: usize) -> Result<(), Trouble> {
        let ticket = self.members.get_mut(from).and_then(|member| member.tickets.pop_front());
        let ticket = ticket.ok_or_else(|| Trouble::Failed("there is no ticket to pass on".to_owned()))?;
        self.try_with(to, |control| ticket.hand_over(control.socket()))
    }

    fn try_with(
        &mut self,
        number: usize,
        act: impl FnOnce(&Control) -> Result<(), Error>,
    ) -> Result<(), Trouble> {
        let Some(member) = self.members.get_mut(number) else { return Err(nobody()) };
        match act(&member.control) {
            Ok(()) => Ok(()),
            Err(Error::Closed) => Err(Trouble::Failed(member.last_words())),
            Err(error) => Err(Trouble::Failed(format!("{}: {error}", member.name))),
        }
    }

    /// Waits for what a worker says next. Any worker's failure or death is a failure of the turn.
    pub(super) fn hear(&mut self, number: usize, patience: Duration) -> Result<News, Trouble> {
        let deadline = Instant::now() + patience;
        loop {
            let member = self.members.get_mut(number).ok_or_else(nobody)?;
            if let Some(news) = member.heard.pop_front() {
                return Ok(news);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("{} says nothing for {:.1} s", member.name, patience.as_secs_f64());
                return Err(Trouble::Failed(text));
            }
            if self.watcher.is_stopped() {
                return Err(Trouble::Stopped);
            }
            self.listen(left.min(SLICE))?;
        }
    }

    /// Takes in what any worker says.
    fn listen(&mut self, patience: Duration) -> Result<(), Trouble> {
        let patience = patience.try_into().ok();
        let mut waited: Vec<PollFd<'_>> = self
            .members
            .iter()
            .map(|member| {
                // One that may end would be ready for ever.
                let flags = if member.may_end { PollFlags::empty() } else { PollFlags::IN };
                PollFd::new(&member.control, flags)
            })
            .collect();
        // A signal, or an error that will show in what follows: look again.
        let _ = poll(&mut waited, patience.as_ref());
        let ready: Vec<bool> = waited.iter().map(|waited| waited.revents().contains(PollFlags::IN)).collect();
        for (member, is_ready) in self.members.iter_mut().zip(ready) {
            if !is_ready {
                continue;
            }
            match member.hear() {
                Ok(News::Failed(why)) => {
                    return Err(Trouble::Failed(format!("{}: {why}", member.name)));
                }
                Ok(news) => member.heard.push_back(news),
                Err(Error::TimedOut) => {}
                Err(Error::Closed) => return Err(Trouble::Failed(member.last_words())),
                Err(error) => return Err(Trouble::Failed(format!("{}: {error}", member.name))),
            }
        }
        Ok(())
    }

    /// Kills a worker, and returns the moment before.
    pub(super) fn kill(&mut self, number: usize) -> Result<u64, Trouble> {
        let Some(member) = self.members.get_mut(number) else { return Err(nobody()) };
        member.may_end = true;
        let at = clock::now();
        let killed = member.process.kill().and_then(|()| member.process.wait());
        killed.map(|_| at).map_err(|error| Trouble::Failed(format!("cannot kill {}: {error}", member.name)))
    }

    /// Lets all end by themselves: then they can tidy up.
    pub(super) fn end(&mut self) {
        for member in &mut self.members {
            member.may_end = true;
            // Whoever cannot be told is at its end already.
            let _ = member.control.say(&Order::Over);
        }
        let deadline = Instant::now() + GRACE;
        for member in &self.members {
            member.wait_for_end(deadline);
        }
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It may have ended by itself: that is what we want.
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

impl Member {
    /// Takes in what it says, with what goes along.
    fn hear(&mut self) -> Result<News, Error> {
        let news = self.control.hear(Deadline::NOW)?;
        if news == News::Ticket {
            self.tickets.push_back(self.control.ticket()?);
        }
        Ok(news)
    }

    /// Waits until it is gone. The end of its standard error tells, which can be waited for with a limit.
    fn wait_for_end(&self, deadline: Instant) {
        let Some(stderr) = &self.process.stderr else { return };
        let left = deadline.saturating_duration_since(Instant::now()).try_into().ok();
        let _ = poll(&mut [PollFd::new(stderr, PollFlags::IN)], left.as_ref());
    }

    /// How it ended, and what it said of that.
    fn last_words(&mut self) -> String {
        self.may_end = true;
        // It has closed the line. If that is not its end, it is now.
        self.wait_for_end(Instant::now() + GRACE);
        let is_over = matches!(self.process.try_wait(), Ok(Some(_)));
        if !is_over {
            let _ = self.process.kill();
        }
        let how = match self.process.wait() {
            Ok(status) => match (status.signal(), status.code()) {
                (Some(9), _) if !is_over => "closed its line".to_owned(),
                (Some(signal), _) => format!("was killed (signal {signal})"),
                (None, Some(code)) => format!("ended with code {code}"),
                (None, None) => "ended".to_owned(),
            },
            Err(error) => format!("is lost: {error}"),
        };
        let mut words = String::new();
        if let Some(stderr) = self.process.stderr.take() {
            let _ = stderr.take(WORDS_MAX).read_to_string(&mut words);
        }
        let words = words.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let colon = if words.is_empty() { "" } else { ": " };
        format!("{} {how}{colon}{words}", self.name)
    }
}

fn nobody() -> Trouble {
    Trouble::Failed("there is no such worker".to_owned())
}
