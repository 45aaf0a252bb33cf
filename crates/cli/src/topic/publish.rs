//! `tamtam pub`

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use tamtam::{Node, Overflow, PublishError, PublisherEvent, Qos, RawPublisher};

use super::args::{PubArgs, Slow};
use super::feed::Feed;
use super::inbox::STEP;
use super::patience::unless_stopped;
use super::presence::{Presence, count, full_name, names};
use super::types::{self, BYTES};
use crate::codec::{Codec, TypeName};
use crate::exit::{Failure, Outcome};
use crate::output::{Format, Output, escape};
use crate::run::Run;
use crate::zmq::Pace;

/// How long those are waited for that have subscribed already, without --wait.
const GREETING: Duration = Duration::from_secs(1);
/// How long the goodbye may take without --end.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long it may take with --end, if nothing is said: as long as it takes.
const PATIENCE: Duration = Duration::from_secs(30 * 86_400);

/// Publishes messages.
pub(crate) fn publish(run: &Run, args: &PubArgs) -> Outcome {
    let node = run.node("pub")?;
    let topic = full_name(&node, &args.topic)?;
    let codec = find_codec(run, args, &node, &topic)?;
    let feed = Feed::open(&run.stop, args, codec.clone())?;
    let publisher = create(args, &node, codec.as_ref())?;
    if let Some(bound) = publisher.endpoints().len().checked_sub(args.bind.len()) {
        publisher.endpoints().iter().skip(bound).for_each(|endpoint| run.tell(&format!("bound {endpoint}")));
    }
    let begun = Instant::now();
    await_subscribers(run, args, &node, &publisher)?;
    let mut subscribers = publisher.subscribers();
    let mut outcome = send_all(run, args, feed, &publisher, &mut subscribers);
    if outcome.is_ok() && args.stay {
        run.tell(&format!("{topic}: stays until Ctrl-C"));
        outcome = stay(run, &publisher, &mut subscribers);
    }
    hear(run, &publisher, &mut subscribers);
    let report = Report {
        topic,
        type_name: codec.as_ref().map_or(BYTES, Codec::type_name).to_owned(),
        messages: publisher.published(),
        subscribers,
        dropped: publisher.dropped(),
        seconds: begun.elapsed().as_secs_f64(),
    };
    let delivered = finish(run, args, publisher, outcome.is_ok());
    report.print(run, delivered.is_ok())?;
    outcome.and(delivered)
}

fn find_codec(run: &Run, args: &PubArgs, node: &Node, topic: &str) -> Outcome<Option<Codec>> {
    if args.type_name == BYTES {
        return Ok(None);
    }
    if let Some(file) = &args.proto {
        return Codec::load(&TypeName::new(file, &args.type_name), &args.proto_path).map(Some);
    }
    // Subscribers that are waited for bring the type along.
    let patience = match args.wait {
        Some(1..) => run.timeout(),
        _ => Some(types::grace(run)),
    };
    let schema = types::find(run, node, topic, &args.type_name, patience)?;
    Ok(Some(Codec::of(schema.message().clone())))
}

fn create(args: &PubArgs, node: &Node, codec: Option<&Codec>) -> Outcome<RawPublisher> {
    let overflow = match args.qos {
        // In steps: between two of them the wish to stop is heard.
        Slow::Block => Overflow::Block(STEP),
        Slow::Error => Overflow::Error,
        Slow::DropOldest => Overflow::DropOldest,
        Slow::DropNewest => Overflow::DropNewest,
    };
    let schema = codec.map(Codec::schema).transpose()?;
    let mut qos = Qos::default().depth(args.depth).overflow(overflow).latch(args.latch);
    qos.depth_bytes = args.depth_bytes.0;
    let mut builder = node.publisher_raw(&args.topic, schema).qos(qos);
    for endpoint in &args.bind {
        builder = builder.bind(endpoint);
    }
    if let Some(end) = &args.plain {
        builder = builder.plain(end.clone());
    }
    if let Some(endpoint) = &args.sync {
        builder = builder.sync(endpoint);
    }
    builder.create().map_err(|error| Failure::failed(format!("{}: {error}", args.topic)))
}

/// Waits for those that are wanted, or for those that have subscribed to the topic and only have to connect.
fn await_subscribers(run: &Run, args: &PubArgs, node: &Node, publisher: &RawPublisher) -> Outcome {
    let is_asked = args.wait.is_some();
    let wanted = match args.wait {
        Some(wanted) => wanted,
        None if args.plain.is_some() => 0,
        None => Presence::of(&node.graph(), publisher.topic().as_str()).subscribers.len(),
    };
    if wanted == 0 {
        return Ok(());
    }
    let patience = if is_asked { run.timeout() } else { Some(GREETING) };
    let begun = Instant::now();
    loop {
        run.stop.check()?;
        let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
        let Err(mut missed) = publisher.wait_for(wanted, left.map_or(STEP, |left| left.min(STEP))) else {
            return Ok(());
        };
        if left.is_some_and(|left| left.is_zero()) {
            missed.waited = begun.elapsed();
            missed.who = missed.who.iter().map(|name| escape(name.as_bytes())).collect();
            if is_asked {
                return Err(Failure::timed_out(missed.to_string()));
            }
            run.tell(&format!("warning: {missed}"));
            return Ok(());
        }
    }
}

