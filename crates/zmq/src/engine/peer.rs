//! One peer of a socket: its link, its queues, its counters.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tamtam_zmtp::{Connection, Event, Framing, Message, PeerId, PeerInfo, SocketType};

use super::appetite::Appetite;
use super::core::Core;
use super::datagrams::Datagrams;
use super::gate::Gate;
use super::inbox::Inbox;
use super::marks::Marks;
use super::outbox::Outbox;
use super::pipe::{Reader, Run, Writer};
use super::ring::Weigh;
use super::socks::Socks;
use crate::profile::PeerProfile;
use crate::statistics::{PeerState, Traffic};
use crate::sys::epoll::Interest;

/// A peer, from the first attempt to connect (or its acceptance) until its last message is taken.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) endpoint: Arc<str>,
    /// The attachment (listener or dialer) that it belongs to.
    pub(crate) attachment: u32,
    pub(crate) link: Link,
    /// Messages read ahead by the background thread.
    pub(crate) inbox: Inbox,
    pub(crate) traffic: Traffic,
    /// It takes part in the socket's pattern.
    pub(crate) attached: bool,
    pub(crate) since: Option<Instant>,
    pub(crate) info: Option<Box<PeerInfo>>,
    /// What callers are told of it, once somebody has asked.
    pub(crate) profile: Option<Arc<PeerProfile>>,
    /// Its routing id was given by `connect_as`: what it announces does not count.
    pub(crate) addressed: bool,
    /// The routing id that another peer has taken over: what this one sent before still comes under it.
    pub(crate) former_id: Option<Bytes>,
    /// The application has closed its endpoint: it is no part of the pattern any more, nothing is received from it, and it
    /// stays until what was queued for it is written or the linger time is over.
    pub(crate) leaving: bool,
    /// What of its queue was left for later.
    pub(crate) left: Left,
}

/// Whether a peer's queue was left to be written later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Left {
    #[default]
    Nothing,
    /// The peer still stands in the socket's list, but somebody has written since, or found that the kernel takes no more.
    Listed,
    Waiting,
}

/// How the peer is reached.
#[expect(
    clippy::large_enum_variant,
    reason = "every peer is boxed already; nearly all are of the large kind"
)]
pub(crate) enum Link {
    /// A byte stream, or the wish for one.
    Net(Net),
    /// A socket of the same context.
    Inproc(Inproc),
    /// A UDP socket, with whoever is behind it.
    Datagrams(Box<Datagrams>),
    /// Not any more; its inbox is still to be delivered.
    Gone,
}

/// The outgoing queue of a networked peer and its connection, if there is one now.
pub(crate) struct Net {
    pub(crate) outbox: Outbox,
    /// The framing in which the outbox is written.
    pub(crate) framing: Framing,
    pub(crate) conn: Option<Conn>,
    /// We connect (and reconnect); otherwise it was accepted.
    pub(crate) dialed: bool,
    /// The connection was lost while a thread wrote a batch with the lock released: nothing is written until that thread
    /// has put back what is left of it.
    pub(crate) batch_out: bool,
    /// With `strict_marks`: what was queued in the present burst.
    pub(crate) burst: Burst,
    /// Distinguishes the peers that have the same number one after the other.
    pub(crate) born: u64,
}

impl Net {
    /// Tells whether messages can be written at once, with the lock released: nobody else writes, nothing is to go before them, and
    /// they go out as they stand in the queue.
    pub(crate) fn is_free(&self) -> bool {
        !self.batch_out
            && self.conn.as_ref().is_some_and(|conn| {
                conn.phase == Phase::Ready
                    && !conn.seals
                    && !conn.writing
                    && !conn.blocked
                    && conn.control.is_empty()
            })
    }

    /// Tells whether the queue is below the marks.
    #[inline]
    pub(crate) fn is_below(&self, marks: Marks) -> bool {
        marks.have_room(self.outbox.messages(), self.outbox.bytes() as u64)
    }

    /// As [`is_below`](Self::is_below); strictly, with what was queued lately counted as if it were not written.
    pub(crate) fn has_room(&mut self, marks: Marks, strict: bool) -> bool {
        self.is_below(marks) && !(strict && self.burst.is_full(marks.messages, self.outbox.messages()))
    }
}

/// Messages that were queued lately, written or not.
#[derive(Default)]
pub(crate) struct Burst {
    count: u64,
    began: Option<Instant>,
}

impl Burst {
    /// How long a message counts at least.
    const TIME: Duration = Duration::from_millis(1);

    pub(crate) fn queued(&mut self) {
        if self.count == 0 {
            self.began = Some(Instant::now());
        }
        self.count += 1;
    }

