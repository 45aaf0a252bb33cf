//! Messaging libraries behind one face, so that every workload is written once.

mod drop_in;
#[cfg(feature = "libzmq")]
mod libzmq;
mod tamtam;
mod topic;

use std::time::Duration;

use crate::failure::{Failure, Outcome};
use crate::keys::Keys;

pub(crate) use drop_in::{
    DropIn, choose_system_libzmq, library as drop_in_library, system_libzmq_curve, system_libzmq_version,
};
#[cfg(feature = "libzmq")]
pub(crate) use libzmq::Libzmq;
pub(crate) use tamtam::{Frames, Tamtam};
pub(crate) use topic::Topic;

/// Socket types that the workloads use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Req,
    Rep,
    Dealer,
    Router,
    Pair,
    Push,
    Pull,
    /// A publisher that knows its subscribers and does not drop.
    Publisher,
    Sub,
}

/// Which end of an encrypted connection a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It binds.
    Server,
    /// It connects.
    Client,
}

/// What is set on every socket of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Whether a thread that waits may spin, where the library can.
    pub(crate) spin: bool,
    /// High-water marks other than the library's defaults; 0 means none.
    pub(crate) hwm: Option<u32>,
    /// Whether it is for the way back, where that needs a name of its own.
    pub(crate) back: bool,
}

/// A messaging library with ZeroMQ's sockets.
pub(crate) trait Engine: 'static {
    /// What sockets are made in.
    type Context: Clone + Send + Sync + 'static;
    /// A socket.
    type Socket: Send + 'static;
    /// Where a received message stays.
    type Slot;

    /// Makes a place for a received message.
    fn slot() -> Self::Slot;
    /// Makes a context.
    fn context() -> Outcome<Self::Context>;
    /// Makes a socket that gives up after [`SILENCE`](crate::spec::SILENCE).
    fn socket(context: &Self::Context, kind: Kind, tuning: Tuning) -> Outcome<Self::Socket>;
    /// Has a socket encrypt its connections with CURVE, from before it binds or connects.
    fn encrypt(_: &Self::Socket, _: &Keys, _: Side) -> Outcome {
        Err(Failure::new("it does not offer CURVE"))
    }
    /// Returns the same socket for a further thread.
    fn share(_: &Self::Socket) -> Outcome<Self::Socket> {
        Err(Failure::new("its sockets are for one thread"))
    }
    /// Binds; returns the endpoint with wildcards resolved.
    fn bind(socket: &Self::Socket, endpoint: &str) -> Outcome<String>;
    /// Connects.
    fn connect(socket: &Self::Socket, endpoint: &str) -> Outcome;
    /// Subscribes to everything.
    fn subscribe(socket: &Self::Socket) -> Outcome;
    /// Waits until so many subscribers have subscribed.
    fn wait_for_subscribers(socket: &Self::Socket, count: usize, timeout: Duration) -> Outcome;
    /// Sends a message of one frame, whose body is copied.
    fn send(socket: &Self::Socket, body: &[u8]) -> Outcome;
    /// Receives a message of one frame.
    fn receive<'a>(socket: &Self::Socket, slot: &'a mut Self::Slot) -> Outcome<&'a [u8]>;
    /// Receives a message of any number of frames, looks at its last, and sends it back.
    fn echo(socket: &Self::Socket, check: impl FnOnce(&[u8]) -> Outcome) -> Outcome;
    /// Tells what the library knows of a socket's state, for a failure's text.
    fn describe(socket: &Self::Socket) -> String;
}

/// Returns why the libzmq that is built in cannot encrypt, if it cannot.
pub(crate) fn libzmq_without_curve() -> Option<&'static str> {
    #[cfg(feature = "libzmq")]
    return (zmq::has("curve") != Some(true)).then_some("the zmq crate compiles it without CURVE");
    #[cfg(not(feature = "libzmq"))]
    return Some("not built in (feature libzmq)");
}

/// Returns libzmq's version and how it was built, or why it is not there.
pub(crate) fn libzmq_version() -> String {
    #[cfg(feature = "libzmq")]
    return libzmq::version();
    #[cfg(not(feature = "libzmq"))]
    return "not built in (feature libzmq)".to_owned();
}
