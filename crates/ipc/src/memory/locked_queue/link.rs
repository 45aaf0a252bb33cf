//! A link over two queues, one for each direction.

use super::{Half, MESSAGE_MAX, Receiver, Sender, halves};
use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable, memory};

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "shm-mutex-queue",
    title: "Queue in shared memory under a robust mutex",
    family: Family::SharedMemory,
    manual: "shm_overview(7), pthread_mutexattr_setrobust(3), futex(2)",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "as many messages as planned may wait; then the sender waits",
    limits: "memory: all of it is allocated at the start; two descriptors for each direction",
    reach: Reach::Descriptor,
    persistence: Persistence::Process,
    permissions: "who holds the descriptor (memfd); all that hold it have to trust each other",
    clean_up: "nothing: the memory has no name and goes with its last process; a lock of a dead process goes to the next one (EOWNERDEAD)",
    peer_death: PeerDeath::Lifeline,
    peer_death_text: "both are told within 20 ms, by a socket pair whose end closes; the receiver gets what was sent first; a message that was not yet counted when its sender died is not there",
    pollable: false,
    copies: 2,
    system_calls: "0",
    languages: "C, C++, Rust and what else has the same C library's locks",
    when: "several senders or receivers that trust each other and share their work",
    when_not: "one sender and one receiver (a ring is faster); processes that may be hostile; event loops",
    pitfalls: "a mutex that is not robust waits for a dead owner for ever; pthread_cond_t is never robust; a stopped owner stops all; priority inversion",
    program: include_str!("../../../programs/shm_mutex_queue.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        memory::probe(FACTS.name)
    }

    fn message_max(&self) -> usize {
        MESSAGE_MAX
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        let (questions, for_questions) = halves(plan)?;
        let (answers, for_answers) = halves(plan)?;
        let descriptors =
            |out: Half, into: Half| [out, into].map(Half::into_descriptors).into_iter().flatten();
        let (client, server) = (descriptors(questions, for_answers), descriptors(answers, for_questions));
        Ok(Link::of_descriptors(&Self, plan, client, server))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let mut half = || Half::from_descriptors([ticket.take_descriptor()?, ticket.take_descriptor()?]);
        let (out, into) = (half()?, half()?);
        let wait = ticket.plan().wait;
        Ok(Box::new(Queues { sender: Sender::open(out, wait)?, receiver: Receiver::open(into, wait)? }))
    }
}

#[derive(Debug)]
struct Queues {
    sender: Sender,
    receiver: Receiver,
}

impl End for Queues {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.sender.send(message, deadline)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.receiver.receive(into, deadline)
    }
}
