//! PUSH to PULL at a pace, with the time that each message was on its way.
//!
//! The sender is an open loop: a message is due at its time, whatever became of those before it. One that comes late, because the
//! sender slept too long or had to wait for room, is sent at once, and its way begins when it is sent.

use std::thread;
use std::time::Duration;

use rustix::thread::set_current_timer_slack;

use super::latency::explain;
use super::push_pull;
use super::stage::Stage;
use crate::clock::now_ns;
use crate::engine::{Engine, Tuning};
use crate::failure::{Failure, Outcome};
use crate::histogram::Histogram;
use crate::line::Done;
use crate::payload::{self, TimedPayload};
use crate::spec::Spec;

pub(super) fn play<E: Engine>(context: &E::Context, spec: &Spec, tuning: Tuning) -> Outcome {
    push_pull::play::<E>(context, spec, tuning, 1, (pull::<E>, push::<E>))
}

fn pull<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec) -> Outcome {
    let clock = Clock::calibrate();
    let mut slot = E::slot();
    let mut ways = Histogram::new();
    let mut pull = |numbers: std::ops::Range<u64>, ways: &mut Histogram| {
        for number in numbers {
            E::receive(socket, &mut slot)
                .and_then(|body| {
                    let now = now_ns();
                    payload::check(body, spec.size, number)?;
                    let sent = payload::sent_ns(body).ok_or_else(|| Failure::new("no time in it"))?;
                    ways.add(now.saturating_sub(sent));
                    Ok(())
                })
                .map_err(|failure| explain::<E>(failure, "received", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    pull(0..spec.warm, &mut Histogram::new())?;
    stage.ready()?;
    let start_ns = now_ns();
    pull(spec.warm..spec.warm + spec.count, &mut ways)?;
    let done = Done { start_ns, end_ns: now_ns(), received: None, latency: ways.latency() };
    stage.done_with(done, clock.cost_of(spec.count))
}

fn push<E: Engine>(stage: &Stage, socket: &E::Socket, spec: &Spec, _sender: u64) -> Outcome {
    // Sleeping until a time shall not mean fifty microseconds later.
    set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    let mut payload = TimedPayload::new(spec.size);
    let mut pacer = Pacer::new(spec.pace.unwrap_or(u64::MAX), spec.awake);
    let mut push = |numbers: std::ops::Range<u64>, pacer: &mut Pacer| {
        let began = now_ns();
        for (index, number) in (0..).zip(numbers) {
            let now = pacer.wait_until(began + pacer.due_ns(index));
            E::send(socket, payload.stamped(number, now))
                .map_err(|failure| explain::<E>(failure, "sent", number, spec, socket))?;
        }
        Ok::<_, Failure>(())
    };
    push(0..spec.warm, &mut pacer)?;
    stage.ready()?;
    pacer.own_ns = 0;
    let start_ns = now_ns();
    push(spec.warm..spec.warm + spec.count, &mut pacer)?;
    let done = Done { start_ns, end_ns: now_ns(), received: None, latency: None };
    stage.done_with(done, pacer.own_ns)
}

/// What it costs to ask for the time.
#[derive(Clone, Copy)]
struct Clock {
    call_ns: u64,
}

impl Clock {
    fn calibrate() -> Self {
        const CALLS: u64 = 2_000;
        let call_ns = (0..5).map(|_| {
            let began = now_ns();
            (1..CALLS).for_each(|_| _ = std::hint::black_box(now_ns()));
            (now_ns() - began) / CALLS
        });
        Self { call_ns: call_ns.min().unwrap_or(0) }
    }

    fn cost_of(self, calls: u64) -> u64 {
        self.call_ns.saturating_mul(calls)
    }
}

/// Says when the next message is due, and knows how much CPU time the waiting took.
struct Pacer {
    pace: u64,
    awake: bool,
    clock: Clock,
    own_ns: u64,
}

impl Pacer {
    fn new(pace: u64, awake: bool) -> Self {
        Self { pace: pace.max(1), awake, clock: Clock::calibrate(), own_ns: 0 }
    }

    /// Returns how long after the first message one is due.
    fn due_ns(&self, index: u64) -> u64 {
        let ns = u128::from(index) * 1_000_000_000 / u128::from(self.pace);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// Waits until then, if it is not past; returns the time.
    fn wait_until(&mut self, due: u64) -> u64 {
        let began = now_ns();
        self.own_ns += self.clock.call_ns;
        if began >= due {
            return began;
        }
        if self.awake { self.spin(began, due) } else { sleep(began, due) }
    }

    fn spin(&mut self, began: u64, due: u64) -> u64 {
        let mut calls = 0;
        loop {
            let now = now_ns();
            calls += 1;
            if now >= due {
                // As long as the clock says, unless another thread had the processor meanwhile.
                self.own_ns += (now - began).min(2 * self.clock.cost_of(calls));
                return now;
            }
        }
    }
}

fn sleep(mut now: u64, due: u64) -> u64 {
    while now < due {
        thread::sleep(Duration::from_nanos(due - now));
        now = now_ns();
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_evenly_and_nobody_is_early() {
        let mut pacer = Pacer::new(3, true);
        assert_eq!(
            [0, 1, 3, 30].map(|index| pacer.due_ns(index)),
            [0, 333_333_333, 1_000_000_000, 10_000_000_000]
        );
        assert_eq!(Pacer::new(10_000_000, true).due_ns(u64::MAX / 2), u64::MAX, "not before the end of time");
        for awake in [true, false] {
            pacer.awake = awake;
            let due = now_ns() + 200_000;
            assert!(pacer.wait_until(due) >= due);
        }
        assert!(pacer.own_ns > 0, "spinning costs, and is known to");
        let past = now_ns();
        assert!(pacer.wait_until(past) >= past);
    }
}
