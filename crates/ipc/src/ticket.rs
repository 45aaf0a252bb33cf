//! What it takes to open one end, and its way to another process.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::object::Kind;
use crate::{Deadline, End, Error, Mechanism, Object, Plan, Wait, by_name, passing};

/// What it takes to open one end: the mechanism, the side, the plan, names of kernel objects and descriptors.
///
/// A ticket that is dropped closes its descriptors and removes its objects. It can go to another process over a Unix socket, which
/// best is the standard input of a child: nothing is inherited by accident, and the child sees the end of its input when its parent dies.
///
/// ```no_run
/// use std::os::{fd::OwnedFd, unix::net::UnixStream};
/// use std::process::{Command, Stdio};
/// use tamtam_ipc::{Mechanism, Plan, unix_stream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (ours, childs) = UnixStream::pair()?;
/// let mut child = Command::new("program").stdin(Stdio::from(OwnedFd::from(childs))).spawn()?;
/// let link = unix_stream::Adapter.link(&Plan::default())?;
/// link.server.hand_over(&ours)?; // the child: Ticket::receive(&UnixStream::from(stdin().as_fd().try_clone_to_owned()?), …)?.open()?
/// let mut end = link.client.open()?;
/// # Ok(()) }
/// ```
pub struct Ticket {
    mechanism: &'static dyn Mechanism,
    side: Side,
    plan: Plan,
    words: VecDeque<String>,
    objects: VecDeque<Object>,
    descriptors: VecDeque<OwnedFd>,
    local: Option<Box<dyn Any + Send>>,
}

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who asks.
    Client,
    /// Who answers.
    Server,
}

