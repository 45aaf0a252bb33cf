//! One end of a measurement, in a process of its own.

mod connections;
mod dial;
mod info;
mod latency;
mod publish;
mod stage;
mod throughput;

use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::engine::{Engine, Tamtam, Tuning};
use crate::failure::{Failure, Outcome};
use crate::raw;
use crate::spec::{Contestant, Spec, Work};

pub(crate) use dial::{dial, raise_descriptor_limit};
pub(crate) use stage::{Part, Stage, say};

/// Plays the part that is described in JSON.
pub(crate) fn main(spec: &str) -> ExitCode {
    match prepare(spec).and_then(|spec| play(&spec)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => stage::fail(&failure),
    }
}

fn prepare(spec: &str) -> Outcome<Spec> {
    let spec: Spec = serde_json::from_str(spec).map_err(|error| Failure::from(error).while_doing("peer's task"))?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if spec.pinned {
        pin()?;
    }
    Ok(spec)
}

fn play(spec: &Spec) -> Outcome {
    match spec.contestant {
        Contestant::RawBlocking | Contestant::RawSpinning => raw::play(spec),
        Contestant::Tamtam => play_with::<Tamtam>(spec),
        #[cfg(feature = "libzmq")]
        Contestant::Libzmq => play_with::<crate::engine::Libzmq>(spec),
        #[cfg(not(feature = "libzmq"))]
        Contestant::Libzmq => Err(Failure::new("libzmq is not built in (feature libzmq)")),
    }
}

fn play_with<E: Engine>(spec: &Spec) -> Outcome {
    let context = E::context()?;
    let tuning = Tuning { spin: spec.spin };
    match spec.work {
        Work::Latency(conversation) => latency::play::<E>(&context, spec, tuning, conversation),
        Work::Throughput => throughput::play::<E>(&context, spec, tuning),
        Work::Fanout | Work::Textbook => publish::play::<E>(&context, spec, tuning),
        Work::Connections => connections::play::<E>(&context, spec, tuning),
    }
}

/// Stays on the last CPU that is allowed; threads made later do the same.
fn pin() -> Outcome {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|&cpu| allowed.is_set(cpu));
    let mut one = CpuSet::new();
    one.set(last.ok_or_else(|| Failure::new("no CPU is allowed"))?);
    Ok(sched_setaffinity(None, &one)?)
}
