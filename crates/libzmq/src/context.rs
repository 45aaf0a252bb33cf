//! Contexts: `zmq_ctx_…`.

use std::ffi::{c_int, c_void};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tamtam_zmq::{Context, PollItem};

use crate::buffer::slice;
use crate::errno::{EFAULT, EINTR, EINVAL, EMFILE, ETERM, of_io};
use crate::guard::guarded;
use crate::registry::Registry;
use crate::spawn::spawn;

pub(crate) static CONTEXTS: Registry<Arc<Shared>> = Registry::new(0x7A63_7478);

/// Most sockets that a context may be told to hold.
const SOCKET_LIMIT: c_int = 65_535;
/// Sockets in a context, unless told otherwise.
const MAX_SOCKETS: c_int = 1023;
/// Longest prefix of threads' names.
const NAME_PREFIX_MAX: usize = 16;

/// A context: what its handle and its sockets share.
pub(crate) struct Shared {
    pub(crate) engine: Context,
    options: Mutex<Options>,
    /// Sockets that were made and not closed.
    open: Mutex<u32>,
    all_closed: Condvar,
    pub(crate) ipv6: AtomicI32,
    pub(crate) blocky: AtomicI32,
    pub(crate) io_threads: AtomicI32,
    pub(crate) max_message_size: AtomicI32,
    interrupted: AtomicU32,
    /// Becomes readable when the thread that waits for the end has seen it.
    waiter: Mutex<Option<UnixStream>>,
    /// The process that made it: a fork's child may only close it.
    process: u32,
}

struct Options {
    max_sockets: c_int,
    thread_priority: c_int,
    sched_policy: c_int,
    affinity: Vec<c_int>,
    name_prefix: Vec<u8>,
    zero_copy: c_int,
}

impl Shared {
    fn options(&self) -> MutexGuard<'_, Options> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, u32> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a socket that is about to be made.
    pub(crate) fn admit(&self) -> Result<(), c_int> {
        if self.interrupted.load(Ordering::Acquire) != 0 {
            return Err(ETERM);
        }
        let max = self.options().max_sockets;
        let mut open = self.open();
        if i64::from(*open) >= i64::from(max) {
            return Err(EMFILE);
        }
        *open += 1;
        Ok(())
    }

    /// Counts a socket that was closed.
    pub(crate) fn dismiss(&self) {
        let mut open = self.open();
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.all_closed.notify_all();
        }
    }

    fn interrupt(&self) {
        self.interrupted.store(1, Ordering::Release);
        self.engine.interrupt();
    }

    /// Waits until the application has closed all sockets and what lingers is sent.
    fn wait(&self) {
        let mut open = self.open();
        while *open > 0 {
            open = self.all_closed.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        drop(open);
        let _closed = self.engine.wait_closed(None);
    }

    fn is_done(&self) -> bool {
        *self.open() == 0 && self.engine.wait_closed(Some(std::time::Duration::ZERO))
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.process != std::process::id()
    }
}

/// Waits for the context's end in a way that a signal interrupts: a thread waits, this one sleeps on a descriptor.
fn wait_interruptibly(shared: &Arc<Shared>) -> Result<(), c_int> {
    if shared.is_done() {
        return Ok(());
    }
    // A call that was interrupted has left its thread waiting.
    let mut waiter = shared.waiter.lock().unwrap_or_else(PoisonError::into_inner);
    let near = match &*waiter {
        Some(near) => near.try_clone(),
        None => {
            let (near, far) = UnixStream::pair().map_err(|error| of_io(&error))?;
            let waits = Arc::clone(shared);
            let thread = spawn("tamtam-term", move || {
                waits.wait();
                drop(far);
            });
            if thread.is_err() {
                // No thread to be had: a wait that signals do not end is better than none.
                drop(waiter);
                shared.wait();
                return Ok(());
            }
            let ours = near.try_clone();
            *waiter = Some(near);
            ours
        }
    };
    drop(waiter);
    let near = near.map_err(|error| of_io(&error))?;
    let mut item = [PollItem::fd(near.as_raw_fd(), libc::POLLIN)];
    match tamtam_zmq::poll(&mut item, None) {
        Ok(_) => Ok(()),
        // The waiting thread ends by itself once the sockets are closed; the caller may call again.
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(EINTR),
        Err(error) => Err(of_io(&error)),
    }
}

