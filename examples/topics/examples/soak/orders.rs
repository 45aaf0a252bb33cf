//! What a member hears from the soak while it works: a word a line, on its standard input.

use std::io::BufRead as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use super::Outcome;

/// No more moods: everybody is quick from here on.
pub(crate) const HURRY: &str = "hurry";
/// The end: publishers send END, subscribers take in what is there.
pub(crate) const FINISH: &str = "finish";

/// To go at once, without waiting for anything.
pub(crate) const LEAVE: &str = "leave";

/// The orders that have come so far.
#[derive(Debug)]
pub(crate) struct Orders {
    words: Receiver<String>,
    pub(crate) hurry: bool,
    pub(crate) finish: bool,
    pub(crate) leave: bool,
}

impl Orders {
    pub(crate) fn listen() -> Self {
        let (to, words) = mpsc::channel();
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        Self { words, hurry: false, finish: false, leave: false }
    }

    fn obey(&mut self, word: &str) {
        self.hurry |= word == HURRY || word == FINISH;
        self.finish |= word == FINISH;
        self.leave |= word == LEAVE;
    }

    /// Takes what has come.
    pub(crate) fn look(&mut self) -> Outcome {
        loop {
            match self.words.try_recv() {
                Ok(word) => self.obey(&word),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err("nobody is there to work for".into()),
            }
        }
    }

    /// Waits for so long, or until there is an order.
    pub(crate) fn pause(&mut self, pause: Duration) -> Outcome {
        match self.words.recv_timeout(pause) {
            Ok(word) => self.obey(&word),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("nobody is there to work for".into()),
        }
        self.look()
    }
}
