//! Sending and receiving, part by part as C does it.

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tamtam_zmq::{Frame, Message, PeerProfile, SendError, SocketType};

use crate::buffer::slice;
use crate::errno::{EAGAIN, EFAULT, EFSM, EINTR, EINVAL, ENOMEM, of_receive, of_send};
use crate::guard::guarded;
use crate::message::{Msg, valid};
use crate::socket::{Handle, Incoming, socket};

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;

/// Sizes are told as C `int`s.
fn size_for_c(size: usize) -> c_int {
    c_int::try_from(size).unwrap_or(c_int::MAX)
}

impl Handle {
    /// Sends a whole message.
    fn send_whole(&self, message: Message, flags: c_int) -> Result<(), SendError> {
        if flags & DONTWAIT != 0 { self.socket.try_send(message) } else { self.socket.send(message) }
    }

    /// Sends a whole message of one part.
    #[inline]
    fn send_one(&self, body: Body<'_>, flags: c_int) -> Result<(), c_int> {
        match body {
            Body::Short(octets) => self.send_octets(octets, flags),
            Body::Frame(frame) => {
                self.send_whole(Message::new(frame), flags).map_err(|error| of_send(&error))
            }
        }
    }

    #[inline]
    fn send_octets(&self, octets: &[u8], flags: c_int) -> Result<(), c_int> {
        self.socket.send_slice(octets, flags & DONTWAIT == 0).map_err(|error| of_send(&error))
    }

    /// Sends a message of a type whose messages have one part (and a group).
    fn send_single(&self, frame: Frame, envelope: Envelope<'_>, flags: c_int) -> Result<(), c_int> {
        if flags & SNDMORE != 0 {
            return Err(EINVAL);
        }
        let mut message = match envelope.group {
            Some(group) if self.kind() == SocketType::Radio => {
                let mut message = Message::new(Frame::copy_from(group.to_bytes()));
                message.push_back(frame);
                message
            }
            _ => Message::new(frame),
        };
        message.set_routing_id(envelope.routing_id);
        self.send_whole(message, flags).map_err(|error| of_send(&error))
    }

    /// Takes one part; with the last one the message goes.
    #[inline]
    fn send_part(&self, body: Body<'_>, envelope: Envelope<'_>, flags: c_int) -> Result<(), c_int> {
        if self.is_whole(flags) {
            return self.send_one(body, flags);
        }
        self.send_part_by_type(body, envelope, flags)
    }

    /// Whether a part is a whole message, of a type that has nothing to say about it: what is sent in streams.
    #[inline]
    fn is_whole(&self, flags: c_int) -> bool {
        let takes_any = matches!(
            self.kind(),
            SocketType::Push
                | SocketType::Pub
                | SocketType::XPub
                | SocketType::Sub
                | SocketType::XSub
                | SocketType::Dealer
                | SocketType::Pair
        );
        takes_any && flags & SNDMORE == 0 && !self.is_sending.load(Ordering::Relaxed)
    }

