//! The two ends of the demo's stream: of a typed topic, or of raw sockets.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam::{Graph, Node, Overflow, PublishError, Publisher, Qos, Subscriber};
use tamtam_zmq::{Context, Message, Pub, RecvError, Sub};

use super::info::Info;
use super::subscriber::Task;
use crate::args::{DemoArgs, Transport};
use crate::exit::{Failure, Outcome};
use crate::run::Run;
use crate::zmq::{SendTrouble, send};

/// The demo's topic.
const TOPIC: &str = "/info";
/// The bare frame after the last message, on raw sockets.
const END: &[u8] = b"END";
/// How long a full queue is waited for before the wish to stop is looked at.
const STEP: Duration = Duration::from_millis(100);

/// Why a message was not published.
#[derive(Debug)]
pub(super) enum Trouble {
    Stopped(Failure),
    Failed(String),
}

/// Where messages go out.
#[derive(Debug)]
pub(super) enum Outlet {
    Plain { publisher: Pub, endpoint: String, _meeting: MeetingPoint },
    Typed { publisher: Publisher<Info>, patience: Duration, domain: Domain },
}

impl Outlet {
    pub(super) fn open(run: &Run, args: &DemoArgs, patience: Duration) -> Outcome<Self> {
        let failed = |error: &dyn std::fmt::Display| Failure::failed(error.to_string());
        if args.plain || args.transport == Transport::Inproc {
            // The queues to the subscribers are bounded and nothing is dropped: a full one makes `send` wait.
            let publisher = Pub::with(&run.context, |options| {
                options.set_xpub_nodrop(true);
                options.set_send_timeout(Some(patience));
            })
            .map_err(|error| failed(&error))?;
            let meeting = MeetingPoint::new(args.transport);
            let endpoint = publisher.bind(&meeting.endpoint).map_err(|error| failed(&error))?;
            return Ok(Self::Plain { publisher, endpoint, _meeting: meeting });
        }
        let domain = Domain(format!("demo-{}", process::id()));
        let node = Node::builder("demo").domain(&domain.0).open().map_err(|error| failed(&error))?;
        let qos = Qos::default().overflow(Overflow::Block(STEP));
        let mut publisher = node.publisher::<Info>(TOPIC).qos(qos);
        if args.transport == Transport::Tcp {
            publisher = publisher.at("tcp://127.0.0.1:*");
        }
        let publisher = publisher.create().map_err(|error| failed(&error))?;
        Ok(Self::Typed { publisher, patience, domain })
    }

    /// Where subscribers are sent: an endpoint, or a domain.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Plain { endpoint, .. } => endpoint.clone(),
            Self::Typed { domain, .. } => domain.0.clone(),
        }
    }

    pub(super) fn endpoint(&self) -> String {
        match self {
            Self::Plain { endpoint, .. } => endpoint.clone(),
            Self::Typed { publisher, domain, .. } => {
                format!("{}, topic {TOPIC} in domain {}", publisher.endpoints().concat(), domain.0)
            }
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain { .. })
    }

    /// Waits a little for so many subscribers; returns how many there are.
    pub(super) fn wait_for(&self, count: usize, timeout: Duration) -> usize {
        match self {
            Self::Plain { publisher, .. } => {
                publisher.wait_for_subscribers(count, timeout).map_or_else(|error| error.attached, |()| count)
            }
            Self::Typed { publisher, .. } => {
                publisher.wait_for(count, timeout).map_or_else(|error| error.have, |()| count)
            }
        }
    }

    pub(super) fn send(&self, run: &Run, body: Vec<u8>) -> Result<(), Trouble> {
        match self {
            Self::Plain { publisher, .. } => send_plain(run, publisher, Message::from(body)),
            Self::Typed { publisher, patience, .. } => {
                let body = Bytes::from(body);
                let mut waiting: Option<Instant> = None;
                loop {
                    let publish = tamtam::RawPublisher::send(publisher, body.clone());
                    match publish {
                        Ok(_) => return Ok(()),
                        Err(error @ PublishError::Full { .. }) => {
                            run.stop.check().map_err(Trouble::Stopped)?;
                            if waiting.get_or_insert_with(Instant::now).elapsed() >= *patience {
                                return Err(Trouble::Failed(error.to_string()));
                            }
                        }
                        Err(error) => return Err(Trouble::Failed(error.to_string())),
                    }
                }
            }
        }
    }

    /// Tells everybody that it is over.
    pub(super) fn end(self, run: &Run) -> Result<(), Trouble> {
        match self {
            Self::Plain { publisher, .. } => send_plain(run, &publisher, Message::from(END)),
            // The domain goes last, with what its nodes have left behind.
            Self::Typed { publisher, patience, domain: _domain } => {
                let drained = publisher.finish().drain(patience);
                drained.map(drop).map_err(|error| Trouble::Failed(error.to_string()))
            }
        }
    }
}

