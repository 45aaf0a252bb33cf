//! Where nodes of one user and domain on one host find each other: a directory, and no daemon.
//!
//! A node has two files in it. `<id>.lock` has its process's number in it and is locked (`flock`) as long as the
//! process lives, however it ends. `<id>.node` is its record, whatever it has to say to others, replaced as a whole.
//! Other files named `<id>.*` are the node's as well, such as the sockets it listens on; they go when it goes, so a
//! node enters *before* it makes them. What died is removed by whoever lists the registry next. Files of other names
//! are left alone.
//!
//! A lock belongs to the open file, which a forked child has, too. `exec` closes it; a child that lives on without
//! keeps the entry alive after its parent's death. The child's copy of an [`Entry`] removes nothing.
//!
//! The directory is only as good as its path: when it is removed or replaced while in use, operations fail with
//! [`RegistryError::Removed`], for the sockets in it are lost as well and the node has to start over. When only the
//! files in it are removed, the next [`Entry::publish`] puts them back.
//!
//! Cleaners of `/tmp` pass over what is locked: each handle has a shared lock on the base directory. That one, since
//! binders of `ipc://` sockets lock the directory of the domain.

mod files;
mod id;
mod looking;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, lstat, mkdirat, openat};
use rustix::io::Errno;

use files::{Contents, Lock};
pub(crate) use id::NodeId;
pub(crate) use watch::Watch;

/// The largest record, in bytes.
pub(crate) const RECORD_MAX: usize = 1 << 20;

/// The largest schema, in bytes.
pub(crate) const SCHEMA_MAX: usize = 4 << 20;

/// The longest path that fits the address of a Unix socket.
const SOCKET_PATH_MAX: usize = 107;

/// The longest name of a file on Linux.
const NAME_MAX: usize = 255;

/// The endings of a node's files.
const LOCK: &str = "lock";
const RECORD: &str = "node";

/// The directory of the schemas, and the ending of their files.
const SCHEMAS: &str = "schemas";
const SCHEMA: &str = "fds";

/// Dead nodes whose files are removed in one go; so many descriptors are open meanwhile.
const BURIED_AT_ONCE: usize = 64;

/// How often entering starts over when what is in the way is gone in the next moment.
const ATTEMPTS: usize = 8;

/// Why the registry cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// The domain is no name of a directory.
    #[error("the domain {domain:?} cannot name a directory: {why}")]
    Domain { domain: String, why: &'static str },
    /// The directory is not one that only this user writes to.
    #[error("{path:?} cannot be the nodes' registry: {why}")]
    Directory { path: PathBuf, why: String },
    /// The directory has been removed, or replaced, since the registry was opened.
    #[error("the nodes' registry {path:?} has been removed or replaced; restart the node")]
    Removed { path: PathBuf },
    /// A living node has this id.
    #[error("a node has entered {path:?} already, and lives")]
    Entered { path: PathBuf },
    /// A socket's path would not fit its address.
    #[error(
        "{path:?} is too long for a Unix socket: {length} bytes of {SOCKET_PATH_MAX}; use a shorter domain, or set \
         TAMTAM_RUNTIME_DIR to a shorter path"
    )]
    SocketPath { path: PathBuf, length: usize },
    /// A name that would stand for something other than a file in the directory.
    #[error("{name:?} cannot name a file in the registry: {why}")]
    Name { name: String, why: &'static str },
    /// Too many bytes to be read by others, or to be read.
    #[error("{path:?} is too large: more than {limit} bytes")]
    TooLarge { path: PathBuf, limit: usize },
    /// What the system says.
    #[error("cannot {action} {path:?}: {cause}")]
    Io { action: &'static str, path: PathBuf, cause: io::Error },
}

/// Where nodes of one user and domain on one host find each other. Copies share the directory.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    directory: Arc<Directory>,
}

/// A living node, as others see it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name.
    pub(crate) id: NodeId,
    /// What it has published last.
    pub(crate) record: Vec<u8>,
    /// The process it is in, in that process's own namespace: for people to read.
    pub(crate) pid: Option<u32>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, record, pid } = self;
        write!(f, "Found {{ id: {id}, record: {} bytes, pid: {pid:?} }}", record.len())
    }
}

