//! A link of two queues, with a socket pair for all that queues do not know.

use std::os::fd::AsFd;

use super::plate;
use super::{Kind, MESSAGE_MAX, NAME, OCTETS_MAX, QUEUES_MAX, Select, SysvQueue, message_max};
use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::object::{self, Object};
use crate::watch::{Came, Watch};
use crate::window::{Amount, Window};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Side, Ticket, Unavailable, limits};

/// The mechanism.
///
/// A link has two private queues and a socket pair. Waits for a message are ended by a thread's message, because a
/// System V wait knows no deadline; and so that nobody has to wait for room in a queue, both ends keep to a window,
/// and tell over the sockets what they have taken. Each end removes the queue that it receives from; both, if the
/// other end is gone. A ticket that outlives its maker without being opened may find its queues removed as
/// [stale](plate::stale).
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: NAME,
    title: "System V message queue",
    family: Family::MessageQueues,
    manual: "sysvipc(7), msgget(2), msgop(2), msgctl(2)",
    boundaries: Boundaries::Kept,
    order: Order::Priority,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "the queue is full when msg_qbytes octets wait; then the sender waits, without a deadline. A link keeps to the plan's depth and to these octets by a window, which has deadlines",
    limits: "kernel.msgmax (octets of one message), kernel.msgmnb (octets in a queue), kernel.msgmni (queues)",
    reach: Reach::Host,
    persistence: Persistence::Kernel,
    permissions: "mode, owner and group, as for a file; who knows the key or the number may try",
    clean_up: "the queue stays until msgctl(IPC_RMID): nobody counts its users. Ends remove theirs; after a kill of both the queues stay, and have a name plate by which they are found and removed",
    peer_death: PeerDeath::Lifeline,
    peer_death_text: "the queue tells nobody. A link's thread is woken by its socket pair, and wakes a receiver with a message of another kind; an end that is dropped removes its queue, which a sender learns at once",
    pollable: false,
    copies: 4,
    system_calls: "2, and 4 more for each half window",
    languages: "C, C++, Rust, Python (sysv_ipc), Perl, PHP: wherever there is Unix",
    when: "to talk to programs that already use it; several receivers that choose by kind out of one queue",
    when_not: "anything new: no descriptors, no deadlines, no clean-up, 16 kilobytes in a queue",
    pitfalls: "keys collide (ftok); queues stay after a crash until nobody can make more; IPC_RMID takes what was not received yet with it; a wait ends by a signal even with SA_RESTART; containers may have their own queues, or none",
    program: include_str!("../../programs/sysv_queue.rs"),
};

/// Kinds in a link, in the order in which they are received. Messages come before wake-ups.
const MESSAGE: Kind = Kind(1);
const WAKE_UP: Kind = Kind(2);

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        SysvQueue::private(0o600)
            .and_then(SysvQueue::remove)
            .map_err(|error| Unavailable::because(NAME, error))?;
        if self.message_max() == 0 {
            let reason = format!("{MESSAGE_MAX} and {OCTETS_MAX} leave no room for a message");
            return Err(Unavailable::new(NAME, reason));
        }
        let limits = [
            Limit::of_file("octets of one message", MESSAGE_MAX),
            Limit::of_file("octets that may wait in a queue", OCTETS_MAX),
            Limit::of_file("queues", QUEUES_MAX),
        ];
        Ok(limits.into_iter().flatten().collect())
    }

    fn message_max(&self) -> usize {
        /// That of a fresh kernel, if `/proc` does not tell.
        const DEFAULT: usize = 16384;
        let octets =
            limits::number_in(OCTETS_MAX).and_then(|octets| octets.try_into().ok()).unwrap_or(DEFAULT);
        message_max().min(octets.saturating_sub(plate::ROOM))
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (one, other) = (queue()?, queue()?);
        let (client, server) = Window::pair()?;
        let names = [one.name().to_owned(), other.name().to_owned()];
        Ok(Link {
            client: Ticket::new(&Self, Side::Client, plan)
                .with_object(one)
                .with_word(&names[1])
                .with_descriptor(client),
            server: Ticket::new(&Self, Side::Server, plan)
                .with_object(other)
                .with_word(&names[0])
                .with_descriptor(server),
        })
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        Ok(Box::new(Queues::open(ticket.for_mechanism(self)?)?))
    }
}

/// Makes a queue with a plate, and takes over the duty to remove it.
fn queue() -> Result<Object, Error> {
    let queue = SysvQueue::private(0o600)?;
    let name = format!("{}/{}", queue.id(), object::unique());
    plate::replace(queue).and_then(|()| Object::new(object::Kind::SystemVQueue, name)).inspect_err(|_| {
        // Nobody else can know of it yet.
        let _ = queue.remove();
    })
}

/// The queue of an object's name: its number, a slash, a name of ours.
fn of_name(name: &str) -> Result<SysvQueue, Error> {
    let number = name.split('/').next().and_then(|number| number.parse().ok());
    number.map(SysvQueue::of_id).ok_or_else(|| Error::Ticket("a queue without a number".into()))
}

/// Removes the queue of an object's name, if it has a plate of ours. That it is gone already is no error.
pub(crate) fn remove(name: &str) -> Result<(), Error> {
    let queue = of_name(name)?;
    let removed = match plate::is_ours(queue) {
        Ok(true) => queue.remove(),
        Ok(false) => Err(Error::Ticket("a queue that is not one of ours".into())),
        Err(error) => Err(error),
    };
    match removed {
        Err(Error::Closed) => Ok(()),
        other => other,
    }
}