    /// As [`send_part`](Self::send_part), for any type and any part.
    fn send_part_by_type(&self, body: Body<'_>, envelope: Envelope<'_>, flags: c_int) -> Result<(), c_int> {
        if self.kind().is_single_part() || self.kind() == SocketType::Radio {
            return self.send_single(body.into_frame(), envelope, flags);
        }

        if self.is_receiving.load(Ordering::Relaxed)
            && matches!(self.kind(), SocketType::Req | SocketType::Rep)
        {
            // The last message has parts that were not received yet.
            if self.kind() == SocketType::Rep || !*self.socket.shared_options().req_relaxed() {
                return Err(EFSM);
            }
            self.is_receiving.store(false, Ordering::Relaxed);
            let unread = std::mem::take(&mut *self.incoming());
            crate::release::drop_unlocked(unread);
        }
        // A STREAM's message is two parts long, whatever the flag of the second says.
        let ends = self.kind() == SocketType::Stream && self.is_sending.load(Ordering::Relaxed);
        let more = flags & SNDMORE != 0 && !ends;
        if !self.is_sending.load(Ordering::Relaxed) {
            if !more && matches!(self.kind(), SocketType::Stream | SocketType::Router) {
                // An address without a message is passed over, as libzmq does it.
                return Ok(());
            }
            if !more {
                return self.send_one(body, flags);
            }
            let frame = body.into_frame();
            // Whoever cannot send has to learn it with the first part.
            let timeout = if flags & DONTWAIT != 0 {
                Some(Duration::ZERO)
            } else {
                *self.socket.shared_options().send_timeout()
            };
            self.socket.wait_to_send(&frame, timeout).map_err(|error| of_send(&error))?;
            self.outgoing().push(frame);
            self.is_sending.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let mut outgoing = self.outgoing();
        if more {
            outgoing.push(body.into_frame());
            return Ok(());
        }
        let parts = std::mem::take(&mut *outgoing);
        drop(outgoing);
        let Some(mut message) = Message::from_frames(parts) else {
            return self.send_one(body, flags);
        };
        message.push_back(body.into_frame());
        match self.send_whole(message, flags) {
            Ok(()) => {
                self.is_sending.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                // The parts before wait for the last one to be sent again, unless the message can go nowhere.
                let code = of_send(&error);
                let mut frames: Vec<Frame> = error.into_message().into_frames().collect();
                frames.pop();
                if !matches!(code, EAGAIN | EINTR) {
                    frames.clear();
                }
                self.is_sending.store(!frames.is_empty(), Ordering::Relaxed);
                *self.outgoing() = frames;
                Err(code)
            }
        }
    }

    /// Receives the next part into `message`, and what is known of the sender into `profile`; returns whether more parts follow. A DISH's
    /// `group` is set, of other types left alone.
    #[inline(always)]
    fn receive_part(
        &self,
        flags: c_int,
        message: &mut Message,
        profile: &mut Option<Arc<PeerProfile>>,
        group: &mut Option<CString>,
    ) -> Result<bool, c_int> {
        if self.is_receiving.load(Ordering::Relaxed)
            && let Some(more) = self.receive_rest(message, profile)
        {
            return Ok(more);
        }
        let wait = flags & DONTWAIT == 0;
        self.socket.recv_into_with_profile(wait, message, profile).map_err(of_receive)?;
        let more = message.is_multipart() && self.keep_rest(message, profile, group);
        self.more.store(more, Ordering::Relaxed);
        Ok(more)
    }

    /// Receives the next part of a message whose first parts were received, if there is one; returns whether more follow.
    #[inline(never)]
    fn receive_rest(&self, message: &mut Message, profile: &mut Option<Arc<PeerProfile>>) -> Option<bool> {
        let mut incoming = self.incoming();
        let frame = incoming.frames.pop_front()?;
        *message = Message::new(frame);
        message.set_routing_id(incoming.routing_id);
        profile.clone_from(&incoming.profile);
        let more = !incoming.frames.is_empty();
        if !more {
            *incoming = Incoming::default();
            self.is_receiving.store(false, Ordering::Relaxed);
        }
        drop(incoming);
        self.more.store(more, Ordering::Relaxed);
        if more {
            self.keep_level();
        }
        Some(more)
    }

    /// Leaves the first part of a message that was received in its place, and keeps the others; returns whether there are any. To a DISH
    /// the first one is the group.
    #[inline(never)]
    fn keep_rest(
        &self,
        message: &mut Message,
        profile: &Option<Arc<PeerProfile>>,
        group: &mut Option<CString>,
    ) -> bool {
        if self.kind() == SocketType::Dish {
            *group = CString::new(message.take_first().to_vec()).ok();
            let body = message.take_rest().pop_front();
            *message = Message::new(body.unwrap_or_default());
            return false;
        }
        let mut incoming = self.incoming();
        incoming.frames = message.take_rest();
        incoming.profile.clone_from(profile);
        incoming.routing_id = message.routing_id();
        self.is_receiving.store(true, Ordering::Relaxed);
        drop(incoming);
        self.keep_level();
        true
    }
}

/// A body to be sent.
pub(crate) enum Body<'a> {
    /// So short that it is copied.
    Short(&'a [u8]),
    /// One that travels by reference.
    Frame(Frame),
}

impl Body<'_> {
    fn into_frame(self) -> Frame {
        match self {
            Self::Short(octets) => Frame::copy_from(octets),
            Self::Frame(frame) => frame,
        }
    }
}

/// What goes with a part beside its body.
#[derive(Clone, Copy)]
struct Envelope<'a> {
    routing_id: u32,
    group: Option<&'a CStr>,
}

impl Envelope<'_> {
    const NONE: Envelope<'static> = Envelope { routing_id: 0, group: Some(c"") };
}

/// Sends a message part and leaves an empty one in its place.
///
/// # Safety
///
/// The handle is null or ours; the message is null or the caller's.
pub(crate) unsafe fn send_message(
    handle: *mut c_void,
    message: *mut Msg,
    flags: c_int,
) -> Result<c_int, c_int> {
    // SAFETY: the caller's promise.
    let handle = unsafe { socket(handle) }?;
    // SAFETY: as above.
    let message = unsafe { valid(message) }?;
    let size = size_for_c(message.size());
    // What is refused stays the caller's as it was.
    let envelope = Envelope { routing_id: message.routing_id(), group: Some(message.group()) };
    handle.send_part(message.body(), envelope, flags)?;
    message.give_away();
    *message = Msg::empty();
    Ok(size)
}

