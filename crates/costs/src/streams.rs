//! Bursts in one direction: all messages of a burst are sent, then received, by one thread.

use tamtam_zmq::{Message, Socket};

use crate::Outcome;
use crate::allocations::allocations;

/// Messages in a burst: below the usual high-water mark, and with [`BURST_OCTETS`] within what the kernel takes before anybody reads.
pub(crate) const BURST: usize = 900;
const BURST_OCTETS: usize = 80_000;

/// Bursts before those that count.
const WARM: u32 = 10;

/// Streams so many messages to each receiver; returns allocations per 1,000 messages sent.
pub(crate) fn run(
    sender: &Socket,
    receivers: &[Socket],
    size: usize,
    count: u32,
) -> Outcome<Vec<(&'static str, f64)>> {
    let mut body = vec![7; size.max(4)];
    let mut message = Message::default();
    let burst = u32::try_from((BURST_OCTETS / size.max(1)).clamp(1, BURST))?;
    let mut stream = |from: u32, to: u32| -> Outcome {
        let mut next = from;
        while next < to {
            let end = next.saturating_add(burst).min(to);
            for number in next..end {
                stamp(&mut body, number);
                sender.send_slice(&body, false)?;
            }
            // What was left for a batch; a thread that was about to wait would do the same.
            sender.flush();
            for receiver in receivers {
                for number in next..end {
                    receiver.recv_into(&mut message)?;
                    check(message.as_slice(), size, number)?;
                }
            }
            next = end;
        }
        Ok(())
    };
    let warm = WARM * burst;
    stream(0, warm)?;
    let before = allocations();
    stream(warm, warm + count)?;
    let made = allocations() - before;
    Ok(vec![("allocations-per-1000", made as f64 * 1000.0 / f64::from(count.max(1)))])
}

/// Writes a message's number into its body.
pub(crate) fn stamp(body: &mut [u8], number: u32) {
    if let Some(place) = body.first_chunk_mut() {
        *place = number.to_le_bytes();
    }
}

/// Checks that this is the message with that number.
pub(crate) fn check(body: &[u8], size: usize, number: u32) -> Outcome {
    if body.len() == size && body.first_chunk() == Some(&number.to_le_bytes()) {
        return Ok(());
    }
    Err(format!("expected message {number} of {size} octets, got {} octets", body.len()).into())
}
