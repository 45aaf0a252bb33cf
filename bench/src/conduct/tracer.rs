//! Counts the system calls of running processes, with `perf` or, where that cannot, `strace`.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Outcome};

/// How long the tool may take to attach or to end.
const PATIENCE: Duration = Duration::from_secs(5);
const EVENT: &str = "raw_syscalls:sys_enter";

/// The tool that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracer {
    /// Counts in the kernel; hardly disturbs.
    Perf,
    /// Stops the process at each call, which slows it down many times and may change what it does.
    Strace,
    Missing,
}

/// A count under way. The tool is ended when this is dropped.
pub(super) struct Count {
    tool: Child,
    tracer: Tracer,
    output: PathBuf,
}

impl Tracer {
    /// Finds out which tool works here.
    pub(super) fn find(folder: &Path) -> Self {
        let output = folder.join("probe");
        let works = |tracer: Self, command: &mut Command| {
            let ran = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            let count = fs::read_to_string(&output).ok().and_then(|text| tracer.parse(&text));
            // An earlier tool's file must not vouch for the next.
            let _ = fs::remove_file(&output);
            ran.is_ok_and(|status| status.success()) && count.is_some_and(|count| count > 0)
        };
        if works(
            Self::Perf,
            Command::new("perf").args(["stat", "-x,", "-e", EVENT, "-o"]).arg(&output).arg("true"),
        ) {
            Self::Perf
        } else if works(
            Self::Strace,
            Command::new("strace").args(["-c", "-f", "-q", "-o"]).arg(&output).arg("true"),
        ) {
            Self::Strace
        } else {
            Self::Missing
        }
    }

    /// Returns a description for the results.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Perf => "counted by perf, in a round of their own",
            Self::Strace => "counted by strace, in a round of their own that is much slower for it",
            Self::Missing => "not counted: neither perf (with rights to trace) nor strace is there",
        }
    }

    /// Begins to count the calls of processes and all their threads. `name` is free for files in `folder`.
    pub(super) fn attach(self, pids: &[u32], folder: &Path, name: &str) -> Outcome<Count> {
        let path = |suffix: &str| folder.join(format!("{name}.{suffix}"));
        let output = path("calls");
        let mut command = match self {
            Self::Perf => Command::new("perf"),
            Self::Strace => Command::new("strace"),
            Self::Missing => return Err(Failure::new(self.describe())),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match self {
            Self::Perf => {
                let (orders, answers) = (path("orders"), path("answers"));
                for fifo in [&orders, &answers] {
                    mknodat(CWD, fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
                }
                let list = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
                let control = format!("fifo:{},{}", orders.display(), answers.display());
                command.args([
                    "stat",
                    "-x,",
                    "-e",
                    EVENT,
                    "-D",
                    "-1",
                    "--control",
                    &control,
                    "-p",
                    &list,
                    "-o",
                ]);
                command.arg(&output);
                let count = Count { tool: command.spawn()?, tracer: self, output };
                enable(&orders, answers)?;
                Ok(count)
            }
            _ => {
                command.args(["-c", "-f", "-q", "-o"]).arg(&output);
                for pid in pids {
                    command.args(["-p", &pid.to_string()]);
                }
                let count = Count { tool: command.spawn()?, tracer: self, output };
                let deadline = Instant::now() + PATIENCE;
                while !pids.iter().all(|&pid| is_traced(pid)) {
                    if Instant::now() > deadline {
                        return Err(Failure::new("strace does not attach"));
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                Ok(count)
            }
        }
    }

    fn parse(self, text: &str) -> Option<u64> {
        match self {
            Self::Perf => text.lines().find(|line| line.contains(EVENT))?.split(',').next()?.parse().ok(),
            Self::Strace => {
                text.lines().find(|line| line.ends_with("total"))?.split_whitespace().nth(3)?.parse().ok()
            }
            Self::Missing => None,
        }
    }
}

impl Count {
    /// Ends the count and returns it.
    pub(super) fn finish(mut self) -> Outcome<u64> {
        let pid = i32::try_from(self.tool.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or_else(|| Failure::new("no such process id"))?, Signal::INT)?;
        let deadline = Instant::now() + PATIENCE;
        while self.tool.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(Failure::new(format!("{:?} does not end", self.tracer)));
            }
            thread::sleep(Duration::from_millis(1));
        }
        let text = fs::read_to_string(&self.output)?;
        self.tracer.parse(&text).ok_or_else(|| Failure::new(format!("{:?} counted nothing", self.tracer)))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        // It may have ended by itself: that is what we want.
        let _ = self.tool.kill();
        let _ = self.tool.wait();
    }
}

/// Tells perf to begin, and waits until it says that it has begun.
fn enable(orders: &Path, answers: PathBuf) -> Outcome {
    // Opened both ways, so that opening does not wait for the other end.
    let both_ways = |path: &Path| File::options().read(true).write(true).open(path);
    let answers = both_ways(&answers)?;
    both_ways(orders).and_then(|mut orders| {
        orders.write_all(b"enable\n")?;
        let (sender, answered) = mpsc::channel();
        thread::spawn(move || {
            let mut answer = String::new();
            if BufReader::new(answers).read_line(&mut answer).is_ok() {
                // Nobody may be waiting any more.
                let _ = sender.send(());
            }
        });
        answered.recv_timeout(PATIENCE).map_err(|_| std::io::Error::other("perf does not attach"))
    })?;
    Ok(())
}

fn is_traced(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
}
