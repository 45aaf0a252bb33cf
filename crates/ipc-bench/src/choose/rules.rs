//! The hard rules: what excludes whom, and why. This is the table of `docs/ipc-choose.md`.

use super::needs::{
    Delivery, First, Hosts, Isolation, Meet, Needs, Process, Readers, Reply, Restarts, Writers,
};

/// A row of the table: under this condition these candidates are out, for this reason.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The condition in words: "the programs run on several hosts".
    pub condition: &'static str,
    /// Who is excluded.
    pub excludes: &'static [&'static str],
    /// Why, as a sentence without subject and full stop: "does not leave the host".
    pub reason: &'static str,
    /// The condition.
    pub applies: fn(&Needs) -> bool,
}

macro_rules! rules {
    ($($condition:literal if $applies:expr, [$($excluded:literal)*] $reason:literal;)*) => {
        /// All rows. The first one that excludes a candidate is the reason that is told.
        pub static RULES: &[Rule] = &[$(Rule {
            condition: $condition,
            excludes: &[$($excluded,)*],
            reason: $reason,
            applies: $applies,
        },)*];
    };
}

fn is_one_host_of_processes(needs: &Needs) -> bool {
    needs.hosts == Hosts::One && needs.process == Process::Different
}

fn is_one_to_one(needs: &Needs) -> bool {
    needs.writers == Writers::One && needs.readers == Readers::One
}

