//! `zmq_socket_monitor`: a socket's events as messages of another socket.

use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tamtam_zmq::{
    EventKind, Frame, HandshakeCause, Message, Monitor, MonitorEvent, PeerId, SendError, Socket, SocketType,
};

use crate::errno::{EINVAL, EPROTONOSUPPORT, of_bind, of_io};
use crate::guard::guarded;
use crate::socket::{Handle, socket};
use crate::spawn::spawn;

const CONNECTED: u64 = 0x0001;
const CONNECT_DELAYED: u64 = 0x0002;
const CONNECT_RETRIED: u64 = 0x0004;
const LISTENING: u64 = 0x0008;
const BIND_FAILED: u64 = 0x0010;
const ACCEPTED: u64 = 0x0020;
const ACCEPT_FAILED: u64 = 0x0040;
const CLOSED: u64 = 0x0080;
const DISCONNECTED: u64 = 0x0200;
const MONITOR_STOPPED: u64 = 0x0400;
const HANDSHAKE_FAILED_NO_DETAIL: u64 = 0x0800;
const HANDSHAKE_SUCCEEDED: u64 = 0x1000;
const HANDSHAKE_FAILED_PROTOCOL: u64 = 0x2000;
const HANDSHAKE_FAILED_AUTH: u64 = 0x4000;

/// Events that may wait for the pump; beyond, the oldest go and are counted.
const QUEUE_MAX: usize = 65_536;
/// Messages that may wait for the application.
const MARK: u32 = 65_536;
/// How often a pump whose application does not read looks whether it shall end.
const PATIENCE: Duration = Duration::from_millis(100);

/// Takes a socket's events from the engine to the socket that the application reads: a thread, so that an application that
/// does not read holds up nobody.
pub(crate) struct Pump {
    thread: Option<JoinHandle<()>>,
    /// What nobody reads is given up from now on.
    ending: Arc<AtomicBool>,
    #[cfg_attr(
        not(feature = "draft"),
        expect(dead_code, reason = "only the draft interface asks for statistics")
    )]
    out: Arc<Socket>,
    #[cfg_attr(
        not(feature = "draft"),
        expect(dead_code, reason = "only the draft interface asks for statistics")
    )]
    version: c_int,
}

