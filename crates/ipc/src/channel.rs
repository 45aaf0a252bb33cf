//! A bounded queue between threads of one process: what all the others are compared with.
//!
//! ```
//! use tamtam_ipc::{Deadline, Plan, channel};
//!
//! let (mut sender, mut receiver) = channel::pair(&Plan::default());
//! sender.send(b"ping", Deadline::NEVER)?;
//! let mut message = Vec::new();
//! receiver.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"ping");
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::wait::until;
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Side, Ticket, Unavailable};

/// Makes a queue of at most `plan.depth` messages, one if that is zero.
#[must_use]
pub fn pair(plan: &Plan) -> (Sender, Receiver) {
    let queue = Arc::new(Queue {
        state: Mutex::new(State { messages: VecDeque::new(), spare: Vec::new(), is_closed: false }),
        changed: Condvar::new(),
        plan: Plan { depth: plan.depth.max(1), ..*plan },
    });
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

/// The end that sends. Dropping it closes the queue.
#[derive(Debug)]
pub struct Sender(Arc<Queue>);

/// The end that receives. Dropping it closes the queue.
#[derive(Debug)]
pub struct Receiver(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    /// A message came, room came, or an end went. Both ends want to be called by one at a time (`&mut`), and never both wait: one is woken.
    changed: Condvar,
    plan: Plan,
}

#[derive(Debug)]
struct State {
    messages: VecDeque<Vec<u8>>,
    /// Buffers of messages that were received, for the next ones.
    spare: Vec<Vec<u8>>,
    is_closed: bool,
}

impl Sender {
    /// As [`End::send`].
    ///
    /// # Errors
    ///
    /// Those of [`End::send`] but [`Error::System`].
    pub fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        let Plan { message_max, depth, .. } = self.0.plan;
        if message.len() > message_max {
            return Err(Error::TooLong { len: message.len(), max: message_max });
        }
        self.0.wait_for(deadline, |state| {
            if state.is_closed {
                return Err(Error::Closed);
            }
            if state.messages.len() >= depth {
                return Ok(None);
            }
            let mut buffer = state.spare.pop().unwrap_or_default();
            buffer.extend_from_slice(message);
            state.messages.push_back(buffer);
            Ok(Some(()))
        })
    }
}

impl Receiver {
    /// As [`End::receive`].
    ///
    /// # Errors
    ///
    /// Those of [`End::receive`] but [`Error::System`].
    pub fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.0.wait_for(deadline, |state| match state.messages.pop_front() {
            Some(message) => {
                let mut buffer = std::mem::replace(into, message);
                buffer.clear();
                state.spare.push(buffer);
                Ok(Some(()))
            }
            None if state.is_closed => Err(Error::Closed),
            None => Ok(None),
        })
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two of our statements leaves the queue whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the state as soon as it can be done, and tells the other end.
    fn wait_for(
        &self,
        deadline: Deadline,
        mut act: impl FnMut(&mut State) -> Result<Option<()>, Error>,
    ) -> Result<(), Error> {
        // The other end has to run to change anything; while it spins, this thread only looks.
        let seen = std::cell::Cell::new((0, false));
        until(
            self.plan.wait,
            deadline,
            || {
                let mut state = self.lock();
                seen.set((state.messages.len(), state.is_closed));
                let done = act(&mut state)?;
                drop(state);
                if done.is_some() {
                    self.changed.notify_one();
                }
                Ok(done)
            },
            |deadline| {
                let state = self.lock();
                let as_seen = |state: &mut State| seen.get() == (state.messages.len(), state.is_closed);
                match deadline.remaining() {
                    None => {
                        drop(self.changed.wait_while(state, as_seen).unwrap_or_else(PoisonError::into_inner))
                    }
                    Some(left) => {
                        let waited = self.changed.wait_timeout_while(state, left, as_seen);
                        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
                            return Err(Error::TimedOut);
                        }
                    }
                }
                Ok(())
            },
        )
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Both directions.
#[derive(Debug)]
struct Duplex {
    sender: Sender,
    receiver: Receiver,
}

impl End for Duplex {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.sender.send(message, deadline)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.receiver.receive(into, deadline)
    }
}

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "channel",
    title: "channel between threads",
    family: Family::Threads,
    manual: "pthread_mutex_lock(3), pthread_cond_wait(3)",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "so many messages as the plan says; then the sender waits",
    limits: "memory",
    reach: Reach::Process,
    persistence: Persistence::Process,
    permissions: "all threads of a process may do everything",
    clean_up: "nothing: it is memory of the process",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "the receiver gets what was sent, then the end; the sender gets an error; both as soon as the other end is dropped, also by a panic",
    pollable: false,
    copies: 1,
    system_calls: "0 to 2: only who sleeps has to be woken",
    languages: "each its own",
    when: "one program, one language, no wall between the parts wanted",
    when_not: "one part may crash, has other rights, or is written in another language",
    pitfalls: "a crash of one is the end of all; queues without a bound",
    program: include_str!("../programs/channel.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        Ok(Vec::new())
    }

    fn message_max(&self) -> usize {
        isize::MAX as usize
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let ((to_server, from_client), (to_client, from_server)) = (pair(plan), pair(plan));
        let ticket =
            |side, sender, receiver| Ticket::new(&Self, side, plan).with_local(Duplex { sender, receiver });
        Ok(Link {
            client: ticket(Side::Client, to_server, from_server),
            server: ticket(Side::Server, to_client, from_client),
        })
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        Ok(Box::new(ticket.take_local::<Duplex>()?))
    }
}
