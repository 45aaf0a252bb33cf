//! Pauses hide races: a test waits for an event or moves a virtual clock. What has to pause is on a list, with its reason.
//! The benchmark is left alone: it waits for processes of others.

use super::Finding;
use super::rust_text::{code_of, lines_with};
use super::tree::Tree;

/// Files that may call `sleep`, and why nothing else will do.
const LISTED: [(&str, &str); 5] = [
    ("crates/libzmq/src/stopwatch.rs", "zmq_sleep is asked for a pause"),
    (
        "crates/zmq/src/sys/ipc.rs",
        "waits for another process's short lock on a file, which cannot be waited for",
    ),
    ("crates/cli/src/stop.rs", "gives the command a moment to end by itself after a signal"),
    (
        "crates/cli/src/demo/crew.rs",
        "asks whether a child has ended: the standard library cannot wait with a limit",
    ),
    ("crates/cli/tests/edge/process.rs", "asks whether a child has ended, or what it has printed so far"),
];

/// Finds pauses that are not listed, and entries of the list that are not needed any more.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    check_against(tree, &LISTED)
}

fn check_against(tree: &Tree, listed: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = Vec::new();
    for file in tree.rust().filter(|file| !file.path.starts_with("bench/")) {
        let code = code_of(&file.text);
        let lines: Vec<usize> = lines_with(&code, "sleep(").collect();
        if lines.is_empty() {
            continue;
        }
        if listed.iter().any(|(path, _)| *path == file.path) {
            used.push(file.path.as_str());
            continue;
        }
        let text = "a sleep that is not on the list in xtask/src/tidy/sleeps.rs: wait for an event instead";
        findings.extend(lines.into_iter().map(|line| Finding::new(&file.path, line, text)));
    }
    let unused = listed.iter().filter(|(path, _)| !used.contains(path));
    findings.extend(unused.map(|(path, _)| Finding::new(path, 1, "listed as sleeping, and does not")));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_to_be_listed() {
        let sleeps =
            "fn f() {\n    thread::sleep(PAUSE);\n    // sleep(1)\n    tokio::time::sleep(PAUSE).await;\n}\n";
        let tree = Tree::of(&[("a.rs", sleeps), ("b.rs", sleeps), ("c.rs", "fn f() { sleep_until(x) }")]);
        let found: Vec<_> = check_against(&tree, &[("b.rs", "reason"), ("c.rs", "none")])
            .into_iter()
            .map(|f| (f.path, f.line))
            .collect();
        assert_eq!(found, [("a.rs".to_owned(), 2), ("a.rs".to_owned(), 4), ("c.rs".to_owned(), 1)]);
    }
}
