//! The ends of each contestant, behind the trait of `tamtam-ipc`.

mod library;
mod libzmq;
mod tamtam;

use std::time::Duration;

use tamtam_ipc::{Deadline, End, Error, Plan, Wait};

pub(crate) use self::library::Library;
use crate::contestant::Contestant;
use crate::control::{Control, News, Part, Task};
use crate::report::{Pattern, Waiting};

/// The ends that a worker plays. A sender has one for each reader, or one that reaches all.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) sender: Vec<Box<dyn End>>,
    pub(crate) receivers: Vec<Box<dyn End>>,
}

/// How long readers may take to connect.
const PATIENCE: Duration = Duration::from_secs(5);

/// The end of a ZeroMQ socket before it is known whether others are there.
pub(crate) trait Socket: End + Sized + 'static {
    /// What sockets are made in.
    type Ground;

    fn open(ground: &Self::Ground, kind: Kind) -> Result<Self, Error>;
    fn bind(&self, endpoint: &str) -> Result<String, Error>;
    fn connect(&self, endpoint: &str) -> Result<(), Error>;
    /// Waits until so many readers are connected, where the sender can tell.
    fn wait_for_readers(&mut self, count: u32, patience: Duration) -> Result<(), Error>;
}

/// The socket types that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Req,
    Rep,
    Push,
    Pull,
    /// One that waits for room instead of dropping.
    Pub,
    Sub,
}

impl Kind {
    /// The sender's and the receiver's.
    const fn of(pattern: Pattern) -> (Self, Self) {
        match pattern {
            Pattern::RoundTrip => (Self::Req, Self::Rep),
            Pattern::FanOut => (Self::Pub, Self::Sub),
            _ => (Self::Push, Self::Pull),
        }
    }
}

impl Ends {
    /// Opens the ends of a task. A receiver's comes as a ticket, or connects.
    pub(crate) fn open(task: &Task, control: &Control) -> Result<Self, Error> {
        let contestant = Contestant::by_name(&task.contestant)
            .ok_or_else(|| Error::Ticket(format!("no contestant {:?}", task.contestant).into()))?;
        match contestant {
            Contestant::Mechanism(_) if task.part == Part::Receiver => {
                Ok(Self { receivers: vec![control.ticket()?.open()?], ..Self::default() })
            }
            // The sender makes the links, not the conductor: when a worker is killed, what is left behind is that of a process that is gone, and
            // can be found as such.
            Contestant::Mechanism(mechanism) => {
                let mut ends = Self::default();
                for _ in 0..task.readers {
                    let link = mechanism.link(&plan(task))?;
                    if task.part == Part::Both {
                        ends.receivers.push(link.server.open()?);
                    } else {
                        control.say(&News::Ticket)?;
                        link.server.hand_over(control.socket())?;
                    }
                    ends.sender.push(link.client.open()?);
                }
                Ok(ends)
            }
            Contestant::Tamtam(_) => {
                let context = tamtam_zmq::Context::try_new()
                    .map_err(|source| Error::System { call: "a context", source })?;
                sockets::<tamtam::Socket>(&context, task, control)
            }
            Contestant::Libzmq(_) => {
                let library =
                    Library::load(task.libzmq.as_deref()).map_err(|why| Error::Ticket(why.into()))?;
                sockets::<libzmq::Socket>(&libzmq::Context::new(library)?, task, control)
            }
        }
    }
}

/// What a link of this task has to be able to do.
fn plan(task: &Task) -> Plan {
    let wait = match task.waiting {
        Waiting::Spin => Wait::Spin(Duration::from_nanos(task.spin)),
        _ => Wait::Block,
    };
    Plan { message_max: task.size, depth: task.depth, wait }
}

fn sockets<S: Socket>(ground: &S::Ground, task: &Task, control: &Control) -> Result<Ends, Error> {
    let (sending, receiving) = Kind::of(task.pattern);
    let mut ends = Ends::default();
    if task.part == Part::Receiver {
        let reader = S::open(ground, receiving)?;
        reader.connect(&task.endpoint)?;
        ends.receivers.push(Box::new(reader));
        return Ok(ends);
    }
    let mut sender = S::open(ground, sending)?;
    let endpoint = sender.bind(&task.endpoint)?;
    if task.part == Part::Sender {
        control.say(&News::Bound(endpoint))?;
    } else {
        for _ in 0..task.readers {
            let reader = S::open(ground, receiving)?;
            reader.connect(&endpoint)?;
            ends.receivers.push(Box::new(reader));
        }
    }
    sender.wait_for_readers(task.readers, PATIENCE)?;
    ends.sender.push(Box::new(sender));
    Ok(ends)
}

/// What is left until the deadline, in milliseconds as libzmq takes them: at least one, -1 for no limit.
fn milliseconds(deadline: Deadline) -> i32 {
    match deadline.remaining() {
        None => -1,
        Some(left) if left.is_zero() => 0,
        Some(left) => i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1),
    }
}
