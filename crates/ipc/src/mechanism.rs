//! The trait behind which all mechanisms stand.

use std::fmt::Debug;
use std::os::fd::OwnedFd;

use crate::{End, Error, Facts, Limit, Plan, Side, Ticket, Unavailable};

/// A way in which processes can talk.
///
/// # To add one
///
/// 1. A module with the concrete type, which stands for itself, and an `Adapter`, which implements this trait.
/// 2. Its line in [`all`].
/// 3. The table: `TAMTAM_IPC_WRITE=1 cargo test -p tamtam-ipc --test table`.
///
/// `tests/conformance` then runs over it, and holds it to what its facts say. It needs: `link` and `open` without a wait for the other
/// end (one thread opens both, in either order); tickets that either go to another process or stay in this one
/// ([`Reach::Process`](crate::facts::Reach::Process)); ends that keep to what [`End`] says; kernel objects that are gone when both tickets or ends are
/// dropped, whichever went first, and, where [`Facts::clean_up`] does not say otherwise, when both processes were killed.
pub trait Mechanism: Send + Sync + Debug {
    /// What is to know about it.
    fn facts(&self) -> &'static Facts;

    /// Tries whether it can be used here and now, by using it where that is the only way to know, and reads the limits that apply.
    ///
    /// # Errors
    ///
    /// Why not: the system call is missing, a file system is not mounted, a limit is zero, permission is denied.
    fn probe(&self) -> Result<Vec<Limit>, Unavailable>;

    /// The greatest [`Plan::message_max`] that [`link`](Self::link) takes here and now. If that cannot be found out, for want of a
    /// descriptor for example, `link` may take less.
    fn message_max(&self) -> usize;

    /// Makes the kernel's objects of a two-way link, and the tickets of both ends. Does not wait for anybody.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if the plan's messages are too long for the mechanism, [`Error::Unavailable`], [`Error::System`].
    fn link(&self, plan: &Plan) -> Result<Link, Error>;

    /// Opens the end that a ticket is for, in the process that made it or in another one. Does not wait for the other end.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if the ticket is for another mechanism or not complete, [`Error::Closed`], [`Error::System`].
    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error>;
}

/// The tickets of both ends of a fresh link. The ends do not differ in what they can do; who asks is called the client by custom.
#[derive(Debug)]
pub struct Link {
    /// For who asks.
    pub client: Ticket,
    /// For who answers.
    pub server: Ticket,
}

impl Link {
    /// The link of which each end takes these descriptors, in this order, and nothing else.
    pub fn of_descriptors<D: Into<OwnedFd>>(
        mechanism: &'static dyn Mechanism,
        plan: &Plan,
        client: impl IntoIterator<Item = D>,
        server: impl IntoIterator<Item = D>,
    ) -> Self {
        Self {
            client: client
                .into_iter()
                .fold(Ticket::new(mechanism, Side::Client, plan), Ticket::with_descriptor),
            server: server
                .into_iter()
                .fold(Ticket::new(mechanism, Side::Server, plan), Ticket::with_descriptor),
        }
    }

    /// Opens both ends in this process.
    ///
    /// # Errors
    ///
    /// Those of [`Mechanism::open`].
    pub fn open(self) -> Result<Ends, Error> {
        Ok((self.client.open()?, self.server.open()?))
    }
}

/// Both ends of a link: the client's, the server's.
pub type Ends = (Box<dyn End>, Box<dyn End>);

/// All mechanisms, in the order of the table. Which of them can be used here, [`Mechanism::probe`] tells.
///
/// ```
/// let mut usable = tamtam_ipc::all().iter().filter(|mechanism| mechanism.probe().is_ok());
/// assert!(usable.any(|mechanism| mechanism.facts().name == "unix-stream"));
/// ```
#[must_use]
pub fn all() -> &'static [&'static dyn Mechanism] {
    &[
        &crate::pipe::Adapter,
        &crate::fifo::Adapter,
        &crate::unix_stream::Adapter,
        &crate::unix_datagram::Adapter,
        &crate::unix_seqpacket::Adapter,
        &crate::tcp::Adapter,
        &crate::udp::Adapter,
        &crate::memory::ring::Adapter,
        &crate::memory::locked_queue::Adapter,
        &crate::memory::latest::Adapter,
        &crate::posix_queue::Adapter,
        &crate::sysv_queue::Adapter,
        &crate::signals::Adapter,
        &crate::message_passing::Adapter,
        &crate::event_fd::Adapter,
        &crate::channel::Adapter,
    ]
}

/// The mechanism of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Mechanism> {
    all().iter().copied().find(|mechanism| mechanism.facts().name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for mechanism in all() {
            let name = mechanism.facts().name;
            let found = by_name(name).expect("registered");
            assert!(std::ptr::eq(found.facts(), mechanism.facts()), "{name} twice");
        }
        assert!(by_name("no such mechanism").is_none());
    }
}
