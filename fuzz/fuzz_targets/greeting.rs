//! Anything at all, from the first octet on, at a connection of any type and version: no panic, and the same events,
//! verdict and answers however the stream is cut.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tamtam_fuzz::{Setup, converse_alike};
use tamtam_zmtp::Event;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setup: Setup,
    cuts: [u8; 4],
    octets: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let outcome = converse_alike(&input.setup.shared(), input.octets, &input.cuts);
    let readies = outcome.events.iter().filter(|event| matches!(event, Event::Ready(_))).count();
    assert_eq!(readies, usize::from(outcome.peer.is_some()));
    assert!(
        readies <= 1 && (readies == 1 || outcome.events.is_empty()),
        "Ready comes once, before all others"
    );
    if let Some(peer) = outcome.peer {
        assert!(peer.version <= input.setup.version(), "never newer than we wanted");
        assert!(peer.socket_type.is_none_or(|theirs| input.setup.socket_type().accepts(theirs)));
        assert!(peer.identity.len() <= 255);
    }
});
