//! `tamtam demo`: the publish-subscribe pattern in real processes, with the count of what arrived.

mod crew;
mod ends;
mod info;
mod publisher;
mod report;
mod subscriber;
mod table;

pub(crate) use publisher::run;
pub(crate) use subscriber::{Task, run_subscriber};
