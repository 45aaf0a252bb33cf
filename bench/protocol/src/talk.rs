//! An end's talk with the conductor: lines out, words in.

use std::io::{BufRead as _, Write as _};

use crate::failure::{Failure, Outcome};
use crate::line::Line;

/// Tells the conductor something.
///
/// # Errors
///
/// Nobody listens.
pub fn say(line: &Line) -> Outcome {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Waits for a word of the conductor's.
///
/// # Errors
///
/// It says something else, or is gone.
pub fn hear(expected: &str) -> Outcome {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim_end() == expected {
        Ok(())
    } else {
        Err(Failure::new(format!("expected {expected}, got {line:?}")))
    }
}
