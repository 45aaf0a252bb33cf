//! Sends messages, as fast as it can for most of the time. (PUSH, PUB, XPUB)

use std::time::Duration;

use tamtam_soak::Outcome;
use tamtam_zmq::{Message, SendError, Socket};

use crate::body::{SOCKETS, Shape, Tag};
use crate::evidence::{Counter, Line};
use crate::member::Member;
use crate::plan::{PATIENCE, Scenario};

/// So many messages are sent between two looks at the orders.
const LOOK_EVERY: u64 = 64;

/// One of the sender's sockets, and how far it is.
struct Outlet {
    socket: Socket,
    index: u64,
    counter: Counter,
    number: u64,
    buffer: Vec<u8>,
}

pub(crate) fn run(member: &mut Member<'_>) -> Outcome {
    let mut outlet = open(member, 0)?;
    let scenario = member.task.setting.scenario;
    let drops = scenario.publishes() && scenario != Scenario::Nodrop;
    while !member.orders.finish {
        // Where nobody waits, everything but what fits into a queue would be dropped if it were always like this.
        if drops && member.random.percent(60) {
            let most = u64::from(member.task.setting.send_hwm);
            let count = member.random.between(1, most);
            for _ in 0..member.random.between(1, 100) {
                burst(member, &mut outlet, count)?;
                member.pause(Duration::from_millis(1))?;
                if member.orders.finish {
                    break;
                }
            }
        } else {
            let count = member.random.between(100, 50_000);
            burst(member, &mut outlet, count)?;
        }
        if member.orders.hurry {
            continue;
        }
        if member.random.percent(15) {
            let pause = member.random.pause(1, 100);
            member.pause(pause)?;
        }
        if member.task.reopens && outlet.index + 1 < SOCKETS && member.random.percent(8) {
            let within = if member.random.percent(30) { Duration::from_millis(3) } else { PATIENCE };
            let next = outlet.index + 1;
            close(member, outlet, within)?;
            outlet = open(member, next)?;
        } else if member.task.redials && member.random.percent(8) {
            redial(member, &outlet.socket)?;
        }
    }
    close(member, outlet, PATIENCE)
}

fn open(member: &mut Member<'_>, index: u64) -> Outcome<Outlet> {
    let counter = member.counter(index)?;
    let socket = member.open()?;
    let barrier = member.task.setting.barrier;
    if member.task.setting.scenario.publishes() && barrier > 0 {
        socket.wait_for_subscribers(barrier, PATIENCE)?;
        member.log.write(&Line::Barrier)?;
    }
    Ok(Outlet { socket, index, counter, number: 0, buffer: Vec::new() })
}

/// What is queued is still sent over the old connection.
fn redial(member: &mut Member<'_>, socket: &Socket) -> Outcome {
    let dial = &member.task.dial;
    let chosen = usize::try_from(member.random.number() % dial.len() as u64)?;
    if let Some(endpoint) = dial.get(chosen) {
        socket.disconnect(endpoint)?;
        socket.connect(endpoint)?;
    }
    Ok(())
}

fn burst(member: &mut Member<'_>, outlet: &mut Outlet, count: u64) -> Outcome {
    for done in 0..count {
        if done.is_multiple_of(LOOK_EVERY) {
            member.orders.look()?;
            if member.orders.finish {
                break;
            }
        }
        if !send(member, outlet)? {
            break;
        }
    }
    Ok(())
}

/// Sends the next message, waiting for room; `false` if there are orders meanwhile.
fn send(member: &mut Member<'_>, outlet: &mut Outlet) -> Outcome<bool> {
    let number = outlet.number + 1;
    let tag = Tag::new(member.task.number * SOCKETS + outlet.index, number);
    outlet.counter.attempt(number)?;
    let shape = Shape::of(tag, member.task.setting.largest, member.may_have_front());
    shape.last(tag, &mut outlet.buffer);
    loop {
        let sent = match shape.front {
            // By another way, now and then.
            None if shape.rest.len() > 9000 => outlet.socket.send(Message::new(outlet.buffer.clone())),
            None => outlet.socket.send_slice(&outlet.buffer, true),
            Some(front) => outlet.socket.send_slices(&[front, &outlet.buffer], true),
        };
        match sent {
            Ok(()) => {
                outlet.number = number;
                return Ok(true);
            }
            Err(SendError::TimedOut(_) | SendError::Full(_)) => {
                member.orders.look()?;
                if member.orders.finish {
                    return Ok(false);
                }
            }
            Err(error) => return Err(format!("message {number}: {error}").into()),
        }
    }
}

fn close(member: &mut Member<'_>, mut outlet: Outlet, within: Duration) -> Outcome {
    outlet.counter.end(outlet.number)?;
    if member.task.setting.scenario.publishes() {
        for peer in outlet.socket.peers() {
            let info = outlet.socket.peer_info(peer.peer);
            let name = info.and_then(|info| {
                let found = info.metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("X-Soak"))?;
                String::from_utf8(found.1.to_vec()).ok()
            });
            if let Some(name) = name {
                let (messages_out, full) = (peer.traffic.messages_out, peer.traffic.dropped.full);
                member.log.write(&Line::Peer { name, messages_out, full })?;
            }
        }
    }
    member.close(&outlet.socket, outlet.index, outlet.number, within)
}
