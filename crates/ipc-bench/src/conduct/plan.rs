//! Which cells there are.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use super::crew::{Crew, Trouble};
use super::{DEPTH, DEPTH_OCTETS, Unknown, Watcher};
use crate::contestant::Contestant;
use crate::control::{News, Order};
use crate::options::Options;
use crate::report::{self, Key, Pattern, Unavailable, Waiting};

/// What is measured.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of a round: who is compared comes one after the other.
    pub(super) cells: Vec<Planned>,
    pub(super) contestants: Vec<report::Contestant>,
    pub(super) unavailable: Vec<Unavailable>,
}

/// A cell that is to be measured.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) key: Key,
    pub(super) contestant: Contestant,
    /// Messages per second of the open loop.
    pub(super) rate: f64,
}

impl Planned {
    /// How many messages may wait.
    pub(super) fn depth(&self) -> usize {
        let depth = (DEPTH_OCTETS / self.key.size.max(1)).clamp(2, DEPTH);
        usize::try_from(depth).unwrap_or(2)
    }
}

/// How long a worker may take to say what libzmq there is.
const PATIENCE: Duration = Duration::from_secs(10);

impl Plan {
    /// Finds out who can take part, and lists the cells.
    pub(super) fn new(options: &Options, watcher: &dyn Watcher) -> Result<Self, Unknown> {
        let mut plan = Self { cells: Vec::new(), contestants: Vec::new(), unavailable: Vec::new() };
        let mut libzmq = None;
        let mut taking_part = Vec::new();
        for contestant in chosen(options)? {
            let version = match contestant {
                Contestant::Mechanism(mechanism) => {
                    mechanism.probe().map(|_| String::new()).map_err(|why| why.reason().to_owned())
                }
                Contestant::Tamtam(_) => Ok(String::new()),
                Contestant::Libzmq(_) => libzmq.get_or_insert_with(|| library(options, watcher)).clone(),
            };
            match version {
                Ok(version) => {
                    plan.contestants.push(report::Contestant {
                        name: contestant.name(),
                        title: contestant.title(&version),
                        separate: contestant.is_separate(),
                        message_max: contestant.message_max(),
                    });
                    taking_part.push(contestant);
                }
                Err(reason) => plan.unavailable.push(Unavailable { name: contestant.name(), reason }),
            }
        }
        plan.list(options, &taking_part);
        Ok(plan)
    }

    fn list(&mut self, options: &Options, taking_part: &[Contestant]) {
        let is_one_core = available_parallelism().is_ok_and(|cores| cores == NonZero::<usize>::MIN);
        for contestant in taking_part.iter().filter(|contestant| contestant.waitings(options.spin).len() > 1)
        {
            if is_one_core {
                let reason = "spinning: there is one core only, on which it keeps the other end from running";
                self.unavailable.push(Unavailable { name: contestant.name(), reason: reason.to_owned() });
            }
        }
        for pattern in options.patterns() {
            for readers in options.readers(pattern) {
                for size in options.sizes(pattern) {
                    for contestant in taking_part {
                        let waitings = contestant.waitings(options.spin);
                        let waitings = waitings.iter().filter(|w| **w != Waiting::Spin || !is_one_core);
                        for waiting in waitings {
                            let sizes = options.sizes(pattern);
                            let smallest = sizes.first().copied().unwrap_or(size);
                            self.add(options, *contestant, *waiting, (pattern, readers), (size, smallest));
                        }
                    }
                }
            }
        }
    }

    fn add(
        &mut self,
        options: &Options,
        contestant: Contestant,
        waiting: Waiting,
        (pattern, readers): (Pattern, u32),
        (size, smallest): (u64, u64),
    ) {
        // A thread cannot be killed without its process.
        if pattern == Pattern::Kill && !contestant.is_separate() {
            return;
        }
        let longest = contestant.message_max();
        // Who cannot even take the shortest takes part with what it can.
        let size = if size > longest && size == smallest { longest } else { size };
        if size > longest {
            return;
        }
        let key = Key::new(&contestant.name(), waiting, pattern, size, readers);
        if self.cells.iter().all(|cell| cell.key != key) {
            self.cells.push(Planned { key, contestant, rate: options.rate(size) });
        }
    }
}

