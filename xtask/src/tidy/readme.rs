//! The README says what is so.

use super::Finding;
use super::dependencies::dependencies_of;
use super::tree::Tree;

const README: &str = "README.md";

/// The examples whose code the README shows.
const EXAMPLES: [&str; 4] = [
    "crates/zmq/examples/barrier.rs",
    "examples/topics/build.rs",
    "examples/topics/examples/publisher.rs",
    "examples/topics/examples/subscriber.rs",
];

/// What somebody with a fresh machine is told to type.
const COMMANDS: [&str; 2] = ["$ cargo run --release --bin tamtam -- demo", "$ cargo test --workspace"];

/// The crates that others build: the README lists what they pull in.
const LIBRARIES: [&str; 2] = ["crates/zmtp/Cargo.toml", "crates/zmq/Cargo.toml"];

/// Finds an example that is not the compiled one, missing commands, and dependencies that are kept secret.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(readme) = tree.text(README) else { return vec![Finding::new(README, 1, "is missing")] };
    let mut findings = Vec::new();
    let shown = blocks(readme, "rust");
    for path in EXAMPLES {
        let example = tree.text(path).map(code_below_docs);
        if !shown.iter().any(|code| Some(code.as_str()) == example) {
            findings.push(Finding::new(README, 1, format!("no Rust example is the code of {path}")));
        }
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

/// Returns the fenced blocks in this language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut lines = markdown.lines();
    let mut blocks = Vec::new();
    while lines.any(|line| line == fence) {
        let code = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(code.map(|line| format!("{line}\n")).collect());
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str =
        "[package]\nname = \"x\"\n[dependencies]\nbytes = \"1\"\n[dev-dependencies]\nzmq = \"1\"\n";

    fn found(readme: &str) -> Vec<String> {
        let example = "//! What it shows.\n\nfn main() {}\n";
        let mut files = vec![(README, readme), ("crates/zmq/Cargo.toml", MANIFEST)];
        files.extend(EXAMPLES.map(|path| (path, example)));
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
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
            EXAMPLES.map(|path| format!("README.md:1: no Rust example is the code of {path}"))
        );
        assert_eq!(
            found(&readme("fn main() {}\n", "nothing")),
            ["README.md:1: says nothing of bytes, which crates/zmq/Cargo.toml pulls in"]
        );
        assert_eq!(found("").len(), 7);
        assert_eq!(check(&Tree::of(&[])), [Finding::new(README, 1, "is missing")]);
    }
}
