//! A relay between two sockets, which counts the heartbeats that pass and can fall silent without closing anything.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::common::PATIENCE;

/// What has passed so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    /// Connections made through the relay.
    pub(super) connections: u32,
    /// Connections that were made before this number of them are silent.
    silent_before: u32,
    /// PING commands on the way from the one who connected.
    pub(super) pings_up: usize,
    /// PONG commands on the way from the one who connected.
    pub(super) pongs_up: usize,
    /// PING commands on the way to the one who connected.
    pub(super) pings_down: usize,
    /// PONG commands on the way to the one who connected.
    pub(super) pongs_down: usize,
    stopped: bool,
}

struct Shared {
    passed: Mutex<Passed>,
    changed: Condvar,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Passed)) {
        change(&mut self.passed.lock().unwrap());
        self.changed.notify_all();
    }
}

/// A relay that accepts connections for a tcp endpoint. Its threads end with the connections.
pub(super) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Relay {
    /// Makes a relay to a tcp endpoint with a numeric address.
    pub(super) fn to(endpoint: &str) -> Self {
        let target: SocketAddr = endpoint.strip_prefix("tcp://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { passed: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, target, &accepting));
        Self { address, shared }
    }

    /// Returns where to connect to.
    pub(super) fn endpoint(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Returns what has passed.
    pub(super) fn passed(&self) -> Passed {
        *self.shared.passed.lock().unwrap()
    }

    /// Waits until so much has passed.
    #[track_caller]
    pub(super) fn wait_until(&self, enough: impl Fn(&Passed) -> bool) {
        let passed = self.shared.passed.lock().unwrap();
        let (passed, waited) =
            self.shared.changed.wait_timeout_while(passed, PATIENCE, |passed| !enough(passed)).unwrap();
        assert!(!waited.timed_out(), "only {passed:?}");
    }

    /// From now on nothing passes on the connections that there are, not even their end. New ones work.
    pub(super) fn fall_silent(&self) {
        self.shared.change(|passed| passed.silent_before = passed.connections);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.change(|passed| passed.stopped = true);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let client = client.unwrap();
        if shared.passed.lock().unwrap().stopped {
            return;
        }
        // Nobody there: the client learns by the end of its connection.
        let Ok(server) = TcpStream::connect(target) else { continue };
        let mut number = 0;
        shared.change(|passed| {
            number = passed.connections;
            passed.connections += 1;
        });
        for up in [true, false] {
            let (from, to) = if up { (&client, &server) } else { (&server, &client) };
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let shared = Arc::clone(shared);
            thread::spawn(move || pump(from, to, number, up, &shared));
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, number: u32, up: bool, shared: &Shared) {
    let mut chunk = [0; 64 * 1024];
    loop {
        let read = from.read(&mut chunk).unwrap_or(0);
        let chunk = &chunk[..read];
        let mut silent = false;
        shared.change(|passed| {
            silent = number < passed.silent_before;
            if !silent {
                let count = |name: &[u8]| chunk.windows(name.len()).filter(|window| *window == name).count();
                let (pings, pongs) = if up {
                    (&mut passed.pings_up, &mut passed.pongs_up)
                } else {
                    (&mut passed.pings_down, &mut passed.pongs_down)
                };
                *pings += count(b"\x04PING");
                *pongs += count(b"\x04PONG");
            }
        });
        if read == 0 {
            if !silent {
                let _ = to.shutdown(std::net::Shutdown::Both);
            }
            return;
        }
        if !silent && to.write_all(chunk).is_err() {
            let _ = from.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}
