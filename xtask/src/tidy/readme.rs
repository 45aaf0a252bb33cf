//! The README says what is so.

use super::Finding;
use super::dependencies::dependencies_of;
use super::tree::Tree;

const README: &str = "README.md";

/// The example whose code the README shows.
const EXAMPLE: &str = "crates/zmq/examples/barrier.rs";

/// What somebody with a fresh machine is told to type.
const COMMANDS: [&str; 2] = ["$ cargo run --release --bin tamtam -- demo", "$ cargo test --workspace"];

/// The crates that others build: the README lists what they pull in.
const LIBRARIES: [&str; 2] = ["crates/zmtp/Cargo.toml", "crates/zmq/Cargo.toml"];

/// Finds an example that is not the compiled one, missing commands, and dependencies that are kept secret.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(readme) = tree.text(README) else { return vec![Finding::new(README, 1, "is missing")] };
    let mut findings = Vec::new();
    let example = tree.text(EXAMPLE).map(code_below_docs);
    let shown = block(readme, "rust");
    if example.is_none() || shown.as_ref().map(|(_, code)| code.as_str()) != example {
        let line = shown.map_or(1, |(line, _)| line);
        findings.push(Finding::new(README, line, format!("the Rust example is not the code of {EXAMPLE}")));
    }
    for command in COMMANDS {
        if !readme.lines().any(|line| line == command) {
            findings.push(Finding::new(README, 1, format!("the command `{command}` is missing")));
        }
    }
    for path in LIBRARIES {
        for dependency in dependencies_of(tree.text(path).unwrap_or_default()) {
            // What only the model checker sees is not pulled in.
            let is_pulled_in = !dependency.dev && dependency.name != "loom";
            if is_pulled_in && !readme.contains(&format!("`{}`", dependency.name)) {
                let text = format!("says nothing of {}, which {path} pulls in", dependency.name);
                findings.push(Finding::new(README, 1, text));
            }
        }
    }
    findings
}

/// Returns a program without the documentation at its top.
fn code_below_docs(source: &str) -> &str {
    let mut rest = source;
    while let Some((line, behind)) = rest.split_once('\n')
        && (line.starts_with("//!") || line.trim().is_empty())
    {
        rest = behind;
    }
    rest
}

/// Returns the first fenced block in this language, with the number of its first line.
fn block(markdown: &str, language: &str) -> Option<(usize, String)> {
    let fence = format!("```{language}");
    let (_, first) = markdown.lines().zip(1..).find(|(line, _)| *line == fence)?;
    let code = markdown.lines().skip(first).take_while(|line| *line != "```");
    Some((first + 1, code.map(|line| format!("{line}\n")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str =
        "[package]\nname = \"x\"\n[dependencies]\nbytes = \"1\"\n[dev-dependencies]\nzmq = \"1\"\n";

    fn found(readme: &str) -> Vec<String> {
        let example = "//! What it shows.\n\nfn main() {}\n";
        let tree = Tree::of(&[(README, readme), (EXAMPLE, example), ("crates/zmq/Cargo.toml", MANIFEST)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    fn readme(code: &str, rest: &str) -> String {
        let [run, test] = COMMANDS;
        format!("# X\n\n```console\n{run}\n{test}\n```\n\n```rust\n{code}```\n{rest}")
    }

    #[test]
    fn a_true_readme_passes() {
        assert_eq!(found(&readme("fn main() {}\n", "pulls in `bytes`")), [""; 0]);
    }

    #[test]
    fn every_untruth_is_found() {
        assert_eq!(
            found(&readme("fn main() { }\n", "`bytes`")),
            ["README.md:9: the Rust example is not the code of crates/zmq/examples/barrier.rs"]
        );
        assert_eq!(
            found(&readme("fn main() {}\n", "nothing")),
            ["README.md:1: says nothing of bytes, which crates/zmq/Cargo.toml pulls in"]
        );
        assert_eq!(found("").len(), 4);
        assert_eq!(check(&Tree::of(&[])), [Finding::new(README, 1, "is missing")]);
    }
}
