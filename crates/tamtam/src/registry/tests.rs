use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use super::id::ParseNodeIdError;
use super::*;

/// Tells the test binary that it is the child of [`a_killed_process_is_noticed_and_removed`]: the base directory.
const CHILD: &str = "TAMTAM_TEST_REGISTRY_CHILD";

const DEADLINE: Duration = Duration::from_secs(30);

fn scratch() -> (TempDir, Registry) {
    let base = tempfile::tempdir().unwrap();
    let registry = Registry::open_at(base.path(), "test").unwrap();
    (base, registry)
}

fn random() -> NodeId {
    NodeId::random().unwrap()
}

fn in_directory(registry: &Registry) -> Vec<String> {
    let mut names = files::names(registry.directory.as_fd()).unwrap();
    names.retain(|name| name != "." && name != "..");
    names.sort();
    names
}

fn ids(registry: &Registry) -> Vec<NodeId> {
    registry.list().unwrap().into_iter().map(|found| found.id).collect()
}

/// What a killed process leaves: a lock that nobody holds, a record, and a socket.
fn leave_dead_node(registry: &Registry, id: NodeId) {
    for ending in ["lock", "node", "sock", "shm.0"] {
        fs::write(registry.path().join(format!("{id}.{ending}")), "1\n").unwrap();
    }
}

/// Waits until the registry is as expected, looking only when the watch says that it has changed.
fn wait_until(registry: &Registry, watch: &mut Watch, mut expected: impl FnMut(&[Found]) -> bool) {
    let end = Instant::now() + DEADLINE;
    loop {
        let left = end.checked_duration_since(Instant::now()).expect("the change was not seen in time");
        let ready =
            poll(&mut [PollFd::new(&*watch, PollFlags::IN)], Some(&Timespec::try_from(left).unwrap()));
        assert!(matches!(ready, Ok(_) | Err(Errno::INTR)), "{ready:?}");
        if watch.drain() && expected(&registry.list().unwrap()) {
            return;
        }
    }
}

#[test]
fn ids_are_sixteen_hexadecimal_digits() {
    let id = "00010203fcfdfeff".parse::<NodeId>().unwrap();
    assert_eq!(id.to_string(), "00010203fcfdfeff");
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.to_bytes(), [0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]);
    for text in ["", "0", "00010203FCFDFEFF", "+0010203fcfdfeff", "00010203fcfdfeff0", "0001020\u{e9}cfdfeff"]
    {
        assert_eq!(text.parse::<NodeId>(), Err(ParseNodeIdError), "{text:?}");
    }
    assert_ne!(random(), random());
}

#[test]
fn a_node_is_listed_from_its_record_to_its_drop() {
    let (_base, registry) = scratch();
    let entry = registry.enter(random()).unwrap();
    assert_eq!(registry.list().unwrap(), []);
    for record in [&b"one"[..], b"", &[7; RECORD_MAX]] {
        entry.publish(record).unwrap();
        let found = Found { id: entry.id, record: record.to_vec(), pid: Some(std::process::id()) };
        assert_eq!(registry.list().unwrap(), [found]);
    }
    let other = Registry::open_at(registry.path().parent().unwrap(), "other").unwrap();
    assert_eq!(other.list().unwrap(), []);
    let socket = registry.socket_path(&format!("{}.sock", entry.id)).unwrap();
    let _socket = UnixListener::bind(&socket).unwrap();
    drop(entry);
    assert_eq!(registry.list().unwrap(), []);
    assert_eq!(in_directory(&registry), [""; 0]);
}

#[test]
fn too_large_records_are_refused_and_passed_over() {
    let (_base, registry) = scratch();
    let entry = registry.enter(random()).unwrap();
    entry.publish(b"old").unwrap();
    let error = entry.publish(&vec![0; RECORD_MAX + 1]).unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
    assert_eq!(registry.list().unwrap()[0].record, b"old");
    fs::write(registry.path().join(format!("{}.node", entry.id)), vec![0; RECORD_MAX + 1]).unwrap();
    assert_eq!(registry.list().unwrap(), []);
}

