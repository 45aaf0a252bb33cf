//! The tables of a report, as text: what the terminal, Markdown and HTML show.

use super::unit;
use crate::report::{Cell, Figure, Latency, Machine, Notice, Pattern, Report, Waiting};

/// The cells of one pattern, number of readers, and size, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What is compared: "round trip, 64 B".
    pub title: String,
    /// What the columns are.
    pub header: Vec<&'static str>,
    /// A row for each contestant, best first; as many cells as there are columns. "–" is what was not measured.
    pub rows: Vec<Vec<String>>,
    /// Why cells failed: sentences.
    pub failures: Vec<String>,
}

/// What stands where nothing was measured.
const NOTHING: &str = "–";

type Column = (&'static str, fn(&Cell) -> Option<String>);

/// The tables of a report.
#[must_use]
pub fn sections(report: &Report) -> Vec<Section> {
    let mut sections: Vec<(String, Vec<&Cell>)> = Vec::new();
    for cell in &report.cells {
        let title = title(report, cell);
        match sections.iter_mut().find(|(known, _)| *known == title) {
            Some((_, cells)) => cells.push(cell),
            None => sections.push((title, vec![cell])),
        }
    }
    sections.into_iter().map(|(title, cells)| section(title, cells)).collect()
}

fn section(title: String, mut cells: Vec<&Cell>) -> Section {
    let pattern = cells.first().map_or(Pattern::RoundTrip, |cell| cell.key.pattern);
    cells.sort_by(|a, b| order(a).total_cmp(&order(b)));
    let columns = columns(pattern);
    let row = |cell: &&Cell| {
        let values = columns.iter().map(|(_, value)| value(cell).unwrap_or_else(|| NOTHING.to_owned()));
        [name(cell)].into_iter().chain(values).collect()
    };
    let failures =
        cells.iter().flat_map(|cell| cell.failures.iter().map(move |why| format!("{}: {why}", name(cell))));
    Section {
        title,
        header: [""].into_iter().chain(columns.iter().map(|(title, _)| *title)).collect(),
        rows: cells.iter().map(row).collect(),
        failures: failures.collect(),
    }
}

/// The contestant, with what sets this cell apart from the others of its section.
pub(super) fn name(cell: &Cell) -> String {
    let mut name = cell.key.contestant.clone();
    if cell.key.waiting == Waiting::Spin {
        name += ", spinning";
    }
    if !cell.separate {
        name += " (threads)";
    }
    name
}

fn title(report: &Report, cell: &Cell) -> String {
    let size = unit::size(nominal(report, cell));
    match (cell.key.pattern, cell.rate) {
        (Pattern::FanOut, _) => format!("fan-out to {}, {size}", cell.key.readers),
        (Pattern::OneWay, Some(_)) => {
            let rate = nominal_rate(report, cell);
            format!("one way at {}/s, {size}", unit::rate(rate))
        }
        (pattern, _) => format!("{}, {size}", pattern.title()),
    }
}

/// The size under which a cell is shown: its own, unless it is that of a contestant that cannot take the shortest.
pub(super) fn nominal(report: &Report, cell: &Cell) -> u64 {
    let own = cell.key.size;
    let is_forced =
        report.contestants.iter().any(|known| known.name == cell.key.contestant && known.message_max == own);
    let others = report.cells.iter().filter(|other| other.key.pattern == cell.key.pattern);
    let longer = others.map(|other| other.key.size).filter(|size| *size > own && is_common(report, *size));
    if is_forced && !is_common(report, own) { longer.min().unwrap_or(own) } else { own }
}

/// Whether a size is one that was asked for, and not what somebody can take.
fn is_common(report: &Report, size: u64) -> bool {
    let mut cells = report.cells.iter().filter(|cell| cell.key.size == size);
    cells.any(|cell| {
        report.contestants.iter().any(|known| known.name == cell.key.contestant && known.message_max > size)
    })
}

fn nominal_rate(report: &Report, cell: &Cell) -> f64 {
    let size = nominal(report, cell);
    let others = report.cells.iter().filter(|other| other.key.pattern == Pattern::OneWay);
    others.filter(|other| other.key.size == size).find_map(|other| other.rate).or(cell.rate).unwrap_or(0.0)
}

/// Smaller is better.
fn order(cell: &Cell) -> f64 {
    let failed = f64::MAX;
    match cell.key.pattern {
        Pattern::RoundTrip | Pattern::OneWay => {
            cell.latency.as_ref().map_or(failed, |latency| latency.p50.value)
        }
        Pattern::Burst => cell.loss().map_or(failed, |loss| loss * 1e15 + value(cell.burst_ns)),
        Pattern::Kill => {
            let notice = match cell.notice {
                Some(Notice::Told) => 0.0,
                Some(Notice::Blocked) => 1e15,
                Some(_) => 2e15,
                None => failed,
            };
            notice + value(cell.notice_ns)
        }
        _ => cell.messages_per_s.map_or(failed, |rate| -rate.value),
    }
}

fn value(figure: Option<Figure>) -> f64 {
    figure.map_or(0.0, |figure| figure.value)
}

/// The columns behind the contestant's name.
fn columns(pattern: Pattern) -> Vec<Column> {
    const LATENCY: [Column; 6] = [
        ("p50", |cell| latency(cell, |latency| Some(latency.p50))),
        ("p90", |cell| latency(cell, |latency| latency.p90)),
        ("p99", |cell| latency(cell, |latency| latency.p99)),
        ("p99.9", |cell| latency(cell, |latency| latency.p999)),
        ("max", |cell| latency(cell, |latency| Some(latency.max))),
        ("spread", |cell| spread(cell, cell.latency.as_ref().map(|latency| latency.p50))),
    ];
    const COST: [Column; 4] = [
        ("CPU µs, sender", |cell| cell.sender_cpu_us.map(|figure| unit::digits(figure.value))),
        ("receiver", |cell| cell.receiver_cpu_us.map(|figure| unit::digits(figure.value))),
        ("wake-ups, sender", |cell| cell.sender_wakeups.map(|figure| unit::digits(figure.value))),
        ("receiver ", |cell| cell.receiver_wakeups.map(|figure| unit::digits(figure.value))),
    ];
    const RATE: [Column; 3] = [
        ("messages/s", |cell| cell.messages_per_s.map(|figure| unit::rate(figure.value))),
        ("MB/s", |cell| cell.mb_per_s.map(|figure| unit::digits(figure.value))),
        ("spread", |cell| spread(cell, cell.messages_per_s)),
    ];
    const LOST: Column = ("lost", lost);
    const OCTETS: Column = ("octets", |cell| Some(cell.key.size.to_string()));
    const MEMORY: [Column; 2] = [
        ("memory, sender", |cell| cell.sender_memory.map(unit::memory)),
        ("receiver", |cell| cell.receiver_memory.map(unit::memory)),
    ];
    const BURST: [Column; 2] = [
        ("burst sent in", |cell| cell.burst_ns.map(|figure| unit::time(figure.value))),
        ("longest send", |cell| cell.blocked_ns.map(|figure| unit::time(figure.value))),
    ];
    const KILL: [Column; 3] = [
        ("the sender is", |cell| cell.notice.map(|notice| told(notice).to_owned())),
        ("after", |cell| cell.notice_ns.map(|figure| unit::time(figure.value))),
        ("sent to nobody", |cell| cell.lost.map(|lost| lost.to_string())),
    ];
    match pattern {
        Pattern::RoundTrip => [&LATENCY[..], &COST, &[OCTETS]].concat(),
        Pattern::OneWay => [&LATENCY[..], &COST, &[LOST, OCTETS]].concat(),
        Pattern::Burst => [&BURST[..], &[LOST], &MEMORY, &[OCTETS]].concat(),
        Pattern::Kill => [&KILL[..], &[OCTETS]].concat(),
        _ => [&RATE[..], &COST, &[LOST, OCTETS]].concat(),
    }
}

fn latency(cell: &Cell, of: impl Fn(&Latency) -> Option<Figure>) -> Option<String> {
    of(cell.latency.as_ref()?).map(|figure| unit::time(figure.value))
}

/// One round has none.
fn spread(cell: &Cell, figure: Option<Figure>) -> Option<String> {
    figure.filter(|_| cell.rounds > 1).as_ref().map(unit::spread)
}

fn lost(cell: &Cell) -> Option<String> {
    match (cell.lost?, cell.loss()?) {
        (0, _) => Some("0".to_owned()),
        (_, share) => Some(format!("{} %", unit::digits(share * 100.0))),
    }
}

/// What a sender is, whose reader was killed.
const fn told(notice: Notice) -> &'static str {
    match notice {
        Notice::Told => "told",
        Notice::Blocked => "blocked, not told",
        Notice::Nothing => "told nothing",
    }
}

