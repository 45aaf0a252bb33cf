//! The questions, and what contradicts itself in their answers.

use super::amount::{rate, size};
use super::needs::{
    Answer, Delivery, First, Hosts, Isolation, Language, Meet, Needs, Priority, Process, Readers, Reply,
    Restarts, Writers,
};

/// A question. The command asks it on a terminal, and has a flag for it.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The flag that answers it, without dashes.
    pub flag: &'static str,
    /// The question.
    pub text: &'static str,
    /// What is behind it: why it decides.
    pub why: &'static str,
    /// The answers to choose from, each a word and what it means; none if it is a value.
    pub offers: fn() -> Vec<(&'static str, &'static str)>,
    /// What an answer looks like that is no single word of [`offers`](Self::offers): a value, or several words.
    pub form: Option<&'static str>,
    /// Whether it has to be asked, given the answers before it.
    pub applies: fn(&Needs) -> bool,
    read: fn(&mut Needs, &str) -> Result<(), String>,
    write: fn(&Needs) -> String,
}

impl Question {
    /// The question of this flag.
    #[must_use]
    pub fn of(flag: &str) -> Option<&'static Self> {
        QUESTIONS.iter().find(|question| question.flag == flag)
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// In words what is wrong with it, and what would be right.
    pub fn give(&self, needs: &mut Needs, answer: &str) -> Result<(), String> {
        (self.read)(needs, answer.trim())
    }

    /// The answer as [`give`](Self::give) takes it.
    #[must_use]
    pub fn answer(&self, needs: &Needs) -> String {
        (self.write)(needs)
    }

    /// The answer that counts if there is none.
    #[must_use]
    pub fn default(&self) -> String {
        self.answer(&Needs::default())
    }
}

fn offers<A: Answer>() -> Vec<(&'static str, &'static str)> {
    A::ALL.iter().map(|answer| (answer.word(), answer.text())).collect()
}

fn one_of<A: Answer>(word: &str) -> Result<A, String> {
    A::of(word).ok_or_else(|| {
        let words: Vec<_> = A::ALL.iter().map(|answer| answer.word()).collect();
        format!("{word:?} is none of {}", words.join(", "))
    })
}

fn languages(text: &str) -> Result<Vec<Language>, String> {
    let mut languages = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        let language = one_of(word)?;
        if !languages.contains(&language) {
            languages.push(language);
        }
    }
    if languages.is_empty() { Err("at least one language".to_owned()) } else { Ok(languages) }
}

macro_rules! field {
    ($field:ident: $type:ty) => {
        (
            offers::<$type>,
            |needs, word| one_of(word).map(|answer: $type| needs.$field = answer),
            |needs| needs.$field.word().to_owned(),
        )
    };
}

/// What a question offers, how an answer is read, and how one is written.
type Parts = (
    fn() -> Vec<(&'static str, &'static str)>,
    fn(&mut Needs, &str) -> Result<(), String>,
    fn(&Needs) -> String,
);

macro_rules! questions {
    ($($flag:literal, $text:literal, $why:literal, $form:expr, $applies:expr, $parts:expr;)*) => {
        /// All questions, in the order in which they are asked.
        pub static QUESTIONS: &[Question] = &[$({
            const PARTS: Parts = $parts;
            Question {
                flag: $flag, text: $text, why: $why, form: $form, applies: $applies,
                offers: PARTS.0, read: PARTS.1, write: PARTS.2,
            }
        },)*];
    };
}

const fn always(_: &Needs) -> bool {
    true
}

fn is_one_host(needs: &Needs) -> bool {
    needs.hosts == Hosts::One
}

fn are_processes(needs: &Needs) -> bool {
    needs.process == Process::Different
}

