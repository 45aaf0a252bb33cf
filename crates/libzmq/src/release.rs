//! Callers' free functions: called exactly once, with none of our locks held.
//!
//! The last reference to a caller's buffer may go anywhere, also deep inside the engine with a socket's lock held, and the
//! free function may use any socket (Python's sends on one). So what goes while we are not sure that no lock is held
//! is handed to a thread made for it (where there is none, to the next call that ends). That a message was sent is no reason to
//! free its buffer before the call returns either: programs ask afterwards whether it is still in use.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::spawn::spawn;

/// `zmq_free_fn`.
pub(crate) type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// A caller's buffer that is to be freed.
pub(crate) struct Release {
    pub(crate) free: FreeFn,
    pub(crate) data: *mut c_void,
    pub(crate) hint: *mut c_void,
}

// SAFETY: libzmq's contract is that the free function may be called from any thread with what it was registered with.
unsafe impl Send for Release {}

impl Release {
    fn run(self) {
        // SAFETY: the caller of `zmq_msg_init_data` gave this function for this buffer; a `Release` is run once.
        unsafe { (self.free)(self.data, self.hint) };
    }
}

/// What is to be run, and whether the thread is at it.
struct Queue {
    waiting: Vec<Release>,
    is_running: bool,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: Vec::new(), is_running: false });
static IDLE: Condvar = Condvar::new();
static ARRIVED: Condvar = Condvar::new();
static PENDING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// A message of the caller's is being closed: no lock is held.
    static UNLOCKED: Cell<bool> = const { Cell::new(false) };
    /// This is the thread that runs what is queued.
    static IS_FREEING: Cell<bool> = const { Cell::new(false) };
}

fn queue() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops a value of the caller's at a place where no lock is held: free functions run at once.
pub(crate) fn drop_unlocked<T>(value: T) {
    let before = UNLOCKED.replace(true);
    drop(value);
    UNLOCKED.set(before);
}

/// The last reference to a caller's buffer is gone.
pub(crate) fn release(release: Release) {
    // A thread that is ending has no such variable any more.
    if UNLOCKED.try_with(Cell::get).unwrap_or(false) {
        // What the free function drops in turn is not our business to call unlocked.
        UNLOCKED.set(false);
        release.run();
        UNLOCKED.set(true);
        return;
    }
    queue().waiting.push(release);
    if has_thread() {
        ARRIVED.notify_one();
    } else {
        // The next call that ends runs it.
        PENDING.store(true, Ordering::Release);
    }
}

/// Runs what is queued where there is no thread to do it; called where no lock is held.
#[inline]
pub(crate) fn run_pending() {
    if PENDING.load(Ordering::Acquire) {
        PENDING.store(false, Ordering::Release);
        run_queue();
    }
}

#[cold]
fn run_queue() {
    let queued = std::mem::take(&mut queue().waiting);
    queued.into_iter().for_each(Release::run);
}

/// Tells whether there is the thread that runs what is queued; starts it when it is first asked. A fork's child has none.
fn has_thread() -> bool {
    static PROCESS: OnceLock<Option<u32>> = OnceLock::new();
    *PROCESS.get_or_init(|| start().then(std::process::id)) == Some(std::process::id())
}

fn start() -> bool {
    spawn("tamtam-free", || {
        loop {
            let mut queue = queue();
            while queue.waiting.is_empty() {
                queue = ARRIVED.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.is_running = true;
            drop(queue);
            IS_FREEING.set(true);
            run_queue();
            self::queue().is_running = false;
            IDLE.notify_all();
        }
    })
    .is_ok()
}

/// Waits until what is queued has run: a program may take its buffers' memory away when its context is gone.
pub(crate) fn wait_until_idle() {
    if !has_thread() || IS_FREEING.get() {
        return;
    }
    let mut queue = queue();
    while queue.is_running || !queue.waiting.is_empty() {
        queue = IDLE.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}