/// The machine in lines.
pub(super) fn machine(report: &Report) -> Vec<String> {
    let Machine { kernel, architecture, cores, memory, memory_available, load, .. } = &report.machine;
    let processor = report.machine.processor.as_deref().unwrap_or("unknown processor");
    let guest = report.machine.virtual_machine.as_deref();
    let guest = guest.map_or_else(|| "not virtual".to_owned(), |host| format!("virtual machine ({host})"));
    let plural = if *cores == 1 { "core" } else { "cores" };
    let mut lines = vec![format!("{kernel}, {architecture}, {cores} {plural} of {processor}, {guest}")];
    let mut details =
        vec![format!("memory {}, {} available", unit::memory(*memory), unit::memory(*memory_available))];
    let governor = report.machine.governor.as_deref().unwrap_or("not told");
    details.push(format!("frequency governor {governor}"));
    details.extend(report.machine.clock.as_ref().map(|clock| format!("clock {clock}")));
    details.extend(load.map(|[one, five, fifteen]| format!("load before {one} {five} {fifteen}")));
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    details.extend(report.machine.others_cpu.map(|share| format!("others used {}", percent(share))));
    details.extend(
        report
            .machine
            .stolen_cpu
            .filter(|share| *share > 0.0)
            .map(|share| format!("stolen {}", percent(share))),
    );
    lines.push(details.join(", "));
    let settings = &report.settings;
    lines.push(format!(
        "{} rounds in {:.1} s, tamtam-ipc-bench {}",
        settings.rounds, settings.took_seconds, report.version
    ));
    lines
}