    /// Only what still waits counts from now on.
    pub(crate) fn end(&mut self, waiting: u64) {
        self.count = waiting;
        self.began = (waiting > 0).then(Instant::now);
    }

    /// Tells whether the burst is at the mark, of those that wait some may be written by now.
    pub(crate) fn is_full(&mut self, mark: u64, waiting: u64) -> bool {
        if self.count >= mark && self.began.is_none_or(|began| began.elapsed() > Self::TIME) {
            self.end(waiting);
        }
        self.count >= mark
    }
}

/// Where a connection's descriptor is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    Nowhere,
    /// The background thread's set.
    Background,
    /// The socket's set.
    Socket,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Connecting,
    /// The stream leads to a proxy, which is asked to connect it on.
    Proxying,
    Handshaking,
    Ready,
    /// Everything is written and our end is shut; waiting for the peer's end, so that it loses nothing.
    Draining,
}

/// ZMTP, or raw bytes (STREAM), on one descriptor.
pub(crate) struct Conn {
    /// Shared with a thread that writes with the lock released: the number must not be reused under its hands.
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) phase: Phase,
    /// None on a STREAM socket.
    pub(crate) protocol: Option<Connection>,
    pub(crate) input: BytesMut,
    /// Greeting, commands: written between messages.
    pub(crate) control: Vec<u8>,
    /// Who says whether the peer is let in, if anybody does, and whether that one was asked and has not answered yet.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) asking: bool,
    /// What is written takes another form than the outbox has it in: everything goes through `sealed`.
    pub(crate) seals: bool,
    pub(crate) sealed: Sealed,
    pub(crate) home: Home,
    pub(crate) interest: Interest,
    /// A thread is writing with the lock released.
    pub(crate) writing: bool,
    /// The kernel's buffer is full; waiting to become writable.
    pub(crate) blocked: bool,
    /// The peer's end is closed, or the connection broke, with messages left to read from the kernel.
    pub(crate) hangup: bool,
    /// The application has closed it; it goes once everything is written. (STREAM)
    pub(crate) finishing: bool,
    /// How much is read into `input` at a time.
    pub(crate) appetite: Appetite,
    /// When the heartbeat timer runs out that counts.
    pub(crate) heartbeat_at: Option<Instant>,
    pub(crate) remote: String,
    /// Distinguishes the connections that a peer has one after the other.
    pub(crate) epoch: u64,
    /// The conversation with the proxy on the way, until that has connected us.
    pub(crate) socks: Option<Box<Socks>>,
    /// Addresses still to be tried when this attempt fails.
    pub(crate) alternatives: Vec<SocketAddr>,
}

/// Bytes on their way to the kernel in a form that the outbox does not have them in (encrypted, for example): commands and
/// messages in the order in which they were sealed, from which no byte may be left out or put in between.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    /// How many of them are written.
    pub(crate) written: usize,
}

impl Sealed {
    pub(crate) fn is_empty(&self) -> bool {
        self.written >= self.bytes.len()
    }

    /// What is left to write.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }
}

/// The two directions of a pipe inside the process.
pub(crate) struct Inproc {
    /// Before `tx`, since it is dropped first then: to who finds that one gone it is told how much was taken.
    pub(crate) rx: Reader,
    pub(crate) tx: Writer,
    /// The socket at the other end and what it says of itself; not known until the name is bound.
    pub(crate) other: Arc<OnceLock<Other>>,
    /// With `conflate`: the one message that waits, for the other side and for this one.
    pub(crate) latest_out: Latest,
    pub(crate) latest_in: Latest,
    /// Messages that were published while it slept, and was not woken yet.
    pub(crate) unheard: u32,
}

/// The one place of a conflating pipe. Its lock is a leaf.
pub(crate) type Latest = Arc<Mutex<Option<Message>>>;

/// What travels through a pipe.
#[derive(Debug)]
pub(crate) enum Item {
    Event(Event),
    /// What REQ and REP send each other: an empty frame belongs in front of it, which who takes both on and off does not need.
    Enveloped(Message),
    /// Short messages, one behind the other, to which more may come until it is taken.
    Run(Arc<Mutex<Run>>),
    /// A message waits in the pipe's place for the latest.
    Latest,
}

impl Weigh for Item {
    /// The octets that it has for the application.
    #[inline]
    fn weight(&self) -> u64 {
        match self {
            Self::Event(Event::Message(message)) | Self::Enveloped(message) => message.byte_len() as u64,
            _ => 0,
        }
    }

