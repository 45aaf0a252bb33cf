//! What members leave behind: files that a kill does not blur. Each change is one `write` of a few octets, which has happened or
//! has not; what is in the system's cache survives the process.
//!
//! | file | content |
//! | --- | --- |
//! | `<name>.counter` | of a publisher: three numbers, see [`Counter`] |
//! | `<name>.runs` | of a subscriber: what it received, see [`Run`] |
//! | `<name>.log` | of both: what they were told, a line each, see [`Line`] |

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::str::FromStr;

use tamtam_soak::log::create;

use super::Outcome;

/// How far a publisher was at any moment.
#[derive(Debug)]
pub(crate) struct Counter(File);

/// What a [`Counter`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// The highest number that was given to `send`.
    pub(crate) attempted: u64,
    /// The highest number for which `send` has returned and said that it was published.
    pub(crate) returned: u64,
    /// Whether END was to be sent.
    pub(crate) is_ending: bool,
}

impl Counter {
    pub(crate) fn create(place: &Path, name: &str) -> std::io::Result<Self> {
        let file = create(&place.join(format!("{name}.counter")))?;
        file.write_all_at(&[0; 24], 0)?;
        Ok(Self(file))
    }

    pub(crate) fn attempt(&self, number: u64) -> std::io::Result<()> {
        self.0.write_all_at(&number.to_le_bytes(), 0)
    }

    pub(crate) fn returned(&self, number: u64) -> std::io::Result<()> {
        self.0.write_all_at(&number.to_le_bytes(), 8)
    }

    pub(crate) fn ending(&self) -> std::io::Result<()> {
        self.0.write_all_at(&1_u64.to_le_bytes(), 16)
    }
}

impl Count {
    /// Nothing, if the publisher has not come so far as to have a counter.
    pub(crate) fn read(place: &Path, name: &str) -> Self {
        let numbers = std::fs::read(place.join(format!("{name}.counter"))).unwrap_or_default();
        let number = |at: usize| {
            let octets = numbers.get(8 * at..8 * at + 8).and_then(|octets| octets.try_into().ok());
            octets.map_or(0, u64::from_le_bytes)
        };
        Self { attempted: number(0), returned: number(1), is_ending: number(2) > 0 }
    }
}

/// The random number of a publisher.
pub(crate) type Source = [u8; 8];

/// Messages of one publisher that came in turn without a gap. What does not follow begins another run, so that gaps, repetitions
/// and wrong orders stand in the file as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) source: Source,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

const RUN_LEN: u64 = 24;

/// Writes a subscriber's runs: of each source the last one grows where it stands.
#[derive(Debug)]
pub(crate) struct Runs {
    file: File,
    count: u64,
    /// The last run of each source: where it stands, and its last number.
    open: HashMap<Source, (u64, u64)>,
}

impl Runs {
    pub(crate) fn create(place: &Path, name: &str) -> std::io::Result<Self> {
        let file = create(&place.join(format!("{name}.runs")))?;
        Ok(Self { file, count: 0, open: HashMap::new() })
    }

    /// Whether nothing was received of this source so far.
    pub(crate) fn is_new(&self, source: Source) -> bool {
        !self.open.contains_key(&source)
    }

    pub(crate) fn received(&mut self, source: Source, number: u64) -> std::io::Result<()> {
        match self.open.get_mut(&source) {
            Some((at, last)) if *last + 1 == number => {
                *last = number;
                self.file.write_all_at(&number.to_le_bytes(), *at * RUN_LEN + 16)
            }
            _ => {
                let octets = [source, number.to_le_bytes(), number.to_le_bytes()].concat();
                self.file.write_all_at(&octets, self.count * RUN_LEN)?;
                self.open.insert(source, (self.count, number));
                self.count += 1;
                Ok(())
            }
        }
    }

    pub(crate) fn read(place: &Path, name: &str) -> Vec<Run> {
        let octets = std::fs::read(place.join(format!("{name}.runs"))).unwrap_or_default();
        let numbers: Vec<Source> = octets.as_chunks().0.to_vec();
        let (runs, _) = numbers.as_chunks();
        let run = |&[source, from, to]: &[Source; 3]| Run {
            source,
            from: u64::from_le_bytes(from),
            to: u64::from_le_bytes(to),
        };
        runs.iter().map(run).collect()
    }
}

