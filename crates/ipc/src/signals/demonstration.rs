//! What ordinary signals do to messages, shown and not hidden.

use std::thread;

use super::inbox::Claim;
use super::mask;
use super::sys::{self, Set};
use crate::Error;
use crate::wait::uninterrupted;

/// What became of signals that were sent before anybody read one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coalescing {
    /// How many of each sort were sent.
    pub sent: u32,
    /// How many `SIGUSR2` arrived: one, however many were sent.
    pub ordinary: u32,
    /// How many of a real-time signal arrived: all.
    pub real_time: u32,
}

/// Sends `count` ordinary signals, and as many real-time ones, to a thread that does not read them yet, and counts
/// what arrives.
///
/// They go to a thread of this function alone, so nothing else in the process is disturbed.
///
/// ```
/// use tamtam_ipc::signals::{Coalescing, coalescing};
///
/// assert_eq!(coalescing(10)?, Coalescing { sent: 10, ordinary: 1, real_time: 10 });
/// # Ok::<(), tamtam_ipc::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Unavailable`] if this process uses all real-time signals; [`Error::System`], with `EAGAIN` if `count` is
/// beyond what `RLIMIT_SIGPENDING` leaves.
pub fn coalescing(count: u32) -> Result<Coalescing, Error> {
    // So that nobody else in this process sends that one meanwhile.
    let claim = Claim::new()?;
    let number = claim.signal().number();
    let builder = thread::Builder::new().name("tamtam-signals".to_owned());
    let demonstration = mask::all_blocked(|| builder.spawn(move || in_own_thread(count, number)));
    let joined = demonstration.map_err(Error::system("clone"))?.join();
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs with all signals blocked.
fn in_own_thread(count: u32, real_time: i32) -> Result<Coalescing, Error> {
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    let sent_and_read = |signal| -> Result<u32, Error> {
        let inbox = sys::signalfd(&Set::of(&[signal])).map_err(Error::system("signalfd"))?;
        for _ in 0..count {
            sys::send_to_thread(thread, signal).map_err(Error::system("tgkill"))?;
        }
        let mut arrived = 0;
        let mut record = [0; 128];
        while let Ok(1..) = uninterrupted(|| rustix::io::read(&inbox, &mut record)) {
            arrived += 1;
        }
        Ok(arrived)
    };
    Ok(Coalescing {
        sent: count,
        ordinary: sent_and_read(libc::SIGUSR2)?,
        real_time: sent_and_read(real_time)?,
    })
}