/// Receives a message part into the caller's message, whose old content is let go.
///
/// # Safety
///
/// As [`send_message`].
#[inline(always)]
pub(crate) unsafe fn receive_message(
    handle: *mut c_void,
    message: *mut Msg,
    flags: c_int,
) -> Result<c_int, c_int> {
    // SAFETY: the caller's promise.
    let handle = unsafe { socket(handle) }?;
    // SAFETY: as above.
    let message = unsafe { valid(message) }?;
    let mut group = None;
    let more = message.receive(|slot, profile| handle.receive_part(flags, slot, profile, &mut group))?;
    if group.is_some() {
        message.set_group(group);
    }
    message.set_more(more);
    Ok(size_for_c(message.size()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send(
    handle: *mut c_void,
    data: *const c_void,
    size: usize,
    flags: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        // SAFETY: the caller's octets.
        let octets = unsafe { slice(data.cast::<u8>(), size) }.ok_or(EFAULT)?;
        if handle.is_whole(flags) {
            handle.send_octets(octets, flags)?;
        } else {
            handle.send_part_by_type(Body::Short(octets), Envelope::NONE, flags)?;
        }
        Ok(size_for_c(size))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send_const(
    handle: *mut c_void,
    data: *const c_void,
    size: usize,
    flags: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        // SAFETY: the caller's octets, which stay for as long as the process lives.
        let octets: &'static [u8] = unsafe { slice(data.cast::<u8>(), size) }.ok_or(EFAULT)?;
        let frame = Frame::from_bytes(bytes::Bytes::from_static(octets));
        handle.send_part(Body::Frame(frame), Envelope::NONE, flags)?;
        Ok(size_for_c(size))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recv(
    handle: *mut c_void,
    data: *mut c_void,
    size: usize,
    flags: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        if data.is_null() && size > 0 {
            return Err(EFAULT);
        }
        let mut message = Message::default();
        handle.receive_part(flags, &mut message, &mut None, &mut None)?;
        let body = message.as_slice();
        let copied = body.len().min(size);
        if copied > 0 {
            // SAFETY: the caller's buffer has `size` octets; the body has at least as many as are copied.
            unsafe { std::ptr::copy_nonoverlapping(body.as_ptr(), data.cast(), copied) };
        }
        Ok(size_for_c(body.len()))
    })
}

/// Sends an array of buffers as the parts of one message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendiov(
    handle: *mut c_void,
    parts: *mut libc::iovec,
    count: usize,
    flags: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        if count == 0 {
            return Err(EINVAL);
        }
        // SAFETY: the caller gives `count` entries.
        let parts = unsafe { slice(parts.cast_const(), count) }.ok_or(EINVAL)?;
        let mut last = 0;
        for (index, part) in parts.iter().enumerate() {
            // SAFETY: each entry has as many octets as it says.
            let octets = unsafe { slice(part.iov_base.cast::<u8>(), part.iov_len) }.ok_or(EFAULT)?;
            let is_last = index + 1 == count;
            let flags = if is_last { flags & !SNDMORE } else { flags };
            handle.send_part(Body::Short(octets), Envelope::NONE, flags)?;
            last = size_for_c(octets.len());
        }
        Ok(last)
    })
}

/// Receives the parts of one message into an array; each gets a buffer from `malloc`, to be freed by the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recviov(
    handle: *mut c_void,
    parts: *mut libc::iovec,
    count: *mut usize,
    flags: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        if parts.is_null() || count.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: not null; the caller's place.
        let room = unsafe { *count };
        if room == 0 {
            return Err(EINVAL);
        }
        // SAFETY: as above.
        unsafe { *count = 0 };
        let mut received = 0;
        while received < room {
            let mut message = Message::default();
            let more = handle.receive_part(flags, &mut message, &mut None, &mut None)?;
            let body = message.as_slice();
            let size = body.len();
            // SAFETY: a plain allocation; never of zero octets, which might give null.
            let buffer = unsafe { libc::malloc(size.max(1)) };
            if buffer.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: the buffer was made for as many octets; the entry is one of the caller's `room`.
            unsafe {
                std::ptr::copy_nonoverlapping(body.as_ptr(), buffer.cast(), size);
                *parts.add(received) = libc::iovec { iov_base: buffer, iov_len: size };
            }
            received += 1;
            // SAFETY: as above.
            unsafe { *count = received };
            if !more {
                break;
            }
        }
        Ok(size_for_c(received))
    })
}
