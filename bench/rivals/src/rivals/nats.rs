//! NATS: a server on this host between the ends, core NATS without persistence.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::{Role, SILENCE, Spec};

use crate::end::{Both, Receiver, Sender};
use crate::library::{self, Kind, Library};
use crate::servant::{self, free_port};

const THERE: &str = "tamtam.bench.there";
const BACK: &str = "tamtam.bench.back";
/// Messages that a subscriber's queue may hold; beyond that the client drops them.
const QUEUE: usize = 1 << 24;

struct Nats;

enum End {
    Publisher(Client, Subject),
    Subscriber(Client, Subscriber),
    /// Replies come to a subject of the asker's own.
    Asker(Client, Subscriber, Subject),
    Answerer(Client, Subscriber, Option<Subject>),
}

impl Sender for End {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        let body = Bytes::copy_from_slice(body);
        match self {
            Self::Publisher(client, subject) => Ok(client.publish(subject.clone(), body).await?),
            Self::Asker(client, _, inbox) => {
                Ok(client.publish_with_reply(THERE, inbox.clone(), body).await?)
            }
            Self::Answerer(client, _, asker) => {
                let asker = asker.take().ok_or_else(|| Failure::new("nothing was asked"))?;
                Ok(client.publish(asker, body).await?)
            }
            Self::Subscriber(..) => Err(Failure::new("does not send")),
        }
    }
}

impl Receiver for End {
    type Body = Bytes;

    async fn receive(&mut self) -> Outcome<Option<Bytes>> {
        let subscriber = match self {
            Self::Subscriber(_, subscriber)
            | Self::Asker(_, subscriber, _)
            | Self::Answerer(_, subscriber, _) => subscriber,
            Self::Publisher(..) => return Err(Failure::new("does not receive")),
        };
        let message = subscriber.next().await.ok_or_else(|| Failure::new("the connection has ended"))?;
        if let Self::Answerer(.., asker) = self {
            *asker = message.reply;
        }
        Ok(Some(message.payload))
    }
}

/// Starts the server; returns its address.
fn serve() -> Outcome<String> {
    let port = free_port()?;
    let settings = format!(
        "host: 127.0.0.1\nport: {port}\nmax_payload: 8MB\nmax_pending: 1GB\nwrite_deadline: \"60s\"\n"
    );
    servant::hire("nats-server", &["-c", "/dev/stdin"], &settings)?;
    let deadline = Instant::now() + SILENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline {
            return Err(Failure::new("nats-server does not listen"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(format!("nats://127.0.0.1:{port}"))
}

async fn client(server: &str) -> Outcome<Client> {
    Ok(ConnectOptions::new().subscription_capacity(QUEUE).connect(server).await?)
}

async fn end(client: Client, kind: Kind, subject: &'static str) -> Outcome<End> {
    let end = match kind {
        Kind::Publisher => End::Publisher(client, Subject::from_static(subject)),
        Kind::Sub => {
            let subscriber = client.subscribe(subject).await?;
            End::Subscriber(client, subscriber)
        }
        Kind::Req => {
            let inbox = Subject::from(client.new_inbox());
            let subscriber = client.subscribe(inbox.clone()).await?;
            End::Asker(client, subscriber, inbox)
        }
        Kind::Rep => {
            let subscriber = client.subscribe(subject).await?;
            End::Answerer(client, subscriber, None)
        }
        Kind::Push | Kind::Pull => return Err(Failure::new("has no pipelines")),
    };
    // The server knows what was subscribed when it answers this.
    match &end {
        End::Publisher(client, ..)
        | End::Subscriber(client, ..)
        | End::Asker(client, ..)
        | End::Answerer(client, ..) => client.flush().await?,
    }
    Ok(end)
}

impl Library for Nats {
    type Socket = End;

    async fn bind(kind: Kind, _: &Spec) -> Outcome<(End, String)> {
        let server = serve()?;
        Ok((end(client(&server).await?, kind, THERE).await?, server))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<End> {
        end(client(&spec.endpoint).await?, kind, THERE).await
    }

    async fn both(spec: &Spec) -> Outcome<(Both<End, End>, String)> {
        let binds = spec.role == Role::Binder;
        let server = if binds { serve()? } else { spec.endpoint.clone() };
        let client = client(&server).await?;
        let (out, back) = if binds { (BACK, THERE) } else { (THERE, BACK) };
        let sender = end(client.clone(), Kind::Publisher, out).await?;
        let receiver = end(client, Kind::Sub, back).await?;
        Ok((Both { sender, receiver }, server))
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    library::play(spec, |stage| library::on_tokio(library::part::<Nats>(spec, stage)))
}
