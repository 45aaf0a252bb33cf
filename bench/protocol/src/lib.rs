//! What the benchmark and the ends of its measurements tell each other: tasks, lines, bodies that can be checked, one clock.
//!
//! An end is a process of its own. It is started with a [`spec::Spec`] in JSON, answers with a [`line::Line`] in JSON a line,
//! and hears two words: [`line::GO`] and [`line::STOP`].
#![deny(unsafe_code)]

pub mod clock;
pub mod failure;
pub mod keys;
pub mod line;
pub mod payload;
pub mod rival;
pub mod spec;
pub mod talk;
pub mod usage;
