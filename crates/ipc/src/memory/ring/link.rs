//! A link over two rings, one for each direction.

use std::os::fd::BorrowedFd;

use super::layout::MESSAGE_MAX;
use super::{Consumer, Half, Producer, halves};
use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::memory;
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable};

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "shm-ring",
    title: "Ring in shared memory",
    family: Family::SharedMemory,
    manual: "shm_overview(7), memfd_create(2), futex(2)",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "the ring fills (as many of the longest messages as planned, of shorter ones more); then the producer waits",
    limits: "memory: all of it is allocated at the start; one descriptor for the memory and one for the socket",
    reach: Reach::Descriptor,
    persistence: Persistence::Process,
    permissions: "who holds the descriptor (memfd); sealed, so that nobody can make it shorter while it is mapped",
    clean_up: "nothing: the memory has no name and goes with its last process",
    peer_death: PeerDeath::Lifeline,
    peer_death_text: "a dropped end is noticed at once, a killed one within 10 ms; the receiver gets what was sent first; a sender may fill the ring before it notices",
    pollable: true,
    copies: 2,
    system_calls: "0",
    languages: "those with atomics and mmap: C, C++, Rust, Go, Java; both sides have to agree about every octet",
    when: "many short messages between two processes, or the shortest round trip, with a core to spend on each side",
    when_not: "more than one sender or receiver; an occasional message (a socket is simpler); untrusted code that parses in place",
    pitfalls: "lost wake-ups without a fence on both sides; SIGBUS if the memory can shrink; the other side may write anything at any moment; spinning on one core",
    program: include_str!("../../../programs/shm_ring.rs"),
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
        Ok(Box::new(Rings { producer: Producer::open(out, wait)?, consumer: Consumer::open(into, wait)? }))
    }
}

#[derive(Debug)]
struct Rings {
    producer: Producer,
    consumer: Consumer,
}

impl End for Rings {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.producer.send(message, deadline)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.consumer.receive(into, deadline)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.consumer.descriptor())
    }
}
