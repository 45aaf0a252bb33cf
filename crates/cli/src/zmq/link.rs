//! A socket of the command: made, attached to its endpoints, and closed with what it could not deliver.

use std::sync::Arc;
use std::time::Duration;

use tamtam_zmq::{
    BindError, ConnectError, Message, Options, RecvError, SendError, Socket, SocketStatistics, SocketType,
};

use super::args::LinkArgs;
use super::statistics;
use crate::exit::{Exit, Failure, Outcome};
use crate::run::Run;
use crate::stop::LINGER_AFTER_STOP;

/// A socket and what its messages to the user need.
#[derive(Debug)]
pub(crate) struct Link<'a> {
    pub(crate) run: &'a Run,
    /// Shared with the threads that some commands need.
    pub(crate) socket: Arc<Socket>,
    kind: SocketType,
    args: &'a LinkArgs,
}

impl<'a> Link<'a> {
    /// Makes a socket that is not attached anywhere yet.
    pub(crate) fn new(
        run: &'a Run,
        kind: SocketType,
        args: &'a LinkArgs,
        adjust: impl FnOnce(&mut Options),
    ) -> Outcome<Self> {
        let mut security = Ok(());
        let socket = Socket::new(&run.context, kind);
        socket
            .configure(|options| {
                options.set_linger(Some(args.linger));
                options.set_send_timeout(run.timeout());
                options.set_receive_timeout(run.timeout());
                if let Some(hwm) = args.hwm {
                    options.set_send_hwm(hwm);
                    options.set_receive_hwm(hwm);
                }
                options.set_send_hwm_bytes(args.hwm_bytes.0).set_receive_hwm_bytes(args.hwm_bytes.0);
                if let Some(identity) = &args.identity {
                    options.set_routing_id(identity.clone());
                }
                security = args.security.apply(options);
                adjust(options);
            })
            .map_err(|error| Failure::usage(error.to_string()))?;
        security?;
        Ok(Self { run, socket: Arc::new(socket), kind, args })
    }

    /// Binds and connects it; tells where it is bound.
    pub(crate) fn attach(&self) -> Outcome {
        let (bound, connected): (Vec<_>, Vec<_>) =
            self.args.endpoints.iter().partition(|endpoint| has_wildcard(endpoint));
        for endpoint in self.args.bind.iter().chain(bound) {
            bind(self.run, &self.socket, endpoint)?;
        }
        for endpoint in self.args.connect.iter().chain(connected) {
            connect(&self.socket, endpoint)?;
        }
        Ok(())
    }

    /// Sends a message; waits as long as `--timeout` says.
    pub(crate) fn send(&self, message: Message) -> Outcome {
        send(self.run, &self.socket, message)
            .map_err(|trouble| trouble.into_failure(self.kind, &self.place()))
    }

    /// Receives a message; waits as long as `--timeout` says. `wanted` says what is missing when none came.
    pub(crate) fn recv(&self, wanted: impl FnOnce() -> String) -> Outcome<Message> {
        loop {
            match self.socket.recv() {
                Ok(message) => return Ok(message),
                Err(RecvError::Interrupted) => self.run.stop.check()?,
                Err(RecvError::TimedOut | RecvError::WouldBlock) => {
                    let waited = humantime::format_duration(self.run.timeout().unwrap_or_default());
                    return Err(Failure::timed_out(format!("no {} within {waited}", wanted())));
                }
                Err(error) => {
                    return Err(stopped_or(self.run, || {
                        Failure::failed(format!(
                            "cannot receive: {error} ({} socket, {})",
                            self.kind,
                            self.place()
                        ))
                    }));
                }
            }
        }
    }

    /// Returns a message that is there already.
    pub(crate) fn recv_now(&self) -> Option<Message> {
        // Whatever else is the matter, the waiting receive that follows will tell.
        self.socket.try_recv().ok()
    }

