//! Many clients connect to one ROUTER and stay; the clients are plain sockets that speak just enough ZMTP.

use std::sync::mpsc;
use std::thread;

use super::dial::{dial, raise_descriptor_limit};
use super::stage::Stage;
use crate::clock::now_ns;
use crate::engine::{Engine, Kind, Tuning};
use crate::failure::Outcome;
use crate::line::Line;
use crate::spec::{Role, Spec};
use crate::talk::say;

pub(super) fn play<E: Engine>(context: &E::Context, spec: &Spec, tuning: Tuning) -> Outcome {
    if spec.role == Role::Connector {
        return dial(spec);
    }
    raise_descriptor_limit()?;
    let socket = E::socket(context, Kind::Router, tuning)?;
    say(&Line::Bound(E::bind(&socket, &spec.endpoint)?))?;
    // As a server does: a thread waits for requests all the time.
    let (sender, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        let mut slot = E::slot();
        while ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
            // Nothing is ever sent, so this times out now and then.
            let _ = E::receive(&socket, &mut slot);
        }
    });
    Stage::play(vec![Box::new(|stage| {
        stage.ready()?;
        let start = now_ns();
        stage.done(start, now_ns())
    })]);
    drop(sender);
    // The waiting thread may need seconds to notice; nothing depends on how it ends.
    std::process::exit(0)
}
