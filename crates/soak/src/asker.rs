//! Asks, and takes the answers. (DEALER, REQ)

use tamtam_soak::Outcome;
use tamtam_zmq::{Message, RecvError, SendError, Socket, SocketType};

use crate::body::{SOCKETS, Shape, Tag};
use crate::evidence::{Counter, Line, wrong};
use crate::member::{Member, SLICE};
use crate::plan::PATIENCE;

/// After so many waits in vain at the end no answers are on their way any more. Waits are counted, and not the time: that goes on
/// while a process is stopped.
const SETTLED: u32 = 75;
/// After so many waits in vain a REQ asks anew, and anybody does not count on the answers any more.
const GIVEN_UP: u32 = 10;

struct Asker {
    socket: Socket,
    counter: Counter,
    number: u64,
    /// How many answers it waits for at most.
    window: u64,
    outstanding: u64,
    /// How often it has not waited for answers any longer.
    given_up: u64,
    buffer: Vec<u8>,
    message: Message,
}

pub(crate) fn run(member: &mut Member<'_>) -> Outcome {
    let counter = member.counter(0)?;
    let socket = member.open()?;
    let is_req = member.task.kind() == SocketType::Req;
    let window = if is_req { 1 } else { member.random.between(1, 4000) };
    let (buffer, message) = (Vec::new(), Message::default());
    let mut asker =
        Asker { socket, counter, number: 0, window, outstanding: 0, given_up: 0, buffer, message };
    let mut in_vain = 0;
    loop {
        member.orders.look()?;
        let is_over = member.orders.finish;
        let mut any = false;
        while !is_over && asker.outstanding < asker.window && ask(member, &mut asker)? {
            any = true;
            // Answers are not left waiting for long.
            if asker.number.is_multiple_of(32) {
                break;
            }
        }
        while take(member, &mut asker, false)? {
            any = true;
        }
        if any {
            in_vain = 0;
            be_moody(member)?;
            continue;
        }
        if take(member, &mut asker, true)? {
            in_vain = 0;
            continue;
        }
        member.receipts.write()?;
        in_vain += 1;
        if is_over && (in_vain > SETTLED || member.receipts.count == asker.number) {
            break;
        }
        if !is_over && in_vain > GIVEN_UP {
            asker.given_up += u64::from(asker.outstanding > 0);
            (asker.outstanding, in_vain) = (0, 0);
        }
    }
    asker.counter.end(asker.number)?;
    if asker.given_up > 0 {
        member.log.write(&Line::GivenUp { count: asker.given_up })?;
    }
    member.close(&asker.socket, 0, asker.number, PATIENCE)
}

/// Asks, if nobody has to wait for that.
fn ask(member: &Member<'_>, asker: &mut Asker) -> Outcome<bool> {
    let number = asker.number + 1;
    let tag = Tag::new(member.task.number * SOCKETS, number);
    asker.counter.attempt(number)?;
    let shape = Shape::of(tag, member.task.setting.largest, member.may_have_front());
    shape.last(tag, &mut asker.buffer);
    let sent = match shape.front {
        None => asker.socket.send_slice(&asker.buffer, false),
        Some(front) => asker.socket.send_slices(&[front, &asker.buffer], false),
    };
    match sent {
        Ok(()) => {
            asker.number = number;
            asker.outstanding += 1;
            Ok(true)
        }
        Err(SendError::Full(_) | SendError::TimedOut(_)) => Ok(false),
        Err(error) => Err(format!("message {number}: {error}").into()),
    }
}

/// Takes an answer, if there is one.
fn take(member: &mut Member<'_>, asker: &mut Asker, wait: bool) -> Outcome<bool> {
    let message = &mut asker.message;
    let received = if wait { asker.socket.recv_into(message) } else { asker.socket.try_recv_into(message) };
    match received {
        Ok(()) => {
            let tag = member.note(&asker.message, 0)?;
            if asker.window == 1 {
                // It takes its time anyway; what dies with it is then what was on its way.
                member.receipts.write()?;
            }
            if !tag.is_back() || tag.source() != member.task.number * SOCKETS {
                wrong(&mut member.log, format!("an answer to {} of {}", tag.number(), tag.source()))?;
            }
            asker.outstanding = asker.outstanding.saturating_sub(1);
            Ok(true)
        }
        // A REQ that has not asked cannot be answered.
        Err(RecvError::OutOfTurn) if wait => {
            member.pause(SLICE)?;
            Ok(false)
        }
        Err(RecvError::WouldBlock | RecvError::TimedOut | RecvError::OutOfTurn) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn be_moody(member: &mut Member<'_>) -> Outcome {
    if !member.orders.hurry && member.random.number().is_multiple_of(4000) {
        let nap = member.random.pause(5, 300);
        member.pause(nap)?;
    }
    Ok(())
}
