//! What a message costs in things that can be counted, against a stored budget for each: `cargo xtask costs`.
//!
//! The program `tamtam-costs` (`crates/costs`) sends the messages. Allocations and switches it counts itself; system calls are
//! counted by strace, instructions by valgrind, each as the difference between a run and one of twice the length, so that
//! what happens once drops out. No figure is a time.

mod budgets;
mod counter;

use std::fs;
use std::path::Path;
use std::process::Command;

use self::budgets::Budget;
use self::counter::Counter;

const FILE: &str = "xtask/budgets.txt";

const USAGE: &str = "\
cargo xtask costs [--renew] [--only PATTERN]...
  --renew          write what is measured, and some room, into the file of budgets
  --only PATTERN   only lines that contain this";

/// What to think of before a budget is made larger.
const ADVICE: &str = "\
More than its budget. A message has become dearer for everybody, whatever a clock says on a quiet machine. First find out why:
  system calls   strace -f target/release/tamtam-costs PATH 1000
  instructions   valgrind --tool=callgrind target/release/tamtam-costs PATH 10000, then callgrind_annotate
  switches       the background thread or another one takes part in what the caller should do alone
If it buys something that is worth it, `cargo xtask costs --renew --only PATH` writes the new budget, and the commit says
what was bought. A new compiler may move instructions by a few percent; other figures it does not move.";

/// Runs the task.
///
/// # Errors
///
/// What is over its budget, or what is missing to count.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let path = root.join(FILE);
    let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {FILE}: {error}"))?;
    let mut budgets = budgets::parse(&text)?;
    let counter = Counter::prepare(root)?;
    println!("{:<24} {:<14} {:>12} {:>12}", "path", "figure", "measured", "budget");
    let mut over = Vec::new();
    for budget in budgets.iter_mut().filter(|budget| options.wants(budget)) {
        // A new budget is made of the least of several, so that it is as small as it can be.
        let enough = if options.renew { f64::NEG_INFINITY } else { budget.most };
        let Some(measured) = counter.least(&budget.path, budget.figure, enough)? else {
            println!(
                "{:<24} {:<14} {:>12} {:>12.2}",
                budget.path,
                budget.figure.name(),
                "not counted",
                budget.most
            );
            continue;
        };
        if options.renew {
            budget.most = budget.figure.with_room(measured);
        }
        let mark = if measured > budget.most {
            over.push(budget.to_string());
            "  OVER"
        } else if budget.figure.with_room(measured) < budget.most * 0.5 {
            "  (far below: renew it, so that it stays so)"
        } else {
            ""
        };
        println!(
            "{:<24} {:<14} {measured:>12.2} {:>12.2}{mark}",
            budget.path,
            budget.figure.name(),
            budget.most
        );
    }
    for note in counter.notes() {
        println!("note: {note}");
    }
    if options.renew {
        let text = budgets::render(&text, &budgets);
        fs::write(&path, text).map_err(|error| format!("cannot write {FILE}: {error}"))?;
    }
    if over.is_empty() { Ok(()) } else { Err(format!("{}\n{ADVICE}", over.join("\n"))) }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    renew: bool,
    only: Vec<String>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match *argument {
                "--renew" => options.renew = true,
                "--only" => options.only.push((*rest.next().ok_or(USAGE)?).to_owned()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    fn wants(&self, budget: &Budget) -> bool {
        let line = budget.to_string();
        self.only.is_empty() || self.only.iter().any(|pattern| line.contains(pattern.as_str()))
    }
}

/// Runs a program and returns its standard output.
fn output_of(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} ended with {}: {}", output.status, said.trim()))
}

#[cfg(test)]
mod tests {
    use super::budgets::Figure;
    use super::*;

    #[test]
    fn words_choose_lines() {
        let options = Options::parse(&["--only", "ipc", "--renew"]).unwrap();
        assert!(options.renew);
        assert!(options.wants(&Budget { path: "a/ipc".into(), figure: Figure::Calls, most: 1.0 }));
        assert!(!options.wants(&Budget { path: "a/tcp".into(), figure: Figure::Calls, most: 1.0 }));
        for wrong in [&["--only"][..], &["--new"], &["ipc"]] {
            assert_eq!(Options::parse(wrong), Err(USAGE.to_owned()));
        }
    }

    #[test]
    fn the_file_of_budgets_can_be_read() {
        let text = fs::read_to_string(crate::root().join(FILE)).unwrap();
        let budgets = budgets::parse(&text).unwrap();
        for figure in Figure::ALL {
            assert!(budgets.iter().any(|budget| budget.figure == figure), "{figure:?}");
        }
        assert_eq!(budgets::render(&text, &budgets), text);
    }
}
