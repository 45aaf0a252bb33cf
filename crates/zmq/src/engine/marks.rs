//! How much may wait for one peer: high-water marks.

use crate::options::Options;

/// The marks of one direction. A message is taken as long as what waits is below both: so one that is larger than the whole
/// mark finds its way when nothing else waits, and whether there is room does not depend on what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Messages; `u64::MAX` for no bound.
    pub(crate) messages: u64,
    /// Octets; `u64::MAX` for no bound.
    pub(crate) bytes: u64,
}

impl Marks {
    fn new(messages: u32, bytes: Option<u64>) -> Self {
        Self {
            messages: if messages == 0 { u64::MAX } else { u64::from(messages) },
            // None at all would stop everything.
            bytes: bytes.map_or(u64::MAX, |bytes| bytes.max(1)),
        }
    }

    pub(crate) fn sending(options: &Options) -> Self {
        Self::new(options.send_hwm, options.send_hwm_bytes)
    }

    pub(crate) fn receiving(options: &Options) -> Self {
        Self::new(options.receive_hwm, options.receive_hwm_bytes)
    }

    /// Tells whether one more is taken where so much waits.
    #[inline]
    pub(crate) fn have_room(self, messages: u64, bytes: u64) -> bool {
        messages < self.messages && bytes < self.bytes
    }

    /// Tells whether half of it is free, as libzmq has it: whoever is woken for each message is woken a thousand times.
    #[inline]
    pub(crate) fn have_half(self, messages: u64, bytes: u64) -> bool {
        messages <= self.messages / 2 && bytes <= self.bytes / 2
    }

    /// The marks of a pipe, in which one side's send queue and the other's receive queue are one: their sum. In messages there
    /// is no bound if either side asks for none; in octets having no mark asks for nothing.
    pub(crate) fn joined(send: Self, receive: Self) -> Self {
        let bytes = match (send.bytes, receive.bytes) {
            (u64::MAX, one) | (one, u64::MAX) => one,
            (one, other) => one.saturating_add(other),
        };
        Self { messages: send.messages.saturating_add(receive.messages), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_has_both_sides_marks() {
        let marks = |messages, bytes| Marks { messages, bytes };
        let none = u64::MAX;
        assert_eq!(Marks::joined(marks(3, none), marks(4, none)), marks(7, none));
        assert_eq!(Marks::joined(marks(none, 10), marks(4, none)), marks(none, 10));
        assert_eq!(Marks::joined(marks(1, 10), marks(1, 5)), marks(2, 15));
        assert_eq!(Marks::new(0, Some(0)), marks(none, 1));
    }
}
