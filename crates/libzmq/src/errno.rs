//! `errno`: the system's numbers, libzmq's own, and which of our errors is which.

use std::ffi::{CStr, c_char, c_int};
use std::io;

use tamtam_zmq::{BindError, ConnectError, EndpointError, OptionError, RecvError, SendError};

pub(crate) use libc::{
    EADDRINUSE, EAGAIN, EFAULT, EHOSTUNREACH, EINTR, EINVAL, EMFILE, ENAMETOOLONG, ENOENT, ENOMEM, ENOTSOCK,
    ENOTSUP, EPROTONOSUPPORT,
};

/// Where libzmq's own numbers begin.
const HAUSNUMERO: c_int = 156_384_712;
/// The operation does not fit the socket's state.
pub(crate) const EFSM: c_int = HAUSNUMERO + 51;
/// The transport does not fit the socket's type.
pub(crate) const ENOCOMPATPROTO: c_int = HAUSNUMERO + 52;
/// The context was shut down.
pub(crate) const ETERM: c_int = HAUSNUMERO + 53;
/// The context has no I/O thread.
pub(crate) const EMTHREAD: c_int = HAUSNUMERO + 54;

pub(crate) fn set_errno(error: c_int) {
    // SAFETY: the C library's own thread-local variable, which exists as long as the thread.
    unsafe { *libc::__errno_location() = error };
}

fn errno() -> c_int {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn of_io(error: &io::Error) -> c_int {
    error.raw_os_error().unwrap_or_else(|| match error.kind() {
        io::ErrorKind::AddrInUse => EADDRINUSE,
        io::ErrorKind::PermissionDenied => libc::EACCES,
        io::ErrorKind::NotFound => libc::ENODEV,
        io::ErrorKind::AddrNotAvailable => libc::EADDRNOTAVAIL,
        io::ErrorKind::OutOfMemory => ENOMEM,
        io::ErrorKind::Interrupted => EINTR,
        _ => EINVAL,
    })
}

fn of_endpoint(error: &EndpointError) -> c_int {
    match error {
        EndpointError::UnknownTransport { .. } => EPROTONOSUPPORT,
        EndpointError::NameTooLong { .. } => ENAMETOOLONG,
        _ => EINVAL,
    }
}

pub(crate) fn of_bind(error: &BindError) -> c_int {
    match error {
        BindError::Endpoint(error) => of_endpoint(error),
        BindError::Io { source, .. } => of_io(source),
        BindError::InUse { .. } => EADDRINUSE,
        BindError::Closed { .. } => ETERM,
        BindError::WrongTransport { .. } => ENOCOMPATPROTO,
        _ => EINVAL,
    }
}

pub(crate) fn of_connect(error: &ConnectError) -> c_int {
    match error {
        ConnectError::Endpoint(error) => of_endpoint(error),
        ConnectError::Io { source, .. } => of_io(source),
        ConnectError::RoutingIdInUse { .. } => EADDRINUSE,
        ConnectError::Closed { .. } => ETERM,
        ConnectError::WrongTransport { .. } => ENOCOMPATPROTO,
        ConnectError::Immediate { .. } => EFAULT,
        _ => EINVAL,
    }
}

pub(crate) fn of_option(error: &OptionError) -> c_int {
    match error {
        OptionError::Closed => ETERM,
        _ => EINVAL,
    }
}

pub(crate) fn of_receive(error: RecvError) -> c_int {
    match error {
        RecvError::WouldBlock | RecvError::TimedOut => EAGAIN,
        RecvError::OutOfTurn => EFSM,
        RecvError::Terminated => ETERM,
        RecvError::Unsupported => ENOTSUP,
        RecvError::Interrupted => EINTR,
        _ => ENOTSOCK,
    }
}

pub(crate) fn of_send(error: &SendError) -> c_int {
    match error {
        SendError::Full(_) | SendError::TimedOut(_) => EAGAIN,
        SendError::Unroutable(_) => EHOSTUNREACH,
        SendError::OutOfTurn(_) => EFSM,
        SendError::Terminated(_) => ETERM,
        SendError::Unsupported(_) => ENOTSUP,
        SendError::Interrupted(_) => EINTR,
        SendError::Malformed(_) => EINVAL,
        _ => ENOTSOCK,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_errno() -> c_int {
    errno()
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_strerror(error: c_int) -> *const c_char {
    let text: &CStr = match error {
        EFSM => c"Operation cannot be accomplished in current state",
        ENOCOMPATPROTO => c"The protocol is not compatible with the socket type",
        ETERM => c"Context was terminated",
        EMTHREAD => c"No thread available",
        EHOSTUNREACH => c"Host unreachable",
        // SAFETY: the C library returns a string that stays valid at least until the thread's next call.
        _ => return unsafe { libc::strerror(error) },
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    for (place, number) in [(major, 4), (minor, 3), (patch, 5)] {
        if !place.is_null() {
            // SAFETY: not null; the caller gives places for three numbers.
            unsafe { *place = number };
        }
    }
}

/// The capabilities that `zmq_has` confirms.
const CAPABILITIES: &[&CStr] = &[
    c"tamtam",
    c"ipc",
    c"curve",
    #[cfg(feature = "draft")]
    c"draft",
    #[cfg(feature = "draft")]
    c"WS",
];

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_has(capability: *const c_char) -> c_int {
    if capability.is_null() {
        return 0;
    }
    // SAFETY: not null; the caller gives a string with its end.
    let asked = unsafe { CStr::from_ptr(capability) };
    c_int::from(CAPABILITIES.contains(&asked))
}
