//! The operating system: descriptors, sockets, readiness, interfaces, threads. Linux first.
//!
//! The only room of this crate's outer world where `unsafe` may stand: what `rustix` and `socket2` wrap safely is
//! called through them, the gaps through `libc`.
#![expect(unsafe_code, reason = "system calls and buffers that no safe wrapper covers")]

pub(crate) mod epoll;
pub(crate) mod eventfd;
pub(crate) mod fork;
pub(crate) mod interface;
mod ipc;
pub(crate) mod poll;
pub(crate) mod prefetch;
pub(crate) mod socket;
pub(crate) mod stream;
mod tcp;
pub(crate) mod thread;
pub(crate) mod ticks;
pub(crate) mod udp;
