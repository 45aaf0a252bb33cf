//! Code that only pretends: stubs, tests that do not run, leftovers of debugging.

use super::Finding;
use super::rust_text::{code_of, lines_with};
use super::tree::Tree;

const FORBIDDEN: [(&str, &str); 5] = [
    ("todo!", "a stub"),
    ("unimplemented!", "a stub"),
    ("dbg!", "a leftover of debugging"),
    ("#[ignore", "a test that does not run"),
    ("#[should_panic]", "a test that passes on any panic: name the expected text"),
];

/// Finds them in code; in comments and literals they are words.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = code_of(&file.text);
        for (word, what) in FORBIDDEN {
            findings.extend(
                lines_with(&code, word).map(|line| Finding::new(&file.path, line, format!("{word}: {what}"))),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_found_in_code_only() {
        let source = "// todo!()\nlet x = \"todo!\";\ntodo!()\nnot_todo!()\n#[ignore]\n#[ignore = \"slow\"]\n#[ignored]\n";
        let tree = Tree::of(&[("a.rs", source), ("b.md", "todo!()")]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        let expected = [
            "a.rs:3: todo!: a stub",
            "a.rs:5: #[ignore: a test that does not run",
            "a.rs:6: #[ignore: a test that does not run",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_panic_that_should_come_has_a_text() {
        let tree = Tree::of(&[("a.rs", "#[should_panic(expected = \"x\")]\n#[should_panic]\nfn f() {}")]);
        assert_eq!(check(&tree).iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
