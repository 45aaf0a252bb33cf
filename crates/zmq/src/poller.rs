//! Waiting for several sockets and descriptors at once.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::core::{Core, ReadySet};
use crate::socket::{Socket, forked};
use crate::sys::epoll::{self, Epoll, Events};
use crate::sys::fork;

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// A message (or a byte) can be received.
    pub readable: bool,
    /// A message (or a byte) can be sent.
    pub writable: bool,
}

impl Interest {
    /// Readability alone.
    pub const READABLE: Self = Self { readable: true, writable: false };
    /// Writability alone.
    pub const WRITABLE: Self = Self { readable: false, writable: true };
    /// Either.
    pub const BOTH: Self = Self { readable: true, writable: true };
}

/// What is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollEvent {
    /// The key given when the socket or descriptor was added.
    pub key: usize,
    /// Receiving will not wait.
    pub readable: bool,
    /// Sending will not wait.
    pub writable: bool,
}

enum Item {
    /// `since`: what the socket's `wakes` was when we last lay down.
    Socket {
        core: Arc<Core>,
        set: Arc<ReadySet>,
        interest: Interest,
        since: u64,
    },
    Fd {
        fd: OwnedFd,
    },
}

/// Waits for several sockets and plain descriptors at once.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tamtam_zmq::{Context, Interest, Poller, Pull, Push};
///
/// let context = Context::new();
/// let pull = Pull::new(&context);
/// let push = Push::new(&context);
/// push.connect(&pull.bind("ipc://*")?)?;
/// let mut poller = Poller::new()?;
/// poller.add(&pull, 7, Interest::READABLE)?;
/// push.send("ready")?;
/// let events = poller.wait(Some(Duration::from_secs(5)))?;
/// assert_eq!(events[0].key, 7);
/// assert_eq!(pull.try_recv()?.as_slice(), b"ready");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Poller {
    epoll: Epoll,
    events: Events,
    items: HashMap<usize, Item>,
    ready: Vec<PollEvent>,
    /// The process that made it: a fork's child shares the descriptor with its parent and must leave it alone.
    generation: u32,
    /// Where the next look begins: a busy socket must not hide the others from a caller who handles one event at a time.
    turn: usize,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