/// Returns a caller's context.
///
/// # Safety
///
/// `handle` is null or a handle of ours.
pub(crate) unsafe fn context(handle: *mut c_void) -> Result<&'static Arc<Shared>, c_int> {
    // SAFETY: the caller's promise.
    unsafe { CONTEXTS.get(handle) }.ok_or(EFAULT)
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_new() -> *mut c_void {
    guarded(|| {
        let engine = Context::try_new().map_err(|error| of_io(&error))?;
        Ok(CONTEXTS.insert(Arc::new(Shared {
            engine,
            options: Mutex::new(Options {
                max_sockets: MAX_SOCKETS,
                thread_priority: -1,
                sched_policy: -1,
                affinity: Vec::new(),
                name_prefix: Vec::new(),
                zero_copy: 1,
            }),
            open: Mutex::new(0),
            all_closed: Condvar::new(),
            ipv6: AtomicI32::new(0),
            blocky: AtomicI32::new(1),
            io_threads: AtomicI32::new(1),
            max_message_size: AtomicI32::new(c_int::MAX),
            interrupted: AtomicU32::new(0),
            waiter: Mutex::new(None),
            process: std::process::id(),
        })))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_term(handle: *mut c_void) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let shared = Arc::clone(unsafe { context(handle) }?);
        if !shared.is_foreign() {
            shared.interrupt();
            wait_interruptibly(&shared)?;
            crate::release::wait_until_idle();
        }
        // SAFETY: as above. If another call was faster, all is done as well.
        let _ = unsafe { CONTEXTS.retire(handle) };
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_shutdown(handle: *mut c_void) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        unsafe { context(handle) }?.interrupt();
        Ok(0)
    })
}

const IO_THREADS: c_int = 1;
const MAX_SOCKETS_OPTION: c_int = 2;
/// `ZMQ_SOCKET_LIMIT` when read, `ZMQ_THREAD_PRIORITY` when set.
const SOCKET_LIMIT_OR_PRIORITY: c_int = 3;
const SCHED_POLICY: c_int = 4;
const MAX_MSGSZ: c_int = 5;
const MSG_T_SIZE: c_int = 6;
const AFFINITY_ADD: c_int = 7;
const AFFINITY_REMOVE: c_int = 8;
const NAME_PREFIX: c_int = 9;
const ZERO_COPY_RECV: c_int = 10;
const IPV6: c_int = 42;
const BLOCKY: c_int = 70;

impl Shared {
    fn set(&self, option: c_int, value: c_int) -> Result<(), c_int> {
        let bool_of = |value: c_int| i32::from(value != 0);
        match (option, value) {
            (IO_THREADS, 0..) => self.io_threads.store(value, Ordering::Relaxed),
            (MAX_SOCKETS_OPTION, 1..=SOCKET_LIMIT) => self.options().max_sockets = value,
            (SOCKET_LIMIT_OR_PRIORITY, 0..) => self.options().thread_priority = value,
            (SCHED_POLICY, 0..) => self.options().sched_policy = value,
            (MAX_MSGSZ, _) => {
                self.max_message_size.store(if value < 0 { c_int::MAX } else { value }, Ordering::Relaxed);
            }
            (AFFINITY_ADD, 0..) => {
                let mut options = self.options();
                if !options.affinity.contains(&value) {
                    options.affinity.push(value);
                }
            }
            (AFFINITY_REMOVE, 0..) => {
                let mut options = self.options();
                let before = options.affinity.len();
                options.affinity.retain(|&cpu| cpu != value);
                if options.affinity.len() == before {
                    return Err(EINVAL);
                }
            }
            (NAME_PREFIX, 0..) => self.options().name_prefix = value.to_string().into_bytes(),
            (ZERO_COPY_RECV, _) => self.options().zero_copy = bool_of(value),
            (IPV6, 0..) => self.ipv6.store(bool_of(value), Ordering::Relaxed),
            (BLOCKY, 0..) => self.blocky.store(bool_of(value), Ordering::Relaxed),
            _ => return Err(EINVAL),
        }
        Ok(())
    }

