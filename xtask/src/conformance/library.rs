//! The library under test: ours, freshly built, or any other file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::arguments::Arguments;
use super::scratch;

/// What a program asks for that was linked with libzmq, and what a linker looks for.
const SONAME: &str = "libzmq.so.5";
const LINK_NAME: &str = "libzmq.so";

/// A library to link with and to run on.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    /// The file to link with.
    pub(crate) file: PathBuf,
    /// Where the loader looks.
    folders: Vec<PathBuf>,
    pub(crate) ours: bool,
}

impl Library {
    /// Builds our library, or takes the one that the arguments name.
    pub(crate) fn of(root: &Path, arguments: &Arguments) -> Result<Self, String> {
        match &arguments.library {
            Some(file) => Self::given(root, file),
            None => Self::ours(root, arguments.draft),
        }
    }

    fn ours(root: &Path, draft: bool) -> Result<Self, String> {
        let built = build(root, draft)?;
        let folder = scratch(root).join("library").join(if draft { "draft" } else { "stable" });
        let file = folder.join(SONAME);
        place(&folder, || {
            fs::copy(&built, &file)?;
            symlink(SONAME, folder.join(LINK_NAME))
        })?;
        Ok(Self { file, folders: vec![folder], ours: true })
    }

    fn given(root: &Path, file: &Path) -> Result<Self, String> {
        let real = file.canonicalize().map_err(|error| format!("cannot find {}: {error}", file.display()))?;
        let folder = scratch(root).join("library").join("given");
        // A program linked with a library that has another name inside asks for that one, which lies beside it.
        place(&folder, || [SONAME, LINK_NAME].iter().try_for_each(|name| symlink(&real, folder.join(name))))?;
        let beside = real.parent().map(Path::to_path_buf);
        Ok(Self { file: real, folders: [Some(folder), beside].into_iter().flatten().collect(), ours: false })
    }

    /// The folder where a linker finds the library as `libzmq.so`.
    pub(crate) fn link_folder(&self) -> PathBuf {
        self.folders.first().cloned().unwrap_or_default()
    }

    /// Makes a program run on this library.
    pub(crate) fn lend_to(&self, command: &mut Command) {
        let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        command.env("LD_LIBRARY_PATH", folders.join(":"));
    }
}

/// Builds our library and returns the file.
pub(crate) fn build(root: &Path, draft: bool) -> Result<PathBuf, String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).args(["build", "--release", "--package", "tamtam-libzmq"]);
    command.arg("--target-dir").arg(root.join("target"));
    if draft {
        command.args(["--features", "draft"]);
    }
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !status.success() {
        return Err(format!("{command:?} ended with {status}"));
    }
    Ok(root.join("target/release/libzmq.so"))
}

/// Empties the folder and fills it.
fn place(folder: &Path, fill: impl FnOnce() -> std::io::Result<()>) -> Result<(), String> {
    let anew = || {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)
    };
    anew().and_then(|()| fill()).map_err(|error| format!("cannot fill {}: {error}", folder.display()))
}
