//! The thread that covers while the application is away: it accepts, connects, shakes hands, keeps time, and reads and
//! writes for sockets that nobody drives.
//!
//! Lock order: this thread holds none of its own locks while it takes a socket's; a socket's lock may be held while a
//! command is queued here (the queue's lock is a leaf).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tamtam_zmtp::{AuthReply, PeerId};

use super::core::{Core, ReadySet, Ticking, Who};
use super::gate::{Asker, Question};
use super::porter::Porter;
use crate::options::Driver;
use crate::sys::epoll::{Epoll, Events, Interest};
use crate::sys::eventfd::EventFd;
use crate::sys::thread;

/// So many times what a stream left behind is put off.
const PASSES_MAX: u8 = 8;
/// So late may the kernel wake the thread.
const PUNCTUAL: Duration = Duration::from_micros(1);
/// How often the thread looks whether the application still drives the sockets that it drove.
const TICK: Duration = Duration::from_millis(2);
/// An application that takes so many messages between two ticks is at work.
const BUSY_TAKES: u32 = 64;
/// While it is parked in them it looks itself: each look comes twice as long after the one before, up to two to this power of ticks.
const TICK_MAX_LOG: u8 = 2;
/// After this many looks with the application parked and nothing happening, a socket is not looked at any more.
const IDLE_TICKS: u8 = 4;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Handshake {
        peer: PeerId,
        epoch: u64,
    },
    Connect {
        peer: PeerId,
        epoch: u64,
    },
    Heartbeat {
        peer: PeerId,
        epoch: u64,
    },
    Drain {
        peer: PeerId,
        epoch: u64,
    },
    /// What was queued for a peer whose endpoint was closed has lingered long enough.
    Leave {
        peer: PeerId,
        born: u64,
    },
    Redial {
        attachment: u32,
    },
    Accept {
        attachment: u32,
    },
    Linger,
    /// Large buffers are kept for a while.
    Rest,
}

/// What a socket asks of the thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// Make an attempt to connect.
    Dial { socket: u32, attachment: u32 },
    /// A name was looked up.
    Resolved { socket: u32, attachment: u32, result: io::Result<Vec<SocketAddr>> },
    /// Write what is corked, unless the application does it by itself within this time.
    Cork { socket: u32, flushes: u64, after: Duration },
    /// The application drives this socket now: look whether it goes on.
    Tick { socket: u32 },
    /// Find out whether a peer is let in.
    Ask(Box<Question>),
    /// An answer may have come to what was asked.
    Answers,
    /// Nobody waits for this answer any more.
    Forget(Asker),
    /// Call the socket's timer.
    Timer { at: Instant, socket: u32, timer: Timer },
}

/// The application's side of the thread.
#[derive(Debug)]
pub(crate) struct Background {
    epoll: Epoll,
    wake: EventFd,
    commands: Mutex<Vec<Command>>,
    /// A wake signal is on its way.
    signalled: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
    started: AtomicBool,
    stop: AtomicBool,
}

/// What is watched under a token: kind (4 bits), number of the peer or listener (28 bits), number of the socket (32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Wake,
    Socket { socket: u32 },
    Connection { socket: u32, peer: PeerId },
    Listener { socket: u32, attachment: u32 },
}

const NUMBER_MASK: u64 = 0x0FFF_FFFF;

impl Watched {
    fn token(self) -> u64 {
        let (kind, number, socket) = match self {
            Self::Wake => (0u64, 0, 0),
            Self::Socket { socket } => (1, 0, socket),
            Self::Connection { socket, peer } => (2, peer.0, socket),
            Self::Listener { socket, attachment } => (3, attachment, socket),
        };
        kind << 60 | (u64::from(number) & NUMBER_MASK) << 32 | u64::from(socket)
    }

