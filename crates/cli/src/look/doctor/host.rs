//! What the host allows.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::Check;

/// With fewer descriptors, warn: each connection needs one, each node and publisher some.
const FEW_DESCRIPTORS: u64 = 512;
/// With fewer inotify instances left, warn: each node needs one, or looks at the registry now and then.
const FEW_INSTANCES: u64 = 16;
/// How many open files of processes are looked at to count what is in use.
const LOOKED_AT: usize = 50_000;

/// Checks limits, clock and network.
pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![descriptors()];
    checks.extend(inotify());
    checks.extend([clock(), loopback()]);
    checks
}

fn descriptors() -> Check {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.map_or_else(|| "no limit".to_owned(), |hard| hard.to_string());
    match limit.current {
        Some(soft) if soft < FEW_DESCRIPTORS => Check::warn(
            "descriptors",
            format!("a process may have {soft} files and connections open"),
            format!("raise it with `ulimit -n` (up to {hard}), or LimitNOFILE= in a unit of systemd"),
        ),
        Some(soft) => Check::ok("descriptors", format!("up to {soft} open files a process")),
        None => Check::ok("descriptors", "no limit"),
    }
}

fn inotify() -> Vec<Check> {
    let limit = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let used = inotify_in_use();
    let check = |name: &'static str, setting: &str, used: Option<u64>, few: u64| {
        let Some(limit) = limit(setting) else {
            return Check::skip(name, format!("fs.inotify.{setting} cannot be read"), "");
        };
        let in_use = used.map_or_else(|| "an unknown number".to_owned(), |used| used.to_string());
        let text = format!("{in_use} of {limit} in use by this user's processes");
        if limit.saturating_sub(used.unwrap_or_default()) >= few {
            return Check::ok(name, text);
        }
        let more = limit.saturating_mul(4).max(1024);
        let advice = format!(
            "each node needs one, or sees others come and go later: `sudo sysctl fs.inotify.{setting}={more}`, or end what watches files"
        );
        Check::warn(name, text, advice)
    };
    vec![
        check("inotify", "max_user_instances", used.map(|(instances, _)| instances), FEW_INSTANCES),
        check("watches", "max_user_watches", used.map(|(_, watches)| watches), FEW_INSTANCES),
    ]
}

/// Counts inotify instances and watches of this user's processes; `None` if that would take long.
fn inotify_in_use() -> Option<(u64, u64)> {
    let user = rustix::process::geteuid().as_raw();
    let (mut instances, mut watches, mut looked_at) = (0_u64, 0_u64, 0_usize);
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let is_process = process.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        if !is_process || process.metadata().map_or(true, |found| found.uid() != user) {
            continue;
        }
        for file in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            looked_at += 1;
            if looked_at > LOOKED_AT {
                return None;
            }
            if fs::read_link(file.path()).is_ok_and(|target| target == Path::new("anon_inode:inotify")) {
                instances += 1;
                let details = process.path().join("fdinfo").join(file.file_name());
                let details = fs::read_to_string(details).unwrap_or_default();
                let lines = details.lines().filter(|line| line.starts_with("inotify ")).count();
                watches = watches.saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
            }
        }
    }
    Some((instances, watches))
}

/// What keeps clocks in step leaves traces; to ask the kernel would need unsafe code.
fn clock() -> Check {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Check::ok("clock", "synchronised by systemd-timesyncd");
    }
    let daemons = [
        ("chronyd", "/run/chrony/chronyd.pid", "`chronyc tracking`"),
        ("chronyd", "/run/chronyd.pid", "`chronyc tracking`"),
        ("ntpd", "/run/ntpd.pid", "`ntpq -p`"),
    ];
    if let Some((name, _, command)) = daemons.iter().find(|(_, trace, _)| Path::new(trace).exists()) {
        return Check::ok("clock", format!("{name} looks after it; {command} shows how well"));
    }
    Check::skip(
        "clock",
        "whether it is synchronised cannot be told here",
        "it matters between hosts only, for delays and Qos::lifespan; `timedatectl` may know more",
    )
}

/// Connects to this host by its own network.
fn loopback() -> Check {
    let tried = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| TcpStream::connect(listener.local_addr()?).map(drop));
    match tried {
        Ok(()) => Check::ok("loopback", "127.0.0.1 can be reached"),
        Err(error) => Check::fail(
            "loopback",
            format!("127.0.0.1 cannot be reached: {error}"),
            "switch it on with `sudo ip link set lo up`; tcp:// endpoints of this host need it",
        ),
    }
}