impl Report {
    /// What machine it was, and how it was measured: some lines for people.
    #[must_use]
    pub fn machine_lines(&self) -> Vec<String> {
        machine(self)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::{Contestant, Key, Point, Unavailable};

    pub(in crate::render) fn report() -> Report {
        let figure = |value: f64| Figure { value, low: value * 0.9, high: value * 1.1 };
        let mut report = Report::default();
        for (name, message_max) in [("pipe", 1 << 30), ("signals", 7), ("a <b> & \"c\"", 1 << 30)] {
            let title = format!("title of {name}");
            report.contestants.push(Contestant { name: name.into(), title, separate: true, message_max });
        }
        for (name, pattern, size, value) in [
            ("pipe", Pattern::RoundTrip, 64, 9_000.0),
            ("signals", Pattern::RoundTrip, 7, 8_000.0),
            ("a <b> & \"c\"", Pattern::RoundTrip, 64, 10_000.0),
            ("pipe", Pattern::OneWay, 64, 7_000.0),
            ("pipe", Pattern::Throughput, 64, 900_000.0),
            ("signals", Pattern::Throughput, 7, 90_000.0),
            ("pipe", Pattern::Throughput, 65_536, 20_000.0),
            ("pipe", Pattern::Burst, 64, 1.0),
            ("pipe", Pattern::Kill, 64, 1.0),
        ] {
            let mut cell = Cell::new(Key::new(name, Waiting::Block, pattern, size, 1));
            cell.rounds = 3;
            match pattern {
                Pattern::RoundTrip | Pattern::OneWay => {
                    cell.latency = Some(Latency {
                        p50: figure(value),
                        p90: Some(figure(value * 1.5)),
                        p99: Some(figure(value * 3.0)),
                        p999: None,
                        max: figure(value * 100.0),
                        samples: 1_234,
                        curve: [(0.0, 0.5), (0.5, 1.0), (0.9, 1.5), (0.99, 3.0), (1.0, 100.0)]
                            .map(|(share, factor)| Point { share, ns: (value * factor) as u64 })
                            .to_vec(),
                    });
                    cell.rate = (pattern == Pattern::OneWay).then_some(10_000.0);
                }
                Pattern::Throughput => {
                    cell.messages_per_s = Some(figure(value));
                    cell.mb_per_s = Some(figure(value * size as f64 / 1e6));
                }
                Pattern::Burst => cell.burst_ns = Some(figure(40_000_000.0)),
                _ => {
                    cell.notice = Some(Notice::Told);
                    cell.notice_ns = Some(figure(80_000.0));
                }
            }
            cell.sent = Some(1_000);
            cell.lost = Some(if pattern == Pattern::Burst { 25 } else { 0 });
            report.cells.push(cell);
        }
        report.cells[0].failures.push("round 2: it died".to_owned());
        report.unavailable.push(Unavailable { name: "posix-queue".into(), reason: "not <here>".into() });
        report.warnings.push("noisy & loud".to_owned());
        report
    }

    #[test]
    fn who_is_compared_stands_side_by_side() {
        let sections = sections(&report());
        let titles: Vec<&str> = sections.iter().map(|section| section.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "round trip, 64 B",
                "one way at 10.0 k/s, 64 B",
                "throughput, 64 B",
                "throughput, 64 KiB",
                "burst against a slow reader, 64 B",
                "reader killed mid-stream, 64 B"
            ]
        );
        let round_trip = &sections[0];
        let names: Vec<&str> = round_trip.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(names, ["signals", "pipe", "a <b> & \"c\""], "best first");
        assert!(round_trip.rows.iter().all(|row| row.len() == round_trip.header.len()));
        assert_eq!(round_trip.rows[1][1..7], ["9.00 µs", "13.5 µs", "27.0 µs", "–", "900 µs", "±10 %"]);
        assert_eq!(round_trip.failures, ["pipe: round 2: it died"]);
        assert_eq!(sections[4].rows[0][1..4], ["40.0 ms", "–", "2.50 %"]);
        assert_eq!(sections[5].rows[0][1..4], ["told", "80.0 µs", "0"]);
    }

    #[test]
    fn the_machine_is_told_in_lines() {
        let mut report = report();
        report.machine = Machine::look();
        let text = machine(&report).join("\n");
        assert!(text.contains("Linux") && text.contains("governor") && text.contains("rounds in"), "{text}");
    }
}
