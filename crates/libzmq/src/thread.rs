//! `zmq_threadstart` and `zmq_threadclose`.

use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::errno::of_io;
use crate::guard::guarded;
use crate::registry::{Registry, Retired};
use crate::spawn::spawn;

static THREADS: Registry<Mutex<Option<JoinHandle<()>>>> = Registry::new(0x7A74_6872);

/// `zmq_thread_fn`.
type ThreadFn = unsafe extern "C" fn(argument: *mut c_void);

/// A caller's argument on its way to the caller's thread.
struct Argument(*mut c_void);

// SAFETY: handing it to another thread is what the caller of `zmq_threadstart` asks for.
unsafe impl Send for Argument {}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadstart(run: Option<ThreadFn>, argument: *mut c_void) -> *mut c_void {
    guarded(|| {
        let run = run.ok_or(crate::errno::EINVAL)?;
        let argument = Argument(argument);
        let thread = spawn("ZMQapp", move || {
            let whole = argument;
            // SAFETY: the caller's function with the caller's argument.
            unsafe { run(whole.0) };
        })
        .map_err(|error| of_io(&error))?;
        Ok(THREADS.insert(Mutex::new(Some(thread))))
    })
}

/// Waits for the thread's end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadclose(thread: *mut c_void) {
    guarded(|| {
        // SAFETY: the caller's handle.
        let thread = unsafe { THREADS.retire(thread) };
        let handle = thread
            .as_ref()
            .and_then(Retired::value)
            .and_then(|thread| thread.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(handle) = handle {
            let _ = handle.join();
        }
        Ok(())
    });
}
