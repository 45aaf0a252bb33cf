//! A socket's state, its one lock, and what has to happen after the lock is released.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tamtam_zmtp::{Message, PeerId, Rotation, SocketType};

use super::attachment::Attachment;
use super::background::Command;
use super::carver::Carver;
use super::express::Express;
use super::inbox::Inbox;
use super::large_buffers::LargeBuffers;
use super::marks::Marks;
use super::outbox::{BufferPool, OpenChunk};
use super::pattern::Pattern;
use super::peer::{Left, Link, Peer};
use super::ring::Attention;
use super::spin::SpinPolicy;
use super::write_policy::WritePolicy;
use crate::context::ContextCore;
use crate::monitor::{EventKind, MonitorEvent, MonitorQueue};
use crate::options::Options;
use crate::profile::PeerProfile;
use crate::statistics::Traffic;
use crate::sys::epoll::{Epoll, Events, Interest};
use crate::sys::eventfd::EventFd;
use crate::sys::socket;

/// The token of the wake descriptor in a socket's set; the others are peers' numbers.
pub(crate) const NOTIFY: u64 = u64::MAX;
/// The token of the inner set in the outer one.
const INNER: u64 = u64::MAX - 1;

/// A socket's whole outside world: its connections' descriptors and a wake descriptor behind one epoll descriptor.
///
/// Once the set is lent to somebody else (a poller, a foreign event loop), the wake descriptor stays signalled until that one
/// comes; it then moves to an outer set, so that the background thread, which watches the inner one, is not woken by it.
#[derive(Debug)]
pub(crate) struct ReadySet {
    pub(crate) epoll: Epoll,
    pub(crate) notify: EventFd,
    outer: OnceLock<Epoll>,
}

impl ReadySet {
    fn new() -> io::Result<Self> {
        let set = Self { epoll: Epoll::new()?, notify: EventFd::new()?, outer: OnceLock::new() };
        set.epoll.add(set.notify.as_fd(), NOTIFY, Interest::READ)?;
        Ok(set)
    }

    /// What a waiting thread, or a foreign loop, watches.
    pub(crate) fn watched(&self) -> &Epoll {
        self.outer.get().unwrap_or(&self.epoll)
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.outer.get().is_some()
    }

    /// Makes the outer set. The socket's lock is held and no thread waits on the inner one.
    fn lend(&self) -> io::Result<()> {
        if self.is_lent() {
            return Ok(());
        }
        let outer = Epoll::new()?;
        outer.add(self.epoll.as_fd(), INNER, Interest::READ)?;
        outer.add(self.notify.as_fd(), NOTIFY, Interest::READ)?;
        self.epoll.remove(self.notify.as_fd())?;
        // Set under the lock, once.
        let _ = self.outer.set(outer);
        Ok(())
    }
}

/// Who does the socket's input and output at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Application,
    Background,
}

/// Whether the background thread looks now and then if the application still does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ticking {
    No,
    /// At the next tick.
    Soon,
    /// It was parked at the last one, where it sees everything itself.
    Slowly,
}

/// open ──close()──> closing (unsent messages linger) ──> closed
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    Closing { deadline: Option<Instant> },
    Closed,
}

/// A socket: what its handle, the background thread and its inproc peers share.
pub(crate) struct Core {
    pub(crate) id: u32,
    pub(crate) kind: SocketType,
    /// The background thread's own: what inproc peers publish is told to that thread.
    is_the_backgrounds: bool,
    pub(crate) context: Arc<ContextCore>,
    state: Mutex<State>,
    /// Threads that wait without watching descriptors.
    pub(crate) followers: Condvar,
    /// What inproc peers have to tell, and whether they must wake somebody for it.
    pub(crate) attention: Attention,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Everything that changes, under the socket's lock.
pub(crate) struct State {
    pub(crate) options: Arc<Options>,
    /// What the options say of queues.
    pub(crate) send_marks: Marks,
    pub(crate) receive_marks: Marks,
    pub(crate) pattern: Pattern,
    pub(crate) peers: Vec<Option<Box<Peer>>>,
    pub(crate) free: Vec<u32>,
    pub(crate) attachments: BTreeMap<u32, Attachment>,
    pub(crate) next_attachment: u32,
    pub(crate) next_epoch: u64,
    pub(crate) last_endpoint: Option<String>,
    /// The application has taken a connection back.
    pub(crate) has_disconnected: bool,
    /// Peers that can take a message, in turn.
    pub(crate) send_turn: Rotation,
    /// Peers that may have a message for us, in turn.
    pub(crate) recv_turn: Rotation,
    pub(crate) inproc_peers: Vec<PeerId>,
    /// Some of them have not told who they are: their name is not bound yet.
    pub(crate) has_unmet_peers: bool,
    /// The peers whose connections are watched in `set`.
    pub(crate) net_peers: Vec<PeerId>,
    /// Messages that the socket itself has for the application (XPUB's notices), and the one that a poll looked ahead.
    pub(crate) notices: VecDeque<Message>,
    pub(crate) ahead: Option<Message>,
    /// What is known of the sender of the message looked ahead at, or taken last, if that peer is gone.
    pub(crate) gone_sender: Option<Arc<PeerProfile>>,
    pub(crate) takes: u32,
    /// Turns taken since there was last nothing to take.
    pub(crate) run: u32,

