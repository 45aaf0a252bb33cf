//! Security over real sockets: who gets in, who does not, and what both sides are told.

mod common;
#[path = "security/curve.rs"]
mod curve;
#[path = "security/plain.rs"]
mod plain;
#[path = "security/strangers.rs"]
mod strangers;
#[path = "security/support.rs"]
mod support;
#[path = "security/zap.rs"]
mod zap;
