//! A name plate in a queue: whose it is. Without one nobody can tell a queue that a crash has left from one that is
//! in use.
//!
//! The plate is a message of a kind that nobody receives by accident; in it stands a name that tells who put it there
//! ([`unique`]). So it goes with the queue, and needs nothing beside it.

use std::fs;

use rustix::process::{Pid, geteuid, test_kill_process};

use super::{Kind, Select, SysvQueue};
use crate::Error;
use crate::object::{Owner, unique};

/// The kind of plates: "tamt".
const KIND: Kind = Kind(0x7461_6d74);

/// Octets that plates may take up in a queue: two of them, for a moment.
pub(super) const ROOM: usize = 128;

/// Puts a plate of this process into a queue, in place of the one that was there, if any. At no moment is there none: a process that is killed in
/// between leaves a queue that can be told to be ours.
pub(super) fn replace(queue: SysvQueue) -> Result<(), Error> {
    let ours = unique();
    queue.try_send(KIND, ours.as_bytes())?;
    // The older one comes first.
    match take(queue)? {
        Some(only) if only == ours.as_bytes() => queue.try_send(KIND, &only),
        _ => Ok(()),
    }
}

/// Tells whether a queue has a plate of ours, whoever of us put it there.
pub(super) fn is_ours(queue: SysvQueue) -> Result<bool, Error> {
    Ok(read(queue)?.is_some_and(|name| Owner::of(&name).is_some()))
}

/// Lists queues that were made by this user and a process that is gone; numbers as in [`SysvQueue::id`].
///
/// To look at a plate means to take it out for a moment. That is done with queues only that nobody alive has used last.
///
/// # Errors
///
/// [`Error::System`] if `/proc/sysvipc/msg` cannot be read: the kernel has no such queues.
pub fn stale() -> Result<Vec<i32>, Error> {
    let list = fs::read_to_string("/proc/sysvipc/msg").map_err(Error::system("open"))?;
    Ok(list
        .lines()
        .filter_map(abandoned)
        .filter(|id| {
            let name = read(SysvQueue::of_id(*id)).unwrap_or(None);
            name.and_then(|name| Owner::of(&name)).is_some_and(Owner::is_gone)
        })
        .collect())
}

/// Reads a line of `/proc/sysvipc/msg`: the queue's number if we made it, and neither who sent nor who received last
/// is alive.
fn abandoned(line: &str) -> Option<i32> {
    let fields: Vec<i64> = line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [_, id, _, _, _, sender, receiver, _, _, creator, ..] = fields[..] else { return None };
    let is_alive = |process: i64| {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        process.is_some_and(|process| test_kill_process(process) != Err(rustix::io::Errno::SRCH))
    };
    let is_ours = creator == i64::from(geteuid().as_raw());
    if is_ours && !is_alive(sender) && !is_alive(receiver) { id.try_into().ok() } else { None }
}

/// Reads the plate, and leaves it there.
fn read(queue: SysvQueue) -> Result<Option<String>, Error> {
    let Some(plate) = take(queue)? else { return Ok(None) };
    queue.try_send(KIND, &plate)?;
    Ok(String::from_utf8(plate).ok())
}

fn take(queue: SysvQueue) -> Result<Option<Vec<u8>>, Error> {
    let mut plate = Vec::new();
    match queue.try_receive(Select::Only(KIND), &mut plate) {
        Ok(_) => Ok(Some(plate)),
        Err(Error::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plate_takes_the_place_of_the_one_before() {
        let queue = SysvQueue::private(0o600).expect("a queue");
        replace(queue).expect("room");
        let first = read(queue).expect("readable").expect("a plate");
        replace(queue).expect("room");
        let second = read(queue).expect("readable").expect("a plate");
        assert_ne!(first, second);
        assert!(2 * second.len() <= ROOM);
        take(queue).expect("readable").expect("the second");
        assert!(read(queue).expect("readable").is_none(), "there was one only");
        queue.remove().expect("ours");
    }

    #[test]
    fn queues_of_the_dead_are_found() {
        // As `/proc/sysvipc/msg` writes them; nobody has the process number 4194305.
        let me = geteuid().as_raw();
        let alive = std::process::id();
        let line = |creator: u32, sender: u32, receiver: u32| {
            format!("0 7 600 55 1 {sender} {receiver} 0 0 {creator} 0 1 0 1")
        };
        assert_eq!(abandoned(&line(me, 4_194_305, 0)), Some(7));
        assert_eq!(abandoned(&line(me, alive, 0)), None);
        assert_eq!(abandoned(&line(me, 4_194_305, alive)), None);
        assert_eq!(abandoned(&line(me + 1, 4_194_305, 0)), None);
        assert_eq!(abandoned("       key      msqid perms      cbytes       qnum lspid lrpid"), None);
        assert_eq!(abandoned("0 7 600"), None);
    }
}