    pub(crate) set: Option<Arc<ReadySet>>,
    pub(crate) events: Option<Events>,
    pub(crate) who: Who,
    /// Calls in which the application did the input and output; the background thread compares it tick by tick.
    pub(crate) drives: u64,
    pub(crate) ticking: Ticking,
    /// Messages that the application found in the kernel although the background thread was to look there, since it took over.
    pub(crate) finds: u8,
    /// A thread waits on `set`.
    pub(crate) leader: bool,
    /// Threads that wait on `followers`.
    pub(crate) following: u32,
    pub(crate) wakers: Vec<Waker>,
    /// Told of each notice that is queued (XPUB).
    pub(crate) notice_waker: Option<Waker>,
    /// Pollers that watch `set`, and whether it was handed out.
    pub(crate) pollers: u32,
    pub(crate) polling: u32,
    /// Those among the threads of pollers that wait for room.
    pub(crate) polling_for_room: u32,
    pub(crate) exported: bool,
    pub(crate) notified: bool,
    /// Counts calls of `wake`: who found no room sees whether something has changed since.
    pub(crate) wakes: u64,
    /// Threads that slept on descriptors when `wake` was last called (`called_at`) and have not come out since.
    called: u32,
    called_at: u64,

    pub(crate) pool: BufferPool,
    pub(crate) scratch: BytesMut,
    pub(crate) large: LargeBuffers,
    pub(crate) carver: Carver,
    /// Memory for the headers of a message that is written in place.
    pub(crate) headers: Vec<u8>,
    pub(crate) open_chunk: Option<OpenChunk>,
    /// Peers with bytes to write that nobody is writing.
    pub(crate) left: Vec<PeerId>,
    /// How many of them wait.
    pub(crate) waiting: u32,
    pub(crate) cork_scheduled: bool,
    /// Counts writes by the application, so that the background thread sees that a stream looks after itself.
    pub(crate) flushes: u64,
    pub(crate) policy: WritePolicy,
    pub(crate) express: Express,
    /// Threads that are sending and will not wait for room.
    pub(crate) hasty: u32,
    pub(crate) spin: SpinPolicy,

    pub(crate) life: Life,
    pub(crate) terminated: bool,
    pub(crate) since: Instant,
    /// What peers that are gone had counted, and what belongs to no peer.
    pub(crate) retired: Traffic,
    pub(crate) monitor: Option<Arc<MonitorQueue>>,
    pub(crate) lost_at_close: (u64, u64),
    /// Threads that write with the lock released: they say what was lost of that.
    pub(crate) writing: u32,
    pub(crate) after: After,
}

/// What to do once the lock is released: everything that runs foreign code or takes another lock.
#[derive(Default)]
pub(crate) struct After {
    pub(crate) notify: bool,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) sockets: Vec<Arc<Core>>,
    pub(crate) commands: Vec<Command>,
    pub(crate) links: Vec<Link>,
}

impl After {
    fn is_empty(&self) -> bool {
        !self.notify
            && self.wakers.is_empty()
            && self.sockets.is_empty()
            && self.commands.is_empty()
            && self.links.is_empty()
    }

    fn run(self, core: &Core) {
        if self.notify {
            core.followers.notify_all();
        }
        core.context.background.submit(self.commands);
        drop(self.links);
        for socket in self.sockets {
            socket.peer_published();
        }
        for waker in self.wakers {
            waker.wake();
        }
    }
}

/// A socket whose lock is held. Releasing it does what had to wait until then.
pub(crate) struct Locked<'a> {
    pub(crate) core: &'a Arc<Core>,
    guard: Option<MutexGuard<'a, State>>,
}

