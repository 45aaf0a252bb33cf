//! Among what is chosen: the mechanisms of `tamtam-ipc`, Tamtam's sockets, and its topics.

use tamtam_ipc::{Facts, by_name};

use super::needs::Language::{self, C, Go, Java, Other, Python, Rust, Shell};

/// One that can be recommended.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The name: that of the mechanism, or of a contestant of `tamtam ipc bench`.
    pub name: &'static str,
    /// The languages from which it can be used.
    pub languages: &'static [Language],
    /// What is left to do, one work a text, for the simplest use between two ends. The fewer, the simpler it is.
    pub left: &'static [&'static str],
    /// What a recommendation costs: as a sentence without a full stop.
    pub price: &'static str,
    /// What `tamtam-ipc` does not know: this is none of its mechanisms.
    own: Option<&'static Own>,
}

/// What the facts of a mechanism would say.
#[derive(Debug)]
struct Own {
    title: &'static str,
    when: &'static str,
    program: &'static str,
    system_calls: u8,
    copies: u8,
    next: &'static [&'static str],
}

impl Candidate {
    /// The one of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        CANDIDATES.iter().find(|candidate| candidate.name == name)
    }

    /// What `tamtam-ipc` says of it, if it is one of its mechanisms.
    #[must_use]
    pub fn facts(&self) -> Option<&'static Facts> {
        by_name(self.name).map(|mechanism| mechanism.facts())
    }

    /// What people call it.
    #[must_use]
    pub fn title(&self) -> &'static str {
        let title = self.own.map(|own| own.title).or_else(|| Some(self.facts()?.title)).unwrap_or(self.name);
        // What is measured on the loopback interface is recommended for networks, too.
        title.trim_end_matches(", loopback")
    }

    /// When it is the right choice.
    #[must_use]
    pub fn when(&self) -> &'static str {
        self.own.map(|own| own.when).or_else(|| Some(self.facts()?.when)).unwrap_or_default()
    }

    /// A short program that uses it.
    #[must_use]
    pub fn program(&self) -> &'static str {
        self.own.map(|own| own.program).or_else(|| Some(self.facts()?.program)).unwrap_or_default()
    }

    /// System calls per message, sending and receiving together, when nobody has to wait. Those of Tamtam's sockets were counted by strace(1) over `tamtam zmq
    /// rep`.
    #[must_use]
    pub fn system_calls(&self) -> u8 {
        // The facts say it in words that begin with the number.
        let in_facts = || {
            let words = self.facts()?.system_calls;
            words.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
        };
        self.own.map(|own| own.system_calls).or_else(in_facts).unwrap_or(u8::MAX)
    }

    /// How often the octets of a short message are copied.
    #[must_use]
    pub fn copies(&self) -> u8 {
        self.own.map(|own| own.copies).or_else(|| Some(self.facts()?.copies)).unwrap_or(u8::MAX)
    }

    /// Commands that tell more.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        match self.own {
            Some(own) => own.next.iter().map(|&command| command.to_owned()).collect(),
            None => vec![format!("tamtam ipc explain {}", self.name)],
        }
    }
}

