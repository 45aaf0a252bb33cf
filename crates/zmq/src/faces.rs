//! One type per socket type, with the operations that it has: what a pattern cannot do does not compile.

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tamtam_zmtp::{Frame, Message, PeerId, PeerInfo, SocketType};

use crate::context::Context;
use crate::error::{
    BarrierError, BindError, ConnectError, EndpointNotFound, GroupError, NoSuchPeer, NotSubscribed,
    RecvError, SendError, Undelivered,
};
use crate::monitor::Monitor;
use crate::options::{OptionError, Options};
use crate::socket::{Readiness, Socket};
use crate::statistics::{PeerStatistics, SocketStatistics};

macro_rules! face {
    ($(#[$doc:meta])* $name:ident, $kind:ident, [$($part:ident),*]) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Socket);

        impl $name {
            /// Makes a socket of this type.
            #[must_use]
            pub fn new(context: &Context) -> Self {
                Self(Socket::new(context, SocketType::$kind))
            }

            /// Makes a socket of this type with options of its own.
            ///
            /// # Errors
            ///
            /// [`OptionError`] when a value is out of range.
            pub fn with(context: &Context, change: impl FnOnce(&mut Options)) -> Result<Self, OptionError> {
                let socket = Self::new(context);
                socket.configure(change)?;
                Ok(socket)
            }

            /// As [`Socket::configure`].
            ///
            /// # Errors
            ///
            /// [`OptionError`] when a value is out of range.
            pub fn configure(&self, change: impl FnOnce(&mut Options)) -> Result<(), OptionError> {
                self.0.configure(change)
            }

            /// As [`Socket::options`].
            #[must_use]
            pub fn options(&self) -> Options {
                self.0.options()
            }

            /// As [`Socket::bind`].
            ///
            /// # Errors
            ///
            /// [`BindError`] naming the endpoint.
            pub fn bind(&self, endpoint: &str) -> Result<String, BindError> {
                self.0.bind(endpoint)
            }

            /// As [`Socket::bind_fd`].
            ///
            /// # Errors
            ///
            /// [`BindError`] naming the endpoint.
            pub fn bind_fd(&self, endpoint: &str, fd: std::os::fd::OwnedFd) -> Result<String, BindError> {
                self.0.bind_fd(endpoint, fd)
            }

            /// As [`Socket::connect`].
            ///
            /// # Errors
            ///
            /// [`ConnectError`] when the endpoint is malformed.
            pub fn connect(&self, endpoint: &str) -> Result<(), ConnectError> {
                self.0.connect(endpoint)
            }

            /// As [`Socket::unbind`].
            ///
            /// # Errors
            ///
            /// [`EndpointNotFound`] when the socket is not bound there.
            pub fn unbind(&self, endpoint: &str) -> Result<(), EndpointNotFound> {
                self.0.unbind(endpoint)
            }

            /// As [`Socket::disconnect`].
            ///
            /// # Errors
            ///
            /// [`EndpointNotFound`] when the socket is not connected there.
            pub fn disconnect(&self, endpoint: &str) -> Result<(), EndpointNotFound> {
                self.0.disconnect(endpoint)
            }

            /// As [`Socket::last_endpoint`].
            #[must_use]
            pub fn last_endpoint(&self) -> Option<String> {
                self.0.last_endpoint()
            }

            /// As [`Socket::wait_for_peers`].
            ///
            /// # Errors
            ///
            /// [`BarrierError`] with how many there were in time.
            pub fn wait_for_peers(&self, count: usize, timeout: Duration) -> Result<(), BarrierError> {
                self.0.wait_for_peers(count, timeout)
            }

            /// As [`Socket::statistics`].
            #[must_use]
            pub fn statistics(&self) -> SocketStatistics {
                self.0.statistics()
            }

            /// As [`Socket::peers`].
            #[must_use]
            pub fn peers(&self) -> Vec<PeerStatistics> {
                self.0.peers()
            }

            /// As [`Socket::peer_info`].
            #[must_use]
            pub fn peer_info(&self, peer: PeerId) -> Option<PeerInfo> {
                self.0.peer_info(peer)
            }

            /// As [`Socket::monitor`].
            #[must_use]
            pub fn monitor(&self, capacity: usize) -> Monitor {
                self.0.monitor(capacity)
            }

            /// As [`Socket::readiness`].
            #[must_use]
            pub fn readiness(&self) -> Readiness {
                self.0.readiness()
            }

            /// As [`Socket::close`].
            pub fn close(self) {
                self.0.close();
            }

            /// As [`Socket::close_within`].
            ///
            /// # Errors
            ///
            /// [`Undelivered`] with what had to be given up.
            pub fn close_within(self, timeout: Duration) -> Result<(), Undelivered> {
                self.0.close_within(timeout)
            }

            /// Returns the socket with its type forgotten.
            #[must_use]
            pub fn as_socket(&self) -> &Socket {
                &self.0
            }

            /// Returns the socket with its type forgotten.
            #[must_use]
            pub fn into_socket(self) -> Socket {
                self.0
            }

            $( face!(@$part); )*
        }

        impl AsRef<Socket> for $name {
            fn as_ref(&self) -> &Socket {
                &self.0
            }
        }

        impl AsFd for $name {
            /// As [`Socket::try_as_fd`]; panics when the process has no descriptor left.
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
    };
    (@send) => {
        /// As [`Socket::send`].
        ///
        /// # Errors
        ///
        /// [`SendError`], which gives the message back.
        #[inline]
        pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
            self.0.send(message)
        }

        /// As [`Socket::try_send`].
        ///
        /// # Errors
        ///
        /// [`SendError`], which gives the message back.
        #[inline]
        pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
            self.0.try_send(message)
        }

        /// As [`Socket::send_timeout`].
        ///
        /// # Errors
        ///
        /// [`SendError`], which gives the message back.
        pub fn send_timeout(&self, message: impl Into<Message>, timeout: Duration) -> Result<(), SendError> {
            self.0.send_timeout(message, timeout)
        }

        /// As [`Socket::send_async`].
        ///
        /// # Errors
        ///
        /// [`SendError`], which gives the message back.
        pub fn send_async(&self, message: impl Into<Message>) -> impl Future<Output = Result<(), SendError>> + Send + '_ {
            self.0.send_async(message)
        }

        /// As [`Socket::flush`].
        pub fn flush(&self) {
            self.0.flush();
        }
    };
    (@recv) => {
        /// As [`Socket::recv`].
        ///
        /// # Errors
        ///
        /// [`RecvError`].
        #[inline]
        pub fn recv(&self) -> Result<Message, RecvError> {
            self.0.recv()
        }

        /// As [`Socket::try_recv`].
        ///
        /// # Errors
        ///
        /// [`RecvError::WouldBlock`] when none is there.
        #[inline]
        pub fn try_recv(&self) -> Result<Message, RecvError> {
            self.0.try_recv()
        }

        /// As [`Socket::recv_timeout`].
        ///
        /// # Errors
        ///
        /// [`RecvError::TimedOut`] when none came.
        pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, RecvError> {
            self.0.recv_timeout(timeout)
        }

        /// As [`Socket::recv_async`].
        ///
        /// # Errors
        ///
        /// [`RecvError`].
        pub fn recv_async(&self) -> impl Future<Output = Result<Message, RecvError>> + Send + '_ {
            self.0.recv_async()
        }

        /// As [`Socket::recv_many`].
        ///
        /// # Errors
        ///
        /// [`RecvError`] when not even one came.
        pub fn recv_many(&self, messages: &mut Vec<Message>, max: usize) -> Result<usize, RecvError> {
            self.0.recv_many(messages, max)
        }
    };
    (@publish) => {
        /// As [`Socket::wait_for_subscribers`].
        ///
        /// # Errors
        ///
        /// [`BarrierError`] with how many there were in time.
        pub fn wait_for_subscribers(&self, count: usize, timeout: Duration) -> Result<(), BarrierError> {
            self.0.wait_for_subscribers(count, timeout)
        }

        /// As [`Socket::subscriber_count`].
        #[must_use]
        pub fn subscriber_count(&self) -> usize {
            self.0.subscriber_count()
        }
    };
    (@subscribe) => {
        /// As [`Socket::subscribe`].
        pub fn subscribe(&self, topic: impl AsRef<[u8]>) {
            // The type subscribes, so this cannot fail.
            let _ = self.0.subscribe(topic);
        }

        /// As [`Socket::unsubscribe`].
        ///
        /// # Errors
        ///
        /// [`NotSubscribed`] when there is none for this topic.
        pub fn unsubscribe(&self, topic: impl AsRef<[u8]>) -> Result<(), NotSubscribed> {
            self.0.unsubscribe(topic)
        }
    };
    (@manual) => {
        /// As [`Socket::subscribe_last`].
        ///
        /// # Errors
        ///
        /// [`NotSubscribed`] when there is no such peer (any more).
        pub fn subscribe_last(&self, topic: impl AsRef<[u8]>) -> Result<(), NotSubscribed> {
            self.0.subscribe_last(topic)
        }

        /// As [`Socket::unsubscribe_last`].
        ///
        /// # Errors
        ///
        /// [`NotSubscribed`] when there is no such peer (any more).
        pub fn unsubscribe_last(&self, topic: impl AsRef<[u8]>) -> Result<(), NotSubscribed> {
            self.0.unsubscribe_last(topic)
        }
    };
    (@join) => {
        /// As [`Socket::join`].
        ///
        /// # Errors
        ///
        /// [`GroupError`] when the group is joined already or is none.
        pub fn join(&self, group: impl AsRef<[u8]>) -> Result<(), GroupError> {
            self.0.join(group)
        }

        /// As [`Socket::leave`].
        ///
        /// # Errors
        ///
        /// [`GroupError`] when the group is not joined.
        pub fn leave(&self, group: impl AsRef<[u8]>) -> Result<(), GroupError> {
            self.0.leave(group)
        }
    };
    (@broadcast) => {
        /// Sends a message to all members of a group; the same as [`send`](Self::send) of the two frames.
        ///
        /// # Errors
        ///
        /// [`SendError`], which gives the message back.
        pub fn send_to_group(&self, group: impl Into<Frame>, body: impl Into<Frame>) -> Result<(), SendError> {
            let mut message = Message::new(body);
            message.push_front(group);
            self.0.send(message)
        }
    };
    (@number) => {
        /// Sends a message to the peer of this number, as [`Socket::send`].
        ///
        /// # Errors
        ///
        /// [`SendError`], which gives the message back.
        pub fn send_to(&self, routing_id: u32, message: impl Into<Message>) -> Result<(), SendError> {
            let mut message = message.into();
            message.set_routing_id(routing_id);
            self.0.send(message)
        }

        /// Sends a message to the peer of this number, as [`Socket::try_send`].
        ///
        /// # Errors
        ///
        /// [`SendError`], which gives the message back.
        pub fn try_send_to(&self, routing_id: u32, message: impl Into<Message>) -> Result<(), SendError> {
            let mut message = message.into();
            message.set_routing_id(routing_id);
            self.0.try_send(message)
        }

        /// As [`Socket::connect_peer`].
        ///
        /// # Errors
        ///
        /// [`ConnectError`] when the endpoint is malformed, or with the option `immediate`.
        pub fn connect_peer(&self, endpoint: &str) -> Result<u32, ConnectError> {
            self.0.connect_peer(endpoint)
        }

        /// As [`Socket::disconnect_peer`].
        ///
        /// # Errors
        ///
        /// [`NoSuchPeer`] when there is none of this number.
        pub fn disconnect_peer(&self, routing_id: u32) -> Result<(), NoSuchPeer> {
            self.0.disconnect_peer(routing_id)
        }
    };
    (@state) => {
        /// As [`Socket::peer_state`].
        #[must_use]
        pub fn peer_state(&self, routing_id: impl AsRef<[u8]>) -> Option<Readiness> {
            self.0.peer_state(routing_id)
        }
    };
    (@topics) => {
        /// As [`Socket::topics_count`].
        #[must_use]
        pub fn topics_count(&self) -> usize {
            self.0.topics_count()
        }
    };
    (@route) => {
        /// As [`Socket::connect_as`].
        ///
        /// # Errors
        ///
        /// [`ConnectError`] when the endpoint is malformed or the routing id is in use.
        pub fn connect_as(&self, endpoint: &str, routing_id: &[u8]) -> Result<(), ConnectError> {
            self.0.connect_as(endpoint, routing_id)
        }
    };
}

