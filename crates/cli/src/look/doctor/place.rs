//! Where nodes meet: the directory, what is in it, and where else nodes are.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statfs, statvfs};
use tamtam::{Graph, Node};

use super::Check;
use crate::look::names::{count, some};
use crate::look::survey::Survey;
use crate::run::Run;

/// The longest path of a Unix socket.
const SOCKET_PATH_MAX: usize = 107;
/// What a publisher's socket adds to the directory: a slash, the node's number, a point, the publisher's.
const SOCKET_NAME: usize = 1 + 16 + 1 + 16;
/// With less than that, warn.
const FEW_BYTES: u64 = 16 << 20;
const FEW_INODES: u64 = 100;

/// File systems between hosts, and those that user programs make: locks and sockets of other hosts mean nothing
/// there.
const REMOTE: [(u64, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
];

/// Checks the domain's directory, as far as there is one.
pub(super) fn directory(domain: &str) -> Vec<Check> {
    // Why it cannot be used is told by the check of the registry.
    let Ok(path) = Graph::directory(domain, None) else { return Vec::new() };
    let mut checks = Vec::new();
    let shown = path.display();
    match fs::metadata(&path) {
        Ok(found) => {
            let (mode, owner) = (found.mode() & 0o7777, found.uid());
            let text = format!("{shown}, mode {mode:o}, of user {owner}");
            checks.push(if mode & 0o055 == 0 {
                Check::ok("directory", text)
            } else {
                let advice = format!("others may see your nodes; `chmod 700 {shown}` keeps them out");
                Check::warn("directory", text, advice)
            });
        }
        Err(error) => checks.push(Check::fail(
            "directory",
            format!("cannot look at {shown}: {error}"),
            "some program removes it while nodes use it; restart the nodes",
        )),
    }
    let length = path.as_os_str().as_bytes().len() + SOCKET_NAME;
    checks.push(if length > SOCKET_PATH_MAX {
        Check::fail(
            "socket path",
            format!("{length} bytes of {SOCKET_PATH_MAX}: publishers and services cannot be made"),
            "use a shorter domain, or set TAMTAM_RUNTIME_DIR to a shorter path",
        )
    } else {
        Check::ok("socket path", format!("{length} bytes of {SOCKET_PATH_MAX}"))
    });
    checks.extend(file_system(&path));
    checks
}

fn file_system(path: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let kind = statfs(path).map(|found| found.f_type.cast_unsigned() & 0xffff_ffff);
    let remote = kind.ok().and_then(|kind| REMOTE.iter().find(|(known, _)| *known == kind));
    checks.push(match remote {
        Some((_, name)) => Check::warn(
            "file system",
            format!("{} is on {name}, where locks and sockets may not work", path.display()),
            "set TAMTAM_RUNTIME_DIR, for all programs alike, to a directory of this host such as one in /tmp",
        ),
        None => Check::ok("file system", "not a network file system"),
    });
    if let Ok(found) = statvfs(path) {
        let bytes = found.f_bavail.saturating_mul(found.f_frsize);
        // Some file systems do not count inodes.
        let inodes = if found.f_files == 0 { u64::MAX } else { found.f_favail };
        let free = format!("{} MB free", bytes / 1_000_000);
        checks.push(if bytes < FEW_BYTES || inodes < FEW_INODES {
            let rest = if inodes == u64::MAX { String::new() } else { format!(", {inodes} inodes") };
            let advice = "nodes cannot enter or tell news when it is full; remove files there";
            Check::warn("space", format!("{free}{rest} at {}", path.display()), advice)
        } else {
            Check::ok("space", free)
        });
    }
    checks
}

/// What dead nodes have left, which reading the registry clears away.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    directory: Option<PathBuf>,
    /// The numbers of dead nodes.
    dead: HashSet<String>,
}

impl Leftovers {
    /// Looks for them without removing anything.
    pub(super) fn of(domain: &str) -> Self {
        let Ok(directory) = Graph::directory(domain, None) else { return Self::default() };
        let (_, dead) = entries(&directory);
        Self { directory: Some(directory), dead }
    }
}

/// Returns the numbers of the living nodes, and of the dead ones that left something.
fn entries(directory: &Path) -> (HashSet<String>, HashSet<String>) {
    let (mut living, mut dead) = (HashSet::new(), HashSet::new());
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".lock")) else { continue };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Some(lock) = is_file.then(|| File::open(entry.path()).ok()).flatten() else { continue };
        // The lock is held as long as the node lives. This one, shared, is given back with the file.
        let is_dead = flock(&lock, FlockOperation::NonBlockingLockShared).is_ok();
        if is_dead { &mut dead } else { &mut living }.insert(id.to_owned());
    }
    (living, dead)
}

/// Checks what the registry holds.
pub(super) fn registry(survey: &Survey, before: Leftovers) -> Check {
    let Some(directory) = before.directory else {
        return Check::ok("registry", count(survey.graph.nodes.len(), "node"));
    };
    let (living, dead) = entries(&directory);
    let stuck = dead.intersection(&before.dead).count();
    if stuck > 0 {
        return Check::warn(
            "registry",
            format!("what {} left cannot be removed", count(stuck, "dead node")),
            format!("remove them by hand: {}/<number>.*, as no living node has them", directory.display()),
        );
    }
    let known: HashSet<&str> = survey.graph.nodes.iter().map(|node| node.id.as_str()).collect();
    // A hidden node has a lock and no record.
    let told = |id: &&String| directory.join(format!("{id}.node")).exists();
    let strange: Vec<&str> =
        living.iter().filter(|id| !known.contains(id.as_str())).filter(told).map(String::as_str).collect();
    if !strange.is_empty() && strange.iter().all(|id| is_older(&directory, id)) {
        return Check::warn(
            "registry",
            format!(
                "{} of another release cannot be understood: {}",
                count(strange.len(), "node"),
                some(strange)
            ),
            "use one release of Tamtam for all programs of a domain",
        );
    }
    let removed = match before.dead.len() {
        0 => String::new(),
        number => format!("; what {} left was removed", count(number, "dead node")),
    };
    Check::ok("registry", format!("{}{removed}", count(survey.graph.nodes.len(), "node")))
}

