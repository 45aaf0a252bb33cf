//! The rivals' tables: a row for each, a column for each cell.

use super::columns::Columns;
use crate::cells::RIVALS_PREFIX;
use crate::conduct::{Report, Row, Standing};
use crate::metric::{Metric, digits};
use crate::rivals;
use crate::spec::Contestant;

/// The tables, in order: the family of cells, and what it is called.
const FAMILIES: [(&str, &str); 4] = [
    ("req-rep/", "Half a round trip, REQ/REP or what comes nearest"),
    ("push-pull/", "PUSH → PULL"),
    ("pub-sub/", "PUB → SUB, delivered to all subscribers together"),
    (
        "topic/",
        "Publishers and subscribers by name, delivered to all subscribers together; half a round trip there and back",
    ),
];

/// Returns whether a row belongs here.
pub(super) fn has(row: &Row) -> bool {
    row.cell.starts_with(RIVALS_PREFIX)
}

/// Renders the tables that have rows, each with its title; then who they are.
pub(super) fn render(report: &Report, markdown: bool) -> Vec<(String, String)> {
    let mut sections = Vec::new();
    for (family, title) in FAMILIES {
        let prefix = format!("{RIVALS_PREFIX}{family}");
        let rows: Vec<_> = report.rows.iter().filter(|row| row.cell.starts_with(&prefix)).collect();
        if rows.is_empty() {
            continue;
        }
        let note = "±: farthest round; ×: how many times as fast ours is";
        sections.push((format!("{title} ({note})"), grid(&rows, &prefix, figure).render(markdown)));
        let cpu = grid(&rows, &prefix, |_, standing| {
            standing.cpu_ns.map_or_else(|| "–".to_owned(), |ns| Metric::HalfRoundTrip.show(ns.median))
        });
        sections.push((format!("{title}: CPU time of all ends and servers, each"), cpu.render(markdown)));
    }
    if !report.rivals.is_empty() {
        let mut table = Columns::new(&["peer", "version and settings, or why it is absent"]);
        for rival in &report.rivals {
            table.push(vec![rival.contestant.to_string(), rivals::describe(&rival.state)]);
        }
        sections.push(("Who they are".to_owned(), table.render(markdown)));
    }
    sections
}

fn grid(rows: &[&Row], prefix: &str, show: impl Fn(&Row, &Standing) -> String) -> Columns {
    let mut peers: Vec<Contestant> = Vec::new();
    let mut heading = vec!["peer".to_owned()];
    for row in rows {
        let disturbed = if row.is_disturbed() { " !" } else { "" };
        heading.push(format!("{}{disturbed}", row.cell.strip_prefix(prefix).unwrap_or(&row.cell)));
        for standing in &row.standings {
            if !peers.contains(&standing.contestant) {
                peers.push(standing.contestant);
            }
        }
    }
    let mut table = Columns::new(&heading.iter().map(String::as_str).collect::<Vec<_>>());
    for peer in peers {
        let mut line = vec![peer.to_string()];
        line.extend(
            rows.iter()
                .map(|row| row.standing(peer).map_or_else(|| "–".to_owned(), |standing| show(row, standing))),
        );
        table.push(line);
    }
    table
}

fn figure(row: &Row, standing: &Standing) -> String {
    let Some(spread) = standing.figure else { return "failed".to_owned() };
    let mut text = format!("{} ±{:.0}%", row.metric.show(spread.median), spread.deviation() * 100.0);
    if let Some(outrun) = standing.outrun.filter(|_| standing.contestant != row.judged) {
        text.push_str(&format!(", ×{}", digits(outrun.median)));
    }
    if let Some(arrived) = standing.arrived.filter(|arrived| *arrived < 1.0) {
        text.push_str(&format!(", {:.1} % arrived", (arrived * 100.0).min(99.9)));
    }
    if !standing.failures.is_empty() {
        text.push_str(&format!(" ({} failed)", standing.failures.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bar::Verdict;
    use crate::spread::Spread;

    fn standing(contestant: Contestant, rate: f64, arrived: f64) -> Standing {
        Standing {
            contestant,
            figure: Spread::of([rate]),
            outrun: Spread::of([1e6 / rate]),
            arrived: Some(arrived),
            cpu_ns: None,
            binder_cpu_ns: None,
            switches: None,
            calls_per_1000: None,
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_row_for_each_peer_tells_what_was_lost() {
        let row = |cell: &str, standings| Row {
            cell: cell.to_owned(),
            metric: Metric::MessageRate,
            standings,
            ratio: None,
            bar: None,
            judged: Contestant::Topic,
            bar_value: None,
            verdict: Verdict::None,
            others_cpu: 0.0,
        };
        let ours = || standing(Contestant::Topic, 1e6, 1.0);
        let rows = [
            row("rivals/topic/ipc/1-sub/64B", vec![ours()]),
            row(
                "rivals/topic/tcp/1-sub/64B",
                vec![
                    ours(),
                    standing(Contestant::Ros, 5e5, 0.99999),
                    Standing { figure: None, ..standing(Contestant::Nats, 1.0, 1.0) },
                ],
            ),
        ];
        let table = grid(&rows.iter().collect::<Vec<_>>(), "rivals/topic/", figure).render(true);
        let expected = "\
| peer | ipc/1-sub/64B | tcp/1-sub/64B |
| --- | --- | --- |
| topic | 1.00 M/s ±0% | 1.00 M/s ±0% |
| ROS 1 | – | 500 k/s ±0%, ×2.00, 99.9 % arrived |
| NATS | – | failed |
";
        assert_eq!(table, expected);
    }
}
