//! libzmq, through the `zmq` crate.

use std::fs;
use std::time::{Duration, Instant};

use zmq::{Context, DONTWAIT, Message, SNDMORE, Socket, SocketType};

use super::{Engine, Kind, Side, Tuning};
use crate::failure::{Failure, Outcome};
use crate::keys::Keys;
use crate::spec::SILENCE;

/// libzmq's sockets, with default options where nothing else is said.
///
/// Its publisher is an XPUB, which is what its PUB is inside, so that it can tell when its subscribers are there; its
/// send mark is lifted, since at the mark it would drop.
pub(crate) struct Libzmq;

impl Engine for Libzmq {
    type Context = Context;
    type Socket = Socket;
    type Slot = Message;

    fn slot() -> Self::Slot {
        Message::new()
    }

    fn context() -> Outcome<Context> {
        Ok(Context::new())
    }

    fn socket(context: &Context, kind: Kind, tuning: Tuning) -> Outcome<Socket> {
        let socket = context.socket(match kind {
            Kind::Req => SocketType::REQ,
            Kind::Rep => SocketType::REP,
            Kind::Dealer => SocketType::DEALER,
            Kind::Router => SocketType::ROUTER,
            Kind::Pair => SocketType::PAIR,
            Kind::Push => SocketType::PUSH,
            Kind::Pull => SocketType::PULL,
            Kind::Publisher => SocketType::XPUB,
            Kind::Sub => SocketType::SUB,
        })?;
        let silence = i32::try_from(SILENCE.as_millis())?;
        socket.set_rcvtimeo(silence)?;
        socket.set_sndtimeo(silence)?;
        socket.set_linger(1000)?;
        if let Some(hwm) = tuning.hwm {
            let hwm = i32::try_from(hwm)?;
            socket.set_sndhwm(hwm)?;
            socket.set_rcvhwm(hwm)?;
        }
        if kind == Kind::Publisher {
            socket.set_sndhwm(0)?;
            socket.set_xpub_verbose(true)?;
        }
        Ok(socket)
    }

    fn encrypt(socket: &Socket, keys: &Keys, side: Side) -> Outcome {
        match side {
            Side::Server => {
                socket.set_curve_server(true)?;
                socket.set_curve_secretkey(keys.server.secret.as_bytes())?;
            }
            Side::Client => {
                socket.set_curve_serverkey(keys.server.public.as_bytes())?;
                socket.set_curve_publickey(keys.client.public.as_bytes())?;
                socket.set_curve_secretkey(keys.client.secret.as_bytes())?;
            }
        }
        Ok(())
    }

    fn bind(socket: &Socket, endpoint: &str) -> Outcome<String> {
        socket.bind(endpoint)?;
        socket.get_last_endpoint()?.map_err(|_| Failure::new("the endpoint is not text"))
    }

    fn connect(socket: &Socket, endpoint: &str) -> Outcome {
        Ok(socket.connect(endpoint)?)
    }

    fn subscribe(socket: &Socket) -> Outcome {
        Ok(socket.set_subscribe(b"")?)
    }

    fn wait_for_subscribers(socket: &Socket, count: usize, timeout: Duration) -> Outcome {
        let deadline = Instant::now() + timeout;
        let mut attached = 0;
        while attached < count {
            match socket.recv_bytes(DONTWAIT) {
                Ok(message) => attached += usize::from(message.first() == Some(&1)),
                Err(zmq::Error::EAGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || socket.poll(zmq::POLLIN, i64::try_from(left.as_millis())?)? == 0 {
                        return Err(Failure::new(format!(
                            "subscribers: {attached} of {count} after {timeout:?}"
                        )));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[inline]
    fn send(socket: &Socket, body: &[u8]) -> Outcome {
        Ok(socket.send(body, 0)?)
    }

    #[inline]
    fn receive<'a>(socket: &Socket, slot: &'a mut Message) -> Outcome<&'a [u8]> {
        socket.recv(slot, 0)?;
        Ok(slot)
    }

    #[inline]
    fn echo(socket: &Socket, check: impl FnOnce(&[u8]) -> Outcome) -> Outcome {
        let mut frame = socket.recv_msg(0)?;
        while frame.get_more() {
            let next = socket.recv_msg(0)?;
            socket.send(frame, SNDMORE)?;
            frame = next;
        }
        check(&frame)?;
        Ok(socket.send(frame, 0)?)
    }

    fn describe(socket: &Socket) -> String {
        let events = socket.get_events().map(|events| events.bits());
        format!("ZMQ_EVENTS {events:?}")
    }
}

/// Returns the version and how the library wakes its threads: a build without eventfd is slower than those that are shipped.
pub(super) fn version() -> String {
    let (major, minor, patch) = zmq::version();
    let context = Context::new();
    // The first socket starts the library's threads.
    let socket = context.socket(SocketType::PAIR);
    let descriptors = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let eventfd = descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_string_lossy().contains("[eventfd]"));
    drop(socket);
    let wakes = if eventfd { "with eventfd" } else { "WITHOUT eventfd: slower than shipped builds" };
    format!("{major}.{minor}.{patch}, compiled by the zmq crate, {wakes}")
}