rules! {
    "the programs run on several hosts" if |needs| needs.hosts == Hosts::Many,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "shm-ring" "shm-mutex-queue" "shm-latest" "posix-queue" "sysv-queue"
         "signals" "message-passing" "eventfd" "channel" "tamtam-inproc" "tamtam-ipc"]
        "does not leave the host";
    "all of it runs on one host" if |needs| needs.hosts == Hosts::One,
        ["udp"] "loses messages, and on one host gains nothing by that: a Unix datagram socket does the same and loses none";
    "each end is a process" if |needs| needs.process == Process::Different,
        ["channel" "tamtam-inproc"] "connects threads of one process only";
    "the ends are threads of one process" if |needs| needs.process == Process::Same,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "shm-ring" "shm-mutex-queue" "shm-latest" "posix-queue" "sysv-queue"
         "signals" "message-passing" "tamtam-ipc" "tamtam-tcp"]
        "is a way out of the process, which threads that share its memory do not need";
    "nothing but a process number is known" if |needs| needs.meet == Meet::Pid,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "shm-ring" "shm-mutex-queue" "shm-latest" "posix-queue" "sysv-queue"
         "message-passing" "eventfd" "tamtam-ipc" "tamtam-tcp" "tamtam-topics"]
        "cannot be found by a process number";
    "more than a process number is known" if |needs| needs.meet != Meet::Pid,
        ["signals"] "is shared by the whole program and all processes of the user; whatever else can be reached carries more, and disturbs nobody";
    "the ends find each other by a name, with types that are checked" if |needs| needs.meet == Meet::Name,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "udp" "shm-ring" "shm-mutex-queue" "shm-latest" "posix-queue"
         "sysv-queue" "message-passing" "eventfd" "channel" "tamtam-inproc" "tamtam-ipc" "tamtam-tcp"]
        "has addresses, not topics, and knows nothing of types";
    "processes know an address of each other" if |needs| is_one_host_of_processes(needs) && needs.meet == Meet::Address,
        ["pipe" "eventfd"] "has no name: its descriptor has to be inherited, or handed over by a socket, which could carry the messages itself";
    "one process starts the others" if |needs| is_one_host_of_processes(needs) && needs.meet == Meet::Child,
        ["fifo"] "has a name, which nobody needs here: a pipe does the same without";

    "several ends send" if |needs| needs.writers == Writers::Many,
        ["pipe" "fifo"] "mixes what several write, as soon as a message is longer than 4096 octets (PIPE_BUF)";
    "several ends send" if |needs| needs.writers == Writers::Many,
        ["shm-ring" "shm-latest"] "has one writer";
    "one end sends, and one receives" if is_one_to_one,
        ["unix-datagram"] "never tells its reader that the writer is gone: a seqpacket socket does, and is the same otherwise";
    "one end sends, and one receives" if is_one_to_one,
        ["shm-mutex-queue"] "takes a lock, and trust: between two ends a ring does without both";

    "each of several readers gets every message" if |needs| needs.readers == Readers::Each,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "shm-ring" "shm-mutex-queue" "posix-queue" "sysv-queue" "signals"
         "message-passing" "eventfd" "channel"]
        "gives each message to one reader: you would have to send it to each of them";
    "several readers share the messages" if |needs| needs.readers == Readers::Shared,
        ["pipe" "fifo"] "is a stream of octets, which several readers would tear apart";
    "several readers share the messages" if |needs| needs.readers == Readers::Shared,
        ["unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "udp" "shm-ring" "signals" "message-passing" "channel"] "has one reader";
    "several readers share the messages" if |needs| needs.readers == Readers::Shared,
        ["shm-latest" "tamtam-topics"] "gives the same to every reader";

    "messages are answered" if |needs| needs.reply != Reply::No,
        ["pipe" "fifo" "posix-queue" "sysv-queue" "shm-mutex-queue"]
        "goes one way: it would take another one for the answers, and one more for each client";
    "messages are answered" if |needs| needs.reply != Reply::No,
        ["shm-latest"] "shows a value to whoever looks, and takes no answers";
    "messages are answered" if |needs| needs.reply != Reply::No,
        ["eventfd"] "says that something has happened, and no more";
    "messages are answered" if |needs| needs.reply != Reply::No,
        ["unix-datagram"] "leaves who asks waiting for ever when the other one is gone, and needs a name for each client";
    "who asks has to know whether the question was received" if |needs| needs.reply == Reply::Confirmed,
        ["unix-stream" "unix-seqpacket" "tcp" "udp" "shm-ring" "signals" "channel" "tamtam-inproc" "tamtam-ipc" "tamtam-tcp" "tamtam-topics"]
        "cannot say, when no answer comes, whether the question was received";

    "messages have content" if |needs| needs.size > 0,
        ["eventfd"] "carries no content";
    "every message has to arrive" if |needs| needs.delivery == Delivery::Every,
        ["udp"] "may lose messages without a word";
    "more than the newest message counts" if |needs| needs.delivery != Delivery::Latest,
        ["shm-latest"] "keeps the newest value only";
    "only the newest message counts" if |needs| needs.delivery == Delivery::Latest,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "shm-ring" "shm-mutex-queue" "posix-queue" "sysv-queue" "signals"
         "message-passing" "channel"]
        "keeps the old messages in order: a slow reader sees the past, or stops the writer";
    "the most urgent message comes first" if |needs| needs.first == First::Urgent,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "udp" "shm-ring" "shm-mutex-queue" "signals" "message-passing" "eventfd"
         "channel" "tamtam-inproc" "tamtam-ipc" "tamtam-tcp" "tamtam-topics"]
        "hands over first what was sent first";
    "receivers ask for a kind of message" if |needs| needs.first == First::Kind,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "udp" "shm-ring" "shm-mutex-queue" "posix-queue" "signals"
         "message-passing" "eventfd" "channel" "tamtam-inproc" "tamtam-ipc" "tamtam-tcp" "tamtam-topics"]
        "gives a receiver the next message, whatever its kind: it would take one for each kind";

    "an end may start again" if |needs| needs.restarts == Restarts::Reconnect,
        ["pipe" "shm-ring" "shm-mutex-queue" "eventfd"] "ends with its process: the other end has to be given a new one";
    "an end may start again" if |needs| needs.restarts == Restarts::Reconnect,
        ["unix-stream" "unix-seqpacket" "tcp" "message-passing"]
        "ends with its connection: to connect again, and to say what was lost, is yours to write; Tamtam's sockets have it";
    "an end may start again" if |needs| needs.restarts == Restarts::Reconnect,
        ["fifo"] "loses what is in it with the last end that has it open, and tells the reader an end each time a writer goes";
    "an end may start again" if |needs| needs.restarts == Restarts::Reconnect,
        ["signals"] "is for one process, and one that starts again has another number";
    "what was sent while nobody received is there later" if |needs| needs.restarts == Restarts::Kept,
        ["pipe" "fifo" "unix-stream" "unix-datagram" "unix-seqpacket" "tcp" "udp" "shm-ring" "shm-mutex-queue" "shm-latest" "signals"
         "message-passing" "eventfd" "tamtam-ipc" "tamtam-tcp" "tamtam-topics"]
        "keeps nothing while nobody runs: between hosts, and over a restart of the machine, that is the work of a broker";

    "the ends do not trust each other" if |needs| needs.isolation == Isolation::Users,
        ["tcp" "udp"] "lets in everybody who reaches the port, and neither proves who it is nor hides what is said";
    "the ends do not trust each other" if |needs| needs.isolation == Isolation::Users,
        ["shm-mutex-queue"] "takes trust: who has the memory can break it for all";
    "the ends do not trust each other" if |needs| needs.isolation == Isolation::Users,
        ["signals"] "reaches processes of the same user only";
    "the ends do not trust each other" if |needs| needs.isolation == Isolation::Users,
        ["tamtam-topics"] "finds nodes of one user, and does not prove over the network who they are: sockets with CURVE do";
    "the ends run in different containers" if |needs| needs.isolation == Isolation::Containers,
        ["posix-queue" "sysv-queue"] "is one of a container's own: the other one does not see it";
}

