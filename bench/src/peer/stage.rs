//! An end's talk with the conductor.

use std::process;
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use crate::failure::{Failure, Outcome};
use crate::line::{Done, GO, Line, STOP};
use crate::talk::{hear, say};
use crate::usage::Usage;

/// One part of this process's work, to be played in a thread.
pub(crate) type Part<'a> = Box<dyn FnOnce(&Stage) -> Outcome + Send + 'a>;

/// Where the threads of this process meet, and from where one of them speaks with the conductor.
pub(crate) struct Stage {
    barrier: Barrier,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    at_go: Usage,
    done: Option<Done>,
    /// CPU time of this process that the measurement took, and not what is measured.
    own_ns: u64,
}

impl Stage {
    /// Plays all parts, each in a thread. The first that fails ends the process.
    pub(crate) fn play(parts: Vec<Part<'_>>) {
        let stage = Self { barrier: Barrier::new(parts.len()), progress: Mutex::default() };
        thread::scope(|scope| {
            let mut parts = parts.into_iter();
            let first = parts.next();
            for part in parts {
                scope.spawn(|| part(&stage).unwrap_or_else(|failure| fail(&failure)));
            }
            if let Some(part) = first {
                part(&stage).unwrap_or_else(|failure| fail(&failure));
            }
        });
    }

    /// Waits until all threads here and all processes are warm.
    pub(crate) fn ready(&self) -> Outcome {
        if self.barrier.wait().is_leader() {
            say(&Line::Ready)?;
            hear(GO)?;
            self.progress.lock().unwrap_or_else(PoisonError::into_inner).at_go = Usage::now();
        }
        self.barrier.wait();
        Ok(())
    }

    /// Reports a part's end, and waits until all others have come to theirs, here and in other processes.
    pub(crate) fn done(&self, start_ns: u64, end_ns: u64) -> Outcome {
        self.done_with(Done { start_ns, end_ns, received: None, latency: None }, 0)
    }

    /// Like [`done`](Self::done), with more to report; `own_ns` of CPU time are the measurement's own and do not count.
    pub(crate) fn done_with(&self, done: Done, own_ns: u64) -> Outcome {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.own_ns += own_ns;
        progress.done = Some(progress.done.map_or(done, |sum| sum.with(done)));
        drop(progress);
        if self.barrier.wait().is_leader() {
            let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            say(&Line::Done(progress.done.ok_or_else(|| Failure::new("nothing was done"))?))?;
            hear(STOP)?;
            let mut spent = Usage::now() - progress.at_go;
            spent.cpu_ns = spent.cpu_ns.saturating_sub(progress.own_ns);
            say(&Line::Spent(spent))?;
        }
        self.barrier.wait();
        Ok(())
    }
}

/// Tells the conductor that it went wrong, and ends the process.
pub(crate) fn fail(failure: &Failure) -> ! {
    // If the conductor is gone, too, nobody is left to be told.
    let _ = say(&Line::Failed(failure.0.clone()));
    process::exit(1)
}
