//! Handing messages on between two sockets.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::error::{RecvError, SendError};
use crate::poller::{Interest, Poller};
use crate::socket::Socket;
use crate::sys::eventfd::EventFd;

/// How many messages go one way before the other way is looked at.
const BURST: usize = 1000;
const FRONT: usize = 0;
const BACK: usize = 1;
const CONTROL: usize = 2;

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
    wakers: Mutex<Vec<Waker>>,
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
        for waker in self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            waker.wake();
        }
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
    capture: Option<&'a Socket>,
    control: Option<ProxyControl>,
}

impl<'a> Proxy<'a> {
    /// Makes a proxy between two sockets.
    #[must_use]
    pub fn new(front: &'a impl AsRef<Socket>, back: &'a impl AsRef<Socket>) -> Self {
        Self { front: front.as_ref(), back: back.as_ref(), capture: None, control: None }
    }

    /// Gives a copy of every message to this socket (PUB, PUSH, DEALER or PAIR). It never holds the proxy up.
    #[must_use]
    pub fn capture(mut self, capture: &'a impl AsRef<Socket>) -> Self {
        self.capture = Some(capture.as_ref());
        self
    }

    /// Has the proxy steered by this control.
    #[must_use]
    pub fn control(mut self, control: &ProxyControl) -> Self {
        self.control = Some(control.clone());
        self
    }

    /// Hands messages on until the control says stop or the context is shut down; returns what was handed on.
    ///
    /// # Errors
    ///
    /// [`ProxyError`] when a socket or the operating system fails.
    pub fn run(self) -> Result<ProxyStatistics, ProxyError> {
        let control = match self.control {
            Some(control) => control,
            None => ProxyControl::new()?,
        };
        let single = std::ptr::eq(self.front, self.back);
        let mut readers = Poller::new()?;
        if self.front.socket_type().can_receive() {
            readers.add(&self.front, FRONT, Interest::READABLE)?;
        }
        if !single && self.back.socket_type().can_receive() {
            readers.add(&self.back, BACK, Interest::READABLE)?;
        }
        let wake = Arc::clone(&control.wake);
        readers.add_fd(&*wake, CONTROL, Interest::READABLE)?;
        let mut commands = Poller::new()?;
        commands.add_fd(&*wake, CONTROL, Interest::READABLE)?;
        loop {
            match control.shared.state.load(Ordering::Acquire) {
                STOPPED => return Ok(control.statistics()),
                PAUSED => {
                    commands.wait(None)?;
                    wake.drain();
                    continue;
                }
                _ => {}
            }
            let events = match readers.wait(None) {
                Ok(events) => events.to_vec(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            for event in events {
                let (from, to) = match event.key {
                    FRONT => (self.front, self.back),
                    BACK => (self.back, self.front),
                    _ => {
                        wake.drain();
                        continue;
                    }
                };
                match hand_on(from, to, self.capture, event.key, &control) {
                    Ok(()) => {}
                    Err(ProxyError::Receive(RecvError::Terminated | RecvError::Closed))
                    | Err(ProxyError::Send(SendError::Terminated(_) | SendError::Closed(_))) => {
                        return Ok(control.statistics());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

fn hand_on(
    from: &Socket,
    to: &Socket,
    capture: Option<&Socket>,
    direction: usize,
    control: &ProxyControl,
) -> Result<(), ProxyError> {
    let (mut messages, mut bytes) = (0, 0);
    let mut result = Ok(());
    for _ in 0..BURST {
        let mut message = match from.try_recv() {
            Ok(message) => message,
            Err(RecvError::WouldBlock) => break,
            Err(error) => {
                result = Err(error.into());
                break;
            }
        };
        if let Some(capture) = capture
            && capture.try_send(message.clone()).is_err()
        {
            let [.., dropped] = &control.shared.counters;
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        let size = message.byte_len() as u64;
        // The other side is full: wait, but not deaf to the control.
        let sent = loop {
            match to.send_timeout(message, Duration::from_millis(50)) {
                Err(SendError::TimedOut(back) | SendError::Full(back) | SendError::Interrupted(back)) => {
                    if control.shared.state.load(Ordering::Acquire) == STOPPED {
                        break Ok(());
                    }
                    message = back;
                }
                other => break other,
            }
        };
        if let Err(error) = sent {
            result = Err(error.into());
            break;
        }
        messages += 1;
        bytes += size;
    }
    control.count(direction, messages, bytes);
    result
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
    proxy.capture = capture;
    proxy.run()
}
