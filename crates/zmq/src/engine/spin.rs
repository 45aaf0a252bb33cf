//! Whether a thread that waits for a message stays awake for a moment first.
//!
//! Waking a parked thread costs 20 to 30 µs on a virtual machine, a few on bare metal. In a lively conversation the
//! answer is there sooner than that. The policy learns from how long the waits of a socket lately took: as long as they
//! are short, it spins; a slow peer makes the average long, and it stops. A thread that only reads does not spin over tcp or
//! ipc, but for the next one of a stream of large messages, and for the parts of one: there is no answer to wait for. One that has sent something since, be it on
//! another socket (a publisher beside a subscriber), may be waiting for the answer.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use crate::options::Spin;

/// The longest spin: about the cost of two wake-ups, one at each end.
pub(crate) const BUDGET: Duration = Duration::from_micros(50);
/// About what it costs both sides together when one sleeps and the other wakes it.
const INPROC_BUDGET: Duration = Duration::from_micros(8);
/// How long the next part of a large message is waited for awake: it is being written at this moment.
pub(crate) const PART_BUDGET: Duration = Duration::from_micros(30);
/// After many misses, one wait in two to this power begins with a spin.
const PAUSE_MAX_LOG: u32 = 7;
/// Waits that take longer than this on average do not pay a spin.
const WORTH: Duration = Duration::from_micros(100);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Inproc peers only: looking at a flag costs no system call, and sleeping costs both sides one, so a short look pays also
    /// without a conversation.
    Inproc,
    /// A connection whose last messages were large: waking this thread for each of them would take the sender about as long as
    /// writing the next one.
    LargeStream,
    Any,
}

/// The memory of one socket's waiting.
#[derive(Debug)]
pub(crate) struct SpinPolicy {
    /// A running average of how long waits took.
    average: Duration,
    /// A message was sent since the last one was received.
    conversation: bool,
    /// Spins in a row that brought nothing.
    misses: u32,
    /// Waits that are not to begin with a spin.
    pause: u32,
    /// What [`TURNS`] was when this socket last noted in [`HAS_SENT`] that something was sent, and that something was received.
    turn_sent: u32,
    turn_found: u32,
}

impl Default for SpinPolicy {
    fn default() -> Self {
        // Begin by trying: two sleeping ends never find out that neither would have to.
        Self {
            average: WORTH / 2,
            conversation: false,
            misses: 0,
            pause: 0,
            turn_sent: u32::MAX,
            turn_found: u32::MAX,
        }
    }
}

/// How often any thread went from sending to receiving or back. A thread's own variable costs a call where this library is a
/// shared object, which a stream would pay for each message; as long as nobody has changed sides it need not be looked at. Where
/// several threads use one socket, one of them may be taken for having sent when another has: it spins once in vain.
static TURNS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// This thread has sent something since it received last, on whatever socket.
    static HAS_SENT: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread has sent, or has received; returns what to remember.