    /// Names the endpoints.
    pub(crate) fn place(&self) -> String {
        let all = [&self.args.endpoints, &self.args.bind, &self.args.connect];
        all.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Prints the statistics if they are wanted.
    pub(crate) fn print_statistics(&self) {
        if self.args.stats {
            statistics::print(self.run, &self.kind.to_string(), &self.socket.statistics());
        }
    }

    /// Closes the socket, waiting until everything is delivered, at most for the linger time.
    ///
    /// # Errors
    ///
    /// Exit 6 if messages were lost, now or before.
    pub(crate) fn close(self) -> Outcome {
        self.print_statistics();
        let lost = lost(&self.socket.statistics());
        let linger = self.linger();
        let place = self.place();
        // A thread that is sending this moment was left behind: nobody asked for its message to be waited for.
        if let Some(socket) = Arc::into_inner(self.socket) {
            socket
                .close_within(linger)
                .map_err(|error| Failure::data_lost(format!("{error} ({place}; see --linger)")))?;
        }
        lost.map_or(Ok(()), Err)
    }

    /// Ends a command with this result. What went wrong first is what the user is told.
    pub(crate) fn end(self, result: Outcome) -> Outcome {
        let closed = self.close();
        result.and(closed)
    }

    /// Returns how long to wait at the end.
    fn linger(&self) -> Duration {
        let stopped = self.run.stop.reason().is_some();
        if stopped { self.args.linger.min(LINGER_AFTER_STOP) } else { self.args.linger }
    }
}

/// Why a message was not sent.
#[derive(Debug)]
pub(crate) enum SendTrouble {
    /// The command is to stop.
    Stopped(Failure),
    /// The socket refused.
    Failed(SendError),
}

impl SendTrouble {
    /// Returns how the command ends because of it.
    pub(crate) fn into_failure(self, kind: SocketType, place: &str) -> Failure {
        match self {
            Self::Stopped(reason) => reason,
            Self::Failed(
                error @ (SendError::TimedOut(_) | SendError::Full(_) | SendError::Unroutable(_)),
            ) => Failure::timed_out(format!("{error} ({place})")),
            Self::Failed(error) => Failure::failed(format!("cannot send: {error} ({kind} socket, {place})")),
        }
    }
}

/// Sends a message; a signal does not disturb it unless the command is to stop.
pub(crate) fn send(run: &Run, socket: &Socket, mut message: Message) -> Result<(), SendTrouble> {
    loop {
        message = match socket.send(message) {
            Ok(()) => return Ok(()),
            Err(SendError::Interrupted(message)) => message,
            Err(error) => {
                return Err(run.stop.reason().map_or(SendTrouble::Failed(error), SendTrouble::Stopped));
            }
        };
        run.stop.check().map_err(SendTrouble::Stopped)?;
    }
}

/// Binds a socket and tells the resolved endpoint on standard error, which scripts read: `bound tcp://127.0.0.1:40123`.
pub(crate) fn bind(run: &Run, socket: &Socket, endpoint: &str) -> Outcome {
    match socket.bind(endpoint) {
        Ok(resolved) => {
            run.tell(&format!("bound {resolved}"));
            Ok(())
        }
        Err(error @ BindError::Endpoint(_)) => Err(Failure::usage(error.to_string())),
        Err(error) => Err(stopped_or(run, || Failure::failed(error.to_string()))),
    }
}

/// Connects a socket.
pub(crate) fn connect(socket: &Socket, endpoint: &str) -> Outcome {
    socket.connect(endpoint).map_err(|error| {
        let exit = if matches!(error, ConnectError::Endpoint(_)) { Exit::Usage } else { Exit::Failed };
        Failure::new(exit, error.to_string())
    })
}

/// Returns the reason to stop if there is one: then it is also why the socket failed.
fn stopped_or(run: &Run, failure: impl FnOnce() -> Failure) -> Failure {
    run.stop.reason().unwrap_or_else(failure)
}

/// Returns whether an endpoint can only be bound: any host, any port, any name.
fn has_wildcard(endpoint: &str) -> bool {
    let address = endpoint.split_once("://").map_or(endpoint, |(_, address)| address);
    address.starts_with('*')
        || address.ends_with(":*")
        || (endpoint.starts_with("tcp://") && address.ends_with(":0"))
}

/// Returns the failure that dropped messages are, if some were dropped that somebody should have got.
fn lost(statistics: &SocketStatistics) -> Option<Failure> {
    let dropped = &statistics.traffic.dropped;
    let reasons = [
        (dropped.full, "for slow peers"),
        (dropped.disconnected, "for peers that went away"),
        (dropped.unroutable, "for routing ids that nobody has"),
        (dropped.lingered, "not sent in time"),
    ];
    let told: Vec<String> =
        reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    (!told.is_empty()).then(|| Failure::data_lost(format!("messages lost: {}", told.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_bound() {
        for endpoint in ["tcp://*:5561", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "ipc://*", "tcp://[::]:*"]
        {
            assert!(has_wildcard(endpoint), "{endpoint}");
        }
        for endpoint in
            ["tcp://localhost:5561", "ipc:///tmp/a:0", "inproc://a*b", "tcp://127.0.0.1:10", "nonsense"]
        {
            assert!(!has_wildcard(endpoint), "{endpoint}");
        }
    }
}
