//! A link of two real-time signals: messages of some octets, each in the payload of one signal.

use std::cell::RefCell;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::event::{PollFd, PollFlags, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::geteuid;

use super::{Inbox, NAME, Pending, RealTime, STATUS, Target, sys};
use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::object::{self, Owner};
use crate::wait::{readable, ready, uninterrupted, until};
use crate::window::{Amount, Window};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable};

/// The mechanism.
///
/// A message is put into the payload of one signal, which has the size of a pointer: so it has at most seven octets
/// (three where pointers have 32 bits). A socket pair tells both ends who the other one is and when it is gone, and
/// keeps the signals on their way below the plan's depth.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: NAME,
    title: "signals with payload",
    family: Family::Signals,
    manual: "signal(7), sigqueue(3), signalfd(2), pidfd_send_signal(2)",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "sigqueue never waits: it fails with EAGAIN when as many signals wait as the user may have. A link keeps to the plan's depth by a window",
    limits: "one number or pointer a signal; signals that wait in all processes of a user: RLIMIT_SIGPENDING; about thirty real-time signals a process",
    reach: Reach::Host,
    persistence: Persistence::Process,
    permissions: "the same user (real or saved), or CAP_KILL",
    clean_up: "nothing: what waits goes with its process",
    peer_death: PeerDeath::Lifeline,
    peer_death_text: "a receiver is not told; a sender gets ESRCH, or hits another process with the same number. A link uses descriptors of processes, and its socket pair tells both",
    pollable: true,
    copies: 2,
    system_calls: "3, and 2 more for each half window",
    languages: "C, C++, Rust; Python receives (sigwaitinfo), but cannot send a payload",
    when: "a number to a process that waits for signals anyway; ends of children, timers, and POSIX queues that become non-empty",
    when_not: "messages of any length; libraries, which share the signals with the whole program; many senders",
    pitfalls: "ordinary signals coalesce: ten may arrive as one; the default action ends the process; every thread has to block the signal; the process number may be another's by now; handlers may call next to nothing (signal-safety(7))",
    program: include_str!("../../programs/signals.rs"),
};

