//! The tables, what stands out in them, and the plots.

use super::{Figures, Options, Point, Step, Sweep};
use crate::machine::Machine;
use crate::metric::{Metric, digits};
use crate::output::Columns;
use crate::plot::{COLOURS, Line, Plot, short};
use crate::scale::LIBRARIES;

/// Another library has to be better by so much before it is said to be.
const WORSE: f64 = 1.1;
/// What grows by more than this from one rate to the next is called a step.
const STEP: f64 = 1.5;
/// A rate that falls short of what was asked by more than this was not reached.
const SHORT: f64 = 0.95;

/// Writes the page with all tables and links to the plots.
pub(super) fn write(machine: &Machine, options: &Options, sweeps: &[Sweep]) -> String {
    let mut out = String::from(
        "# From a message now and then to a stream\n\n\
         Written by `target/release/tamtam-bench sweep --out ../docs` in `bench`; [performance.md](performance.md) says what it means.\n\n",
    );
    for line in machine.to_string().lines() {
        out.push_str(&format!("- {}\n", line.trim()));
    }
    out.push_str(&format!("- {}\n\n{}\n", rounds(options), HOW.trim()));
    for sweep in sweeps {
        let transport = sweep.transport;
        out.push_str(&format!("\n## PUSH → PULL of 64 octets over {transport}\n\n"));
        out.push_str(table(sweep).render(true).trim_end());
        for (name, plot) in plots(sweep) {
            out.push_str(&format!("\n\n![{}]({name})", plot.title));
        }
        out.push_str("\n\n");
        out.push_str(&remarks(sweep));
    }
    out
}

fn rounds(options: &Options) -> String {
    format!(
        "medians of {} rounds, in which the libraries take turns; {} ms each",
        options.rounds, options.time
    )
}

const HOW: &str = "
The sender is an open loop: each message is due at its time, whatever became of those before it. Up to 10,000 messages a second it sleeps until
then (to the nanosecond, as far as the kernel keeps that); from 10,000 on it spins, which keeps one processor busy. 10,000 is measured both ways:
a sender that sleeps has its processor and its caches to wake up, too. What is due already is sent at once, and a sender that waits for room goes on
behind its time; then the rate is less than was asked (*in italics*).

A message carries the time at which `send` was called; its way ends when `recv` has returned, on the same clock. CPU time is that of both processes with
all their threads, per message, without what the sender needs to wait and both ends to ask for the time.
";

fn table(sweep: &Sweep) -> Columns {
    let mut heading = vec!["messages per second, sender".to_owned()];
    for column in ["one way, median", "one way, 99 %", "CPU per message", "reached"] {
        heading.extend(LIBRARIES.map(|library| format!("{column}: {library}")));
    }
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    let mut table = Columns::new(&heading);
    for point in &sweep.points {
        let mut row = vec![name(point.step)];
        let shows: [&dyn Fn(&Figures) -> String; 4] = [
            &|figures| time(figures.median_ns),
            &|figures| time(figures.p99_ns),
            &|figures| time(figures.cpu_ns),
            &|figures| reached(point.step, figures),
        ];
        for show in shows {
            row.extend(
                point
                    .figures
                    .iter()
                    .map(|(_, figures)| figures.as_ref().map_or_else(|_| "–".to_owned(), show)),
            );
        }
        table.push(row);
    }
    table
}

fn name(step: Step) -> String {
    format!("{}, {}", short(step.rate as f64), if step.awake { "awake" } else { "asleep" })
}

fn time(ns: f64) -> String {
    Metric::Cpu.show(ns)
}

fn reached(step: Step, figures: &Figures) -> String {
    let rate = Metric::MessageRate.show(figures.rate);
    if is_short(step, figures) { format!("*{rate}*") } else { rate }
}

fn is_short(step: Step, figures: &Figures) -> bool {
    figures.rate < step.rate as f64 * SHORT
}

