//! `tamtam zmq dealer`, `router` and `pair`: input is sent while what arrives is printed.

use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam_zmq::{Frame, Message, SendError, Socket, SocketType};

use super::args::ExchangeArgs;
use super::input::Input;
use super::link::{Link, SendTrouble, send};
use super::pace::Pace;
use super::receiver::{next, open_output, show};
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::run::Run;

/// How long to wait before a ROUTER looks again whether a peer has come.
const ROUTE_RETRY: Duration = Duration::from_millis(50);

/// Sends the input and prints what arrives. `to` is put before each message that is sent.
pub(crate) fn exchange(run: &Run, kind: SocketType, args: &ExchangeArgs, to: Option<&Bytes>) -> Outcome {
    let to = to.map(|id| Frame::from(id.clone()));
    let sends_only = args.count == Some(0);
    let input = Input::open(&run.stop, &args.input, &args.proto, None, to)?;
    let output = open_output(run, &args.output, &args.proto)?;
    let link = Link::new(run, kind, &args.link, |options| {
        // A message to a peer that is not there is kept until the peer has come, not dropped.
        options.set_router_mandatory(true);
    })?;
    link.attach()?;
    let sender = Sender { run: run.clone(), socket: Arc::downgrade(&link.socket), kind, place: link.place() };
    let rate = args.input.rate;
    let result = if sends_only {
        sender.send_all(input, rate)
    } else {
        let given = !(args.input.message.is_empty() && args.input.file.is_empty());
        start(sender, input, rate).and_then(|sending| {
            print_all(&link, output, args.count)?;
            finish_sending(run, sending, given)
        })
    };
    link.end(result)
}

/// Sends in a thread of its own.
fn start(sender: Sender, input: Input, rate: Option<Duration>) -> Outcome<JoinHandle<()>> {
    let body = move || {
        if let Err(failure) = sender.send_all(input, rate) {
            sender.run.stop.because(failure);
        }
    };
    thread::Builder::new()
        .name("tamtam-input".into())
        .spawn(body)
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))
}

/// Waits until messages given on the command line are sent, too. A thread that waits for standard input is left behind;
/// it owns no part of the socket while it waits.
fn finish_sending(run: &Run, sending: JoinHandle<()>, given: bool) -> Outcome {
    if given && sending.join().is_err() {
        return Err(Failure::failed("the sending thread failed"));
    }
    run.stop.check()
}

fn print_all(link: &Link<'_>, mut output: Output, count: Option<u64>) -> Outcome {
    let mut received = 0_u64;
    while count.is_none_or(|count| received < count) {
        let missing = || {
            let of = count.map_or_else(String::new, |count| format!(" of {count}"));
            format!("message from {} ({received}{of} received)", link.place())
        };
        let message = next(link, &mut output, missing)?;
        received += 1;
        show(link.run, &mut output, &message, received)?;
    }
    output.finish()
}

struct Sender {
    run: Run,
    socket: Weak<Socket>,
    kind: SocketType,
    place: String,
}

impl Sender {
    fn send_all(&self, input: Input, rate: Option<Duration>) -> Outcome {
        let mut pace = Pace::new(&self.run.stop, rate);
        for message in input {
            let message = message?;
            pace.wait()?;
            // The command has ended meanwhile.
            let Some(socket) = self.socket.upgrade() else { return Ok(()) };
            self.send(&socket, message)?;
        }
        Ok(())
    }

    fn send(&self, socket: &Socket, mut message: Message) -> Outcome {
        let begun = Instant::now();
        loop {
            message = match send(&self.run, socket, message) {
                Ok(()) => return Ok(()),
                Err(SendTrouble::Failed(SendError::Unroutable(message)))
                    if self.run.timeout().is_none_or(|timeout| begun.elapsed() < timeout) =>
                {
                    message
                }
                Err(trouble) => return Err(trouble.into_failure(self.kind, &self.place)),
            };
            self.run.stop.sleep_until(Instant::now() + ROUTE_RETRY)?;
        }
    }
}
