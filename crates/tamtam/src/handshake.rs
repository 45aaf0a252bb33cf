//! The textbook's handshake, for the plain dialect: subscribers say by a request that they are there ("syncsub" of the ZeroMQ
//! guide), and go on when the publisher has answered ("syncpub").
//!
//! The request goes over another connection than the subscription, and proves nothing about it. So the publisher's side holds its
//! answer back until as many subscriptions have come as requests, and the subscriber's side asks only once its own are on their
//! way. Programs that do neither take part as ever.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tamtam_zmq::{PeerState, PeerStatistics, RecvError, Socket, SocketType};

use crate::error::Error;
use crate::node::Node;
use crate::subscriber::SubscriberCore;

/// How long an answer is waited for before it is looked whether the request is lost.
const SLICE: Duration = Duration::from_secs(1);

/// The publisher's side: answers requests on a thread of its own.
pub(crate) struct Greeter {
    shared: Arc<Shared>,
    endpoint: String,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    socket: Socket,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Subscriptions that have come, those that are gone again included.
    attached: u64,
    /// Requests that were answered.
    answered: u64,
    /// Requests are there that were not.
    is_asked: bool,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn work(&self) {
        while self.socket.recv().is_ok() {
            self.change(|state| state.is_asked = true);
            while self.answer() && self.socket.try_recv().is_ok() {}
            self.change(|state| state.is_asked = false);
        }
    }

    /// Answers a request when it is time; also at the end, so that whoever has asked does not wait for ever.
    fn answer(&self) -> bool {
        let mut state = self.lock();
        while state.attached <= state.answered && !state.is_over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let is_sent = self.socket.send("").is_ok();
        self.change(|state| state.answered += u64::from(is_sent));
        is_sent
    }
}

impl Greeter {
    pub(crate) fn begin(node: &Node, endpoint: &str) -> Result<Self, Error> {
        let socket = Socket::new(&node.core.context, SocketType::Rep);
        let endpoint =
            socket.bind(endpoint).map_err(|error| Error::socket(format!("bind {endpoint}"), error))?;
        let shared = Arc::new(Shared { socket, state: Mutex::default(), changed: Condvar::new() });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("tamtam-sync".to_owned()).spawn(move || worker.work());
        Ok(Self { shared, endpoint, thread: Mutex::new(Some(thread?)) })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// One more subscription has come.
    pub(crate) fn attached(&self) {
        self.shared.change(|state| state.attached += 1);
    }

    /// Waits, at most `timeout`, until so many requests were answered; how many were if that is over.
    pub(crate) fn wait(&self, count: usize, timeout: Duration) -> Result<(), usize> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.shared.lock();
        loop {
            let answered = usize::try_from(state.answered).unwrap_or(usize::MAX);
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if answered >= count {
                return Ok(());
            }
            if left.is_zero() || state.is_over {
                return Err(answered);
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Answers who has asked so far, and ends; waits at most `patience` for the answers to be delivered.
    pub(crate) fn end(&self, patience: Duration) {
        let began = Instant::now();
        self.shared.change(|state| state.is_over = true);
        let _answered = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), patience, |state| state.is_asked)
            .unwrap_or_else(PoisonError::into_inner);
        let _delivered = self.shared.socket.shut_within(patience.saturating_sub(began.elapsed()));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ended = thread.join();
        }
    }
}

/// The subscriber's side: asks once the subscriber is connected to all that it was told to connect to.
pub(crate) fn ask(
    node: &Node,
    subscriber: &Arc<SubscriberCore>,
    endpoint: &str,
    publishers: usize,
) -> Result<Arc<Socket>, Error> {
    let socket = Socket::new(&node.core.context, SocketType::Req);
    socket
        .configure(|options| {
            // A request goes to somebody who is there, or stays here; one that is lost may be repeated.
            options.set_immediate(true).set_req_relaxed(true).set_linger(Some(Duration::ZERO));
        })
        .map_err(|error| Error::socket("sync", error))?;
    socket.connect(endpoint).map_err(|error| Error::socket(format!("connect {endpoint}"), error))?;
    let socket = Arc::new(socket);
    let (subscriber, asking) = (Arc::clone(subscriber), Arc::clone(&socket));
    std::thread::Builder::new().name("tamtam-sync".to_owned()).spawn(move || {
        // A peer that is ready has been told of the subscription.
        if subscriber.socket.wait_for_peers(publishers, Duration::MAX).is_err() {
            return;
        }
        while asking.send("").is_ok() {
            let asked = Instant::now();
            // Who was asked counts the request: it is repeated only if nobody can answer it any more.
            let is_that_one = |peer: &PeerStatistics| {
                peer.state == PeerState::Ready && peer.since.is_some_and(|since| since <= asked)
            };
            let is_there = || asking.peers().iter().any(is_that_one);
            loop {
                match asking.recv_timeout(SLICE) {
                    Err(RecvError::TimedOut) if is_there() => {}
                    Err(RecvError::TimedOut) => break,
                    _ => return,
                }
            }
        }
    })?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who has asked is answered at the end at the latest.
    #[test]
    fn the_end_answers_who_has_asked() {
        let place = tempfile::tempdir().unwrap();
        let node = Node::builder("publisher").domain("test").directory(place.path()).open().unwrap();
        let greeter = Greeter::begin(&node, "tcp://127.0.0.1:*").unwrap();
        let context = tamtam_zmq::Context::new();
        let asking: Vec<_> = (0..3)
            .map(|_| {
                let asking = tamtam_zmq::Req::new(&context);
                asking.connect(greeter.endpoint()).unwrap();
                asking.send("").unwrap();
                asking
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        // One is being answered, and the others wait behind it.
        while !greeter.shared.lock().is_asked || greeter.shared.socket.statistics().queued_in < 2 {
            assert!(Instant::now() < deadline, "they have asked");
            std::thread::yield_now();
        }
        assert_eq!(greeter.wait(1, Duration::ZERO), Err(0));
        greeter.end(Duration::from_secs(20));
        for asking in asking {
            asking.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        assert_eq!(greeter.wait(3, Duration::ZERO), Ok(()));
    }
}
