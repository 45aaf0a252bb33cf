//! Whether the figures can be trusted.

use crate::report::{Cell, Figure, Report};

/// Others may use this share of the cores.
const OTHERS_MAX: f64 = 0.05;
/// The hypervisor may give this share to other guests.
const STOLEN_MAX: f64 = 0.01;
/// The rounds may lie so far apart, as a share of the figure.
const SPREAD_MAX: f64 = 0.5;
/// This share of the cells may be further apart.
const SHAKY_MAX: f64 = 0.25;

/// What a reader has to know before trusting a report.
pub(crate) fn warnings(report: &Report) -> Vec<String> {
    let machine = &report.machine;
    let mut warnings = Vec::new();
    if let Some(others) = machine.others_cpu.filter(|share| *share > OTHERS_MAX) {
        let percent = others * 100.0;
        warnings.push(format!(
            "other programs used {percent:.0} % of the cores meanwhile: the figures are noisy"
        ));
    }
    if let Some(stolen) = machine.stolen_cpu.filter(|share| *share > STOLEN_MAX) {
        let percent = stolen * 100.0;
        warnings.push(format!(
            "the hypervisor gave {percent:.0} % of the cores to other guests: the figures are noisy"
        ));
    }
    let judged: Vec<f64> = report.cells.iter().filter_map(spread).collect();
    let shaky = judged.iter().filter(|spread| **spread > SPREAD_MAX).count();
    if shaky as f64 > judged.len() as f64 * SHAKY_MAX {
        warnings.push(format!(
            "in {shaky} of {} cells the rounds lie more than {:.0} % apart: repeat it with more time, or on a quieter machine",
            judged.len(),
            SPREAD_MAX * 100.0
        ));
    }
    if machine.cores == 1 {
        warnings.push("there is one core only: sender and receiver take turns on it".to_owned());
    }
    if let Some(governor) = machine.governor.as_deref().filter(|governor| *governor != "performance") {
        warnings.push(format!("the cores' frequency is governed by {governor:?}: it may change meanwhile"));
    }
    let failed = report.cells.iter().filter(|cell| !cell.failures.is_empty()).count();
    if failed > 0 {
        warnings.push(format!("{failed} cells failed in some round, see their reasons"));
    }
    if report.settings.interrupted {
        warnings.push("it was ended before all was measured".to_owned());
    }
    warnings
}

/// How far the rounds lie apart in what the cell is about.
fn spread(cell: &Cell) -> Option<f64> {
    let latency = cell.latency.as_ref().map(|latency| latency.p50);
    (cell.rounds > 1).then(|| latency.or(cell.messages_per_s).as_ref().map(Figure::spread)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Key, Pattern, Waiting};

    fn report(figure: Figure) -> Report {
        let mut cell = Cell::new(Key::new("pipe", Waiting::Block, Pattern::Throughput, 64, 1));
        cell.rounds = 3;
        cell.messages_per_s = Some(figure);
        let mut report = Report { cells: vec![cell], ..Report::default() };
        report.machine.cores = 2;
        report
    }

    #[test]
    fn a_quiet_machine_is_no_reason_to_warn() {
        let mut report = report(Figure { value: 100.0, low: 90.0, high: 110.0 });
        report.machine.others_cpu = Some(0.01);
        report.machine.governor = Some("performance".to_owned());
        assert_eq!(warnings(&report), [""; 0]);
    }

    #[test]
    fn noise_is_told() {
        let mut report = report(Figure { value: 100.0, low: 50.0, high: 150.0 });
        report.machine.others_cpu = Some(0.30);
        report.machine.stolen_cpu = Some(0.02);
        report.machine.governor = Some("powersave".to_owned());
        report.settings.interrupted = true;
        report.cells[0].failures.push("it died".to_owned());
        let text = warnings(&report).join("\n");
        for word in ["30 %", "2 %", "1 of 1 cells", "powersave", "1 cells failed", "ended before"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
