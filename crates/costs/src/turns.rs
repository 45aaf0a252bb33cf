//! One message there and back, again and again; one thread plays both ends, so that nobody ever waits.

use tamtam_zmq::{Message, Socket};

use crate::Outcome;
use crate::allocations::allocations;
use crate::streams::{check, stamp};

/// Round trips before those that count.
const WARM: u32 = 500;

/// Makes so many round trips; returns allocations per 1,000 of them.
pub(crate) fn run(
    asker: &Socket,
    replier: &Socket,
    size: usize,
    count: u32,
) -> Outcome<Vec<(&'static str, f64)>> {
    let mut body = vec![7; size.max(4)];
    let mut reply = Message::default();
    let mut talk = |numbers: std::ops::Range<u32>| -> Outcome {
        for number in numbers {
            stamp(&mut body, number);
            asker.send_slice(&body, true)?;
            // With its envelope, where there is one.
            let request = replier.recv()?;
            check(request.last().as_slice(), size, number)?;
            replier.send(request)?;
            asker.recv_into(&mut reply)?;
            check(reply.as_slice(), size, number)?;
        }
        Ok(())
    };
    talk(0..WARM)?;
    let before = allocations();
    talk(WARM..WARM + count)?;
    let made = allocations() - before;
    Ok(vec![("allocations-per-1000", made as f64 * 1000.0 / f64::from(count.max(1)))])
}
