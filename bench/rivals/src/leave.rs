//! How this process ends.

use std::process;
use std::sync::{Mutex, PoisonError};

use tamtam_bench_protocol::failure::Failure;
use tamtam_bench_protocol::line::Line;
use tamtam_bench_protocol::talk::say;

use crate::servant;

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