fn send_plain(run: &Run, publisher: &Pub, message: Message) -> Result<(), Trouble> {
    send(run, publisher.as_socket(), message).map_err(|trouble| match trouble {
        SendTrouble::Stopped(reason) => Trouble::Stopped(reason),
        SendTrouble::Failed(error) => Trouble::Failed(error.to_string()),
    })
}

/// The demo's own domain, which goes with it.
#[derive(Debug)]
pub(super) struct Domain(String);

impl Drop for Domain {
    fn drop(&mut self) {
        if let Ok(directory) = Graph::directory(&self.0, None) {
            // Nobody else has anything there; what is left takes little room.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// What came.
pub(super) enum Received {
    Body(Bytes),
    End,
    /// Nothing, for as long as was waited.
    Nothing,
}

/// Where messages come in.
pub(super) enum Inlet {
    Plain(Sub),
    Typed(Subscriber<Info>),
}

impl Inlet {
    pub(super) fn open(context: &Context, task: &Task) -> Outcome<Self> {
        if task.plain {
            let socket = Sub::new(context);
            socket.subscribe("");
            socket.connect(&task.place).map_err(|error| Failure::failed(error.to_string()))?;
            return Ok(Self::Plain(socket));
        }
        let node = Node::builder(&format!("subscriber-{}", process::id())).domain(&task.place).open();
        let subscriber = node.and_then(|node| node.subscriber::<Info>(TOPIC).create());
        subscriber.map(Self::Typed).map_err(|error| Failure::failed(error.to_string()))
    }

    /// Receives, waiting at most `patience` if there is a limit.
    pub(super) fn receive(&self, patience: Option<Duration>) -> Outcome<Received> {
        match self {
            Self::Plain(socket) => loop {
                let received =
                    patience.map_or_else(|| socket.recv(), |patience| socket.recv_timeout(patience));
                return match received {
                    Ok(message) if message.as_slice() == END && !message.is_multipart() => Ok(Received::End),
                    Ok(message) => Ok(Received::Body(message.into_bytes())),
                    Err(RecvError::Interrupted) => continue,
                    Err(RecvError::TimedOut | RecvError::WouldBlock) => Ok(Received::Nothing),
                    Err(error) => Err(Failure::failed(format!("cannot receive: {error}"))),
                };
            },
            Self::Typed(subscriber) => match subscriber.recv_bytes(patience) {
                Ok(Some(sample)) => Ok(Received::Body(sample.value)),
                Ok(None) => Ok(Received::End),
                Err(tamtam::RecvError::TimedOut) => Ok(Received::Nothing),
                Err(error) => Err(Failure::failed(format!("cannot receive: {error}"))),
            },
        }
    }
}

/// Where publisher and subscribers meet. A path in the file system is removed at the end, however the demo ends.
#[derive(Debug)]
pub(super) struct MeetingPoint {
    endpoint: String,
    path: Option<PathBuf>,
}

impl MeetingPoint {
    fn new(transport: Transport) -> Self {
        let pid = process::id();
        match transport {
            Transport::Tcp => Self { endpoint: "tcp://127.0.0.1:*".to_owned(), path: None },
            Transport::Inproc => Self { endpoint: "inproc://tamtam-demo".to_owned(), path: None },
            Transport::Ipc => {
                let folder =
                    env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
                let path = folder.unwrap_or_else(env::temp_dir).join(format!("tamtam-demo-{pid}.ipc"));
                Self { endpoint: format!("ipc://{}", path.display()), path: Some(path) }
            }
        }
    }
}

impl Drop for MeetingPoint {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The socket may have removed it already.
            let _ = fs::remove_file(path);
        }
    }
}
