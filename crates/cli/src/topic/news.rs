//! What a subscriber is told beside messages, told to the user.

use std::time::Duration;

use tamtam::schema::Comparison;
use tamtam::{Event, PublisherId, RawSubscriber};

use super::presence::count;
use crate::exit::{Failure, Outcome};
use crate::output::{escape, to_hex};
use crate::run::Run;

/// Tells what a subscriber was told since the last time.
///
/// # Errors
///
/// Exit 5 when a publisher is refused for its type.
pub(crate) fn tell_news(run: &Run, subscriber: &RawSubscriber) -> Outcome {
    let topic = subscriber.topic().to_string();
    while let Some(event) = subscriber.event(Duration::ZERO) {
        tell(run, &topic, event)?;
    }
    Ok(())
}

/// Returns the name of a publisher's node, or the publisher's number.
pub(crate) fn publisher_name(subscriber: &RawSubscriber, source: [u8; 8]) -> String {
    subscriber.publisher_name(source).unwrap_or_else(|| to_hex(&source))
}

fn named(publisher: &PublisherId) -> String {
    if publisher.node.is_empty() { to_hex(&publisher.source) } else { escape(publisher.node.as_bytes()) }
}

fn tell(run: &Run, topic: &str, event: Event) -> Outcome {
    match event {
        Event::Matched(publisher) => {
            let who = named(&publisher);
            run.detail(&format!("{topic}: publisher {who}"));
        }
        Event::Lost { publisher, from, to, reason } => {
            let who = named(&publisher);
            let what =
                if from == to { format!("message {from}") } else { format!("messages {from} to {to}") };
            run.tell(&format!("{topic}: {what} of {who} lost: {reason}"));
        }
        Event::SchemaDiffers { publisher, type_name, comparison, refused } => {
            let who = named(&publisher);
            let (Comparison::Breaking { what: texts } | Comparison::Compatible { notes: texts }) = comparison
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
            let who = named(&publisher);
            run.detail(&format!("{topic}: {who}: {what}"));
        }
        Event::Stale { silence } => run.tell(&format!("{topic}: silent for {:.1} s", silence.as_secs_f64())),
        Event::Ended { publisher, count: published } => {
            let who = named(&publisher);
            run.detail(&format!("{topic}: {who} ended after {}", count(published, "message", "messages")));
        }
        Event::Gone { publisher, received, published } => {
            let who = named(&publisher);
            run.tell(&format!(
                "{topic}: publisher {who} is gone without END, after message {received} (at least {published} published)"
            ));
        }
        Event::Connected { endpoint } => run.detail(&format!("{topic}: connected to {endpoint}")),
        Event::Disconnected { endpoint, reason } => run.tell(&format!(
            "{topic}: the connection to {endpoint} is lost, without END ({})",
            escape(reason.as_bytes())
        )),
        Event::Malformed { what } => run.tell(&format!("{topic}: {}", escape(what.as_bytes()))),
        _ => {}
    }
    Ok(())
}
