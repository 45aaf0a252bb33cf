//! Round trips and a one-way stream over a raw link.

use std::io::{Read, Write};

use super::link::{Link, Listener};
use crate::clock::now_ns;
use crate::failure::{Failure, Outcome};
use crate::line::Line;
use crate::payload::{self, Payload};
use crate::peer::{Stage, stay_apart};
use crate::spec::{Contestant, Role, Spec, Work};
use crate::talk::say;

/// A one-way stream is written and read in pieces of this size (or of one message, if that is larger).
const BATCH: usize = 64 * 1024;

pub(super) fn play(spec: &Spec) -> Outcome {
    let link = if spec.role == Role::Binder {
        let (listener, endpoint) = Listener::bind(spec.transport, &spec.endpoint)?;
        say(&Line::Bound(endpoint))?;
        listener.accept()?
    } else {
        Link::connect(spec.transport, &spec.endpoint)?
    };
    if spec.contestant == Contestant::RawSpinning {
        stay_apart(spec.role == Role::Binder)?;
        return run(link.spin()?, spec);
    }
    run(link, spec)
}

fn run(mut link: impl Read + Write + Send, spec: &Spec) -> Outcome {
    Stage::play(vec![Box::new(|stage| match (spec.work, spec.role) {
        (Work::Throughput, Role::Binder) => drain(stage, &mut link, spec),
        (Work::Throughput, _) => pour(stage, &mut link, spec),
        (_, Role::Binder) => reply(stage, &mut link, spec),
        _ => ask(stage, &mut link, spec),
    })]);
    Ok(())
}

fn ask(stage: &Stage, link: &mut (impl Read + Write), spec: &Spec) -> Outcome {
    let mut payload = Payload::new(spec.size);
    let mut buffer = vec![0; spec.size];
    let mut ask = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            link.write_all(payload.stamped(number))?;
            link.read_exact(&mut buffer)?;
            payload::check(&buffer, spec.size, number)?;
        }
        Ok::<_, Failure>(())
    };
    ask(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    ask(spec.warm..spec.warm + spec.count)?;
    stage.done(start, now_ns())
}

fn reply(stage: &Stage, link: &mut (impl Read + Write), spec: &Spec) -> Outcome {
    let mut buffer = vec![0; spec.size];
    let mut reply = |count| {
        for _ in 0..count {
            link.read_exact(&mut buffer)?;
            link.write_all(&buffer)?;
        }
        Ok::<_, Failure>(())
    };
    reply(spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    reply(spec.count)?;
    stage.done(start, now_ns())
}

fn pour(stage: &Stage, link: &mut impl Write, spec: &Spec) -> Outcome {
    let mut batch = vec![0x5a; BATCH / spec.size.min(BATCH) * spec.size];
    let mut pour = |numbers: std::ops::Range<u64>| {
        let mut numbers = numbers.peekable();
        while numbers.peek().is_some() {
            let mut len = 0;
            for (message, number) in batch.chunks_exact_mut(spec.size).zip(&mut numbers) {
                if let Some(stamp) = message.first_chunk_mut() {
                    *stamp = number.to_le_bytes();
                }
                len += spec.size;
            }
            link.write_all(batch.get(..len).unwrap_or_default())?;
        }
        Ok::<_, Failure>(())
    };
    pour(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    pour(spec.warm..spec.warm + spec.count)?;
    stage.done(start, now_ns())
}

fn drain(stage: &Stage, link: &mut impl Read, spec: &Spec) -> Outcome {
    let mut buffer = vec![0; BATCH.max(spec.size)];
    // What is left of the last read: the beginning of a message.
    let mut filled = 0;
    let mut drain = |mut numbers: std::ops::Range<u64>| {
        while !numbers.is_empty() {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let got = link.read(room)?;
            if got == 0 {
                return Err(Failure::new(format!("the stream ended before number {}", numbers.start)));
            }
            filled += got;
            let whole = buffer.get(..filled).unwrap_or_default().chunks_exact(spec.size);
            let rest = whole.remainder().len();
            for (message, number) in whole.zip(&mut numbers) {
                payload::check(message, spec.size, number)?;
            }
            buffer.copy_within(filled - rest..filled, 0);
            filled = rest;
        }
        Ok(())
    };
    drain(0..spec.warm)?;
    stage.ready()?;
    let start = now_ns();
    drain(spec.warm..spec.warm + spec.count)?;
    stage.done(start, now_ns())
}