type Figure = (&'static str, fn(&Figures) -> f64);

/// Smaller is better in all of them.
const COSTS: [Figure; 3] = [
    ("median", |figures| figures.median_ns),
    ("99 %", |figures| figures.p99_ns),
    ("CPU", |figures| figures.cpu_ns),
];

/// Says where ours is worse, where something grows by a step with the rate, and what could not be measured.
fn remarks(sweep: &Sweep) -> String {
    let mut out = String::new();
    out.push_str(&list("Where Tamtam is more than 10 % worse than libzmq", &worse(sweep)));
    for (index, library) in LIBRARIES.into_iter().enumerate() {
        let title =
            format!("Where more messages a second are more than half dearer or slower, each: {library}");
        out.push_str(&list(&title, &jumps(sweep, index)));
    }
    for point in &sweep.points {
        for (library, figures) in &point.figures {
            if let Err(failure) = figures {
                out.push_str(&format!("Not measured: {}, {library}: {failure}\n", name(point.step)));
            }
        }
    }
    out
}

fn list(title: &str, entries: &[String]) -> String {
    let text = if entries.is_empty() { "nowhere".to_owned() } else { entries.join("; ") };
    format!("- {title}: {text}.\n")
}

fn known(point: &Point, index: usize) -> Option<&Figures> {
    point.figures.get(index)?.1.as_ref().ok()
}

fn worse(sweep: &Sweep) -> Vec<String> {
    let mut found = Vec::new();
    for point in &sweep.points {
        let (Some(ours), Some(theirs)) = (known(point, 0), known(point, 1)) else { continue };
        let step = name(point.step);
        // Who sends fewer has shorter queues: only what both have reached can be compared.
        let is_fair = is_short(point.step, ours) || !is_short(point.step, theirs);
        for (what, of) in COSTS {
            let (ours, theirs) = (of(ours), of(theirs));
            if ours > theirs * WORSE && (is_fair || what == "CPU") {
                found.push(format!("{step}: {what} {} times", digits(ours / theirs)));
            }
        }
        if ours.rate * WORSE < theirs.rate {
            found.push(format!("{step}: rate {} times", digits(ours.rate / theirs.rate)));
        }
    }
    found
}

fn jumps(sweep: &Sweep, index: usize) -> Vec<String> {
    let mut found = Vec::new();
    for pair in sweep.points.windows(2) {
        let [before, after] = pair else { continue };
        // Another sender is another measurement, and one that waits for room measures the room.
        let (Some(low), Some(high)) = (known(before, index), known(after, index)) else { continue };
        if before.step.awake != after.step.awake || is_short(after.step, high) {
            continue;
        }
        for (what, of) in COSTS {
            if of(high) > of(low) * STEP {
                found.push(format!(
                    "{what} from {} at {} to {} at {}",
                    time(of(low)),
                    short(before.step.rate as f64),
                    time(of(high)),
                    short(after.step.rate as f64)
                ));
            }
        }
    }
    found
}

/// Returns the plots with the names of their files.
pub(super) fn plots(sweep: &Sweep) -> [(String, Plot); 2] {
    let transport = sweep.transport;
    let line = |index: usize, suffix: &str, dashed: bool, of: fn(&Figures) -> f64| {
        let points =
            sweep.points.iter().filter(|point| point.step.awake || point.step.rate < super::ASLEEP_MAX);
        Line {
            name: LIBRARIES.get(index).map(|library| format!("{library}{suffix}")).unwrap_or_default(),
            colour: COLOURS.get(index).copied().unwrap_or_default(),
            dashed,
            points: points
                .filter_map(|point| Some((point.step.rate as f64, of(known(point, index)?))))
                .collect(),
        }
    };
    let across = "messages per second that are asked for".to_owned();
    let latency = [0, 1].into_iter().flat_map(|index| {
        [
            line(index, "", false, |figures| figures.median_ns / 1e3),
            line(index, " 99 %", true, |figures| figures.p99_ns / 1e3),
        ]
    });
    let cpu = [0, 1].map(|index| line(index, "", false, |figures| figures.cpu_ns));
    [
        (
            format!("sweep-latency-{transport}.svg"),
            Plot {
                title: format!("µs one way over {transport}"),
                across: across.clone(),
                lines: latency.collect(),
            },
        ),
        (
            format!("sweep-cpu-{transport}.svg"),
            Plot { title: format!("ns of CPU time per message over {transport}"), across, lines: cpu.into() },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Transport;

    fn point(rate: u64, awake: bool, ours: Figures, theirs: Figures) -> Point {
        let step = Step { rate, awake };
        Point { step, figures: vec![(LIBRARIES[0], Ok(ours)), (LIBRARIES[1], Ok(theirs))] }
    }

    fn figures(median_ns: f64, cpu_ns: f64, rate: f64) -> Figures {
        Figures { median_ns, p99_ns: median_ns * 2.0, cpu_ns, rate }
    }

    #[test]
    fn what_is_worse_and_what_jumps_is_said() {
        let even = figures(10.0, 100.0, 1e4);
        let points = vec![
            point(10_000, false, even, even),
            point(10_000, true, figures(10.0, 150.0, 1e4), even),
            point(100_000, true, figures(40.0, 20.0, 1e5), figures(30.0, 30.0, 1e5)),
            // It sends half of what is asked, which makes latencies no fair comparison.
            point(1_000_000, true, figures(90.0, 10.0, 1e6), figures(30.0, 20.0, 5e5)),
        ];
        let sweep = Sweep { transport: Transport::Ipc, points };
        assert_eq!(
            worse(&sweep),
            ["10k, awake: CPU 1.50 times", "100k, awake: median 1.33 times", "100k, awake: 99 % 1.33 times"]
        );
        assert_eq!(jumps(&sweep, 0).len(), 4, "{:?}", jumps(&sweep, 0));
        assert_eq!(jumps(&sweep, 1).len(), 2, "{:?}", jumps(&sweep, 1));
        let [(name, latency), (_, cpu)] = plots(&sweep);
        assert_eq!(name, "sweep-latency-ipc.svg");
        assert_eq!((latency.lines.len(), cpu.lines.len()), (4, 2));
        assert_eq!(cpu.lines[0].points.len(), 3, "one point a rate");
        assert!(table(&sweep).render(true).contains("*500 k/s*"));
    }
}
