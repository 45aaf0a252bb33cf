//! What the two lock-step machines, REQ and REP, have in common.

use crate::Message;

/// Says why a REQ or REP socket may not do what was asked of it now (libzmq: `EFSM`).
///
/// Always the caller's misuse, never a peer's fault; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfTurn {
    /// REQ, sending: the reply to the last request has not been received yet.
    #[error("the last request still waits for its reply")]
    ReplyAwaited,
    /// REQ, receiving: there is no request that a reply could belong to.
    #[error("no request has been sent")]
    NoRequestSent,
    /// REP, sending: there is no request to answer.
    #[error("no request has been received")]
    NoRequestReceived,
    /// REP, receiving: the last request has not been answered yet.
    #[error("the last request has not been answered")]
    ReplyDue,
}

/// What becomes of an incoming message.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a message to deliver is lost if the verdict is not looked at"]
pub enum Verdict {
    /// It goes to the application, in this form: without its envelope.
    Deliver(Message),
    /// It is dropped in silence, as the pattern demands. Worth counting.
    Discard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_lower_case_fragments() {
        let all = [
            OutOfTurn::ReplyAwaited,
            OutOfTurn::NoRequestSent,
            OutOfTurn::NoRequestReceived,
            OutOfTurn::ReplyDue,
        ];
        for error in all {
            let text = error.to_string();
            assert!(text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('.'), "{text}");
        }
    }
}
