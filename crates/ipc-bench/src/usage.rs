//! What a process or a thread has used.

use std::fs;

use crate::clock;

/// Of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole process, with the threads that a mechanism has started.
    Process,
    /// The calling thread: both ends are in one process.
    Thread,
}

/// CPU time and waits so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Nanoseconds.
    pub(crate) cpu: u64,
    /// Voluntary context switches. A thread that has ended takes its own with it.
    pub(crate) waits: u64,
}

impl Usage {
    pub(crate) fn now(scope: Scope) -> Self {
        match scope {
            // The files first: to read them is not what is measured.
            Scope::Thread => {
                let waits = waits_in("/proc/thread-self/status");
                Self { waits, cpu: clock::thread_cpu() }
            }
            Scope::Process => {
                let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
                let waits = threads.map(|thread| waits_in(&format!("{}/status", thread.path().display())));
                Self { waits: waits.sum(), cpu: clock::process_cpu() }
            }
        }
    }

    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), waits: self.waits.saturating_sub(earlier.waits) }
    }
}

/// The most octets that this process ever had resident.
pub(crate) fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    number_of(&status, "VmHWM:").saturating_mul(1024)
}

fn waits_in(path: &str) -> u64 {
    number_of(&fs::read_to_string(path).unwrap_or_default(), "voluntary_ctxt_switches:")
}

/// The number behind a name in one of the kernel's tables; 0 if there is none.
fn number_of(table: &str, name: &str) -> u64 {
    let line = table.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_seen() {
        for scope in [Scope::Thread, Scope::Process] {
            let before = Usage::now(scope);
            while Usage::now(scope).since(before).cpu < 1_000_000 {}
            assert_eq!(Usage::default().since(before), Usage::default());
        }
        assert!(peak_memory() > 100_000);
        assert_eq!(number_of("a:\t5\nb: 7 kB\n", "b:"), 7);
        assert_eq!(number_of("a: x", "a:"), 0);
    }

    #[test]
    fn waits_are_counted() {
        let before = Usage::now(Scope::Thread);
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (asked, ask) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            while ask.recv().is_ok() {
                sender.send(()).expect("awaited");
            }
        });
        // Whether one of them has to wait for the answer is up to the scheduler: until one has.
        while Usage::now(Scope::Thread).since(before).waits == 0 {
            asked.send(()).expect("awaited");
            receiver.recv().expect("answered");
        }
        drop(asked);
        other.join().expect("ended");
    }
}
