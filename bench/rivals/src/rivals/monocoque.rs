//! monocoque-rs on its tokio backend: a socket is one connection, driven by whoever calls it.

use std::net::TcpListener;

use bytes::Bytes;
use compio_io::{AsyncRead, AsyncWrite};
use monocoque::SocketOptions;
use monocoque::rt::{LocalRuntime, TcpStream, UnixListener, UnixStream};
use monocoque::zmq::{PubSocket, PullSocket, PushSocket, RepSocket, ReqSocket, SubSocket};
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::{Contestant, Spec, Transport};

use crate::end::{Receiver, Sender};
use crate::library::{self, Kind, Library};

/// A connection's two ends.
trait Wire: AsyncRead + AsyncWrite + Unpin + Sized + 'static {
    type Listener;

    async fn listen(spec: &Spec) -> Outcome<(Self::Listener, String)>;
    async fn accept(listener: &Self::Listener) -> Outcome<Self>;
    async fn connect(spec: &Spec) -> Outcome<Self>;
}

impl Wire for TcpStream {
    type Listener = TcpListener;

    async fn listen(_: &Spec) -> Outcome<(TcpListener, String)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("tcp://{}", listener.local_addr()?);
        Ok((listener, endpoint))
    }

    async fn accept(listener: &TcpListener) -> Outcome<Self> {
        // Nothing else is to be done by this thread meanwhile.
        ready(listener.accept()?.0)
    }

    async fn connect(spec: &Spec) -> Outcome<Self> {
        ready(std::net::TcpStream::connect(spec.endpoint.trim_start_matches("tcp://"))?)
    }
}

fn ready(stream: std::net::TcpStream) -> Outcome<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream)?)
}

impl Wire for UnixStream {
    type Listener = UnixListener;

    async fn listen(spec: &Spec) -> Outcome<(UnixListener, String)> {
        let listener = UnixListener::bind(spec.endpoint.trim_start_matches("ipc://")).await?;
        Ok((listener, spec.endpoint.clone()))
    }

    async fn accept(listener: &UnixListener) -> Outcome<Self> {
        Ok(listener.accept().await?.0)
    }

    async fn connect(spec: &Spec) -> Outcome<Self> {
        Ok(Self::connect(spec.endpoint.trim_start_matches("ipc://")).await?)
    }
}

/// One end. Who binds has a connection only when the other end has come.
struct End<W: Wire> {
    listener: Option<W::Listener>,
    kind: Kind,
    options: SocketOptions,
    socket: Option<Socket<W>>,
    /// Where a received message's frames are put.
    frames: Vec<Bytes>,
    /// Subscribers that are still to come.
    awaited: usize,
}

enum Socket<W: Wire> {
    Rep(RepSocket<W>),
    Pull(PullSocket<W>),
    Publisher(Box<PubSocket>),
    Req(ReqSocket<W>),
    Push(PushSocket<W>),
    Sub(SubSocket<W>),
}

impl<W: Wire> End<W> {
    fn new(kind: Kind, spec: &Spec) -> Self {
        let gathers = spec.contestant == Contestant::Monocoque;
        Self {
            listener: None,
            kind,
            options: SocketOptions::default().with_write_coalescing(gathers),
            socket: None,
            frames: Vec::new(),
            awaited: 0,
        }
    }

    async fn take(&mut self, wire: W) -> Outcome {
        let options = self.options.clone();
        self.socket = Some(match self.kind {
            Kind::Rep => Socket::Rep(RepSocket::with_options(wire, options).await?),
            Kind::Pull => Socket::Pull(PullSocket::with_options(wire, options).await?),
            Kind::Req => Socket::Req(ReqSocket::with_options(wire, options).await?),
            Kind::Push => Socket::Push(PushSocket::with_options(wire, options).await?),
            Kind::Sub => {
                let mut socket = SubSocket::with_options(wire, options).await?;
                socket.subscribe(b"").await?;
                Socket::Sub(socket)
            }
            Kind::Publisher => return Err(Failure::new("a publisher takes its connections itself")),
        });
        Ok(())
    }

    /// Waits for the other end, if it has not come yet.
    async fn meet(&mut self) -> Outcome {
        if let Some(listener) = self.listener.take() {
            let wire = W::accept(&listener).await?;
            self.take(wire).await?;
        }
        if let (Some(Socket::Publisher(socket)), 1..) = (&mut self.socket, self.awaited) {
            while self.awaited > 0 {
                socket.accept_subscriber().await?;
                self.awaited -= 1;
            }
        }
        Ok(())
    }

    fn socket(&mut self) -> Outcome<&mut Socket<W>> {
        self.socket.as_mut().ok_or_else(|| Failure::new("not connected"))
    }
}

impl<W: Wire> Sender for End<W> {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        self.meet().await?;
        let body = Bytes::copy_from_slice(body);
        match self.socket()? {
            Socket::Push(socket) => socket.send_one(body).await?,
            Socket::Req(socket) => socket.send_one(body).await?,
            Socket::Rep(socket) => socket.send(vec![body]).await?,
            Socket::Publisher(socket) => socket.send_frames(&[body]).await?,
            Socket::Pull(_) | Socket::Sub(_) => return Err(Failure::new("does not send")),
        }
        Ok(())
    }

    async fn flush(&mut self) -> Outcome {
        if let Some(Socket::Push(socket)) = &mut self.socket {
            socket.flush().await?;
        }
        Ok(())
    }
}

impl<W: Wire> Receiver for End<W> {
    type Body = Bytes;

    async fn receive(&mut self) -> Outcome<Option<Bytes>> {
        self.meet().await?;
        let frames = &mut self.frames;
        let socket = self.socket.as_mut().ok_or_else(|| Failure::new("not connected"))?;
        let is_open = match socket {
            Socket::Rep(socket) => socket.recv_into(frames).await?,
            Socket::Pull(socket) => socket.recv_into(frames).await?,
            Socket::Req(socket) => socket.recv_into(frames).await?,
            Socket::Sub(socket) => socket.recv_into(frames).await?,
            Socket::Publisher(_) | Socket::Push(_) => return Err(Failure::new("does not receive")),
        };
        if is_open { Ok(frames.pop()) } else { Err(Failure::new("the connection has ended")) }
    }
}

/// The library over one kind of connection.
struct Monocoque<W>(std::marker::PhantomData<W>);

impl<W: Wire> Library for Monocoque<W> {
    type Socket = End<W>;

    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(End<W>, String)> {
        let mut end = End::new(kind, spec);
        if kind == Kind::Publisher {
            // Over TCP only.
            let socket = PubSocket::bind_with_options("127.0.0.1:0", end.options.clone()).await?;
            let endpoint = format!("tcp://{}", socket.local_addr()?);
            end.socket = Some(Socket::Publisher(Box::new(socket)));
            end.awaited = spec.subscribers;
            return Ok((end, endpoint));
        }
        let (listener, endpoint) = W::listen(spec).await?;
        end.listener = Some(listener);
        Ok((end, endpoint))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<End<W>> {
        let mut end = End::new(kind, spec);
        end.take(W::connect(spec).await?).await?;
        Ok(end)
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    library::play(spec, |stage| {
        let runtime = LocalRuntime::new()?;
        if spec.transport == Transport::Tcp {
            runtime.block_on(library::part::<Monocoque<TcpStream>>(spec, stage))
        } else {
            runtime.block_on(library::part::<Monocoque<UnixStream>>(spec, stage))
        }
    })
}
