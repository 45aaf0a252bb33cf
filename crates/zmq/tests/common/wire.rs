//! Peers made of plain bytes: what they send and when is the test's choice.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Instant;

use socket2::{Domain, SockAddr, Socket, Type};

use super::PATIENCE;

/// The frame flags of ZMTP 3.
pub const MORE: u8 = 1;
pub const LONG: u8 = 2;
pub const COMMAND: u8 = 4;

/// The greeting of ZMTP 3.1 with mechanism NULL.
pub fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[11] = 1;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// A READY command.
pub fn ready(kind: &str, identity: &str) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    let mut property = |name: &str, value: &str| {
        body.push(u8::try_from(name.len()).unwrap());
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    };
    property("Socket-Type", kind);
    property("Identity", identity);
    frame(COMMAND, &body)
}

/// A frame with these flags; LONG is added where it is needed.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 9);
    match u8::try_from(body.len()) {
        Ok(len) => bytes.extend_from_slice(&[flags, len]),
        Err(_) => {
            bytes.push(flags | LONG);
            bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// A whole message.
pub fn encoded(frames: &[&[u8]]) -> Vec<u8> {
    let last = frames.len() - 1;
    frames.iter().enumerate().flat_map(|(i, body)| frame(if i < last { MORE } else { 0 }, body)).collect()
}

/// Takes the whole messages apart that the bytes hold, and returns the rest. Commands are left out.
pub fn decoded(mut bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, &[u8]) {
    let (mut messages, mut current) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while let Some((&flags, after)) = bytes.split_first() {
        let (len, head) = if flags & LONG != 0 {
            let Some(len) = after.get(..8) else { break };
            (usize::try_from(u64::from_be_bytes(len.try_into().unwrap())).unwrap(), 9)
        } else {
            let Some(&len) = after.first() else { break };
            (usize::from(len), 2)
        };
        let Some(body) = bytes.get(head..head + len) else { break };
        bytes = &bytes[head + len..];
        if flags & COMMAND == 0 {
            current.push(body.to_vec());
        }
        if flags & (MORE | COMMAND) == 0 {
            messages.push(std::mem::take(&mut current));
        }
        if flags & MORE == 0 {
            rest = bytes;
        }
    }
    (messages, rest)
}

fn address(endpoint: &str) -> (Domain, SockAddr) {
    let ws = endpoint.strip_prefix("ws://").and_then(|rest| rest.split('/').next());
    if let Some(address) = endpoint.strip_prefix("tcp://").or(ws) {
        let address: SocketAddr = address.parse().unwrap();
        return (Domain::for_address(address), address.into());
    }
    let path = endpoint.strip_prefix("ipc://").unwrap();
    let path = path.strip_prefix('@').map_or_else(|| path.to_owned(), |name| format!("\0{name}"));
    (Domain::UNIX, SockAddr::unix(path).unwrap())
}

/// A connection on which the test itself speaks, or does not.
pub struct RawPeer {
    pub socket: Socket,
}

impl RawPeer {
    fn new(socket: Socket) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { socket }
    }

    /// A socket that is not connected yet.
    pub fn prepare(endpoint: &str) -> Self {
        let (domain, _) = address(endpoint);
        Self::new(Socket::new(domain, Type::STREAM, None).unwrap())
    }

    /// Connects a socket that was prepared.
    pub fn dial(&self, endpoint: &str) {
        let (_, address) = address(endpoint);
        self.socket.connect(&address).unwrap();
    }

    /// Connects to an endpoint as `bind` returns it.
    pub fn connect(endpoint: &str) -> Self {
        let peer = Self::prepare(endpoint);
        peer.dial(endpoint);
        peer
    }

    /// Connects and shakes hands as a socket of this type.
    pub fn connect_as(endpoint: &str, kind: &str) -> Self {
        let mut peer = Self::connect(endpoint);
        peer.handshake(kind, "");
        peer
    }

    pub fn handshake(&mut self, kind: &str, identity: &str) {
        self.send(&greeting());
        self.send(&ready(kind, identity));
        assert_eq!(self.receive(64)[..10], [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F]);
        let (flags, body) = self.receive_frame();
        assert_eq!(flags & COMMAND, COMMAND);
        assert!(body.starts_with(b"\x05READY"), "{body:?}");
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub fn send_message(&mut self, frames: &[&[u8]]) {
        self.send(&encoded(frames));
    }

    pub fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }

    pub fn receive_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.receive(2);
        if head[0] & LONG == 0 {
            return (head[0], self.receive(head[1].into()));
        }
        let mut len = [head[1]; 8];
        len[1..].copy_from_slice(&self.receive(7));
        (head[0], self.receive(usize::try_from(u64::from_be_bytes(len)).unwrap()))
    }

    /// The next message; commands are passed over.
    pub fn receive_message(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            let (flags, body) = self.receive_frame();
            if flags & COMMAND != 0 {
                continue;
            }
            frames.push(body);
            if flags & MORE == 0 {
                return frames;
            }
        }
    }

    /// Everything up to the end of the stream, which must come; a reset is an end too.
    pub fn receive_to_end(&mut self) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 65_536]);
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "the stream does not end");
            match self.socket.read(&mut buffer) {
                Ok(0) => return all,
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return all;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("the stream neither goes on nor ends: {error}"),
            }
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }
}

/// A place where the test itself accepts.
pub struct RawListener {
    socket: Socket,
    pub endpoint: String,
}

impl RawListener {
    /// Listens at an endpoint of [`reserved`](super::reserved).
    pub fn bind(endpoint: &str) -> Self {
        let (domain, address) = address(endpoint);
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&address).unwrap();
        socket.listen(16).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, endpoint: endpoint.to_owned() }
    }

    /// Accepts; how long that may take is the socket's read timeout.
    pub fn accept(&self) -> RawPeer {
        RawPeer::new(self.socket.accept().unwrap().0)
    }

    pub fn accept_as(&self, kind: &str) -> RawPeer {
        let mut peer = self.accept();
        peer.handshake(kind, "");
        peer
    }
}
