//! Calls that may wait: the thread that would otherwise sleep does the input and output.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tamtam_zmtp::Message;

use super::background::Command;
use super::core::{Core, Life, Locked, State, Ticking, Who};
use super::outbox::REFERENCE_MIN;
use super::peer::{Link, Peer};
use super::ring::Attention;
use super::route::Routed;
use super::short::{ShortMessage, Slices};
use super::spin::{PART_BUDGET, Source, Spinning};
use crate::error::{RecvError, SendError};
use crate::options::{Driver, Spin};
use crate::sys::epoll::Events;

/// How long a call may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// Until then.
    Until(Instant),
    /// For ever.
    Endless,
}

impl Patience {
    pub(crate) fn within(timeout: Option<Duration>) -> Self {
        match timeout {
            None => Self::Endless,
            Some(Duration::ZERO) => Self::None,
            Some(timeout) => Instant::now().checked_add(timeout).map_or(Self::Endless, Self::Until),
        }
    }

    /// Returns the time left: `None` for ever.
    fn left(self) -> Option<Duration> {
        match self {
            Self::None => Some(Duration::ZERO),
            Self::Until(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            Self::Endless => None,
        }
    }

    pub(crate) fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

/// Why waiting ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Closed,
    Terminated,
    Interrupted,
}

impl Core {
    pub(crate) fn is_forked(&self) -> bool {
        self.context.is_forked()
    }

    /// Sends, waiting for room as long as `patience` allows.
    #[inline]
    pub(crate) fn send(self: &Arc<Self>, message: Message, patience: Patience) -> Result<(), SendError> {
        self.send_with(message, !matches!(patience, Patience::Endless), |_| patience)
    }

    /// As [`send`](Self::send), waiting as long as the options say.
    #[inline]
    pub(crate) fn send_as_set(self: &Arc<Self>, message: Message) -> Result<(), SendError> {
        self.send_with(message, false, |state| Patience::within(state.options.send_timeout))
    }

    #[inline]
    fn send_with(
        self: &Arc<Self>,
        message: Message,
        is_hasty: bool,
        patience: impl FnOnce(&State) -> Patience,
    ) -> Result<(), SendError> {
        if self.is_forked() {
            return Err(SendError::Forked(message));
        }
        let mut guard = self.raw();
        if is_short(&message) && self.join_batch(&mut guard, &Slices(&[message.as_slice()])).is_some() {
            return Ok(());
        }
        let mut locked = self.settled(guard);
        if !locked.is_open() {
            return Err(locked.refuse_send(message));
        }
        let outcome = locked.route_as(message, is_hasty);
        locked.spin.sent();
        match outcome {
            Err(SendError::Full(message)) => {
                let patience = patience(&locked);
                self.send_slowly(locked, message, patience, is_hasty)
            }
            other => other,
        }
    }

    /// Adds a message to the batch that waits, where nothing is to be decided about it.
    #[inline]
    fn join_batch(&self, state: &mut State, message: &impl ShortMessage) -> Option<Routed> {
        // Inproc peers may have subscribed. They write there: not to be read for nothing.
        if !state.express.is_on() || !state.express.is_run() && self.attention.has_news() {
            return None;
        }
        let routed = state.express.join(message)?;
        state.spin.sent();
        Some(routed)
    }

    /// Sends a message in the short way; `None`, and no change, if that is not to be done.
    #[inline]
    fn send_short(self: &Arc<Self>, message: &impl ShortMessage, is_hasty: bool) -> Option<Routed> {
        if self.is_forked() {
            return None;
        }
        let mut guard = self.raw();
        if let Some(routed) = self.join_batch(&mut guard, message) {
            return Some(routed);
        }
        let mut locked = self.settled(guard);
        locked.hasty += u32::from(is_hasty);
        let routed = if locked.is_open() { locked.route_short(message) } else { None };
        locked.hasty -= u32::from(is_hasty);
        if routed.is_some() {
            locked.spin.sent();
        }
        routed
    }

    /// Sends frames that stand elsewhere, waiting (if at all) as long as the options say.
    #[inline]
    pub(crate) fn send_slices(self: &Arc<Self>, frames: &[&[u8]], wait: bool) -> Result<(), SendError> {
        let message = Slices(frames);
        match self.send_short(&message, !wait) {
            Some(_) => Ok(()),
            None if self.send_in_place(frames, !wait) => Ok(()),
            None if wait => self.send_as_set(whole(&message)),
            None => self.send(whole(&message), Patience::None),
        }
    }

