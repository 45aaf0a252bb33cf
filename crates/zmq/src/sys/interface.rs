//! The network interfaces and their addresses.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr::NonNull;

/// Returns the IP addresses of the interface of this name, in the system's order, as socket addresses with port 0;
/// link-local IPv6 addresses carry the interface as their scope. May be empty.
///
/// # Errors
///
/// `NotFound` when there is no such interface.
pub(crate) fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    let list = List::read()?;
    let mut found = false;
    let mut addresses = Vec::new();
    for entry in list.iter() {
        if entry.name().to_bytes() == name.as_bytes() {
            found = true;
            addresses.extend(entry.address());
        }
    }
    // An interface without any address may be missing in the list.
    if !found {
        index(name)?;
    }
    Ok(addresses)
}

/// Returns the index of an interface given by its name or by the index itself, as scopes of IPv6 addresses are.
///
/// # Errors
///
/// `NotFound` when there is no interface of this name. An index is not looked up.
pub(crate) fn index(name: &str) -> io::Result<u32> {
    if let Ok(index) = name.parse()
        && index != 0
    {
        return Ok(index);
    }
    let missing =
        || io::Error::new(io::ErrorKind::NotFound, format!("no network interface is named {name:?}"));
    let text = CString::new(name).map_err(|_| missing())?;
    // SAFETY: the name is a C string that lives through the call.
    match unsafe { libc::if_nametoindex(text.as_ptr()) } {
        0 => Err(missing()),
        index => Ok(index),
    }
}

/// The system's list of interface addresses, freed when dropped.
struct List {
    first: Option<NonNull<libc::ifaddrs>>,
}

impl List {
    fn read() -> io::Result<Self> {
        let mut first = std::ptr::null_mut();
        // SAFETY: the pointer is valid for writes.
        if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { first: NonNull::new(first) })
    }

    fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        // SAFETY: getifaddrs returned the list; its entries, and what they point to, live unchanged until it is
        // freed, for which this borrow must end.
        let mut next = self.first.map(|entry| unsafe { entry.as_ref() });
        std::iter::from_fn(move || {
            let entry = next?;
            // SAFETY: as above; the last entry's successor is null.
            next = unsafe { entry.ifa_next.as_ref() };
            Some(Entry { entry })
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if let Some(first) = self.first {
            // SAFETY: getifaddrs returned it, and it is freed once.
            unsafe { libc::freeifaddrs(first.as_ptr()) };
        }
    }
}

/// One address of one interface.
struct Entry<'list> {
    entry: &'list libc::ifaddrs,
}

impl<'list> Entry<'list> {
    fn name(&self) -> &'list CStr {
        // SAFETY: every entry of getifaddrs has a name, a C string that lives as long as the list.
        unsafe { CStr::from_ptr(self.entry.ifa_name) }
    }

    fn address(&self) -> Option<SocketAddr> {
        let address = NonNull::new(self.entry.ifa_addr)?;
        // SAFETY: every kind of socket address starts with the family.
        let family = unsafe { address.cast::<libc::sa_family_t>().read_unaligned() };
        match libc::c_int::from(family) {
            libc::AF_INET => {
                // SAFETY: the family says which structure it is.
                let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
                let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
                Some(SocketAddr::new(IpAddr::V4(ip), 0))
            }
            libc::AF_INET6 => {
                // SAFETY: the family says which structure it is.
                let address = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, 0, 0, address.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_its_address() {
        let addresses = addresses("lo").unwrap();
        assert!(addresses.contains(&(Ipv4Addr::LOCALHOST, 0).into()), "{addresses:?}");
        assert!(addresses.iter().all(|address| address.port() == 0));
    }

    #[test]
    fn link_local_addresses_carry_their_interface() {
        let list = List::read().unwrap();
        for entry in list.iter() {
            if let Some(SocketAddr::V6(address)) = entry.address() {
                let expected = match address.ip().is_unicast_link_local() {
                    true => index(entry.name().to_str().unwrap()).unwrap(),
                    false => 0,
                };
                assert_eq!(address.scope_id(), expected, "{address}");
            }
        }
    }

    #[test]
    fn indices_are_names_too() {
        assert_eq!(index("4294967295").unwrap(), u32::MAX);
        assert_eq!(index("7").unwrap(), 7);
        assert!(index("lo").unwrap() > 0);
    }

    #[test]
    fn unknown_interfaces_are_not_found() {
        for name in ["", "0", "no such one", "a\0b", "a name that is much longer than any interface's"] {
            assert_eq!(addresses(name).unwrap_err().kind(), io::ErrorKind::NotFound, "{name:?}");
            assert_eq!(index(name).unwrap_err().kind(), io::ErrorKind::NotFound, "{name:?}");
        }
    }
}