impl Side {
    const fn text(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// For mechanisms: making tickets, and taking them apart. What was put in first comes out first, each kind by itself.
impl Ticket {
    /// A ticket with nothing in it yet. The mechanism has to be one of [`all`](crate::all) if the ticket shall go to another process.
    #[must_use]
    pub fn new(mechanism: &'static dyn Mechanism, side: Side, plan: &Plan) -> Self {
        Self {
            mechanism,
            side,
            plan: *plan,
            words: VecDeque::new(),
            objects: VecDeque::new(),
            descriptors: VecDeque::new(),
            local: None,
        }
    }

    /// Adds a descriptor.
    #[must_use]
    pub fn with_descriptor(mut self, descriptor: impl Into<OwnedFd>) -> Self {
        self.descriptors.push_back(descriptor.into());
        self
    }

    /// Adds a named object, together with the duty to remove it.
    #[must_use]
    pub fn with_object(mut self, object: Object) -> Self {
        self.objects.push_back(object);
        self
    }

    /// Adds a word: a name without a duty, a number. It must not contain a line feed; one that does makes [`hand_over`](Self::hand_over) fail.
    #[must_use]
    pub fn with_word(mut self, word: impl fmt::Display) -> Self {
        self.words.push_back(word.to_string());
        self
    }

    /// Puts in what cannot leave the process. Such a ticket cannot be handed over.
    #[must_use]
    pub fn with_local(mut self, local: impl Any + Send) -> Self {
        self.local = Some(Box::new(local));
        self
    }

    /// Makes sure that the ticket is for this mechanism, and its plan one that the mechanism's `link` takes: with what `open` has to begin.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if it is for another one, [`Error::TooLong`].
    pub fn for_mechanism(self, mechanism: &dyn Mechanism) -> Result<Self, Error> {
        let (own, wanted) = (self.mechanism.facts().name, mechanism.facts().name);
        if own != wanted {
            return Err(Error::Ticket(format!("for {own}, not for {wanted}").into()));
        }
        self.plan.check(mechanism)?;
        Ok(self)
    }

    /// Takes the next descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if there is none.
    pub fn take_descriptor(&mut self) -> Result<OwnedFd, Error> {
        self.descriptors.pop_front().ok_or_else(|| Error::Ticket("a descriptor is missing".into()))
    }

    /// Takes the next object, and the duty to remove it.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if there is none.
    pub fn take_object(&mut self) -> Result<Object, Error> {
        self.objects.pop_front().ok_or_else(|| Error::Ticket("a name is missing".into()))
    }

    /// Takes the next word and reads it.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if there is none, or it is not what is wanted.
    pub fn take_word<T: std::str::FromStr>(&mut self) -> Result<T, Error> {
        let word = self.words.pop_front().ok_or_else(|| Error::Ticket("a word is missing".into()))?;
        word.parse().map_err(|_| Error::Ticket(format!("{word:?} is not what is wanted").into()))
    }

    /// Takes what cannot leave the process.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if nothing is there, or something else.
    pub fn take_local<T: Any>(&mut self) -> Result<T, Error> {
        let local = self.local.take().and_then(|local| local.downcast().ok());
        local.map(|local| *local).ok_or_else(|| Error::Ticket("its part of this process is missing".into()))
    }
}

/// For everybody.
impl Ticket {
    /// For which mechanism it is.
    #[must_use]
    pub const fn mechanism(&self) -> &'static dyn Mechanism {
        self.mechanism
    }

    /// For which end it is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// What the link was made for.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Opens the end.
    ///
    /// # Errors
    ///
    /// Those of [`Mechanism::open`].
    pub fn open(self) -> Result<Box<dyn End>, Error> {
        self.mechanism.open(self)
    }

    /// Gives the ticket to whoever calls [`receive`](Self::receive) at the other end of the socket. Waits while the socket's buffer is full.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if it cannot leave the process, [`Error::Closed`] if the socket's other end is gone, [`Error::System`]. After an
    /// error the socket is of no use for further tickets.
    pub fn hand_over(self, to: &UnixStream) -> Result<(), Error> {
        if self.local.is_some() {
            return Err(Error::Ticket("it cannot leave the process".into()));
        }
        let text = self.text()?;
        let length = u32::try_from(text.len())
            .ok()
            .filter(|length| *length <= TEXT_MAX && self.descriptors.len() <= passing::DESCRIPTORS_MAX)
            .ok_or_else(|| Error::Ticket("too much in it".into()))?;
        let octets = [&length.to_le_bytes()[..], text.as_bytes()].concat();
        let descriptors: Vec<BorrowedFd<'_>> = self.descriptors.iter().map(AsFd::as_fd).collect();
        passing::send(to, &octets, &descriptors, Deadline::NEVER)?;
        for object in self.objects {
            object.release();
        }
        Ok(())
    }

    /// Waits for a ticket that the other end of the socket hands over.
    ///
    /// Nonsense is an error. But a ticket may name objects that are removed when it is dropped, though only such as this crate makes: take
    /// tickets from who may remove yours.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::Closed`], [`Error::Corrupt`], and [`Error::System`], among them that this process may not open more
    /// descriptors. After an error the socket is of no use for further tickets.
    pub fn receive(from: &UnixStream, deadline: Deadline) -> Result<Self, Error> {
        let mut descriptors = Vec::new();
        let mut length = [0; 4];
        passing::receive(from, &mut length, &mut descriptors, deadline)?;
        let length = u32::from_le_bytes(length);
        if length > TEXT_MAX {
            return Err(Error::Corrupt("a ticket too long".into()));
        }
        let mut text = vec![0; length as usize];
        passing::receive(from, &mut text, &mut descriptors, deadline)?;
        let text = String::from_utf8(text).map_err(|_| Error::Corrupt("a ticket that is no text".into()))?;
        Ok(Self { descriptors: descriptors.into(), ..Self::of_text(&text)? })
    }

    /// One line for each part: a keyword, a space, the value.
    fn text(&self) -> Result<String, Error> {
        let wait = match self.plan.wait {
            Wait::Block => 0,
            Wait::Spin(span) => u64::try_from(span.as_nanos()).unwrap_or(u64::MAX),
        };
        let mut text = format!(
            "mechanism {}\nside {}\nmessage-max {}\ndepth {}\nspin {wait}\n",
            self.mechanism.facts().name,
            self.side.text(),
            self.plan.message_max,
            self.plan.depth,
        );
        let objects = self.objects.iter().map(|object| (object.kind().text(), object.name()));
        let words = self.words.iter().map(|word| ("word", word.as_str()));
        for (key, value) in objects.chain(words) {
            if value.contains('\n') {
                return Err(Error::Ticket("a line feed in it".into()));
            }
            text.extend([key, " ", value, "\n"]);
        }
        Ok(text)
    }

    fn of_text(text: &str) -> Result<Self, Error> {
        fn number<T: std::str::FromStr>(value: &str) -> Option<T> {
            value.parse().ok()
        }
        let (mut mechanism, mut side, mut plan) = (None, None, Plan::default());
        let (mut words, mut objects) = (VecDeque::new(), VecDeque::new());
        for line in text.lines() {
            let bad = || Error::Corrupt(format!("a ticket with the line {line:?}").into());
            let (key, value) = line.split_once(' ').ok_or_else(bad)?;
            match key {
                "mechanism" => mechanism = Some(by_name(value).ok_or_else(bad)?),
                "side" => {
                    side = Some(
                        [Side::Client, Side::Server]
                            .into_iter()
                            .find(|side| side.text() == value)
                            .ok_or_else(bad)?,
                    )
                }
                "message-max" => plan.message_max = number(value).ok_or_else(bad)?,
                "depth" => plan.depth = number(value).ok_or_else(bad)?,
                "spin" => {
                    plan.wait = match number(value).ok_or_else(bad)? {
                        0 => Wait::Block,
                        nanoseconds => Wait::Spin(Duration::from_nanos(nanoseconds)),
                    }
                }
                "word" => words.push_back(value.to_owned()),
                _ => objects.push_back(Object::new(Kind::from_text(key).ok_or_else(bad)?, value)?),
            }
        }
        let (Some(mechanism), Some(side)) = (mechanism, side) else {
            return Err(Error::Corrupt("a ticket without mechanism or side".into()));
        };
        Ok(Self { words, objects, ..Self::new(mechanism, side, &plan) })
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("mechanism", &self.mechanism.facts().name)
            .field("side", &self.side)
            .field("plan", &self.plan)
            .field("words", &self.words)
            .field("objects", &self.objects)
            .field("descriptors", &self.descriptors)
            .finish_non_exhaustive()
    }
}

/// Octets of a ticket's text at most. Names are short.
const TEXT_MAX: u32 = 16 << 10;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::unix_stream::Adapter;
    use std::io::Write as _;