impl Registry {
    /// Opens the registry of a domain: `<base>/<domain>`, where the base is `$TAMTAM_RUNTIME_DIR`, else
    /// `$XDG_RUNTIME_DIR/tamtam`, else `tamtam-<user's number>` in the directory for temporary files. Makes what is
    /// missing, for this user only.
    ///
    /// An `$XDG_RUNTIME_DIR` that is missing or somebody else's, as `su` leaves it, does not count.
    ///
    /// # Errors
    ///
    /// `Domain` for a domain that is no file name; `Directory` when one of the two directories is no directory (a
    /// link is none), belongs to another user, or others may write to it: they could pose as nodes.
    pub(crate) fn open(domain: &str) -> Result<Self, RegistryError> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let base =
            base_directory(set("TAMTAM_RUNTIME_DIR"), set("XDG_RUNTIME_DIR"), &std::env::temp_dir(), user());
        Self::open_at(&base, domain)
    }

    /// Opens the registry of a domain in this base directory, see [`Self::open`].
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; also `Directory` when the path is not absolute, and would depend on where a node starts.
    pub(crate) fn open_at(base: &Path, domain: &str) -> Result<Self, RegistryError> {
        check_domain(domain)?;
        Ok(Self { directory: Arc::new(Directory::open(base, domain)?) })
    }

    /// Returns the directory, where sockets of nodes may stand; see [`Self::socket_path`].
    pub(crate) fn path(&self) -> &Path {
        &self.directory.path
    }

    /// Returns the path of a socket in the directory. Named `<id>.<anything>`, it is removed with its node's entry.
    ///
    /// # Errors
    ///
    /// `SocketPath` when it does not fit a socket's address, `Name` when the name is none.
    pub(crate) fn socket_path(&self, name: &str) -> Result<PathBuf, RegistryError> {
        check_name(name).map_err(|why| RegistryError::Name { name: name.to_owned(), why })?;
        let path = self.directory.path.join(name);
        let length = path.as_os_str().as_bytes().len();
        if length > SOCKET_PATH_MAX { Err(RegistryError::SocketPath { path, length }) } else { Ok(path) }
    }

    /// Enters a node. Others list it once it has published a record, until the entry is dropped or the process ends.
    ///
    /// # Errors
    ///
    /// `Entered` when a living node has this id (or another process is removing a dead one of this id), `Removed`, or
    /// what the system says: a full disk, no permission.
    pub(crate) fn enter(&self, id: NodeId) -> Result<Entry, RegistryError> {
        self.directory.check()?;
        let lock = Mutex::new(self.directory.lock(id)?);
        Ok(Entry { directory: self.directory.clone(), id, lock, process: std::process::id() })
    }

    /// Returns all living nodes that have published a record, by id, those of this process included. Removes what
    /// dead ones left. A record of more than [`RECORD_MAX`] bytes is passed over.
    ///
    /// # Errors
    ///
    /// `Removed`, or what the system says. That something cannot be removed is logged and no error.
    pub(crate) fn list(&self) -> Result<Vec<Found>, RegistryError> {
        let directory = &*self.directory;
        directory.check()?;
        let names = files::names(directory.as_fd()).map_err(|cause| directory.error("list", "", cause))?;
        let (mut found, mut dead) = (Vec::new(), Vec::new());
        for name in &names {
            let Some((id, LOCK)) = split_name(name) else { continue };
            match files::probe(directory.as_fd(), name)
                .map_err(|cause| directory.error("look at the lock", name, cause))?
            {
                Lock::Missing | Lock::Strange => {}
                Lock::Held(lock) => {
                    if let Some(record) = directory.record(id)? {
                        found.push(Found { id, record, pid: read_pid(&lock) });
                    }
                }
                Lock::Free(lock) => {
                    directory.forget(id, &lock);
                    dead.push((id, lock));
                }
            }
            if dead.len() >= BURIED_AT_ONCE {
                directory.bury(std::mem::take(&mut dead));
            }
        }
        directory.bury(dead);
        if let Err(cause) = files::sweep(directory.as_fd(), &names) {
            tracing::warn!(path = ?directory.path, %cause, "cannot remove files that dead processes left");
        }
        found.sort_by_key(|found| found.id);
        Ok(found)
    }

    /// Watches for changes from now on.
    ///
    /// Watch first and list then, or what happens in between is missed.
    ///
    /// # Errors
    ///
    /// `Removed`, or what the system says, such as that the process has too many files open. That the user has too many inotify
    /// instances is none: the watch then looks at the directory now and then.
    pub(crate) fn watch(&self) -> Result<Watch, RegistryError> {
        Watch::new(self.directory.clone())
    }

    /// Stores a schema under its id, 64 hexadecimal digits in lower case, for all nodes of the domain. What stands
    /// there is left alone if it is the same, and replaced if it is not: a crash of the machine may have cut it off.
    ///
    /// Whether the id is the hash of the bytes is the caller's to check, here and in [`Self::schema`].
    ///
    /// # Errors
    ///
    /// `Name` for another id, `TooLarge` for more than [`SCHEMA_MAX`] bytes, `Directory` when `schemas` is not a
    /// directory of our own, `Removed`, or what the system says.
    pub(crate) fn put_schema(&self, id: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let name = schema_name(id)?;
        let path = self.schemas_path();
        if bytes.len() > SCHEMA_MAX {
            return Err(RegistryError::TooLarge { path: path.join(name), limit: SCHEMA_MAX });
        }
        self.directory.check()?;
        let schemas = open_private(self.directory.as_fd(), SCHEMAS, &path)?;
        let failed = |action, cause| RegistryError::Io { action, path: path.join(&name), cause };
        let limit = to_u64(SCHEMA_MAX);
        let stored = files::read(schemas.as_fd(), &name, limit).map_err(|cause| failed("read", cause))?;
        if matches!(stored, Contents::Bytes(stored) if stored == bytes) {
            return Ok(());
        }
        files::replace(schemas.as_fd(), &name, bytes).map_err(|cause| failed("write", cause))?;
        if let Err(cause) =
            files::names(schemas.as_fd()).and_then(|names| files::sweep(schemas.as_fd(), &names))
        {
            tracing::warn!(?path, %cause, "cannot remove files that dead processes left");
        }
        Ok(())
    }

    /// Returns the schema of this id, if some node has stored it.
    ///
    /// # Errors
    ///
    /// As [`Self::put_schema`], `TooLarge` when that much is stored.
    pub(crate) fn schema(&self, id: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        let name = schema_name(id)?;
        self.directory.check()?;
        let path = self.schemas_path();
        let schemas = match open_directory(self.directory.as_fd(), SCHEMAS) {
            Ok(schemas) => schemas,
            Err(Errno::NOENT) => return Ok(None),
            Err(cause) => return Err(RegistryError::Io { action: "open", path, cause: cause.into() }),
        };
        let path = path.join(&name);
        match files::read(schemas.as_fd(), &name, to_u64(SCHEMA_MAX)) {
            Ok(Contents::Bytes(bytes)) => Ok(Some(bytes)),
            Ok(Contents::Missing) => Ok(None),
            Ok(Contents::TooLarge) => Err(RegistryError::TooLarge { path, limit: SCHEMA_MAX }),
            Err(cause) => Err(RegistryError::Io { action: "read", path, cause }),
        }
    }

    fn schemas_path(&self) -> PathBuf {
        self.directory.path.join(SCHEMAS)
    }
}

