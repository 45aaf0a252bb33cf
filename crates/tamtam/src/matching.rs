//! How a subscriber and a publisher that has been found come together.

use crate::event::{Event, PublisherId};
use crate::publisher::Dialect;
use crate::record::{NodeRecord, PublisherRecord, QosRecord, Report, ReportKind};
use crate::schema::{Comparison, Schema, SchemaId};
use crate::source::{Source, SourceId};
use crate::subscriber::SubscriberCore;

/// What a publisher's schema is.
enum Theirs {
    /// It has none: octets.
    Octets,
    Known(Schema),
    /// It is not here yet.
    Awaited,
}

/// What came of a meeting.
pub(crate) enum Met {
    /// They know each other; this is to be told to the publisher.
    Done(Vec<(ReportKind, String)>),
    /// The publisher's schema has to be fetched first.
    Needs(SchemaId),
}

/// Has a subscriber meet a publisher on its topic: compares what they expect of each other, and connects.
pub(crate) fn meet(
    subscriber: &SubscriberCore,
    node: &NodeRecord,
    publisher: &PublisherRecord,
    fetch: impl Fn(&str, &SchemaId) -> Option<Schema>,
) -> Met {
    let Ok(id) = SourceId::try_from(publisher.source.as_slice()) else { return Met::Done(Vec::new()) };
    if subscriber.dialect != Dialect::Typed {
        return Met::Done(Vec::new());
    }
    let mut sources = subscriber.sources();
    let known = sources.known.get_mut(&id).filter(|source| !source.endpoint.is_empty());
    let is_known = known.is_some();
    if let Some(known) = known {
        known.ended_told |= publisher.ended;
    }
    if is_known && sources.returned(id) {
        // It was away for a moment: its record, or the node.
        let back =
            sources.known.get(&id).filter(|source| !source.refused).map(|source| source.endpoint.clone());
        drop(sources);
        if let Some(endpoint) = back
            && subscriber.socket.connect(&endpoint).is_ok()
        {
            subscriber.events.push(Event::Matched(PublisherId { node: node.name.clone(), source: id }));
        }
        return Met::Done(Vec::new());
    }
    drop(sources);
    if is_known || publisher.ended {
        return Met::Done(Vec::new());
    }
    let theirs = match <[u8; 32]>::try_from(publisher.schema.as_slice()) {
        Err(_) => Theirs::Octets,
        Ok(bytes) => {
            let schema_id = SchemaId::from_bytes(bytes);
            match fetch(&publisher.type_name, &schema_id) {
                Some(schema) => Theirs::Known(schema),
                None if subscriber.schema.as_ref().is_some_and(|own| own.id() == schema_id) => {
                    Theirs::Awaited
                }
                None => return Met::Needs(schema_id),
            }
        }
    };
    let Some(endpoint) = publisher.endpoints.first() else { return Met::Done(Vec::new()) };
    let who = PublisherId { node: node.name.clone(), source: id };
    let mut told = Vec::new();
    let refused = compare(subscriber, &who, publisher, &theirs, &mut told);
    let lossless = publisher.qos.as_ref().is_some_and(QosRecord::is_lossless);
    let mut sources = subscriber.sources();
    let source = sources.known.entry(id).or_default();
    *source = Source {
        node: node.name.clone(),
        endpoint: endpoint.clone(),
        info: node.info.clone(),
        schema: match theirs {
            Theirs::Known(schema) => Some(schema),
            Theirs::Octets | Theirs::Awaited => None,
        },
        lossless,
        refused,
        gone: None,
        left: false,
        ..std::mem::take(source)
    };
    drop(sources);
    if refused {
        return Met::Done(told);
    }
    if publisher.qos.as_ref().is_some_and(QosRecord::drops_oldest) {
        let _set = subscriber.socket.configure(|options| _ = options.set_receive_drop_oldest(true));
    }
    if subscriber.qos.overflow.is_lossless() && !lossless {
        let what = "the publisher does not wait for slow subscribers".to_owned();
        told.push((
            ReportKind::Degraded,
            "it wants every message, and this publisher does not wait".to_owned(),
        ));
        subscriber.events.push(Event::Degraded { publisher: who.clone(), what });
    }
    match subscriber.socket.connect(endpoint) {
        Ok(()) => subscriber.events.push(Event::Matched(who)),
        Err(error) => {
            let what = format!("cannot connect to {who} at {endpoint}: {error}");
            subscriber.events.push(Event::Malformed { what });
        }
    }
    Met::Done(told)
}

/// Compares the types; returns whether the publisher's messages are refused.
fn compare(
    subscriber: &SubscriberCore,
    who: &PublisherId,
    publisher: &PublisherRecord,
    theirs: &Theirs,
    told: &mut Vec<(ReportKind, String)>,
) -> bool {
    let Some(own) = &subscriber.schema else { return false };
    let comparison = match theirs {
        Theirs::Octets => Comparison::Compatible {
            notes: vec!["the publisher does not say what its octets mean".to_owned()],
        },
        Theirs::Known(schema) => Schema::compare(schema, own),
        Theirs::Awaited => Comparison::Identical,
    };
    if comparison == Comparison::Identical {
        return false;
    }
    let refused = comparison.is_breaking() && !subscriber.accept_breaking;
    if let Comparison::Breaking { what } = &comparison {
        told.push((ReportKind::SchemaDiffers, format!("it expects {}: {}", own.name(), what.join("; "))));
    }
    subscriber.events.push(Event::SchemaDiffers {
        publisher: who.clone(),
        type_name: publisher.type_name.clone(),
        comparison,
        refused,
    });
    refused
}

/// Makes reports of what is to be told to one publisher.
pub(crate) fn reports(
    name: &str,
    publisher: &PublisherRecord,
    told: Vec<(ReportKind, String)>,
) -> Vec<Report> {
    let report = |(kind, text)| Report::new(&publisher.source, name, kind, text);
    told.into_iter().map(report).collect()
}