#[test]
fn one_living_node_has_an_id() {
    let (_base, registry) = scratch();
    let id = random();
    let entry = registry.enter(id).unwrap();
    let error = registry.enter(id).unwrap_err();
    assert!(matches!(error, RegistryError::Entered { .. }), "{error}");
    drop(entry);
    leave_dead_node(&registry, id);
    let entry = registry.enter(id).unwrap();
    assert_eq!(in_directory(&registry), [format!("{id}.lock")]);
    drop(entry);
    fs::create_dir(registry.path().join(format!("{id}.lock"))).unwrap();
    let error = registry.enter(id).unwrap_err();
    assert!(matches!(error, RegistryError::Io { .. }), "{error}");
    assert_eq!(in_directory(&registry), [format!("{id}.lock")]);
}

#[test]
fn what_dead_nodes_left_is_removed() {
    let (_base, registry) = scratch();
    let living = registry.enter(random()).unwrap();
    living.publish(b"living").unwrap();
    let before = in_directory(&registry);
    let dead = random();
    leave_dead_node(&registry, dead);
    fs::write(registry.path().join(format!("{}.new", random())), "half").unwrap();
    assert_eq!(ids(&registry), [living.id]);
    assert_eq!(in_directory(&registry), before);
}

/// Between the look at a lock and the removal, another process may have removed all and a new node have entered.
#[test]
fn a_new_node_is_not_buried_with_the_dead_one() {
    let (_base, registry) = scratch();
    let id = random();
    leave_dead_node(&registry, id);
    let name = format!("{id}.lock");
    let Lock::Free(lock) = files::probe(registry.directory.as_fd(), &name).unwrap() else { panic!() };
    // Others look as well and see it dead: a look is no ownership.
    let Lock::Free(other) = files::probe(registry.directory.as_fd(), &name).unwrap() else { panic!() };
    drop(other);
    fs::remove_file(registry.path().join(&name)).unwrap();
    let entry = registry.enter(id).unwrap();
    entry.publish(b"new").unwrap();
    registry.directory.bury(vec![(id, lock)]);
    assert_eq!(ids(&registry), [id]);
}

/// Whoever buries a node has its lock, and looks like it: it is not listed once more.
#[test]
fn what_is_being_buried_is_not_listed() {
    let (_base, registry) = scratch();
    let id = random();
    leave_dead_node(&registry, id);
    let name = format!("{id}.lock");
    let Lock::Free(lock) = files::probe(registry.directory.as_fd(), &name).unwrap() else { panic!() };
    registry.directory.forget(id, &lock);
    assert!(files::take_over(registry.directory.as_fd(), &name, &lock).unwrap());
    assert_eq!(ids(&registry), []);
    drop(lock);
    assert_eq!(ids(&registry), []);
    assert_eq!(in_directory(&registry), [""; 0]);
}

#[test]
fn strangers_are_left_alone() {
    let (_base, registry) = scratch();
    let path = |name: &str| registry.path().join(name);
    let id = random();
    fs::write(path("README"), "").unwrap();
    fs::write(path("lock"), "").unwrap();
    fs::write(path("zzzzzzzzzzzzzzzz.lock"), "").unwrap();
    fs::write(path("important.new"), "").unwrap();
    fs::write(path(&format!("{id}.lock.bak")), "").unwrap();
    fs::create_dir(path(&format!("{}.lock", random()))).unwrap();
    fs::create_dir(path(&format!("{}.new", random()))).unwrap();
    symlink("README", path(&format!("{}.lock", random()))).unwrap();
    let _socket = UnixListener::bind(path(&format!("{}.lock", random()))).unwrap();
    let fifo = |name: String| {
        let mode = Mode::RUSR | Mode::WUSR;
        let kind = FileType::Fifo;
        rustix::fs::mknodat(registry.directory.as_fd(), name, kind, mode, 0).unwrap();
    };
    fifo(format!("{}.lock", random()));
    fifo(format!("{}.new", random()));
    let node = registry.enter(random()).unwrap();
    fifo(format!("{}.node", node.id));
    let before = in_directory(&registry);
    assert_eq!(registry.list().unwrap(), []);
    assert_eq!(in_directory(&registry), before);
    // A directory among a dead node's files hinders nobody.
    let dead = random();
    leave_dead_node(&registry, dead);
    fs::create_dir(path(&format!("{dead}.d"))).unwrap();
    assert_eq!(registry.list().unwrap(), []);
    assert!(path(&format!("{dead}.d")).exists());
    assert!(!path(&format!("{dead}.lock")).exists());
}

