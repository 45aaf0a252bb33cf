//! `zmq_proxy`, `zmq_proxy_steerable`, `zmq_device`.

use std::ffi::{c_int, c_void};

use tamtam_zmq::{Frame, Message, Proxy, ProxyControl, ProxyError, ProxyStatistics, SocketType};

use crate::errno::{EFAULT, ETERM, of_io, of_receive, of_send};
use crate::guard::guarded;
use crate::socket::{Handle, socket};

fn of_proxy(error: &ProxyError) -> c_int {
    match error {
        ProxyError::Receive(error) => of_receive(*error),
        ProxyError::Send(error) => of_send(error),
        ProxyError::Io(error) => of_io(error),
        _ => EFAULT,
    }
}

/// Writes statistics as the eight parts of libzmq's answer: what the front received and sent, what the back received and
/// sent, each in messages and octets.
fn answer(statistics: &ProxyStatistics) -> Message {
    let forth = [statistics.messages_front_to_back, statistics.bytes_front_to_back];
    let back = [statistics.messages_back_to_front, statistics.bytes_back_to_front];
    let numbers = [forth, back, back, forth];
    let frames = numbers.iter().flatten().map(|number| Frame::copy_from(&number.to_ne_bytes()));
    Message::from_frames(frames).unwrap_or_else(|| Message::new(Frame::new()))
}

/// Obeys one command.
fn obey(handle: &Handle, command: &Message, control: &ProxyControl) -> Result<(), ProxyError> {
    match command.as_slice() {
        b"STATISTICS" => {
            handle.socket.send(answer(&control.statistics()))?;
            return Ok(());
        }
        b"PAUSE" => control.pause(),
        b"RESUME" => control.resume(),
        b"TERMINATE" => control.terminate(),
        _ => {}
    }
    if handle.kind() == SocketType::Rep {
        handle.socket.send(Message::new(Frame::new()))?;
    }
    Ok(())
}

/// Hands messages on until a command or the context ends it.
///
/// # Safety
///
/// The handles are null or ours.
unsafe fn run(
    front: *mut c_void,
    back: *mut c_void,
    capture: *mut c_void,
    commands: *mut c_void,
) -> Result<c_int, c_int> {
    if front.is_null() || back.is_null() {
        return Err(EFAULT);
    }
    // SAFETY: the caller's handles.
    let (front, back) = unsafe { (socket(front)?, socket(back)?) };
    let same = std::ptr::eq(front, back);
    let back_socket = if same { &front.socket } else { &back.socket };
    let mut proxy = Proxy::new(&front.socket, back_socket);
    if !capture.is_null() {
        // SAFETY: the caller's handle.
        proxy = proxy.capture_blocking(&unsafe { socket(capture) }?.socket);
    }
    if !commands.is_null() {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(commands) }?;
        proxy = proxy.attend(&handle.socket, move |command, control| obey(handle, &command, control));
    }
    proxy.run().map_err(|error| of_proxy(&error))?;
    if front.context.engine.is_shut_down() {
        return Err(ETERM);
    }
    Ok(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_proxy(front: *mut c_void, back: *mut c_void, capture: *mut c_void) -> c_int {
    // SAFETY: the caller's handles.
    guarded(|| unsafe { run(front, back, capture, std::ptr::null_mut()) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_proxy_steerable(
    front: *mut c_void,
    back: *mut c_void,
    capture: *mut c_void,
    commands: *mut c_void,
) -> c_int {
    // SAFETY: the caller's handles.
    guarded(|| unsafe { run(front, back, capture, commands) })
}

/// The oldest way to run a proxy; the type says nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_device(kind: c_int, front: *mut c_void, back: *mut c_void) -> c_int {
    let _ = kind;
    // SAFETY: the caller's handles.
    guarded(|| unsafe { run(front, back, std::ptr::null_mut(), std::ptr::null_mut()) })
}
