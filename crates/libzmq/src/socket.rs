//! Sockets: `zmq_socket`, `zmq_close`, `zmq_bind` and their like.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tamtam_zmq::{ConnectError, Frame, PeerProfile, Socket, SocketType};

use crate::context::{Shared, context};
use crate::edge::Edge;
use crate::errno::{
    EINVAL, EMTHREAD, ENOCOMPATPROTO, ENOENT, ENOTSOCK, EPROTONOSUPPORT, ETERM, of_bind, of_connect,
};
use crate::guard::guarded;
use crate::monitor::Pump;
use crate::option::Settings;
use crate::registry::Registry;

pub(crate) static SOCKETS: Registry<Handle> = Registry::new(0x7A73_6F63);

/// What a socket's handle stands for.
pub(crate) struct Handle {
    pub(crate) socket: Socket,
    pub(crate) context: Arc<Shared>,
    /// Set while `outgoing` holds the first parts of a message: looked at without the lock.
    pub(crate) is_sending: AtomicBool,
    pub(crate) outgoing: Mutex<Vec<Frame>>,
    /// Set while `incoming` holds the last parts of a message.
    pub(crate) is_receiving: AtomicBool,
    pub(crate) incoming: Mutex<Incoming>,
    /// `ZMQ_RCVMORE`.
    pub(crate) more: AtomicBool,
    pub(crate) edge: OnceLock<Edge>,
    /// `TAMTAM_FD_LEVEL` was asked for: the descriptor is to say what is there, not what is new.
    pub(crate) level: AtomicBool,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) monitor: Mutex<Option<Pump>>,
}

/// The parts of a message that were not asked for yet.
#[derive(Default)]
pub(crate) struct Incoming {
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) profile: Option<Arc<PeerProfile>>,
    pub(crate) routing_id: u32,
}

impl Handle {
    pub(crate) fn kind(&self) -> SocketType {
        self.socket.socket_type()
    }

    /// Whether it may be used from several threads in libzmq's terms, and has no `ZMQ_FD`; of ours all may.
    pub(crate) fn is_thread_safe(&self) -> bool {
        self.kind().is_single_part() || matches!(self.kind(), SocketType::Radio | SocketType::Dish)
    }

    pub(crate) fn outgoing(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn monitor(&self) -> MutexGuard<'_, Option<Pump>> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something to receive is left: who watches the level has to see it.
    pub(crate) fn keep_level(&self) {
        if self.level.load(Ordering::Relaxed) {
            self.socket.keep_readable();
        }
    }

    /// Every call on a socket whose context was shut down says so.
    pub(crate) fn check_context(&self) -> Result<(), c_int> {
        if self.context.engine.is_shut_down() { Err(ETERM) } else { Ok(()) }
    }
}

/// Returns a caller's socket.
///
/// # Safety
///
/// `handle` is null or a handle of ours.
#[inline]
pub(crate) unsafe fn socket(handle: *mut c_void) -> Result<&'static Handle, c_int> {
    // SAFETY: the caller's promise.
    unsafe { SOCKETS.get(handle) }.ok_or(ENOTSOCK)
}