#[test]
fn removed_files_are_put_back() {
    let (_base, registry) = scratch();
    let entry = registry.enter(random()).unwrap();
    entry.publish(b"one").unwrap();
    for name in in_directory(&registry) {
        fs::remove_file(registry.path().join(name)).unwrap();
    }
    assert_eq!(registry.list().unwrap(), []);
    entry.publish(b"two").unwrap();
    assert_eq!(ids(&registry), [entry.id]);
    // But not when another node has the id, whose files are not touched.
    fs::remove_file(registry.path().join(format!("{}.lock", entry.id))).unwrap();
    let other = registry.enter(entry.id).unwrap();
    other.publish(b"three").unwrap();
    let error = entry.publish(b"four").unwrap_err();
    assert!(matches!(error, RegistryError::Entered { .. }), "{error}");
    drop(entry);
    assert_eq!(registry.list().unwrap()[0].record, b"three");
}

#[test]
fn a_removed_directory_is_an_error() {
    let (base, registry) = scratch();
    let entry = registry.enter(random()).unwrap();
    let mut watch = registry.watch().unwrap();
    fs::remove_dir_all(registry.path()).unwrap();
    assert!(watch.drain());
    for replaced in [false, true] {
        if replaced {
            Registry::open_at(base.path(), "test").unwrap();
        }
        let removed = |error| assert!(matches!(error, RegistryError::Removed { .. }), "{error}");
        removed(registry.list().unwrap_err());
        removed(entry.publish(b"").unwrap_err());
        removed(registry.enter(random()).unwrap_err());
        removed(registry.watch().unwrap_err());
        removed(registry.put_schema(&"0".repeat(64), b"").unwrap_err());
        removed(registry.schema(&"0".repeat(64)).unwrap_err());
    }
}

#[test]
fn a_publication_that_fails_leaves_the_old_record() {
    let (_base, registry) = scratch();
    let entry = registry.enter(random()).unwrap();
    let record = format!("{}.node", entry.id);
    fs::create_dir(registry.path().join(&record)).unwrap();
    let error = entry.publish(b"new").unwrap_err();
    assert!(matches!(error, RegistryError::Io { .. }), "{error}");
    assert!(error.to_string().contains(&record), "{error}");
    // No temporary file stays, either.
    assert_eq!(in_directory(&registry), [format!("{}.lock", entry.id), record]);
}

#[test]
fn directories_of_others_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let refused = |base: &Path, why: &str| {
        let error = Registry::open_at(base, "test").unwrap_err();
        assert!(matches!(error, RegistryError::Directory { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    };
    let real = scratch.path().join("real");
    let made = Registry::open_at(&real.join("a").join("b"), "test").unwrap();
    for path in [made.path(), made.path().parent().unwrap(), &real] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o700);
    }
    let planted = scratch.path().join("planted");
    symlink(&real, &planted).unwrap();
    refused(&planted, "symbolic link");
    refused(&planted.join(""), "symbolic link");
    let dangling = scratch.path().join("dangling");
    symlink("nowhere", &dangling).unwrap();
    refused(&dangling, "symbolic link");
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    refused(&file, "not a directory");
    symlink("/", real.join("test")).unwrap();
    refused(&real, "symbolic link");
    for mode in [0o720, 0o702, 0o777, 0o1777] {
        let base = scratch.path().join(format!("{mode:o}"));
        fs::create_dir(&base).unwrap();
        fs::set_permissions(&base, fs::Permissions::from_mode(mode)).unwrap();
        refused(&base, "others may write");
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(base.join("test")).unwrap();
        fs::set_permissions(base.join("test"), fs::Permissions::from_mode(mode)).unwrap();
        refused(&base, "others may write");
    }
    refused(Path::new("relative"), "not absolute");
    // Only root can give a directory away.
    let given = scratch.path().join("given");
    fs::create_dir(&given).unwrap();
    if std::os::unix::fs::chown(&given, Some(12345), None).is_ok() {
        refused(&given, "12345");
    }
}

