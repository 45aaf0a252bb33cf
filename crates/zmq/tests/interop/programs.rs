//! Programs of this package's examples, and programs in C that are compiled on the fly against the libzmq of the crate
//! `zmq`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The examples that are up to date. Only one test builds at a time; the others then find the result.
static BUILT: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn built() -> MutexGuard<'static, Vec<String>> {
    BUILT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the folder of this build's results: the one above the folder of the test program.
fn results() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Returns a command that runs an example of this package. A whole `cargo test` has built it; if only this test was asked
/// for, it may be missing or old, and cargo is asked to see to it.
pub(crate) fn example(name: &str) -> Command {
    let mut built = built();
    let program = results().join("examples").join(name);
    if !built.iter().any(|done| done == name) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).with_extension("rs");
        if is_older_than(&program, &source) || is_older_than(&program, &std::env::current_exe().unwrap()) {
            build_example(name);
        }
        built.push(name.to_owned());
    }
    assert!(program.is_file(), "there is no {}", program.display());
    Command::new(program)
}

fn build_example(name: &str) {
    let results = results();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    cargo.args(["--example", name, "--target-dir"]).arg(results.parent().unwrap());
    if results.file_name() == Some(OsStr::new("release")) {
        cargo.arg("--release");
    }
    let status = cargo.status().unwrap();
    assert!(status.success(), "{cargo:?}: {status}");
}

/// Tells whether a result is missing or was made before its source was changed.
fn is_older_than(result: &Path, source: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    time(result).is_none_or(|built| time(source).is_some_and(|changed| built < changed))
}

/// Returns where the crate `zmq` has built its libzmq: the folders of the header and of the library.
fn libzmq() -> Option<(PathBuf, PathBuf)> {
    let builds = std::fs::read_dir(results().join("build")).ok()?;
    let mut found: Vec<_> = builds
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("out"))
        .filter(|out| out.join("lib/libzmq.a").is_file() && out.join("source/include/zmq.h").is_file())
        .filter_map(|out| Some((out.join("lib/libzmq.a").metadata().ok()?.modified().ok()?, out)))
        .collect();
    found.sort();
    let (_, out) = found.pop()?;
    Some((out.join("source/include"), out.join("lib")))
}

/// Returns a command that runs a C program of the folder `tests/textbook`, compiled now; `None`, and a word about it, where
/// there is no compiler or no libzmq to link.
pub(crate) fn c_program(name: &str) -> Option<Command> {
    let _building = built();
    // Tests of other packages use them, too.
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zmq/tests/textbook");
    let source = programs.join(name).with_extension("c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("textbook_{name}"));
    if !is_older_than(&program, &source) {
        return Some(Command::new(program));
    }
    let Some((include, lib)) = libzmq() else {
        not_tested("the build of the crate zmq-sys, with zmq.h and libzmq.a, was not found");
        return None;
    };
    let mut object = program.clone();
    object.set_extension("o");
    let mut compile = Command::new("cc");
    compile
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&object);
    compile.arg("-I").arg(include);
    // libzmq is written in C++: its driver knows which libraries that needs.
    let mut link = Command::new("c++");
    link.arg(&object).arg("-o").arg(&program).arg(lib.join("libzmq.a")).arg("-lpthread");
    for mut step in [compile, link] {
        match step.status() {
            Ok(status) => assert!(status.success(), "{step:?}: {status}"),
            Err(error) => {
                not_tested(&format!(
                    "{} cannot be run ({error}); install a C and C++ compiler",
                    step.get_program().display()
                ));
                return None;
            }
        }
    }
    Some(Command::new(program))
}

/// Says so where everybody sees it: what is printed by `eprintln!` is kept back when a test passes.
fn not_tested(why: &str) {
    std::io::stderr().write_all(format!("\nNOT TESTED against C: {why}\n").as_bytes()).unwrap();
}
