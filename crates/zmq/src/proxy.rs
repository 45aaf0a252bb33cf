//! Handing messages on between two sockets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tamtam_zmtp::Message;

use crate::error::{RecvError, SendError};
use crate::poller::{Interest, Poller};
use crate::socket::Socket;
use crate::sys::eventfd::EventFd;

/// How many messages go one way before the other way is looked at.
const BURST: u64 = 1000;
const FRONT: usize = 0;
const BACK: usize = 1;
const CONTROL: usize = 2;
const ATTENDED: usize = 3;

/// What a proxy has handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyStatistics {
    /// Messages from the front to the back.
    pub messages_front_to_back: u64,
    /// Bytes from the front to the back.
    pub bytes_front_to_back: u64,
    /// Messages from the back to the front.
    pub messages_back_to_front: u64,
    /// Bytes from the back to the front.
    pub bytes_back_to_front: u64,
    /// Messages that the capture socket could not take at once; they were handed on, but not captured.
    pub capture_dropped: u64,
}

/// Why a proxy ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// A socket failed to receive.
    #[error("the proxy cannot receive: {0}")]
    Receive(#[from] RecvError),
    /// A socket failed to send.
    #[error("the proxy cannot send: {0}")]
    Send(#[from] SendError),
    /// The operating system failed.
    #[error("the proxy cannot wait: {0}")]
    Io(#[from] std::io::Error),
}

#[derive(Default)]
struct Shared {
    state: AtomicU8,
    counters: [AtomicU64; 5],
}

const RUNNING: u8 = 0;
const PAUSED: u8 = 1;
const STOPPED: u8 = 2;

/// Steers a running [`Proxy`] from any thread.
#[derive(Clone)]
pub struct ProxyControl {
    shared: Arc<Shared>,
    wake: Arc<EventFd>,
}

impl std::fmt::Debug for ProxyControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyControl").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

impl ProxyControl {
    /// Makes the control of a proxy to be.
    ///
    /// # Errors
    ///
    /// What the operating system says when it has no descriptor left.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { shared: Arc::default(), wake: Arc::new(EventFd::new()?) })
    }

    /// Stops handing on; messages wait in the sockets' queues.
    pub fn pause(&self) {
        self.set(PAUSED);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.set(RUNNING);
    }

    /// Ends the proxy.
    pub fn terminate(&self) {
        self.set(STOPPED);
    }

    /// Returns what was handed on so far.
    #[must_use]
    pub fn statistics(&self) -> ProxyStatistics {
        let [a, b, c, d, e] = &self.shared.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProxyStatistics {
            messages_front_to_back: get(a),
            bytes_front_to_back: get(b),
            messages_back_to_front: get(c),
            bytes_back_to_front: get(d),
            capture_dropped: get(e),
        }
    }

    fn set(&self, state: u8) {
        // What is stopped stays stopped.
        let _ = self
            .shared
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| (old != STOPPED).then_some(state));
        self.wake.signal();
    }

    fn count(&self, direction: usize, messages: u64, bytes: u64) {
        let [a, b, c, d, _] = &self.shared.counters;
        let (count, size) = if direction == FRONT { (a, b) } else { (c, d) };
        count.fetch_add(messages, Ordering::Relaxed);
        size.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Hands messages on between a front and a back socket: a queue (ROUTER–DEALER), a forwarder (XSUB–XPUB) or a streamer
/// (PULL–PUSH).
///
/// A message is taken from one side only when the other can take it, so marks hold across the proxy.
#[derive(Debug)]
pub struct Proxy<'a> {
    front: &'a Socket,
    back: &'a Socket,
    capture: Option<Capture<'a>>,
    control: Option<ProxyControl>,
    attended: Option<Attended<'a>>,
}

/// The socket that gets a copy of everything.
#[derive(Clone, Copy, Debug)]
struct Capture<'a> {
    socket: &'a Socket,
    /// The proxy waits for it.
    blocking: bool,
}

type Act<'a> = dyn FnMut(Message, &ProxyControl) -> Result<(), ProxyError> + 'a;

/// A socket that is looked after beside the two that are proxied.
struct Attended<'a> {
    socket: &'a Socket,
    act: Box<Act<'a>>,
}

