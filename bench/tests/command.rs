//! The program from outside: what it prints, and what it does when an end misbehaves.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tamtam-bench"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the program starts")
}

#[test]
fn a_cell_is_measured_and_told_as_json() {
    let cell = "throughput/ipc/64B";
    let output = run(&["--only", cell, "--rounds", "2", "--time", "5", "--no-calls", "--json", "--quiet"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = document["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["cell"], cell);
    for standing in rows[0]["standings"].as_array().expect("standings") {
        assert_eq!(standing["failures"].as_array().map(Vec::len), Some(0), "{standing}");
        assert_eq!(standing["figure"]["rounds"], 2, "{standing}");
        assert!(standing["figure"]["median"].as_f64().is_some_and(|rate| rate > 1000.0), "{standing}");
    }
}

#[test]
fn markdown_has_a_table_and_says_what_is_not_measured() {
    let cell = "latency/inproc/pair/64B";
    let output =
        run(&["--only", cell, "--peer", "tamtam", "--rounds", "1", "--time", "2", "--markdown", "--quiet"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains(
            "| cell | raw | libzmq | tamtam | drop-in, topic | …/tamtam | tamtam/libzmq | bar | met? |"
        ),
        "{text}"
    );
    assert!(text.contains("| latency/inproc/pair/64B"), "{text}");
    assert!(text.contains("## Not measured"), "{text}");
}

#[test]
fn a_name_that_does_not_exist_is_refused() {
    let output = run(&["--only", "no such cell"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--list"));
    assert_eq!(run(&["--no-such-option"]).status.code(), Some(2));
}

#[test]
fn who_cannot_encrypt_is_told_by_name() {
    let cell = "curve/tcp/push-pull/64B";
    let output = run(&["--only", cell, "--rounds", "1", "--time", "5", "--no-calls", "--json", "--quiet"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let peers = document["rivals"].as_array().expect("who was asked");
    let names: Vec<_> = peers.iter().map(|peer| peer["contestant"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["libzmq", "libzmq-system"]);
    let standings = document["rows"][0]["standings"].as_array().expect("standings");
    for peer in peers {
        let measured = standings.iter().any(|standing| standing["contestant"] == peer["contestant"]);
        assert_eq!(measured, peer["state"]["ready"].is_object(), "{peer}");
        assert!(measured || peer["state"]["missing"].is_string(), "{peer}");
    }
    let ours = standings.iter().find(|standing| standing["contestant"] == "tamtam").expect("ours");
    assert!(ours["figure"]["median"].as_f64().is_some_and(|rate| rate > 1000.0), "{ours}");
}

#[test]
fn a_sweep_writes_a_page_and_its_plots() {
    let out = std::env::temp_dir().join(format!("tamtam-bench-sweep-{}", std::process::id()));
    fs::create_dir_all(&out).expect("a folder");
    let folder = out.to_str().expect("its name");
    let mut arguments =
        vec!["sweep", "--out", folder, "--transport", "ipc", "--rounds", "1", "--time", "20", "--quiet"];
    for rate in ["10000", "100000"] {
        arguments.extend(["--rate", rate]);
    }
    let output = run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(out.join("sweep.md")).expect("a page");
    for row in ["| 10k, asleep |", "| 10k, awake |", "| 100k, awake |", "(sweep-cpu-ipc.svg)"] {
        assert!(page.contains(row), "{row} is missing in {page}");
    }
    for plot in ["sweep-latency-ipc.svg", "sweep-cpu-ipc.svg"] {
        let svg = fs::read_to_string(out.join(plot)).expect("a plot");
        assert!(svg.contains("tamtam</text>"), "{svg}");
    }
    fs::remove_dir_all(&out).expect("the folder goes");
    assert_eq!(run(&["sweep", "--rate", "0"]).status.code(), Some(2));
}

#[test]
fn every_subscription_arrives_and_is_measured() {
    let mut libraries = vec!["tamtam"];
    if cfg!(feature = "libzmq") {
        libraries.push("libzmq");
    }
    for library in libraries {
        // More than the high-water marks.
        let case = format!(r#"{{"work":"subscriptions","contestant":"{library}","count":5000}}"#);
        let output = run(&["scale-case", &case]);
        assert!(output.status.success(), "{library}: {}", String::from_utf8_lossy(&output.stderr));
        let figures: Vec<f64> = serde_json::from_slice(&output.stdout).expect("figures");
        assert_eq!(figures.len(), 4, "{library}");
        assert!(figures.iter().all(|figure| *figure > 0.0), "{library}: {figures:?}");
    }
}

#[test]
fn an_end_that_dies_fails_the_cell_and_leaves_nothing_behind() {
    let cell = "latency/ipc/pair/64B";
    let mut bench = command(&[
        "--only",
        cell,
        "--peer",
        "tamtam",
        "--rounds",
        "1",
        "--time",
        "20000",
        "--no-calls",
        "--json",
        "--quiet",
    ])
    .stdout(Stdio::piped())
    .spawn()
    .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut killed = Vec::new();
    // Ends are started anew after each failure, until the program gives this peer up.
    while bench.try_wait().expect("its state").is_none() {
        assert!(Instant::now() < deadline, "the program does not notice that its ends die");
        for end in children(bench.id()) {
            let ended = Command::new("kill").args(["-9", &end.to_string()]).stderr(Stdio::null()).status();
            assert!(ended.is_ok());
            killed.push(end);
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = bench.wait_with_output().expect("its output");
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["rows"][0]["verdict"], "failed");
    let failure = document["rows"][0]["standings"][0]["failures"][0].as_str().expect("a failure");
    assert!(failure.contains("signal: 9"), "{failure}");
    assert!(!killed.is_empty());
    assert!(killed.iter().all(|end| fs::metadata(format!("/proc/{end}")).is_err()), "an end is left behind");
}

fn children(parent: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}
