//! What can be used on a machine.

use std::collections::BTreeMap;

/// What can be used on a machine, and up to which length of messages.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// By the candidate's name: the octets of the longest message, or why it cannot be used. Who is not here can be used, with any length.
    known: BTreeMap<&'static str, Result<u64, String>>,
}

impl Machine {
    /// This one: asks every mechanism of `tamtam-ipc`.
    #[must_use]
    pub fn here() -> Self {
        let mut here = Self::default();
        for mechanism in tamtam_ipc::all() {
            let usable = mechanism.probe().map(|_| mechanism.message_max() as u64);
            let name = mechanism.facts().name;
            here.set(name, usable.map_err(|unavailable| unavailable.reason().to_owned()));
        }
        here
    }

    /// A Linux with the limits that it begins with. For what has to come out the same everywhere: the documentation, the tests.
    #[must_use]
    pub fn ordinary() -> Self {
        let mut ordinary = Self::default();
        for (name, message_max) in [
            ("unix-datagram", 212_960),
            ("unix-seqpacket", 212_960),
            ("udp", 65_507),
            ("shm-ring", 16 << 20),
            ("shm-mutex-queue", 16 << 20),
            ("shm-latest", 16 << 20),
            ("posix-queue", 8192),
            ("sysv-queue", 8192),
            ("signals", 7),
            ("message-passing", 212_952),
            ("eventfd", 0),
        ] {
            ordinary.set(name, Ok(message_max));
        }
        ordinary
    }

    /// Says what is so of a candidate: the octets of the longest message, or why it cannot be used.
    pub fn set(&mut self, name: &'static str, usable: Result<u64, String>) {
        self.known.insert(name, usable);
    }

    /// Why a candidate cannot be used for messages of this length, if so.
    #[must_use]
    pub fn hinders(&self, name: &str, size: u64) -> Option<String> {
        match self.known.get(name)? {
            Ok(max) if size > *max => {
                Some(format!("takes at most {max} octets here, and the longest message has {size}"))
            }
            Ok(_) => None,
            Err(reason) => Some(format!("cannot be used here: {reason}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::CANDIDATES;

    #[test]
    fn limits_and_reasons_are_told() {
        let mut machine = Machine::ordinary();
        assert_eq!(machine.hinders("posix-queue", 8192), None);
        let long = machine.hinders("posix-queue", 8193).expect("too long");
        assert_eq!(long, "takes at most 8192 octets here, and the longest message has 8193");
        machine.set("posix-queue", Err("no such thing".to_owned()));
        assert_eq!(machine.hinders("posix-queue", 1).unwrap(), "cannot be used here: no such thing");
        assert_eq!(machine.hinders("tamtam-tcp", u64::MAX), None);
    }

    #[test]
    fn this_machine_is_asked() {
        let here = Machine::here();
        assert!(tamtam_ipc::all().iter().all(|mechanism| here.known.contains_key(mechanism.facts().name)));
        assert_eq!(here.hinders("unix-stream", 100), None);
        assert!(Machine::ordinary().known.keys().all(|name| CANDIDATES.iter().any(|one| one.name == *name)));
    }
}
