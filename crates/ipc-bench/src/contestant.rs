//! Who takes part.

use tamtam_ipc::facts::{Delivery, Reach};
use tamtam_ipc::{Mechanism, by_name};

use crate::report::Waiting;

/// Who takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Contestant {
    /// One of the operating system's mechanisms.
    Mechanism(&'static dyn Mechanism),
    /// Tamtam's sockets.
    Tamtam(Transport),
    /// Those of an installed libzmq.
    Libzmq(Transport),
}

/// What ZeroMQ's sockets are connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Inproc,
    Ipc,
    Tcp,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Inproc, Self::Ipc, Self::Tcp];

    const fn text(self) -> &'static str {
        match self {
            Self::Inproc => "inproc",
            Self::Ipc => "ipc",
            Self::Tcp => "tcp",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Inproc => "between threads",
            Self::Ipc => "over Unix sockets",
            Self::Tcp => "over TCP",
        }
    }

    /// Where to bind. The name in the abstract namespace leaves no file behind.
    pub(crate) fn endpoint(self, number: u64) -> String {
        match self {
            Self::Inproc => "inproc://bench".to_owned(),
            Self::Ipc => format!("ipc://@tamtam-ipc-bench-{}-{number}", std::process::id()),
            Self::Tcp => "tcp://127.0.0.1:*".to_owned(),
        }
    }
}

/// Of these a ring that spins is measured even where nobody asked for it: it is what shared memory is praised for.
const SPINS: [&str; 1] = ["shm-ring"];

impl Contestant {
    pub(crate) fn all() -> Vec<Self> {
        let mechanisms = tamtam_ipc::all().iter().map(|mechanism| Self::Mechanism(*mechanism));
        let sockets = Transport::ALL.map(Self::Tamtam).into_iter().chain(Transport::ALL.map(Self::Libzmq));
        mechanisms.chain(sockets).collect()
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        if let Some(mechanism) = by_name(name) {
            return Some(Self::Mechanism(mechanism));
        }
        Self::all().into_iter().find(|contestant| contestant.name() == name)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Mechanism(mechanism) => mechanism.facts().name.to_owned(),
            Self::Tamtam(transport) => format!("tamtam-{}", transport.text()),
            Self::Libzmq(transport) => format!("libzmq-{}", transport.text()),
        }
    }

    /// For people. `libzmq` is the version of that library.
    pub(crate) fn title(self, libzmq: &str) -> String {
        match self {
            Self::Mechanism(mechanism) => mechanism.facts().title.to_owned(),
            Self::Tamtam(transport) => format!("Tamtam's sockets {}", transport.title()),
            Self::Libzmq(transport) => format!("{libzmq} {}", transport.title()),
        }
    }

    /// Whether it connects processes.
    pub(crate) fn is_separate(self) -> bool {
        match self {
            Self::Mechanism(mechanism) => mechanism.facts().reach != Reach::Process,
            Self::Tamtam(transport) | Self::Libzmq(transport) => transport != Transport::Inproc,
        }
    }

    /// Octets of the longest message, here and now.
    pub(crate) fn message_max(self) -> u64 {
        match self {
            Self::Mechanism(mechanism) => mechanism.message_max().try_into().unwrap_or(u64::MAX),
            Self::Tamtam(_) | Self::Libzmq(_) => i32::MAX as u64,
        }
    }

    /// How its ends wait, by default or all the ways there are.
    pub(crate) fn waitings(self, spin: bool) -> Vec<Waiting> {
        match self {
            Self::Mechanism(mechanism) if spin || SPINS.contains(&mechanism.facts().name) => {
                vec![Waiting::Block, Waiting::Spin]
            }
            Self::Mechanism(_) => vec![Waiting::Block],
            Self::Tamtam(_) | Self::Libzmq(_) => vec![Waiting::Library],
        }
    }

    /// Whether every message of this size arrives and tells its number, so that the last one can say that it is the last.
    pub(crate) fn is_told_the_end(self, size: usize) -> bool {
        size > 0
            && match self {
                Self::Mechanism(mechanism) => mechanism.facts().delivery == Delivery::Reliable,
                Self::Tamtam(_) | Self::Libzmq(_) => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let all = Contestant::all();
        assert_eq!(all.len(), tamtam_ipc::all().len() + 6);
        for contestant in all {
            let name = contestant.name();
            assert_eq!(Contestant::by_name(&name).expect("known").name(), name);
        }
        assert!(Contestant::by_name("pigeon").is_none());
    }

    #[test]
    fn threads_are_told_from_processes() {
        let is_separate = |name| Contestant::by_name(name).expect("known").is_separate();
        assert!(is_separate("pipe") && is_separate("tamtam-ipc") && is_separate("libzmq-tcp"));
        assert!(!is_separate("channel") && !is_separate("tamtam-inproc"));
    }
}