/// Octets in a payload.
const PAYLOAD: usize = size_of::<usize>();
/// Octets of the longest message: one octet of the payload holds the length and the link's tag.
const MESSAGE_MAX: usize = PAYLOAD - 1;
/// The length takes the lowest bits of that octet, the tag the others.
const LENGTH_BITS: u32 = 3;
const LENGTH_MAX: u8 = (1 << LENGTH_BITS) - 1;

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        Target::of(std::process::id()).map_err(|error| Unavailable::because(NAME, error))?;
        sys::signalfd(&sys::Set::of(&[]))
            .map_err(|error| Unavailable::new(NAME, format!("signalfd: {error}")))?;
        let pending = Pending::now().map_err(|error| Unavailable::new(NAME, format!("{STATUS}: {error}")))?;
        if pending.queued >= pending.limit {
            let reason = format!(
                "{} signals wait, and RLIMIT_SIGPENDING allows {} in all processes of this user",
                pending.queued, pending.limit
            );
            return Err(Unavailable::new(NAME, reason));
        }
        let numbers = RealTime::all().count().try_into().unwrap_or(u64::MAX);
        Ok(vec![
            Limit::new("signals that may wait, of this user", pending.limit, "RLIMIT_SIGPENDING"),
            Limit::new("signals that wait, of this user", pending.queued, STATUS),
            Limit::new("real-time signals", numbers, "SIGRTMIN, SIGRTMAX"),
        ])
    }

    fn message_max(&self) -> usize {
        MESSAGE_MAX
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (client, server) = Window::pair()?;
        Ok(Link::of_descriptors(&Self, plan, [client], [server]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        Ok(Box::new(Signals::open(ticket.for_mechanism(self)?)?))
    }
}

/// Tells the other end where to send to: signal, tag, how many signals may wait, and a name that tells which process
/// this is.
fn greet(socket: BorrowedFd<'_>, inbox: &Inbox, tag: u8, room: u32) -> Result<(), Error> {
    let greeting = format!("{} {tag} {room} {}", inbox.signal().number(), object::unique());
    match uninterrupted(|| send(socket, greeting.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL)) {
        // Gone before it took anything: what it has sent could still be received.
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(error) => Err(Error::system("send")(error)),
    }
}

/// The other end, as it has greeted us.
#[derive(Debug)]
struct Peer {
    owner: Owner,
    signal: RealTime,
    tag: u8,
    room: u32,
    /// Found for the first message to it. What it has sent before its end can be received without.
    target: Option<Target>,
}

impl Peer {
    /// Reads the greeting; `None` if it is not there yet.
    fn greeted(socket: BorrowedFd<'_>) -> Result<Option<Self>, Error> {
        let mut greeting = [0; 256];
        let len = match uninterrupted(|| recv(socket, &mut greeting, RecvFlags::DONTWAIT)) {
            Ok((_, 0)) => return Err(Error::Closed),
            Ok((len, _)) => len,
            // It went without having read ours, which is said once. Its own comes now.
            Err(Errno::AGAIN | Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(Error::system("recv")(error)),
        };
        let text = greeting.get(..len).and_then(|text| std::str::from_utf8(text).ok());
        let nonsense = || Error::Corrupt("a greeting that makes no sense".into());
        text.and_then(Self::of_greeting).map(Some).ok_or_else(nonsense)
    }

    fn of_greeting(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [signal, tag, room, name] = words[..] else { return None };
        Some(Self {
            owner: Owner::of(name)?,
            signal: signal.parse().ok().and_then(RealTime::new)?,
            tag: tag.parse().ok()?,
            room: room.parse().ok()?,
            target: None,
        })
    }

    /// Where to send to.
    fn target(&mut self) -> Result<&Target, Error> {
        let target = match self.target.take() {
            Some(target) => target,
            None => self.find()?,
        };
        Ok(self.target.insert(target))
    }

    fn find(&self) -> Result<Target, Error> {
        let process = self.owner.process_here().ok_or(Error::Closed)?;
        let target = Target::of(process)?;
        // The descriptor is of the process that had the number at that moment: was it the one that greeted us?
        self.owner.process_here().ok_or(Error::Closed)?;
        // It says so itself. With the power to send signals to everybody we would harm whomever it names.
        let user = fs::metadata(format!("/proc/{process}")).map_err(|_| Error::Closed)?.uid();
        if user != geteuid().as_raw() {
            return Err(Unavailable::new(NAME, "the other end is another user's").into());
        }
        Ok(target)
    }
}

/// An end.
#[derive(Debug)]
struct Signals {
    window: Window,
    inbox: Inbox,
    /// An epoll(7) set: readable when a signal waits, or the other end is gone.
    events: OwnedFd,
    /// Tells this link's signals from late ones of an earlier link that had the same number.
    tag: u8,
    /// Known once its greeting was read.
    peer: Option<Peer>,
    plan: Plan,
}

impl Signals {
    fn open(mut ticket: Ticket) -> Result<Self, Error> {
        static TAG: AtomicU8 = AtomicU8::new(0);
        let plan = *ticket.plan();
        let socket = ticket.take_descriptor()?;
        let inbox = Inbox::any()?;
        let pending = Pending::now()?;
        // Both directions share the user's signals, with others.
        let room = (pending.limit.saturating_sub(pending.queued) / 4).clamp(1, plan.depth.max(1) as u64);
        let limit = Amount { messages: room.try_into().unwrap_or(u32::MAX), octets: u32::MAX };
        let tag = TAG.fetch_add(1, Ordering::Relaxed) & (u8::MAX >> LENGTH_BITS);
        greet(socket.as_fd(), &inbox, tag, limit.messages)?;
        let events = events(&inbox, socket.as_fd())?;
        Ok(Self { window: Window::new(socket, limit, 0), inbox, events, tag, peer: None, plan })
    }

    /// Waits until the other end has greeted us.
    fn meet(&mut self, deadline: Deadline) -> Result<(), Error> {
        if self.peer.is_none() {
            let socket = self.window.as_fd();
            let look = || Peer::greeted(socket);
            let peer = until(self.plan.wait, deadline, look, |deadline| readable(socket, deadline))?;
            self.window.narrow(peer.room);
            self.peer = Some(peer);
        }
        Ok(())
    }

    /// Takes the next message out of the inbox.
    fn look(&mut self, into: &mut Vec<u8>) -> Result<Option<()>, Error> {
        while let Some(note) = self.inbox.look()? {
            let payload = usize::try_from(note.wide).unwrap_or(0).to_le_bytes();
            let [head, body @ ..] = payload;
            if note.code != libc::SI_QUEUE || head >> LENGTH_BITS != self.tag {
                continue;
            }
            // Whoever knows our tag has read our greeting, and has sent its own before.
            self.meet(Deadline::NOW)?;
            if self.peer.as_ref().is_none_or(|peer| peer.owner.process() != note.process) {
                continue;
            }
            let message =
                body.get(..usize::from(head & LENGTH_MAX)).filter(|body| body.len() <= self.plan.message_max);
            into.clear();
            into.extend_from_slice(message.ok_or_else(|| Error::Corrupt("a message too long".into()))?);
            self.window.take(ONE);
            return Ok(Some(()));
        }
        Ok(None)
    }

    fn is_cut(&self) -> bool {
        ready(&mut [PollFd::new(&self.window, PollFlags::RDHUP)], Deadline::NOW).is_ok()
    }
}

/// What a message takes of the window.
const ONE: Amount = Amount { messages: 1, octets: 0 };

impl End for Signals {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        if message.len() > self.plan.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.plan.message_max });
        }
        self.meet(deadline)?;
        if self.is_cut() {
            return Err(Error::Closed);
        }
        let Some(peer) = &mut self.peer else { return Err(Error::TimedOut) };
        let mut payload = [0; PAYLOAD];
        let [head, body @ ..] = &mut payload;
        // At most seven octets: `link` has checked the plan.
        *head = peer.tag << LENGTH_BITS | message.len() as u8;
        body.iter_mut().zip(message).for_each(|(to, from)| *to = *from);
        let (signal, target) = (peer.signal, peer.target()?);
        self.window.send(ONE, self.plan.wait, deadline)?;
        target.queue_wide(signal, usize::from_le_bytes(payload)).map_err(|error| {
            self.window.unsend(ONE);
            match error {
                // Others have used up what this link was promised, and nothing tells when they are done.
                Error::TimedOut => Error::system("pidfd_send_signal")(Errno::AGAIN),
                error => error,
            }
        })
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        let wait = self.plan.wait;
        // Both closures need the end, in turn.
        let this = RefCell::new(self);
        let look = || {
            let mut this = this.borrow_mut();
            let found = this.look(into)?;
            if found.is_some() || !this.is_cut() {
                return Ok(found);
            }
            // It may have sent something in its last moment.
            this.look(into)?.map(Some).ok_or(Error::Closed)
        };
        until(wait, deadline, look, |deadline| readable(this.borrow().events.as_fd(), deadline))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.events.as_fd())
    }
}

