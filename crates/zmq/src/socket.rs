//! A socket of any type.

use std::fmt;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam_zmtp::{Message, PeerId, PeerInfo, SocketType};

use crate::context::Context;
use crate::engine::core::{Core, Locked, ReadySet, State, Who};
use crate::engine::is_group;
use crate::engine::pattern::Pattern;
use crate::engine::route::Routed;
use crate::engine::short::{ShortMessage, Slices};
use crate::engine::wait::Patience;
use crate::error::{
    BarrierError, BindError, ConnectError, EndpointNotFound, GroupError, NoSuchPeer, NotSubscribed,
    RecvError, SendError, Undelivered,
};
use crate::monitor::{Monitor, MonitorEvent};
use crate::options::{OptionError, Options};
use crate::profile::PeerProfile;
use crate::statistics::{PeerStatistics, Published, SocketStatistics, Traffic};

/// What can be done with a socket now without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A message is there.
    pub readable: bool,
    /// A message would be taken.
    pub writable: bool,
}

/// A ZeroMQ socket whose type is known at run time; operations that its type does not have return an error.
///
/// The typed faces ([`Push`](crate::Push), [`Sub`](crate::Sub), …) are the same thing with only the operations that exist.
/// A socket may be used from several threads at once. Dropping it closes it: what is queued is sent in the background for
/// the linger time (5 s by default).
pub struct Socket {
    core: Arc<Core>,
    context: Context,
    /// Keeps the set alive for those to whom the descriptor was lent.
    exported: std::sync::OnceLock<Arc<ReadySet>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("type", &self.core.kind)
            .field("id", &self.core.id)
            .finish_non_exhaustive()
    }
}

impl Socket {
    /// Makes a socket.
    #[must_use]
    pub fn new(context: &Context, kind: SocketType) -> Self {
        let (core, context) = context.make_socket(kind);
        Self { core, context, exported: std::sync::OnceLock::new() }
    }

