//! A thread that ends waits which the kernel would not end: at a deadline, and when the other end is gone.
//!
//! A message queue neither knows its users, nor, in System V, time. So each end of a link over queues has a thread
//! that sleeps until one of both happens, and then puts a *wake-up* into the queue that its end receives from: an
//! empty message which can be told from others. Whoever receives one looks again. A wake-up that comes too late wakes
//! somebody for nothing, and does no harm.
//!
//! That costs a message nothing: whoever begins to wait writes down until when, and the thread looks at that when it
//! would have had to wake up for an earlier deadline. Only a deadline before all known ones makes a system call.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};

use crate::signals::mask;
use crate::wait::{ready, spin, uninterrupted};
use crate::{Deadline, Error, Wait};

/// What came out of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Message,
    /// What a [`Watch`] puts in.
    WakeUp,
}

/// One end's thread.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Closed by the other end, or with its process.
    line: OwnedFd,
    /// Wakes the thread up.
    bell: OwnedFd,
    /// Moments are nanoseconds since then.
    epoch: Instant,
    /// Until when the end waits; [`NOT`] if it does not.
    limit: AtomicU64,
    /// When the thread will look at `limit` by itself.
    next_look: AtomicU64,
    is_cut: AtomicBool,
    is_stopped: AtomicBool,
}

/// No moment: in five hundred years.
const NOT: u64 = u64::MAX;

