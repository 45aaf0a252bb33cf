//! `tamtam wait`

use std::time::{Duration, Instant};

use serde_json::json;

use super::args::WaitArgs;
use super::inbox::Inbox;
use super::presence::{Presence, count, full_name, names};
use super::types::look;
use crate::exit::{Failure, Outcome};
use crate::output::{Format, Output};
use crate::run::Run;

/// Waits until a topic has what is asked for.
pub(crate) fn wait(run: &Run, args: &WaitArgs) -> Outcome {
    let node = run.node("wait")?;
    let topic = full_name(&node, &args.topic)?;
    let begun = Instant::now();
    // From the start on, so that no message is missed meanwhile.
    let inbox = args.message.then(|| {
        let subscriber = node.subscriber_dynamic(&args.topic).create();
        let subscriber = subscriber.map_err(|error| Failure::failed(format!("{topic}: {error}")))?;
        Ok(Inbox::new(run, node.clone(), subscriber, &[]))
    });
    let mut inbox = inbox.transpose()?;
    // Who waits for a message has subscribed itself.
    let own = usize::from(args.message);
    let subscribers = args.subscribers.map(|wanted| wanted.saturating_add(own)).unwrap_or(0);
    let publishers = args.publishers.unwrap_or(0);
    let met = look(run, &node, run.timeout(), |graph| {
        let there = Presence::of(graph, &topic);
        let is_met = there.subscribers.len() >= subscribers && there.publishers.len() >= publishers;
        is_met.then_some(there)
    })?;
    let Some(mut there) = met else {
        let there = without(Presence::of(&node.graph(), &topic), own, node.name());
        return Err(Failure::timed_out(missing(args, &topic, &there, begun.elapsed())));
    };
    if let Some(inbox) = &mut inbox {
        if inbox.next(|| Ok(()))?.is_none() {
            return Err(Failure::timed_out(format!("{topic} ended without a message")));
        }
        there = Presence::of(&node.graph(), &topic);
    }
    let there = without(there, own, node.name());
    let mut output = Output::new(Format::Text, None);
    if run.global.json {
        let object = json!({
            "topic": topic, "publishers": there.publishers, "subscribers": there.subscribers,
            "message": args.message, "seconds": begun.elapsed().as_secs_f64(),
        });
        output.line(&object.to_string())?;
    } else {
        let message = if args.message { ", a message" } else { "" };
        output.line(&format!(
            "{topic}  {}, {}{message}",
            listed(&there.publishers, "publisher"),
            listed(&there.subscribers, "subscriber")
        ))?;
    }
    output.finish()
}

/// Leaves this command's own subscription out.
fn without(mut there: Presence, own: usize, name: &str) -> Presence {
    if own > 0
        && let Some(place) = there.subscribers.iter().position(|known| known == name)
    {
        there.subscribers.remove(place);
    }
    there
}

fn missing(args: &WaitArgs, topic: &str, there: &Presence, waited: Duration) -> String {
    let lacks = |wanted: Option<usize>, there: &[String], what: &str| {
        let wanted = wanted.filter(|wanted| there.len() < *wanted)?;
        let who = if there.is_empty() { String::new() } else { format!(" (there: {})", names(there)) };
        Some(format!("{} of {wanted} {what}{who}", there.len()))
    };
    let missing = [
        lacks(args.subscribers, &there.subscribers, "subscribers"),
        lacks(args.publishers, &there.publishers, "publishers"),
    ];
    let missing: Vec<String> = missing.into_iter().flatten().collect();
    format!("{topic}: {} after {:.1} s", missing.join(", "), waited.as_secs_f64())
}

fn listed(there: &[String], what: &str) -> String {
    let number = count(there.len(), what, &format!("{what}s"));
    if there.is_empty() { number } else { format!("{number} ({})", names(there)) }
}
