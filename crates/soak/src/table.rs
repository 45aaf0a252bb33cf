//! What is told at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::plan::{Scenario, Way};
use crate::round::{Result, Round};
use crate::verdict::Sums;

/// What is said of one round at most.
const FINDINGS: usize = 12;

#[derive(Debug, Default)]
struct Row {
    rounds: u64,
    sums: Sums,
    took: Duration,
    killed: u64,
    stopped: u64,
    cuts: u64,
}

/// The sums of each scenario in each way.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<(Scenario, Way), Row>,
    wrong: usize,
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(0.001)
}

impl Table {
    /// Adds a round; what is wrong with it is told at once.
    pub(crate) fn add(&mut self, round: &Round, result: &Result, is_verbose: bool) {
        let row = self.rows.entry((round.setting.scenario, round.way)).or_default();
        row.rounds += 1;
        row.sums.add(&result.verdict.sums);
        row.took += result.took;
        row.killed += result.killed;
        row.stopped += result.stopped;
        row.cuts += result.cuts;
        let wrong = &result.verdict.wrong;
        if is_verbose || !wrong.is_empty() {
            println!("{}", round.describe());
        }
        if is_verbose {
            let Sums { sent, received, dropped, cut, died, unaccounted } = result.verdict.sums;
            println!(
                "  {sent} sent, {received} received, {dropped} dropped, {cut} cut, {died} died, {unaccounted} unaccounted, {:.0}/s",
                rate(received, result.took)
            );
        }
        self.wrong += wrong.len();
        for what in wrong.iter().take(FINDINGS) {
            println!("  wrong: {what}");
        }
        if wrong.len() > FINDINGS {
            println!("  and {} more", wrong.len() - FINDINGS);
        }
        if !wrong.is_empty() {
            println!("  history: {}", result.history.join(", "));
        }
    }

    /// Whether nothing was wrong and nothing is unaccounted for.
    pub(crate) fn is_right(&self) -> bool {
        self.wrong == 0 && self.rows.values().all(|row| row.sums.unaccounted == 0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10}{:<8}{:>7}{:>7}{:>7}{:>6}{:>13}{:>13}{:>13}{:>10}{:>10}{:>13}{:>12}",
            "scenario",
            "way",
            "rounds",
            "kills",
            "stops",
            "cuts",
            "sent",
            "received",
            "dropped",
            "cut",
            "died",
            "unaccounted",
            "received/s"
        )?;
        let mut total = Row::default();
        for ((scenario, way), row) in &self.rows {
            write_row(f, scenario.word(), &way.to_string(), row)?;
            total.rounds += row.rounds;
            total.sums.add(&row.sums);
            total.took += row.took;
            total.killed += row.killed;
            total.stopped += row.stopped;
            total.cuts += row.cuts;
        }
        write_row(f, "all", "", &total)?;
        match self.wrong {
            0 => writeln!(f, "the accounts are exact"),
            count => writeln!(f, "{count} discrepancies"),
        }
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, scenario: &str, way: &str, row: &Row) -> fmt::Result {
    let Sums { sent, received, dropped, cut, died, unaccounted } = row.sums;
    let Row { rounds, killed, stopped, cuts, .. } = row;
    writeln!(
        f,
        "{scenario:<10}{way:<8}{rounds:>7}{killed:>7}{stopped:>7}{cuts:>6}{sent:>13}{received:>13}{dropped:>13}{cut:>10}\
         {died:>10}{unaccounted:>13}{:>12.0}",
        rate(received, row.took)
    )
}
