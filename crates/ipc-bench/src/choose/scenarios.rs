//! What people need, and what is recommended then, on an ordinary machine on which nothing was measured.

use super::needs::Needs;
use super::question::Question;

/// Somebody's needs, and the recommendation.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is about.
    pub text: &'static str,
    /// The answers that differ from what the questions offer, as flags: "--hosts many --readers each".
    pub flags: &'static str,
    /// Who is recommended.
    pub recommended: &'static str,
}

impl Scenario {
    /// The answers.
    ///
    /// # Errors
    ///
    /// What is wrong with the flags. The tests see to it that nothing is.
    pub fn needs(&self) -> Result<Needs, String> {
        let mut needs = Needs::default();
        let mut words = self.flags.split_ascii_whitespace();
        while let Some(flag) = words.next() {
            let question = flag.strip_prefix("--").and_then(Question::of);
            let answer = words.next().unwrap_or_default();
            question.ok_or_else(|| format!("no question {flag}"))?.give(&mut needs, answer)?;
        }
        Ok(needs)
    }
}

macro_rules! scenarios {
    ($($text:literal, $flags:literal => $recommended:literal;)*) => {
        /// All of them. Every candidate is recommended in one at least.
        pub static SCENARIOS: &[Scenario] =
            &[$(Scenario { text: $text, flags: $flags, recommended: $recommended },)*];
    };
}

scenarios! {
    "Two processes ask and answer; nothing special about it", "" => "unix-seqpacket";
    "The output of a child", "--meet child --reply no" => "pipe";
    "A shell script writes what a program reads", "--reply no --languages rust,shell" => "fifo";
    "Images of 8 MB, to and from Python, soon", "--size 8MB --languages rust,python --rate 30/s --priority latency" => "unix-stream";
    "Questions to a program in Java", "--languages rust,java" => "unix-stream";
    "Many programs write to one log", "--writers many --reply no --languages c,python" => "unix-datagram";
    "One control loop asks another one, as soon as can be", "--size 64 --rate 10kHz --priority latency" => "shm-ring";
    "A hundred thousand ticks a second to one consumer", "--size 64 --rate 100kHz --reply no" => "shm-ring";
    "Several processes feed a pool of workers, as soon as can be", "--writers many --readers shared --reply no --priority latency" => "shm-mutex-queue";
    "The pose of a robot for whoever wants to know it", "--readers each --reply no --delivery latest --size 200" => "shm-latest";
    "Jobs that are to be there when the worker starts", "--writers many --reply no --restarts kept" => "posix-queue";
    "An emergency stop that overtakes all other commands", "--reply no --size 64 --first urgent" => "posix-queue";
    "Two workers take their own kind of job out of one queue", "--reply no --readers shared --first kind" => "sysv-queue";
    "Long kinds of job that wait over restarts, in other languages", "--reply no --restarts kept --languages c,other" => "sysv-queue";
    "A number to a process of which nothing but its number is known", "--meet pid --reply no --size 4" => "signals";
    "Orders that must not be given twice: was it received?", "--writers many --reply confirmed" => "message-passing";
    "A child says that something is there", "--meet child --reply no --size 0" => "eventfd";
    "Threads of one program hand work on", "--process same --reply no" => "channel";
    "One thread tells all others", "--process same --reply no --readers each" => "tamtam-inproc";
    "A price list to all programs of a host, which come and go", "--readers each --reply no --restarts reconnect" => "tamtam-ipc";
    "A server for many clients on one host", "--writers many --languages rust,python" => "tamtam-ipc";
    "A service for other users of the host", "--writers many --isolation users" => "tamtam-ipc";
    "Two containers that share a folder, and start again at times", "--isolation containers --restarts reconnect" => "tamtam-ipc";
    "Commands to a robot over the network", "--hosts many --restarts reconnect" => "tamtam-tcp";
    "Commands over a network that others use, too", "--hosts many --isolation users" => "tamtam-tcp";
    "Two programs on two hosts, as soon as can be", "--hosts many --priority latency" => "tcp";
    "Positions over the network, of which only the newest counts, as soon as can be", "--hosts many --reply no --delivery latest --size 200 --priority latency" => "udp";
    "Sensors by name, to tools and recorders that are not known yet", "--meet name --readers each --reply no" => "tamtam-topics";
    "The same between hosts", "--hosts many --meet name --readers each --reply no" => "tamtam-topics";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::{CANDIDATES, Choice, Contradiction, Machine};

    #[test]
    fn each_scenario_has_its_recommendation_and_a_reason_for_all_others() {
        for scenario in SCENARIOS {
            let needs = scenario.needs().unwrap_or_else(|error| panic!("{}: {error}", scenario.text));
            assert!(Contradiction::find(&needs).is_none(), "{}", scenario.text);
            let choice = Choice::of(&needs, &Machine::ordinary(), None);
            let ranked: Vec<_> = choice.ranked.iter().map(|one| one.candidate.name).collect();
            assert_eq!(ranked.first(), Some(&scenario.recommended), "{}: {ranked:?}", scenario.text);
            assert_eq!(choice.ranked.len() + choice.excluded.len(), CANDIDATES.len());
            for one in choice.ranked.iter().skip(1) {
                assert!(!one.behind.is_empty(), "{}: {}", scenario.text, one.candidate.name);
            }
            for one in &choice.excluded {
                assert!(!one.reasons.is_empty(), "{}: {}", scenario.text, one.candidate.name);
            }
        }
    }

    #[test]
    fn every_candidate_is_recommended_to_somebody() {
        for candidate in CANDIDATES {
            let name = candidate.name;
            assert!(SCENARIOS.iter().any(|scenario| scenario.recommended == name), "{name}");
        }
    }

    #[test]
    fn wrong_flags_are_found() {
        let wrong = |flags| Scenario { text: "", flags, recommended: "" }.needs().unwrap_err();
        assert_eq!(wrong("--nonsense one"), "no question --nonsense");
        assert!(wrong("--hosts").contains("none of one, many"));
    }
}
