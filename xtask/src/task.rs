//! The tasks that start other programs.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds per fuzz target, if none are given.
const FUZZ_SECONDS: u32 = 60;

/// Longest input that is tried, in octets.
const FUZZ_LEN_MAX: u32 = 4096;

/// Runs the script that decides about a change.
pub(crate) fn ci(root: &Path) -> Result<(), String> {
    run(Command::new("bash").arg(".ci/run").current_dir(root))
}

/// Model-checks what runs without a lock. A target folder of its own keeps the other builds warm.
///
/// # Errors
///
/// Also when there is no model: a flag that nobody reads any more would check nothing, and pass.
pub(crate) fn loom(root: &Path) -> Result<(), String> {
    let models = || {
        let mut command = cargo(root);
        command.args([
            "test",
            "--package",
            "tamtam-zmq",
            "--release",
            "--lib",
            "--target-dir",
            "target/loom",
            "loom",
        ]);
        command.env("RUSTFLAGS", "--cfg tamtam_loom");
        command
    };
    let mut list = models();
    let output = list
        .args(["--", "--list"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {list:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{list:?} ended with {}", output.status));
    }
    match String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.ends_with(": test")).count() {
        0 => Err("there is no model to check".to_owned()),
        _ => run(&mut models()),
    }
}

/// Runs the test programs that talk to another implementation: those named `interop…`.
pub(crate) fn interop(root: &Path) -> Result<(), String> {
    run(cargo(root).args(["test", "--package", "tamtam-zmq", "--test", "interop*"]))
}

/// Builds the guide. What can be checked of it without mdBook, `tidy` and the tests of `tamtam-guide` check.
pub(crate) fn guide(root: &Path) -> Result<(), String> {
    build_guide(root, "mdbook")?;
    println!("target/guide/index.html");
    Ok(())
}

fn build_guide(root: &Path, program: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(["build", "docs/guide"]).current_dir(root);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("{program} is not installed: cargo install mdbook --locked"))
        }
        Err(error) => Err(format!("cannot run {command:?}: {error}")),
    }
}

/// Runs fuzz targets. libFuzzer's instrumentation is a pass that the stable compiler has; only sanitizers would need
/// another toolchain, and the targets forbid `unsafe` in what they test.
pub(crate) fn fuzz(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let all = fuzz_targets(root)?;
    let (targets, seconds) = fuzz_choice(&all, arguments)?;
    for target in targets {
        let corpus = format!("fuzz/corpus/{target}");
        fs::create_dir_all(root.join(&corpus)).map_err(|error| format!("cannot make {corpus}: {error}"))?;
        let mut command = cargo(root);
        command.args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir", "fuzz", target, "--"]);
        command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={FUZZ_LEN_MAX}"));
        let words = format!("fuzz/dictionaries/{target}.dict");
        if root.join(&words).is_file() {
            command.arg(format!("-dict={words}"));
        }
        run(&mut command)
            .map_err(|error| format!("{error}\nif cargo does not know fuzz: cargo install cargo-fuzz"))?;
    }
    Ok(())
}

/// Returns which targets are meant, and for how many seconds each.
fn fuzz_choice<'a>(all: &'a [String], arguments: &[&str]) -> Result<(Vec<&'a str>, u32), String> {
    let seconds = |text: &str| match text.parse() {
        Ok(seconds @ 1..) => Ok(seconds),
        _ => Err(format!("{text:?} is no number of seconds")),
    };
    let known = |name: &str| {
        let target = all.iter().find(|target| *target == name).map(String::as_str);
        target.ok_or_else(|| format!("no fuzz target {name:?}; there are {}", all.join(", ")))
    };
    match arguments {
        [] => Ok((all.iter().map(String::as_str).collect(), FUZZ_SECONDS)),
        [target] => Ok((vec![known(target)?], FUZZ_SECONDS)),
        [target, text] => Ok((vec![known(target)?], seconds(text)?)),
        _ => Err("cargo xtask fuzz [TARGET] [SECONDS]".to_owned()),
    }
}

/// Lists the fuzz targets, by name.
fn fuzz_targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root);
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(arguments: &[&str]) -> Result<(Vec<String>, u32), String> {
        let all = ["frames".to_owned(), "greeting".to_owned()];
        let (targets, seconds) = fuzz_choice(&all, arguments)?;
        Ok((targets.into_iter().map(str::to_owned).collect(), seconds))
    }

    #[test]
    fn fuzzing_without_arguments_means_every_target() {
        assert_eq!(choose(&[]), Ok((vec!["frames".to_owned(), "greeting".to_owned()], FUZZ_SECONDS)));
        assert_eq!(choose(&["greeting"]), Ok((vec!["greeting".to_owned()], FUZZ_SECONDS)));
        assert_eq!(choose(&["frames", "5"]), Ok((vec!["frames".to_owned()], 5)));
    }

    #[test]
    fn wrong_words_are_named() {
        let error = choose(&["nothing"]).unwrap_err();
        assert_eq!(error, "no fuzz target \"nothing\"; there are frames, greeting");
        for text in ["0", "-1", "soon", ""] {
            assert_eq!(choose(&["frames", text]).unwrap_err(), format!("{text:?} is no number of seconds"));
        }
        assert!(choose(&["frames", "1", "2"]).unwrap_err().starts_with("cargo xtask fuzz"));
    }

    #[test]
    fn the_targets_of_the_tree_are_found() {
        let targets = fuzz_targets(&crate::root()).expect("a folder of targets");
        assert!(targets.iter().any(|target| target == "greeting"), "{targets:?}");
    }

    #[test]
    fn without_mdbook_one_is_told_how_to_get_it() {
        let error = build_guide(&crate::root(), "no-such-mdbook").unwrap_err();
        assert_eq!(error, "no-such-mdbook is not installed: cargo install mdbook --locked");
    }

    #[test]
    fn a_failing_program_is_an_error_with_its_command() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert!(error.contains("false") && error.contains("ended with"), "{error}");
        let error = run(&mut Command::new("no-such-program-of-tamtam")).unwrap_err();
        assert!(error.starts_with("cannot run"), "{error}");
        assert_eq!(run(&mut Command::new("true")), Ok(()));
    }
}