    /// Publishes a message that writes itself, without waiting, and tells what became of it.
    #[inline]
    pub(crate) fn publish_short(self: &Arc<Self>, message: &impl ShortMessage) -> Result<Routed, SendError> {
        match self.send_short(message, true) {
            Some(routed) => Ok(routed),
            None => self.publish_slowly(whole(message)),
        }
    }

    #[inline(never)]
    fn publish_slowly(self: &Arc<Self>, message: Message) -> Result<Routed, SendError> {
        let before = self.lock().dropped_full();
        self.send(message, Patience::None)?;
        let locked = self.lock();
        let dropped = locked.dropped_full().saturating_sub(before);
        Ok(Routed { subscribers: locked.subscriber_count(), dropped })
    }

    #[cold]
    fn send_slowly(
        self: &Arc<Self>,
        mut locked: Locked<'_>,
        mut message: Message,
        patience: Patience,
        is_hasty: bool,
    ) -> Result<(), SendError> {
        if locked.options.strict_marks && !matches!(patience, Patience::None) {
            // Whoever has the time waits for room, and not for what was queued lately to grow old.
            locked.forget_bursts();
            message = match locked.route_as(message, is_hasty) {
                Err(SendError::Full(message)) => message,
                other => return other,
            };
        }
        loop {
            // Room may be a matter of writing, or of reading that an inproc peer has taken something.
            locked.flush_left();
            locked.poll_io();
            if locked.options.strict_marks && !matches!(patience, Patience::None) {
                locked.end_bursts();
            }
            let wakes = locked.wakes;
            message = match locked.route_as(message, is_hasty) {
                Err(SendError::Full(message)) => message,
                other => return other,
            };
            if matches!(patience, Patience::None) {
                return Err(SendError::Full(message));
            }
            if patience.is_over() {
                return Err(SendError::TimedOut(message));
            }
            // Whoever makes room, or takes the peer away, wakes; what that peer is, `route` knows.
            match locked.park(patience, |state| state.wakes != wakes) {
                Ok(()) => {}
                Err(Ended::Interrupted) => return Err(SendError::Interrupted(message)),
                Err(_) => return Err(locked.refuse_send(message)),
            }
        }
    }

    /// Receives, waiting as long as `patience` allows.
    #[inline]
    pub(crate) fn receive(self: &Arc<Self>, patience: Patience) -> Result<Message, RecvError> {
        let mut message = Message::default();
        self.receive_into(patience, &mut message, |_, _| ()).map(|()| message)
    }

    /// Receives into `slot`, and looks at the message together with what the socket knows, under one lock. Without a message
    /// nothing is said of what `slot` holds then.
    #[inline]
    pub(crate) fn receive_into<T>(
        self: &Arc<Self>,
        patience: Patience,
        slot: &mut Message,
        look: impl FnOnce(&mut State, &mut Message) -> T,
    ) -> Result<T, RecvError> {
        if self.is_forked() {
            return Err(RecvError::Forked);
        }
        if slot.frames().any(|frame| frame.shared().is_some()) {
            // What was in it may be the last reference to something of the caller's: not to be let go under the lock.
            *slot = Message::default();
        }
        let mut guard = self.raw();
        guard.settle_express();
        if guard.is_open() && guard.take_short(self.kind, slot) {
            if guard.exported {
                let mut locked = self.settled(guard);
                locked.has_taken();
                return Ok(look(&mut locked, slot));
            }
            guard.has_received();
            // Nothing has to wait for the lock's release.
            return Ok(look(&mut guard, slot));
        }
        let mut locked = self.settled(guard);
        if !locked.is_open() {
            return Err(locked.refuse_receive());
        }
        match locked.take_any(slot) {
            Ok(()) => locked.has_taken(),
            Err(RecvError::WouldBlock) => self.receive_slowly(&mut locked, patience, slot)?,
            Err(error) => return Err(error),
        }
        Ok(look(&mut locked, slot))
    }

