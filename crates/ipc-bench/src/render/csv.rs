//! A report as comma-separated values: one row for each cell, all measures, in the units of the report.

use std::fmt::Write as _;

use crate::report::{Cell, Figure, Report};

type Column = (&'static str, fn(&Cell) -> Option<String>);

/// The columns. Names say the units.
const COLUMNS: &[Column] = &[
    ("contestant", |cell| Some(cell.key.contestant.clone())),
    ("waiting", |cell| Some(cell.key.waiting.text().to_owned())),
    ("pattern", |cell| Some(cell.key.pattern.text().to_owned())),
    ("size_octets", |cell| Some(cell.key.size.to_string())),
    ("readers", |cell| Some(cell.key.readers.to_string())),
    ("separate_processes", |cell| Some(cell.separate.to_string())),
    ("rounds", |cell| Some(cell.rounds.to_string())),
    ("rate_per_s", |cell| cell.rate.map(|rate| rate.to_string())),
    ("samples", |cell| cell.latency.as_ref().map(|latency| latency.samples.to_string())),
    ("p50_ns", |cell| number(cell.latency.as_ref().map(|latency| latency.p50))),
    ("p50_low_ns", |cell| cell.latency.as_ref().map(|latency| latency.p50.low.to_string())),
    ("p50_high_ns", |cell| cell.latency.as_ref().map(|latency| latency.p50.high.to_string())),
    ("p90_ns", |cell| number(cell.latency.as_ref().and_then(|latency| latency.p90))),
    ("p99_ns", |cell| number(cell.latency.as_ref().and_then(|latency| latency.p99))),
    ("p999_ns", |cell| number(cell.latency.as_ref().and_then(|latency| latency.p999))),
    ("max_ns", |cell| number(cell.latency.as_ref().map(|latency| latency.max))),
    ("messages_per_s", |cell| number(cell.messages_per_s)),
    ("messages_per_s_low", |cell| cell.messages_per_s.map(|figure| figure.low.to_string())),
    ("messages_per_s_high", |cell| cell.messages_per_s.map(|figure| figure.high.to_string())),
    ("mb_per_s", |cell| number(cell.mb_per_s)),
    ("sender_cpu_us", |cell| number(cell.sender_cpu_us)),
    ("receiver_cpu_us", |cell| number(cell.receiver_cpu_us)),
    ("sender_wakeups", |cell| number(cell.sender_wakeups)),
    ("receiver_wakeups", |cell| number(cell.receiver_wakeups)),
    ("sent", |cell| cell.sent.map(|sent| sent.to_string())),
    ("lost", |cell| cell.lost.map(|lost| lost.to_string())),
    ("sender_memory_octets", |cell| cell.sender_memory.map(|octets| octets.to_string())),
    ("receiver_memory_octets", |cell| cell.receiver_memory.map(|octets| octets.to_string())),
    ("burst_ns", |cell| number(cell.burst_ns)),
    ("blocked_ns", |cell| number(cell.blocked_ns)),
    ("notice", |cell| {
        let name = serde_json::to_value(cell.notice?).ok()?;
        name.as_str().map(str::to_owned)
    }),
    ("notice_ns", |cell| number(cell.notice_ns)),
    ("failures", |cell| Some(cell.failures.join("; ")).filter(|text| !text.is_empty())),
];

/// Writes it as comma-separated values, RFC 4180: a row of names, then one for each cell. What was not measured is empty.
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut text = String::new();
    row(&mut text, COLUMNS.iter().map(|(name, _)| (*name).to_owned()));
    for cell in &report.cells {
        row(&mut text, COLUMNS.iter().map(|(_, value)| value(cell).unwrap_or_default()));
    }
    text
}

fn number(figure: Option<Figure>) -> Option<String> {
    figure.map(|figure| figure.value.to_string())
}

fn row(text: &mut String, values: impl Iterator<Item = String>) {
    for (index, value) in values.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = if value.contains([',', '"', '\r', '\n']) {
            write!(text, "{comma}\"{}\"", value.replace('"', "\"\""))
        } else {
            write!(text, "{comma}{value}")
        };
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::table::tests::report;

    #[test]
    fn every_cell_is_a_row_of_all_columns() {
        let text = csv(&report());
        let rows: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(rows.len(), 1 + report().cells.len());
        assert!(rows[0].starts_with("contestant,waiting,pattern,size_octets,readers,"));
        assert!(rows[1].starts_with("pipe,block,round-trip,64,1,true,3,,1234,9000,"), "{}", rows[1]);
        // No text of this report has a comma, so fields can be counted by them.
        assert!(rows.iter().all(|row| row.split(',').count() == COLUMNS.len()), "{text}");
        assert!(text.contains("\"a <b> & \"\"c\"\"\""), "quoted");
    }
}
