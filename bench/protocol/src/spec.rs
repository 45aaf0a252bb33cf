//! What one end of a measurement is told to do.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::keys::Keys;

/// An end that hears nothing for so long gives up and says what it has got.
pub const SILENCE: Duration = Duration::from_secs(4);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Contestant {
    /// Sockets (or a ring) used directly; a thread that waits spins
    RawSpinning,
    /// Sockets used directly; a thread that waits sleeps
    RawBlocking,
    /// libzmq through the `zmq` crate
    Libzmq,
    /// Tamtam
    Tamtam,
    /// Tamtam behind libzmq's C interface; takes part where the library was built
    DropIn,
    /// Tamtam's sockets with messages like a topic's: key, header and body, and nothing that looks at them
    Frames,
    /// Tamtam's typed topics: publisher and subscriber by name, header, barrier, accounting
    Topic,
    /// libzmq as the system has it installed
    LibzmqSystem,
    /// omq-tokio
    OmqTokio,
    /// monocoque-rs, sends gathered and flushed by the caller
    Monocoque,
    /// monocoque-rs, each message sent at once
    MonocoqueEager,
    /// rzmq
    Rzmq,
    /// zmq.rs, the crate `zeromq`
    ZmqRs,
    /// nng
    Nng,
    /// Zenoh, from peer to peer
    Zenoh,
    /// iceoryx2: shared memory
    Iceoryx2,
    /// NATS: a server between the ends
    Nats,
    /// ROS 1 in C++
    Ros,
    /// Gazebo Transport in C++
    Gazebo,
}

/// Those that the program `tamtam-rivals` plays.
pub const RIVALS: [Contestant; 11] = [
    Contestant::OmqTokio,
    Contestant::Monocoque,
    Contestant::MonocoqueEager,
    Contestant::Rzmq,
    Contestant::ZmqRs,
    Contestant::Nng,
    Contestant::Zenoh,
    Contestant::Iceoryx2,
    Contestant::Nats,
    Contestant::Ros,
    Contestant::Gazebo,
];

impl Contestant {
    /// Returns whether it is a limit to compare with and not a messaging library.
    pub fn is_raw(self) -> bool {
        matches!(self, Self::RawSpinning | Self::RawBlocking)
    }

    /// Returns whether the program `tamtam-rivals` plays it.
    pub fn is_rival(self) -> bool {
        RIVALS.contains(&self)
    }

    /// Returns the name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::RawSpinning => "raw spinning",
            Self::RawBlocking => "raw blocking",
            Self::Libzmq => "libzmq",
            Self::Tamtam => "tamtam",
            Self::DropIn => "drop-in",
            Self::Frames => "tamtam (a topic's frames)",
            Self::Topic => "topic",
            Self::LibzmqSystem => "libzmq (system)",
            Self::OmqTokio => "omq-tokio",
            Self::Monocoque => "monocoque",
            Self::MonocoqueEager => "monocoque (eager)",
            Self::Rzmq => "rzmq",
            Self::ZmqRs => "zmq.rs",
            Self::Nng => "nng",
            Self::Zenoh => "Zenoh",
            Self::Iceoryx2 => "iceoryx2",
            Self::Nats => "NATS",
            Self::Ros => "ROS 1",
            Self::Gazebo => "Gazebo Transport",
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the ends reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Unix sockets.
    Ipc,
    /// TCP on loopback.
    Tcp,
    /// Threads of one process.
    Inproc,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipc => "ipc",
            Self::Tcp => "tcp",
            Self::Inproc => "inproc",
        })
    }
}

/// Which socket types talk in a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conversation {
    /// REQ and REP.
    ReqRep,
    /// DEALER and ROUTER.
    DealerRouter,
    /// PAIR and PAIR.
    Pair,
    /// PUB to SUB, and back from another PUB to another SUB.
    PubSub,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// One message there and back, again and again.
    Latency(Conversation),
    /// PUSH to PULL, as fast as it goes.
    Throughput,
    /// Several PUSH in one other process, a thread each, to one PULL.
    Fanin,
    /// One PUSH that several threads of another process use, to one PULL.
    Threads,
    /// PUSH to PULL, each message at its time whatever became of those before it, and when it was sent told in its body.
    Paced,
    /// PUB to several SUB in one other process, a thread each.
    Fanout,
    /// PUB to several SUB in a process each, Protobuf messages and END.
    Textbook,
    /// Many clients connect to one ROUTER and stay.
    Connections,
}

/// Which end a process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Binds: replies, pulls, publishes or accepts.
    Binder,
    /// Connects: requests, pushes, subscribes or dials.
    Connector,
    /// Both, in threads.
    Both,
    /// Neither: keeps a CPU busy.
    Hog,
}

/// What one process of a measurement is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Who is measured.
    pub contestant: Contestant,
    /// What is measured.
    pub work: Work,
    /// Which end this process plays.
    pub role: Role,
    /// How the ends reach each other.
    pub transport: Transport,
    /// Where to bind or to connect.
    pub endpoint: String,
    /// Bytes of a message's body, at least 8.
    pub size: usize,
    /// Messages (or round trips) that do not count.
    pub warm: u64,
    /// Messages (or round trips) that count.
    pub count: u64,
    /// Subscribers that the publisher has to wait for, or senders of a fan-in.
    pub subscribers: usize,
    /// Subscribers, or senders of a fan-in, in this process.
    pub subscribers_here: usize,
    /// High-water marks other than the library's defaults; 0 means none.
    pub hwm: Option<u32>,
    /// Whether Tamtam may spin.
    pub spin: bool,
    /// Whether to stay on one CPU, the same for all ends.
    pub pinned: bool,
    /// Messages per second that PUSH keeps to; without it, as many as go.
    #[serde(default)]
    pub pace: Option<u64>,
    /// Whether a sender that waits for a message's time spins meanwhile, and does not sleep.
    #[serde(default)]
    pub awake: bool,
    /// Keys, if connections are to be encrypted with CURVE.
    #[serde(default)]
    pub curve: Option<Keys>,
}

impl Spec {
    /// Returns whether this process binds.
    pub fn binds(&self) -> bool {
        matches!(self.role, Role::Binder | Role::Both)
    }

    /// Returns whether this process connects.
    pub fn connects(&self) -> bool {
        matches!(self.role, Role::Connector | Role::Both)
    }
}
