//! The calls of signal(7).

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

use crate::errno::checked;

/// A set of signals.
#[derive(Clone, Copy)]
pub(super) struct Set(libc::sigset_t);

impl Set {
    pub(super) fn full() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the call initializes the set that the pointer is to, and cannot fail for one that is there.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    pub(super) fn of(signals: &[c_int]) -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the first call initializes the set that the pointer is to; the others change it, and refuse numbers
        // that are no signals.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), *signal);
            }
            Self(set.assume_init())
        }
    }

    pub(super) fn has(&self, signal: c_int) -> bool {
        // SAFETY: the set is initialized; a number that is no signal is refused.
        unsafe { libc::sigismember(&raw const self.0, signal) == 1 }
    }
}

/// Blocks these signals in this thread as well; returns what was blocked before.
pub(super) fn block(set: &Set) -> Set {
    change(libc::SIG_BLOCK, set)
}

/// Blocks exactly these signals in this thread; returns what was blocked before.
pub(super) fn set_blocked(set: &Set) -> Set {
    change(libc::SIG_SETMASK, set)
}

fn change(how: c_int, set: &Set) -> Set {
    let mut before = Set::of(&[]);
    // SAFETY: both pointers are to initialized sets; the call fails only if `how` is none of the three.
    unsafe { libc::pthread_sigmask(how, &raw const set.0, &raw mut before.0) };
    before
}

/// Makes a descriptor from which signals of this set can be read while they are blocked.
pub(super) fn signalfd(set: &Set) -> Result<OwnedFd, Errno> {
    // SAFETY: the pointer is to an initialized set; -1 asks for a new descriptor.
    let descriptor =
        checked(unsafe { libc::signalfd(-1, &raw const set.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
    // SAFETY: a fresh descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// What the kernel tells about a signal with a payload, as rt_sigqueueinfo(2) takes it: the C library's structure
/// keeps these fields to itself.
#[repr(C)]
union Info {
    all: libc::siginfo_t,
    queued: QueuedInfo,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct QueuedInfo {
    _number_error_code: [c_int; 3],
    sender: Sender,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Sender {
    process: libc::pid_t,
    user: libc::uid_t,
    value: *mut c_void,
}

impl Info {
    fn queued(signal: c_int, value: usize) -> Self {
        // SAFETY: a C structure of integers and pointers, for which zero is a value.
        let mut info = Self { all: unsafe { std::mem::zeroed() } };
        info.all.si_signo = signal;
        info.all.si_code = libc::SI_QUEUE;
        info.queued.sender = Sender {
            process: rustix::process::getpid().as_raw_nonzero().get(),
            user: rustix::process::getuid().as_raw(),
            value: ptr::without_provenance_mut(value),
        };
        info
    }
}

/// Queues a signal with a payload for the process that a descriptor is of.
pub(super) fn queue(process: BorrowedFd<'_>, signal: c_int, value: usize) -> Result<(), Errno> {
    let info = Info::queued(signal, value);
    // SAFETY: the kernel reads the structure, which is one of its own, and keeps no pointer to it.
    checked(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, &raw const info, 0)
    })
    .map(drop)
}

/// Sends a signal without a payload to one thread of this process; it arrives with the code `SI_TKILL`.
pub(super) fn send_to_thread(thread: i32, signal: c_int) -> Result<(), Errno> {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the call takes numbers only. Whether the signal does harm is up to what this process does on it.
    checked(unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) }).map(drop)
}

/// What a process does on a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Default,
    /// [`block_and_pass_on`].
    Ours,
    /// Ignored, or the program has its own handler.
    Theirs,
}

pub(super) fn action(signal: c_int) -> Result<Action, Errno> {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null pointer changes nothing; the call writes one structure, which is there.
    checked(unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) })?;
    // SAFETY: zero is a value of every field, so it is initialized whatever the call wrote.
    let now = unsafe { now.assume_init() };
    Ok(match now.sa_sigaction {
        libc::SIG_DFL => Action::Default,
        handler if handler == our_handler() => Action::Ours,
        _ => Action::Theirs,
    })
}

/// From now on every thread that gets this signal blocks it, and passes it on to the process.
pub(super) fn set_action(signal: c_int) -> Result<(), Errno> {
    // SAFETY: a C structure of integers and an optional function, for which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = our_handler();
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // One after the other: a handler that is interrupted by that of another number would have what that one blocks undone, and the
    // stacks for signals are short.
    // SAFETY: the set is ours.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    // SAFETY: the handler has the form that SA_SIGINFO asks for, and does only what signal-safety(7) allows.
    checked(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) }).map(drop)
}

fn our_handler() -> libc::sighandler_t {
    block_and_pass_on as *const () as libc::sighandler_t
}

/// The handler. It may interrupt any code, so it calls nothing but the kernel.
extern "C" fn block_and_pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel calls a handler with SA_SIGINFO with pointers to both structures, which are on the stack
    // until it returns. What is in the context's mask is what the thread blocks afterwards. The calls are
    // async-signal-safe; the second one gets the kernel's own structure.
    unsafe {
        libc::sigaddset(&raw mut (*context).uc_sigmask, signal);
        if (*info).si_code == libc::SI_TKILL {
            return; // our own request to block it
        }
        // Now that this thread does not take it any more, another one may, or a signalfd. The one failure, that as
        // many signals are queued as may be, cannot be told to anybody from here.
        let errno = libc::__errno_location();
        let before = *errno;
        libc::syscall(libc::SYS_rt_sigqueueinfo, libc::getpid(), signal, info);
        *errno = before;
    }
}
