//! Shared memory: octets that several processes map.
//!
//! The kernel only makes the octets visible to all ([`Segment`], [`Region`]) and lets a process sleep until one of them changes ([`futex`]).
//! Everything else is an agreement between the processes. Three of them are here:
//!
//! - [`ring`]: messages from one producer to one consumer, without a lock;
//! - [`locked_queue`]: messages from any number of senders to any number of receivers, under a lock that survives its owner's death;
//! - [`latest`]: the latest value of one writer for any number of readers.
//!
//! # Why two mappings of one file are no data race
//!
//! Another process may write at any moment, whatever it promised. So no Rust reference to plain octets of a segment ever exists: words are
//! reached as atomics, octets are copied through raw pointers, and what was read is judged after it has been copied, never read twice.
//! Rubbish then is a wrong value, and not undefined behaviour. [`Region`] is where this is kept.

pub mod futex;
pub mod latest;
pub mod locked_queue;
pub mod ring;

#[cfg(test)]
mod other;
mod region;
mod segment;

pub use region::Region;
pub use segment::Segment;

use crate::{Limit, Unavailable};

/// Tries whether there is memory to share; reads how much there may be.
fn probe(mechanism: &'static str) -> Result<Vec<Limit>, Unavailable> {
    let segment = Segment::anonymous(1).and_then(|segment| segment.map());
    segment.map_err(|error| Unavailable::new(mechanism, error.to_string()))?;
    let limits = [Limit::of_file("mappings of a process", "/proc/sys/vm/max_map_count")];
    Ok(limits.into_iter().flatten().collect())
}
