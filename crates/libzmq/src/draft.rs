//! The draft functions of sockets and messages.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use tamtam_zmq::{GroupError, SocketType};

use crate::buffer::slice;
use crate::errno::{EFAULT, EHOSTUNREACH, EINVAL, ENOTSUP, ETERM, of_connect};
use crate::guard::guarded;
use crate::message::{Msg, valid};
use crate::poll::of_ready;
use crate::socket::{check_transport, endpoint, socket};

/// Longest name of a group.
const GROUP_MAX: usize = 255;

/// Reads the name of a group.
///
/// # Safety
///
/// `group` is null or a string with its end.
unsafe fn group<'a>(group: *const c_char) -> Result<&'a CStr, c_int> {
    if group.is_null() {
        return Err(EINVAL);
    }
    // SAFETY: not null; the caller gives a string with its end.
    let group = unsafe { CStr::from_ptr(group) };
    if group.to_bytes().len() > GROUP_MAX { Err(EINVAL) } else { Ok(group) }
}

fn of_group(error: &GroupError) -> c_int {
    match error {
        GroupError::Unsupported => ENOTSUP,
        GroupError::Closed => ETERM,
        _ => EINVAL,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_join(handle: *mut c_void, name: *const c_char) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle and string.
        let (handle, name) = unsafe { (socket(handle)?, group(name)?) };
        handle.socket.join(name.to_bytes()).map_err(|error| of_group(&error))?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_leave(handle: *mut c_void, name: *const c_char) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle and string.
        let (handle, name) = unsafe { (socket(handle)?, group(name)?) };
        handle.socket.leave(name.to_bytes()).map_err(|error| of_group(&error))?;
        Ok(0)
    })
}

/// Connects a PEER; returns the routing id of the other end, 0 when that fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect_peer(handle: *mut c_void, text: *const c_char) -> u32 {
    guarded(|| {
        // SAFETY: the caller's handle and string.
        let (handle, endpoint) = unsafe { (socket(handle)?, endpoint(text)?) };
        handle.check_context()?;
        if handle.kind() != SocketType::Peer {
            return Err(ENOTSUP);
        }
        check_transport(handle, endpoint)?;
        handle.socket.connect_peer(endpoint).map_err(|error| of_connect(&error))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect_peer(handle: *mut c_void, routing_id: u32) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        handle.socket.disconnect_peer(routing_id).map_err(|_| EHOSTUNREACH)?;
        Ok(0)
    })
}

/// Returns what can be done with one peer of a ROUTER: `ZMQ_POLLIN`, `ZMQ_POLLOUT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_get_peer_state(
    handle: *mut c_void,
    routing_id: *const c_void,
    size: usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        if handle.kind() != SocketType::Router {
            return Err(ENOTSUP);
        }
        if routing_id.is_null() {
            return Err(EFAULT);
        }
        // SAFETY: the caller gives `size` octets.
        let routing_id = unsafe { slice(routing_id.cast::<u8>(), size) }.ok_or(EFAULT)?;
        handle.socket.peer_state(routing_id).map(|ready| c_int::from(of_ready(ready))).ok_or(EHOSTUNREACH)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_routing_id(message: *mut Msg, routing_id: u32) -> c_int {
    guarded(|| {
        // SAFETY: the caller's message.
        let message = unsafe { valid(message) }?;
        if routing_id == 0 {
            return Err(EINVAL);
        }
        message.set_routing_id(routing_id);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_routing_id(message: *mut Msg) -> u32 {
    // SAFETY: the caller's message.
    guarded(|| Ok(unsafe { valid(message) }?.routing_id()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_group(message: *mut Msg, name: *const c_char) -> c_int {
    guarded(|| {
        // SAFETY: the caller's message and string.
        let (message, name): (_, &CStr) = unsafe { (valid(message)?, group(name)?) };
        message.set_group(Some(CString::from(name)));
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_group(message: *mut Msg) -> *const c_char {
    // SAFETY: the caller's message.
    guarded(|| Ok(unsafe { valid(message) }?.group().as_ptr()))
}
