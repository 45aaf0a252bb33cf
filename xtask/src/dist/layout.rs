//! Where each file of the package goes.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{FILE, LINK_NAME, SONAME, cmake, pkg_config};

/// Puts everything below `prefix`; files of an earlier time are replaced, others stay.
pub(crate) fn install(
    root: &Path,
    shared: &Path,
    archive: &Path,
    prefix: &Path,
    draft: bool,
) -> io::Result<()> {
    let library = prefix.join("lib");
    for folder in ["lib/pkgconfig", "lib/cmake/ZeroMQ", "include"] {
        fs::create_dir_all(prefix.join(folder))?;
    }
    copy(shared, &library.join(FILE), 0o755)?;
    copy(archive, &library.join("libzmq.a"), 0o644)?;
    for (link, target) in [(SONAME, FILE), (LINK_NAME, SONAME)] {
        let link = library.join(link);
        remove(&link)?;
        symlink(target, link)?;
    }
    for entry in fs::read_dir(root.join("crates/libzmq/include"))? {
        let entry = entry?;
        copy(&entry.path(), &prefix.join("include").join(entry.file_name()), 0o644)?;
    }
    fs::write(library.join("pkgconfig/libzmq.pc"), pkg_config::text(draft))?;
    fs::write(library.join("cmake/ZeroMQ/ZeroMQConfig.cmake"), cmake::config(draft))?;
    fs::write(library.join("cmake/ZeroMQ/ZeroMQConfigVersion.cmake"), cmake::version())
}

/// Copies to a new file: a program that runs on the old one keeps it.
fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    remove(to)?;
    fs::copy(from, to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