fn turn(has_sent: bool) -> u32 {
    if HAS_SENT.replace(has_sent) == has_sent {
        TURNS.load(Ordering::Relaxed)
    } else {
        TURNS.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// Tells whether a second core could do the peer's work while this one spins.
fn has_cores() -> bool {
    cores() > 1
}

/// A thread of this process that spins; there are never more of them than leave the others a core to run on.
#[derive(Debug)]
pub(crate) struct Spinning(());

static SPINNING: AtomicUsize = AtomicUsize::new(0);

impl Spinning {
    /// Begins to spin, unless enough threads do. In a `conversation` the two ends overlap for a moment, so one more may.
    pub(crate) fn begin(conversation: bool) -> Option<Self> {
        let most = if conversation { cores() } else { cores() - 1 };
        let before = SPINNING.fetch_add(1, Ordering::Relaxed);
        let guard = Self(());
        (before < most).then_some(guard)
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        SPINNING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SpinPolicy {
    /// Notes that the application sent something.
    #[inline]
    pub(crate) fn sent(&mut self) {
        self.conversation = true;
        if self.turn_sent != TURNS.load(Ordering::Relaxed) {
            self.turn_sent = turn(true);
        }
    }

    /// Tells whether the application has sent something since it received last.
    #[inline]
    pub(crate) const fn goes_on(&self) -> bool {
        self.conversation
    }

    /// Returns how long to stay awake before the next sleep, where `from` is where the message may come from.
    pub(crate) fn budget(&mut self, option: Spin, from: Source) -> Duration {
        let lively = self.average < WORTH && has_cores();
        let budget = match option {
            Spin::Off => return Duration::ZERO,
            Spin::Always => return BUDGET,
            Spin::Adaptive if self.is_conversation() && lively => BUDGET,
            Spin::Adaptive if lively && from == Source::Inproc => INPROC_BUDGET,
            Spin::Adaptive if lively && from == Source::LargeStream => PART_BUDGET,
            Spin::Adaptive => return Duration::ZERO,
        };
        if self.pause > 0 {
            self.pause -= 1;
            return Duration::ZERO;
        }
        budget
    }

    /// Tells whether the application sends and receives in turn.
    pub(crate) fn is_conversation(&self) -> bool {
        self.conversation || HAS_SENT.get()
    }

    /// Notes that a spin brought nothing: the peer is slow, or it needs the very core that we kept busy. The next ones are
    /// left out, the more the longer that goes on.
    pub(crate) fn missed(&mut self) {
        self.misses = (self.misses + 1).min(PAUSE_MAX_LOG);
        self.pause = 1 << self.misses;
    }

    /// Notes that a message came during a spin.
    pub(crate) fn hit(&mut self) {
        self.misses = 0;
        self.pause = 0;
    }

    /// Notes how long the application had to wait for a message.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.found();
        // One very long wait must not hide that the next hundred are short, nor the other way round.
        let sample = time.min(WORTH * 8);
        self.average = (self.average * 7 + sample) / 8;
    }

    /// Notes that a message was there without waiting.
    #[inline]
    pub(crate) fn found(&mut self) {
        self.conversation = false;
        if self.turn_found != TURNS.load(Ordering::Relaxed) {
            self.turn_found = turn(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(policy: &mut SpinPolicy, times: usize, wait: Duration) {
        for _ in 0..times {
            policy.sent();
            policy.waited(wait);
        }
        policy.sent();
    }

    #[test]
    fn a_lively_conversation_spins_and_a_slow_peer_ends_it() {
        let mut policy = SpinPolicy::default();
        talk(&mut policy, 20, Duration::from_micros(8));
        assert_eq!(policy.budget(Spin::Adaptive, Source::Any) > Duration::ZERO, has_cores());
        talk(&mut policy, 20, Duration::from_millis(1));
        assert_eq!(policy.budget(Spin::Adaptive, Source::Any), Duration::ZERO);
        talk(&mut policy, 40, Duration::from_micros(60));
        assert_eq!(
            policy.budget(Spin::Adaptive, Source::Any) > Duration::ZERO,
            has_cores(),
            "two parked ends must find back"
        );
    }

    #[test]
    fn a_reader_that_never_sends_never_spins() {
        let mut policy = SpinPolicy::default();
        for _ in 0..10 {
            policy.waited(Duration::from_micros(1));
            assert_eq!(policy.budget(Spin::Adaptive, Source::Any), Duration::ZERO);
        }
    }

    #[test]
    fn a_stream_of_large_messages_is_waited_for_awake_while_it_is_quick() {
        let mut policy = SpinPolicy::default();
        policy.waited(Duration::from_micros(5));
        assert_eq!(policy.budget(Spin::Adaptive, Source::LargeStream) > Duration::ZERO, has_cores());
        (0..20).for_each(|_| policy.waited(Duration::from_millis(1)));
        assert_eq!(policy.budget(Spin::Adaptive, Source::LargeStream), Duration::ZERO);
    }

    #[test]
    fn an_answer_may_come_over_another_socket() {
        let (mut sender, mut reader) = (SpinPolicy::default(), SpinPolicy::default());
        sender.sent();
        assert_eq!(reader.budget(Spin::Adaptive, Source::Any) > Duration::ZERO, has_cores());
        reader.waited(Duration::from_micros(5));
        assert_eq!(reader.budget(Spin::Adaptive, Source::Any), Duration::ZERO);
    }

    #[test]
    fn the_option_rules() {
        let mut policy = SpinPolicy::default();
        assert_eq!(policy.budget(Spin::Off, Source::Inproc), Duration::ZERO);
        assert_eq!(policy.budget(Spin::Always, Source::Any), BUDGET);
    }

    #[test]
    fn spins_that_bring_nothing_become_rare_and_one_that_does_brings_them_back() {
        let mut policy = SpinPolicy::default();
        let mut spins = 0;
        for _ in 0..1000 {
            policy.sent();
            if policy.budget(Spin::Adaptive, Source::Any) > Duration::ZERO {
                spins += 1;
                policy.missed();
            }
            policy.waited(Duration::from_micros(60));
        }
        assert!(spins <= 15, "{spins} of 1000");
        policy.hit();
        policy.sent();
        assert_eq!(policy.budget(Spin::Adaptive, Source::Any) > Duration::ZERO, has_cores());
    }
}