    #[inline]
    fn messages(&self) -> u64 {
        u64::from(!matches!(self, Self::Run(_)))
    }
}

/// The other end of a pipe.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) core: Arc<Core>,
    /// Its marks when the pipe was made: sending, receiving.
    pub(crate) marks: (Marks, Marks),
    pub(crate) info: Box<PeerInfo>,
}

impl Inproc {
    /// Tells the other socket that something was published; returns it if it has to be woken.
    #[inline]
    pub(crate) fn announce(&self) -> Option<Arc<Core>> {
        let other = &self.other.get()?.core;
        other.announce().then(|| Arc::clone(other))
    }

    /// As [`announce`](Self::announce), for one that is not to be woken at once: returns whether it would have to be.
    #[inline]
    pub(crate) fn is_asleep(&self) -> bool {
        self.other.get().is_some_and(|other| other.core.announce())
    }

    /// Tells whether the other socket takes the empty frame off that REQ and REP put in front.
    #[inline]
    pub(crate) fn takes_envelopes_off(&self) -> bool {
        let kind = self.other.get().map(|other| other.core.kind);
        matches!(kind, Some(SocketType::Req | SocketType::Rep))
    }

    /// Returns the other socket, to be told or woken.
    pub(crate) fn other(&self) -> Option<Arc<Core>> {
        self.other.get().map(|other| Arc::clone(&other.core))
    }

    /// Puts a message in place of the one that waits; returns whether there was one, which is lost.
    pub(crate) fn push_latest(&mut self, message: Message) -> bool {
        let old = self.latest_out.lock().unwrap_or_else(PoisonError::into_inner).replace(message);
        if old.is_none() {
            self.tx.push_unbounded(Item::Latest);
        }
        old.is_some()
    }

    /// Takes the message that waits in the place for the latest.
    pub(crate) fn take_latest(&self) -> Option<Message> {
        self.latest_in.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Link {
    pub(crate) fn conn(&self) -> Option<&Conn> {
        match self {
            Self::Net(net) => net.conn.as_ref(),
            _ => None,
        }
    }
}

impl Peer {
    pub(crate) fn state(&self) -> PeerState {
        match &self.link {
            Link::Inproc(inproc) if inproc.other.get().is_none() => PeerState::Waiting,
            Link::Inproc(_) | Link::Datagrams(_) => PeerState::Ready,
            Link::Gone => PeerState::Gone,
            Link::Net(net) => match net.conn.as_ref().map(|conn| conn.phase) {
                None => PeerState::Waiting,
                Some(Phase::Connecting | Phase::Proxying) => PeerState::Connecting,
                Some(Phase::Handshaking) => PeerState::Handshaking,
                Some(Phase::Ready) => PeerState::Ready,
                Some(Phase::Draining) => PeerState::Gone,
            },
        }
    }

    pub(crate) fn queued_out(&self) -> u64 {
        match &self.link {
            Link::Net(net) => net.outbox.messages(),
            Link::Inproc(inproc) => inproc.tx.len(),
            Link::Datagrams(_) | Link::Gone => 0,
        }
    }

    pub(crate) fn queued_out_bytes(&self) -> u64 {
        match &self.link {
            Link::Net(net) => net.outbox.bytes() as u64,
            Link::Inproc(inproc) => inproc.tx.weight(),
            Link::Datagrams(_) | Link::Gone => 0,
        }
    }

    pub(crate) fn queued_in(&self) -> u64 {
        let ring = match &self.link {
            Link::Inproc(inproc) => inproc.rx.len(),
            _ => 0,
        };
        self.inbox.len() as u64 + ring
    }

    pub(crate) fn conn(&self) -> Option<&Conn> {
        self.link.conn()
    }

    pub(crate) fn conn_mut(&mut self) -> Option<&mut Conn> {
        match &mut self.link {
            Link::Net(net) => net.conn.as_mut(),
            _ => None,
        }
    }

    pub(crate) fn net_mut(&mut self) -> Option<&mut Net> {
        match &mut self.link {
            Link::Net(net) => Some(net),
            _ => None,
        }
    }

    /// Tells whether it is the one peer that a PAIR may have: connected, or to be connected by us.
    pub(crate) fn takes_the_place(&self) -> bool {
        match &self.link {
            Link::Net(net) => net.dialed && !self.leaving || self.attached,
            Link::Inproc(_) => self.attached,
            Link::Datagrams(_) | Link::Gone => false,
        }
    }

    /// Tells whether messages can flow to it right now or be queued for it.
    pub(crate) fn is_ready(&self) -> bool {
        self.state() == PeerState::Ready
    }
}
