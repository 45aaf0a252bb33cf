//! What was measured of one contestant, in one pattern, with one size.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Figure, Latency, Pattern, Waiting};

/// What tells cells apart, in one report and between reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Whose: the name of a mechanism of `tamtam-ipc`, or `tamtam-` or `libzmq-` and a transport.
    pub contestant: String,
    /// How its ends wait.
    pub waiting: Waiting,
    /// What was done.
    pub pattern: Pattern,
    /// Octets of a message.
    pub size: u64,
    /// How many readers there were. 1 but for [`Pattern::FanOut`].
    pub readers: u32,
}

impl Key {
    /// That of a cell.
    #[must_use]
    pub fn new(contestant: &str, waiting: Waiting, pattern: Pattern, size: u64, readers: u32) -> Self {
        Self { contestant: contestant.to_owned(), waiting, pattern, size, readers }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contestant, waiting, pattern, size, readers } = self;
        write!(f, "{contestant}")?;
        if *waiting == Waiting::Spin {
            write!(f, " (spinning)")?;
        }
        write!(f, ", {pattern}, {size} octets")?;
        if *pattern == Pattern::FanOut { write!(f, ", {readers} readers") } else { Ok(()) }
    }
}

/// What was measured of one contestant, in one pattern, with one size. What the pattern does not measure, or a failure kept from being measured, is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Which cell.
    #[serde(flatten)]
    pub key: Key,
    /// Whether sender and readers are processes of their own. Otherwise they are threads of one.
    pub separate: bool,
    /// How many rounds succeeded.
    pub rounds: u32,
    /// Why rounds failed, one text for each that did. All figures are those of the others.
    #[serde(default)]
    pub failures: Vec<String>,
    /// Messages per second that were due, in [`Pattern::OneWay`].
    #[serde(default)]
    pub rate: Option<f64>,
    /// How long messages took, in [`Pattern::RoundTrip`] and [`Pattern::OneWay`].
    #[serde(default)]
    pub latency: Option<Latency>,
    /// Messages per second that arrived; of a round trip, round trips per second.
    #[serde(default)]
    pub messages_per_s: Option<Figure>,
    /// Megabytes (10⁶ octets) of content per second that arrived; of several readers, at one of them.
    #[serde(default)]
    pub mb_per_s: Option<Figure>,
    /// CPU time of the sending process per message, in microseconds; the client's per round trip. All its threads together, but without the time in which
    /// [`Pattern::OneWay`] waits for a message to be due.
    #[serde(default)]
    pub sender_cpu_us: Option<Figure>,
    /// CPU time of a receiving process per message, in microseconds; the server's per round trip. The mean of all readers.
    #[serde(default)]
    pub receiver_cpu_us: Option<Figure>,
    /// How often a thread of the sender gave up its core to wait, per message: voluntary context switches, each followed by a wake-up.
    #[serde(default)]
    pub sender_wakeups: Option<Figure>,
    /// How often a thread of a receiver did, per message. The mean of all readers.
    #[serde(default)]
    pub receiver_wakeups: Option<Figure>,
    /// Messages that were sent, in all rounds, warm-up included.
    #[serde(default)]
    pub sent: Option<u64>,
    /// How many of [`sent`](Self::sent) did not arrive, or were overwritten before they were read; of several readers, at all of them together. In
    /// [`Pattern::Kill`]: how many a sender was told were sent after the reader's death.
    #[serde(default)]
    pub lost: Option<u64>,
    /// The most memory that the sending process had resident in any round, in octets. Threads of one process share it.
    #[serde(default)]
    pub sender_memory: Option<u64>,
    /// The most memory that a receiving process had resident, in octets.
    #[serde(default)]
    pub receiver_memory: Option<u64>,
    /// How long the sender took to get rid of a whole burst, in nanoseconds ([`Pattern::Burst`]).
    #[serde(default)]
    pub burst_ns: Option<Figure>,
    /// The longest single call of send, in nanoseconds ([`Pattern::Burst`]).
    #[serde(default)]
    pub blocked_ns: Option<Figure>,
    /// What the sender was told when its reader was killed ([`Pattern::Kill`]): the worst of all rounds.
    #[serde(default)]
    pub notice: Option<Notice>,
    /// How long after the kill it was told, in nanoseconds. Absent unless [`Notice::Told`].
    #[serde(default)]
    pub notice_ns: Option<Figure>,
}

/// What a sender was told when its reader was killed. Later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// A call of send failed and said so.
    Told,
    /// Nothing, but send did not return any more, until the sender stopped waiting for it.
    Blocked,
    /// Nothing: send went on to succeed.
    Nothing,
}

impl Cell {
    /// One in which nothing was measured yet.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self {
            key,
            separate: true,
            rounds: 0,
            failures: Vec::new(),
            rate: None,
            latency: None,
            messages_per_s: None,
            mb_per_s: None,
            sender_cpu_us: None,
            receiver_cpu_us: None,
            sender_wakeups: None,
            receiver_wakeups: None,
            sent: None,
            lost: None,
            sender_memory: None,
            receiver_memory: None,
            burst_ns: None,
            blocked_ns: None,
            notice: None,
            notice_ns: None,
        }
    }

    /// The share of what was sent that was lost: 0 to 1; `None` if that was not counted.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        let copies = self.sent? as f64 * f64::from(self.key.readers);
        Some(if copies == 0.0 { 0.0 } else { self.lost? as f64 / copies })
    }
}
