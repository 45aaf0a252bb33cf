//! Who may connect to a bound endpoint, judged right after the connection was accepted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of IP addresses: those that begin with the same bits.
///
/// ```
/// let lab: tamtam_zmq::IpRange = "192.168.7.0/24".parse()?;
/// assert!(lab.contains("192.168.7.9".parse()?));
/// assert!(!lab.contains("192.168.8.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpRange {
    prefix: IpAddr,
    bits: u8,
}

/// Why a text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a range of addresses; write address/bits, for example 192.168.7.0/24")]
pub struct ParseIpRangeError {
    text: String,
}

impl IpRange {
    /// Returns the addresses whose first `bits` bits are those of `prefix`; `None` if an address of that family has fewer
    /// (32 or 128). What stands behind those bits does not matter.
    #[must_use]
    pub const fn new(prefix: IpAddr, bits: u8) -> Option<Self> {
        let most = if prefix.is_ipv4() { 32 } else { 128 };
        if bits <= most { Some(Self { prefix, bits }) } else { None }
    }

    /// Tells whether the address is in the range. An IPv4 address that is written as one of IPv6 (`::ffff:1.2.3.4`, as
    /// listeners for both families see them) is an IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.prefix.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(prefix), IpAddr::V4(address)) => {
                // A mapped prefix counts the 96 bits in front of it.
                let bits = if self.prefix.is_ipv4() { self.bits } else { self.bits.saturating_sub(96) };
                same(prefix.to_bits().into(), address.to_bits().into(), 32, bits)
            }
            (IpAddr::V6(prefix), IpAddr::V6(address)) => {
                same(prefix.to_bits(), address.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }
}

/// Compares the first `bits` of numbers that have `of` bits.
fn same(left: u128, right: u128, of: u8, bits: u8) -> bool {
    (left ^ right).checked_shr(u32::from(of.saturating_sub(bits))).unwrap_or(0) == 0
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix, self.bits)
    }
}

impl FromStr for IpRange {
    type Err = ParseIpRangeError;

    /// Parses `address/bits` (CIDR); an address alone is a range of one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseIpRangeError { text: text.to_owned() };
        let (prefix, bits) = match text.split_once('/') {
            Some((prefix, bits)) => (prefix, Some(bits)),
            None => (text, None),
        };
        let bare = prefix.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(prefix);
        let prefix: IpAddr = bare.parse().map_err(|_| error())?;
        let bits = match bits {
            None if prefix.is_ipv4() => 32,
            None => 128,
            // Digits only: the standard parser would take a sign.
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| error())?
            }
            Some(_) => return Err(error()),
        };
        Self::new(prefix, bits).ok_or_else(error)
    }
}

/// Whom an `ipc://` endpoint lets in, by what the kernel says of the process that connects (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpcFilter {
    /// Processes of this user.
    User(u32),
    /// Processes that have this group, be it as one of their supplementary groups.
    Group(u32),
    /// The process with this number.
    Process(i32),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> IpRange {
        text.parse().unwrap()
    }

    #[test]
    fn texts_go_both_ways() {
        for (text, shown) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("127.0.0.1/32", "127.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.1.2.3/08", "10.1.2.3/8"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("[::1]", "::1/128"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(range(text).to_string(), shown);
            assert_eq!(range(shown), range(text));
        }
        for text in [
            "",
            "foo",
            "0.0.0.0foo",
            "0.0.0.0/foo",
            "0.0.0.0/",
            "0.0.0.0/-1",
            "0.0.0.0/+1",
            "0.0.0.0/33",
            "::/129",
            "0.0.0.0/256",
            "localhost/8",
            "1.2.3/8",
            "/8",
            "[::1/8",
            "1.2.3.4/8/8",
        ] {
            let error = text.parse::<IpRange>().unwrap_err();
            assert!(error.to_string().contains("192.168.7.0/24"), "{error}");
        }
    }

    #[test]
    fn the_first_bits_count() {
        let cases = [
            ("127.0.0.1/32", "127.0.0.1", true),
            ("127.0.0.255/32", "127.0.0.1", false),
            ("127.0.0.254/31", "127.0.0.255", true),
            ("192.168.7.77/24", "192.168.7.1", true),
            ("192.168.7.0/24", "192.168.8.1", false),
            ("192.168.7.0/20", "192.168.15.255", true),
            ("192.168.7.0/20", "192.168.16.0", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "1.2.3.4", false),
            ("0.0.0.0/0", "::ffff:1.2.3.4", true),
            ("1.2.0.0/16", "::ffff:1.2.3.4", true),
            ("::ffff:1.2.0.0/112", "1.2.3.4", true),
            ("::ffff:1.2.0.0/112", "1.3.3.4", false),
            ("2001:db8::/32", "2001:db8:1::5", true),
            ("2001:db8::/33", "2001:db8:8000::", false),
            ("fe80::1/128", "fe80::1", true),
            ("fe80::1/128", "fe80::2", false),
        ];
        for (text, address, expected) in cases {
            assert_eq!(range(text).contains(address.parse().unwrap()), expected, "{text} {address}");
        }
    }
}
