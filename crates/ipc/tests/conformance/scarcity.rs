//! What is not there is told with its reason, and the rest goes on.

use std::os::unix::net::UnixStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tamtam_ipc::{Error, all};

use crate::child::Child;
use crate::objects::descriptors;

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
                let link = mechanism.link(&tamtam_ipc::Plan {
                    message_max: mechanism.message_max().min(100),
                    ..Default::default()
                });
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
        let plan = tamtam_ipc::Plan { message_max: mechanism.message_max().min(100), ..Default::default() };
        // Once, so that what a mechanism makes only once is there.
        drop(mechanism.link(&plan).and_then(tamtam_ipc::Link::open).expect("enough descriptors"));
        let before = descriptors();
        let highest =
            before.iter().filter_map(|text| text.split('"').nth(1)?.parse::<u64>().ok()).max().unwrap_or(2);
        let mut is_enough = false;
        for free in 0..64 {
            set(Some(highest + 1 + free));
            let probed = mechanism.probe();
            let opened = mechanism.link(&plan).and_then(tamtam_ipc::Link::open);
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
}
