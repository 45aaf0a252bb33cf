//! A client that opens many connections and keeps them, whoever is at the other end.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::stage::Stage;
use crate::clock::now_ns;
use crate::failure::{Failure, Outcome};
use crate::raw::{Link, ZMTP_HELLO};
use crate::spec::Spec;

/// Connections that may be under way at a time: fewer than any peer's backlog.
const WINDOW: usize = 64;

/// Opens the connections, greets on each, and waits for each greeting in return.
pub(crate) fn dial(spec: &Spec) -> Outcome {
    raise_descriptor_limit()?;
    Stage::play(vec![Box::new(|stage| {
        stage.ready()?;
        let start = now_ns();
        let mut greeted = Vec::new();
        let mut waiting = VecDeque::new();
        for number in 0..spec.count {
            let mut link = Link::connect(spec.transport, &spec.endpoint).map_err(|error| {
                Failure::from(error).while_doing(&format!("connection {number} of {}", spec.count))
            })?;
            link.write_all(ZMTP_HELLO)?;
            waiting.push_back(link);
            if waiting.len() >= WINDOW {
                greeted.extend(greet(&mut waiting, number)?);
            }
        }
        while !waiting.is_empty() {
            greeted.extend(greet(&mut waiting, spec.count)?);
        }
        let end = now_ns();
        stage.done(start, end)
    })]);
    Ok(())
}

/// Reads the oldest connection's greeting and READY command.
fn greet(waiting: &mut VecDeque<Link>, number: u64) -> Outcome<Option<Link>> {
    let Some(mut link) = waiting.pop_front() else { return Ok(None) };
    let failed =
        |error| Failure::from(error).while_doing(&format!("greeting of a connection before number {number}"));
    let mut head = [0; 66];
    link.read_exact(&mut head).map_err(failed)?;
    // Behind the greeting of 64 bytes comes READY, a short command: flags, size, body.
    let [.., flags, size] = head;
    if flags != 4 {
        return Err(Failure::new(format!("expected READY (flags 4), got flags {flags}")));
    }
    let mut body = vec![0; usize::from(size)];
    link.read_exact(&mut body).map_err(failed)?;
    if body.starts_with(b"\x05READY") { Ok(Some(link)) } else { Err(Failure::new("no READY in return")) }
}

/// Lets this process have as many open files as it may.
pub(crate) fn raise_descriptor_limit() -> Outcome {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}
