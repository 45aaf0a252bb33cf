//! What the sockets of a process share: the background thread, the names of inproc, the end.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tamtam_zmtp::SocketType;

use crate::engine::background::Background;
use crate::engine::core::Core;
use crate::engine::{Lookup, PipeEnd};
use crate::error::ShutdownError;
use crate::resolver::Resolver;
use crate::sys::fork;

/// Inproc connections that may wait for one name to be bound.
const PENDING_MAX: usize = 65_536;

struct Tables {
    sockets: HashMap<u32, Arc<Core>>,
    next_socket: u32,
    /// Who has bound an inproc name.
    names: HashMap<Arc<str>, Arc<Core>>,
    /// Pipes whose name nobody has bound yet.
    pending: HashMap<Arc<str>, Vec<PipeEnd>>,
    /// What sockets had to give up when they were closed: messages, bytes.
    lost: (u64, u64),
}

/// The shared part of a context. Lock order: a socket's lock, then this one; it is a leaf.
pub(crate) struct ContextCore {
    tables: Mutex<Tables>,
    closed: Condvar,
    pub(crate) background: Background,
    pub(crate) resolver: Resolver,
    terminated: AtomicBool,
    fork_generation: u32,
    /// Handles: contexts and sockets.
    handles: AtomicU32,
}

impl fmt::Debug for ContextCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextCore").finish_non_exhaustive()
    }
}

/// The common ground of the sockets of a process: a background thread, and the names of `inproc://`.
///
/// A context is a handle; clones mean the same context. The background thread starts with the first socket that needs it
/// (inproc alone does not). When the last handle and the last socket are gone, the context waits until closed sockets
/// have sent what lingers (see [`Options::set_linger`](crate::Options::set_linger), 5 s by default) and ends the thread.
///
/// # Examples
///
/// ```
/// use tamtam_zmq::{Context, Pull, Push};
///
/// let context = Context::new();
/// let pull = Pull::new(&context);
/// let push = Push::new(&context);
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// push.connect(&endpoint)?;
/// push.send("hello")?;
/// assert_eq!(pull.recv()?.as_slice(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Context {
    core: Arc<ContextCore>,
}

impl Context {
    /// Makes a context.
    ///
    /// # Panics
    ///
    /// When the process has no descriptor left for the background thread's set; see [`try_new`](Self::try_new).
    #[must_use]
    pub fn new() -> Self {
        Self::try_new().expect("two descriptors for the context")
    }

    /// Makes a context, or tells why the operating system does not give it the two descriptors that it needs.
    ///
    /// # Errors
    ///
    /// What the operating system says, for example that the process has too many open files.
    pub fn try_new() -> io::Result<Self> {
        fork::register();
        Ok(Self {
            core: Arc::new(ContextCore {
                tables: Mutex::new(Tables {
                    sockets: HashMap::new(),
                    next_socket: 1,
                    names: HashMap::new(),
                    pending: HashMap::new(),
                    lost: (0, 0),
                }),
                closed: Condvar::new(),
                background: Background::new()?,
                resolver: Resolver::new(),
                terminated: AtomicBool::new(false),
                fork_generation: fork::generation(),
                handles: AtomicU32::new(1),
            }),
        })
    }

    pub(crate) fn make_socket(&self, kind: SocketType) -> (Arc<Core>, Self) {
        let mut tables = self.core.tables();
        let id = tables.next_socket;
        tables.next_socket = id.checked_add(1).unwrap_or(1);
        let core = Core::new(Arc::clone(&self.core), id, kind);
        tables.sockets.insert(id, Arc::clone(&core));
        drop(tables);
        if self.core.terminated.load(Ordering::Acquire) {
            core.lock().terminate();
        }
        (core, self.clone())
    }

    /// Ends all communication: calls that wait return, sockets are closed, what is queued is sent until `deadline` at
    /// most (and no longer than each socket's linger time). Safe to call from any thread, and again.
    ///
    /// # Errors
    ///
    /// [`ShutdownError`] when something could not be sent by then; it tells what it waited for. The rest is dropped.
    pub fn shutdown(&self, deadline: Duration) -> Result<(), ShutdownError> {
        if self.core.is_forked() {
            return Ok(());
        }
        let began = Instant::now();
        self.core.terminated.store(true, Ordering::Release);
        for socket in self.core.all_sockets() {
            let mut locked = socket.lock();
            let linger = locked.options.linger.map_or(deadline, |linger| linger.min(deadline));
            locked.close(Some(linger));
            locked.terminate();
        }
        self.core.wait_for_sockets(began, Some(deadline))
    }

    /// Ends all communication without closing anything: calls that wait return with an error that says so, as do all later
    /// ones, and sockets are left to be closed by their owners. Safe to call from any thread, and again.
    pub fn interrupt(&self) {
        if self.core.is_forked() {
            return;
        }
        self.core.terminated.store(true, Ordering::Release);
        for socket in self.core.all_sockets() {
            socket.lock().terminate();
        }
    }