questions! {
    "hosts", "Do all programs run on one host?",
        "Most mechanisms of the operating system end at the host's edge. What may move to another host one day has to use the network from the beginning, or something that hides it.",
        None, always, field!(hosts: Hosts);
    "process", "Are the ends threads of one process?",
        "Threads see the same memory: nothing has to be copied, encoded or allowed. But they also crash together.",
        None, is_one_host, field!(process: Process);
    "meet", "How do the ends find each other?",
        "A descriptor without a name can be inherited or handed over, but not looked up. A name has to be agreed on, and to be removed one day. Topics are found by name, and refuse readers of another type.",
        None, are_processes, field!(meet: Meet);
    "writers", "How many ends send?",
        "Streams mix what several write; a ring has one producer. A server with a connection for each client needs a loop over them.",
        None, always, field!(writers: Writers);
    "readers", "How many ends receive, and does each get every message?",
        "In the kernel a message goes to one reader. To give it to several, somebody has to copy it: you, or a library.",
        None, always, field!(readers: Readers);
    "reply", "Does a message need an answer?",
        "What goes one way has to be made twice for answers, and several clients' answers must not be mixed up.",
        None, always, field!(reply: Reply);
    "size", "How many octets has the longest message?",
        "Queues of the kernel and datagrams have limits, some of them low. 0 is a notification: it says only that something has happened.",
        Some("octets: 0, 64, 4kB, 1MiB"), always,
        (Vec::new, |needs, text| size(text).map(|size| needs.size = size), Needs::size_text);
    "rate", "How many messages a second?",
        "At a thousand a second the CPU time of any mechanism is small, and the simplest is the best. At a hundred thousand each system call counts.",
        Some("messages per second: 10, 1000/s, 50kHz"), always,
        (Vec::new, |needs, text| rate(text).map(|rate| needs.rate = rate), Needs::rate_text);
    "delivery", "May messages be lost, or does only the newest count?",
        "If every message has to arrive, somebody waits when the reader is slow. If only the newest counts, a queue is wrong: its reader sees the past.",
        None, always, field!(delivery: Delivery);
    "first", "Which message comes first?",
        "Only the message queues of the kernel let an urgent message overtake others, and only those of System V let the receiver choose by kind.",
        None, |needs| needs.delivery != Delivery::Latest && needs.hosts == Hosts::One, field!(first: First);
    "languages", "In which languages are the ends written?",
        "Every language has files and sockets. Shared memory needs atomics, and both sides have to agree about each octet.",
        Some("words separated by commas"), always,
        (
            offers::<Language>,
            |needs, text| languages(text).map(|languages| needs.languages = languages),
            |needs| needs.languages.iter().map(|language| language.word()).collect::<Vec<_>>().join(",")
        );
    "restarts", "Must it survive that one end starts again?",
        "A connection ends with its end. To find the new one, and to say what was lost between, is work: yours, or a library's. Few mechanisms keep messages while nobody runs.",
        None, are_processes, field!(restarts: Restarts);
    "isolation", "What stands between the ends: users, containers?",
        "Some mechanisms ask the kernel who may use them, some let everybody in. Containers have process numbers and queues of their own.",
        None, are_processes, field!(isolation: Isolation);
    "priority", "What matters more: latency, or CPU time?",
        "Who looks again and again instead of sleeping answers sooner, and uses up a core.",
        None, always, field!(priority: Priority);
}

/// Answers that cannot all be true.
#[derive(Clone, Copy, Debug)]
pub struct Contradiction {
    /// The flags of the answers.
    pub flags: &'static [&'static str],
    /// Why not, as a sentence without a full stop.
    pub reason: &'static str,
    is_there: fn(&Needs) -> bool,
}

/// All contradictions.
pub static CONTRADICTIONS: &[Contradiction] = &[
    Contradiction {
        flags: &["hosts", "process"],
        reason: "one process does not run on several hosts",
        is_there: |needs| needs.hosts == Hosts::Many && needs.process == Process::Same,
    },
    Contradiction {
        flags: &["hosts", "meet"],
        reason: "what runs on another host is neither a child nor known by its process number",
        is_there: |needs| needs.hosts == Hosts::Many && matches!(needs.meet, Meet::Child | Meet::Pid),
    },
    Contradiction {
        flags: &["process", "meet"],
        reason: "threads of one process are neither its children nor known by another process number",
        is_there: |needs| needs.process == Process::Same && matches!(needs.meet, Meet::Child | Meet::Pid),
    },
    Contradiction {
        flags: &["process", "restarts"],
        reason: "a thread does not outlive its process: what has to start again by itself is a process of its own",
        is_there: |needs| needs.process == Process::Same && needs.restarts != Restarts::No,
    },
    Contradiction {
        flags: &["process", "isolation"],
        reason: "all threads of a process may do everything: what has to be kept apart is a process of its own",
        is_there: |needs| needs.process == Process::Same && needs.isolation != Isolation::None,
    },
    Contradiction {
        flags: &["meet", "isolation"],
        reason: "in another container a process has another number, and is nobody's child here",
        is_there: |needs| {
            matches!(needs.meet, Meet::Child | Meet::Pid) && needs.isolation == Isolation::Containers
        },
    },
    Contradiction {
        flags: &["delivery", "first"],
        reason: "where only the newest message is kept, none can come before others",
        is_there: |needs| needs.delivery == Delivery::Latest && needs.first != First::Oldest,
    },
    Contradiction {
        flags: &["delivery", "restarts"],
        reason: "what is kept until somebody receives it is more than the newest, and is not lost",
        is_there: |needs| needs.delivery != Delivery::Every && needs.restarts == Restarts::Kept,
    },
];

