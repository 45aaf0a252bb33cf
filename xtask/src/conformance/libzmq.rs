//! libzmq's own test programs against the library under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::arguments::Arguments;
use super::compiler::Compiler;
use super::library::Library;
use super::process::{self, End};
use super::programs;
use super::report::{Line, Verdict, sum};
use super::tree::Tree;
use super::unity::Cases;
use super::{everything_is_required, scratch};

/// The exit code by which a program says that it cannot run here.
const SKIPPED: i32 = 77;

/// Builds and runs the programs.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<(), String> {
    let library = Library::of(root, arguments)?;
    let folder = scratch(root).join("libzmq").join(if arguments.draft { "draft" } else { "stable" });
    let tree = Tree::make(root, &folder.join("tree"), arguments.draft)?;
    let programs = tree.programs()?;
    let unknown = programs::unknown(&programs);
    if !unknown.is_empty() {
        return Err(format!("in the tables, and no test program: {}", unknown.join(", ")));
    }
    let mut chosen = Vec::new();
    let mut lines = Vec::new();
    for name in choose(&tree, &programs, arguments)? {
        match not_applicable(&name) {
            None => chosen.push(name),
            Some(reason) => lines.push(line(&name, reason)),
        }
    }
    println!("compiling {} programs of libzmq 4.3.5's tests", chosen.len());
    let compiler =
        Compiler { tree: &tree, library: &library, output: folder.clone(), draft: arguments.draft };
    let built = compiler.build(&chosen)?;
    println!("running them on {}\n", library.file.display());
    lines.iter().for_each(Line::print);
    for (name, built) in built {
        let line = match built {
            Ok(program) => judge(&name, &program, &library, &folder)?,
            Err(error) => line(&name, Verdict::Failed(error)),
        };
        line.print();
        lines.push(line);
    }
    let title = if arguments.draft { "libzmq 4.3.5's tests, drafts" } else { "libzmq 4.3.5's tests" };
    sum(title, &lines)
}

/// The programs that are meant: those named, or all that belong to the library's kind.
fn choose(tree: &Tree, programs: &[String], arguments: &Arguments) -> Result<Vec<String>, String> {
    if !arguments.only.is_empty() {
        let bare = |name: &String| name.strip_prefix("test_").unwrap_or(name).to_owned();
        let names: Vec<String> = arguments.only.iter().map(bare).collect();
        let missing: Vec<&String> = names.iter().filter(|name| !programs.contains(name)).collect();
        return if missing.is_empty() {
            Ok(names)
        } else {
            Err(format!("no such test program: {missing:?}"))
        };
    }
    let mut chosen = Vec::new();
    for name in programs {
        let only_draft =
            programs::DRAFT.contains(&name.as_str()) || programs::WEBSOCKET.contains(&name.as_str());
        let wanted = match (arguments.draft, only_draft) {
            (true, true) | (false, false) => true,
            (false, true) => false,
            (true, false) => not_applicable(name).is_none() && has_draft_cases(&tree.source(name))?,
        };
        if wanted {
            chosen.push(name.clone());
        }
    }
    Ok(chosen)
}

fn has_draft_cases(source: &Path) -> Result<bool, String> {
    let text =
        fs::read_to_string(source).map_err(|error| format!("cannot read {}: {error}", source.display()))?;
    Ok(programs::DRAFT_WORDS.iter().any(|word| text.contains(word)))
}

/// Why a program is not run, if it is not: that is no fault, unless something is missing that has to be there.
fn not_applicable(name: &str) -> Option<Verdict> {
    if name == programs::CURVE && !has_sodium() {
        let reason = "NOT RUN: the test itself needs libsodium and its header (libsodium-dev)".to_owned();
        let verdict = if everything_is_required() { Verdict::Failed } else { Verdict::NotApplicable };
        return Some(verdict(reason));
    }
    programs::not_applicable(name).map(|reason| Verdict::NotApplicable(reason.to_owned()))
}

fn has_sodium() -> bool {
    let mut command = Command::new("c++");
    command.args(["-E", "-include", "sodium.h", "-x", "c++", "/dev/null"]);
    command.output().is_ok_and(|output| output.status.success())
}

fn line(name: &str, verdict: Verdict) -> Line {
    Line { name: name.to_owned(), verdict, cases: Cases::default(), took: Duration::ZERO, tries: 0 }
}

/// Runs a program, again if it is known to be flaky.
fn judge(name: &str, program: &Path, library: &Library, folder: &Path) -> Result<Line, String> {
    let tries = if programs::FLAKY.contains(&name) { programs::TRIES } else { 1 };
    let known = programs::known_failure(name).filter(|_| library.ours);
    let mut took = Duration::ZERO;
    let mut last = None;
    for number in 1..=tries {
        let mut line = try_once(name, program, library, folder)?;
        took += line.took;
        line.took = took;
        line.tries = number;
        let passed = line.verdict == Verdict::Passed;
        last = Some(line);
        if passed {
            break;
        }
    }
    let mut line = last.unwrap_or_else(|| line(name, Verdict::Failed("never run".to_owned())));
    line.verdict = match (line.verdict, known) {
        (Verdict::Failed(_), Some(reason)) => Verdict::KnownFailure(reason.to_owned()),
        (Verdict::Passed, Some(_)) => {
            Verdict::Failed("passes: take it off the table of known failures".to_owned())
        }
        (verdict, _) => verdict,
    };
    Ok(line)
}

fn try_once(name: &str, program: &Path, library: &Library, folder: &Path) -> Result<Line, String> {
    let work = empty(&folder.join("work").join(name))?;
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).map_err(|error| format!("cannot make {}: {error}", logs.display()))?;
    let mut command = Command::new(program);
    command.current_dir(&work);
    library.lend_to(&mut command);
    let ended = process::run(&command, programs::limit(name), &logs.join(format!("{name}.txt")))?;
    let cases = Cases::read(&ended.output);
    let verdict = match ended.end {
        End::Code(0) if cases.failed == 0 => Verdict::Passed,
        End::Code(SKIPPED) => Verdict::Failed("says that it cannot run here (exit code 77)".to_owned()),
        End::Code(_) if cases.failed > 0 => Verdict::Failed(String::new()),
        end => Verdict::Failed(format!("{end}\n{}", tail(&ended.output))),
    };
    Ok(Line { name: name.to_owned(), verdict, cases, took: ended.took, tries: 1 })
}

/// The last lines of a program's output.
fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("\n")
}

fn empty(folder: &Path) -> Result<PathBuf, String> {
    let anew = || {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)
    };
    anew().map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    Ok(folder.to_path_buf())
}