face!(
    /// PAIR: exactly one peer, both ways. RFC 31/EXPAIR.
    Pair, Pair, [send, recv]);
face!(
    /// PUB: every message to every subscriber that wants it; a full queue drops (counted), or waits with
    /// [`Options::set_xpub_nodrop`]. RFC 29/PUBSUB.
    Pub, Pub, [send, publish, topics]);
face!(
    /// SUB: receives what it subscribed to. RFC 29/PUBSUB.
    Sub, Sub, [recv, subscribe, topics]);
face!(
    /// XPUB: a PUB that receives subscriptions (octet 1 and topic) and cancellations (octet 0 and topic). RFC 29/PUBSUB.
    XPub, XPub, [send, recv, publish, manual, topics]);
face!(
    /// XSUB: a SUB that may send subscriptions as messages. RFC 29/PUBSUB.
    XSub, XSub, [send, recv, subscribe, topics]);
face!(
    /// REQ: sends a request, receives its reply, in turn. RFC 28/REQREP.
    Req, Req, [send, recv]);
face!(
    /// REP: receives a request, sends its reply, in turn. RFC 28/REQREP.
    Rep, Rep, [send, recv]);
face!(
    /// DEALER: sends to its peers in turn, receives from all. RFC 28/REQREP.
    Dealer, Dealer, [send, recv]);
