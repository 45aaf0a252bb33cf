//! What every way to talk within one host costs, measured on the machine at hand.
//!
//! A [`Report`](report::Report) holds what was measured, where, and how; it is read and written as JSON.
//! [`choose`] recommends one of them, by rules and by such a report.

#![cfg(target_os = "linux")]

pub mod choose;
pub mod report;
