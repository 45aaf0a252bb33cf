//! A server that accepts, reads a greeting, answers and keeps the connection.

use std::io::{Read as _, Write as _};
use std::thread;

use super::ZMTP_HELLO;
use super::link::{Link, Listener};
use crate::clock::now_ns;
use crate::failure::Outcome;
use crate::line::Line;
use crate::peer::{Stage, raise_descriptor_limit};
use crate::spec::Spec;
use crate::talk::say;

pub(super) fn play(spec: &Spec) -> Outcome {
    raise_descriptor_limit()?;
    let (listener, endpoint) = Listener::bind(spec.transport, &spec.endpoint)?;
    say(&Line::Bound(endpoint))?;
    thread::spawn(move || serve(&listener));
    Stage::play(vec![Box::new(|stage| {
        stage.ready()?;
        let start = now_ns();
        stage.done(start, now_ns())
    })]);
    std::process::exit(0)
}

fn serve(listener: &Listener) -> Outcome {
    let mut links: Vec<Link> = Vec::new();
    let mut greeting = [0; ZMTP_HELLO.len()];
    loop {
        let mut link = listener.accept()?;
        link.read_exact(&mut greeting)?;
        link.write_all(ZMTP_HELLO)?;
        links.push(link);
    }
}