impl Pump {
    fn start(handle: &Handle, out: Socket, events: u64, version: c_int) -> Result<Self, c_int> {
        let monitor = handle.socket.monitor(QUEUE_MAX);
        let out = Arc::new(out);
        let to = Arc::clone(&out);
        let ending = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ending);
        let thread = spawn("tamtam-monitor", move || pump(&monitor, &to, events, version, &ends))
            .map_err(|error| of_io(&error))?;
        Ok(Self { thread: Some(thread), ending, out, version })
    }

    /// The monitored socket is closed: the pump ends with the last event, by itself.
    pub(crate) fn let_go(self) {
        self.ending.store(true, Ordering::Release);
    }

    /// The monitor is taken off: waits until the last event is handed over and the name is free again.
    fn finish(mut self) {
        self.ending.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pump(monitor: &Monitor, out: &Socket, events: u64, version: c_int, ending: &AtomicBool) {
    let mut story = Story::default();
    while let Some(event) = monitor.recv() {
        let stopped = matches!(event.kind, EventKind::Stopped);
        for (number, value) in story.tell(&event) {
            if number & events != 0 {
                hand_over(out, encode(version, number, value, &event), ending);
            }
        }
        if stopped {
            break;
        }
    }
}

/// Waits for an application that does not read (or is not connected yet), as long as it may come; meanwhile events wait in
/// the engine's queue, whose oldest go.
fn hand_over(out: &Socket, mut message: Message, ending: &AtomicBool) {
    loop {
        let result = if ending.load(Ordering::Acquire) {
            out.try_send(message)
        } else {
            out.send_timeout(message, PATIENCE)
        };
        match result {
            Err(SendError::TimedOut(back)) => message = back,
            _ => return,
        }
    }
}

/// What libzmq's sequence of events depends on.
#[derive(Default)]
struct Story {
    /// Peers that were accepted: their connection stands already.
    accepted: HashSet<PeerId>,
    /// Peers that an attempt to connect is made for.
    attempted: HashSet<PeerId>,
}

impl Story {
    /// Returns libzmq's events, with their values, for one of the engine's.
    fn tell(&mut self, event: &MonitorEvent) -> Vec<(u64, u64)> {
        let plain = number_and_value(event);
        let Some(peer) = event.peer else { return vec![plain] };
        match &event.kind {
            EventKind::Accepted => {
                self.accepted.insert(peer);
            }
            EventKind::ConnectDelayed => {
                self.attempted.insert(peer);
                if event.endpoint.starts_with("ipc://") {
                    // Takes no time.
                    return Vec::new();
                }
            }
            EventKind::Connected => {
                self.attempted.remove(&peer);
                if self.accepted.remove(&peer) {
                    return Vec::new();
                }
            }
            // The descriptor of an attempt that failed is closed before the next one is scheduled.
            EventKind::ConnectRetried { .. } if self.attempted.remove(&peer) => {
                return vec![(CLOSED, 0), plain];
            }
            EventKind::HandshakeFailed { .. } => {
                let fd = event.fd.and_then(|fd| u64::try_from(fd).ok()).unwrap_or_default();
                return vec![plain, (DISCONNECTED, fd)];
            }
            _ => {}
        }
        vec![plain]
    }
}

/// Which of libzmq's events it is, and the number that goes with it.
fn number_and_value(event: &MonitorEvent) -> (u64, u64) {
    let fd = || event.fd.and_then(|fd| u64::try_from(fd).ok()).unwrap_or_default();
    let error = |error: c_int| u64::from(error.unsigned_abs());
    match &event.kind {
        EventKind::Listening => (LISTENING, fd()),
        EventKind::BindFailed { code, .. } => (BIND_FAILED, error(code.unwrap_or(EINVAL))),
        EventKind::Accepted => (ACCEPTED, fd()),
        EventKind::AcceptFailed { .. } => (ACCEPT_FAILED, error(crate::errno::EMFILE)),
        EventKind::ConnectDelayed => (CONNECT_DELAYED, error(libc::EINPROGRESS)),
        EventKind::ConnectRetried { after, .. } => (CONNECT_RETRIED, milliseconds(*after)),
        EventKind::Connected => (CONNECTED, fd()),
        EventKind::HandshakeSucceeded { .. } => (HANDSHAKE_SUCCEEDED, 0),
        EventKind::HandshakeFailed { cause, .. } => match *cause {
            HandshakeCause::Protocol(code) => (HANDSHAKE_FAILED_PROTOCOL, u64::from(code.number())),
            HandshakeCause::Authentication(status) => (HANDSHAKE_FAILED_AUTH, u64::from(status)),
            HandshakeCause::NoHandler => (HANDSHAKE_FAILED_NO_DETAIL, error(libc::EFAULT)),
            HandshakeCause::Closed => (HANDSHAKE_FAILED_NO_DETAIL, error(libc::EPIPE)),
            HandshakeCause::TimedOut => (HANDSHAKE_FAILED_NO_DETAIL, error(libc::ETIMEDOUT)),
            _ => (HANDSHAKE_FAILED_NO_DETAIL, error(libc::EPROTO)),
        },
        EventKind::Disconnected { .. } => (DISCONNECTED, fd()),
        EventKind::Closed => (CLOSED, fd()),
        EventKind::Stopped => (MONITOR_STOPPED, 0),
        _ => (0, 0),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Writes an event as libzmq does: version 1 in two parts, version 2 in five or more.
fn encode(version: c_int, number: u64, value: u64, event: &MonitorEvent) -> Message {
    let endpoint = Frame::from(event.endpoint.as_bytes());
    if version == 1 {
        let mut head = [0; 6];
        let (event_part, value_part) = head.split_at_mut(2);
        event_part.copy_from_slice(&u16::try_from(number).unwrap_or_default().to_ne_bytes());
        value_part.copy_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_ne_bytes());
        let mut message = Message::new(Frame::copy_from(&head));
        message.push_back(endpoint);
        return message;
    }
    let mut message = Message::new(Frame::copy_from(&number.to_ne_bytes()));
    message.push_back(Frame::copy_from(&1_u64.to_ne_bytes()));
    message.push_back(Frame::copy_from(&value.to_ne_bytes()));
    message.push_back(Frame::from(event.local.as_deref().unwrap_or_default().as_bytes()));
    message.push_back(Frame::from(event.remote.as_deref().unwrap_or_default().as_bytes()));
    message
}

/// Begins to monitor, or ends it where no address is given.
fn monitor(
    handle: &Handle,
    address: Option<&CStr>,
    events: u64,
    version: c_int,
    kind: c_int,
) -> Result<(), c_int> {
    handle.check_context()?;
    if version != 1 && version != 2 || version == 1 && events > 0xFFFF {
        return Err(EINVAL);
    }
    let address = address.map(|address| address.to_str().map_err(|_| EINVAL)).transpose()?;
    match address.map(|address| address.split_once("://")) {
        Some(None) => return Err(EINVAL),
        Some(Some((transport, _))) if transport != "inproc" => return Err(EPROTONOSUPPORT),
        _ => {}
    }
    let old = handle.monitor().take();
    if let Some(old) = old {
        handle.socket.stop_monitor();
        if handle.context.is_foreign() {
            // A fork's child does not have the thread.
            old.let_go();
        } else {
            old.finish();
        }
    }
    let kind = SocketType::from_number(kind)
        .filter(|kind| matches!(kind, SocketType::Pair | SocketType::Pub | SocketType::Push))
        .ok_or(EINVAL)?;
    let Some(address) = address.filter(|_| events != 0) else { return Ok(()) };
    let out = Socket::new(&handle.context.engine, kind);
    let linger = out.configure(|options| {
        options.set_linger(Some(Duration::ZERO)).set_send_hwm(MARK);
    });
    linger.map_err(|error| crate::errno::of_option(&error))?;
    out.bind(address).map_err(|error| of_bind(&error))?;
    let pump = Pump::start(handle, out, events, version)?;
    *handle.monitor() = Some(pump);
    Ok(())
}

/// Reads a caller's string; null is none.
///
/// # Safety
///
/// `text` is null or a string with its end.
unsafe fn optional<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor(
    handle: *mut c_void,
    address: *const c_char,
    events: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle and string.
        let (handle, address) = unsafe { (socket(handle)?, optional(address)) };
        monitor(
            handle,
            address,
            u64::from(events.cast_unsigned()),
            1,
            c_int::from(SocketType::Pair.number()),
        )?;
        Ok(0)
    })
}

