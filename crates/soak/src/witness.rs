//! Stands between two members, passes on what they say, and notes it message by message. It cuts connections, in such a way that it
//! knows exactly what was lost by that: it says to both ends that this was all, and reads to the end what they have handed to the
//! system until they heard of it.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tamtam_soak::Outcome;

use crate::wire::{Passed, Walk};

/// As much is passed on at a time.
const PIECE: usize = 64 << 10;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where somebody can be reached.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Path(PathBuf),
    Port(u16),
}

impl Address {
    pub(crate) fn endpoint(&self) -> String {
        match self {
            Self::Path(path) => format!("ipc://{}", path.display()),
            Self::Port(port) => format!("tcp://127.0.0.1:{port}"),
        }
    }

    fn connect(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Path(path) => Stream::Unix(UnixStream::connect(path)?),
            Self::Port(port) => Stream::tcp(TcpStream::connect(("127.0.0.1", *port))?)?,
        })
    }
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
            Self::Tcp(listener) => Stream::tcp(listener.accept()?.0),
        }
    }
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// The end of the stream, whatever that is, is no octets.
    fn read(&self, buffer: &mut [u8]) -> usize {
        loop {
            let result = match self {
                Self::Unix(stream) => (&*stream).read(buffer),
                Self::Tcp(stream) => (&*stream).read(buffer),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.unwrap_or(0),
            }
        }
    }

    fn write(&self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => (&*stream).write(octets),
            Self::Tcp(stream) => (&*stream).write(octets),
        }
    }

    fn shutdown(&self, how: Shutdown) {
        // It may be shut already, by whichever end.
        let _shut = match self {
            Self::Unix(stream) => stream.shutdown(how),
            Self::Tcp(stream) => stream.shutdown(how),
        };
    }

    /// Resets it; `false` if it is none that can be reset.
    fn reset(&self) -> bool {
        match self {
            Self::Unix(_) => false,
            Self::Tcp(stream) => rustix::net::connect_unspec(stream).is_ok(),
        }
    }

    const fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both ends are told that this was all, and what they say until they have heard of it is read.
    End,
    /// The same, and what an end still writes fails, where that can be had without a loss that nobody knows: at a Unix socket.
    Fail,
    /// Over TCP both ends get a reset. What the kernel holds at that moment is lost, and nobody knows how much that is.
    Reset,
}

/// What went one way through a connection: messages that the witness has got whole, and how many octets it has passed on.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) passed: Vec<Passed>,
    pub(crate) forwarded: u64,
}

/// One connection between two members.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The members' numbers.
    pub(crate) dialer: u64,
    pub(crate) binder: u64,
    near: Stream,
    far: Stream,
    is_cut: AtomicBool,
    is_reset: AtomicBool,
    /// Held while something is written to the near end, and to the far one.
    writing: [Mutex<()>; 2],
    /// Nothing is passed on until then.
    stalled: Mutex<Option<Instant>>,
    goes_on: Condvar,
    /// From the dialer to the binder.
    pub(crate) up: Mutex<Passage>,
    pub(crate) down: Mutex<Passage>,
}

impl Connection {
    /// Whether something may have been lost in it that nobody has seen.
    pub(crate) fn was_reset(&self) -> bool {
        self.is_reset.load(Ordering::SeqCst)
    }

    /// Ends it.
    fn cut(&self, cut: Cut) {
        if self.is_cut.swap(true, Ordering::SeqCst) {
            return;
        }
        for (stream, writing) in [&self.near, &self.far].into_iter().zip(&self.writing) {
            if cut == Cut::Reset && stream.reset() {
                self.is_reset.store(true, Ordering::SeqCst);
                continue;
            }
            stream.shutdown(Shutdown::Write);
            if cut == Cut::Fail && stream.is_unix() {
                // Whoever finds that it cannot write, and that there is nothing to read, may take that for the end: what is just
                // being passed on has to be there before.
                drop(lock(writing));
                stream.shutdown(Shutdown::Read);
            }
        }
        // Under the lock: whoever has just looked is waiting by now.
        drop(lock(&self.stalled));
        self.goes_on.notify_all();
    }

