//! Who can take part, and why others cannot.

use std::process::Command;

use tamtam_bench_protocol::rival::{Rival, State};
use tamtam_bench_protocol::spec::{Contestant, RIVALS};

use crate::native;

/// All versions that this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// A rival that is a crate.
struct Crate {
    name: &'static str,
    is_compiled_in: bool,
    settings: &'static str,
}

/// Returns all rivals.
pub(crate) fn roster() -> Vec<Rival> {
    RIVALS.iter().map(|&contestant| Rival { contestant, state: state(contestant) }).collect()
}

fn state(contestant: Contestant) -> State {
    let made = |name, is_compiled_in, settings| Crate { name, is_compiled_in, settings };
    let rival = match contestant {
        Contestant::OmqTokio => made(
            "omq-tokio",
            cfg!(feature = "omq-tokio"),
            "async, driven by the caller's runtime; try_send and try_recv first; PUB does not drop",
        ),
        Contestant::Monocoque => made(
            "monocoque-rs",
            cfg!(feature = "monocoque"),
            "writes gathered, flush by the caller where a round trip or the stream ends",
        ),
        Contestant::MonocoqueEager => {
            made("monocoque-rs", cfg!(feature = "monocoque"), "each message written at once")
        }
        Contestant::Rzmq => {
            made("rzmq", cfg!(feature = "rzmq"), "epoll, adaptive throttle off, PUB does not drop")
        }
        Contestant::ZmqRs => made("zeromq", cfg!(feature = "zeromq"), ""),
        Contestant::Nng => made("nng", cfg!(feature = "nng"), "longest queues; PUB drops"),
        Contestant::Zenoh => made(
            "zenoh",
            cfg!(feature = "zenoh"),
            "peer to peer, multicast and gossip off, blocks instead of dropping, express for round trips; a request is a query",
        ),
        Contestant::Iceoryx2 => made(
            "iceoryx2",
            cfg!(feature = "iceoryx2"),
            "shared memory, no overflow, blocks instead of dropping; receivers poll, as it has no waiting receive",
        ),
        Contestant::Nats => made(
            "async-nats",
            cfg!(feature = "nats"),
            "server on this host, core NATS, queues lengthened so that nothing is dropped",
        ),
        Contestant::Ros => return native::ROS.state(),
        Contestant::Gazebo => return native::GAZEBO.state(),
        other => return State::Missing(format!("{other} is played by tamtam-bench")),
    };
    if !rival.is_compiled_in {
        return State::Missing(format!("not built: feature {}", feature(contestant)));
    }
    let mut version = format!("{} {}", rival.name, locked(rival.name).unwrap_or("of unknown version"));
    if contestant == Contestant::Nats {
        match server_version() {
            Some(server) => version = format!("{version}, {server}"),
            None => return State::Missing("not installed: nats-server".to_owned()),
        }
    }
    State::Ready { version, settings: rival.settings.to_owned() }
}

fn feature(contestant: Contestant) -> &'static str {
    match contestant {
        Contestant::OmqTokio => "omq-tokio",
        Contestant::Monocoque | Contestant::MonocoqueEager => "monocoque",
        Contestant::Rzmq => "rzmq",
        Contestant::ZmqRs => "zeromq",
        Contestant::Nng => "nng",
        Contestant::Zenoh => "zenoh",
        Contestant::Iceoryx2 => "iceoryx2",
        _ => "nats",
    }
}

/// Returns the version of a dependency.
fn locked(name: &str) -> Option<&'static str> {
    let mut lines = LOCK.lines();
    lines.find(|line| line.strip_prefix("name = ").is_some_and(|text| text.trim_matches('"') == name))?;
    Some(lines.next()?.strip_prefix("version = ")?.trim_matches('"'))
}

fn server_version() -> Option<String> {
    let output = Command::new("nats-server").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().replace(": v", " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rival_is_told_of_and_has_a_reason_if_it_is_missing() {
        for contestant in RIVALS {
            match state(contestant) {
                State::Ready { version, .. } => {
                    assert!(version.contains(char::is_numeric), "{contestant}: {version}")
                }
                State::Missing(why) => assert!(why.starts_with("not "), "{contestant}: {why}"),
            }
        }
    }

    #[test]
    fn versions_are_read_from_the_lock_file() {
        for name in ["omq-tokio", "monocoque-rs", "rzmq", "zeromq", "nng", "zenoh", "iceoryx2", "async-nats"]
        {
            assert!(locked(name).is_some_and(|version| version.contains('.')), "{name}");
        }
        assert_eq!(locked("no such crate"), None);
    }
}