#[test]
fn domains_are_names_of_directories() {
    let base = tempfile::tempdir().unwrap();
    let long = "x".repeat(256);
    for domain in ["", ".", "..", "a/b", "/", "../a", "a..b", "a\0b", &long] {
        let error = Registry::open_at(base.path(), domain).unwrap_err();
        assert!(matches!(error, RegistryError::Domain { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    Registry::open_at(base.path(), &long[1..]).unwrap();
}

#[test]
fn the_base_comes_from_the_environment() {
    let ours = tempfile::tempdir().unwrap();
    let xdg = || Some(ours.path().as_os_str().to_owned());
    let temporary = Path::new("/t");
    let base = |chosen: Option<&str>, xdg, user| base_directory(chosen.map(Into::into), xdg, temporary, user);
    assert_eq!(base(Some("/c"), xdg(), user()), Path::new("/c"));
    assert_eq!(base(None, xdg(), user()), ours.path().join("tamtam"));
    assert_eq!(base(None, None, 7), Path::new("/t/tamtam-7"));
    // Somebody else's, missing, relative.
    assert_eq!(base(None, xdg(), 7 + user()), temporary.join(format!("tamtam-{}", 7 + user())));
    assert_eq!(base(None, Some("/no/such".into()), 7), Path::new("/t/tamtam-7"));
    assert_eq!(base(None, Some(".".into()), 7), Path::new("/t/tamtam-7"));
}

#[test]
fn socket_paths_fit_their_addresses() {
    let (_base, registry) = scratch();
    let fits = SOCKET_PATH_MAX - registry.path().as_os_str().len() - 1;
    let path = registry.socket_path(&"s".repeat(fits)).unwrap();
    let _socket = UnixListener::bind(path).unwrap();
    let error = registry.socket_path(&"s".repeat(fits + 1)).unwrap_err();
    assert!(matches!(error, RegistryError::SocketPath { length: 108, .. }), "{error}");
    for name in ["", "..", "a/b"] {
        let error = registry.socket_path(name).unwrap_err();
        assert!(matches!(error, RegistryError::Name { .. }), "{error}");
    }
}

#[test]
fn schemas_are_kept() {
    let (base, registry) = scratch();
    let id = "0123456789abcdef".repeat(4);
    assert_eq!(registry.schema(&id).unwrap(), None);
    registry.put_schema(&id, b"schema").unwrap();
    let path = registry.path().join("schemas").join(format!("{id}.fds"));
    let written = fs::metadata(&path).unwrap().ino();
    registry.put_schema(&id, b"schema").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), written);
    let other = Registry::open_at(base.path(), "test").unwrap();
    assert_eq!(other.schema(&id).unwrap().as_deref(), Some(&b"schema"[..]));
    assert_eq!(other.schema(&"0".repeat(64)).unwrap(), None);
    // Cut off by a crash of the machine, with a temporary file left.
    fs::write(&path, "sch").unwrap();
    fs::write(path.with_file_name(format!("{}.new", random())), "").unwrap();
    other.put_schema(&id, b"schema").unwrap();
    assert_eq!(registry.schema(&id).unwrap().as_deref(), Some(&b"schema"[..]));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

    let large = vec![1; SCHEMA_MAX + 1];
    assert!(matches!(registry.put_schema(&id, &large).unwrap_err(), RegistryError::TooLarge { .. }));
    registry.put_schema(&id, &large[1..]).unwrap();
    assert_eq!(registry.schema(&id).unwrap().unwrap().len(), SCHEMA_MAX);
    fs::write(&path, large).unwrap();
    assert!(matches!(registry.schema(&id).unwrap_err(), RegistryError::TooLarge { .. }));
    for id in ["", "../test", &id[1..], &id.to_uppercase()] {
        assert!(matches!(registry.schema(id).unwrap_err(), RegistryError::Name { .. }));
        assert!(matches!(registry.put_schema(id, b"").unwrap_err(), RegistryError::Name { .. }));
    }
    // The schemas are no node.
    assert_eq!(registry.list().unwrap(), []);
}

#[test]
fn a_watch_tells_of_others_records_and_leaving() {
    let (base, registry) = scratch();
    let mut watch = registry.watch().unwrap();
    assert!(!watch.drain());
    let other = Registry::open_at(base.path(), "test").unwrap();
    let entry = other.enter(random()).unwrap();
    // No record yet, and nothing to be told.
    assert!(!watch.drain());
    entry.publish(b"one").unwrap();
    wait_until(&registry, &mut watch, |found| found.iter().any(|found| found.record == b"one"));
    entry.publish(b"two").unwrap();
    wait_until(&registry, &mut watch, |found| found.iter().any(|found| found.record == b"two"));
    drop(entry);
    wait_until(&registry, &mut watch, <[_]>::is_empty);
    // Strangers' files and looks are nothing to be told, either.
    fs::write(registry.path().join("README"), "").unwrap();
    registry.list().unwrap();
    assert!(!watch.drain());
}

/// A lock that was written to by another program looks like a death, but is none, and is looked at for a while only.
#[test]
fn a_lock_that_is_touched_is_no_death() {
    let (_base, registry) = scratch();
    let entry = registry.enter(random()).unwrap();
    let mut watch = registry.watch().unwrap();
    let lock = registry.path().join(format!("{}.lock", entry.id));
    drop(fs::OpenOptions::new().append(true).open(lock).unwrap());
    let end = Instant::now() + DEADLINE;
    while !{
        assert!(!watch.drain());
        watch.closed.is_empty()
    } {
        let left = end.checked_duration_since(Instant::now()).expect("it is looked at for ever");
        poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&left.try_into().unwrap())).unwrap();
    }
}

