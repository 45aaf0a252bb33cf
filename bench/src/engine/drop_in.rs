//! A library with libzmq's C interface, loaded when it is measured: Tamtam's drop-in library, or the system's libzmq.
#![expect(unsafe_code, reason = "a C interface is called as C calls it")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use libloading::Library;

use super::{Engine, Kind, Side, Tuning};
use crate::failure::{Failure, Outcome};
use crate::keys::Keys;
use crate::spec::SILENCE;

/// Where the library is: what `TAMTAM_LIBZMQ` says, else what `cargo build --release -p tamtam-libzmq` has made.
pub(crate) fn library() -> PathBuf {
    std::env::var_os("TAMTAM_LIBZMQ").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/libzmq.so")),
        PathBuf::from,
    )
}

/// What the system's libzmq is called.
const SYSTEM: &str = "libzmq.so.5";

/// Set before the first call in a process that has to do with the system's libzmq.
static IS_SYSTEM: AtomicBool = AtomicBool::new(false);

/// Lets all calls of this process go to the system's libzmq.
pub(crate) fn choose_system_libzmq() {
    IS_SYSTEM.store(true, Ordering::Relaxed);
}

/// Returns the version of the system's libzmq, or why there is none.
pub(crate) fn system_libzmq_version() -> Result<String, String> {
    let functions = Functions::load(Path::new(SYSTEM)).map_err(|error| error.to_string())?;
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: three places for numbers.
    unsafe { (functions.zmq_version)(&raw mut major, &raw mut minor, &raw mut patch) };
    Ok(format!("{major}.{minor}.{patch}"))
}

/// Returns what the system's libzmq encrypts with, or why it does not.
pub(crate) fn system_libzmq_curve() -> Result<String, String> {
    let functions = Functions::load(Path::new(SYSTEM)).map_err(|error| error.to_string())?;
    // SAFETY: a string with its end.
    if unsafe { (functions.zmq_has)(c"curve".as_ptr()) } != 1 {
        return Err("it was compiled without CURVE".to_owned());
    }
    // What was loaded with it.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let sodium = maps.lines().find_map(|line| line.rsplit('/').next().filter(|name| name.contains("sodium")));
    Ok(sodium.map_or_else(|| "CURVE by its own means".to_owned(), |name| format!("CURVE by {name}")))
}

const SNDMORE: c_int = 2;
const SUBSCRIBE: c_int = 6;
const EVENTS: c_int = 15;
const LINGER: c_int = 17;
const SNDHWM: c_int = 23;
const RCVHWM: c_int = 24;
const RCVTIMEO: c_int = 27;
const SNDTIMEO: c_int = 28;
const LAST_ENDPOINT: c_int = 32;
const XPUB_VERBOSE: c_int = 40;
const CURVE_SERVER: c_int = 47;
const CURVE_PUBLICKEY: c_int = 48;
const CURVE_SECRETKEY: c_int = 49;
const CURVE_SERVERKEY: c_int = 50;
const XPUB_NODROP: c_int = 69;
/// Ours: `TAMTAM_SPIN`.
const SPIN: c_int = 10_000;

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) -> $result:ty;)*) => {
        /// The functions that are used, as `zmq.h` declares them.
        struct Functions {
            // SAFETY: these are types; what a call has to keep to is said where it is made.
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)*
            _library: Library,
        }

        impl Functions {
            fn load(path: &Path) -> Result<Self, libloading::Error> {
                // SAFETY: loading runs the library's initialisers, of which neither has any that matter.
                let library = unsafe { Library::new(path) }?;
                Ok(Self {
                    // SAFETY: the types are those of `zmq.h`.
                    $($name: unsafe { *library.get(stringify!($name).as_bytes())? },)*
                    _library: library,
                })
            }
        }
    };
}

functions! {
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
    zmq_msg_send: fn(*mut Part, *mut c_void, c_int) -> c_int;
    zmq_msg_data: fn(*mut Part) -> *mut c_void;
    zmq_msg_size: fn(*const Part) -> usize;
    zmq_msg_more: fn(*const Part) -> c_int;
    zmq_errno: fn() -> c_int;
    zmq_has: fn(*const c_char) -> c_int;
    zmq_version: fn(*mut c_int, *mut c_int, *mut c_int) -> ();
}

fn functions() -> Outcome<&'static Functions> {
    static LOADED: OnceLock<Result<Functions, String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let path = if IS_SYSTEM.load(Ordering::Relaxed) { PathBuf::from(SYSTEM) } else { library() };
        Functions::load(&path).map_err(|error| error.to_string())
    });
    loaded.as_ref().map_err(|error| Failure::new(format!("the library: {error}")))
}

/// Turns what a call returned into its value or its `errno`.
#[inline]
fn check(call: &str, result: c_int) -> Outcome<c_int> {
    if result >= 0 { Ok(result) } else { failed(call) }
}

