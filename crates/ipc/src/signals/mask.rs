//! Which threads block which signals.
//!
//! Each thread has a mask of its own, and inherits that of the thread that starts it. A signal for the process goes to any thread that does not
//! block it; to a signalfd only if there is none.

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
/// A mask can be changed by its own thread only. So the signal gets a handler that adds the signal to what the interrupted thread blocks, and
/// each thread that does not block it is sent one. The handler stays: should a thread that is being started at this moment be missed, the first signal that it
/// gets does the same, and is passed on to the others, so that it neither ends the process nor is lost.
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
        let open = threads_that_do_not_block(number)?;
        let Some((_, name)) = open.first() else { return Ok(()) };
        if deadline.has_passed() {
            let reason =
                format!("thread {name:?} does not run, and so cannot be made to block signal {number}");
            return Err(Unavailable::new(NAME, reason).into());
        }
        for (thread, _) in &open {
            // It fails for a thread that has ended, which is as good.
            let _ = sys::send_to_thread(*thread, number);
        }
        // Nothing tells when another thread's mask changes, so this is the one place that has to look again after a moment.
        let _ = crate::wait::ready(&mut [], deadline.min(Deadline::after(PAUSE)));
    }
}

/// Numbers and names of the threads.
fn threads_that_do_not_block(signal: i32) -> Result<Vec<(i32, String)>, Error> {
    let unknown = |error: io::Error| -> Error {
        let reason = format!("whether all threads block a signal stands in /proc/self/task: {error}");
        Unavailable::new(NAME, reason).into()
    };
    let mut open = Vec::new();
    for task in fs::read_dir("/proc/self/task").map_err(unknown)? {
        let task = task.map_err(unknown)?;
        let status = match fs::read_to_string(task.path().join("status")) {
            Ok(status) => status,
            // It has ended meanwhile.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(unknown(error)),
        };
        let blocked = field(&status, "SigBlk:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let number = task.file_name().to_str().and_then(|name| name.parse().ok());
        let (Some(blocked), Some(number)) = (blocked, number) else {
            return Err(unknown(io::ErrorKind::InvalidData.into()));
        };
        let has_ended = field(&status, "State:").is_some_and(|state| state.starts_with(['Z', 'X']));
        if !has_ended && blocked & bit(signal) == 0 {
            open.push((number, field(&status, "Name:").unwrap_or_default().to_owned()));
        }
    }
    Ok(open)
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
        assert_eq!(threads_that_do_not_block(signal.signal().number()).expect("/proc"), []);
        drop(go);
        sleeper.join().expect("joined").expect_err("nothing was sent");
    }
}
