//! Tamtam.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tamtam_zmq::{
    AllowList, Context, CurvePublicKey, CurveSecretKey, Message, Security, Socket, SocketType, Spin,
};

use super::{Engine, Kind, Side, Tuning};
use crate::failure::{Failure, Outcome};
use crate::keys::Keys;
use crate::spec::SILENCE;

/// Whether `send` and `recv` are measured, in place of the calls that cost least: `TAMTAM_CALLS=plain`.
pub(super) fn is_plain() -> bool {
    static PLAIN: OnceLock<bool> = OnceLock::new();
    *PLAIN.get_or_init(|| std::env::var_os("TAMTAM_CALLS").is_some_and(|calls| calls == "plain"))
}

/// Octets that a topic's message has before its body: its key, and a header with a number of three octets, time and source.
const BEFORE: [&[u8]; 2] = [b"/bench", &[1; 23]];

/// Tamtam's sockets, with default options where nothing else is said.
pub(crate) type Tamtam = Sockets<false>;
/// The same with messages that look like a topic's.
pub(crate) type Frames = Sockets<true>;

/// Sockets whose messages have two frames before the body if they are `FRAMED`.
pub(crate) struct Sockets<const FRAMED: bool>;

impl<const FRAMED: bool> Engine for Sockets<FRAMED> {
    type Context = Context;
    type Socket = Arc<Socket>;
    type Slot = Message;

    fn slot() -> Message {
        Message::default()
    }

    fn context() -> Outcome<Context> {
        Ok(Context::try_new()?)
    }

    fn socket(context: &Context, kind: Kind, tuning: Tuning) -> Outcome<Arc<Socket>> {
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
            if let Some(hwm) = tuning.hwm {
                options.set_send_hwm(hwm).set_receive_hwm(hwm);
            }
            if !tuning.spin {
                options.set_spin(Spin::Off);
            }
        })?;
        Ok(Arc::new(socket))
    }

    fn share(socket: &Arc<Socket>) -> Outcome<Arc<Socket>> {
        Ok(Arc::clone(socket))
    }

    fn encrypt(socket: &Arc<Socket>, keys: &Keys, side: Side) -> Outcome {
        let secret = |text: &str| text.parse::<CurveSecretKey>();
        let security = match side {
            Side::Server => {
                let client: CurvePublicKey = keys.client.public.parse()?;
                Security::curve_server(secret(&keys.server.secret)?).allow(AllowList::keys([client]))
            }
            Side::Client => {
                let server: CurvePublicKey = keys.server.public.parse()?;
                Security::curve_client(secret(&keys.client.secret)?.into(), server)
            }
        };
        Ok(socket.configure(|options| {
            options.set_security(security);
        })?)
    }

    fn bind(socket: &Arc<Socket>, endpoint: &str) -> Outcome<String> {
        Ok(socket.bind(endpoint)?)
    }

    fn connect(socket: &Arc<Socket>, endpoint: &str) -> Outcome {
        Ok(socket.connect(endpoint)?)
    }

    fn subscribe(socket: &Arc<Socket>) -> Outcome {
        Ok(socket.subscribe("")?)
    }

    fn wait_for_subscribers(socket: &Arc<Socket>, count: usize, timeout: Duration) -> Outcome {
        socket
            .wait_for_subscribers(count, timeout)
            .map_err(|error| Failure::from(error).while_doing("subscribers"))
    }

    #[inline]
    fn send(socket: &Arc<Socket>, body: &[u8]) -> Outcome {
        if is_plain() && !FRAMED {
            return Ok(socket.send(body)?);
        }
        if FRAMED {
            let [key, header] = BEFORE;
            return Ok(socket.send_slices(&[key, header, body], true)?);
        }
        Ok(socket.send_slice(body, true)?)
    }

    #[inline]
    fn receive<'a>(socket: &Arc<Socket>, slot: &'a mut Message) -> Outcome<&'a [u8]> {
        if is_plain() {
            *slot = socket.recv()?;
        } else {
            socket.recv_into(slot)?;
        }
        Ok(if FRAMED { slot.last().as_slice() } else { slot.as_slice() })
    }

    #[inline]
    fn echo(socket: &Arc<Socket>, check: impl FnOnce(&[u8]) -> Outcome) -> Outcome {
        let message = socket.recv()?;
        check(message.last().as_slice())?;
        Ok(socket.send(message)?)
    }

    fn describe(socket: &Arc<Socket>) -> String {
        let all = socket.statistics();
        let peers = socket.peers();
        let waiting: Vec<_> = peers.iter().filter(|peer| peer.queued_in + peer.queued_out > 0).collect();
        let shown: Vec<_> = waiting
            .iter()
            .take(3)
            .map(|peer| {
                let (number, state, out) = (peer.peer.0, peer.state, peer.traffic.messages_out);
                let (queued_in, queued_out, bytes) = (peer.queued_in, peer.queued_out, peer.queued_out_bytes);
                format!("#{number} {state:?} out {out} queued in {queued_in} out {queued_out} ({bytes} B)")
            })
            .collect();
        format!(
            "{:?}: in {} out {} dropped {} queued in {} out {}; {} of {} peers have something queued: {}; {:?}",
            all.socket_type,
            all.traffic.messages_in,
            all.traffic.messages_out,
            all.traffic.dropped.total(),
            all.queued_in,
            all.queued_out,
            waiting.len(),
            peers.len(),
            shown.join(", "),
            socket.readiness()
        )
    }
}
