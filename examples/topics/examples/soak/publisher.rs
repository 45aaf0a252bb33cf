//! A publisher of the soak.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tamtam::{Node, PublishError, Publisher, PublisherEvent};
use tamtam_examples::demo::Load;
use tamtam_soak::orders::Orders;
use tamtam_soak::random::Random;

use super::evidence::{Counter, Line, Log};
use super::task::{Manner, PATIENCE, Task};
use super::{DOMAIN, Outcome, filler};

/// After so many messages in a row events are looked at.
const EVENTS_EVERY: u64 = 32;

struct Member<'a> {
    task: &'a Task,
    orders: Orders,
    random: Random,
    publisher: Publisher<Load>,
    counter: Counter,
    log: Log,
    count: u64,
    attached: HashSet<String>,
    full: HashSet<String>,
    fulls: u64,
}

pub(crate) fn run(task: &Task) -> Outcome {
    let name = task.name();
    let (counter, log) = (Counter::create(&task.place, &name)?, Log::create(&task.place, &name)?);
    let node = Node::builder(&name).domain(DOMAIN).directory(&task.place).open()?;
    let mut publisher = node.publisher::<Load>(&task.policy.topic()).qos(task.qos());
    if task.is_tcp {
        publisher = publisher.at("tcp://127.0.0.1:*");
    }
    let publisher = publisher.create()?;
    let mut member = Member {
        task,
        orders: Orders::listen(),
        random: Random::new(task.seed),
        publisher,
        counter,
        log,
        count: 0,
        attached: HashSet::new(),
        full: HashSet::new(),
        fulls: 0,
    };
    match task.manner {
        Manner::Moody => member.be_moody()?,
        Manner::Steady => member.be_steady()?,
    }
    member.end()
}

impl Member<'_> {
    fn be_moody(&mut self) -> Outcome {
        if self.random.percent(50) {
            // Nobody need be there.
            let patience = self.random.pause(1, 1000);
            let _reached = self.publisher.wait_for(1, patience);
        }
        let ends = Instant::now() + self.random.pause(500, 12_000);
        while Instant::now() < ends && !self.orders.hurry {
            if self.random.percent(40) {
                let count = self.random.between(1, 3000);
                self.burst(count)?;
                let silence = self.random.pause(1, 1500);
                self.pause(silence)?;
            } else {
                let gap = Duration::from_micros(self.random.between(100, 50_000));
                let until = Instant::now() + self.random.pause(50, 1500);
                while Instant::now() < until && !self.orders.hurry {
                    self.send()?;
                    self.pause(gap)?;
                }
            }
        }
        if self.random.percent(20) {
            self.pause(Duration::from_millis(1200))?;
        }
        Ok(())
    }

    fn be_steady(&mut self) -> Outcome {
        while !self.orders.finish {
            self.send()?;
            self.pause(Duration::from_millis(1))?;
        }
        Ok(())
    }

    fn pause(&mut self, pause: Duration) -> Outcome {
        self.orders.pause(pause)?;
        self.listen()
    }

    fn burst(&mut self, count: u64) -> Outcome {
        for number in 0..count {
            self.send()?;
            if number % EVENTS_EVERY == 0 {
                self.orders.look()?;
                self.listen()?;
                if self.orders.hurry {
                    break;
                }
            }
        }
        Ok(())
    }

    fn size(&mut self) -> u64 {
        match (self.task.manner, self.random.number() % 100) {
            (Manner::Steady, _) => 1000,
            (_, 0) => self.random.between(100, 500_000),
            (_, 1..=4) => self.random.between(100, 60_000),
            (_, 5..=20) => self.random.between(100, 4000),
            _ => self.random.between(0, 100),
        }
    }

    fn send(&mut self) -> Outcome {
        let (publisher, number, size) = (self.task.number, self.count + 1, self.size());
        let load = Load { publisher, number, filler: filler(publisher, number, size) };
        self.counter.attempt(number)?;
        loop {
            match self.publisher.send(&load) {
                Ok(sent) => {
                    self.counter.returned(number)?;
                    self.count = number;
                    if sent.seq != number {
                        self.wrong(format!("message {number} got the number {}", sent.seq))?;
                    }
                    if sent.dropped > 0 && self.task.policy.is_lossless() {
                        self.wrong(format!("{} did not get message {number}", sent.dropped))?;
                    }
                    return Ok(());
                }
                Err(PublishError::Full { slow }) if self.task.policy.fails() => {
                    // Nobody is named if it has just gone, or made room.
                    self.fulls += 1;
                    for node in slow {
                        if self.full.insert(node.clone()) {
                            self.log.write(&Line::Full { node })?;
                        }
                    }
                    self.pause(Duration::from_millis(1))?;
                }
                Err(error) => {
                    self.wrong(format!("message {number}: {error}"))?;
                    return Err(error.into());
                }
            }
        }
    }

    fn wrong(&mut self, what: String) -> Outcome {
        Ok(self.log.write(&Line::Wrong { what })?)
    }

    /// Notes who is there, and what was told.
    fn listen(&mut self) -> Outcome {
        let mut is_new = false;
        while let Some(event) = self.publisher.event(Duration::ZERO) {
            match event {
                PublisherEvent::Attached { .. } => is_new = true,
                PublisherEvent::Lost { node, from, to, count, .. } => {
                    self.log.write(&Line::Missed { node, from, to, count })?;
                }
                other => self.wrong(format!("told {other:?}"))?,
            }
        }
        if is_new {
            // The number first: who is there now gets whatever follows it.
            let published = self.publisher.published();
            for node in self.publisher.subscriber_names() {
                if self.attached.insert(node.clone()) {
                    self.log.write(&Line::Attached { node, published })?;
                }
            }
        }
        Ok(())
    }

    fn end(mut self) -> Outcome {
        self.listen()?;
        let published = self.publisher.published();
        if published != self.count {
            self.wrong(format!("{} messages were sent, {published} published", self.count))?;
        }
        let (dropped, events_dropped) = (self.publisher.dropped(), self.publisher.events_dropped());
        self.log.write(&Line::Sum { published, dropped, events_dropped, full: self.fulls })?;
        self.counter.ending()?;
        match self.publisher.finish().drain(PATIENCE) {
            Ok(published) => Ok(self.log.write(&Line::Drained { published })?),
            Err(error) => {
                self.log.write(&Line::Wrong { what: error.to_string() })?;
                Err(error.into())
            }
        }
    }
}
