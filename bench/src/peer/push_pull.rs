//! One PULL and the PUSH that send to it.

use super::stage::{Part, Stage};
use crate::engine::{Engine, Kind, Side, Tuning};
use crate::failure::{Failure, Outcome};
use crate::line::Line;
use crate::spec::{Role, Spec, Work};
use crate::talk::say;

/// What the receiver does, and what a sender does, which gets its number.
pub(super) type Pull<E> = fn(&Stage, &<E as Engine>::Socket, &Spec) -> Outcome;
pub(super) type Push<E> = fn(&Stage, &<E as Engine>::Socket, &Spec, u64) -> Outcome;

/// Plays this process's ends, each in a thread.
pub(super) fn play<E: Engine>(
    context: &E::Context,
    spec: &Spec,
    tuning: Tuning,
    senders: u64,
    (pull, push): (Pull<E>, Push<E>),
) -> Outcome {
    let mut parts: Vec<Part<'_>> = Vec::new();
    if spec.binds() {
        let socket = E::socket(context, Kind::Pull, tuning)?;
        super::encrypt::<E>(&socket, spec, Side::Server)?;
        let endpoint = E::bind(&socket, &spec.endpoint)?;
        if spec.role == Role::Binder {
            say(&Line::Bound(endpoint))?;
        }
        parts.push(Box::new(move |stage| pull(stage, &socket, spec)));
    }
    if spec.connects() {
        let new = || {
            let socket = E::socket(context, Kind::Push, tuning)?;
            super::encrypt::<E>(&socket, spec, Side::Client)?;
            E::connect(&socket, &spec.endpoint)?;
            Ok::<_, Failure>(socket)
        };
        let shared = (spec.work == Work::Threads).then(new).transpose()?;
        for sender in 0..senders {
            let socket = shared.as_ref().map_or_else(new, E::share)?;
            parts.push(Box::new(move |stage| push(stage, &socket, spec, sender)));
        }
    }
    Stage::play(parts);
    Ok(())
}
