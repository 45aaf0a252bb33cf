//! Tamtam.

use std::time::Duration;

use tamtam_zmq::{Context, Message, Socket, SocketType, Spin};

use super::{Engine, Kind, Tuning};
use crate::failure::{Failure, Outcome};
use crate::spec::SILENCE;

/// Tamtam's sockets, with default options where nothing else is said.
pub(crate) struct Tamtam;

impl Engine for Tamtam {
    type Context = Context;
    type Socket = Socket;
    type Slot = Option<Message>;

    fn context() -> Outcome<Context> {
        Ok(Context::try_new()?)
    }

    fn socket(context: &Context, kind: Kind, tuning: Tuning) -> Outcome<Socket> {
        let socket = Socket::new(
            context,
            match kind {
                Kind::Req => SocketType::Req,
                Kind::Rep => SocketType::Rep,
                Kind::Dealer => SocketType::Dealer,
                Kind::Router => SocketType::Router,
                Kind::Pair => SocketType::Pair,
                Kind::Push => SocketType::Push,
                Kind::Pull => SocketType::Pull,
                Kind::Publisher => SocketType::Pub,
                Kind::Sub => SocketType::Sub,
            },
        );
        socket.configure(|options| {
            options.set_receive_timeout(Some(SILENCE)).set_send_timeout(Some(SILENCE));
            options.set_xpub_nodrop(kind == Kind::Publisher);
            options.set_linger(Some(Duration::from_secs(1)));
            if !tuning.spin {
                options.set_spin(Spin::Off);
            }
        })?;
        Ok(socket)
    }

    fn bind(socket: &Socket, endpoint: &str) -> Outcome<String> {
        Ok(socket.bind(endpoint)?)
    }

    fn connect(socket: &Socket, endpoint: &str) -> Outcome {
        Ok(socket.connect(endpoint)?)
    }

    fn subscribe(socket: &Socket) -> Outcome {
        Ok(socket.subscribe("")?)
    }

    fn wait_for_subscribers(socket: &Socket, count: usize, timeout: Duration) -> Outcome {
        socket.wait_for_subscribers(count, timeout).map_err(|error| Failure::from(error).while_doing("subscribers"))
    }

    #[inline]
    fn send(socket: &Socket, body: &[u8]) -> Outcome {
        Ok(socket.send(body)?)
    }

    #[inline]
    fn receive<'a>(socket: &Socket, slot: &'a mut Self::Slot) -> Outcome<&'a [u8]> {
        Ok(slot.insert(socket.recv()?).as_slice())
    }

    #[inline]
    fn echo(socket: &Socket, check: impl FnOnce(&[u8]) -> Outcome) -> Outcome {
        let message = socket.recv()?;
        check(message.last().as_slice())?;
        Ok(socket.send(message)?)
    }

    fn describe(socket: &Socket) -> String {
        let statistics = socket.statistics();
        let peers = socket.peers();
        let shown: Vec<_> = peers.iter().take(3).map(|peer| format!("{peer:?}")).collect();
        let readiness = socket.readiness();
        format!("{statistics:?}; {} peers: {}; {readiness:?}", peers.len(), shown.join(", "))
    }
}