/// Which types there are: the draft ones only in a build with drafts.
fn socket_type(number: c_int) -> Option<SocketType> {
    let stable = number <= c_int::from(SocketType::Stream.number());
    if stable || cfg!(feature = "draft") { SocketType::from_number(number) } else { None }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket(handle: *mut c_void, kind: c_int) -> *mut c_void {
    guarded(|| {
        // SAFETY: the caller's handle.
        let context = unsafe { context(handle) }?;
        let kind = socket_type(kind).ok_or(EINVAL)?;
        context.admit()?;
        let settings = Settings::default();
        let socket = Socket::new(&context.engine, kind);
        let blocky = context.blocky.load(Ordering::Relaxed) != 0;
        let ipv6 = context.ipv6.load(Ordering::Relaxed) != 0;
        let configured = socket.configure(|options| {
            crate::option::set_defaults(options, kind);
            options.set_ipv6(ipv6);
            if !blocky {
                options.set_linger(Some(Duration::ZERO));
            }
        });
        if configured.is_err() {
            context.dismiss();
            return Err(ETERM);
        }
        Ok(SOCKETS.insert(Handle {
            socket,
            context: Arc::clone(context),
            is_sending: AtomicBool::new(false),
            outgoing: Mutex::default(),
            is_receiving: AtomicBool::new(false),
            incoming: Mutex::default(),
            more: AtomicBool::new(false),
            edge: OnceLock::new(),
            level: AtomicBool::new(false),
            settings: Mutex::new(settings),
            monitor: Mutex::default(),
        }))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_close(handle: *mut c_void) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let retired = unsafe { SOCKETS.retire(handle) }.ok_or(ENOTSOCK)?;
        let closed = retired.value().ok_or(ENOTSOCK)?;
        closed.socket.shut();
        let frames = std::mem::take(&mut *closed.outgoing());
        let incoming = std::mem::take(&mut *closed.incoming());
        crate::release::drop_unlocked((frames, incoming));
        if let Some(pump) = closed.monitor().take() {
            // It ends when what lingers is sent; nobody waits for that here.
            pump.let_go();
        }
        closed.context.dismiss();
        Ok(0)
    })
}

/// Reads an endpoint.
///
/// # Safety
///
/// `text` is null or a string with its end.
pub(crate) unsafe fn endpoint<'a>(text: *const c_char) -> Result<&'a str, c_int> {
    if text.is_null() {
        return Err(EINVAL);
    }
    // SAFETY: not null; the caller gives a string with its end.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| EINVAL)
}

/// Whether a transport goes with a socket's type and with the context's threads.
pub(crate) fn check_transport(handle: &Handle, endpoint: &str) -> Result<(), c_int> {
    let (transport, address) = endpoint.split_once("://").ok_or(EINVAL)?;
    if transport.is_empty() || address.is_empty() {
        return Err(EINVAL);
    }
    let known =
        matches!(transport, "tcp" | "ipc" | "inproc" | "ws") || cfg!(feature = "draft") && transport == "udp";
    if !known {
        return Err(EPROTONOSUPPORT);
    }
    if handle.kind() == SocketType::Stream && transport != "tcp" {
        return Err(ENOCOMPATPROTO);
    }
    if transport != "inproc" && handle.context.io_threads.load(Ordering::Relaxed) == 0 {
        return Err(EMTHREAD);
    }
    Ok(())
}

/// Takes the descriptor that `ZMQ_USE_FD` has named for this bind, if it is for one.
fn adopted(handle: &Handle, endpoint: &str) -> Option<OwnedFd> {
    let mut settings = handle.settings();
    if settings.use_fd < 0 || settings.fd_is_used || endpoint.starts_with("inproc:") {
        return None;
    }
    settings.fd_is_used = true;
    // SAFETY: the caller has given the descriptor away by the option; it is taken once.
    Some(unsafe { OwnedFd::from_raw_fd(settings.use_fd) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_bind(handle: *mut c_void, text: *const c_char) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        // SAFETY: the caller's string.
        let endpoint = unsafe { endpoint(text) }?;
        check_transport(handle, endpoint)?;
        let bound = match adopted(handle, endpoint) {
            Some(fd) => handle.socket.bind_fd(endpoint, fd),
            None => handle.socket.bind(endpoint),
        };
        bound.map_err(|error| of_bind(&error))?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect(handle: *mut c_void, text: *const c_char) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        // SAFETY: the caller's string.
        let endpoint = unsafe { endpoint(text) }?;
        check_transport(handle, endpoint)?;
        let routing_id = handle.settings().connect_routing_id.take();
        let connected = match &routing_id {
            Some(id) => handle.socket.connect_as(endpoint, id),
            None => handle.socket.connect(endpoint),
        };
        match connected {
            // The peer that is there already stays the only one; as with libzmq, that is no error.
            Ok(()) | Err(ConnectError::Occupied { .. }) => Ok(0),
            Err(error) => Err(of_connect(&error)),
        }
    })
}

/// Ends a connection, with what it brought.
fn disconnect(handle: &Handle, endpoint: &str) -> Result<(), ()> {
    handle.socket.disconnect_and_discard(endpoint).map_err(drop)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_unbind(handle: *mut c_void, text: *const c_char) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        // SAFETY: the caller's string.
        let endpoint = unsafe { endpoint(text) }?;
        check_transport(handle, endpoint)?;
        handle.socket.unbind(endpoint).or_else(|_| disconnect(handle, endpoint)).map_err(|()| ENOENT)?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect(handle: *mut c_void, text: *const c_char) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        // SAFETY: the caller's string.
        let endpoint = unsafe { endpoint(text) }?;
        check_transport(handle, endpoint)?;
        disconnect(handle, endpoint).or_else(|()| handle.socket.unbind(endpoint).map_err(|_| ENOENT))?;
        Ok(0)
    })
}