/// A node's place in the registry: alive as long as this is. Dropping it removes all files named `<id>.*`.
#[derive(Debug)]
pub(crate) struct Entry {
    directory: Arc<Directory>,
    id: NodeId,
    /// The locked file; within the lock that lets one thread publish at a time.
    lock: Mutex<File>,
    /// The process that entered: a forked child's copy must not remove anything.
    process: u32,
}

impl Entry {
    /// Publishes the node's record in place of the last one. Others see the one or the other, never a part.
    ///
    /// When somebody has removed the node's files, this puts them back.
    ///
    /// # Errors
    ///
    /// `TooLarge` for more than [`RECORD_MAX`] bytes, which others would not read; `Removed`; `Entered` when another
    /// node has taken the id after the files were removed; or what the system says, such as that the disk is full.
    /// The last record stays.
    pub(crate) fn publish(&self, record: &[u8]) -> Result<(), RegistryError> {
        if std::process::id() != self.process {
            // A fork's child: the entry is its parent's.
            return Ok(());
        }
        let directory = &*self.directory;
        let name = format!("{}.{RECORD}", self.id);
        if record.len() > RECORD_MAX {
            return Err(RegistryError::TooLarge { path: directory.path.join(name), limit: RECORD_MAX });
        }
        directory.check()?;
        let mut lock = self.locked();
        let lock_name = format!("{}.{LOCK}", self.id);
        let there = files::is_at(directory.as_fd(), &lock_name, &lock)
            .map_err(|cause| directory.error("look at the lock", &lock_name, cause))?;
        if !there {
            *lock = directory.lock(self.id)?;
        }
        files::replace(directory.as_fd(), &name, record)
            .map_err(|cause| directory.error("publish", &name, cause))
    }

