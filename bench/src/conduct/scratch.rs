//! A folder for Unix sockets and the tracer's files, removed at the end.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::Outcome;
use crate::spec::Transport;

/// A folder of this run's own.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    next: AtomicU32,
}

impl Scratch {
    /// Makes the folder.
    pub(super) fn new() -> Outcome<Self> {
        let folder = env::temp_dir().join(format!("tamtam-bench-{}", process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, next: AtomicU32::new(0) })
    }

    /// Returns the folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns a name that was not used before.
    pub(super) fn name(&self) -> String {
        self.next.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Returns an endpoint to bind to.
    pub(super) fn endpoint(&self, transport: Transport) -> String {
        match transport {
            Transport::Ipc => format!("ipc://{}", self.folder.join(self.name()).display()),
            Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Transport::Inproc => "inproc://bench".to_owned(),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder left behind in the system's place for such things does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