    fn from_token(token: u64) -> Self {
        let socket = u32::try_from(token & 0xFFFF_FFFF).unwrap_or(0);
        let number = u32::try_from(token >> 32 & NUMBER_MASK).unwrap_or(0);
        match token >> 60 {
            1 => Self::Socket { socket },
            2 => Self::Connection { socket, peer: PeerId(number) },
            3 => Self::Listener { socket, attachment: number },
            _ => Self::Wake,
        }
    }
}

impl Background {
    pub(crate) fn new() -> io::Result<Self> {
        let background = Self {
            epoll: Epoll::new()?,
            wake: EventFd::new()?,
            commands: Mutex::new(Vec::new()),
            signalled: AtomicBool::new(false),
            thread: Mutex::new(None),
            started: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        };
        background.epoll.add(background.wake.as_fd(), Watched::Wake.token(), Interest::READ)?;
        Ok(background)
    }

    fn commands(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread if it does not run yet. A context with inproc sockets only needs it for streams to
    /// several of them.
    pub(crate) fn start(&self, core: &Core) -> io::Result<()> {
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut place = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() && !self.stop.load(Ordering::Acquire) {
            let context = Arc::clone(&core.context);
            *place = Some(thread::spawn("tamtam-io", move || Worker::new(context).run())?);
            self.started.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Queues commands and wakes the thread once.
    pub(crate) fn submit(&self, commands: Vec<Command>) {
        if commands.is_empty() {
            return;
        }
        self.commands().extend(commands);
        self.signal();
    }

    fn signal(&self) {
        if !self.signalled.swap(true, Ordering::AcqRel) {
            self.wake.signal();
        }
    }

    /// Ends the thread and waits for it, unless it is the thread that calls.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake.signal();
        let handle = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle
            && handle.thread().id() != std::thread::current().id()
        {
            // A panic there was reported by the panic hook already.
            let _ = handle.join();
        }
    }

    pub(crate) fn watch_socket(&self, core: &Core, set: &ReadySet) -> io::Result<()> {
        self.start(core)?;
        self.epoll.add(set.epoll.as_fd(), Watched::Socket { socket: core.id }.token(), Interest::READ)
    }

    /// Watches a socket's set, or not while the application drives it.
    pub(crate) fn arm_socket(&self, socket: u32, set: &ReadySet, armed: bool) {
        let interest = if armed { Interest::READ } else { Interest::NONE };
        if let Err(error) = self.epoll.modify(set.epoll.as_fd(), Watched::Socket { socket }.token(), interest)
        {
            tracing::warn!(socket, %error, "cannot change who watches the socket");
        }
    }

    pub(crate) fn watch_connection(
        &self,
        socket: u32,
        peer: PeerId,
        fd: BorrowedFd<'_>,
        interest: Interest,
    ) -> io::Result<()> {
        self.epoll.add(fd, Watched::Connection { socket, peer }.token(), interest)
    }

    pub(crate) fn modify_connection(
        &self,
        socket: u32,
        peer: PeerId,
        fd: BorrowedFd<'_>,
        interest: Interest,
    ) -> io::Result<()> {
        self.epoll.modify(fd, Watched::Connection { socket, peer }.token(), interest)
    }

    pub(crate) fn watch_listener(&self, core: &Core, attachment: u32, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.start(core)?;
        self.epoll.add(fd, Watched::Listener { socket: core.id, attachment }.token(), Interest::READ)
    }

    pub(crate) fn arm_listener(&self, socket: u32, attachment: u32, fd: Option<BorrowedFd<'_>>, armed: bool) {
        let Some(fd) = fd else { return };
        let interest = if armed { Interest::READ } else { Interest::NONE };
        let _ = self.epoll.modify(fd, Watched::Listener { socket, attachment }.token(), interest);
    }

    /// Stops watching a descriptor. It may be gone from the set already; that is as well.
    pub(crate) fn unwatch(&self, fd: BorrowedFd<'_>) {
        let _ = self.epoll.remove(fd);
    }
}

/// A socket that the application drives.
#[derive(Clone, Copy, Debug)]
struct Driven {
    drives: u64,
    takes: u32,
    /// How often it was parked there, and nothing had happened.
    idle: u8,
    /// When to look next.
    at: Instant,
}

/// Corked bytes to look after.
#[derive(Clone, Copy, Debug)]
struct Corked {
    at: Instant,
    flushes: u64,
    after: Duration,
    /// How often it was put off since.
    passes: u8,
}

/// The thread's own side.
struct Worker {
    context: Arc<crate::context::ContextCore>,
    timers: BinaryHeap<Reverse<(Instant, u32, Timer)>>,
    driven: HashMap<u32, Driven>,
    /// When to look at the first of them.
    next_tick: Option<Instant>,
    corked: HashMap<u32, Corked>,
    porter: Porter,
}

impl Worker {
    fn new(context: Arc<crate::context::ContextCore>) -> Self {
        Self {
            context,
            timers: BinaryHeap::new(),
            driven: HashMap::new(),
            next_tick: None,
            corked: HashMap::new(),
            porter: Porter::default(),
        }
    }

    fn run(mut self) {
        let context = Arc::clone(&self.context);
        let background = &context.background;
        let mut events = Events::with_capacity(256);
        // By default the kernel may wake a thread 50 µs late, which is half of what corked bytes wait. If it does not let us change
        // that, they wait longer.
        let _ = thread::wake_in_time(PUNCTUAL);
        while !background.stop.load(Ordering::Acquire) {
            let timeout = self.timeout(Instant::now());
            if let Err(error) = background.epoll.wait(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the background thread cannot wait for events");
                std::thread::park_timeout(TICK);
            }
            for event in events.iter() {
                match Watched::from_token(event.token) {
                    Watched::Wake => {
                        background.wake.drain();
                        background.signalled.store(false, Ordering::Release);
                    }
                    Watched::Socket { socket } => self.with(socket, |core| {
                        let mut locked = core.lock();
                        if locked.who == Who::Background {
                            locked.service();
                            locked.wake();
                        }
                    }),
                    Watched::Connection { socket, peer } => {
                        self.with(socket, |core| core.lock().connection_event(peer, event.writable));
                    }
                    Watched::Listener { socket, attachment } => {
                        self.with(socket, |core| core.lock().accept(attachment));
                    }
                }
            }
            let commands = std::mem::take(&mut *background.commands());
            for command in commands {
                self.command(command);
            }
            let now = Instant::now();
            self.run_timers(now);
            self.run_corks(now);
            self.run_ticks(now);
        }
    }

    fn with(&self, socket: u32, work: impl FnOnce(&Arc<Core>)) {
        if let Some(core) = self.context.socket(socket) {
            work(&core);
        }
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        let timer = self.timers.peek().map(|Reverse((at, ..))| *at);
        let cork = self.corked.values().map(|corked| corked.at).min();
        [timer, cork, self.next_tick].into_iter().flatten().min().map(|at| at.saturating_duration_since(now))
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Dial { socket, attachment } => self.with(socket, |core| core.lock().dial(attachment)),
            Command::Resolved { socket, attachment, result } => {
                self.with(socket, |core| core.lock().resolved(attachment, result));
            }
            Command::Cork { socket, flushes, after } => {
                let at = Instant::now() + after;
                self.corked.insert(socket, Corked { at, flushes, after, passes: 0 });
            }
            Command::Tick { socket } => {
                let soon = Instant::now() + TICK;
                // Several in one go.
                let at = self.next_tick.map_or(soon, |next| next.min(soon));
                self.next_tick = Some(at);
                self.driven.insert(socket, Driven { drives: u64::MAX, takes: 0, idle: 0, at });
            }
            Command::Ask(question) => {
                match self.porter.ask(&self.context, &question) {
                    Some(reply) => self.answer(question.asker, reply),
                    // The handler may have been quick.
                    None => self.answers(),
                }
            }
            Command::Answers => self.answers(),
            Command::Forget(asker) => self.porter.forget(asker),
            Command::Timer { at, socket, timer } => self.timers.push(Reverse((at, socket, timer))),
        }
    }

    fn answer(&self, asker: Asker, reply: AuthReply) {
        self.with(asker.socket, |core| core.lock().authenticated(asker, reply));
    }

    fn answers(&mut self) {
        for (asker, reply) in self.porter.answers() {
            self.answer(asker, reply);
        }
    }

    fn run_timers(&mut self, now: Instant) {
        while let Some(Reverse((at, ..))) = self.timers.peek()
            && *at <= now
        {
            let Some(Reverse((_, socket, timer))) = self.timers.pop() else { return };
            self.with(socket, |core| core.lock().timer(timer, now));
        }
    }

    /// Writes corked bytes whose sender has not come back to write them.
    fn run_corks(&mut self, now: Instant) {
        let due: Vec<u32> =
            self.corked.iter().filter(|(_, corked)| corked.at <= now).map(|(&socket, _)| socket).collect();
        for socket in due {
            let Some(mut corked) = self.corked.remove(&socket) else { continue };
            let Some(core) = self.context.socket(socket) else { continue };
            let locked = if corked.passes < PASSES_MAX { core.try_lock() } else { Some(core.lock()) };
            // Somebody is at work there, or the sender writes full batches by itself: a stream. Look again later; but what it
            // writes may be for others.
            let stream = match &locked {
                Some(locked) => locked.flushes != corked.flushes && !locked.left.is_empty(),
                None => true,
            };
            if stream && corked.passes < PASSES_MAX {
                corked.flushes = locked.map_or(corked.flushes, |locked| locked.flushes);
                corked.passes += 1;
                corked.at = now + corked.after;
                self.corked.insert(socket, corked);
                continue;
            }
            let Some(mut locked) = locked else { continue };
            locked.cork_scheduled = false;
            locked.flush_left_aside();
        }
    }

    /// Takes over the sockets whose application has gone away.
    fn run_ticks(&mut self, now: Instant) {
        if self.next_tick.is_none_or(|next| now < next) {
            return;
        }
        let context = &self.context;
        let about_now = now + TICK / 4;
        self.driven.retain(|&socket, driven| {
            if about_now < driven.at {
                return true;
            }
            driven.at = now + TICK;
            let Some(core) = context.socket(socket) else { return false };
            // Somebody is at work there: as good as a call since the last tick.
            let Some(mut locked) = core.try_lock() else { return true };
            let parked = locked.leader || locked.polling > 0;
            let looks = std::mem::replace(&mut driven.drives, locked.drives) != locked.drives;
            let takes = std::mem::replace(&mut driven.takes, locked.takes);
            // One who has enough to take from many peers rarely asks the kernel for more.
            let active = looks || locked.takes.wrapping_sub(takes) >= BUSY_TAKES;
            if locked.options.driver == Driver::Background || !active && !parked {
                locked.cover();
                return false;
            }
            driven.idle = if active { 0 } else { driven.idle.saturating_add(1) };
            if driven.idle >= IDLE_TICKS {
                // The waiting thread sees everything itself; when it leaves, it asks for ticks again.
                locked.ticking = Ticking::No;
                return false;
            }
            if parked {
                driven.at = now + TICK * (1 << (driven.idle + 1).min(TICK_MAX_LOG));
                locked.ticking = Ticking::Slowly;
            }
            true
        });
        self.next_tick = self.driven.values().map(|driven| driven.at).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_tell_what_is_watched() {
        for watched in [
            Watched::Wake,
            Watched::Socket { socket: u32::MAX },
            Watched::Connection { socket: 7, peer: PeerId(0x0FFF_FFFF) },
            Watched::Listener { socket: 0, attachment: 12 },
        ] {
            assert_eq!(Watched::from_token(watched.token()), watched);
        }
    }
}
