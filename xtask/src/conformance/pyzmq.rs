//! pyzmq's own tests, on the libzmq that its wheel brings and on the library under test: what passes on the one has to
//! pass on the other.
//!
//! The wheel is not rebuilt: the library is loaded before it, so that its functions are found first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::arguments::Arguments;
use super::junit::{self, Outcome, Results};
use super::library::Library;
use super::process;
use super::scratch;

const VERSION: &str = "27.3.0";

/// What the tests need besides pyzmq. Without cython, mypy and cffi the tests of those are skipped, on both sides.
const PACKAGES: [&str; 3] = ["pytest>=9.1", "pytest-asyncio>=1.3", "tornado>=6.5"];

/// Seconds that one file of tests may take.
const LIMIT: u32 = 150;

/// Seconds after which pytest prints where a test stands.
const REPORT: u32 = 60;

/// How often a test that fails on the library under test only is run again, alone.
const AGAIN: usize = 2;

/// Tests that fail on our library for now, and why. They do not make the run fail; one that passes does.
const KNOWN_FAILURES: [(&str, &str); 0] = [];

/// Runs the tests on both libraries and compares.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<(), String> {
    if arguments.draft {
        return Err("pyzmq's wheel knows no drafts".to_owned());
    }
    let library = Library::of(root, arguments)?;
    let suite = Suite::set_up(&scratch(root).join("pyzmq"))?;
    let mut files = suite.files()?;
    if !arguments.only.is_empty() {
        files.retain(|file| {
            arguments.only.iter().any(|only| file == only || *file == format!("test_{only}.py"))
        });
    }
    if files.is_empty() {
        return Err("no such file of tests".to_owned());
    }
    println!("pyzmq {VERSION}'s tests on the libzmq of its wheel");
    let bundled = suite.run(&files, None)?;
    println!("the same on {}", library.file.display());
    let mut ours = suite.run(&files, Some(&library))?;
    let mut again = Vec::new();
    for round in 1..=AGAIN {
        for name in worse(&bundled, &ours) {
            if suite.run_one(&name, &library)? {
                ours.insert(name.clone(), Outcome::Passed);
                again.push(format!("{name} (try {})", round + 1));
            }
        }
    }
    report(&bundled, &ours, &again, library.ours)
}

/// A Python that has pyzmq.
pub(crate) fn python(root: &Path) -> Result<PathBuf, String> {
    Suite::set_up(&scratch(root).join("pyzmq")).map(|suite| suite.python)
}

/// Tests that pass on the bundled library, and on the other not.
fn worse(bundled: &Results, ours: &Results) -> Vec<String> {
    let fails = |name: &String| ours.get(name) != Some(&Outcome::Passed);
    let passing = bundled.iter().filter(|(_, outcome)| **outcome == Outcome::Passed);
    passing.map(|(name, _)| name).filter(|name| fails(name)).cloned().collect()
}

fn report(bundled: &Results, ours: &Results, again: &[String], is_ours: bool) -> Result<(), String> {
    let known = |name: &str| is_ours && KNOWN_FAILURES.iter().any(|(listed, _)| *listed == name);
    let (excused, failed): (Vec<String>, Vec<String>) =
        worse(bundled, ours).into_iter().partition(|name| known(name));
    println!();
    for (title, results) in [("wheel's libzmq", bundled), ("library under test", ours)] {
        println!(
            "  {title:<20} {:>4} passed {:>3} failed {:>3} skipped",
            junit::count(results, Outcome::Passed),
            junit::count(results, Outcome::Failed),
            junit::count(results, Outcome::Skipped)
        );
    }
    for (title, names) in [("passed when run alone", again), ("known", &excused), ("FAILED", &failed)] {
        names.iter().for_each(|name| println!("  {title}: {name}"));
    }
    let listed =
        KNOWN_FAILURES.iter().filter(|(name, _)| is_ours && ours.get(*name) == Some(&Outcome::Passed));
    let passing: Vec<&str> = listed.map(|(name, _)| *name).collect();
    if !passing.is_empty() {
        return Err(format!("pass: take them off the table of known failures: {}", passing.join(", ")));
    }
    let passed = junit::count(ours, Outcome::Passed);
    println!("\n{passed} passed, {} failed", failed.len());
    match (failed.len(), passed) {
        (0, 0) => Err("no test passed".to_owned()),
        (0, _) => Ok(()),
        (count, _) => Err(format!("{count} tests fail that pass on the wheel's libzmq")),
    }
}