impl Core {
    pub(crate) fn new(context: Arc<ContextCore>, id: u32, kind: SocketType) -> Arc<Self> {
        Self::make(context, id, kind, false)
    }

    /// A socket for the background thread: in no table, without descriptors, and with inproc peers only.
    pub(crate) fn for_the_background(context: Arc<ContextCore>, kind: SocketType) -> Arc<Self> {
        Self::make(context, 0, kind, true)
    }

    fn make(context: Arc<ContextCore>, id: u32, kind: SocketType, is_the_backgrounds: bool) -> Arc<Self> {
        let now = Instant::now();
        let options = Options::default();
        Arc::new(Self {
            id,
            kind,
            is_the_backgrounds,
            context,
            followers: Condvar::new(),
            attention: Attention::new(),
            state: Mutex::new(State {
                send_marks: Marks::sending(&options),
                receive_marks: Marks::receiving(&options),
                options: Arc::new(options),
                pattern: Pattern::new(kind, id),
                peers: Vec::new(),
                free: Vec::new(),
                attachments: BTreeMap::new(),
                next_attachment: 0,
                next_epoch: 0,
                last_endpoint: None,
                has_disconnected: false,
                send_turn: Rotation::new(),
                recv_turn: Rotation::new(),
                inproc_peers: Vec::new(),
                has_unmet_peers: false,
                net_peers: Vec::new(),
                notices: VecDeque::new(),
                ahead: None,
                gone_sender: None,
                takes: 0,
                run: 0,
                set: None,
                events: None,
                who: Who::Background,
                drives: 0,
                ticking: Ticking::No,
                finds: 0,
                leader: false,
                following: 0,
                wakers: Vec::new(),
                pollers: 0,
                notice_waker: None,
                polling: 0,
                polling_for_room: 0,
                exported: false,
                notified: false,
                wakes: 0,
                called: 0,
                called_at: 0,
                pool: BufferPool::default(),
                scratch: BytesMut::new(),
                large: LargeBuffers::default(),
                carver: Carver::default(),
                headers: Vec::new(),
                open_chunk: None,
                left: Vec::new(),
                waiting: 0,
                cork_scheduled: false,
                flushes: 0,
                policy: WritePolicy::default(),
                express: Express::default(),
                hasty: 0,
                spin: SpinPolicy::default(),
                life: Life::Open,
                terminated: false,
                since: now,
                retired: Traffic::default(),
                monitor: None,
                lost_at_close: (0, 0),
                writing: 0,
                after: After::default(),
            }),
        })
    }

    #[inline]
    pub(crate) fn lock<'a>(self: &'a Arc<Self>) -> Locked<'a> {
        self.settled(self.raw())
    }

    /// Takes the lock without a look at the books: [`settled`](Self::settled) has to follow, or nothing but what [`Express`] does.
    #[inline]
    pub(crate) fn raw(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What everybody does who has taken the lock: brings the books in order.
    #[inline]
    pub(crate) fn settled<'a>(self: &'a Arc<Self>, mut guard: MutexGuard<'a, State>) -> Locked<'a> {
        guard.settle_express();
        Locked { core: self, guard: Some(guard) }
    }

    /// Takes the lock to look or to change something; `None` in a fork's child where that is not to be had.
    ///
    /// A child may look at its copy, but the thread that held the lock when it was made does not exist there.
    pub(crate) fn inspect<'a>(self: &'a Arc<Self>) -> Option<Locked<'a>> {
        if self.is_forked() { self.try_lock() } else { Some(self.lock()) }
    }

    /// Takes the lock to do something; `None` in a fork's child: descriptors are shared with the parent there, and what is
    /// done to them the parent's connections would feel.
    pub(crate) fn operate<'a>(self: &'a Arc<Self>) -> Option<Locked<'a>> {
        (!self.is_forked()).then(|| self.lock())
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_lock<'a>(self: &'a Arc<Self>) -> Option<Locked<'a>> {
        match self.state.try_lock() {
            Ok(guard) => Some(self.settled(guard)),
            Err(std::sync::TryLockError::Poisoned(error)) => Some(self.settled(error.into_inner())),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// Called by an inproc peer that published something (or took something) while we wanted attention.
    fn peer_published(self: &Arc<Self>) {
        self.attention.raise();
        if self.is_the_backgrounds {
            self.context.background.submit(vec![Command::Answers]);
            return;
        }
        let mut locked = self.lock();
        locked.meet_inproc_peers();
        if !self.kind.can_receive() && !self.kind.publishes() {
            // Nobody else looks who has gone.
            locked.scan_inproc();
        }
        locked.wake();
    }

    /// Tells a reader in another thread that something was published; returns whether it has to be woken.
    #[inline]
    pub(crate) fn announce(&self) -> bool {
        self.attention.announce()
    }
}

