//! Noticing that the process has been forked.
//!
//! A forked child has the parent's descriptors but none of its threads, and locks as they were. What holds either
//! remembers the generation it was made in and compares before use.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Returns how many forks lie between the process that first registered and this one. Costs one load.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Starts counting forks; to be called before the first generation is remembered. Later calls do nothing.
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler is a plain function for the process's lifetime, and does what a child of a process
        // with threads may do: it adds to an atomic number, takes no lock and allocates nothing.
        let status = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
        // Fails only for want of memory, where forking has no future either.
        debug_assert_eq!(status, 0);
    });
}

extern "C" fn count_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_is_of_the_next_generation() {
        register();
        register();
        let before = generation();
        // SAFETY: the child only reads an atomic number and leaves without running anything else.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "{}", std::io::Error::last_os_error());
        if child == 0 {
            let status = if generation() == before.wrapping_add(1) { 0 } else { 1 };
            // SAFETY: ends the child at once, past all destructors and the test harness.
            unsafe { libc::_exit(status) };
        }
        let mut status = -1;
        // SAFETY: the child is ours and not waited for elsewhere; the status is valid for writes.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:#x}");
        assert_eq!(generation(), before, "the parent stays");
    }
}
