//! libzmq's sockets.

use std::ffi::{CString, c_int};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno as Number;
use tamtam_ipc::{Deadline, End, Error};

use super::library::{self, Errno, Handle, Library};
use super::{Kind, milliseconds};

const SUBSCRIBE: c_int = 6;
const LINGER: c_int = 17;
const RCVTIMEO: c_int = 27;
const SNDTIMEO: c_int = 28;
const LAST_ENDPOINT: c_int = 32;
const XPUB_VERBOSE: c_int = 40;
const XPUB_NODROP: c_int = 69;

/// A context.
#[derive(Debug)]
pub(crate) struct Context(Arc<library::Context>);

impl Context {
    pub(crate) fn new(library: Library) -> Result<Self, Error> {
        library::Context::new(library)
            .map(|context| Self(Arc::new(context)))
            .map_err(|(library, errno)| failed(&library, "zmq_ctx_new", errno))
    }
}

/// A socket, with default options. A publisher is an XPUB, which is what a PUB is inside, and waits for room instead of dropping.
#[derive(Debug)]
pub(crate) struct Socket {
    handle: Handle,
    kind: Kind,
    /// The limits of sending and receiving that are set, in milliseconds.
    limits: [i32; 2],
}

impl super::Socket for Socket {
    type Ground = Context;

    fn open(context: &Context, kind: Kind) -> Result<Self, Error> {
        let number = match kind {
            Kind::Sub => 2,
            Kind::Req => 3,
            Kind::Rep => 4,
            Kind::Pull => 7,
            Kind::Push => 8,
            Kind::Pub => 9,
        };
        let handle = Handle::new(&context.0, number)
            .map_err(|errno| failed(context.0.library(), "zmq_socket", errno))?;
        let socket = Self { handle, kind, limits: [-1; 2] };
        socket.set(LINGER, 0)?;
        if kind == Kind::Pub {
            socket.set(XPUB_VERBOSE, 1)?;
            socket.set(XPUB_NODROP, 1)?;
        }
        if kind == Kind::Sub {
            socket.handle.set(SUBSCRIBE, b"").map_err(|errno| socket.failed("zmq_setsockopt", errno))?;
        }
        Ok(socket)
    }

    fn bind(&self, endpoint: &str) -> Result<String, Error> {
        self.handle.bind(&text(endpoint)?).map_err(|errno| self.failed("zmq_bind", errno))?;
        self.handle.text_of(LAST_ENDPOINT).map_err(|errno| self.failed("zmq_getsockopt", errno))
    }

    fn connect(&self, endpoint: &str) -> Result<(), Error> {
        self.handle.connect(&text(endpoint)?).map_err(|errno| self.failed("zmq_connect", errno))
    }

    fn wait_for_readers(&mut self, count: u32, patience: Duration) -> Result<(), Error> {
        if self.kind != Kind::Pub {
            // They cannot tell. They wait for a reader when they send.
            return Ok(());
        }
        let deadline = Deadline::at(Instant::now() + patience);
        let (mut attached, mut subscription) = (0, Vec::new());
        while attached < count {
            self.receive(&mut subscription, deadline)?;
            attached += u32::from(subscription.first() == Some(&1));
        }
        Ok(())
    }
}

impl Socket {
    fn set(&self, option: c_int, value: c_int) -> Result<(), Error> {
        self.handle.set(option, &value.to_ne_bytes()).map_err(|errno| self.failed("zmq_setsockopt", errno))
    }

    /// How long the next call may wait. To set what is set already costs nothing.
    fn limit(&mut self, option: c_int, deadline: Deadline) -> Result<(), Error> {
        let limit = milliseconds(deadline);
        let [sending, receiving] = &mut self.limits;
        let known = if option == SNDTIMEO { sending } else { receiving };
        if *known != limit {
            *known = limit;
            self.set(option, limit)?;
        }
        Ok(())
    }

    fn failed(&self, call: &'static str, errno: Errno) -> Error {
        failed(self.handle.library(), call, errno)
    }
}

impl End for Socket {
    #[inline]
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.limit(SNDTIMEO, deadline)?;
        self.handle.send(message).map_err(|errno| self.failed("zmq_send", errno))
    }

    #[inline]
    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.limit(RCVTIMEO, deadline)?;
        match self.handle.receive() {
            Ok(message) => {
                // As every mechanism of `tamtam-ipc` does: the content ends up in the caller's buffer.
                into.clear();
                into.extend_from_slice(message);
                Ok(())
            }
            Err(errno) => Err(self.failed("zmq_msg_recv", errno)),
        }
    }
}

fn failed(library: &Library, call: &'static str, errno: Errno) -> Error {
    if errno.0 == Number::AGAIN.raw_os_error() {
        return Error::TimedOut;
    }
    Error::System { call, source: io::Error::other(library.text(errno)) }
}

fn text(endpoint: &str) -> Result<CString, Error> {
    CString::new(endpoint).map_err(|_| Error::Ticket("an endpoint with a zero in it".into()))
}
