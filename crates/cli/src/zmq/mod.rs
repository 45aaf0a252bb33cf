//! `tamtam zmq`: one raw socket on the command line.

pub(crate) mod args;
mod exchange;
mod input;
mod keygen;
mod link;
mod monitor;
mod pace;
mod proxy;
mod receiver;
mod replier;
mod requester;
mod security;
mod sender;
mod statistics;

use tamtam_zmq::SocketType;

use crate::exit::Outcome;
use crate::run::Run;
use args::ZmqCommand;
pub(crate) use input::{Interruptible, to_frame};
pub(crate) use link::{SendTrouble, send};
pub(crate) use pace::Pace;

/// Runs the command.
pub(crate) fn run(run: &Run, command: ZmqCommand) -> Outcome {
    // A socket that is used after the command was told to stop fails in many ways, which are nobody's concern.
    execute(run, command).map_err(|failure| run.stop.reason().unwrap_or(failure))
}

fn execute(run: &Run, command: ZmqCommand) -> Outcome {
    match command {
        ZmqCommand::Pub(args) => sender::publish(run, &args),
        ZmqCommand::Push(args) => sender::push(run, &args),
        ZmqCommand::Sub(args) => receiver::subscribe(run, &args),
        ZmqCommand::Pull(args) => receiver::pull(run, &args),
        ZmqCommand::Req(args) => requester::request(run, &args),
        ZmqCommand::Rep(args) => replier::reply(run, &args),
        ZmqCommand::Dealer(args) => exchange::exchange(run, SocketType::Dealer, &args, None),
        ZmqCommand::Router(args) => {
            exchange::exchange(run, SocketType::Router, &args.exchange, args.to.as_ref())
        }
        ZmqCommand::Pair(args) => exchange::exchange(run, SocketType::Pair, &args, None),
        ZmqCommand::Proxy(args) => proxy::forward(run, &args),
        ZmqCommand::Monitor(args) => monitor::watch(run, &args),
        ZmqCommand::Keygen(args) => keygen::generate(run, &args),
    }
}
