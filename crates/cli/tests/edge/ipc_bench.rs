//! `tamtam ipc bench`: no time is judged here, but what is told, written, and left behind.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use tamtam_ipc::clean;

use crate::process::{Ended, PATIENCE, Process, await_death, send_signal, tamtam};

/// The report that `--json` has printed.
fn report(ended: &Ended) -> Value {
    let first = ended.ok().lines().next().expect("a line");
    serde_json::from_str(first).expect("JSON")
}

fn cells(report: &Value) -> &Vec<Value> {
    report["cells"].as_array().expect("a list")
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect()
}

#[test]
fn everything_is_measured_or_told_to_be_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (csv, markdown, html) = (file("a.csv"), file("a.md"), file("a.html"));
    let args = ["ipc", "bench", "--quick", "--rounds", "1", "--duration", "1s", "--json"];
    let ended = tamtam([&args[..], &["--csv", &csv, "--markdown", &markdown, "--html", &html]].concat());
    let report = report(&ended);
    let (measured, missing) = (names(&report["contestants"]), names(&report["unavailable"]));
    for mechanism in tamtam_ipc::all() {
        let name = mechanism.facts().name;
        assert!(measured.contains(name) || missing.contains(name), "{name}");
    }
    assert!(measured.contains("tamtam-inproc") && measured.contains("tamtam-tcp"));
    for cell in cells(&report) {
        let failures = cell["failures"].as_array().expect("a list");
        // A slow machine may be too slow for a rate; nothing else is an excuse.
        let is_slow =
            failures.iter().any(|why| why.as_str().is_some_and(|why| why.contains("cannot keep up")));
        assert!(cell["rounds"] == 1 || is_slow, "{cell}");
        let lossless = !["udp", "shm-latest"].contains(&cell["contestant"].as_str().expect("a name"));
        if lossless && cell["pattern"] != "kill" && !is_slow {
            assert_eq!(cell["lost"], 0, "{cell}");
        }
    }
    for contestant in measured {
        let own = |cell: &&Value| cell["contestant"] == contestant;
        let patterns: BTreeSet<_> =
            cells(&report).iter().filter(own).map(|cell| cell["pattern"].as_str()).collect();
        assert!(patterns.len() >= 5, "{contestant}: {patterns:?}");
    }
    assert!(report["machine"]["kernel"].as_str().is_some_and(|kernel| kernel.starts_with("Linux")));
    let rows = fs::read_to_string(csv).unwrap();
    assert_eq!(rows.lines().count(), 1 + cells(&report).len());
    assert!(fs::read_to_string(markdown).unwrap().contains("## round trip, 64 B"));
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("<svg") && page.trim_end().ends_with("</html>") && !page.contains("http"));
}

#[test]
fn tables_are_for_people_and_reports_compare() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.json");
    let args =
        ["ipc", "bench", "--quick", "--duration", "200ms", "-m", "pipe,unix-stream", "-p", "round-trip"];
    fs::write(&old, tamtam([&args[..], &["--json"]].concat()).ok()).unwrap();
    let ended = tamtam([&args[..], &["--compare", old.to_str().expect("text")]].concat());
    let text = ended.ok();
    for part in ["Linux", "round trip, 64 B", "p50", "CPU µs", "unix-stream", "compared with", "ratio"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\x1b'), "no colours but on a terminal");
    let json = tamtam([&args[..], &["--json", "--compare", old.to_str().expect("text")]].concat());
    let compared: Vec<Value> =
        json.ok().lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(compared.iter().any(|one| one["contestant"] == "pipe" && one["ratio"].is_number()), "{json:?}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_measured() {
    for args in [
        &["--pattern", "pigeon"][..],
        &["--size", "0"],
        &["--size", "1TB"],
        &["--readers", "0"],
        &["--quick", "--full"],
        &["--duration", "5"],
        &["--rounds", "0"],
        &["--rate", "fast"],
    ] {
        let ended = tamtam([&["ipc", "bench"], args].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
    tamtam(["ipc", "bench", "-m", "pigeon"]).says(3, &["\"pigeon\"", "shm-ring", "libzmq-tcp"]);
    tamtam(["ipc", "bench", "--compare", "/nowhere/old.json"]).says(3, &["cannot read /nowhere/old.json"]);
    tamtam(["ipc", "bench", "--html", "/nowhere/a.html"]).says(1, &["cannot write /nowhere/a.html"]);
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.json");
    for (text, word) in [("{}", "not a report"), ("{\"tamtam_ipc_bench\":99}", "format 99")] {
        fs::write(&other, text).unwrap();
        tamtam(["ipc", "bench", "--compare", other.to_str().expect("text")]).says(5, &[word]);
    }
}

/// Runs the command below a limit of the shell's.
fn limited(limit: &str, arguments: &[&str]) -> Ended {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_tamtam")]);
    let mut process =
        Process::spawn(command.args(["ipc", "bench", "--quick", "--duration", "100ms"]).args(arguments));
    process.close_input();
    process.end()
}

#[test]
fn what_a_limit_forbids_is_told_and_the_rest_goes_on() {
    let ended = limited("-q 0", &["-m", "posix-queue,pipe", "-p", "round-trip", "--json"]);
    let report = report(&ended);
    assert_eq!(names(&report["unavailable"]), BTreeSet::from(["posix-queue"]));
    assert!(!report["unavailable"][0]["reason"].as_str().expect("a text").is_empty());
    assert!(cells(&report).iter().all(|cell| cell["contestant"] == "pipe" && cell["rounds"] == 2));
}

#[test]
fn without_descriptors_a_cell_fails_with_the_reason() {
    let ended = limited("-n 24", &["-m", "pipe", "-p", "fan-out,round-trip", "--readers", "9"]);
    let text = ended.ok();
    assert!(text.contains("Too many open files"), "{ended:?}");
    assert!(text.contains("round trip"), "{ended:?}");
}

#[test]
fn a_libzmq_that_is_not_there_is_told() {
    let ended = tamtam(["ipc", "bench", "--quick", "-m", "libzmq-tcp", "--libzmq", "/nowhere/libzmq.so"]);
    ended.says(1, &["nothing could be measured"]);
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(text.contains("libzmq-tcp is not measured") && text.contains("/nowhere/libzmq.so"), "{text}");
}

/// The processes that this one has started, and that are not only waiting to be asked for their exit code.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("mounted").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| is_child(*number, parent)).collect()
}

fn is_child(number: u32, parent: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(&parent.to_string())
}

/// What a process has made that outlives processes: objects with its number in their names, System V queues.
fn lasting(maker: u32) -> BTreeSet<String> {
    let is_its = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or_default();
        last.split('-').nth(1) == Some(&maker.to_string())
    };
    let named = clean::named().into_iter().filter(|(_, name)| is_its(name)).map(|(_, name)| name);
    // key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid …: the maker is not told, but who sent and received last; the plate in a
    // queue was sent by its maker.
    let queues = fs::read_to_string("/proc/sysvipc/msg").unwrap_or_default();
    let queues: Vec<String> = queues.lines().map(str::to_owned).collect();
    let its = queues.into_iter().filter(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        fields.get(5..7).is_some_and(|last| last.contains(&maker.to_string().as_str()))
    });
    named.chain(its).collect()
}

