//! Options: `zmq_setsockopt` and `zmq_getsockopt`.

mod get;
pub(crate) mod numbers;
mod security;
mod set;

use std::ffi::{c_int, c_void};
use std::time::Duration;

use tamtam_zmq::{Options, SocketType};

use crate::buffer::slice;
use crate::errno::{EFAULT, EINVAL};
use crate::guard::guarded;
use crate::socket::socket;

use self::security::SecuritySettings;

/// What can be set on a socket that the engine has no use for, or only in another form: kept as it was given.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) affinity: u64,
    pub(crate) rate: c_int,
    pub(crate) recovery_interval: c_int,
    pub(crate) multicast_max_tpdu: c_int,
    pub(crate) loopback_fastpath: bool,
    /// For the next call of `zmq_connect`.
    pub(crate) connect_routing_id: Option<Vec<u8>>,
    /// The bound descriptor that a bind shall take over, -1 for none; once it has, it is only remembered.
    pub(crate) use_fd: c_int,
    pub(crate) fd_is_used: bool,
    pub(crate) security: SecuritySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            affinity: 0,
            rate: 100,
            recovery_interval: 10_000,
            multicast_max_tpdu: 1500,
            loopback_fastpath: false,
            connect_routing_id: None,
            use_fd: -1,
            fd_is_used: false,
            security: SecuritySettings::default(),
        }
    }
}

/// libzmq's defaults where they are not ours.
pub(crate) fn set_defaults(options: &mut Options, kind: SocketType) {
    options
        .set_linger(None)
        .set_reconnect_interval_max(None)
        .set_router_handover(false)
        .set_backlog(100)
        .set_interruptible(true)
        .set_strict_marks(true)
        .set_inproc_any_types(true)
        .set_max_handshakes(0)
        // libzmq gives such a peer up for good.
        .set_refused_interval(Duration::from_secs(4));
    if kind.subscribes() {
        options.set_linger(Some(Duration::ZERO));
    }
}

/// The value of an option.
pub(crate) enum Value {
    Int(c_int),
    Int64(i64),
    Uint64(u64),
    /// Octets as they are.
    Octets(Vec<u8>),
    /// Text, written with a zero behind it.
    Text(Vec<u8>),
}

/// Where a caller wants a value: a buffer, and its size, which becomes the value's.
pub(crate) struct Out {
    pub(crate) value: *mut c_void,
    pub(crate) size: *mut usize,
}

impl Out {
    /// Writes octets; a longer buffer is filled up with zeroes if `pad` says so.
    ///
    /// # Safety
    ///
    /// The buffer is null or has as many octets as its size, which is null or the caller's, says.
    unsafe fn octets(&self, octets: &[u8], pad: bool) -> Result<(), c_int> {
        if self.size.is_null() || self.value.is_null() {
            return Err(EFAULT);
        }
        // SAFETY: not null; the caller's.
        let room = unsafe { *self.size };
        if room < octets.len() {
            return Err(EINVAL);
        }
        // SAFETY: the buffer has `room` octets, and that is enough.
        unsafe {
            let place = self.value.cast::<u8>();
            std::ptr::copy_nonoverlapping(octets.as_ptr(), place, octets.len());
            if pad {
                place.add(octets.len()).write_bytes(0, room - octets.len());
            }
            *self.size = octets.len();
        }
        Ok(())
    }

    /// Writes a number.
    ///
    /// # Safety
    ///
    /// As [`octets`](Self::octets).
    pub(crate) unsafe fn number(&self, number: c_int) -> Result<(), c_int> {
        // SAFETY: the caller's promise.
        unsafe { self.octets(&number.to_ne_bytes(), true) }
    }

    /// Writes text and a zero.
    ///
    /// # Safety
    ///
    /// As [`octets`](Self::octets).
    pub(crate) unsafe fn text(&self, text: &[u8]) -> Result<(), c_int> {
        let mut text = text.to_vec();
        text.push(0);
        // SAFETY: the caller's promise.
        unsafe { self.octets(&text, false) }
    }

    /// Writes any value.
    ///
    /// # Safety
    ///
    /// As [`octets`](Self::octets).
    unsafe fn put(&self, value: &Value) -> Result<(), c_int> {
        // SAFETY: the caller's promise.
        unsafe {
            match value {
                Value::Int(number) => self.number(*number),
                Value::Int64(number) => self.octets(&number.to_ne_bytes(), true),
                Value::Uint64(number) => self.octets(&number.to_ne_bytes(), true),
                Value::Octets(octets) => self.octets(octets, false),
                Value::Text(text) => self.text(text),
            }
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_setsockopt(
    handle: *mut c_void,
    option: c_int,
    value: *const c_void,
    size: usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        // SAFETY: the caller gives `size` octets.
        let octets = unsafe { slice(value.cast::<u8>(), size) }.ok_or(EINVAL)?;
        set::set(handle, option, (!value.is_null()).then_some(octets))?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_getsockopt(
    handle: *mut c_void,
    option: c_int,
    value: *mut c_void,
    size: *mut usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        if size.is_null() || value.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: not null; the caller's.
        let room = unsafe { *size };
        let found = get::get(handle, option, room)?;
        // SAFETY: the caller's places.
        unsafe { Out { value, size }.put(&found) }.map(|()| 0)
    })
}
