//! A subscription whose waiting ends when the command is to stop, or takes too long.

use std::time::{Duration, Instant};

use tamtam::{DynamicSample, DynamicSubscriber, Node, RecvError};

use super::news::tell_news;
use super::presence::missing_publisher;
use crate::exit::{Failure, Outcome};
use crate::run::Run;

/// How long one wait lasts: between two of them the wish to stop is heard.
pub(crate) const STEP: Duration = Duration::from_millis(50);

/// A subscription.
#[derive(Debug)]
pub(crate) struct Inbox<'a> {
    pub(crate) run: &'a Run,
    pub(crate) node: Node,
    pub(crate) subscriber: DynamicSubscriber,
    /// Where else messages may come from.
    pub(crate) endpoints: Vec<String>,
}

impl<'a> Inbox<'a> {
    /// Receives by this subscriber.
    pub(crate) fn new(run: &'a Run, node: Node, subscriber: DynamicSubscriber, endpoints: &[String]) -> Self {
        Self { run, node, subscriber, endpoints: endpoints.to_vec() }
    }

    /// Returns the next message; `None` at the topic's end. `idle` is called once before it has to be waited for.
    ///
    /// # Errors
    ///
    /// Exit 4 when none came in time.
    pub(crate) fn next(&self, idle: impl FnOnce() -> Outcome) -> Outcome<Option<DynamicSample>> {
        let begun = Instant::now();
        let mut idle = Some(idle);
        loop {
            self.run.stop.check()?;
            let left = self.run.timeout().map(|timeout| timeout.saturating_sub(begun.elapsed()));
            let step = if idle.is_some() { Duration::ZERO } else { left.map_or(STEP, |left| left.min(STEP)) };
            let received = self.subscriber.recv(Some(step));
            tell_news(self.run, &self.subscriber)?;
            match received {
                Ok(received) => return Ok(received),
                // Another publisher may come; what has happened was told.
                Err(RecvError::Abandoned { .. }) => {}
                Err(RecvError::TimedOut) => {
                    if let Some(idle) = idle.take() {
                        idle()?;
                    } else if left.is_some_and(|left| left.is_zero()) {
                        return Err(Failure::timed_out(self.missing(begun.elapsed())));
                    }
                }
                Err(error) => {
                    self.run.stop.check()?;
                    return Err(Failure::failed(format!("{}: {error}", self.subscriber.topic())));
                }
            }
        }
    }

    fn missing(&self, waited: Duration) -> String {
        let topic = self.subscriber.topic();
        let why = if self.endpoints.is_empty() {
            missing_publisher(&self.node, topic.as_str())
        } else {
            format!("nothing came from {}", self.endpoints.join(", "))
        };
        format!("no message on {topic} within {:.1} s ({why})", waited.as_secs_f64())
    }
}
