//! PUSH to PULL, as fast as it goes.

use super::latency::explain;
use super::stage::{Part, Stage, say};
use crate::clock::now_ns;
use crate::engine::{Engine, Kind, Tuning};
use crate::failure::{Failure, Outcome};
use crate::line::Line;
use crate::payload::{self, Payload};
use crate::spec::{Role, Spec};

pub(super) fn play<E: Engine>(context: &E::Context, spec: &Spec, tuning: Tuning) -> Outcome {
    let mut parts: Vec<Part<'_>> = Vec::new();
    if spec.binds() {
        let socket = E::socket(context, Kind::Pull, tuning)?;
        let endpoint = E::bind(&socket, &spec.endpoint)?;
        if spec.role == Role::Binder {
            say(&Line::Bound(endpoint))?;
        }
        parts.push(Box::new(move |stage| pull::<E>(stage, &socket, spec)));
    }
    if spec.connects() {
        let socket = E::socket(context, Kind::Push, tuning)?;
        E::connect(&socket, &spec.endpoint)?;
        parts.push(Box::new(move |stage| push::<E>(stage, &socket, spec)));
    }
    Stage::play(parts);
    Ok(())
}

fn pull<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let mut slot = E::slot();
    let mut pull = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            E::receive(socket, &mut slot)
                .and_then(|body| payload::check(body, spec.size, number))
                .map_err(|failure| explain::<E>(failure, "received", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    pull(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    pull(spec.warm..spec.warm + spec.count)?;
    stage.done(start, now_ns())
}

fn push<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let mut payload = Payload::new(spec.size);
    let mut push = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            E::send(socket, payload.stamped(number))
                .map_err(|failure| explain::<E>(failure, "sent", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    push(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    push(spec.warm..spec.warm + spec.count)?;
    stage.done(start, now_ns())
}