/// Something that a member was told, or that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A subscriber has met this publisher.
    Source { source: Source, node: String },
    /// A subscriber was told of a gap.
    Lost { source: Source, node: String, from: u64, to: u64, reason: String },
    /// A subscriber was told of an end.
    Ended { source: Source, node: String, count: u64 },
    /// A subscriber was told that a publisher is gone.
    Gone { source: Source, node: String, received: u64, published: u64 },
    /// A subscriber goes, whatever its publishers do.
    Left,
    /// A subscriber's statistics at its end.
    Total { received: u64, lost: u64, duplicates: u64, malformed: u64, events_dropped: u64 },
    /// When so many messages were published, this subscriber was attached.
    Attached { node: String, published: u64 },
    /// A publisher was told that a subscriber misses so many from the first to the last: a gap, or several that lie close together.
    Missed { node: String, from: u64, to: u64, count: u64 },
    /// `send` has failed for the first time because of this subscriber.
    Full { node: String },
    /// A publisher's sum: how many were published, how often somebody did not get one, how many events nobody read, and how often
    /// `send` has failed.
    Sum { published: u64, dropped: u64, events_dropped: u64, full: u64 },
    /// Everything was delivered, END included.
    Drained { published: u64 },
    /// Something that must not be.
    Wrong { what: String },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |source: &Source| format!("{:016x}", u64::from_be_bytes(*source));
        match self {
            Self::Source { source, node } => write!(f, "source {} {node}", hex(source)),
            Self::Lost { source, node, from, to, reason } => {
                write!(f, "lost {} {node} {from} {to} {reason}", hex(source))
            }
            Self::Ended { source, node, count } => write!(f, "ended {} {node} {count}", hex(source)),
            Self::Gone { source, node, received, published } => {
                write!(f, "gone {} {node} {received} {published}", hex(source))
            }
            Self::Left => f.write_str("left"),
            Self::Total { received, lost, duplicates, malformed, events_dropped } => {
                write!(f, "total {received} {lost} {duplicates} {malformed} {events_dropped}")
            }
            Self::Attached { node, published } => write!(f, "attached {node} {published}"),
            Self::Missed { node, from, to, count } => write!(f, "missed {node} {from} {to} {count}"),
            Self::Full { node } => write!(f, "full {node}"),
            Self::Sum { published, dropped, events_dropped, full } => {
                write!(f, "sum {published} {dropped} {events_dropped} {full}")
            }
            Self::Drained { published } => write!(f, "drained {published}"),
            Self::Wrong { what } => write!(f, "wrong {}", what.replace('\n', " ")),
        }
    }
}

impl FromStr for Line {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(line: &str) -> Outcome<Self> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.splitn(if kind == "wrong" { 1 } else { 5 }, ' ');
        let mut word = || words.next().map(str::to_owned).ok_or_else(|| format!("too short: {line}"));
        let source = |word: String| u64::from_str_radix(&word, 16).map(u64::to_be_bytes);
        Ok(match kind {
            "source" => Self::Source { source: source(word()?)?, node: word()? },
            "lost" => Self::Lost {
                source: source(word()?)?,
                node: word()?,
                from: word()?.parse()?,
                to: word()?.parse()?,
                reason: word()?,
            },
            "ended" => Self::Ended { source: source(word()?)?, node: word()?, count: word()?.parse()? },
            "gone" => Self::Gone {
                source: source(word()?)?,
                node: word()?,
                received: word()?.parse()?,
                published: word()?.parse()?,
            },
            "left" => Self::Left,
            "total" => Self::Total {
                received: word()?.parse()?,
                lost: word()?.parse()?,
                duplicates: word()?.parse()?,
                malformed: word()?.parse()?,
                events_dropped: word()?.parse()?,
            },
            "attached" => Self::Attached { node: word()?, published: word()?.parse()? },
            "missed" => Self::Missed {
                node: word()?,
                from: word()?.parse()?,
                to: word()?.parse()?,
                count: word()?.parse()?,
            },
            "full" => Self::Full { node: word()? },
            "sum" => Self::Sum {
                published: word()?.parse()?,
                dropped: word()?.parse()?,
                events_dropped: word()?.parse()?,
                full: word()?.parse()?,
            },
            "drained" => Self::Drained { published: word()?.parse()? },
            "wrong" => Self::Wrong { what: word()? },
            _ => return Err(format!("no line begins with {kind:?}").into()),
        })
    }
}

/// What a member was told, a [`Line`] each.
pub(crate) type Log = tamtam_soak::log::Log<Line>;
