//! The kernel objects of a process, listed.

use std::collections::BTreeSet;
use std::fs;

use tamtam_ipc::clean;

use crate::subject::patient;

/// Lists the open descriptors of this process, each with what it is for.
pub(crate) fn descriptors() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    // The folder itself is open while it is read, and is gone when its name is asked for.
    let name = |entry: fs::DirEntry| Some((entry.file_name(), fs::read_link(entry.path()).ok()?));
    entries.flatten().filter_map(name).map(|(number, target)| format!("{number:?} {target:?}")).collect()
}

/// Lists what outlives a process: objects with a name that one of these processes gave, and System V objects that one of them made or
/// used last.
pub(crate) fn lasting(processes: &[u32]) -> BTreeSet<String> {
    let is_theirs = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or_default();
        let process = last.split('-').nth(1).and_then(|number| number.parse().ok());
        process.is_some_and(|process| processes.contains(&process))
    };
    let named = clean::named().into_iter().filter(|(_, name)| is_theirs(name));
    let named = named.map(|(kind, name)| format!("{kind:?} {name}"));
    // Fields of these files: proc_sysvipc(5). Semaphores do not tell who made them.
    let system_v = [("msg", [5, 6]), ("shm", [4, 5])].into_iter().flat_map(|(kind, fields)| {
        let text = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.into_iter().filter_map(move |line| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            let number = |field: usize| columns.get(field)?.parse().ok();
            let is_theirs = fields.iter().any(|field| number(*field).is_some_and(|n| processes.contains(&n)));
            is_theirs.then(|| format!("System V {kind} {}", columns.get(1).copied().unwrap_or_default()))
        })
    });
    named.chain(system_v).collect()
}

/// Checks that what these processes left behind, which are gone, can be removed. Another test may be doing the same at this moment, and
/// have in hand what this one looks for.
pub(crate) fn is_cleaned(processes: &[u32]) {
    let deadline = patient();
    loop {
        let removed = clean::stale();
        assert!(removed.iter().all(|stale| stale.outcome.is_ok()), "{removed:?}");
        let left = lasting(processes);
        if left.is_empty() {
            return;
        }
        assert!(!deadline.has_passed(), "{left:?}");
        std::thread::yield_now();
    }
}