/// Whether a record is older than this process: not one that came while we looked.
fn is_older(directory: &Path, id: &str) -> bool {
    let changed = |path: PathBuf| path.metadata().and_then(|found| found.modified()).ok();
    let own = changed(PathBuf::from("/proc/self"));
    own.zip(changed(directory.join(format!("{id}.node")))).is_some_and(|(own, record)| record < own)
}

/// Checks that a node can be opened, and that the peers answer.
pub(super) fn peers(run: &Run, survey: &Survey) -> Vec<Check> {
    let name = format!("tamtam-doctor-{}", std::process::id());
    let mut checks = vec![match Node::builder(&name).domain(&survey.domain).hidden().open() {
        Ok(_) => Check::ok("node", "a node can be opened"),
        Err(error) => {
            Check::fail("node", format!("a node cannot be opened: {error}"), "the other checks may show why")
        }
    }];
    let asked = run.global.peer.len();
    if asked > 0 {
        let text = format!("{} of {asked} answered ({})", survey.answered, run.global.peer.join(", "));
        checks.push(if survey.answered == asked {
            Check::ok("peers", text)
        } else {
            let advice = "a node has to listen there (Node::builder(…).listen(\"tcp://*:7400\")), in this domain, \
                          and no firewall may be in between";
            Check::fail("peers", text, advice)
        });
    }
    checks
}

/// Looks for nodes where this command did not look: in other domains, and in other directories.
pub(super) fn elsewhere(survey: &Survey) -> Vec<Check> {
    let Some(directory) = survey.directory() else { return Vec::new() };
    let Some(base) = directory.parent() else { return Vec::new() };
    let none_here = survey.graph.nodes.is_empty();
    let found: Vec<String> = domains(base)
        .into_iter()
        .filter(|domain| *domain != survey.domain)
        .filter_map(|domain| inhabitants(base, &domain).map(|nodes| format!("{domain} ({nodes})")))
        .collect();
    let mut checks = vec![if found.is_empty() {
        Check::ok("domains", format!("no nodes in domains other than {:?}", survey.domain))
    } else {
        let text = format!("nodes are also in {}", some(found.iter().map(String::as_str)));
        if none_here {
            let text = text.replace("also in", "in other domains:");
            let advice = format!(
                "none is in {:?}; if yours are there, use --domain or TAMTAM_DOMAIN for all of them",
                survey.domain
            );
            Check::warn("domains", text, advice)
        } else {
            Check::ok("domains", text)
        }
    }];
    checks.push(other_bases(base, &survey.domain));
    checks
}

fn domains(base: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Returns how many nodes a domain has, unless there are none.
fn inhabitants(base: &Path, domain: &str) -> Option<String> {
    let graph = Graph::read(domain, Some(base)).ok()?;
    (!graph.nodes.is_empty()).then(|| count(graph.nodes.len(), "node"))
}

/// Programs with another environment look in another place; cron jobs and system services often have none.
fn other_bases(base: &Path, domain: &str) -> Check {
    const NAME: &str = "environment";
    let user = rustix::process::geteuid().as_raw();
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let session = PathBuf::from(format!("/run/user/{user}"));
    let places = [
        set("XDG_RUNTIME_DIR").map(|xdg| PathBuf::from(xdg).join("tamtam")),
        Some(session.join("tamtam")),
        Some(std::env::temp_dir().join(format!("tamtam-{user}"))),
        Some(PathBuf::from(format!("/tmp/tamtam-{user}"))),
    ];
    let mut others: Vec<PathBuf> = places.into_iter().flatten().filter(|place| place != base).collect();
    others.sort();
    others.dedup();
    // Reading would make the directory.
    others.retain(|place| place.join(domain).is_dir() && inhabitants(place, domain).is_some());
    if !others.is_empty() {
        let places: Vec<String> = others.iter().map(|place| place.display().to_string()).collect();
        return Check::warn(
            NAME,
            format!("nodes of this domain are also in {}, which is not looked at", places.join(" and ")),
            format!(
                "start all programs with TAMTAM_RUNTIME_DIR={}, or with the same XDG_RUNTIME_DIR",
                base.display()
            ),
        );
    }
    if set("TAMTAM_RUNTIME_DIR").is_some() {
        return Check::ok(
            NAME,
            "TAMTAM_RUNTIME_DIR says where to look; it has to be the same for all programs",
        );
    }
    let advice = format!(
        "set TAMTAM_RUNTIME_DIR={} for cron jobs, containers and system services that are to take part",
        base.display()
    );
    match set("XDG_RUNTIME_DIR") {
        Some(xdg) if Path::new(&xdg) == session => {
            Check::ok(NAME, format!("XDG_RUNTIME_DIR={}", session.display()))
        }
        Some(xdg) => Check::warn(
            NAME,
            format!(
                "XDG_RUNTIME_DIR={} is not {}, as in a session",
                Path::new(&xdg).display(),
                session.display()
            ),
            advice,
        ),
        None if session.is_dir() => Check::warn(
            NAME,
            format!("XDG_RUNTIME_DIR is not set; programs of a session look in {}/tamtam", session.display()),
            advice,
        ),
        None => Check::ok(NAME, "XDG_RUNTIME_DIR is not set, and this host has no sessions' directories"),
    }
}
