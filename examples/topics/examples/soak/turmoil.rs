//! Members that are stopped, killed and started by chance.

use std::time::Instant;

use tamtam_soak::orders::LEAVE;
use tamtam_soak::random::Random;

use super::crew::{Crew, Fate};
use super::task::{Manner, Policy, Role, Task};
use super::{Options, Outcome};

/// A place that one member after the other takes.
struct Slot {
    role: Role,
    policy: Policy,
    member: Option<usize>,
    is_stopped: bool,
    /// When something is done to it.
    due: Instant,
}

pub(crate) fn run(crew: &mut Crew, options: &Options) -> Outcome {
    let mut random = Random::new(options.seed);
    let mut slots = Vec::new();
    for policy in &options.policies {
        for role in [Role::Subscriber, Role::Publisher] {
            for _ in 0..options.crowd {
                let due = Instant::now() + random.pause(1, 500);
                slots.push(Slot { role, policy: *policy, member: None, is_stopped: false, due });
            }
        }
    }
    let end = Instant::now() + options.duration;
    let mut number = 0;
    while Instant::now() < end {
        let Some(slot) = slots.iter_mut().min_by_key(|slot| slot.due) else { return Ok(()) };
        let due = slot.due.min(end);
        if let Some(ended) = crew.wait(due)? {
            let slot = slots.iter_mut().find(|slot| slot.member == Some(ended)).ok_or("nobody's member")?;
            if crew.fate(ended) != Some(Fate::Done) {
                return Err(format!("{} has ended", crew.name(ended)).into());
            }
            // Another one takes its place.
            (slot.member, slot.is_stopped) = (None, false);
            slot.due = Instant::now() + random.pause(1, 500);
        } else if Instant::now() >= slot.due {
            act(crew, slot, options, &mut random, &mut number)?;
        }
    }
    Ok(())
}

fn act(
    crew: &mut Crew,
    slot: &mut Slot,
    options: &Options,
    random: &mut Random,
    number: &mut u64,
) -> Outcome {
    let Some(index) = slot.member else {
        *number += 1;
        let task = Task {
            role: slot.role,
            policy: slot.policy,
            number: *number,
            seed: random.number(),
            manner: Manner::Moody,
            depth: u32::try_from(random.between(1, 1000))?,
            // A queue takes a message that is larger when it is empty.
            octets: if random.percent(25) { random.between(1000, 1_000_000) } else { 64 << 20 },
            latch: if random.percent(25) { u32::try_from(random.between(1, 20))? } else { 0 },
            is_tcp: random.percent(20),
            place: options.place.clone(),
        };
        slot.member = Some(crew.start(task)?);
        slot.due = Instant::now() + random.pause(100, 4000);
        return Ok(());
    };
    if std::mem::take(&mut slot.is_stopped) {
        crew.resume(index)?;
        slot.due = Instant::now() + random.pause(50, 4000);
        return Ok(());
    }
    let kills = match slot.role {
        Role::Publisher => 25,
        Role::Subscriber => 12,
    };
    if random.percent(kills) {
        crew.kill(index)?;
        slot.member = None;
        slot.due = Instant::now() + random.pause(1, 500);
    } else if slot.role == Role::Subscriber && random.percent(10) {
        // It ends when it has read this.
        crew.tell(index, LEAVE)?;
        slot.due = Instant::now() + random.pause(50, 4000);
    } else if random.percent(45) {
        crew.stop(index)?;
        slot.is_stopped = true;
        let longest = u64::try_from(options.longest_pause.as_millis())?;
        slot.due = Instant::now() + random.pause(10, longest);
    } else {
        slot.due = Instant::now() + random.pause(50, 4000);
    }
    Ok(())
}