    const PLAN: Plan = Plan { message_max: 7, depth: 3, wait: Wait::Spin(Duration::from_micros(5)) };

    fn hand_over(ticket: Ticket) -> Result<Ticket, Error> {
        let (from, to) = UnixStream::pair().expect("a pair");
        ticket.hand_over(&from)?;
        Ticket::receive(&to, Deadline::NOW)
    }

    #[test]
    fn everything_arrives() {
        let path = crate::object::folder().join(crate::object::unique());
        std::fs::write(&path, "").expect("written");
        let object = Object::new(Kind::File, path.to_str().expect("text")).expect("ours");
        let (a, b) = UnixStream::pair().expect("a pair");
        let ticket = Ticket::new(&Adapter, Side::Server, &PLAN)
            .with_word("first one")
            .with_word(2)
            .with_object(object)
            .with_descriptor(a);
        let mut ticket = hand_over(ticket).expect("arrives");
        assert_eq!((ticket.side(), ticket.plan()), (Side::Server, &PLAN));
        assert_eq!(ticket.take_word::<String>().expect("a word"), "first one");
        assert_eq!(ticket.take_word::<u32>().expect("a number"), 2);
        assert!(matches!(ticket.take_word::<u32>(), Err(Error::Ticket(_))));
        UnixStream::from(ticket.take_descriptor().expect("a descriptor")).write_all(b"x").expect("open");
        assert!(matches!(ticket.take_descriptor(), Err(Error::Ticket(_))));
        drop(b);
        assert!(path.exists(), "the duty went along");
        drop(ticket);
        assert!(!path.exists());
    }

    #[test]
    fn several_tickets_on_one_socket_stay_apart() {
        let (from, to) = UnixStream::pair().expect("a pair");
        for word in 0..5 {
            let (a, _) = UnixStream::pair().expect("a pair");
            Ticket::new(&Adapter, Side::Client, &PLAN)
                .with_word(word)
                .with_descriptor(a)
                .hand_over(&from)
                .expect("sent");
        }
        drop(from);
        for word in 0..5 {
            let mut ticket = Ticket::receive(&to, Deadline::NEVER).expect("arrives");
            assert_eq!(ticket.take_word::<u32>().expect("a word"), word);
            ticket.take_descriptor().expect("its own");
            assert!(ticket.take_descriptor().is_err());
        }
        assert!(matches!(Ticket::receive(&to, Deadline::NEVER), Err(Error::Closed)));
    }

    #[test]
    fn what_cannot_leave_is_said() {
        let ticket = Ticket::new(&Adapter, Side::Client, &PLAN).with_local(5_u8);
        assert!(matches!(hand_over(ticket), Err(Error::Ticket(_))));
        assert!(matches!(
            hand_over(Ticket::new(&Adapter, Side::Client, &PLAN).with_word("a\nside server")),
            Err(Error::Ticket(_))
        ));
        let mut ticket = Ticket::new(&Adapter, Side::Client, &PLAN).with_local(5_u8);
        assert!(matches!(ticket.take_local::<u16>(), Err(Error::Ticket(_))));
        let mut ticket = Ticket::new(&Adapter, Side::Client, &PLAN).with_local(5_u8);
        assert_eq!(ticket.take_local::<u8>().expect("it"), 5);
    }

    #[test]
    fn nonsense_is_refused() {
        let texts: [&[u8]; 8] = [
            b"",
            b"side client\n",
            b"mechanism none\nside client\n",
            b"mechanism unix-stream\nside up\n",
            b"mechanism unix-stream\nside client\ndepth -1\n",
            b"mechanism unix-stream\nside client\nfile /etc/passwd\n",
            b"mechanism unix-stream\nside client\nwhat is this\n",
            b"\xff\xfe",
        ];
        for text in texts {
            let (mut from, to) = UnixStream::pair().expect("a pair");
            from.write_all(&(text.len() as u32).to_le_bytes()).expect("written");
            from.write_all(text).expect("written");
            let error = Ticket::receive(&to, Deadline::NOW).expect_err("nonsense");
            assert!(matches!(error, Error::Corrupt(_) | Error::Ticket(_)), "{error}");
        }
        let (mut from, to) = UnixStream::pair().expect("a pair");
        assert!(matches!(Ticket::receive(&to, Deadline::NOW), Err(Error::TimedOut)));
        from.write_all(&u32::MAX.to_le_bytes()).expect("written");
        assert!(matches!(Ticket::receive(&to, Deadline::NOW), Err(Error::Corrupt(_))));
    }
}
