//! How much may be on its way: a limit that both ends keep to, for queues whose own limit cannot be waited for with a
//! deadline.
//!
//! The sender counts what it has sent; the receiver tells over a socket pair what it has taken, a few times per
//! window. So a sender within its window makes no system call for that, and one beyond it waits for the socket, which
//! has deadlines and tells when the other end is gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use crate::wait::{readable, uninterrupted, until};
use crate::{Deadline, Error, Wait};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) messages: u32,
    pub(crate) octets: u32,
}

impl Amount {
    /// One message of this length.
    pub(crate) fn message(len: usize) -> Self {
        Self { messages: 1, octets: len.try_into().unwrap_or(u32::MAX) }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            octets: self.octets.saturating_add(other.octets),
        }
    }

    fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            messages: self.messages.checked_sub(other.messages)?,
            octets: self.octets.checked_sub(other.octets)?,
        })
    }

    const fn fits_in(self, limit: Self) -> bool {
        self.messages <= limit.messages && self.octets <= limit.octets
    }
}

/// One end's view of both directions, which have the same limit.
#[derive(Debug)]
pub(crate) struct Window {
    socket: OwnedFd,
    limit: Amount,
    /// Octets of the longest message.
    longest: u32,
    /// Sent, and not yet known to be taken.
    sent: Amount,
    /// Taken, and not yet told.
    taken: Amount,
    /// Messages taken since the last full step.
    in_step: u32,
}

impl Window {
    /// The sockets for both ends.
    pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(Error::system("socketpair"))
    }

    pub(crate) fn new(socket: OwnedFd, limit: Amount, longest: usize) -> Self {
        let longest = longest.try_into().unwrap_or(u32::MAX);
        Self { socket, limit, longest, sent: Amount::default(), taken: Amount::default(), in_step: 0 }
    }

    /// Lets no more than so many messages be on their way: both ends have to say the same before the first message
    /// was taken.
    pub(crate) fn narrow(&mut self, messages: u32) {
        self.limit.messages = self.limit.messages.min(messages.max(1));
    }

    /// Waits until `amount` more may be sent, and counts it as sent.
    pub(crate) fn send(&mut self, amount: Amount, wait: Wait, deadline: Deadline) -> Result<(), Error> {
        let total = loop {
            let total = self.sent.plus(amount);
            // A message that is longer than the whole window goes alone.
            if total.fits_in(self.limit) || self.sent == Amount::default() {
                break total;
            }
            let told = until(
                wait,
                deadline,
                || told(self.socket.as_fd()),
                |deadline| readable(self.socket.as_fd(), deadline),
            )?;
            let impossible = || Error::Corrupt("it has taken what was not sent, or nothing".into());
            self.sent = self.sent.minus(told).filter(|_| told.messages > 0).ok_or_else(impossible)?;
        };
        self.sent = total;
        Ok(())
    }

    /// Takes back what [`send`](Self::send) counted: it was not sent.
    pub(crate) fn unsend(&mut self, amount: Amount) {
        self.sent = self.sent.minus(amount).unwrap_or_default();
    }

    /// Counts what was taken. Tells the other end of it a few times per window, and whenever that may be what it
    /// waits for: so as many messages as the window has may be sent again when all were taken, and nobody waits for
    /// room while the queue is empty.
    pub(crate) fn take(&mut self, amount: Amount) {
        self.taken = self.taken.plus(amount);
        self.in_step += amount.messages;
        let is_step = self.in_step >= step(self.limit.messages);
        if is_step {
            self.in_step = 0;
        }
        let octets_left = self.limit.octets.saturating_sub(self.taken.octets);
        if is_step || octets_left < self.longest.max(self.limit.octets / 2) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        let Amount { messages, octets } = self.taken;
        let packet = [messages.to_ne_bytes(), octets.to_ne_bytes()].concat();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // It fails if nobody listens any more, or somebody never did: then later, together with what follows.
        if uninterrupted(|| send(&self.socket, &packet, flags)).is_ok() {
            self.taken = Amount::default();
        }
    }
}

