//! What a rival's end can do, so that every workload is written once.

use tamtam_bench_protocol::failure::Outcome;

/// An end that sends messages.
pub(crate) trait Sender {
    /// Sends a message whose body is copied.
    async fn send(&mut self, body: &[u8]) -> Outcome;

    /// Lets go of what is still held back, where the caller has to see to that.
    async fn flush(&mut self) -> Outcome {
        Ok(())
    }
}

/// An end that receives messages.
pub(crate) trait Receiver {
    /// A received message's body.
    type Body: AsRef<[u8]>;

    /// Receives a message. `None`: an end that blocks its thread has waited long enough.
    async fn receive(&mut self) -> Outcome<Option<Self::Body>>;
}

/// A publisher and a subscriber, together one end of a conversation.
#[derive(Debug)]
pub(crate) struct Both<S, R> {
    pub(crate) sender: S,
    pub(crate) receiver: R,
}

impl<S: Sender, R> Sender for Both<S, R> {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        self.sender.send(body).await
    }

    async fn flush(&mut self) -> Outcome {
        self.sender.flush().await
    }
}

impl<S, R: Receiver> Receiver for Both<S, R> {
    type Body = R::Body;

    async fn receive(&mut self) -> Outcome<Option<R::Body>> {
        self.receiver.receive().await
    }
}
