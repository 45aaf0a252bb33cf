//! Which threads block which signals.
//!
//! Each thread has a mask of its own, and inherits that of the thread that starts it. A signal for the process goes
//! to any thread that does not block it; to a signalfd only if there is none.

use std::time::Duration;
use std::{fs, io};

use rustix::io::Errno;

use super::sys::{self, Action, Set};
use super::{NAME, RealTime, field};
use crate::{Deadline, Error, Unavailable};

/// Runs `work`, which starts a thread, with all signals blocked, so that the new thread gets none.
pub(crate) fn all_blocked<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(Set);
    impl Drop for Restore {
        fn drop(&mut self) {
            sys::set_blocked(&self.0);
        }
    }
    let _restore = Restore(sys::set_blocked(&Set::full()));
    work()
}

/// Blocks the signal in every thread of this process, whoever started it.
///
/// A mask can be changed by its own thread only. So the signal gets a handler that adds the signal to what the
/// interrupted thread blocks, and each thread that does not block it is sent one. A thread that blocks all signals may
/// do so for a moment only (the C library does, while it starts another thread): it is sent one as well, which waits
/// for the end of that moment, and then comes before all others. The handler stays: should a thread be missed all the
/// same, the first signal that it gets does the rest, and is passed on, so that it does not end the process.
pub(super) fn block_everywhere(signal: RealTime) -> Result<(), Error> {
    /// A thread that does not run for so long (stopped, or deep in the kernel) cannot be made to block anything.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// How long a thread that was sent a signal gets before it is looked at again.
    const PAUSE: Duration = Duration::from_millis(1);

    let number = signal.number();
    match sys::action(number).map_err(Error::system("sigaction"))? {
        Action::Ours => {}
        Action::Default => sys::set_action(number).map_err(Error::system("sigaction"))?,
        Action::Theirs => {
            let reason = format!("the program does something of its own on signal {number}");
            return Err(Unavailable::new(NAME, reason).into());
        }
    }
    sys::block(&Set::of(&[number]));
    let deadline = Deadline::after(PATIENCE);
    loop {
        let (threads, is_complete) = threads(number)?;
        for thread in threads.iter().filter(|thread| thread.state != State::Blocks) {
            // It fails for a thread that has ended, which is as good.
            let _ = sys::send_to_thread(thread.number, number);
        }
        let open = threads.iter().find(|thread| thread.state == State::DoesNotBlock);
        let Some(open) = open else {
            if is_complete || deadline.has_passed() {
                return Ok(());
            }
            let _ = crate::wait::ready(&mut [], deadline.min(Deadline::after(PAUSE)));
            continue;
        };
        if deadline.has_passed() {
            let name = &open.name;
            let reason =
                format!("thread {name:?} does not run, and so cannot be made to block signal {number}");
            return Err(Unavailable::new(NAME, reason).into());
        }
        // Nothing tells when another thread's mask changes, so this is the one place that has to look again after a
        // moment.
        let _ = crate::wait::ready(&mut [], deadline.min(Deadline::after(PAUSE)));
    }
}

/// What a thread does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    DoesNotBlock,
    /// Together with all others: perhaps not for long. None has been sent to it yet.
    BlocksAll,
    Blocks,
}

#[derive(Debug)]
struct Thread {
    number: i32,
    name: String,
    state: State,
}

/// Threads of this crate, which block all signals for good.
pub(crate) const DEAF: &str = "tamtam-watch";

/// Lists the threads of this process, and tells whether they are all there: the kernel's list may leave one out while others come
/// and go.
fn threads(signal: i32) -> Result<(Vec<Thread>, bool), Error> {
    let unknown = |error: io::Error| -> Error {
        let reason = format!("whether all threads block a signal stands in /proc/self/task: {error}");
        Unavailable::new(NAME, reason).into()
    };
    let me = rustix::thread::gettid().as_raw_nonzero().get();
    // What every mask has in which all signals are blocked; programs leave those of the C library out.
    let all = RealTime::all().fold(bit(libc::SIGUSR1), |all, signal| all | bit(signal.number()));
    let mut threads = Vec::new();
    let (before, mut listed) = (count_of_threads(), 0);
    for task in fs::read_dir("/proc/self/task").map_err(unknown)? {
        let task = task.map_err(unknown)?;
        listed += 1;
        let status = match fs::read_to_string(task.path().join("status")) {
            Ok(status) => status,
            // It has ended meanwhile.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(unknown(error)),
        };
        let mask = |key| field(&status, key).and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let number = task.file_name().to_str().and_then(|name| name.parse().ok());
        let (Some(blocked), Some(pending), Some(number)) = (mask("SigBlk:"), mask("SigPnd:"), number) else {
            return Err(unknown(io::ErrorKind::InvalidData.into()));
        };
        if field(&status, "State:").is_some_and(|state| state.starts_with(['Z', 'X'])) {
            continue;
        }
        let name = field(&status, "Name:").unwrap_or_default();
        let is_settled = number == me || name == DEAF || pending & bit(signal) != 0;
        let state = match blocked {
            blocked if blocked & bit(signal) == 0 => State::DoesNotBlock,
            blocked if blocked & all == all && !is_settled => State::BlocksAll,
            _ => State::Blocks,
        };
        threads.push(Thread { number, name: name.to_owned(), state });
    }
    Ok((threads, [before, count_of_threads()] == [Some(listed); 2]))
}

fn count_of_threads() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "Threads:")?.parse().ok()
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// A signal's place in the kernel's masks.
pub(super) fn bit(signal: i32) -> u64 {
    u32::try_from(signal - 1).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_is_started_gets_no_signals() {
        let number = RealTime::least().number();
        let blocked = || sys::block(&Set::of(&[]));
        let before = blocked();
        let inherited = all_blocked(|| thread::spawn(blocked)).join().expect("joined");
        assert!(inherited.has(libc::SIGUSR1) && inherited.has(number));
        assert_eq!(blocked().has(libc::SIGUSR1), before.has(libc::SIGUSR1));
    }

    #[test]
    fn threads_that_sleep_already_are_made_to_block() {
        let (go, wait) = channel::<()>();
        let sleeper = thread::spawn(move || wait.recv());
        let signal = super::super::inbox::Claim::new().expect("a free one");
        block_everywhere(signal.signal()).expect("all threads run");
        let (threads, _) = threads(signal.signal().number()).expect("/proc");
        assert!(threads.iter().all(|thread| thread.state != State::DoesNotBlock), "{threads:?}");
        drop(go);
        sleeper.join().expect("joined").expect_err("nothing was sent");
    }
}
