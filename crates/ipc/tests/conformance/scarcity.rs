//! What is not there is told with its reason, and the rest goes on.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tamtam_ipc::object::Kind;
use tamtam_ipc::{Deadline, Error, Link, Mechanism as _, Plan, Ticket, all, clean, fifo, pipe};

use crate::child::Child;
use crate::objects::descriptors;
use crate::subject::{for_all, message, transfer};

#[test]
fn what_cannot_be_used_says_why() {
    for mechanism in all() {
        let facts = mechanism.facts();
        match mechanism.probe() {
            Ok(limits) => {
                println!("{}", facts.name);
                assert!(
                    limits.iter().all(|limit| !limit.what.is_empty() && !limit.source.is_empty()),
                    "{limits:?}"
                );
            }
            Err(reason) => {
                println!("{reason}");
                assert_eq!(reason.mechanism(), facts.name);
                assert!(!reason.reason().is_empty());
                // To use it all the same is an error, not a panic.
                let link = mechanism
                    .link(&Plan { message_max: mechanism.message_max().min(100), ..Default::default() });
                assert!(link.is_err(), "{} can be used after all", facts.name);
            }
        }
    }
}

#[test]
fn without_descriptors_links_are_refused_and_nothing_is_lost() {
    let child = Child::start("run out of descriptors");
    assert!(child.end().success(), "see its standard error");
}

#[test]
fn without_a_folder_for_files_the_rest_goes_on() {
    let child = Child::start_with("do without a folder", |command| {
        command.env("TMPDIR", "/proc/no/such/folder").env_remove("XDG_RUNTIME_DIR");
    });
    assert!(child.end().success(), "see its standard error");
}

/// The child's part.
pub(crate) fn do_without_a_folder(_: &mut UnixStream) {
    let refused = fifo::Adapter.probe().expect_err("no place for a FIFO");
    assert!(refused.reason().contains("/proc/no/such/folder"), "{refused}");
    assert!(matches!(fifo::Adapter.link(&Plan::default()), Err(Error::System { .. })));
    for_all(|subject| {
        assert_ne!(subject.facts().name, "fifo");
        let (mut client, mut server) = subject.both();
        transfer(&mut *client, &mut *server, &message(1, subject.plan().message_max));
    });
    // Where there is no folder there is nothing to clean, and that is no error.
    assert!(clean::named().iter().all(|(kind, _)| *kind != Kind::File));
}

/// The child's part: with every number of free descriptors below that which a link needs, each step fails in an orderly way.
pub(crate) fn run_out_of_descriptors(_: &mut UnixStream) {
    let limits = getrlimit(Resource::Nofile);
    let set =
        |current| setrlimit(Resource::Nofile, Rlimit { current, ..limits }).expect("lowered or restored");
    for mechanism in all() {
        let name = mechanism.facts().name;
        if mechanism.probe().is_err() {
            continue;
        }
        let plan = Plan { message_max: mechanism.message_max().min(100), ..Default::default() };
        // Once, so that what a mechanism makes only once is there.
        drop(mechanism.link(&plan).and_then(Link::open).expect("enough descriptors"));
        let before = descriptors();
        let mut is_enough = false;
        for free in 0..64 {
            set(Some(highest(&before) + 1 + free));
            let probed = mechanism.probe();
            let opened = mechanism.link(&plan).and_then(Link::open);
            set(limits.current);
            if let Err(reason) = probed {
                assert!(!reason.reason().is_empty(), "{name}");
            }
            match opened {
                Ok(_) => {
                    is_enough = true;
                    break;
                }
                Err(Error::System { .. } | Error::Unavailable(_) | Error::TooLong { .. }) => {}
                Err(error) => panic!("{name} with {free} descriptors: {error}"),
            }
            assert_eq!(descriptors(), before, "{name} with {free} descriptors");
        }
        assert!(is_enough, "{name}: 64 descriptors are not enough");
    }
    // A ticket that comes when there is no room for its descriptors is refused as a whole.
    let (from, to) = UnixStream::pair().expect("a pair");
    pipe::Adapter.link(&Plan::default()).and_then(|link| link.server.hand_over(&from)).expect("handed over");
    let before = descriptors();
    // All numbers below that are in use: the three standard ones.
    set(Some(3));
    let refused = Ticket::receive(&to, Deadline::NEVER);
    set(limits.current);
    assert!(matches!(refused, Err(Error::System { call: "recvmsg", .. })), "{refused:?}");
    assert_eq!(descriptors(), before);
}

/// The highest number of these descriptors.
fn highest(descriptors: &BTreeSet<String>) -> u64 {
    descriptors.iter().filter_map(|text| text.split('"').nth(1)?.parse().ok()).max().expect("some are open")
}