impl std::fmt::Debug for Attended<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attended").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Attended<'_> {
    /// Acts on what has come.
    fn act(&mut self, control: &ProxyControl) -> Result<(), ProxyError> {
        loop {
            match self.socket.try_recv() {
                Ok(message) => (self.act)(message, control)?,
                Err(RecvError::WouldBlock) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<'a> Proxy<'a> {
    /// Makes a proxy between two sockets.
    #[must_use]
    pub fn new(front: &'a impl AsRef<Socket>, back: &'a impl AsRef<Socket>) -> Self {
        Self { front: front.as_ref(), back: back.as_ref(), capture: None, control: None, attended: None }
    }

    /// Gives a copy of every message to this socket (PUB, PUSH, DEALER or PAIR). It never holds the proxy up.
    #[must_use]
    pub fn capture(mut self, capture: &'a impl AsRef<Socket>) -> Self {
        self.capture = Some(Capture { socket: capture.as_ref(), blocking: false });
        self
    }

    /// As [`capture`](Self::capture), but misses nothing: a message is handed on once the capture socket has taken its copy,
    /// for which the proxy waits, deaf to its control, for that socket's send timeout. This is what libzmq does.
    ///
    /// When that socket fails, the message is given back with the error.
    #[must_use]
    pub fn capture_blocking(mut self, capture: &'a impl AsRef<Socket>) -> Self {
        self.capture = Some(Capture { socket: capture.as_ref(), blocking: true });
        self
    }

    /// Has the proxy steered by this control.
    #[must_use]
    pub fn control(mut self, control: &ProxyControl) -> Self {
        self.control = Some(control.clone());
        self
    }

    /// Has the proxy look after a socket of commands as well: `act` gets each message that arrives there, on the proxy's
    /// thread, and the proxy's control. An error ends the proxy.
    #[must_use]
    pub fn attend(
        mut self,
        socket: &'a impl AsRef<Socket>,
        act: impl FnMut(Message, &ProxyControl) -> Result<(), ProxyError> + 'a,
    ) -> Self {
        self.attended = Some(Attended { socket: socket.as_ref(), act: Box::new(act) });
        self
    }

    /// Hands messages on until the control says stop or the context is shut down; returns what was handed on.
    ///
    /// # Errors
    ///
    /// [`ProxyError`] when a socket or the operating system fails.
    pub fn run(mut self) -> Result<ProxyStatistics, ProxyError> {
        let control = match &self.control {
            Some(control) => control.clone(),
            None => ProxyControl::new()?,
        };
        let mut waits = Waits {
            front: self.front,
            back: self.back,
            attended: self.attended.as_ref().map(|attended| attended.socket),
            wake: Arc::clone(&control.wake),
            pollers: HashMap::new(),
        };
        let mut ways = [Way::new(self.front, self.back, FRONT), Way::new(self.back, self.front, BACK)];
        // A socket that is proxied to itself has one way only.
        let ways = if std::ptr::eq(self.front, self.back) { &mut ways[..1] } else { &mut ways[..] };
        loop {
            if let Some(attended) = &mut self.attended {
                match attended.act(&control) {
                    Err(ProxyError::Receive(RecvError::Terminated | RecvError::Closed)) => break,
                    other => other?,
                }
            }
            match control.shared.state.load(Ordering::Acquire) {
                STOPPED => break,
                PAUSED => waits.wait(Wanted::default())?,
                _ => {
                    let mut moved = false;
                    for way in &mut *ways {
                        match way.hand_on(self.capture, &control) {
                            Ok(any) => moved |= any,
                            Err(
                                ProxyError::Receive(RecvError::Terminated | RecvError::Closed)
                                | ProxyError::Send(SendError::Terminated(_) | SendError::Closed(_)),
                            ) => return Ok(control.statistics()),
                            Err(error) => return Err(error),
                        }
                    }
                    if !moved {
                        let mut wanted = Wanted::default();
                        ways.iter().for_each(|way| way.wants(&mut wanted));
                        waits.wait(wanted)?;
                    }
                }
            }
        }
        // A message that was taken and that the other side would not have is given back with the error, not lost.
        match ways.iter_mut().find_map(|way| way.held.take()) {
            Some(message) => Err(ProxyError::Send(SendError::Full(message))),
            None => Ok(control.statistics()),
        }
    }
}

/// What to wait for at the two sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Wanted {
    front_readable: bool,
    front_writable: bool,
    back_readable: bool,
    back_writable: bool,
}

/// The pollers for what was wanted so far: a handful at most.
struct Waits<'a> {
    front: &'a Socket,
    back: &'a Socket,
    attended: Option<&'a Socket>,
    wake: Arc<EventFd>,
    pollers: HashMap<Wanted, Poller>,
}

impl Waits<'_> {
    fn wait(&mut self, wanted: Wanted) -> Result<(), ProxyError> {
        let poller = match self.pollers.entry(wanted) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let mut poller = Poller::new()?;
                poller.add_fd(&*self.wake, CONTROL, Interest::READABLE)?;
                if let Some(attended) = &self.attended {
                    poller.add(attended, ATTENDED, Interest::READABLE)?;
                }
                let front = Interest { readable: wanted.front_readable, writable: wanted.front_writable };
                if front.readable || front.writable {
                    poller.add(&self.front, FRONT, front)?;
                }
                let back = Interest { readable: wanted.back_readable, writable: wanted.back_writable };
                if back.readable || back.writable {
                    poller.add(&self.back, BACK, back)?;
                }
                entry.insert(poller)
            }
        };
        match poller.wait(None) {
            Ok(events) => {
                if events.iter().any(|event| event.key == CONTROL) {
                    self.wake.drain();
                }
                Ok(())
            }
            Err(error)
                if error.kind() == std::io::ErrorKind::Interrupted
                    && !self.front.core().lock().options.interruptible =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// One direction.
struct Way<'a> {
    from: &'a Socket,
    to: &'a Socket,
    direction: usize,
    /// Taken, and refused by the other side after all: it goes first next time.
    held: Option<Message>,
    /// The other side had no room at the last look.
    blocked: bool,
}

