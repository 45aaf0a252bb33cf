//! Zenoh: peers that know each other's address, without multicast and gossip. Nothing is dropped; a request is a query.

use std::borrow::Cow;

use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::{Conversation, Role, Spec, Transport, Work};
use zenoh::bytes::ZBytes;
use zenoh::handlers::FifoChannelHandler;
use zenoh::pubsub::{Publisher, Subscriber};
use zenoh::qos::CongestionControl;
use zenoh::query::{Query, Queryable, Reply};
use zenoh::sample::Sample;
use zenoh::{Config, Session};

use crate::end::{Both, Receiver, Sender};
use crate::library::{self, Kind, Library};
use crate::servant::free_port;

/// What is talked about.
const THERE: &str = "tamtam/bench/there";
/// What is talked about on the way back.
const BACK: &str = "tamtam/bench/back";

struct Zenoh;

/// One end, with the session it belongs to.
struct End {
    port: Port,
    session: Session,
}

enum Port {
    Publisher(Publisher<'static>),
    Subscriber(Subscriber<FifoChannelHandler<Sample>>),
    Asker(Option<FifoChannelHandler<Reply>>),
    Answerer(Queryable<FifoChannelHandler<Query>>, Option<Query>),
}

/// A body in one piece.
struct Body {
    payload: ZBytes,
    /// If it came in several pieces.
    joined: Option<Vec<u8>>,
}

impl Body {
    fn new(payload: &ZBytes) -> Self {
        let joined = match payload.to_bytes() {
            Cow::Borrowed(_) => None,
            Cow::Owned(joined) => Some(joined),
        };
        Self { payload: payload.clone(), joined }
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        match &self.joined {
            Some(joined) => joined,
            None => self.payload.slices().next().unwrap_or_default(),
        }
    }
}

impl Sender for End {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        match &mut self.port {
            Port::Publisher(publisher) => publisher.put(body).await.map_err(failure),
            Port::Asker(replies) => {
                let query =
                    self.session.get(THERE).payload(body).congestion_control(CongestionControl::Block);
                *replies = Some(query.express(true).await.map_err(failure)?);
                Ok(())
            }
            Port::Answerer(_, query) => {
                let query = query.take().ok_or_else(|| Failure::new("nothing was asked"))?;
                query.reply(THERE, body).express(true).await.map_err(failure)
            }
            Port::Subscriber(_) => Err(Failure::new("does not send")),
        }
    }
}

impl Receiver for End {
    type Body = Body;

    async fn receive(&mut self) -> Outcome<Option<Body>> {
        match &mut self.port {
            Port::Subscriber(subscriber) => {
                let sample = subscriber.recv_async().await.map_err(failure)?;
                Ok(Some(Body::new(sample.payload())))
            }
            Port::Asker(replies) => {
                let replies = replies.as_ref().ok_or_else(|| Failure::new("nothing was asked"))?;
                let reply = replies.recv_async().await.map_err(failure)?;
                let sample = reply.result().map_err(|_| Failure::new("an error in reply"))?;
                Ok(Some(Body::new(sample.payload())))
            }
            Port::Answerer(queryable, asked) => {
                let query = queryable.recv_async().await.map_err(failure)?;
                let body = query.payload().map(Body::new);
                *asked = Some(query);
                Ok(body)
            }
            Port::Publisher(_) => Err(Failure::new("does not receive")),
        }
    }
}

fn failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

async fn session(listen: &str, connect: &str) -> Outcome<Session> {
    let list =
        |endpoint: &str| if endpoint.is_empty() { "[]".to_owned() } else { format!("[\"{endpoint}\"]") };
    let mut config = Config::default();
    for (key, value) in [
        ("mode", "\"peer\"".to_owned()),
        ("scouting/multicast/enabled", "false".to_owned()),
        ("scouting/gossip/enabled", "false".to_owned()),
        ("listen/endpoints", list(listen)),
        ("connect/endpoints", list(connect)),
    ] {
        config.insert_json5(key, &value).map_err(failure)?;
    }
    zenoh::open(config).await.map_err(failure)
}

async fn end(session: Session, kind: Kind, key: &'static str, express: bool) -> Outcome<End> {
    let port = match kind {
        Kind::Publisher => {
            let publisher = session.declare_publisher(key).congestion_control(CongestionControl::Block);
            Port::Publisher(publisher.express(express).await.map_err(failure)?)
        }
        Kind::Sub => Port::Subscriber(session.declare_subscriber(key).await.map_err(failure)?),
        Kind::Req => Port::Asker(None),
        Kind::Rep => {
            Port::Answerer(session.declare_queryable(key).complete(true).await.map_err(failure)?, None)
        }
        Kind::Push | Kind::Pull => return Err(Failure::new("has no pipelines")),
    };
    Ok(End { port, session })
}

/// Where to listen.
fn locator(spec: &Spec) -> Outcome<String> {
    match spec.transport {
        Transport::Ipc => Ok(format!("unixsock-stream/{}", spec.endpoint.trim_start_matches("ipc://"))),
        _ => Ok(format!("tcp/127.0.0.1:{}", free_port()?)),
    }
}

impl Library for Zenoh {
    type Socket = End;

    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(End, String)> {
        let locator = locator(spec)?;
        Ok((end(session(&locator, "").await?, kind, THERE, false).await?, locator))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<End> {
        let session = session("", &spec.endpoint).await?;
        if kind == Kind::Req {
            // Whoever asks before the answerer is known gets no answer.
            let querier = session.declare_querier(THERE).await.map_err(failure)?;
            let known = querier.matching_listener().await.map_err(failure)?;
            while !querier.matching_status().await.map_err(failure)?.matching() {
                known.recv_async().await.map_err(failure)?;
            }
        }
        end(session, kind, THERE, false).await
    }

    async fn both(spec: &Spec) -> Outcome<(Both<End, End>, String)> {
        let binds = spec.role == Role::Binder;
        let (session, locator) = if binds {
            let locator = locator(spec)?;
            (session(&locator, "").await?, locator)
        } else {
            (session("", &spec.endpoint).await?, String::new())
        };
        let express = spec.work == Work::Latency(Conversation::PubSub);
        let (out, back) = if binds { (BACK, THERE) } else { (THERE, BACK) };
        let sender = end(session.clone(), Kind::Publisher, out, express).await?;
        let receiver = end(session, Kind::Sub, back, express).await?;
        Ok((Both { sender, receiver }, locator))
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    // It has runtimes of its own.
    library::play(spec, |stage| futures::executor::block_on(library::part::<Zenoh>(spec, stage)))
}
