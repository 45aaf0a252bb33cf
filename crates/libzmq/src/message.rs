//! `zmq_msg_t`: 64 octets of the caller's that hold a frame.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::sync::Arc;

use tamtam_zmq::{Message, PeerProfile};

use crate::content::{Content, REFERENCE_MIN, into_frame};
use crate::errno::{EFAULT, EINVAL, ENOMEM};
use crate::guard::guarded;
use crate::release::{FreeFn, drop_unlocked};
use crate::transfer;

/// Longest body that stands in the `zmq_msg_t` itself.
const INLINE_MAX: usize = 40;

/// The body stands in place.
const INLINE: u8 = 0xA7;
/// The body is a [`Content`].
const SHARED: u8 = 0xB9;

const MORE: u8 = 1;
/// Another message holds the same body.
const COPIED: u8 = 2;

/// `zmq_msg_t`. Moving it bit by bit is allowed, copying it is `zmq_msg_copy`'s; zeroes are no message.
#[repr(C, align(8))]
pub struct Msg {
    body: Body,
    /// What is known of the sender. As wide as a pointer, null for none; let go by hand, as all of a message is.
    profile: ManuallyDrop<Option<Arc<PeerProfile>>>,
    /// The group's name (RADIO, DISH); null or a `CString`.
    group: *mut c_char,
    routing_id: u32,
    kind: u8,
    flags: u8,
    inline_len: u8,
    reserved: u8,
}

#[repr(C)]
union Body {
    inline: [u8; INLINE_MAX],
    shared: Shared,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Shared {
    content: *const Content,
    start: *mut u8,
    size: usize,
}

const _: () = assert!(size_of::<Msg>() == 64 && align_of::<Msg>() == 8);

impl Msg {
    pub(crate) fn empty() -> Self {
        Self {
            body: Body { inline: [0; INLINE_MAX] },
            profile: ManuallyDrop::new(None),
            group: std::ptr::null_mut(),
            routing_id: 0,
            kind: INLINE,
            flags: 0,
            inline_len: 0,
            reserved: 0,
        }
    }

    fn shared(content: Arc<Content>, size: usize) -> Self {
        let mut message = Self::empty();
        message.hold(content, size);
        message
    }

    /// Receives a message of one frame by `receive`, which is also given the place of what is known of the sender; what there was
    /// before is let go. An error leaves an empty message, as libzmq does. The allocation of a short message before it serves again.
    #[inline]
    pub(crate) fn receive<T>(
        &mut self,
        receive: impl FnOnce(&mut Message, &mut Option<Arc<PeerProfile>>) -> Result<T, c_int>,
    ) -> Result<T, c_int> {
        (self.flags, self.routing_id) = (0, 0);
        if self.has_group() {
            self.set_group(None);
        }
        if let Some(place) = self.reusable() {
            // SAFETY: nobody else has the content, as `reusable` says, and nothing else of this message is used while it is borrowed.
            let place = unsafe { &mut *place };
            let received = receive(place, &mut self.profile);
            self.routing_id = place.routing_id();
            let body = place.as_slice();
            self.body.shared.start = body.as_ptr().cast_mut();
            self.body.shared.size = body.len();
            if received.is_err() {
                drop(self.take_content());
            }
            return received;
        }
        if let Some(old) = self.take_content() {
            drop_unlocked(old);
        }
        self.inline_len = 0;
        let mut message = Message::default();
        let received = receive(&mut message, &mut self.profile)?;
        self.routing_id = message.routing_id();
        let body = message.as_slice();
        let size = body.len();
        if size > INLINE_MAX {
            self.hold(Content::received(message), size);
            return Ok(received);
        }
        // In place, and no more than there is: a whole array that was filled in part a moment ago is slow to move.
        // SAFETY: octets of any value are a body that stands in place. All of them are initialised: they were all zero at first (`empty`),
        // and the other part of the union is written field by field.
        let inline = unsafe { &mut self.body.inline };
        if let Some(place) = inline.get_mut(..size) {
            place.copy_from_slice(body);
        }
        self.inline_len = u8::try_from(size).unwrap_or_default();
        Ok(received)
    }

    /// Returns the place to receive the next message in, if what is there was received, is short, and is nobody else's as well.
    #[inline]
    fn reusable(&mut self) -> Option<*mut Message> {
        if self.kind != SHARED {
            return None;
        }
        // SAFETY: the kind says which part of the union is alive; from `Arc::into_raw`, this message's own count, which stays its own.
        let mut content = ManuallyDrop::new(unsafe { Arc::from_raw(self.body.shared.content) });
        Content::reuse(&mut content).map(std::ptr::from_mut)
    }

