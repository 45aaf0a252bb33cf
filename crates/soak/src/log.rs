//! Files that a kill does not blur: what is in the system's cache survives the process.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result, Write as _};
use std::marker::PhantomData;
use std::path::Path;
use std::str::FromStr;

use crate::Outcome;

/// Makes a file that is not there yet.
///
/// # Errors
///
/// What the system says; `AlreadyExists` if it is there.
pub fn create(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Writes lines, each at once, into `<name>.log`.
#[derive(Debug)]
pub struct Log<L> {
    file: File,
    lines: PhantomData<fn(L)>,
}

impl<L: Display + FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>> Log<L> {
    /// Begins a member's log.
    ///
    /// # Errors
    ///
    /// As [`create`].
    pub fn create(place: &Path, name: &str) -> Result<Self> {
        Ok(Self { file: create(&place.join(format!("{name}.log")))?, lines: PhantomData })
    }

    /// Adds a line.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&mut self, line: &L) -> Result<()> {
        self.file.write_all(format!("{line}\n").as_bytes())
    }

    /// Returns all lines of a member; none, if it has not come so far as to have a log.
    ///
    /// # Errors
    ///
    /// What the system says, and what is no line.
    pub fn read(place: &Path, name: &str) -> Outcome<Vec<L>> {
        match std::fs::read_to_string(place.join(format!("{name}.log"))) {
            Ok(text) => text.lines().map(|line| line.parse().map_err(Into::into)).collect(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}