face!(
    /// ROUTER: the first frame is the peer's routing id, when receiving and when sending. RFC 28/REQREP.
    Router, Router, [send, recv, route, state]);
face!(
    /// PUSH: sends to its peers in turn. RFC 30/PIPELINE.
    Push, Push, [send]);
face!(
    /// PULL: receives from all its peers. RFC 30/PIPELINE.
    Pull, Pull, [recv]);
face!(
    /// STREAM: raw TCP or Unix connections; the first frame is the connection's id, the second its bytes.
    Stream, Stream, [send, recv, route, state]);
face!(
    /// SERVER: receives from its clients, and answers each by its number, which
    /// [`Message::routing_id`] of a request tells. Single-part. RFC 41/CLISRV.
    ///
    /// ```
    /// use tamtam_zmq::{Client, Context, Server};
    ///
    /// let context = Context::new();
    /// let (server, client) = (Server::new(&context), Client::new(&context));
    /// client.connect(&server.bind("tcp://127.0.0.1:*")?)?;
    /// client.send("who am I?")?;
    /// let request = server.recv()?;
    /// server.send_to(request.routing_id(), "my first client")?;
    /// assert_eq!(client.recv()?.as_slice(), b"my first client");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Server, Server, [send, recv, number]);
face!(
    /// CLIENT: sends to its servers in turn, receives from all. Single-part. RFC 41/CLISRV.
    Client, Client, [send, recv]);
face!(
    /// RADIO: every message to all members of its group, also over `udp://`. A message has two frames: the group, at most 255
    /// octets, and the body. A full queue drops (counted), or waits with [`Options::set_xpub_nodrop`]. RFC 48/RADIO-DISH.
    Radio, Radio, [send, broadcast, publish, topics]);
face!(
    /// DISH: receives what is sent to the groups that it has joined: the group, and the body. RFC 48/RADIO-DISH.
    Dish, Dish, [recv, join, topics]);
face!(
    /// SCATTER: sends to its peers in turn. Single-part. RFC 49/SCATTERGATHER.
    Scatter, Scatter, [send]);
face!(
    /// GATHER: receives from all its peers. Single-part. RFC 49/SCATTERGATHER.
    Gather, Gather, [recv]);
face!(
    /// DGRAM: UDP datagrams; the first frame is the address that one came from or goes to (`192.0.2.1:5555`), the second its
    /// bytes, at most 8192. It is bound, and does not connect.
    Dgram, Dgram, [send, recv]);
face!(
    /// PEER: equals that address each other by numbers, which [`connect_peer`](Self::connect_peer) and
    /// [`Message::routing_id`] tell. Single-part. RFC 51/P2P.
    Peer, Peer, [send, recv, number]);
face!(
    /// CHANNEL: exactly one peer, both ways. Single-part. RFC 52/CHANNEL.
    Channel, Channel, [send, recv]);
