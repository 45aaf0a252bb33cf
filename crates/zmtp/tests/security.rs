//! The security mechanisms: conversations of two connections, with everything that strangers, liars and eavesdroppers may
//! do to them. Each class of historic advisories against ZeroMQ implementations that applies has a test of its own.

#[path = "security/advisories.rs"]
mod advisories;
mod common;
#[path = "security/curve.rs"]
mod curve;
#[path = "security/pair.rs"]
mod pair;
#[path = "security/plain.rs"]
mod plain;
