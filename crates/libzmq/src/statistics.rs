//! `tamtam_socket_statistics`: what a socket has done, dropped included.

use std::ffi::{c_int, c_void};

use crate::errno::{EFAULT, EINVAL};
use crate::guard::guarded;
use crate::socket::socket;

/// `struct tamtam_statistics`. New numbers are added at the end; `size` says how many octets were written.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Statistics {
    size: u64,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    dropped_full: u64,
    dropped_other: u64,
    queued_in: u64,
    queued_out: u64,
    peers: u64,
    reconnects: u64,
}

/// Writes what a socket has done so far to `out`, up to `size` octets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tamtam_socket_statistics(
    handle: *mut c_void,
    out: *mut c_void,
    size: usize,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        handle.check_context()?;
        if out.is_null() {
            return Err(EFAULT);
        }
        if size < size_of::<u64>() {
            return Err(EINVAL);
        }
        let known = handle.socket.statistics();
        let written = size.min(size_of::<Statistics>()) / size_of::<u64>() * size_of::<u64>();
        let dropped = known.traffic.dropped;
        let statistics = Statistics {
            size: written as u64,
            messages_in: known.traffic.messages_in,
            messages_out: known.traffic.messages_out,
            bytes_in: known.traffic.bytes_in,
            bytes_out: known.traffic.bytes_out,
            dropped_full: dropped.full,
            dropped_other: dropped.total().saturating_sub(dropped.full),
            queued_in: known.queued_in,
            queued_out: known.queued_out,
            peers: known.peers as u64,
            reconnects: known.traffic.reconnects,
        };
        // SAFETY: the caller's buffer has `size` octets, ours at least as many as are written.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const statistics).cast::<u8>(), out.cast::<u8>(), written);
        }
        Ok(0)
    })
}
