//! What members leave behind: files that a kill does not blur, for what is in the system's cache survives the process. Counts are
//! noted once for many messages, so that noting does not slow them down.
//!
//! | file | content |
//! | --- | --- |
//! | `<name>.<socket>.sent` | of a sender's socket: two numbers, see [`Counter`] |
//! | `<name>.received` | what was received, in order: a number of 64 bits for each, see [`Receipt`] |
//! | `<name>.log` | what sockets said at their ends, a line each, see [`Line`] |

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::str::FromStr;

use tamtam_soak::Outcome;
use tamtam_soak::log::create;
use tamtam_zmq::Socket;

use crate::body::Tag;

/// So many messages are sent, or received, between two notes.
pub(crate) const NOTED_EVERY: u64 = 256;

/// How far a sender was at any moment: the highest number that may have been given to `send`, and the highest one for which it has
/// returned. Between notes it may be anywhere between.
#[derive(Debug)]
pub(crate) struct Counter {
    file: File,
    attempted: u64,
    returned: u64,
}

impl Counter {
    pub(crate) fn create(place: &Path, name: &str, socket: u64) -> std::io::Result<Self> {
        let file = create(&place.join(format!("{name}.{socket}.sent")))?;
        file.write_all_at(&[0; 16], 0)?;
        Ok(Self { file, attempted: 0, returned: 0 })
    }

    /// Before a message is given to `send`.
    pub(crate) fn attempt(&mut self, number: u64) -> std::io::Result<()> {
        if number > self.attempted {
            // The first number before the second one: what has returned was attempted.
            self.attempted = number + NOTED_EVERY;
            self.file.write_all_at(&self.attempted.to_le_bytes(), 0)?;
            self.returned = number - 1;
            self.file.write_all_at(&self.returned.to_le_bytes(), 8)?;
        }
        Ok(())
    }

    /// No more are sent after this one.
    pub(crate) fn end(&mut self, number: u64) -> std::io::Result<()> {
        (self.attempted, self.returned) = (number, number);
        self.file.write_all_at(&number.to_le_bytes(), 8)?;
        self.file.write_all_at(&number.to_le_bytes(), 0)
    }

    /// Nothing, if it does not exist.
    pub(crate) fn read(place: &Path, name: &str, socket: u64) -> Option<(u64, u64)> {
        let octets = std::fs::read(place.join(format!("{name}.{socket}.sent"))).ok()?;
        let (numbers, _) = octets.as_chunks();
        let number = |at: usize| numbers.get(at).map_or(0, |octets| u64::from_le_bytes(*octets));
        Some((number(0), number(1)))
    }
}

/// That a message was received, and the number of the peer from which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt(u64);

const PEER_SHIFT: u32 = 55;

impl Receipt {
    pub(crate) const fn new(tag: Tag, peer: u32) -> Self {
        Self(tag.forth().0 & ((1 << PEER_SHIFT) - 1) | (peer as u64) << PEER_SHIFT)
    }

    /// The tag, as it was sent first.
    pub(crate) const fn tag(self) -> Tag {
        Tag(self.0 & ((1 << PEER_SHIFT) - 1))
    }

    pub(crate) const fn peer(self) -> u64 {
        self.0 >> PEER_SHIFT
    }
}

/// Writes what was received.
#[derive(Debug)]
pub(crate) struct Receipts {
    file: File,
    buffer: Vec<u8>,
    pub(crate) count: u64,
}

impl Receipts {
    pub(crate) fn create(place: &Path, name: &str) -> std::io::Result<Self> {
        let file = create(&place.join(format!("{name}.received")))?;
        Ok(Self { file, buffer: Vec::new(), count: 0 })
    }

    pub(crate) fn note(&mut self, receipt: Receipt) -> std::io::Result<()> {
        self.count += 1;
        self.buffer.extend_from_slice(&receipt.0.to_le_bytes());
        if self.count.is_multiple_of(NOTED_EVERY) { self.write() } else { Ok(()) }
    }

    /// Writes what is not written yet.
    pub(crate) fn write(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    pub(crate) fn read(place: &Path, name: &str) -> Vec<Receipt> {
        let octets = std::fs::read(place.join(format!("{name}.received"))).unwrap_or_default();
        octets.as_chunks().0.iter().map(|octets| Receipt(u64::from_le_bytes(*octets))).collect()
    }
}

/// What a socket's statistics say at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages_out: u64,
    pub(crate) messages_in: u64,
    pub(crate) full: u64,
    pub(crate) unroutable: u64,
    pub(crate) disconnected: u64,
    pub(crate) lingered: u64,
    pub(crate) conflated: u64,
    pub(crate) malformed: u64,
    pub(crate) filtered: u64,
    /// What `shut_within` said that it could not deliver.
    pub(crate) undelivered: u64,
}

