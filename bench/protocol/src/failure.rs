//! What went wrong, as text for the table.

use std::error::Error;
use std::fmt;

/// A failure, described for whoever reads the results.
#[derive(Clone, Debug)]
pub struct Failure(pub String);

/// A result that may be a [`Failure`].
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Makes one of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Says what was being done.
    pub fn while_doing(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        Self(text)
    }
}
