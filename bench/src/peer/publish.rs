//! PUB to several SUB: numbered messages (fan-out), or the textbook's Protobuf messages and END.

use std::time::Duration;

use super::info;
use super::latency::explain;
use super::stage::{Part, Stage};
use super::throughput::keep_pace;
use crate::clock::now_ns;
use crate::engine::{Engine, Kind, Side, Tuning};
use crate::failure::{Failure, Outcome};
use crate::line::Line;
use crate::payload::{self, Payload};
use crate::spec::{Role, Spec, Work};
use crate::talk::say;

/// How long the publisher waits for its subscribers.
const BARRIER: Duration = Duration::from_secs(8);

pub(super) fn play<E: Engine>(context: &E::Context, spec: &Spec, tuning: Tuning) -> Outcome {
    let mut parts: Vec<Part<'_>> = Vec::new();
    if spec.binds() {
        let socket = E::socket(context, Kind::Publisher, tuning)?;
        super::encrypt::<E>(&socket, spec, Side::Server)?;
        let endpoint = E::bind(&socket, &spec.endpoint)?;
        if spec.role == Role::Binder {
            say(&Line::Bound(endpoint))?;
        }
        parts.push(Box::new(move |stage| publish::<E>(stage, &socket, spec)));
    }
    if spec.connects() {
        for _ in 0..spec.subscribers_here {
            let socket = E::socket(context, Kind::Sub, tuning)?;
            E::subscribe(&socket)?;
            super::encrypt::<E>(&socket, spec, Side::Client)?;
            E::connect(&socket, &spec.endpoint)?;
            parts.push(Box::new(move |stage| subscribe::<E>(stage, &socket, spec)));
        }
    }
    Stage::play(parts);
    Ok(())
}

fn publish<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let textbook = spec.work == Work::Textbook;
    let mut payload = Payload::new(spec.size);
    let mut info = Vec::with_capacity(64);
    let mut publish = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let body = if textbook {
                info::encode(&mut info, u32::try_from(number)?);
                &info
            } else {
                payload.stamped(number)
            };
            E::send(socket, body)
                .map_err(|failure| explain::<E>(failure, "published", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    E::wait_for_subscribers(socket, spec.subscribers, BARRIER)?;
    publish(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    match spec.pace {
        None => publish(spec.warm..spec.warm + spec.count)?,
        Some(pace) => {
            keep_pace(pace, spec.count, |number| publish(spec.warm + number..spec.warm + number + 1))?;
        }
    }
    if textbook {
        E::send(socket, info::END)?;
    }
    stage.done(start, now_ns())
}

fn subscribe<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let textbook = spec.work == Work::Textbook;
    let mut slot = E::slot();
    let mut take = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let body = E::receive(socket, &mut slot);
            body.and_then(|body| {
                if !textbook {
                    return payload::check(body, spec.size, number);
                }
                let id = info::decode(body)?;
                if u64::from(id) == number { Ok(()) } else { Err(Failure::new(format!("got id {id}"))) }
            })
            .map_err(|failure| explain::<E>(failure, "received", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    take(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    take(spec.warm..spec.warm + spec.count)?;
    if textbook && E::receive(socket, &mut slot)? != info::END {
        return Err(Failure::new("the last message is not END"));
    }
    stage.done(start, now_ns())
}