    /// Waits until every socket has been closed and has sent what lingers (`None`: for ever), and ends the background
    /// thread. Tells whether that came about in time.
    ///
    /// Does not close anything: without [`interrupt`](Self::interrupt) or [`shutdown`](Self::shutdown), and owners who act
    /// on it, it waits for their good time.
    #[must_use]
    pub fn wait_closed(&self, timeout: Option<Duration>) -> bool {
        if self.core.is_forked() {
            return true;
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut tables = self.core.tables();
        while !tables.sockets.is_empty() {
            tables = match deadline {
                None => self.core.closed.wait(tables).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.core.closed.wait_timeout(tables, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(tables);
        self.core.background.stop();
        if self.is_shut_down() {
            self.core.drop_pending();
        }
        true
    }

    /// Tells whether [`shutdown`](Self::shutdown) or [`interrupt`](Self::interrupt) was called.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.core.terminated.load(Ordering::Acquire)
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Context {
    fn clone(&self) -> Self {
        self.core.handles.fetch_add(1, Ordering::Relaxed);
        Self { core: Arc::clone(&self.core) }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.core.tables();
        f.debug_struct("Context").field("sockets", &tables.sockets.len()).finish_non_exhaustive()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.core.handles.fetch_sub(1, Ordering::AcqRel) > 1 || self.core.is_forked() {
            return;
        }
        // Every socket is closed by now; some may linger, each for its own time.
        let _ = self.core.wait_for_sockets(Instant::now(), None);
        self.core.background.stop();
        self.core.drop_pending();
    }
}

impl ContextCore {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_forked(&self) -> bool {
        self.fork_generation != fork::generation()
    }

    pub(crate) fn socket(&self, id: u32) -> Option<Arc<Core>> {
        self.tables().sockets.get(&id).cloned()
    }

    fn all_sockets(&self) -> Vec<Arc<Core>> {
        self.tables().sockets.values().cloned().collect()
    }

    /// A socket has nothing left to do. Called under its lock; returns its pipes that nobody took, to be dropped later:
    /// that may run callers' code.
    #[must_use]
    pub(crate) fn socket_closed(&self, id: u32, lost: (u64, u64)) -> Vec<PipeEnd> {
        let mut tables = self.tables();
        tables.sockets.remove(&id);
        tables.lost.0 += lost.0;
        tables.lost.1 += lost.1;
        // Messages that were sent before anybody bound the name wait for that somebody, whatever becomes of their sender.
        let pending: Vec<PipeEnd> = tables
            .pending
            .values_mut()
            .flat_map(|ends| ends.extract_if(.., |end| end.from.id == id && !end.has_messages()))
            .collect();
        tables.pending.retain(|_, ends| !ends.is_empty());
        drop(tables);
        self.closed.notify_all();
        pending
    }

    /// Nobody can bind a name any more: what waits for that is dropped. Such a pipe holds its socket, and that one this
    /// context: it would all stay for ever.
    fn drop_pending(&self) {
        let pending = std::mem::take(&mut self.tables().pending);
        // Callers' code may run: not under the lock.
        drop(pending);
    }

    /// Waits until one socket is closed for good.
    pub(crate) fn wait_for_socket(&self, id: u32) {
        let mut tables = self.tables();
        while tables.sockets.contains_key(&id) {
            tables = self.closed.wait(tables).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for_sockets(&self, began: Instant, deadline: Option<Duration>) -> Result<(), ShutdownError> {
        // Each socket's own linger timer ends it; this is for what hangs beyond that.
        let patience = deadline.map(|deadline| deadline + Duration::from_secs(1));
        let mut tables = self.tables();
        while !tables.sockets.is_empty() {
            let left = match patience {
                None => Duration::from_secs(3600),
                Some(patience) => patience.saturating_sub(began.elapsed()),
            };
            if left.is_zero() {
                drop(tables);
                let waiting_for =
                    self.all_sockets().iter().map(|socket| socket.lock().waiting_for()).collect();
                return Err(ShutdownError { waiting_for, waited: began.elapsed() });
            }
            tables = self.closed.wait_timeout(tables, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        // Nobody is left to bind the names that messages of closed sockets wait for.
        let unclaimed: Vec<PipeEnd> = std::mem::take(&mut tables.pending).into_values().flatten().collect();
        tables.lost.0 += unclaimed.iter().map(PipeEnd::messages).sum::<u64>();
        let (messages, bytes) = tables.lost;
        drop(tables);
        // Dropping a message may run callers' code.
        drop(unclaimed);
        if messages > 0 && deadline.is_some() {
            let text = format!("{messages} messages ({bytes} bytes) were not sent and are dropped");
            return Err(ShutdownError { waiting_for: vec![text], waited: began.elapsed() });
        }
        Ok(())
    }

    /// Binds an inproc name; returns the pipes that wait for it, or `None` if somebody has it.
    pub(crate) fn claim_name(&self, name: &Arc<str>, core: &Arc<Core>) -> Option<Vec<PipeEnd>> {
        let mut tables = self.tables();
        if tables.names.contains_key(name) {
            return None;
        }
        tables.names.insert(Arc::clone(name), Arc::clone(core));
        Some(tables.pending.remove(name).unwrap_or_default())
    }

    /// Returns who has bound an inproc name.
    pub(crate) fn bound(&self, name: &str) -> Option<Arc<Core>> {
        self.tables().names.get(name).cloned()
    }

    pub(crate) fn release_name(&self, name: &Arc<str>, socket: u32) {
        let mut tables = self.tables();
        if tables.names.get(name).is_some_and(|core| core.id == socket) {
            tables.names.remove(name);
        }
    }

    /// Looks up an inproc name. If nobody has bound it, keeps the end until somebody does. Called under a socket's lock: what
    /// is given up is dropped later.
    pub(crate) fn look_up_name(&self, name: &Arc<str>, end: PipeEnd) -> (Lookup, Option<PipeEnd>) {
        let mut tables = self.tables();
        if let Some(core) = tables.names.get(name) {
            return (Lookup::Bound(Arc::clone(core)), Some(end));
        }
        let pending = tables.pending.entry(Arc::clone(name)).or_default();
        // Where there are too many, closed sockets give up what they sent.
        let mut given_up = Vec::new();
        if pending.len() >= PENDING_MAX {
            given_up.extend(pending.extract_if(.., |end| end.rx.is_abandoned()));
        }
        pending.push(end);
        tables.lost.0 += given_up.iter().map(PipeEnd::messages).sum::<u64>();
        (Lookup::Pending { given_up }, None)
    }
}