fn send_all(
    run: &Run,
    args: &PubArgs,
    feed: Feed,
    publisher: &RawPublisher,
    subscribers: &mut usize,
) -> Outcome {
    let mut pace = Pace::new(&run.stop, args.rate);
    for body in feed {
        let body = body?;
        pace.wait()?;
        run.stop.check()?;
        *subscribers = (*subscribers).max(send(run, args, publisher, &body)?);
        hear(run, publisher, subscribers);
    }
    Ok(())
}

/// Sends one message; returns how many subscribers there were.
fn send(run: &Run, args: &PubArgs, publisher: &RawPublisher, body: &Bytes) -> Outcome<usize> {
    let begun = Instant::now();
    loop {
        match publisher.send(body.clone()) {
            Ok(sent) => return Ok(sent.subscribers),
            Err(PublishError::Full { slow }) => {
                run.stop.check()?;
                let number = publisher.published() + 1;
                // Its queue may have moved on since, by as little as one message.
                let slow = if slow.is_empty() { publisher.subscriber_names() } else { slow };
                let slow = names(&slow);
                if args.qos == Slow::Error {
                    return Err(Failure::failed(format!("message {number}: no room in the queue of {slow}")));
                }
                if run.timeout().is_some_and(|timeout| begun.elapsed() >= timeout) {
                    let waited = begun.elapsed().as_secs_f64();
                    return Err(Failure::timed_out(format!(
                        "message {number}: no room within {waited:.1} s in the queue of {slow}"
                    )));
                }
            }
            Err(error) => return Err(Failure::failed(format!("{}: {error}", publisher.topic()))),
        }
    }
}

fn stay(run: &Run, publisher: &RawPublisher, subscribers: &mut usize) -> Outcome {
    loop {
        run.stop.sleep_until(Instant::now() + STEP)?;
        hear(run, publisher, subscribers);
    }
}

/// Tells what subscribers say; `most` is how many there were at most.
fn hear(run: &Run, publisher: &RawPublisher, most: &mut usize) {
    let topic = publisher.topic();
    while let Some(event) = publisher.event(Duration::ZERO) {
        match event {
            PublisherEvent::Attached { subscribers } => {
                *most = (*most).max(subscribers);
                run.detail(&format!("{topic}: {}", count(subscribers, "subscriber", "subscribers")));
            }
            PublisherEvent::Lost { node, from, to, count: lost, reason } => {
                let (node, reason) = (escape(node.as_bytes()), escape(reason.as_bytes()));
                let of = if lost > to.saturating_sub(from) { String::new() } else { format!("{lost} of ") };
                run.tell(&format!("{topic}: {node} lost {of}messages {from} to {to}: {reason}"));
            }
            PublisherEvent::SchemaDiffers { node, what } => {
                run.tell(&format!("{topic}: {}: {}", escape(node.as_bytes()), escape(what.as_bytes())));
            }
            PublisherEvent::Degraded { node, what } => {
                run.detail(&format!("{topic}: {}: {}", escape(node.as_bytes()), escape(what.as_bytes())));
            }
            _ => {}
        }
    }
}

/// Says END, and waits until it is delivered.
fn finish(run: &Run, args: &PubArgs, publisher: RawPublisher, all_sent: bool) -> Outcome {
    let topic = publisher.topic().to_string();
    let begun = Instant::now();
    let drained = if args.end && all_sent {
        let patience = run.timeout().unwrap_or(PATIENCE);
        unless_stopped(&run.stop, move || publisher.finish().drain(patience))?
    } else {
        publisher.finish().drain(GOODBYE)
    };
    match drained {
        Ok(_) => Ok(()),
        Err(missed) => {
            let what = count(missed.undelivered, "message was", "messages were");
            let waited = begun.elapsed().as_secs_f64();
            let advice = if args.end { "" } else { " (--end waits longer)" };
            Err(Failure::data_lost(format!(
                "{topic}: END: {what} not delivered within {waited:.1} s{advice}"
            )))
        }
    }
}

struct Report {
    topic: String,
    type_name: String,
    messages: u64,
    subscribers: usize,
    dropped: u64,
    seconds: f64,
}

impl Report {
    fn print(&self, run: &Run, delivered: bool) -> Outcome {
        let Self { topic, type_name, messages, subscribers, dropped, seconds } = self;
        run.tell(&format!(
            "{topic}: {} to {}, {dropped} dropped",
            count(*messages, "message", "messages"),
            count(*subscribers, "subscriber", "subscribers")
        ));
        if *subscribers == 0 && *messages > 0 {
            run.tell(&format!("warning: nobody had subscribed to {topic} (--wait 1 waits for a subscriber)"));
        }
        if !run.global.json {
            return Ok(());
        }
        let object = json!({
            "topic": topic, "type": type_name, "messages": messages, "subscribers": subscribers,
            "dropped": dropped, "delivered": delivered, "seconds": seconds,
        });
        let mut output = Output::new(Format::Text, None);
        output.line(&object.to_string())?;
        output.finish()
    }
}
