//! The guides for those who come from other systems: their Rust code is compiled and run here, and is what they show.

#[path = "guides/asio.rs"]
mod asio;
#[path = "guides/ros.rs"]
mod ros;
#[path = "guides/shared_memory.rs"]
mod shared_memory;
#[path = "guides/zeromq.rs"]
mod zeromq;

use std::time::Duration;

use tamtam::{Node, NodeBuilder};

const PATIENCE: Duration = Duration::from_secs(20);

/// A registry of one test's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap())
    }

    fn builder(&self, name: &str) -> NodeBuilder {
        Node::builder(name).domain("guides").directory(self.0.path())
    }

    fn node(&self, name: &str) -> Node {
        self.builder(name).open().unwrap()
    }

    /// An endpoint that nobody else has.
    fn endpoint(&self, name: &str) -> String {
        format!("ipc://{}", self.0.path().join(name).display())
    }
}

/// Returns what stands in a guide's blocks of Rust code, except those marked `ignore`.
fn blocks(guide: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in guide.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language == "rust", String::new())),
            (None, None) => {}
            (Some(_), Some(_)) => {
                blocks.extend(open.take().filter(|(is_rust, _)| *is_rust).map(|(_, text)| text))
            }
            (Some((_, text)), None) => text.extend([line, "\n"]),
        }
    }
    assert!(open.is_none(), "a block does not end");
    blocks
}

/// Returns what stands between `// region: name` and `// endregion` in a source.
fn regions(source: &str) -> Vec<String> {
    let mut regions = Vec::new();
    let mut open: Option<String> = None;
    for line in source.lines() {
        if line.starts_with("// region: ") {
            assert!(open.replace(String::new()).is_none(), "a region in a region: {line}");
        } else if line == "// endregion" {
            regions.extend(open.take());
        } else if let Some(text) = &mut open {
            text.extend([line, "\n"]);
        }
    }
    assert!(open.is_none(), "a region does not end");
    regions
}

fn check(guide: &str, source: &str) {
    let (shown, run) = (blocks(guide), regions(source));
    assert!(!shown.is_empty(), "the guide shows no code");
    for block in &shown {
        assert!(run.contains(block), "the guide shows what is not run:\n{block}");
    }
    for region in &run {
        assert!(shown.contains(region), "the guide does not show:\n{region}");
    }
}

#[test]
fn the_guides_show_the_code_that_is_run() {
    check(include_str!("../../../docs/from-zeromq.md"), include_str!("guides/zeromq.rs"));
    check(include_str!("../../../docs/from-ros.md"), include_str!("guides/ros.rs"));
    check(include_str!("../../../docs/from-asio.md"), include_str!("guides/asio.rs"));
    check(include_str!("../../../docs/from-shared-memory.md"), include_str!("guides/shared_memory.rs"));
}

#[test]
fn only_blocks_of_rust_that_are_not_ignored_are_looked_at() {
    let guide = "a\n```rust\nlet a;\n```\n```cpp\nint a;\n```\n```rust,ignore\nlet b;\n```\n";
    assert_eq!(blocks(guide), ["let a;\n"]);
    assert_eq!(regions("// region: a\nlet a;\n// endregion\nlet b;\n"), ["let a;\n"]);
}
