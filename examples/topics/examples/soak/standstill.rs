//! One subscriber of each policy stands still, for as long as it is told to. What that must not do to others is looked at while it
//! does.

use std::time::{Duration, Instant};

use super::crew::{AGAIN, Crew};
use super::evidence::{Count, Line, Log, Runs};
use super::task::{Manner, PATIENCE, Policy, Role, Task};
use super::{Options, Outcome};

/// How long between two looks at the evidence.
const LOOK: Duration = Duration::from_millis(20);
/// Even on a busy machine a publisher that nobody holds up sends a message so often; it tries to each millisecond.
const PACE: Duration = Duration::from_millis(50);
/// More messages than the publisher's queue and the system hold for the one that stands still, and it for itself if it was
/// resumed for a moment.
const HELD_MAX: u64 = 2000;
const DEPTH: u32 = 100;
const OCTETS: u64 = 1 << 20;
const SUBSCRIBERS: usize = 3;

/// Those of one topic.
struct Group {
    policy: Policy,
    publisher: usize,
    /// The one that stands still.
    victim: usize,
    others: Vec<usize>,
}

/// Adds what is not as it should be to `wrong`.
pub(crate) fn run(crew: &mut Crew, options: &Options, pause: Duration, wrong: &mut Vec<String>) -> Outcome {
    let mut number = 0;
    let mut start = |crew: &mut Crew, role, policy| {
        number += 1;
        let (seed, manner, latch) = (options.seed, Manner::Steady, 0);
        let place = options.place.clone();
        crew.start(Task {
            role,
            policy,
            number,
            seed,
            manner,
            depth: DEPTH,
            octets: OCTETS,
            latch,
            is_tcp: false,
            place,
        })
    };
    let mut groups = Vec::new();
    for &policy in &options.policies {
        let others: Vec<usize> =
            (1..SUBSCRIBERS).map(|_| start(crew, Role::Subscriber, policy)).collect::<Outcome<_>>()?;
        let victim = start(crew, Role::Subscriber, policy)?;
        let publisher = start(crew, Role::Publisher, policy)?;
        groups.push(Group { policy, publisher, victim, others });
    }
    for group in &groups {
        let everybody = group.others.iter().chain([&group.victim]);
        for &subscriber in everybody {
            until(crew, "all have messages", |crew| Ok(top(crew, subscriber)? > 0))?;
        }
    }
    let mut before = Vec::new();
    for group in &groups {
        crew.stop(group.victim)?;
        before.push(count(crew, group).returned);
    }
    let began = Instant::now();
    // Whoever comes meanwhile is as welcome as at any other time.
    for group in &mut groups {
        group.others.push(start(crew, Role::Subscriber, group.policy)?);
    }
    while Instant::now() < began + pause {
        if let Some(ended) = crew.wait((Instant::now() + LOOK).min(began + pause))? {
            return Err(format!("{} has ended", crew.name(ended)).into());
        }
        crew.keep_still(groups.iter().map(|group| group.victim))?;
    }
    for (group, before) in groups.iter().zip(before) {
        let (victim, name) = (crew.name(group.victim), crew.name(group.publisher));
        let now = count(crew, group);
        if group.policy.is_lossless() {
            // It waits for the one that stands still; what it has published the others have.
            until(crew, "it is held up", |crew| {
                let now = count(crew, group);
                Ok(now.attempted > now.returned)
            })?;
            let undone = crew.count(group.policy, Role::Subscriber, AGAIN) as u64;
            let most = HELD_MAX * (1 + undone);
            if now.returned - before > most {
                wrong.push(format!(
                    "{name} has published {} messages, and {victim} stands still",
                    now.returned - before
                ));
            }
        } else {
            let least = (pause.as_millis() / PACE.as_millis()) as u64;
            if now.returned - before < least {
                wrong.push(format!("{name} has published only {} messages", now.returned - before));
            }
        }
        for &other in &group.others {
            let is_new = group.others.last() == Some(&other);
            // To a newcomer it may have published nothing yet.
            if !(is_new && group.policy.is_lossless()) {
                until(crew, "the others have everything", |crew| Ok(top(crew, other)? >= now.returned))?;
            }
        }
        if group.policy.fails() {
            let full = Line::Full { node: victim };
            until(crew, "it is told who is slow", |_| Ok(Log::read(&options.place, &name)?.contains(&full)))?;
        }
    }
    for group in &groups {
        crew.resume(group.victim)?;
    }
    for group in &groups {
        let now = count(crew, group).attempted;
        until(crew, "it reads again", |crew| Ok(top(crew, group.victim)? >= now))?;
    }
    Ok(())
}

/// Waits until something is so.
fn until(crew: &mut Crew, what: &str, is_so: impl Fn(&Crew) -> Outcome<bool>) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(crew)? {
        if let Some(ended) = crew.wait(Instant::now() + LOOK)? {
            return Err(format!("{} has ended", crew.name(ended)).into());
        }
        if Instant::now() > deadline {
            return Err(format!("never: {what}").into());
        }
    }
    Ok(())
}

fn count(crew: &Crew, group: &Group) -> Count {
    let publisher = crew.members.get(group.publisher);
    publisher.map(|publisher| Count::read(&publisher.task.place, &publisher.task.name())).unwrap_or_default()
}

/// The highest number that a subscriber has received or was told to have lost.
fn top(crew: &Crew, index: usize) -> Outcome<u64> {
    let Some(member) = crew.members.get(index) else { return Ok(0) };
    let (place, name) = (&member.task.place, member.task.name());
    let received = Runs::read(place, &name).iter().map(|run| run.to).max();
    let lines = Log::read(place, &name)?;
    let lost = lines.iter().filter_map(|line| match line {
        Line::Lost { to, .. } => Some(*to),
        _ => None,
    });
    Ok(received.into_iter().chain(lost).max().unwrap_or(0))
}
