//! One subscriber of the demo: receives, checks every message, and reports.

use std::io::{self, Read as _, Write as _};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use tamtam_zmq::Context;

use super::ends::{Inlet, Received};
use super::info::Template;
use super::report::{Line, Report};
use crate::exit::{Exit, Failure, Outcome};
use crate::units;

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// After how many messages the clock is looked at.
const PROGRESS_STRIDE: u32 = 256;

/// What a subscriber is to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct Task {
    /// Where the publisher is: its endpoint, or the domain of its topic
    pub(crate) place: String,
    /// Whether `place` is an endpoint
    #[arg(long)]
    pub(crate) plain: bool,
    /// Bytes of padding in each message's text
    #[arg(long, default_value_t = 0)]
    pub(crate) size: u32,
    /// How long to wait for the next message once they come
    #[arg(long, value_parser = units::duration, default_value = "10s")]
    pub(crate) patience: Duration,
}

/// Runs in a process of its own, started by the demo, which reads the report from standard output.
pub(crate) fn run_subscriber(task: &Task) -> Outcome {
    end_with_parent()?;
    let mut stdout = io::stdout();
    let mut tell = |line: &Line| -> Outcome {
        let text = serde_json::to_string(line).map_err(|error| Failure::failed(error.to_string()))?;
        writeln!(stdout, "{text}").map_err(|error| Failure::output(&error))
    };
    let report = receive(&Context::new(), task, |received| tell(&Line::Progress(received)))?;
    tell(&Line::Report(report))
}

/// Ends this process when the publisher's ends, however that happens: the publisher holds the other end of our standard
/// input and never writes to it.
fn end_with_parent() -> Outcome {
    let watch = || {
        let mut nothing = Vec::new();
        // An error, too, means that there is no publisher any more.
        let _ = io::stdin().read_to_end(&mut nothing);
        process::exit(Exit::Failed.code().into());
    };
    thread::Builder::new()
        .name("tamtam-parent".into())
        .spawn(watch)
        .map(drop)
        .map_err(|error| Failure::failed(format!("cannot watch the publisher: {error}")))
}

/// Receives until the end marker, or until nothing has come for as long as the task's patience lasts.
pub(crate) fn receive(
    context: &Context,
    task: &Task,
    mut progress: impl FnMut(u64) -> Outcome,
) -> Outcome<Report> {
    let inlet = Inlet::open(context, task)?;
    let template = Template::new(task.size);
    let mut report = Report::default();
    let mut expected_text = String::new();
    let mut expected_id = 0_i64;
    let mut begun: Option<Instant> = None;
    let mut last = Instant::now();
    let mut told = last;
    let mut countdown = PROGRESS_STRIDE;
    loop {
        // Before the first message the publisher decides how long to wait: it knows who is missing.
        let patience = begun.map(|_| task.patience);
        let body = match inlet.receive(patience)? {
            Received::Body(body) => body,
            Received::Nothing => break,
            Received::End => {
                report.ended = true;
                last = Instant::now();
                break;
            }
        };
        if begun.is_none() {
            begun = Some(Instant::now());
        }
        report.bytes = report.bytes.saturating_add(u64::try_from(body.len()).unwrap_or(u64::MAX));
        match template.check(&body, &mut expected_text).map(i64::from) {
            None => report.bad += 1,
            Some(id) if id < expected_id => {
                report.received += 1;
                report.out_of_order += 1;
            }
            Some(id) => {
                report.received += 1;
                expected_id = id + 1;
            }
        }
        countdown -= 1;
        if countdown == 0 {
            countdown = PROGRESS_STRIDE;
            last = Instant::now();
            if last.duration_since(told) >= PROGRESS_INTERVAL {
                told = last;
                progress(report.received)?;
            }
        }
    }
    report.seconds = begun.map_or(0.0, |begun| last.saturating_duration_since(begun).as_secs_f64());
    Ok(report)
}