/// An end.
#[derive(Debug)]
struct Queues {
    watch: Watch,
    window: Window,
    incoming: SysvQueue,
    outgoing: SysvQueue,
    outgoing_name: String,
    plan: Plan,
    /// The duty to remove the queue that we receive from.
    _owned: Object,
}

impl Queues {
    fn open(mut ticket: Ticket) -> Result<Self, Error> {
        let plan = *ticket.plan();
        let owned = ticket.take_object()?;
        let incoming = of_name(owned.name())?;
        let outgoing_name: String = ticket.take_word()?;
        let outgoing = of_name(&outgoing_name)?;
        let line = ticket.take_descriptor()?;
        // From now on this process answers for the queue.
        plate::replace(incoming)?;
        // Both ends come to the same, unless the other one is gone already.
        let octets = incoming.status()?.octets_max;
        let octets = outgoing.status().map_or(octets, |status| octets.min(status.octets_max));
        let octets = octets.saturating_sub(plate::ROOM);
        let limit = Amount {
            messages: plan.depth.clamp(1, octets.max(1)).try_into().unwrap_or(u32::MAX),
            octets: octets.try_into().unwrap_or(u32::MAX),
        };
        let incoming = SysvQueue { message_max: plan.message_max, ..incoming };
        let copy = line.as_fd().try_clone_to_owned().map_err(Error::system("fcntl"))?;
        let watch = Watch::start(copy, move || {
            // With a full queue nobody waits for a message.
            let _ = incoming.try_send(WAKE_UP, &[]);
        })?;
        let window = Window::new(line, limit, plan.message_max);
        Ok(Self { watch, window, incoming, outgoing, outgoing_name, plan, _owned: owned })
    }
}

impl End for Queues {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        if message.len() > self.plan.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.plan.message_max });
        }
        if self.watch.is_cut() {
            return Err(Error::Closed);
        }
        let amount = Amount::message(message.len());
        self.window.send(amount, self.plan.wait, deadline)?;
        self.outgoing.try_send(MESSAGE, message).map_err(|error| {
            self.window.unsend(amount);
            match error {
                Error::TimedOut => {
                    Error::Corrupt("the queue holds more than its two ends put into it".into())
                }
                error => error,
            }
        })
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        let Self { watch, window, incoming, plan, .. } = self;
        watch.receive(plan.wait, deadline, |patient| {
            let select = Select::LeastUpTo(WAKE_UP);
            let received =
                if patient { incoming.receive(select, into) } else { incoming.try_receive(select, into) };
            match received {
                Ok(WAKE_UP) => Ok(Some(Came::WakeUp)),
                Ok(_) => {
                    window.take(Amount::message(into.len()));
                    Ok(Some(Came::Message))
                }
                Err(Error::TimedOut) => Ok(None),
                Err(Error::System { source, .. }) if source.raw_os_error() == Some(libc::E2BIG) => {
                    Err(Error::Corrupt("a message too long".into()))
                }
                Err(error) => Err(error),
            }
        })
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        if self.watch.looks_cut() {
            // Who would have removed it is gone.
            let _ = remove(&self.outgoing_name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(plan: &Plan) -> (Queues, Queues) {
        let Link { client, server } = Adapter.link(plan).expect("a link");
        (Queues::open(client).expect("opened"), Queues::open(server).expect("opened"))
    }

    #[test]
    fn a_message_longer_than_planned_is_refused() {
        let (mut client, server) = pair(&Plan { message_max: 3, ..Plan::default() });
        server.outgoing.try_send(MESSAGE, b"long").expect("room");
        let mut message = Vec::new();
        for deadline in [Deadline::NOW, Deadline::NEVER] {
            assert!(matches!(client.receive(&mut message, deadline), Err(Error::Corrupt(_))));
        }
    }

    #[test]
    fn a_queue_that_somebody_else_fills_is_no_reason_to_wait() {
        let (mut client, _server) = pair(&Plan::default());
        while client.outgoing.try_send(MESSAGE, &[0; 1000]).is_ok() {}
        assert!(matches!(client.send(&[0; 1000], Deadline::NEVER), Err(Error::Corrupt(_))));
    }

    #[test]
    fn wake_ups_of_nobody_are_passed_over() {
        let (mut client, mut server) = pair(&Plan::default());
        (0..3).for_each(|_| server.outgoing.try_send(WAKE_UP, b"").expect("room"));
        let mut message = Vec::new();
        assert!(matches!(client.receive(&mut message, Deadline::NOW), Err(Error::TimedOut)));
        (0..3).for_each(|_| server.outgoing.try_send(WAKE_UP, b"").expect("room"));
        server.send(b"x", Deadline::NOW).expect("sent");
        client.receive(&mut message, Deadline::NEVER).expect("received");
        assert_eq!(message, b"x");
    }

    #[test]
    fn only_queues_with_our_plate_are_removed() {
        let foreign = SysvQueue::private(0o600).expect("a queue");
        let name = format!("{}/{}", foreign.id(), object::unique());
        assert!(matches!(remove(&name), Err(Error::Ticket(_))));
        foreign.status().expect("still there");
        plate::replace(foreign).expect("room");
        remove(&name).expect("ours now");
        assert!(matches!(foreign.status(), Err(Error::Closed)));
        remove(&name).expect("gone already is fine");
    }

    #[test]
    fn an_end_removes_its_queue_and_that_of_the_dead() {
        let (client, server) = pair(&Plan::default());
        let queues = [client.incoming, server.incoming];
        drop(client);
        assert!(matches!(queues[0].status(), Err(Error::Closed)));
        queues[1].status().expect("there is still somebody who receives from it");
        drop(server);
        assert!(matches!(queues[1].status(), Err(Error::Closed)));
    }
}