impl Contradiction {
    /// The first one in these answers.
    #[must_use]
    pub fn find(needs: &Needs) -> Option<&'static Self> {
        CONTRADICTIONS.iter().find(|contradiction| (contradiction.is_there)(needs))
    }

    /// The answers and the reason: "--hosts many and --process same: …".
    #[must_use]
    pub fn describe(&self, needs: &Needs) -> String {
        let answers: Vec<_> = self
            .flags
            .iter()
            .filter_map(|flag| Question::of(flag))
            .map(|question| format!("--{} {}", question.flag, question.answer(needs)))
            .collect();
        format!("{}: {}", answers.join(" and "), self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_read_as_it_is_written_and_explained() {
        for question in QUESTIONS {
            assert!(question.text.ends_with('?') && question.why.len() > 40, "{}", question.flag);
            let offers = (question.offers)();
            assert!(!offers.is_empty() || question.form.is_some(), "{}", question.flag);
            for (word, text) in offers {
                let mut needs = Needs::default();
                assert_eq!(question.give(&mut needs, &format!(" {word} ")), Ok(()), "{}", question.flag);
                assert_eq!(question.answer(&needs), word);
                assert!(!text.is_empty());
            }
            let mut needs = Needs::default();
            assert_eq!(question.give(&mut needs, &question.default()), Ok(()));
            assert_eq!(needs, Needs::default());
            for wrong in ["", "pigeon", "1,2", "-1"] {
                assert!(question.give(&mut needs, wrong).is_err(), "{}: {wrong:?}", question.flag);
            }
            assert_eq!(needs, Needs::default(), "a wrong answer changes nothing");
        }
    }

    #[test]
    fn wrong_words_are_told_the_right_ones() {
        let hosts = Question::of("hosts").unwrap();
        let told = hosts.give(&mut Needs::default(), "two").unwrap_err();
        assert_eq!(told, "\"two\" is none of one, many");
        let languages = Question::of("languages").unwrap();
        let mut needs = Needs::default();
        languages.give(&mut needs, "python, c,,python").unwrap();
        assert_eq!(needs.languages, [Language::Python, Language::C]);
        assert!(languages.give(&mut needs, "python,latin").unwrap_err().contains("latin"));
    }

    #[test]
    fn each_contradiction_is_found_and_named() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("hosts", "many"), ("process", "same")], "several hosts"),
            (&[("hosts", "many"), ("meet", "pid")], "neither a child"),
            (&[("process", "same"), ("meet", "child")], "threads of one process"),
            (&[("process", "same"), ("restarts", "reconnect")], "outlive"),
            (&[("process", "same"), ("isolation", "users")], "kept apart"),
            (&[("meet", "pid"), ("isolation", "containers")], "another number"),
            (&[("delivery", "latest"), ("first", "urgent")], "none can come before"),
            (&[("delivery", "lossy"), ("restarts", "kept")], "kept until"),
        ];
        assert_eq!(cases.len(), CONTRADICTIONS.len());
        for (index, (answers, reason)) in cases.into_iter().enumerate() {
            let mut needs = Needs::default();
            assert!(Contradiction::find(&needs).is_none());
            for (flag, word) in answers {
                Question::of(flag).unwrap().give(&mut needs, word).unwrap();
            }
            let found = Contradiction::find(&needs).expect("found");
            assert_eq!(found.reason, CONTRADICTIONS[index].reason);
            let text = found.describe(&needs);
            let (flag, word) = answers[0];
            assert!(text.contains(&format!("--{flag} {word} and --")) && text.contains(reason), "{text}");
        }
    }

    #[test]
    fn what_is_not_asked_keeps_an_answer_that_contradicts_nothing() {
        for (flag, word) in [("hosts", "many"), ("process", "same"), ("delivery", "latest")] {
            let mut needs = Needs::default();
            Question::of(flag).unwrap().give(&mut needs, word).unwrap();
            assert!(QUESTIONS.iter().any(|question| !(question.applies)(&needs)), "{flag}");
            assert!(Contradiction::find(&needs).is_none(), "{flag}");
        }
    }
}
