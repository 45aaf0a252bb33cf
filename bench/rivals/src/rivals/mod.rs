//! The rivals, one file each.

#[cfg(feature = "iceoryx2")]
mod iceoryx2;
#[cfg(feature = "monocoque")]
mod monocoque;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nng")]
mod nng;
#[cfg(feature = "omq-tokio")]
mod omq_tokio;
#[cfg(feature = "rzmq")]
mod rzmq;
#[cfg(feature = "zenoh")]
mod zenoh;
#[cfg(feature = "zeromq")]
mod zmq_rs;

use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::{Contestant, Spec};

use crate::native;

/// Plays one process's part.
pub(crate) fn play(spec: &Spec) -> Outcome {
    match spec.contestant {
        #[cfg(feature = "omq-tokio")]
        Contestant::OmqTokio => omq_tokio::play(spec),
        #[cfg(feature = "monocoque")]
        Contestant::Monocoque | Contestant::MonocoqueEager => monocoque::play(spec),
        #[cfg(feature = "rzmq")]
        Contestant::Rzmq => rzmq::play(spec),
        #[cfg(feature = "zeromq")]
        Contestant::ZmqRs => zmq_rs::play(spec),
        #[cfg(feature = "nng")]
        Contestant::Nng => nng::play(spec),
        #[cfg(feature = "zenoh")]
        Contestant::Zenoh => zenoh::play(spec),
        #[cfg(feature = "iceoryx2")]
        Contestant::Iceoryx2 => iceoryx2::play(spec),
        #[cfg(feature = "nats")]
        Contestant::Nats => nats::play(spec),
        Contestant::Ros => native::ROS.play(spec),
        Contestant::Gazebo => native::GAZEBO.play(spec),
        other => Err(Failure::new(format!("{other} is not compiled in"))),
    }
}
