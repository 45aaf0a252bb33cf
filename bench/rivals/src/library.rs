//! A messaging library in Rust behind one face.

use std::thread;

use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::line::Line;
use tamtam_bench_protocol::spec::{Conversation, Role, Spec, Work};

use crate::end::{Both, Receiver, Sender};
use crate::leave;
use crate::stage::Stage;
use crate::work;
use tamtam_bench_protocol::talk::say;

/// What an end is. The left ones bind, or start what others connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rep,
    Pull,
    Publisher,
    Req,
    Push,
    Sub,
}

/// A messaging library.
pub(crate) trait Library {
    /// One end, of whatever kind.
    type Socket: Sender + Receiver;

    /// Makes an end that others connect to; returns where.
    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(Self::Socket, String)>;

    /// Makes an end that connects to `spec.endpoint`.
    async fn connect(kind: Kind, spec: &Spec) -> Outcome<Self::Socket>;

    /// Makes a publisher and a subscriber for two topics, one there and one back; returns where others connect, if it is the binder.
    async fn both(_spec: &Spec) -> Outcome<(Both<Self::Socket, Self::Socket>, String)> {
        Err(Failure::new("has no topics"))
    }
}

/// Plays all parts of this process, a thread each; `run` runs a part's future.
pub(crate) fn play(spec: &Spec, run: impl Fn(&Stage) -> Outcome + Sync) -> Outcome {
    let parts = if spec.role == Role::Connector { spec.subscribers_here.max(1) } else { 1 };
    let stage = Stage::new(parts);
    thread::scope(|scope| {
        for _ in 0..parts {
            let (run, stage) = (&run, stage.clone());
            scope.spawn(move || run(&stage).unwrap_or_else(|failure| leave::fail(&failure)));
        }
    });
    Ok(())
}

/// One part, in whatever runtime.
pub(crate) async fn part<L: Library>(spec: &Spec, stage: &Stage) -> Outcome {
    let binds = spec.role == Role::Binder;
    if spec.work == Work::Latency(Conversation::PubSub) {
        let (mut both, endpoint) = L::both(spec).await?;
        if !binds {
            return work::ask(stage, &mut both, spec).await;
        }
        say(&Line::Bound(endpoint))?;
        return work::reply(stage, &mut both, spec).await;
    }
    let (binder, connector) = match spec.work {
        Work::Latency(Conversation::ReqRep) => (Kind::Rep, Kind::Req),
        Work::Throughput => (Kind::Pull, Kind::Push),
        Work::Fanout => (Kind::Publisher, Kind::Sub),
        other => return Err(Failure::new(format!("{other:?} is not for rivals"))),
    };
    let (mut socket, kind) = if binds {
        let (socket, endpoint) = L::bind(binder, spec).await?;
        say(&Line::Bound(endpoint))?;
        (socket, binder)
    } else {
        (L::connect(connector, spec).await?, connector)
    };
    match kind {
        Kind::Rep => work::reply(stage, &mut socket, spec).await,
        Kind::Req => work::ask(stage, &mut socket, spec).await,
        Kind::Pull => work::pull(stage, &mut socket, spec).await,
        Kind::Push => work::push(stage, &mut socket, spec).await,
        Kind::Publisher => work::publish(stage, &mut socket, spec).await,
        Kind::Sub => work::subscribe(stage, &mut socket, spec).await,
    }
}

/// Runs a future on a tokio runtime of this thread alone.
#[cfg(feature = "tokio")]
pub(crate) fn on_tokio(future: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
