//! `tamtam hz`, `tamtam bw`, `tamtam delay`

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tamtam::{DynamicSubscriber, Node, Qos, RecvError};

use super::args::MeasureArgs;
use super::inbox::STEP;
use super::meter::{Arrival, Measured, Meter, Quantity};
use super::news::tell_news;
use super::presence::{count, missing_publisher};
use crate::exit::{Failure, Outcome};
use crate::output::{Format, Output};
use crate::run::Run;

/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);
/// A tool that measures should not hold publishers up.
const DEPTH: u32 = 10_000;

/// One topic under measurement.
struct Probe {
    topic: String,
    subscriber: DynamicSubscriber,
    meter: Mutex<Meter>,
    has_ended: AtomicBool,
}

/// Prints a line for each topic every second, and a summary at the end.
pub(crate) fn measure(run: &Run, args: &MeasureArgs, quantity: Quantity) -> Outcome {
    let node = run.node(match quantity {
        Quantity::Rate => "hz",
        Quantity::Bandwidth => "bw",
        Quantity::Delay => "delay",
    })?;
    let probes =
        args.topics.iter().map(|topic| open(&node, topic, args.window)).collect::<Outcome<Vec<_>>>()?;
    run.stop
        .when_output_closes()
        .map_err(|error| Failure::failed(format!("cannot watch standard output: {error}")))?;
    if quantity == Quantity::Delay {
        run.tell("delays are told right only if publisher and this host have one clock");
    }
    let done = AtomicBool::new(false);
    let mut report = Report { run, quantity, output: Output::new(Format::Text, None), probes: &probes };
    let outcome = thread::scope(|scope| {
        let spawned = probes.iter().try_for_each(|probe| {
            let listen = thread::Builder::new().name("tamtam-measure".into());
            listen.spawn_scoped(scope, || probe.listen(&done)).map(|_| ())
        });
        let outcome = match spawned {
            Ok(()) => report.run(args, &node),
            Err(error) => Err(Failure::failed(format!("no thread: {error}"))),
        };
        done.store(true, Ordering::Relaxed);
        outcome
    });
    report.finish(outcome)
}

fn open(node: &Node, topic: &str, window: Option<u32>) -> Outcome<Probe> {
    let subscriber = node
        .subscriber_dynamic(topic)
        .qos(Qos::default().depth(DEPTH))
        .create()
        .map_err(|error| Failure::failed(format!("{topic}: {error}")))?;
    let topic = subscriber.topic().to_string();
    Ok(Probe { topic, subscriber, meter: Mutex::new(Meter::new(window)), has_ended: AtomicBool::new(false) })
}

impl Probe {
    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes messages in, without decoding them, until the topic has ended or all is done.
    fn listen(&self, done: &AtomicBool) {
        while !done.load(Ordering::Relaxed) {
            match self.subscriber.recv_bytes(Some(STEP)) {
                Ok(Some(sample)) => {
                    let delay = sample.info.stamp.map(since);
                    let arrival = Arrival { at: Instant::now(), size: sample.info.size, delay };
                    self.meter().add(arrival);
                }
                Ok(None) | Err(RecvError::Closed(_)) => break,
                // Another publisher may come.
                Err(_) => {}
            }
        }
        self.has_ended.store(true, Ordering::Relaxed);
    }
}

/// Nanoseconds from a moment up to now; negative if that is to come.
fn since(stamp: SystemTime) -> i64 {
    let nanoseconds = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(stamp) {
        Ok(span) => nanoseconds(span),
        Err(error) => -nanoseconds(error.duration()),
    }
}

struct Report<'a> {
    run: &'a Run,
    quantity: Quantity,
    output: Output,
    probes: &'a [Probe],
}

impl Report<'_> {
    fn run(&mut self, args: &MeasureArgs, node: &Node) -> Outcome {
        let begun = Instant::now();
        // Counted from the first message on, so that the first line is about a whole interval.
        let mut due: Option<Instant> = None;
        loop {
            self.run.stop.sleep_until(Instant::now() + STEP.min(INTERVAL))?;
            for probe in self.probes {
                tell_news(self.run, &probe.subscriber)?;
            }
            let is_heard = self.probes.iter().any(|probe| probe.meter().messages() > 0);
            let is_over = self.probes.iter().all(|probe| probe.has_ended.load(Ordering::Relaxed));
            let is_time = args.duration.is_some_and(|duration| begun.elapsed() >= duration);
            if is_over {
                return Ok(());
            }
            if !is_heard {
                if is_time || self.run.timeout().is_some_and(|timeout| begun.elapsed() >= timeout) {
                    return Err(self.missing(node, begun.elapsed()));
                }
                continue;
            }
            let now = Instant::now();
            let next = *due.get_or_insert(now + INTERVAL);
            if now >= next {
                // After a halt of this process the missed lines are not made up for.
                due = Some((next + INTERVAL).max(now));
                self.lines()?;
                if args.once {
                    return Ok(());
                }
            }
            if is_time {
                return Ok(());
            }
        }
    }

    fn missing(&self, node: &Node, waited: Duration) -> Failure {
        let why: Vec<String> = self
            .probes
            .iter()
            .map(|probe| format!("{}: {}", probe.topic, missing_publisher(node, &probe.topic)))
            .collect();
        Failure::timed_out(format!("no message within {:.1} s ({})", waited.as_secs_f64(), why.join("; ")))
    }

    fn lines(&mut self) -> Outcome {
        for probe in self.probes {
            let batch = probe.meter().take();
            self.line(probe, &batch.measure(), false)?;
        }
        self.output.flush()
    }

    fn line(&mut self, probe: &Probe, measured: &Measured, is_summary: bool) -> Outcome {
        let lost = probe.subscriber.statistics().lost;
        if self.run.global.json {
            let object = measured.to_json(&probe.topic, self.quantity, lost, is_summary);
            return self.output.line(&object.to_string());
        }
        let width = self.probes.iter().map(|probe| probe.topic.chars().count()).max().unwrap_or(0);
        let total = if is_summary { "  total" } else { "" };
        let missing = if lost > 0 { format!(", {lost} lost") } else { String::new() };
        self.output.line(&format!(
            "{:width$}{total}  {}{missing}",
            probe.topic,
            measured.to_text(self.quantity)
        ))
    }

    /// Prints the summary.
    fn finish(mut self, outcome: Outcome) -> Outcome {
        let is_heard = self.probes.iter().any(|probe| probe.meter().messages() > 0);
        let ended_well = outcome.is_ok();
        if ended_well || is_heard {
            for probe in self.probes {
                let total = probe.meter().total();
                self.line(probe, &total, true)?;
            }
        }
        self.output.flush()?;
        outcome?;
        let lost: u64 = self.probes.iter().map(|probe| probe.subscriber.statistics().lost).sum();
        if lost > 0 {
            return Err(Failure::data_lost(format!("{} lost", count(lost, "message", "messages"))));
        }
        Ok(())
    }
}
