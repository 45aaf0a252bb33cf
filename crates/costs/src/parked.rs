//! Two threads on one CPU that wait for each other: how often a round trip makes the CPU change from one thread to another. Twice
//! is what it takes; whoever wakes a third thread on the way has it change more often.

use std::thread;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tamtam_zmq::{Message, Socket, Spin};

use crate::Outcome;
use crate::streams::{check, stamp};
use crate::switches::switches;

/// Round trips before those that count.
const WARM: u32 = 200;

/// The figure is the least of so many turns: a busy machine adds switches now and then, and takes none away.
const TURNS: u32 = 5;

/// Keeps this thread, and those that it will start, on one CPU. On two, a reply that comes before the asker has lain down saves a
/// switch, and how often that is so flickers.
pub(crate) fn stay_on_one_cpu() -> Outcome {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|&cpu| allowed.is_set(cpu)).ok_or("no CPU is allowed")?;
    let mut one = CpuSet::new();
    one.set(last);
    Ok(sched_setaffinity(None, &one)?)
}

/// Makes so many round trips in each of [`TURNS`] turns, without spinning; returns switches per round trip of all threads of the
/// process, the background thread included.
pub(crate) fn run(
    asker: Socket,
    replier: Socket,
    size: usize,
    count: u32,
) -> Outcome<Vec<(&'static str, f64)>> {
    for socket in [&asker, &replier] {
        socket.configure(|options| _ = options.set_spin(Spin::Off))?;
    }
    // One more, so that the other thread is still there, with what it has counted, after the last turn.
    let total = WARM + TURNS * count + 1;
    let echo = thread::spawn(move || -> Result<(), String> {
        for number in 0..total {
            let request = replier.recv().map_err(|error| format!("request {number}: {error}"))?;
            replier.send(request).map_err(|error| format!("reply {number}: {error}"))?;
        }
        Ok(())
    });
    let mut body = vec![7; size.max(4)];
    let mut reply = Message::default();
    let mut talk = |numbers: std::ops::Range<u32>| -> Outcome {
        for number in numbers {
            stamp(&mut body, number);
            asker.send_slice(&body, true)?;
            asker.recv_into(&mut reply)?;
            check(reply.as_slice(), size, number)?;
        }
        Ok(())
    };
    talk(0..WARM)?;
    let mut least = f64::INFINITY;
    for turn in 0..TURNS {
        let first = WARM + turn * count;
        let before = switches()?;
        talk(first..first + count)?;
        least = least.min((switches()? - before) as f64 / f64::from(count.max(1)));
    }
    talk(total - 1..total)?;
    echo.join().map_err(|_| "the other end panicked")??;
    Ok(vec![("switches", least)])
}
