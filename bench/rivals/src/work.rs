//! The workloads, for ends of any rival.

use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use futures_timer::Delay;
use tamtam_bench_protocol::clock::now_ns;
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::line::Done;
use tamtam_bench_protocol::payload::{self, Payload};
use tamtam_bench_protocol::spec::{Conversation, SILENCE, Spec, Work};

use crate::end::{Receiver, Sender};
use crate::stage::Stage;

/// The number of messages that only show that there is a way.
const HELLO: u64 = u64::MAX;
/// How often a publisher says so.
const HELLO_INTERVAL: Duration = Duration::from_millis(2);
/// How long an answer to that may take before it is said again.
const HELLO_PATIENCE: Duration = Duration::from_millis(50);
/// A subscriber that has heard nothing for so long will hear nothing more: what is missing is lost.
pub(crate) const QUIET: Duration = Duration::from_millis(1500);

/// How far an end has come: read by its watch.
#[derive(Debug, Default)]
struct Progress(AtomicU64);

impl Progress {
    fn note(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// Returns when nothing has moved for so long.
    async fn quiet(&self, patience: Duration) {
        let (mut seen, mut since) = (self.0.load(Ordering::Relaxed), Instant::now());
        while since.elapsed() < patience {
            Delay::new(patience / 10).await;
            let now = self.0.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }

    /// Plays on until done, or until nothing moves.
    async fn watch(&self, what: &str, play: impl Future<Output = Outcome>) -> Outcome {
        match select(pin!(play), pin!(self.quiet(SILENCE))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                let number = self.0.load(Ordering::Relaxed);
                Err(Failure::new(format!("{what} {number}, then nothing for {SILENCE:?}")))
            }
        }
    }
}

/// The asking end of a conversation.
pub(crate) async fn ask<E: Sender + Receiver>(stage: &Stage, end: &mut E, spec: &Spec) -> Outcome {
    if spec.work == Work::Latency(Conversation::PubSub) {
        knock(end, spec).await?;
    }
    let mut payload = Payload::new(spec.size);
    talk(stage, spec, "request", async |number| {
        end.send(payload.stamped(number)).await?;
        end.flush().await?;
        loop {
            let body = hear(end).await?;
            if payload::number(body.as_ref()) != Some(HELLO) {
                return payload::check(body.as_ref(), spec.size, number);
            }
        }
    })
    .await
}

/// The answering end of a conversation.
pub(crate) async fn reply<E: Sender + Receiver>(stage: &Stage, end: &mut E, spec: &Spec) -> Outcome {
    talk(stage, spec, "echo", async |number| {
        loop {
            let body = hear(end).await?;
            end.send(body.as_ref()).await?;
            end.flush().await?;
            if payload::number(body.as_ref()) != Some(HELLO) {
                return payload::check(body.as_ref(), spec.size, number);
            }
        }
    })
    .await
}

async fn talk(stage: &Stage, spec: &Spec, what: &str, mut turn: impl AsyncFnMut(u64) -> Outcome) -> Outcome {
    let progress = Progress::default();
    let mut turns = async |numbers: Range<u64>| {
        for number in numbers {
            turn(number).await.map_err(|failure| failure.while_doing(&format!("{what} {number}")))?;
            progress.note(number);
        }
        Ok(())
    };
    // Whoever comes first waits until the other has come, too.
    progress.watch(what, turns(0..spec.warm)).await?;
    stage.ready().await?;
    let start_ns = now_ns();
    progress.watch(what, turns(spec.warm..spec.warm + spec.count)).await?;
    stage.done(Done { start_ns, end_ns: now_ns(), received: None, latency: None }).await
}

/// Says hello until somebody says it back: by then there is a way in both directions.
async fn knock<E: Sender + Receiver>(end: &mut E, spec: &Spec) -> Outcome {
    let mut payload = Payload::new(spec.size);
    let deadline = Instant::now() + SILENCE * 2;
    while Instant::now() < deadline {
        end.send(payload.stamped(HELLO)).await?;
        end.flush().await?;
        if let Either::Left((heard, _)) = select(pin!(end.receive()), Delay::new(HELLO_PATIENCE)).await
            && heard?.is_some()
        {
            return Ok(());
        }
    }
    Err(Failure::new("nobody says hello"))
}

async fn hear<E: Receiver>(end: &mut E) -> Outcome<E::Body> {
    end.receive().await?.ok_or_else(|| Failure::new("nothing heard"))
}

/// Sends as fast as it goes.
pub(crate) async fn push(stage: &Stage, end: &mut impl Sender, spec: &Spec) -> Outcome {
    let mut payload = Payload::new(spec.size);
    let progress = Progress::default();
    let mut push = async |numbers: Range<u64>| {
        for number in numbers {
            end.send(payload.stamped(number)).await?;
            progress.note(number);
        }
        end.flush().await
    };
    progress.watch("sent", push(0..spec.warm)).await?;
    stage.ready().await?;
    let start_ns = now_ns();
    progress.watch("sent", push(spec.warm..spec.warm + spec.count)).await?;
    stage.done(Done { start_ns, end_ns: now_ns(), received: None, latency: None }).await
}

/// Receives all that is sent, in order.
pub(crate) async fn pull(stage: &Stage, end: &mut impl Receiver, spec: &Spec) -> Outcome {
    let progress = Progress::default();
    let mut pull = async |numbers: Range<u64>| {
        for number in numbers {
            let body = hear(end).await?;
            payload::check(body.as_ref(), spec.size, number)?;
            progress.note(number);
        }
        Ok(())
    };
    progress.watch("received", pull(0..spec.warm)).await?;
    stage.ready().await?;
    let start_ns = now_ns();
    progress.watch("received", pull(spec.warm..spec.warm + spec.count)).await?;
    stage.done(Done { start_ns, end_ns: now_ns(), received: None, latency: None }).await
}

/// Says hello until all subscribers have heard it, then publishes as fast as it goes. What says hello also warms up.
pub(crate) async fn publish(stage: &Stage, end: &mut impl Sender, spec: &Spec) -> Outcome {
    let mut payload = Payload::new(spec.size);
    {
        let mut go = pin!(stage.ready());
        loop {
            end.send(payload.stamped(HELLO)).await?;
            end.flush().await?;
            if let Either::Left((outcome, _)) = select(go.as_mut(), Delay::new(HELLO_INTERVAL)).await {
                outcome?;
                break;
            }
        }
    }
    let progress = Progress::default();
    let start_ns = now_ns();
    let publish = async {
        for number in 0..spec.count {
            end.send(payload.stamped(number)).await?;
            progress.note(number);
        }
        end.flush().await
    };
    progress.watch("published", publish).await?;
    stage.done(Done { start_ns, end_ns: now_ns(), received: None, latency: None }).await
}

/// Receives what arrives, and counts it. Numbers may be missing, but never come twice or out of order.
pub(crate) async fn subscribe(stage: &Stage, end: &mut impl Receiver, spec: &Spec) -> Outcome {
    let progress = Progress::default();
    progress
        .watch("hello", async {
            let body = hear(end).await?;
            payload::check(body.as_ref(), spec.size, HELLO)
        })
        .await?;
    stage.ready().await?;
    let start_ns = now_ns();
    let (mut expected, mut received, mut end_ns) = (0, 0, start_ns);
    let interval = if spec.size >= 1024 { 1 } else { 32 };
    let take = async {
        while expected < spec.count {
            let Some(body) = end.receive().await? else { break };
            let number = payload::number(body.as_ref());
            let number = number.ok_or_else(|| Failure::new("a message without a number"))?;
            if number == HELLO {
                continue;
            }
            if number < expected || number >= spec.count || body.as_ref().len() != spec.size {
                let len = body.as_ref().len();
                return Err(Failure::new(format!("expected {expected}, got {number} of {len} bytes")));
            }
            (expected, received) = (number + 1, received + 1);
            progress.note(expected);
            // The clock is read when it may have been the last; among many small ones now and then.
            if expected == spec.count || expected % interval == 0 {
                end_ns = now_ns();
            }
        }
        Ok(())
    };
    let outcome = match select(pin!(take), pin!(progress.quiet(QUIET))).await {
        Either::Left((outcome, _)) => outcome,
        // What has not come by now is lost.
        Either::Right(_) => Ok(()),
    };
    outcome?;
    stage.done(Done { start_ns, end_ns, received: Some(received), latency: None }).await
}
