//! A link over two latest values, one for each direction: messages that replace each other.

use super::{Half, Reader, VALUE_MAX, Writer, halves};
use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Side, Ticket, Unavailable, memory};

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "shm-latest",
    title: "Latest value in shared memory (sequence lock)",
    family: Family::SharedMemory,
    manual: "shm_overview(7), memfd_create(2), fcntl(2)",
    boundaries: Boundaries::Kept,
    order: Order::Latest,
    delivery: Delivery::Overwritten,
    direction: Direction::OneWay,
    back_pressure: "none: a new value replaces the old one; the reader is told how many it missed",
    limits: "memory: four times the longest value for each direction; one descriptor each",
    reach: Reach::Descriptor,
    persistence: Persistence::Process,
    permissions: "who holds the descriptor; that of a reader cannot be used to write",
    clean_up: "nothing without a name; with a name it stays until shm_unlink, and another writer can go on with it",
    peer_death: PeerDeath::Lifeline,
    peer_death_text: "the reader gets the last whole value, then is told, by a lock that the kernel releases: at once if the writer left in good order, else within 20 ms; the writer need not know its readers",
    pollable: false,
    copies: 2,
    system_calls: "1 to wake readers, 0 if they only look",
    languages: "those with atomics and mmap: C, C++, Rust, Go, Java",
    when: "the newest of something that is measured again and again, for any number of readers that must not disturb the writer",
    when_not: "every message counts (a ring, a queue); event loops",
    pitfalls: "a plain structure in shared memory tears; two looks at the sequence without fences prove nothing; a writer that dies amid the only copy takes it along",
    program: include_str!("../../../programs/shm_latest.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        let limits = memory::probe(FACTS.name)?;
        // What else it takes: /proc, locks on open files, and the seal.
        super::pair(8).map_err(|error| Unavailable::new(FACTS.name, error.to_string()))?;
        Ok(limits)
    }

    fn message_max(&self) -> usize {
        VALUE_MAX
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        let (questions, for_questions) = halves(plan.message_max)?;
        let (answers, for_answers) = halves(plan.message_max)?;
        Ok(Link {
            client: ticket(Side::Client, plan, questions, for_answers),
            server: ticket(Side::Server, plan, answers, for_questions),
        })
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let wait = ticket.plan().wait;
        let writer = Writer::open(Half::from_descriptor(ticket.take_descriptor()?)?)?;
        let mut reader = Reader::open(Half::from_descriptor(ticket.take_descriptor()?)?, wait)?;
        // What was overwritten before this end was opened is lost to it, too.
        reader.seen = 0;
        Ok(Box::new(Values { writer, reader }))
    }
}

fn ticket(side: Side, plan: &Plan, out: Half, into: Half) -> Ticket {
    let ticket = Ticket::new(&Adapter, side, plan);
    ticket.with_descriptor(out.into_descriptor()).with_descriptor(into.into_descriptor())
}

#[derive(Debug)]
struct Values {
    writer: Writer,
    reader: Reader,
}

impl End for Values {
    fn send(&mut self, message: &[u8], _: Deadline) -> Result<(), Error> {
        // One that was killed is not noticed here: to ask the kernel each time would cost more than the rest.
        if self.reader.has_left() { Err(Error::Closed) } else { self.writer.publish(message) }
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.reader.next(into, deadline).map(drop)
    }

    fn lost(&self) -> u64 {
        self.reader.missed()
    }
}
