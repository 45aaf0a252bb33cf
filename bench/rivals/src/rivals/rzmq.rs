//! rzmq on tokio's epoll, with its throttle off. (`TCP_CORK`, meant for its io_uring sessions, slows these down some twenty-six times.)

use rzmq::socket::{ADAPTIVE_THROTTLE, LAST_ENDPOINT, SUBSCRIBE, XPUB_NODROP};
use rzmq::{Context, Msg, Socket, SocketType};
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::Spec;

use crate::end::{Receiver, Sender};
use crate::library::{self, Kind, Library};

struct Rzmq;

/// A socket, with what it is made in.
struct End(Socket, #[expect(dead_code, reason = "it must not end before its sockets")] Context);

impl Sender for End {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        Ok(self.0.send(Msg::from_vec(body.to_vec())).await?)
    }
}

impl Receiver for End {
    type Body = bytes::Bytes;

    async fn receive(&mut self) -> Outcome<Option<bytes::Bytes>> {
        Ok(self.0.recv().await?.data_bytes())
    }
}

async fn end(kind: Kind) -> Outcome<End> {
    let context = Context::new()?;
    let socket = context.socket(match kind {
        Kind::Rep => SocketType::Rep,
        Kind::Pull => SocketType::Pull,
        Kind::Publisher => SocketType::Pub,
        Kind::Req => SocketType::Req,
        Kind::Push => SocketType::Push,
        Kind::Sub => SocketType::Sub,
    })?;
    socket.set_option(ADAPTIVE_THROTTLE, 0_i32).await?;
    match kind {
        Kind::Publisher => socket.set_option(XPUB_NODROP, 1_i32).await?,
        Kind::Sub => socket.set_option(SUBSCRIBE, "").await?,
        _ => {}
    }
    Ok(End(socket, context))
}

impl Library for Rzmq {
    type Socket = End;

    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(End, String)> {
        let end = end(kind).await?;
        end.0.bind(&spec.endpoint.replace('*', "0")).await?;
        let bound = String::from_utf8(end.0.get_option(LAST_ENDPOINT).await?)
            .map_err(|_| Failure::new("the endpoint is not text"))?;
        Ok((end, bound.trim_end_matches('\0').to_owned()))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<End> {
        let end = end(kind).await?;
        end.0.connect(&spec.endpoint).await?;
        Ok(end)
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    library::play(spec, |stage| library::on_tokio(library::part::<Rzmq>(spec, stage)))
}