    /// Becomes a message of this body; it has held none.
    fn hold(&mut self, content: Arc<Content>, size: usize) {
        let start = content.start();
        // Not the whole union: what is beside it stays initialised.
        self.body.shared = Shared { content: Arc::into_raw(content), start, size };
        self.kind = SHARED;
    }

    /// Tells whether this is a message: made by one of the functions that make one, and not closed.
    pub(crate) fn is_valid(&self) -> bool {
        matches!(self.kind, INLINE | SHARED)
    }

    pub(crate) fn size(&self) -> usize {
        if self.kind == SHARED {
            // SAFETY: the kind says which part of the union is alive.
            unsafe { self.body.shared.size }
        } else {
            usize::from(self.inline_len)
        }
    }

    fn start(&mut self) -> *mut u8 {
        if self.kind == SHARED {
            // SAFETY: the kind says which part of the union is alive.
            unsafe { self.body.shared.start }
        } else {
            (&raw mut self.body).cast()
        }
    }

    pub(crate) fn has_more(&self) -> bool {
        self.flags & MORE != 0
    }

    pub(crate) fn set_more(&mut self, more: bool) {
        if more {
            self.flags |= MORE;
        } else {
            self.flags &= !MORE;
        }
    }

    pub(crate) fn set_profile(&mut self, profile: Option<Arc<PeerProfile>>) {
        *self.profile = profile;
    }

    pub(crate) fn profile(&self) -> Option<&PeerProfile> {
        self.profile.as_deref()
    }

    pub(crate) fn take_profile(&mut self) -> Option<Arc<PeerProfile>> {
        self.profile.take()
    }

    pub(crate) fn group(&self) -> &CStr {
        if self.group.is_null() {
            return c"";
        }
        // SAFETY: not null: from `CString::into_raw`, owned by this message.
        unsafe { CStr::from_ptr(self.group) }
    }

    pub(crate) fn has_group(&self) -> bool {
        !self.group.is_null()
    }

    pub(crate) fn set_group(&mut self, group: Option<CString>) {
        let old = std::mem::replace(&mut self.group, group.map_or(std::ptr::null_mut(), CString::into_raw));
        if !old.is_null() {
            // SAFETY: from `CString::into_raw`, owned by this message until now.
            drop(unsafe { CString::from_raw(old) });
        }
    }

    pub(crate) fn routing_id(&self) -> u32 {
        self.routing_id
    }

    #[cfg(feature = "draft")]
    pub(crate) fn set_routing_id(&mut self, id: u32) {
        self.routing_id = id;
    }

    /// Returns the body to be sent.
    pub(crate) fn body(&self) -> transfer::Body<'_> {
        if self.kind != SHARED {
            // SAFETY: the kind says which part of the union is alive, and every octet of it is initialised.
            let inline = unsafe { &self.body.inline };
            return transfer::Body::Short(inline.get(..usize::from(self.inline_len)).unwrap_or_default());
        }
        // SAFETY: the kind says which part of the union is alive.
        let Shared { content, start, size } = unsafe { self.body.shared };
        if size == 0 {
            return transfer::Body::Short(&[]);
        }
        if size < REFERENCE_MIN {
            // SAFETY: the content, which this message keeps alive, has `size` octets from `start` on.
            return transfer::Body::Short(unsafe { std::slice::from_raw_parts(start, size) });
        }
        // SAFETY: from `Arc::into_raw`; the frame gets a count of its own.
        let content = unsafe {
            Arc::increment_strong_count(content);
            Arc::from_raw(content)
        };
        transfer::Body::Frame(into_frame(content, size))
    }

    /// Lets everything go that the message holds; it is no message then. A free function runs before this returns.
    pub(crate) fn clear(&mut self) {
        if let Some(content) = self.take_all() {
            drop_unlocked(content);
        }
    }

    /// As [`clear`](Self::clear) for a message that was sent: a free function runs some time later.
    pub(crate) fn give_away(&mut self) {
        drop(self.take_all());
    }

    fn take_all(&mut self) -> Option<Arc<Content>> {
        let content = self.take_content();
        self.kind = 0;
        drop(self.take_profile());
        self.set_group(None);
        content
    }

    /// Takes a body that does not stand in place; the message is empty then.
    fn take_content(&mut self) -> Option<Arc<Content>> {
        let kind = std::mem::replace(&mut self.kind, INLINE);
        if kind != SHARED {
            return None;
        }
        self.inline_len = 0;
        // SAFETY: the kind says which part of the union is alive; from `Arc::into_raw`, this message's own count.
        Some(unsafe { Arc::from_raw(self.body.shared.content) })
    }