impl<'a> Way<'a> {
    fn new(from: &'a Socket, to: &'a Socket, direction: usize) -> Self {
        Self { from, to, direction, held: None, blocked: false }
    }

    /// Adds what this direction waits for.
    fn wants(&self, wanted: &mut Wanted) {
        if !self.from.socket_type().can_receive() || !self.to.socket_type().can_send() {
            return;
        }
        let (readable, writable) = match self.direction {
            FRONT => (&mut wanted.front_readable, &mut wanted.back_writable),
            _ => (&mut wanted.back_readable, &mut wanted.front_writable),
        };
        *(if self.blocked { writable } else { readable }) = true;
    }

    /// Hands on what there is, a burst at most; returns whether anything was.
    fn hand_on(&mut self, capture: Option<Capture<'_>>, control: &ProxyControl) -> Result<bool, ProxyError> {
        let kind = self.to.socket_type();
        if !self.from.socket_type().can_receive() || !kind.can_send() {
            return Ok(false);
        }
        let (mut messages, mut bytes) = (0, 0);
        let mut result = Ok(());
        self.blocked = false;
        while messages < BURST && control.shared.state.load(Ordering::Acquire) == RUNNING {
            let mut to = self.to.core().lock();
            if !to.is_open() {
                result = Err(to.refuse_receive().into());
                break;
            }
            // A socket that is proxied to itself (REP) may have to receive before it can send.
            self.blocked = !std::ptr::eq(self.from, self.to) && !to.is_writable(kind);
            drop(to);
            if self.blocked {
                break;
            }
            let held = self.held.take();
            let is_new = held.is_none();
            let message = match held.map_or_else(|| self.from.try_recv(), Ok) {
                Ok(message) => message,
                Err(RecvError::WouldBlock) => break,
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            };
            if let Some(Capture { socket, blocking: true }) = capture
                && is_new
                && let Err(error) = socket.send(message.clone())
            {
                result = Err(error.into());
                break;
            }
            let copy =
                capture.filter(|capture| !capture.blocking).map(|capture| (capture.socket, message.clone()));
            let size = message.byte_len() as u64;
            match self.to.try_send(message) {
                Ok(()) => {}
                Err(SendError::Full(back)) => {
                    self.held = Some(back);
                    self.blocked = true;
                    break;
                }
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            }
            if let Some((capture, copy)) = copy
                && capture.try_send(copy).is_err()
            {
                let [.., dropped] = &control.shared.counters;
                dropped.fetch_add(1, Ordering::Relaxed);
            }
            messages += 1;
            bytes += size;
        }
        control.count(self.direction, messages, bytes);
        result.map(|()| messages > 0)
    }
}

/// Hands messages on between two sockets until the context is shut down; see [`Proxy`].
///
/// # Errors
///
/// [`ProxyError`] when a socket or the operating system fails.
pub fn proxy(
    front: &impl AsRef<Socket>,
    back: &impl AsRef<Socket>,
    capture: Option<&Socket>,
) -> Result<ProxyStatistics, ProxyError> {
    let mut proxy = Proxy::new(front, back);
    proxy.capture = capture.map(|socket| Capture { socket, blocking: false });
    proxy.run()
}
