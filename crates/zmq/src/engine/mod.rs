//! The engine: one lock per socket, the caller drives and the background covers.

pub(crate) mod attachment;
pub(crate) mod background;
pub(crate) mod core;
mod corks;
mod datagrams;
mod gate;
mod in_place;
mod inbox;
mod inproc;
mod inspect;
mod intake;
mod io;
mod leaving;
mod lifecycle;
mod link;
mod marks;
mod membership;
mod memory;
mod notices;
mod numbered;
mod outbox;
pub(crate) mod pattern;
pub(crate) mod peer;
mod porter;
mod press;
mod profile;
mod prospect;
mod redial;
mod ring;
pub(crate) mod route;
mod socks;
mod spin;
pub(crate) mod wait;
mod write_policy;

pub(crate) use self::inproc::{Lookup, PipeEnd};
pub(crate) use self::route::is_group;