    /// Makes a second message of the same body.
    fn duplicate(&mut self) -> Self {
        let mut copy = Self { flags: self.flags, ..Self::empty() };
        copy.routing_id = self.routing_id;
        copy.inline_len = self.inline_len;
        if self.kind == SHARED {
            // SAFETY: the kind says which part of the union is alive; from `Arc::into_raw`; the copy gets a count of its own.
            unsafe {
                Arc::increment_strong_count(self.body.shared.content);
                copy.body.shared = self.body.shared;
            }
            copy.kind = SHARED;
            self.flags |= COPIED;
            copy.flags |= COPIED;
        } else {
            // SAFETY: the kind says which part of the union is alive.
            copy.body = Body { inline: unsafe { self.body.inline } };
        }
        copy.set_profile(self.profile.as_ref().map(Arc::clone));
        if !self.group.is_null() {
            // SAFETY: from `CString::into_raw`.
            let group = unsafe { CStr::from_ptr(self.group) };
            copy.set_group(Some(group.to_owned()));
        }
        copy
    }
}

/// Returns a caller's message.
///
/// # Safety
///
/// `message` is null or points to a `zmq_msg_t` that nobody else uses meanwhile.
pub(crate) unsafe fn valid<'a>(message: *mut Msg) -> Result<&'a mut Msg, c_int> {
    // SAFETY: the caller's promise; every bit pattern is a value, what it means is checked next.
    let message = unsafe { message.as_mut() }.ok_or(EFAULT)?;
    if message.is_valid() { Ok(message) } else { Err(EFAULT) }
}

/// Returns two of a caller's messages; `None` if both are the same one.
///
/// # Safety
///
/// As [`valid`], for both.
unsafe fn valid_pair<'a>(
    target: *mut Msg,
    source: *mut Msg,
) -> Result<Option<(&'a mut Msg, &'a mut Msg)>, c_int> {
    // SAFETY: the caller's promise; both are checked before either is held for longer.
    unsafe {
        valid(target)?;
        valid(source)?;
    }
    if std::ptr::eq(target, source) {
        return Ok(None);
    }
    // SAFETY: two valid messages at different places.
    Ok(Some(unsafe { (valid(target)?, valid(source)?) }))
}

/// Returns a caller's message to be looked at.
///
/// # Safety
///
/// `message` is null or points to a `zmq_msg_t` that nobody changes meanwhile.
unsafe fn readable<'a>(message: *const Msg) -> Result<&'a Msg, c_int> {
    // SAFETY: the caller's promise; every bit pattern is a value, what it means is checked next.
    let message = unsafe { message.as_ref() }.ok_or(EFAULT)?;
    if message.is_valid() { Ok(message) } else { Err(EFAULT) }
}

