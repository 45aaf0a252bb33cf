//! Receives messages, and sends them back where that is the pattern. (PULL, SUB, ROUTER, REP)

use std::time::{Duration, Instant};

use tamtam_soak::Outcome;
use tamtam_zmq::{Message, RecvError, SendError, Socket, SocketType};

use crate::body::Tag;
use crate::evidence::Line;
use crate::member::Member;
use crate::plan::PATIENCE;

/// The most messages that are taken at a time.
const MOST: usize = 64;

/// How it reads at the moment.
#[derive(Clone, Copy)]
enum Mood {
    Quick,
    /// So long a pause each time.
    Slow(Duration),
}

struct Inlet {
    socket: Socket,
    mood: Mood,
    changes: Instant,
    /// One message at a time, and not what there is.
    takes_single: bool,
    refused: u64,
    buffer: Vec<u8>,
}

pub(crate) fn run(member: &mut Member<'_>) -> Outcome {
    let socket = member.open()?;
    let takes_single = member.random.percent(50);
    let (mood, changes) = (Mood::Quick, Instant::now());
    let mut inlet = Inlet { socket, mood, changes, takes_single, refused: 0, buffer: Vec::new() };
    let mut messages = Vec::with_capacity(MOST);
    let mut told: Option<Instant> = None;
    loop {
        member.orders.look()?;
        match receive(&inlet, &mut messages) {
            Ok(()) => {
                for message in messages.drain(..) {
                    take(member, &mut inlet, &message)?;
                }
                be_moody(member, &mut inlet)?;
                continue;
            }
            Err(RecvError::TimedOut | RecvError::WouldBlock) => member.receipts.write()?,
            Err(error) => return Err(error.into()),
        }
        if !member.orders.finish {
            continue;
        }
        // Everybody has closed its end, and what it has sent before is taken: no more can come.
        let counted = inlet.socket.statistics();
        if counted.peers == 0 && counted.queued_in == 0 {
            break;
        }
        if told.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return Err(format!("{} peers do not go", counted.peers).into());
        }
    }
    if inlet.refused > 0 {
        member.log.write(&Line::Refused { count: inlet.refused })?;
    }
    let received = member.receipts.count;
    member.close(&inlet.socket, 0, received, PATIENCE)
}

fn receive(inlet: &Inlet, messages: &mut Vec<Message>) -> Result<(), RecvError> {
    if inlet.takes_single {
        let mut message = Message::default();
        inlet.socket.recv_into(&mut message)?;
        messages.push(message);
        Ok(())
    } else {
        inlet.socket.recv_many(messages, MOST).map(|_| ())
    }
}

fn take(member: &mut Member<'_>, inlet: &mut Inlet, message: &Message) -> Outcome {
    match member.task.kind() {
        SocketType::Router => {
            let tag = member.note(message, 1)?;
            answer(member, inlet, message, tag)
        }
        SocketType::Rep => {
            let tag = member.note(message, 0)?;
            answer(member, inlet, message, tag)
        }
        _ => member.note(message, 0).map(|_| ()),
    }
}

/// Sends a message back as it has come, but for the tag.
fn answer(member: &mut Member<'_>, inlet: &mut Inlet, message: &Message, tag: Tag) -> Outcome {
    inlet.buffer.clear();
    inlet.buffer.extend_from_slice(&tag.back().0.to_le_bytes());
    inlet.buffer.extend_from_slice(message.last().get(8..).unwrap_or_default());
    let mut frames: Vec<&[u8]> = message.frames().map(|frame| &**frame).collect();
    frames.pop();
    frames.push(&inlet.buffer);
    loop {
        match inlet.socket.send_slices(&frames, true) {
            Ok(()) => return Ok(()),
            Err(SendError::Unroutable(_)) if member.task.setting.is_mandatory => {
                inlet.refused += 1;
                return Ok(());
            }
            Err(SendError::TimedOut(_) | SendError::Full(_)) => member.orders.look()?,
            Err(error) => return Err(format!("an answer: {error}").into()),
        }
    }
}

fn be_moody(member: &mut Member<'_>, inlet: &mut Inlet) -> Outcome {
    if member.orders.hurry {
        return Ok(());
    }
    if Instant::now() >= inlet.changes {
        inlet.changes = Instant::now() + member.random.pause(50, 1500);
        inlet.mood = match member.random.number() % 100 {
            0..=69 => Mood::Quick,
            70..=84 => Mood::Slow(Duration::from_micros(member.random.between(50, 5000))),
            _ => {
                let nap = member.random.pause(10, 600);
                member.pause(nap)?;
                Mood::Quick
            }
        };
    }
    if let Mood::Slow(pause) = inlet.mood {
        member.pause(pause)?;
    }
    Ok(())
}
