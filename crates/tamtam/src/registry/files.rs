//! Files that appear whole, and locks that tell whether their owner lives.
//!
//! A file is written under a temporary name, `<random id>.new`, and then renamed. While it is being written it is
//! locked, so that whoever finds the temporary name unlocked knows that a process died over it, and removes it. The
//! name exists for a moment before the lock does: a writer whose file was removed in that moment starts over.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat, flock, fstat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::id::NodeId;

/// How often writing a file starts over when others remove it too early. Once would be bad luck.
const ATTEMPTS: usize = 32;

/// The ending of temporary names.
const NEW: &str = ".new";

/// What a lock says about the process that made it.
pub(super) enum Lock {
    /// There is no such file.
    Missing,
    /// It is something other than a file of ours, such as a directory, a pipe, or a file we may not read.
    Strange,
    /// Some process holds the lock.
    Held(File),
    /// No process held the lock. Now this file does, shared with others that look.
    Free(File),
}

/// Looks at a lock without waiting for it.
///
/// Opened for reading only: closing a file that was opened for writing is what tells watchers of a death.
pub(super) fn probe(directory: BorrowedFd<'_>, name: &str) -> io::Result<Lock> {
    let file = match open_file(directory, name)? {
        Opened::File(file) => file,
        Opened::Missing => return Ok(Lock::Missing),
        Opened::Strange => return Ok(Lock::Strange),
    };
    // Shared: of two that look at the same time, neither must take the other for the owner.
    if try_lock(&file, FlockOperation::NonBlockingLockShared)? {
        Ok(Lock::Free(file))
    } else {
        Ok(Lock::Held(file))
    }
}

/// Turns a free lock into one's own, for the removal of what its owner left. Returns false when another process does
/// that already, or has done it: then the name is missing or is another file's.
pub(super) fn take_over(directory: BorrowedFd<'_>, name: &str, file: &File) -> io::Result<bool> {
    // Not atomic: the shared lock may be lost and the exclusive one not be had. Of several that look, the last one
    // to try gets it.
    Ok(try_lock(file, FlockOperation::NonBlockingLockExclusive)? && is_at(directory, name, file)?)
}

/// Whether the name stands for this very file.
pub(super) fn is_at(directory: BorrowedFd<'_>, name: &str, file: &File) -> io::Result<bool> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(same_file(&found, &fstat(file)?)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether two descriptions are of one file: as long as it exists, its device and inode are no other's.
pub(super) fn same_file(a: &Stat, b: &Stat) -> bool {
    a.st_dev == b.st_dev && a.st_ino == b.st_ino
}

/// Removes a file, if there is one.
pub(super) fn remove(directory: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the names in a directory, without those that are no UTF-8: none of ours.
pub(super) fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        if let Ok(name) = entry?.file_name().to_str() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// What reading a file gave.
pub(super) enum Contents {
    /// There is no such file, or it is something else.
    Missing,
    /// It has more bytes than the limit.
    TooLarge,
    /// All of it.
    Bytes(Vec<u8>),
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(directory: BorrowedFd<'_>, name: &str, limit: u64) -> io::Result<Contents> {
    let Opened::File(file) = open_file(directory, name)? else { return Ok(Contents::Missing) };
    let mut bytes = Vec::new();
    // The size on record is not to be trusted: the file may grow meanwhile.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    Ok(if fits { Contents::Bytes(bytes) } else { Contents::TooLarge })
}

/// Writes a file that replaces the one at `name`, if any: readers see the old one or the new one as a whole. When it
/// fails, the old one stays.
///
/// Nothing is flushed to disk: after a power cut, no entry means anything.
pub(super) fn replace(directory: BorrowedFd<'_>, name: &str, contents: &[u8]) -> io::Result<()> {
    for _ in 0..ATTEMPTS {
        let Some((new, _file)) = create(directory, contents)? else { continue };
        match renameat(directory, &new, directory, name) {
            Ok(()) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(error) => {
                let _ = remove(directory, &new);
                return Err(error.into());
            }
        }
    }
    Err(interrupted())
}

/// Makes a locked file of this name, which appears with its contents and its lock. `None` if the name is taken.
pub(super) fn create_locked(
    directory: BorrowedFd<'_>,
    name: &str,
    contents: &[u8],
) -> io::Result<Option<File>> {
    for _ in 0..ATTEMPTS {
        let Some((new, file)) = create(directory, contents)? else { continue };
        let mut renamed = renameat_with(directory, &new, directory, name, RenameFlags::NOREPLACE);
        if matches!(renamed, Err(Errno::INVAL | Errno::NOSYS)) {
            // The file system cannot do both at once. Names are random: nobody comes between the two.
            renamed = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EXIST),
                Err(Errno::NOENT) => renameat(directory, &new, directory, name),
                Err(error) => Err(error),
            };
        }
        match renamed {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::NOENT) => continue,
            Err(error) => {
                let _ = remove(directory, &new);
                return if error == Errno::EXIST { Ok(None) } else { Err(error.into()) };
            }
        }
    }
    Err(interrupted())
}

/// Removes the temporary files among these names that dead processes left.
pub(super) fn sweep<'a>(
    directory: BorrowedFd<'_>,
    names: impl IntoIterator<Item = &'a String>,
) -> io::Result<()> {
    for name in names {
        let ours = name.strip_suffix(NEW).is_some_and(|id| id.parse::<NodeId>().is_ok());
        if !ours {
            continue;
        }
        if let Lock::Free(file) = probe(directory, name)?
            && take_over(directory, name, &file)?
        {
            remove(directory, name)?;
        }
    }
    Ok(())
}

/// Writes a temporary file, and returns its name and itself, locked. `None` when it was taken for a dead process's.
fn create(directory: BorrowedFd<'_>, contents: &[u8]) -> io::Result<Option<(String, File)>> {
    let name = format!("{}{NEW}", NodeId::random()?);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(directory, &name, flags, Mode::RUSR | Mode::WUSR)?);
    let result = match try_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(true) => file.write_all(contents),
        // Who holds it is about to remove it.
        Ok(false) => return Ok(None),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(Some((name, file))),
        Err(error) => {
            let _ = remove(directory, &name);
            Err(error)
        }
    }
}

/// Returns whether the lock was had.
fn try_lock(file: &File, operation: FlockOperation) -> io::Result<bool> {
    loop {
        match flock(file.as_fd(), operation) {
            Ok(()) => return Ok(true),
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

enum Opened {
    Missing,
    Strange,
    File(File),
}

/// Opens a regular file for reading, and nothing else: no link is followed, no pipe waits for its other end.
fn open_file(directory: BorrowedFd<'_>, name: &str) -> io::Result<Opened> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(Opened::Missing),
        // A link, a socket, a device without a driver, a file of somebody else's.
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::ACCESS | Errno::PERM) => {
            return Ok(Opened::Strange);
        }
        Err(error) => return Err(error.into()),
    };
    let regular = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile;
    Ok(if regular { Opened::File(file) } else { Opened::Strange })
}

fn interrupted() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "some program keeps removing the temporary file")
}
