//! Programs that must come to an end.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
    TimedOut,
}

/// A program that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) end: End,
    /// What it wrote, to either stream.
    pub(crate) output: String,
    pub(crate) took: Duration,
}

/// Runs a program for so many seconds at most, with its output in the file `log`.
pub(crate) fn run(command: &Command, seconds: u32, log: &Path) -> Result<Ended, String> {
    let file = File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let copy = file.try_clone().map_err(|error| format!("cannot share {}: {error}", log.display()))?;
    let mut limited = Command::new("timeout");
    limited
        .arg("--kill-after=5")
        .arg(seconds.to_string())
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.stdin(Stdio::null()).stdout(file).stderr(copy);
    let start = Instant::now();
    let status = limited.status().map_err(|error| format!("cannot run {limited:?}: {error}"))?;
    let took = start.elapsed();
    let bytes = fs::read(log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    let output = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended { end: end_of(status.code(), status.signal()), output, took })
}

/// `timeout` says 124 for a program that it had to end, 137 for one that it had to kill, and 128 and more for one that a
/// signal ended.
fn end_of(code: Option<i32>, signal: Option<i32>) -> End {
    match (code, signal) {
        (Some(124 | 137), _) => End::TimedOut,
        (Some(code @ 129..=192), _) => End::Signal(code - 128),
        (Some(code), _) => End::Code(code),
        (None, Some(9)) => End::TimedOut,
        (None, signal) => End::Signal(signal.unwrap_or(0)),
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match number {
                6 => write!(f, "abort (signal 6)"),
                11 => write!(f, "segmentation fault (signal 11)"),
                14 => write!(f, "its own alarm (signal 14)"),
                _ => write!(f, "signal {number}"),
            },
            Self::TimedOut => write!(f, "no end within its time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, seconds: u32) -> Ended {
        let log = std::env::temp_dir().join(format!(
            "tamtam-xtask-{}-{seconds}-{}",
            std::process::id(),
            script.len()
        ));
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("WORD", "hello");
        let ended = run(&command, seconds, &log).expect("a shell");
        fs::remove_file(log).expect("the log is there");
        ended
    }

    #[test]
    fn ends_are_told_apart() {
        let ended = sh("echo $WORD; echo there >&2; exit 3", 10);
        assert_eq!((ended.end, ended.output.as_str()), (End::Code(3), "hello\nthere\n"));
        assert_eq!(sh("kill -6 $$", 11).end, End::Signal(6));
        assert_eq!(sh("kill -11 $$", 12).end, End::Signal(11));
        assert_eq!(sh("read x < /dev/zero", 1).end, End::TimedOut);
    }
}
