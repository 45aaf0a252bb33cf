//! One measurement of growth, in this process: both ends are here.

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use super::library::Library;
use super::{Case, Work};
use crate::engine::{Kind, Tamtam, Tuning};
use crate::failure::{Failure, Outcome};
use crate::peer::raise_descriptor_limit;
use crate::spec::Contestant;
use crate::usage::Usage;

/// A measurement that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Topics that all subscribers together have.
const TOPICS: u64 = 10_000;

const TUNING: Tuning = Tuning { spin: true, hwm: None, back: false };

/// Plays what is described in JSON, and prints the figures.
pub(crate) fn play(case: &str) -> ExitCode {
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        eprintln!("not done after {PATIENCE:?}");
        std::process::exit(1)
    });
    let outcome = serde_json::from_str(case).map_err(Failure::from).and_then(|case: Case| {
        raise_descriptor_limit()?;
        let figures = match case.contestant {
            Contestant::Tamtam => measure::<Tamtam>(case),
            #[cfg(feature = "libzmq")]
            Contestant::Libzmq => measure::<crate::engine::Libzmq>(case),
            other => Err(Failure::new(format!("{other} is not built in, or not measured here"))),
        }?;
        Ok(serde_json::to_writer(std::io::stdout(), &figures)?)
    });
    match outcome {
        // What it costs to take everything down again is not the question.
        Ok(()) => std::process::exit(0),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure<L: Library>(case: Case) -> Outcome<Vec<f64>> {
    match case.work {
        Work::Connections => Err(Failure::new("connections need two processes")),
        Work::Subscribers => subscribers::<L>(case.count),
        Work::Subscriptions => subscriptions::<L>(case.count),
        Work::Sockets => sockets::<L>(case.count),
    }
}

/// An endpoint of this process's own, which leaves no file behind.
fn endpoint(number: u64) -> String {
    format!("ipc://@tamtam-bench-scale-{}-{number}", std::process::id())
}

fn topic(number: u64) -> String {
    format!("topic/{number:07}")
}

/// What this process's resident memory has grown by, in octets.
fn grown(before: Usage) -> f64 {
    (Usage::now() - before).resident_kib as f64 * 1024.0
}

fn subscribers<L: Library>(count: u64) -> Outcome<Vec<f64>> {
    let context = L::context()?;
    let publisher = L::socket(&context, Kind::Publisher, TUNING)?;
    let endpoint = L::bind(&publisher, &endpoint(0))?;
    let (before, began) = (Usage::now(), Instant::now());
    let each = TOPICS / count;
    let subscribers = (0..count)
        .map(|number| {
            let subscriber = L::socket(&context, Kind::Sub, TUNING)?;
            L::keep_all_subscriptions(&subscriber)?;
            for index in 0..each {
                L::subscribe_to(&subscriber, &topic(number * each + index))?;
            }
            L::connect(&subscriber, &endpoint)?;
            Ok(subscriber)
        })
        .collect::<Outcome<Vec<_>>>()?;
    L::wait_for_subscriptions(&publisher, usize::try_from(TOPICS)?, PATIENCE)?;
    let (ready, memory) = (began.elapsed(), grown(before));
    let mut slot = L::slot();
    let mut sweep = || -> Outcome<Duration> {
        let began = Instant::now();
        // Topic after topic of different subscribers: each message goes to another one than the last.
        for index in 0..each {
            for number in 0..count {
                L::send(&publisher, topic(number * each + index).as_bytes())?;
            }
        }
        for (number, subscriber) in (0..count).zip(&subscribers) {
            for index in 0..each {
                let expected = topic(number * each + index);
                if L::receive(subscriber, &mut slot)? != expected.as_bytes() {
                    return Err(Failure::new(format!("subscriber {number} missed {expected}")));
                }
            }
        }
        Ok(began.elapsed())
    };
    sweep()?;
    let mut sweeps = [sweep()?, sweep()?, sweep()?];
    sweeps.sort_unstable();
    let [_, median, _] = sweeps;
    Ok(vec![ready.as_secs_f64() * 1e3, TOPICS as f64 / median.as_secs_f64(), memory / 1024.0 / count as f64])
}

fn subscriptions<L: Library>(count: u64) -> Outcome<Vec<f64>> {
    /// Messages of one burst: below every high-water mark.
    const BURST: u64 = 100;
    const BURSTS: u64 = 200;
    let context = L::context()?;
    let publisher = L::socket(&context, Kind::Publisher, TUNING)?;
    let subscriber = L::socket(&context, Kind::Sub, TUNING)?;
    L::keep_all_subscriptions(&subscriber)?;
    L::connect(&subscriber, &L::bind(&publisher, &endpoint(0))?)?;
    let (before, began) = (Usage::now(), Instant::now());
    for number in 0..count {
        L::subscribe_to(&subscriber, &topic(number))?;
    }
    L::wait_for_subscriptions(&publisher, usize::try_from(count)?, PATIENCE)?;
    let (registered, memory) = (began.elapsed(), grown(before));

    // Numbers from five million on are nobody's.
    let unwanted: Vec<String> = (0..1000).map(|number| topic(5_000_000 + number * 1_009)).collect();
    let began = Instant::now();
    for topic in unwanted.iter().cycle().take(usize::try_from(BURST * BURSTS)?) {
        L::send(&publisher, topic.as_bytes())?;
    }
    let missed = began.elapsed();

    let mut slot = L::slot();
    let wanted = |number: u64| topic(number.wrapping_mul(7_919) % count);
    let began = Instant::now();
    for burst in 0..BURSTS {
        for number in burst * BURST..(burst + 1) * BURST {
            L::send(&publisher, wanted(number).as_bytes())?;
        }
        for number in burst * BURST..(burst + 1) * BURST {
            let expected = wanted(number);
            if L::receive(&subscriber, &mut slot)? != expected.as_bytes() {
                return Err(Failure::new(format!("{expected} is missing")));
            }
        }
    }
    let met = began.elapsed();
    let messages = (BURST * BURSTS) as f64;
    Ok(vec![
        registered.as_secs_f64() * 1e6 / count as f64,
        memory / count as f64,
        missed.as_secs_f64() * 1e9 / messages,
        met.as_secs_f64() * 1e9 / messages,
    ])
}

fn sockets<L: Library>(count: u64) -> Outcome<Vec<f64>> {
    let context = L::context()?;
    let (before, descriptors, began) = (Usage::now(), entries("/proc/self/fd")?, Instant::now());
    let pairs = (0..count / 2)
        .map(|number| {
            let (push, pull) =
                (L::socket(&context, Kind::Push, TUNING)?, L::socket(&context, Kind::Pull, TUNING)?);
            L::connect(&push, &L::bind(&pull, &endpoint(number))?)?;
            Ok((push, pull))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let mut slot = L::slot();
    for (number, (push, pull)) in (0_u64..).zip(&pairs) {
        let body = number.to_le_bytes();
        L::send(push, &body)?;
        if L::receive(pull, &mut slot)? != body {
            return Err(Failure::new(format!("pair {number} changed its message")));
        }
    }
    let (made, count) = (began.elapsed(), count as f64);
    Ok(vec![
        made.as_secs_f64() * 1e6 / count,
        grown(before) / 1024.0 / count,
        (entries("/proc/self/fd")? - descriptors) / count,
        // The one that watches the time is not the library's.
        entries("/proc/self/task")? - 1.0,
    ])
}

fn entries(folder: &str) -> Outcome<f64> {
    Ok(fs::read_dir(folder)?.count() as f64)
}
