//! What a round tries, and what each of its members is to do.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tamtam_soak::{Outcome, crew};
use tamtam_zmq::{Driver, SocketType};

/// Tells a process that it is a member, and what of.
const TASK: &str = "TAMTAM_SOCKET_SOAK_TASK";
const PLACE: &str = "TAMTAM_SOCKET_SOAK_PLACE";

/// Longer than anybody is made to wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A pattern of sockets, and what is done when a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scenario {
    /// PUSH to PULL.
    Pipeline,
    /// PUB to SUB; what is too much is dropped.
    Publish,
    /// XPUB to SUB; the publisher waits.
    Nodrop,
    /// PUB to SUB, where the oldest that were received go.
    Oldest,
    /// PUSH to PULL, of which only the newest message counts.
    Latest,
    /// DEALER to ROUTER and back.
    Dealer,
    /// REQ to REP and back.
    Request,
}

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::Pipeline,
        Self::Publish,
        Self::Nodrop,
        Self::Oldest,
        Self::Latest,
        Self::Dealer,
        Self::Request,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Publish => "publish",
            Self::Nodrop => "nodrop",
            Self::Oldest => "oldest",
            Self::Latest => "latest",
            Self::Dealer => "dealer",
            Self::Request => "request",
        }
    }

    /// Whether each message goes to all receivers.
    pub(crate) const fn publishes(self) -> bool {
        matches!(self, Self::Publish | Self::Nodrop | Self::Oldest)
    }

    /// Whether what is received is sent back.
    pub(crate) const fn echoes(self) -> bool {
        matches!(self, Self::Dealer | Self::Request)
    }

    /// Whether receivers throw messages away, and count them.
    pub(crate) const fn receiver_drops(self) -> bool {
        matches!(self, Self::Oldest | Self::Latest)
    }

    pub(crate) const fn kind(self, role: Role) -> SocketType {
        match (self, role) {
            (Self::Pipeline | Self::Latest, Role::Sender) => SocketType::Push,
            (Self::Pipeline | Self::Latest, Role::Receiver) => SocketType::Pull,
            (Self::Publish | Self::Oldest, Role::Sender) => SocketType::Pub,
            (Self::Nodrop, Role::Sender) => SocketType::XPub,
            (Self::Publish | Self::Nodrop | Self::Oldest, Role::Receiver) => SocketType::Sub,
            (Self::Dealer, Role::Sender) => SocketType::Dealer,
            (Self::Dealer, Role::Receiver) => SocketType::Router,
            (Self::Request, Role::Sender) => SocketType::Req,
            (Self::Request, Role::Receiver) => SocketType::Rep,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.word() == word);
        found.ok_or_else(|| format!("no scenario is called {word:?}"))
    }
}

/// How the members of a round reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// They are threads of one process.
    Inproc,
    /// They are processes, connected with each other.
    Direct,
    /// They are processes, and a witness stands between any two of them, which cuts connections and notes what it has let through.
    Witness,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Inproc => "inproc",
            Self::Direct => "direct",
            Self::Witness => "witness",
        })
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "inproc" => Ok(Self::Inproc),
            "direct" => Ok(Self::Direct),
            "witness" => Ok(Self::Witness),
            _ => Err(format!("no way is called {word:?}")),
        }
    }
}

/// Senders are those that begin: in an echo the askers, whose messages come back from the receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Sender,
    Receiver,
}

/// What all members of a round have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) scenario: Scenario,
    pub(crate) driver: Driver,
    pub(crate) send_hwm: u32,
    pub(crate) receive_hwm: u32,
    /// The kernel's buffers in octets; 0 leaves them to the system.
    pub(crate) buffers: usize,
    /// The longest filler of a message.
    pub(crate) largest: u64,
    /// Encrypted, by those who bind as servers.
    pub(crate) is_curve: bool,
    /// A ROUTER waits for room, and is told of who is not there.
    pub(crate) is_mandatory: bool,
    /// Receivers that a publisher waits for before its first message; 0: it does not wait.
    pub(crate) barrier: usize,
}

/// What one member is to do.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) setting: Setting,
    pub(crate) role: Role,
    /// Counts the members of a round: no two have the same.
    pub(crate) number: u64,
    pub(crate) seed: u64,
    pub(crate) bind: Option<String>,
    pub(crate) dial: Vec<String>,
    /// Closes its socket and makes another one now and then.
    pub(crate) reopens: bool,
    /// Disconnects and connects again now and then.
    pub(crate) redials: bool,
    /// Where the evidence is.
    pub(crate) place: PathBuf,
}

impl Task {
    pub(crate) fn name(&self) -> String {
        let letter = match self.role {
            Role::Sender => 's',
            Role::Receiver => 'r',
        };
        format!("{letter}{}", self.number)
    }

    pub(crate) const fn kind(&self) -> SocketType {
        self.setting.scenario.kind(self.role)
    }

    /// The task of this process, if it has one.
    pub(crate) fn of_this_process() -> Outcome<Option<Self>> {
        let (Ok(words), Some(place)) = (std::env::var(TASK), std::env::var_os(PLACE)) else {
            return Ok(None);
        };
        let words: Vec<&str> = words.split(' ').collect();
        let [
            scenario,
            driver,
            send_hwm,
            receive_hwm,
            buffers,
            largest,
            curve,
            mandatory,
            barrier,
            role,
            number,
            seed,
            reopens,
            redials,
            bind,
            dial,
        ] = words[..]
        else {
            return Err("a task of sixteen words".into());
        };
        let setting = Setting {
            scenario: scenario.parse()?,
            driver: if driver == "adaptive" { Driver::Adaptive } else { Driver::Background },
            send_hwm: send_hwm.parse()?,
            receive_hwm: receive_hwm.parse()?,
            buffers: buffers.parse()?,
            largest: largest.parse()?,
            is_curve: curve.parse()?,
            is_mandatory: mandatory.parse()?,
            barrier: barrier.parse()?,
        };
        Ok(Some(Self {
            setting,
            role: if role == "0" { Role::Sender } else { Role::Receiver },
            number: number.parse()?,
            seed: seed.parse()?,
            reopens: reopens.parse()?,
            redials: redials.parse()?,
            bind: (bind != "-").then(|| bind.to_owned()),
            dial: dial.split(',').filter(|one| *one != "-").map(str::to_owned).collect(),
            place: place.into(),
        }))
    }
}

pub(crate) fn driver_word(driver: Driver) -> &'static str {
    if driver == Driver::Adaptive { "adaptive" } else { "background" }
}

impl crew::Task for Task {
    fn name(&self) -> String {
        Self::name(self)
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let Setting {
            scenario,
            driver,
            send_hwm,
            receive_hwm,
            buffers,
            largest,
            is_curve,
            is_mandatory,
            barrier,
        } = self.setting;
        let Self { number, seed, reopens, redials, .. } = self;
        let (driver, role) = (driver_word(driver), self.role as u8);
        let bind = self.bind.as_deref().unwrap_or("-");
        let dial = if self.dial.is_empty() { "-".to_owned() } else { self.dial.join(",") };
        let words = format!(
            "{scenario} {driver} {send_hwm} {receive_hwm} {buffers} {largest} {is_curve} {is_mandatory} {barrier} {role} {number} {seed} \
             {reopens} {redials} {bind} {dial}"
        );
        vec![(TASK, words.into()), (PLACE, self.place.clone().into())]
    }
}
