//! Where the threads of a process that hangs are.

use std::fs;
use std::path::Path;

/// Describes each thread: its name, state, and what it waits for in the kernel.
pub(super) fn autopsy(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let threads: Vec<_> = tasks.take(12).map(|task| describe(&task.path())).collect();
    if threads.is_empty() { "none".to_owned() } else { threads.join(", ") }
}

fn describe(task: &Path) -> String {
    let read = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default().trim().to_owned();
    let status = read("status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().unwrap_or("?").to_owned()
    };
    let call = read("syscall");
    let call = call.split_whitespace().next().unwrap_or("?");
    let (state, waits) = (field("State:"), read("wchan"));
    format!(
        "{} {state} in {waits} (system call {call}, {} switches)",
        read("comm"),
        field("voluntary_ctxt_switches:")
    )
}