    /// Has `look` look at a message of exactly `N` short frames where it lies, under the lock, and takes it if it says so. `false`, and
    /// no change, if it says no, or if no such message is there without further ado.
    #[inline]
    pub(crate) fn receive_in_place<const N: usize>(
        self: &Arc<Self>,
        look: impl FnOnce([&[u8]; N]) -> bool,
    ) -> bool {
        if self.is_forked() {
            return false;
        }
        let mut guard = self.raw();
        guard.settle_express();
        if !guard.is_open() || !guard.take_in_place(self.kind, look) {
            return false;
        }
        if guard.exported {
            self.settled(guard).has_taken();
        } else {
            guard.has_received();
        }
        true
    }

    #[inline(never)]
    fn receive_slowly(
        self: &Arc<Self>,
        locked: &mut Locked<'_>,
        patience: Patience,
        slot: &mut Message,
    ) -> Result<(), RecvError> {
        // One look at the descriptors without waiting.
        locked.poll_io();
        match locked.take(slot) {
            Ok(()) => {
                locked.has_taken();
                locked.found_before_background();
                return Ok(());
            }
            Err(RecvError::WouldBlock) => {}
            Err(error) => return Err(error),
        }
        if matches!(patience, Patience::None) {
            locked.rest();
            return Err(RecvError::WouldBlock);
        }
        // Before a thread waits for any reason, it writes what it left for later.
        locked.flush_left();
        let began = Instant::now();
        let option = locked.options.spin;
        let from = locked.source();
        let budget = locked.spin.budget(option, from);
        let conversation = locked.spin.is_conversation();
        let mut turn = (!budget.is_zero() && locked.options.driver == Driver::Adaptive)
            .then(|| Spinning::begin(conversation))
            .flatten();
        let mut spinning = turn.is_some();
        // When the present spin ends. A large message that is on its way is waited for awake as well, each part anew.
        let (mut end, mut received) = (began + budget, 0);
        loop {
            let was_spinning = spinning;
            if spinning && locked.net_peers.is_empty() {
                // Inproc peers raise a flag: no need to take the lock to see it.
                let attention = &self.attention;
                locked.unlocked(|| {
                    while !attention.has_news() {
                        if Instant::now() >= end {
                            spinning = false;
                            break;
                        }
                        for _ in 0..8 {
                            std::hint::spin_loop();
                        }
                    }
                });
            } else if spinning {
                spinning = Instant::now() < end;
                locked.unlocked(std::hint::spin_loop);
                locked.poll_io();
            } else {
                drop(turn.take());
                match locked.park(patience, |state| state.has_input(&self.attention)) {
                    Ok(()) => {}
                    Err(Ended::Interrupted) => return Err(RecvError::Interrupted),
                    Err(_) => return Err(locked.refuse_receive()),
                }
            }
            if !locked.is_open() {
                return Err(locked.refuse_receive());
            }
            match locked.take(slot) {
                Ok(()) => {
                    locked.policy.received();
                    if was_spinning {
                        locked.spin.hit();
                    }
                    locked.spin.waited(began.elapsed());
                    return Ok(());
                }
                Err(RecvError::WouldBlock) => {}
                Err(error) => return Err(error),
            }
            let so_far = locked.large_message_so_far();
            if so_far > received && option != Spin::Off && locked.options.driver == Driver::Adaptive {
                received = so_far;
                turn = turn.or_else(|| Spinning::begin(true));
                spinning = turn.is_some();
                end = Instant::now() + PART_BUDGET;
            } else if was_spinning && !spinning && received == 0 {
                locked.spin.missed();
            }
            if !spinning && patience.is_over() {
                return Err(RecvError::TimedOut);
            }
        }
    }
}

/// Tells whether a message is to be copied rather than queued by reference.
#[inline]
fn is_short(message: &Message) -> bool {
    !message.is_multipart() && message.byte_len() < REFERENCE_MIN
}

fn whole(message: &impl ShortMessage) -> Message {
    message.to_message(&mut |frames| Message::from_frames(frames.iter().copied()).unwrap_or_default())
}

impl Locked<'_> {
    pub(crate) fn refuse_send(&self, message: Message) -> SendError {
        if self.terminated { SendError::Terminated(message) } else { SendError::Closed(message) }
    }

    pub(crate) fn refuse_receive(&self) -> RecvError {
        if self.terminated { RecvError::Terminated } else { RecvError::Closed }
    }