    fn locked(&self) -> MutexGuard<'_, File> {
        // Nothing panics within.
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            return;
        }
        let lock_name = format!("{}.{LOCK}", self.id);
        let lock = self.locked();
        // Unless the files were removed and another node has entered with this id.
        let result = files::is_at(self.directory.as_fd(), &lock_name, &lock).and_then(|there| {
            let own = BTreeMap::from([(self.id, ())]);
            if there { self.directory.remove_files(&own) } else { Ok(()) }
        });
        if let Err(cause) = result {
            tracing::warn!(path = ?self.directory.path, id = %self.id, %cause, "cannot remove the node's files");
        }
    }
}

/// An open directory that only this user writes to.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    fd: OwnedFd,
    /// Kept for its lock; see the module's description.
    _base: OwnedFd,
}

impl Directory {
    fn open(base: &Path, domain: &str) -> Result<Self, RegistryError> {
        // Without a slash at the end, with which a link would be followed.
        let base: PathBuf = base.components().collect();
        if !base.is_absolute() {
            let why = "its path is not absolute".to_owned();
            return Err(RegistryError::Directory { path: base, why });
        }
        match DirBuilder::new().recursive(true).mode(0o700).create(&base) {
            Ok(()) => {}
            // What stands there is judged when it is opened.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(RegistryError::Io { action: "make the directory", path: base, cause }),
        }
        let path = base.join(domain);
        let base = check_private(open_directory(rustix::fs::CWD, &base), &base)?;
        if let Err(error) = flock(&base, FlockOperation::NonBlockingLockShared) {
            // Advice to cleaners, and not all file systems have it.
            tracing::debug!(?path, cause = %io::Error::from(error), "the registry may be cleaned away");
        }
        let fd = open_private(base.as_fd(), domain, &path)?;
        Ok(Self { path, fd, _base: base })
    }

