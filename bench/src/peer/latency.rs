//! One message there and back, again and again.

use std::net::TcpListener;

use super::stage::{Part, Stage};
use crate::clock::now_ns;
use crate::engine::{Engine, Kind, Side, Tuning};
use crate::failure::{Failure, Outcome};
use crate::line::Line;
use crate::payload::{self, Payload};
use crate::spec::{Conversation, Role, SILENCE, Spec, Transport};
use crate::talk::say;

pub(super) fn play<E: Engine>(
    context: &E::Context,
    spec: &Spec,
    tuning: Tuning,
    conversation: Conversation,
) -> Outcome {
    let (asker, replier) = match conversation {
        Conversation::PubSub => return play_both_ways::<E>(context, spec, tuning),
        Conversation::ReqRep => (Kind::Req, Kind::Rep),
        Conversation::DealerRouter => (Kind::Dealer, Kind::Router),
        Conversation::Pair => (Kind::Pair, Kind::Pair),
    };
    let mut parts: Vec<Part<'_>> = Vec::new();
    if spec.binds() {
        let socket = E::socket(context, replier, tuning)?;
        super::encrypt::<E>(&socket, spec, Side::Server)?;
        let endpoint = E::bind(&socket, &spec.endpoint)?;
        if spec.role == Role::Binder {
            say(&Line::Bound(endpoint))?;
        }
        parts.push(Box::new(move |stage| reply::<E>(stage, &socket, spec)));
    }
    if spec.connects() {
        let socket = E::socket(context, asker, tuning)?;
        super::encrypt::<E>(&socket, spec, Side::Client)?;
        E::connect(&socket, &spec.endpoint)?;
        parts.push(Box::new(move |stage| ask::<E>(stage, &socket, spec)));
    }
    Stage::play(parts);
    Ok(())
}

/// Each end publishes to the other, so there are two links.
fn play_both_ways<E: Engine>(context: &E::Context, spec: &Spec, tuning: Tuning) -> Outcome {
    let is_binder = spec.role == Role::Binder;
    let publisher = E::socket(context, Kind::Publisher, Tuning { back: !is_binder, ..tuning })?;
    let subscriber = E::socket(context, Kind::Sub, Tuning { back: is_binder, ..tuning })?;
    E::subscribe(&subscriber)?;
    if is_binder {
        let endpoint = E::bind(&publisher, &spec.endpoint)?;
        let back = way_back(spec.transport, &endpoint)?;
        E::connect(&subscriber, &back)?;
        say(&Line::Bound(format!("{endpoint} {back}")))?;
    } else {
        let both = spec.endpoint.split_once(' ');
        let (endpoint, back) = both.ok_or_else(|| Failure::new("the way back is not told"))?;
        E::bind(&publisher, back)?;
        E::connect(&subscriber, endpoint)?;
    }
    let talk: Part<'_> = Box::new(move |stage| {
        E::wait_for_subscribers(&publisher, 1, SILENCE)?;
        let mut payload = Payload::new(spec.size);
        let mut slot = E::slot();
        let mut talk = |numbers: std::ops::Range<u64>| {
            for number in numbers {
                if !is_binder {
                    E::send(&publisher, payload.stamped(number))
                        .map_err(|failure| explain::<E>(failure, "request", number, spec, &publisher))?;
                }
                E::receive(&subscriber, &mut slot)
                    .and_then(|body| payload::check(body, spec.size, number))
                    .map_err(|failure| explain::<E>(failure, "reply", number, spec, &subscriber))?;
                if is_binder {
                    E::send(&publisher, payload.stamped(number))
                        .map_err(|failure| explain::<E>(failure, "echo", number, spec, &publisher))?;
                }
            }
            Ok::<_, Failure>(())
        };
        talk(0..spec.warm)?;
        stage.ready()?;
        let start = now_ns();
        talk(spec.warm..spec.warm + spec.count)?;
        stage.done(start, now_ns())
    });
    Stage::play(vec![talk]);
    Ok(())
}

/// Chooses where the other end is to bind, before it does. A port that was free a moment ago still is, as a rule; the round
/// fails if it is not.
fn way_back(transport: Transport, endpoint: &str) -> Outcome<String> {
    if transport == Transport::Tcp {
        return Ok(format!("tcp://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?));
    }
    Ok(format!("{endpoint}-back"))
}

fn reply<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let replies = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            E::echo(socket, |body| payload::check(body, spec.size, number))
                .map_err(|failure| explain::<E>(failure, "echo", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    replies(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    replies(spec.warm..spec.warm + spec.count)?;
    stage.done(start, now_ns())
}

fn ask<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let mut payload = Payload::new(spec.size);
    let mut slot = E::slot();
    let mut ask = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            E::send(socket, payload.stamped(number))
                .map_err(|failure| explain::<E>(failure, "request", number, spec, socket))?;
            E::receive(socket, &mut slot)
                .and_then(|body| payload::check(body, spec.size, number))
                .map_err(|failure| explain::<E>(failure, "reply", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    ask(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    ask(spec.warm..spec.warm + spec.count)?;
    stage.done(start, now_ns())
}

#[cold]
pub(super) fn explain<E: Engine>(
    failure: Failure,
    what: &str,
    number: u64,
    spec: &Spec,
    socket: &E::Socket,
) -> Failure {
    let total = spec.warm + spec.count;
    let state = E::describe(socket);
    Failure::new(format!("{what} {number} of {total}: {failure} [{state}]"))
}
