//! A subscriber of the soak.

use std::time::{Duration, Instant};

use tamtam::{Event, Node, PublisherId, RecvError, Sample, Subscriber};
use tamtam_examples::demo::Load;
use tamtam_soak::orders::Orders;
use tamtam_soak::random::Random;

use super::evidence::{Line, Log, Runs};
use super::task::{Manner, PATIENCE, Task};
use super::{DOMAIN, Outcome, filler};

/// How long a call waits for a message before it is looked what else there is.
const SLICE: Duration = Duration::from_millis(20);
/// After so long a silence at the end nothing is on its way any more.
const SETTLED: Duration = Duration::from_secs(1);

/// How it reads at the moment.
#[derive(Clone, Copy)]
enum Mood {
    Quick,
    /// So long a pause after each message.
    Slow(Duration),
}

struct Member {
    orders: Orders,
    random: Random,
    subscriber: Subscriber<Load>,
    runs: Runs,
    log: Log,
    mood: Mood,
    /// When the mood changes.
    changes: Instant,
    is_moody: bool,
}

pub(crate) fn run(task: &Task) -> Outcome {
    let name = task.name();
    let (runs, log) = (Runs::create(&task.place, &name)?, Log::create(&task.place, &name)?);
    let node = Node::builder(&name).domain(DOMAIN).directory(&task.place).open()?;
    let subscriber = node.subscriber::<Load>(&task.policy.topic()).qos(task.qos()).create()?;
    let mut member = Member {
        orders: Orders::listen(),
        random: Random::new(task.seed),
        subscriber,
        runs,
        log,
        mood: Mood::Quick,
        changes: Instant::now(),
        is_moody: task.manner == Manner::Moody,
    };
    member.receive()
}

impl Member {
    fn receive(&mut self) -> Outcome {
        let mut told: Option<Instant> = None;
        loop {
            self.orders.look()?;
            if self.orders.leave {
                self.log.write(&Line::Left)?;
                return self.end();
            }
            let received = self.subscriber.recv_timeout(if told.is_some() { SETTLED } else { SLICE });
            // Before the message: what is missing was missing before it.
            self.listen()?;
            match received {
                Ok(Some(sample)) => {
                    self.note(&sample)?;
                    self.be_moody()?;
                    continue;
                }
                // All that have come so far have ended; others may come.
                Ok(None) => {}
                Err(RecvError::TimedOut | RecvError::Abandoned { .. }) => {}
                Err(error) => {
                    self.wrong(format!("received {error}"))?;
                    return Err(error.into());
                }
            }
            // Nothing is there at the moment.
            if let Some(told) = told {
                if self.subscriber.publishers() == 0 {
                    return self.end();
                }
                if told.elapsed() > PATIENCE {
                    self.wrong(format!("{} publishers do not end", self.subscriber.publishers()))?;
                    return Err("publishers do not end".into());
                }
            }
            if self.orders.finish {
                // Once more, and longer.
                told.get_or_insert_with(Instant::now);
            }
            if self.subscriber.is_over() {
                // Calls do not wait then.
                self.orders.pause(SLICE)?;
            }
        }
    }

    fn wrong(&mut self, what: String) -> Outcome {
        Ok(self.log.write(&Line::Wrong { what })?)
    }

    fn note(&mut self, sample: &Sample<Load>) -> Outcome {
        let (info, load) = (&sample.info, &sample.value);
        let Some(source) = info.source else { return self.wrong("a message without a source".to_owned()) };
        let size = load.filler.len() as u64;
        if load.number != info.seq || load.filler != filler(load.publisher, load.number, size) {
            self.wrong(format!("message {} of {} came as {}", load.number, load.publisher, info.seq))?;
        }
        if self.runs.is_new(source) {
            let node = self.subscriber.publisher_name(source).unwrap_or_default();
            if !node.ends_with(&format!("-p{}", load.publisher)) {
                self.wrong(format!("a message of {} came from {node}", load.publisher))?;
            }
            self.log.write(&Line::Source { source, node })?;
        }
        Ok(self.runs.received(source, info.seq)?)
    }

    fn listen(&mut self) -> Outcome {
        while let Some(event) = self.subscriber.event(Duration::ZERO) {
            let line = match event {
                Event::Matched(PublisherId { source, node, .. }) => Line::Source { source, node },
                Event::Lost { publisher: PublisherId { source, node, .. }, from, to, reason } => {
                    Line::Lost { source, node, from, to, reason: reason.to_string() }
                }
                Event::Ended { publisher: PublisherId { source, node, .. }, count } => {
                    Line::Ended { source, node, count }
                }
                Event::Gone { publisher: PublisherId { source, node, .. }, received, published } => {
                    Line::Gone { source, node, received, published }
                }
                other => Line::Wrong { what: format!("told {other:?}") },
            };
            self.log.write(&line)?;
        }
        Ok(())
    }

    fn be_moody(&mut self) -> Outcome {
        if self.orders.hurry || !self.is_moody {
            return Ok(());
        }
        if Instant::now() >= self.changes {
            self.changes = Instant::now() + self.random.pause(50, 3000);
            self.mood = match self.random.number() % 100 {
                0..=54 => Mood::Quick,
                55..=79 => Mood::Slow(Duration::from_micros(self.random.between(50, 20_000))),
                _ => {
                    let nap = self.random.pause(10, 1500);
                    self.orders.pause(nap)?;
                    Mood::Quick
                }
            };
        }
        if let Mood::Slow(pause) = self.mood {
            self.orders.pause(pause)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Outcome {
        self.listen()?;
        let counted = self.subscriber.statistics();
        let line = Line::Total {
            received: counted.received,
            lost: counted.lost,
            duplicates: counted.duplicates,
            malformed: counted.malformed,
            events_dropped: counted.events_dropped,
        };
        Ok(self.log.write(&line)?)
    }
}
