//! `tamtam ipc choose`: asks what is needed, and recommends one way to communicate.

pub(crate) mod args;
mod dialogue;
mod measure;
mod show;

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use tamtam_ipc_bench::choose::{Choice, Contradiction, Evidence, Machine, QUESTIONS};
use tamtam_ipc_bench::report::Report;

use self::args::{ChooseArgs, Given};
use crate::exit::{Failure, Outcome};
use crate::look::print_json;
use crate::run::Run;
use crate::zmq::Interruptible;

/// Runs the command.
pub(super) fn run(run: &Run, args: &ChooseArgs) -> Outcome {
    let mut given = args.given.clone();
    check(&given)?;
    // What is wrong with the file is told before anything is asked.
    let saved = args
        .bench
        .as_deref()
        .map(|path| read_report(path).map(|report| (report, path.display().to_string())));
    let saved = saved.transpose()?;
    answer(run, args, &mut given)?;
    let machine = Machine::here();
    let report = if args.measure {
        measure::survey(run, &given.needs, &machine)?.map(|report| (report, "just now".to_owned()))
    } else {
        saved
    };
    let evidence = report.as_ref().and_then(|(report, from)| {
        let evidence = Evidence::of(report, &given.needs);
        if evidence.is_none() {
            run.tell(&format!("{from}: no numbers of what matters here were measured"));
        }
        Some((evidence?, source(report, from)))
    });
    let choice = Choice::of(&given.needs, &machine, evidence.as_ref().map(|(evidence, _)| evidence));
    if run.global.json {
        print_json([choice.to_json(evidence.as_ref().map(|(evidence, _)| evidence))])?;
    } else {
        show::text(&choice, evidence.as_ref().map(|(evidence, source)| (evidence, source.as_str())))?;
    }
    match choice.recommended() {
        Some(_) => Ok(()),
        None => Err(Failure::failed("nothing does all of that")),
    }
}

/// Gets the answers that flags did not give.
fn answer(run: &Run, args: &ChooseArgs, given: &mut Given) -> Outcome {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal() && !run.global.quiet;
    if can_ask && !args.defaults {
        let mut input = Interruptible::new(&run.stop);
        return dialogue::ask(given, &mut || input.read_line(), &mut io::stderr());
    }
    if given.flags.is_empty() && !args.defaults {
        let flags: Vec<_> = QUESTIONS.iter().map(|question| format!("--{}", question.flag)).collect();
        return Err(Failure::usage(format!(
            "there is no terminal to ask on: answer at least one question by its flag ({}), the others take their defaults; or --defaults",
            flags.join(", ")
        )));
    }
    let open: Vec<_> =
        given.open().map(|question| format!("--{} {}", question.flag, question.default())).collect();
    if !open.is_empty() {
        run.tell(&format!("taken as defaults: {}", open.join(" ")));
    }
    Ok(())
}

fn check(given: &Given) -> Outcome {
    match Contradiction::find(&given.needs) {
        Some(contradiction) => Err(Failure::usage(contradiction.describe(&given.needs))),
        None => Ok(()),
    }
}

fn read_report(path: &Path) -> Outcome<Report> {
    let text = fs::read_to_string(path).map_err(|error| {
        let text = format!("cannot read {}: {error}", path.display());
        if error.kind() == io::ErrorKind::NotFound { Failure::not_found(text) } else { Failure::failed(text) }
    })?;
    if text.trim().is_empty() {
        return Err(Failure::incompatible(format!("{} is empty", path.display())));
    }
    // `--compare` prints further lines.
    let first = text.trim_start().lines().next().unwrap_or_default();
    let report = Report::from_json(first)
        .map_err(|error| Failure::incompatible(format!("{}: {error}", path.display())))?;
    if report.cells.is_empty() {
        return Err(Failure::failed(format!("{}: nothing was measured in it", path.display())));
    }
    Ok(report)
}

/// Where the numbers are from, for people.
fn source(report: &Report, from: &str) -> String {
    let machine = &report.machine;
    let mut text = format!("{from}, measured on {}", machine.kernel);
    if let Some(processor) = &machine.processor {
        text.push_str(&format!(", {processor}"));
    }
    text.push_str(&format!(", {} cores", machine.cores));
    if let Some(host) = &machine.virtual_machine {
        text.push_str(&format!(", a guest of {host}"));
    }
    if !report.warnings.is_empty() {
        text.push_str(&format!("; with {} warnings", report.warnings.len()));
    }
    crate::output::harmless(&text)
}