/// Makes an epoll set for what an end waits for.
fn events(inbox: &Inbox, socket: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    let events = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::system("epoll_create1"))?;
    let nothing = epoll::EventData::new_u64(0);
    epoll::add(&events, inbox, nothing, epoll::EventFlags::IN)
        .and_then(|()| epoll::add(&events, socket, nothing, epoll::EventFlags::RDHUP))
        .map_err(Error::system("epoll_ctl"))?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(plan: &Plan) -> (Signals, Signals) {
        let Link { client, server } = Adapter.link(plan).expect("a link");
        (Signals::open(client).expect("opened"), Signals::open(server).expect("opened"))
    }

    #[test]
    fn signals_of_others_do_not_enter_a_link() {
        let plan = Plan { message_max: 2, ..Plan::default() };
        let (mut client, mut server) = pair(&plan);
        let me = Target::of(std::process::id()).expect("this process");
        let other_tag = (server.tag ^ 1) << LENGTH_BITS;
        let payloads = [usize::from(other_tag | 1), usize::from(other_tag | LENGTH_MAX), usize::MAX << 8];
        for payload in payloads {
            me.queue_wide(server.inbox.signal(), payload | usize::from(other_tag)).expect("queued");
        }
        client.send(b"ab", Deadline::NOW).expect("sent");
        let mut message = Vec::new();
        server.receive(&mut message, Deadline::NEVER).expect("received");
        assert_eq!(message, b"ab");
        // The tag is no secret; but what has it must make sense.
        let too_long = server.tag << LENGTH_BITS | 3;
        me.queue_wide(server.inbox.signal(), usize::from(too_long)).expect("queued");
        assert!(matches!(server.receive(&mut message, Deadline::NEVER), Err(Error::Corrupt(_))));
    }

    #[test]
    fn greetings_are_checked() {
        let name = object::unique();
        for (greeting, is_closed) in [
            (String::new(), true),
            ("x".to_owned(), false),
            (format!("3 0 8 {name}"), false),
            (format!("64 256 8 {name}"), false),
            (format!("64 0 -1 {name}"), false),
            ("64 0 8 tamtam-1-2-3".to_owned(), false),
            ("x".repeat(1000), false),
        ] {
            let (socket, other) = Window::pair().expect("a pair");
            send(&other, greeting.as_bytes(), SendFlags::empty()).expect("sent");
            match Peer::greeted(socket.as_fd()) {
                Err(Error::Closed) => assert!(is_closed, "{greeting}"),
                Err(Error::Corrupt(_)) => assert!(!is_closed, "{greeting}"),
                other => panic!("{greeting}: {other:?}"),
            }
        }
    }

    #[test]
    fn nobody_sends_to_the_dead_or_to_others() {
        let peer = |process: u32| {
            let name = object::unique().replacen(&std::process::id().to_string(), &process.to_string(), 1);
            Peer::of_greeting(&format!("64 0 8 {name}")).expect("a greeting")
        };
        peer(std::process::id()).target().expect("this process");
        // Another process, which cannot have started at the same moment as this one; and none.
        for process in [1, 4_194_305] {
            assert!(matches!(peer(process).target(), Err(Error::Closed)));
        }
    }
}
