//! How a command ends: exit codes and the errors that lead to them.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// The exit codes, as `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done; a closed output pipe counts as done too.
    Done = 0,
    /// Something failed that has no code of its own.
    Failed = 1,
    /// The command line does not make sense.
    Usage = 2,
    /// No such type or file.
    NotFound = 3,
    /// A time-out, or a barrier that was not met.
    TimedOut = 4,
    /// Data and schema do not fit.
    Incompatible = 5,
    /// Messages were lost, and that was noticed.
    DataLost = 6,
    /// Ended by SIGINT (Ctrl-C).
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// Returns the number the shell sees.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The early end of a command: its exit code and, unless it is a quiet end, what to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

/// What a step of a command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// An end with this code and text.
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    /// An end that needs no words.
    pub(crate) const fn quiet(exit: Exit) -> Self {
        Self { exit, text: String::new() }
    }

    /// Exit 1.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(Exit::Failed, text)
    }

    /// Exit 2.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// Exit 3.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, text)
    }

    /// Exit 4.
    pub(crate) fn timed_out(text: impl Into<String>) -> Self {
        Self::new(Exit::TimedOut, text)
    }

    /// Exit 5.
    pub(crate) fn incompatible(text: impl Into<String>) -> Self {
        Self::new(Exit::Incompatible, text)
    }

    /// Exit 6.
    pub(crate) fn data_lost(text: impl Into<String>) -> Self {
        Self::new(Exit::DataLost, text)
    }

    /// Standard output could not be written: a reader that has gone is a normal end.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::quiet(Exit::Done);
        }
        Self::failed(format!("cannot write to standard output: {error}"))
    }

    /// Prints the text, if any, on standard error.
    pub(crate) fn report(&self) {
        if !self.text.is_empty() {
            note(&format!("error: {}", self.text));
        }
    }
}

/// Prints one line on standard error. Nobody may be there to read it, which is no reason to fail.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_numbers() {
        let codes = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::TimedOut,
            Exit::Incompatible,
            Exit::DataLost,
            Exit::Interrupted,
            Exit::Terminated,
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 130, 143]);
    }

    #[test]
    fn a_closed_pipe_is_a_normal_end() {
        let closed = Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(closed, Failure::quiet(Exit::Done));
        let full = Failure::output(&io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit, Exit::Failed);
    }
}
