//! `tamtam doctor`: what keeps nodes from finding and understanding each other.

mod domain;
mod host;
mod place;

use serde_json::{Value, json};

use super::print;
use super::print_json;
use super::survey::Survey;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::coloured;
use crate::run::Run;
use crate::table::Paint;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    Warn,
    Fail,
    /// Cannot be told from here.
    Skip,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }

    const fn paint(self) -> Paint {
        match self {
            Self::Ok => Paint::Good,
            Self::Warn => Paint::Careful,
            Self::Fail => Paint::Bad,
            Self::Skip => Paint::Faint,
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    name: &'static str,
    status: Status,
    /// What was found.
    text: String,
    /// What to do about it.
    advice: String,
}

impl Check {
    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, text: text.into(), advice: String::new() }
    }

    fn warn(name: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, text: text.into(), advice: advice.into() }
    }

    fn fail(name: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, text: text.into(), advice: advice.into() }
    }

    fn skip(name: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Skip, text: text.into(), advice: advice.into() }
    }

    fn to_json(&self) -> Value {
        let advice = if self.advice.is_empty() { Value::Null } else { self.advice.as_str().into() };
        json!({ "check": self.name, "status": self.status.word(), "text": self.text, "advice": advice })
    }

    fn lines(&self, coloured: bool) -> Vec<String> {
        let word = self.status.paint().on(self.status.word(), coloured);
        let blanks = " ".repeat(6_usize.saturating_sub(self.status.word().len()));
        let mut lines = vec![format!("{word}{blanks}{:<12}  {}", self.name, self.text)];
        if !self.advice.is_empty() {
            lines.push(format!("{:18}  → {}", "", self.advice));
        }
        lines
    }
}

/// Checks everything; fails with exit 1 if a check failed.
pub(crate) fn examine(run: &Run) -> Outcome {
    let domain = run.domain();
    let mut checks = place::directory(&domain);
    let before = place::Leftovers::of(&domain);
    match Survey::read(run, "doctor") {
        // A domain's name that is none, or an endpoint: it is the command line that is wrong.
        Err(failure) if failure.exit == Exit::Usage => return Err(failure),
        Err(failure) => checks.push(Check::fail(
            "registry",
            failure.text,
            "nodes can be neither opened nor found before that is put right",
        )),
        Ok(survey) => {
            checks.push(place::registry(&survey, before));
            checks.extend(place::peers(run, &survey));
            checks.extend(domain::checks(run, &survey));
            checks.extend(place::elsewhere(&survey));
        }
    }
    checks.extend(host::checks());
    if run.global.json {
        print_json(checks.iter().map(Check::to_json))?;
    } else {
        let coloured = coloured(run.global.color);
        print(checks.iter().flat_map(|check| check.lines(coloured)))?;
    }
    let number = |status| checks.iter().filter(|check| check.status == status).count();
    let (failed, warned) = (number(Status::Fail), number(Status::Warn));
    if failed > 0 {
        return Err(Failure::failed(format!("{failed} of {} checks failed", checks.len())));
    }
    run.tell(&format!("{} checks, none failed, {warned} with a warning · domain {domain:?}", checks.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_says_what_to_do() {
        let check = Check::warn("limits", "256 descriptors", "raise it");
        assert_eq!(
            check.lines(false),
            ["warn  limits        256 descriptors", "                    → raise it"]
        );
        assert_eq!(Check::ok("clock", "in step").lines(true), ["\x1b[32mok\x1b[0m    clock         in step"]);
        assert_eq!(Check::ok("clock", "in step").to_json()["advice"], Value::Null);
    }
}