    fn get(&self, option: c_int) -> Result<c_int, c_int> {
        Ok(match option {
            IO_THREADS => self.io_threads.load(Ordering::Relaxed),
            MAX_SOCKETS_OPTION => self.options().max_sockets,
            SOCKET_LIMIT_OR_PRIORITY => SOCKET_LIMIT,
            SCHED_POLICY => self.options().sched_policy,
            MAX_MSGSZ => self.max_message_size.load(Ordering::Relaxed),
            MSG_T_SIZE => c_int::try_from(size_of::<crate::message::Msg>()).unwrap_or_default(),
            NAME_PREFIX => {
                let text = self.options().name_prefix.clone();
                str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
            }
            ZERO_COPY_RECV => self.options().zero_copy,
            IPV6 => self.ipv6.load(Ordering::Relaxed),
            BLOCKY => self.blocky.load(Ordering::Relaxed),
            _ => return Err(EINVAL),
        })
    }

    fn set_bytes(&self, option: c_int, value: &[u8]) -> Result<(), c_int> {
        if option == NAME_PREFIX && (1..=NAME_PREFIX_MAX).contains(&value.len()) {
            // The zero behind a text is not part of it.
            self.options().name_prefix = value.strip_suffix(&[0]).unwrap_or(value).to_vec();
            return Ok(());
        }
        let number = <[u8; 4]>::try_from(value).map_err(|_| EINVAL)?;
        self.set(option, c_int::from_ne_bytes(number))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set(handle: *mut c_void, option: c_int, value: c_int) -> c_int {
    // SAFETY: the caller's handle.
    guarded(|| unsafe { context(handle) }?.set(option, value).map(|()| 0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get(handle: *mut c_void, option: c_int) -> c_int {
    // SAFETY: the caller's handle.
    guarded(|| unsafe { context(handle) }?.get(option))
}

#[cfg_attr(feature = "draft", unsafe(no_mangle))]
#[cfg_attr(not(feature = "draft"), expect(dead_code, reason = "exported only with drafts"))]
pub unsafe extern "C" fn zmq_ctx_set_ext(
    handle: *mut c_void,
    option: c_int,
    value: *const c_void,
    size: usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let shared = unsafe { context(handle) }?;
        if value.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: the caller gives `size` octets.
        let value = unsafe { slice(value.cast::<u8>(), size) }.ok_or(EINVAL)?;
        shared.set_bytes(option, value).map(|()| 0)
    })
}

#[cfg_attr(feature = "draft", unsafe(no_mangle))]
#[cfg_attr(not(feature = "draft"), expect(dead_code, reason = "exported only with drafts"))]
pub unsafe extern "C" fn zmq_ctx_get_ext(
    handle: *mut c_void,
    option: c_int,
    value: *mut c_void,
    size: *mut usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let shared = unsafe { context(handle) }?;
        let out = crate::option::Out { value, size };
        if option == NAME_PREFIX {
            let text = shared.options().name_prefix.clone();
            // SAFETY: the caller's places.
            return unsafe { out.text(&text) }.map(|()| 0);
        }
        // SAFETY: the caller's places.
        unsafe { out.number(shared.get(option)?) }.map(|()| 0)
    })
}

/// The oldest way to make a context: with its number of I/O threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    if io_threads < 0 {
        return guarded(|| Err(EINVAL));
    }
    let handle = zmq_ctx_new();
    if !handle.is_null() {
        // SAFETY: a handle made just now; the value was checked.
        unsafe { zmq_ctx_set(handle, IO_THREADS, io_threads) };
    }
    handle
}

/// The older name of `zmq_ctx_term`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_term(handle: *mut c_void) -> c_int {
    // SAFETY: the caller's handle.
    unsafe { zmq_ctx_term(handle) }
}

/// Another older name of `zmq_ctx_term`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_destroy(handle: *mut c_void) -> c_int {
    // SAFETY: the caller's handle.
    unsafe { zmq_ctx_term(handle) }
}
