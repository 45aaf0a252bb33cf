//! Unix domain sockets for `ipc://`: by path, abstract, or at a fresh temporary path.
//!
//! A path outlives its socket, and binding to one that exists fails. ZeroMQ programs expect to bind again after a
//! crash, so a dead path is replaced; a live one never is. Alive is what a trial connection says. Two things could
//! still go wrong between binders of the same path:
//!
//! - both find it dead, and the slower one replaces what the faster one has just bound;
//! - one has bound but does not listen yet, and looks dead to the other.
//!
//! Renaming a finished socket over the dead one would close only the second gap, and would leave the temporary name
//! where `ss`, `lsof` and the peer's `getpeername` look. Instead, binders lock the directory (`flock` on the
//! directory itself: nothing is left behind, a crash unlocks) from the first look until the new socket listens. The
//! lock is advice that cannot always be had: directories may be unreadable or on a file system without locks, and
//! anybody may sit on one. Then binding goes on without, for a robot that cannot start again is the greater evil.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Metadata};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::fork;
use super::socket::Progress;
use crate::endpoint::IpcAddress;

/// The longest path that fits a socket address.
const PATH_MAX: usize = 107;

/// How often binding starts over when the path changes hands meanwhile.
const BIND_ATTEMPTS: usize = 4;

/// How long to wait for another binder in the directory: 100 times a millisecond. It has some system calls to make.
const LOCK_ATTEMPTS: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// A listening Unix socket. Dropping it closes it and removes its path, if that is still this socket's.
#[derive(Debug)]
pub(crate) struct IpcListener {
    fd: OwnedFd,
    address: IpcAddress,
    path: Option<BoundPath>,
}

impl IpcListener {
    /// Returns where it listens: the address that was asked for, but a path in place of the wildcard.
    pub(crate) fn address(&self) -> &IpcAddress {
        &self.address
    }
}

impl AsFd for IpcListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for IpcListener {
    fn drop(&mut self) {
        // Before the descriptor is closed: until then no other binder takes the path for dead, and the file system
        // does not give the inode's number to another file.
        if let Some(path) = self.path.take() {
            path.remove();
        }
    }
}

/// Makes a Unix socket that listens at the address, with room for `backlog` connections waiting to be accepted.
///
/// # Errors
///
/// `AddrInUse` when somebody listens there, or when the path is something other than a socket; `InvalidInput` for an
/// address no system call takes; else what the system says, such as `NotFound` for a missing directory.
pub(crate) fn listen_ipc(address: &IpcAddress, backlog: i32) -> io::Result<IpcListener> {
    // Paths are removed in the process that bound them only.
    fork::register();
    match address {
        IpcAddress::Path(path) => {
            let (fd, bound) = bind_path(path, backlog)?;
            Ok(IpcListener { fd, address: address.clone(), path: Some(bound) })
        }
        IpcAddress::Abstract(_) => {
            let socket = open_unix()?;
            socket.bind(&socket_address(address)?)?;
            socket.listen(backlog)?;
            Ok(IpcListener { fd: socket.into(), address: address.clone(), path: None })
        }
        IpcAddress::Wildcard => {
            let directory = temporary_directory()?;
            let path = directory.join("socket");
            match bind_path(&path, backlog) {
                Ok((fd, mut bound)) => {
                    bound.directory = Some(directory);
                    Ok(IpcListener { fd, address: IpcAddress::Path(path), path: Some(bound) })
                }
                Err(error) => {
                    let _ = fs::remove_dir(directory);
                    Err(error)
                }
            }
        }
    }
}

