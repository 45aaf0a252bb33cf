//! The server's side.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};

use super::packet::{self, Arrived, Kind};
use super::rendezvous::Client;
use super::{ClientId, Connection, Pulse, Rendezvous, sockets};
use crate::wait::uninterrupted;
use crate::{Deadline, Error};

/// Where a server receives from its clients.
///
/// Clients are served in turn: one that sends much does not keep the others waiting. When a channel is dropped, its
/// path is removed, and all clients get [`Error::Closed`]; those that wait for a [`Rendezvous`] which is kept beyond
/// the channel when that is over.
#[derive(Debug)]
pub struct Channel {
    message_max: usize,
    listener: Option<Listener>,
    clients: HashMap<ClientId, Arc<Client>>,
    /// An epoll(7) set: readable when there is something to receive.
    events: OwnedFd,
    /// Clients (and 0 for the listener) that may have something to receive.
    ready: VecDeque<u64>,
    /// Of the last client.
    last: u64,
}

/// What came to a channel.
#[derive(Debug)]
#[must_use = "a client may wait for a reply"]
pub enum Received {
    /// A message; the client waits for the reply.
    Message(Rendezvous),
    /// A pulse; nobody waits.
    Pulse(ClientId, Pulse),
    /// This client does not wait any more for the reply to its last message, which has been received and not been
    /// replied to. A reply is no error, and goes nowhere.
    Withdrawn(ClientId),
    /// This client is gone: it was dropped, or its process ended. All that it had sent has been received.
    Gone(ClientId),
}

#[derive(Debug)]
struct Listener {
    socket: OwnedFd,
    path: PathBuf,
}

/// The listener among the events.
const LISTENER: u64 = 0;
/// How many events are fetched at a time.
const EVENTS: usize = 32;
/// How many clients may wait to be accepted. (The kernel allows 4096, and fewer by `net.core.somaxconn`.)
const BACKLOG: i32 = 128;