    fn wait_while_stalled(&self) {
        let mut stalled = lock(&self.stalled);
        while let Some(until) = *stalled
            && !self.is_cut.load(Ordering::SeqCst)
        {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *stalled = None;
                return;
            }
            stalled = self.goes_on.wait_timeout(stalled, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Passes on what one end says until it has said all.
    fn pass(&self, from: &Stream, to: &Stream, writing: &Mutex<()>) -> Passage {
        let (mut walk, mut forwarded) = (Walk::default(), 0);
        let mut buffer = vec![0; PIECE];
        loop {
            let count = from.read(&mut buffer);
            if count == 0 {
                break;
            }
            let mut octets = buffer.get(..count).unwrap_or_default();
            walk.follow(octets);
            self.wait_while_stalled();
            while !octets.is_empty() && !self.is_cut.load(Ordering::SeqCst) {
                let guard = lock(writing);
                let result = to.write(octets);
                drop(guard);
                match result {
                    Ok(written) => {
                        forwarded += written as u64;
                        octets = octets.get(written..).unwrap_or_default();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // Nobody is there any more.
                    Err(_) => self.cut(Cut::End),
                }
            }
        }
        to.shutdown(Shutdown::Write);
        Passage { passed: walk.passed, forwarded }
    }
}

#[derive(Debug)]
struct Shared {
    target: Address,
    /// The numbers of the members on both sides at the moment.
    dialer: AtomicU64,
    binder: AtomicU64,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// How many threads pass something on.
    passing: Mutex<usize>,
    done: Condvar,
    is_over: AtomicBool,
}

/// What stands between one dialer and one binder.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) front: Address,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Witness {
    /// Listens at a path, or at any port of this host.
    pub(crate) fn start(path: Option<PathBuf>, target: Address) -> Outcome<Self> {
        let (listener, front) = match path {
            Some(path) => (Listener::Unix(UnixListener::bind(&path)?), Address::Path(path)),
            None => {
                let listener = TcpListener::bind(("127.0.0.1", 0))?;
                let port = listener.local_addr()?.port();
                (Listener::Tcp(listener), Address::Port(port))
            }
        };
        let shared = Arc::new(Shared {
            target,
            dialer: AtomicU64::new(0),
            binder: AtomicU64::new(0),
            connections: Mutex::default(),
            passing: Mutex::new(0),
            done: Condvar::new(),
            is_over: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            while let Ok(near) = listener.accept() {
                if own.is_over.load(Ordering::SeqCst) {
                    return;
                }
                own.accepted(near);
            }
        });
        Ok(Self { front, shared, acceptor: Some(acceptor) })
    }

    pub(crate) fn set_dialer(&self, number: u64) {
        self.shared.dialer.store(number, Ordering::SeqCst);
    }

    pub(crate) fn set_binder(&self, number: u64) {
        self.shared.binder.store(number, Ordering::SeqCst);
    }

    /// Cuts what there is; returns whether there was anything.
    pub(crate) fn cut(&self, cut: Cut) -> bool {
        let connections = lock(&self.shared.connections);
        let mut any = false;
        for connection in connections.iter().filter(|one| !one.is_cut.load(Ordering::SeqCst)) {
            connection.cut(cut);
            any = true;
        }
        any
    }

    /// Passes nothing on for so long.
    pub(crate) fn stall(&self, pause: Duration) {
        for connection in lock(&self.shared.connections).iter() {
            *lock(&connection.stalled) = Instant::now().checked_add(pause);
        }
    }

    /// Passes on what waits.
    pub(crate) fn go_on(&self) {
        for connection in lock(&self.shared.connections).iter() {
            *lock(&connection.stalled) = None;
            connection.goes_on.notify_all();
        }
    }

    /// Waits until both ends of all connections have said all; `false` if they do not until then.
    pub(crate) fn wait(&self, until: Instant) -> bool {
        let mut passing = lock(&self.shared.passing);
        while *passing > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            passing = self.shared.done.wait_timeout(passing, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// What there was. To be asked once nobody says anything any more.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.shared.connections).clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.cut(Cut::End);
        // So that it hears of it.
        let _knock = self.front.connect();
        if let Some(acceptor) = self.acceptor.take() {
            let _ended = acceptor.join();
        }
    }
}

impl Shared {
    fn accepted(self: &Arc<Self>, near: Stream) {
        // Nobody is there at the moment: the dialer tries again.
        let Ok(far) = self.target.connect() else { return };
        let connection = Arc::new(Connection {
            dialer: self.dialer.load(Ordering::SeqCst),
            binder: self.binder.load(Ordering::SeqCst),
            near,
            far,
            is_cut: AtomicBool::new(false),
            is_reset: AtomicBool::new(false),
            writing: Default::default(),
            stalled: Mutex::default(),
            goes_on: Condvar::new(),
            up: Mutex::default(),
            down: Mutex::default(),
        });
        lock(&self.connections).push(Arc::clone(&connection));
        *lock(&self.passing) += 2;
        for is_up in [true, false] {
            let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || {
                let Connection { near, far, writing: [to_near, to_far], .. } = &*connection;
                if is_up {
                    let passage = connection.pass(near, far, to_far);
                    *lock(&connection.up) = passage;
                } else {
                    let passage = connection.pass(far, near, to_near);
                    *lock(&connection.down) = passage;
                }
                *lock(&shared.passing) -= 1;
                shared.done.notify_all();
            });
        }
    }
}