/// A row of the second table: under this condition there is more left to do with these candidates.
#[derive(Clone, Copy, Debug)]
pub struct Burden {
    /// The condition in words.
    pub condition: &'static str,
    /// Whose work grows.
    pub candidates: &'static [&'static str],
    /// What is left to do, each one more.
    pub left: &'static [&'static str],
    /// The condition.
    pub applies: fn(&Needs) -> bool,
}

/// All burdens.
pub static BURDENS: &[Burden] = &[
    Burden {
        condition: "several ends send",
        candidates: &["unix-stream", "unix-seqpacket", "tcp"],
        left: &["a connection for each sender, and a loop over them"],
        applies: |needs| needs.writers == Writers::Many,
    },
    Burden {
        condition: "several ends send, and are answered",
        candidates: &["unix-stream", "unix-seqpacket", "tcp"],
        left: &["which answer belongs to whom"],
        applies: |needs| needs.writers == Writers::Many && needs.reply != Reply::No,
    },
    Burden {
        condition: "messages are answered",
        candidates: &["shm-ring", "channel"],
        left: &["a second one, for the answers"],
        applies: |needs| needs.reply != Reply::No,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::{CANDIDATES, Candidate};

    #[test]
    fn rules_speak_of_candidates_and_of_each_once() {
        for rule in RULES {
            assert!(!rule.condition.is_empty() && !rule.reason.is_empty() && !rule.reason.ends_with('.'));
            assert!(!rule.excludes.is_empty(), "{}", rule.condition);
            for (index, name) in rule.excludes.iter().enumerate() {
                assert!(Candidate::of(name).is_some(), "{}: {name}", rule.condition);
                assert!(!rule.excludes[..index].contains(name), "{}: {name} twice", rule.condition);
            }
        }
        for burden in BURDENS {
            assert!(
                burden.candidates.iter().all(|name| Candidate::of(name).is_some()),
                "{}",
                burden.condition
            );
        }
        // Who is excluded by nothing would always be recommended.
        for candidate in CANDIDATES {
            assert!(RULES.iter().any(|rule| rule.excludes.contains(&candidate.name)), "{}", candidate.name);
        }
    }

    #[test]
    fn conditions_that_read_the_same_are_the_same() {
        let answers = crate::choose::tests::many_needs();
        for (index, rule) in RULES.iter().enumerate() {
            for other in &RULES[..index] {
                if rule.condition == other.condition {
                    assert!(answers.iter().all(|needs| (rule.applies)(needs) == (other.applies)(needs)));
                    let twice = rule.excludes.iter().find(|name| other.excludes.contains(name));
                    assert_eq!(twice, None, "{}", rule.condition);
                }
            }
            assert!(answers.iter().any(rule.applies), "{}: never", rule.condition);
            assert!(!answers.iter().all(rule.applies), "{}: always", rule.condition);
        }
    }
}