fn chosen(options: &Options) -> Result<Vec<Contestant>, Unknown> {
    for name in &options.contestants {
        if Contestant::by_name(name).is_none() {
            return Err(Unknown { name: name.clone(), known: Options::names() });
        }
    }
    let is_chosen = |contestant: &Contestant| {
        options.contestants.is_empty() || options.contestants.contains(&contestant.name())
    };
    Ok(Contestant::all().into_iter().filter(is_chosen).collect())
}

/// Has a worker load libzmq, in case that goes wrong. Returns what it is, or why it is not measured.
fn library(options: &Options, watcher: &dyn Watcher) -> Result<String, String> {
    let mut crew = Crew::new(options, watcher);
    let asked = crew.start("the worker that loads libzmq").and_then(|worker| {
        crew.tell(worker, &Order::Library(options.libzmq.clone()))?;
        crew.hear(worker, PATIENCE)
    });
    match asked {
        Ok(News::Library(version, false)) => Ok(format!("libzmq {version}")),
        Ok(News::Library(version, true)) if options.libzmq.is_some() => {
            Ok(format!("Tamtam's drop-in libzmq {version}"))
        }
        Ok(News::Library(..)) => {
            Err("the installed libzmq is Tamtam's own drop-in; --libzmq FILE measures that, or another one"
                .into())
        }
        Ok(news) => Err(format!("an unexpected {news:?}")),
        Err(Trouble::Failed(why)) => Err(format!("{why} (--libzmq FILE names another)")),
        Err(Trouble::Stopped) => Err("interrupted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Profile;

    struct Nobody;

    impl Watcher for Nobody {
        fn progress(&mut self, _: &super::super::Progress<'_>) {}

        fn is_stopped(&self) -> bool {
            false
        }
    }

    fn plan(profile: Profile, names: &[&str]) -> Plan {
        let mut options = Options::new(Vec::new(), profile);
        options.contestants = names.iter().map(|name| (*name).to_owned()).collect();
        Plan::new(&options, &Nobody).expect("known names")
    }

    #[test]
    fn who_cannot_take_a_size_is_left_out_but_not_of_the_smallest() {
        let plan = plan(Profile::Normal, &["eventfd", "signals", "unix-stream"]);
        let sizes = |name: &str| {
            let own = plan
                .cells
                .iter()
                .filter(|cell| cell.key.contestant == name && cell.key.pattern == Pattern::Throughput);
            own.map(|cell| cell.key.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes("eventfd"), [0]);
        assert_eq!(sizes("unix-stream"), [64, 4 << 10, 64 << 10, 1 << 20]);
        assert!(sizes("signals").iter().all(|size| *size < 64));
    }

    #[test]
    fn threads_are_not_killed_and_rings_spin() {
        let plan = plan(Profile::Quick, &["channel", "shm-ring", "tamtam-inproc"]);
        let killed: Vec<&str> = plan
            .cells
            .iter()
            .filter(|cell| cell.key.pattern == Pattern::Kill)
            .map(|cell| cell.key.contestant.as_str())
            .collect();
        assert!(killed.iter().all(|name| *name == "shm-ring") && !killed.is_empty());
        let spins = plan.cells.iter().any(|cell| cell.key.waiting == Waiting::Spin)
            || plan.unavailable.iter().any(|missing| missing.reason.contains("one core"));
        assert!(spins);
    }

    #[test]
    fn names_that_nobody_has_are_refused() {
        let mut options = Options::new(Vec::new(), Profile::Quick);
        options.contestants.push("pigeon".to_owned());
        let unknown = Plan::new(&options, &Nobody).expect_err("nobody");
        assert!(unknown.to_string().contains("\"pigeon\"") && unknown.to_string().contains("shm-ring"));
    }

    #[test]
    fn without_a_worker_libzmq_is_unavailable_with_the_reason() {
        let plan = plan(Profile::Quick, &["libzmq-tcp", "pipe"]);
        assert_eq!(plan.unavailable.len(), 1);
        assert!(plan.unavailable[0].reason.contains("--libzmq"), "{:?}", plan.unavailable);
        assert!(plan.cells.iter().all(|cell| cell.key.contestant == "pipe"));
    }

    #[test]
    fn few_long_messages_wait() {
        let contestant = Contestant::by_name("pipe").expect("known");
        let depth = |size| {
            let key = Key::new("pipe", Waiting::Block, Pattern::Throughput, size, 1);
            Planned { key, contestant, rate: 0.0 }.depth()
        };
        assert_eq!([0, 64, 1 << 20, 8 << 20, 1 << 40].map(depth), [64, 64, 8, 2, 2]);
    }
}
