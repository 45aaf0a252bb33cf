//! Tells when the registry may have changed.
//!
//! A process that is killed changes no file. But the kernel closes its lock file, and that is an event, since it was
//! open for writing. The event comes *before* the lock is released: who looks at once may still find it held, and
//! would hear nothing more. So a lock that was closed and is held is looked at again, by a timer, until it is free
//! or it becomes plain that it was another program that wrote to the file.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::files::{self, Lock};
use super::{Directory, LOCK, NodeId, RECORD, RegistryError, split_name};

/// How long a closed lock that is held is looked at: the process that closed it is in the middle of a system call, but
/// may have to wait for a processor.
const LOOKING: Duration = Duration::from_secs(2);

/// The shortest and the longest pause between looks. Each is as long as all before.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(256);

/// Becomes readable when the registry may have changed; then [`Self::drain`] says whether it has.
#[derive(Debug)]
pub(crate) struct Watch {
    directory: Arc<Directory>,
    /// Has the other two in it: one descriptor to wait on.
    epoll: OwnedFd,
    inotify: OwnedFd,
    timer: OwnedFd,
    /// Locks that were closed and are held nonetheless, and when that was told.
    pub(super) closed: BTreeMap<NodeId, Instant>,
}

impl Watch {
    pub(super) fn new(directory: Arc<Directory>) -> Result<Self, RegistryError> {
        let path = directory.path.clone();
        let error = |cause: Errno| match cause {
            // Both are limits on inotify; that of open files gives the former, too.
            Errno::MFILE | Errno::NOSPC => {
                RegistryError::WatchLimit { path: path.clone(), cause: cause.into() }
            }
            _ => RegistryError::Io { action: "watch", path: path.clone(), cause: cause.into() },
        };
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map_err(error)?;
        let events = WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        if let Err(cause) = inotify::add_watch(&inotify, &directory.path, events) {
            directory.check()?;
            return Err(error(cause));
        }
        // The path may have become another directory's since ours was opened.
        directory.check()?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(error)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(error)?;
        for fd in [&inotify, &timer] {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN).map_err(error)?;
        }
        Ok(Self { directory, epoll, inotify, timer, closed: BTreeMap::new() })
    }

    /// Takes all events, without waiting for any, and returns whether the registry may have changed: a record came,
    /// a node left or died, the directory itself is gone, or events were lost.
    ///
    /// List the registry afterwards, not before: what happens in between is an event again.
    pub(crate) fn drain(&mut self) -> bool {
        let mut changed = self.read_events();
        // Whatever set it off, all are looked at, and it is set anew.
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
        changed |= self.look_again();
        changed |= self.set_timer();
        changed
    }

    fn read_events(&mut self) -> bool {
        let mut changed = false;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return changed,
                Err(Errno::INTR) => continue,
                Err(cause) => {
                    let path = &self.directory.path;
                    tracing::warn!(?path, cause = %io::Error::from(cause), "cannot read events of the registry");
                    return true;
                }
            };
            let what = event.events();
            let Some(name) = event.file_name() else {
                // Of the directory itself, or that events were lost.
                changed = true;
                continue;
            };
            let Some((id, ending)) = name.to_str().ok().and_then(split_name) else { continue };
            match ending {
                RECORD => changed |= what.intersects(ReadFlags::MOVED_TO | ReadFlags::DELETE),
                LOCK if what.contains(ReadFlags::DELETE) => changed = true,
                LOCK if what.contains(ReadFlags::CLOSE_WRITE) => {
                    self.closed.insert(id, Instant::now());
                }
                _ => {}
            }
        }
    }

    /// Looks at the locks that were closed, and returns whether one of them is free or gone.
    fn look_again(&mut self) -> bool {
        let mut changed = false;
        let directory = self.directory.as_fd();
        self.closed.retain(|id, since| {
            match files::probe(directory, &format!("{id}.{LOCK}")) {
                Ok(Lock::Held(_)) => since.elapsed() < LOOKING,
                // An error as well: listing the registry meets it again and reports it.
                _ => {
                    changed = true;
                    false
                }
            }
        });
        changed
    }

    /// Returns true if there is something to look at again and no timer to be had: the caller looks by itself.
    fn set_timer(&self) -> bool {
        let Some(since) = self.closed.values().max() else { return false };
        let pause = since.elapsed().clamp(PAUSE_MIN, PAUSE_MAX);
        let Ok(it_value) = Timespec::try_from(pause) else { return true };
        let time = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time).is_err()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
