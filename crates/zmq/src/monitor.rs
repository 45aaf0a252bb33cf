//! What happens to a socket's connections, told without ever holding the engine up.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::RawFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tamtam_zmtp::{PeerId, PeerInfo, ProtocolCode, ProtocolError};

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MonitorEvent {
    /// When.
    pub at: Instant,
    /// The endpoint as bound or connected.
    pub endpoint: Arc<str>,
    /// Which peer, where it is about one.
    pub peer: Option<PeerId>,
    /// The number of the descriptor it is about, where there is one: to look at, never to read, write or close. By the time
    /// the event is read the number may mean something else.
    pub fd: Option<RawFd>,
    /// The connection's own address, where there is a connection.
    pub local: Option<String>,
    /// The other end's address, where there is a connection.
    pub remote: Option<String>,
    /// What.
    pub kind: EventKind,
}

impl MonitorEvent {
    /// The last event of a monitor.
    pub(crate) fn stopped() -> Self {
        let (fd, local, remote) = (None, None, None);
        Self {
            at: Instant::now(),
            endpoint: "".into(),
            peer: None,
            fd,
            local,
            remote,
            kind: EventKind::Stopped,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// An endpoint is bound.
    Listening,
    /// An endpoint could not be bound; the call that wanted it has returned the error.
    BindFailed {
        /// What the operating system said.
        error: String,
        /// Its number, where there is one.
        code: Option<i32>,
    },
    /// A connection was accepted.
    Accepted,
    /// A connection could not be accepted; accepting resumes after a pause.
    AcceptFailed {
        /// What the operating system said.
        error: String,
    },
    /// A connection attempt has begun.
    ConnectDelayed,
    /// A connection attempt failed or a connection ended; the next attempt follows.
    ConnectRetried {
        /// Time until the next attempt.
        after: Duration,
        /// Why it is needed.
        reason: String,
    },
    /// The byte stream is there; the handshake begins.
    Connected,
    /// Messages can flow.
    HandshakeSucceeded {
        /// What the peer said of itself.
        peer: Box<PeerInfo>,
    },
    /// The peer does not speak our protocol, or not as it should.
    HandshakeFailed {
        /// What was wrong.
        reason: String,
        /// The same for a program.
        cause: HandshakeCause,
    },
    /// A connection ended.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// A peer was refused: its routing id is taken, or the socket takes only one peer.
    Refused {
        /// Why.
        reason: String,
    },
    /// An endpoint is not bound or connected any more.
    Closed,
    /// The last event: the socket is closed.
    Stopped,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening => f.write_str("listening"),
            Self::BindFailed { error, .. } => write!(f, "bind failed: {error}"),
            Self::Accepted => f.write_str("accepted"),
            Self::AcceptFailed { error } => write!(f, "accept failed: {error}"),
            Self::ConnectDelayed => f.write_str("connecting"),
            Self::ConnectRetried { after, reason } => write!(f, "retry in {after:.1?}: {reason}"),
            Self::Connected => f.write_str("connected"),
            Self::HandshakeSucceeded { peer } => match peer.socket_type {
                Some(kind) => write!(f, "ready: {kind} peer, ZMTP {}", peer.version),
                None => write!(f, "ready: ZMTP {}", peer.version),
            },
            Self::HandshakeFailed { reason, .. } => write!(f, "handshake failed: {reason}"),
            Self::Disconnected { reason } => write!(f, "disconnected: {reason}"),
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::Closed => f.write_str("closed"),
            Self::Stopped => f.write_str("monitor stopped"),
        }
    }
}

/// Why a handshake failed, for a program. The numbers in it are libzmq's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeCause {
    /// A rule of the protocol, or of 27/ZAP, was broken.
    Protocol(ProtocolCode),
    /// One side did not let the other in, with this status of 27/ZAP: 300, 400 or 500.
    Authentication(u16),
    /// There is nobody to ask who is let in.
    NoHandler,
    /// The peer closed the connection, or it broke.
    Closed,
    /// The handshake interval was over.
    TimedOut,
    /// Our own side could not go on: the operating system refused something.
    Ours,
    /// Anything else; the text says what.
    Other,
}

impl From<&ProtocolError> for HandshakeCause {
    fn from(error: &ProtocolError) -> Self {
        match (error, error.authentication_status(), error.code()) {
            (_, Some(status), _) => Self::Authentication(status),
            (_, _, Some(code)) => Self::Protocol(code),
            (ProtocolError::NoAuthenticationHandler, ..) => Self::NoHandler,
            (ProtocolError::NoRandomness, ..) => Self::Ours,
            _ => Self::Other,
        }
    }
}

struct Queue {
    events: VecDeque<MonitorEvent>,
    dropped: u64,
    stopped: bool,
}

pub(crate) struct MonitorQueue {
    queue: Mutex<Queue>,
    arrived: Condvar,
    capacity: usize,
}

impl MonitorQueue {
    /// Takes an event; the oldest one goes when nobody reads. Called under the socket's lock: this lock is a leaf.
    pub(crate) fn push(&self, event: MonitorEvent) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.stopped {
            return;
        }
        queue.stopped = matches!(event.kind, EventKind::Stopped);
        if queue.events.len() >= self.capacity {
            queue.events.pop_front();
            queue.dropped += 1;
        }
        queue.events.push_back(event);
        drop(queue);
        self.arrived.notify_all();
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).dropped
    }
}

/// The reading end of a socket's events: a bounded queue whose oldest entries go when nobody reads, and are counted.
pub struct Monitor {
    shared: Arc<MonitorQueue>,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("capacity", &self.shared.capacity).finish_non_exhaustive()
    }
}

impl Monitor {
    pub(crate) fn new(capacity: usize) -> (Self, Arc<MonitorQueue>) {
        let shared = Arc::new(MonitorQueue {
            queue: Mutex::new(Queue { events: VecDeque::new(), dropped: 0, stopped: false }),
            arrived: Condvar::new(),
            capacity: capacity.max(1),
        });
        (Self { shared: Arc::clone(&shared) }, shared)
    }

    /// Returns the next event, waiting for it; `None` after the socket has been closed and everything was read.
    #[must_use]
    pub fn recv(&self) -> Option<MonitorEvent> {
        self.wait(None)
    }

    /// Returns the next event, waiting at most `timeout` for it.
    #[must_use]
    pub fn recv_timeout(&self, timeout: Duration) -> Option<MonitorEvent> {
        self.wait(Instant::now().checked_add(timeout))
    }

    /// Returns the next event if one is there.
    #[must_use]
    pub fn try_recv(&self) -> Option<MonitorEvent> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).events.pop_front()
    }

    /// Returns how many events were overwritten because nobody read them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    fn wait(&self, deadline: Option<Instant>) -> Option<MonitorEvent> {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(event) = queue.events.pop_front() {
                return Some(event);
            }
            if queue.stopped {
                return None;
            }
            queue = match deadline {
                None => self.shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.shared.arrived.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
