//! Tells when the registry may have changed.
//!
//! A process that is killed changes no file. But the kernel closes its lock file, and that is an event, since it was
//! open for writing. The event comes *before* the lock is released: who looks at once may still find it held, and
//! would hear nothing more. So a lock that was closed and is held is looked at again, by a timer, until it is free
//! or it becomes plain that it was another program that wrote to the file.
//!
//! A user may have only so many inotify instances, 128 by default, and file managers and editors take them too. Where none is to be
//! had, the registry is looked at now and then, until one is.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::files::{self, Lock};
use super::looking::{self, Looking};
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
    /// Has the others in it: one descriptor to wait on.
    epoll: OwnedFd,
    source: Source,
    timer: OwnedFd,
    /// Locks that were closed and are held nonetheless, and when that was told.
    pub(super) closed: BTreeMap<NodeId, Instant>,
}

/// What tells of changes.
#[derive(Debug)]
enum Source {
    /// The kernel: an inotify instance.
    Events(OwnedFd),
    /// Nobody, so that we look.
    Looks(Looking),
}

impl Watch {
    pub(super) fn new(directory: Arc<Directory>) -> Result<Self, RegistryError> {
        let source = match events_of(&directory) {
            Ok(inotify) => Source::Events(inotify),
            // One of inotify's limits, or no inotify at all. Too many open files, too: then the timer is not to be had, either.
            Err(cause @ (Errno::MFILE | Errno::NOSPC | Errno::NOSYS)) => {
                let (path, cause) = (&directory.path, io::Error::from(cause));
                tracing::warn!(
                    ?path, %cause,
                    "cannot watch the registry, and looks at it now and then: raise fs.inotify.max_user_instances \
                     or fs.inotify.max_user_watches, or stop programs that watch files"
                );
                Source::Looks(Looking::new(directory.as_fd()))
            }
            Err(cause) => {
                directory.check()?;
                return Err(RegistryError::Io {
                    action: "watch",
                    path: directory.path.clone(),
                    cause: cause.into(),
                });
            }
        };
        Self::with_source(directory, source)
    }

    /// As it is where there is no inotify instance to be had.
    #[cfg(test)]
    pub(super) fn without_events(directory: Arc<Directory>) -> Result<Self, RegistryError> {
        let looking = Looking::new(directory.as_fd());
        Self::with_source(directory, Source::Looks(looking))
    }

    fn with_source(directory: Arc<Directory>, source: Source) -> Result<Self, RegistryError> {
        // The path may have become another directory's since ours was opened.
        directory.check()?;
        let error = |cause: Errno| RegistryError::Io {
            action: "watch",
            path: directory.path.clone(),
            cause: cause.into(),
        };
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(error)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(error)?;
        wait_on(&epoll, &timer).map_err(error)?;
        if let Source::Events(inotify) = &source {
            wait_on(&epoll, inotify).map_err(error)?;
        }
        let watch = Self { directory, epoll, source, timer, closed: BTreeMap::new() };
        watch.set_timer();
        Ok(watch)
    }

    /// Takes all events, without waiting for any, and returns whether the registry may have changed: a record came,
    /// a node left or died, the directory itself is gone, or events were lost.
    ///
    /// List the registry afterwards, not before: what happens in between is an event again.
    pub(crate) fn drain(&mut self) -> bool {
        let mut changed = match &mut self.source {
            Source::Events(inotify) => read_events(inotify, &self.directory.path, &mut self.closed),
            Source::Looks(looking) => {
                let (is_long_ago, changed) = (looking.is_long_ago(), looking.look(self.directory.as_fd()));
                if is_long_ago {
                    self.try_for_events();
                }
                changed
            }
        };
        // Whatever set it off, all are looked at, and it is set anew.
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
        changed |= self.look_again();
        changed |= self.set_timer();
        changed
    }

    /// Somebody may have given an instance back since.
    fn try_for_events(&mut self) {
        if let Ok(inotify) = events_of(&self.directory)
            && wait_on(&self.epoll, &inotify).is_ok()
        {
            tracing::info!(path = ?self.directory.path, "can watch the registry again");
            self.source = Source::Events(inotify);
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

    /// Returns true if there is something to look at later and no timer to be had: the caller looks by itself.
    fn set_timer(&self) -> bool {
        let look = matches!(self.source, Source::Looks(_)).then_some(looking::PAUSE);
        let closed = self.closed.values().max().map(|since| since.elapsed().clamp(PAUSE_MIN, PAUSE_MAX));
        let Some(pause) = look.into_iter().chain(closed).min() else { return false };
        let Ok(it_value) = Timespec::try_from(pause) else { return true };
        let time = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time).is_err()
    }
}

/// Has the kernel tell what happens in the directory.
fn events_of(directory: &Directory) -> Result<OwnedFd, Errno> {
    let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let events = WatchFlags::MOVED_TO
        | WatchFlags::DELETE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::EXCL_UNLINK
        | WatchFlags::ONLYDIR
        | WatchFlags::DONT_FOLLOW;
    inotify::add_watch(&inotify, &directory.path, events)?;
    Ok(inotify)
}

fn wait_on(epoll: &OwnedFd, fd: &OwnedFd) -> Result<(), Errno> {
    epoll::add(epoll, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)
}

/// Takes all events, notes which locks were closed, and returns whether the registry may have changed.
fn read_events(inotify: &OwnedFd, path: &Path, closed: &mut BTreeMap<NodeId, Instant>) -> bool {
    let mut changed = false;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(inotify, &mut buffer);
    loop {
        let event = match events.next() {
            Ok(event) => event,
            Err(Errno::AGAIN) => return changed,
            Err(Errno::INTR) => continue,
            Err(cause) => {
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
                closed.insert(id, Instant::now());
            }
            _ => {}
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