/// Takes over a Unix socket that somebody else has bound, and has it listen. Its path is not removed afterwards: who
/// bound it may bind it again.
///
/// # Errors
///
/// `InvalidInput` when it is no Unix stream socket with an address; else what the system says.
pub(crate) fn adopt_ipc(fd: OwnedFd, backlog: i32) -> io::Result<IpcListener> {
    let socket = Socket::from(fd);
    let local = socket.local_addr()?;
    let address = match (local.as_pathname(), local.as_abstract_namespace()) {
        (Some(path), _) => IpcAddress::Path(path.to_owned()),
        (None, Some(name)) => IpcAddress::Abstract(name.to_owned()),
        (None, None) => {
            let why = "not a Unix socket that is bound";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    };
    socket.set_cloexec(true)?;
    socket.set_nonblocking(true)?;
    socket.listen(backlog)?;
    Ok(IpcListener { fd: socket.into(), address, path: None })
}

/// Connects to the address, which on Unix sockets takes no time.
///
/// # Errors
///
/// `WouldBlock` when the listener's backlog is full: nothing tells when there is room again, so the caller tries
/// again later. `ConnectionRefused` or `NotFound` when nobody listens.
pub(crate) fn connect_ipc(address: &IpcAddress) -> io::Result<(OwnedFd, Progress)> {
    let socket = open_unix()?;
    let address = socket_address(address)?;
    loop {
        match socket.connect(&address) {
            Ok(()) => return Ok((socket.into(), Progress::Done)),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::INTR) => {}
                Some(Errno::INPROGRESS) => return Ok((socket.into(), Progress::InProgress)),
                _ => return Err(error),
            },
        }
    }
}

fn open_unix() -> io::Result<Socket> {
    // Closed on exec by default.
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

fn socket_address(address: &IpcAddress) -> io::Result<SockAddr> {
    let invalid = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    match address {
        IpcAddress::Path(path) => path_address(path),
        IpcAddress::Abstract(name) if name.is_empty() => invalid("the abstract name is empty"),
        IpcAddress::Abstract(name) => {
            let mut bytes = vec![0];
            bytes.extend_from_slice(name);
            SockAddr::unix(OsStr::from_bytes(&bytes))
        }
        IpcAddress::Wildcard => invalid("`*` stands for a fresh path and cannot be connected to"),
    }
}

fn path_address(path: &Path) -> io::Result<SockAddr> {
    // The system takes an empty path for "any abstract name", and a NUL byte for the start of one.
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a path cannot be empty or contain a NUL byte",
        ));
    }
    SockAddr::unix(path)
}

fn bind_path(path: &Path, backlog: i32) -> io::Result<(OwnedFd, BoundPath)> {
    let address = path_address(path)?;
    // The working directory may be another one when the path is to be removed.
    let absolute = std::path::absolute(path)?;
    let _lock = DirectoryLock::acquire(&absolute);
    for _ in 0..BIND_ATTEMPTS {
        let socket = open_unix()?;
        match socket.bind(&address) {
            Ok(()) => {
                let bound = BoundPath::new(absolute)?;
                if let Err(error) = socket.listen(backlog) {
                    bound.remove();
                    return Err(error);
                }
                return Ok((socket.into(), bound));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => clear_dead_path(path, &address)?,
            Err(error) => return Err(error),
        }
    }
    Err(in_use(path, "another program keeps binding it"))
}

/// Removes the path when it is a socket nobody listens on.
fn clear_dead_path(path: &Path, address: &SockAddr) -> io::Result<()> {
    let Some(found) = unless_missing(fs::symlink_metadata(path))? else { return Ok(()) };
    if found.is_file() && found.len() == 0 {
        // What `mkstemp` leaves when it gives out a name.
        return unless_missing(fs::remove_file(path)).map(drop);
    }
    if !found.file_type().is_socket() {
        return Err(in_use(path, "it is a file and not a socket; remove it or choose another path"));
    }
    match open_unix()?.connect(address) {
        Ok(()) => Err(in_use(path, "somebody listens there; choose another path or stop the other program")),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => Ok(()),
            Some(Errno::CONNREFUSED) => {
                // What was found dead, and nothing that has been put there since.
                let now = unless_missing(fs::symlink_metadata(path))?;
                if now.is_some_and(|now| identity(&now) == identity(&found)) {
                    unless_missing(fs::remove_file(path))?;
                }
                Ok(())
            }
            // A full backlog, another type of socket, no permission: alive, or not ours to judge.
            _ => Err(in_use(path, &format!("whether somebody listens there cannot be told: {error}"))),
        },
    }
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn in_use(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, format!("{path:?} is in use: {why}"))
}

/// What tells a file from any other as long as it exists: its device and inode.
fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The path of a listening socket, to be removed with it.
#[derive(Debug)]
struct BoundPath {
    path: PathBuf,
    identity: (u64, u64),
    /// The temporary directory that was made for it.
    directory: Option<PathBuf>,
    /// The process that bound it, by [`fork::generation`]: a child's copy must not remove it.
    generation: u32,
}

