//! PING, PONG, and how long a peer may be silent (37/ZMTP, Connection Heartbeating).

use std::time::{Duration, Instant};

use super::command::{self, malformed};
use super::config::Heartbeat;
use crate::error::ProtocolError;
use crate::framing::put_command;

/// Octets of a PING's context at most.
const CONTEXT_MAX: usize = 16;

/// PINGs in a row that may stay without any answer; then we wait.
const UNANSWERED_MAX: u8 = 8;

/// A PING's time to live counts tenths of a second.
const TTL_UNIT: Duration = Duration::from_millis(100);

/// When to ask the peer whether it lives, and when to give it up.
#[derive(Debug)]
pub(super) struct Timers {
    /// `None`: we send no PINGs.
    heartbeat: Option<Heartbeat>,
    last_received: Option<Instant>,
    next_ping: Option<Instant>,
    /// The time by which something has to arrive, since a PING of ours is out.
    answer_due: Option<Instant>,
    unanswered: u8,
    /// How long the peer may be silent, by its own word.
    peer_ttl: Option<Duration>,
}

impl Timers {
    pub(super) fn new(heartbeat: Option<Heartbeat>) -> Self {
        let heartbeat = heartbeat.filter(|heartbeat| !heartbeat.interval.is_zero());
        Self {
            heartbeat,
            last_received: None,
            next_ping: None,
            answer_due: None,
            unanswered: 0,
            peer_ttl: None,
        }
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.note_received(now);
        // A time beyond what the clock can express never comes: `None` is right.
        self.next_ping = self.heartbeat.and_then(|heartbeat| now.checked_add(heartbeat.interval));
    }

    #[inline]
    pub(super) const fn note_received(&mut self, now: Instant) {
        //= 37/ZMTP, Connection Heartbeating
        //# a peer SHOULD treat any incoming traffic (not just a PONG reply) as a sign of life.
        self.last_received = Some(now);
        self.answer_due = None;
        self.unanswered = 0;
    }

    /// Takes the data of a PING and appends the PONG, unless `answer` forbids.
    pub(super) fn ping(&mut self, data: &[u8], answer: bool, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let Some((ttl, context)) = data.split_first_chunk() else {
            return Err(malformed(command::PING, "the time to live is missing"));
        };
        let ttl = u16::from_be_bytes(*ttl);
        self.peer_ttl = if ttl == 0 { None } else { Some(TTL_UNIT * u32::from(ttl)) };
        //= 37/ZMTP, Connection Heartbeating
        //# When a peer receives a PING command it SHALL respond with a PONG command that echoes the ping-context,
        //# which may be empty and MUST not exceed 16 octets
        if answer {
            // libzmq cuts a longer one and goes on, and so its peers' tests expect.
            put_command(out, command::PONG, context.get(..CONTEXT_MAX).unwrap_or(context));
        }
        Ok(())
    }

    fn peer_expires(&self) -> Option<Instant> {
        self.last_received?.checked_add(self.peer_ttl?)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.next_ping, self.answer_due, self.peer_expires()].into_iter().flatten().min()
    }

    pub(super) fn handle(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let is_due = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if is_due(self.answer_due) {
            return Err(ProtocolError::HeartbeatTimeout);
        }
        if is_due(self.peer_expires()) {
            return Err(ProtocolError::PeerTtlExpired);
        }
        if let Some(heartbeat) = self.heartbeat
            && is_due(self.next_ping)
        {
            self.next_ping = now.checked_add(heartbeat.interval);
            //= 37/ZMTP, Connection Heartbeating
            //# To avoid PONG storms, a peer should not send more than a small number of PING commands without
            //# receiving PONG replies.
            if self.unanswered < UNANSWERED_MAX {
                self.unanswered += 1;
                put_ping(heartbeat.ttl, out);
            }
            if self.answer_due.is_none() {
                let timeout =
                    if heartbeat.timeout.is_zero() { heartbeat.interval } else { heartbeat.timeout };
                self.answer_due = now.checked_add(timeout);
            }
        }
        Ok(())
    }
}

/// Looks at the data of a PONG, which is worth no more than any other sign of life.
pub(super) fn pong(data: &[u8]) -> Result<(), ProtocolError> {
    if data.len() > CONTEXT_MAX {
        return Err(malformed(command::PONG, "the context is longer than 16 octets"));
    }
    Ok(())
}

fn put_ping(ttl: Duration, out: &mut Vec<u8>) {
    // Rounded up, so that a short time to live does not turn into none.
    let units = ttl.as_nanos().div_ceil(TTL_UNIT.as_nanos());
    let units = u16::try_from(units).unwrap_or(u16::MAX);
    put_command(out, command::PING, &units.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_live_is_rounded_up_and_capped() {
        let table = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(100), 1),
            (Duration::from_millis(101), 2),
            (Duration::from_millis(6_553_500), 65535),
            (Duration::from_secs(6554), 65535),
            (Duration::MAX, 65535),
        ];
        for (ttl, expected) in table {
            let mut out = Vec::new();
            put_ping(ttl, &mut out);
            let mut wire = b"\x04\x07\x04PING".to_vec();
            wire.extend_from_slice(&u16::to_be_bytes(expected));
            assert_eq!(out, wire, "{ttl:?}");
        }
    }

    #[test]
    fn times_beyond_the_clock_never_come() {
        let now = Instant::now();
        let endless = Heartbeat { interval: Duration::MAX, ttl: Duration::MAX, timeout: Duration::MAX };
        let mut timers = Timers::new(Some(endless));
        timers.start(now);
        assert_eq!(timers.next(), None);
        let mut out = Vec::new();
        timers.handle(now, &mut out).expect("nothing is due");
        assert!(out.is_empty());
        let endless = Heartbeat { interval: Duration::from_secs(1), ..endless };
        let mut timers = Timers::new(Some(endless));
        timers.start(now);
        for second in 1..=100 {
            timers.handle(now + Duration::from_secs(second), &mut out).expect("no answer is due");
        }
        assert_eq!(out.len(), usize::from(UNANSWERED_MAX) * 9, "only so many PINGs into silence");
    }
}