impl Channel {
    /// A channel without a name: clients get their connections from [`attach`](Self::attach). Messages and replies
    /// have at most `message_max` octets.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if the system's socket buffers are smaller; [`Error::System`].
    pub fn new(message_max: usize) -> Result<Self, Error> {
        // Better said now than to each client.
        packet::fit(sockets()?.0.as_fd(), message_max, 1)?;
        let events = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Error::system("epoll_create1"))?;
        Ok(Self {
            message_max,
            listener: None,
            clients: HashMap::new(),
            events,
            ready: VecDeque::new(),
            last: LISTENER,
        })
    }

    /// A channel at a path, where nothing is yet. Who may write to the path may connect: the umask counts when it is
    /// made.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); [`Error::System`] with `EADDRINUSE` if the path is there, be it of a server that
    /// runs or of one that has crashed.
    pub fn bind(path: impl AsRef<Path>, message_max: usize) -> Result<Self, Error> {
        let mut channel = Self::new(message_max)?;
        let path = path.as_ref();
        let address = SocketAddrUnix::new(path).map_err(Error::system("bind"))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(Error::system("socket"))?;
        bind(&socket, &address).map_err(Error::system("bind"))?;
        let listener = Listener { socket, path: path.to_owned() };
        listen(&listener.socket, BACKLOG).map_err(Error::system("listen"))?;
        channel.watch(listener.socket.as_fd(), LISTENER)?;
        channel.listener = Some(listener);
        Ok(channel)
    }

    /// Makes a connection for a client in this process, or in another one that is handed its descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn attach(&mut self) -> Result<Connection, Error> {
        let (ours, theirs) = sockets()?;
        self.add(ours)?;
        Connection::of_socket(theirs, self.message_max)
    }

    fn add(&mut self, socket: OwnedFd) -> Result<(), Error> {
        packet::fit(socket.as_fd(), self.message_max, 1)?;
        let number = self.last + 1;
        self.watch(socket.as_fd(), number)?;
        self.last = number;
        let id = ClientId(number);
        let client = Client { id, socket, message_max: self.message_max, open: AtomicU32::new(0) };
        self.clients.insert(id, Arc::new(client));
        Ok(())
    }

    fn watch(&self, socket: BorrowedFd<'_>, number: u64) -> Result<(), Error> {
        epoll::add(&self.events, socket, epoll::EventData::new_u64(number), epoll::EventFlags::IN)
            .map_err(Error::system("epoll_ctl"))
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The socket of a client, to ask who it is (`SO_PEERCRED`); `None` if it is gone.
    #[must_use]
    pub fn socket(&self, client: ClientId) -> Option<BorrowedFd<'_>> {
        self.clients.get(&client).map(|client| client.as_fd())
    }

    /// Receives what comes next; a message replaces what is in `message`, anything else leaves nothing of use in it.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::System`], among them `EMFILE` if a client cannot be accepted because the process
    /// may not open more files.
    pub fn receive(&mut self, message: &mut Vec<u8>, deadline: Deadline) -> Result<Received, Error> {
        loop {
            while let Some(number) = self.ready.pop_front() {
                let received = if number == LISTENER {
                    self.accept()?;
                    None
                } else {
                    self.receive_from(ClientId(number), message)
                };
                if let Some(received) = received {
                    return Ok(received);
                }
            }
            self.wait(deadline)?;
        }
    }

    /// Asks, or waits, which clients have something to receive.
    fn wait(&mut self, deadline: Deadline) -> Result<(), Error> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS];
        loop {
            match epoll::wait(&self.events, &mut events, deadline.timespec().as_ref()) {
                Ok(([], _)) => return Err(Error::TimedOut),
                Ok((events, _)) => {
                    self.ready.extend(events.iter().map(|event| event.data.u64()));
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(Error::system("epoll_wait")(error)),
            }
        }
    }

    fn accept(&mut self) -> Result<(), Error> {
        let Some(listener) = &self.listener else { return Ok(()) };
        match uninterrupted(|| accept_with(&listener.socket, SocketFlags::CLOEXEC)) {
            Ok(socket) => self.add(socket),
            // It has gone again.
            Err(Errno::AGAIN | Errno::CONNABORTED) => Ok(()),
            Err(error) => Err(Error::system("accept4")(error)),
        }
    }

    /// Receives one packet of a client, if there is one. If there are more, the set of events says so again.
    fn receive_from(&mut self, id: ClientId, message: &mut Vec<u8>) -> Option<Received> {
        let client = self.clients.get(&id)?;
        let head = loop {
            match packet::receive(client.as_fd(), message, self.message_max, false) {
                Ok(Some(Arrived::Packet(head))) => break head,
                Ok(None) => return None,
                // It did not receive all replies. What it sent before comes now.
                Ok(Some(Arrived::Reset)) => {}
                // Who sends nonsense is not listened to any more.
                Ok(Some(Arrived::End)) | Err(_) => return Some(self.remove(id)),
            }
        };
        match head.kind {
            Kind::Request if head.number != 0 => {
                let withdrawn = packet::peek(client.as_fd())
                    .is_some_and(|next| next.kind == Kind::Withdrawal && next.number == head.number);
                if withdrawn {
                    // SEND-blocked until its deadline. The withdrawal itself finds nothing open, and is dropped.
                    return None;
                }
                Some(Received::Message(Rendezvous::new(Arc::clone(client), head.number)))
            }
            Kind::Pulse => Some(Received::Pulse(id, Pulse { code: head.code, value: head.number })),
            Kind::Withdrawal => {
                let is_open = head.number != 0 && client.open.load(Ordering::Relaxed) == head.number;
                is_open.then_some(Received::Withdrawn(id))
            }
            Kind::Request | Kind::Reply | Kind::Refusal => Some(self.remove(id)),
        }
    }

    /// Forgets a client. Its socket is closed with the last rendezvous, and says until then that it is at its end.
    fn remove(&mut self, id: ClientId) -> Received {
        if let Some(client) = self.clients.remove(&id) {
            // It is in the set, or will be closed at once.
            let _ = epoll::delete(&self.events, &client.socket);
            let _ = rustix::net::shutdown(&client.socket, rustix::net::Shutdown::Both);
        }
        Received::Gone(id)
    }
}

impl AsFd for Channel {
    /// Readable when there is something to receive. Call [`receive`](Channel::receive) until [`Error::TimedOut`] then.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = fs::remove_file(&self.path);
    }
}