/// The kernel tells that the lock was closed before it releases it: the death is told when it is released.
#[test]
fn a_lock_that_is_released_late_is_told() {
    let (_base, registry) = scratch();
    let id = random();
    leave_dead_node(&registry, id);
    let path = registry.path().join(format!("{id}.lock"));
    let held = File::open(&path).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let mut watch = registry.watch().unwrap();
    drop(fs::OpenOptions::new().append(true).open(&path).unwrap());
    assert!(!watch.drain());
    assert_eq!(ids(&registry), [id]);
    flock(&held, FlockOperation::Unlock).unwrap();
    wait_until(&registry, &mut watch, <[_]>::is_empty);
    assert_eq!(in_directory(&registry), [""; 0]);
}

/// Without an inotify instance, the watch looks by itself: at what comes and goes, and at who dies.
#[test]
fn a_watch_without_events_looks_by_itself() {
    let (base, registry) = scratch();
    let mut watch = Watch::without_events(registry.directory.clone()).unwrap();
    let other = Registry::open_at(base.path(), "test").unwrap();
    let entry = other.enter(random()).unwrap();
    entry.publish(b"one").unwrap();
    wait_until(&registry, &mut watch, |found| found.iter().any(|found| found.record == b"one"));
    entry.publish(b"two").unwrap();
    wait_until(&registry, &mut watch, |found| found.iter().any(|found| found.record == b"two"));
    drop(entry);
    wait_until(&registry, &mut watch, <[_]>::is_empty);

    let id = random();
    leave_dead_node(&registry, id);
    let held = File::open(registry.path().join(format!("{id}.lock"))).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    wait_until(&registry, &mut watch, |found| found.iter().any(|found| found.id == id));
    // Changes no file.
    flock(&held, FlockOperation::Unlock).unwrap();
    wait_until(&registry, &mut watch, <[_]>::is_empty);
}

