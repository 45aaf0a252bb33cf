//! omq-tokio: the caller's runtime drives the connections, and ready messages are taken without waiting.

use omq_tokio::{Context, Error, Message, Options, Socket, SocketType, TrySendError};
use tamtam_bench_protocol::failure::Outcome;
use tamtam_bench_protocol::spec::Spec;

use crate::end::{Receiver, Sender};
use crate::library::{self, Kind, Library};

struct Omq;

impl Sender for Socket {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        match self.try_send(Message::from_slice(body)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => Ok(Self::send(self, message).await?),
            Err(error) => Err(error.into()),
        }
    }
}

impl Receiver for Socket {
    type Body = bytes::Bytes;

    async fn receive(&mut self) -> Outcome<Option<bytes::Bytes>> {
        let message = match self.try_recv() {
            Err(Error::WouldBlock) => self.recv().await?,
            other => other?,
        };
        Ok(message.part_bytes(0))
    }
}

fn socket(kind: Kind) -> Socket {
    let kind = match kind {
        Kind::Rep => SocketType::Rep,
        Kind::Pull => SocketType::Pull,
        Kind::Publisher => SocketType::Pub,
        Kind::Req => SocketType::Req,
        Kind::Push => SocketType::Push,
        Kind::Sub => SocketType::Sub,
    };
    let options = Options { xpub_nodrop: true, ..Options::default() };
    Context::current().socket(kind, options)
}

impl Library for Omq {
    type Socket = Socket;

    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(Socket, String)> {
        let socket = socket(kind);
        let bound = socket.bind(spec.endpoint.replace('*', "0").as_str()).await?;
        Ok((socket, bound.to_string()))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<Socket> {
        let socket = socket(kind);
        socket.connect(spec.endpoint.as_str()).await?;
        if kind == Kind::Sub {
            socket.subscribe(bytes::Bytes::new()).await?;
        }
        Ok(socket)
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    library::play(spec, |stage| library::on_tokio(library::part::<Omq>(spec, stage)))
}
