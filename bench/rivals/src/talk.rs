//! The talk with the conductor: lines out, words in.

use std::io::{BufRead as _, Write as _};
use std::process;
use std::sync::{Mutex, PoisonError};

use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::line::Line;

use crate::servant;

/// Tells the conductor something.
pub(crate) fn say(line: &Line) -> Outcome {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Tells the conductor that it went wrong, and ends the process.
pub(crate) fn fail(failure: &Failure) -> ! {
    static ONCE: Mutex<()> = Mutex::new(());
    // Of several parts that fail, the first is heard.
    let _guard = ONCE.lock().unwrap_or_else(PoisonError::into_inner);
    // If the conductor is gone, too, nobody is left to be told.
    let _ = say(&Line::Failed(failure.0.clone()));
    leave(1)
}

/// Ends the process at once.
pub(crate) fn leave(code: i32) -> ! {
    servant::dismiss();
    process::exit(code)
}

/// Waits for a word of the conductor's.
pub(crate) fn hear(expected: &str) -> Outcome {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim_end() == expected {
        Ok(())
    } else {
        Err(Failure::new(format!("expected {expected}, got {line:?}")))
    }
}
