//! The paths: which sockets, over what, with what size of message.

use std::time::Duration;

use tamtam_zmq::{Context, Socket, SocketType};

use crate::{Outcome, parked, streams, turns};

/// Nothing here waits longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One way of a message through the engine.
#[derive(Debug)]
pub(crate) struct Path {
    /// Its name on the command line and in the file of budgets.
    pub(crate) name: &'static str,
    /// How messages go.
    shape: Shape,
    /// Over what.
    transport: Transport,
    /// Octets of a message's body.
    size: usize,
    /// How many messages (or round trips) are enough for a figure that does not flicker, and not too many for valgrind.
    pub(crate) count: u32,
}

#[derive(Debug)]
enum Shape {
    /// Bursts from one socket to so many others.
    Stream(SocketType, SocketType, usize),
    /// There and back, one thread playing both ends.
    Turns(SocketType, SocketType),
    /// There and back between two threads that sleep while they wait.
    Parked(SocketType, SocketType),
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Ipc,
    Tcp,
    Inproc,
}

use Shape::{Parked, Stream, Turns};
use SocketType::{Dealer, Pub, Pull, Push, Rep, Req, Router, Sub};
use Transport::{Inproc, Ipc, Tcp};

const fn path(name: &'static str, shape: Shape, transport: Transport, size: usize, count: u32) -> Path {
    Path { name, shape, transport, size, count }
}

/// All of them.
pub(crate) const PATHS: &[Path] = &[
    path("push-pull/ipc/64B", Stream(Push, Pull, 1), Ipc, 64, 20_000),
    path("push-pull/tcp/64B", Stream(Push, Pull, 1), Tcp, 64, 20_000),
    path("push-pull/inproc/64B", Stream(Push, Pull, 1), Inproc, 64, 20_000),
    path("push-pull/ipc/1KiB", Stream(Push, Pull, 1), Ipc, 1024, 5_000),
    path("push-pull/ipc/64KiB", Stream(Push, Pull, 1), Ipc, 65_536, 500),
    path("pub-sub/ipc/64B", Stream(Pub, Sub, 1), Ipc, 64, 20_000),
    path("pub-sub/tcp/64B", Stream(Pub, Sub, 1), Tcp, 64, 20_000),
    path("pub-8-sub/ipc/64B", Stream(Pub, Sub, 8), Ipc, 64, 5_000),
    path("req-rep/ipc/64B", Turns(Req, Rep), Ipc, 64, 5_000),
    path("req-rep/inproc/64B", Turns(Req, Rep), Inproc, 64, 5_000),
    path("dealer-router/ipc/64B", Turns(Dealer, Router), Ipc, 64, 5_000),
    path("parked/ipc/req-rep", Parked(Req, Rep), Ipc, 64, 2_000),
    path("parked/tcp/req-rep", Parked(Req, Rep), Tcp, 64, 2_000),
    path("parked/inproc/req-rep", Parked(Req, Rep), Inproc, 64, 2_000),
];

impl Path {
    /// Tells whether two threads take part, so that only how often they slept is worth counting.
    pub(crate) fn is_parked(&self) -> bool {
        matches!(self.shape, Parked(..))
    }

    /// Sends so many messages after a warm-up; returns what was counted and how much per message (or round trip).
    pub(crate) fn run(&self, count: u32) -> Outcome<Vec<(&'static str, f64)>> {
        if self.is_parked() {
            // Before the background thread is there, so that it stays there as well.
            parked::stay_on_one_cpu()?;
        }
        let context = Context::try_new()?;
        match self.shape {
            Stream(from, to, receivers) => {
                let sender = socket(&context, from)?;
                let endpoint = self.bind(&sender)?;
                let receivers = (0..receivers)
                    .map(|_| {
                        let receiver = socket(&context, to)?;
                        if to == Sub {
                            receiver.subscribe("")?;
                        }
                        receiver.connect(&endpoint)?;
                        Ok(receiver)
                    })
                    .collect::<Outcome<Vec<Socket>>>()?;
                if from == Pub {
                    sender.wait_for_subscribers(receivers.len(), PATIENCE)?;
                } else {
                    sender.wait_for_peers(receivers.len(), PATIENCE)?;
                }
                streams::run(&sender, &receivers, self.size, count)
            }
            Turns(asker, replier) => {
                let (asker, replier) = self.pair(&context, asker, replier)?;
                turns::run(&asker, &replier, self.size, count)
            }
            Parked(asker, replier) => {
                let (asker, replier) = self.pair(&context, asker, replier)?;
                parked::run(asker, replier, self.size, count)
            }
        }
    }

    fn pair(&self, context: &Context, asker: SocketType, replier: SocketType) -> Outcome<(Socket, Socket)> {
        let (asker, replier) = (socket(context, asker)?, socket(context, replier)?);
        asker.connect(&self.bind(&replier)?)?;
        asker.wait_for_peers(1, PATIENCE)?;
        replier.wait_for_peers(1, PATIENCE)?;
        Ok((asker, replier))
    }

    fn bind(&self, socket: &Socket) -> Outcome<String> {
        let endpoint = match self.transport {
            Ipc => "ipc://*",
            Tcp => "tcp://127.0.0.1:*",
            Inproc => "inproc://costs",
        };
        Ok(socket.bind(endpoint)?)
    }
}

fn socket(context: &Context, kind: SocketType) -> Outcome<Socket> {
    let socket = Socket::new(context, kind);
    socket.configure(|options| {
        options.set_receive_timeout(Some(PATIENCE)).set_send_timeout(Some(PATIENCE));
        // What the background thread has written counts until it has the lock again, which under valgrind may be in the next burst.
        options.set_send_hwm(4 * u32::try_from(streams::BURST).unwrap_or(u32::MAX));
    })?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_path_delivers_and_has_a_name_of_its_own() {
        let names: HashSet<_> = PATHS.iter().map(|path| path.name).collect();
        assert_eq!(names.len(), PATHS.len());
        // Those that put themselves on one CPU come last.
        assert!(PATHS.is_sorted_by_key(Path::is_parked));
        for path in PATHS {
            let figures = path.run(50).unwrap_or_else(|error| panic!("{}: {error}", path.name));
            assert!(figures.iter().all(|(_, figure)| figure.is_finite()), "{}: {figures:?}", path.name);
        }
    }
}
