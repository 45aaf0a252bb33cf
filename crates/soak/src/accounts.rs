//! What is known of a round when all of its members are gone.

use std::path::Path;

use tamtam_soak::Outcome;

use crate::body::{SOCKETS, Tag};
use crate::evidence::{Counter, Counts, Line, Log, Receipt, Receipts};
use crate::plan::{Role, Setting};
use crate::wire::Passed;

/// One socket of a member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlet {
    pub(crate) source: u64,
    /// The highest number that may have been given to `send`, and the highest one for which it has returned.
    pub(crate) attempted: u64,
    pub(crate) returned: u64,
    /// `None`: its process was killed.
    pub(crate) counts: Option<Counts>,
}

/// One member.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) number: u64,
    pub(crate) role: Role,
    pub(crate) was_killed: bool,
    /// Of a receiver the only one, without numbers.
    pub(crate) outlets: Vec<Outlet>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) lines: Vec<Line>,
}

/// What went through a connection one way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passage {
    pub(crate) passed: Vec<Passed>,
    pub(crate) forwarded: u64,
}

/// What a witness has seen of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Who began what is sent: the number of a sender (or asker), and of a receiver.
    pub(crate) sender: u64,
    pub(crate) receiver: u64,
    /// It was reset: of what the kernel held then nobody knows how much that was.
    pub(crate) was_reset: bool,
    /// From the sender to the receiver, and back.
    pub(crate) forth: Passage,
    pub(crate) back: Passage,
}

/// All of a round.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) setting: Setting,
    pub(crate) members: Vec<Account>,
    /// `None`: nobody has looked.
    pub(crate) seen: Option<Vec<Seen>>,
    /// The most octets that a connection may hold in the kernel and in what is read of it at a time.
    pub(crate) connection_holds: u64,
    /// How many members one may be connected with at the same time.
    pub(crate) crowd: u64,
}

impl Account {
    /// Reads what a member has left behind.
    pub(crate) fn read(place: &Path, name: &str, number: u64, role: Role, was_killed: bool) -> Outcome<Self> {
        let lines = Log::read(place, name)?;
        let mut outlets = Vec::new();
        for socket in 0..SOCKETS {
            let Some((attempted, returned)) = Counter::read(place, name, socket) else { break };
            let source = number * SOCKETS + socket;
            outlets.push(Outlet { source, attempted, returned, counts: None });
        }
        if role == Role::Receiver {
            outlets.push(Outlet { source: number * SOCKETS, ..Outlet::default() });
        }
        for line in &lines {
            if let Line::Closed { socket, counts, .. } = line {
                let index = usize::try_from(*socket)?;
                outlets.get_mut(index).ok_or("a socket that has sent nothing")?.counts = Some(*counts);
            }
        }
        let receipts = Receipts::read(place, name);
        Ok(Self { number, role, was_killed, outlets, receipts, lines })
    }

    pub(crate) fn name(&self) -> String {
        let letter = if self.role == Role::Sender { 's' } else { 'r' };
        format!("{letter}{}", self.number)
    }

    /// The sum of something over its sockets that have come to their end.
    pub(crate) fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.outlets.iter().filter_map(|outlet| outlet.counts.as_ref()).map(of).sum()
    }

    /// What it has received, sorted.
    pub(crate) fn received(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.receipts.iter().map(|receipt| receipt.tag()).collect();
        tags.sort_unstable();
        tags
    }
}

impl Accounts {
    pub(crate) fn of(&self, role: Role) -> impl Iterator<Item = &Account> + Clone {
        self.members.iter().filter(move |account| account.role == role)
    }

    pub(crate) fn find(&self, number: u64) -> Option<&Account> {
        self.members.iter().find(|account| account.number == number)
    }

    /// How many members of a role were killed.
    pub(crate) fn killed(&self, role: Role) -> u64 {
        self.of(role).filter(|account| account.was_killed).count() as u64
    }
}