/// Puts a new message where the caller wants it, without looking at what was there.
///
/// # Safety
///
/// `place` is null or writable.
unsafe fn put(place: *mut Msg, message: Msg) -> Result<c_int, c_int> {
    if place.is_null() {
        return Err(EFAULT);
    }
    // SAFETY: not null, and the caller's to write to. A message has no `Drop`: what was there is left alone.
    unsafe { place.write(message) };
    Ok(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init(message: *mut Msg) -> c_int {
    // SAFETY: the caller's place.
    guarded(|| unsafe { put(message, Msg::empty()) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_size(message: *mut Msg, size: usize) -> c_int {
    guarded(|| {
        if message.is_null() {
            return Err(EFAULT);
        }
        let made = if size <= INLINE_MAX {
            let mut made = Msg::empty();
            made.inline_len = u8::try_from(size).unwrap_or_default();
            made
        } else {
            Msg::shared(Content::with_size(size).ok_or(ENOMEM)?, size)
        };
        // SAFETY: the caller's place.
        unsafe { put(message, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_data(
    message: *mut Msg,
    data: *mut c_void,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
) -> c_int {
    guarded(|| {
        if message.is_null() {
            return Err(EFAULT);
        }
        // SAFETY: the caller hands the buffer over, with the function that takes it back.
        let content = unsafe { Content::foreign(data, free, hint) };
        let mut made = Msg::shared(content, size);
        if free.is_none() {
            // Constant data is anybody's.
            made.flags |= COPIED;
        }
        // SAFETY: the caller's place.
        unsafe { put(message, made) }
    })
}

/// Copies `size` octets of the caller's into a new message.
///
/// # Safety
///
/// `data` has `size` readable octets, or `size` is zero.
#[cfg(feature = "draft")]
unsafe fn copy_of(data: *const c_void, size: usize) -> Result<Msg, c_int> {
    let mut made = Msg::empty();
    if size <= INLINE_MAX {
        made.inline_len = u8::try_from(size).unwrap_or_default();
    } else {
        made = Msg::shared(Content::with_size(size).ok_or(ENOMEM)?, size);
    }
    if size > 0 {
        if data.is_null() {
            made.clear();
            return Err(EFAULT);
        }
        // SAFETY: the caller's octets; ours are as many, and new.
        unsafe { std::ptr::copy_nonoverlapping(data.cast(), made.start(), size) };
    }
    Ok(made)
}

#[cfg(feature = "draft")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_buffer(message: *mut Msg, data: *const c_void, size: usize) -> c_int {
    guarded(|| {
        if message.is_null() {
            return Err(EFAULT);
        }
        // SAFETY: the caller's octets and place.
        unsafe { put(message, copy_of(data, size)?) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_close(message: *mut Msg) -> c_int {
    guarded(|| {
        // SAFETY: the caller's message.
        unsafe { valid(message) }?.clear();
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_move(target: *mut Msg, source: *mut Msg) -> c_int {
    guarded(|| {
        // SAFETY: the caller's messages.
        let Some((target, source)) = unsafe { valid_pair(target, source) }? else { return Ok(0) };
        let moved = std::mem::replace(source, Msg::empty());
        target.clear();
        *target = moved;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_copy(target: *mut Msg, source: *mut Msg) -> c_int {
    guarded(|| {
        // SAFETY: the caller's messages.
        let Some((target, source)) = unsafe { valid_pair(target, source) }? else { return Ok(0) };
        let copy = source.duplicate();
        target.clear();
        *target = copy;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_data(message: *mut Msg) -> *mut c_void {
    // SAFETY: the caller's message.
    guarded(|| Ok(unsafe { valid(message) }?.start().cast()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_size(message: *const Msg) -> usize {
    // SAFETY: the caller's message; it is only looked at.
    guarded(|| Ok(unsafe { readable(message) }?.size()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_more(message: *const Msg) -> c_int {
    // SAFETY: as above.
    guarded(|| Ok(c_int::from(unsafe { readable(message) }?.has_more())))
}

/// `ZMQ_MORE`, `ZMQ_SRCFD`, `ZMQ_SHARED`.
const PROPERTY_MORE: c_int = 1;
const PROPERTY_SRCFD: c_int = 2;
const PROPERTY_SHARED: c_int = 3;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_get(message: *const Msg, property: c_int) -> c_int {
    guarded(|| {
        // SAFETY: the caller's message; it is only looked at.
        let message = unsafe { readable(message) }?;
        match property {
            PROPERTY_MORE => Ok(c_int::from(message.has_more())),
            PROPERTY_SRCFD => message.profile().and_then(PeerProfile::fd).ok_or(EINVAL),
            PROPERTY_SHARED => Ok(c_int::from(message.flags & COPIED != 0)),
            _ => Err(EINVAL),
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set(message: *mut Msg, property: c_int, value: c_int) -> c_int {
    let _ = (message, property, value);
    // There is no property that can be set.
    guarded(|| Err(EINVAL))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_gets(message: *const Msg, property: *const c_char) -> *const c_char {
    guarded(|| {
        // SAFETY: the caller's message; it is only looked at.
        let message = unsafe { readable(message) }?;
        if property.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: not null; the caller gives a string with its end.
        let name = unsafe { CStr::from_ptr(property) };
        message.profile().and_then(|profile| profile.property(name)).map(CStr::as_ptr).ok_or(EINVAL)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_send(message: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int {
    // SAFETY: the caller's socket and message.
    guarded(|| unsafe { transfer::send_message(socket, message, flags) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_recv(message: *mut Msg, socket: *mut c_void, flags: c_int) -> c_int {
    // SAFETY: the caller's socket and message.
    guarded(|| unsafe { transfer::receive_message(socket, message, flags) })
}

/// The older name of `zmq_msg_send`, with the arguments the other way round.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendmsg(socket: *mut c_void, message: *mut Msg, flags: c_int) -> c_int {
    // SAFETY: the caller's socket and message.
    guarded(|| unsafe { transfer::send_message(socket, message, flags) })
}

/// The older name of `zmq_msg_recv`, with the arguments the other way round.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recvmsg(socket: *mut c_void, message: *mut Msg, flags: c_int) -> c_int {
    // SAFETY: the caller's socket and message.
    guarded(|| unsafe { transfer::receive_message(socket, message, flags) })
}