    /// Returns the socket's type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        self.core.kind
    }

    /// Returns the context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Changes options; see each for when it takes effect.
    ///
    /// # Errors
    ///
    /// [`OptionError`] when a value is out of range; then nothing is changed.
    pub fn configure(&self, change: impl FnOnce(&mut Options)) -> Result<(), OptionError> {
        // The caller's code runs without the lock. Of two changes at the same time, the later one wins.
        let mut options = self.options();
        change(&mut options);
        options.check()?;
        let Some(mut locked) = self.core.operate().filter(|locked| locked.is_open()) else {
            return Err(OptionError::Closed);
        };
        locked.apply_options(options);
        Ok(())
    }

    /// Returns the options as they are now.
    #[must_use]
    pub fn options(&self) -> Options {
        self.core.inspect().map(|locked| (*locked.options).clone()).unwrap_or_default()
    }

    /// Returns the options as they are now, shared: what is set later does not show there.
    #[must_use]
    pub fn shared_options(&self) -> Arc<Options> {
        self.core.inspect().map(|locked| Arc::clone(&locked.options)).unwrap_or_default()
    }

    /// Binds to an endpoint; returns it with wildcards resolved, as [`unbind`](Self::unbind) and a peer's `connect` want it.
    ///
    /// # Errors
    ///
    /// [`BindError`] naming the endpoint: malformed, in use, not permitted.
    pub fn bind(&self, endpoint: &str) -> Result<String, BindError> {
        match self.core.operate() {
            Some(mut locked) => locked.bind(endpoint, None),
            None => Err(BindError::Closed { endpoint: endpoint.to_owned() }),
        }
    }

    /// Binds by taking over a descriptor that is bound already, as a service manager passes it, or whoever had to know the
    /// port first. Of the endpoint only the transport counts; the one that is returned is the descriptor's.
    ///
    /// The descriptor is closed with the endpoint. The file of an `ipc://` one stays behind.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), and when the descriptor does not fit the transport.
    pub fn bind_fd(&self, endpoint: &str, fd: OwnedFd) -> Result<String, BindError> {
        match self.core.operate() {
            Some(mut locked) => locked.bind(endpoint, Some(fd)),
            None => Err(BindError::Closed { endpoint: endpoint.to_owned() }),
        }
    }

    /// Connects to an endpoint, in the background, and again whenever the connection is lost.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the endpoint is malformed. That nobody listens there is no error: it is retried.
    pub fn connect(&self, endpoint: &str) -> Result<(), ConnectError> {
        self.connect_with(endpoint, None)
    }

    /// Connects, and chooses the routing id by which this ROUTER or STREAM addresses the peer.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and when the routing id is in use.
    pub fn connect_as(&self, endpoint: &str, routing_id: &[u8]) -> Result<(), ConnectError> {
        self.connect_with(endpoint, Some(routing_id))
    }

    /// Connects; returns the number by which this SERVER or PEER addresses the peer, which is known at once and stays over
    /// reconnections. RFC 51/P2P.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); [`ConnectError::Immediate`] with the option `immediate`;
    /// [`ConnectError::Unnumbered`] for the other types.
    pub fn connect_peer(&self, endpoint: &str) -> Result<u32, ConnectError> {
        match self.core.operate() {
            Some(mut locked) => locked.connect_peer(endpoint),
            None => Err(ConnectError::Closed { endpoint: endpoint.to_owned() }),
        }
    }

    /// Ends the connection with the peer of that number, whichever side began it. What is queued for it is written as far as
    /// the operating system takes it at once. (SERVER, PEER)
    ///
    /// # Errors
    ///
    /// [`NoSuchPeer`] when there is none.
    pub fn disconnect_peer(&self, routing_id: u32) -> Result<(), NoSuchPeer> {
        let found = self.core.operate().is_some_and(|mut locked| locked.disconnect_peer(routing_id));
        if found { Ok(()) } else { Err(NoSuchPeer) }
    }

    fn connect_with(&self, endpoint: &str, routing_id: Option<&[u8]>) -> Result<(), ConnectError> {
        match self.core.operate() {
            Some(mut locked) => locked.connect(endpoint, routing_id),
            None => Err(ConnectError::Closed { endpoint: endpoint.to_owned() }),
        }
    }

    /// Stops listening, and ends the connections that were accepted there. What is queued for them is still sent, in the
    /// background and within the linger time.
    ///
    /// # Errors
    ///
    /// [`EndpointNotFound`] when the socket is not bound there.
    pub fn unbind(&self, endpoint: &str) -> Result<(), EndpointNotFound> {
        let not_found = || EndpointNotFound { endpoint: endpoint.to_owned() };
        self.core.operate().ok_or_else(not_found)?.unbind(endpoint)
    }

    /// Ends a connection made by [`connect`](Self::connect). What is queued for it is still sent, in the background and within
    /// the linger time, also if there is no connection yet.
    ///
    /// # Errors
    ///
    /// [`EndpointNotFound`] when the socket is not connected there.
    pub fn disconnect(&self, endpoint: &str) -> Result<(), EndpointNotFound> {
        let not_found = || EndpointNotFound { endpoint: endpoint.to_owned() };
        self.core.operate().ok_or_else(not_found)?.disconnect_endpoint(endpoint, false)
    }

    /// Ends a connection made by [`connect`](Self::connect), and drops (and counts) what was received over it and not taken
    /// yet, as libzmq does.
    ///
    /// # Errors
    ///
    /// [`EndpointNotFound`] when the socket is not connected there.
    pub fn disconnect_and_discard(&self, endpoint: &str) -> Result<(), EndpointNotFound> {
        let not_found = || EndpointNotFound { endpoint: endpoint.to_owned() };
        self.core.operate().ok_or_else(not_found)?.disconnect_endpoint(endpoint, true)
    }

    /// Returns the routing id that was given to a peer last: how a STREAM that has just connected addresses the other end.
    /// `None` for types that give none, and before the first. (ROUTER, STREAM)
    #[must_use]
    pub fn last_routing_id(&self) -> Option<Bytes> {
        match &self.core.inspect()?.pattern {
            Pattern::Route(identities) => identities.last().cloned(),
            _ => None,
        }
    }

    /// Returns the endpoint of the last `bind` (wildcards resolved) or `connect`.
    #[must_use]
    pub fn last_endpoint(&self) -> Option<String> {
        self.core.inspect().and_then(|locked| locked.last_endpoint.clone())
    }

    /// Sends a message, waiting for room as long as the option `send_timeout` allows (for ever by default).
    ///
    /// # Errors
    ///
    /// [`SendError`], which gives the message back.
    #[inline]
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.core.send_as_set(message.into())
    }

    /// Sends a message if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// [`SendError`], which gives the message back; [`SendError::Full`] when no peer can take it now.
    #[inline]
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.core.send(message.into(), Patience::None)
    }

    /// Sends a message, waiting for room at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendError`], which gives the message back.
    pub fn send_timeout(&self, message: impl Into<Message>, timeout: Duration) -> Result<(), SendError> {
        self.core.send(message.into(), Patience::within(Some(timeout)))
    }

    /// Sends a message of one frame, a copy of `body`, waiting as [`send`](Self::send) does, or not at all: what costs least
    /// in a stream of short messages.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`try_send`](Self::try_send) without waiting.
    #[inline]
    pub fn send_slice(&self, body: &[u8], wait: bool) -> Result<(), SendError> {
        self.send_slices(&[body], wait)
    }

    /// As [`send_slice`](Self::send_slice), of a message of several frames; without any it is one empty frame.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn send_slices(&self, frames: &[&[u8]], wait: bool) -> Result<(), SendError> {
        self.core.send_slices(frames, wait)
    }

    /// As [`send_slices`](Self::send_slices) without waiting, and tells what became of the message. (PUB, XPUB)
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn publish_slices(&self, frames: &[&[u8]]) -> Result<Published, SendError> {
        self.publish_short(&Slices(frames))
    }

    /// As [`publish_slices`](Self::publish_slices), of a message that writes itself: no octet of it is moved twice.
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(hidden)]
    #[inline]
    pub fn publish_short(&self, message: &impl ShortMessage) -> Result<Published, SendError> {
        let Routed { subscribers, dropped } = self.core.publish_short(message)?;
        Ok(Published { subscribers, dropped })
    }

    /// Sends a message, waiting for room without blocking the thread. Works on any executor.
    ///
    /// # Errors
    ///
    /// [`SendError`], which gives the message back.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready has not sent the message, which is dropped with it.
    pub fn send_async(
        &self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError>> + Send + '_ {
        let mut message = Some(message.into());
        std::future::poll_fn(move |task| {
            let Some(outgoing) = message.take() else {
                unreachable!("a future is not polled after it was ready");
            };
            match self.core.send(outgoing, Patience::None) {
                Err(SendError::Full(back)) => {
                    let kind = self.core.kind;
                    // Where the message says who it is for, room for others is of no use.
                    let is_addressed = kind.numbers_peers() || kind == SocketType::Router;
                    let mut locked = self.core.lock();
                    let ready =
                        locked.await_with(task.waker(), |state| !is_addressed && state.is_writable(kind));
                    let is_open = locked.is_open();
                    drop(locked);
                    if is_addressed && is_open {
                        // Between the last look and now room may have been made.
                        match self.core.send(back, Patience::None) {
                            Err(SendError::Full(back)) => message = Some(back),
                            other => return Poll::Ready(other),
                        }
                        return Poll::Pending;
                    }
                    if ready {
                        task.waker().wake_by_ref();
                    }
                    message = Some(back);
                    Poll::Pending
                }
                other => Poll::Ready(other),
            }
        })
    }

    /// Hands bytes that were left for a batch to the operating system now. Never needed for delivery: the background thread
    /// does it within a fraction of a millisecond.
    pub fn flush(&self) {
        if let Some(mut locked) = self.core.operate() {
            locked.flush_left();
        }
    }

    /// Receives a message, waiting as long as the option `receive_timeout` allows (for ever by default).
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    #[inline]
    pub fn recv(&self) -> Result<Message, RecvError> {
        let mut message = Message::default();
        self.recv_into(&mut message).map(|()| message)
    }

    /// Receives and looks at the message under one lock, waiting (if at all) as long as the options allow.
    #[inline]
    fn receive_as_set(
        &self,
        wait: bool,
        message: &mut Message,
        mut look: impl FnMut(&mut State, &mut Message),
    ) -> Result<(), RecvError> {
        match self.core.receive_into(Patience::None, message, &mut look) {
            Err(RecvError::WouldBlock) if wait => {
                let timeout = self.core.lock().options.receive_timeout;
                self.core.receive_into(Patience::within(timeout), message, look)
            }
            other => other,
        }
    }

    /// Receives into `message`, waiting as [`recv`](Self::recv) does: in a stream of short messages, one that is used again
    /// saves moving one.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; nothing is said then of what `message` holds.
    #[inline]
    pub fn recv_into(&self, message: &mut Message) -> Result<(), RecvError> {
        self.receive_as_set(true, message, |_, _| ())
    }

    /// As [`recv_into`](Self::recv_into), without waiting.
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    #[inline]
    pub fn try_recv_into(&self, message: &mut Message) -> Result<(), RecvError> {
        self.core.receive_into(Patience::None, message, |_, _| ())
    }

    /// Has `look` look at a message of exactly `N` frames, none longer than 255 octets, where it lies in what a connection has
    /// brought, and takes it if `look` says so: no frame is copied. `false`, and no change, if it says no, or if no such message is
    /// there without further ado: [`try_recv_into`](Self::try_recv_into) says what is there instead. (SUB)
    ///
    /// `look` runs under the socket's lock: it must be short, and must not use the socket.
    #[doc(hidden)]
    #[inline]
    pub fn try_recv_in_place<const N: usize>(&self, look: impl FnOnce([&[u8]; N]) -> bool) -> bool {
        self.core.receive_in_place(look)
    }

    /// Receives a message if one is there.
    ///
    /// # Errors
    ///
    /// [`RecvError::WouldBlock`] when none is there.
    #[inline]
    pub fn try_recv(&self) -> Result<Message, RecvError> {
        self.core.receive(Patience::None)
    }

    /// Receives a message, waiting at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`RecvError::TimedOut`] when none came.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
        match self.core.receive(Patience::within(Some(timeout))) {
            Err(RecvError::WouldBlock) => Err(RecvError::TimedOut),
            other => other,
        }
    }

    /// Receives a message without blocking the thread. Works on any executor.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready has taken nothing.
    pub fn recv_async(&self) -> impl Future<Output = Result<Message, RecvError>> + Send + '_ {
        std::future::poll_fn(move |task| match self.core.receive(Patience::None) {
            Err(RecvError::WouldBlock) => {
                let mut locked = self.core.lock();
                let ready = locked.await_with(task.waker(), |state| state.has_input(&self.core.attention));
                drop(locked);
                if ready {
                    task.waker().wake_by_ref();
                }
                Poll::Pending
            }
            other => Poll::Ready(other),
        })
    }

    /// Receives a message and the profile of the peer that sent it (`None` when that is gone for good), waiting as
    /// [`recv`](Self::recv) does, or not at all.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_with_profile(&self, wait: bool) -> Result<(Message, Option<Arc<PeerProfile>>), RecvError> {
        let (mut message, mut profile) = (Message::default(), None);
        self.recv_into_with_profile(wait, &mut message, &mut profile)?;
        Ok((message, profile))
    }

    /// Receives into `message`, waiting as [`recv`](Self::recv) does, or not at all; `profile` becomes that of the peer that
    /// sent it, `None` when that is gone for good. A profile that is the right one already is left in its place, and a
    /// message that is used again saves moving one: for streams of short messages.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; nothing is said then of what `message` holds.
    #[inline]
    pub fn recv_into_with_profile(
        &self,
        wait: bool,
        message: &mut Message,
        profile: &mut Option<Arc<PeerProfile>>,
    ) -> Result<(), RecvError> {
        self.receive_as_set(wait, message, |state, message| match message.peer() {
            Some(peer) => state.update_profile(peer, profile),
            None => *profile = state.gone_sender.take(),
        })
    }

    /// Waits (at most `timeout`; `None`: for ever) until a message that begins with the frame `first` would be taken: for
    /// those who hand over a message part by part and want to know before the first one.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); the message in the error is `first`.
    pub fn wait_to_send(&self, first: &[u8], timeout: Option<Duration>) -> Result<(), SendError> {
        self.core.wait_to_send(first, Patience::within(timeout))
    }

    /// Receives up to `max` messages into `messages`, waiting (as [`recv`](Self::recv) does) for the first only; returns
    /// how many came.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when not even one came.
    pub fn recv_many(&self, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError> {
        if max == 0 {
            return Ok(0);
        }
        messages.push(self.recv()?);
        let mut count = 1;
        let mut locked = self.core.lock();
        while count < max {
            let mut message = Message::default();
            if locked.take(&mut message).is_err() {
                break;
            }
            messages.push(message);
            count += 1;
        }
        Ok(count)
    }

    /// Subscribes to messages that begin with `topic`; the empty topic means all. Subscriptions are counted: two
    /// subscriptions need two cancellations. (SUB, XSUB)
    ///
    /// # Errors
    ///
    /// [`NotSubscribed`] when the socket's type does not subscribe.
    pub fn subscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), NotSubscribed> {
        if !self.core.kind.subscribes() {
            return Err(NotSubscribed);
        }
        self.core.operate().ok_or(NotSubscribed)?.subscribe(topic.as_ref());
        Ok(())
    }

    /// Takes one subscription back. (SUB, XSUB)
    ///
    /// # Errors
    ///
    /// [`NotSubscribed`] when there is none for this topic.
    pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), NotSubscribed> {
        let found = self.core.operate().is_some_and(|mut locked| locked.unsubscribe(topic.as_ref()));
        if found { Ok(()) } else { Err(NotSubscribed) }
    }

    /// Joins a group: messages that RADIOs send to it are received from now on. (DISH)
    ///
    /// A message of RADIO and DISH has two frames: the group, and the body. RFC 48/RADIO-DISH.
    ///
    /// # Errors
    ///
    /// [`GroupError`] when it is joined already, or is none: at most 255 octets, none of them zero.
    pub fn join(&self, group: impl AsRef<[u8]>) -> Result<(), GroupError> {
        self.change_group(
            group.as_ref(),
            |locked, group| {
                if locked.join(group) { Ok(()) } else { Err(GroupError::Joined) }
            },
        )
    }

    /// Leaves a group. (DISH)
    ///
    /// # Errors
    ///
    /// [`GroupError`] when it is not joined.
    pub fn leave(&self, group: impl AsRef<[u8]>) -> Result<(), GroupError> {
        self.change_group(group.as_ref(), |locked, group| {
            if locked.leave(group) { Ok(()) } else { Err(GroupError::NotJoined) }
        })
    }

    fn change_group(
        &self,
        group: &[u8],
        change: impl FnOnce(&mut Locked<'_>, &[u8]) -> Result<(), GroupError>,
    ) -> Result<(), GroupError> {
        if self.core.kind != SocketType::Dish {
            return Err(GroupError::Unsupported);
        }
        if !is_group(group) {
            return Err(GroupError::Invalid);
        }
        let Some(mut locked) = self.core.operate().filter(|locked| locked.is_open()) else {
            return Err(GroupError::Closed);
        };
        change(&mut locked, group)
    }

    /// Returns how many distinct topics there are: at PUB and XPUB those that peers have subscribed to (at RADIO the groups
    /// that they have joined), at SUB and XSUB those of this socket (at DISH its groups).
    #[must_use]
    pub fn topics_count(&self) -> usize {
        let Some(mut locked) = self.core.operate() else { return 0 };
        locked.scan_inproc();
        locked.topics_count()
    }

    /// Tells of the peer with this routing id whether messages from it wait, and whether one to it would be taken now; `None`
    /// when there is no such peer. (ROUTER, STREAM)
    #[must_use]
    pub fn peer_state(&self, routing_id: impl AsRef<[u8]>) -> Option<Readiness> {
        let mut locked = self.core.operate()?;
        locked.scan_inproc();
        let peer = locked.find_routed(routing_id.as_ref())?;
        let readable = locked.peer(peer).is_some_and(|peer| peer.queued_in() > 0);
        Some(Readiness { readable, writable: locked.peer_has_room(peer) })
    }

    /// Manual mode of an XPUB: subscribes the peer whose notice was received last, to any topic.
    ///
    /// # Errors
    ///
    /// [`NotSubscribed`] when there is no such peer (any more).
    pub fn subscribe_last(&self, topic: impl AsRef<[u8]>) -> Result<(), NotSubscribed> {
        self.core.operate().ok_or(NotSubscribed)?.subscribe_last(topic.as_ref(), true)
    }

    /// Manual mode of an XPUB: takes a subscription of the peer whose notice was received last away.
    ///
    /// # Errors
    ///
    /// [`NotSubscribed`] when there is no such peer (any more).
    pub fn unsubscribe_last(&self, topic: impl AsRef<[u8]>) -> Result<(), NotSubscribed> {
        self.core.operate().ok_or(NotSubscribed)?.subscribe_last(topic.as_ref(), false)
    }

    /// Has `waker` woken, from whatever thread finds it, whenever a subscription (or the end of one) has come in that the
    /// application is told of; then [`try_recv`](Self::try_recv) has it. For those who look after a publisher beside the thread
    /// that sends: a descriptor or a poller would be woken for every batch that is written. Of peers over inproc nobody hears
    /// until the socket is called: there is no thread between the two. (XPUB)
    pub fn wake_on_subscriptions(&self, waker: std::task::Waker) {
        if let Some(mut locked) = self.core.operate() {
            locked.notice_waker = Some(waker);
        }
    }

    /// Sends a message to one subscriber only, whatever it has subscribed to: to say something to one that has just come,
    /// before it gets what the others get. Does not wait. (XPUB)
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] when that peer's queue is at its mark, [`SendError::Unroutable`] when it is not there (any more),
    /// [`SendError::Unsupported`] for other types of socket.
    pub fn send_to_subscriber(&self, peer: PeerId, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        if self.core.kind != SocketType::XPub {
            return Err(SendError::Unsupported(message));
        }
        let Some(mut locked) = self.core.operate() else { return Err(SendError::Forked(message)) };
        if !locked.is_open() {
            return Err(locked.refuse_send(message));
        }
        locked.route_to(peer, message)
    }

    /// Waits until `count` peers hold at least one subscription each. (PUB, XPUB)
    ///
    /// This is the start barrier of publish-subscribe: a message sent afterwards goes to all of them. What is waited for is
    /// the subscription itself, which arrived on the connection that will carry the messages.
    ///
    /// # Errors
    ///
    /// [`BarrierError`] with how many there were when the time was over (or the socket was closed).
    pub fn wait_for_subscribers(&self, count: usize, timeout: Duration) -> Result<(), BarrierError> {
        self.wait_until(count, timeout, |state| state.subscriber_count())
    }

    /// Returns how many peers hold at least one subscription. (PUB, XPUB)
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        let Some(mut locked) = self.core.operate() else { return 0 };
        locked.scan_inproc();
        locked.subscriber_count()
    }

    /// Waits until `count` peers are connected and their handshake is done.
    ///
    /// # Errors
    ///
    /// [`BarrierError`] with how many there were when the time was over (or the socket was closed).
    pub fn wait_for_peers(&self, count: usize, timeout: Duration) -> Result<(), BarrierError> {
        self.wait_until(count, timeout, |state| state.ready_count())
    }

    fn wait_until(
        &self,
        wanted: usize,
        timeout: Duration,
        count: impl Fn(&State) -> usize,
    ) -> Result<(), BarrierError> {
        let began = Instant::now();
        let deadline = began.checked_add(timeout);
        let patience = deadline.map_or(Patience::Endless, Patience::Until);
        let Some(mut locked) = self.core.operate() else {
            return Err(BarrierError { wanted, attached: 0, waited: Duration::ZERO });
        };
        loop {
            locked.scan_inproc();
            let attached = count(&locked);
            if attached >= wanted {
                return Ok(());
            }
            let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if over || locked.wait_for_change(patience, |state| count(state) >= wanted).is_err() {
                return Err(BarrierError { wanted, attached, waited: began.elapsed() });
            }
        }
    }

    /// Returns what the socket has done so far.
    #[must_use]
    pub fn statistics(&self) -> SocketStatistics {
        let Some(locked) = self.core.inspect() else {
            // A fork's child, and the parent was at work when it was made.
            return SocketStatistics {
                socket_type: self.core.kind,
                since: Instant::now(),
                traffic: Traffic::default(),
                queued_in: 0,
                queued_out: 0,
                peers: 0,
                monitor_dropped: 0,
            };
        };
        let mut traffic: Traffic = locked.retired;
        let (mut queued_in, mut queued_out, mut peers) = (0, 0, 0);
        for peer in locked.iter_peers() {
            traffic.add(&peer.traffic);
            queued_in += peer.queued_in();
            queued_out += peer.queued_out();
            peers += usize::from(peer.is_ready());
        }
        SocketStatistics {
            socket_type: self.core.kind,
            since: locked.since,
            traffic,
            queued_in: queued_in + locked.notices.len() as u64 + u64::from(locked.ahead.is_some()),
            queued_out,
            peers,
            monitor_dropped: locked.monitor.as_ref().map_or(0, |monitor| monitor.dropped()),
        }
    }

    /// Returns what happened with each peer that there is now.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatistics> {
        let Some(locked) = self.core.inspect() else { return Vec::new() };
        locked.iter_peers().map(|peer| locked.describe_peer(peer)).collect()
    }

    /// Returns what a peer said of itself in the handshake: socket type, identity, properties. `None` before that, and when
    /// the peer is gone.
    #[must_use]
    pub fn peer_info(&self, peer: PeerId) -> Option<PeerInfo> {
        self.core.inspect()?.peer(peer).and_then(|peer| peer.info.as_deref().cloned())
    }

    /// Begins to watch what happens to the socket's connections. At most `capacity` events are kept; a monitor made before
    /// gets no more.
    #[must_use]
    pub fn monitor(&self, capacity: usize) -> Monitor {
        let (monitor, queue) = Monitor::new(capacity);
        let Some(mut locked) = self.core.operate() else {
            queue.push(MonitorEvent::stopped());
            return monitor;
        };
        if let Some(old) = locked.monitor.replace(queue) {
            old.push(MonitorEvent::stopped());
        }
        monitor
    }

    /// Ends the monitor that was made last: it gets its last event.
    pub fn stop_monitor(&self) {
        if let Some(mut locked) = self.core.operate()
            && let Some(monitor) = locked.monitor.take()
        {
            monitor.push(MonitorEvent::stopped());
        }
    }

    /// Tells what can be done now without waiting, after a look at the descriptors; what comes later makes the socket's
    /// descriptor readable anew. For loops that wait for an edge; [`readiness`](Self::readiness) costs less.
    #[must_use]
    pub fn look(&self) -> Readiness {
        if let Some(mut locked) = self.core.operate().filter(|locked| locked.is_open()) {
            locked.acknowledge();
            locked.flush_left();
            locked.poll_io();
        }
        self.readiness()
    }

    /// Makes the socket's descriptor readable again until the next look. For loops that come back for what they have left:
    /// [`look`](Self::look) makes the descriptor wait for something new, whatever is there already.
    pub fn keep_readable(&self) {
        if let Some(mut locked) = self.core.operate() {
            locked.wake();
        }
    }

    /// Tells what can be done now without waiting.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let kind = self.core.kind;
        let Some(mut locked) = self.core.operate().filter(|locked| locked.is_open()) else {
            return Readiness { readable: true, writable: true };
        };
        let mut readable = kind.can_receive() && locked.look_ahead();
        if !readable && locked.poll_io() {
            readable = kind.can_receive() && locked.look_ahead();
        }
        let writable = kind.can_send() && locked.is_writable(kind);
        Readiness { readable, writable }
    }

    /// Closes the socket. What is queued is sent in the background for the linger time.
    pub fn close(self) {
        drop(self);
    }

    /// Closes the socket as [`close`](Self::close) does, and leaves the handle, whose calls return errors from now on: for
    /// sockets that other threads may still hold.
    pub fn shut(&self) {
        let Some(mut locked) = self.core.operate() else { return };
        let linger = locked.options.linger;
        locked.close(linger);
    }

    /// Closes the socket and waits until everything is handed to the operating system (and the peers have closed their
    /// ends), at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Undelivered`] with what had to be given up.
    pub fn close_within(self, timeout: Duration) -> Result<(), Undelivered> {
        self.shut_within(timeout)
    }

    /// As [`close_within`](Self::close_within), for a socket that others hold as well: their calls find it closed.
    ///
    /// # Errors
    ///
    /// [`Undelivered`] with what had to be given up.
    pub fn shut_within(&self, timeout: Duration) -> Result<(), Undelivered> {
        match self.core.operate() {
            Some(mut locked) => locked.close(Some(timeout)),
            None => return Ok(()),
        }
        self.context_core().wait_for_socket(self.core.id);
        let (messages, bytes) = self.core.lock().lost_at_close;
        if messages == 0 { Ok(()) } else { Err(Undelivered { messages, bytes }) }
    }

    fn context_core(&self) -> &crate::context::ContextCore {
        &self.core.context
    }

    fn export(&self) -> std::io::Result<&Arc<ReadySet>> {
        if let Some(set) = self.exported.get() {
            return Ok(set);
        }
        let Some(mut locked) = self.core.operate() else { return Err(forked()) };
        let set = locked.lend_set()?;
        locked.export();
        locked.update_attention();
        if locked.has_input(&self.core.attention) {
            locked.wake();
        }
        drop(locked);
        Ok(self.exported.get_or_init(|| set))
    }

    /// Returns the socket's one descriptor, for an event loop of your own.
    ///
    /// It is level-triggered: readable while the socket wants attention. Then call [`try_recv`](Self::try_recv) until it
    /// says [`RecvError::WouldBlock`] (or [`readiness`](Self::readiness)). A message may turn out not to be there yet. Only
    /// wait for readability; never read, write or close the descriptor.
    ///
    /// # Errors
    ///
    /// What the operating system says when it has no descriptor left.
    pub fn try_as_fd(&self) -> std::io::Result<BorrowedFd<'_>> {
        Ok(self.export()?.watched().as_fd())
    }
}

pub(crate) fn forked() -> std::io::Error {
    std::io::Error::other("the socket belongs to the parent process; make a new context after fork")
}

impl AsFd for Socket {
    /// As [`Socket::try_as_fd`].
    ///
    /// # Panics
    ///
    /// When the process has no descriptor left.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.try_as_fd().expect("two descriptors for the socket's set")
    }
}

impl AsRef<Self> for Socket {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Locked<'_> {
    /// Registers a task to be woken, and has the background thread do the input and output meanwhile. Returns whether the
    /// task should look again at once.
    fn await_with(&mut self, waker: &std::task::Waker, ready: impl Fn(&mut State) -> bool) -> bool {
        if !self.is_open() {
            return true;
        }
        self.flush_left();
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
        self.update_attention();
        if self.who == Who::Application {
            self.cover();
        }
        // Between the last look and now something may have come.
        ready(self)
    }
}
