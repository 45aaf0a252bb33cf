//! The bodies of messages that are too long to stand in a `zmq_msg_t`: shared by reference count.

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use bytes::Bytes;
use tamtam_zmq::{Frame, Message};

use crate::release::{FreeFn, Release, release};

/// From this size on a body travels by reference; below, copying it costs less than the reference.
pub(crate) const REFERENCE_MIN: usize = 8 * 1024;

/// Where a body's octets are.
enum Place {
    /// In a buffer of our own, which the caller fills.
    Buffer(Buffer),
    /// What was received: a message of one frame.
    Received(Message),
    /// In a buffer of the caller's, freed by his function; or constant data without one.
    Foreign(Foreign),
}

/// A body: `Arc<Content>` is what the copies of a message share.
pub(crate) struct Content {
    place: Place,
}

/// An allocation that is written to from outside.
struct Buffer {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the allocation is owned; who may write to it is the caller's business, as the header says.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `Content::with_size` with this layout, freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

struct Foreign {
    data: *mut c_void,
    free: Option<FreeFn>,
    hint: *mut c_void,
}

// SAFETY: the caller of `zmq_msg_init_data` hands the buffer over until his function is called, from whatever thread.
unsafe impl Send for Foreign {}
// SAFETY: as above; we only read.
unsafe impl Sync for Foreign {}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            release(Release { free, data: self.data, hint: self.hint });
        }
    }
}

impl Content {
    /// Reserves a body of `size` octets; `None` when there is no memory for it.
    pub(crate) fn with_size(size: usize) -> Option<Arc<Self>> {
        let layout = Layout::array::<u8>(size.max(1)).ok()?;
        // SAFETY: the layout's size is not zero.
        let start = NonNull::new(unsafe { alloc(layout) })?;
        Some(Arc::new(Self { place: Place::Buffer(Buffer { start, layout }) }))
    }

    /// Takes a message of one frame that was received.
    pub(crate) fn received(message: Message) -> Arc<Self> {
        Arc::new(Self { place: Place::Received(message) })
    }

    /// Returns the place to receive the next message in, if this is a short one that nobody else holds.
    pub(crate) fn reuse(content: &mut Arc<Self>) -> Option<&mut Message> {
        if Arc::strong_count(content) != 1 {
            return None;
        }
        // What others did with it before they let go of it.
        fence(Ordering::Acquire);
        // SAFETY: there are no weak references to a `Content` (none is made in this module, and no other sees its `Arc`s as anything
        // but a count to be raised or given back), so the one strong reference, which is borrowed mutably here, is the only way to it.
        // `Arc::get_mut` would lock out weak ones, which takes a quarter of the time that a short message takes.
        let content = unsafe { &mut *Arc::as_ptr(content).cast_mut() };
        match &mut content.place {
            Place::Received(message) if message.first().shared().is_none() => Some(message),
            _ => None,
        }
    }

    /// Takes a caller's buffer.
    ///
    /// # Safety
    ///
    /// `data` has as many readable octets as the message says until `free` is called (or for ever, without one).
    pub(crate) unsafe fn foreign(data: *mut c_void, free: Option<FreeFn>, hint: *mut c_void) -> Arc<Self> {
        Arc::new(Self { place: Place::Foreign(Foreign { data, free, hint }) })
    }

    /// Returns where the octets begin. What may be written there is the caller's: the C interface lets an application
    /// write into a message that it alone holds.
    pub(crate) fn start(&self) -> *mut u8 {
        match &self.place {
            Place::Buffer(buffer) => buffer.start.as_ptr(),
            Place::Received(message) => message.as_slice().as_ptr().cast_mut(),
            Place::Foreign(foreign) => foreign.data.cast(),
        }
    }
}

/// A body that travels: keeps it alive while the engine reads it.
struct Travelling {
    content: Arc<Content>,
    size: usize,
}

impl AsRef<[u8]> for Travelling {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the content has at least `size` octets from its start on (`zmq_msg_t` keeps the two together); whoever
        // sent the message has given it away and does not write to it any more.
        unsafe { std::slice::from_raw_parts(self.content.start(), self.size) }
    }
}

/// Turns a body into a frame of the engine's.
pub(crate) fn into_frame(content: Arc<Content>, size: usize) -> Frame {
    if let Place::Received(message) = &content.place
        && message.as_slice().len() == size
    {
        return message.first().clone();
    }
    Frame::from_bytes(Bytes::from_owner(Travelling { content, size }))
}
