//! The subscribers of a demo, as their publisher sees them.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tamtam_zmq::Context;

use super::report::{Line, Report};
use super::subscriber::{Task, receive};
use crate::exit::{Failure, Outcome};

/// All subscribers. Processes among them are killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Crew {
    members: Vec<Member>,
    news: Receiver<(usize, News)>,
}

/// One subscriber.
#[derive(Debug)]
pub(crate) struct Member {
    /// Counted from 1.
    pub(crate) number: usize,
    /// Absent for a thread.
    pub(crate) child: Option<Child>,
    /// How far it is.
    pub(crate) state: State,
}

/// How far a subscriber is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// At work; it said last that it had got so many messages.
    Running {
        /// Messages.
        received: u64,
    },
    /// Done.
    Reported(Report),
    /// Gone without a report.
    Died {
        /// The last that was heard of it.
        received: u64,
        /// `killed (signal 9)`, `exit code 1`, …
        how: String,
    },
}

#[derive(Debug)]
enum News {
    Line(Line),
    /// Nothing more will come.
    Over(Option<String>),
}

impl Crew {
    /// Starts subscribers in processes of their own. `program` is this one; `started` is told of each.
    pub(crate) fn processes(
        count: usize,
        task: &Task,
        program: &Path,
        mut started: impl FnMut(&Member),
    ) -> Outcome<Self> {
        let (sender, news) = mpsc::channel();
        let mut crew = Self { members: Vec::with_capacity(count), news };
        for index in 0..count {
            let mut child = Command::new(program)
                .arg("demo-subscriber")
                .args(task.plain.then_some("--plain"))
                .args(["--size", &task.size.to_string()])
                .args(["--patience", &humantime::format_duration(task.patience).to_string()])
                .args(["--", &task.place])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| {
                    Failure::failed(format!("cannot start subscriber {} of {count}: {error}", index + 1))
                })?;
            let stdout = child.stdout.take();
            // In the crew before anything else can fail, so that it is killed then.
            crew.members.push(Member::new(index, Some(child)));
            crew.members.last().map(&mut started);
            let sender = sender.clone();
            start(index, move || {
                for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
                    let Some(line) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else {
                        break;
                    };
                    // The crew may be gone; then the pipe is about to close, too.
                    let _ = sender.send((index, News::Line(line)));
                }
                let _ = sender.send((index, News::Over(None)));
            })?;
        }
        Ok(crew)
    }

    /// Starts subscribers in threads of this process.
    pub(crate) fn threads(count: usize, task: &Task, context: &Context) -> Outcome<Self> {
        let (sender, news) = mpsc::channel();
        let members = (0..count).map(|index| Member::new(index, None)).collect();
        for index in 0..count {
            let (sender, task, context): (Sender<_>, Task, Context) =
                (sender.clone(), task.clone(), context.clone());
            start(index, move || {
                let tell = |line| {
                    // The crew may be gone, and with it the interest.
                    let _ = sender.send((index, News::Line(line)));
                    Ok(())
                };
                let over = match receive(&context, &task, |received| tell(Line::Progress(received))) {
                    Ok(report) => tell(Line::Report(report)).err().map(|failure| failure.text),
                    Err(failure) => Some(failure.text),
                };
                let _ = sender.send((index, News::Over(over)));
            })?;
        }
        Ok(Self { members, news })
    }

    /// Returns the subscribers.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Takes in what has been told, without waiting.
    pub(crate) fn catch_up(&mut self) {
        while let Ok((index, news)) = self.news.try_recv() {
            self.take_in(index, news);
        }
    }

    /// Waits for news until `until`; returns whether there were any.
    pub(crate) fn wait(&mut self, until: Instant) -> bool {
        match self.news.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((index, news)) => self.take_in(index, news),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        }
        self.catch_up();
        true
    }

    /// Returns the first subscriber that died.
    pub(crate) fn first_dead(&self) -> Option<&Member> {
        self.members.iter().find(|member| matches!(member.state, State::Died { .. }))
    }

    /// Returns the subscriber at work that was heard of least.
    pub(crate) fn slowest(&self) -> Option<&Member> {
        let at_work = self.members.iter().filter(|member| matches!(member.state, State::Running { .. }));
        at_work.min_by_key(|member| member.received())
    }

    /// Returns whether every subscriber has reported or died.
    pub(crate) fn is_over(&self) -> bool {
        !self.members.iter().any(|member| matches!(member.state, State::Running { .. }))
    }

    fn take_in(&mut self, index: usize, news: News) {
        let Some(member) = self.members.get_mut(index) else { return };
        match news {
            News::Line(Line::Progress(received)) => member.state = State::Running { received },
            News::Line(Line::Report(report)) => member.state = State::Reported(report),
            News::Over(_) if matches!(member.state, State::Reported(_)) => {}
            News::Over(how) => {
                let how = how.or_else(|| member.child.as_mut().map(describe_end));
                let received = member.received();
                member.state = State::Died { received, how: how.unwrap_or_else(|| "no report".to_owned()) };
            }
        }
    }
}

impl Crew {
    /// Ends the processes among the subscribers.
    pub(crate) fn disband(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            // It may have ended by itself: that is what we want.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.disband();
    }
}

impl Member {
    fn new(index: usize, child: Option<Child>) -> Self {
        Self { number: index + 1, child, state: State::Running { received: 0 } }
    }

    /// Returns the process's id; a thread has none.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns how many messages it is known to have got.
    pub(crate) fn received(&self) -> u64 {
        match &self.state {
            State::Running { received } | State::Died { received, .. } => *received,
            State::Reported(report) => report.received,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subscriber {}", self.number)?;
        self.pid().map_or(Ok(()), |pid| write!(f, " (pid {pid})"))
    }
}

fn start(index: usize, body: impl FnOnce() + Send + 'static) -> Outcome {
    thread::Builder::new()
        .name(format!("tamtam-sub-{}", index + 1))
        .spawn(body)
        .map(drop)
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))
}

/// Says how a process ended whose output is over. One that only closed its output is ended first.
fn describe_end(child: &mut Child) -> String {
    const GRACE: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + GRACE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return describe_status(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return "closed its output".to_owned();
            }
            Err(error) => return format!("lost: {error}"),
        }
    }
}

fn describe_status(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed (signal {signal})"),
        (None, Some(code)) => format!("exit code {code} without a report"),
        (None, None) => "ended without a report".to_owned(),
    }
}
