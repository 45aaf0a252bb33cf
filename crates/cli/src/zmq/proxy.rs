//! `tamtam zmq proxy`: messages pass between two sockets until the command is interrupted.

use tamtam_zmq::{Socket, SocketType};

use super::args::{ProxyArgs, ProxyTypes};
use super::link::{bind, connect};
use super::statistics;
use crate::exit::{Failure, Outcome};
use crate::run::Run;

/// Passes messages on.
pub(crate) fn forward(run: &Run, args: &ProxyArgs) -> Outcome {
    let (front_type, back_type) = match args.types {
        ProxyTypes::XsubXpub => (SocketType::XSub, SocketType::XPub),
        ProxyTypes::RouterDealer => (SocketType::Router, SocketType::Dealer),
        ProxyTypes::PullPush => (SocketType::Pull, SocketType::Push),
    };
    let front = open(run, front_type, args, &args.front, args.connect_front)?;
    let back = open(run, back_type, args, &args.back, args.connect_back)?;
    let capture = args
        .capture
        .as_ref()
        .map(|endpoint| open(run, SocketType::Pub, args, endpoint, false))
        .transpose()?;
    let result = tamtam_zmq::proxy(&front, &back, capture.as_ref());
    if args.stats {
        statistics::print(run, &format!("front {front_type}"), &front.statistics());
        statistics::print(run, &format!("back {back_type}"), &back.statistics());
    }
    run.stop.check()?;
    result.map(drop).map_err(|error| Failure::failed(format!("the proxy stopped: {error}")))
}

fn open(run: &Run, kind: SocketType, args: &ProxyArgs, endpoint: &str, connects: bool) -> Outcome<Socket> {
    let socket = Socket::new(&run.context, kind);
    socket
        .configure(|options| {
            if let Some(hwm) = args.hwm {
                options.set_send_hwm(hwm).set_receive_hwm(hwm);
            }
            options.set_send_hwm_bytes(args.hwm_bytes.0).set_receive_hwm_bytes(args.hwm_bytes.0);
        })
        .map_err(|error| Failure::usage(error.to_string()))?;
    if connects {
        connect(&socket, endpoint)?;
    } else {
        bind(run, &socket, endpoint)?;
    }
    Ok(socket)
}
