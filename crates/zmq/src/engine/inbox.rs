//! What was received from one peer and waits for the application.

use std::collections::VecDeque;

use tamtam_zmtp::Message;

use super::marks::Marks;

/// Messages in turn, with the count of their octets.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    messages: VecDeque<Message>,
    bytes: u64,
}

/// It says something about other messages, and nothing by itself.
fn is_control(message: &Message) -> bool {
    message.is_multipart() && message.last().is_empty()
}

impl Inbox {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    #[inline]
    pub(crate) fn has_room(&self, marks: Marks) -> bool {
        marks.have_room(self.messages.len() as u64, self.bytes)
    }

    #[inline]
    pub(crate) fn has_half(&self, marks: Marks) -> bool {
        marks.have_half(self.messages.len() as u64, self.bytes)
    }

    #[inline]
    pub(crate) fn push_back(&mut self, message: Message) {
        self.bytes += message.byte_len() as u64;
        self.messages.push_back(message);
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.byte_len() as u64;
        Some(message)
    }

    fn remove(&mut self, index: usize) {
        if let Some(message) = self.messages.remove(index) {
            self.bytes -= message.byte_len() as u64;
        }
    }

    /// `receive_drop_oldest`: the queue is at a mark, and `next` wants in. Returns how many messages had to go.
    ///
    /// What says something about others stays, but for what a later one says again: the one at the front, which tells where the
    /// reader comes in, and one between any two messages. So there is at most one of them more than there are messages.
    pub(crate) fn make_room(&mut self, marks: Marks, next: &Message) -> u64 {
        if is_control(next) {
            if self.len() > 1 && self.messages.back().is_some_and(is_control) {
                self.remove(self.len() - 1);
            }
            return 0;
        }
        let mut dropped = 0;
        while !self.has_room(marks)
            && let Some(oldest) = self.messages.iter().position(|message| !is_control(message))
        {
            self.remove(oldest);
            dropped += 1;
            // Those that stood before and behind it now stand together.
            for index in (1..oldest).rev() {
                self.remove(index);
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(len: usize) -> Message {
        Message::new(vec![0; len])
    }

    fn control(name: &str) -> Message {
        Message::from_frames([name, ""]).unwrap()
    }

    fn lengths(inbox: &Inbox) -> Vec<usize> {
        inbox.messages.iter().map(Message::byte_len).collect()
    }

    #[test]
    fn the_oldest_go_until_there_is_room_by_both_marks() {
        let marks = Marks { messages: 4, bytes: 100 };
        let mut inbox = Inbox::default();
        for len in [10, 20, 30, 50] {
            assert!(inbox.has_room(marks));
            inbox.push_back(body(len));
        }
        assert!(!inbox.has_room(marks), "110 octets");
        assert_eq!(inbox.make_room(marks, &body(1)), 2, "with exactly 100 it is still at the mark");
        inbox.push_back(body(500));
        assert_eq!((lengths(&inbox), inbox.bytes), (vec![30, 50, 500], 580));
        assert_eq!(inbox.make_room(marks, &body(1)), 3, "what is larger than the mark is the next to go");
        assert_eq!((inbox.len(), inbox.bytes), (0, 0));
        let marks = Marks { messages: 2, bytes: u64::MAX };
        (0..4).for_each(|len| inbox.push_back(body(len)));
        assert_eq!(inbox.make_room(marks, &body(9)), 3, "the mark was lowered meanwhile");
        assert_eq!(lengths(&inbox), [3]);
        while inbox.pop_front().is_some() {}
        assert_eq!(inbox.bytes, 0);
    }

    #[test]
    fn what_says_something_about_others_stays_where_it_says_something() {
        let marks = Marks { messages: u64::MAX, bytes: 10 };
        let mut inbox = Inbox::default();
        inbox.push_back(control("first"));
        inbox.push_back(body(8));
        inbox.push_back(control("second"));
        assert_eq!(inbox.make_room(marks, &control("third!")), 0);
        inbox.push_back(control("third!"));
        assert_eq!((lengths(&inbox), inbox.bytes), (vec![5, 8, 6], 19), "the later one of two");
        inbox.push_back(body(1));
        assert_eq!(inbox.make_room(marks, &body(1)), 2);
        assert_eq!(
            (lengths(&inbox), inbox.bytes),
            (vec![5], 5),
            "the one at the front; the next message tells the rest"
        );
        inbox.push_back(control("beyond the mark"));
        assert_eq!(inbox.make_room(marks, &body(1)), 0, "of these none goes for a message");
    }
}
