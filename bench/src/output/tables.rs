//! The results for people: text or Markdown.

use super::columns::Columns;
use super::rivals;
use crate::bar::Verdict;
use crate::cells::NOT_MEASURED;
use crate::conduct::{Report, Row, Standing};
use crate::metric::{Metric, digits};
use crate::spec::Contestant;

/// Renders everything.
pub(super) fn render(report: &Report, markdown: bool) -> String {
    let mut out = String::new();
    let mut section = |title: &str, body: &str| {
        let mark = if markdown { "## " } else { "" };
        out.push_str(&format!("{mark}{title}\n\n{}\n\n", body.trim_end()));
    };
    let lines = format!(
        "{}load after {}; others had {:.0} % of all CPU time; {} rounds of some {} ms, in turns; {}{:.0} s altogether\nsystem calls: {}",
        report.machine,
        report.load_after,
        report.others_cpu * 100.0,
        report.rounds,
        report.run_ms,
        report.hwm.map_or_else(String::new, |hwm| format!("high-water marks {hwm}; ")),
        report.seconds,
        report.calls
    );
    // In Markdown, lines of their own need an empty one between them.
    section("Where and how", &if markdown { lines.replace('\n', "\n\n") } else { lines });
    if report.rows.iter().any(|row| !rivals::has(row)) {
        section(
            "Results (medians; ± is the farthest round; !: others kept the machine busy)",
            &figures(report).render(markdown),
        );
        section(
            "Costs (all processes together, per message, round trip or connection; in parentheses the end that binds: REP, PULL, PUB)",
            &costs(report).render(markdown),
        );
    }
    for (title, body) in rivals::render(report, markdown) {
        section(&title, &body);
    }
    let failures = failures(report, markdown);
    if !failures.is_empty() {
        section("Failures", &failures);
    }
    let missing: Vec<_> = NOT_MEASURED.iter().map(|(what, why)| format!("- {what}: {why}")).collect();
    section("Not measured", &missing.join("\n"));
    out
}

fn figures(report: &Report) -> Columns {
    let heading =
        ["cell", "raw", "libzmq", "tamtam", "drop-in, topic", "…/tamtam", "tamtam/libzmq", "bar", "met?"];
    let mut table = Columns::new(&heading);
    for row in report.rows.iter().filter(|row| !rivals::has(row)) {
        table.push(vec![
            name(row),
            raw(row),
            figure(row, row.libzmq()),
            figure(row, Contestant::Tamtam),
            figure(row, upper(row)),
            upper_ratio(row),
            ratio(row),
            bar(row),
            row.verdict.to_string(),
        ]);
    }
    table
}

fn costs(report: &Report) -> Columns {
    let heading = [
        "cell",
        "CPU raw",
        "libzmq",
        "tamtam",
        "switches libzmq",
        "tamtam",
        "system calls per 1,000: raw",
        "libzmq",
        "tamtam",
        "others' CPU",
    ];
    let mut table = Columns::new(&heading);
    // A cell's second row has the same costs.
    let mut last = "";
    for row in report.rows.iter().filter(|row| !rivals::has(row)) {
        if row.cell == last {
            continue;
        }
        last = &row.cell;
        let raw = row.standings.iter().find(|standing| standing.contestant.is_raw());
        let [libzmq, tamtam] = [row.libzmq(), Contestant::Tamtam].map(|peer| row.standing(peer));
        table.push(vec![
            row.cell.clone(),
            cpu(raw),
            cpu(libzmq),
            cpu(tamtam),
            switches(libzmq),
            switches(tamtam),
            calls(raw),
            calls(libzmq),
            calls(tamtam),
            format!("{:.0} %", row.others_cpu * 100.0),
        ]);
    }
    table
}

fn failures(report: &Report, markdown: bool) -> String {
    let mut lines = Vec::new();
    let mut last = "";
    for row in report.rows.iter() {
        if row.cell == last {
            continue;
        }
        last = &row.cell;
        for standing in &row.standings {
            for failure in &standing.failures {
                let text = if markdown { format!("`{failure}`") } else { failure.clone() };
                lines.push(format!("- {} {}: {text}", row.cell, standing.contestant));
            }
        }
    }
    lines.join("\n")
}