impl BoundPath {
    fn new(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&fs::symlink_metadata(&path)?);
        Ok(Self { path, identity, directory: None, generation: fork::generation() })
    }

    fn remove(self) {
        if fork::generation() != self.generation {
            return;
        }
        if fs::symlink_metadata(&self.path).is_ok_and(|now| identity(&now) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
        if let Some(directory) = self.directory {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// A lock on a path's directory, held by one binder at a time; see the module's description.
struct DirectoryLock {
    directory: OwnedFd,
}

impl DirectoryLock {
    fn acquire(path: &Path) -> Option<Self> {
        let directory = path.parent()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(directory, flags, Mode::empty()).ok()?;
        for _ in 0..LOCK_ATTEMPTS {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(Self { directory }),
                Err(Errno::AGAIN | Errno::INTR) => std::thread::sleep(LOCK_PAUSE),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing would do, but for a copy in a child that was forked meanwhile.
        let _ = flock(&self.directory, FlockOperation::Unlock);
    }
}

/// Makes a directory that only this user can enter, where temporary files go.
fn temporary_directory() -> io::Result<PathBuf> {
    let fits = |parent: &PathBuf| parent.as_os_str().len() + "/tamtam-xxxxxx/socket".len() <= PATH_MAX;
    let parent = Some(std::env::temp_dir()).filter(fits).unwrap_or_else(|| PathBuf::from("/tmp"));
    let mut attempts = 0;
    loop {
        let directory = parent.join(temporary_name());
        match DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempts < 100 => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}

fn temporary_name() -> OsString {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // The standard library seeds its hash maps at random; a guessed name only makes the next one be tried.
    let random = RandomState::new().build_hasher().finish().to_le_bytes();
    let letters = random.into_iter().take(6).filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    OsString::from(format!("tamtam-{}", letters.map(|&letter| char::from(letter)).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixDatagram;
    use std::sync::Barrier;

    use super::super::socket::{accept, finish_connect};
    use super::super::stream::peer_credentials;
    use super::*;

    /// A directory of the test's own, removed with what is in it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            Self(temporary_directory().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn listen(path: &Path) -> io::Result<IpcListener> {
        listen_ipc(&IpcAddress::Path(path.to_owned()), 10)
    }

    /// Connects, and sees the connection arrive at the listener.
    fn assert_alive(listener: &IpcListener) {
        let (client, progress) = connect_ipc(listener.address()).unwrap();
        assert_eq!(progress, Progress::Done);
        finish_connect(client.as_fd()).unwrap();
        let accepted = accept(listener.as_fd()).unwrap();
        assert!(peer_credentials(accepted.as_fd()).is_some());
    }

    /// A path as a killed program leaves it: a socket that refuses connections. Not closed either, since a child
    /// forked by another test would keep it alive for a moment.
    fn leave_dead_path(path: &Path) -> Socket {
        let socket = open_unix().unwrap();
        socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
        socket
    }

    #[test]
    fn a_path_lasts_as_long_as_its_listener() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        for _ in 0..2 {
            let listener = listen(&path).unwrap();
            assert_eq!(listener.address().to_string(), format!("ipc://{}", path.display()));
            assert_alive(&listener);
            drop(listener);
            assert!(!path.exists());
            let error = connect_ipc(&IpcAddress::Path(path.clone())).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_live_path_is_never_taken() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let listener = listen(&path).unwrap();
        let error = listen(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        // The trial connection was closed; then comes the real one.
        drop(accept(listener.as_fd()).unwrap());
        assert_alive(&listener);
    }

    #[test]
    fn a_full_backlog_is_alive_and_would_block() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let listener = listen_ipc(&IpcAddress::Path(path.clone()), 0).unwrap();
        let mut waiting = Vec::new();
        let error = loop {
            match connect_ipc(listener.address()) {
                Ok(connected) => waiting.push(connected),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_dead_path_is_replaced() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let _dead = leave_dead_path(&path);
        assert_alive(&listen(&path).unwrap());
        assert!(!path.exists());
    }

    /// A name that `mkstemp` gave out is a file of no bytes: its owner means it to be bound.
    #[test]
    fn an_empty_file_is_replaced() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        fs::write(&path, "").unwrap();
        let listener = listen(&path).unwrap();
        assert_alive(&listener);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_a_stream_socket_stays() {
        let scratch = Scratch::new();
        let (file, link, datagram) = (scratch.path("file"), scratch.path("link"), scratch.path("datagram"));
        fs::write(&file, "kept").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let _datagram = UnixDatagram::bind(&datagram).unwrap();
        for path in [&file, &link, &scratch.0, &datagram] {
            let error = listen(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
            assert!(error.to_string().contains(&format!("{path:?}")), "{error}");
            assert!(path.exists());
        }
        assert_eq!(fs::read(&file).unwrap(), b"kept");
    }

    #[test]
    fn a_listener_removes_no_path_but_its_own() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let first = listen(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = listen(&path).unwrap();
        drop(first);
        assert_alive(&second);
    }

    #[test]
    fn one_of_many_binders_gets_a_dead_path() {
        let scratch = Scratch::new();
        for round in 0..50 {
            let path = scratch.path(&round.to_string());
            let _dead = leave_dead_path(&path);
            let barrier = Barrier::new(4);
            let results: Vec<_> = std::thread::scope(|scope| {
                let bind = || {
                    barrier.wait();
                    listen(&path)
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(bind)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (bound, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
            assert_eq!((bound.len(), failed.len()), (1, 3), "{failed:?}");
            for error in failed {
                assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AddrInUse);
            }
            connect_ipc(&IpcAddress::Path(path)).unwrap();
        }
    }

    #[test]
    fn binding_goes_on_when_somebody_sits_on_the_lock() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let _dead = leave_dead_path(&path);
        let lock = DirectoryLock::acquire(&path).unwrap();
        assert_alive(&listen(&path).unwrap());
        // It has waited in vain: as long as one binder holds the lock no other one gets it.
        assert!(DirectoryLock::acquire(&path).is_none());
        drop(lock);
        assert!(DirectoryLock::acquire(&path).is_some());
    }

    #[test]
    fn the_wildcard_gets_a_private_directory() {
        let listener = listen_ipc(&IpcAddress::Wildcard, 10).unwrap();
        let other = listen_ipc(&IpcAddress::Wildcard, 10).unwrap();
        assert_ne!(listener.address(), other.address());
        let IpcAddress::Path(path) = listener.address().clone() else { panic!("{listener:?}") };
        let directory = path.parent().unwrap().to_owned();
        assert!(directory.file_name().unwrap().as_bytes().starts_with(b"tamtam-"));
        assert_eq!(path.file_name().unwrap(), "socket");
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_alive(&listener);
        drop(listener);
        assert!(!directory.exists());
    }

    #[test]
    fn abstract_names_leave_nothing_behind() {
        let name = temporary_name();
        let address = IpcAddress::Abstract(name.as_bytes().to_vec());
        let listener = listen_ipc(&address, 10).unwrap();
        assert_eq!(listener.address(), &address);
        assert_alive(&listener);
        assert_eq!(listen_ipc(&address, 10).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // Exactly this name, as other implementations bind it: not one that is padded with NUL bytes.
        let bound = socket2::SockRef::from(&listener.fd).local_addr().unwrap();
        assert_eq!(bound.as_abstract_namespace(), Some(name.as_bytes()));
        assert!(!Path::new(&name).exists());
    }

    #[test]
    fn impossible_addresses_are_errors() {
        let long = PathBuf::from("x".repeat(108));
        let cases = [
            IpcAddress::Path("".into()),
            IpcAddress::Path("\0a".into()),
            IpcAddress::Path(long),
            IpcAddress::Abstract(vec![]),
        ];
        for address in cases {
            assert_eq!(
                listen_ipc(&address, 1).unwrap_err().kind(),
                io::ErrorKind::InvalidInput,
                "{address:?}"
            );
            assert_eq!(connect_ipc(&address).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{address:?}");
        }
        assert_eq!(connect_ipc(&IpcAddress::Wildcard).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(listen_ipc(&IpcAddress::Abstract(vec![b'x'; 108]), 1).is_err());
        let scratch = Scratch::new();
        assert_eq!(listen(&scratch.path("no/such")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
