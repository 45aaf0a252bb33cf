//! From hosts to addresses, without blocking anybody who waits for messages.
//!
//! Looking up a name can take the system's resolver many seconds, and cannot be cancelled. So lookups run on threads
//! of their own, a few of them so that one hanging name does not hold up all others, started when there is work and
//! gone when there has been none for a while. Interfaces and addresses are known at once and need no thread.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::endpoint::{Host, HostPort, Port};
use crate::sys::{fork, interface, thread};

/// How many lookups run at the same time.
const THREADS_MAX: usize = 4;

/// How many lookups wait at most: a name server that hangs is not to fill the memory.
const QUEUE_MAX: usize = 1024;

/// How long a thread waits for the next lookup before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// How many of a name's addresses are kept.
const ADDRESSES_MAX: usize = 64;

/// Returns the local address that a host names for binding, with port 0: `*`, an IP address, or the first suitable
/// address of an interface (with `ipv6`: one of IPv6 if there is any, a link-local one last).
///
/// # Errors
///
/// `NotFound` when there is no such interface, `AddrNotAvailable` when it has no suitable address, `InvalidInput`
/// for an IPv6 address without `ipv6`.
pub(crate) fn resolve_local(host: &Host, ipv6: bool) -> io::Result<SocketAddr> {
    match host {
        Host::Any if ipv6 => Ok((Ipv6Addr::UNSPECIFIED, 0).into()),
        Host::Any => Ok((Ipv4Addr::UNSPECIFIED, 0).into()),
        Host::V4(address) => Ok((*address, 0).into()),
        Host::V6 { address, scope } => scoped_address(*address, scope.as_deref(), ipv6),
        Host::Name(name) => {
            let mut addresses = interface::addresses(name)?;
            addresses.retain(|address| ipv6 || address.is_ipv4());
            // The sort is stable: within a kind, the system's order stands.
            addresses.sort_by_key(|address| match address.ip() {
                IpAddr::V6(ip) => u8::from(ip.is_unicast_link_local()),
                IpAddr::V4(_) => 2,
            });
            addresses.first().copied().ok_or_else(|| {
                let kind = if ipv6 { "IP" } else { "IPv4" };
                let text = format!("the network interface {name:?} has no {kind} address");
                io::Error::new(io::ErrorKind::AddrNotAvailable, text)
            })
        }
    }
}

/// Returns the address to connect to when that needs no lookup: `None` for a name, which [`Resolver::resolve`] takes.
///
/// # Errors
///
/// `NotFound` when an IPv6 address's scope is no interface, `InvalidInput` for an IPv6 address without `ipv6` or a
/// wildcard.
pub(crate) fn resolve_literal(host: &Host, port: Port, ipv6: bool) -> io::Result<Option<SocketAddr>> {
    let mut address = match host {
        Host::Name(_) => return Ok(None),
        Host::Any => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a wildcard is for binding only"));
        }
        Host::V4(address) => (*address, 0).into(),
        Host::V6 { address, scope } => scoped_address(*address, scope.as_deref(), ipv6)?,
    };
    address.set_port(port.number());
    Ok(Some(address))
}

/// Returns the address to connect from, of the same family as the destination.
///
/// # Errors
///
/// `NotFound` when there is no such interface, `AddrNotAvailable` when the source has no address of that family.
pub(crate) fn resolve_source(source: &HostPort, destination: SocketAddr) -> io::Result<SocketAddr> {
    let v6 = destination.is_ipv6();
    let found = match &source.host {
        Host::Name(name) => interface::addresses(name)?.into_iter().find(|address| address.is_ipv6() == v6),
        host => Some(resolve_local(host, v6 || matches!(host, Host::V6 { .. }))?),
    };
    match found.filter(|address| address.is_ipv6() == v6) {
        Some(mut address) => {
            address.set_port(source.port.number());
            Ok(address)
        }
        None => {
            let text = format!("the source {} has no address that reaches {destination}", source.host);
            Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text))
        }
    }
}

fn scoped_address(address: Ipv6Addr, scope: Option<&str>, ipv6: bool) -> io::Result<SocketAddr> {
    if !ipv6 {
        let text = format!("IPv6 is off and {address} needs it; turn the socket's ipv6 option on");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let scope = scope.map_or(Ok(0), interface::index)?;
    Ok(SocketAddrV6::new(address, 0, 0, scope).into())
}

/// Looks host names up on threads of its own.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    /// [`fork::generation`] of the process that has the threads.
    generation: u32,
}

