//! What a crashed run left behind, found and removed.
//!
//! Most links leave nothing: their objects have no names, or lose them before anybody can crash. What can stay after `kill -9` is a FIFO or
//! a shared memory whose maker was killed between two system calls, and System V queues, which the kernel ties to no process.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::object::{self, Kind, Object, Owner};
use crate::{Error, sysv_queue};

/// An object that was left behind, and what became of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stale {
    /// What kind of object it is.
    pub kind: Kind,
    /// Its name, as system calls take it.
    pub name: String,
    /// Whether it is removed.
    pub outcome: Result<(), Error>,
}

/// Removes what crashed processes of this user left behind, and tells what that was.
///
/// An object is removed if its name, or the plate in it, says that this crate made it, this user owns it, and the process that made it
/// is gone from this namespace of process numbers. In doubt it stays. Folders that cannot be read are passed over: what is there is not ours.
///
/// ```
/// for stale in tamtam_ipc::clean::stale() {
///     match stale.outcome {
///         Ok(()) => println!("removed {}", stale.name),
///         Err(error) => println!("cannot remove {}: {error}", stale.name),
///     }
/// }
/// ```
#[must_use]
pub fn stale() -> Vec<Stale> {
    let named = named().into_iter().filter(|(_, name)| owner(name).is_some_and(Owner::is_gone));
    let mut found: Vec<Stale> = named
        .map(|(kind, name)| {
            let outcome = Object::new(kind, name.clone()).and_then(Object::remove);
            Stale { kind, name, outcome }
        })
        .collect();
    found.extend(sysv_queue::plate::stale().unwrap_or_default().into_iter().map(|id| {
        let outcome = sysv_queue::SysvQueue::of_id(id).remove();
        Stale { kind: Kind::SystemVQueue, name: id.to_string(), outcome }
    }));
    found
}

/// Lists the named objects that this crate made for this user, whether or not in use: their kinds and names.
///
/// System V queues have no names, and are not among them.
#[must_use]
pub fn named() -> Vec<(Kind, String)> {
    let folder = object::folder();
    let places = [
        (Kind::File, folder.as_path(), folder.as_path()),
        (Kind::SharedMemory, Path::new(SHARED_MEMORY), Path::new("/")),
        (Kind::PosixQueue, Path::new(QUEUES), Path::new("/")),
    ];
    let user = rustix::process::geteuid().as_raw();
    let mut found = Vec::new();
    for (kind, folder, prefix) in places {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Not `Path::metadata`, which follows links: whose link it is counts.
            let is_ours = entry.metadata().is_ok_and(|metadata| metadata.uid() == user);
            if is_ours && Owner::of(&name).is_some() {
                let path = prefix.join(name);
                found.extend(path.into_os_string().into_string().ok().map(|name| (kind, name)));
            }
        }
    }
    found
}

/// Where Linux shows POSIX shared memory as files: shm_overview(7).
const SHARED_MEMORY: &str = "/dev/shm";

/// Where it shows POSIX message queues, if an administrator mounted that: mq_overview(7).
const QUEUES: &str = "/dev/mqueue";

fn owner(name: &str) -> Option<Owner> {
    Owner::of(name.rsplit('/').next()?)
}
