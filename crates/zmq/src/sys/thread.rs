//! Threads of our own in somebody else's process.

use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Starts a thread on which no signal handler of the application runs: its signals, and the `Interrupted` errors they
/// cause, belong to its own threads. `name` shows in debuggers, of which Linux keeps 15 bytes.
pub(crate) fn spawn<F>(name: &str, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    // A new thread inherits the mask; masking here leaves no moment in which it is open.
    let _masked = SignalsBlocked::new()?;
    Builder::new().name(name.to_owned()).spawn(body)
}

/// Lets the kernel wake the calling thread so much too late at most when the time of a wait is over.
pub(crate) fn wake_in_time(slack: Duration) -> io::Result<()> {
    let nanos = u64::try_from(slack.as_nanos()).unwrap_or(u64::MAX);
    Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(nanos))?)
}

/// All signals blocked on this thread until dropped, but for those that report a fault of the thread itself.
struct SignalsBlocked {
    previous: libc::sigset_t,
}

impl SignalsBlocked {
    fn new() -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        let mut previous = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set before it is read; pthread_sigmask reads it and, when it succeeds,
        // has written the previous mask. All signal numbers are valid, so that removing them cannot fail.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            for fault in
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT]
            {
                libc::sigdelset(set.as_mut_ptr(), fault);
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), previous.as_mut_ptr()) {
                0 => Ok(Self { previous: previous.assume_init() }),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the mask was written by pthread_sigmask; no old one is asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.previous, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn is_blocked(signal: libc::c_int) -> bool {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: with no new mask, pthread_sigmask only writes the current one, which sigismember then reads.
        unsafe {
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr()), 0);
            libc::sigismember(mask.as_ptr(), signal) == 1
        }
    }

    #[test]
    fn signals_stay_with_the_application() {
        let (report, reported) = mpsc::channel();
        let thread = spawn("tamtam-test", move || {
            let name = std::thread::current().name().map(str::to_owned);
            report.send((name, is_blocked(libc::SIGINT), is_blocked(libc::SIGSEGV))).unwrap();
        });
        thread.unwrap().join().unwrap();
        assert_eq!(reported.recv().unwrap(), (Some("tamtam-test".to_owned()), true, false));
        assert!(!is_blocked(libc::SIGUSR1), "the caller's mask is as before");
    }
}
