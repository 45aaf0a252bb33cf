//! The rivals: who can take part, and why others cannot.

use std::path::PathBuf;
use std::process::Command;

use crate::cells::Cell;
use crate::engine::system_libzmq_version;
use crate::failure::{Failure, Outcome};
use crate::rival::{Rival, State};
use crate::spec::{Contestant, Conversation, RIVALS, Transport, Work};

/// Where the program that plays them is: what `TAMTAM_RIVALS` says, else what `cargo build --release` makes in `rivals`.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("TAMTAM_RIVALS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/rivals/target/release/tamtam-rivals")),
        PathBuf::from,
    )
}

/// Asks who can take part, if a cell wants rivals, and takes the others out of the cells.
pub(crate) fn admit(mut cells: Vec<Cell>, quiet: bool) -> (Vec<Cell>, Vec<Rival>) {
    if !cells.iter().any(Cell::has_rivals) {
        return (cells, Vec::new());
    }
    let mut rivals = vec![system_libzmq()];
    rivals.extend(ask().unwrap_or_else(|failure| {
        let missing = |&contestant| Rival { contestant, state: State::Missing(failure.0.clone()) };
        RIVALS.iter().map(missing).collect()
    }));
    let is_missing = |contestant: &Contestant| {
        let mut found = rivals.iter().filter(|rival| rival.contestant == *contestant);
        found.any(|rival| matches!(rival.state, State::Missing(_)))
    };
    for cell in cells.iter_mut().filter(|cell| cell.has_rivals()) {
        cell.contestants.retain(|contestant| !is_missing(contestant));
    }
    cells.retain(|cell| !cell.contestants.is_empty());
    if !quiet {
        for rival in &rivals {
            eprintln!("{}: {}", rival.contestant, describe(&rival.state));
        }
    }
    (cells, rivals)
}

/// Says in one line what a rival is or why it is not there.
pub(crate) fn describe(state: &State) -> String {
    match state {
        State::Ready { version, settings } if settings.is_empty() => version.clone(),
        State::Ready { version, settings } => format!("{version}; {settings}"),
        State::Missing(why) => format!("absent: {why}"),
    }
}

fn system_libzmq() -> Rival {
    let state = match system_libzmq_version() {
        Ok(version) => State::Ready { version, settings: String::new() },
        Err(why) => State::Missing(why),
    };
    Rival { contestant: Contestant::LibzmqSystem, state }
}

fn ask() -> Outcome<Vec<Rival>> {
    let output = Command::new(program())
        .arg("list")
        .output()
        .map_err(|error| Failure::from(error).while_doing("bench/rivals is not built"))?;
    if !output.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&output.stderr).trim()).while_doing("tamtam-rivals"));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Returns whether a rival has what a workload needs.
pub(crate) fn plays(rival: Contestant, work: Work, transport: Transport) -> bool {
    use Contestant::{Gazebo, Iceoryx2, Monocoque, MonocoqueEager, Nats, Ros, Zenoh};
    let has_transport = match rival {
        // A server, or a protocol of its own, on TCP only.
        Nats | Ros | Gazebo => transport == Transport::Tcp,
        // Shared memory is for one host, as Unix sockets are.
        Iceoryx2 => transport == Transport::Ipc,
        // Its PUB binds to TCP only.
        Monocoque if work == Work::Fanout => transport == Transport::Tcp,
        _ => transport != Transport::Inproc,
    };
    let has_topics = matches!(rival, Zenoh | Iceoryx2 | Nats | Ros | Gazebo);
    let has_pattern = match work {
        // Only its PUSH gathers.
        Work::Latency(Conversation::ReqRep) => !matches!(rival, Ros | Gazebo | Monocoque),
        Work::Latency(Conversation::PubSub) => has_topics,
        Work::Throughput => !has_topics,
        Work::Fanout => rival != MonocoqueEager,
        _ => false,
    };
    has_transport && has_pattern
}
