//! A file that outgrows its bound usually holds two nouns.

use super::Finding;
use super::tree::Tree;

/// Lines of a source file at most.
const LINES_MAX: usize = 1000;

/// What source files end with.
const SOURCES: [&str; 5] = [".rs", ".h", ".c", ".cpp", ".py"];

/// Finds source files that are too long.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let long = |path: &str, lines| {
        Finding::new(
            path,
            LINES_MAX + 1,
            format!("{lines} lines, at most {LINES_MAX}: does it hold two nouns?"),
        )
    };
    tree.iter()
        .filter(|file| SOURCES.iter().any(|ending| file.path.ends_with(ending)))
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| long(&file.path, lines))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_lines_are_allowed() {
        let (fits, long) = ("x\n".repeat(1000), "x\n".repeat(1001));
        let tree =
            Tree::of(&[("a.rs", &fits), ("b.rs", &long), ("c.md", &long), ("d.h", &fits), ("e.h", &long)]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        let expected = ["b.rs", "e.h"]
            .map(|path| format!("{path}:1001: 1001 lines, at most 1000: does it hold two nouns?"));
        assert_eq!(found, expected);
    }
}
