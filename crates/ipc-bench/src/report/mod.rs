//! What was measured, where, and how: the form in which it is kept, shown and compared.
//!
//! ```
//! use tamtam_ipc_bench::report::{Cell, Figure, Key, Pattern, Report, Waiting};
//!
//! let mut report = Report::default();
//! let key = Key::new("pipe", Waiting::Block, Pattern::Throughput, 64, 1);
//! let mut cell = Cell::new(key.clone());
//! cell.messages_per_s = Figure::of([900_000.0, 1_000_000.0, 1_200_000.0]);
//! report.cells.push(cell);
//!
//! let read = Report::from_json(&report.to_json())?;
//! let rate = read.cell(&key).and_then(|cell| cell.messages_per_s).expect("it was measured");
//! assert_eq!((rate.value, rate.low, rate.high), (1_000_000.0, 900_000.0, 1_200_000.0));
//! # Ok::<(), tamtam_ipc_bench::report::NotAReport>(())
//! ```

mod cell;
mod figure;
mod latency;
mod machine;
mod pattern;
mod settings;
mod whole;

pub use cell::{Cell, Key, Notice};
pub use figure::Figure;
pub use latency::{Latency, Point};
pub use machine::Machine;
pub use pattern::{Pattern, Waiting};
pub use settings::Settings;
pub use whole::{Contestant, FORMAT, NotAReport, Report, Unavailable};
