//! nng, in C: its ordinary sockets, which block.

use nng::options::protocol::pubsub::Subscribe;
use nng::options::{Options as _, RecvBufferSize, RecvTimeout, SendBufferSize, SendTimeout};
use nng::{Error, Message, Protocol, Socket};
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::{SILENCE, Spec, Transport};

use crate::end::{Receiver, Sender};
use crate::library::{self, Kind, Library};
use crate::servant::free_port;
use crate::work::QUIET;

/// The longest queue that it allows.
const QUEUE: i32 = 8192;

struct Nng;

struct End(Socket);

/// A received message.
struct Body(Message);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Sender for End {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        self.0.send(body).map_err(|(_, error)| Failure::from(error))
    }
}

impl Receiver for End {
    type Body = Body;

    async fn receive(&mut self) -> Outcome<Option<Body>> {
        match self.0.recv() {
            Ok(message) => Ok(Some(Body(message))),
            Err(Error::TimedOut) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn end(kind: Kind) -> Outcome<End> {
    let socket = Socket::new(match kind {
        Kind::Rep => Protocol::Rep0,
        Kind::Pull => Protocol::Pull0,
        Kind::Publisher => Protocol::Pub0,
        Kind::Req => Protocol::Req0,
        Kind::Push => Protocol::Push0,
        Kind::Sub => Protocol::Sub0,
    })?;
    socket.set_opt::<RecvTimeout>(Some(if kind == Kind::Sub { QUIET } else { SILENCE }))?;
    socket.set_opt::<SendTimeout>(Some(SILENCE))?;
    // Not every protocol has both queues.
    let _ = socket.set_opt::<RecvBufferSize>(QUEUE);
    let _ = socket.set_opt::<SendBufferSize>(QUEUE);
    if kind == Kind::Sub {
        socket.set_opt::<Subscribe>(Vec::new())?;
    }
    Ok(End(socket))
}

impl Library for Nng {
    type Socket = End;

    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(End, String)> {
        let endpoint = match spec.transport {
            Transport::Tcp => format!("tcp://127.0.0.1:{}", free_port()?),
            _ => spec.endpoint.clone(),
        };
        let end = end(kind)?;
        end.0.listen(&endpoint)?;
        Ok((end, endpoint))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<End> {
        let end = end(kind)?;
        end.0.dial(&spec.endpoint)?;
        Ok(end)
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    library::play(spec, |stage| futures::executor::block_on(library::part::<Nng>(spec, stage)))
}
