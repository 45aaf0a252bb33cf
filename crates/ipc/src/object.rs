//! Kernel objects with names: whose they are, and that they are removed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// A kernel object with a name that outlives its processes, and that this value removes when it is dropped.
///
/// It belongs to one ticket or end at a time. Where both ends open an object by name, the ticket that is dropped or opened last should
/// hold it; where it can be removed once both ends have it open (files, shared memory, POSIX queues), do so at once.
#[derive(Debug)]
pub struct Object {
    kind: Kind,
    name: String,
    armed: bool,
}

/// What kind of object a name is for. More of them come with the mechanisms that need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A FIFO or a socket in a file system; the name is an absolute path.
    File,
    /// POSIX shared memory; the name begins with a slash.
    SharedMemory,
    /// A POSIX message queue; the name begins with a slash.
    PosixQueue,
    /// A System V message queue; the name is its number, a slash, and a name of ours. It has none in the kernel: its plate tells whose it is.
    SystemVQueue,
}

impl Kind {
    const ALL: [Self; 4] = [Self::File, Self::SharedMemory, Self::PosixQueue, Self::SystemVQueue];

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::SharedMemory => "shared-memory",
            Self::PosixQueue => "posix-queue",
            Self::SystemVQueue => "sysv-queue",
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.text() == text)
    }

    /// Removes the object of this name. That it is gone already is no error.
    fn remove(self, name: &str) -> Result<(), Error> {
        let removed = match self {
            Self::File => fs::remove_file(name).map_err(Error::system("unlink")),
            Self::SharedMemory => rustix::shm::unlink(name).map_err(Error::system("shm_unlink")),
            Self::PosixQueue => crate::posix_queue::PosixQueue::unlink(name),
            Self::SystemVQueue => crate::sysv_queue::remove(name),
        };
        match removed {
            Err(Error::System { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Object {
    /// Takes over the duty to remove an object, which was made under a name of [`unique`].
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if the name is not one of ours: nothing else is ever removed.
    pub fn new(kind: Kind, name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        let fits = match kind {
            Kind::File => Path::new(&name).is_absolute(),
            Kind::SharedMemory | Kind::PosixQueue => name.rfind('/') == Some(0),
            Kind::SystemVQueue => {
                name.split_once('/').is_some_and(|(number, _)| number.parse::<i32>().is_ok())
            }
        };
        let last = name.rsplit('/').next().unwrap_or_default();
        if !fits || Owner::of(last).is_none() {
            return Err(Error::Ticket("a name that is not one of ours".into()));
        }
        Ok(Self { kind, name, armed: true })
    }

    /// What kind of object it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name, as system calls take it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Removes it now.
    ///
    /// # Errors
    ///
    /// [`Error::System`]; not if it is gone already.
    pub fn remove(mut self) -> Result<(), Error> {
        self.armed = false;
        self.kind.remove(&self.name)
    }

    /// Leaves it to somebody else to remove it.
    pub fn release(mut self) {
        self.armed = false;
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.armed {
            // Whatever hinders us now, `clean::stale` can do it once this process is gone.
            let _ = self.kind.remove(&self.name);
        }
    }
}

/// What every name of ours begins with.
const PREFIX: &str = "tamtam";

/// Makes a name for a kernel object, `tamtam-PID-START-NAMESPACE-COUNTER`, which nobody else makes and which tells by whom it was made. Put a
/// slash or a folder before it as the kind of object needs.
#[must_use]
pub fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let owner = Owner::me();
    format!("{owner}-{}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Where objects with a path are made: the user's own folder for such things, else the one for temporary files.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && path.is_dir())
        .unwrap_or_else(std::env::temp_dir)
}

/// The process that made an object, as its name tells.
///
/// A process's number is used again after its end, so the name holds when the process started as well; and numbers are those of a
/// namespace of process numbers: what another container made is not ours to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    process: u32,
    /// In ticks of the clock since the machine started: field 22 of proc_pid_stat(5).
    start: u64,
    /// The inode of the namespace of process numbers; 0 if `/proc` does not tell.
    namespace: u64,
}

impl Owner {
    /// This process.
    #[must_use]
    pub fn me() -> Self {
        static NAMESPACE: OnceLock<u64> = OnceLock::new();
        let process = process::id();
        let namespace = *NAMESPACE.get_or_init(|| namespace_of_me().unwrap_or(0));
        Self { process, start: start_of(process).unwrap_or(0), namespace }
    }

    /// Reads the owner out of an object's name, without folder; `None` if the name is not one of ours.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        if parts.next() != Some(PREFIX) {
            return None;
        }
        let owner = Self {
            process: parts.next()?.parse().ok()?,
            start: parts.next()?.parse().ok()?,
            namespace: parts.next()?.parse().ok()?,
        };
        let _counter: u64 = parts.next()?.parse().ok()?;
        (parts.next().is_none() && owner.process > 0).then_some(owner)
    }

    /// The process's number, as it calls itself.
    pub(crate) const fn process(self) -> u32 {
        self.process
    }

    /// The process's number, if it is known to be alive, and can be seen from here.
    pub(crate) fn process_here(self) -> Option<u32> {
        let is_here = self.namespace == Self::me().namespace && self.start != 0;
        (is_here && start_of(self.process) == Some(self.start)).then_some(self.process)
    }

    /// Tells whether the process is known to be gone. In doubt it is not: another namespace, or no `/proc`.
    #[must_use]
    pub fn is_gone(self) -> bool {
        let me = Self::me();
        if self.namespace != me.namespace || me.start == 0 || self.start == 0 {
            return false;
        }
        start_of(self.process) != Some(self.start)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}-{}-{}-{}", self.process, self.start, self.namespace)
    }
}