impl Deref for Locked<'_> {
    type Target = State;
    #[inline]
    fn deref(&self) -> &State {
        self.guard.as_ref().expect("the lock is held except inside `unlocked`")
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        self.guard.as_mut().expect("the lock is held except inside `unlocked`")
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

impl<'a> Locked<'a> {
    #[inline]
    fn release(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        if guard.after.is_empty() {
            return;
        }
        let after = std::mem::take(&mut guard.after);
        drop(guard);
        after.run(self.core);
    }

    /// Runs `work` with the lock released.
    pub(crate) fn unlocked<R>(&mut self, work: impl FnOnce() -> R) -> R {
        self.release();
        let result = work();
        *self = self.core.lock();
        result
    }

    /// Waits on the condition variable, releasing the lock meanwhile.
    pub(crate) fn follow(&mut self, timeout: Option<Duration>) {
        // What had to wait for the release must be done before sleeping.
        if !self.after.is_empty() {
            self.unlocked(|| ());
            return;
        }
        let Some(mut guard) = self.guard.take() else { return };
        guard.following += 1;
        let mut guard = match timeout {
            None => self.core.followers.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.core.followers.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        guard.following -= 1;
        guard.settle_express();
        self.guard = Some(guard);
    }

    /// Returns the socket's set, making it when it is first needed.
    pub(crate) fn ready_set(&mut self) -> io::Result<Arc<ReadySet>> {
        if let Some(set) = &self.set {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(ReadySet::new()?);
        self.core.context.background.watch_socket(self.core, &set)?;
        self.set = Some(Arc::clone(&set));
        self.who = Who::Background;
        // Whoever waits without watching descriptors looks again and finds the set.
        self.after.notify = true;
        Ok(set)
    }

    /// Returns the socket's set, to be lent to a poller or a foreign loop.
    pub(crate) fn lend_set(&mut self) -> io::Result<Arc<ReadySet>> {
        let set = self.ready_set()?;
        while self.leader && !set.is_lent() {
            // A thread waits on the inner set; it must come out before the wake descriptor moves.
            self.wake();
            self.unlocked(std::thread::yield_now);
        }
        set.lend()?;
        Ok(set)
    }

    /// Wakes whoever waits for this socket, by the way in which it waits.
    pub(crate) fn wake(&mut self) {
        self.wake_if(self.polling > 0);
    }

    /// There is room again for messages: as [`wake`](Self::wake), but for pollers that wait for messages only. A stream makes
    /// room thousands of times a second.
    pub(crate) fn wake_for_room(&mut self) {
        self.wake_if(self.polling_for_room > 0);
    }

    fn wake_if(&mut self, is_polled: bool) {
        self.wakes = self.wakes.wrapping_add(1);
        if self.leader || is_polled || self.exported {
            self.called = self.polling.saturating_add(u32::from(self.leader));
            self.called_at = self.wakes;
            if !self.notified {
                if let Some(set) = &self.set {
                    set.notify.signal();
                }
                self.notified = true;
            }
        }
        if self.following > 0 {
            self.after.notify = true;
        }
        let wakers = std::mem::take(&mut self.wakers);
        self.after.wakers.extend(wakers);
        // Once is enough: whoever was woken looks at everything, and says so before it sleeps again. Pollers that were left
        // asleep have still to learn what inproc peers publish.
        let some_sleep_on = self.polling > 0 && !is_polled && !self.notified;
        if !self.core.is_the_backgrounds && !some_sleep_on {
            self.core.attention.set_sleeping(false);
        }
    }

    /// A poller's thread lies down on the socket's descriptors, to wait for room or only for messages; returns what
    /// [`end_polling`](Self::end_polling) wants to know.
    pub(crate) fn begin_polling(&mut self, for_room: bool) -> u64 {
        self.polling += 1;
        self.polling_for_room += u32::from(for_room);
        self.update_attention();
        self.wakes
    }

    /// It has come out.
    pub(crate) fn end_polling(&mut self, for_room: bool, since: u64) {
        self.polling = self.polling.saturating_sub(1);
        self.polling_for_room = self.polling_for_room.saturating_sub(u32::from(for_room));
        self.came_out(since);
        self.drives = self.drives.wrapping_add(1);
        self.update_attention();
        self.ask_for_ticks();
    }

    /// A thread that slept on the socket's descriptors has come out. `since`: what `wakes` was when it lay down.
    pub(crate) fn came_out(&mut self, since: u64) {
        if since < self.called_at {
            self.called = self.called.saturating_sub(1);
        }
    }

    /// Tells whether somebody sleeps who has to learn when another thread brings something in.
    pub(crate) fn is_awaited(&self) -> bool {
        self.leader || self.following > 0 || self.polling > 0 || !self.wakers.is_empty()
    }

    /// Sets the flag by which inproc peers know whether they have to wake us.
    pub(crate) fn update_attention(&self) {
        let wanted = self.is_awaited() || self.exported;
        self.core.attention.set_sleeping(wanted);
    }

    /// Takes the wake signal away; but not from a thread that slept when it was given and has not run since: it would find
    /// nothing and sleep on.
    pub(crate) fn acknowledge(&mut self) {
        if !self.notified {
            return;
        }
        let still_called = self.called > 0;
        if let Some(set) = &self.set {
            set.notify.drain();
            if still_called {
                // Whoever waits for an edge needs a new one.
                set.notify.signal();
            }
        }
        if !still_called {
            self.notified = false;
            // Whoever watches the descriptor from outside sleeps again from here on.
            self.update_attention();
        }
    }

    pub(crate) fn submit(&mut self, command: Command) {
        self.after.commands.push(command);
    }

    /// Tells the monitor, if there is one, of something that concerns this peer's connection or none.
    pub(crate) fn tell(&self, endpoint: &Arc<str>, peer: Option<PeerId>, kind: EventKind) {
        let conn = peer.and_then(|peer| self.peer(peer)).and_then(Peer::conn);
        self.tell_about(endpoint, peer, conn.map(|conn| conn.fd.as_fd()), kind);
    }

    /// As [`tell`](Self::tell), about a descriptor that is not the peer's any more, or a listener's.
    pub(crate) fn tell_about(
        &self,
        endpoint: &Arc<str>,
        peer: Option<PeerId>,
        fd: Option<BorrowedFd<'_>>,
        kind: EventKind,
    ) {
        tracing::debug!(socket = self.core.id, endpoint = %endpoint, peer = peer.map(|peer| peer.0), "{kind}");
        if let Some(monitor) = &self.monitor {
            monitor.push(MonitorEvent {
                at: Instant::now(),
                endpoint: Arc::clone(endpoint),
                peer,
                fd: fd.map(|fd| fd.as_raw_fd()),
                local: fd.and_then(socket::local_text),
                remote: fd.and_then(socket::remote_text),
                kind,
            });
        }
    }
}

impl State {
    /// The descriptor is lent to somebody who waits for edges: each message is one.
    pub(crate) fn export(&mut self) {
        self.exported = true;
        for peer in self.peers.iter().flatten() {
            if let Link::Inproc(inproc) = &peer.link {
                inproc.rx.refuse_runs();
            }
        }
    }

    #[inline]
    pub(crate) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(id.0 as usize)?.as_deref()
    }

    #[inline]
    pub(crate) fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn iter_peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter_map(Option::as_deref)
    }

    pub(crate) fn peer_ids(&self) -> Vec<PeerId> {
        self.iter_peers().map(|peer| peer.id).collect()
    }

    /// Makes a peer in a free slot.
    pub(crate) fn add_peer(&mut self, endpoint: Arc<str>, attachment: u32, link: Link) -> PeerId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.peers.push(None);
            u32::try_from(self.peers.len() - 1).unwrap_or(u32::MAX)
        });
        let id = PeerId(slot);
        if let Link::Inproc(inproc) = &link {
            self.inproc_peers.push(id);
            if self.exported {
                inproc.rx.refuse_runs();
            }
        }
        let peer = Peer {
            id,
            endpoint,
            attachment,
            link,
            inbox: Inbox::default(),
            traffic: Traffic::default(),
            attached: false,
            since: None,
            info: None,
            profile: None,
            addressed: false,
            former_id: None,
            leaving: false,
            left: Left::Nothing,
        };
        if let Some(place) = self.peers.get_mut(slot as usize) {
            *place = Some(Box::new(peer));
        }
        id
    }

    pub(crate) fn next_epoch(&mut self) -> u64 {
        self.next_epoch += 1;
        self.next_epoch
    }

    pub(crate) fn is_open(&self) -> bool {
        self.life == Life::Open && !self.terminated
    }
}
