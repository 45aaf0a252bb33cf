//! PUSH to PULL, as fast as it goes.

use std::thread;
use std::time::{Duration, Instant};

use super::latency::explain;
use super::push_pull;
use super::stage::Stage;
use crate::clock::now_ns;
use crate::engine::{Engine, Tuning};
use crate::failure::{Failure, Outcome};
use crate::payload::{self, Payload};
use crate::spec::Spec;

pub(super) fn play<E: Engine>(context: &E::Context, spec: &Spec, tuning: Tuning) -> Outcome {
    push_pull::play::<E>(context, spec, tuning, 1, (pull::<E>, push::<E>))
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

fn push<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec, _sender: u64) -> Outcome {
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
    match spec.pace {
        None => push(spec.warm..spec.warm + spec.count)?,
        Some(pace) => keep_pace(pace, spec.count, |number| push(spec.warm + number..spec.warm + number + 1))?,
    }
    stage.done(start, now_ns())
}

/// Sends message after message when its time has come. Whoever sleeps wakes a little late; what is due then goes out at once, so
/// that a pace faster than that comes in small bursts, as it does from a program that has a timer.
pub(super) fn keep_pace(pace: u64, count: u64, mut send: impl FnMut(u64) -> Outcome) -> Outcome {
    let began = Instant::now();
    let due = |number: u64| Duration::from_nanos(number.saturating_mul(1_000_000_000) / pace.max(1));
    for number in 0..count {
        let early = due(number).saturating_sub(began.elapsed());
        if !early.is_zero() {
            thread::sleep(early);
        }
        send(number)?;
    }
    Ok(())
}