/// When a process started; `None` if it is gone (or `/proc` is not there, or hides it, as it may from other users).
fn start_of(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
    let (_, behind) = text.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace();
    // A zombie holds no object any more.
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn namespace_of_me() -> Option<u64> {
    let target = fs::read_link("/proc/self/ns/pid").ok()?;
    target.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_owner() {
        let (one, two) = (unique(), unique());
        assert_ne!(one, two);
        assert_eq!(Owner::of(&one), Some(Owner::me()));
        assert!(!Owner::me().is_gone());
        for foreign in [
            "",
            "tamtam",
            "tamtam-1",
            "tamtam-1-2-3",
            "tamtam-1-2-3-4-5",
            "tamtam-0-2-3-4",
            "tamtam-x-2-3-4",
            "other-1-2-3-4",
        ] {
            assert_eq!(Owner::of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_dead_are_known_and_doubt_spares() {
        let me = Owner::me();
        assert!(Owner { start: me.start + 1, ..me }.is_gone(), "another process had the number");
        assert!(
            !Owner { start: me.start + 1, namespace: me.namespace + 1, ..me }.is_gone(),
            "another namespace"
        );
        assert!(!Owner { start: 0, ..me }.is_gone(), "made without /proc");
    }

    #[test]
    fn a_file_goes_with_its_object() {
        let path = folder().join(unique());
        fs::write(&path, "").expect("written");
        let name = path.to_str().expect("text").to_owned();
        drop(Object::new(Kind::File, name.clone()).expect("ours"));
        assert!(!path.exists());
        Object::new(Kind::File, name).expect("ours").remove().expect("gone already is fine");
    }

    #[test]
    fn only_ours_is_removed() {
        for (kind, name) in [
            (Kind::File, "/etc/passwd"),
            (Kind::File, "tamtam-1-2-3-4"),
            (Kind::SharedMemory, "/a/tamtam-1-2-3-4"),
            (Kind::SharedMemory, "/other"),
        ] {
            assert!(matches!(Object::new(kind, name), Err(Error::Ticket(_))), "{name}");
        }
    }
}