    /// Fails when the path is no longer this directory's.
    fn check(&self) -> Result<(), RegistryError> {
        let failed = |cause: Errno| RegistryError::Io {
            action: "look at",
            path: self.path.clone(),
            cause: cause.into(),
        };
        let ours = fstat(&self.fd).map_err(failed)?;
        match lstat(&self.path) {
            Ok(now) if files::same_file(&now, &ours) => Ok(()),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {
                Err(RegistryError::Removed { path: self.path.clone() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Makes the error of an operation on a file, which may have failed because the directory is gone.
    fn error(&self, action: &'static str, name: &str, cause: io::Error) -> RegistryError {
        match self.check() {
            Err(error) if cause.kind() == io::ErrorKind::NotFound => error,
            _ => RegistryError::Io { action, path: self.path.join(name), cause },
        }
    }

    /// Makes a node's lock, removing what a dead one of the same id left.
    fn lock(&self, id: NodeId) -> Result<File, RegistryError> {
        let name = format!("{id}.{LOCK}");
        let failed = |cause| self.error("enter", &name, cause);
        for _ in 0..ATTEMPTS {
            let contents = format!("{}\n", std::process::id());
            let made = files::create_locked(self.as_fd(), &name, contents.as_bytes()).map_err(failed)?;
            if let Some(file) = made {
                return Ok(file);
            }
            match files::probe(self.as_fd(), &name).map_err(failed)? {
                Lock::Missing => {}
                Lock::Free(lock) => {
                    self.forget(id, &lock);
                    self.bury(vec![(id, lock)]);
                }
                Lock::Held(_) => return Err(RegistryError::Entered { path: self.path.join(name) }),
                Lock::Strange => {
                    let cause =
                        io::Error::new(io::ErrorKind::AlreadyExists, "it is not a regular file of ours");
                    return Err(failed(cause));
                }
            }
        }
        Err(failed(io::Error::new(io::ErrorKind::ResourceBusy, "what a dead process left stays in the way")))
    }

    /// Removes a dead node's record. Whoever buries it has to lock what its owner had locked, and looks to others like that one:
    /// they are not to find a record then. As long as the lock is shared, nobody enters anew under the name.
    fn forget(&self, id: NodeId, lock: &File) {
        let record = format!("{id}.{RECORD}");
        let removed = files::is_at(self.as_fd(), &format!("{id}.{LOCK}"), lock)
            .and_then(|there| if there { files::remove(self.as_fd(), &record) } else { Ok(()) });
        if let Err(cause) = removed {
            tracing::debug!(path = ?self.path.join(record), %cause, "left a file that has a node's name");
        }
    }

    /// Removes what dead nodes left, unless others are at it.
    fn bury(&self, dead: Vec<(NodeId, File)>) {
        let mut taken = BTreeMap::new();
        for (id, lock) in dead {
            match files::take_over(self.as_fd(), &format!("{id}.{LOCK}"), &lock) {
                Ok(true) => {
                    tracing::debug!(path = ?self.path, %id, pid = ?read_pid(&lock), "removing what a dead node left");
                    taken.insert(id, lock);
                }
                Ok(false) => {}
                Err(cause) => {
                    tracing::warn!(path = ?self.path, %id, %cause, "cannot remove what a dead node left");
                }
            }
        }
        if taken.is_empty() {
            return;
        }
        if let Err(cause) = self.remove_files(&taken) {
            tracing::warn!(path = ?self.path, %cause, "cannot remove what dead nodes left");
        }
    }

    /// Removes nodes' files. The locks must be the caller's, and go last: as long as one exists, somebody else can finish the
    /// work, and nobody enters with the same id. For many nodes at once, since the directory is read for it.
    fn remove_files<L>(&self, nodes: &BTreeMap<NodeId, L>) -> io::Result<()> {
        let remove = |name: &str| {
            if let Err(cause) = files::remove(self.as_fd(), name) {
                // A directory, which is no node's.
                tracing::debug!(path = ?self.path.join(name), %cause, "left a file that has a node's name");
            }
        };
        // First of all they are to be found no more.
        nodes.keys().for_each(|id| remove(&format!("{id}.{RECORD}")));
        for name in files::names(self.as_fd())? {
            if split_name(&name).is_some_and(|(id, end)| end != LOCK && nodes.contains_key(&id)) {
                remove(&name);
            }
        }
        // One that stays must not keep the others.
        let removed = nodes.keys().map(|id| files::remove(self.as_fd(), &format!("{id}.{LOCK}")));
        removed.filter_map(Result::err).last().map_or(Ok(()), Err)
    }

    /// Returns the record of a node that has published one.
    fn record(&self, id: NodeId) -> Result<Option<Vec<u8>>, RegistryError> {
        let name = format!("{id}.{RECORD}");
        match files::read(self.as_fd(), &name, to_u64(RECORD_MAX)) {
            Ok(Contents::Bytes(record)) => Ok(Some(record)),
            Ok(Contents::Missing) => Ok(None),
            Ok(Contents::TooLarge) => {
                tracing::warn!(path = ?self.path.join(name), limit = RECORD_MAX, "passing over a large record");
                Ok(None)
            }
            Err(cause) => Err(self.error("read", &name, cause)),
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the directory that has the domains in it; see [`Registry::open`].
fn base_directory(chosen: Option<OsString>, xdg: Option<OsString>, temporary: &Path, user: u32) -> PathBuf {
    if let Some(chosen) = chosen {
        return chosen.into();
    }
    let ours = |path: &PathBuf| {
        path.is_absolute() && path.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user)
    };
    if let Some(xdg) = xdg.map(PathBuf::from) {
        if ours(&xdg) {
            return xdg.join("tamtam");
        }
        tracing::debug!(path = ?xdg, "XDG_RUNTIME_DIR is no directory of this user's, and is not used");
    }
    temporary.join(format!("tamtam-{user}"))
}

fn check_domain(domain: &str) -> Result<(), RegistryError> {
    let why = match check_name(domain) {
        Err(why) => why,
        Ok(()) if domain.contains("..") => "it has \"..\" in it",
        Ok(()) => return Ok(()),
    };
    Err(RegistryError::Domain { domain: domain.to_owned(), why })
}

/// Fails, with the reason, when the text is no name of a file in a directory.
fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it is empty"),
        "." | ".." => Err("it stands for another directory"),
        _ if name.contains('/') => Err("it has a slash in it"),
        _ if name.contains('\0') => Err("it has a NUL in it"),
        _ if name.len() > NAME_MAX => Err("it is longer than 255 bytes"),
        _ => Ok(()),
    }
}

fn schema_name(id: &str) -> Result<String, RegistryError> {
    if id.len() == 64 && id::is_hex(id) {
        return Ok(format!("{id}.{SCHEMA}"));
    }
    let why = "a schema's id is 64 hexadecimal digits in lower case";
    Err(RegistryError::Name { name: id.to_owned(), why })
}

/// Takes the name of a node's file apart: the node's id, and the rest after the point.
fn split_name(name: &str) -> Option<(NodeId, &str)> {
    let (id, ending) = name.split_once('.')?;
    Some((id.parse().ok()?, ending))
}

fn open_directory(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Opens a directory in another one, and makes it if it is missing. Its path is for what people read.
fn open_private(parent: BorrowedFd<'_>, name: &str, path: &Path) -> Result<OwnedFd, RegistryError> {
    let failed = |cause: Errno| RegistryError::Io {
        action: "make the directory",
        path: path.to_owned(),
        cause: cause.into(),
    };
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => check_private(open_directory(parent, name), path),
        // Said of a file system that is read-only even when the directory exists.
        Err(Errno::ROFS) => match open_directory(parent, name) {
            Err(Errno::NOENT) => Err(failed(Errno::ROFS)),
            opened => check_private(opened, path),
        },
        Err(cause) => Err(failed(cause)),
    }
}

/// Returns a directory that was opened if it is this user's and nobody else may write to it.
fn check_private(opened: Result<OwnedFd, Errno>, path: &Path) -> Result<OwnedFd, RegistryError> {
    let refused = |why| Err(RegistryError::Directory { path: path.to_owned(), why });
    let failed =
        |cause: Errno| RegistryError::Io { action: "open", path: path.to_owned(), cause: cause.into() };
    let fd = match opened {
        Ok(fd) => fd,
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let link =
                lstat(path).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink);
            return refused(format!("it is {}", if link { "a symbolic link" } else { "not a directory" }));
        }
        Err(error) => return Err(failed(error)),
    };
    let found = fstat(&fd).map_err(failed)?;
    let (owner, user) = (found.st_uid, user());
    if owner != user {
        return refused(format!("it belongs to the user with number {owner}, not to {user}"));
    }
    let mode = Mode::from_raw_mode(found.st_mode);
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        let mode = mode.as_raw_mode();
        return refused(format!("others may write to it (mode {mode:o}); take that away with `chmod go-w`"));
    }
    Ok(fd)
}

/// Returns the number in a lock file.
fn read_pid(lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
