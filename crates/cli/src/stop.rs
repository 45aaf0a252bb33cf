//! The wish to stop: a signal, an output that nobody reads any more, or another thread's failure.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tamtam_zmq::Context;

use crate::exit::{Exit, Failure, Outcome};

/// How long the command may tidy up after it was told to stop. Whatever holds it up longer, a blocked write to standard
/// output for instance, ends with the process.
const GRACE: Duration = Duration::from_secs(2);

/// How long messages on their way may still be delivered after the command was told to stop.
pub(crate) const LINGER_AFTER_STOP: Duration = Duration::from_secs(1);

/// Shared by all threads of a command; the first reason to stop wins.
///
/// Stopping shuts the context down, so that every blocked socket call returns, and ends the process after [`GRACE`] should
/// the command not have ended by itself. A second signal ends it at once.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    context: Context,
    reason: Mutex<Option<Failure>>,
    changed: Condvar,
    /// Reports a hang-up once [`Shared::lifeline`] is gone, for those who wait for descriptors.
    hangs_up: OwnedFd,
    lifeline: Mutex<Option<OwnedFd>>,
}

impl Stop {
    /// Stops at SIGINT and SIGTERM from now on.
    pub(crate) fn on_signals(context: &Context) -> io::Result<Self> {
        let stop = Self::new(context)?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let caught = stop.clone();
        thread::Builder::new().name("tamtam-signals".into()).spawn(move || {
            let mut repeated = false;
            for signal in signals.forever() {
                let exit = if signal == SIGTERM { Exit::Terminated } else { Exit::Interrupted };
                if repeated {
                    process::exit(exit.code().into());
                }
                repeated = true;
                caught.because(Failure::quiet(exit));
            }
        })?;
        Ok(stop)
    }

    fn new(context: &Context) -> io::Result<Self> {
        let (hangs_up, lifeline) = pipe_with(PipeFlags::CLOEXEC)?;
        let shared = Shared {
            context: context.clone(),
            reason: Mutex::new(None),
            changed: Condvar::new(),
            hangs_up,
            lifeline: Mutex::new(Some(lifeline)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Stops as soon as nobody can read standard output any more, even while there is nothing to write.
    pub(crate) fn when_output_closes(&self) -> io::Result<()> {
        let stop = self.clone();
        thread::Builder::new().name("tamtam-output".into()).spawn(move || {
            let stdout = io::stdout();
            loop {
                // No event is asked for: POLLERR and POLLHUP, which tell that the reader is gone, always come.
                let mut waited = [PollFd::new(&stdout, PollFlags::empty())];
                match poll(&mut waited, None) {
                    Ok(_) => return stop.because(Failure::quiet(Exit::Done)),
                    Err(Errno::INTR) => {}
                    Err(_) => return,
                }
            }
        })?;
        Ok(())
    }

    /// Stops the command for this reason, unless there is one already.
    pub(crate) fn because(&self, reason: Failure) {
        {
            let mut known = self.lock();
            if known.is_some() {
                return;
            }
            *known = Some(reason.clone());
        }
        self.shared.changed.notify_all();
        self.shared.lifeline.lock().unwrap_or_else(PoisonError::into_inner).take();
        let context = self.shared.context.clone();
        // Its own thread: the caller may be the one whose socket the shut-down waits for.
        let finisher = thread::Builder::new().name("tamtam-stop".into()).spawn(move || {
            let begun = Instant::now();
            // A socket that could not deliver everything in time was told to stop: there is nobody left to tell.
            let _ = context.shutdown(LINGER_AFTER_STOP);
            thread::sleep(GRACE.saturating_sub(begun.elapsed()));
            reason.report();
            process::exit(reason.exit.code().into());
        });
        if let Err(error) = finisher {
            Failure::failed(format!("cannot end in good order: {error}")).report();
            process::exit(Exit::Failed.code().into());
        }
    }

    /// Returns why to stop, if that is wanted.
    pub(crate) fn reason(&self) -> Option<Failure> {
        self.lock().clone()
    }

    /// Returns the reason as an error.
    pub(crate) fn check(&self) -> Outcome {
        self.reason().map_or(Ok(()), Err)
    }

    /// Waits until `until`; returns the reason as an error when the command is to stop before that.
    pub(crate) fn sleep_until(&self, until: Instant) -> Outcome {
        let mut reason = self.lock();
        loop {
            if let Some(reason) = reason.as_ref() {
                return Err(reason.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            reason = self.shared.changed.wait_timeout(reason, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until something can be read from `input`, or its end is there; returns the reason as an error when the
    /// command is to stop before that.
    pub(crate) fn await_readable(&self, input: &impl AsFd) -> Outcome {
        loop {
            self.check()?;
            let mut waited =
                [PollFd::new(input, PollFlags::IN), PollFd::new(&self.shared.hangs_up, PollFlags::empty())];
            match poll(&mut waited, None) {
                // Errors of the input are found, and told, by the read that follows.
                Ok(_) if !waited[0].revents().is_empty() => return self.check(),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::failed(format!("cannot wait for input: {error}"))),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Failure>> {
        self.shared.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