impl Poller {
    /// Makes a poller that waits for nothing yet.
    ///
    /// # Errors
    ///
    /// What the operating system says when it has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new()?,
            events: Events::with_capacity(64),
            items: HashMap::new(),
            ready: Vec::new(),
            generation: fork::generation(),
            turn: 0,
        })
    }

    /// Adds a socket under a key of the caller's choice. The socket must be removed, or the poller dropped, before events of
    /// a closed socket stop being reported (as ready: its calls then return errors).
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when the key or the socket is in use; otherwise what the operating system says.
    pub fn add(&mut self, socket: &impl AsRef<Socket>, key: usize, interest: Interest) -> io::Result<()> {
        self.check_key(key)?;
        let core = Arc::clone(socket.as_ref().core());
        let Some(mut locked) = core.operate() else { return Err(forked()) };
        let set = locked.lend_set()?;
        self.epoll.add(set.watched().as_fd(), key as u64, epoll::Interest::READ)?;
        locked.pollers += 1;
        drop(locked);
        self.items.insert(key, Item::Socket { core, set, interest, since: 0 });
        Ok(())
    }

    /// Adds a plain descriptor under a key of the caller's choice.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when the key is in use; otherwise what the operating system says.
    pub fn add_fd(&mut self, fd: impl AsFd, key: usize, interest: Interest) -> io::Result<()> {
        self.check_key(key)?;
        // A duplicate of our own: the caller may close his.
        let fd = fd.as_fd().try_clone_to_owned()?;
        let mut wanted = epoll::Interest::NONE;
        if interest.readable {
            wanted = wanted | epoll::Interest::READ;
        }
        if interest.writable {
            wanted = wanted | epoll::Interest::WRITE;
        }
        self.epoll.add(fd.as_fd(), key as u64, wanted)?;
        self.items.insert(key, Item::Fd { fd });
        Ok(())
    }

    fn check_key(&self, key: usize) -> io::Result<()> {
        if self.items.contains_key(&key) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("key {key} is in use in this poller"),
            ));
        }
        Ok(())
    }

    /// Stops waiting for what was added under `key`; tells whether there was anything.
    pub fn remove(&mut self, key: usize) -> bool {
        match self.items.remove(&key) {
            None => false,
            Some(item) => {
                self.forget(&item);
                true
            }
        }
    }

    fn forget(&self, item: &Item) {
        if self.generation != fork::generation() {
            return;
        }
        match item {
            Item::Socket { core, set, .. } => {
                let _ = self.epoll.remove(set.watched().as_fd());
                let mut locked = core.lock();
                locked.pollers = locked.pollers.saturating_sub(1);
                locked.update_attention();
            }
            Item::Fd { fd } => {
                let _ = self.epoll.remove(fd.as_fd());
            }
        }
    }

    /// Waits until something is ready, at most `timeout` (`None`: for ever); returns what is. Empty when the time is over.
    ///
    /// # Errors
    ///
    /// `Interrupted` when a signal arrived; otherwise what the operating system says.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<&[PollEvent]> {
        if self.generation != fork::generation() {
            return Err(forked());
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            self.ready.clear();
            self.check_sockets();
            let left = if self.ready.is_empty() {
                deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
            } else {
                // Descriptors that are ready are told together with the sockets.
                Some(Duration::ZERO)
            };
            if left != Some(Duration::ZERO) && !self.enter() {
                self.leave();
                continue;
            }
            let waited = self.epoll.wait(&mut self.events, left);
            if left != Some(Duration::ZERO) {
                self.leave();
            }
            waited?;
            for event in self.events.iter() {
                let Ok(key) = usize::try_from(event.token) else { continue };
                match self.items.get(&key) {
                    Some(Item::Fd { .. }) => self.ready.push(PollEvent {
                        key,
                        readable: event.readable || event.hangup,
                        writable: event.writable,
                    }),
                    Some(Item::Socket { core, .. }) => {
                        let mut locked = core.lock();
                        locked.service();
                        if locked.is_awaited() {
                            // What made the set readable is with us now; others who watch it would sleep on.
                            locked.wake();
                        }
                    }
                    None => {}
                }
            }
            if !self.ready.is_empty() {
                return Ok(&self.ready);
            }
            if left == Some(Duration::ZERO) {
                // The last look may have brought something in.
                self.check_sockets();
                return Ok(&self.ready);
            }
        }
    }

    /// Looks at what each socket has.
    fn check_sockets(&mut self) {
        for (&key, item) in &self.items {
            let Item::Socket { core, interest, .. } = item else { continue };
            let kind = core.kind;
            let mut locked = core.lock();
            if !locked.is_open() {
                self.ready.push(PollEvent { key, readable: true, writable: true });
                continue;
            }
            let readable = interest.readable && kind.can_receive() && locked.look_ahead();
            let writable = interest.writable && kind.can_send() && locked.is_writable(kind);
            if readable || writable {
                self.ready.push(PollEvent { key, readable, writable });
            } else {
                locked.rest();
            }
        }
        self.ready.sort_unstable_by_key(|event| event.key);
        if !self.ready.is_empty() {
            self.turn = self.turn.wrapping_add(1);
            let by = self.turn % self.ready.len();
            self.ready.rotate_left(by);
        }
    }

    /// Prepares for sleep: sockets wake us, and leave their descriptors to us. Returns `false` if something came meanwhile.
    fn enter(&mut self) -> bool {
        let mut nothing = true;
        for item in self.items.values_mut() {
            let Item::Socket { core, interest, since, .. } = item else { continue };
            let kind = core.kind;
            let mut locked = core.lock();
            locked.flush_left();
            if locked.options.driver == crate::options::Driver::Adaptive {
                locked.drive();
            }
            *since = locked.begin_polling(interest.writable);
            let ready = !locked.is_open()
                || interest.readable && kind.can_receive() && locked.has_input(&core.attention)
                || interest.writable && kind.can_send() && locked.is_writable(kind);
            nothing &= !ready;
        }
        nothing
    }

    fn leave(&self) {
        for item in self.items.values() {
            let Item::Socket { core, since, interest, .. } = item else { continue };
            core.lock().end_polling(interest.writable, *since);
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        for item in self.items.values() {
            self.forget(item);
        }
    }
}
