//! The limit: what sockets (or a ring between threads) can do without a messaging library.

mod accept;
mod link;
mod ring;
mod stream;

use crate::failure::{Failure, Outcome};
use crate::peer;
use crate::spec::{Role, Spec, Transport, Work};

pub(crate) use link::Link;

/// A ZMTP 3.0 greeting for the NULL mechanism, and READY of a DEALER without identity.
pub(crate) const ZMTP_HELLO: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0";

// 64 bytes of greeting, 2 of header, 41 of body.
const _: () = assert!(ZMTP_HELLO.len() == 64 + 2 + 0x29);

/// Plays a part with raw means.
pub(crate) fn play(spec: &Spec) -> Outcome {
    match (spec.work, spec.transport, spec.role) {
        (Work::Latency(_) | Work::Throughput, Transport::Inproc, _) => ring::play(spec),
        (Work::Latency(_) | Work::Throughput, ..) => stream::play(spec),
        (Work::Connections, _, Role::Connector) => peer::dial(spec),
        (Work::Connections, ..) => accept::play(spec),
        _ => Err(Failure::new("there is no raw variant of this workload")),
    }
}
