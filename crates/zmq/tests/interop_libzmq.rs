//! Tamtam's sockets against libzmq's, in one process: every legal pair of socket types, both ways, over tcp and ipc, with
//! both drivers; subscriptions, life and death of connections, heartbeats, marks, old protocol versions.
//!
//! The crate `zmq` brings libzmq's sources along and compiles them: a C++ compiler is all that is needed.

mod common;
mod interop;
