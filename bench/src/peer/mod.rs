//! One end of a measurement, in a process of its own.

mod connections;
mod cpu;
mod dial;
mod fanin;
mod hog;
mod info;
mod latency;
mod paced;
mod publish;
mod push_pull;
mod stage;
mod throughput;

use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::engine::{Engine, Side, Tamtam, Tuning};
use crate::failure::{Failure, Outcome};
use crate::raw;
use crate::spec::{Contestant, Role, Spec, Work};

pub(crate) use cpu::stay_apart;
pub(crate) use dial::{dial, raise_descriptor_limit};
pub(crate) use stage::{Part, Stage};

/// Plays the part that is described in JSON.
pub(crate) fn main(spec: &str) -> ExitCode {
    match prepare(spec).and_then(|spec| play(&spec)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => stage::fail(&failure),
    }
}

fn prepare(spec: &str) -> Outcome<Spec> {
    let spec: Spec =
        serde_json::from_str(spec).map_err(|error| Failure::from(error).while_doing("peer's task"))?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if spec.pinned {
        cpu::stay_on_last()?;
    }
    Ok(spec)
}

fn play(spec: &Spec) -> Outcome {
    if spec.role == Role::Hog {
        return hog::play();
    }
    match spec.contestant {
        Contestant::RawBlocking | Contestant::RawSpinning => raw::play(spec),
        Contestant::Tamtam => play_with::<Tamtam>(spec),
        Contestant::Frames => play_with::<crate::engine::Frames>(spec),
        Contestant::DropIn => play_with::<crate::engine::DropIn>(spec),
        Contestant::LibzmqSystem => {
            crate::engine::choose_system_libzmq();
            play_with::<crate::engine::DropIn>(spec)
        }
        Contestant::Topic => play_with::<crate::engine::Topic>(spec),
        #[cfg(feature = "libzmq")]
        Contestant::Libzmq => play_with::<crate::engine::Libzmq>(spec),
        #[cfg(not(feature = "libzmq"))]
        Contestant::Libzmq => Err(Failure::new("libzmq is not built in (feature libzmq)")),
        rival => Err(Failure::new(format!("{rival} is played by tamtam-rivals"))),
    }
}

/// Has a socket encrypt, if that is part of the task.
fn encrypt<E: Engine>(socket: &E::Socket, spec: &Spec, side: Side) -> Outcome {
    spec.curve.as_ref().map_or(Ok(()), |keys| E::encrypt(socket, keys, side))
}

fn play_with<E: Engine>(spec: &Spec) -> Outcome {
    let context = E::context()?;
    let tuning = Tuning { spin: spec.spin, hwm: spec.hwm, back: false };
    match spec.work {
        Work::Latency(conversation) => latency::play::<E>(&context, spec, tuning, conversation),
        Work::Throughput => throughput::play::<E>(&context, spec, tuning),
        Work::Fanin | Work::Threads => fanin::play::<E>(&context, spec, tuning),
        Work::Paced => paced::play::<E>(&context, spec, tuning),
        Work::Fanout | Work::Textbook => publish::play::<E>(&context, spec, tuning),
        Work::Connections => connections::play::<E>(&context, spec, tuning),
    }
}
