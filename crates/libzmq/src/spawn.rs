//! Threads of ours: signals are the application's, none of them is handled there.

use std::io;
use std::thread::JoinHandle;

/// Starts a thread with all signals blocked.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let (mut all, mut old): (libc::sigset_t, libc::sigset_t) =
        // SAFETY: a signal set may be all zeroes; it is filled before use.
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: both sets are valid; the new thread inherits a mask that blocks everything, ours is put back below.
    unsafe {
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
    }
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    // SAFETY: `old` was written above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, std::ptr::null_mut()) };
    started
}
