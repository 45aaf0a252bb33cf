//! A member of a round: a socket and whoever uses it.

use tamtam_soak::Outcome;
use tamtam_soak::orders::Orders;
use tamtam_soak::random::Random;
use tamtam_zmq::{Context, CurveKeyPair, CurveSecretKey, Message, Security, Socket};

use crate::body;
use crate::evidence::{Counter, Counts, Line, Log, Receipt, Receipts, wrong};
use crate::plan::{PATIENCE, Role, Scenario, Setting, Task};
use crate::{asker, receiver, sender};

use std::time::Duration;

/// How long a call waits before it is looked what else there is.
pub(crate) const SLICE: Duration = Duration::from_millis(20);

/// What all members have.
pub(crate) struct Member<'a> {
    pub(crate) task: &'a Task,
    pub(crate) context: &'a Context,
    pub(crate) orders: Orders,
    pub(crate) random: Random,
    pub(crate) log: Log,
    pub(crate) receipts: Receipts,
}

/// Does a task to its end.
pub(crate) fn run(task: &Task, orders: Orders, context: &Context) -> Outcome {
    let name = task.name();
    let (log, receipts) = (Log::create(&task.place, &name)?, Receipts::create(&task.place, &name)?);
    let random = Random::new(task.seed);
    let mut member = Member { task, context, orders, random, log, receipts };
    let outcome = match task.role {
        Role::Receiver => receiver::run(&mut member),
        Role::Sender if task.setting.scenario.echoes() => asker::run(&mut member),
        Role::Sender => sender::run(&mut member),
    };
    member.receipts.write()?;
    if let Err(error) = &outcome {
        wrong(&mut member.log, error.to_string())?;
    }
    outcome
}

/// Keys that everybody knows: nothing is kept secret here.
fn security(is_server: bool) -> Security {
    let keys = |octet| CurveKeyPair::from(CurveSecretKey::from_bytes([octet; 32]));
    let server = keys(1);
    if is_server { Security::curve_server(server) } else { Security::curve_client(keys(2), server.public) }
}

impl Member<'_> {
    /// Makes a socket, and has it bind and connect.
    pub(crate) fn open(&self) -> Outcome<Socket> {
        let task = self.task;
        let Setting { scenario, driver, send_hwm, receive_hwm, buffers, is_mandatory, .. } = task.setting;
        let socket = Socket::new(self.context, task.kind());
        socket.configure(|options| {
            options.set_driver(driver).set_send_hwm(send_hwm).set_receive_hwm(receive_hwm);
            options.set_send_timeout(Some(SLICE)).set_receive_timeout(Some(SLICE));
            options.set_reconnect_interval(Some(Duration::from_millis(10)));
            options.set_reconnect_interval_max(Some(Duration::from_millis(50)));
            options.set_linger(Some(PATIENCE));
            options.add_metadata("X-Soak", task.name().into_bytes());
            if buffers > 0 {
                options.set_send_buffer(Some(buffers)).set_receive_buffer(Some(buffers));
            }
            options.set_xpub_nodrop(scenario == Scenario::Nodrop);
            options.set_receive_drop_oldest(scenario == Scenario::Oldest && task.role == Role::Receiver);
            options.set_conflate(scenario == Scenario::Latest);
            options.set_router_mandatory(is_mandatory);
            if task.setting.is_curve {
                options.set_security(security(task.bind.is_some()));
            }
            options.set_req_relaxed(true).set_req_correlate(true);
        })?;
        if scenario.publishes() && task.role == Role::Receiver {
            socket.subscribe("")?;
        }
        if let Some(endpoint) = &task.bind {
            socket.bind(endpoint)?;
        }
        for endpoint in &task.dial {
            socket.connect(endpoint)?;
        }
        Ok(socket)
    }

    pub(crate) fn counter(&self, socket: u64) -> Outcome<Counter> {
        Ok(Counter::create(&self.task.place, &self.task.name(), socket)?)
    }

    /// Closes a socket, and notes what it has counted.
    pub(crate) fn close(&mut self, socket: &Socket, index: u64, number: u64, within: Duration) -> Outcome {
        let undelivered = socket.shut_within(within).map_or_else(|error| error.messages, |()| 0);
        let counts = Counts::of(socket, undelivered);
        Ok(self.log.write(&Line::Closed { socket: index, number, counts })?)
    }

    /// Whether messages may have a frame in front.
    pub(crate) fn may_have_front(&self) -> bool {
        self.task.setting.scenario != Scenario::Latest
    }

    /// Reads a message but for so many frames in front, and notes it.
    pub(crate) fn note(&mut self, message: &Message, skip: usize) -> Outcome<body::Tag> {
        let frames = message.frames().skip(skip).map(|frame| &**frame);
        match body::read(frames, self.task.setting.largest, self.may_have_front()) {
            Ok(tag) => {
                self.receipts.note(Receipt::new(tag, message.peer().map_or(0, |peer| peer.0)))?;
                Ok(tag)
            }
            Err(what) => {
                wrong(&mut self.log, what.clone())?;
                Err(what.into())
            }
        }
    }

    /// Pauses; what was received is noted before.
    pub(crate) fn pause(&mut self, pause: Duration) -> Outcome {
        self.receipts.write()?;
        self.orders.pause(pause)
    }
}
