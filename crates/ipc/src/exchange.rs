//! The four steps of an exchange, over whatever mechanism: send, be notified, process, acknowledge.
//!
//! Who asks calls [`ask`], who answers calls [`answer`], each in a process of its own. [`exchange`] plays both, and tells how long each step took:
//!
//! ```
//! use tamtam_ipc::{Plan, exchange::exchange, unix_seqpacket};
//!
//! let done = exchange(&unix_seqpacket::Adapter, &Plan::default(), b"ping", |message| message.reverse())?;
//! assert_eq!(done.acknowledgement, b"gnip");
//! assert!(done.notified <= done.processed && done.processed <= done.acknowledged);
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Deadline, End, Error, Mechanism, Plan};

/// The asking side: sends the message, and waits for the acknowledgement, which replaces what is in `into`.
///
/// # Errors
///
/// Those of [`End::send`] and [`End::receive`]. After [`Error::TimedOut`] the acknowledgement may still come, and would be taken for that of
/// the next message: ask no more.
pub fn ask(end: &mut dyn End, message: &[u8], into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
    end.send(message, deadline)?;
    end.receive(into, deadline)
}

/// The answering side of one exchange: waits to be notified, has `process` make the acknowledgement out of the message, and sends that. Give it the same
/// `buffer` each time.
///
/// # Errors
///
/// Those of [`End::receive`] and [`End::send`]; [`Error::Closed`] is how the last one ends.
pub fn answer(
    end: &mut dyn End,
    buffer: &mut Vec<u8>,
    deadline: Deadline,
    process: impl FnOnce(&mut Vec<u8>),
) -> Result<(), Error> {
    end.receive(buffer, deadline)?;
    process(buffer);
    end.send(buffer, deadline)
}

/// What came of an exchange. Times count from the moment before the message was sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// What the answering side sent back.
    pub acknowledgement: Vec<u8>,
    /// When sending was done: step 1. The other side may have been notified before that.
    pub sent: Duration,
    /// When the other side had the message: step 2.
    pub notified: Duration,
    /// When it had processed it: step 3.
    pub processed: Duration,
    /// When the acknowledgement was back: step 4.
    pub acknowledged: Duration,
}

/// Makes a link, and runs one exchange over it between this thread and another one. Waits at most some seconds for each step.
///
/// # Errors
///
/// Those of [`Mechanism::link`], [`Mechanism::open`], [`End::send`] and [`End::receive`].
///
/// # Panics
///
/// If `process` does.
pub fn exchange(
    mechanism: &dyn Mechanism,
    plan: &Plan,
    message: &[u8],
    process: impl FnOnce(&mut Vec<u8>) + Send,
) -> Result<Exchange, Error> {
    let (mut client, mut server) = mechanism.link(plan)?.open()?;
    let deadline = Deadline::after(PATIENCE);
    thread::scope(|scope| {
        let start = Instant::now();
        let answering = thread::Builder::new().spawn_scoped(scope, move || {
            let (mut notified, mut processed) = (Duration::ZERO, Duration::ZERO);
            let answered = answer(&mut *server, &mut Vec::new(), deadline, |message| {
                notified = start.elapsed();
                process(message);
                processed = start.elapsed();
            });
            // The end stays open until the acknowledgement has been received.
            answered.map(|()| (notified, processed, server))
        });
        let answering = answering.map_err(Error::system("clone"))?;
        let mut acknowledgement = Vec::new();
        let mut asking = || {
            client.send(message, deadline)?;
            let sent = start.elapsed();
            loop {
                // Not every mechanism tells that nobody will answer any more.
                let is_over = answering.is_finished();
                match client.receive(&mut acknowledgement, deadline.min(Deadline::after(SLICE))) {
                    Err(Error::TimedOut) if !is_over && !deadline.has_passed() => {}
                    received => return received.map(|()| (sent, start.elapsed())),
                }
            }
        };
        let asked = asking();
        // If asking has failed, the other side shall not wait for us.
        drop(client);
        let answered = answering.join().unwrap_or_else(|panic| resume_unwind(panic));
        let (notified, processed, _) = answered?;
        let (sent, acknowledged) = asked?;
        Ok(Exchange { acknowledgement, sent, notified, processed, acknowledged })
    })
}

/// How long a step may take, `process` included.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often is looked whether the other side is still there.
const SLICE: Duration = Duration::from_millis(50);