#[cold]
fn failed(call: &str) -> Outcome<c_int> {
    // SAFETY: takes nothing.
    let errno = unsafe { (functions()?.zmq_errno)() };
    Err(Failure::new(format!("{call}: errno {errno}")))
}

/// `zmq_msg_t`.
#[repr(C, align(8))]
pub(crate) struct Part([u8; 64]);

impl Part {
    fn new() -> Self {
        let mut part = Self([0; 64]);
        if let Ok(functions) = functions() {
            // SAFETY: a place of the right size.
            unsafe { (functions.zmq_msg_init)(&raw mut part) };
        }
        part
    }

    #[inline]
    fn body(&mut self, functions: &Functions) -> &[u8] {
        // SAFETY: a message that was initialised; its data has as many octets as it says.
        unsafe {
            let size = (functions.zmq_msg_size)(&raw const *self);
            let data = (functions.zmq_msg_data)(&raw mut *self);
            std::slice::from_raw_parts(data.cast(), size)
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Ok(functions) = functions() {
            // SAFETY: a message that was initialised, closed once.
            unsafe { (functions.zmq_msg_close)(&raw mut *self) };
        }
    }
}

/// A context; ended with its last socket.
struct Ground(*mut c_void);

// SAFETY: a context may be used from any thread.
unsafe impl Send for Ground {}
// SAFETY: as above.
unsafe impl Sync for Ground {}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Ok(functions) = functions() {
            // SAFETY: a context of the library's, ended once.
            unsafe { (functions.zmq_ctx_term)(self.0) };
        }
    }
}

/// A context's handle.
#[derive(Clone)]
pub(crate) struct Context(Arc<Ground>);

/// A socket's handle.
pub(crate) struct Socket {
    handle: *mut c_void,
    /// At hand, as they are to a program that was linked with the library.
    functions: &'static Functions,
    _context: Context,
}

// SAFETY: a socket may move to another thread, and ours may be used from several.
unsafe impl Send for Socket {}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: a socket of the library's, closed once.
        unsafe { (self.functions.zmq_close)(self.handle) };
    }
}

impl Socket {
    fn set(&self, option: c_int, value: &[u8]) -> Outcome {
        // SAFETY: a socket of the library's, and a value of the size that is told.
        let result = unsafe {
            (self.functions.zmq_setsockopt)(self.handle, option, value.as_ptr().cast(), value.len())
        };
        check("zmq_setsockopt", result).map(drop)
    }

    fn set_number(&self, option: c_int, value: c_int) -> Outcome {
        self.set(option, &value.to_ne_bytes())
    }

    /// A key in Z85, with the zero at its end that the interface counts.
    fn set_key(&self, option: c_int, text: &str) -> Outcome {
        self.set(option, format!("{text}\0").as_bytes())
    }

    #[inline]
    fn receive(&self, part: &mut Part) -> Outcome {
        // SAFETY: a socket of the library's and a message that was initialised.
        let result = unsafe { (self.functions.zmq_msg_recv)(&raw mut *part, self.handle, 0) };
        check("zmq_msg_recv", result).map(drop)
    }

    fn send(&self, part: &mut Part, flags: c_int) -> Outcome {
        // SAFETY: as above.
        let result = unsafe { (self.functions.zmq_msg_send)(&raw mut *part, self.handle, flags) };
        check("zmq_msg_send", result).map(drop)
    }
}

/// The library's sockets, with libzmq's default options where nothing else is said; the drop-in library's publisher is an XPUB
/// that does not drop, with its default mark, and that of libzmq has no mark.
pub(crate) struct DropIn;

impl Engine for DropIn {
    type Context = Context;
    type Socket = Socket;
    type Slot = Part;

    fn slot() -> Part {
        Part::new()
    }

    fn context() -> Outcome<Context> {
        // SAFETY: takes nothing.
        let handle = unsafe { (functions()?.zmq_ctx_new)() };
        if handle.is_null() {
            Err(Failure::new("zmq_ctx_new"))
        } else {
            Ok(Context(Arc::new(Ground(handle))))
        }
    }