    /// Routes a message, the short way if it is short. `is_hasty`: the thread will not wait for room.
    #[inline]
    fn route_as(&mut self, message: Message, is_hasty: bool) -> Result<(), SendError> {
        self.hasty += u32::from(is_hasty);
        let is_sent = is_short(&message) && self.route_short(&Slices(&[message.as_slice()])).is_some();
        let outcome = if is_sent { Ok(()) } else { self.route(message) };
        self.hasty -= u32::from(is_hasty);
        outcome
    }

    /// Returns what the socket can expect its next message from.
    fn source(&self) -> Source {
        match self.net_peers[..] {
            [] if !self.inproc_peers.is_empty() => Source::Inproc,
            [only]
                if self.peer(only).and_then(Peer::conn).is_some_and(|conn| conn.appetite.expects_large()) =>
            {
                Source::LargeStream
            }
            _ => Source::Any,
        }
    }

    /// Returns how much of a large message has arrived that is not complete; 0 if there is none.
    fn large_message_so_far(&self) -> usize {
        // Where many peers talk, there is something to do without waiting for one of them.
        let [only] = self.net_peers[..] else { return 0 };
        let Some(conn) = self.peer(only).and_then(Peer::conn) else { return 0 };
        let wanted = conn.protocol.as_ref().map_or(0, tamtam_zmtp::Connection::wanted);
        if wanted >= super::appetite::READ_BYTES { conn.input.len() } else { 0 }
    }

    /// A message was taken without waiting for it, and whoever was lent the descriptor is to know whether there are more.
    #[inline]
    fn has_taken(&mut self) {
        self.has_received();
        self.tell_of_more();
    }

    /// A message was taken: as long as there are more, the descriptor that was lent stays readable.
    #[inline]
    fn tell_of_more(&mut self) {
        if self.exported && !self.notified {
            let core = Arc::clone(self.core);
            if self.has_input(&core.attention) {
                self.wake();
            }
        }
    }

    /// REQ, REP: a message was sent, and it is the turn to receive. What waited meanwhile woke nobody.
    #[inline]
    pub(crate) fn turn_has_come(&mut self) {
        if self.exported || self.is_awaited() {
            let core = Arc::clone(self.core);
            if self.has_input(&core.attention) {
                self.wake();
            }
        }
    }

    /// Nothing is there for somebody who polls: take the signal away that says otherwise.
    pub(crate) fn rest(&mut self) {
        if self.notified {
            self.acknowledge();
            let core = Arc::clone(self.core);
            if self.has_input(&core.attention) {
                // It came in between.
                self.wake();
            }
        }
    }

    /// Sleeps until something happens to the socket or the time is over. Returns early without harm; the caller looks.
    ///
    /// `ready` is asked once more after inproc peers have been told to wake us.
    pub(crate) fn park(
        &mut self,
        patience: Patience,
        ready: impl Fn(&mut State) -> bool,
    ) -> Result<(), Ended> {
        if self.terminated {
            return Err(Ended::Terminated);
        }
        if self.life != Life::Open {
            return Err(Ended::Closed);
        }
        self.flush_left();
        if self.options.interruptible && self.set.is_none() {
            // Only a wait for descriptors is ended by a signal. Without one, what comes is waited for all the same.
            let _ = self.ready_set();
        }
        let leads = self.set.is_some() && !self.leader && self.options.driver == Driver::Adaptive;
        let result = if leads { self.lead(patience, ready) } else { self.follow_others(patience, ready) };
        if self.terminated {
            return Err(Ended::Terminated);
        }
        if self.life != Life::Open {
            return Err(Ended::Closed);
        }
        result
    }

    /// Waits on the socket's descriptors, and does the input and output.
    fn lead(&mut self, patience: Patience, ready: impl Fn(&mut State) -> bool) -> Result<(), Ended> {
        let Some(set) = self.set.clone() else { return Ok(()) };
        self.drive();
        self.leader = true;
        self.update_attention();
        let mut outcome = Ok(());
        if ready(self) {
            self.leader = false;
        } else {
            let mut events = self.events.take().unwrap_or_else(|| Events::with_capacity(64));
            let left = patience.left();
            let lent = set.is_lent();
            let since = self.wakes;
            let result = self.unlocked(|| set.watched().wait(&mut events, left));
            self.drives = self.drives.wrapping_add(1);
            // Before anything else: what wakes from here on does not mean this thread.
            self.leader = false;
            self.came_out(since);
            match result {
                Ok(()) if lent => {
                    self.acknowledge();
                    if set.epoll.wait(&mut events, Some(Duration::ZERO)).is_ok() {
                        self.handle_events(&events);
                    }
                }
                Ok(()) => {
                    self.handle_events(&events);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    if self.options.interruptible {
                        outcome = Err(Ended::Interrupted);
                    }
                }
                Err(error) => {
                    tracing::warn!(socket = self.core.id, %error, "cannot wait for events");
                }
            }
            self.events = Some(events);
        }
        self.update_attention();
        if self.is_awaited() {
            // One of the others takes the lead, or finds that what it waits for is with us now.
            self.wake();
        }
        self.ask_for_ticks();
        outcome
    }

