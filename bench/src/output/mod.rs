//! The results as text, Markdown or JSON.

mod columns;
mod json;
mod rivals;
mod tables;

use std::fs;
use std::io::{ErrorKind, Write as _};

use crate::args::Args;
use crate::conduct::Report;
use crate::failure::Outcome;

pub(crate) use columns::Columns;
pub(crate) use tables::one_line;

/// Prints what the arguments ask for.
pub(crate) fn print(args: &Args, report: &Report) -> Outcome {
    let text = if args.json { json::render(report)? } else { tables::render(report, args.markdown) };
    if let Some(path) = &args.output {
        return Ok(fs::write(path, text)?);
    }
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read it has had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
