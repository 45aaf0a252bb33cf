//! A soak of typed topics over processes, with accounts at the end.

mod crew;
mod evidence;
mod publisher;
mod standstill;
mod subscriber;
mod task;
mod turmoil;
mod verdict;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use tamtam_soak::Outcome;
use tamtam_soak::orders;
use tamtam_soak::random::Random;

use self::crew::{Crew, Fate};
pub(crate) use self::task::Policy;
use self::task::{Role, Task};

/// The domain of the soak's nodes.
const DOMAIN: &str = "soak";

/// What to do.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    pub(crate) policies: Vec<Policy>,
    /// Publishers, and subscribers, of each policy.
    pub(crate) crowd: usize,
    /// How long processes are stopped at most.
    pub(crate) longest_pause: Duration,
    /// Instead of the turmoil: one subscriber of each policy stands still for so long.
    pub(crate) stopped: Option<Duration>,
    /// Where the registry and the evidence are.
    pub(crate) place: PathBuf,
}

/// Does the task of this process, if it is a member of a soak; returns whether it was one.
pub(crate) fn be_member() -> Outcome<bool> {
    let Some(task) = Task::of_this_process()? else { return Ok(false) };
    // Nobody is there to resume or end us when the soak itself is killed.
    tamtam_soak::crew::die_with_parent()?;
    match task.role {
        Role::Publisher => publisher::run(&task)?,
        Role::Subscriber => subscriber::run(&task)?,
    }
    Ok(true)
}

/// Runs a soak; returns the report.
///
/// # Errors
///
/// Every discrepancy in the accounts, with the report.
pub(crate) fn run(options: &Options, command: impl Fn() -> Command + 'static) -> Outcome<String> {
    let mut crew = Crew::new(command);
    let mut wrong = Vec::new();
    let done = match options.stopped {
        Some(pause) => standstill::run(&mut crew, options, pause, &mut wrong),
        None => turmoil::run(&mut crew, options),
    };
    // What went wrong on the way is explained best by the accounts.
    wrong.extend(done.err().map(|error| error.to_string()));
    wrong.extend(part(&mut crew).err().map(|error| error.to_string()));
    report(&mut crew, options, wrong)
}

/// The end: publishers say END, subscribers take in what is there.
fn part(crew: &mut Crew) -> Outcome {
    for role in [Role::Publisher, Role::Subscriber] {
        for index in crew.living(role) {
            crew.resume(index)?;
            crew.tell(index, orders::HURRY)?;
        }
    }
    for role in [Role::Publisher, Role::Subscriber] {
        for index in crew.living(role) {
            crew.tell(index, orders::FINISH)?;
        }
        let until = Instant::now() + task::PATIENCE;
        while !crew.living(role).is_empty() {
            if crew.wait(until)?.is_none() {
                let left: Vec<String> = crew.living(role).iter().map(|&index| crew.name(index)).collect();
                return Err(format!("they do not come to an end: {}", left.join(", ")).into());
            }
        }
    }
    Ok(())
}

fn report(crew: &mut Crew, options: &Options, mut wrong: Vec<String>) -> Outcome<String> {
    for index in 0..crew.members.len() {
        crew.kill(index)?;
        if let Some(Fate::Failed(status)) = crew.fate(index) {
            wrong.push(format!("{} ended with {status}", crew.name(index)));
        }
    }
    // Whoever looks clears away what the dead have left.
    let graph = tamtam::Graph::read(DOMAIN, Some(&options.place))?;
    wrong.extend(graph.nodes.iter().map(|node| format!("{} is still in the registry", node.name)));
    wrong.extend(verdict::judge_registry(&options.place.join(DOMAIN))?);
    let (publishers, subscribers) = crew.evidence()?;
    let verdict = verdict::judge(&publishers, &subscribers);
    wrong.extend(verdict.wrong);
    let mut text = format!("seed {}\n", options.seed);
    for (policy, sums) in &verdict.sums {
        let count = |role, word| crew.count(*policy, role, word);
        let (publishers, subscribers) =
            (count(Role::Publisher, "started"), count(Role::Subscriber, "started"));
        let stops = count(Role::Publisher, "stopped") + count(Role::Subscriber, "stopped");
        let undone = match count(Role::Subscriber, crew::AGAIN) {
            0 => String::new(),
            count => format!(" ({count} undone by somebody else, and done again)"),
        };
        let verdict::Sums { published, received, lost, gaps, gaps_told, died } = sums;
        writeln!(
            text,
            "{policy}: {publishers} publishers ({} killed), {subscribers} subscribers ({} killed), {stops} stops{undone}; \
             {published} messages published, {received} received, {lost} lost in {gaps} gaps \
             ({gaps_told} told to publishers), {died} died with their publishers",
            count(Role::Publisher, "killed"),
            count(Role::Subscriber, "killed"),
        )?;
    }
    if wrong.is_empty() {
        return Ok(text);
    }
    writeln!(text, "{} discrepancies:", wrong.len())?;
    for what in &wrong {
        writeln!(text, "  {what}")?;
    }
    for member in crew.members.iter().filter(|member| {
        let name = member.task.name();
        wrong.iter().any(|what| what.split([' ', ':', '"', ',']).any(|word| word == name))
    }) {
        let history = member.history.iter().map(|(at, word)| format!("{word} {:.3}", at.as_secs_f64()));
        let history: Vec<String> = history.collect();
        writeln!(
            text,
            "  {}: depth {}, {} octets, latch {}; {}",
            member.task.name(),
            member.task.depth,
            member.task.octets,
            member.task.latch,
            history.join(", ")
        )?;
    }
    Err(text.into())
}

/// The octets that belong to a message.
fn filler(publisher: u64, number: u64, size: u64) -> Vec<u8> {
    let mut random = Random::new(publisher.rotate_left(32) ^ number);
    let pattern = random.number().to_le_bytes();
    pattern.into_iter().cycle().take(usize::try_from(size).unwrap_or_default()).collect()
}
