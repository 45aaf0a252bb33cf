//! Which CPU a thread may run on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::{Failure, Outcome};

/// Stays on the last CPU that is allowed; threads made later do the same.
pub(super) fn stay_on_last() -> Outcome {
    stay_on(allowed()?.last().copied())
}

/// Puts the two ends of a conversation on CPUs of their own, if there are two. For ends that only spin: the scheduler may
/// leave both on one CPU for long, where each has to wait until the other's time is up.
pub(crate) fn stay_apart(binder: bool) -> Outcome {
    match allowed()?.as_slice() {
        [] | [_] => Ok(()),
        [first, .., last] => stay_on(Some(if binder { *last } else { *first })),
    }
}

fn allowed() -> Outcome<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
}

fn stay_on(cpu: Option<usize>) -> Outcome {
    let mut one = CpuSet::new();
    one.set(cpu.ok_or_else(|| Failure::new("no CPU is allowed"))?);
    Ok(sched_setaffinity(None, &one)?)
}
