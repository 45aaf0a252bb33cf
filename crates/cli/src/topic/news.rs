//! What a subscriber is told beside messages, told to the user.

use std::collections::HashMap;
use std::time::Duration;

use tamtam::schema::Comparison;
use tamtam::{Event, PublisherId, RawSubscriber};

use super::presence::count;
use crate::exit::{Failure, Outcome};
use crate::output::{escape, to_hex};
use crate::run::Run;

/// Reads a subscriber's events; knows its publishers by name.
#[derive(Debug, Default)]
pub(crate) struct News {
    names: HashMap<[u8; 8], String>,
}

impl News {
    /// Tells what has happened since.
    ///
    /// # Errors
    ///
    /// Exit 5 when a publisher is refused for its type.
    pub(crate) fn hear(&mut self, run: &Run, subscriber: &RawSubscriber) -> Outcome {
        while let Some(event) = subscriber.event(Duration::ZERO) {
            self.tell(run, &subscriber.topic().to_string(), event)?;
        }
        Ok(())
    }

    /// Returns the name of a publisher's node, or the publisher's number.
    pub(crate) fn name(&self, source: [u8; 8]) -> String {
        self.names.get(&source).cloned().unwrap_or_else(|| to_hex(&source))
    }

    fn know(&mut self, publisher: &PublisherId) -> String {
        if !publisher.node.is_empty() {
            self.names.insert(publisher.source, publisher.node.clone());
        }
        escape(self.name(publisher.source).as_bytes())
    }

    fn tell(&mut self, run: &Run, topic: &str, event: Event) -> Outcome {
        match event {
            Event::Matched(publisher) => {
                let who = self.know(&publisher);
                run.detail(&format!("{topic}: publisher {who}"));
            }
            Event::Lost { publisher, from, to, reason } => {
                let who = self.know(&publisher);
                let what =
                    if from == to { format!("message {from}") } else { format!("messages {from} to {to}") };
                run.tell(&format!("{topic}: {what} of {who} lost: {reason}"));
            }
            Event::SchemaDiffers { publisher, type_name, comparison, refused } => {
                let who = self.know(&publisher);
                let (Comparison::Breaking { what: texts } | Comparison::Compatible { notes: texts }) =
                    comparison
                else {
                    return Ok(());
                };
                let what = format!(
                    "{topic}: {who} publishes another {}: {}",
                    escape(type_name.as_bytes()),
                    escape(texts.join("; ").as_bytes())
                );
                if refused {
                    return Err(Failure::incompatible(what));
                }
                run.tell(&what);
            }
            Event::Degraded { publisher, what } => {
                let who = self.know(&publisher);
                run.detail(&format!("{topic}: {who}: {what}"));
            }
            Event::Stale { silence } => {
                run.tell(&format!("{topic}: silent for {:.1} s", silence.as_secs_f64()))
            }
            Event::Ended { publisher, count: published } => {
                let who = self.know(&publisher);
                run.detail(&format!(
                    "{topic}: {who} ended after {}",
                    count(published, "message", "messages")
                ));
            }
            Event::Gone { publisher, received, published } => {
                let who = self.know(&publisher);
                run.tell(&format!(
                    "{topic}: publisher {who} is gone without END, after message {received} (at least {published} published)"
                ));
            }
            Event::Malformed { what } => run.tell(&format!("{topic}: {}", escape(what.as_bytes()))),
            _ => {}
        }
        Ok(())
    }
}