    fn socket(context: &Context, kind: Kind, tuning: Tuning) -> Outcome<Socket> {
        let number = match kind {
            Kind::Pair => 0,
            Kind::Sub => 2,
            Kind::Req => 3,
            Kind::Rep => 4,
            Kind::Dealer => 5,
            Kind::Router => 6,
            Kind::Pull => 7,
            Kind::Push => 8,
            Kind::Publisher => 9,
        };
        // SAFETY: a context of the library's.
        let handle = unsafe { (functions()?.zmq_socket)(context.0.0, number) };
        if handle.is_null() {
            return Err(Failure::new("zmq_socket"));
        }
        let socket = Socket { handle, functions: functions()?, _context: context.clone() };
        let silence = c_int::try_from(SILENCE.as_millis())?;
        socket.set_number(RCVTIMEO, silence)?;
        socket.set_number(SNDTIMEO, silence)?;
        socket.set_number(LINGER, 1000)?;
        if let Some(hwm) = tuning.hwm {
            let hwm = c_int::try_from(hwm)?;
            socket.set_number(SNDHWM, hwm)?;
            socket.set_number(RCVHWM, hwm)?;
        }
        if kind == Kind::Publisher {
            socket.set_number(XPUB_VERBOSE, 1)?;
            if IS_SYSTEM.load(Ordering::Relaxed) {
                // As with the one that is built here: the fastest way not to drop.
                socket.set_number(SNDHWM, 0)?;
            } else {
                socket.set_number(XPUB_NODROP, 1)?;
            }
        }
        if !tuning.spin && !IS_SYSTEM.load(Ordering::Relaxed) {
            socket.set_number(SPIN, 0)?;
        }
        Ok(socket)
    }

    fn encrypt(socket: &Socket, keys: &Keys, side: Side) -> Outcome {
        match side {
            Side::Server => {
                socket.set_number(CURVE_SERVER, 1)?;
                socket.set_key(CURVE_SECRETKEY, &keys.server.secret)
            }
            Side::Client => {
                socket.set_key(CURVE_SERVERKEY, &keys.server.public)?;
                socket.set_key(CURVE_PUBLICKEY, &keys.client.public)?;
                socket.set_key(CURVE_SECRETKEY, &keys.client.secret)
            }
        }
    }

    fn bind(socket: &Socket, endpoint: &str) -> Outcome<String> {
        let text = CString::new(endpoint).map_err(|_| Failure::new("the endpoint has a zero"))?;
        let functions = socket.functions;
        // SAFETY: a socket of the library's and a string with its end.
        check("zmq_bind", unsafe { (functions.zmq_bind)(socket.handle, text.as_ptr()) })?;
        let (mut bound, mut size) = ([0_u8; 512], 512);
        // SAFETY: a buffer of the size that is told.
        let result = unsafe {
            (functions.zmq_getsockopt)(socket.handle, LAST_ENDPOINT, bound.as_mut_ptr().cast(), &raw mut size)
        };
        check("zmq_getsockopt", result)?;
        let bound = bound.split(|octet| *octet == 0).next().unwrap_or_default();
        String::from_utf8(bound.to_vec()).map_err(|_| Failure::new("the endpoint is not text"))
    }

    fn connect(socket: &Socket, endpoint: &str) -> Outcome {
        let text = CString::new(endpoint).map_err(|_| Failure::new("the endpoint has a zero"))?;
        // SAFETY: a socket of the library's and a string with its end.
        check("zmq_connect", unsafe { (socket.functions.zmq_connect)(socket.handle, text.as_ptr()) })
            .map(drop)
    }

    fn subscribe(socket: &Socket) -> Outcome {
        socket.set(SUBSCRIBE, b"")
    }

    fn wait_for_subscribers(socket: &Socket, count: usize, timeout: Duration) -> Outcome {
        let deadline = Instant::now() + timeout;
        let mut part = Part::new();
        for attached in 0..count {
            if Instant::now() >= deadline {
                return Err(Failure::new(format!("subscribers: {attached} of {count} after {timeout:?}")));
            }
            // Gives up by itself after a while of silence.
            socket.receive(&mut part)?;
        }
        Ok(())
    }

    #[inline]
    fn send(socket: &Socket, body: &[u8]) -> Outcome {
        // SAFETY: a socket of the library's, and a body of the size that is told.
        let result =
            unsafe { (socket.functions.zmq_send)(socket.handle, body.as_ptr().cast(), body.len(), 0) };
        check("zmq_send", result).map(drop)
    }

    #[inline]
    fn receive<'a>(socket: &Socket, slot: &'a mut Part) -> Outcome<&'a [u8]> {
        socket.receive(slot)?;
        Ok(slot.body(socket.functions))
    }

    #[inline]
    fn echo(socket: &Socket, check: impl FnOnce(&[u8]) -> Outcome) -> Outcome {
        let mut part = Part::new();
        socket.receive(&mut part)?;
        // SAFETY: a message that was received.
        while unsafe { (socket.functions.zmq_msg_more)(&raw const part) } != 0 {
            let mut next = Part::new();
            socket.receive(&mut next)?;
            socket.send(&mut part, SNDMORE)?;
            part = next;
        }
        check(part.body(socket.functions))?;
        socket.send(&mut part, 0)
    }

    fn describe(socket: &Socket) -> String {
        let (mut events, mut size) = (0, size_of::<c_int>());
        let functions = socket.functions;
        // SAFETY: a place of the size that is told.
        unsafe {
            (functions.zmq_getsockopt)(socket.handle, EVENTS, (&raw mut events).cast(), &raw mut size);
        }
        let events: c_int = events;
        format!("ZMQ_EVENTS {events}")
    }
}
