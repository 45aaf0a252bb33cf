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
    fn send_one(&self, body: Body<'_>, flags: c_int) -> Result<(), SendError> {
        match body {
            Body::Short(octets) => self.socket.send_slice(octets, flags & DONTWAIT == 0),
            Body::Frame(frame) => self.send_whole(Message::new(frame), flags),
        }
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
    fn send_part(&self, body: Body<'_>, envelope: Envelope<'_>, flags: c_int) -> Result<(), c_int> {
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
                return self.send_one(body, flags).map_err(|error| of_send(&error));
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
            return self.send_one(body, flags).map_err(|error| of_send(&error));
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

    /// Receives the next part into `message`.
    fn receive_part(&self, flags: c_int, message: &mut Message, part: &mut Part) -> Result<(), c_int> {
        if self.is_receiving.load(Ordering::Relaxed) {
            let mut incoming = self.incoming();
            if let Some(frame) = incoming.frames.pop_front() {
                *message = Message::new(frame);
                message.set_routing_id(incoming.routing_id);
                part.profile.clone_from(&incoming.profile);
                part.more = !incoming.frames.is_empty();
                if !part.more {
                    *incoming = Incoming::default();
                    self.is_receiving.store(false, Ordering::Relaxed);
                }
                drop(incoming);
                self.more.store(part.more, Ordering::Relaxed);
                if part.more {
                    self.keep_level();
                }
                return Ok(());
            }
        }
        let wait = flags & DONTWAIT == 0;
        self.socket.recv_into_with_profile(wait, message, &mut part.profile).map_err(of_receive)?;
        part.more = message.is_multipart();
        if part.more && self.kind() == SocketType::Dish {
            part.group = Some(message.take_first());
            let body = message.take_rest().pop_front();
            *message = Message::new(body.unwrap_or_default());
            part.more = false;
        }
        self.more.store(part.more, Ordering::Relaxed);
        if part.more {
            let mut incoming = self.incoming();
            incoming.frames = message.take_rest();
            incoming.profile.clone_from(&part.profile);
            incoming.routing_id = message.routing_id();
            self.is_receiving.store(true, Ordering::Relaxed);
            drop(incoming);
            self.keep_level();
        }
        Ok(())
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

/// What goes with a part that was received.
#[derive(Default)]
struct Part {
    more: bool,
    profile: Option<Arc<PeerProfile>>,
    group: Option<Frame>,
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
pub(crate) unsafe fn receive_message(
    handle: *mut c_void,
    message: *mut Msg,
    flags: c_int,
) -> Result<c_int, c_int> {
    // SAFETY: the caller's promise.
    let handle = unsafe { socket(handle) }?;
    // SAFETY: as above.
    let message = unsafe { valid(message) }?;
    // Most often it comes from the same peer as the message before.
    let mut part = Part { profile: message.take_profile(), ..Part::default() };
    let mut routing_id = 0;
    let received = message.receive(|slot| {
        handle.receive_part(flags, slot, &mut part)?;
        routing_id = slot.routing_id();
        Ok(())
    });
    message.set_profile(part.profile);
    message.set_routing_id(routing_id);
    message.set_group(part.group.and_then(|group| CString::new(group.to_vec()).ok()));
    message.set_more(part.more);
    received?;
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
        handle.send_part(Body::Short(octets), Envelope::NONE, flags)?;
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
        handle.receive_part(flags, &mut message, &mut Part::default())?;
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
            let (mut message, mut part) = (Message::default(), Part::default());
            handle.receive_part(flags, &mut message, &mut part)?;
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
            if !part.more {
                break;
            }
        }
        Ok(size_for_c(received))
    })
}
