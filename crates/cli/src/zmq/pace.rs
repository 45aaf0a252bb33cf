//! The rate at which a command sends.

use std::time::{Duration, Instant};

use crate::exit::Outcome;
use crate::stop::Stop;

/// Spaces messages out evenly; without an interval it lets everything pass.
#[derive(Debug)]
pub(crate) struct Pace<'a> {
    stop: &'a Stop,
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl<'a> Pace<'a> {
    /// A pace with this time between two messages.
    pub(crate) fn new(stop: &'a Stop, interval: Option<Duration>) -> Self {
        Self { stop, interval, next: None }
    }

    /// Waits until the next message is due. The first one is due at once; one that is late does not make others hurry
    /// more than to the planned time.
    pub(crate) fn wait(&mut self) -> Outcome {
        let Some(interval) = self.interval else { return Ok(()) };
        let due = self.next.unwrap_or_else(Instant::now);
        self.stop.sleep_until(due)?;
        // An interval beyond the clock's range never comes due again: the day after tomorrow stands for it.
        self.next = due.checked_add(interval).or_else(|| due.checked_add(Duration::from_secs(2 * 86_400)));
        Ok(())
    }
}
