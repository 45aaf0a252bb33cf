//! A mechanism under test.

use std::time::Duration;

use tamtam_ipc::facts::{Delivery, Reach};
use tamtam_ipc::{Deadline, End, Ends, Facts, Mechanism, Plan, Wait, all};

/// A mechanism that can be used here.
#[derive(Clone, Copy)]
pub(crate) struct Subject(pub(crate) &'static dyn Mechanism);

/// Runs a check over all mechanisms that can be used here. What is printed is shown with a failure: the last one is the culprit.
pub(crate) fn for_all(check: impl Fn(Subject)) {
    let mut count = 0;
    for mechanism in all() {
        match mechanism.probe() {
            Ok(_) => {
                println!("{}", mechanism.facts().name);
                check(Subject(*mechanism));
                count += 1;
            }
            Err(reason) => println!("{reason}"),
        }
    }
    assert!(count > 0, "none can be used");
}

impl Subject {
    pub(crate) fn facts(self) -> &'static Facts {
        self.0.facts()
    }

    /// Short messages, few of which may wait.
    pub(crate) fn plan(self) -> Plan {
        Plan { message_max: self.0.message_max().min(100), depth: 4, wait: Wait::Block }
    }

    pub(crate) fn ends(self, plan: &Plan) -> Ends {
        self.0.link(plan).expect("a link").open().expect("both ends")
    }

    pub(crate) fn both(self) -> Ends {
        self.ends(&self.plan())
    }

    /// Whether its tickets cannot leave the process.
    pub(crate) fn is_local(self) -> bool {
        self.facts().reach == Reach::Process
    }

    /// Whether a sender that nobody receives from has to wait at some time.
    pub(crate) fn has_back_pressure(self) -> bool {
        self.facts().delivery == Delivery::Reliable
    }

    /// Whether messages wait until they are received.
    pub(crate) fn keeps_messages(self) -> bool {
        matches!(self.facts().delivery, Delivery::Reliable | Delivery::Counted)
    }
}

/// So long that only a failure reaches it.
pub(crate) fn patient() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// Long enough to find out that nothing comes.
pub(crate) fn brief() -> Deadline {
    Deadline::after(Duration::from_millis(20))
}

/// The message of this number: different from its neighbours if it has any content at all.
pub(crate) fn message(number: u64, len: usize) -> Vec<u8> {
    number
        .to_le_bytes()
        .into_iter()
        .cycle()
        .zip(0_usize..)
        .map(|(octet, i)| octet ^ (i / 8) as u8)
        .take(len)
        .collect()
}

pub(crate) fn receive(end: &mut dyn End) -> Vec<u8> {
    let mut into = vec![0xee; 3];
    end.receive(&mut into, patient()).expect("a message");
    into
}

/// From one end to the other, one message.
pub(crate) fn transfer(from: &mut dyn End, to: &mut dyn End, message: &[u8]) {
    from.send(message, patient()).expect("sent");
    assert!(receive(to) == message, "{} octets", message.len());
}
