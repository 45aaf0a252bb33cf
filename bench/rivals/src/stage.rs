//! An end's talk with the conductor, for futures of whatever runtime.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::line::{Done, GO, Line, STOP};

use crate::leave::{fail, leave};
use crate::servant;
use tamtam_bench_protocol::talk::{hear, say};

/// How long sockets may take to be closed.
const CLOSING: Duration = Duration::from_millis(500);

/// Where the parts of this process meet. A thread of its own speaks with the conductor for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Stage(Sender<Report>);

#[derive(Debug)]
enum Report {
    /// A part is connected and warm, and wants to know when to begin.
    Ready(oneshot::Sender<()>),
    /// A part has done its work, and wants to know when it may leave.
    Done(Done, oneshot::Sender<()>),
}

impl Stage {
    /// Opens a stage for so many parts.
    pub(crate) fn new(parts: usize) -> Self {
        let (sender, reports) = mpsc::channel();
        thread::spawn(move || lead(parts, &reports).unwrap_or_else(|failure| fail(&failure)));
        Self(sender)
    }

    /// Waits until all parts here and all processes are ready.
    pub(crate) async fn ready(&self) -> Outcome {
        let (begin, go) = oneshot::channel();
        let gone = || Failure::new("the stage is gone");
        self.0.send(Report::Ready(begin)).map_err(|_| gone())?;
        go.await.map_err(|_| gone())
    }

    /// Reports a part's end, and waits until all others have come to theirs, here and in other processes.
    pub(crate) async fn done(&self, done: Done) -> Outcome {
        let (leave, left) = oneshot::channel();
        let gone = || Failure::new("the stage is gone");
        self.0.send(Report::Done(done, leave)).map_err(|_| gone())?;
        left.await.map_err(|_| gone())
    }
}

fn lead(parts: usize, reports: &Receiver<Report>) -> Outcome {
    let gone = || Failure::new("the parts are gone");
    let mut waiting = Vec::new();
    while waiting.len() < parts {
        match reports.recv().map_err(|_| gone())? {
            Report::Ready(begin) => waiting.push(begin),
            Report::Done(..) => return Err(Failure::new("done before all were ready")),
        }
    }
    say(&Line::Ready)?;
    hear(GO)?;
    let at_go = servant::usage();
    for begin in waiting {
        begin.send(()).map_err(|()| gone())?;
    }
    let (mut sum, mut leaving): (Option<Done>, _) = (None, Vec::new());
    for _ in 0..parts {
        let Report::Done(done, leave) = reports.recv().map_err(|_| gone())? else {
            return Err(Failure::new("ready twice"));
        };
        leaving.push(leave);
        sum = Some(sum.map_or(done, |sum| sum.with(done)));
    }
    say(&Line::Done(sum.ok_or_else(gone)?))?;
    hear(STOP)?;
    say(&Line::Spent(servant::usage() - at_go))?;
    for leave in leaving {
        // A part that is gone needs not be told.
        let _ = leave.send(());
    }
    // What closing would still do is not measured, and some rivals take their time for it.
    thread::sleep(CLOSING);
    leave(0)
}
