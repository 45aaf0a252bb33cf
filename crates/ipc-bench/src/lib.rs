//! What every way to talk within one host costs, measured on the machine at hand.
//!
//! [`measure`] has workers, processes of its own, play both ends of every mechanism of `tamtam-ipc`, of Tamtam's sockets and of an installed libzmq.
//! A program that calls it starts itself as a worker, and calls [`worker`] there. What comes of it is a [`Report`](report::Report), which is kept as JSON,
//! and written for people by [`render`]. [`choose`] recommends one of the ways, by rules and by such a report.
//!
//! What is measured and how, and what it cannot tell, stands in `docs/ipc-bench.md`.

#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

pub mod choose;
mod clock;
mod conduct;
mod contestant;
mod control;
mod ends;
mod machine;
mod noise;
mod options;
mod payload;
pub mod render;
pub mod report;
mod samples;
mod schedule;
mod usage;
mod worker;

pub use conduct::{Progress, Unknown, Watcher, measure};
pub use options::{Options, Profile};
pub use worker::run as worker;
