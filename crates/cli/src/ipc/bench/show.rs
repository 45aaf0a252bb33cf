//! A measurement's report on standard output.

use serde_json::{Value, json};
use tamtam_ipc_bench::render::{Comparison, compare, sections};
use tamtam_ipc_bench::report::Report;

use crate::exit::{Failure, Outcome};
use crate::look::{print_json, print_table};
use crate::run::Run;
use crate::table::{Paint, Table};

/// Prints the report, and how it compares with an older one.
pub(super) fn print(run: &Run, report: &Report, old: Option<&Report>) -> Outcome {
    let compared = old.map(|old| compare(old, report));
    if run.global.json {
        let report = serde_json::to_value(report).map_err(|error| Failure::failed(error.to_string()))?;
        return print_json([report].into_iter().chain(compared.iter().flatten().map(object)));
    }
    let mut head = Table::default();
    for line in report.machine_lines() {
        head.line(line, Paint::Faint);
    }
    print_table(run, &head)?;
    for section in sections(report) {
        let mut table = Table::default();
        table.line("", Paint::Plain);
        table.line(section.title, Paint::Good);
        table.header(&section.header);
        for row in section.rows {
            table.row(row);
        }
        for failure in section.failures {
            table.line(failure, Paint::Bad);
        }
        print_table(run, &table)?;
    }
    let mut tail = Table::default();
    for (names, reason) in missing(report) {
        let verb = if names.len() == 1 { "is" } else { "are" };
        tail.line("", Paint::Plain);
        tail.line(format!("{} {verb} not measured: {reason}", names.join(", ")), Paint::Careful);
    }
    print_table(run, &tail)?;
    if let Some(compared) = compared {
        print_table(run, &comparison(&compared))?;
    }
    for warning in &report.warnings {
        run.tell(&format!("warning: {warning}"));
    }
    Ok(())
}

/// What is not measured: who for the same reason, together.
fn missing(report: &Report) -> Vec<(Vec<&str>, &str)> {
    let mut found: Vec<(Vec<&str>, &str)> = Vec::new();
    for missing in &report.unavailable {
        match found.iter_mut().find(|(_, reason)| *reason == missing.reason) {
            Some((names, _)) => names.push(&missing.name),
            None => found.push((vec![&missing.name], &missing.reason)),
        }
    }
    found
}

fn comparison(compared: &[Comparison]) -> Table {
    let mut table = Table::default();
    table.line("", Paint::Plain);
    table.line("compared with the earlier run", Paint::Good);
    table.header(&["", "measure", "then", "now", "ratio", ""]);
    for one in compared {
        let (verdict, paint) = match one.is_better() {
            Some(true) => ("better", Paint::Good),
            Some(false) => ("worse", Paint::Bad),
            None => ("within the spread", Paint::Faint),
        };
        let number = |value: f64| if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        table.painted([
            (one.key.to_string(), Paint::Plain),
            (one.measure.to_owned(), Paint::Plain),
            (number(one.old.value), Paint::Plain),
            (number(one.new.value), Paint::Plain),
            (format!("{:.2}", one.ratio), Paint::Plain),
            (verdict.to_owned(), paint),
        ]);
    }
    if compared.is_empty() {
        table.line("the two have no cell in common", Paint::Careful);
    }
    table
}

fn object(one: &Comparison) -> Value {
    let verdict = one.is_better().map(|better| if better { "better" } else { "worse" });
    let mut object = json!({
        "measure": one.measure, "then": one.old, "now": one.new, "ratio": one.ratio, "verdict": verdict,
    });
    if let (Ok(Value::Object(key)), Some(object)) = (serde_json::to_value(&one.key), object.as_object_mut()) {
        object.extend(key);
    }
    object
}
