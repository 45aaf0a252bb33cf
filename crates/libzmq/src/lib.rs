//! libzmq's C interface over Tamtam's engine: a drop-in `libzmq.so.5`.
//!
//! Nothing but translation: handles and messages of C into those of [`tamtam_zmq`], results into return values and `errno`.
//! What each function does is libzmq's documented behaviour; the header is `include/zmq.h`.
//!
//! Rules of this crate:
//!
//! - Every exported function runs inside [`guard::guarded`]: a panic becomes an error, it does not cross into C.
//! - A handle that is null, foreign or closed is told by its tag ([`registry`]): `ENOTSOCK` for sockets, `EFAULT` for the rest.
//! - A caller's free function runs exactly once, with none of our locks held ([`release`]).
//! - Options keep libzmq's numbers, units and defaults ([`option`]); what is ours has numbers from 10000 and names that begin
//!   with `tamtam_`.
#![expect(unsafe_code, reason = "the C interface: pointers that C hands in")]
#![allow(
    unreachable_pub,
    clippy::missing_safety_doc,
    reason = "exported to C, not to Rust; what callers must keep to is the C header's text"
)]

mod atomic_counter;
mod buffer;
mod content;
mod context;
#[cfg(feature = "draft")]
mod draft;
mod edge;
mod errno;
mod guard;
mod keys;
mod message;
mod monitor;
mod option;
mod poll;
#[cfg(feature = "draft")]
mod poller;
mod proxy;
mod registry;
mod release;
mod socket;
mod spawn;
mod statistics;
mod stopwatch;
mod thread;
mod timers;
mod transfer;
