//! What somebody needs: the answers to all questions.

use std::fmt;

use super::amount::{rate_text, size_text};

/// An answer that is one of a few.
pub trait Answer: Copy + Eq + 'static {
    /// All of them, in the order in which they are offered.
    const ALL: &'static [Self];

    /// The word on the command line.
    fn word(self) -> &'static str;

    /// What it means, for people.
    fn text(self) -> &'static str;

    /// The answer of this word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|answer| answer.word() == word)
    }
}

macro_rules! answers {
    ($(#[$doc:meta])* $name:ident { $($(#[$mark:meta])* $variant:ident => $word:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $(#[doc = $text] $(#[$mark])* $variant,)* }

        impl Answer for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

answers! {
    /// On how many hosts the programs run.
    Hosts {
        #[default]
        One => "one", "all of them run on one host";
        Many => "many", "they run on several hosts, or may one day";
    }
}

answers! {
    /// Whether the ends are parts of one process.
    Process {
        #[default]
        Different => "different", "each end is a process of its own";
        Same => "same", "they are threads of one process";
    }
}

answers! {
    /// How the ends find each other.
    Meet {
        #[default]
        Address => "address", "all know a path, a port or another address";
        Child => "child", "one starts the others, and can hand descriptors to them";
        Pid => "pid", "nothing but a process number is known";
        Name => "name", "by the name of a topic, with types that are checked; where the others are nobody knows";
    }
}

answers! {
    /// How many send.
    Writers {
        #[default]
        One => "one", "one end sends";
        Many => "many", "several send to the same place";
    }
}

answers! {
    /// How many receive, and who gets what.
    Readers {
        #[default]
        One => "one", "one end receives";
        Each => "each", "several do, and each of them gets every message";
        Shared => "shared", "several do, and each message goes to one of them: work is shared";
    }
}

answers! {
    /// Whether messages come back.
    Reply {
        No => "no", "messages go one way";
        #[default]
        Yes => "yes", "questions are answered, or both ends send";
        Confirmed => "confirmed", "and if no answer comes, who asked has to know whether the question was received";
    }
}

answers! {
    /// What becomes of a message when the reader is slow.
    Delivery {
        #[default]
        Every => "every", "every message arrives; the writer waits for a slow reader";
        Lossy => "lossy", "some may be lost";
        Latest => "latest", "only the newest counts; a slow reader passes over the older ones";
    }
}

answers! {
    /// Which message comes first.
    First {
        #[default]
        Oldest => "oldest", "the one that was sent first";
        Urgent => "urgent", "the most urgent one, whenever it was sent";
        Kind => "kind", "the oldest of the kind that the receiver asks for";
    }
}

answers! {
    /// What has to survive.
    Restarts {
        #[default]
        No => "no", "if one end goes, the conversation is over";
        Reconnect => "reconnect", "an end may start again, and the other one goes on with it";
        Kept => "kept", "what was sent while nobody received is there later";
    }
}

answers! {
    /// What stands between the ends.
    Isolation {
        #[default]
        None => "none", "nothing: one user, and all trust each other";
        Users => "users", "they belong to different users, or do not trust each other";
        Containers => "containers", "they run in different containers, which share a folder";
    }
}

answers! {
    /// What is scarce.
    Priority {
        #[default]
        Cpu => "cpu", "little CPU time, and little to write: as fast as that allows";
        Latency => "latency", "the shortest time to the other end, whatever it costs";
    }
}

answers! {
    /// A language that an end is written in.
    Language {
        C => "c", "C or C++";
        Go => "go", "Go";
        Java => "java", "Java or another language on its machine";
        Python => "python", "Python";
        #[default]
        Rust => "rust", "Rust";
        Shell => "shell", "a shell";
        Other => "other", "another one";
    }
}

/// What somebody needs. The default is what the questions offer: two processes of one host that exchange short messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// On how many hosts the programs run.
    pub hosts: Hosts,
    /// Whether the ends are parts of one process.
    pub process: Process,
    /// How they find each other.
    pub meet: Meet,
    /// How many send.
    pub writers: Writers,
    /// How many receive.
    pub readers: Readers,
    /// Whether messages come back.
    pub reply: Reply,
    /// Octets of the longest message. 0: it says nothing but that something has happened. Default 1000.
    pub size: u64,
    /// Messages per second. Default 1000.
    pub rate: f64,
    /// What becomes of a message when the reader is slow.
    pub delivery: Delivery,
    /// Which message comes first.
    pub first: First,
    /// The languages of the ends; at least one.
    pub languages: Vec<Language>,
    /// What has to survive.
    pub restarts: Restarts,
    /// What stands between the ends.
    pub isolation: Isolation,
    /// What is scarce.
    pub priority: Priority,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            hosts: Hosts::default(),
            process: Process::default(),
            meet: Meet::default(),
            writers: Writers::default(),
            readers: Readers::default(),
            reply: Reply::default(),
            size: 1000,
            rate: 1000.0,
            delivery: Delivery::default(),
            first: First::default(),
            languages: vec![Language::default()],
            restarts: Restarts::default(),
            isolation: Isolation::default(),
            priority: Priority::default(),
        }
    }
}

impl fmt::Display for Needs {
    /// As flags of the command: with them it chooses the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, question) in super::QUESTIONS.iter().enumerate() {
            let blank = if index > 0 { " " } else { "" };
            write!(f, "{blank}--{} {}", question.flag, question.answer(self))?;
        }
        Ok(())
    }
}

impl Needs {
    /// The size with its unit.
    pub(super) fn size_text(&self) -> String {
        size_text(self.size)
    }

    /// The rate with its unit.
    pub(super) fn rate_text(&self) -> String {
        rate_text(self.rate)
    }
}
