//! The tests of the Rust binding `zmq`, linked with the library under test.
//!
//! The binding's build script would build a libzmq of its own; cargo lets a `links` key be answered by configuration
//! instead, which a copy of the crate below `target` has beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::arguments::Arguments;
use super::library::Library;
use super::process;
use super::{scratch, sources};

const CRATE: (&str, &str) = ("zmq", "0.10.0");

/// Left out of the copy: they compare what a compiler of some version says, and link with nothing.
const LEFT_OUT: [&str; 2] = ["compile-tests.rs", "compile-fail"];

/// Seconds for building and running all tests.
const LIMIT: u32 = 600;

/// Runs the binding's tests.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<(), String> {
    if arguments.draft {
        return Err("the binding knows no drafts".to_owned());
    }
    let library = Library::of(root, arguments)?;
    let source = sources::of_crate(root, CRATE.0, CRATE.1)?;
    let folder = scratch(root).join("rust-zmq");
    let copy = folder.join("crate");
    let search = library.link_folder();
    lay_out(&source, &copy, &search)
        .map_err(|error| format!("cannot lay out {}: {error}", copy.display()))?;
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .current_dir(&copy)
        .args(["test", "--no-fail-fast", "--tests", "--target-dir"])
        .arg(folder.join("target"));
    if !arguments.only.is_empty() {
        command.arg("--").args(&arguments.only);
    }
    library.lend_to(&mut command);
    println!("zmq {}'s tests on {}", CRATE.1, library.file.display());
    let log = folder.join("log.txt");
    let ended = process::run(&command, LIMIT, &log)?;
    let (passed, failed) = verdicts(&ended.output);
    failed.iter().for_each(|name| println!("  FAILED {name}"));
    println!("\n{} passed, {} failed", passed.len(), failed.len());
    match ended.end {
        process::End::Code(0) if !passed.is_empty() && failed.is_empty() => Ok(()),
        end => Err(format!("the binding's tests ended with {end}: {}", log.display())),
    }
}

/// Copies the crate, makes it a workspace of its own, and says which library to link with.
fn lay_out(source: &Path, copy: &Path, search: &Path) -> io::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    copy_folder(source, copy)?;
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, format!("{text}\n[workspace]\n"))?;
    let host = host().ok_or_else(|| io::Error::other("rustc does not say for which system it compiles"))?;
    let config = format!(
        "[target.{host}.zmq]\nrustc-link-search = [{:?}]\nrustc-link-lib = [\"zmq\"]\n",
        search.display().to_string()
    );
    fs::create_dir_all(copy.join(".cargo"))?;
    fs::write(copy.join(".cargo/config.toml"), config)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let target: PathBuf = to.join(name);
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn host() -> Option<String> {
    let output = Command::new("rustc").arg("-vV").stderr(Stdio::inherit()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// The tests that passed, and those that failed, out of what cargo prints.
fn verdicts(output: &str) -> (Vec<&str>, Vec<&str>) {
    let of = |word: &str| {
        let lines = output.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(word));
        lines.collect::<Vec<_>>()
    };
    (of(" ... ok"), of(" ... FAILED"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read() {
        let output = "running 2 tests\ntest a::b ... ok\ntest c ... FAILED\ntest result: FAILED. 1 passed\n";
        assert_eq!(verdicts(output), (vec!["a::b"], vec!["c"]));
    }
}