/// Enters a node, with a socket, prints its id and waits to be killed: when run by the next tests.
#[test]
fn child_process() {
    let Some(base) = std::env::var_os(CHILD) else { return };
    let registry = Registry::open_at(Path::new(&base), "test").unwrap();
    let entry = registry.enter(random()).unwrap();
    let socket = registry.socket_path(&format!("{}.sock", entry.id)).unwrap();
    let _socket = UnixListener::bind(socket).unwrap();
    entry.publish(b"child").unwrap();
    println!("\nentered {}", entry.id);
    io::stdout().flush().unwrap();
    // Until it is killed, or the parent is gone.
    let _ = io::stdin().read_line(&mut String::new());
}

struct Spawned(Child);

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn_child(base: &Path) -> (Spawned, NodeId) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "registry::tests::child_process", "--nocapture"])
        .env(CHILD, base)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Spawned(child);
    let output = BufReader::new(child.0.stdout.take().unwrap());
    let mut entered = output.lines().map(Result::unwrap);
    let id = entered.find_map(|line| line.strip_prefix("entered ")?.parse().ok()).expect("the child's id");
    (child, id)
}

#[test]
fn a_killed_process_is_noticed_and_removed() {
    let (base, registry) = scratch();
    let mut watch = registry.watch().unwrap();
    // Several, since what is seen at the death depends on who is faster.
    for _ in 0..5 {
        let (mut child, id) = spawn_child(base.path());
        wait_until(&registry, &mut watch, |found| found.iter().any(|found| found.id == id));
        assert_eq!(registry.list().unwrap()[0].pid, Some(child.0.id()));
        assert_eq!(in_directory(&registry), ["lock", "node", "sock"].map(|ending| format!("{id}.{ending}")));
        child.0.kill().unwrap();
        wait_until(&registry, &mut watch, <[_]>::is_empty);
        assert_eq!(in_directory(&registry), [""; 0]);
    }
}

#[test]
fn many_come_and_go() {
    const THREADS: usize = 10;
    const ROUNDS: usize = 30;
    let (base, registry) = scratch();
    let (start, left) = (Barrier::new(THREADS + 2), AtomicUsize::new(THREADS));
    let record = |id: NodeId, round: usize| format!("{id} {round} ").repeat(300);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let registry = Registry::open_at(base.path(), "test").unwrap();
                start.wait();
                for round in 0..ROUNDS {
                    let entry = registry.enter(random()).unwrap();
                    entry.publish(record(entry.id, round).as_bytes()).unwrap();
                    entry.publish(record(entry.id, round + 1).as_bytes()).unwrap();
                    assert!(ids(&registry).contains(&entry.id));
                }
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let registry = Registry::open_at(base.path(), "test").unwrap();
                start.wait();
                while left.load(Ordering::Relaxed) > 0 {
                    let found = registry.list().unwrap();
                    for Found { id, record: bytes, .. } in &found {
                        let text = str::from_utf8(bytes).unwrap();
                        let round = text.split(' ').nth(1).unwrap().parse().unwrap();
                        assert_eq!(text, record(*id, round));
                    }
                    let unique: BTreeMap<_, _> = found.iter().map(|found| (found.id, ())).collect();
                    assert_eq!(unique.len(), found.len());
                }
            });
        }
    });
    assert_eq!(registry.list().unwrap(), []);
    assert_eq!(in_directory(&registry), [""; 0]);
}

#[test]
fn one_of_many_gets_an_id() {
    let (_base, registry) = scratch();
    for _ in 0..50 {
        let id = random();
        leave_dead_node(&registry, id);
        let start = Barrier::new(4);
        let results: Vec<_> = std::thread::scope(|scope| {
            let enter = || {
                start.wait();
                let entry = registry.enter(id);
                if let Ok(entry) = &entry {
                    entry.publish(b"mine").unwrap();
                }
                entry
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (entered, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((entered.len(), failed.len()), (1, 3), "{failed:?}");
        assert_eq!(ids(&registry), [id]);
    }
}
