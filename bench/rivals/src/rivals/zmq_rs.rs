//! zmq.rs, the crate `zeromq`.

use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::Spec;
use zeromq::{
    PubSocket, PullSocket, PushSocket, RepSocket, ReqSocket, Socket as _, SocketRecv as _, SocketSend as _,
    SubSocket, ZmqMessage,
};

use crate::end::{Receiver, Sender};
use crate::library::{self, Kind, Library};

struct ZmqRs;

/// A socket of whatever type: each is a type of its own.
enum Socket {
    Rep(RepSocket),
    Pull(PullSocket),
    Publisher(PubSocket),
    Req(ReqSocket),
    Push(PushSocket),
    Sub(SubSocket),
}

impl Sender for Socket {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        let message = ZmqMessage::from(body.to_vec());
        match self {
            Self::Rep(socket) => socket.send(message).await?,
            Self::Publisher(socket) => socket.send(message).await?,
            Self::Req(socket) => socket.send(message).await?,
            Self::Push(socket) => socket.send(message).await?,
            Self::Pull(_) | Self::Sub(_) => return Err(Failure::new("does not send")),
        }
        Ok(())
    }
}

impl Receiver for Socket {
    type Body = bytes::Bytes;

    async fn receive(&mut self) -> Outcome<Option<bytes::Bytes>> {
        let message = match self {
            Self::Rep(socket) => socket.recv().await?,
            Self::Pull(socket) => socket.recv().await?,
            Self::Req(socket) => socket.recv().await?,
            Self::Sub(socket) => socket.recv().await?,
            Self::Publisher(_) | Self::Push(_) => return Err(Failure::new("does not receive")),
        };
        Ok(message.get(0).cloned())
    }
}

impl Library for ZmqRs {
    type Socket = Socket;

    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(Socket, String)> {
        let at = spec.endpoint.replace('*', "0");
        let (socket, bound) = match kind {
            Kind::Rep => {
                let mut socket = RepSocket::new();
                let bound = socket.bind(&at).await?;
                (Socket::Rep(socket), bound)
            }
            Kind::Pull => {
                let mut socket = PullSocket::new();
                let bound = socket.bind(&at).await?;
                (Socket::Pull(socket), bound)
            }
            Kind::Publisher => {
                let mut socket = PubSocket::new();
                let bound = socket.bind(&at).await?;
                (Socket::Publisher(socket), bound)
            }
            Kind::Req | Kind::Push | Kind::Sub => return Err(Failure::new("connects")),
        };
        Ok((socket, bound.to_string()))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<Socket> {
        match kind {
            Kind::Req => {
                let mut socket = ReqSocket::new();
                socket.connect(&spec.endpoint).await?;
                Ok(Socket::Req(socket))
            }
            Kind::Push => {
                let mut socket = PushSocket::new();
                socket.connect(&spec.endpoint).await?;
                Ok(Socket::Push(socket))
            }
            Kind::Sub => {
                let mut socket = SubSocket::new();
                socket.connect(&spec.endpoint).await?;
                socket.subscribe("").await?;
                Ok(Socket::Sub(socket))
            }
            Kind::Rep | Kind::Pull | Kind::Publisher => Err(Failure::new("binds")),
        }
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    library::play(spec, |stage| library::on_tokio(library::part::<ZmqRs>(spec, stage)))
}
