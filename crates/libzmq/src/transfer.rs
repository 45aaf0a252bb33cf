//! Sending and receiving, part by part as C does it.

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tamtam_zmq::{Frame, Message, PeerProfile, SendError, SocketType};

use crate::errno::{EFAULT, EINVAL, ENOMEM, of_receive, of_send};
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

    /// Takes one part; with the last one the message goes. A part that is refused comes back.
    fn send_part(&self, frame: Frame, flags: c_int) -> Result<(), (c_int, Frame)> {
        // A STREAM's message is two parts long, whatever the flag of the second says.
        let ends = self.kind() == SocketType::Stream && self.is_sending.load(Ordering::Relaxed);
        let more = flags & SNDMORE != 0 && !ends;
        if !self.is_sending.load(Ordering::Relaxed) {
            if !more {
                return self.send_whole(Message::new(frame), flags).map_err(refused);
            }
            if self.kind().is_single_part() {
                return Err((EINVAL, frame));
            }
            // Whoever cannot send has to learn it with the first part.
            let timeout = if flags & DONTWAIT != 0 {
                Some(Duration::ZERO)
            } else {
                *self.socket.options().send_timeout()
            };
            if let Err(error) = self.socket.wait_to_send(&frame, timeout) {
                return Err((of_send(&error), frame));
            }
        }
        let mut outgoing = self.outgoing();
        if more {
            outgoing.push(frame);
            self.is_sending.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let parts = std::mem::take(&mut *outgoing);
        drop(outgoing);
        let Some(mut message) = Message::from_frames(parts) else {
            return self.send_whole(Message::new(frame), flags).map_err(refused);
        };
        message.push_back(frame);
        match self.send_whole(message, flags) {
            Ok(()) => {
                self.is_sending.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                // The parts before wait for the last one to be sent again, unless the message can go nowhere.
                let code = of_send(&error);
                let mut frames: Vec<Frame> = error.into_message().into_frames().collect();
                let last = frames.pop().unwrap_or_default();
                let lost = matches!(code, libc::EHOSTUNREACH);
                if lost {
                    frames.clear();
                }
                self.is_sending.store(!frames.is_empty(), Ordering::Relaxed);
                *self.outgoing() = frames;
                Err((code, last))
            }
        }
    }

    /// Receives the next part.
    fn receive_part(&self, flags: c_int) -> Result<Part, c_int> {
        if self.is_receiving.load(Ordering::Relaxed) {
            let mut incoming = self.incoming();
            if let Some(frame) = incoming.frames.pop_front() {
                let part = Part {
                    frame,
                    more: !incoming.frames.is_empty(),
                    profile: incoming.profile.clone(),
                    routing_id: incoming.routing_id,
                };
                if !part.more {
                    *incoming = Incoming::default();
                    self.is_receiving.store(false, Ordering::Relaxed);
                }
                drop(incoming);
                self.more.store(part.more, Ordering::Relaxed);
                return Ok(part);
            }
        }
        let wait = flags & DONTWAIT == 0;
        let (message, profile) = self.socket.recv_with_profile(wait).map_err(of_receive)?;
        let routing_id = 0;
        let more = message.is_multipart();
        self.more.store(more, Ordering::Relaxed);
        let (frame, rest) = message.split_first();
        if let Some(rest) = rest {
            let mut incoming = self.incoming();
            incoming.frames = rest.into_frames().collect();
            incoming.profile.clone_from(&profile);
            incoming.routing_id = routing_id;
            self.is_receiving.store(true, Ordering::Relaxed);
        }
        Ok(Part { frame, more, profile, routing_id })
    }
}

fn refused(error: SendError) -> (c_int, Frame) {
    (of_send(&error), error.into_message().split_first().0)
}

/// One part of a message that was received.
struct Part {
    frame: Frame,
    more: bool,
    profile: Option<Arc<PeerProfile>>,
    routing_id: u32,
}

impl Part {
    fn into_message(self) -> Msg {
        let mut message = Msg::of_frame(self.frame);
        message.set_more(self.more);
        message.set_profile(self.profile);
        message.set_routing_id(self.routing_id);
        message
    }
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
    handle.send_part(message.frame(), flags).map_err(|(code, _)| code)?;
    message.clear();
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
    let part = handle.receive_part(flags)?;
    let size = size_for_c(part.frame.len());
    let received = part.into_message();
    message.clear();
    *message = received;
    Ok(size)
}

/// Reads a caller's buffer.
///
/// # Safety
///
/// `data` has `size` readable octets, or `size` is zero.
unsafe fn octets<'a>(data: *const c_void, size: usize) -> Result<&'a [u8], c_int> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() || isize::try_from(size).is_err() {
        return Err(EFAULT);
    }
    // SAFETY: not null; the caller gives `size` octets.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
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
        let octets = unsafe { octets(data, size) }?;
        handle.send_part(Frame::copy_from(octets), flags).map_err(|(code, _)| code)?;
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
        let octets: &'static [u8] = unsafe { octets(data, size) }?;
        let frame = Frame::from_bytes(bytes::Bytes::from_static(octets));
        handle.send_part(frame, flags).map_err(|(code, _)| code)?;
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
        let part = handle.receive_part(flags)?;
        let copied = part.frame.len().min(size);
        if copied > 0 {
            // SAFETY: the caller's buffer has `size` octets; the frame has at least as many as are copied.
            unsafe { std::ptr::copy_nonoverlapping(part.frame.as_ptr(), data.cast(), copied) };
        }
        Ok(size_for_c(part.frame.len()))
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
        if count == 0 || parts.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: the caller gives `count` entries.
        let parts = unsafe { std::slice::from_raw_parts(parts, count) };
        let mut last = 0;
        for (index, part) in parts.iter().enumerate() {
            // SAFETY: each entry has as many octets as it says.
            let octets = unsafe { octets(part.iov_base, part.iov_len) }?;
            let is_last = index + 1 == count;
            let flags = if is_last { flags & !SNDMORE } else { flags | SNDMORE };
            handle.send_part(Frame::copy_from(octets), flags).map_err(|(code, _)| code)?;
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
        let mut received = 0;
        while received < room {
            let part = handle.receive_part(flags)?;
            let size = part.frame.len();
            // SAFETY: a plain allocation; never of zero octets, which might give null.
            let buffer = unsafe { libc::malloc(size.max(1)) };
            if buffer.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: the buffer was made for as many octets; the entry is one of the caller's `room`.
            unsafe {
                std::ptr::copy_nonoverlapping(part.frame.as_ptr(), buffer.cast(), size);
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

/// What a type can carry.
trait SinglePart {
    /// Whether its messages have one part only.
    fn is_single_part(self) -> bool;
}

impl SinglePart for SocketType {
    fn is_single_part(self) -> bool {
        // CLIENT, SERVER, RADIO, DISH, GATHER, SCATTER, PEER, CHANNEL.
        matches!(self.number(), 12..=17 | 19 | 20)
    }
}