impl Watch {
    /// Watches `line`, one end of a socket pair. `wake` puts a wake-up into the queue if there is room; with a full
    /// queue nobody waits.
    pub(crate) fn start(line: OwnedFd, wake: impl FnMut() + Send + 'static) -> Result<Self, Error> {
        let bell =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(Error::system("eventfd"))?;
        let shared = Arc::new(Shared {
            line,
            bell,
            epoch: Instant::now(),
            limit: AtomicU64::new(NOT),
            next_look: AtomicU64::new(NOT),
            is_cut: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let builder = Builder::new().name(mask::DEAF.to_owned());
        // The program's signals are none of this thread's business; it inherits that they are blocked.
        let spawned = mask::all_blocked(|| builder.spawn(move || theirs.run(wake)));
        Ok(Self { shared, thread: Some(spawned.map_err(Error::system("clone"))?) })
    }

    /// Whether the other end is known to be gone. No system call.
    pub(crate) fn is_cut(&self) -> bool {
        self.shared.is_cut.load(Ordering::Acquire)
    }

    /// Whether the other end is gone. One system call, unless it is known.
    pub(crate) fn looks_cut(&self) -> bool {
        self.is_cut() || {
            let mut line = [PollFd::new(&self.shared.line, PollFlags::RDHUP)];
            ready(&mut line, Deadline::NOW).is_ok()
        }
    }

    /// The socket whose end is watched.
    pub(crate) fn line(&self) -> impl AsFd {
        self.shared.line.as_fd()
    }

    /// Receives one message. `take` takes what is first in the queue; with `false` it must not wait, and returns
    /// `None` if nothing is there.
    pub(crate) fn receive(
        &self,
        wait: Wait,
        deadline: Deadline,
        mut take: impl FnMut(bool) -> Result<Option<Came>, Error>,
    ) -> Result<(), Error> {
        let look = |take: &mut dyn FnMut(bool) -> Result<Option<Came>, Error>| {
            loop {
                match take(false)? {
                    Some(Came::Message) => return Ok(Some(())),
                    Some(Came::WakeUp) => {}
                    None => return Ok(None),
                }
            }
        };
        if let Wait::Spin(span) = wait
            && !deadline.is_now()
            && spin(span, deadline, &mut || look(&mut take))?.is_some()
        {
            return Ok(());
        }
        while !self.is_cut() && !deadline.has_passed() {
            self.begin(deadline);
            let taken = take(true);
            self.shared.limit.store(NOT, Ordering::SeqCst);
            if taken? == Some(Came::Message) {
                return Ok(());
            }
        }
        if look(&mut take)?.is_some() {
            return Ok(());
        }
        if !self.looks_cut() {
            return Err(Error::TimedOut);
        }
        // It may have sent something in its last moment.
        look(&mut take)?.ok_or(Error::Closed)
    }

    /// Writes down until when the end waits.
    fn begin(&self, deadline: Deadline) {
        let Some(left) = deadline.remaining() else { return };
        let limit = self.shared.moment().saturating_add(nanoseconds(left));
        self.shared.limit.store(limit, Ordering::SeqCst);
        // Either the thread's next look is early enough, or it sees the new limit after it has written down its next
        // look, or we wake it.
        if limit < self.shared.next_look.load(Ordering::SeqCst) {
            self.shared.ring();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Release);
        self.shared.ring();
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there would be nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, mut wake: impl FnMut()) {
        while !self.is_stopped.load(Ordering::Acquire) {
            let limit = self.limit.load(Ordering::SeqCst);
            let now = self.moment();
            if limit <= now {
                let is_waiting =
                    self.limit.compare_exchange(limit, NOT, Ordering::SeqCst, Ordering::SeqCst).is_ok();
                if is_waiting {
                    wake();
                }
                continue;
            }
            self.next_look.store(limit, Ordering::SeqCst);
            if self.limit.load(Ordering::SeqCst) < limit {
                continue;
            }
            let deadline = if limit == NOT {
                Deadline::NEVER
            } else {
                Deadline::after(Duration::from_nanos(limit - now))
            };
            let mut both =
                [PollFd::new(&self.line, PollFlags::RDHUP), PollFd::new(&self.bell, PollFlags::IN)];
            let slept = ready(&mut both, deadline);
            let is_cut = match slept {
                Ok(()) => !both[0].revents().is_empty(),
                Err(Error::TimedOut) => false,
                // Who cannot watch any more must not let others wait for ever.
                Err(_) => true,
            };
            if is_cut {
                // First the flag: whoever still takes messages out of a full queue finds it afterwards.
                self.is_cut.store(true, Ordering::Release);
                return wake();
            }
            let mut count = [0; 8];
            let _ = uninterrupted(|| rustix::io::read(&self.bell, &mut count));
        }
    }

    fn ring(&self) {
        // It fails only if it is ringing already, as loud as can be.
        let _ = uninterrupted(|| rustix::io::write(&self.bell, &1_u64.to_ne_bytes()));
    }

    fn moment(&self) -> u64 {
        nanoseconds(self.epoch.elapsed())
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(NOT)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

    use super::*;

    /// A queue of this process, with its watch and the other end's line.
    fn queue() -> (Sender<Came>, Receiver<Came>, Watch, UnixStream) {
        let (sender, receiver) = channel();
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let wake = sender.clone();
        let watch = Watch::start(ours.into(), move || {
            let _ = wake.send(Came::WakeUp);
        });
        (sender, receiver, watch.expect("a thread"), theirs)
    }

    fn take(receiver: &Receiver<Came>) -> impl FnMut(bool) -> Result<Option<Came>, Error> {
        |patient| {
            if patient {
                return Ok(receiver.recv().ok());
            }
            match receiver.try_recv() {
                Err(TryRecvError::Empty) => Ok(None),
                other => Ok(other.ok()),
            }
        }
    }

    #[test]
    fn deadlines_end_waits_in_any_order() {
        let (_sender, receiver, watch, _theirs) = queue();
        for milliseconds in [30, 1, 60, 2, 0, 5] {
            let (begin, span) = (Instant::now(), Duration::from_millis(milliseconds));
            let waited = watch.receive(Wait::Block, Deadline::after(span), take(&receiver));
            assert!(matches!(waited, Err(Error::TimedOut)));
            assert!(begin.elapsed() >= span);
        }
    }

    #[test]
    fn messages_come_before_the_end_and_stale_wake_ups_do_nothing() {
        let (sender, receiver, watch, theirs) = queue();
        for came in [Came::WakeUp, Came::Message, Came::WakeUp, Came::Message] {
            sender.send(came).expect("sent");
        }
        drop(theirs);
        for deadline in [Deadline::NEVER, Deadline::NOW] {
            watch.receive(Wait::Block, deadline, take(&receiver)).expect("a message");
        }
        for deadline in [Deadline::NEVER, Deadline::NOW, Deadline::after(Duration::from_secs(60))] {
            let end = watch.receive(Wait::Block, deadline, take(&receiver));
            assert!(matches!(end, Err(Error::Closed)));
        }
        assert!(watch.is_cut() && watch.looks_cut());
    }

    #[test]
    fn who_sleeps_is_told_of_the_end() {
        let (_sender, receiver, watch, theirs) = queue();
        let mut closing = Some(theirs);
        let end = watch.receive(Wait::Block, Deadline::NEVER, |patient| {
            if patient {
                closing = None;
            }
            take(&receiver)(patient)
        });
        assert!(matches!(end, Err(Error::Closed)));
    }

    #[test]
    fn who_spins_needs_no_wake_up() {
        let (sender, receiver, watch, _theirs) = queue();
        sender.send(Came::Message).expect("sent");
        let spin = Wait::Spin(Duration::from_secs(60));
        watch.receive(spin, Deadline::NEVER, take(&receiver)).expect("a message");
        let soon = Deadline::after(Duration::from_millis(1));
        assert!(matches!(watch.receive(spin, soon, take(&receiver)), Err(Error::TimedOut)));
    }
}
