//! What is to know about a mechanism: the columns of the table.

/// What is to know about a mechanism, whatever machine it runs on. What depends on the machine, [`Mechanism::probe`] tells.
///
/// All texts are for people, without a full stop unless they are several sentences.
///
/// [`Mechanism::probe`]: crate::Mechanism::probe
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What it is called in commands and tickets: "unix-stream".
    pub name: &'static str,
    /// What people call it: "Unix stream socket".
    pub title: &'static str,
    /// The family in which textbooks put it.
    pub family: Family,
    /// Sections of the manual to read: "unix(7), socketpair(2)".
    pub manual: &'static str,
    /// Whether the mechanism itself keeps messages apart.
    pub boundaries: Boundaries,
    /// The order in which messages arrive.
    pub order: Order,
    /// What happens to messages that the other end does not take in time.
    pub delivery: Delivery,
    /// Whether the mechanism itself goes both ways. A link always does: of a one-way mechanism it takes two.
    pub direction: Direction,
    /// What a sender meets when nobody receives: what fills up, and what happens then.
    pub back_pressure: &'static str,
    /// Which limits there are, and where they stand.
    pub limits: &'static str,
    /// How far it reaches.
    pub reach: Reach,
    /// How long the kernel's object lives.
    pub persistence: Persistence,
    /// Who may open it, and what decides.
    pub permissions: &'static str,
    /// What is left behind by a crash, and how it goes away.
    pub clean_up: &'static str,
    /// How an end learns that the other one is gone.
    pub peer_death: PeerDeath,
    /// The same in words, step by step: what a sender sees, and what a receiver sees.
    pub peer_death_text: &'static str,
    /// Whether an event loop can wait for it: poll, epoll.
    pub pollable: bool,
    /// How often the octets of a message are copied on their way from the sender's buffer to the receiver's, in this crate.
    pub copies: u8,
    /// System calls per message, sending and receiving together, when nobody has to wait: "2".
    pub system_calls: &'static str,
    /// From which languages it can be used.
    pub languages: &'static str,
    /// When it is the right choice.
    pub when: &'static str,
    /// When it is not, and what is instead.
    pub when_not: &'static str,
    /// What people fall into.
    pub pitfalls: &'static str,
    /// A short program that uses it: a file of its own in `programs`, which the tests compile and run.
    pub program: &'static str,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As the table writes it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.text())
            }
        }
    };
}

words! {
    /// The families in which textbooks put the mechanisms.
    Family {
        /// Memory that both map.
        SharedMemory => "shared memory",
        /// Asynchronous notes from the kernel.
        Signals => "signals",
        /// Streams of octets, one way.
        Pipes => "pipes",
        /// Sockets, of this host and of the network.
        Sockets => "sockets",
        /// Queues in the kernel.
        MessageQueues => "message queues",
        /// Send, receive, reply.
        MessagePassing => "message passing",
        /// Within one process.
        Threads => "threads",
    }
}

words! {
    /// Whether the mechanism itself keeps messages apart.
    Boundaries {
        /// One send, one receive.
        Kept => "kept",
        /// A stream of octets: this crate puts the length before each message ([`framing`](crate::framing)).
        Framed => "none: length prefix",
    }
}

words! {
    /// The order in which messages of one sender arrive.
    Order {
        /// First in, first out.
        Fifo => "first in, first out",
        /// The most urgent first, among equals first in, first out.
        Priority => "by priority",
        /// Only the latest value is there.
        Latest => "latest value only",
        /// Not promised.
        Unspecified => "not promised",
    }
}

words! {
    /// What happens to messages that the other end does not take in time.
    Delivery {
        /// The sender waits; nothing is lost while both live.
        Reliable => "the sender waits",
        /// They are lost, and nobody tells the sender. [`End::lost`](crate::End::lost) counts what can be counted.
        Lossy => "may be lost",
        /// As many arrive as were sent, and they wait without bound; but they have no content.
        Counted => "counted, without content",
        /// A newer one replaces an older one, by design.
        Overwritten => "overwritten",
    }
}

words! {
    /// Whether the mechanism itself goes both ways.
    Direction {
        /// One way; a link takes two.
        OneWay => "one way",
        /// Both ways.
        TwoWay => "both ways",
    }
}

words! {
    /// How far a mechanism reaches.
    Reach {
        /// Threads of one process. Tickets cannot be handed over.
        Process => "one process",
        /// Processes that got the descriptor: children, or whoever was passed it over a Unix socket.
        Descriptor => "who is given the descriptor",
        /// Processes of one host that know a name, and may.
        Host => "one host",
        /// Other hosts as well.
        Network => "the network",
    }
}

words! {
    /// How long the kernel's object lives.
    Persistence {
        /// Until the last process that holds it is gone.
        Process => "as long as a process holds it",
        /// Until it is removed, or the machine restarts.
        Kernel => "until removed or restarted",
        /// Until it is removed: a name in a file system.
        FileSystem => "until its file is removed",
    }
}

words! {
    /// How an end learns that the other one is gone, by whatever death.
    PeerDeath {
        /// Sender and receiver are told at once, sleeping or not.
        AtOnce => "both are told at once",
        /// Who sends is told; who only receives waits on.
        OnSend => "told on sending",
        /// The mechanism does not tell; this crate adds a [`Lifeline`](crate::lifeline::Lifeline), at which an end looks that has to wait,
        /// for a message or for room, at least every [`SLICE`](crate::lifeline::SLICE). Who never has to wait is not told.
        Lifeline => "by an added lifeline",
        /// Nobody is told: use deadlines.
        Unnoticed => "not noticed",
    }
}