impl Counts {
    pub(crate) fn of(socket: &Socket, undelivered: u64) -> Self {
        let traffic = socket.statistics().traffic;
        let dropped = traffic.dropped;
        Self {
            messages_out: traffic.messages_out,
            messages_in: traffic.messages_in,
            full: dropped.full,
            unroutable: dropped.unroutable,
            disconnected: dropped.disconnected,
            lingered: dropped.lingered,
            conflated: dropped.conflated,
            malformed: dropped.malformed,
            filtered: dropped.filtered,
            undelivered,
        }
    }

    /// What was queued and then dropped.
    pub(crate) const fn dropped_later(&self) -> u64 {
        self.disconnected + self.lingered + self.conflated
    }

    const fn numbers(&self) -> [u64; 10] {
        [
            self.messages_out,
            self.messages_in,
            self.full,
            self.unroutable,
            self.disconnected,
            self.lingered,
            self.conflated,
            self.malformed,
            self.filtered,
            self.undelivered,
        ]
    }
}

/// Something that a member says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A socket is closed, and this was its end: the last message's number, and what was counted.
    Closed { socket: u64, number: u64, counts: Counts },
    /// A publisher at its end: what it has counted of one subscriber.
    Peer { name: String, messages_out: u64, full: u64 },
    /// A ROUTER: so many answers were refused, for want of somebody to have them.
    Refused { count: u64 },
    /// Somebody who asks has so often not waited for answers any longer.
    GivenUp { count: u64 },
    /// A publisher has seen as many subscribers as it was to wait for.
    Barrier,
    /// Something that must not be.
    Wrong { what: String },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { socket, number, counts } => {
                write!(f, "closed {socket} {number}")?;
                counts.numbers().iter().try_for_each(|number| write!(f, " {number}"))
            }
            Self::Peer { name, messages_out, full } => write!(f, "peer {name} {messages_out} {full}"),
            Self::Refused { count } => write!(f, "refused {count}"),
            Self::GivenUp { count } => write!(f, "given-up {count}"),
            Self::Barrier => f.write_str("barrier"),
            Self::Wrong { what } => write!(f, "wrong {}", what.replace('\n', " ")),
        }
    }
}

impl FromStr for Line {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(line: &str) -> Outcome<Self> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if kind == "wrong" {
            return Ok(Self::Wrong { what: rest.to_owned() });
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| -> Outcome<u64> {
            Ok(words.get(at).ok_or_else(|| format!("too short: {line}"))?.parse()?)
        };
        Ok(match kind {
            "closed" => Self::Closed {
                socket: number(0)?,
                number: number(1)?,
                counts: Counts {
                    messages_out: number(2)?,
                    messages_in: number(3)?,
                    full: number(4)?,
                    unroutable: number(5)?,
                    disconnected: number(6)?,
                    lingered: number(7)?,
                    conflated: number(8)?,
                    malformed: number(9)?,
                    filtered: number(10)?,
                    undelivered: number(11)?,
                },
            },
            "peer" => Self::Peer {
                name: (*words.first().ok_or("a peer without a name")?).to_owned(),
                messages_out: number(1)?,
                full: number(2)?,
            },
            "refused" => Self::Refused { count: number(0)? },
            "given-up" => Self::GivenUp { count: number(0)? },
            "barrier" => Self::Barrier,
            _ => return Err(format!("no line begins with {kind:?}").into()),
        })
    }
}

/// What a member was told, a [`Line`] each.
pub(crate) type Log = tamtam_soak::log::Log<Line>;

/// Notes what must not be.
pub(crate) fn wrong(log: &mut Log, what: impl Into<String>) -> std::io::Result<()> {
    log.write(&Line::Wrong { what: what.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let counts = Counts { messages_out: 1, full: 3, undelivered: 10, ..Counts::default() };
        for line in [
            Line::Closed { socket: 2, number: 7, counts },
            Line::Peer { name: "r3".to_owned(), messages_out: 5, full: 6 },
            Line::Refused { count: 4 },
            Line::GivenUp { count: 5 },
            Line::Barrier,
            Line::Wrong { what: "this and that".to_owned() },
        ] {
            assert_eq!(line.to_string().parse::<Line>().unwrap(), line);
        }
        assert!("closed 1".parse::<Line>().is_err());
    }

    #[test]
    fn a_receipt_keeps_the_tag_and_the_peer() {
        let receipt = Receipt::new(Tag::new(1023 * 32 + 31, (1 << 40) - 1).back(), 500);
        assert_eq!((receipt.tag(), receipt.peer()), (Tag::new(1023 * 32 + 31, (1 << 40) - 1), 500));
    }
}
