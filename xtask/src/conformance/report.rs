//! Verdicts, line by line, and the sum of them.

use std::time::Duration;

use super::unity::Cases;

/// What a program's run is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// Why.
    Failed(String),
    /// Fails, as the table of known failures says, with the table's reason.
    KnownFailure(String),
    /// Says nothing here, and why.
    NotApplicable(String),
}

/// One program with its verdict.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) cases: Cases,
    pub(crate) took: Duration,
    /// How often it was run.
    pub(crate) tries: usize,
}

impl Line {
    pub(crate) fn print(&self) {
        let cases = &self.cases;
        let word = match self.verdict {
            Verdict::Passed => "ok",
            Verdict::Failed(_) => "FAILED",
            Verdict::KnownFailure(_) => "known",
            Verdict::NotApplicable(_) => "n/a",
        };
        let mut text = format!("{word:<7}{:<26}", self.name);
        if let Verdict::NotApplicable(reason) = &self.verdict {
            println!("{text} {reason}");
            return;
        }
        text += &format!(
            " {:>3} passed {:>2} failed {:>2} ignored {:>6.1} s",
            cases.passed,
            cases.failed,
            cases.ignored,
            self.took.as_secs_f64()
        );
        if self.tries > 1 {
            text += &format!("  ({} tries)", self.tries);
        }
        println!("{text}");
        if let Verdict::Failed(reason) | Verdict::KnownFailure(reason) = &self.verdict {
            for line in reason.lines().map(str::to_owned).chain(cases.failures.iter().cloned()) {
                println!("         {line}");
            }
        }
    }
}

/// Prints the sum, and as the last line how many passed and failed.
///
/// # Errors
///
/// If one failed.
pub(crate) fn sum(title: &str, lines: &[Line]) -> Result<(), String> {
    let count = |wanted: fn(&Verdict) -> bool| lines.iter().filter(|line| wanted(&line.verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Passed));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let known = count(|verdict| matches!(verdict, Verdict::KnownFailure(_)));
    let not_applicable = count(|verdict| matches!(verdict, Verdict::NotApplicable(_)));
    let cases = |of: fn(&Cases) -> usize| lines.iter().map(|line| of(&line.cases)).sum::<usize>();
    let took: Duration = lines.iter().map(|line| line.took).sum();
    println!("\n{title}");
    println!(
        "  programs   {passed:>4} passed {failed:>3} failed {known:>3} known failures {not_applicable:>3} not applicable"
    );
    println!(
        "  cases      {:>4} passed {:>3} failed {:>3} ignored",
        cases(|cases| cases.passed),
        cases(|cases| cases.failed),
        cases(|cases| cases.ignored)
    );
    println!("  time       {:>6.1} s", took.as_secs_f64());
    if failed > 0 {
        let names: Vec<&str> = lines
            .iter()
            .filter(|line| matches!(line.verdict, Verdict::Failed(_)))
            .map(|line| line.name.as_str())
            .collect();
        println!("  failed     {}", names.join(", "));
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of the programs failed")) }
}
