//! Several PUSH, or several threads with one, to one PULL, as fast as it goes.

use super::latency::explain;
use super::push_pull;
use super::stage::Stage;
use crate::clock::now_ns;
use crate::engine::{Engine, Tuning};
use crate::failure::{Failure, Outcome};
use crate::payload::{self, Payload};
use crate::spec::Spec;

/// A message's number has the sender's in front of its own.
const SENDER_SHIFT: u32 = 40;

pub(super) fn play<E: Engine>(context: &E::Context, spec: &Spec, tuning: Tuning) -> Outcome {
    push_pull::play::<E>(context, spec, tuning, spec.subscribers_here as u64, (pull::<E>, push::<E>))
}

fn pull<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let mut slot = E::slot();
    // What comes next from each sender.
    let mut next: Vec<u64> = (0..spec.subscribers as u64).map(|sender| sender << SENDER_SHIFT).collect();
    let mut pull = |count: u64| {
        for received in 0..count * spec.subscribers as u64 {
            let body = E::receive(socket, &mut slot);
            body.and_then(|body| {
                let sender = payload::number(body).unwrap_or(u64::MAX) >> SENDER_SHIFT;
                let next = usize::try_from(sender).ok().and_then(|sender| next.get_mut(sender));
                let next = next.ok_or_else(|| Failure::new("a message from nobody"))?;
                payload::check(body, spec.size, *next)?;
                *next += 1;
                Ok(())
            })
            .map_err(|failure| explain::<E>(failure, "received", received, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    pull(spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    pull(spec.count)?;
    stage.done(start, now_ns())
}

fn push<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec, sender: u64) -> Outcome {
    let first = sender << SENDER_SHIFT;
    let mut payload = Payload::new(spec.size);
    let mut push = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            E::send(socket, payload.stamped(first + number))
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
