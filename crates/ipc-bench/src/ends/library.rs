//! An installed libzmq, loaded at run time.
#![expect(unsafe_code, reason = "a C interface is called as C calls it")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

/// What the system's libzmq is called.
const NAME: &str = "libzmq.so.5";

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) -> $result:ty;)*) => {
        /// The functions that are used, as `zmq.h` declares them.
        #[derive(Debug)]
        struct Functions {
            // SAFETY: these are types; what a call has to keep to is said where it is made.
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)*
            _library: libloading::Library,
        }

        impl Functions {
            fn load(path: &Path) -> Result<Self, libloading::Error> {
                // SAFETY: loading runs the library's initialisers. The user chose the file, or the system did as for every program.
                let library = unsafe { libloading::Library::new(path) }?;
                Ok(Self {
                    // SAFETY: the types are those of `zmq.h`, which do not change while the name ends with 5. Each is kept with its library.
                    $($name: unsafe { *library.get(stringify!($name).as_bytes())? },)*
                    _library: library,
                })
            }
        }
    };
}

functions! {
    zmq_version: fn(*mut c_int, *mut c_int, *mut c_int) -> ();
    zmq_has: fn(*const c_char) -> c_int;
    zmq_strerror: fn(c_int) -> *const c_char;
    zmq_errno: fn() -> c_int;
    zmq_ctx_new: fn() -> *mut c_void;
    zmq_ctx_term: fn(*mut c_void) -> c_int;
    zmq_socket: fn(*mut c_void, c_int) -> *mut c_void;
    zmq_close: fn(*mut c_void) -> c_int;
    zmq_setsockopt: fn(*mut c_void, c_int, *const c_void, usize) -> c_int;
    zmq_getsockopt: fn(*mut c_void, c_int, *mut c_void, *mut usize) -> c_int;
    zmq_bind: fn(*mut c_void, *const c_char) -> c_int;
    zmq_connect: fn(*mut c_void, *const c_char) -> c_int;
    zmq_send: fn(*mut c_void, *const c_void, usize, c_int) -> c_int;
    zmq_msg_init: fn(*mut Part) -> c_int;
    zmq_msg_close: fn(*mut Part) -> c_int;
    zmq_msg_recv: fn(*mut Part, *mut c_void, c_int) -> c_int;
    zmq_msg_data: fn(*mut Part) -> *mut c_void;
    zmq_msg_size: fn(*const Part) -> usize;
}

/// `zmq_msg_t`.
#[derive(Debug)]
#[repr(C, align(8))]
struct Part([u8; 64]);

/// A loaded libzmq.
#[derive(Clone, Debug)]
pub(crate) struct Library(Arc<Functions>);

/// What a call said: an error of libzmq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) c_int);

/// A context's handle.
#[derive(Debug)]
pub(super) struct Context {
    handle: NonNull<c_void>,
    library: Library,
}

/// A socket's handle. Its context is ended after it.
#[derive(Debug)]
pub(super) struct Handle {
    handle: NonNull<c_void>,
    part: Part,
    context: Arc<Context>,
}

impl Library {
    /// Loads this file, or what the system has.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, String> {
        let path = path.unwrap_or_else(|| Path::new(NAME));
        Functions::load(path)
            .map(|functions| Self(Arc::new(functions)))
            .map_err(|error| format!("cannot load {error}"))
    }

    /// The version: "4.3.5".
    pub(crate) fn version(&self) -> String {
        let [mut major, mut minor, mut patch] = [0; 3];
        // SAFETY: three places of the right type.
        unsafe { (self.0.zmq_version)(&raw mut major, &raw mut minor, &raw mut patch) };
        format!("{major}.{minor}.{patch}")
    }

    /// Whether it is Tamtam's own drop-in.
    pub(crate) fn is_ours(&self) -> bool {
        // SAFETY: a string with its end.
        unsafe { (self.0.zmq_has)(c"tamtam".as_ptr()) == 1 }
    }

    /// What an error means.
    pub(super) fn text(&self, errno: Errno) -> String {
        // SAFETY: every number is allowed; the answer is a string that stays.
        let text = unsafe { (self.0.zmq_strerror)(errno.0) };
        if text.is_null() {
            return format!("error {}", errno.0);
        }
        // SAFETY: as above, and it is not null.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }

    fn check(&self, result: c_int) -> Result<(), Errno> {
        if result >= 0 { Ok(()) } else { Err(self.errno()) }
    }

    fn errno(&self) -> Errno {
        // SAFETY: takes nothing.
        Errno(unsafe { (self.0.zmq_errno)() })
    }
}