/// Monitors with a choice of the events' form and of the type of socket that carries them.
#[cfg(feature = "draft")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor_versioned(
    handle: *mut c_void,
    address: *const c_char,
    events: u64,
    version: c_int,
    kind: c_int,
) -> c_int {
    guarded(|| {
        // SAFETY: the caller's handle and string.
        let (handle, address) = unsafe { (socket(handle)?, optional(address)) };
        monitor(handle, address, events, version, kind)?;
        Ok(0)
    })
}

/// Has the monitor tell how much waits, one event for each peer: what is queued for it, what it brought.
#[cfg(feature = "draft")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor_pipes_stats(handle: *mut c_void) -> c_int {
    const PIPES_STATS: u64 = 0x10000;
    guarded(|| {
        // SAFETY: the caller's handle.
        let handle = unsafe { socket(handle) }?;
        let monitor = handle.monitor();
        let pump = monitor.as_ref().filter(|pump| pump.version == 2).ok_or(EINVAL)?;
        let peers = handle.socket.peers();
        if peers.is_empty() {
            return Err(crate::errno::EAGAIN);
        }
        // libzmq learns of what was read in batches of half the mark, and counts so.
        let batch = u64::from(handle.socket.shared_options().send_hwm().div_ceil(2)).max(1);
        for peer in peers {
            let queued = peer.queued_out.next_multiple_of(batch);
            let numbers = [PIPES_STATS, 2, queued, peer.queued_in];
            let mut frames: Vec<Frame> =
                numbers.iter().map(|number| Frame::copy_from(&number.to_ne_bytes())).collect();
            let remote = if peer.remote.contains("://") { peer.remote } else { "ipc://".to_owned() };
            frames.extend([Frame::from(peer.endpoint.as_bytes()), Frame::from(remote.as_bytes())]);
            if let Some(message) = Message::from_frames(frames) {
                // A full queue drops: nobody reads.
                let _ = pump.out.try_send(message);
            }
        }
        Ok(0)
    })
}
