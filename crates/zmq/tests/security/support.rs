//! Keys, monitors, and a handler that answers as it is told.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tamtam_zmq::{
    Context, CurveKeyPair, EventKind, HandshakeCause, Message, Monitor, Options, RecvError, Socket,
    SocketType,
};

use super::common::PATIENCE;

pub(crate) fn keys() -> CurveKeyPair {
    CurveKeyPair::generate().unwrap()
}

/// A socket with these options, and patience.
pub(crate) fn socket(context: &Context, kind: SocketType, change: impl FnOnce(&mut Options)) -> Socket {
    let socket = Socket::new(context, kind);
    socket
        .configure(|options| {
            options.set_send_timeout(Some(PATIENCE)).set_receive_timeout(Some(PATIENCE));
            options.set_reconnect_interval(Some(Duration::from_millis(10)));
            change(options);
        })
        .unwrap();
    socket
}

/// Waits for the next handshake that fails, and returns what it failed of.
pub(crate) fn failure(monitor: &Monitor) -> (HandshakeCause, String) {
    let until = Instant::now() + PATIENCE;
    while let Some(event) = monitor.recv_timeout(until.saturating_duration_since(Instant::now())) {
        match event.kind {
            EventKind::HandshakeFailed { reason, cause } => return (cause, reason),
            EventKind::HandshakeSucceeded { .. } => panic!("it was let in"),
            _ => {}
        }
    }
    panic!("no handshake fails");
}

/// A handler of 27/ZAP in a thread of its own.
pub(crate) struct Handler {
    stop: Option<JoinHandle<()>>,
    stopper: Socket,
    pub(crate) requests: mpsc::Receiver<Vec<String>>,
}

impl Handler {
    /// Answers each request with what `reply` makes of its frames, version and request id included.
    pub(crate) fn start(
        context: &Context,
        reply: impl Fn(&[String]) -> Option<Vec<Vec<u8>>> + Send + 'static,
    ) -> Self {
        Self::start_as(context, SocketType::Rep, reply)
    }

    /// The same as a REP or a ROUTER.
    pub(crate) fn start_as(
        context: &Context,
        kind: SocketType,
        reply: impl Fn(&[String]) -> Option<Vec<Vec<u8>>> + Send + 'static,
    ) -> Self {
        let handler = Socket::new(context, kind);
        handler
            .configure(|options| {
                options.set_receive_timeout(Some(Duration::from_millis(20)));
            })
            .unwrap();
        handler.bind("inproc://zeromq.zap.01").unwrap();
        let (told, requests) = mpsc::channel();
        let stopper = Socket::new(context, SocketType::Pair);
        let stopped = Socket::new(context, SocketType::Pair);
        let endpoint = super::common::fresh("inproc");
        stopper.bind(&endpoint).unwrap();
        stopped.connect(&endpoint).unwrap();
        let thread = std::thread::spawn(move || {
            while stopped.try_recv().is_err() {
                let request = match handler.recv() {
                    Ok(request) => request,
                    Err(RecvError::WouldBlock | RecvError::TimedOut) => continue,
                    Err(_) => return,
                };
                let frames: Vec<Vec<u8>> = request.frames().map(|frame| frame.to_vec()).collect();
                let front = if kind == SocketType::Rep { 0 } else { 2 };
                let text: Vec<String> =
                    frames[front..].iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect();
                let _ = told.send(text.clone());
                match reply(&text) {
                    Some(reply) => {
                        let reply = frames[..front].iter().cloned().chain(reply);
                        handler.send(Message::from_frames(reply).unwrap()).unwrap();
                    }
                    // A REP that has not answered could not receive again.
                    None if kind == SocketType::Rep => {
                        while stopped.recv().is_err() {}
                        return;
                    }
                    None => {}
                }
            }
        });
        Self { stop: Some(thread), stopper, requests }
    }

    /// Returns the next request.
    pub(crate) fn request(&self) -> Vec<String> {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        let _ = self.stopper.send("stop");
        if let Some(thread) = self.stop.take() {
            let _ = thread.join();
        }
    }
}

/// A reply with this status, user id and metadata to a request.
pub(crate) fn reply(request: &[String], status: &str, user: &str, metadata: &[u8]) -> Option<Vec<Vec<u8>>> {
    let frame = |text: &str| text.as_bytes().to_vec();
    Some(vec![frame("1.0"), frame(&request[1]), frame(status), frame("text"), frame(user), metadata.to_vec()])
}