/// All candidates. The order decides where nothing else does.
pub static CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "pipe",
        languages: &[C, Go, Java, Python, Rust, Shell, Other],
        left: &["the boundaries of messages"],
        price: "one way, between relatives; every copy of the writing end has to be closed before the reader sees the end",
        own: None,
    },
    Candidate {
        name: "fifo",
        languages: &[C, Go, Java, Python, Rust, Shell, Other],
        left: &["the boundaries of messages", "removing its name"],
        price: "opening waits for the other end; a file stays behind when nobody removes it",
        own: None,
    },
    Candidate {
        name: "unix-stream",
        languages: &[C, Go, Java, Python, Rust, Other],
        left: &["the boundaries of messages", "removing its name"],
        price: "you put the length before each message, go on after short reads and writes, and remove the socket's file",
        own: None,
    },
    Candidate {
        name: "unix-datagram",
        languages: &[C, Go, Python, Rust, Other],
        left: &["noticing that another end is gone", "removing its name"],
        price: "the receiver never learns that a sender is gone, and a slow receiver stops all senders; length is limited by a buffer",
        own: None,
    },
    Candidate {
        name: "unix-seqpacket",
        languages: &[C, Go, Python, Rust, Other],
        left: &["removing its name"],
        price: "length is limited by the send buffer; neither Java nor Windows has it, and no other host can be reached",
        own: None,
    },
    Candidate {
        name: "tcp",
        languages: &[C, Go, Java, Python, Rust, Other],
        left: &["the boundaries of messages", "who may connect", "noticing that a host is gone"],
        price: "you put the length before each message, find out who connects, and notice by time-outs that a host is gone",
        own: None,
    },
    Candidate {
        name: "udp",
        languages: &[C, Go, Java, Python, Rust, Other],
        left: &["what is lost", "what comes twice or late", "who may send"],
        price: "messages get lost without a word, and nobody is told; 65507 octets are the most",
        own: None,
    },
    Candidate {
        name: "shm-ring",
        languages: &[C, Go, Java, Rust],
        left: &[
            "handing the descriptors over",
            "an agreement about each octet",
            "a core for each side that looks",
        ],
        price: "it is as fast as that only while both sides look again and again, each on a core of its own; one producer, one consumer, and memory that is taken from the start",
        own: None,
    },
    Candidate {
        name: "shm-mutex-queue",
        languages: &[C, Rust],
        left: &[
            "handing the descriptors over",
            "one C library for all",
            "trust among all",
            "a thread that waits: no event loop can",
        ],
        price: "everybody who has the memory can break it for all; who is stopped with the lock in its hands stops all; no event loop can wait for it",
        own: None,
    },
    Candidate {
        name: "shm-latest",
        languages: &[C, Go, Java, Rust],
        left: &["an agreement about each octet", "a thread that waits or looks: no event loop can"],
        price: "what nobody looked at in time is gone; there is one writer, and no event loop can wait for it",
        own: None,
    },
    Candidate {
        name: "posix-queue",
        languages: &[C, Python, Rust],
        left: &["limits that only root can raise", "noticing that another end is gone", "removing its name"],
        price: "by default ten messages of 8 KiB wait, and only root can change that; nobody is told that the other end is gone; the queue stays until it is removed",
        own: None,
    },
    Candidate {
        name: "sysv-queue",
        languages: &[C, Python, Rust, Other],
        left: &[
            "a key that nobody else uses",
            "deadlines",
            "a thread that waits: no event loop can",
            "removing the queue",
            "noticing that another end is gone",
        ],
        price: "calls that wait have no deadline, and no event loop can wait for them; 16 KiB wait in a queue by default; it stays until somebody removes it",
        own: None,
    },
    Candidate {
        name: "signals",
        languages: &[C, Rust],
        left: &[
            "a number that nobody else in the program uses",
            "the mask of every thread",
            "a process number that may be another's by now",
            "what each payload means",
        ],
        price: "one number a signal; the whole program shares it, and who does not expect it ends by it; the limit is shared by all processes of the user",
        own: None,
    },
    Candidate {
        name: "message-passing",
        languages: &[Rust],
        left: &[
            "this crate at each end",
            "a thread for each call that is under way",
            "priorities, which are not inherited",
        ],
        price: "who asks stands still until the answer is there; both ends use this crate; priorities are not inherited",
        own: None,
    },
    Candidate {
        name: "eventfd",
        languages: &[C, Go, Python, Rust],
        left: &[],
        price: "it says only how often something has happened since the last look; what has happened is found elsewhere",
        own: None,
    },
    Candidate {
        name: "channel",
        languages: &[C, Go, Java, Python, Rust, Other],
        left: &[],
        price: "a crash of one part is the end of all, and all parts are written in one language",
        own: None,
    },
    Candidate {
        name: "tamtam-inproc",
        languages: &[C, Go, Java, Python, Rust, Other],
        left: &["the encoding of messages"],
        price: "messages are octets and not values; but the endpoint can become ipc or tcp without another line of code",
        own: Some(&Own {
            title: "Tamtam's sockets between threads (inproc://)",
            when: "patterns between threads: publish and subscribe, pipelines, requests; parts that may become processes one day",
            program: include_str!("programs/tamtam_inproc.rs"),
            system_calls: 0,
            copies: 2,
            next: &["tamtam demo --transport inproc"],
        }),
    },
    Candidate {
        name: "tamtam-ipc",
        languages: &[C, Go, Java, Python, Rust, Shell, Other],
        left: &["a library that speaks ZeroMQ at each end", "the encoding of messages"],
        price: "a library at each end, and some microseconds more than the bare socket below it",
        own: Some(&Own {
            title: "Tamtam's sockets over Unix sockets (ipc://)",
            when: "several ends, who come and go: each is found again, every reader gets its copy, queues are bounded, and losses are counted",
            program: include_str!("programs/tamtam_ipc.rs"),
            system_calls: 2,
            copies: 4,
            next: &["tamtam demo --transport ipc --plain", "tamtam zmq --help"],
        }),
    },
    Candidate {
        name: "tamtam-tcp",
        languages: &[C, Go, Java, Python, Rust, Shell, Other],
        left: &["a library that speaks ZeroMQ at each end", "the encoding of messages"],
        price: "a library at each end; without CURVE everybody who reaches the port may talk",
        own: Some(&Own {
            title: "Tamtam's sockets over TCP (tcp://)",
            when: "the same between hosts: connections come back by themselves, hosts that are gone are noticed, CURVE says who may talk",
            program: include_str!("programs/tamtam_tcp.rs"),
            system_calls: 2,
            copies: 4,
            next: &["tamtam demo --transport tcp --plain", "tamtam zmq --help", "tamtam zmq keygen --help"],
        }),
    },
    Candidate {
        name: "tamtam-topics",
        languages: &[C, Go, Java, Python, Rust, Shell, Other],
        left: &["a library at each end", "types in Protobuf"],
        price: "types are written in Protobuf, and each message takes a header; in other languages than Rust only the plain form, without discovery",
        own: Some(&Own {
            title: "Tamtam's topics",
            when: "typed messages by name, to any number of readers, who are told what they missed; tools that show what is going on",
            program: include_str!("programs/tamtam_topics.rs"),
            system_calls: 2,
            copies: 4,
            next: &["tamtam demo", "tamtam list --help", "tamtam echo --help"],
        }),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::needs::Answer as _;

    #[test]
    fn every_mechanism_is_a_candidate_and_every_other_candidate_is_known() {
        for mechanism in tamtam_ipc::all() {
            let name = mechanism.facts().name;
            let candidate = Candidate::of(name).unwrap_or_else(|| panic!("{name} is no candidate"));
            assert!(candidate.own.is_none(), "{name}: the facts are its own");
        }
        let others = CANDIDATES.iter().filter(|candidate| candidate.facts().is_none());
        let others: Vec<_> = others.map(|candidate| candidate.name).collect();
        assert_eq!(others, ["tamtam-inproc", "tamtam-ipc", "tamtam-tcp", "tamtam-topics"]);
        for (index, candidate) in CANDIDATES.iter().enumerate() {
            assert!(CANDIDATES[..index].iter().all(|other| other.name != candidate.name));
        }
    }

    #[test]
    fn everything_is_said_of_each() {
        for candidate in CANDIDATES {
            let name = candidate.name;
            assert!(!candidate.title().is_empty() && !candidate.when().is_empty(), "{name}");
            assert!(candidate.price.len() > 20 && !candidate.price.ends_with('.'), "{name}");
            assert!(candidate.program().contains("fn main()"), "{name}");
            assert!(candidate.system_calls() < 10 && candidate.copies() < 10, "{name}");
            assert!(!candidate.next().is_empty() && candidate.languages.contains(&Rust), "{name}");
        }
    }

    #[test]
    fn languages_are_those_that_the_facts_name() {
        for candidate in CANDIDATES {
            let Some(facts) = candidate.facts() else { continue };
            let said = facts.languages;
            let rest = said.split("; Java and Windows have none").next().unwrap();
            for language in Language::ALL {
                let named = match language {
                    C => rest.contains("C,") || rest.contains("C++"),
                    Go => rest.contains("Go"),
                    Java => rest.contains("Java"),
                    Python => rest.contains("Python") && !rest.contains("Python receives"),
                    Rust => rest.contains("Rust") || rest.contains("this crate"),
                    Shell => rest.contains("shell"),
                    Other => rest.contains("wherever"),
                };
                // A shell is no language that has sockets; datagrams and sequenced packets Java has not.
                let all = rest.starts_with("all") || rest.starts_with("each its own");
                let has_none = *language == Shell
                    || *language == Java && matches!(candidate.name, "unix-datagram" | "unix-seqpacket");
                let expected = named || all && !has_none;
                assert_eq!(
                    candidate.languages.contains(language),
                    expected,
                    "{}: {} ({said})",
                    candidate.name,
                    language.word()
                );
            }
        }
    }
}
