//! What the fuzz targets share: connections of every kind, peers that behave up to a point, and the yardstick that how a
//! stream is cut into pieces changes nothing.
#![forbid(unsafe_code)]

mod conversation;
mod peer;
mod setup;

pub use conversation::{Outcome, converse, converse_alike, converse_with};
pub use peer::{greeting_3, handshake, put_message, ready};
pub use setup::Setup;