impl AsFd for Window {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// After how many messages each the other end is told: half of the window, or each if the window is odd. Full steps
/// are a full window.
pub(crate) const fn step(window: u32) -> u32 {
    if window > 0 && window.is_multiple_of(2) { window / 2 } else { 1 }
}

/// What the other end has told; `None` if nothing.
fn told(socket: BorrowedFd<'_>) -> Result<Option<Amount>, Error> {
    let mut packet = [0; 8];
    match uninterrupted(|| recv(socket, &mut packet, RecvFlags::DONTWAIT | RecvFlags::TRUNC)) {
        Ok((_, 8)) => {
            let [a, b, c, d, e, f, g, h] = packet;
            let (messages, octets) = (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]));
            Ok(Some(Amount { messages, octets }))
        }
        Ok((_, 0)) | Err(Errno::CONNRESET) => Err(Error::Closed),
        Ok(_) => Err(Error::Corrupt("a packet of the wrong length".into())),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(Error::system("recv")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Amount = Amount { messages: 4, octets: 100 };

    fn windows() -> (Window, Window) {
        let (a, b) = Window::pair().expect("a pair");
        (Window::new(a, LIMIT, 10), Window::new(b, LIMIT, 10))
    }

    fn try_send(window: &mut Window, len: usize) -> Result<(), Error> {
        window.send(Amount::message(len), Wait::Block, Deadline::NOW)
    }

    #[test]
    fn messages_and_octets_are_limited_both() {
        let (mut a, mut b) = windows();
        for _ in 0..4 {
            try_send(&mut a, 1).expect("within");
        }
        assert!(matches!(try_send(&mut a, 0), Err(Error::TimedOut)));
        b.take(Amount::message(1));
        assert!(matches!(try_send(&mut a, 0), Err(Error::TimedOut)), "not told yet");
        b.take(Amount::message(1));
        try_send(&mut a, 98).expect("two were taken, and told");
        assert!(matches!(try_send(&mut a, 1), Err(Error::TimedOut)), "too many octets");
        a.unsend(Amount::message(98));
        try_send(&mut a, 1).expect("taken back");
    }

    #[test]
    fn nobody_waits_for_room_while_the_queue_is_empty() {
        let (a, b) = Window::pair().expect("a pair");
        let (mut a, mut b) = (Window::new(a, LIMIT, 60), Window::new(b, LIMIT, 60));
        for len in [45, 60, 41, 59, 0, 60, 1, 60] {
            try_send(&mut a, len).expect("the one before was taken");
            b.take(Amount::message(len));
        }
    }

    #[test]
    fn all_of_the_window_is_free_when_all_was_taken() {
        for messages in 1..9 {
            let limit = Amount { messages, octets: 1000 };
            let (a, b) = Window::pair().expect("a pair");
            let (mut a, mut b) = (Window::new(a, limit, 60), Window::new(b, limit, 60));
            for round in 0..20 {
                let len = if round % 3 == 0 { 60 } else { 7 };
                for _ in 0..messages {
                    try_send(&mut a, len).expect("free");
                }
                assert!(matches!(try_send(&mut a, 0), Err(Error::TimedOut)));
                (0..messages).for_each(|_| b.take(Amount::message(len)));
            }
        }
    }

    #[test]
    fn a_narrower_window_is_told_of_sooner() {
        let (mut a, mut b) = windows();
        a.narrow(1);
        b.narrow(1);
        for _ in 0..3 {
            try_send(&mut a, 1).expect("the one before was taken");
            assert!(matches!(try_send(&mut a, 0), Err(Error::TimedOut)));
            b.take(Amount::message(1));
        }
    }

    #[test]
    fn a_message_beyond_the_window_goes_alone() {
        let (mut a, mut b) = windows();
        try_send(&mut a, 1000).expect("alone");
        assert!(matches!(try_send(&mut a, 0), Err(Error::TimedOut)));
        b.take(Amount::message(1000));
        try_send(&mut a, 0).expect("taken");
    }

    #[test]
    fn lies_are_found() {
        let (mut a, mut b) = windows();
        (0..4).for_each(|_| try_send(&mut a, 1).expect("within"));
        b.take(Amount { messages: 5, octets: 0 });
        assert!(matches!(try_send(&mut a, 1), Err(Error::Corrupt(_))));
        for lie in [&[0; 8][..], &[0; 9], &[255; 8], &[1]] {
            send(&b, lie, SendFlags::empty()).expect("sent");
            assert!(matches!(try_send(&mut a, 1), Err(Error::Corrupt(_))), "{lie:?}");
        }
    }

    #[test]
    fn the_end_is_told() {
        let (mut a, b) = windows();
        (0..4).for_each(|_| try_send(&mut a, 1).expect("within"));
        drop(b);
        for deadline in [Deadline::NOW, Deadline::NEVER] {
            assert!(matches!(a.send(Amount::message(1), Wait::Block, deadline), Err(Error::Closed)));
        }
    }
}
