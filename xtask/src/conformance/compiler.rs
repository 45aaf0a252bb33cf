//! Compiles and links test programs with the system's compilers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

use super::library::Library;
use super::programs;
use super::tree::Tree;

/// Compilers at the same time.
const PARALLEL: usize = 2;

/// What every program is linked with, besides its own file.
const HELPERS: [&str; 5] = [
    "tests/testutil.cpp",
    "tests/testutil_monitoring.cpp",
    "tests/testutil_security.cpp",
    "tests/testutil_unity.cpp",
    "external/unity/unity.c",
];

/// A program's name with its file, or with what the compiler says.
pub(crate) type Built = (String, Result<PathBuf, String>);

/// Compiles what a tree holds.
#[derive(Debug)]
pub(crate) struct Compiler<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) library: &'a Library,
    /// Where object files and programs go.
    pub(crate) output: PathBuf,
    pub(crate) draft: bool,
}

impl Compiler<'_> {
    /// Builds the programs of these names.
    pub(crate) fn build(&self, names: &[String]) -> Result<Vec<Built>, String> {
        for folder in ["objects", "programs"] {
            let folder = self.output.join(folder);
            fs::create_dir_all(&folder)
                .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        let helpers: Vec<PathBuf> = HELPERS.iter().map(|file| self.tree.folder.join(file)).collect();
        let helpers: Vec<PathBuf> =
            in_parallel(&helpers, |source| self.object(source)).into_iter().collect::<Result<_, _>>()?;
        let build = |name: &String| (name.clone(), self.program(name, &helpers));
        Ok(in_parallel(names, build))
    }

    fn program(&self, name: &str, helpers: &[PathBuf]) -> Result<PathBuf, String> {
        let program = self.output.join("programs").join(name);
        let mut command = Command::new("c++");
        command.arg(self.object(&self.tree.source(name))?).args(helpers);
        if name == programs::CURVE {
            for source in programs::CURVE_SOURCES {
                command.arg(self.object(&self.tree.folder.join(format!("src/{source}.cpp")))?);
            }
        }
        command.arg(&self.library.file).arg("-pthread").arg("-o").arg(&program);
        // Libraries that the library under test needs are the loader's business.
        command.arg("-Wl,--unresolved-symbols=ignore-in-shared-libs");
        if name == programs::CURVE {
            command.arg("-lsodium");
        }
        compile(&mut command)?;
        Ok(program)
    }

    /// Compiles one file, unless that has been done since anything that it depends on has changed.
    fn object(&self, source: &Path) -> Result<PathBuf, String> {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let object = self.output.join("objects").join(format!("{stem}.o"));
        if self.is_fresh(&object, source) {
            return Ok(object);
        }
        let is_c = source.extension().is_some_and(|extension| extension == "c");
        let mut command = Command::new(if is_c { "cc" } else { "c++" });
        command.args(["-O1", "-w", "-pthread", "-DZMQ_CUSTOM_PLATFORM_HPP"]);
        command.args(["-DUNITY_USE_COMMAND_LINE_ARGS", "-DUNITY_EXCLUDE_FLOAT"]);
        if !is_c {
            command.arg("-std=c++11");
        }
        if self.draft {
            command.arg("-DZMQ_BUILD_DRAFT_API");
        }
        let internal = source.starts_with(self.tree.folder.join("src"));
        if internal {
            command.arg("-DZMQ_USE_LIBSODIUM");
        }
        for folder in ["", "include", "src", "external/unity"] {
            command.arg("-I").arg(self.tree.folder.join(folder));
        }
        command.arg("-c").arg(source).arg("-o").arg(&object);
        compile(&mut command)?;
        Ok(object)
    }

    fn is_fresh(&self, object: &Path, source: &Path) -> bool {
        let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
        let header = self.tree.folder.join("include/zmq.h");
        let inputs = [changed(source), changed(&header), changed(Path::new("/proc/self/exe"))];
        let newest: Option<SystemTime> =
            inputs.into_iter().try_fold(SystemTime::UNIX_EPOCH, |a, b| Some(a.max(b?)));
        matches!((changed(object), newest), (Some(object), Some(newest)) if object > newest)
    }
}

/// Runs a compiler; its complaints are the error.
pub(crate) fn compile(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {:?}: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Applies `work` to each item, two at a time; the results are in the items' order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let take = || next.lock().ok().and_then(|mut next| next.next());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some((at, item)) = take() {
                    let result = work(item);
                    if let Ok(mut done) = done.lock() {
                        done.push((at, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(
            in_parallel(&items, |item| item * 2),
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_the_compiler_says_is_the_error() {
        let error = compile(Command::new("c++").args(["-x", "c++", "-c", "/dev/null", "-o", "/nowhere/x"]));
        assert!(error.unwrap_err().contains("/nowhere/x"));
    }
}
