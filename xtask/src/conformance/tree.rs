//! The folders that libzmq's tests expect around them, made of links: their own sources, our header, and a description
//! of the platform that their build would have generated.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::sources;

/// The crate that carries libzmq 4.3.5 whole.
const CRATE: (&str, &str) = ("zeromq-src", "0.3.6");

/// What the tests ask about the platform: Linux, and what the library under test promises there.
const PLATFORM: [&str; 11] = [
    "ZMQ_HAVE_LINUX",
    "ZMQ_HAVE_IPC",
    "ZMQ_HAVE_CURVE",
    "ZMQ_HAVE_EVENTFD",
    "ZMQ_HAVE_IFADDRS",
    "ZMQ_HAVE_UIO",
    "ZMQ_HAVE_NOEXCEPT",
    "ZMQ_HAVE_SO_PEERCRED",
    "ZMQ_HAVE_SO_BINDTODEVICE",
    "ZMQ_IOTHREAD_POLLER_USE_EPOLL",
    "ZMQ_USE_CV_IMPL_STL11",
];

/// The same where drafts are judged, too.
const PLATFORM_DRAFT: [&str; 4] =
    ["ZMQ_HAVE_WS", "ZMQ_HAVE_PPOLL", "ZMQ_HAVE_BUSY_POLL", "ZMQ_HAVE_SO_PRIORITY"];

/// The folders to compile in.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// Holds `tests`, `src`, `include` and `external/unity`.
    pub(crate) folder: PathBuf,
}

impl Tree {
    /// Makes the folders anew, in `folder`.
    pub(crate) fn make(root: &Path, folder: &Path, draft: bool) -> Result<Self, String> {
        let upstream = upstream(root)?;
        make(root, &upstream, folder, draft)
            .map_err(|error| format!("cannot lay out {}: {error}", folder.display()))?;
        Ok(Self { folder: folder.to_path_buf() })
    }

    /// The names of the test programs, without `test_` and `.cpp`.
    pub(crate) fn programs(&self) -> Result<Vec<String>, String> {
        let folder = self.folder.join("tests");
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
        let name_of = |name: &str| Some(name.strip_prefix("test_")?.strip_suffix(".cpp")?.to_owned());
        let mut names: Vec<String> =
            entries.filter_map(Result::ok).filter_map(|entry| name_of(entry.file_name().to_str()?)).collect();
        names.sort_unstable();
        if names.is_empty() {
            return Err(format!("{} holds no test programs", folder.display()));
        }
        Ok(names)
    }

    /// The source of one test program.
    pub(crate) fn source(&self, name: &str) -> PathBuf {
        self.folder.join(format!("tests/test_{name}.cpp"))
    }
}

/// Returns libzmq's own folder.
pub(crate) fn upstream(root: &Path) -> Result<PathBuf, String> {
    Ok(sources::of_crate(root, CRATE.0, CRATE.1)?.join("vendor"))
}

fn make(root: &Path, upstream: &Path, folder: &Path, draft: bool) -> std::io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    // A file includes "../include/zmq.h" from where it is opened: so the folders are real, and the files are links.
    for (from, to) in [
        (upstream.join("tests"), "tests"),
        (upstream.join("src"), "src"),
        (upstream.join("external/unity"), "external/unity"),
        (root.join("crates/libzmq/include"), "include"),
    ] {
        let to = folder.join(to);
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && entry.file_name() != "platform.hpp" {
                symlink(entry.path(), to.join(entry.file_name()))?;
            }
        }
    }
    let more: &[&str] = if draft { &PLATFORM_DRAFT } else { &[] };
    let lines: String = PLATFORM.iter().chain(more).map(|name| format!("#define {name} 1\n")).collect();
    fs::write(folder.join("platform.hpp"), format!("#pragma once\n{lines}"))
}