    /// Has the background thread look now and then whether the application still drives.
    pub(crate) fn ask_for_ticks(&mut self) {
        if self.who == Who::Application && self.ticking == Ticking::No && self.life == Life::Open {
            self.look_soon();
        }
    }

    /// Has the background thread look at the next tick.
    pub(crate) fn look_soon(&mut self) {
        self.ticking = Ticking::Soon;
        let socket = self.core.id;
        self.submit(Command::Tick { socket });
    }

    /// Waits for another thread (the one that leads, the background, an inproc peer) to wake us.
    fn follow_others(&mut self, patience: Patience, ready: impl Fn(&mut State) -> bool) -> Result<(), Ended> {
        // Counted before the flag is set, so that it stays set as long as somebody waits.
        self.following += 1;
        self.update_attention();
        let is_ready = ready(self);
        self.following -= 1;
        if is_ready {
            self.update_attention();
            return Ok(());
        }
        self.follow(patience.left());
        self.update_attention();
        Ok(())
    }
}

impl State {
    /// A message was taken without waiting for it.
    #[inline]
    fn has_received(&mut self) {
        self.policy.received();
        self.spin.found();
    }

    /// Tells whether something is there to be taken (or to be looked at).
    pub(crate) fn has_input(&mut self, attention: &Attention) -> bool {
        if self.ahead.is_some() {
            return true;
        }
        if self.pattern.is_out_of_turn() {
            // What waits is not to be had: whoever polls would only find that out again and again.
            return false;
        }
        if !self.notices.is_empty() || self.recv_turn.current().is_some() {
            return true;
        }
        let inproc_peers = std::mem::take(&mut self.inproc_peers);
        let found =
            inproc_peers.iter().any(|id| match self.peers.get_mut(id.0 as usize).and_then(Option::as_mut) {
                Some(peer) => match &mut peer.link {
                    Link::Inproc(inproc) => !inproc.rx.is_empty() || inproc.rx.is_abandoned(),
                    _ => false,
                },
                None => false,
            });
        self.inproc_peers = inproc_peers;
        if found {
            // The peer may not have come to announce it yet: whoever takes next must look.
            attention.raise();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::core::ReadySet;
    use super::*;
    use crate::{Context, Socket, SocketType};

    fn is_signalled(set: &ReadySet) -> bool {
        let mut events = Events::with_capacity(4);
        set.epoll.wait(&mut events, Some(Duration::ZERO)).unwrap();
        events.iter().next().is_some()
    }

    /// The background thread comes by between the signal and the moment when the sleeper runs.
    #[test]
    fn a_signal_is_left_for_whoever_slept_when_it_was_given() {
        let context = Context::new();
        let socket = Socket::new(&context, SocketType::Push);
        let mut locked = socket.core().lock();
        let set = locked.ready_set().unwrap();
        let early = locked.wakes;
        locked.leader = true;
        locked.polling = 1;
        locked.wake();
        locked.service();
        assert!(is_signalled(&set), "two threads sleep on it");
        locked.leader = false;
        locked.came_out(early);
        locked.service();
        assert!(is_signalled(&set), "one still does");
        // Somebody lies down afterwards and is up first.
        let late = locked.wakes;
        locked.polling = 2;
        locked.came_out(late);
        locked.polling = 1;
        locked.rest();
        assert!(is_signalled(&set), "it was not the one that was called");
        locked.polling = 0;
        locked.came_out(early);
        locked.service();
        assert!(!is_signalled(&set), "all have come");
        locked.wake();
        assert!(!is_signalled(&set), "nobody sleeps");
    }
}