/// The tests, laid out with a Python of their own.
#[derive(Debug)]
struct Suite {
    /// Holds `pytest.ini` and `tests`, but not pyzmq's sources, which must not be found in the wheel's place.
    folder: PathBuf,
    python: PathBuf,
    results: PathBuf,
}

impl Suite {
    fn set_up(folder: &Path) -> Result<Self, String> {
        let suite = Self {
            folder: folder.join("suite"),
            python: folder.join("venv/bin/python3"),
            results: folder.join("results"),
        };
        let make = |path: &Path| {
            fs::create_dir_all(path).map_err(|error| format!("cannot make {}: {error}", path.display()))
        };
        make(folder)?;
        if !folder.join("ready").exists() {
            quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")))?;
            let mut pip = suite.pip();
            quiet(pip.args(["install", &format!("pyzmq=={VERSION}")]).args(PACKAGES))?;
            let archive = folder.join(format!("pyzmq-{VERSION}.tar.gz"));
            if !archive.exists() {
                let mut pip = suite.pip();
                pip.args(["download", "--no-deps", "--no-binary", "pyzmq", "--dest"]).arg(folder);
                quiet(pip.arg(format!("pyzmq=={VERSION}")))?;
            }
            make(&suite.folder)?;
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--strip-components=1", "--file"])
                .arg(&archive)
                .arg("--directory")
                .arg(&suite.folder);
            quiet(tar.args(["pytest.ini", "tests"].map(|part| format!("pyzmq-{VERSION}/{part}"))))?;
            fs::write(folder.join("ready"), "").map_err(|error| format!("cannot write: {error}"))?;
        }
        make(&suite.results)?;
        Ok(suite)
    }

    fn pip(&self) -> Command {
        let mut pip = Command::new(&self.python);
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        pip
    }

    fn files(&self) -> Result<Vec<String>, String> {
        let folder = self.folder.join("tests");
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
        let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with("test_") && name.ends_with(".py")).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Runs the files, one process each, so that one that hangs takes no other with it. What the wheel's own library
    /// answers is kept for the next time.
    fn run(&self, files: &[String], library: Option<&Library>) -> Result<Results, String> {
        let start = Instant::now();
        let side = if library.is_some() { "given" } else { "bundled" };
        let mut all = Results::new();
        for file in files {
            let xml = self.results.join(format!("{side}-{file}.xml"));
            let log = self.results.join(format!("{side}-{file}.txt"));
            if library.is_some() || !xml.exists() {
                drop(fs::remove_file(&xml));
                let command = self.pytest(&format!("tests/{file}"), &xml, library);
                let ended = process::run(&command, LIMIT, &log)?;
                if !xml.exists() {
                    println!("  {file} did not come to its end ({}): {}", ended.end, log.display());
                    continue;
                }
            }
            let text = fs::read_to_string(&xml)
                .map_err(|error| format!("cannot read {}: {error}", xml.display()))?;
            all.extend(junit::read(&text));
        }
        println!("  {} tests in {:.1} s", all.len(), start.elapsed().as_secs_f64());
        Ok(all)
    }

    /// Runs one test alone; tells whether it passes.
    fn run_one(&self, name: &str, library: &Library) -> Result<bool, String> {
        let xml = self.results.join("again.xml");
        drop(fs::remove_file(&xml));
        let command = self.pytest(&junit::node_of(name), &xml, Some(library));
        process::run(&command, LIMIT, &self.results.join("again.txt"))?;
        let text = fs::read_to_string(&xml).unwrap_or_default();
        Ok(junit::read(&text).get(name) == Some(&Outcome::Passed))
    }

    fn pytest(&self, what: &str, xml: &Path, library: Option<&Library>) -> Command {
        let mut command = Command::new(&self.python);
        command.current_dir(&self.folder).args(["-m", "pytest", "-v", "-p", "no:cacheprovider"]);
        command.arg("-o").arg(format!("faulthandler_timeout={REPORT}"));
        command.arg(format!("--junitxml={}", xml.display())).arg(what);
        if let Some(library) = library {
            library.lend_to(&mut command);
            command.env("LD_PRELOAD", &library.file);
        }
        command
    }
}

fn quiet(command: &mut Command) -> Result<(), String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
