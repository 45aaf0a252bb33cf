//! How often threads of this process have given up the CPU.

use std::fs;

/// Returns how often threads of this process that are still there have given up the CPU, to wait or to let another run.
///
/// # Errors
///
/// Without `/proc`.
pub(crate) fn switches() -> std::io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile; it has nothing more to say.
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        let lines = status.lines().filter_map(|line| line.split_once("voluntary_ctxt_switches:"));
        sum += lines.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}
