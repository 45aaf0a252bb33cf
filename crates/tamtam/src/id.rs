//! Numbers chosen by chance: of nodes, publishers, subscribers and services.

use std::io;

/// Octets of such a number.
pub(crate) const ID_LEN: usize = 8;

/// Makes a number up.
pub(crate) fn random() -> io::Result<[u8; ID_LEN]> {
    let mut octets = [0; ID_LEN];
    getrandom::fill(&mut octets)
        .map_err(|error| io::Error::other(format!("no random number to be had: {error}")))?;
    Ok(octets)
}

/// Returns octets as hexadecimal digits in lower case.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
