//! What one process of the soak is to do.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tamtam::{Overflow, Qos};
use tamtam_soak::crew;

use super::Outcome;

/// Tells a process that it is a member, and what of.
const TASK: &str = "TAMTAM_SOAK_TASK";
const PLACE: &str = "TAMTAM_SOAK_PLACE";

/// Longer than anybody is made to wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// Shorter than those pauses that count.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// What happens when a queue is full; one topic for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Policy {
    /// `send` waits for as long as it takes.
    Block,
    /// `send` waits for a moment, fails, and is tried again.
    Impatient,
    /// `send` fails at once, and is tried again.
    Error,
    DropOldest,
    DropNewest,
}

impl Policy {
    pub(crate) const ALL: [Self; 5] =
        [Self::Block, Self::Impatient, Self::Error, Self::DropOldest, Self::DropNewest];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Impatient => "impatient",
            Self::Error => "error",
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
        }
    }

    pub(crate) fn topic(self) -> String {
        format!("/soak/{self}")
    }

    const fn overflow(self) -> Overflow {
        match self {
            Self::Block => Overflow::Block(PATIENCE),
            Self::Impatient => Overflow::Block(IMPATIENCE),
            Self::Error => Overflow::Error,
            Self::DropOldest => Overflow::DropOldest,
            Self::DropNewest => Overflow::DropNewest,
        }
    }

    /// Whether every message that was sent has to arrive.
    pub(crate) const fn is_lossless(self) -> bool {
        self.overflow().is_lossless()
    }

    /// Whether `send` may fail because of a slow subscriber.
    pub(crate) const fn fails(self) -> bool {
        matches!(self, Self::Impatient | Self::Error)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|policy| policy.word() == word);
        found.ok_or_else(|| format!("no policy is called {word:?}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Subscriber,
}

/// How a member behaves beside what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By chance: bursts and silences, small and large messages; readers that are slow at times. Publishers end by themselves.
    Moody,
    /// A message each millisecond, readers that are quick. Ends when told.
    Steady,
}

/// What one process is to do.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) role: Role,
    pub(crate) policy: Policy,
    /// Counts all members of a soak: no two have the same.
    pub(crate) number: u64,
    pub(crate) seed: u64,
    pub(crate) manner: Manner,
    pub(crate) depth: u32,
    /// The bound of queues in octets.
    pub(crate) octets: u64,
    pub(crate) latch: u32,
    /// Over TCP instead of a Unix socket.
    pub(crate) is_tcp: bool,
    /// Where the registry and the evidence are.
    pub(crate) place: PathBuf,
}

impl Task {
    /// The name of the node, and of the files.
    pub(crate) fn name(&self) -> String {
        let letter = match self.role {
            Role::Publisher => 'p',
            Role::Subscriber => 's',
        };
        format!("{}-{letter}{}", self.policy, self.number)
    }

    pub(crate) fn qos(&self) -> Qos {
        let qos = Qos::default().depth(self.depth).depth_bytes(self.octets);
        qos.latch(self.latch).overflow(self.policy.overflow())
    }

    /// The task of this process, if it has one.
    pub(crate) fn of_this_process() -> Outcome<Option<Self>> {
        let (Ok(words), Some(place)) = (std::env::var(TASK), std::env::var_os(PLACE)) else {
            return Ok(None);
        };
        let words: Vec<&str> = words.split(' ').collect();
        let [role, policy, number, seed, manner, depth, octets, latch, is_tcp] = words[..] else {
            return Err("a task of nine words".into());
        };
        Ok(Some(Self {
            role: if role == "0" { Role::Publisher } else { Role::Subscriber },
            policy: policy.parse()?,
            number: number.parse()?,
            seed: seed.parse()?,
            manner: if manner == "0" { Manner::Moody } else { Manner::Steady },
            depth: depth.parse()?,
            octets: octets.parse()?,
            latch: latch.parse()?,
            is_tcp: is_tcp.parse()?,
            place: place.into(),
        }))
    }
}

impl crew::Task for Task {
    fn name(&self) -> String {
        Self::name(self)
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let Self { policy, number, seed, depth, octets, latch, is_tcp, .. } = self;
        let (role, manner) = (self.role as u8, self.manner as u8);
        let words = format!("{role} {policy} {number} {seed} {manner} {depth} {octets} {latch} {is_tcp}");
        vec![(TASK, words.into()), (PLACE, self.place.clone().into())]
    }
}
