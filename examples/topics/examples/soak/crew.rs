//! The processes of a soak, with what is known of them.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::time::Duration;

use tamtam_soak::crew;
pub(crate) use tamtam_soak::crew::{AGAIN, Fate};

use super::Outcome;
use super::evidence::{Count, Log, Runs};
use super::task::{Policy, Role, Task};
use super::verdict::{Publisher, Subscriber};

/// All of them. Those that live are killed when this is dropped.
pub(crate) struct Crew {
    processes: crew::Crew<Task>,
    /// Of each subscriber: how many messages each publisher of its topic had published before it was started.
    floors: Vec<HashMap<String, u64>>,
}

impl Deref for Crew {
    type Target = crew::Crew<Task>;

    fn deref(&self) -> &Self::Target {
        &self.processes
    }
}

impl DerefMut for Crew {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.processes
    }
}

impl Crew {
    /// `command` makes this program, prepared to become a member once it is told its task.
    pub(crate) fn new(command: impl Fn() -> Command + 'static) -> Self {
        Self { processes: crew::Crew::new(command), floors: Vec::new() }
    }

    /// Starts a process; returns its index.
    pub(crate) fn start(&mut self, task: Task) -> Outcome<usize> {
        let mut floors = HashMap::new();
        if task.role == Role::Subscriber {
            for other in self.members.iter().filter(|other| other.task.policy == task.policy) {
                if other.task.role == Role::Publisher {
                    let name = other.task.name();
                    let count = Count::read(&task.place, &name).returned;
                    floors.insert(name, count);
                }
            }
        }
        let index = self.processes.start(task)?;
        self.floors.push(floors);
        Ok(index)
    }

    /// The indices of those that live.
    pub(crate) fn living(&self, role: Role) -> Vec<usize> {
        self.processes.living(|task| task.role == role)
    }

    /// What its members have left behind. All of them have to be gone.
    pub(crate) fn evidence(&self) -> Outcome<(Vec<Publisher>, Vec<Subscriber>)> {
        let (mut publishers, mut subscribers) = (Vec::new(), Vec::new());
        for (member, floors) in self.members.iter().zip(&self.floors) {
            let (task, name, place) = (member.task.clone(), member.task.name(), &member.task.place);
            let at = |event: Option<&(Duration, _)>| event.map_or(Duration::ZERO, |(at, _)| *at);
            let life = (at(member.history.first()), at(member.history.last()));
            let was_killed = member.fate == Fate::Killed;
            let lines = Log::read(place, &name)?;
            match task.role {
                Role::Publisher => {
                    let count = Count::read(place, &name);
                    publishers.push(Publisher { task, was_killed, life, count, lines });
                }
                Role::Subscriber => {
                    let (floors, runs) = (floors.clone(), Runs::read(place, &name));
                    subscribers.push(Subscriber { task, was_killed, life, floors, runs, lines });
                }
            }
        }
        Ok((publishers, subscribers))
    }

    /// How many of a policy have had this done to them, and how often.
    pub(crate) fn count(&self, policy: Policy, role: Role, word: &str) -> usize {
        let of =
            self.members.iter().filter(|member| (member.task.policy, member.task.role) == (policy, role));
        of.flat_map(|member| &member.history).filter(|(_, done)| *done == word).count()
    }
}