/// Renders a row for the progress on standard error.
pub(crate) fn one_line(row: &Row) -> String {
    let mut parts: Vec<String> = row
        .standings
        .iter()
        .map(|standing| format!("{} {}", standing.contestant, figure(row, standing.contestant)))
        .collect();
    if row.verdict != Verdict::None {
        parts.push(format!("bar {}: {}", bar(row), row.verdict));
    }
    for standing in &row.standings {
        parts.extend(standing.failures.first().map(|failure| format!("{} {failure}", standing.contestant)));
    }
    format!("{}: {}", name(row), parts.join(" · "))
}

fn name(row: &Row) -> String {
    let what = match row.metric {
        Metric::Switches => " (switches)",
        Metric::Cpu => " (CPU)",
        Metric::ConnectionMemory => " (memory)",
        _ => "",
    };
    let disturbed = if row.is_disturbed() { " !" } else { "" };
    format!("{}{what}{disturbed}", row.cell)
}

/// The limit's figures, with a letter for whether a thread that waits spins or blocks.
fn raw(row: &Row) -> String {
    let shown: Vec<_> = [(Contestant::RawSpinning, "spin"), (Contestant::RawBlocking, "block")]
        .into_iter()
        .filter(|&(contestant, _)| row.standing(contestant).is_some())
        .map(|(contestant, how)| format!("{} {how}", figure(row, contestant)))
        .collect();
    if shown.is_empty() { "–".to_owned() } else { shown.join(", ") }
}

fn figure(row: &Row, contestant: Contestant) -> String {
    match row.standing(contestant) {
        None => "–".to_owned(),
        Some(Standing { figure: Some(spread), failures, .. }) => {
            let failed =
                if failures.is_empty() { String::new() } else { format!(" ({} failed)", failures.len()) };
            format!("{} ±{:.0}%{failed}", row.metric.show(spread.median), spread.deviation() * 100.0)
        }
        Some(_) => "failed".to_owned(),
    }
}

/// Who stands on Tamtam's sockets in this row.
fn upper(row: &Row) -> Contestant {
    if row.standing(Contestant::Topic).is_some() { Contestant::Topic } else { Contestant::DropIn }
}

/// What the C interface or a topic costs: its median through Tamtam's.
fn upper_ratio(row: &Row) -> String {
    let median = |contestant| row.standing(contestant)?.figure.as_ref().map(|figure| figure.median);
    match (median(upper(row)), median(Contestant::Tamtam)) {
        (Some(upper), Some(tamtam)) => digits(upper / tamtam),
        _ => "–".to_owned(),
    }
}

fn ratio(row: &Row) -> String {
    row.ratio.map_or_else(
        || "–".to_owned(),
        |ratio| format!("{} ({}–{})", digits(ratio.median), digits(ratio.min), digits(ratio.max)),
    )
}

fn bar(row: &Row) -> String {
    let Some(bar) = row.bar else { return "–".to_owned() };
    match row.bar_value.and_then(|value| bar.show(value.median)) {
        Some(value) => format!("{bar} (is {value})"),
        None => bar.to_string(),
    }
}

/// CPU time, and how much of it the binding process took, where there are two.
fn cpu(standing: Option<&Standing>) -> String {
    let Some(Standing { cpu_ns: Some(all), binder_cpu_ns: Some(binder), .. }) = standing else {
        return "–".to_owned();
    };
    let show = |ns| Metric::HalfRoundTrip.show(ns);
    // A process that is alone has taken everything.
    if binder.median >= all.median * 0.999 {
        return show(all.median);
    }
    format!("{} ({})", show(all.median), show(binder.median))
}

fn switches(standing: Option<&Standing>) -> String {
    let switches = standing.and_then(|standing| standing.switches);
    switches.map_or_else(|| "–".to_owned(), |switches| digits(switches.median))
}

fn calls(standing: Option<&Standing>) -> String {
    standing.and_then(|standing| standing.calls_per_1000).map_or_else(|| "–".to_owned(), digits)
}