/// What is called with a lookup's outcome, on one of the resolver's threads.
pub(crate) type Done = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

/// The system's lookup, or a test's.
type Lookup = Box<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Too many lookups are waiting already, or no thread can be had; try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many host names are waiting to be resolved; try again later")]
pub(crate) struct Busy;

impl Resolver {
    /// Makes a resolver; threads come with the first lookup.
    pub(crate) fn new() -> Self {
        let system = |host: &str, port| Ok((host, port).to_socket_addrs()?.collect());
        Self::with_lookup(Box::new(system), IDLE)
    }

    fn with_lookup(lookup: Lookup, idle: Duration) -> Self {
        fork::register();
        let shared = Shared { state: Mutex::default(), work: Condvar::new(), lookup, idle };
        Self { shared: Arc::new(shared), generation: fork::generation() }
    }

    /// Looks up a host name and calls `done`, unless the resolver is dropped before the outcome is there.
    ///
    /// `done` gets 1 to 64 addresses with the port, IPv4 only unless `ipv6`, else IPv6 and IPv4 in turns; or an error
    /// that names the host. Names are looked up anew each time, since they move.
    ///
    /// # Errors
    ///
    /// [`Busy`], when 1,024 lookups are waiting already or no thread can be started, as in a forked child; `done` is
    /// then dropped uncalled.
    pub(crate) fn resolve(&self, host: String, port: u16, ipv6: bool, done: Done) -> Result<(), Busy> {
        if fork::generation() != self.generation {
            return Err(Busy);
        }
        let mut state = self.shared.lock();
        if state.queue.len() >= QUEUE_MAX {
            return Err(Busy);
        }
        state.queue.push_back(Job { host, port, ipv6, done });
        if state.queue.len() > state.idle && state.threads < THREADS_MAX {
            let shared = Arc::clone(&self.shared);
            // The thread's handle is dropped: nobody waits for one that may hang.
            if thread::spawn("tamtam-resolver", move || shared.work()).is_ok() {
                state.threads += 1;
            } else if state.threads == 0 {
                let refused = state.queue.pop_back();
                drop(state);
                drop(refused);
                return Err(Busy);
            }
        }
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        // A forked child has no threads to end, and perhaps a lock that one of them held.
        if fork::generation() != self.generation {
            return;
        }
        let mut state = self.shared.lock();
        state.closed = true;
        let uncalled = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.work.notify_all();
        // Unlocked, since what the callbacks own may run anything.
        drop(uncalled);
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// What a resolver and its threads share; the last of them frees it.
struct Shared {
    state: Mutex<State>,
    /// Signalled when there is a job, or nothing more to come.
    work: Condvar,
    lookup: Lookup,
    idle: Duration,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    /// How many of the threads wait for work.
    idle: usize,
    closed: bool,
}

struct Job {
    host: String,
    port: u16,
    ipv6: bool,
    done: Done,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does jobs until there is none for a while or the resolver is dropped: the life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        while !state.closed {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                // A callback that panics takes no other lookup with it; the panic has been reported by now.
                let _ = catch_unwind(AssertUnwindSafe(|| self.perform(job)));
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (woken, timeout) =
                self.work.wait_timeout(state, self.idle).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        // Under the same lock as the last look into the queue, so that no job counts on this thread.
        state.threads -= 1;
    }

    fn perform(&self, job: Job) {
        let found = (self.lookup)(&job.host, job.port);
        let outcome = found.and_then(|addresses| suitable(addresses, job.ipv6)).map_err(|error| {
            io::Error::new(error.kind(), format!("host {:?} cannot be resolved: {error}", job.host))
        });
        if !self.lock().closed {
            (job.done)(outcome);
        }
    }
}

/// Picks the addresses that may be tried and puts them in the order to try them in: in turns, so that a network
/// without working IPv6 costs one attempt and not all of them.
fn suitable(addresses: Vec<SocketAddr>, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    if !ipv6 && v4.is_empty() && !v6.is_empty() {
        let text = "it has IPv6 addresses only; turn the socket's ipv6 option on";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
    }
    let (mut v6, mut v4) = (v6.into_iter().filter(|_| ipv6), v4.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [v6.next(), v4.next()];
        if pair == [None, None] || ordered.len() >= ADDRESSES_MAX {
            break;
        }
        for address in pair.into_iter().flatten() {
            if !ordered.contains(&address) {
                ordered.push(address);
            }
        }
    }
    ordered.truncate(ADDRESSES_MAX);
    if ordered.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::endpoint::Endpoint;

    const LONG: Duration = Duration::from_secs(60);

    fn host(text: &str) -> Host {
        match Endpoint::parse_bind(&format!("tcp://{text}:*")) {
            Ok(Endpoint::Tcp(address)) => address.host,
            other => panic!("{other:?}"),
        }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A resolver, and what its callbacks got.
    type Outcomes = mpsc::Receiver<io::Result<Vec<SocketAddr>>>;

    fn ask(resolver: &Resolver, name: &str, ipv6: bool) -> Result<Outcomes, Busy> {
        let (report, outcomes) = mpsc::channel();
        let done = Box::new(move |outcome| report.send(outcome).unwrap());
        resolver.resolve(name.to_owned(), 5555, ipv6, done).map(|()| outcomes)
    }

    /// A resolver of which every lookup waits for a message, and whose callers learn of its start.
    fn gated(idle: Duration) -> (Resolver, mpsc::Receiver<String>, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel();
        let (report, started) = mpsc::channel();
        let gate = Mutex::new(gate);
        let lookup = move |host: &str, port| {
            let _ = report.send(host.to_owned());
            let _ = gate.lock().unwrap().recv();
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        };
        (Resolver::with_lookup(Box::new(lookup), idle), started, open)
    }

    #[test]
    fn wildcards_and_addresses_are_local() {
        let cases = [
            ("*", false, "0.0.0.0:0"),
            ("*", true, "[::]:0"),
            ("1.2.3.4", false, "1.2.3.4:0"),
            ("1.2.3.4", true, "1.2.3.4:0"),
            ("[::1]", true, "[::1]:0"),
            ("[fe80::1%7]", true, "[fe80::1%7]:0"),
        ];
        for (text, ipv6, expected) in cases {
            assert_eq!(resolve_local(&host(text), ipv6).unwrap(), address(expected));
        }
        let error = resolve_local(&host("[::1]"), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn interfaces_are_local_and_hosts_are_not() {
        assert_eq!(resolve_local(&host("lo"), false).unwrap(), address("127.0.0.1:0"));
        assert!(resolve_local(&host("lo"), true).unwrap().ip().is_loopback());
        let index = interface::index("lo").unwrap();
        let scoped = resolve_local(&host("[fe80::1%lo]"), true).unwrap();
        assert_eq!(scoped, address(&format!("[fe80::1%{index}]:0")));
        for text in ["localhost", "nosuch0", "[fe80::1%nosuch0]"] {
            assert_eq!(
                resolve_local(&host(text), true).unwrap_err().kind(),
                io::ErrorKind::NotFound,
                "{text}"
            );
        }
    }

    #[test]
    fn only_names_need_a_lookup() {
        let port = Port::new(7);
        assert_eq!(resolve_literal(&host("1.2.3.4"), port, true).unwrap(), Some(address("1.2.3.4:7")));
        assert_eq!(resolve_literal(&host("[::1%3]"), port, true).unwrap(), Some(address("[::1%3]:7")));
        assert_eq!(resolve_literal(&host("localhost"), port, true).unwrap(), None);
        for text in ["*", "[::1]"] {
            let error = resolve_literal(&host(text), port, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn the_source_has_the_destination_s_family() {
        let source = |text: &str| HostPort { host: host(text), port: Port::new(7) };
        let (v4, v6) = (address("1.2.3.4:1"), address("[2001:db8::1]:1"));
        let cases = [
            ("*", v4, "0.0.0.0:7"),
            ("*", v6, "[::]:7"),
            ("127.0.0.2", v4, "127.0.0.2:7"),
            ("[::1]", v6, "[::1]:7"),
            ("lo", v4, "127.0.0.1:7"),
        ];
        for (text, destination, expected) in cases {
            assert_eq!(resolve_source(&source(text), destination).unwrap(), address(expected));
        }
        for (text, destination) in [("127.0.0.1", v6), ("[::1]", v4)] {
            let error = resolve_source(&source(text), destination).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        }
        let error = resolve_source(&source("nosuch0"), v4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn looks_up_names_that_need_no_server() {
        let resolver = Resolver::new();
        let found = ask(&resolver, "localhost", false).unwrap().recv().unwrap().unwrap();
        assert!(found.contains(&address("127.0.0.1:5555")), "{found:?}");
        let found = ask(&resolver, "127.1", true).unwrap().recv().unwrap().unwrap();
        assert_eq!(found, [address("127.0.0.1:5555")]);
        let error = ask(&resolver, "not a name", false).unwrap().recv().unwrap().unwrap_err();
        assert!(error.to_string().contains("\"not a name\""), "{error}");
    }

    #[test]
    fn both_families_are_tried_in_turns() {
        let (a, b, c) = (address("1.0.0.1:1"), address("1.0.0.2:1"), address("1.0.0.3:1"));
        let (x, y) = (address("[::1]:1"), address("[::2]:1"));
        let all = vec![a, b, x, c, y, a];
        assert_eq!(suitable(all.clone(), true).unwrap(), [x, a, y, b, c]);
        assert_eq!(suitable(all, false).unwrap(), [a, b, c]);
        assert_eq!(suitable(vec![x], true).unwrap(), [x]);
        assert_eq!(suitable(vec![x], false).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(suitable(vec![], true).unwrap_err().kind(), io::ErrorKind::NotFound);
        let many = (0..200).map(|host| (Ipv4Addr::new(10, 0, 0, host), 1).into()).collect();
        assert_eq!(suitable(many, true).unwrap().len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_hanging_name_does_not_hold_up_others() {
        let (_open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let lookup = move |host: &str, port| {
            if host == "hangs" {
                let _ = gate.lock().unwrap().recv();
            }
            Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
        };
        let resolver = Resolver::with_lookup(Box::new(lookup), LONG);
        let hanging = ask(&resolver, "hangs", false).unwrap();
        for _ in 0..10 {
            ask(&resolver, "answers", false).unwrap().recv().unwrap().unwrap();
        }
        assert!(hanging.try_recv().is_err());
        // Nor does it hold up the end.
        drop(resolver);
    }

    #[test]
    fn threads_and_queue_are_bounded() {
        let (resolver, started, open) = gated(LONG);
        let mut outcomes: Vec<_> = (0..THREADS_MAX).map(|_| ask(&resolver, "runs", false).unwrap()).collect();
        for _ in 0..THREADS_MAX {
            started.recv().unwrap();
        }
        outcomes.extend((0..QUEUE_MAX).map(|_| ask(&resolver, "waits", false).unwrap()));
        assert_eq!(ask(&resolver, "refused", false).unwrap_err(), Busy);
        assert_eq!(resolver.shared.lock().threads, THREADS_MAX);
        for _ in &outcomes {
            open.send(()).unwrap();
        }
        for outcome in outcomes {
            assert_eq!(outcome.recv().unwrap().unwrap(), [address("127.0.0.1:5555")]);
        }
        assert!(ask(&resolver, "accepted again", false).is_ok());
    }

    #[test]
    fn idle_threads_end_and_come_back() {
        let (resolver, started, open) = gated(Duration::ZERO);
        for _ in 0..3 {
            open.send(()).unwrap();
            ask(&resolver, "one", false).unwrap().recv().unwrap().unwrap();
            started.recv().unwrap();
            while resolver.shared.lock().threads > 0 {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_dropped_resolver_calls_nobody() {
        let (resolver, started, open) = gated(LONG);
        let outcomes: Vec<_> = (0..6).map(|_| ask(&resolver, "runs or waits", false).unwrap()).collect();
        for _ in 0..THREADS_MAX {
            started.recv().unwrap();
        }
        drop(resolver);
        drop(open);
        for outcome in outcomes {
            outcome.recv().unwrap_err();
        }
    }

    #[test]
    fn a_panicking_callback_takes_nobody_along() {
        let resolver = Resolver::new();
        let (report, dropped) = mpsc::channel::<()>();
        let done = Box::new(move |_| {
            let _report = report;
            // Without the hook's message: this one is meant.
            std::panic::resume_unwind(Box::new("meant"));
        });
        resolver.resolve("127.0.0.1".to_owned(), 1, false, done).unwrap();
        dropped.recv().unwrap_err();
        ask(&resolver, "127.0.0.1", false).unwrap().recv().unwrap().unwrap();
    }
}
