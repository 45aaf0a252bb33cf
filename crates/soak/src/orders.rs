//! What a member hears from the soak while it works: a word a line, on its standard input.

use std::io::BufRead as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use crate::Outcome;

/// No more moods: everybody is quick from here on.
pub const HURRY: &str = "hurry";
/// The end: publishers send END, subscribers take in what is there.
pub const FINISH: &str = "finish";
/// To go at once, without waiting for anything.
pub const LEAVE: &str = "leave";

/// The orders that have come so far.
#[derive(Debug)]
pub struct Orders {
    words: Receiver<String>,
    /// [`HURRY`] was heard, or [`FINISH`].
    pub hurry: bool,
    /// [`FINISH`] was heard.
    pub finish: bool,
    /// [`LEAVE`] was heard.
    pub leave: bool,
}

impl Orders {
    /// Listens to the standard input, a word a line.
    #[must_use]
    pub fn listen() -> Self {
        let (to, words) = mpsc::channel();
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        Self::of(words)
    }

    /// Listens to what comes through a channel: for members that are threads.
    #[must_use]
    pub const fn of(words: Receiver<String>) -> Self {
        Self { words, hurry: false, finish: false, leave: false }
    }

    fn obey(&mut self, word: &str) {
        self.hurry |= word == HURRY || word == FINISH;
        self.finish |= word == FINISH;
        self.leave |= word == LEAVE;
    }

    /// Takes what has come.
    ///
    /// # Errors
    ///
    /// When whoever gave orders is gone.
    pub fn look(&mut self) -> Outcome {
        loop {
            match self.words.try_recv() {
                Ok(word) => self.obey(&word),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err("nobody is there to work for".into()),
            }
        }
    }

    /// Waits for so long, or until there is an order.
    ///
    /// # Errors
    ///
    /// As [`look`](Self::look).
    pub fn pause(&mut self, pause: Duration) -> Outcome {
        match self.words.recv_timeout(pause) {
            Ok(word) => self.obey(&word),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("nobody is there to work for".into()),
        }
        self.look()
    }
}
