//! Which of our crates may depend on which: one way only.

use super::Finding;
use super::tree::Tree;

/// Each crate of the workspace with those of our crates that it may use. Tests may use [`FOR_TESTS`] as well.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("tamtam-zmtp", &[]),
    ("tamtam-ipc", &[]),
    ("tamtam-ipc-bench", &["tamtam-ipc", "tamtam-zmq", "tamtam"]),
    ("tamtam-zmq", &["tamtam-zmtp"]),
    ("tamtam-costs", &["tamtam-zmq"]),
    ("tamtam-soak", &["tamtam-zmq"]),
    ("tamtam-libzmq", &["tamtam-zmq"]),
    ("tamtam", &["tamtam-zmq"]),
    ("tamtam-build", &[]),
    ("tamtam-examples", &["tamtam", "tamtam-build"]),
    ("tamtam-bag", &["tamtam"]),
    ("tamtam-bridge", &["tamtam"]),
    ("tamtam-testkit", &["tamtam-zmtp", "tamtam-zmq"]),
    (
        "tamtam-cli",
        &[
            "tamtam-zmq",
            "tamtam",
            "tamtam-build",
            "tamtam-bag",
            "tamtam-bridge",
            "tamtam-ipc",
            "tamtam-ipc-bench",
            "tamtam-libzmq",
        ],
    ),
    ("xtask", &[]),
];

const FOR_TESTS: &str = "tamtam-testkit";

/// What a manifest says that a package depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
    /// Only the package's own tests, examples and benchmarks see it.
    pub(crate) dev: bool,
}

/// Finds dependencies against the direction, and crates that have no place in it.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.iter().filter(|file| {
        file.path == "xtask/Cargo.toml"
            || file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml")
    });
    let mut findings = Vec::new();
    for file in manifests {
        let package = package_of(&file.text);
        let Some((name, allowed)) = ALLOWED.iter().find(|(name, _)| Some(*name) == package) else {
            findings.push(Finding::new(
                &file.path,
                1,
                "a crate without a place in xtask's table of dependencies",
            ));
            continue;
        };
        for dependency in dependencies_of(&file.text) {
            let ours = dependency.name == "tamtam" || dependency.name.starts_with("tamtam-");
            let for_tests = dependency.dev && dependency.name == FOR_TESTS;
            if ours && !for_tests && !allowed.contains(&dependency.name) {
                let text =
                    format!("{name} must not depend on {}: dependencies point one way", dependency.name);
                findings.push(Finding::new(&file.path, dependency.line, text));
            }
        }
    }
    findings
}

/// Returns the package's name.
fn package_of(manifest: &str) -> Option<&str> {
    let behind = manifest.split_once("[package]")?.1;
    let line = behind.lines().find(|line| line.trim_start().starts_with("name"))?;
    line.split('"').nth(1)
}

/// Lists what the manifest depends on. Reads what is written in this tree, not all that TOML can express: one
/// dependency a line, or a table of its own.
pub(crate) fn dependencies_of(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut section = None;
    for (line, number) in manifest.lines().zip(1..) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            section = section_of(header).map(|(dev, _)| dev);
            if let Some((dev, Some(name))) = section_of(header) {
                found.push(Dependency { name, line: number, dev });
                section = None;
            }
        } else if let Some(dev) = section
            && let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#'))
        {
            let key = key.split('.').next().unwrap_or(key).trim().trim_matches('"');
            let renamed = value.split_once("package").and_then(|(_, behind)| behind.split('"').nth(1));
            found.push(Dependency { name: renamed.unwrap_or(key), line: number, dev });
        }
    }
    found
}

/// Takes a table's header apart: whether it is about tests only, and the dependency's name if it is about one.
fn section_of(header: &str) -> Option<(bool, Option<&str>)> {
    for (kind, dev) in [("dev-dependencies", true), ("build-dependencies", false), ("dependencies", false)] {
        let Some((before, after)) = header.rsplit_once(kind) else { continue };
        let whole = before.is_empty() || before.ends_with('.') && before.starts_with("target.");
        return match after.strip_prefix('.') {
            Some(name) if whole => Some((dev, Some(name))),
            None if whole && after.is_empty() => Some((dev, None)),
            _ => None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(manifest: &str) -> Vec<(&str, bool)> {
        dependencies_of(manifest).into_iter().map(|found| (found.name, found.dev)).collect()
    }

    #[test]
    fn every_way_to_write_a_dependency_is_read() {
        let manifest = r#"
[package]
name = "x"
version = "1"
[dependencies]
a = "1" # comment
b.workspace = true
c = { version = "1", features = ["x"] }
# d = "1"
"e" = "1"
f = { package = "real-f", version = "1" }
[target.'cfg(loom)'.dependencies]
g = "1"
[dev-dependencies]
h = "1"
[dependencies.i]
version = "1"
[target.'cfg(unix)'.dev-dependencies.j]
version = "1"
[features]
k = []
[lints]
workspace = true
"#;
        let normal = ["a", "b", "c", "e", "real-f", "g"].map(|name| (name, false));
        assert_eq!(names(manifest), [&normal[..], &[("h", true), ("i", false), ("j", true)]].concat());
        assert_eq!(package_of(manifest), Some("x"));
    }

    #[test]
    fn the_workspace_table_is_no_dependency_of_a_package() {
        assert_eq!(names("[workspace.dependencies]\na = \"1\"\n[profile.release]\nlto = true"), []);
    }

    #[test]
    fn dependencies_against_the_direction_are_found() {
        let zmtp =
            "[package]\nname = \"tamtam-zmtp\"\n[dependencies]\nbytes = \"1\"\ntamtam-zmq.workspace = true\n";
        let zmq = "[package]\nname = \"tamtam-zmq\"\n[dependencies]\ntamtam-zmtp.workspace = true\n[dev-dependencies]\ntamtam-testkit.workspace = true\n";
        let other = "[package]\nname = \"tamtam-other\"\n";
        let tree = Tree::of(&[
            ("crates/other/Cargo.toml", other),
            ("crates/zmq/Cargo.toml", zmq),
            ("crates/zmtp/Cargo.toml", zmtp),
            ("bench/Cargo.toml", zmtp),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        let expected = [
            "crates/other/Cargo.toml:1: a crate without a place in xtask's table of dependencies",
            "crates/zmtp/Cargo.toml:5: tamtam-zmtp must not depend on tamtam-zmq: dependencies point one way",
        ];
        assert_eq!(found, expected);
    }
}
