//! A report for people and for other programs.

mod compare;
mod csv;
mod html;
mod markdown;
mod plot;
mod table;
mod unit;

pub use compare::{Comparison, compare};
pub use csv::csv;
pub use html::html;
pub use markdown::markdown;
pub use table::{Section, sections};
