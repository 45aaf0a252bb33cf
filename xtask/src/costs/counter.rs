//! Runs the program that sends messages, alone or under what counts.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::budgets::Figure;
use super::output_of;

/// How often something is counted before it is too much.
const TRIES: u32 = 3;

/// Counts what a path costs.
pub(super) struct Counter {
    program: PathBuf,
    /// What the tools write.
    scratch: PathBuf,
    /// How many messages make a good figure, by path.
    counts: HashMap<String, u32>,
    /// Why strace may not trace here, if so.
    untraceable: Option<String>,
}

impl Counter {
    /// Builds the program and looks for the tools.
    ///
    /// # Errors
    ///
    /// When something does not build or is not installed. That strace may not trace is no error: containers forbid it.
    pub(super) fn prepare(root: &Path) -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(root).args(["build", "--release", "--quiet", "--package", "tamtam-costs"]);
        output_of(&mut build)?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let program = target.join("release/tamtam-costs");
        let scratch = target.join("costs");
        fs::create_dir_all(&scratch)
            .map_err(|error| format!("cannot make {}: {error}", scratch.display()))?;
        for tool in ["valgrind", "strace"] {
            output_of(Command::new(tool).arg("--version")).map_err(|error| {
                format!("{error}\n{tool} counts; install it (apt-get install valgrind strace)")
            })?;
        }
        let list = output_of(Command::new(&program).arg("list"))?;
        let counts = list.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [path, _, count] = words[..] else { return None };
            Some((path.to_owned(), count.parse().ok()?))
        });
        let untraceable =
            output_of(Command::new("strace").args(["-qq", "-c", "-o", "/dev/null", "true"])).err();
        Ok(Self { counts: counts.collect(), program, scratch, untraceable })
    }

    /// Returns what could not be counted, and why.
    pub(super) fn notes(&self) -> Vec<String> {
        self.untraceable.iter().map(|why| format!("system calls were not counted: {why}")).collect()
    }

    /// Counts one figure of one path, and again if it is more than `enough`: a busy machine adds to what is counted now and then, and
    /// takes nothing away, so the least is what it costs. `None` where that cannot be counted here.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    pub(super) fn least(&self, path: &str, figure: Figure, enough: f64) -> Result<Option<f64>, String> {
        let mut least: Option<f64> = None;
        for _ in 0..TRIES {
            let Some(measured) = self.count(path, figure)? else { return Ok(None) };
            let best = least.map_or(measured, |least| least.min(measured));
            least = Some(best);
            if best <= enough {
                break;
            }
        }
        Ok(least)
    }

    /// Counts one figure of one path once; `None` where that cannot be counted here.
    ///
    /// # Errors
    ///
    /// When the path is unknown, loses a message, or waits in vain.
    fn count(&self, path: &str, figure: Figure) -> Result<Option<f64>, String> {
        let count = *self.counts.get(path).ok_or_else(|| format!("there is no path {path:?}"))?;
        let difference = |of: &dyn Fn(u32) -> Result<f64, String>| {
            Ok::<_, String>((of(count * 2)? - of(count)?).max(0.0) / f64::from(count))
        };
        match figure {
            Figure::Allocations => self.told(path, count, "allocations-per-1000").map(Some),
            Figure::Switches => self.told(path, count, "switches").map(Some),
            Figure::Calls if self.untraceable.is_some() => Ok(None),
            Figure::Calls => difference(&|count| self.calls(path, count)).map(|calls| Some(calls * 1000.0)),
            Figure::Instructions => difference(&|count| self.instructions(path, count)).map(Some),
        }
    }

    /// A figure that the program tells itself.
    fn told(&self, path: &str, count: u32, what: &str) -> Result<f64, String> {
        let said = output_of(Command::new(&self.program).args([path, &count.to_string()]))?;
        let figure = said.lines().find_map(|line| line.strip_prefix(what)).map(str::trim);
        figure
            .and_then(|figure| figure.parse().ok())
            .ok_or_else(|| format!("{path} tells no {what}: {said:?}"))
    }

    fn calls(&self, path: &str, count: u32) -> Result<f64, String> {
        let file = self.scratch.join("strace");
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-f", "-c", "-o"]).arg(&file).arg(&self.program).args([path, &count.to_string()]);
        output_of(&mut strace)?;
        total_calls(&read(&file)?).ok_or_else(|| "strace wrote no total".to_owned())
    }

    fn instructions(&self, path: &str, count: u32) -> Result<f64, String> {
        let file = self.scratch.join("callgrind");
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--quiet", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", file.display()));
        output_of(valgrind.arg(&self.program).args([path, &count.to_string()]))?;
        total_instructions(&read(&file)?).ok_or_else(|| "callgrind wrote no total".to_owned())
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// The sum at the end of what `strace -c` writes: share, seconds, microseconds per call, calls, errors, "total". Columns that
/// have nothing to say are left out from the right.
fn total_calls(text: &str) -> Option<f64> {
    let line = text.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// The sum at the end of callgrind's file.
fn total_instructions(text: &str) -> Option<f64> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found() {
        let strace = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 31.61    0.003076          12       246        40 futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.009730           8      1146        42 total
";
        assert_eq!(total_calls(strace), Some(1146.0));
        assert_eq!(total_calls(&strace.replace("        42 total", "           total")), Some(1146.0));
        assert_eq!(total_calls("nothing"), None);
        assert_eq!(total_instructions("events: Ir\nfn=(1)\n3 4\n\ntotals: 12173622\n"), Some(12_173_622.0));
        assert_eq!(total_instructions(""), None);
    }
}