/// Waits until something is there, while the command runs.
fn wait_for<T>(process: &mut Process, what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(process.is_running(), "ended before there was {what}");
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::yield_now();
    }
}

fn start(folder: &std::path::Path, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam"));
    command.args(["ipc", "bench", "--quick", "--rounds", "2"]).args(arguments);
    Process::spawn(command.env("TMPDIR", folder).env_remove("XDG_RUNTIME_DIR"))
}

/// Two workers at work. One that was begun and does not run its own program yet has its parent wait for that: if it were stopped
/// there, both would stand still.
fn workers(process: &mut Process) -> Vec<u32> {
    let parent = process.pid();
    let line = |number: u32| fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
    let own = line(parent);
    wait_for(process, "workers", || {
        Some(children(parent)).filter(|workers| {
            workers.len() == 2
                && workers.iter().all(|&worker| !line(worker).is_empty() && line(worker) != own)
        })
    })
}

fn is_clean(folder: &std::path::Path, processes: &[u32]) {
    for number in processes {
        assert_eq!(lasting(*number), BTreeSet::new());
    }
    assert_eq!(fs::read_dir(folder).expect("readable").count(), 0, "files stay");
}

/// What is interrupted in the middle of one mechanism's measurement.
const FRAGILE: [&str; 6] = ["sysv-queue", "posix-queue", "fifo", "shm-ring", "shm-mutex-queue", "tamtam-ipc"];

#[test]
fn ctrl_c_leaves_nothing_behind() {
    for mechanism in FRAGILE {
        let folder = tempfile::tempdir().unwrap();
        let mut bench =
            start(folder.path(), &["-m", mechanism, "-p", "throughput", "--duration", "60s", "--json"]);
        let mut all = workers(&mut bench);
        all.push(bench.pid());
        bench.signal(Signal::INT);
        let ended = bench.end();
        assert_eq!(ended.code, Some(130), "{mechanism}: {ended:?}");
        all.iter().for_each(|number| await_death(*number));
        is_clean(folder.path(), &all);
        // What was measured until then is told all the same.
        let report: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
        assert_eq!(report["settings"]["interrupted"], true);
    }
}

#[test]
fn a_killed_worker_is_a_failed_round_and_leaves_nothing_behind() {
    for (mechanism, victim) in FRAGILE.iter().flat_map(|mechanism| [(mechanism, 0), (mechanism, 1)]) {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = start(
            folder.path(),
            &["-m", mechanism, "-p", "throughput", "-s", "64", "--duration", "2s", "--json"],
        );
        let mut all = workers(&mut bench);
        all.push(bench.pid());
        send_signal(all[victim], Signal::KILL);
        let ended = bench.end();
        let report = report(&ended);
        let failures: Vec<&str> = cells(&report)
            .iter()
            .flat_map(|cell| cell["failures"].as_array().expect("a list"))
            .filter_map(Value::as_str)
            .collect();
        // Whoever noticed first is told: the conductor, or the other end.
        assert_eq!(failures.len(), 1, "{mechanism}: {ended:?}");
        assert!(cells(&report).iter().any(|cell| cell["rounds"] == 1), "{mechanism}: {ended:?}");
        all.iter().for_each(|number| await_death(*number));
        is_clean(folder.path(), &all);
    }
}

#[test]
fn a_worker_that_hangs_is_a_failed_round() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench =
        start(folder.path(), &["-m", "unix-stream", "-p", "round-trip", "--duration", "500ms", "--json"]);
    let all = workers(&mut bench);
    send_signal(all[1], Signal::STOP);
    let ended = bench.end();
    let report = report(&ended);
    let why = cells(&report)[0]["failures"][0].as_str().expect("a reason");
    assert!(why.contains("says nothing for"), "{why}");
    all.iter().for_each(|number| await_death(*number));
}

#[test]
fn workers_never_outlive_a_killed_conductor() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = start(folder.path(), &["-m", "pipe", "-p", "throughput", "--duration", "60s"]);
    let all = workers(&mut bench);
    bench.signal(Signal::KILL);
    all.into_iter().for_each(await_death);
}