impl Context {
    pub(super) fn new(library: Library) -> Result<Self, (Library, Errno)> {
        // SAFETY: takes nothing.
        match NonNull::new(unsafe { (library.0.zmq_ctx_new)() }) {
            Some(handle) => Ok(Self { handle, library }),
            None => {
                let errno = library.errno();
                Err((library, errno))
            }
        }
    }

    pub(super) const fn library(&self) -> &Library {
        &self.library
    }
}

// SAFETY: a context may be used from any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: a context of this library's, ended once; its sockets held it, and are closed.
        unsafe { (self.library.0.zmq_ctx_term)(self.handle.as_ptr()) };
    }
}

impl Handle {
    pub(super) fn new(context: &Arc<Context>, kind: c_int) -> Result<Self, Errno> {
        let functions = &context.library.0;
        // SAFETY: a context that lives.
        let handle = unsafe { (functions.zmq_socket)(context.handle.as_ptr(), kind) };
        let handle = NonNull::new(handle).ok_or_else(|| context.library.errno())?;
        let mut part = Part([0; 64]);
        // SAFETY: a place of the right size.
        unsafe { (functions.zmq_msg_init)(&raw mut part) };
        Ok(Self { handle, part, context: Arc::clone(context) })
    }

    fn functions(&self) -> &Functions {
        &self.context.library.0
    }

    pub(super) fn library(&self) -> &Library {
        &self.context.library
    }

    pub(super) fn set(&self, option: c_int, value: &[u8]) -> Result<(), Errno> {
        let (address, size) = (value.as_ptr().cast(), value.len());
        // SAFETY: a socket that is open, and a value of the size that is told.
        self.library()
            .check(unsafe { (self.functions().zmq_setsockopt)(self.handle.as_ptr(), option, address, size) })
    }

    pub(super) fn bind(&self, endpoint: &CStr) -> Result<(), Errno> {
        // SAFETY: a socket that is open, and a string with its end.
        self.library().check(unsafe { (self.functions().zmq_bind)(self.handle.as_ptr(), endpoint.as_ptr()) })
    }

    pub(super) fn connect(&self, endpoint: &CStr) -> Result<(), Errno> {
        // SAFETY: as above.
        self.library()
            .check(unsafe { (self.functions().zmq_connect)(self.handle.as_ptr(), endpoint.as_ptr()) })
    }

    /// A text among the options, without its end.
    pub(super) fn text_of(&self, option: c_int) -> Result<String, Errno> {
        let (mut text, mut size) = ([0_u8; 512], 512);
        let address = text.as_mut_ptr().cast();
        let result =
            // SAFETY: a socket that is open, and a buffer of the size that is told.
            unsafe { (self.functions().zmq_getsockopt)(self.handle.as_ptr(), option, address, &raw mut size) };
        self.library().check(result)?;
        let text = text.split(|octet| *octet == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    #[inline]
    pub(super) fn send(&self, message: &[u8]) -> Result<(), Errno> {
        let (address, size) = (message.as_ptr().cast(), message.len());
        // SAFETY: a socket that is open, and a message of the size that is told, which is copied.
        self.library().check(unsafe { (self.functions().zmq_send)(self.handle.as_ptr(), address, size, 0) })
    }

    /// Receives a message into the handle's own place, and returns its content.
    #[inline]
    pub(super) fn receive(&mut self) -> Result<&[u8], Errno> {
        let functions = &self.context.library.0;
        let part = &raw mut self.part;
        // SAFETY: a socket that is open, and a message that is initialised, which `self` borrows.
        let result = unsafe { (functions.zmq_msg_recv)(part, self.handle.as_ptr(), 0) };
        self.context.library.check(result)?;
        // SAFETY: the same message.
        let (data, size) = unsafe { ((functions.zmq_msg_data)(part), (functions.zmq_msg_size)(part)) };
        if size == 0 || data.is_null() {
            return Ok(&[]);
        }
        // SAFETY: its data has as many octets as it says, and stays until the next call, which needs `self` again.
        Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
    }
}

// SAFETY: a socket may move to another thread with a full fence between, which a thread's start or a lock is.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        let functions = &self.context.library.0;
        // SAFETY: a message that is initialised and a socket that is open, both closed once.
        unsafe {
            (functions.zmq_msg_close)(&raw mut self.part);
            (functions.zmq_close)(self.handle.as_ptr());
        }
    }
}
